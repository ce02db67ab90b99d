// SPDX-License-Identifier: Apache-2.0
// A generator port without DPDK's driver interface around it: its receive queues make packets, its transmit
// queues count, check and free them.
#pragma once

#include <memory>
#include <string>

#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "bench/gen/picker.hpp"
#include "bench/gen/stats_page.hpp"
#include "bench/gen/traffic.hpp"
#include "bench/gen/writer.hpp"

namespace sluice::gen {

struct Port;

/// One receive queue. Owner: the thread that polls it, between start and stop.
struct alignas(128) RxQueue {
    Port* port = nullptr;
    rte_mempool* pool = nullptr;
    RxCounters* counters = nullptr;
    std::uint64_t number = 0;
    std::uint64_t rearm = 0;  // the 8 bytes of an mbuf from data_off on
    std::uint64_t generation = 0;
    bool enabled = false;
    std::size_t position = 0;                // in the pattern of sizes
    std::uint64_t left = ~std::uint64_t{0};  // of `count`
    // With a rate: time in TSC ticks since `zero`, times 2^12.
    std::uint64_t zero = 0;
    std::uint64_t next = 0;
    std::uint64_t step = 0;  // 0: without a rate
    Picker picker;
    Writer writer;
};

/// One transmit queue. Owner: the thread that sends on it (or holds its switch's lock on it).
struct alignas(128) TxQueue {
    Port* port = nullptr;
    TxCounters* counters = nullptr;
    std::uint64_t until_sample = 1;
    std::uint64_t until_check = 1;
    struct Last {
        std::uint64_t flow = ~std::uint64_t{0};
        std::uint64_t stamp = 0;
    };
    std::array<Last, 1024> last{};  // of sampled packets, to see whether a flow keeps its order
};

struct Port {
    std::string name;
    Traffic traffic;
    std::uint64_t source = 0;  // number in marks
    std::uint16_t port_id = 0;
    std::uint16_t rx_queues = 1, tx_queues = 1;
    StatsPage* page = nullptr;
    std::array<RxQueue, kMaxQueues> rx;
    std::array<TxQueue, kMaxQueues> tx;
    std::array<std::uint8_t, 6> address{};
};

/// Maps the page: the file of `traffic.stats`, made anew, or anonymous memory.
Result<StatsPage*> open_page(const Traffic& traffic);
void close_page(StatsPage* page) noexcept;

/// Gives the port's arguments a number for marks; they live on until the process ends, so that a sink may
/// look at them when the port is gone. Fails when kMaxSources are taken.
Result<std::uint64_t> register_source(const Traffic& traffic);

/// Takes over the knobs.
void reload(RxQueue& queue) noexcept;

/// Readies a queue for polling. What was due by the rate while the port was stopped is counted as missed.
void resume(RxQueue& queue) noexcept;

/// DPDK's receive function: up to `count` new packets.
std::uint16_t receive(void* queue, rte_mbuf** packets, std::uint16_t count) noexcept;

/// DPDK's transmit function: takes all packets.
std::uint16_t transmit(void* queue, rte_mbuf** packets, std::uint16_t count) noexcept;

}  // namespace sluice::gen
