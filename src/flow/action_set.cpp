// SPDX-License-Identifier: Apache-2.0
#include "flow/action_set.hpp"

namespace sluice {

namespace {

/// The last action of a kind in an action set, or nullptr.
template <typename Kind>
const Action* last_of(const ActionList& set) {
    for (auto it = set.rbegin(); it != set.rend(); ++it) {
        if (std::holds_alternative<Kind>(it->kind)) return &*it;
    }
    return nullptr;
}

template <typename... Kinds>
bool is_any(const Action& action) {
    return (std::holds_alternative<Kinds>(action.kind) || ...);
}

}  // namespace

ActionList order_action_set(const ActionList& set) {
    ActionList list;
    const auto take = [&list](const Action* action) {
        if (action != nullptr) list.push_back(*action);
    };
    take(last_of<StripVlanAction>(set));
    take(last_of<PopMplsAction>(set));
    take(last_of<DecapAction>(set));
    take(last_of<EncapAction>(set));
    take(last_of<PushMplsAction>(set));
    take(last_of<PushVlanAction>(set));
    take(last_of<DecTtlAction>(set));
    take(last_of<DecMplsTtlAction>(set));
    take(last_of<DecNshTtlAction>(set));
    for (const Action& action : set) {
        if (is_any<SetFieldAction, MoveAction, SetVlanVidAction, SetVlanPcpAction, SetMplsTtlAction,
                   SetMplsLabelAction, SetMplsTcAction>(action))
            list.push_back(action);
    }
    take(last_of<SetQueueAction>(set));
    const Action* final = last_of<GroupAction>(set);
    if (final == nullptr) final = last_of<OutputAction>(set);
    if (final == nullptr) final = last_of<ResubmitAction>(set);
    if (final == nullptr) final = last_of<CtClearAction>(set);
    if (final == nullptr) final = last_of<CtAction>(set);
    if (final == nullptr) return {};
    list.push_back(*final);
    return list;
}

}  // namespace sluice
