// SPDX-License-Identifier: Apache-2.0
// Bounded ring of records by value: any number of producers, one consumer. For what is rare: each push costs
// an atomic exchange on a line that all producers share. A full ring refuses; a producer that stops between
// claim and commit holds back what came after it, nobody else. (Dmitry Vyukov's bounded queue.)
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>

namespace sluice {

template <typename T>
class MpscRing {
  public:
    /// capacity: a power of two.
    explicit MpscRing(std::size_t capacity) : mask_(capacity - 1), slots_(new Slot[capacity]) {
        for (std::size_t i = 0; i < capacity; ++i)
            slots_[i].turn.store(i, std::memory_order_relaxed);
    }

    /// Any thread. False when the ring is full.
    bool push(const T& value) noexcept {
        std::size_t at = tail_.load(std::memory_order_relaxed);
        while (true) {
            Slot& slot = slots_[at & mask_];
            const std::size_t turn = slot.turn.load(std::memory_order_acquire);
            if (turn == at) {
                if (!tail_.compare_exchange_weak(at, at + 1, std::memory_order_relaxed)) continue;
                slot.value = value;
                slot.turn.store(at + 1, std::memory_order_release);
                return true;
            }
            if (turn < at) return false;  // still that of a lap ago
            at = tail_.load(std::memory_order_relaxed);
        }
    }

    /// The consumer. False when the ring is empty.
    bool pop(T& value) noexcept {
        Slot& slot = slots_[head_ & mask_];
        if (slot.turn.load(std::memory_order_acquire) != head_ + 1) return false;
        value = slot.value;
        slot.turn.store(head_ + mask_ + 1, std::memory_order_release);
        ++head_;
        return true;
    }

  private:
    struct Slot {
        std::atomic<std::size_t> turn{0};
        T value{};
    };
    const std::size_t mask_;
    std::unique_ptr<Slot[]> slots_;
    alignas(128) std::atomic<std::size_t> tail_{0};  // writer: producers
    alignas(128) std::size_t head_ = 0;              // writer: consumer
};

}  // namespace sluice
