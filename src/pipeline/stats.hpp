// SPDX-License-Identifier: Apache-2.0
// Per-rule counters: a slot number a rule, one array of counters a worker, summed on read.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "sync/counter.hpp"

namespace sluice::pipeline {

struct StatsSlot {
    std::uint32_t index = 0;
    friend bool operator==(StatsSlot, StatsSlot) = default;
};

/// Sum over workers; used_ms: monotonic milliseconds of the last packet, 0 if none.
struct RuleStats {
    std::uint64_t packets = 0, bytes = 0, used_ms = 0;
};
struct TableStats {
    std::uint64_t lookups = 0, matches = 0;
};

struct RuleCounter {  // writer: one worker; readers: control
    Counter packets, bytes, used_ms;
};

/// Counter arrays in chunks, so that a slot never moves. Control grows; each worker indexes its own.
class StatsArena {
  public:
    static constexpr unsigned kChunk = 4096;
    static constexpr unsigned kMaxChunks = 4096;  ///< 16 M rules
    using Chunk = std::array<RuleCounter, kChunk>;

    /// Worker: the counter of a slot; valid once the control thread has allocated the slot.
    RuleCounter& at(StatsSlot slot) noexcept {
        return (*chunks_[slot.index / kChunk].load(std::memory_order_acquire))[slot.index % kChunk];
    }
    /// Worker: the slot of one of its counters.
    StatsSlot slot_of(const RuleCounter& counter) const noexcept {
        for (std::uint32_t c = 0; c < kMaxChunks; ++c) {
            const Chunk* chunk = chunks_[c].load(std::memory_order_relaxed);
            if (chunk && &counter >= chunk->data() && &counter < chunk->data() + kChunk)
                return {c * kChunk + static_cast<std::uint32_t>(&counter - chunk->data())};
        }
        return {};
    }
    ~StatsArena() {
        for (auto& chunk : chunks_)
            delete chunk.load(std::memory_order_relaxed);
    }
    /// Control: makes slots up to and including `index` addressable.
    void ensure(std::uint32_t index) {
        if (chunks_[index / kChunk].load(std::memory_order_relaxed)) return;
        for (unsigned i = 0; i <= index / kChunk; ++i) {
            if (!chunks_[i].load(std::memory_order_relaxed))
                chunks_[i].store(new Chunk{}, std::memory_order_release);
        }
    }

    /// Control: adds another arena's counters (of a thread that has ended) to this one's.
    void absorb(const StatsArena& gone) {
        for (unsigned c = 0; c < kMaxChunks; ++c) {
            const Chunk* from = gone.chunks_[c].load(std::memory_order_relaxed);
            Chunk* to = chunks_[c].load(std::memory_order_relaxed);
            if (!from || !to) continue;
            for (unsigned i = 0; i < kChunk; ++i) {
                (*to)[i].packets.add((*from)[i].packets.read());
                (*to)[i].bytes.add((*from)[i].bytes.read());
                if ((*from)[i].used_ms.read() > (*to)[i].used_ms.read())
                    (*to)[i].used_ms.set((*from)[i].used_ms.read());
            }
        }
    }

  private:
    std::array<std::atomic<Chunk*>, kMaxChunks> chunks_{};
};

}  // namespace sluice::pipeline
