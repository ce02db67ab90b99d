// SPDX-License-Identifier: Apache-2.0
// Empty packets that a thread keeps at hand for system calls that read frames of unknown size.
//
// A frame may be 60 bytes or 64 KiB and the kernel tells only afterwards. So each slot offers a small
// segment and a large one behind it; a small frame takes the small one only, and the large one stays
// for the next call. The slots belong to the thread, not to a port: memory doesn't grow with ports, and
// what is in use stays in the processor's cache.
#pragma once

#include "packet/packet.hpp"

namespace sluice {

/// The calling thread's slots. Nothing here allocates other than from packet pools.
class RxSlots {
  public:
    /// Of this thread, made at first use.
    static RxSlots& mine() noexcept;

    /// Fills slots 0..count-1 (count <= kMaxBurst); returns how many have at least their small segment.
    /// A slot whose large segment could not be had has large(i) null.
    unsigned refill(unsigned count) noexcept;
    Packet* small(unsigned i) const noexcept { return small_[i]; }
    Packet* large(unsigned i) const noexcept { return large_[i]; }
    /// Takes the frame of `size` bytes that was read into slot i (kSmallRoom bytes in the small segment,
    /// the rest in the large one): lengths set, chained if need be. The slot is empty until refill().
    Packet* take(unsigned i, std::uint32_t size) noexcept;

    /// Gives all slots back to the pools. unregister_worker_thread() and destroy_packet_pools() call it for
    /// their thread.
    void release() noexcept;
    /// Segments held in all threads' slots, by class; pool_usage() doesn't count them as in use.
    static unsigned held_small() noexcept;
    static unsigned held_large() noexcept;

  private:
    Packet* small_[kMaxBurst] = {};
    Packet* large_[kMaxBurst] = {};
};

}  // namespace sluice
