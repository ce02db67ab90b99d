// SPDX-License-Identifier: Apache-2.0
// What packets do to rules: learn and fin_timeout.
//
// Tables belong to the control thread, so a worker that executes learn writes a FlowEvent into a bounded
// ring, and the control thread makes the flow (bridge::FlowTables). Between the two the flow is not lost to
// the worker: it keeps it in a list of its own (LearnedFlows), which its look-ups ask as well, until the
// control thread has said that the published tables have it. So the next packet on the same worker meets the
// flow, as in OVS, and the same packet does not, as in OVS. On bridges with learn rules packets are run one
// by one, so that "the next packet" holds inside of a burst too.
//
// A packet that would learn what is there already only refreshes the rule's time stamp: no event, no new
// rule. Source: ovs-actions(7) "learn", "fin_timeout".
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "flow/action.hpp"
#include "flow/match.hpp"
#include "pipeline/program.hpp"

namespace sluice::pipeline {

/// A flow as learn makes it from one packet.
struct LearnedFlow {
    const LearnAction* action = nullptr;  ///< timeouts, priority, cookie, table
    Match match;
    ActionList actions;
    std::uint64_t tag = 0;  ///< of all but table, priority and match: the same tag, the same flow
};

/// What learn makes of a packet; `tun`: the bridge's options, null if it has none. Allocates.
LearnedFlow learned_flow(const LearnAction& action, const FlowKey& packet, const TunTable* tun);
/// Only match and tag; no allocation. match: all zero before.
std::uint64_t learned_match(const LearnAction& action, const FlowKey& packet, const TunTable* tun,
                            Match& match) noexcept;

/// Worker to control thread.
struct FlowEvent {
    enum class Kind : std::uint8_t { kLearn, kFinTimeout };
    Kind kind{};
    unsigned bridge = 0;
    const LearnAction* learn = nullptr;  ///< kLearn
    Rule* rule = nullptr;                ///< kFinTimeout
    std::uint16_t idle_timeout = 0, hard_timeout = 0;
    FlowKey key;  ///< kLearn: the packet
};

/// Who carries events out: the bridge. Control thread.
class FlowEventSink {
  public:
    virtual ~FlowEventSink() = default;
    /// Adds the flow, or changes the one with the same match and priority, and publishes.
    virtual void learn(const LearnedFlow& flow) = 0;
    /// A packet with FIN or RST hit `rule`: its timeouts become at most these (seconds, 0: not limited).
    virtual void fin_timeout(Rule& rule, std::uint16_t idle_timeout, std::uint16_t hard_timeout) = 0;
};

/// Flows that a worker has learned and that are not in the published tables yet. Owner: one thread.
class LearnedFlows {
  public:
    static constexpr std::size_t kMax = 256;

    struct Entry {
        std::unique_ptr<Rule> rule;
        unsigned bridge = 0;
        std::uint64_t tag = 0;
        std::uint64_t event = 0;   ///< number of the event that tells the control thread
        std::uint64_t packet = 0;  ///< number of the packet that learned it; later ones see it
        bool is_new = false;       ///< no flow with its identity is published
        std::uint64_t packets = 0, bytes = 0, used_ms = 0;
        bool fin = false;  ///< a fin_timeout is to be reported
        std::uint16_t fin_idle = 0, fin_hard = 0;
    };

    bool empty() const noexcept { return entries_.empty(); }
    bool full() const noexcept { return entries_.size() == kMax; }
    /// The newest entry with this identity, or nullptr.
    Entry* find(unsigned bridge, std::uint8_t table, std::uint16_t priority,
                const SparseMatch& match) noexcept;
    /// The best entry for a packet that is better than `published`, the rule found in the tables.
    Rule* lookup(unsigned bridge, std::uint8_t table, const FlowKey& key, std::uint64_t packet,
                 const Rule* published) noexcept;
    /// Words that entries for a table read.
    classify::WordSet read_words(unsigned bridge, std::uint8_t table) const noexcept;
    /// Flows of a table with this cookie that are new (not in `published`).
    std::uint32_t count(unsigned bridge, std::uint8_t table, std::uint64_t cookie) const noexcept;
    void add(Entry entry) { entries_.push_back(std::move(entry)); }
    /// The entry a rule belongs to, or nullptr.
    Entry* entry_of(const Rule* rule) noexcept;
    /// Forgets entries up to event `handled`; done(entry) is called for each before.
    template <typename F>
    void forget(std::uint64_t handled, F&& done) {
        std::size_t n = 0;
        while (n < entries_.size() && entries_[n].event <= handled)
            done(entries_[n++]);
        entries_.erase(entries_.begin(), entries_.begin() + static_cast<std::ptrdiff_t>(n));
    }

  private:
    std::vector<Entry> entries_;  ///< oldest first
};

}  // namespace sluice::pipeline
