// SPDX-License-Identifier: Apache-2.0
#include "pipeline/datapath.hpp"

#include <algorithm>
#include <new>

#include <sys/eventfd.h>
#include <unistd.h>

#include "pipeline/executor_impl.hpp"
#include "pipeline/learn.hpp"
#include "pipeline/paused.hpp"
#include "pipeline/shortcut.hpp"

namespace sluice::pipeline {

namespace {

PausedPacket to_value(const PuntRecord& punt, const PauseRecord& record) {
    PausedPacket paused;
    paused.bridge = punt.bridge;
    paused.metadata = punt.key;
    paused.queue = record.queue;
    paused.mirrored = record.mirrored;
    paused.stack.assign(record.stack, record.stack + record.stack_size);
    for (unsigned n = 0; n < record.frame_count; ++n) {
        const PauseRecord::Frame& frame = record.frame[n];
        const ActionList& all = frame.program->source;
        paused.frames.push_back({frame.table, frame.cookie, {all.begin() + frame.next, all.end()}});
    }
    for (unsigned n = 0; n < record.set_count; ++n) {
        const ActionList& more = record.action_set[n]->source;
        paused.action_set.insert(paused.action_set.end(), more.begin(), more.end());
    }
    return paused;
}

}  // namespace

Datapath::Datapath()
    : index_used_(kMaxPorts),
      bridge_used_(kMaxBridges),
      shortcuts_(std::make_unique<ShortcutBook>(*this)),
      tx_locks_(new std::atomic<bool>[std::size_t{kMaxPorts} * kTxLocks] {}),
      wake_fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    auto tracker = conntrack::Tracker::create();
    if (!tracker) throw std::bad_alloc();
    tracker_ = std::move(*tracker);
    tunnels_ = std::make_shared<tunnel::Table>(std::vector<tunnel::End>{}, std::vector<tunnel::Address>{},
                                               std::vector<tunnel::Table::Route>{});
    set_topology({}, {});
    control_ = std::make_unique<Executor>(*this, 0);
    control_->impl().is_control = true;
    control_->set_cache_entries(0);
    executors_.push_back(control_.get());
}

Datapath::~Datapath() {
    while (rcu_.reclaim() != 0) {
    }
    for (auto& destroy : doomed_)
        destroy();
    executors_.clear();
    control_.reset();
    ::close(wake_fd_);
}

Rcu::Point Datapath::publish() {
    version_.store(next_version(), std::memory_order_release);
    invalidate_shortcuts();
    for (auto& hook : std::exchange(publish_hooks_, {}))
        hook();
    return rcu_.point();
}

PortIndex Datapath::allocate_index(PortIndex wish) {
    if (to_int(wish) < index_used_.size() && !index_used_[to_int(wish)]) {
        index_used_[to_int(wish)] = true;
        return wish;
    }
    const auto it = std::find(index_used_.begin(), index_used_.end(), false);
    if (it == index_used_.end()) return PortIndex::kNone;
    *it = true;
    return PortIndex{static_cast<std::uint16_t>(it - index_used_.begin())};
}

void Datapath::release_index(PortIndex index) {
    rcu_.retire([this, index] { index_used_[to_int(index)] = false; });
}

unsigned Datapath::allocate_bridge_index() {
    const auto it = std::find(bridge_used_.begin(), bridge_used_.end(), false);
    const auto index = static_cast<unsigned>(it - bridge_used_.begin());
    if (index == kMaxBridges) return index;
    *it = true;
    for (Executor* executor : executors_)
        executor->ensure_bridge(index);
    return index;
}

void Datapath::release_bridge_index(unsigned index) {
    if (index < kMaxBridges) bridge_used_[index] = false;
}

void Datapath::set_topology(std::vector<PortEntry> ports, std::vector<BridgeEntry> bridges) {
    shortcuts_->collect();  // while it knows all bridges of what it counts
    auto next = std::make_unique<Topology>();
    next->serial = ++topology_serial_;
    next->tunnels = tunnels_;
    for (const auto& bridge : bridges) {
        if (bridge.index >= kMaxBridges) continue;
        if (next->bridges.size() <= bridge.index) next->bridges.resize(bridge.index + 1);
        auto entry = std::make_unique<Topology::Bridge>();
        static_cast<BridgeEntry&>(*entry) = bridge;
        entry->has_mirrors = !bridge.mirrors.empty();
        next->bridges[bridge.index] = std::move(entry);
    }
    for (const auto& port : ports) {
        const auto index = to_int(port.index);
        if (index >= kMaxPorts) continue;
        if (next->ports.size() <= index) next->ports.resize(index + 1U);
        next->ports[index] = port;
        if (port.bridge >= next->bridges.size() || !next->bridges[port.bridge]) continue;
        Topology::Bridge& bridge = *next->bridges[port.bridge];
        bridge.members.push_back(port.index);
        bridge.plain &= port.vlan_mode == VlanMode::kTrunk && !port.trunks && !port.is_protected &&
                        port.priority_tags == 0 && !bridge.flood_vlans;
        if (port.ofport == OfPort::kLocal) bridge.local = port.index;
        if (to_int(port.ofport) >= kMaxOfPorts) continue;
        if (bridge.by_ofport.size() <= to_int(port.ofport)) {
            bridge.by_ofport.resize(to_int(port.ofport) + 1U, PortIndex::kNone);
        }
        bridge.by_ofport[to_int(port.ofport)] = port.index;
    }
    topology_.publish(rcu_, std::move(next));
    invalidate_shortcuts();
}

