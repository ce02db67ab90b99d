// SPDX-License-Identifier: Apache-2.0
#include "worker/worker_set.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "worker/worker.hpp"

namespace sluice::worker {

namespace {

const log::Module kLog{"dpif_netdev"};

/// How long the control thread waits for a worker to let go of a queue that moves.
constexpr std::uint64_t kHandOverNs = 20'000'000;

bool same_queue(const PlanSlot& slot, const RxAssignment& queue) {
    return slot.port == queue.port && slot.queue == queue.queue;
}

unsigned first_core() {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    if (::sched_getaffinity(0, sizeof cpus, &cpus) == 0) {
        for (unsigned core = 0; core < CPU_SETSIZE; ++core) {
            if (CPU_ISSET(core, &cpus)) return core;
        }
    }
    return 0;
}

}  // namespace

struct WorkerSet::Impl {
    explicit Impl(pipeline::Datapath& dp) : datapath(dp) {}

    Worker* find_core(unsigned core) const {
        for (const auto& worker : workers) {
            if (worker->core() == core) return worker.get();
        }
        return nullptr;
    }
    unsigned free_tx_queue() const {
        for (unsigned queue = 0;; ++queue) {
            if (std::none_of(workers.begin(), workers.end(),
                             [&](const auto& w) { return w->tx_queue() == queue; }))
                return queue;
        }
    }
    Result<void> start(unsigned core, bool pinned);
    Worker* choose(const RxAssignment& queue, bool rebalance,
                   const std::map<Worker*, std::uint64_t>& load) const;

    pipeline::Datapath& datapath;
    std::vector<std::unique_ptr<Worker>> workers;
    std::vector<RxAssignment> queues;
    WorkerSettings settings;
    bool configured = false;
    unsigned next_id = 1;
};

WorkerSet::WorkerSet(pipeline::Datapath& datapath) : impl_(std::make_unique<Impl>(datapath)) {}
WorkerSet::~WorkerSet() = default;

std::size_t WorkerSet::count() const {
    return impl_->workers.size();
}

Result<void> WorkerSet::Impl::start(unsigned core, bool pinned) {
    auto worker = std::make_unique<Worker>(datapath, core, next_id++, free_tx_queue());
    worker->set_polling(settings.busy_poll, settings.max_sleep_us);
    if (auto ok = worker->start(pinned); !ok) return ok;
    kLog.info("PMD thread on numa_id: 0, core id: {:2} created.", core);
    workers.push_back(std::move(worker));
    return {};
}

Result<void> WorkerSet::configure(const WorkerSettings& settings) {
    Impl& impl = *impl_;
    if (impl.configured && settings == impl.settings) return {};
    impl.settings = settings;
    impl.configured = true;
    const bool pinned = !settings.cores.empty();
    std::vector<unsigned> cores = settings.cores;
    if (cores.empty()) cores.push_back(first_core());
    Result<void> result;
    for (const unsigned core : cores) {
        if (impl.find_core(core)) continue;
        if (auto ok = impl.start(core, pinned); !ok) result = ok;
    }
    std::vector<std::unique_ptr<Worker>> leaving;
    for (auto& worker : impl.workers) {
        if (std::find(cores.begin(), cores.end(), worker->core()) == cores.end())
            leaving.push_back(std::move(worker));
    }
    std::erase(impl.workers, nullptr);
    for (const auto& worker : impl.workers)
        worker->set_polling(settings.busy_poll, settings.max_sleep_us);
    // A leaving worker gives up its queues before somebody else polls them.
    for (const auto& worker : leaving)
        worker->set_plan(std::make_unique<Plan>());
    if (!leaving.empty()) impl.datapath.rcu().spin_until_passed(impl.datapath.rcu().point(), kHandOverNs);
    for (const auto& worker : leaving)
        kLog.info("PMD thread on numa_id: 0, core id: {:2} destroyed.", worker->core());
    leaving.clear();
    assign(std::move(impl.queues));
    return result;
}

Worker* WorkerSet::Impl::choose(const RxAssignment& queue, bool rebalance,
                                const std::map<Worker*, std::uint64_t>& load) const {
    if (queue.core) {
        if (Worker* worker = find_core(*queue.core)) return worker;
        kLog.warn("port {} rx queue {}: pmd-rxq-affinity names core {}, which has no worker (pmd-cpu-mask)",
                  queue.port->name(), to_int(queue.queue), *queue.core);
    }
    if (!rebalance && !queue.core) {
        for (const auto& worker : workers) {
            for (const auto& slot : worker->slots()) {
                if (same_queue(slot, queue)) return worker.get();
            }
        }
    }
    return std::min_element(load.begin(), load.end(),
                            [](const auto& a, const auto& b) { return a.second < b.second; })
        ->first;
}

Rcu::Point WorkerSet::assign(std::vector<RxAssignment> queues, bool rebalance) {
    Impl& impl = *impl_;
    impl.queues = queues;
    if (impl.workers.empty()) return impl.datapath.rcu().point();
    // Load history goes with the queue.
    const auto history = [&](const RxAssignment& queue) -> std::shared_ptr<QueueLoad> {
        for (const auto& worker : impl.workers) {
            for (const auto& slot : worker->slots()) {
                if (same_queue(slot, queue)) return slot.load;
            }
        }
        return std::make_shared<QueueLoad>();
    };
    std::vector<std::pair<RxAssignment, std::shared_ptr<QueueLoad>>> items;
    for (const auto& queue : queues)
        items.emplace_back(queue, history(queue));
    std::stable_sort(items.begin(), items.end(),
                     [](const auto& a, const auto& b) { return a.second->total() > b.second->total(); });
    std::map<Worker*, std::uint64_t> load;
    std::map<Worker*, std::unique_ptr<Plan>> next;
    for (const auto& worker : impl.workers) {
        load[worker.get()] = 0;
        next[worker.get()] = std::make_unique<Plan>();
    }
    for (const auto& [queue, history_of] : items) {
        Worker* worker = impl.choose(queue, rebalance, load);
        load[worker] += history_of->total() + 1;
        PlanSlot slot;
        slot.port = queue.port;
        slot.index = queue.index;
        slot.queue = queue.queue;
        slot.load = history_of;
        next[worker]->slots.push_back(std::move(slot));
    }
    // Queues that change hands: first nobody polls them, then the new owner does.
    bool moves = false;
    for (const auto& worker : impl.workers) {
        auto staying = std::make_unique<Plan>();
        for (const auto& slot : worker->slots()) {
            const auto& mine = next[worker.get()]->slots;
            if (std::any_of(mine.begin(), mine.end(),
                            [&](const auto& s) { return s.port == slot.port && s.queue == slot.queue; })) {
                staying->slots.push_back(slot);
            }
        }
        if (staying->slots.size() == worker->slots().size()) continue;
        moves = true;
        worker->set_plan(std::move(staying));
    }
    if (moves) impl.datapath.rcu().spin_until_passed(impl.datapath.rcu().point(), kHandOverNs);
    for (const auto& worker : impl.workers)
        worker->set_plan(std::move(next[worker.get()]));
    return impl.datapath.rcu().point();
}

std::vector<WorkerReport> WorkerSet::report() const {
    std::vector<WorkerReport> list;
    for (const auto& worker : impl_->workers)
        list.push_back(worker->report());
    std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.core < b.core; });
    return list;
}

void WorkerSet::clear_stats() {
    for (const auto& worker : impl_->workers)
        worker->clear_stats();
}

}  // namespace sluice::worker
