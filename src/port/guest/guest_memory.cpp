// SPDX-License-Identifier: Apache-2.0
// See port/guest/guest_memory.hpp.
#include "port/guest/guest_memory.hpp"

#include <algorithm>

namespace sluice::guest {
namespace {

bool overlap(std::uint64_t a, std::uint64_t a_size, std::uint64_t b, std::uint64_t b_size) {
    return a < b + b_size && b < a + a_size;
}

}  // namespace

Result<void> GuestMemory::add(const Region& region, SharedMapping mapping) {
    if (region.size == 0 || region.guest + region.size < region.guest ||
        region.user + region.size < region.user)
        return make_error(EINVAL, "guest memory: a region of {} bytes at {:#x} is empty or wraps round",
                          region.size, region.guest);
    for (const Region& other : regions_)
        if (overlap(region.guest, region.size, other.guest, other.size) ||
            overlap(region.user, region.size, other.user, other.size))
            return make_error(EINVAL,
                              "guest memory: the regions at {:#x} ({} bytes) and {:#x} ({} bytes) overlap",
                              other.guest, other.size, region.guest, region.size);
    regions_.push_back(region);
    mappings_.push_back(std::move(mapping));
    return {};
}

std::uint8_t* GuestMemory::from_user(std::uint64_t address, std::uint64_t size) const noexcept {
    for (const Region& region : regions_) {
        const std::uint64_t offset = address - region.user;
        if (offset < region.size && size <= region.size - offset) return region.host + offset;
    }
    return nullptr;
}

bool GuestMemory::intact() const noexcept {
    return std::all_of(mappings_.begin(), mappings_.end(), [](const auto& m) { return m.intact(); });
}

}  // namespace sluice::guest
