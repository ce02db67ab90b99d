// SPDX-License-Identifier: Apache-2.0
#include "base/event_loop.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <map>
#include <mutex>
#include <unordered_map>
#include <vector>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.hpp"
#include "base/log.hpp"

namespace sluice {
namespace {

const log::Module kLog{"poll_loop"};
constexpr std::uint64_t kWakeId = 0;  // epoll data of the eventfd; registrations count from 1
constexpr int kMaxEvents = 64;

std::uint32_t to_epoll(unsigned interest) {
    std::uint32_t events = 0;
    if ((interest & EventLoop::kRead) != 0) events |= EPOLLIN | EPOLLRDHUP;
    if ((interest & EventLoop::kWrite) != 0) events |= EPOLLOUT;
    return events;
}

unsigned from_epoll(std::uint32_t events) {
    unsigned ready = 0;
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0) ready |= EventLoop::kRead;
    if ((events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) != 0) ready |= EventLoop::kWrite;
    return ready;
}

}  // namespace

namespace detail {

struct WatchEntry {
    int fd = -1;
    EventLoop::FdCallback callback;
};

struct TimerEntry {
    std::int64_t deadline_ns = 0;
    std::int64_t period_ns = 0;  ///< 0: one-shot
    TimeBase base = TimeBase::kSwitch;
    EventLoop::Callback callback;
};

/// All state of a loop. Handles hold it weakly; callbacks are held by shared_ptr while they run, so that
/// a callback may cancel itself.
struct LoopCore {
    int epoll_fd = -1;
    int wake_fd = -1;
    std::uint64_t next_id = 1;
    std::unordered_map<std::uint64_t, std::shared_ptr<WatchEntry>> watches;
    std::unordered_map<std::uint64_t, std::shared_ptr<TimerEntry>> timers;
    using Queue = std::map<std::pair<std::int64_t, std::uint64_t>, std::uint64_t>;  ///< (deadline, id) -> id
    Queue queues[2];                                                                ///< by TimeBase
    std::vector<EventLoop::Callback> deferred;
    std::atomic<bool> stop{false};
    std::mutex mailbox_mutex;
    std::vector<EventLoop::Callback> mailbox;  ///< under mailbox_mutex

    ~LoopCore() {
        if (epoll_fd >= 0) ::close(epoll_fd);
        if (wake_fd >= 0) ::close(wake_fd);
    }

    static std::int64_t now_ns(TimeBase base) {
        return base == TimeBase::kMachine ? clock::machine_ns() : clock::now_ns();
    }
    Queue& queue_of(TimeBase base) { return queues[static_cast<unsigned>(base)]; }

    void remove_watch(std::uint64_t id) {
        const auto found = watches.find(id);
        if (found == watches.end()) return;
        ::epoll_ctl(epoll_fd, EPOLL_CTL_DEL, found->second->fd, nullptr);
        watches.erase(found);
    }
    void remove_timer(std::uint64_t id) {
        const auto found = timers.find(id);
        if (found == timers.end()) return;
        queue_of(found->second->base).erase({found->second->deadline_ns, id});
        timers.erase(found);
    }
    void wake() const {
        const std::uint64_t one = 1;
        (void)!::write(wake_fd, &one, sizeof one);  // full counter: the loop is awake anyway
    }
    void post(EventLoop::Callback callback) {
        {
            const std::lock_guard lock(mailbox_mutex);
            mailbox.push_back(std::move(callback));
        }
        wake();
    }

    std::uint64_t add_timer(TimeBase base, std::int64_t delay_ms, std::int64_t period_ms,
                            EventLoop::Callback callback) {
        constexpr std::int64_t kLongestMs = std::int64_t{1000} * 3600 * 24 * 365 * 100;
        auto entry = std::make_shared<TimerEntry>();
        entry->base = base;
        entry->deadline_ns = now_ns(base) + std::clamp<std::int64_t>(delay_ms, 0, kLongestMs) * 1'000'000;
        entry->period_ns = std::min(period_ms, kLongestMs) * 1'000'000;
        entry->callback = std::move(callback);
        const auto id = next_id++;
        queue_of(base).emplace(std::pair{entry->deadline_ns, id}, id);
        timers.emplace(id, std::move(entry));
        return id;
    }

