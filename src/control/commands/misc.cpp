// SPDX-License-Identifier: Apache-2.0
// Commands of their own kind, and those of features that have nothing to show here.
#include <cerrno>

#include <fmt/format.h>

#include <rte_lcore.h>

#include "bridge/flow_tables.hpp"
#include "control/commands/commands.hpp"
#include "packet/pool.hpp"

namespace sluice::commands {

Output exit_command(Context& context, const Args& args) {
    if (!args.empty() && args[0] != "--cleanup") {
        return make_error(EINVAL, "exit: unknown option {}; the only one is --cleanup", args[0]);
    }
    context.exit(!args.empty());
    return std::string();
}

Output memory_show(Context& context, const Args&) {
    Switch& target = *context.target();
    std::size_t rules = 0;
    for (const auto& [name, owner] : target.bridges())
        rules += owner->bridge->flows().flow_count();
    std::size_t cells = 0;
    for (const char* table :
         {"Open_vSwitch", "Bridge", "Port", "Interface", "Controller", "SSL", "Datapath"}) {
        for (const auto& [id, row] : context.reconciler.database().table(table))
            cells += row.columns().size();
    }
    std::uint64_t packets = 0;
    for (const auto& pool : pool_usage())
        packets += pool.in_use;
    return fmt::format(
        "handlers:0 idl-cells-Open_vSwitch:{} packets:{} ports:{} revalidators:0 rules:{} udpif keys:0",
        cells, packets, target.ports().size(), rules);
}

Output nothing(Context&, const Args&) {
    return std::string();
}

/// There are no upcalls; the numbers that monitoring reads are there and zero.
Output upcall_show(Context&, const Args&) {
    return std::string(
        "netdev@ovs-netdev:\n  flows         : (current 0) (avg 0) (max 0) (limit 0)\n"
        "  dump duration : 0ms\n  ufid enabled : false\n");
}

Output qos_show(Context& context, const Args& args) {
    if (!context.target()->find_port(args[0])) return make_error(ENODEV, "no such interface");
    return fmt::format("QoS not configured on {}", args[0]);
}

Output tunnel_ports_show(Context& context, const Args& args) {
    return context.target()->tunnels().show(!args.empty() && args[0] == "-v");
}

Output bond_list(Context&, const Args&) {
    return std::string("bond\ttype\trecircID\tmembers");
}

Output bond_show(Context&, const Args& args) {
    if (!args.empty()) return make_error(ENOENT, "no such bond");
    return std::string();
}

Output mdb_show(Context& context, const Args& args) {
    if (auto owner = find_bridge(context, args[0]); !owner) return owner.error();
    return make_error(ENOENT, "multicast snooping is disabled");
}

Output dpdk_lcore_list(Context& context, const Args&) {
    std::string out;
    for (unsigned lcore = 0; lcore < RTE_MAX_LCORE; ++lcore) {
        const auto role = rte_eal_lcore_role(lcore);
        if (role == ROLE_OFF) continue;
        const rte_cpuset_t cpus = rte_lcore_cpuset(lcore);
        std::string list;
        for (unsigned cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
            if (CPU_ISSET(cpu, &cpus)) list += fmt::format("{}{}", list.empty() ? "" : ",", cpu);
        }
        out += fmt::format("lcore {}, socket {}, role {}, cpuset {}\n", lcore, rte_lcore_to_socket_id(lcore),
                           role == ROLE_RTE       ? "RTE"
                           : role == ROLE_NON_EAL ? "NON_EAL"
                                                  : "SERVICE",
                           list);
    }
    (void)context;
    return out;
}

Output mempool_info(Context& context, const Args& args) {
    if (!args.empty() && !context.target()->find_port(args[0])) {
        return make_error(ENODEV, "Not a DPDK Interface");
    }
    std::string out;
    for (const auto& pool : pool_usage()) {
        out +=
            fmt::format("mempool <{}>\n  size={}\n  room={}\n  bytes={}\n  in_use={}\n  avail={}\n",
                        pool.name, pool.total, pool.room, pool.bytes, pool.in_use, pool.total - pool.in_use);
    }
    return out;
}

Output set_admin_state(Context& context, const Args& args) {
    const std::string& state = args.back();
    if (state != "up" && state != "down") return make_error(EINVAL, "Invalid Admin State");
    const auto apply = [&](const SwitchPort& slot) { return slot.port->set_admin_up(state == "up"); };
    if (args.size() == 2) {
        const SwitchPort* slot = context.target()->find_port(args[0]);
        if (!slot || !slot->attached() || slot->config.port.type != "dpdk") {
            return make_error(ENODEV, "Not a DPDK Interface");
        }
        if (auto ok = apply(*slot); !ok) return ok.error();
        return std::string("OK");
    }
    for (const auto& [name, slot] : context.target()->ports()) {
        if (!slot->attached() || slot->config.port.type != "dpdk") continue;
        if (auto ok = apply(*slot); !ok) return ok.error();
    }
    return std::string("OK");
}

}  // namespace sluice::commands
