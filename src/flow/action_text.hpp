// SPDX-License-Identifier: Apache-2.0
// Action lists as text, in the syntax and layout of ovs-ofctl. Source: ovs-actions(7).
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "flow/action.hpp"
#include "flow/match.hpp"
#include "flow/text.hpp"

namespace sluice {

/// Parses "output:1,resubmit(,2)". "drop" and "" give an empty list. Errors: EINVAL with a sentence that
/// names the action; instructions out of order (goto_table before an action) are refused.
Result<ActionList> parse_actions(std::string_view text, const PortNames* names = nullptr);
/// As `ovs-ofctl dump-flows` prints after "actions="; "drop" for an empty list.
std::string format_actions(const ActionList& actions, const PortNames* names = nullptr);

/// Words of multipath and bundle, indexed by HashFields and the algorithms.
std::span<const std::string_view> hash_field_names();
std::span<const std::string_view> multipath_algorithm_names();
std::span<const std::string_view> bundle_algorithm_names();

/// EINVAL if instructions are not in the order meter, actions, clear_actions, write_actions, write_metadata,
/// goto_table, appear twice, or lie inside of clone or write_actions; or if a write_actions holds an action
/// that an action set can't.
Result<void> check_instruction_order(const ActionList& actions);

/// OpenFlow 1.0 lets strip_vlan, dec_ttl and the mod_* actions stand in a rule that also meets packets
/// without the field (they are left alone); OpenFlow 1.1 and later demand a match on the protocol for every
/// action.
enum class ActionRules { kOpenFlow10, kOpenFlow11 };

/// Checks a list against the match of its rule, as OVS does: prerequisites of the fields it reads and sets,
/// taking the actions before into account, and instruction order. goto_table must lead to a table above
/// `table` (unless that is 0xff). Errors: EINVAL, EPERM for a read-only field.
Result<void> check_actions(const ActionList& actions, const Match& match, std::uint8_t table = 0,
                           ActionRules rules = ActionRules::kOpenFlow10);

}  // namespace sluice
