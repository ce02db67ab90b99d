// SPDX-License-Identifier: Apache-2.0
// The control thread's event loop: file descriptors (epoll), timers, deferred calls and a mailbox
// other threads may post to.
//
// One thread runs the loop and owns everything registered in it. Registrations are RAII handles
// (`Watch`, `Timer`): destroying or resetting a handle cancels it at once, also from within its own
// callback or another callback of the same turn; a cancelled callback is never called again. Handles
// may outlive the loop. Only `post()`, `wake()`, `stop()` and `Poster` may be used by other threads.
//
// A turn: wait for events -> due timers -> descriptors that are ready -> posted calls -> deferred
// calls. What a deferred call defers runs in the next turn, so no turn can go on for ever.
//
//     auto loop = EventLoop::create().value();
//     Timer tick = loop->every(1000, [] { ... });
//     Watch in = loop->watch(fd, EventLoop::kRead, [&](unsigned) { ... });
//     loop->run();
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "base/result.hpp"

namespace sluice {

namespace detail {
struct LoopCore;
}

/// Which clock a timer goes by (base/clock.hpp).
enum class TimeBase : std::uint8_t {
    kSwitch,  ///< clock::now_ms: what OpenFlow and the database define; a lab may stop it and move it on
    kMachine  ///< clock::machine_ms: waiting for threads, processes, devices
};

/// Registration of a file descriptor. Does not own the descriptor: destroy the watch before closing it.
class Watch {
  public:
    Watch() = default;
    Watch(Watch&& other) noexcept;
    Watch& operator=(Watch&& other) noexcept;
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    ~Watch() { reset(); }

    /// Changes what is waited for: `EventLoop::kRead | EventLoop::kWrite`, or 0 for errors and hang-up only.
    void set_interest(unsigned interest);
    void reset();
    explicit operator bool() const { return id_ != 0; }

  private:
    friend class EventLoop;
    Watch(std::weak_ptr<detail::LoopCore> core, std::uint64_t id) : core_(std::move(core)), id_(id) {}
    std::weak_ptr<detail::LoopCore> core_;
    std::uint64_t id_ = 0;
};

/// A pending one-shot or periodic call.
class Timer {
  public:
    Timer() = default;
    Timer(Timer&& other) noexcept;
    Timer& operator=(Timer&& other) noexcept;
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    ~Timer() { reset(); }

    void reset();
    /// Still going to fire? False for a one-shot that has fired.
    bool pending() const;

  private:
    friend class EventLoop;
    Timer(std::weak_ptr<detail::LoopCore> core, std::uint64_t id) : core_(std::move(core)), id_(id) {}
    std::weak_ptr<detail::LoopCore> core_;
    std::uint64_t id_ = 0;
};

/// Single-threaded epoll loop; see the top of this file.
class EventLoop {
  public:
    using Callback = std::function<void()>;
    /// `ready`: kRead and/or kWrite; errors and hang-up set both, so that the next read or write reports
    /// them.
    using FdCallback = std::function<void(unsigned ready)>;
    static constexpr unsigned kRead = 1;
    static constexpr unsigned kWrite = 2;

    /// Fails when the process has no file descriptors left.
    static Result<std::unique_ptr<EventLoop>> create();
    ~EventLoop();
    EventLoop(const EventLoop&) = delete;
    EventLoop& operator=(const EventLoop&) = delete;

    /// Level-triggered. A descriptor that epoll refuses (a regular file) yields an empty Watch and a log
    /// line; one descriptor can have one watch only.
    Watch watch(int fd, unsigned interest, FdCallback callback);
    /// Calls once, `delay_ms` from now (0: next turn). The timer is cancelled with its handle.
    Timer after(std::int64_t delay_ms, Callback callback, TimeBase base = TimeBase::kSwitch);
    /// Calls every `period_ms` (at least 1); a late loop skips beats instead of catching up.
    Timer every(std::int64_t period_ms, Callback callback, TimeBase base = TimeBase::kSwitch);
    /// Calls once at the end of this turn (or of the next, from a deferred call). Cannot be cancelled:
    /// capture what may die weakly.
    void defer(Callback callback);

    /// Thread-safe: runs `callback` in the loop's thread soon.
    void post(Callback callback);
    /// Thread-safe: makes a sleeping loop start a turn.
    void wake();
    /// Thread-safe: makes `run()` return after the current turn. A stop before `run()` counts too.
    void stop();
    bool stopping() const;

    /// A way to post that may outlive the loop; then `post` returns false. Thread-safe, copyable.
    class Poster {
      public:
        bool post(Callback callback) const;

      private:
        friend class EventLoop;
        std::weak_ptr<detail::LoopCore> core_;
    };
    Poster poster() const;

    /// Turns until `stop()`.
    void run();
    /// One turn; waits up to `timeout_ms` for something to do (0: don't wait, -1: no limit). True if anything
    /// ran.
    bool run_once(int timeout_ms);

  private:
    explicit EventLoop(std::shared_ptr<detail::LoopCore> core);
    std::shared_ptr<detail::LoopCore> core_;
};

}  // namespace sluice
