// SPDX-License-Identifier: Apache-2.0
// Executor: runs bursts of packets through the compiled tables, to completion, on one thread.
#pragma once

#include <cstdint>
#include <memory>

#include "pipeline/datapath.hpp"
#include "pipeline/flow_cache.hpp"
#include "pipeline/program.hpp"
#include "pipeline/stages.hpp"
#include "pipeline/trace.hpp"

namespace sluice::pipeline {

struct FlowEvent;
struct PauseRecord;

class Executor {
  public:
    Executor(Datapath& datapath, unsigned tx_queue);
    ~Executor();
    Executor(const Executor&) = delete;
    Executor& operator=(const Executor&) = delete;

    /// Thread: the owner, online in RCU (or the control thread). Takes all packets, received on `port`.
    /// now_ms: monotonic milliseconds, read once a loop.
    void run(PortIndex port, Packet** packets, unsigned count, std::uint64_t now_ms) noexcept;
    /// Sends what run() has queued for output. Call once a loop, before quiescent().
    void flush() noexcept;

    /// Control thread's executor only: executes an action list on a packet (packet-out). `in_port` as in
    /// the message (a port number, CONTROLLER or NONE). Takes the packet. Learned addresses enter at once.
    void packet_out(unsigned bridge, OfPort in_port, std::unique_ptr<ActionProgram> actions, Packet* packet,
                    std::uint64_t now_ms, const FlowKey* metadata = nullptr);
    /// Control thread's executor only: lets a packet that controller(pause) stopped go on. Takes the packet.
    /// Fails, without a trace but the packet's drop, if its actions can't be executed here or its bridge is
    /// gone. Source: nicira-ext.h, NXT_RESUME.
    Result<void> resume(const PausedPacket& paused, Packet* packet, std::uint64_t now_ms);
    /// Executes `actions`, which are nobody's rule and output to ports of the bridge, on a packet of our own.
    /// `metadata`: initial tunnel fields and the like (may be null). Takes the packet; flush() sends it.
    void send(unsigned bridge, const ActionProgram& actions, Packet* packet, std::uint64_t now_ms,
              const FlowKey* metadata = nullptr) noexcept;
    /// Traces a packet (nothing is sent, counted or learned); frees the packet. in_port may be LOCAL etc.
    /// `actions` non-null: starts with them instead of table 0. `metadata`: initial registers, tunnel
    /// fields and the like (may be null).
    void trace(unsigned bridge, OfPort in_port, Packet* packet, const FlowKey* metadata,
               const ActionProgram* actions, TraceSink& sink) noexcept;
    /// Goes on with a packet that a trace left at a ct action; frees `packet`, which has the fork's bytes.
    void trace_fork(const TraceFork& fork, Packet* packet, TraceSink& sink) noexcept;

    struct Impl;
    Impl& impl() { return *impl_; }
    const ThreadCounters& counters() const;
    StatsArena& stats();
    SpscRing<PuntRecord>& punts();
    SpscRing<PauseRecord>& pauses();
    SpscRing<FlowEvent>& events();
    void event_handled() noexcept;  ///< control: the published tables have what one more event asked for
    SpscRing<RemoteRecord>& remotes();
    SpscRing<LearnRecord>& learns();
    std::uint64_t table_misses(unsigned bridge, std::uint8_t table) const;
    /// Most flows the cache of a bridge may hold (a power of two), 0: no cache. Before the first packet.
    void set_cache_entries(unsigned entries) noexcept;
    /// The cache of a bridge; all 0 if it has none. Owner's thread, or when it is still.
    FlowCache::Stats cache_stats(unsigned bridge) const noexcept;

    /// Packets whose walk the flow cache knew. Any thread.
    std::uint64_t cache_hits() const noexcept;
    /// The owner's clock: a worker begins and ends its loops on it.
    StageClock& stages() noexcept;

    // Used by Datapath (control thread).
    void settle_counts() noexcept;               ///< when it is still: rules get what caches hold back
    void tend_caches();                          ///< gives caches the memory they want
    void ensure_bridge(unsigned bridge);         ///< makes the table counters of a bridge addressable
    void release_punt(PortIndex port) noexcept;  ///< a punt of this port was taken from the ring
    void absorb(const Executor& gone);           ///< adds another's counters to this one's

  private:
    std::unique_ptr<Impl> impl_;
};

}  // namespace sluice::pipeline
