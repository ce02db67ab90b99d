// SPDX-License-Identifier: Apache-2.0
#include "pipeline/program.hpp"

#include <algorithm>

#include "pipeline/datapath.hpp"
#include "pipeline/executor.hpp"
#include "pipeline/group.hpp"
#include "pipeline/meter.hpp"

namespace sluice::pipeline {

Program::Program(Datapath& datapath)
    : datapath_(datapath),
      index_(datapath.allocate_bridge_index()),
      groups_(datapath, free_group),
      meters_(datapath, free_meter) {
    publish_shape();
}

// Whoever destroys a Program has taken its bridge out of the topology and waited for a grace period.
Program::~Program() {
    datapath_.release_bridge_index(index_);
}

classify::Table& Program::table_for(std::uint8_t id) {
    if (!owned_[id]) {
        owned_[id] = std::make_unique<classify::Table>(datapath_.rcu());
        tables_[id].store(owned_[id].get(), std::memory_order_release);
    }
    return *owned_[id];
}

void Program::note_change(std::uint8_t table) {
    last_change_[table].store(datapath_.next_version(), std::memory_order_relaxed);
}

void Program::publish_shape() {
    static std::uint64_t next_serial = 0;  // control thread
    std::array<std::uint64_t, kKeyWords> mask{};
    for (const auto& table : owned_) {
        if (table) table->add_read_bits(mask);
    }
    shape_.publish(datapath_.rcu(), std::make_unique<KeyShape>(make_key_shape(mask, ++next_serial)));
}

Rule* Program::add(std::uint8_t table, std::uint16_t priority, const SparseMatch& match, std::uint64_t cookie,
                   std::unique_ptr<ActionProgram> actions, const StatsSlot* stats) {
    auto rule = std::make_unique<Rule>();
    rule->match = match;
    rule->priority = priority;
    rule->table = table;
    rule->is_table_miss = priority == 0 && match.words.empty();
    rule->cookie = cookie;
    rule->actions = std::move(actions);
    if (rule->actions->writes_action_set) action_set_rules_.fetch_add(1, std::memory_order_relaxed);
    rule->stats = stats ? *stats : datapath_.allocate_stats();
    rule->conjunctions = rule->actions->conjunctions;
    bind(*rule->actions);
    count(*rule, 1);
    rule->added.store(datapath_.next_version(), std::memory_order_relaxed);
    table_for(table).insert(*rule);
    note_change(table);
    if (!shape_.read()->covers(rule->match)) publish_shape();
    return rule.release();
}

void Program::remove(Rule* rule, bool keep_stats) {
    count(*rule, -1);
    rule->removed.store(datapath_.next_version(), std::memory_order_relaxed);
    note_change(rule->table);
    if (hidden_.empty()) datapath_.at_publish([this] { retire_hidden(); });
    hidden_.push_back({rule, keep_stats});
}

// Unlinks once no worker can be at a version that shows the rules, frees once none can hold them.
void Program::retire_hidden() {
    datapath_.rcu().retire([this, hidden = std::move(hidden_)] {
        for (const auto& [rule, keep_stats] : hidden) {
            owned_[rule->table]->remove(*rule);
            if (!keep_stats) retired_packets_[rule->table] += datapath_.rule_stats(rule->stats).packets;
            free_later(rule, keep_stats);
        }
    });
    hidden_.clear();
}

void Program::free_later(Rule* rule, bool keep_stats) {
    if (rule->actions->writes_action_set) action_set_rules_.fetch_sub(1, std::memory_order_relaxed);
    datapath_.rcu().retire([&datapath = datapath_, rule, keep_stats] {
        if (!keep_stats) datapath.release_stats(rule->stats);
        datapath.free_after_drain(std::unique_ptr<Rule>(rule));
    });
}

void Program::revert_add(Rule* rule, bool keep_stats) {
    count(*rule, -1);
    owned_[rule->table]->remove(*rule);
    free_later(rule, keep_stats);
}

void Program::revert_remove(Rule* rule) {
    count(*rule, 1);
    rule->removed.store(kNeverVersion, std::memory_order_relaxed);
    const auto it =
        std::find_if(hidden_.rbegin(), hidden_.rend(), [&](const auto& h) { return h.rule == rule; });
    if (it != hidden_.rend()) hidden_.erase(std::next(it).base());
}

void Program::bind(ActionProgram& actions) {
    for (Op& op : actions.ops) {
        if (op.nested) bind(*op.nested);
        const auto* learn = op.source ? std::get_if<LearnAction>(&op.source->kind) : nullptr;
        if (op.code != OpCode::kLearn || !learn || learn->limit == 0) continue;
        auto& count = cookie_counts_[{learn->table, learn->cookie}];
        if (!count) {
            count = std::make_unique<CookieCount>();
            std::uint32_t flows = 0;
            if (owned_[learn->table]) {
                owned_[learn->table]->for_each([&](const classify::Rule& rule) {
                    const bool stays = rule.removed.load(std::memory_order_relaxed) == kNeverVersion;
                    flows += stays && static_cast<const Rule&>(rule).cookie == learn->cookie ? 1U : 0U;
                });
            }
            count->flows.store(flows, std::memory_order_relaxed);
        }
        op.count = count.get();
    }
}

void Program::count(const Rule& rule, int change) {
    if (rule.actions->learns) learners_.fetch_add(static_cast<unsigned>(change), std::memory_order_relaxed);
    if (cookie_counts_.empty()) return;
    const auto it = cookie_counts_.find({rule.table, rule.cookie});
    if (it != cookie_counts_.end())
        it->second->flows.fetch_add(static_cast<std::uint32_t>(change), std::memory_order_relaxed);
}

RuleStats Program::stats(const Rule& rule) const {
    return datapath_.rule_stats(rule.stats);
}

RuleStats Program::stats(StatsSlot slot) const {
    return datapath_.rule_stats(slot);
}

TableStats Program::table_stats(std::uint8_t table) const {
    TableStats sum;
    sum.matches = retired_packets_[table];
    if (owned_[table]) {
        owned_[table]->for_each([&](const classify::Rule& rule) {
            sum.matches += datapath_.rule_stats(static_cast<const Rule&>(rule).stats).packets;
        });
    }
    sum.lookups = sum.matches;
    for (const Executor* executor : datapath_.executors())
        sum.lookups += executor->table_misses(index_, table);
    return sum;
}

std::size_t Program::rule_count(std::uint8_t table) const {
    return owned_[table] ? owned_[table]->size() : 0;
}

}  // namespace sluice::pipeline
