// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "flow/action.hpp"

namespace sluice {

/// The actions of a set in the order they run: of most kinds the last one only, of the setting ones all, as
/// written; nothing at all without a final action (group, else output, else resubmit). Buckets run like
/// this. Sources: OpenFlow 1.5 §5.6, ovs-actions(7) "write_actions".
ActionList order_action_set(const ActionList& set);

}  // namespace sluice
