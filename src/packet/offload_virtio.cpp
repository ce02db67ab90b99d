// SPDX-License-Identifier: Apache-2.0
// struct virtio_net_hdr (virtio 1.2 §5.1.6) to packet marks and back. The header comes from a kernel or a
// guest; nothing in it is believed before the frame agrees.
#include <algorithm>
#include <array>
#include <cstring>

#include "base/byte_order.hpp"
#include "packet/offload.hpp"
#include "wire/checksum.hpp"
#include "wire/crc32c.hpp"

namespace sluice {
namespace {

constexpr std::uint8_t kTcp = 6, kUdp = 17, kSctp = 132;
constexpr std::uint16_t kTcpChecksum = 16, kUdpChecksum = 6, kSctpChecksum = 8;
constexpr std::uint32_t kMaxL2Bytes = 127, kMaxL3Bytes = 511;  // mbuf's l2_len: 7 bits, l3_len: 9

/// Where the frame's own headers are.
struct Layout {
    std::uint32_t l2 = 0;
    std::uint32_t l3 = 0;
    std::uint8_t proto = 0;
    bool ipv4 = false;
};

bool is_vlan(std::uint16_t type) {
    return type == 0x8100 || type == 0x88a8 || type == 0x9100;
}

/// IPv6: walks extension headers from `at` (RFC 8200 §4) until a transport header. False when they run
/// out of the first segment or into a later fragment.
bool skip_extensions(const std::uint8_t* data, std::uint32_t size, std::uint32_t& at,
                     std::uint8_t& next) noexcept {
    constexpr std::uint8_t kHopByHop = 0, kRouting = 43, kFragment = 44, kAuth = 51, kDestination = 60;
    while (next == kHopByHop || next == kRouting || next == kAuth || next == kDestination ||
           next == kFragment) {
        if (at + 8 > size) return false;
        std::uint32_t bytes = 8;
        if (next == kAuth) {
            bytes = (data[at + 1] + 2U) * 4;
        } else if (next != kFragment) {
            bytes = (data[at + 1] + 1U) * 8;
        } else if ((load_be16(data + at + 2) & 0xfff8) != 0) {
            return false;
        }
        next = data[at];
        at += bytes;
    }
    return at <= size;
}

bool find_layout(const Packet* packet, Layout& layout) noexcept {
    const auto* data = rte_pktmbuf_mtod(packet, const std::uint8_t*);
    const std::uint32_t size = packet->data_len;
    std::uint32_t at = 12;
    if (size < 14) return false;
    while (is_vlan(load_be16(data + at))) {
        at += 4;
        if (at + 2 > size || at > kMaxL2Bytes) return false;
    }
    const std::uint16_t type = load_be16(data + at);
    layout.l2 = at + 2;
    if (type == 0x0800) {
        if (layout.l2 + 20 > size || data[layout.l2] >> 4 != 4) return false;
        layout.ipv4 = true;
        layout.l3 = (data[layout.l2] & 0xfU) * 4;
        layout.proto = data[layout.l2 + 9];
        return layout.l3 >= 20 && layout.l2 + layout.l3 <= size;
    }
    if (type != 0x86dd || layout.l2 + 40 > size || data[layout.l2] >> 4 != 6) return false;
    layout.proto = data[layout.l2 + 6];
    std::uint32_t l4 = layout.l2 + 40;
    if (!skip_extensions(data, size, l4, layout.proto)) return false;
    layout.l3 = l4 - layout.l2;
    return layout.l3 <= kMaxL3Bytes;
}

/// Writes 16 bits at `offset` of the frame, which may lie in any segment and across two.
void store_frame16(Packet* packet, std::uint32_t offset, std::uint16_t value) noexcept {
    for (std::uint32_t i = 0; i < 2; ++i) {
        Packet* seg = packet;
        std::uint32_t at = offset + i;
        while (at >= seg->data_len) {
            at -= seg->data_len;
            seg = seg->next;
        }
        *rte_pktmbuf_mtod_offset(seg, std::uint8_t*, at) =
            static_cast<std::uint8_t>(i == 0 ? value >> 8 : value);
    }
}

/// SCTP's CRC32c needs the bytes in a row; a chained frame is gathered first.
void finish_sctp(Packet* packet, std::uint32_t l4) noexcept {
    static thread_local std::array<std::uint8_t, kMaxFrameBytes> gathered;
    const std::uint32_t size = packet->pkt_len - l4;
    const void* bytes = rte_pktmbuf_read(packet, l4, size, gathered.data());
    const std::uint32_t crc = wire::sctp_checksum({static_cast<const std::uint8_t*>(bytes), size});
    // Least significant byte first (RFC 9260 appendix A).
    std::memcpy(rte_pktmbuf_mtod_offset(packet, void*, l4 + kSctpChecksum), &crc, sizeof crc);
}

/// A checksum that marks can't express is completed now.
bool finish_other(Packet* packet, const VirtioHeader& header, const Layout* layout) noexcept {
    const std::uint32_t start = header.csum_start;
    const std::uint32_t field = start + header.csum_offset;
    if (field + 2 > packet->pkt_len) return false;
    if (layout != nullptr && layout->proto == kSctp && header.csum_offset == kSctpChecksum &&
        start == layout->l2 + layout->l3 && start + 12 <= packet->data_len) {
        finish_sctp(packet, start);
        return true;
    }
    const std::uint16_t checksum = wire::finish_sum(sum_frame(packet, start, packet->pkt_len - start));
    // An inner UDP checksum must not become "none"; for all else 0xffff means the same as 0.
    store_frame16(packet, field, checksum == 0 ? std::uint16_t{0xffff} : checksum);
    return true;
}

bool mark_gso(Packet* packet, const VirtioHeader& header, const Layout& layout) noexcept {
    const unsigned type = header.gso_type & ~unsigned{kVirtioGsoEcn};
    const std::uint32_t l4 = layout.l2 + layout.l3;
    if (header.gso_size == 0) return false;
    if (type == kVirtioGsoUdpL4) {
        if (layout.proto != kUdp || l4 + 8 > packet->data_len) return false;
        packet->ol_flags |= RTE_MBUF_F_TX_UDP_SEG;
        packet->l4_len = 8;
    } else {
        const bool ipv4 = type == kVirtioGsoTcp4;
        if ((!ipv4 && type != kVirtioGsoTcp6) || ipv4 != layout.ipv4 || layout.proto != kTcp ||
            l4 + 20 > packet->data_len)
            return false;
        const std::uint32_t tcp_bytes = (*rte_pktmbuf_mtod_offset(packet, std::uint8_t*, l4 + 12) >> 4) * 4U;
        if (tcp_bytes < 20 || l4 + tcp_bytes > packet->data_len) return false;
        packet->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
        packet->l4_len = static_cast<std::uint8_t>(tcp_bytes);
    }
    packet->tso_segsz = header.gso_size;
    return true;
}

}  // namespace

bool marks_from_virtio(Packet* packet, const VirtioHeader& header) noexcept {
    const unsigned type = header.gso_type & ~unsigned{kVirtioGsoEcn};
    const bool gso = type != kVirtioGsoNone && type != kVirtioGsoUdp;
    if ((header.flags & kVirtioNeedsCsum) == 0)
        return type == kVirtioGsoNone;  // §5.1.6.2: segmentation needs the checksum flag
    Layout layout;
    const bool known = find_layout(packet, layout);
    const bool tcp = known && layout.proto == kTcp && header.csum_offset == kTcpChecksum;
    const bool udp = known && layout.proto == kUdp && header.csum_offset == kUdpChecksum;
    const std::uint32_t l4 = layout.l2 + layout.l3;
    if ((!tcp && !udp) || header.csum_start != l4 || type == kVirtioGsoUdp ||
        l4 + header.csum_offset + 2U > packet->data_len)
        return !gso && finish_other(packet, header, known ? &layout : nullptr);

    const std::uint64_t before = packet->ol_flags;
    packet->l2_len = layout.l2 & 0x7f;
    packet->l3_len = layout.l3 & 0x1ff;
    packet->ol_flags |= (layout.ipv4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6) |
                        (tcp ? RTE_MBUF_F_TX_TCP_CKSUM : RTE_MBUF_F_TX_UDP_CKSUM);
    if (!gso || mark_gso(packet, header, layout)) return true;
    packet->ol_flags = before;
    packet->tx_offload = 0;
    return false;
}

void marks_to_virtio(const Packet* packet, VirtioHeader& header) noexcept {
    header = {};
    if (!needs_checksum(packet)) return;
    const bool tcp = (packet->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0 ||
                     (packet->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_TCP_CKSUM;
    const std::uint32_t l4 = packet->l2_len + packet->l3_len;
    header.flags = kVirtioNeedsCsum;
    header.csum_start = static_cast<std::uint16_t>(l4);
    header.csum_offset = tcp ? kTcpChecksum : kUdpChecksum;
    if (!is_gso(packet)) return;
    header.gso_size = packet->tso_segsz;
    header.hdr_len = static_cast<std::uint16_t>(l4 + (tcp ? packet->l4_len : 8U));
    if (!tcp) {
        header.gso_type = kVirtioGsoUdpL4;
        return;
    }
    header.gso_type = (packet->ol_flags & RTE_MBUF_F_TX_IPV4) != 0 ? kVirtioGsoTcp4 : kVirtioGsoTcp6;
    constexpr std::uint32_t kFlags = 13;
    constexpr unsigned kCwr = 0x80;
    if (l4 + kFlags < packet->data_len &&
        (*rte_pktmbuf_mtod_offset(packet, const std::uint8_t*, l4 + kFlags) & kCwr) != 0)
        header.gso_type |= kVirtioGsoEcn;
}

}  // namespace sluice
