// SPDX-License-Identifier: Apache-2.0
// Bounded ring of records by value: one producer (a worker), one consumer (the control thread).
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

namespace sluice {

template <typename T>
class SpscRing {
  public:
    /// capacity: a power of two.
    explicit SpscRing(std::size_t capacity) : mask_(capacity - 1), slots_(new T[capacity]) {}

    /// Producer: the slot to fill, or nullptr when the ring is full; then push().
    T* claim() noexcept {
        const auto tail = tail_.load(std::memory_order_relaxed);
        if (tail - head_.load(std::memory_order_acquire) > mask_) return nullptr;
        return &slots_[tail & mask_];
    }
    void push() noexcept {
        tail_.store(tail_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }

    /// Consumer: the oldest record, or nullptr; then pop().
    T* front() noexcept {
        const auto head = head_.load(std::memory_order_relaxed);
        if (head == tail_.load(std::memory_order_acquire)) return nullptr;
        return &slots_[head & mask_];
    }
    void pop() noexcept { head_.store(head_.load(std::memory_order_relaxed) + 1, std::memory_order_release); }

  private:
    const std::size_t mask_;
    std::unique_ptr<T[]> slots_;
    alignas(128) std::atomic<std::size_t> head_{0};  // writer: consumer
    alignas(128) std::atomic<std::size_t> tail_{0};  // writer: producer
};

}  // namespace sluice
