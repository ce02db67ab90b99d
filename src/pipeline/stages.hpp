// SPDX-License-Identifier: Apache-2.0
// StageClock: where a worker's cycles go, stage by stage. Runs in a sample of the worker's loops, so that it
// costs next to nothing.
#pragma once

#include <array>
#include <cstdint>
#include <utility>

#include <rte_cycles.h>

#include "sync/counter.hpp"

namespace sluice::pipeline {

enum class Stage : std::uint8_t {
    kReceive,  ///< taking packets from ports
    kKnown,    ///< short cuts: one rule for the burst, walks from the flow cache
    kTables,   ///< walks through the tables, and keeping them
    kSend      ///< handing packets to ports
};
inline constexpr std::size_t kStageCount = 4;

class StageClock {
  public:
    /// A loop begins, with kReceive. Only a `sampled` one is measured.
    void begin(bool sampled) noexcept {
        running_ = sampled;
        if (!sampled) return;
        spent_.fill(0);
        stage_ = Stage::kReceive;
        since_ = rte_rdtsc();
    }
    /// Another stage begins; returns the one that ends.
    Stage enter(Stage next) noexcept {
        if (__builtin_expect(!running_, 1)) return next;
        const std::uint64_t now = rte_rdtsc();
        spent_[static_cast<std::size_t>(stage_)] += now - since_;
        since_ = now;
        return std::exchange(stage_, next);
    }
    /// The loop ends. Without packets it was an idle one, and does not count.
    void end(unsigned packets) noexcept {
        if (!running_) return;
        enter(Stage::kReceive);
        running_ = false;
        if (packets == 0) return;
        for (std::size_t i = 0; i < kStageCount; ++i)
            cycles[i].add(spent_[i]);
        sampled_packets.add(packets);
    }

    // writer: the executing thread; readers: control
    std::array<Counter, kStageCount> cycles;  ///< of the time-stamp counter
    Counter sampled_packets;

  private:
    bool running_ = false;
    Stage stage_ = Stage::kReceive;
    std::uint64_t since_ = 0;
    std::array<std::uint64_t, kStageCount> spent_{};
};

}  // namespace sluice::pipeline
