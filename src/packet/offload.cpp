// SPDX-License-Identifier: Apache-2.0
// Software checksum and segmentation. See packet/offload.hpp; virtio headers are in offload_virtio.cpp.
#include "packet/offload.hpp"

#include <algorithm>
#include <cstring>

#include "base/byte_order.hpp"
#include "packet/pool.hpp"
#include "wire/checksum.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"
#include "wire/tcp.hpp"
#include "wire/udp.hpp"

namespace sluice {
namespace {

constexpr std::uint64_t kOffloadFlags = RTE_MBUF_F_TX_L4_MASK | kSegmentationFlags | RTE_MBUF_F_TX_IPV4 |
                                        RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_IP_CKSUM;
constexpr std::uint8_t kFin = 0x01, kPsh = 0x08, kCwr = 0x80;
constexpr std::size_t kTcpChecksum = 16, kUdpChecksum = 6, kTcpFlags = 13, kTcpSeq = 4;
constexpr std::size_t kUdpLength = 4;

void clear_marks(Packet* packet) noexcept {
    packet->ol_flags &= ~kOffloadFlags;
    packet->tx_offload = 0;
}

bool is_tcp(const Packet* packet) noexcept {
    return (packet->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0 ||
           (packet->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_TCP_CKSUM;
}

/// Reads a frame's payload once, in order, across segments.
class Cursor {
  public:
    Cursor(const Packet* packet, std::uint32_t offset) noexcept : segment_(packet), at_(offset) {
        skip_empty();
    }
    /// Copies `size` bytes (which are there) to `to`.
    void copy(std::uint8_t* to, std::uint32_t size) noexcept {
        while (size > 0) {
            const std::uint32_t part = std::min(size, segment_->data_len - at_);
            std::memcpy(to, rte_pktmbuf_mtod_offset(segment_, const void*, at_), part);
            to += part;
            size -= part;
            at_ += part;
            skip_empty();
        }
    }

  private:
    void skip_empty() noexcept {
        while (segment_ != nullptr && at_ >= segment_->data_len) {
            at_ -= segment_->data_len;
            segment_ = segment_->next;
        }
    }
    const Packet* segment_;
    std::uint32_t at_;
};

/// How a frame is to be cut; valid marks only.
struct Plan {
    std::uint32_t header_bytes = 0;   ///< up to the payload
    std::uint32_t payload_bytes = 0;  ///< of the whole frame
    std::uint32_t piece_bytes = 0;    ///< payload of each piece but the last
    std::uint32_t count = 0;
    bool tcp = false;
    bool ipv4 = false;
};

bool make_plan(const Packet* packet, std::uint32_t max_frame, Plan& plan) noexcept {
    plan.tcp = (packet->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0;
    plan.ipv4 = (packet->ol_flags & RTE_MBUF_F_TX_IPV4) != 0;
    const std::uint32_t l4_bytes = plan.tcp ? packet->l4_len : 8U;
    const std::uint32_t l4 = packet->l2_len + packet->l3_len;
    plan.header_bytes = l4 + l4_bytes;
    if (!is_gso(packet) || l4_bytes < (plan.tcp ? 20U : 8U) || packet->tso_segsz < kMinSegmentBytes ||
        packet->l3_len < (plan.ipv4 ? 20U : 40U) || packet->l2_len < 14 ||
        plan.header_bytes > packet->data_len || plan.header_bytes > packet->pkt_len ||
        plan.header_bytes + kMinSegmentBytes > max_frame)
        return false;
    plan.payload_bytes = packet->pkt_len - plan.header_bytes;
    plan.piece_bytes = packet->tso_segsz;
    if (plan.header_bytes + plan.piece_bytes > max_frame) {
        if (!plan.tcp && plan.payload_bytes > max_frame - plan.header_bytes) return false;
        plan.piece_bytes = max_frame - plan.header_bytes;
    }
    plan.count = std::max(1U, (plan.payload_bytes + plan.piece_bytes - 1) / plan.piece_bytes);
    return plan.count <= kMaxSegments;
}

/// Lengths, identification and header checksum of the copied IP header at `ip`.
void fix_ip(const Packet* packet, const Plan& plan, std::uint8_t* ip, std::uint32_t l4_bytes,
            std::uint32_t index) noexcept {
    const std::uint32_t l3_len = packet->l3_len;
    if (!plan.ipv4) {
        store_be16(ip + wire::ipv6::kPayloadLength, static_cast<std::uint16_t>(l3_len - 40 + l4_bytes));
        return;
    }
    store_be16(ip + wire::ipv4::kTotalLength, static_cast<std::uint16_t>(l3_len + l4_bytes));
    const std::uint16_t id = load_be16(ip + wire::ipv4::kId);
    store_be16(ip + wire::ipv4::kId, static_cast<std::uint16_t>(id + index));
    store_be16(ip + wire::ipv4::kChecksum, 0);
    store_be16(ip + wire::ipv4::kChecksum, wire::finish_sum(wire::sum_bytes(ip, l3_len)));
}

/// Transport header of piece `index` and its checksum. `pseudo` is the pseudo header's sum without
/// the length.
void fix_transport(Packet* piece, const Plan& plan, std::uint32_t l4, std::uint32_t index,
                   std::uint32_t pseudo) noexcept {
    auto* header = rte_pktmbuf_mtod_offset(piece, std::uint8_t*, l4);
    const std::uint32_t l4_bytes = piece->pkt_len - l4;
    const std::size_t checksum_at = plan.tcp ? kTcpChecksum : kUdpChecksum;
    if (plan.tcp) {
        store_be32(header + kTcpSeq, load_be32(header + kTcpSeq) + index * plan.piece_bytes);
        std::uint8_t clear = index > 0 ? kCwr : std::uint8_t{0};
        if (index + 1 < plan.count) clear |= kFin | kPsh;
        header[kTcpFlags] = static_cast<std::uint8_t>(header[kTcpFlags] & ~clear);
    } else {
        store_be16(header + kUdpLength, static_cast<std::uint16_t>(l4_bytes));
    }
    store_be16(header + checksum_at, 0);
    const std::uint32_t sum =
        wire::add_sums(wire::add_sums(pseudo, l4_bytes), sum_frame(piece, l4, l4_bytes));
    store_be16(header + checksum_at, plan.tcp ? wire::finish_sum(sum) : wire::finish_udp_sum(sum));
}

}  // namespace

std::uint16_t sum_frame(const Packet* packet, std::uint32_t offset, std::uint32_t size) noexcept {
    const Packet* seg = packet;
    while (seg != nullptr && offset >= seg->data_len) {
        offset -= seg->data_len;
        seg = seg->next;
    }
    std::uint32_t sum = 0;
    bool odd = false;
    for (; seg != nullptr && size > 0; seg = seg->next, offset = 0) {
        const std::uint32_t part = std::min(size, seg->data_len - offset);
        std::uint32_t own = wire::sum_bytes(rte_pktmbuf_mtod_offset(seg, const void*, offset), part);
        if (odd) own = __builtin_bswap16(static_cast<std::uint16_t>(own));  // RFC 1071 §2 (B)
        sum = wire::add_sums(sum, own);
        odd ^= (part & 1) != 0;
        size -= part;
    }
    return wire::fold_sum(sum);
}

bool finish_checksum(Packet* packet) noexcept {
    if (!needs_checksum(packet)) return true;
    const bool tcp = is_tcp(packet);
    const std::uint32_t l4 = packet->l2_len + packet->l3_len;
    const std::uint32_t field = l4 + static_cast<std::uint32_t>(tcp ? kTcpChecksum : kUdpChecksum);
    if (packet->l2_len < 14 || field + 2 > packet->data_len || field + 2 > packet->pkt_len) return false;
    // The field holds the pseudo header's sum and is part of what is summed.
    const std::uint32_t sum = sum_frame(packet, l4, packet->pkt_len - l4);
    store_be16(rte_pktmbuf_mtod_offset(packet, void*, field),
               tcp ? wire::finish_sum(sum) : wire::finish_udp_sum(sum));
    clear_marks(packet);
    return true;
}

unsigned segment_count(const Packet* packet, std::uint32_t max_frame) noexcept {
    Plan plan;
    return make_plan(packet, max_frame, plan) ? plan.count : 0;
}

unsigned segment(Packet* packet, std::uint32_t max_frame, Packet** out, unsigned cap) noexcept {
    Plan plan;
    if (!make_plan(packet, max_frame, plan) || plan.count > cap) return 0;
    const std::uint32_t l4 = packet->l2_len + packet->l3_len;
    const auto* headers = rte_pktmbuf_mtod(packet, const std::uint8_t*);
    // What the checksum field holds counts the whole frame's length; each piece adds its own.
    const std::uint16_t partial = load_be16(headers + l4 + (plan.tcp ? kTcpChecksum : kUdpChecksum));
    const std::uint32_t pseudo =
        wire::add_sums(partial, static_cast<std::uint16_t>(~wire::fold_sum(packet->pkt_len - l4)));

    Cursor payload{packet, plan.header_bytes};
    std::uint32_t left = plan.payload_bytes;
    for (std::uint32_t i = 0; i < plan.count; ++i) {
        const std::uint32_t bytes = std::min(left, plan.piece_bytes);
        Packet* piece = packet_alloc_sized(plan.header_bytes + bytes);
        if (piece == nullptr) {
            packet_free_burst(out, i);
            return 0;
        }
        left -= bytes;
        auto* to = rte_pktmbuf_mtod(piece, std::uint8_t*);
        std::memcpy(to, headers, plan.header_bytes);
        const std::uint32_t first = std::min(bytes, piece->data_len - plan.header_bytes);
        payload.copy(to + plan.header_bytes, first);
        if (first < bytes) payload.copy(rte_pktmbuf_mtod(piece->next, std::uint8_t*), bytes - first);
        piece->port = packet->port;
        fix_ip(packet, plan, to + packet->l2_len, piece->pkt_len - l4, i);
        fix_transport(piece, plan, l4, i, pseudo);
        out[i] = piece;
    }
    packet_free(packet);
    return plan.count;
}

}  // namespace sluice