Executor* Datapath::add_executor(unsigned tx_queue) {
    auto executor = std::make_unique<Executor>(*this, tx_queue);
    for (unsigned i = 0; i < kMaxBridges; ++i) {
        if (bridge_used_[i]) executor->ensure_bridge(i);
    }
    if (next_stats_ > 0) executor->stats().ensure(next_stats_ - 1);
    executors_.push_back(executor.get());
    return executor.release();
}

void Datapath::remove_executor(Executor* executor) {
    drain(~std::size_t{0}, [](PuntRecord& record) { rte_pktmbuf_free(record.packet); });
    shortcuts_->leave(*executor);
    std::erase(executors_, executor);
    // Its counters stay part of the sums: the control thread's executor inherits them.
    executor->settle_counts();
    control_->absorb(*executor);
    rcu_.retire([executor] { delete executor; });
}

void Datapath::wake_control() noexcept {
    if (wake_pending_.load(std::memory_order_relaxed) ||
        wake_pending_.exchange(true, std::memory_order_acq_rel))
        return;
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(wake_fd_, &one, sizeof one);
}

std::size_t Datapath::drain(std::size_t limit, const std::function<void(PuntRecord&)>& on_punt) {
    std::uint64_t ignored;
    [[maybe_unused]] const auto got = ::read(wake_fd_, &ignored, sizeof ignored);
    wake_pending_.store(false, std::memory_order_seq_cst);
    std::size_t handled = 0;
    auto doomed = std::exchange(doomed_, {});
    const Topology& topology = *topology_.read();
    for (std::size_t e = 0; e < executors_.size(); ++e) {
        Executor& executor = *executors_[e];
        executor.tend_caches();
        shortcuts_->serve(executor);
        while (LearnRecord* record = executor.learns().front()) {
            if (record->bridge < topology.bridges.size() && topology.bridges[record->bridge]) {
                topology.bridges[record->bridge]->fdb->learn(record->mac, record->vlan, record->port,
                                                             record->now_s);
            }
            executor.learns().pop();
            ++handled;
        }
        while (const RemoteRecord* record = executor.remotes().front()) {
            if (on_unknown_remote) on_unknown_remote(*record);
            executor.remotes().pop();
            ++handled;
        }
        handled += handle_flow_events(executor);
        while (handled < limit) {
            PuntRecord* record = executor.punts().front();
            if (!record) break;
            executor.release_punt(record->in_index);
            std::optional<PausedPacket> paused;
            if (record->is_paused) {
                paused = to_value(*record, *executor.pauses().front());
                executor.pauses().pop();
            }
            record->paused = paused ? &*paused : nullptr;
            on_punt(*record);
            executor.punts().pop();
            ++handled;
        }
    }
    if (handled >= limit) {
        // Records that are left may refer to what waits to be freed.
        doomed_.insert(doomed_.begin(), std::make_move_iterator(doomed.begin()),
                       std::make_move_iterator(doomed.end()));
        wake_control();
    } else {
        for (auto& destroy : doomed)
            destroy();
    }
    return handled;
}

std::size_t Datapath::handle_flow_events(Executor& executor) {
    std::size_t handled = 0;
    const Topology& topology = *topology_.read();
    while (const FlowEvent* event = executor.events().front()) {
        FlowEventSink* sink = event->bridge < topology.bridges.size() && topology.bridges[event->bridge]
                                  ? topology.bridges[event->bridge]->flow_events
                                  : nullptr;
        if (sink && event->kind == FlowEvent::Kind::kLearn)
            sink->learn(learned_flow(*event->learn, event->key,
                                     topology.bridges[event->bridge]->program->tun_table()));
        else if (sink && event->rule->owner)
            sink->fin_timeout(*event->rule, event->idle_timeout, event->hard_timeout);
        executor.events().pop();
        executor.event_handled();
        ++handled;
    }
    return handled;
}

std::array<std::uint64_t, kDropReasonCount> Datapath::drop_counts() const {
    std::array<std::uint64_t, kDropReasonCount> sum{};
    for (const Executor* executor : executors_) {
        for (std::size_t i = 0; i < kDropReasonCount; ++i)
            sum[i] += executor->counters().drops[i].read();
    }
    return sum;
}

Datapath::Totals Datapath::totals() const {
    Totals sum;
    for (const Executor* executor : executors_) {
        const ThreadCounters& c = executor->counters();
        sum.received += c.received.read();
        sum.sent += c.sent.read();
        sum.punted += c.punted.read();
        sum.copied += c.copied.read();
        sum.injected += c.injected.read();
        sum.sampled += c.sampled.read();
        sum.events_lost += c.events_lost.read();
    }
    for (const auto count : drop_counts())
        sum.dropped += count;
    return sum;
}

StatsSlot Datapath::allocate_stats() {
    if (!free_stats_.empty()) {
        const StatsSlot slot{free_stats_.back()};
        free_stats_.pop_back();
        return slot;
    }
    const StatsSlot slot{next_stats_++};
    for (Executor* executor : executors_)
        executor->stats().ensure(slot.index);
    return slot;
}

void Datapath::release_stats(StatsSlot slot) {
    shortcuts_->forget_void_rules();
    for (Executor* executor : executors_) {
        RuleCounter& counter = executor->stats().at(slot);
        counter.packets.set(0);
        counter.bytes.set(0);
        counter.used_ms.set(0);
    }
    free_stats_.push_back(slot.index);
}

RuleStats Datapath::rule_stats(StatsSlot slot) const {
    RuleStats sum;
    for (Executor* executor : executors_) {
        const RuleCounter& counter = executor->stats().at(slot);
        sum.packets += counter.packets.read();
        sum.bytes += counter.bytes.read();
        sum.used_ms = std::max(sum.used_ms, counter.used_ms.read());
    }
    return sum;
}

}  // namespace sluice::pipeline
