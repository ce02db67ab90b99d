// SPDX-License-Identifier: Apache-2.0
// Connection tracking as the database has it: Datapath:ct_zones, CT_Zone, CT_Timeout_Policy.
#pragma once

#include "control/reconcile_config.hpp"

namespace sluice {

/// Timeouts of zones. All bridges share one tracker, so zones of every datapath in Open_vSwitch:datapaths
/// count; a zone that two of them have is what "netdev" says.
ConnectionConfig read_connection_config(const TableLookup& tables, Notices& notices);

}  // namespace sluice
