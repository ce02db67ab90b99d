// SPDX-License-Identifier: Apache-2.0
// See port/guest/pieces.hpp.
#include "port/guest/pieces.hpp"

#include "packet/pool.hpp"

namespace sluice::guest {

bool copy_frame(Cursor& cursor, std::uint32_t size, Packet* packet) noexcept {
    const std::uint32_t first = std::min(size, kSmallRoom);
    cursor.read(rte_pktmbuf_mtod(packet, void*), first);
    packet->data_len = static_cast<std::uint16_t>(first);
    packet->pkt_len = size;
    if (size == first) return true;
    Packet* tail = packet_alloc_large();
    if (tail == nullptr) return false;
    cursor.read(rte_pktmbuf_mtod(tail, void*), size - first);
    tail->data_len = static_cast<std::uint16_t>(size - first);
    packet->next = tail;
    packet->nb_segs = 2;
    return true;
}

}  // namespace sluice::guest
