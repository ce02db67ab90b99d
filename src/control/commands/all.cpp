// SPDX-License-Identifier: Apache-2.0
// The list of commands, in alphabetical order. list-commands, version and vlog/* belong to the control
// socket.
#include <cerrno>

#include "control/commands/commands.hpp"
#include "pipeline/shortcut.hpp"

namespace sluice::commands {

namespace {

constexpr int kAny = UnixctlServer::kAnyCount;

constexpr Command kCommands[] = {
    {"autoattach/status", "[bridge]", 0, 1, nothing},
    {"bfd/set-forwarding", "[interface] normal|false|true", 1, 2, bfd_set_forwarding},
    {"bfd/show", "[interface]", 0, 1, bfd_show},
    {"bond/list", "", 0, 0, bond_list},
    {"bond/show", "[port]", 0, 1, bond_show},
    {"bridge/dump-flows", "[--offload-stats] bridge", 1, 2, bridge_dump_flows},
    {"bridge/reconnect", "[bridge]", 0, 1, bridge_reconnect},
    {"cfm/show", "[interface]", 0, 1, nothing},
    {"coverage/read-counter", "COUNTER", 1, 1, coverage_read_counter},
    {"coverage/show", "", 0, 0, coverage_show},
    {"dpctl/ct-bkts", "[dp] [gt=N]", 0, 2, conntrack_buckets},
    {"dpctl/ct-del-limits", "[dp] zone=N1[,N2]...", 1, 2, del_conntrack_limits},
    {"dpctl/ct-disable-tcp-seq-chk", "[dp]", 0, 1, disable_sequence_check},
    {"dpctl/ct-enable-tcp-seq-chk", "[dp]", 0, 1, enable_sequence_check},
    {"dpctl/ct-get-limits", "[dp] [zone=N1[,N2]...]", 0, 2, conntrack_limits},
    {"dpctl/ct-get-maxconns", "[dp]", 0, 1, conntrack_max},
    {"dpctl/ct-get-nconns", "[dp]", 0, 1, conntrack_count},
    {"dpctl/ct-get-tcp-seq-chk", "[dp]", 0, 1, sequence_check},
    {"dpctl/ct-set-limits", "[dp] [default=L] [zone=N,limit=L]...", 1, kAny, set_conntrack_limits},
    {"dpctl/ct-set-maxconns", "[dp] maxconns", 1, 2, set_conntrack_max},
    {"dpctl/ct-stats-show", "[dp] [zone=N]", 0, 3, conntrack_stats},
    {"dpctl/del-flows", "[dp] [file]", 0, 2, nothing},
    {"dpctl/dump-conntrack", "[-m] [-s] [dp] [zone=N]", 0, 4, dump_conntrack},
    {"dpctl/dump-dps", "", 0, 0, dpctl_dump_dps},
    {"dpctl/dump-flows", "[-m] [--names] [dp] [filter=..] [type=..] [pmd=..]", 0, 6, dpctl_dump_flows},
    {"dpctl/flush-conntrack", "[dp] [zone=N] [ct-orig-tuple] [ct-reply-tuple]", 0, 4, flush_conntrack},
    {"dpctl/show", "[-s] [dp...]", 0, kAny, dpctl_show},
    {"dpdk/lcore-list", "", 0, 0, dpdk_lcore_list},
    {"dpif-netdev/bond-show", "[dp]", 0, 1, nothing},
    {"dpif-netdev/pmd-perf-show", "[-nh] [-it iter-history-len] [-ms ms-history-len] [-pmd core] [dp]", 0, 8,
     pmd_perf_show},
    {"dpif-netdev/pmd-rxq-rebalance", "[dp]", 0, 1, pmd_rxq_rebalance},
    {"dpif-netdev/pmd-rxq-show", "[-pmd core] [-secs secs] [dp]", 0, 5, pmd_rxq_show},
    {"dpif-netdev/pmd-stats-clear", "[-pmd core] [dp]", 0, 3, pmd_stats_clear},
    {"dpif-netdev/pmd-stats-show", "[-pmd core] [dp]", 0, 3, pmd_stats_show},
    {"dpif/dump-dps", "", 0, 0, dpctl_dump_dps},
    {"dpif/dump-flows", "[-m] [--names | --no-names] bridge", 1, 3, dpif_dump_flows},
    {"dpif/show", "", 0, 0, dpif_show},
    {"dpif/show-dp-features", "bridge", 1, 1, dpif_show_features},
    {"exit", "[--cleanup]", 0, 1, exit_command},
    {"fdb/add", "bridge port vlan mac", 4, 4, fdb_add},
    {"fdb/del", "bridge vlan mac", 3, 3, fdb_del},
    {"fdb/flush", "[bridge]", 0, 1, fdb_flush},
    {"fdb/show", "bridge", 1, 1, fdb_show},
    {"fdb/stats-clear", "[bridge]", 0, 1, fdb_stats_clear},
    {"fdb/stats-show", "bridge", 1, 1, fdb_stats_show},
    {"lacp/show", "[port]", 0, 1, nothing},
    {"mdb/flush", "[bridge]", 0, 1, nothing},
    {"mdb/show", "bridge", 1, 1, mdb_show},
    {"memory/show", "", 0, 0, memory_show},
    {"netdev-dpdk/get-mempool-info", "[netdev]", 0, 1, mempool_info},
    {"netdev-dpdk/set-admin-state", "[netdev] up|down", 1, 2, set_admin_state},
    {"ofproto/detrace", "bridge cookie[/mask]...", 2, kAny, ofproto_detrace},
    {"ofproto/list", "", 0, 0, ofproto_list},
    {"ofproto/list-tunnels", "", 0, 0, nothing},
    {"ofproto/trace", "{[dp_name] odp_flow | bridge br_flow} [OPTIONS...] [-generate|packet]", 1, kAny,
     ofproto_trace},
    {"ofproto/trace-packet-out",
     "[-consistent] {[dp_name] odp_flow | bridge br_flow} [OPTIONS...] [-generate|packet] actions", 2, kAny,
     ofproto_trace_packet_out},
    {"ovs/route/add", "ip_addr/prefix_len out_br_name [gw] [pkt_mark=mark]", 2, 4, route_add},
    {"ovs/route/del", "ip_addr/prefix_len [pkt_mark=mark]", 1, 2, route_del},
    {"ovs/route/lookup", "ip_addr [pkt_mark=mark]", 1, 2, route_lookup},
    {"ovs/route/show", "", 0, 0, route_show},
    {"qos/show", "interface", 1, 1, qos_show},
    {"revalidator/purge", "", 0, 0, nothing},
    {"revalidator/wait", "", 0, 0, nothing},
    {"rstp/show", "[bridge]", 0, 1, nothing},
    {"sluice/conservation", "", 0, 0, sluice_conservation},
    {"sluice/drops", "[--all]", 0, 1, sluice_drops},
    {"sluice/shortcuts", "", 0, 0, sluice_shortcuts},
    {"stp/show", "[bridge]", 0, 1, nothing},
    {"tnl/arp/aging", "[SECS]", 0, 1, neighbour_ageing},
    {"tnl/arp/flush", "", 0, 0, neighbour_flush},
    {"tnl/arp/set", "BRIDGE IP MAC", 3, 3, neighbour_set},
    {"tnl/arp/show", "", 0, 0, neighbour_show},
    {"tnl/egress_port_range", "min max", 0, 2, egress_port_range},
    {"tnl/neigh/aging", "[SECS]", 0, 1, neighbour_ageing},
    {"tnl/neigh/flush", "", 0, 0, neighbour_flush},
    {"tnl/neigh/set", "BRIDGE IP MAC", 3, 3, neighbour_set},
    {"tnl/neigh/show", "", 0, 0, neighbour_show},
    {"tnl/ports/show", "-v", 0, 1, tunnel_ports_show},
    {"upcall/show", "", 0, 0, upcall_show},
};

}  // namespace

void add_all(Context& context) {
    for (const Command& command : kCommands) {
        context.server.add(command.name, command.usage, command.min_args, command.max_args,
                           [&context, run = command.run](const Args& args) -> Output {
                               if (!context.target() && run != exit_command) {
                                   return make_error(
                                       EAGAIN, "the switch has not started yet: it waits for the database {}",
                                       context.reconciler.database_name());
                               }
                               if (context.target()) context.target()->datapath().shortcuts().collect();
                               return run(context, args);
                           });
    }
    add_lab(context);
    start_coverage(context);
}

void stop(Context&) {
    stop_coverage();
}

Result<SwitchBridge*> find_bridge(Context& context, const std::string& name) {
    SwitchBridge* owner = context.target()->find_bridge(name);
    if (!owner) return make_error(ENOENT, "no such bridge");
    return owner;
}

}  // namespace sluice::commands
