// SPDX-License-Identifier: Apache-2.0
// Which flow comes next: uniform, in turn, or by Zipf's law, without memory per flow and without division.
#pragma once

#include <array>
#include <cstdint>

#include "bench/gen/traffic.hpp"

namespace sluice::gen {

/// Pseudo-random 64-bit numbers: a Weyl sequence through one wide multiplication. Two instructions of latency
/// between two numbers, so that many are under way at a time.
class Random {
  public:
    explicit Random(std::uint64_t seed) noexcept : state_(seed * 0x9E3779B97F4A7C15 + 0x2545F4914F6CDD1D) {}
    std::uint64_t operator()() noexcept {
        state_ += 0xA0761D6478BD642F;
        __extension__ using Wide = unsigned __int128;
        const Wide product = Wide{state_} * (state_ ^ 0xE7037ED1A0B428DB);
        return static_cast<std::uint64_t>(product >> 64) ^ static_cast<std::uint64_t>(product);
    }

  private:
    std::uint64_t state_;
};

/// Ranks by Zipf's law from an alias table of 256 rows: the first 64 ranks exactly, then uniform within an
/// eighth of an octave. 6 KiB, so that it stays in the first-level cache.
class Zipf {
  public:
    void build(std::uint64_t flows, double exponent);
    /// A rank from 0; `random`: 64 random bits.
    [[nodiscard]] std::uint64_t operator()(std::uint64_t random) const noexcept {
        const std::size_t row = random & 0xFF;
        const auto coin = static_cast<std::uint32_t>((random >> 8) & 0xFFFFFF);
        const Bucket& bucket = buckets_[coin < rows_[row].threshold ? row : rows_[row].other];
        return bucket.first + (((random >> 32) * bucket.count) >> 32);
    }

  private:
    struct Row {
        std::uint32_t threshold = 0;  // of 2^24
        std::uint32_t other = 0;
    };
    struct Bucket {
        std::uint64_t first = 0;
        std::uint64_t count = 1;
    };
    std::array<Row, 256> rows_{};
    std::array<Bucket, 256> buckets_{};
};

/// The flows of one receive queue: of `queues` queues, number `queue` gets those whose number leaves `queue`
/// as the rest.
class Picker {
  public:
    /// Order, seed and exponent of `traffic`; the other arguments as the knobs say at the moment.
    void set(const Traffic& traffic, std::uint64_t flows, std::uint64_t new_share, std::uint64_t queue,
             std::uint64_t queues);
    /// Fills out[0..count): numbers of flows; what is at or above `flows` never comes again.
    /// Result: how many of those there are.
    std::uint64_t pick(std::uint64_t* out, std::size_t count) noexcept;
    [[nodiscard]] std::uint64_t flows() const noexcept { return flows_; }

  private:
    Order order_ = Order::kRandom;
    std::uint64_t flows_ = 1, own_ = 1;  // all, those of this queue
    std::uint64_t queue_ = 0, queues_ = 1;
    std::uint64_t next_ = 0;       // kSequential
    std::uint64_t new_share_ = 0;  // of 2^32
    std::uint64_t fresh_ = 0, fresh_step_ = 1;
    Random random_{1};
    Zipf zipf_;
};

}  // namespace sluice::gen
