// SPDX-License-Identifier: Apache-2.0
#include "worker/worker.hpp"

#include <algorithm>

#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "base/clock.hpp"
#include "packet/eal.hpp"
#include "worker/spin_policy.hpp"

namespace sluice::worker {

namespace {

/// Bursts taken from one queue in a row while it returns full ones.
constexpr unsigned kMaxRounds = 4;
/// A queue with a descriptor costs a system call a poll: after empty polls it is left out of up to this
/// many loops. (When the worker sleeps, the descriptor wakes it at once.)
constexpr unsigned kMaxSkip = 16;
/// Loops of which one is measured stage by stage.
constexpr std::uint64_t kStageSample = 16;
constexpr std::uint64_t kFirstSleepUs = 20;
constexpr int kMaxEvents = 64;

std::string thread_name_of(unsigned core, unsigned id) {
    return fmt::format("pmd-c{:02}/id:{}", core, id);
}

}  // namespace

Worker::Worker(pipeline::Datapath& datapath, unsigned core, unsigned id, unsigned tx_queue)
    : datapath_(datapath), core_(core), id_(id), tx_queue_(tx_queue) {
    plan_.publish(datapath_.rcu(), std::make_unique<Plan>());
    epoll_fd_ = ::epoll_create1(EPOLL_CLOEXEC);
    wake_fd_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    epoll_event event{};
    event.events = EPOLLIN;
    ::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, wake_fd_, &event);
}

Worker::~Worker() {
    stop_.store(true);
    wake();
    if (thread_.joinable()) thread_.join();
    if (reader_) datapath_.rcu().remove_reader(reader_);
    if (executor_) datapath_.remove_executor(executor_);
    ::close(epoll_fd_);
    ::close(wake_fd_);
}

Result<void> Worker::start(bool pinned) {
    pinned_ = pinned;
    reader_ = datapath_.rcu().add_reader();
    if (!reader_) return make_error(EAGAIN, "core {}: more than {} workers", core_, Rcu::kMaxReaders);
    executor_ = datapath_.add_executor(tx_queue_);
    thread_ = std::thread([this] { main(); });
    while (started_.load() == 0)
        std::this_thread::yield();
    if (started_.load() < 0)
        return make_error(ENOMEM, "core {}: DPDK has no thread id left for a worker", core_);
    return {};
}

void Worker::main() {
    const std::string name = thread_name_of(core_, id_).substr(0, 15);
    ::pthread_setname_np(::pthread_self(), name.c_str());
    if (pinned_) {
        cpu_set_t cpus;
        CPU_ZERO(&cpus);
        CPU_SET(core_, &cpus);
        ::pthread_setaffinity_np(::pthread_self(), sizeof cpus, &cpus);
    }
    const bool ok = static_cast<bool>(register_worker_thread());
    started_.store(ok ? 1 : -1);
    if (!ok) return;
    reader_->online();
    loop();
    reader_->offline();
    unregister_worker_thread();
}

void Worker::set_polling(bool busy_poll, unsigned max_sleep_us) {
    busy_poll_.store(busy_poll);
    max_sleep_us_.store(max_sleep_us);
    wake();
}

void Worker::wake() noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_fd_, &one, sizeof one);
}

void Worker::set_plan(std::unique_ptr<Plan> plan) {
    const auto same = [](const PlanSlot& a, const PlanSlot& b) {
        return a.port == b.port && a.queue == b.queue;
    };
    const auto& old = plan_.read()->slots;
    for (const auto& slot : old) {
        if (!slot.has_fd) continue;
        if (std::none_of(plan->slots.begin(), plan->slots.end(),
                         [&](const auto& s) { return same(s, slot); })) {
            ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, slot.port->rx_fd(slot.queue), nullptr);
        }
    }
    for (auto& slot : plan->slots) {
        const int fd = slot.port->rx_fd(slot.queue);
        slot.has_fd = fd >= 0;
        plan->all_have_fds &= slot.has_fd;
        if (fd < 0 || std::any_of(old.begin(), old.end(), [&](const auto& s) { return same(s, slot); }))
            continue;
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.u64 =
            std::uint64_t{to_int(slot.index)} << 16 | to_int(slot.queue) | std::uint64_t{1} << 63;
        ::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event);
    }
    plan->serial = ++next_serial_;
    plan_.publish(datapath_.rcu(), std::move(plan));
    wake();
}

