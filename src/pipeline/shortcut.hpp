// SPDX-License-Identifier: Apache-2.0
// Which flows get a shortcut through the kernel (port/shortcut/shortcuts.hpp), and what their packets count.
//
// A worker samples what it receives on ports where shortcuts may begin: of 64 packets one, of large ones one
// in eight, so flows of many bytes come soon and the rest hardly ever. The sampled packet's walk is looked
// up: a burst that one rule decides (direct.cpp) or a verdict of the flow cache that changes nothing and
// leaves through one such port. The shortcut is made when the burst has been sent and the port's sockets are
// empty, so that no packet overtakes another. All that counting needs goes to the control thread as a
// ShortcutRecord.
//
// The control thread (ShortcutBook) reads the kernel's counts when somebody asks and twice a second, and
// counts on behalf of the rules, ports and addresses; it gives up what is void or idle. Slots go round: free
// ones to workers through a ring, back with the records.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "pipeline/datapath.hpp"
#include "pipeline/stats.hpp"
#include "pipeline/verdict.hpp"
#include "port/shortcut/shortcuts.hpp"
#include "sync/spsc_ring.hpp"

namespace sluice::pipeline {

/// A shortcut and what its packets count (worker -> control).
struct ShortcutRecord {
    ShortcutKey key;
    ShortcutEntry entry;
    unsigned bridge = 0;
    OfPort in_port{};
    bool refreshes = false;  ///< NORMAL: its packets keep their source address young
    std::uint8_t rule_count = 0;
    std::array<StatsSlot, kMaxVisits> rules;
};

/// A worker's side. Owner: the executor's thread, but for the rings' far ends.
struct ShortcutMaker {
    static constexpr unsigned kRing = 64;
    SpscRing<ShortcutRecord> made{kRing};
    SpscRing<std::uint32_t> slots{kRing};  ///< free ones; producer: control

    std::uint64_t generation = ShortcutControl::kOff;  ///< as of before the burst's version and topology
    std::uint64_t since_ms = 0;                        ///< when it was first seen
    unsigned credit = 0;                               ///< sampled at kSampleCredit
    bool offered = false;                              ///< `offer` waits for its port's sockets to be empty
    unsigned tries = 0;
    const Port* from = nullptr;  ///< of the offer
    std::uint64_t hash = 0;
    bool any_flags = false;  ///< no rule asks for TCP flags
    ShortcutRecord offer;
    struct Recent {
        std::uint64_t hash = 0, ms = 0;
    };
    std::array<Recent, 256> recent{};  ///< flows that got one lately: their last packets may still come in

    /// Before a burst's version and topology are read.
    void begin(std::uint64_t now_ms) noexcept {
        const Shortcuts* shortcuts = Shortcuts::get();
        const std::uint64_t now = shortcuts ? shortcuts->generation() : ShortcutControl::kOff;
        if (now == generation) return;
        generation = now;
        since_ms = now_ms;
    }
};

/// The control thread's side. All functions: control thread.
class ShortcutBook {
  public:
    explicit ShortcutBook(Datapath& datapath) : datapath_(datapath) {}

    /// Rules, ports, addresses and totals get what has been counted until now, or until at most so long ago.
    void collect(std::int64_t max_age_ns = 0);
    /// Twice a second or so: collect(), and slots of void and idle shortcuts become free.
    void tend();
    /// A statistics slot is about to be used for something else: void shortcuts forget theirs.
    void forget_void_rules();
    /// Takes over what an executor has made, and gives it free slots.
    void serve(Executor& executor);
    /// The executor's thread has ended.
    void leave(Executor& executor);

    /// Statistics slots of the rules whose packets take shortcuts now, some of them at least.
    std::unordered_set<std::uint32_t> carried_rules() const;
    struct Stats {
        std::uint64_t installed = 0, packets = 0, bytes = 0;
        std::size_t active = 0;  ///< valid ones
    };
    Stats stats() const;

  private:
    struct KeyHash {
        std::size_t operator()(const ShortcutKey& key) const noexcept;
    };
    struct Active : ShortcutRecord {
        unsigned idle_tends = 0, void_tends = 0;
    };
    struct Resting {
        std::uint32_t slot;
        unsigned tends;
    };
    void adopt(Executor& executor);
    bool count(Shortcuts& shortcuts, const Active& active);
    bool is_void(const Active& active) const;

    Datapath& datapath_;
    std::vector<Active> active_;
    std::unordered_map<ShortcutKey, std::uint32_t, KeyHash> slot_of_;  ///< the key's newest
    std::vector<std::uint32_t> free_;
    std::vector<Resting> resting_;          ///< given up; a program may still be counting there
    std::vector<ShortcutCounts> seen_;      ///< by slot; empty: nothing was ever made
    std::uint64_t rules_forgotten_at_ = 0;  ///< generation
    std::int64_t collected_ns_ = 0;         ///< machine's clock
    std::uint64_t packets_ = 0, bytes_ = 0, installed_ = 0;
};

}  // namespace sluice::pipeline
