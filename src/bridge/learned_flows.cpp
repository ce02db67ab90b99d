// SPDX-License-Identifier: Apache-2.0
// FlowTables: flows that packets make (learn), change (fin_timeout) and take with them (delete_learned).
#include <algorithm>

#include "base/clock.hpp"
#include "bridge/flow_tables.hpp"
#include "flow/action_text.hpp"

namespace sluice::bridge {

namespace {

/// The learn actions of a list with delete_learned set, nested ones too.
void find_owners(const ActionList& actions, std::vector<std::pair<std::uint8_t, std::uint64_t>>& owned) {
    for (const Action& action : actions) {
        if (const auto* learn = std::get_if<LearnAction>(&action.kind); learn && learn->delete_learned)
            owned.emplace_back(learn->table, learn->cookie);
        if (const auto* clone = std::get_if<CloneAction>(&action.kind)) find_owners(clone->actions, owned);
    }
}

std::uint16_t shorter(std::uint16_t limit, std::uint16_t timeout) {
    return limit != 0 && (timeout == 0 || timeout > limit) ? limit : timeout;
}

}  // namespace

void FlowTables::learn(const pipeline::LearnedFlow& learned) {
    if (in_transaction_) return;
    const LearnAction& action = *learned.action;
    const std::int64_t now_ms = clock::now_ms();
    const SparseMatch match = SparseMatch::from(learned.match);
    const auto find = [&] {
        const auto& index = tables_[action.table];
        return index ? index->find(match, action.priority) : nullptr;
    };
    const std::uint16_t flags =
        action.send_flow_rem ? openflow::flow_flag::kSendFlowRemoved : std::uint16_t{0};
    const bool sets_cookie = action.cookie != ~std::uint64_t{0};
    Flow* old = find();
    if (old && old->idle_timeout_s == action.idle_timeout && old->hard_timeout_s == action.hard_timeout &&
        old->importance == 0 && old->flags == flags && (!sets_cookie || old->cookie == action.cookie) &&
        format_actions(old->actions()) == format_actions(learned.actions)) {
        old->modified_ms = now_ms;
        old->rule->learn_tag.store(learned.tag, std::memory_order_relaxed);
        return;
    }
    if (action.limit != 0) {
        const auto& index = tables_[action.table];
        std::uint32_t flows = 0;
        for (const Flow* flow = index ? index->first() : nullptr; flow; flow = flow->next)
            flows += !flow->hidden && flow->cookie == action.cookie ? 1U : 0U;
        if (flows >= action.limit) return;
    }
    // As OVS does it: a strict modification, which adds what is not there.
    openflow::FlowMod mod;
    mod.command = openflow::FlowCommand::kModifyStrict;
    mod.table = action.table;
    mod.priority = action.priority;
    mod.match = learned.match;
    mod.new_cookie = action.cookie;
    mod.modify_cookie = sets_cookie;
    mod.idle_timeout_s = action.idle_timeout;
    mod.hard_timeout_s = action.hard_timeout;
    mod.flags = flags;
    mod.actions = learned.actions;
    if (run(mod, match, now_ms)) return;
    commit();
    if (Flow* flow = find()) flow->rule->learn_tag.store(learned.tag, std::memory_order_relaxed);
}

void FlowTables::fin_timeout(pipeline::Rule& rule, std::uint16_t idle_timeout, std::uint16_t hard_timeout) {
    auto* flow = static_cast<Flow*>(rule.owner);
    if (!flow) return;
    flow->idle_timeout_s = shorter(idle_timeout, flow->idle_timeout_s);
    flow->hard_timeout_s = shorter(hard_timeout, flow->hard_timeout_s);
    arm(*flow);
}

void FlowTables::note_learner(const ActionList& actions) {
    find_owners(actions, orphans_);
}

/// Flows whose last learner with delete_learned went away or was changed go too; so do theirs.
void FlowTables::remove_orphans() {
    while (!orphans_.empty()) {
        const auto orphan = orphans_.back();
        const auto [table, cookie] = orphan;
        orphans_.pop_back();
        bool still_learned = false;
        std::vector<std::pair<std::uint8_t, std::uint64_t>> owned;
        for_each_with_hidden([&](const Flow& flow) {
            if (still_learned) return;
            owned.clear();
            find_owners(flow.actions(), owned);
            still_learned = std::find(owned.begin(), owned.end(), orphan) != owned.end();
        });
        if (still_learned || !tables_[table]) continue;
        for (Flow *flow = tables_[table]->first(), *next = nullptr; flow; flow = next) {
            next = flow->next;
            if (!flow->hidden && flow->cookie == cookie) remove(*flow, FlowRemovedReason::kDelete);
        }
    }
}

}  // namespace sluice::bridge
