// SPDX-License-Identifier: Apache-2.0
// Which flows a loose command, a dump or an aggregate means.
#include <algorithm>

#include "bridge/flow_tables.hpp"

namespace sluice::bridge {

namespace {

/// Any action of the list, or nested in it, for which `test` holds.
template <typename Test>
bool any_action(const ActionList& actions, const Test& test) {
    return std::any_of(actions.begin(), actions.end(), [&](const Action& action) {
        if (const auto* clone = std::get_if<CloneAction>(&action.kind))
            return any_action(clone->actions, test);
        if (const auto* write = std::get_if<WriteActionsAction>(&action.kind))
            return any_action(write->actions, test);
        return test(action);
    });
}

bool outputs_to_group(const ActionList& actions, std::uint32_t group) {
    return any_action(actions, [&](const Action& action) {
        const auto* output = std::get_if<GroupAction>(&action.kind);
        return output && output->group == group;
    });
}

/// Calls `both(a_word, b_word)` for each word that both matches have; false as soon as it is.
template <typename F>
bool all_common_words(const SparseMatch& a, const SparseMatch& b, const F& both) {
    auto left = a.words.begin();
    auto right = b.words.begin();
    while (left != a.words.end() && right != b.words.end()) {
        if (left->index < right->index) {
            ++left;
        } else if (right->index < left->index) {
            ++right;
        } else if (!both(*left++, *right++)) {
            return false;
        }
    }
    return true;
}

}  // namespace

bool outputs_to(const ActionList& actions, OfPort port) {
    return any_action(actions, [&](const Action& action) {
        if (const auto* output = std::get_if<OutputAction>(&action.kind)) return output->port == port;
        if (const auto* cut = std::get_if<OutputTruncAction>(&action.kind)) return cut->port == port;
        if (const auto* queue = std::get_if<EnqueueAction>(&action.kind)) return queue->port == port;
        return port == OfPort::kController && std::holds_alternative<ControllerAction>(action.kind);
    });
}

bool overlaps(const SparseMatch& a, const SparseMatch& b) {
    return all_common_words(a, b, [](const WordMatch& left, const WordMatch& right) {
        return ((left.value ^ right.value) & left.mask & right.mask) == 0;
    });
}

bool covers(const SparseMatch& wide, const SparseMatch& narrow) {
    std::size_t common = 0;
    return all_common_words(wide, narrow,
                            [&](const WordMatch& outer, const WordMatch& inner) {
                                ++common;
                                return (inner.mask & outer.mask) == outer.mask &&
                                       (inner.value & outer.mask) == outer.value;
                            }) &&
           common == wide.words.size();
}

FlowFilter FlowFilter::from(const openflow::FlowSelection& selection) {
    return {SparseMatch::from(selection.match),
            selection.table,
            selection.out_port,
            selection.out_group,
            selection.cookie,
            selection.cookie_mask};
}

bool FlowFilter::passes(const Flow& flow) const {
    return !flow.hidden && ((flow.cookie ^ cookie) & cookie_mask) == 0 && covers(match, flow.match()) &&
           (out_port == OfPort::kAny || outputs_to(flow.actions(), out_port)) &&
           (out_group == openflow::kAnyGroup || outputs_to_group(flow.actions(), out_group));
}

}  // namespace sluice::bridge
