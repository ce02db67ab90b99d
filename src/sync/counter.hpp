// SPDX-License-Identifier: Apache-2.0
// Counter with one writing thread; anybody may read. Compiles to load, add, store: no lock prefix.
#pragma once

#include <atomic>
#include <cstdint>

namespace sluice {

class Counter {
  public:
    void add(std::uint64_t n) noexcept {
        value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
    }
    void set(std::uint64_t n) noexcept { value_.store(n, std::memory_order_relaxed); }
    std::uint64_t read() const noexcept { return value_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::uint64_t> value_{0};
};

}  // namespace sluice
