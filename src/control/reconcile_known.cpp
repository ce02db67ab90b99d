// SPDX-License-Identifier: Apache-2.0
// Source of the lists: ovs-vswitchd.conf.db(5) of Open vSwitch 3.1.
#include "control/reconcile_known.hpp"

#include <algorithm>
#include <iterator>

#include <fmt/format.h>

#include "base/log.hpp"

namespace sluice {

namespace {

const log::Module kLog{"bridge"};

struct KnownKey {
    std::string_view table;
    std::string_view key;
    KeyKind kind;
};

constexpr auto kEffective = KeyKind::kEffective;
constexpr auto kNoEffect = KeyKind::kNoEffect;
constexpr std::string_view kRoot = "Open_vSwitch", kBridge = "Bridge", kPort = "Port",
                           kInterface = "Interface", kController = "Controller";

constexpr KnownKey kKnown[] = {
    {kRoot, "stats-update-interval", kEffective},
    {kRoot, "flow-restore-wait", kEffective},
    {kRoot, "dpdk-init", kEffective},
    {kRoot, "dpdk-lcore-mask", kEffective},
    {kRoot, "dpdk-socket-mem", kEffective},
    {kRoot, "dpdk-socket-limit", kEffective},
    {kRoot, "dpdk-extra", kEffective},
    {kRoot, "pmd-cpu-mask", kEffective},
    {kRoot, "pmd-maxsleep", kEffective},
    {kRoot, "kernel-shortcuts", kEffective},
    {kRoot, "sluice-busy-poll", kEffective},
    {kRoot, "sluice-ct-events", kEffective},
    {kRoot, "enable-statistics", kEffective},
    {kRoot, "flow-limit", kNoEffect},
    {kRoot, "max-idle", kNoEffect},
    {kRoot, "max-revalidator", kNoEffect},
    {kRoot, "min-revalidate-pps", kNoEffect},
    {kRoot, "hw-offload", kNoEffect},
    {kRoot, "n-offload-threads", kNoEffect},
    {kRoot, "tc-policy", kNoEffect},
    {kRoot, "dpdk-alloc-mem", kNoEffect},
    {kRoot, "dpdk-hugepage-dir", kNoEffect},
    {kRoot, "vhost-sock-dir", kEffective},
    {kRoot, "vhost-iommu-support", kNoEffect},
    {kRoot, "vhost-postcopy-support", kNoEffect},
    {kRoot, "per-port-memory", kNoEffect},
    {kRoot, "shared-mempool-config", kNoEffect},
    {kRoot, "tx-flush-interval", kNoEffect},
    {kRoot, "pmd-perf-metrics", kNoEffect},
    {kRoot, "smc-enable", kNoEffect},
    {kRoot, "pmd-rxq-assign", kNoEffect},
    {kRoot, "pmd-rxq-isolate", kNoEffect},
    {kRoot, "n-handler-threads", kNoEffect},
    {kRoot, "n-revalidator-threads", kNoEffect},
    {kRoot, "emc-insert-inv-prob", kNoEffect},
    {kRoot, "vlan-limit", kEffective},
    {kRoot, "bundle-idle-timeout", kNoEffect},
    {kRoot, "offload-rebalance", kNoEffect},
    {kRoot, "pmd-auto-lb", kNoEffect},
    {kRoot, "pmd-auto-lb-rebal-interval", kNoEffect},
    {kRoot, "pmd-auto-lb-load-threshold", kNoEffect},
    {kRoot, "pmd-auto-lb-improvement-threshold", kNoEffect},
    {kRoot, "userspace-tso-enable", kNoEffect},
    {kRoot, "private_key", kNoEffect},
    {kRoot, "certificate", kNoEffect},
    {kRoot, "ca_cert", kNoEffect},
    {kRoot, "ipsec_skb_mark", kNoEffect},
    {kBridge, "datapath-id", kEffective},
    {kBridge, "dp-desc", kEffective},
    {kBridge, "dp-sn", kEffective},
    {kBridge, "hwaddr", kEffective},
    {kBridge, "forward-bpdu", kEffective},
    {kBridge, "mac-aging-time", kEffective},
    {kBridge, "mac-table-size", kEffective},
    {kBridge, "disable-in-band", kNoEffect},
    {kBridge, "in-band-queue", kNoEffect},
    {kBridge, "controller-queue-size", kNoEffect},
    {kBridge, "stp-system-id", kNoEffect},
    {kBridge, "stp-priority", kNoEffect},
    {kBridge, "stp-hello-time", kNoEffect},
    {kBridge, "stp-max-age", kNoEffect},
    {kBridge, "stp-forward-delay", kNoEffect},
    {kBridge, "mcast-snooping-aging-time", kNoEffect},
    {kBridge, "mcast-snooping-table-size", kNoEffect},
    {kBridge, "mcast-snooping-disable-flood-unregistered", kNoEffect},
    {kBridge, "rstp-address", kNoEffect},
    {kBridge, "rstp-priority", kNoEffect},
    {kBridge, "rstp-ageing-time", kNoEffect},
    {kBridge, "rstp-force-protocol-version", kNoEffect},
    {kBridge, "rstp-max-age", kNoEffect},
    {kBridge, "rstp-forward-delay", kNoEffect},
    {kBridge, "rstp-transmit-hold-count", kNoEffect},
    {kPort, "priority-tags", kEffective},
    {kPort, "qinq-ethtype", kEffective},
    {kPort, "bond-hash-basis", kNoEffect},
    {kPort, "lb-output-action", kNoEffect},
    {kPort, "bond-primary", kNoEffect},
    {kPort, "all-members-active", kNoEffect},
    {kPort, "bond-detect-mode", kNoEffect},
    {kPort, "bond-miimon-interval", kNoEffect},
    {kPort, "bond-rebalance-interval", kNoEffect},
    {kPort, "lacp-system-id", kNoEffect},
    {kPort, "lacp-system-priority", kNoEffect},
    {kPort, "lacp-time", kNoEffect},
    {kPort, "lacp-fallback-ab", kNoEffect},
    {kPort, "stp-enable", kNoEffect},
    {kPort, "stp-port-num", kNoEffect},
    {kPort, "stp-port-priority", kNoEffect},
    {kPort, "stp-path-cost", kNoEffect},
    {kPort, "rstp-enable", kNoEffect},
    {kPort, "rstp-port-priority", kNoEffect},
    {kPort, "rstp-port-num", kNoEffect},
    {kPort, "rstp-path-cost", kNoEffect},
    {kPort, "rstp-port-admin-edge", kNoEffect},
    {kPort, "rstp-port-auto-edge", kNoEffect},
    {kPort, "rstp-port-mcheck", kNoEffect},
    {kPort, "mcast-snooping-flood", kNoEffect},
    {kPort, "mcast-snooping-flood-reports", kNoEffect},
    {kPort, "transient", kEffective},  // a mark for scripts that stop the host; nothing to do
    {kInterface, "pmd-rxq-affinity", kEffective},
    {kInterface, "tx-steering", kNoEffect},
    {kInterface, "emc-enable", kNoEffect},
    {kInterface, "cfm_interval", kNoEffect},
    {kInterface, "cfm_extended", kNoEffect},
    {kInterface, "cfm_demand", kNoEffect},
    {kInterface, "cfm_opstate", kNoEffect},
    {kInterface, "cfm_ccm_vlan", kNoEffect},
    {kInterface, "cfm_ccm_pcp", kNoEffect},
    {kInterface, "lacp-port-id", kNoEffect},
    {kInterface, "lacp-port-priority", kNoEffect},
    {kInterface, "lacp-aggregation-key", kNoEffect},
    {kController, "dscp", kNoEffect},
    {kController, "controller-queue-size", kNoEffect},
};

}  // namespace

KeyKind classify_key(std::string_view table, std::string_view key) {
    const auto it = std::find_if(std::begin(kKnown), std::end(kKnown),
                                 [&](const KnownKey& row) { return row.table == table && row.key == key; });
    return it == std::end(kKnown) ? KeyKind::kUnknown : it->kind;
}

bool Notices::once(const std::string& what, const std::string& text) {
    if (!said_.insert(what).second) return false;
    kLog.info("{}", text);
    return true;
}

void Notices::report_keys(std::string_view table, const std::map<std::string, std::string>& other_config) {
    for (const auto& [key, value] : other_config) {
        const KeyKind kind = classify_key(table, key);
        if (kind == KeyKind::kEffective) continue;
        const std::string what = fmt::format("{} other_config:{}", table, key);
        once(what, kind == KeyKind::kNoEffect ? fmt::format("{}: accepted, has no effect here", what)
                                              : fmt::format("{}: unknown key, ignored", what));
    }
}

void Notices::no_effect(const std::string& what) {
    once(what, fmt::format("{}: accepted, has no effect in this version", what));
}

}  // namespace sluice
