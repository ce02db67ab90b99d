// SPDX-License-Identifier: Apache-2.0
#include "conntrack/memory.hpp"

#include <algorithm>

#include <sys/mman.h>

namespace sluice::conntrack {

Reservation::~Reservation() {
    release();
}

bool Reservation::reserve(std::size_t bytes) noexcept {
    void* address =
        ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (address == MAP_FAILED) return false;
    release();
    address_ = address;
    bytes_ = bytes;
    return true;
}

void Reservation::release() noexcept {
    if (address_) ::munmap(address_, bytes_);
    address_ = nullptr;
    bytes_ = 0;
}

void Reservation::back(std::size_t from, std::size_t to) noexcept {
    constexpr std::size_t kPage = 4096;
    from = from / kPage * kPage;
    to = std::min((to + kPage - 1) / kPage * kPage, bytes_);
    if (from >= to) return;
    auto* start = static_cast<char*>(address_) + from;
    ::madvise(start, to - from, MADV_HUGEPAGE);
#ifdef MADV_POPULATE_WRITE
    ::madvise(start, to - from, MADV_POPULATE_WRITE);  // keeps what is there
#endif
}

}  // namespace sluice::conntrack
