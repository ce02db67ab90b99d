// SPDX-License-Identifier: Apache-2.0
#include "control/trace.hpp"

#include <algorithm>
#include <cerrno>
#include <optional>

#include <fmt/format.h>

#include "bridge/flow_tables.hpp"
#include "control/odp_flow.hpp"
#include "control/trace_compose.hpp"
#include "control/trace_tree.hpp"
#include "flow/action_text.hpp"
#include "flow/match_text.hpp"
#include "packet/pool.hpp"
#include "pipeline/executor.hpp"
#include "proto/openflow/codec.hpp"

namespace sluice {

namespace {

struct Request {
    SwitchBridge* owner = nullptr;
    FlowKey flow;
    std::optional<std::vector<std::uint8_t>> packet;
    bool sent = false;  ///< there is a packet, given or made from the flow: packet-ins would be sent
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

/// The arguments that are not options, and what the options say.
struct Arguments {
    std::vector<std::string> words;
    bool generate = false, consistent = false, names = false;
};

Result<void> check_ct_state(std::string_view list) {
    constexpr std::string_view kFlags[] = {"new", "est", "rel", "rpl", "inv", "trk", "snat", "dnat"};
    while (!list.empty()) {
        const auto end = std::min(list.find(','), list.size());
        const auto word = list.substr(0, end);
        if (std::find(std::begin(kFlags), std::end(kFlags), word) == std::end(kFlags))
            return make_error(EINVAL, "{}: unknown connection tracking state flag", word);
        list.remove_prefix(std::min(end + 1, list.size()));
    }
    return {};
}

Result<Arguments> parse_arguments(const std::vector<std::string>& arguments, bool packet_out) {
    Arguments out;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string& word = arguments[i];
        if (word == "-generate" || word == "--generate") {
            out.generate = true;
        } else if (packet_out && (word == "-consistent" || word == "--consistent")) {
            out.consistent = true;
        } else if (word == "--names") {
            out.names = true;
        } else if (word == "--ct-next" || word == "--l7" || word == "--l7-len") {
            if (++i == arguments.size()) return make_error(EINVAL, "Missing argument for option {}", word);
            if (word == "--ct-next") {
                if (auto ok = check_ct_state(arguments[i]); !ok) return ok.error();
            }
        } else if (word.starts_with('-')) {
            return make_error(EINVAL, "{}: unknown option", word);
        } else if (out.words.size() == (packet_out ? 4 : 3)) {
            return make_error(EINVAL, "too many arguments");
        } else {
            out.words.push_back(word);
        }
    }
    return out;
}

Result<Request> parse_request(Switch& target, const Arguments& arguments) {
    const std::vector<std::string>& words = arguments.words;
    if (words.empty()) return make_error(EINVAL, "a flow is needed: ofproto/trace bridge flow");
    const bool odp_first = looks_like_odp(words[0]);
    if (words.size() == 1 && !odp_first) {
        return make_error(EINVAL, "syntax error at {} (or the bridge name was omitted)", words[0]);
    }
    const std::size_t flow_at = odp_first ? 0 : 1;
    const bool has_packet = words.size() > flow_at + 1;
    if (words.size() > flow_at + 2 || (has_packet && arguments.generate))
        return make_error(EINVAL, "Syntax error");
    Request request;
    request.sent = has_packet || arguments.generate;
    if (has_packet) {
        auto packet = parse_packet(words[flow_at + 1]);
        if (!packet) return packet.error();
        request.packet = *packet;
    }
    if (looks_like_odp(words[flow_at])) {
        const bool known = odp_first || words[0] == "ovs-netdev" || words[0] == "ovs-dummy" ||
                           words[0] == "netdev@ovs-netdev" || words[0] == "dummy@ovs-dummy" ||
                           target.find_bridge(words[0]) != nullptr;
        if (!known) return make_error(ENODEV, "Cannot find the datapath");
        auto odp = parse_odp(target, words[flow_at]);
        if (!odp) return odp.error();
        request.owner = odp->owner;
        request.flow = odp->flow;
        return request;
    }
    request.owner = target.find_bridge(words[0]);
    if (!request.owner) return make_error(ENODEV, "{}: unknown bridge", words[0]);
    const BridgePortNames names(*request.owner->bridge);
    auto flow = parse_flow(words[1], &names, &request.owner->bridge->tlv_table().table());
    if (!flow) return make_error(EINVAL, "Bad openflow flow syntax: {}: {}", words[1], flow.error().message);
    request.flow = *flow;
    return request;
}

/// The actions of trace-packet-out, as they would be taken for a packet of the flow.
Result<std::unique_ptr<pipeline::ActionProgram>> compile_actions(const Request& request,
                                                                 const std::string& text, bool consistent) {
    const BridgePortNames names(*request.owner->bridge);
    auto actions = parse_actions(text, &names);
    if (!actions) return actions.error();
    Match match;
    match.value = request.flow;
    for (auto& word : match.mask.word)
        word = ~std::uint64_t{0};
    match.mask.set(key::kDpHash, 0), match.mask.set(key::kRecircId, 0);
    for (const FieldLoc tracked : {key::kCtSrc, key::kCtDst, key::kCtIpv6Src, key::kCtIpv6Dst})
        match.mask.set_wide(tracked, {});  // what a packet has of them needs no match on its protocol
    openflow::ActionCheck limits;
    limits.version = consistent ? openflow::Version::k13 : openflow::Version::k10;
    limits.n_tables = pipeline::kMaxTables;
    if (auto refusal = openflow::check_actions(*actions, match, limits))
        return make_error(EINVAL, "Bad actions: {}", openflow::error_name(refusal->code));
    return pipeline::compile(*actions, request.owner->bridge->flows().tun_table());
}

/// Traces with `actions`, or from table 0.
Result<std::string> run_trace(Switch& target, const Request& request, const pipeline::ActionProgram* actions,
                              bool with_names) {
    const auto bytes = request.packet ? *request.packet : compose_packet(request.flow);
    Packet* packet = packet_from_bytes(bytes);
    if (!packet) return make_error(ENOMEM, "no packet buffer is free");
    const FlowKey& flow = request.flow;
    const auto in_port = OfPort{static_cast<std::uint32_t>(flow.get(key::kInPort))};

    TraceTree tree(target, {with_names, request.sent});
    target.datapath().control_executor().trace(request.owner->bridge->index(), in_port, packet, &flow,
                                               actions, tree);
    // What was asked for is what is printed, even where no packet can say it (a type of 0, say).
    const FlowKey& shown = request.packet ? tree.first_key() : flow;
    FlowKey final_key = shown;
    for (unsigned i = 0; i < kKeyWords; ++i) {
        const auto changed = tree.first_key().word[i] ^ tree.last_key().word[i];
        final_key.word[i] = (shown.word[i] & ~changed) | (tree.last_key().word[i] & changed);
    }
    const BridgePortNames ports(*request.owner->bridge);
    const PortNames* names = with_names ? &ports : nullptr;
    const TunTable* tun = request.owner->bridge->flows().tun_table();
    std::string out = fmt::format("Flow: {}\n", format_flow(shown, names, tun));
    out += tree.format_steps();
    out += fmt::format("\nFinal flow: {}\n",
                       final_key == shown ? "unchanged" : format_flow(final_key, names, tun));
    out += fmt::format("Megaflow: recirc_id=0,eth,{}\n", format_match(tree.megaflow(shown), names, tun));
    out += fmt::format("Datapath actions: {}", tree.format_datapath_actions());
    return out;
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
    auto parsed = parse_arguments(arguments, false);
    if (!parsed) return parsed.error();
    auto request = parse_request(target, *parsed);
    if (!request) return request.error();
    return run_trace(target, *request, nullptr, parsed->names);
}

Result<std::string> trace_packet_out_command(Switch& target, const std::vector<std::string>& arguments) {
    auto parsed = parse_arguments(arguments, true);
    if (!parsed) return parsed.error();
    if (parsed->words.empty()) return make_error(EINVAL, "actions are needed");
    const std::string actions = parsed->words.back();
    parsed->words.pop_back();
    auto request = parse_request(target, *parsed);
    if (!request) return request.error();
    auto program = compile_actions(*request, actions, parsed->consistent);
    if (!program) return program.error();
    return run_trace(target, *request, program->get(), parsed->names);
}

}  // namespace sluice
