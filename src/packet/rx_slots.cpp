// SPDX-License-Identifier: Apache-2.0
// See packet/rx_slots.hpp.
#include "packet/rx_slots.hpp"

#include <atomic>

#include "packet/pool.hpp"

namespace sluice {
namespace {
std::atomic<unsigned> held_small_segments{0};
std::atomic<unsigned> held_large_segments{0};
}  // namespace

RxSlots& RxSlots::mine() noexcept {
    static thread_local RxSlots slots;
    return slots;
}

unsigned RxSlots::refill(unsigned count) noexcept {
    unsigned new_small = 0;
    unsigned new_large = 0;
    unsigned ready = 0;
    for (; ready < count; ++ready) {
        if (small_[ready] == nullptr) {
            small_[ready] = packet_alloc();
            if (small_[ready] == nullptr) break;
            ++new_small;
        }
        if (large_[ready] == nullptr) {
            large_[ready] = packet_alloc_large();
            if (large_[ready] != nullptr) ++new_large;
        }
    }
    if (new_small > 0) held_small_segments.fetch_add(new_small, std::memory_order_relaxed);
    if (new_large > 0) held_large_segments.fetch_add(new_large, std::memory_order_relaxed);
    return ready;
}

Packet* RxSlots::take(unsigned i, std::uint32_t size) noexcept {
    Packet* packet = small_[i];
    small_[i] = nullptr;
    held_small_segments.fetch_sub(1, std::memory_order_relaxed);
    packet->pkt_len = size;
    if (size <= kSmallRoom) {
        packet->data_len = static_cast<std::uint16_t>(size);
        return packet;
    }
    packet->data_len = kSmallRoom;
    packet->next = large_[i];
    packet->nb_segs = 2;
    large_[i]->data_len = static_cast<std::uint16_t>(size - kSmallRoom);
    large_[i] = nullptr;
    held_large_segments.fetch_sub(1, std::memory_order_relaxed);
    return packet;
}

void RxSlots::release() noexcept {
    for (unsigned i = 0; i < kMaxBurst; ++i) {
        if (small_[i] != nullptr) held_small_segments.fetch_sub(1, std::memory_order_relaxed);
        if (large_[i] != nullptr) held_large_segments.fetch_sub(1, std::memory_order_relaxed);
        packet_free(small_[i]);
        packet_free(large_[i]);
        small_[i] = large_[i] = nullptr;
    }
}

unsigned RxSlots::held_small() noexcept {
    return held_small_segments.load(std::memory_order_relaxed);
}
unsigned RxSlots::held_large() noexcept {
    return held_large_segments.load(std::memory_order_relaxed);
}

}  // namespace sluice
