// SPDX-License-Identifier: Apache-2.0
#include "pipeline/executor.hpp"

#include <utility>

#include "pipeline/executor_impl.hpp"

namespace sluice::pipeline {

Executor::Executor(Datapath& datapath, unsigned tx_queue)
    : impl_(std::make_unique<Impl>(datapath, tx_queue)) {}
Executor::~Executor() = default;

Executor::Impl::Impl(Datapath& datapath, unsigned queue)
    : dp(datapath),
      tx_queue(queue),
      punts_in_flight(new std::atomic<std::uint16_t>[kMaxPorts] {}),
      tx(new TxBuffer[kMaxPorts]) {
    direct_key.set(key::kActsetOutput, kActsetUnset);
    touched.reserve(kMaxPorts);
    patch_queue.reserve(4096);
    staged.reserve(1024);
    own_caches.reserve(kMaxBridges);
    sets.reserve(256);
    for (int i = 0; i < 2; ++i)
        sets.push_back(std::make_unique<PacketSet>());
}

Executor::Impl::~Impl() {
    for (auto& misses : table_misses)
        delete[] misses.load(std::memory_order_relaxed);
    for (auto& cache : caches)
        delete cache.load(std::memory_order_relaxed);
    dp.tracker().leave(ct_local);
}

const ThreadCounters& Executor::counters() const {
    return impl_->counters;
}
StatsArena& Executor::stats() {
    return impl_->stats;
}
SpscRing<PuntRecord>& Executor::punts() {
    return impl_->punts;
}
SpscRing<FlowEvent>& Executor::events() {
    return impl_->events;
}
void Executor::event_handled() noexcept {
    impl_->events_handled.fetch_add(1, std::memory_order_release);
}
SpscRing<PauseRecord>& Executor::pauses() {
    return impl_->pauses;
}
SpscRing<RemoteRecord>& Executor::remotes() {
    return impl_->remotes;
}
SpscRing<LearnRecord>& Executor::learns() {
    return impl_->learns;
}

std::uint64_t Executor::table_misses(unsigned bridge, std::uint8_t table) const {
    const Counter* list = impl_->table_misses[bridge].load(std::memory_order_acquire);
    return list ? list[table].read() : 0;
}

std::uint64_t Executor::cache_hits() const noexcept {
    return impl_->cache_hits.read();
}
StageClock& Executor::stages() noexcept {
    return impl_->stages;
}

void Executor::settle_counts() noexcept {
    impl_->settle_counts();
}

void Executor::set_cache_entries(unsigned entries) noexcept {
    impl_->cache_entries = entries;
}

FlowCache::Stats Executor::cache_stats(unsigned bridge) const noexcept {
    const FlowCache* cache = impl_->caches[bridge].load(std::memory_order_acquire);
    return cache ? cache->stats() : FlowCache::Stats{};
}

void Executor::tend_caches() {
    for (auto& slot : impl_->caches) {
        if (FlowCache* cache = slot.load(std::memory_order_acquire)) cache->tend();
    }
}

void Executor::ensure_bridge(unsigned bridge) {
    auto& slot = impl_->table_misses[bridge];
    if (Counter* list = slot.load(std::memory_order_relaxed)) {
        for (unsigned i = 0; i < 256; ++i)
            list[i].set(0);
    } else {
        slot.store(new Counter[256], std::memory_order_release);
    }
}

void Executor::release_punt(PortIndex port) noexcept {
    if (to_int(port) < kMaxPorts)
        impl_->punts_in_flight[to_int(port)].fetch_sub(1, std::memory_order_relaxed);
}

void Executor::absorb(const Executor& gone) {
    const ThreadCounters& from = gone.impl_->counters;
    ThreadCounters& to = impl_->counters;
    to.received.add(from.received.read());
    to.sent.add(from.sent.read());
    to.punted.add(from.punted.read());
    to.copied.add(from.copied.read());
    to.injected.add(from.injected.read());
    to.missed.add(from.missed.read());
    to.learn_full.add(from.learn_full.read());
    to.events_lost.add(from.events_lost.read());
    to.sampled.add(from.sampled.read());
    for (std::size_t i = 0; i < kDropReasonCount; ++i)
        to.drops[i].add(from.drops[i].read());
    impl_->stats.absorb(gone.impl_->stats);
    for (unsigned bridge = 0; bridge < kMaxBridges; ++bridge) {
        const Counter* misses = gone.impl_->table_misses[bridge].load(std::memory_order_relaxed);
        Counter* sum = impl_->table_misses[bridge].load(std::memory_order_relaxed);
        for (unsigned table = 0; misses && sum && table < 256; ++table)
            sum[table].add(misses[table].read());
    }
}

void Executor::run(PortIndex port, Packet** packets, unsigned count, std::uint64_t now_ms) noexcept {
    Impl& impl = *impl_;
    impl.begin(now_ms);
    impl.counters.received.add(count);
    impl.fresh_packets += count;
    if (Shortcuts::is_on(impl.shortcut.generation)) impl.sample_shortcut(port, packets, count);
    impl.stages.enter(Stage::kKnown);
    impl.run_burst(port, packets, count, 0);
    impl.run_patch_queue();
}

void Executor::packet_out(unsigned bridge, OfPort in_port, std::unique_ptr<ActionProgram> actions,
                          Packet* packet, std::uint64_t now_ms, const FlowKey* metadata) {
    Impl& impl = *impl_;
    impl.begin(now_ms);
    impl.counters.injected.add(1);
    if (bridge >= impl.topology->bridges.size() || !impl.topology->bridges[bridge]) {
        return impl.drop(packet, DropReason::kNoBridge);
    }
    impl.topology->bridges[bridge]->program->bind(*actions);
    impl.run_one(*impl.topology->bridges[bridge], in_port, packet, metadata, actions.get());
    impl.dp.handle_flow_events(*this);
    impl.dp.free_after_drain(std::move(actions));  // packet-ins may refer to it
    flush();
}

void Executor::send(unsigned bridge, const ActionProgram& actions, Packet* packet, std::uint64_t now_ms,
                    const FlowKey* metadata) noexcept {
    Impl& impl = *impl_;
    impl.begin(now_ms);
    impl.counters.injected.add(1);
    if (bridge >= impl.topology->bridges.size() || !impl.topology->bridges[bridge])
        return impl.drop(packet, DropReason::kNoBridge);
    impl.run_one(*impl.topology->bridges[bridge], OfPort::kAny, packet, metadata, &actions);
}

void Executor::trace(unsigned bridge, OfPort in_port, Packet* packet, const FlowKey* metadata,
                     const ActionProgram* actions, TraceSink& sink) noexcept {
    Impl& impl = *impl_;
    impl.begin(impl.now_ms);
    if (bridge >= impl.topology->bridges.size() || !impl.topology->bridges[bridge]) {
        rte_pktmbuf_free(packet);
        return;
    }
    impl.trace = &sink;
    impl.run_one(*impl.topology->bridges[bridge], in_port, packet, metadata, actions);
    impl.trace = nullptr;
}

}  // namespace sluice::pipeline
