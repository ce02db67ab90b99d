// SPDX-License-Identifier: Apache-2.0
// StatusWriter: what the switch tells the database: numbers, errors, states and counters. Every function
// may be called as often as one likes: OvsdbSession::set() sends only what differs.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "bridge/bridge.hpp"
#include "control/ovsdb_session.hpp"
#include "control/switch.hpp"

namespace sluice {

/// Version written to Open_vSwitch:ovs_version when nobody else did: the one whose tools and database schema
/// we are compatible with (scripts compare it).
inline constexpr const char* kCompatibleVersion = "3.1.0";

/// Interface:statistics of a port, by OVS's names and the kind's own ones.
std::map<std::string, std::int64_t> statistics_columns(const PortCounters& counters, bool patch);

class StatusWriter {
  public:
    /// Both outlive the writer. Control thread.
    StatusWriter(OvsdbSession& database, Switch& target) : database_(database), switch_(target) {}

    /// iface_types, datapath_types, DPDK's state.
    void write_root();
    /// ofport, error, addresses, link state and so on of all interfaces.
    void write_interfaces();
    /// datapath_id, datapath_version of all bridges.
    void write_bridges();
    void write_controllers();
    /// Interface:statistics; and Open_vSwitch:statistics if other_config:enable-statistics says so.
    void write_statistics();
    /// All but statistics.
    void write_all();

  private:
    void write_interface(const ovsdb::Uuid& row, const SwitchPort& slot);
    void write_system_statistics();

    OvsdbSession& database_;
    Switch& switch_;
    bool system_statistics_ = false;
};

}  // namespace sluice