void Worker::enter_interval() noexcept {
    const std::uint64_t interval = now_ms_ / kIntervalMs;
    if (interval == interval_) return;
    interval_ = interval;
    interval_index_ = static_cast<unsigned>(interval % QueueLoad::kIntervals);
    stats_.interval_cycles[interval_index_].set(0);
    for (const auto& slot : plan_.read()->slots)
        slot.load->cycles[interval_index_].set(0);
}

unsigned Worker::poll_once(const Plan& plan) noexcept {
    Packet* burst[kMaxBurst];
    unsigned total = 0;
    pipeline::StageClock& stages = executor_->stages();
    stages.begin(stats_.loops.read() % kStageSample == 0);
    std::uint64_t then = rte_rdtsc();
    for (std::size_t s = 0; s < plan.slots.size(); ++s) {
        const PlanSlot& slot = plan.slots[s];
        if (skip_[s] > 0) {
            --skip_[s];
            continue;
        }
        unsigned from_queue = 0;
        for (unsigned round = 0; round < kMaxRounds; ++round) {
            const unsigned count = slot.port->rx_burst(slot.queue, burst, kMaxBurst);
            if (count == 0) break;
            executor_->run(slot.index, burst, count, now_ms_);
            stages.enter(pipeline::Stage::kReceive);
            from_queue += count;
            if (count < kMaxBurst) break;
        }
        if (from_queue == 0) {
            if (slot.has_fd) {
                empty_[s] = static_cast<std::uint8_t>(std::min<unsigned>(empty_[s] + 1U, kMaxSkip));
                skip_[s] = empty_[s];
            }
            continue;
        }
        empty_[s] = 0;
        total += from_queue;
        const std::uint64_t now = rte_rdtsc();
        slot.load->cycles[interval_index_].add(now - then);
        slot.load->packets.add(from_queue);
        then = now;
    }
    executor_->flush();
    stages.end(total);
    return total;
}

void Worker::loop() noexcept {
    SpinPolicy spin{std::max<std::uint64_t>(1, rte_get_tsc_hz() / 1000000)};
    std::uint64_t then = rte_rdtsc();
    while (!stop_.load(std::memory_order_relaxed)) {
        const Plan* plan = plan_.read();
        if (plan->serial != serial_) {
            serial_ = plan->serial;
            skip_.assign(plan->slots.size(), 0);
            empty_.assign(plan->slots.size(), 0);
        }
        now_ms_ = static_cast<std::uint64_t>(clock::now_ms());
        enter_interval();
        const unsigned packets = poll_once(*plan);
        const std::uint64_t now = rte_rdtsc();
        (packets > 0 ? stats_.busy_cycles : stats_.idle_cycles).add(now - then);
        stats_.interval_cycles[interval_index_].add(now - then);
        if (packets > 0) spin.busy(then, now);
        then = now;
        stats_.received.add(packets);
        stats_.loops.add(1);
        reader_->quiescent();
        if (packets > 0) {
            sleep_us_ = kFirstSleepUs;
        } else if (spin.may_sleep(now) && !busy_poll_.load(std::memory_order_relaxed)) {
            sleep(*plan);  // the plan may be gone afterwards
            stats_.sleeps.add(1);
            const std::uint64_t woke = rte_rdtsc();
            spin.woke(woke);
            stats_.idle_cycles.add(woke - then);
            stats_.interval_cycles[interval_index_].add(woke - then);
            then = woke;
        }
    }
}

