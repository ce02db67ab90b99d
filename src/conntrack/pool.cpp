// SPDX-License-Identifier: Apache-2.0
#include "conntrack/pool.hpp"

#include <algorithm>
#include <cstring>
#include <new>

namespace sluice::conntrack {

bool Pool::reserve(std::uint32_t capacity, std::size_t size) noexcept {
    capacity_ = capacity;
    size_ = size;
    if (!records_.reserve(capacity * size) || !stack_.reserve(capacity * sizeof(std::uint32_t))) return false;
    base_ = records_.as<char>();
    free_ = stack_.as<std::uint32_t>();
    return true;
}

std::uint32_t Pool::take(Lot& lot) noexcept {
    if (lot.count == 0) {
        lock();
        const std::uint32_t reused = std::min<std::uint32_t>(free_count_, Lot::kSize);
        free_count_ -= reused;
        std::memcpy(lot.number, free_ + free_count_, reused * sizeof(std::uint32_t));
        lot.count = reused;
        if (reused == 0) {
            const std::uint32_t from = used_.load(std::memory_order_relaxed);
            const std::uint32_t fresh = std::min<std::uint32_t>(capacity_ - from, Lot::kSize);
            for (std::uint32_t i = 0; i < fresh; ++i)
                lot.number[i] = from + fresh - 1 - i;
            lot.count = fresh;
            used_.store(from + fresh, std::memory_order_release);
        }
        unlock();
        if (lot.count == 0) return 0;
    }
    return lot.number[--lot.count];
}

void Pool::give(Lot& lot, std::uint32_t number) noexcept {
    lot.number[lot.count++] = number;
    if (lot.count < Lot::kSize * 2) return;
    lot.count -= Lot::kSize;
    lock();
    std::memcpy(free_ + free_count_, lot.number + lot.count, Lot::kSize * sizeof(std::uint32_t));
    free_count_ += Lot::kSize;
    unlock();
}

void Pool::empty(Lot& lot) noexcept {
    lock();
    std::memcpy(free_ + free_count_, lot.number, lot.count * sizeof(std::uint32_t));
    free_count_ += lot.count;
    unlock();
    lot.count = 0;
}

void Pool::back_growth() noexcept {
    const std::uint32_t used = end();
    if (used == 1) return;
    const std::uint32_t ahead = std::min(capacity_, used + std::max<std::uint32_t>(used / 4, 16384));
    if (ahead <= backed_ + 8192) return;
    records_.back(std::size_t{backed_} * size_, std::size_t{ahead} * size_);
    backed_ = ahead;
}

}  // namespace sluice::conntrack