    /// Timers due at `now`; those that callbacks add wait for the next turn even if due at once.
    bool run_timers() {
        const bool ran = run_timers(TimeBase::kMachine);
        return run_timers(TimeBase::kSwitch) || ran;
    }

    bool run_timers(TimeBase base) {
        const auto now = now_ns(base);
        Queue& queue = queue_of(base);
        std::vector<std::uint64_t> due;
        for (auto it = queue.begin(); it != queue.end() && it->first.first <= now; ++it)
            due.push_back(it->second);
        bool ran = false;
        for (const auto id : due) {
            const auto found = timers.find(id);
            if (found == timers.end()) continue;  // cancelled by an earlier callback of this turn
            const auto entry = found->second;
            queue.erase({entry->deadline_ns, id});
            if (entry->period_ns > 0) {
                entry->deadline_ns += entry->period_ns;
                if (entry->deadline_ns <= now) entry->deadline_ns = now + entry->period_ns;
                queue.emplace(std::pair{entry->deadline_ns, id}, id);
            } else {
                timers.erase(found);
            }
            entry->callback();
            ran = true;
        }
        return ran;
    }

    bool run_ready(const epoll_event* events, int count) {
        bool ran = false;
        for (int i = 0; i < count; ++i) {
            const auto id = events[i].data.u64;
            if (id == kWakeId) {
                std::uint64_t value = 0;
                (void)!::read(wake_fd, &value, sizeof value);
                continue;
            }
            const auto found = watches.find(id);
            if (found == watches.end()) continue;  // cancelled by an earlier callback of this turn
            const auto entry = found->second;
            entry->callback(from_epoll(events[i].events));
            ran = true;
        }
        return ran;
    }

    static bool run_all(std::vector<EventLoop::Callback>& calls) {
        for (auto& call : calls)
            call();
        return !calls.empty();
    }

    bool run_mailbox() {
        std::vector<EventLoop::Callback> calls;
        {
            const std::lock_guard lock(mailbox_mutex);
            calls.swap(mailbox);
        }
        return run_all(calls);
    }
    bool run_deferred() {
        std::vector<EventLoop::Callback> calls;
        calls.swap(deferred);
        return run_all(calls);
    }

