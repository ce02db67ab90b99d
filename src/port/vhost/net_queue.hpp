// SPDX-License-Identifier: Apache-2.0
// One virtqueue of a network device with everything a worker needs to move frames through it.
//
// After close() no thread touches the guest's memory any more, so it may be unmapped.
// Frames are copied once, between guest memory and packets; packets never point into guest memory.
#pragma once

#include <atomic>
#include <cstdint>
#include <variant>

#include "packet/packet.hpp"
#include "port/counters.hpp"
#include "port/guest/fd.hpp"
#include "port/guest/gate.hpp"
#include "port/vhost/packed_ring.hpp"
#include "port/vhost/split_ring.hpp"

namespace sluice::vhost {

/// What open() needs to know.
struct QueueSetup {
    RingAreas areas;
    std::uint32_t size = 0;
    std::uint32_t base = 0;
    bool packed = false;
    bool event_index = false;
    bool mergeable = false;      ///< a frame may take several receive buffers
    unsigned header_bytes = 12;  ///< 12, or 10 for old devices without mergeable buffers
    const guest::GuestMemory* memory = nullptr;
    int call_fd = -1;    ///< eventfd that interrupts the guest; -1: the guest polls
    bool kicks = false;  ///< the guest shall tell of buffers until somebody polls
};

class alignas(64) NetQueue {
  public:
    /// What became of a burst handed to send().
    struct Sent {
        unsigned packets = 0;
        std::uint64_t bytes = 0;
        unsigned too_large = 0;  ///< did not fit the guest's buffers (none mergeable)
    };

    NetQueue() = default;
    NetQueue(const NetQueue&) = delete;
    NetQueue& operator=(const NetQueue&) = delete;

    // Guests' thread.
    void open(const QueueSetup& setup);
    /// Returns when no worker is inside. What was taken is given back.
    void close();
    /// Does the queue run (perhaps at a fault)?
    bool opened() const { return opened_; }
    /// Of the closed queue: index for GET_VRING_BASE.
    std::uint32_t base() const;
    void set_call_fd(int fd) { call_fd_.store(fd, std::memory_order_relaxed); }
    /// Interrupts the guest, whether it wants that or not: after a new call descriptor.
    void interrupt() noexcept;

    // Workers.
    /// Takes up to `max` frames from the guest (its transmit queue).
    unsigned receive(Packet** packets, unsigned max) noexcept;
    /// Copies frames to the guest (its receive queue), in order; `count` <= kMaxBurst. Frees nothing. Frames
    /// that can never fit are skipped (`too_large`); at the first one without room it ends: the caller counts
    /// the rest. Returns how many packets were dealt with.
    unsigned send(Packet* const* packets, unsigned count, unsigned retries, Sent& sent) noexcept;
    /// True when the guest has offered buffers since; else it will kick (`wanted`) or not.
    bool want_kicks(bool wanted) noexcept;

    /// Why the queue stopped by itself; any thread.
    Fault fault() const noexcept {
        return {fault_kind_.load(std::memory_order_acquire), fault_value_.load(std::memory_order_relaxed)};
    }
    RxCounters rx;  ///< writer: who receives
    TxCounters tx;  ///< writer: who sends (under the lock)

  private:
    template <typename Ring>
    unsigned receive_from(Ring& ring, Packet** packets, unsigned max) noexcept;
    template <typename Ring>
    unsigned send_to(Ring& ring, Packet* const* packets, unsigned count, Sent& sent) noexcept;
    Packet* copy_in(const Chain& chain, const PieceStore& store, Packet* packet) noexcept;
    void note_fault(const Fault& fault) noexcept;

    guest::Gate gate_;
    std::atomic<int> call_fd_{-1};
    std::atomic<RingFault> fault_kind_{RingFault::kNone};
    std::atomic<std::uint64_t> fault_value_{0};
    std::variant<SplitRing, PackedRing> ring_;
    const guest::GuestMemory* memory_ = nullptr;
    unsigned header_bytes_ = 12;
    bool mergeable_ = false;
    bool opened_ = false;
    bool kicks_ = false;  ///< asked for; under the lock
};

}  // namespace sluice::vhost
