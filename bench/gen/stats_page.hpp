// SPDX-License-Identifier: Apache-2.0
// What a generator port shares with the process that drives the measurement: a file of counters and knobs,
// mapped by both. The port runs inside the switch being measured, which need not know of it.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

namespace sluice::gen {

constexpr std::size_t kMaxQueues = 16;
/// Octaves of 32 steps: a latency's bucket is exact to 1/32 from 32 ticks up to 2^41 ticks.
constexpr std::size_t kBuckets = 1184;
/// "SLCGEN01" as a little-endian number: changes when the layout does.
constexpr std::uint64_t kPageMagic = 0x31304E4547434C53;

/// Bucket of a latency in TSC ticks; the last one also holds what is longer.
constexpr std::size_t bucket_of(std::uint64_t ticks) noexcept {
    if (ticks < 32) return static_cast<std::size_t>(ticks);
    const auto octave = static_cast<std::size_t>(std::bit_width(ticks)) - 6;
    const std::size_t index = octave * 32 + static_cast<std::size_t>(ticks >> octave);
    return index < kBuckets ? index : kBuckets - 1;
}

/// Facts of the port. Writer: the port, once, before `magic`; readers: others.
struct PageHeader {
    std::uint64_t magic = 0;
    std::uint64_t tsc_hz = 0;
    std::uint64_t rx_queues = 0;
    std::uint64_t tx_queues = 0;
    std::uint64_t rx_offset = 0;  // of the first RxCounters, from the start of the file
    std::uint64_t rx_stride = 0;
    std::uint64_t tx_offset = 0;
    std::uint64_t tx_stride = 0;
    std::uint64_t buckets = 0;
    std::uint64_t starts = 0;  // how often the port was started
};

/// Knobs. Writer: whoever drives the measurement; reader: the receive queues, when `generation` changed.
struct Control {
    std::uint64_t generation = 0;  // written last
    std::uint64_t enable = 0;      // 0: nothing is generated
    std::uint64_t rate = 0;        // packets a second over all queues; 0: as fast as asked for
    std::uint64_t flows = 1;
    std::uint64_t new_share = 0;  // of 2^32: packets of flows that never come again
    std::uint64_t count = 0;  // of packets until the port falls silent, from the last change on; 0: no limit
};

/// Writer: the thread that polls the queue.
struct alignas(256) RxCounters {
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
    std::uint64_t missed = 0;     // due by the rate, but the ring was full or the port stopped
    std::uint64_t no_buffer = 0;  // polls that found the pool empty
    std::uint64_t new_flows = 0;  // packets of flows that never come again
    std::uint64_t polls = 0;
};

/// Writer: the thread that sends on the queue.
struct alignas(256) TxCounters {
    std::uint64_t packets = 0;
    std::uint64_t bytes = 0;
    std::uint64_t sampled = 0;    // packets whose time stamp was read
    std::uint64_t checked = 0;    // packets compared with what was expected
    std::uint64_t unsigned_ = 0;  // sampled packets without a mark of a generator
    std::uint64_t wrong_port = 0;
    std::uint64_t wrong_bytes = 0;
    std::uint64_t reordered = 0;  // sampled packets older than one of the same flow that left before
    std::uint64_t last_tsc = 0;   // when packets left last
    /// The first wrong packet: length, then what came and what should have come.
    std::uint64_t wrong_length = 0;
    std::array<std::uint8_t, 192> wrong_got{};
    std::array<std::uint8_t, 192> wrong_want{};
    /// Latencies in TSC ticks, by bucket_of: of flows that come again, of flows that don't.
    alignas(256) std::array<std::array<std::uint64_t, kBuckets>, 2> latency{};
};

struct StatsPage {
    PageHeader header;
    alignas(512) Control control;
    alignas(4096) std::array<RxCounters, kMaxQueues> rx;
    alignas(4096) std::array<TxCounters, kMaxQueues> tx;
};
static_assert(offsetof(StatsPage, control) == 512 && offsetof(StatsPage, rx) == 4096);

}  // namespace sluice::gen
