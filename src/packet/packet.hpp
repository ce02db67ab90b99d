// SPDX-License-Identifier: Apache-2.0
// What a packet is: an rte_mbuf, and the contract on its offload marks.
//
// A frame in Sluice may be unfinished in two ways, both marked on the first mbuf exactly as DPDK's
// transmit path wants them, whatever port it came from:
//  - checksum to do: ol_flags has RTE_MBUF_F_TX_TCP_CKSUM or _UDP_CKSUM (inside RTE_MBUF_F_TX_L4_MASK),
//    RTE_MBUF_F_TX_IPV4 or _IPV6, and l2_len, l3_len (and l4_len for TSO) are set; the checksum field
//    holds the ones-complement sum of the pseudo header (not inverted), as Linux' CHECKSUM_PARTIAL has it;
//  - segmentation to do: RTE_MBUF_F_TX_TCP_SEG (or _UDP_SEG), tso_segsz > 0; implies the former.
// A stage that inserts or removes bytes before the L3 header adjusts l2_len (packet/edit.hpp does).
// IPv4 header checksums are always correct. Frames are at most kMaxFrameBytes long and may be chained;
// the first segment holds at least the headers that are there, up to kMinFirstSegment bytes (the
// receiving port sees to it: a frame whose first segment is shorter than min(frame, 256) is re-packed).
#pragma once

#include <cstdint>

#include <rte_mbuf.h>

namespace sluice {

using Packet = rte_mbuf;

inline constexpr unsigned kMaxBurst = 32;
inline constexpr std::uint32_t kMaxFrameBytes = 65535 + 22;  ///< a 64 KiB GSO datagram with two VLAN tags
inline constexpr std::uint32_t kMinFirstSegment = 256;
inline constexpr std::uint64_t kSegmentationFlags = RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG;

/// Output queue of set_queue and enqueue, for packets on their way out of a port; kNoQueue: the default one.
/// A flag of ours says that the field is meant. Ports clear it on receiving; RSS hashes may stand in the
/// field.
inline constexpr std::uint32_t kNoQueue = 0xffffffff;
inline constexpr std::uint64_t kHasQueue = RTE_MBUF_F_LAST_FREE;
inline void set_output_queue(Packet* packet, std::uint32_t queue) noexcept {
    packet->ol_flags &= ~kHasQueue;
    if (queue == kNoQueue) return;
    packet->ol_flags |= kHasQueue;
    packet->hash.sched.queue_id = queue;
}
inline std::uint32_t output_queue(const Packet* packet) noexcept {
    return packet->ol_flags & kHasQueue ? packet->hash.sched.queue_id : kNoQueue;
}

/// Up to 32 packets handed from stage to stage. Whoever holds the batch owns the packets.
struct PacketBatch {
    std::uint32_t count = 0;
    Packet* packet[kMaxBurst];
};

}  // namespace sluice
