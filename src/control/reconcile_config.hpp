// SPDX-License-Identifier: Apache-2.0
// From rows of the database to a SwitchConfig. Pure but for notices in the log.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "control/reconcile_known.hpp"
#include "control/switch_config.hpp"
#include "packet/eal.hpp"
#include "proto/ovsdb.hpp"

namespace sluice {

/// Rows of a table by its name; an empty table for unknown names.
using TableLookup = std::function<const ovsdb::TableRows&(std::string_view table)>;

/// The configuration that the rows describe. `rundir`: where bridges put their management sockets. Rows that
/// make no sense are reported and left out, or refused with a sentence (InterfaceConfig::refusal).
SwitchConfig read_switch_config(const TableLookup& tables, const std::string& rundir, Notices& notices);

/// What other_config says about DPDK's start.
EalConfig read_eal_config(const TableLookup& tables);

/// Interval of statistics in milliseconds: other_config:stats-update-interval, at least 5000.
std::int64_t read_stats_interval_ms(const TableLookup& tables);

/// VLAN behaviour of a Port row.
bridge::VlanSettings read_vlan(const ovsdb::Row& port, Notices& notices);

/// Settings of a Controller row.
ControllerSettings read_controller(const ovsdb::Row& row);

}  // namespace sluice
