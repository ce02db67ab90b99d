// SPDX-License-Identifier: Apache-2.0
// How statistics replies tell an age.
#pragma once

#include <cstdint>

namespace sluice::bridge {

/// Fills duration_s and duration_ns. `since_ms` may be later than `now_ms`: then the age is 0.
template <typename Stats>
void put_duration(Stats& stats, std::int64_t now_ms, std::int64_t since_ms) {
    const std::int64_t age_ms = now_ms > since_ms ? now_ms - since_ms : 0;
    stats.duration_s = static_cast<std::uint32_t>(age_ms / 1000);
    stats.duration_ns = static_cast<std::uint32_t>(age_ms % 1000 * 1'000'000);
}

}  // namespace sluice::bridge
