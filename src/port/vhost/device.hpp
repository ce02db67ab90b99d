// SPDX-License-Identifier: Apache-2.0
// The virtio-net device of one vhost port: its queues and what was negotiated. Lives as long as the port,
// across connections. Written by the guests' thread, read by workers and the control thread.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "port/guest/doorbell.hpp"
#include "port/vhost/net_queue.hpp"

namespace sluice::vhost {

inline constexpr unsigned kMaxPairs = 64;
inline constexpr unsigned kMaxRings = 2 * kMaxPairs;

using guest::Doorbell;

/// What the control thread shows; under Device::mutex.
struct DeviceReport {
    bool connected = false;
    std::uint64_t features = 0;
    unsigned guest_mtu = 0;                            ///< 0: the guest told none
    std::array<std::uint32_t, kMaxRings> ring_size{};  ///< 0: never set up
    std::string reason;                                ///< why it is not connected or was stopped
};

/// A queue pair, named from the switch's side.
struct QueuePair {
    NetQueue to_guest;    ///< ring 2i, the guest's receive queue
    NetQueue from_guest;  ///< ring 2i + 1
    Doorbell doorbell;    ///< of from_guest
};

struct Device {
    Device() { make_pairs(1); }

    /// Makes queue pairs up to `count` exist. Guests' thread.
    void make_pairs(unsigned count) {
        for (unsigned i = pair_count.load(std::memory_order_relaxed); i < count; ++i)
            pairs[i] = std::make_unique<QueuePair>();
        if (count > pair_count.load(std::memory_order_relaxed))
            pair_count.store(count, std::memory_order_release);
    }
    NetQueue& ring(unsigned index) {
        QueuePair& pair = *pairs[index / 2];
        return index % 2 == 0 ? pair.to_guest : pair.from_guest;
    }

    std::atomic<unsigned> pair_count{0};  ///< pairs that exist; grows only
    std::array<std::unique_ptr<QueuePair>, kMaxPairs> pairs;
    std::atomic<unsigned> rx_queues{1};  ///< receive queues to poll: as many as the guest runs
    /// Queues towards the guest that run: tx_map[0, tx_count), so that each is met by hash % tx_count.
    std::atomic<unsigned> tx_count{0};
    std::array<std::atomic<std::uint8_t>, kMaxPairs> tx_map{};
    std::atomic<std::uint64_t> features{0};
    std::atomic<std::uint64_t> rarp{0};  ///< address to announce in bits 0-47, bit 63 set; taken by queue 0
    std::atomic<bool> link{false};       ///< at least one queue runs

    std::mutex mutex;
    DeviceReport report;
};

}  // namespace sluice::vhost
