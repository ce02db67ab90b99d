// SPDX-License-Identifier: Apache-2.0
// How long a worker goes on polling empty queues before it sleeps. Waking a sleeping thread costs the sender
// an interrupt to another core and the packet the wait for it (5 to 50 us on a virtual machine); so where
// packets come close upon each other the worker waits for the next one awake, and where they don't it sleeps
// at once.
#pragma once

#include <algorithm>
#include <cstdint>

namespace sluice::worker {

/// Times in cycles of one clock. The worker's own.
class SpinPolicy {
  public:
    static constexpr std::uint64_t kLeastUs = 5;   ///< after sparse traffic, or a wake-up without any
    static constexpr std::uint64_t kMostUs = 500;  ///< after dense traffic
    static constexpr std::uint64_t kDenseUs =
        100;  ///< mean idle time between packets below which traffic is dense
    static constexpr std::uint64_t kCapUs = 10000;  ///< a longer pause counts as this

    explicit SpinPolicy(std::uint64_t cycles_per_us) : us_(cycles_per_us), mean_(kCapUs * us_) {}

    /// Packets were found by a poll that began at `begin` and were dealt with at `end`.
    void busy(std::uint64_t begin, std::uint64_t end) noexcept {
        const std::uint64_t pause = std::min(begin - std::min(begin, last_packet_), kCapUs * us_);
        mean_ = mean_ - mean_ / 8 + pause / 8;
        last_packet_ = since_ = end;
        limit_ = (mean_ < kDenseUs * us_ ? kMostUs : kLeastUs) * us_;
    }
    /// The worker slept until `now`.
    void woke(std::uint64_t now) noexcept {
        since_ = now;
        limit_ = kLeastUs * us_;
    }
    /// True when nothing came for long enough.
    bool may_sleep(std::uint64_t now) const noexcept { return now - since_ >= limit_; }

  private:
    const std::uint64_t us_;
    std::uint64_t mean_;             ///< of the pauses before packets
    std::uint64_t last_packet_ = 0;  ///< when the last packets had been dealt with
    std::uint64_t since_ = 0;        ///< start of the present wait
    std::uint64_t limit_ = 0;
};

}  // namespace sluice::worker
