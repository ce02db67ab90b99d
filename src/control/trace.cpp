// SPDX-License-Identifier: Apache-2.0
#include "control/trace.hpp"

#include <cerrno>
#include <optional>

#include <fmt/format.h>

#include "control/odp_flow.hpp"
#include "control/trace_compose.hpp"
#include "control/trace_tree.hpp"
#include "flow/match_text.hpp"
#include "packet/pool.hpp"
#include "pipeline/executor.hpp"

namespace sluice {

namespace {

struct Request {
    SwitchBridge* owner = nullptr;
    FlowKey flow;
    std::optional<std::vector<std::uint8_t>> packet;
};

Result<std::vector<std::uint8_t>> parse_packet(const std::string& text) {
    const auto bytes = text::parse_hex_bytes(text);
    if (!bytes) return make_error(EINVAL, "Trailing garbage in packet data");
    if (bytes->size() > kMaxFrameBytes) {
        return make_error(EMSGSIZE, "packet of {} bytes is longer than {}", bytes->size(), kMaxFrameBytes);
    }
    return std::vector<std::uint8_t>(bytes->begin(), bytes->end());
}

bool looks_like_odp(std::string_view flow) {
    return flow.find("in_port(") != std::string_view::npos ||
           flow.find("eth_type(") != std::string_view::npos ||
           flow.find("recirc_id(") != std::string_view::npos;
}

Result<Request> parse_odp(Switch& target, const std::string& odp) {
    auto parsed = parse_odp_flow(odp);
    if (!parsed) return make_error(EINVAL, "Bad datapath flow syntax: {}", parsed.error().message);
    const std::string& port_text = parsed->in_port;
    if (port_text.empty())
        return make_error(EINVAL, "Can't find bridge of the flow: it names no in_port(...)");
    SwitchPort* port = nullptr;
    if (const auto number = text::parse_number(port_text);
        number && number->lo > 0 && number->lo <= kMaxPorts) {
        port = target.find_port(PortIndex{static_cast<std::uint16_t>(number->lo - 1)});
    } else {
        port = target.find_port(port_text);
    }
    if (!port || !port->attached()) {
        return make_error(ENODEV, "Invalid datapath flow: no datapath port {} (dpctl/show lists them)",
                          port_text);
    }
    Request request;
    request.owner = target.find_bridge(port->bridge);
    request.flow = parsed->key;
    request.flow.set(key::kInPort, to_int(port->number));
    return request;
}

Result<Request> parse_request(Switch& target, const std::vector<std::string>& arguments) {
    std::vector<std::string> words;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        if (arguments[i] == "--ct-next" || arguments[i] == "-ct-next") {
            ++i;
        } else if (arguments[i] != "-generate" && arguments[i] != "--generate" &&
                   arguments[i] != "-consistent" && arguments[i] != "--consistent" &&
                   arguments[i] != "--l7" && arguments[i] != "--l7-len") {
            words.push_back(arguments[i]);
        }
    }
    if (words.empty()) return make_error(EINVAL, "a flow is needed: ofproto/trace bridge flow");
    const bool odp_first = looks_like_odp(words[0]);
    if (words.size() == 1 && !odp_first) {
        return make_error(EINVAL, "syntax error at {} (or the bridge name was omitted)", words[0]);
    }
    const std::size_t flow_at = odp_first ? 0 : 1;
    if (words.size() > flow_at + 2) return make_error(EINVAL, "too many arguments after the packet");
    Request request;
    if (looks_like_odp(words[flow_at])) {
        auto odp = parse_odp(target, words[flow_at]);
        if (!odp) return odp.error();
        request = *odp;
    } else {
        request.owner = target.find_bridge(words[0]);
        if (!request.owner) return make_error(ENODEV, "{}: unknown bridge", words[0]);
        const BridgePortNames names(*request.owner->bridge);
        auto flow = parse_flow(words[1], &names);
        if (!flow) {
            return make_error(EINVAL, "Bad openflow flow syntax: {}: {}", words[1], flow.error().message);
        }
        request.flow = *flow;
    }
    if (words.size() > flow_at + 1) {
        auto packet = parse_packet(words[flow_at + 1]);
        if (!packet) return packet.error();
        request.packet = *packet;
    }
    return request;
}

}  // namespace

std::optional<OfPort> BridgePortNames::find_port(std::string_view name) const {
    const auto* port = bridge_.port(name);
    return port ? std::optional(port->number) : std::nullopt;
}

std::string BridgePortNames::port_name(OfPort number) const {
    const auto* port = bridge_.port(number);
    return port ? port->name : std::string();
}

Result<std::string> trace_command(Switch& target, const std::vector<std::string>& arguments) {
    auto request = parse_request(target, arguments);
    if (!request) return request.error();
    const auto bytes = request->packet ? *request->packet : compose_packet(request->flow);
    Packet* packet = packet_from_bytes(bytes);
    if (!packet) return make_error(ENOMEM, "no packet buffer is free");
    const FlowKey& flow = request->flow;
    const auto in_port = OfPort{static_cast<std::uint32_t>(flow.get(key::kInPort))};

    TraceTree tree(target);
    target.datapath().control_executor().trace(request->owner->bridge->index(), in_port, packet, &flow,
                                               nullptr, tree);
    // What was asked for is what is printed, even where no packet can say it (a type of 0, say).
    const FlowKey& shown = request->packet ? tree.first_key() : flow;
    FlowKey final_key = shown;
    for (unsigned i = 0; i < kKeyWords; ++i) {
        const auto changed = tree.first_key().word[i] ^ tree.last_key().word[i];
        final_key.word[i] = (shown.word[i] & ~changed) | (tree.last_key().word[i] & changed);
    }
    std::string out = fmt::format("Flow: {}\n", format_flow(shown));
    out += tree.format_steps();
    out += fmt::format("\nFinal flow: {}\n", final_key == shown ? "unchanged" : format_flow(final_key));
    out += fmt::format("Megaflow: recirc_id=0,eth,{}\n", format_match(tree.megaflow(shown)));
    out += fmt::format("Datapath actions: {}", tree.format_datapath_actions());
    return out;
}

}  // namespace sluice
