// SPDX-License-Identifier: Apache-2.0
// A guest's memory as its vhost-user front-end describes it: guest physical ranges, each backed by a mapping.
// Immutable once made; whoever holds it keeps the mappings.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.hpp"
#include "port/guest/shared_mapping.hpp"

namespace sluice::guest {

/// What is mapped where. Sizes in bytes; `guest` and `user` are the guest's physical and the front-end's
/// virtual address of the first byte.
struct Region {
    std::uint64_t guest = 0;
    std::uint64_t size = 0;
    std::uint64_t user = 0;
    std::uint8_t* host = nullptr;
};

class GuestMemory {
  public:
    GuestMemory() = default;
    /// Takes over a region. Errors: EINVAL when it is empty, wraps round or overlaps another one.
    Result<void> add(const Region& region, SharedMapping mapping);

    /// The region that holds guest physical `address`; null: none.
    const Region* find(std::uint64_t address) const noexcept {
        for (const Region& region : regions_)
            if (address - region.guest < region.size) return &region;
        return nullptr;
    }
    /// The `size` bytes at the front-end's virtual `address` (ring addresses of vhost-user); null when they
    /// do not lie in one region.
    std::uint8_t* from_user(std::uint64_t address, std::uint64_t size) const noexcept;
    /// False once the guest took memory away. Any thread.
    bool intact() const noexcept;
    const std::vector<Region>& regions() const { return regions_; }

  private:
    std::vector<Region> regions_;
    std::vector<SharedMapping> mappings_;
};

}  // namespace sluice::guest
