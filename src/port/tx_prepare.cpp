// SPDX-License-Identifier: Apache-2.0
// See port/tx_prepare.hpp.
#include "port/tx_prepare.hpp"

#include <cstring>

#include "base/byte_order.hpp"

namespace sluice {
namespace {

/// One segment with all of the frame, or null.
Packet* gather(Packet* packet) noexcept {
    Packet* whole = nullptr;
    if (packet->pkt_len <= kSmallRoom) {
        whole = packet_copy(packet);
    } else if (packet->pkt_len <= kLargeRoom) {
        whole = packet_alloc_large();
        if (whole != nullptr) {
            auto* to = rte_pktmbuf_mtod(whole, std::uint8_t*);
            for (const Packet* seg = packet; seg != nullptr; seg = seg->next) {
                std::memcpy(to, rte_pktmbuf_mtod(seg, const void*), seg->data_len);
                to += seg->data_len;
            }
            whole->data_len = static_cast<std::uint16_t>(packet->pkt_len);
            whole->pkt_len = packet->pkt_len;
            whole->ol_flags = packet->ol_flags & ~(RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT);
            whole->tx_offload = packet->tx_offload;
        }
    }
    return whole;
}

}  // namespace

std::uint32_t max_frame_bytes(const Packet* packet, std::uint32_t mtu) noexcept {
    std::uint32_t header = 14;
    const auto* data = rte_pktmbuf_mtod(packet, const std::uint8_t*);
    for (std::uint32_t at = 12; at <= 16 && at + 6 <= packet->data_len; at += 4) {
        const std::uint16_t type = load_be16(data + at);
        if (type != 0x8100 && type != 0x88a8) break;
        header += 4;
    }
    return mtu + header;
}

Packet* prepare_packet(Packet* packet, const TxAbilities& can, TxCounters& counters) noexcept {
    if (!can.checks_mtu && !is_gso(packet) && packet->pkt_len > can.mtu + 14 &&
        packet->pkt_len > max_frame_bytes(packet, can.mtu)) {
        counters.oversized.add(1);
        packet_free(packet);
        return nullptr;
    }
    if (needs_checksum(packet) && !can.checksum && !finish_checksum(packet)) {
        counters.errors.add(1);
        packet_free(packet);
        return nullptr;
    }
    if (packet->nb_segs <= can.max_chain) return packet;
    Packet* whole = can.max_chain == 1 ? gather(packet) : packet_copy(packet);
    packet_free(packet);
    if (whole == nullptr) counters.no_memory.add(1);
    return whole;
}

unsigned fill_iovecs(const Packet* packet, iovec* parts) noexcept {
    unsigned count = 0;
    for (const Packet* seg = packet; seg != nullptr; seg = seg->next)
        if (seg->data_len > 0) parts[count++] = {rte_pktmbuf_mtod(seg, void*), seg->data_len};
    return count;
}

}  // namespace sluice
