// SPDX-License-Identifier: Apache-2.0
// Address space without memory: pages come, zeroed, when they are first written.
#pragma once

#include <cstddef>

namespace sluice::conntrack {

class Reservation {
  public:
    Reservation() = default;
    ~Reservation();
    Reservation(const Reservation&) = delete;
    Reservation& operator=(const Reservation&) = delete;
    /// False: there is not so much address space.
    bool reserve(std::size_t bytes) noexcept;
    void release() noexcept;
    template <typename T>
    T* as() const noexcept {
        return static_cast<T*>(address_);
    }
    std::size_t bytes() const noexcept { return bytes_; }
    /// Has the kernel back [from, to) before anybody needs it, with large pages where it can.
    void back(std::size_t from, std::size_t to) noexcept;

  private:
    void* address_ = nullptr;
    std::size_t bytes_ = 0;
};

}  // namespace sluice::conntrack
