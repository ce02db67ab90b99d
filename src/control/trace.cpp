// SPDX-License-Identifier: Apache-2.0
#include "control/trace.hpp"

#include <algorithm>
#include <cerrno>
#include <deque>
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
    std::vector<std::uint64_t> ct_next;  ///< ct_state after the first ct action, the second, ...
};

std::string format_ct_state(std::uint64_t state) {
    std::string out;
    for (const text::FlagName& flag : text::ct_state_names()) {
        if ((state & flag.bit) == 0) continue;
        if (!out.empty()) out += '|';
        out += flag.name;
    }
    return out.empty() ? "0" : out;
}

/// "trk,new": ct_state of --ct-next, with the rules that the tracker keeps to.
Result<std::uint64_t> parse_ct_state(std::string_view list) {
    constexpr std::uint64_t kNew = 1, kEst = 2, kRpl = 8, kInv = 0x10, kTrk = 0x20;
    const auto names = text::ct_state_names();
    std::uint64_t state = 0;
    while (!list.empty()) {
        const auto end = std::min(list.find_first_of(", "), list.size());
        const auto word = list.substr(0, end);
        list.remove_prefix(std::min(end + 1, list.size()));
        if (word.empty()) continue;
        const auto flag =
            std::find_if(names.begin(), names.end(), [&](const auto& n) { return n.name == word; });
        if (flag == names.end())
            return make_error(EINVAL, "{}: unknown connection tracking state flag", word);
        state |= flag->bit;
    }
    const auto refuse = [&](std::string_view why) {
        return make_error(EINVAL, "{}: invalid connection state: {}", format_ct_state(state), why);
    };
    if (state != 0 && !(state & kTrk)) return refuse("If \"trk\" is unset, no other flags are set");
    if ((state & kInv) && (state & ~(kTrk | kInv)))
        return refuse("when \"inv\" is set, only \"trk\" may also be set");
    if ((state & kNew) && (state & kEst)) return refuse("\"new\" and \"est\" are mutually exclusive");
    if ((state & kNew) && (state & kRpl)) return refuse("\"new\" and \"rpy\" are mutually exclusive");
    return state;
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
                auto state = parse_ct_state(arguments[i]);
                if (!state) return state.error();
                out.ct_next.push_back(*state);
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

/// Everything below the title of one walk. `shown` is how the packet began; what was asked for is printed,
/// even where no packet can say it (a type of 0, say).
std::string describe_walk(const SwitchBridge& owner, const TraceTree& tree, const FlowKey& shown,
                          bool with_names) {
    FlowKey final_key = shown;
    for (unsigned i = 0; i < kKeyWords; ++i) {
        const auto changed = tree.first_key().word[i] ^ tree.last_key().word[i];
        final_key.word[i] = (shown.word[i] & ~changed) | (tree.last_key().word[i] & changed);
    }
    const BridgePortNames ports(*owner.bridge);
    const PortNames* names = with_names ? &ports : nullptr;
    const TunTable* tun = owner.bridge->flows().tun_table();
    std::string out = fmt::format("Flow: {}\n", format_flow(shown, names, tun));
    out += tree.format_steps();
    out += fmt::format("\nFinal flow: {}\n",
                       final_key == shown ? "unchanged" : format_flow(final_key, names, tun));
    out += fmt::format("Megaflow: {}\n", format_match(tree.megaflow(shown), names, tun));
    out += fmt::format("Datapath actions: {}", tree.format_datapath_actions());
    if (!tree.failure().empty())
        out += fmt::format("\nTranslation failed ({}), packet is dropped.", tree.failure());
    return out;
}

/// A fork that waits, and how its packet is to be shown.
struct Waiting {
    TraceTree::Fork fork;
    FlowKey shown;
};

void add_forks(TraceTree& tree, const FlowKey& shown, std::deque<Waiting>& waiting) {
    for (TraceTree::Fork& fork : tree.forks()) {
        Waiting next{std::move(fork), shown};
        for (unsigned i = 0; i < kKeyWords; ++i) {
            const auto changed = tree.first_key().word[i] ^ next.fork.packet.key.word[i];
            next.shown.word[i] = (shown.word[i] & ~changed) | (next.fork.packet.key.word[i] & changed);
        }
        waiting.push_back(std::move(next));
    }
    tree.forks().clear();
}

constexpr std::size_t kMaxForks = 64;  // ct can send a packet back to where it came from

std::string describe_ends(const FlowKey& key, const NatAction& nat) {
    if (!nat.ip_min) return {};
    const auto end = [&](FieldLoc ipv4, FieldLoc ipv6) {
        return nat.ipv6 ? "[" + text::format_ipv6(key.get_wide(ipv6)) + "]"
                        : text::format_ipv4(static_cast<std::uint32_t>(key.get(ipv4)));
    };
    const char* name = nat.ipv6 ? "ipv6" : "nw";
    return fmt::format("{0}_src={1},tp_src={2},{0}_dst={3},tp_dst={4}", name,
                       end(key::kIpv4Src, key::kIpv6Src), key.get(key::kTpSrc),
                       end(key::kIpv4Dst, key::kIpv6Dst), key.get(key::kTpDst));
}

/// As OVS shows translation: the packet gets the first address and port of the range.
void translate(FlowKey& key, const NatAction& nat) {
    if (!nat.ip_min || !(nat.src || nat.dst)) return;
    if (nat.ipv6)
        key.set_wide(nat.src ? key::kIpv6Src : key::kIpv6Dst, *nat.ip_min);
    else
        key.set(nat.src ? key::kIpv4Src : key::kIpv4Dst, nat.ip_min->lo);
    if (nat.port_min) key.set(nat.src ? key::kTpSrc : key::kTpDst, *nat.port_min);
}

/// What comes after ct actions, one fork after the other.
Result<std::string> trace_forks(Switch& target, std::deque<Waiting> waiting, const Arguments& options,
                                std::uint32_t& recirculations, bool sent) {
    constexpr std::uint64_t kTracked = 0x20, kNew = 0x01;
    const std::string line(79, '=');
    std::string out;
    for (std::size_t n = 0; !waiting.empty(); ++n) {
        if (n == kMaxForks)
            return out + fmt::format("\n\nmore than {} packets were forked, the rest is left out", kMaxForks);
        Waiting next = std::move(waiting.front());
        waiting.pop_front();
        const bool asked = n < options.ct_next.size();
        const std::uint64_t state = asked ? options.ct_next[n] : kTracked | kNew;
        next.fork.packet.key.set(key::kCtState, state);
        next.shown.set(key::kCtState, state);
        next.shown.set(key::kRecircId, next.fork.id);
        std::string how = asked ? fmt::format("ct_state={}", format_ct_state(state))
                                : std::string("default ct_state=trk|new (use --ct-next to customize)");
        if (const NatAction* nat = next.fork.nat) {
            how += fmt::format("\nReplacing src/dst IP/ports to simulate NAT:\n Initial flow: {}\n",
                               describe_ends(next.shown, *nat));
            translate(next.shown, *nat);
            translate(next.fork.packet.key, *nat);
            if (nat->ip_min) next.fork.packet.packet = compose_packet(next.fork.packet.key);
            how += fmt::format(" Modified flow: {}", describe_ends(next.shown, *nat));
        }
        out += fmt::format("\n\n{0}\nrecirc({1:#x}) - resume conntrack with {2}\n{0}\n\n", line, next.fork.id,
                           how);
        Packet* packet = packet_from_bytes(next.fork.packet.packet);
        const SwitchBridge* owner = target.find_bridge(next.fork.packet.bridge);
        if (!packet || !owner) return make_error(ENOMEM, "no packet buffer is free");
        TraceTree tree(target, {options.names, sent});
        tree.resume(next.fork.id, next.fork.packet.table);
        tree.count_recirculations(recirculations);
        target.datapath().control_executor().trace_fork(next.fork.packet, packet, tree);
        out += describe_walk(*owner, tree, next.shown, options.names);
        add_forks(tree, next.shown, waiting);
    }
    return out;
}

/// Traces with `actions`, or from table 0.
Result<std::string> run_trace(Switch& target, const Request& request, const pipeline::ActionProgram* actions,
                              const Arguments& options) {
    const auto bytes = request.packet ? *request.packet : compose_packet(request.flow);
    Packet* packet = packet_from_bytes(bytes);
    if (!packet) return make_error(ENOMEM, "no packet buffer is free");
    const FlowKey& flow = request.flow;
    const auto in_port = OfPort{static_cast<std::uint32_t>(flow.get(key::kInPort))};
    if (actions && actions->source.empty()) actions = nullptr;  // as OVS: no actions, no packet-out
    std::uint32_t recirculations = 0;
    TraceTree tree(target, {options.names, request.sent}, actions);
    tree.count_recirculations(recirculations);
    target.datapath().control_executor().trace(request.owner->bridge->index(), in_port, packet, &flow,
                                               actions, tree);
    const FlowKey& shown = request.packet ? tree.first_key() : flow;
    std::string out = describe_walk(*request.owner, tree, shown, options.names);
    std::deque<Waiting> waiting;
    add_forks(tree, shown, waiting);
    auto rest = trace_forks(target, std::move(waiting), options, recirculations, request.sent);
    if (!rest) return rest.error();
    return out + *rest;
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
    return run_trace(target, *request, nullptr, *parsed);
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
    return run_trace(target, *request, program->get(), *parsed);
}

}  // namespace sluice
