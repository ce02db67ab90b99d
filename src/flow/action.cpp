// SPDX-License-Identifier: Apache-2.0
#include "flow/action.hpp"

namespace sluice {

ActionKind::ActionKind() = default;
ActionKind::ActionKind(const ActionKind& other) = default;
ActionKind::ActionKind(ActionKind&& other) noexcept = default;
ActionKind& ActionKind::operator=(const ActionKind& other) = default;
ActionKind& ActionKind::operator=(ActionKind&& other) noexcept = default;
ActionKind::~ActionKind() = default;

}  // namespace sluice
