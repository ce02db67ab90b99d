// SPDX-License-Identifier: Apache-2.0
// dpif/* and dpctl/*: the datapath. There is one, "netdev@ovs-netdev", whatever a bridge's datapath_type; a
// lab
// (--enable-dummy) shows one a type, as tests of Open vSwitch expect.
#include <algorithm>
#include <cerrno>
#include <map>
#include <vector>

#include <fmt/format.h>

#include "base/clock.hpp"
#include "bridge/flow_tables.hpp"
#include "control/commands/commands.hpp"
#include "control/trace_odp.hpp"
#include "control/trace_tree.hpp"
#include "flow/action_text.hpp"
#include "pipeline/shortcut.hpp"

namespace sluice::commands {

namespace {

constexpr const char* kName = "netdev@ovs-netdev";

/// The datapath that a bridge is shown to be in.
std::string datapath_of(const SwitchBridge& owner) {
    if (dummy_level() == DummyLevel::kNone) return kName;
    const std::string& type = owner.config.datapath_type.empty() ? "system" : owner.config.datapath_type;
    return fmt::format("{0}@ovs-{0}", type);
}

const char* odp_type(const std::string& type) {
    if (type == "internal") return is_dummy_type(type) ? "dummy-internal" : "tap";
    return type.empty() ? "system" : type.c_str();
}

/// Packets that met a rule, and that did not.
pipeline::TableStats lookups(Switch& target) {
    pipeline::TableStats sum;
    for (const auto& [name, owner] : target.bridges()) {
        const auto stats = owner->bridge->flows().table_stats(0);
        sum.lookups += stats.lookups;
        sum.matches += stats.matches;
    }
    return sum;
}

/// Options as they are in effect. Of a dummy's OVS shows the number of its device and its stream only.
std::string braces(const PortConfig& config) {
    std::string out;
    for (const auto& [key, value] : config.options)
        if (!is_dummy_type(config.type) || key == "ifindex" || key == "stream" || key == "pstream")
            out += fmt::format("{}{}={}", out.empty() ? "" : ", ", key, value);
    return out;
}

/// Active rules in the layout of datapath flows: there is no cache of translated flows to dump.
struct DumpStyle {
    bool names = false, verbose = false, offloaded_only = false;
};

void dump_flows(Switch& target, const SwitchBridge& owner, DumpStyle style, std::string& out) {
    const bool names = style.names;
    const auto& flows = owner.bridge->flows();
    const auto carried = target.datapath().shortcuts().carried_rules();
    const std::int64_t now = clock::now_ms();
    flows.for_each_with_hidden([&](const bridge::Flow& flow) {
        const auto stats = flows.stats(flow);
        const bool offloaded = carried.count(flow.rule->stats.index) != 0;
        if (stats.packets == 0 || (style.offloaded_only && !offloaded)) return;
        const Match match = flow.match().expand();
        std::string port;
        if (match.mask.get(key::kInPort) != 0) {
            const auto number = OfPort{static_cast<std::uint32_t>(match.value.get(key::kInPort))};
            const auto* found = owner.bridge->port(number);
            const SwitchPort* slot = found ? target.find_port(found->name) : nullptr;
            if (slot && slot->attached()) {
                port = names ? fmt::format("in_port({}),", slot->config.port.name)
                             : fmt::format("in_port({}),", odp_port(slot->index));
            }
        }
        const std::string fields = format_odp_match(match);
        out += fmt::format(
            "recirc_id({}),{}packet_type(ns=0,id=0){}{}, packets:{}, bytes:{}, used:{}{}, actions:{}\n",
            flow.table(), port, fields.empty() ? "" : ",", fields, stats.packets, stats.bytes,
            stats.used_ms == 0
                ? "never"
                : fmt::format("{:.3f}s", static_cast<double>(std::max<std::int64_t>(
                                             now - static_cast<std::int64_t>(stats.used_ms), 0)) /
                                             1000),
            style.verbose && offloaded ? ", offloaded:yes" : "", format_actions(flow.actions()));
    });
}

void show_port(const SwitchPort& slot, Switch& target, bool statistics, std::string& out) {
    const PortConfig& config = slot.config.port;
    out += fmt::format("  port {}: {}", odp_port(slot.index), config.name);
    if (!config.type.empty() && config.type != "system") {
        const std::string options = braces(config);
        out += fmt::format(" ({}{}{})", odp_type(config.type), options.empty() ? "" : ": ", options);
    }
    out += "\n";
    if (!statistics) return;
    const auto stats = target.find_bridge(slot.bridge)->bridge->statistics(slot.number);
    const PortCounters c = stats ? stats->counters : PortCounters{};
    out += fmt::format("    RX packets:{} errors:{} dropped:{} overruns:{} frame:{}\n", c.rx_packets,
                       c.rx_errors, c.rx_dropped, c.rx_over_err, c.rx_frame_err);
    out += fmt::format("    TX packets:{} errors:{} dropped:{} aborted:0 carrier:0\n", c.tx_packets,
                       c.tx_errors, c.tx_dropped);
    out += fmt::format("    collisions:{}\n    RX bytes:{}  TX bytes:{}\n", c.collisions, c.rx_bytes,
                       c.tx_bytes);
}

void show_datapath(Switch& target, const std::string& name, const std::vector<const SwitchBridge*>& bridges,
                   std::string& out) {
    pipeline::TableStats stats;
    for (const SwitchBridge* owner : bridges) {
        const auto mine = owner->bridge->flows().table_stats(0);
        stats.lookups += mine.lookups;
        stats.matches += mine.matches;
    }
    out += fmt::format("{}: hit:{} missed:{}\n", name, stats.matches, stats.lookups - stats.matches);
    for (const SwitchBridge* owner : bridges) {
        out += fmt::format("  {}:\n", owner->bridge->name());
        std::vector<const bridge::BridgePort*> ports;
        for (const auto& [number, port] : owner->bridge->ports())
            ports.push_back(&port);
        std::sort(ports.begin(), ports.end(), [](const auto* a, const auto* b) { return a->name < b->name; });
        for (const auto* port : ports) {
            const SwitchPort* slot = target.find_port(port->name);
            if (!slot) continue;
            const bool patch = slot->config.port.type == "patch";
            const std::string options = braces(slot->config.port);
            out += fmt::format("    {} {}/{}: ({}{}{})\n", port->name,
                               port->number == OfPort::kLocal ? 65534 : to_int(port->number),
                               patch ? "none" : fmt::format("{}", odp_port(slot->index)),
                               odp_type(slot->config.port.type), options.empty() ? "" : ": ", options);
        }
    }
}

}  // namespace

bool is_datapath_name(const std::string& name) {
    if (dummy_level() != DummyLevel::kNone && (name == "dummy@ovs-dummy" || name == "ovs-dummy")) return true;
    return name == kName || name == "ovs-netdev" || name == "ovs-system" || name == "system@ovs-system";
}

Output dpif_show(Context& context, const Args&) {
    Switch& target = *context.target();
    std::map<std::string, std::vector<const SwitchBridge*>> datapaths;
    for (const auto& [name, owner] : target.bridges())
        datapaths[datapath_of(*owner)].push_back(owner.get());
    std::string out;
    for (const auto& [name, bridges] : datapaths)
        show_datapath(target, name, bridges, out);
    return out;
}

Output dpif_show_features(Context& context, const Args& args) {
    if (auto owner = find_bridge(context, args[0]); !owner) return owner.error();
    // What scripts look for to decide whether the datapath can do something.
    return fmt::format(
        "Masked set action: Yes\nTunnel push pop: Yes\nUfid: No\nTruncate action: Yes\nClone action: Yes\n"
        "Sample nesting: 0\nConntrack eventmask: No\nConntrack clear: Yes\nMax dp_hash algorithm: 1\n"
        "Check pkt length action: Yes\nConntrack timeout policy: Yes\nExplicit Drop action: Yes\n"
        "Optimized Balance TCP mode: No\nConntrack all-zero IP SNAT: Yes\nMPLS Label add: Yes\n"
        "Max VLAN headers: {}\nMax MPLS depth: 3\nRecirc: Yes\nCT state: Yes\nCT zone: Yes\nCT mark: Yes\n"
        "CT label: Yes\nCT state NAT: Yes\nCT orig tuple: Yes\nCT orig tuple for IPv6: Yes\nIPv6 ND "
        "Extension: Yes\n",
        context.target()->datapath().vlan_limit());
}

Output dpif_dump_flows(Context& context, const Args& args) {
    auto owner = find_bridge(context, args.back());
    if (!owner) return owner.error();
    DumpStyle style;
    style.names = std::find(args.begin(), args.end(), "--names") != args.end();
    style.verbose = std::find(args.begin(), args.end(), "-m") != args.end();
    std::string out;
    dump_flows(*context.target(), **owner, style, out);
    return out;
}

Output dpctl_show(Context& context, const Args& args) {
    Switch& target = *context.target();
    bool statistics = false;
    for (const auto& arg : args) {
        if (arg == "-s" || arg == "--statistics") {
            statistics = true;
        } else if (!arg.starts_with("-") && !is_datapath_name(arg)) {
            return make_error(ENODEV, "ovs-vswitchd: opening datapath {} failed (No such device)", arg);
        }
    }
    const auto stats = lookups(target);
    std::string datapath = kName;
    if (!target.bridges().empty()) datapath = datapath_of(*target.bridges().begin()->second);
    std::size_t flows = 0;
    for (const auto& [name, owner] : target.bridges())
        flows += owner->bridge->flows().flow_count();
    std::string out = fmt::format("{}:\n  lookups: hit:{} missed:{} lost:0\n  flows: {}\n", datapath,
                                  stats.matches, stats.lookups - stats.matches, flows);
    out += fmt::format("  port 0: {} ({})\n", datapath.substr(datapath.find('@') + 1),
                       dummy_level() == DummyLevel::kNone ? "tap" : "dummy-internal");
    if (statistics) {
        out +=
            "    RX packets:0 errors:0 dropped:0 overruns:0 frame:0\n"
            "    TX packets:0 errors:0 dropped:0 aborted:0 carrier:0\n"
            "    collisions:0\n    RX bytes:0  TX bytes:0\n";
    }
    std::vector<const SwitchPort*> ports;
    for (const auto& [name, slot] : target.ports()) {
        if (slot->attached() && slot->config.port.type != "patch") ports.push_back(slot.get());
    }
    std::sort(ports.begin(), ports.end(), [](const auto* a, const auto* b) { return a->index < b->index; });
    for (const SwitchPort* port : ports)
        show_port(*port, target, statistics, out);
    return out;
}

Output dpctl_dump_dps(Context&, const Args&) {
    return std::string(kName);
}

Output dpctl_dump_flows(Context& context, const Args& args) {
    DumpStyle style;
    for (const auto& arg : args) {
        style.names |= arg == "--names" || arg == "-m";
        style.verbose |= arg == "-m";
        const bool option = arg.starts_with("-") || arg.find('=') != std::string::npos;
        if (!option && !is_datapath_name(arg)) {
            return make_error(ENODEV, "ovs-vswitchd: opening datapath {} failed (No such device)", arg);
        }
        style.offloaded_only |= arg == "type=offloaded";
    }
    std::string out;
    for (const auto& [name, owner] : context.target()->bridges())
        dump_flows(*context.target(), *owner, style, out);
    return out.empty() ? out : "flow-dump from the main thread:\n" + out;
}

}  // namespace sluice::commands
