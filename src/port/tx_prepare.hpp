// SPDX-License-Identifier: Apache-2.0
// The last step before a device: what it can't do is done in software, what it can't take is dropped and
// counted. Shared by all kinds of port.
#pragma once

#include <algorithm>
#include <cstdint>

#include <sys/uio.h>

#include "packet/offload.hpp"
#include "packet/packet.hpp"
#include "packet/pool.hpp"
#include "port/counters.hpp"

namespace sluice {

/// What a device does by itself.
struct TxAbilities {
    bool checksum = false;      ///< completes TCP and UDP checksums
    bool tcp_segments = false;  ///< cuts RTE_MBUF_F_TX_TCP_SEG frames
    bool udp_segments = false;  ///< cuts RTE_MBUF_F_TX_UDP_SEG frames
    bool checks_mtu = false;    ///< refuses frames above its MTU by itself
    unsigned max_chain = 1;     ///< segments a frame may have
    std::uint32_t mtu = 1500;   ///< written by the control thread, read by workers
};

/// A receive burst of GSO frames ends here: more would leave the processor's cache before it is sent
/// (bench/results/ports-2026.md).
inline constexpr std::uint32_t kBurstBytes = 128 << 10;

/// Largest frame for an MTU: with the Ethernet header and as many VLAN tags (up to two) as the frame has.
std::uint32_t max_frame_bytes(const Packet* packet, std::uint32_t mtu) noexcept;

/// Makes one packet that needs no cutting fit the device. Returns it (or a copy of it), or null after freeing
/// and counting it.
Packet* prepare_packet(Packet* packet, const TxAbilities& can, TxCounters& counters) noexcept;

/// True when the packet must be cut in software.
inline bool must_segment(const Packet* packet, const TxAbilities& can) noexcept {
    const std::uint64_t flags = packet->ol_flags;
    return ((flags & RTE_MBUF_F_TX_TCP_SEG) != 0 && !can.tcp_segments) ||
           ((flags & RTE_MBUF_F_TX_UDP_SEG) != 0 && !can.udp_segments);
}

/// Cuts `packet` and hands the pieces to `sink` in chunks. True when all were sent. Takes the packet.
template <typename Sink>
bool send_segmented(Packet* packet, const TxAbilities& can, TxCounters& counters, Sink& sink) noexcept {
    Packet* pieces[kMaxSegments];
    const std::uint32_t limit = max_frame_bytes(packet, can.mtu);
    const unsigned expected = segment_count(packet, limit);
    const unsigned made = expected > 0 ? segment(packet, limit, pieces, kMaxSegments) : 0;
    if (made == 0) {
        (expected > 0 ? counters.no_memory : counters.oversized).add(1);
        packet_free(packet);
        return false;
    }
    unsigned sent = 0;
    for (unsigned i = 0; i < made;) {
        Packet* chunk[kMaxBurst];
        unsigned n = 0;
        for (; i < made && n < kMaxBurst; ++i)
            if (Packet* piece = prepare_packet(pieces[i], can, counters); piece != nullptr)
                chunk[n++] = piece;
        sent += sink(chunk, n);
    }
    return sent == made;
}

/// True when `can` takes all of a burst as it is: nothing to cut, to complete, to gather or to refuse.
inline bool all_fit(Packet* const* packets, unsigned count, const TxAbilities& can) noexcept {
    std::uint64_t flags = 0;
    std::uint32_t longest = 0, segments = 0;
    for (unsigned i = 0; i < count; ++i) {
        flags |= packets[i]->ol_flags;
        longest = std::max(longest, packets[i]->pkt_len);
        segments |= packets[i]->nb_segs - 1U;
    }
    return (flags & (kSegmentationFlags | RTE_MBUF_F_TX_L4_MASK)) == 0 && longest <= can.mtu + 14 &&
           segments == 0;
}

/// Runs a burst through preparation and hands it on in order, in chunks of up to kMaxBurst.
/// `sink(Packet** packets, unsigned count)` takes the packets, counts what it drops and returns how many it
/// sent. Returns how many of the given packets were sent whole.
template <typename Sink>
unsigned transmit(Packet** packets, unsigned count, const TxAbilities& can, TxCounters& counters,
                  Sink sink) noexcept {
    if (count <= kMaxBurst && all_fit(packets, count, can)) return sink(packets, count);
    Packet* chunk[kMaxBurst];
    unsigned n = 0;
    unsigned sent = 0;
    for (unsigned i = 0; i < count; ++i) {
        Packet* packet = packets[i];
        if (must_segment(packet, can)) {
            if (n > 0) sent += sink(chunk, n);
            n = 0;
            if (send_segmented(packet, can, counters, sink)) ++sent;
            continue;
        }
        packet = prepare_packet(packet, can, counters);
        if (packet == nullptr) continue;
        chunk[n++] = packet;
        if (n == kMaxBurst) {
            sent += sink(chunk, n);
            n = 0;
        }
    }
    if (n > 0) sent += sink(chunk, n);
    return sent;
}

/// Most segments of a frame written by one system call, header not counted.
inline constexpr unsigned kMaxIovecs = 17;
/// Points `parts` at the frame's segments; returns their number. packet->nb_segs <= kMaxIovecs.
unsigned fill_iovecs(const Packet* packet, iovec* parts) noexcept;

}  // namespace sluice
