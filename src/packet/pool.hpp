// SPDX-License-Identifier: Apache-2.0
// Packet pools: where every mbuf comes from.
//
// Two shared classes: small (2048 bytes and headroom; every ordinary frame) and large (64 KiB; tails of
// GSO frames, so that such a frame is two segments). Ports whose driver keeps descriptors full take a
// pool of their own (acquire_pool), lest one port starve the others; it is freed when its last packet
// came home. Memory is bounded: an exhausted pool makes alloc return null, which the caller counts as
// DropReason::kNoMemory. Any thread may allocate and free; registered threads (packet/eal.hpp) do it from a
// cache of their own.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <rte_mempool.h>

#include "base/result.hpp"
#include "packet/packet.hpp"

namespace sluice {

/// Bytes of a small packet's segment after its headroom (RTE_PKTMBUF_HEADROOM, 128).
inline constexpr unsigned kSmallRoom = 2048;
/// Bytes of a large segment, headroom none when it is a tail.
inline constexpr unsigned kLargeRoom = 65535;

struct PoolConfig {
    unsigned small_count = 16384;  ///< 38 MiB
    unsigned large_count = 1024;   ///< 64 MiB of address space, 4 MiB resident until used
};

/// Creates the two shared pools; EAL must run. A second call does nothing. Control thread. Errors: ENOMEM.
Result<void> create_packet_pools(const PoolConfig& config = {});
/// Frees all pools (after the last port and worker). Control thread.
void destroy_packet_pools();

/// One empty packet with kSmallRoom bytes of room; null when the pool is exhausted. Any thread.
Packet* packet_alloc() noexcept;
/// One empty segment with kLargeRoom bytes of room and no headroom; null when exhausted.
Packet* packet_alloc_large() noexcept;
/// Room for `size` bytes (<= kMaxFrameBytes): one small segment, chained with a large one beyond kSmallRoom.
/// pkt_len and data_lens are set, the content is not. Null when exhausted or oversized.
Packet* packet_alloc_sized(std::uint32_t size) noexcept;
/// Frees the packet with all its segments; null is fine.
void packet_free(Packet* packet) noexcept;
void packet_free_burst(Packet* const* packets, unsigned count) noexcept;

/// Packet holding a copy of `bytes`; null when exhausted or longer than kMaxFrameBytes.
Packet* packet_from_bytes(std::span<const std::uint8_t> bytes) noexcept;
/// Independent copy: content, offload marks, in-port and all other metadata of the first segment. Null when
/// exhausted.
Packet* packet_copy(const Packet* packet) noexcept;
/// The frame's bytes. Allocates: control thread and tests.
std::vector<std::uint8_t> packet_to_bytes(const Packet* packet);
/// Makes the first segment hold at least min(frame, kMinFirstSegment) bytes (packet.hpp's contract),
/// re-packing if it does not. Returns the packet to go on with, or null after freeing it when the pool is
/// exhausted.
Packet* packet_repack(Packet* packet) noexcept;

/// The shared pool of small packets, for drivers without one of their own.
rte_mempool* small_pool() noexcept;
rte_mempool* large_pool() noexcept;
/// A pool of one owner: `count` packets with `room` data bytes beside the headroom. Control thread. Errors:
/// ENOMEM, with a sentence on memory, EINVAL for a room over 65407.
Result<rte_mempool*> acquire_pool(std::string_view owner, unsigned count, unsigned room);
/// What becomes of packets that never come home.
enum class LostPackets {
    kNone,     ///< the pool waits for all of them
    kWriteOff  ///< the driver loses those of its rings (net_af_xdp): the pool is freed after kWriteOffSeconds
};
/// Longer than anything in the switch holds a packet.
inline constexpr unsigned kWriteOffSeconds = 60;
/// Gives it back: freed now if no packet is out, else by a later sweep_pools(). Control thread.
void release_pool(rte_mempool* pool, LostPackets lost = LostPackets::kNone);
/// Frees given-back pools whose packets came home; returns how many still wait. Control thread, now and then.
unsigned sweep_pools();

/// Fill of a pool. Control thread; `in_use` is exact only while workers are still.
struct PoolUsage {
    std::string name;
    unsigned total = 0;
    unsigned in_use = 0;      ///< not in the pool, a thread's cache or a thread's rx slots
    unsigned room = 0;        ///< data bytes a segment, headroom included
    std::uint64_t bytes = 0;  ///< memory mapped for its objects
};
/// All pools, shared ones first.
std::vector<PoolUsage> pool_usage();

}  // namespace sluice