    int wait_ms(int timeout_ms) {
        if (!deferred.empty()) return 0;
        for (const auto base : {TimeBase::kSwitch, TimeBase::kMachine}) {
            const Queue& queue = queue_of(base);
            if (queue.empty()) continue;
            const auto left_ns = queue.begin()->first.first - now_ns(base);
            if (left_ns <= 0) return 0;
            if (base == TimeBase::kSwitch && clock::stopped()) continue;  // only this thread moves it on
            const auto left_ms =
                static_cast<int>(std::min<std::int64_t>((left_ns + 999'999) / 1'000'000, 3'600'000));
            timeout_ms = timeout_ms < 0 ? left_ms : std::min(timeout_ms, left_ms);
        }
        return timeout_ms;
    }
};

}  // namespace detail

Watch::Watch(Watch&& other) noexcept : core_(std::move(other.core_)), id_(std::exchange(other.id_, 0)) {}

Watch& Watch::operator=(Watch&& other) noexcept {
    if (this == &other) return *this;
    reset();
    core_ = std::move(other.core_);
    id_ = std::exchange(other.id_, 0);
    return *this;
}

void Watch::set_interest(unsigned interest) {
    const auto core = core_.lock();
    if (!core || id_ == 0) return;
    const auto found = core->watches.find(id_);
    if (found == core->watches.end()) return;
    epoll_event event{};
    event.events = to_epoll(interest);
    event.data.u64 = id_;
    ::epoll_ctl(core->epoll_fd, EPOLL_CTL_MOD, found->second->fd, &event);
}

void Watch::reset() {
    const auto id = std::exchange(id_, 0);
    if (id == 0) return;
    if (const auto core = core_.lock()) core->remove_watch(id);
}

Timer::Timer(Timer&& other) noexcept : core_(std::move(other.core_)), id_(std::exchange(other.id_, 0)) {}

Timer& Timer::operator=(Timer&& other) noexcept {
    if (this == &other) return *this;
    reset();
    core_ = std::move(other.core_);
    id_ = std::exchange(other.id_, 0);
    return *this;
}

void Timer::reset() {
    const auto id = std::exchange(id_, 0);
    if (id == 0) return;
    if (const auto core = core_.lock()) core->remove_timer(id);
}

bool Timer::pending() const {
    const auto core = core_.lock();
    return id_ != 0 && core && core->timers.count(id_) != 0;
}

Result<std::unique_ptr<EventLoop>> EventLoop::create() {
    auto core = std::make_shared<detail::LoopCore>();
    core->epoll_fd = ::epoll_create1(EPOLL_CLOEXEC);
    core->wake_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = kWakeId;
    if (core->epoll_fd < 0 || core->wake_fd < 0 ||
        ::epoll_ctl(core->epoll_fd, EPOLL_CTL_ADD, core->wake_fd, &event) != 0) {
        const int error = errno;
        return make_error(error, "event loop: {}", std::strerror(error));
    }
    return std::unique_ptr<EventLoop>(new EventLoop(std::move(core)));
}

EventLoop::EventLoop(std::shared_ptr<detail::LoopCore> core) : core_(std::move(core)) {}

EventLoop::~EventLoop() {
    // Callbacks may own handles of this very loop: take them out before they are destroyed.
    const auto watches = std::move(core_->watches);
    const auto timers = std::move(core_->timers);
    core_->watches.clear();
    core_->timers.clear();
    for (auto& queue : core_->queues)
        queue.clear();
    const auto deferred = std::move(core_->deferred);
    core_->deferred.clear();
    std::vector<Callback> mailbox;
    const std::lock_guard lock(core_->mailbox_mutex);
    mailbox.swap(core_->mailbox);
}

Watch EventLoop::watch(int fd, unsigned interest, FdCallback callback) {
    const auto id = core_->next_id++;
    epoll_event event{};
    event.events = to_epoll(interest);
    event.data.u64 = id;
    if (::epoll_ctl(core_->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        kLog.err("cannot watch file descriptor {}: {}", fd, std::strerror(errno));
        return {};
    }
    auto entry = std::make_shared<detail::WatchEntry>();
    entry->fd = fd;
    entry->callback = std::move(callback);
    core_->watches.emplace(id, std::move(entry));
    return {core_, id};
}

Timer EventLoop::after(std::int64_t delay_ms, Callback callback, TimeBase base) {
    return {core_, core_->add_timer(base, delay_ms, 0, std::move(callback))};
}

Timer EventLoop::every(std::int64_t period_ms, Callback callback, TimeBase base) {
    period_ms = std::max<std::int64_t>(period_ms, 1);
    return {core_, core_->add_timer(base, period_ms, period_ms, std::move(callback))};
}

void EventLoop::defer(Callback callback) {
    core_->deferred.push_back(std::move(callback));
}

void EventLoop::post(Callback callback) {
    core_->post(std::move(callback));
}

void EventLoop::wake() {
    core_->wake();
}

void EventLoop::stop() {
    core_->stop = true;
    core_->wake();
}

bool EventLoop::stopping() const {
    return core_->stop;
}

bool EventLoop::Poster::post(Callback callback) const {
    const auto core = core_.lock();
    if (!core) return false;
    core->post(std::move(callback));
    return true;
}

EventLoop::Poster EventLoop::poster() const {
    Poster poster;
    poster.core_ = core_;
    return poster;
}

void EventLoop::run() {
    const auto core = core_;
    while (!core->stop)
        run_once(-1);
    core->stop = false;
}

bool EventLoop::run_once(int timeout_ms) {
    const auto core = core_;  // a callback may destroy the loop's owner
    epoll_event events[kMaxEvents];
    const int count = ::epoll_wait(core->epoll_fd, events, kMaxEvents, core->wait_ms(timeout_ms));
    bool ran = core->run_timers();
    ran |= core->run_ready(events, std::max(count, 0));
    ran |= core->run_mailbox();
    ran |= core->run_deferred();
    return ran;
}

}  // namespace sluice
