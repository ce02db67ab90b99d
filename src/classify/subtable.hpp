// SPDX-License-Identifier: Apache-2.0
// Subtable: all rules of one mask, in a hash table from masked key to a chain of rules.
//
// Open addressing with linear probing. A slot is never moved while readers may look at it: removal
// leaves a tombstone, growth builds a new array and swaps it by RCU.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "base/hash.hpp"
#include "classify/table.hpp"

namespace sluice::classify {

class Subtable {
  public:
    Subtable(Rcu& rcu, const SparseMatch& shape);

    /// True if the rule's mask is this subtable's.
    bool same_shape(const SparseMatch& match) const;

    // Control thread.
    void insert(Rule& rule);
    void remove(Rule& rule);
    std::size_t size() const { return count_; }
    std::uint16_t max_priority() const { return priorities_.empty() ? 0 : priorities_.rbegin()->first; }
    const SparseMatch& shape() const { return shape_; }
    template <typename F>
    void for_each(F&& f) const;

    // Workers.
    std::uint64_t hash(const FlowKey& key) const noexcept {
        std::uint64_t words[kKeyWords];
        std::size_t n = 0;
        for (const auto& w : shape_.words)
            words[n++] = key.word[w.index] & w.mask;
        return finish(hash_words(secret_, words, n));
    }
    /// Brings the first slot of a hash towards the cache.
    void prefetch(std::uint64_t hash) const noexcept {
        const Slots& slots = *slots_.read();
        __builtin_prefetch(&slots.slot[hash & slots.mask]);
    }
    /// Best visible rule for a key of this hash, or nullptr.
    Rule* find(const FlowKey& key, std::uint64_t hash, Version version) const noexcept;
    /// Some rule of this hash, to be fetched ahead of find(); nullptr: find() would find none.
    const Rule* first(std::uint64_t hash) const noexcept;
    /// The visible rule of this priority whose values are those of `words` (the shape's words), or nullptr.
    Rule* find_exact(const WordMatch* words, std::uint16_t priority, Version version) const noexcept;
    bool has_shape(const WordMatch* words, std::size_t count) const noexcept;

  private:
    struct Slot {
        std::atomic<std::uint64_t> hash{0};  ///< 0: never used
        std::atomic<Rule*> head{nullptr};    ///< nullptr with a hash: tombstone
    };
    struct Slots {
        explicit Slots(std::size_t capacity) : mask(capacity - 1), slot(new Slot[capacity]) {}
        std::size_t mask;
        std::unique_ptr<Slot[]> slot;
    };
    static std::uint64_t finish(std::uint64_t hash) noexcept { return hash | (std::uint64_t{1} << 63); }
    std::uint64_t rule_hash(const Rule& rule) const;
    static void place(Slots& slots, std::uint64_t hash, Rule* head);
    Slot* find_slot(const Rule& rule, std::uint64_t hash) const;
    void resize(std::size_t capacity);

    Rcu& rcu_;
    const HashKey secret_;
    SparseMatch shape_;  ///< masks only; values are 0
    std::size_t count_ = 0;
    std::size_t used_ = 0;  ///< slots with a hash, tombstones included
    std::map<std::uint16_t, std::uint32_t> priorities_;
    RcuPtr<Slots> slots_;
};

template <typename F>
void Subtable::for_each(F&& f) const {
    const Slots& slots = *slots_.read();
    for (std::size_t i = 0; i <= slots.mask; ++i) {
        Rule* rule = slots.slot[i].head.load(std::memory_order_relaxed);
        while (rule) {
            Rule* next = rule->next.load(std::memory_order_relaxed);
            f(*rule);
            rule = next;
        }
    }
}

}  // namespace sluice::classify
