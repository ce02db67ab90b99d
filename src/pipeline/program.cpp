// SPDX-License-Identifier: Apache-2.0
#include "pipeline/program.hpp"

#include <algorithm>

#include "pipeline/datapath.hpp"
#include "pipeline/executor.hpp"

namespace sluice::pipeline {

Program::Program(Datapath& datapath) : datapath_(datapath), index_(datapath.allocate_bridge_index()) {}

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

Rule* Program::add(std::uint8_t table, std::uint16_t priority, const SparseMatch& match, std::uint64_t cookie,
                   std::unique_ptr<ActionProgram> actions, const StatsSlot* stats) {
    auto rule = std::make_unique<Rule>();
    rule->match = match;
    rule->priority = priority;
    rule->table = table;
    rule->is_table_miss = priority == 0 && match.words.empty();
    rule->cookie = cookie;
    rule->actions = std::move(actions);
    rule->stats = stats ? *stats : datapath_.allocate_stats();
    rule->added.store(datapath_.next_version(), std::memory_order_relaxed);
    table_for(table).insert(*rule);
    return rule.release();
}

void Program::remove(Rule* rule, bool keep_stats) {
    rule->removed.store(datapath_.next_version(), std::memory_order_relaxed);
    if (hidden_.empty()) datapath_.at_publish([this] { retire_hidden(); });
    hidden_.push_back({rule, keep_stats});
}

// Unlinks once no worker can be at a version that shows the rules, frees once none can hold them.
void Program::retire_hidden() {
    datapath_.rcu().retire([this, hidden = std::move(hidden_)] {
        for (const auto& [rule, keep_stats] : hidden) {
            owned_[rule->table]->remove(*rule);
            free_later(rule, keep_stats);
        }
    });
    hidden_.clear();
}

void Program::free_later(Rule* rule, bool keep_stats) {
    datapath_.rcu().retire([&datapath = datapath_, rule, keep_stats] {
        if (!keep_stats) datapath.release_stats(rule->stats);
        delete rule;
    });
}

void Program::revert_add(Rule* rule, bool keep_stats) {
    owned_[rule->table]->remove(*rule);
    free_later(rule, keep_stats);
}

void Program::revert_remove(Rule* rule) {
    rule->removed.store(kNeverVersion, std::memory_order_relaxed);
    const auto it =
        std::find_if(hidden_.rbegin(), hidden_.rend(), [&](const auto& h) { return h.rule == rule; });
    if (it != hidden_.rend()) hidden_.erase(std::next(it).base());
}

RuleStats Program::stats(const Rule& rule) const {
    return datapath_.rule_stats(rule.stats);
}

TableStats Program::table_stats(std::uint8_t table) const {
    TableStats sum;
    for (const Executor* executor : datapath_.executors()) {
        sum.lookups += executor->table_lookups(index_, table);
        sum.matches += executor->table_matches(index_, table);
    }
    return sum;
}

std::size_t Program::rule_count(std::uint8_t table) const {
    return owned_[table] ? owned_[table]->size() : 0;
}

}  // namespace sluice::pipeline
