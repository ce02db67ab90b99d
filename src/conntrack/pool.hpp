// SPDX-License-Identifier: Apache-2.0
// Memory of connections of one family: numbered records in reserved address space.
//
// Threads take numbers in small lots (Lot), so the lock is taken once in 32 connections. Who gives a number
// back has waited until nobody can refer to it any more, or never showed it to anybody.
#pragma once

#include <atomic>
#include <cstdint>

#include "conntrack/conn.hpp"
#include "conntrack/memory.hpp"

namespace sluice::conntrack {

/// Numbers that one thread has in stock.
struct Lot {
    static constexpr unsigned kSize = 32;
    std::uint32_t count = 0;
    std::uint32_t number[kSize * 2];
};

class Pool {
  public:
    /// `size`: bytes of a record. Numbers go from 1 to capacity - 1.
    bool reserve(std::uint32_t capacity, std::size_t size) noexcept;
    Conn& at(std::uint32_t number) const noexcept {
        return *reinterpret_cast<Conn*>(base_ + std::size_t{number} * size_);
    }
    /// 0: none left.
    std::uint32_t take(Lot& lot) noexcept;
    void give(Lot& lot, std::uint32_t number) noexcept;
    /// Gives back all that a thread has in stock.
    void empty(Lot& lot) noexcept;
    /// Every number ever taken is below.
    std::uint32_t end() const noexcept { return used_.load(std::memory_order_acquire); }
    /// Has memory ready ahead of need. Control thread.
    void back_growth() noexcept;

  private:
    void lock() noexcept {
        while (lock_.exchange(1, std::memory_order_acquire) != 0)
            __builtin_ia32_pause();
    }
    void unlock() noexcept { lock_.store(0, std::memory_order_release); }

    Reservation records_, stack_;
    char* base_ = nullptr;
    std::size_t size_ = 0;
    std::uint32_t capacity_ = 0;
    std::uint32_t backed_ = 0;  ///< control thread
    alignas(64) std::atomic<std::uint32_t> lock_{0};
    std::uint32_t* free_ = nullptr;  ///< under lock_
    std::uint32_t free_count_ = 0;   ///< under lock_
    std::atomic<std::uint32_t> used_{1};
};

}  // namespace sluice::conntrack
