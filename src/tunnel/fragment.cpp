// SPDX-License-Identifier: Apache-2.0
#include "tunnel/fragment.hpp"

#include <algorithm>
#include <cstring>

#include "base/byte_order.hpp"
#include "packet/pool.hpp"
#include "wire/checksum.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"

namespace sluice::tunnel {

namespace {

constexpr std::uint32_t kHeaders = wire::eth::kHeaderBytes + wire::ipv4::kMinHeaderBytes;
constexpr std::uint32_t kLeastMtu = 68;

/// Copies bytes [from, from + size) of a frame into the room of a fresh one that has it.
void copy_range(const Packet* packet, std::uint32_t from, std::uint32_t size, Packet* to) {
    for (Packet* segment = to; size != 0; segment = segment->next) {
        const std::uint32_t skip = segment == to ? kHeaders : 0;
        const std::uint32_t part = std::min<std::uint32_t>(size, segment->data_len - skip);
        auto* place = rte_pktmbuf_mtod_offset(segment, std::uint8_t*, skip);
        const void* bytes = rte_pktmbuf_read(packet, from, part, place);
        if (bytes != place) std::memcpy(place, bytes, part);
        from += part;
        size -= part;
    }
}

}  // namespace

unsigned fragment(Packet* packet, std::uint32_t mtu, std::uint16_t id,
                  Packet* (&out)[kMaxFragments]) noexcept {
    if (mtu < kLeastMtu || packet->pkt_len <= kHeaders || packet->data_len < kHeaders) return 0;
    const std::uint32_t each = (mtu - wire::ipv4::kMinHeaderBytes) & ~7U;
    const std::uint32_t payload = packet->pkt_len - kHeaders;
    if ((payload + each - 1) / each > kMaxFragments) return 0;
    unsigned made = 0;
    for (std::uint32_t at = 0; at < payload; at += each) {
        const std::uint32_t size = std::min(each, payload - at);
        Packet* piece = packet_alloc_sized(kHeaders + size);
        if (!piece) {
            packet_free_burst(out, made);
            return 0;
        }
        auto* frame = rte_pktmbuf_mtod(piece, std::uint8_t*);
        std::memcpy(frame, rte_pktmbuf_mtod(packet, const void*), kHeaders);
        copy_range(packet, kHeaders + at, size, piece);
        std::uint8_t* ip = frame + wire::eth::kHeaderBytes;
        const bool more = at + size < payload;
        store_be16(ip + wire::ipv4::kTotalLength,
                   static_cast<std::uint16_t>(wire::ipv4::kMinHeaderBytes + size));
        store_be16(ip + wire::ipv4::kId, id);
        store_be16(ip + wire::ipv4::kFragment,
                   static_cast<std::uint16_t>((more ? wire::ipv4::kMoreFragments : 0) | at / 8));
        store_be16(ip + wire::ipv4::kChecksum, 0);
        store_be16(ip + wire::ipv4::kChecksum, wire::internet_checksum({ip, wire::ipv4::kMinHeaderBytes}));
        out[made++] = piece;
    }
    packet_free(packet);
    return made;
}

}  // namespace sluice::tunnel
