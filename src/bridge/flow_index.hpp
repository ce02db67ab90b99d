// SPDX-License-Identifier: Apache-2.0
// FlowIndex: the flows of one OpenFlow table, found by identity (match and priority) through a hash table
// and walked in the order they came. Both chains run through the flows themselves: no allocation a flow.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/hash.hpp"
#include "pipeline/program.hpp"

namespace sluice::bridge {

/// One OpenFlow flow as the control thread knows it; what workers need is in `rule`. About 100 bytes.
struct Flow {
    pipeline::Rule* rule = nullptr;  ///< match, priority, table, actions, statistics slot
    std::uint64_t cookie = 0;
    std::int64_t created_ms = 0;   ///< monotonic
    std::int64_t modified_ms = 0;  ///< monotonic; hard time-outs count from here
    std::int64_t deadline_ms = 0;  ///< when the time-outs are looked at next; 0: has none
    std::uint16_t idle_timeout_s = 0, hard_timeout_s = 0;
    std::uint16_t importance = 0;
    std::uint16_t flags = 0;  ///< openflow::flow_flag
    bool hidden = false;      ///< the switch's own: not in dumps, not touched by flow-mods
    std::uint64_t added_seq = 0, modified_seq = 0;  ///< FlowTables::sequence() at these changes

    const SparseMatch& match() const { return rule->match; }
    std::uint16_t priority() const { return rule->priority; }
    std::uint8_t table() const { return rule->table; }
    const ActionList& actions() const { return rule->actions->source; }

    // FlowIndex only.
    Flow* bucket_next = nullptr;
    Flow *previous = nullptr, *next = nullptr;
    std::uint32_t hash = 0;
};

class FlowIndex {
  public:
    /// Links a flow (owned by the caller) at the end; its identity is not yet there. O(1) amortized.
    void insert(Flow& flow);
    void erase(Flow& flow);
    /// The flow with exactly this match and priority, hidden ones aside, or nullptr.
    Flow* find(const SparseMatch& match, std::uint16_t priority) const;

    Flow* first() const { return first_; }
    std::size_t size() const { return size_; }

  private:
    static std::uint32_t hash_of(const SparseMatch& match, std::uint16_t priority);
    void grow();

    std::vector<Flow*> buckets_;  ///< a power of two of them, or none
    Flow *first_ = nullptr, *last_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace sluice::bridge
