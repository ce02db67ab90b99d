// SPDX-License-Identifier: Apache-2.0
// Lookup structure of one OpenFlow table: finds the visible rule of highest priority for each packet.
//
// The control thread inserts and removes rules in place; workers look up without locks. Every rule
// carries the half-open interval of versions [added, removed) in which it is visible, so a whole bundle
// becomes visible by publishing one number, and a packet that pinned a version never sees half of it.
//
// Two shapes, chosen by size: up to kLinearMax rules a sorted array (copy on write); above, one hash
// table per mask ("subtable", tuple space), the subtables ordered by their highest priority so that a
// search ends when no later one can win. Both say which key words they read (`read_words`), so that a
// group of packets that agrees on those words is looked up once.
//
// Conjunctive rules (ovs-fields(7), "Conjunctive Match Fields") are looked up as OVS does: the best certain
// match competes with sets of conjunctive ones, highest priority first; a complete set counts if the packet,
// looked up once more with conj_id, matches anything. Of several complete sets of one priority, which OVS
// leaves open, the lowest id is tried first. Tables without such rules pay one flag test.
//
// Cost: linear: one masked compare a rule; tuple space: one hash and about one cache miss a subtable.
// Insert and remove: O(words) expected, plus O(subtables) when a mask comes or goes.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "base/types.hpp"
#include "flow/match.hpp"
#include "sync/rcu.hpp"

namespace sluice::classify {

/// Set of key words.
struct WordSet {
    std::array<std::uint64_t, 2> bits{};
    constexpr void add(unsigned word) { bits[word / 64] |= std::uint64_t{1} << (word % 64); }
    constexpr void add(FieldLoc loc) { add(loc.word), loc.bits == 128 ? add(loc.word + 1U) : void(); }
    constexpr void remove(unsigned word) { bits[word / 64] &= ~(std::uint64_t{1} << (word % 64)); }
    constexpr bool has(unsigned word) const { return bits[word / 64] >> (word % 64) & 1; }
    constexpr bool within(const WordSet& other) const {
        return ((bits[0] & ~other.bits[0]) | (bits[1] & ~other.bits[1])) == 0;
    }
    constexpr WordSet& operator|=(const WordSet& other) {
        bits[0] |= other.bits[0], bits[1] |= other.bits[1];
        return *this;
    }
};

/// One clause that a rule fulfils (ovs-actions(7), "conjunction").
struct Conjunction {
    std::uint32_t id = 0;
    std::uint8_t clause = 0;  ///< from 0
    std::uint8_t n_clauses = 0;
};

/// What the classifier needs of a rule; the pipeline's rule derives from it.
struct Rule {
    SparseMatch match;
    std::uint16_t priority = 0;
    /// Not empty: a conjunctive rule. No look-up returns it; where rules of one priority fulfil all clauses
    /// of an id, the packet is looked up anew with conj_id = id. Final before insert().
    std::vector<Conjunction> conjunctions;
    // writer: control; readers: workers
    std::atomic<Version> added{kNeverVersion};
    std::atomic<Version> removed{kNeverVersion};
    std::atomic<Rule*> next{nullptr};  ///< same masked key in a subtable, priority descending
    bool visible(Version version) const noexcept {
        return added.load(std::memory_order_relaxed) <= version &&
               version < removed.load(std::memory_order_relaxed);
    }
};

class Subtable;

class Table {
  public:
    static constexpr std::size_t kLinearMax = 8;

    /// Forces a shape, for tests: 0 always tuple space, large always linear.
    explicit Table(Rcu& rcu, std::size_t linear_max = kLinearMax);
    ~Table();
    Table(const Table&) = delete;
    Table& operator=(const Table&) = delete;

    // Control thread.
    /// Links a rule (its match and priority are final); visible from rule.added on. Borrowed.
    void insert(Rule& rule);
    /// Unlinks a rule that no published version shows; the caller frees it after a grace period.
    void remove(Rule& rule);
    std::size_t size() const { return rules_.size(); }
    std::size_t subtable_count() const;
    /// Calls f(const Rule&) for every linked rule, in no order.
    void for_each(const std::function<void(const Rule&)>& f) const;
    /// ORs into `mask` every bit that some rule of this table reads.
    void add_read_bits(std::array<std::uint64_t, kKeyWords>& mask) const;

    // Workers (inside an RCU read section).
    /// Words any rule of this table reads, and whether it has any rule at all.
    const WordSet& read_words() const noexcept;
    bool empty() const noexcept;
    /// Visible rule of highest priority for one key, or nullptr.
    /// `key` is changed during the call (conj_id) if the table has conjunctive rules.
    Rule* lookup(FlowKey& key, Version version) const noexcept;
    /// The same for keys[index[i]], i < count <= 32; result[i].
    void lookup_batch(FlowKey* keys, const std::uint8_t* index, unsigned count, Version version,
                      Rule** result) const noexcept;

    /// ORs into `mask` every bit that deciding this key's rule looked at (for trace and megaflow views).
    void consulted(FlowKey& key, Version version, FlowKey& mask) const noexcept;
    /// The visible rule with exactly this match and priority (words ascending by index), or nullptr. Workers
    /// may call it.
    Rule* find_exact(const WordMatch* words, std::size_t count, std::uint16_t priority,
                     Version version) const noexcept;

  private:
    struct View;
    class ConjunctiveLookup;
    void publish_view();
    void insert_into_subtable(Rule& rule, bool& changed);
    Subtable* find_subtable(const SparseMatch& match) const;

    Rcu& rcu_;
    const std::size_t linear_max_;
    bool linear_ = true;
    std::vector<Rule*> rules_;  ///< linear shape: priority descending
    std::size_t count_ = 0;
    std::size_t conjunctive_count_ = 0;  ///< rules of `count_` with conjunctions
    std::vector<std::unique_ptr<Subtable>> subtables_;
    RcuPtr<View> view_;
};

}  // namespace sluice::classify
