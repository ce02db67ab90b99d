// SPDX-License-Identifier: Apache-2.0
// WorkerSet: the worker threads (one a core of pmd-cpu-mask) and which receive queues each polls.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "pipeline/datapath.hpp"
#include "pipeline/stages.hpp"
#include "port/port.hpp"

namespace sluice::worker {

struct WorkerSettings {
    std::vector<unsigned> cores;   ///< empty: one worker on a core chosen by us, not pinned hard
    bool busy_poll = false;        ///< other_config:sluice-busy-poll (or pmd-maxsleep=0 when set)
    unsigned max_sleep_us = 1000;  ///< ports without a descriptor to wait on are polled at least this often
    friend bool operator==(const WorkerSettings&, const WorkerSettings&) = default;
};

/// One receive queue to poll.
struct RxAssignment {
    Port* port = nullptr;
    PortIndex index = PortIndex::kNone;
    QueueId queue{};
    std::optional<unsigned> core;  ///< pmd-rxq-affinity
};

struct RxQueueReport {
    std::string port;
    unsigned queue = 0;
    bool enabled = true;
    double usage_percent = 0;  ///< of its core, over the last minute
    unsigned core = 0;
};
/// Names and numbers as dpif-netdev/pmd-stats-show prints them.
struct WorkerReport {
    unsigned core = 0, id = 0, numa = 0;
    std::string thread_name;  ///< "pmd-c01/id:2"
    std::uint64_t packets_received = 0, recirculations = 0;
    std::uint64_t rule_hits = 0, misses = 0;  ///< packets that found a rule in the first table, and others
    std::uint64_t cache_hits = 0;             ///< those of rule_hits whose walk the flow cache knew
    std::array<std::uint64_t, pipeline::kStageCount> stage_cycles{};  ///< in a sample of the loops
    std::uint64_t stage_packets = 0;                                  ///< of the same loops
    std::uint64_t idle_cycles = 0, processing_cycles = 0, sleeps = 0, loops = 0;
    std::vector<RxQueueReport> queues;
};

class WorkerSet {
  public:
    explicit WorkerSet(pipeline::Datapath& datapath);
    ~WorkerSet();  ///< stops and joins all

    // Control thread.
    /// Starts and stops threads to match; queues of a stopped worker move first. No packet is lost.
    Result<void> configure(const WorkerSettings& settings);
    /// Gives every queue in the list to one worker (longest processing time first, affinity honoured);
    /// queues not listed are dropped. Takes effect after each worker's current loop; the returned point
    /// passes when no worker polls a queue that was taken away.
    /// Queues stay with their worker unless `rebalance`.
    Rcu::Point assign(std::vector<RxAssignment> queues, bool rebalance = false);
    std::vector<WorkerReport> report() const;
    void clear_stats();
    std::size_t count() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::worker
