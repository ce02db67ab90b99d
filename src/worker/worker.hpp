// SPDX-License-Identifier: Apache-2.0
// Worker: one polling thread. It reads its plan (the queues it polls), runs each burst to completion,
// flushes, reports a quiescent state, and sleeps when nothing has come for a while.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "pipeline/executor.hpp"
#include "worker/worker_set.hpp"

namespace sluice::worker {

/// Cycles spent on one queue, in intervals of kIntervalMs; kept as long as the queue has one worker.
struct QueueLoad {  // writer: worker; reader: control
    static constexpr unsigned kIntervals = 6;
    std::array<Counter, kIntervals> cycles;
    Counter packets;
    std::uint64_t total() const {
        std::uint64_t sum = 0;
        for (const auto& interval : cycles)
            sum += interval.read();
        return sum;
    }
};

struct PlanSlot {
    Port* port = nullptr;
    PortIndex index = PortIndex::kNone;
    QueueId queue{};
    bool has_fd = false;
    std::shared_ptr<QueueLoad> load;  ///< shared by successive plans
};

struct Plan {
    std::vector<PlanSlot> slots;
    bool all_have_fds = true;
    std::uint64_t serial = 0;  ///< tells plans apart; an address may be used again
};

class Worker {
  public:
    static constexpr unsigned kIntervalMs = 10000;

    Worker(pipeline::Datapath& datapath, unsigned core, unsigned id, unsigned tx_queue);
    /// Stops and joins.
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    // Control thread.
    /// Starts the thread; pinned: it stays on its core. Errors: no RCU reader or DPDK thread id left.
    Result<void> start(bool pinned);
    void set_polling(bool busy_poll, unsigned max_sleep_us);
    void set_plan(std::unique_ptr<Plan> plan);
    const std::vector<PlanSlot>& slots() const { return plan_.read()->slots; }
    void wake() noexcept;
    WorkerReport report() const;
    void clear_stats();
    unsigned core() const { return core_; }
    unsigned id() const { return id_; }
    unsigned tx_queue() const { return tx_queue_; }
    std::uint64_t load() const;

  private:
    void main();
    void loop() noexcept;
    unsigned poll_once(const Plan& plan) noexcept;
    void sleep(const Plan& plan) noexcept;
    void enter_interval() noexcept;

    pipeline::Datapath& datapath_;
    const unsigned core_, id_, tx_queue_;
    bool pinned_ = false;
    pipeline::Executor* executor_ = nullptr;
    Rcu::Reader* reader_ = nullptr;
    RcuPtr<Plan> plan_;
    std::uint64_t next_serial_ = 0;  ///< control
    int epoll_fd_ = -1, wake_fd_ = -1;
    std::thread thread_;
    std::atomic<int> started_{0};  ///< 1 running, -1 failed
    std::atomic<bool> stop_{false};
    std::atomic<bool> busy_poll_{false};
    std::atomic<unsigned> max_sleep_us_{1000};

    // writer: worker; readers: control
    struct alignas(64) Stats {
        Counter received, busy_cycles, idle_cycles, sleeps, loops;
        std::array<Counter, QueueLoad::kIntervals> interval_cycles;
    } stats_;
    struct Base {
        std::uint64_t received = 0, busy = 0, idle = 0, sleeps = 0, loops = 0, missed = 0;
        std::uint64_t cache_hits = 0, stage_packets = 0;
        std::array<std::uint64_t, pipeline::kStageCount> stage_cycles{};
    } base_;  ///< control: values at the last clear_stats()

    // The worker's own.
    std::uint64_t now_ms_ = 0;
    std::uint64_t interval_ = 0;
    unsigned interval_index_ = 0;
    std::uint64_t sleep_us_ = 0;
    std::uint64_t serial_ = 0;                ///< of the plan that skip_ and empty_ belong to
    std::vector<std::uint8_t> skip_, empty_;  ///< by slot: loops to leave out, empty polls in a row
};

}  // namespace sluice::worker
