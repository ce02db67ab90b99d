// SPDX-License-Identifier: Apache-2.0
// Time: the switch's monotonic clock for intervals and deadlines, the machine's for what has to do with the
// machine, the wall clock for people.
//
// A lab (`sluiced --enable-dummy`) stops the switch's clock and moves it on by hand (time/stop, time/warp),
// so that time-outs, ageing and rates can be tested without waiting. What waits for other threads, processes
// or devices uses the machine's clock, which nobody can stop.
#pragma once

#include <atomic>
#include <cstdint>
#include <ctime>

namespace sluice::clock {

namespace detail {
inline std::int64_t read_ns(clockid_t id) noexcept {
    timespec now{};
    ::clock_gettime(id, &now);
    return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

/// The switch's clock against the machine's. Writer: control thread; readers: all.
struct Warp {
    std::atomic<std::int64_t> ahead_ns{0};    ///< added to the machine's clock
    std::atomic<std::int64_t> stopped_ns{0};  ///< what the stopped clock shows; 0: it runs
};
inline Warp warp;
}  // namespace detail

/// Nanoseconds of the machine's monotonic clock. Any thread; about 20 ns.
inline std::int64_t machine_ns() noexcept {
    return detail::read_ns(CLOCK_MONOTONIC);
}
/// Milliseconds of the machine's monotonic clock.
inline std::int64_t machine_ms() noexcept {
    return machine_ns() / 1'000'000;
}
/// Nanoseconds since an arbitrary start; never goes back. Any thread; about 20 ns.
inline std::int64_t now_ns() noexcept {
    if (const auto stopped = detail::warp.stopped_ns.load(std::memory_order_relaxed)) return stopped;
    return machine_ns() + detail::warp.ahead_ns.load(std::memory_order_relaxed);
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

/// Stops `now_ns` for good; only `advance` moves it from here on. Control thread.
inline void stop() noexcept {
    if (detail::warp.stopped_ns.load(std::memory_order_relaxed) == 0)
        detail::warp.stopped_ns.store(now_ns(), std::memory_order_relaxed);
}
/// Did somebody stop it?
inline bool stopped() noexcept {
    return detail::warp.stopped_ns.load(std::memory_order_relaxed) != 0;
}
/// Moves `now_ns` forward by `ns` > 0, stopped or not. Control thread.
inline void advance(std::int64_t ns) noexcept {
    auto& stopped = detail::warp.stopped_ns;
    if (const auto shown = stopped.load(std::memory_order_relaxed)) {
        stopped.store(shown + ns, std::memory_order_relaxed);
    } else {
        detail::warp.ahead_ns.fetch_add(ns, std::memory_order_relaxed);
    }
}

}  // namespace sluice::clock
