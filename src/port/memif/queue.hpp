// SPDX-License-Identifier: Apache-2.0
// One memif ring with all that a worker needs to move frames through it, in one direction.
//
// Ring and buffers are the peer's to scribble on at any moment, also where we made them: each value is read
// once, into a variable of ours, and checked there; our own buffers are found by their place, not by what the
// ring says. Frames are copied once, between the shared memory and packets; packets never point into it.
// After close() no thread touches the memory any more.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "packet/packet.hpp"
#include "port/counters.hpp"
#include "port/guest/gate.hpp"
#include "port/guest/pieces.hpp"
#include "port/guest/shared_mapping.hpp"
#include "port/memif/protocol.hpp"

namespace sluice::memif {

/// What a peer did wrong.
enum class Fault : std::uint8_t {
    kNone,
    kIndexJump,      ///< more buffers than the ring has
    kOutsideMemory,  ///< a buffer outside its region, or of a region that is not there
    kEndlessFrame,   ///< a frame of all buffers of the ring, with more to come
    kMemoryGone,     ///< the peer took shared memory away
};
/// The sentence for people; `value` is what the fault is about.
std::string describe(Fault fault, std::uint64_t value);

using Regions = std::vector<guest::SharedMapping>;

/// What open() needs to know. The memory outlives close().
struct QueueSetup {
    RingHeader* ring = nullptr;
    unsigned log2_size = 0;
    const Regions* regions = nullptr;
    bool client = false;              ///< we are; ring and buffers are ours
    std::uint8_t* buffers = nullptr;  ///< client: of slot 0; the others follow
    std::uint32_t buffer_bytes = 0;   ///< client: of each
    std::uint32_t buffer_offset = 0;  ///< client: of slot 0 in region 0
    int event_fd = -1;                ///< interrupts the peer when we fill the ring; -1: never
    bool interrupts = false;          ///< the peer shall tell of frames until somebody polls
};

class alignas(64) Queue {
  public:
    Queue() = default;
    Queue(const Queue&) = delete;
    Queue& operator=(const Queue&) = delete;

    // Guests' thread.
    void open(const QueueSetup& setup, bool receives);
    void close();

    // Workers.
    /// Takes up to `max` frames from the peer.
    unsigned receive(Packet** packets, unsigned max) noexcept;
    /// Copies frames to the peer, in order; `count` <= kMaxBurst. Frees nothing. Frames of more than
    /// kMaxPieces buffers are skipped and counted in `too_large`; at the first one without room it ends.
    /// Returns how many were dealt with.
    unsigned send(Packet* const* packets, unsigned count, unsigned& too_large) noexcept;
    /// True when frames have come since; else the peer will interrupt (`wanted`) or not. Receiving queues.
    bool want_interrupts(bool wanted) noexcept;

    /// Why the queue stopped by itself; any thread.
    Fault fault() const noexcept { return fault_.load(std::memory_order_acquire); }
    std::uint64_t fault_value() const noexcept { return fault_value_.load(std::memory_order_relaxed); }
    RxCounters rx;  ///< writer: who receives
    TxCounters tx;  ///< writer: who sends (inside the gate)

    static constexpr unsigned kMaxPieces = 64;

  private:
    unsigned receive_open(Packet** packets, unsigned max) noexcept;
    unsigned send_open(Packet* const* packets, unsigned count, unsigned& too_large) noexcept;
    unsigned gather(std::uint16_t at, unsigned pending, guest::Piece* pieces, std::uint32_t& bytes) noexcept;
    bool piece_of(std::uint16_t at, const Descriptor& seen, guest::Piece& piece) noexcept;
    Packet* take_frame(const guest::Piece* pieces, std::uint32_t bytes, Packet* fresh) noexcept;
    bool put_frame(const Packet* packet, unsigned free, unsigned& used) noexcept;
    void refill() noexcept;
    unsigned in_reach() noexcept;
    void interrupt() noexcept;
    bool stop(Fault fault, std::uint64_t value) noexcept;
    Descriptor* slot(std::uint16_t at) const noexcept { return slots_ + (at & mask_); }

    guest::Gate gate_;
    RingHeader* ring_ = nullptr;
    Descriptor* slots_ = nullptr;
    const Regions* regions_ = nullptr;
    std::uint8_t* buffers_ = nullptr;
    std::uint32_t buffer_bytes_ = 0;
    std::uint32_t buffer_offset_ = 0;
    std::uint16_t mask_ = 0;
    std::uint16_t at_ = 0;     ///< the next buffer we deal with
    std::uint16_t given_ = 0;  ///< client that receives: up to where the server may fill
    bool client_ = false;
    bool interrupts_ = false;
    int event_fd_ = -1;
    std::atomic<Fault> fault_{Fault::kNone};
    std::atomic<std::uint64_t> fault_value_{0};
};

}  // namespace sluice::memif
