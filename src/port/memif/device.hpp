// SPDX-License-Identifier: Apache-2.0
// The queues of one memif port and what is known of its peer. Lives as long as the port, across connections.
// Written by the guests' thread, read by workers and the control thread.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>

#include "port/guest/doorbell.hpp"
#include "port/memif/queue.hpp"

namespace sluice::memif {

enum class Role : bool { kServer, kClient };

/// What the database says.
struct Settings {
    Role role = Role::kServer;
    std::uint32_t id = 0;
    std::string secret;                 ///< at most kSecretBytes; empty: none
    unsigned queues = 1;                ///< client: rings each way; server: most of them
    unsigned log2_size = 10;            ///< client: of a ring
    std::uint32_t buffer_bytes = 2048;  ///< client
};

/// What the control thread shows; under Device::mutex.
struct DeviceReport {
    bool connected = false;
    std::string program, interface;  ///< the peer's, as it says
    std::string reason;              ///< why it is not connected
    unsigned to_us = 0, to_peer = 0;
    unsigned ring_size = 0;
};

struct ReceiveQueue {
    Queue queue;
    guest::Doorbell doorbell;
};

struct Device {
    Device() { make_queues(1, 1); }
    /// Makes queues up to these numbers exist. Guests' thread.
    void make_queues(unsigned receiving, unsigned sending) {
        for (unsigned i = rx_made.load(std::memory_order_relaxed); i < receiving; ++i)
            rx[i] = std::make_unique<ReceiveQueue>();
        for (unsigned i = tx_made.load(std::memory_order_relaxed); i < sending; ++i)
            tx[i] = std::make_unique<Queue>();
        if (receiving > rx_made.load(std::memory_order_relaxed))
            rx_made.store(receiving, std::memory_order_release);
        if (sending > tx_made.load(std::memory_order_relaxed))
            tx_made.store(sending, std::memory_order_release);
    }

    std::atomic<unsigned> rx_made{0}, tx_made{0};  ///< queues that exist; grow only
    std::array<std::unique_ptr<ReceiveQueue>, kMaxRings> rx;
    std::array<std::unique_ptr<Queue>, kMaxRings> tx;
    std::atomic<unsigned> rx_queues{1};  ///< to poll
    std::atomic<unsigned> tx_count{0};   ///< towards the peer, that run
    std::atomic<bool> link{false};

    std::mutex mutex;
    DeviceReport report;
};

}  // namespace sluice::memif
