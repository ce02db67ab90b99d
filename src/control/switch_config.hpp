// SPDX-License-Identifier: Apache-2.0
// SwitchConfig: what the switch should be, as plain values. The reconciler builds it from the database's
// rows (reconcile_config), the Switch makes it so (Switch::apply).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/types.hpp"
#include "bfd/session.hpp"
#include "bridge/bridge.hpp"
#include "bridge/flow_tables.hpp"
#include "conntrack/timeouts.hpp"
#include "control/of_service.hpp"
#include "pipeline/fdb.hpp"
#include "port/port.hpp"
#include "worker/worker_set.hpp"

namespace sluice {

/// One Interface, and of its Port what concerns it. The name is its identity.
struct InterfaceConfig {
    PortConfig port;
    bool local = false;                  ///< the bridge's own port
    std::optional<OfPort> requested;     ///< Interface:ofport_request
    std::optional<OfPort> previous;      ///< number it had, for example before a restart
    bridge::VlanSettings vlan;           ///< of the Port
    std::map<unsigned, unsigned> cores;  ///< pmd-rxq-affinity: receive queue to core
    std::optional<bfd::Config> bfd;      ///< none: no session
    std::string refusal;                 ///< non-empty: why the row cannot become a port
};

/// One Bridge. The name is its identity.
struct BridgeConfig {
    bridge::BridgeSettings settings;           ///< datapath_id and mac are filled in by Switch
    std::string datapath_type;                 ///< as in the database, "" is "system"
    std::optional<std::uint64_t> datapath_id;  ///< other_config:datapath-id
    std::optional<MacBytes> hwaddr;            ///< other_config:hwaddr
    std::optional<std::uint64_t> previous_id;  ///< Bridge:datapath_id before a restart
    OfServiceSettings openflow;
    unsigned mac_table_size = pipeline::Fdb::kDefaultMaxEntries;
    unsigned mac_aging_seconds = pipeline::Fdb::kDefaultIdleSeconds;
    std::vector<InterfaceConfig> interfaces;
    std::vector<bridge::MirrorSettings> mirrors;
    std::map<std::uint8_t, bridge::TableSettings> tables;  ///< Bridge:flow_tables
};

/// Connection tracking.
struct ConnectionConfig {
    std::map<std::uint16_t, conntrack::TimeoutPolicy> zones;  ///< those with timeouts of their own
    std::string event_file;                                   ///< absolute path; "": no events
};

struct SwitchConfig {
    std::vector<BridgeConfig> bridges;
    worker::WorkerSettings workers;
    ConnectionConfig connections;
    unsigned vlan_limit = 1;         ///< VLAN tags that are parsed as such: 1 or 2
    bool shortcuts = true;           ///< flows between kernel interfaces may bypass the workers
    bool flow_restore_wait = false;  ///< true: nothing is received until it becomes false, for good
};

}  // namespace sluice
