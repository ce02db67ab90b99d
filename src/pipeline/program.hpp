// SPDX-License-Identifier: Apache-2.0
// Program: the compiled OpenFlow tables of one bridge. The control thread adds and removes rules in
// place; nothing shows until Datapath::publish(). All functions: control thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>

#include "classify/table.hpp"
#include "pipeline/action_program.hpp"
#include "pipeline/id_table.hpp"
#include "pipeline/key_shape.hpp"
#include "pipeline/stats.hpp"

namespace sluice::pipeline {

inline constexpr unsigned kMaxTables = 255;  ///< 0..254
/// Slot of rules that are not in the tables yet (learn.hpp).
inline constexpr StatsSlot kPendingStats{0xffffffff};

/// Number of flows in a table with one cookie, for learn(limit=...). writer: control; readers: workers.
struct CookieCount {
    std::atomic<std::uint32_t> flows{0};
};

/// A rule as workers see it. Actions, match and priority never change: a modification is a new Rule
/// that takes over the old one's statistics slot.
struct Rule : classify::Rule {
    std::uint8_t table = 0;
    bool is_table_miss = false;  ///< priority 0, no match: packet-in reason NO_MATCH
    std::uint64_t cookie = 0;    ///< goes into packet-ins
    StatsSlot stats{};
    /// LearnedFlow::tag of a flow that learn made, 0: none. writer: control; readers: workers
    std::atomic<std::uint64_t> learn_tag{0};
    /// When a packet last would have learned this flow, monotonic. writers: workers; reader: control
    std::atomic<std::uint64_t> refreshed_ms{0};
    std::atomic<bool> fin_seen{false};  ///< fin_timeout was reported. writers: workers
    std::unique_ptr<ActionProgram> actions;
    void* owner = nullptr;  ///< the bridge's record of the rule
};

struct GroupEntry;
struct MeterEntry;

class Program {
  public:
    explicit Program(Datapath& datapath);
    /// Destroyed through Rcu::retire(), after its rules were removed and the bridge left the topology.
    ~Program();
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;

    /// Adds a rule that becomes visible with the next publication. `stats`: the slot of the rule it
    /// replaces, or nullptr for a new one that starts at 0. The Rule lives until remove() and the grace
    /// period after the publication that hides it.
    Rule* add(std::uint8_t table, std::uint16_t priority, const SparseMatch& match, std::uint64_t cookie,
              std::unique_ptr<ActionProgram> actions, const StatsSlot* stats = nullptr);
    /// Hides a rule from the next publication on, and frees it once no worker can see it. `keep_stats`:
    /// its slot was handed to a successor.
    void remove(Rule* rule, bool keep_stats = false);
    /// Undoes add() or remove() before publication (a refused bundle).
    void revert_add(Rule* rule, bool keep_stats = false);
    void revert_remove(Rule* rule);

    /// Packets and bytes a rule has handled and when it last did, summed over workers.
    RuleStats stats(const Rule& rule) const;
    /// Look-ups and matches of a table since start.
    TableStats table_stats(std::uint8_t table) const;
    std::size_t rule_count(std::uint8_t table) const;
    /// Gives the learn actions of a program what they need to know of this bridge. add() does it for rules;
    /// programs that run without a rule (packet-out, buckets) need it before they run.
    void bind(ActionProgram& actions);

    /// Where tun_metadataN lie, for compile(); null: none is mapped. Control thread.
    const TunTable* tun_table() const { return tun_table_; }
    void set_tun_table(const TunTable* table) { tun_table_ = table; }

    /// Groups and meters of the bridge: make entries with compile_group() and make_meter().
    IdTable<GroupEntry>& groups() { return groups_; }
    const IdTable<GroupEntry>& groups() const { return groups_; }
    IdTable<MeterEntry>& meters() { return meters_; }
    const IdTable<MeterEntry>& meters() const { return meters_; }
    /// Statistics of a group, bucket, meter or band.
    RuleStats stats(StatsSlot slot) const;

    // Workers.
    /// Could a table of this bridge change an action set?
    bool writes_action_sets() const noexcept {
        return action_set_rules_.load(std::memory_order_relaxed) != 0;
    }
    const classify::Table* table(unsigned id) const noexcept {
        return tables_[id].load(std::memory_order_acquire);
    }
    unsigned index() const noexcept { return index_; }  ///< dense number of the bridge, for counters
    /// Some rule has a learn action: packets are run one by one.
    bool learns() const noexcept { return learners_.load(std::memory_order_relaxed) != 0; }
    /// Which header bits the tables read (FlowCache). Shows a new rule's bits before its version shows.
    const KeyShape& key_shape() const noexcept { return *shape_.read(); }
    /// Version with which the last change of a table's rules shows, perhaps one to come; 0: none ever.
    Version last_change(std::uint8_t table) const noexcept {
        return last_change_[table].load(std::memory_order_relaxed);
    }

  private:
    const TunTable* tun_table_ = nullptr;
    classify::Table& table_for(std::uint8_t id);
    void note_change(std::uint8_t table);
    void publish_shape();
    struct Hidden {
        Rule* rule;
        bool keep_stats;
    };
    void retire_hidden();
    void free_later(Rule* rule, bool keep_stats);
    void count(const Rule& rule, int change);

    Datapath& datapath_;
    unsigned index_;
    IdTable<GroupEntry> groups_;
    IdTable<MeterEntry> meters_;
    std::atomic<std::uint32_t> action_set_rules_{0};  // writer: control; readers: workers
    std::vector<Hidden> hidden_;                      ///< removed, not yet published
    std::atomic<unsigned> learners_{0};               // writer: control; readers: workers
    std::map<std::pair<std::uint8_t, std::uint64_t>, std::unique_ptr<CookieCount>> cookie_counts_;
    std::array<std::atomic<classify::Table*>, 256> tables_{};
    std::array<std::unique_ptr<classify::Table>, 256> owned_;
    std::array<std::uint64_t, 256> retired_packets_{};  ///< matched rules that are gone, by table
    RcuPtr<KeyShape> shape_;
    std::array<std::atomic<Version>, 256> last_change_{};
};

}  // namespace sluice::pipeline