void Worker::sleep(const Plan& plan) noexcept {
    for (const auto& slot : plan.slots)
        slot.port->rx_sleep(slot.queue, true);
    const std::uint64_t limit = max_sleep_us_.load(std::memory_order_relaxed);
    sleep_us_ = std::min(std::max(sleep_us_, kFirstSleepUs) * 2, limit);
    timespec timeout{};
    if (plan.all_have_fds) {
        timeout.tv_sec = 1;
    } else {
        timeout.tv_nsec = static_cast<long>(sleep_us_ * 1000);
    }
    epoll_event events[kMaxEvents];
    reader_->offline();
    const int count = ::epoll_pwait2(epoll_fd_, events, kMaxEvents, &timeout, nullptr);
    reader_->online();
    const Plan* current = plan_.read();
    for (const auto& slot : current->slots)
        slot.port->rx_sleep(slot.queue, false);
    for (int e = 0; e < count; ++e) {
        if (!(events[e].data.u64 >> 63)) {
            std::uint64_t ignored;
            [[maybe_unused]] const auto got = ::read(wake_fd_, &ignored, sizeof ignored);
            continue;
        }
        sleep_us_ = kFirstSleepUs;
        if (current->serial != serial_) continue;
        for (std::size_t s = 0; s < current->slots.size(); ++s) {
            const auto& slot = current->slots[s];
            const auto tag = std::uint64_t{to_int(slot.index)} << 16 | to_int(slot.queue);
            if ((events[e].data.u64 & 0xffffffff) == tag) skip_[s] = 0;
        }
    }
}

std::uint64_t Worker::load() const {
    std::uint64_t sum = 0;
    for (const auto& slot : slots())
        sum += slot.load->total();
    return sum;
}

WorkerReport Worker::report() const {
    WorkerReport report;
    report.core = core_;
    report.id = id_;
    report.thread_name = thread_name_of(core_, id_);
    report.packets_received = stats_.received.read() - base_.received;
    report.processing_cycles = stats_.busy_cycles.read() - base_.busy;
    report.idle_cycles = stats_.idle_cycles.read() - base_.idle;
    report.sleeps = stats_.sleeps.read() - base_.sleeps;
    report.loops = stats_.loops.read() - base_.loops;
    if (executor_) {
        report.misses = executor_->counters().missed.read() - base_.missed;
        report.rule_hits = report.packets_received - std::min(report.misses, report.packets_received);
        report.cache_hits = std::min(executor_->cache_hits() - base_.cache_hits, report.rule_hits);
        const pipeline::StageClock& stages = executor_->stages();
        report.stage_packets = stages.sampled_packets.read() - base_.stage_packets;
        for (std::size_t i = 0; i < pipeline::kStageCount; ++i)
            report.stage_cycles[i] = stages.cycles[i].read() - base_.stage_cycles[i];
    }
    std::uint64_t all = 0;
    for (const auto& interval : stats_.interval_cycles)
        all += interval.read();
    for (const auto& slot : slots()) {
        RxQueueReport queue;
        queue.port = slot.port->name();
        queue.queue = to_int(slot.queue);
        queue.core = core_;
        queue.usage_percent =
            all == 0 ? 0 : 100.0 * static_cast<double>(slot.load->total()) / static_cast<double>(all);
        report.queues.push_back(std::move(queue));
    }
    return report;
}

void Worker::clear_stats() {
    base_ = {stats_.received.read(),
             stats_.busy_cycles.read(),
             stats_.idle_cycles.read(),
             stats_.sleeps.read(),
             stats_.loops.read(),
             0,
             0,
             0,
             {}};
    if (!executor_) return;
    base_.missed = executor_->counters().missed.read();
    base_.cache_hits = executor_->cache_hits();
    base_.stage_packets = executor_->stages().sampled_packets.read();
    for (std::size_t i = 0; i < pipeline::kStageCount; ++i)
        base_.stage_cycles[i] = executor_->stages().cycles[i].read();
}

}  // namespace sluice::worker
