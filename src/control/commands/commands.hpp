// SPDX-License-Identifier: Apache-2.0
// The commands that ovs-appctl can send beside those of the control socket itself. all.cpp has the list;
// each function stands in the file of its first word. Layouts are those of Open vSwitch 3.1.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/event_loop.hpp"
#include "base/result.hpp"
#include "control/reconcile.hpp"
#include "control/unixctl.hpp"

namespace sluice::commands {

/// What commands work on. Outlives the control socket.
struct Context {
    EventLoop& loop;
    UnixctlServer& server;
    Reconciler& reconciler;
    std::function<void(bool cleanup)> exit;
    /// Null before the first configuration was read.
    Switch* target() const { return reconciler.running_switch(); }
};

using Args = std::vector<std::string>;
using Output = Result<std::string>;

/// One row of the list. `needs_switch`: refused until the switch has started.
struct Command {
    const char* name;
    const char* usage;
    int min_args, max_args;
    Output (*run)(Context& context, const Args& args);
};

/// Registers every command with the control socket.
void add_all(Context& context);
/// Before the context ends.
void stop(Context& context);

/// The bridge named by an argument, or "no such bridge".
Result<SwitchBridge*> find_bridge(Context& context, const std::string& name);

// bfd.cpp
Output bfd_set_forwarding(Context& context, const Args& args);
Output bfd_show(Context& context, const Args& args);
// bridge.cpp
Output bridge_dump_flows(Context& context, const Args& args);
Output bridge_reconnect(Context& context, const Args& args);
Output ofproto_detrace(Context& context, const Args& args);
Output ofproto_list(Context& context, const Args& args);
Output ofproto_trace(Context& context, const Args& args);
Output ofproto_trace_packet_out(Context& context, const Args& args);
// conntrack.cpp
Output dump_conntrack(Context& context, const Args& args);
Output flush_conntrack(Context& context, const Args& args);
Output conntrack_stats(Context& context, const Args& args);
Output conntrack_buckets(Context& context, const Args& args);
Output conntrack_count(Context& context, const Args& args);
Output conntrack_max(Context& context, const Args& args);
Output set_conntrack_max(Context& context, const Args& args);
Output enable_sequence_check(Context& context, const Args& args);
Output disable_sequence_check(Context& context, const Args& args);
Output sequence_check(Context& context, const Args& args);
Output set_conntrack_limits(Context& context, const Args& args);
Output del_conntrack_limits(Context& context, const Args& args);
Output conntrack_limits(Context& context, const Args& args);
// coverage.cpp
void start_coverage(Context& context);
void stop_coverage();
Output coverage_show(Context& context, const Args& args);
Output coverage_read_counter(Context& context, const Args& args);
// datapath.cpp
/// "netdev@ovs-netdev" and its aliases.
bool is_datapath_name(const std::string& name);
Output dpif_show(Context& context, const Args& args);
Output dpif_show_features(Context& context, const Args& args);
Output dpif_dump_flows(Context& context, const Args& args);
Output dpctl_show(Context& context, const Args& args);
Output dpctl_dump_dps(Context& context, const Args& args);
Output dpctl_dump_flows(Context& context, const Args& args);
// fdb.cpp
Output fdb_show(Context& context, const Args& args);
Output fdb_flush(Context& context, const Args& args);
Output fdb_stats_show(Context& context, const Args& args);
Output fdb_stats_clear(Context& context, const Args& args);
Output fdb_add(Context& context, const Args& args);
Output fdb_del(Context& context, const Args& args);
// lab.cpp
/// Commands that only --enable-dummy brings.
void add_lab(Context& context);
// misc.cpp
Output exit_command(Context& context, const Args& args);
Output memory_show(Context& context, const Args& args);
Output nothing(Context& context, const Args& args);
Output upcall_show(Context& context, const Args& args);
Output qos_show(Context& context, const Args& args);
Output tunnel_ports_show(Context& context, const Args& args);
Output bond_list(Context& context, const Args& args);
Output bond_show(Context& context, const Args& args);
Output mdb_show(Context& context, const Args& args);
Output dpdk_lcore_list(Context& context, const Args& args);
Output mempool_info(Context& context, const Args& args);
Output set_admin_state(Context& context, const Args& args);
// pmd.cpp
Output pmd_stats_show(Context& context, const Args& args);
Output pmd_stats_clear(Context& context, const Args& args);
Output pmd_rxq_show(Context& context, const Args& args);
Output pmd_rxq_rebalance(Context& context, const Args& args);
Output pmd_perf_show(Context& context, const Args& args);
// sluice.cpp
Output sluice_shortcuts(Context& context, const Args& args);
Output sluice_drops(Context& context, const Args& args);
Output sluice_conservation(Context& context, const Args& args);
// underlay.cpp
Output route_add(Context& context, const Args& args);
Output route_del(Context& context, const Args& args);
Output route_lookup(Context& context, const Args& args);
Output route_show(Context& context, const Args& args);
Output neighbour_ageing(Context& context, const Args& args);
Output neighbour_flush(Context& context, const Args& args);
Output neighbour_set(Context& context, const Args& args);
Output neighbour_show(Context& context, const Args& args);
Output egress_port_range(Context& context, const Args& args);

}  // namespace sluice::commands
