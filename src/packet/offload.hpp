// SPDX-License-Identifier: Apache-2.0
// What hardware may leave undone, done in software; and the same marks as the kernel writes them
// (struct virtio_net_hdr). packet/packet.hpp has the contract. Any thread; no allocation but from pools.
#pragma once

#include <cstddef>
#include <cstdint>

#include "packet/packet.hpp"
#include "packet/virtio_header.hpp"

namespace sluice {

/// Completes the transport checksum that the marks leave open and clears the marks; does nothing to a
/// finished packet. A TSO frame is finished as the one long datagram it is: segment() instead. False
/// when the marks point outside the first segment or frame (the packet is untouched: drop it).
bool finish_checksum(Packet* packet) noexcept;

/// Most segments one frame can give (kMaxFrameBytes in pieces of kMinSegmentBytes).
inline constexpr unsigned kMaxSegments = 1024;
/// Smallest tso_segsz that segment() accepts.
inline constexpr unsigned kMinSegmentBytes = 64;

/// Cuts a frame marked RTE_MBUF_F_TX_TCP_SEG or _UDP_SEG into finished frames (checksums complete) of
/// tso_segsz payload bytes, which must not exceed `max_frame` bytes each with all their headers (else
/// segments are made smaller for TCP; UDP fails). TCP: sequence numbers, FIN and PSH on the last only, CWR on
/// the first only; IPv4: identification counts up. VLAN tags and any other bytes before the IP header are
/// repeated. Payload is copied once. Takes `packet` on success (count > 0); on failure returns 0 and the
/// packet stays the caller's. `out` holds `cap` pointers. Failures: marks that don't match the frame, more
/// than `cap` or kMaxSegments pieces, pool exhausted.
unsigned segment(Packet* packet, std::uint32_t max_frame, Packet** out, unsigned cap) noexcept;
/// Number of pieces segment() would make; 0 if the marks don't match the frame.
unsigned segment_count(const Packet* packet, std::uint32_t max_frame) noexcept;

/// True when the frame is marked for segmentation.
inline bool is_gso(const Packet* packet) noexcept {
    return (packet->ol_flags & kSegmentationFlags) != 0;
}
/// True when the transport checksum is still to do.
inline bool needs_checksum(const Packet* packet) noexcept {
    return (packet->ol_flags & RTE_MBUF_F_TX_L4_MASK) != 0 || is_gso(packet);
}

/// Reads what the kernel (or a guest) says of the frame in `packet` (content complete, first segment per
/// contract) into marks. Every offset is checked against the frame's own headers. A checksum left open that
/// our marks cannot express (neither TCP nor UDP directly over IP) is completed here. False: the header lies
/// about the frame; count rx_errors and drop.
bool marks_from_virtio(Packet* packet, const VirtioHeader& header) noexcept;
/// Writes the marks as a header (zeroed first). `hdr_len` covers all headers for GSO frames.
void marks_to_virtio(const Packet* packet, VirtioHeader& header) noexcept;

/// Ones-complement sum of the frame's bytes [offset, offset + size) over all segments, not inverted, folded
/// to 16 bits, as wire/checksum.hpp's sums (host order). The range must lie in the frame.
std::uint16_t sum_frame(const Packet* packet, std::uint32_t offset, std::uint32_t size) noexcept;

}  // namespace sluice
