// SPDX-License-Identifier: Apache-2.0
// Time: a monotonic clock for intervals and deadlines, the wall clock for people.
#pragma once

#include <cstdint>
#include <ctime>

namespace sluice::clock {

namespace detail {
inline std::int64_t read_ns(clockid_t id) noexcept {
    timespec now{};
    ::clock_gettime(id, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}
}  // namespace detail

/// Nanoseconds since an arbitrary start; never goes back. Any thread; about 20 ns.
inline std::int64_t now_ns() noexcept {
    return detail::read_ns(CLOCK_MONOTONIC);
}
/// Milliseconds since an arbitrary start; same clock as `now_ns`.
inline std::int64_t now_ms() noexcept {
    return now_ns() / 1'000'000;
}
/// Nanoseconds since 1970 (UTC); jumps when somebody sets the clock, so never use it for intervals.
inline std::int64_t wall_ns() noexcept {
    return detail::read_ns(CLOCK_REALTIME);
}
/// Milliseconds since 1970 (UTC).
inline std::int64_t wall_ms() noexcept {
    return wall_ns() / 1'000'000;
}

}  // namespace sluice::clock
