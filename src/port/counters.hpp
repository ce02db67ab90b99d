// SPDX-License-Identifier: Apache-2.0
// Counters of a port's queue: one writer, any reader, no locked instruction.
#pragma once

#include <atomic>
#include <cstdint>

#include "port/port.hpp"

namespace sluice {

/// A number that one thread counts up and others read.
class PortCounter {
  public:
    void add(std::uint64_t n) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    std::uint64_t get() const noexcept { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::uint64_t> value_{0};
};

/// Writer: the worker the receive queue is assigned to.
struct alignas(64) RxCounters {
    PortCounter packets, bytes;
    PortCounter errors;   ///< the header before the frame contradicted it
    PortCounter dropped;  ///< no memory
};

/// Writer: whoever may transmit on the queue.
struct alignas(64) TxCounters {
    PortCounter packets, bytes;
    PortCounter full;       ///< the device's queue was full
    PortCounter oversized;  ///< above the MTU and not segmentable
    PortCounter errors;     ///< refused by the device or driver
    PortCounter no_memory;  ///< no packet left to segment or re-pack into
    std::uint64_t all_dropped() const noexcept {
        return full.get() + oversized.get() + errors.get() + no_memory.get();
    }
};

/// Adds `count` queues' counters to `sum`, the reasons of drops as `extra`.
inline void add_tx_counters(const TxCounters* queues, unsigned count, PortCounters& sum) {
    std::uint64_t full = 0, oversized = 0, no_memory = 0;
    for (unsigned i = 0; i < count; ++i) {
        sum.tx_packets += queues[i].packets.get();
        sum.tx_bytes += queues[i].bytes.get();
        sum.tx_errors += queues[i].errors.get();
        sum.tx_dropped += queues[i].all_dropped();
        full += queues[i].full.get();
        oversized += queues[i].oversized.get();
        no_memory += queues[i].no_memory.get();
    }
    sum.extra["tx_full"] = full;
    sum.extra["tx_oversized"] = oversized;
    sum.extra["tx_no_memory"] = no_memory;
}

}  // namespace sluice
