// SPDX-License-Identifier: Apache-2.0
// The worker's side of pipeline/shortcut.hpp.
#include "pipeline/shortcut.hpp"

#include "pipeline/executor_impl.hpp"

namespace sluice::pipeline {

namespace {

constexpr unsigned kSampleCredit = 64;
/// A packet this large counts as many.
constexpr std::uint32_t kLarge = 4096;
constexpr unsigned kLargeCredit = 8;
/// While rules change more often than this, flows stay with the workers.
constexpr std::uint64_t kCalmMs = 20;
/// A flow is not given a shortcut twice within this time, unless the first one is void.
constexpr std::uint64_t kAgainMs = 1000;
/// Ends of loops at which a port's sockets may be found in use before the shortcut is made all the same.
constexpr unsigned kMaxTries = 256;

constexpr std::uint8_t kPush = 0x08, kAck = 0x10;  // TCP flags

/// Where a shortcut through `port` would leave; null: nowhere.
const ShortcutEnd* way_out(const PortEntry& port) {
    if (!port.up || port.no_forward || !port.is_device()) return nullptr;
    const ShortcutEnd* end = port.port->shortcut_end();
    return end && end->out_ifindex() != 0 ? end : nullptr;
}

}  // namespace

void Executor::Impl::sample_shortcut(PortIndex port, Packet* const* packets, unsigned count) noexcept {
    if (to_int(port) >= topology->ports.size()) return;
    const PortEntry& ingress = topology->ports[to_int(port)];
    if (!ingress.port || shortcut.offered || now_ms - shortcut.since_ms < kCalmMs) return;
    const ShortcutEnd* end = ingress.port->shortcut_end();
    if (!end || end->in_ifindex() == 0) return;
    for (unsigned i = 0; i < count; ++i) {
        shortcut.credit += packets[i]->pkt_len >= kLarge ? kLargeCredit : 1;
        if (shortcut.credit < kSampleCredit) continue;
        shortcut.credit = 0;
        return offer_shortcut(ingress, *end, packets[i]);
    }
}

void Executor::Impl::offer_shortcut(const PortEntry& ingress, const ShortcutEnd& end,
                                    Packet* packet) noexcept {
    if (!ingress.up || ingress.no_receive || ingress.bridge >= topology->bridges.size()) return;
    if (ingress.monitor &&
        (ingress.monitor->counts ||
         bfd::find_datagram(ingress.monitor->filter,
                            {rte_pktmbuf_mtod(packet, const std::uint8_t*), packet->data_len})))
        return;  // its packets come here, and if it counts, all of them
    const Topology::Bridge* bridge = topology->bridges[ingress.bridge].get();
    ShortcutRecord& offer = shortcut.offer;
    if (!bridge || bridge->has_mirrors ||
        !make_shortcut_key(rte_pktmbuf_mtod(packet, const std::uint8_t*), packet->data_len, packet->pkt_len,
                           end.in_ifindex(), offer.key))
        return;
    const std::uint64_t hash =
        hash_bytes(process_hash_key(), &offer.key, sizeof offer.key) + shortcut.generation;
    const ShortcutMaker::Recent& recent = shortcut.recent[hash % shortcut.recent.size()];
    if (recent.hash == hash && now_ms - recent.ms < kAgainMs) return;
    offer.rule_count = 0;
    offer.refreshes = false;
    shortcut.any_flags = true;
    PortIndex out = direct_walk(*bridge, ingress, packet, offer);
    if (out == PortIndex::kNone) out = cached_walk(*bridge, ingress, packet, offer);
    if (out == PortIndex::kNone || out == ingress.index) return;
    const ShortcutEnd* leave = way_out(topology->ports[to_int(out)]);
    if (!leave) return;
    offer.bridge = bridge->index;
    offer.in_port = ingress.ofport;
    offer.entry = {shortcut.generation, 0, leave->out_ifindex(), leave->max_frame(), 0};
    shortcut.hash = hash;
    shortcut.from = ingress.port;
    shortcut.tries = 0;
    shortcut.offered = true;
}

/// Where run_direct() would send a packet, for packets that have a ShortcutKey.
PortIndex Executor::Impl::direct_walk(const Topology::Bridge& bridge, const PortEntry& ingress,
                                      const Packet* packet, ShortcutRecord& offer) noexcept {
    const Rule* rule = direct_rule(bridge, ingress);
    if (!rule) return PortIndex::kNone;
    const Op& op = rule->actions->ops.front();
    offer.rules[0] = rule->stats;
    offer.rule_count = 1;
    if (op.code == OpCode::kOutput) return bridge.find(OfPort{op.arg});
    const auto* frame = rte_pktmbuf_mtod(packet, const std::uint8_t*);
    const std::uint64_t dst = load_mac(frame), src = load_mac(frame + 6);
    constexpr std::uint64_t kMulticast = std::uint64_t{1} << 40;
    if (((dst | src) & kMulticast) != 0 || dst == src || !bridge.fdb->refresh(src, 0, ingress.ofport, now_s))
        return PortIndex::kNone;
    offer.refreshes = true;
    const auto port = bridge.fdb->lookup(dst, 0);
    return port ? bridge.find(*port) : PortIndex::kNone;
}

/// Where the flow cache would send a packet, if it would send it as it is.
PortIndex Executor::Impl::cached_walk(const Topology::Bridge& bridge, const PortEntry& ingress,
                                      Packet* packet, ShortcutRecord& offer) noexcept {
    FlowCache* cache = caches[bridge.index].load(std::memory_order_relaxed);
    if (!cache || !learned.empty() || ingress.no_receive_stp ||
        !cache->begin(*bridge.program, version, topology->serial))
        return PortIndex::kNone;
    PacketSet& set = push_set();
    init_set(set, &packet, 1, ingress.ofport);
    Path path;
    enter_alone(set, bridge, ingress.ofport, nullptr, path);
    FlowCache::Key key;
    make_cache_key(*cache, set, 0, ingress, key);
    pop_set();
    shortcut.any_flags = (cache->shape().covered[key::kTcpFlags.word] >> key::kTcpFlags.shift & 0xffff) == 0;
    const Verdict* verdict = cache->find(key);
    if (!verdict || verdict->rewrite != Rewrite::kNone || verdict->step_count != 0 ||
        verdict->ttl_steps != 0 || verdict->miss_count != 0)
        return PortIndex::kNone;
    for (unsigned n = 0; n < verdict->hit_count; ++n)
        offer.rules[n] = stats.slot_of(*verdict->hits()[n]);
    offer.rule_count = verdict->hit_count;
    return verdict->out;
}

/// At the end of a loop, when what it received has been sent.
void Executor::Impl::make_shortcut() noexcept {
    const Shortcuts& shortcuts = *Shortcuts::get();
    ShortcutRecord& offer = shortcut.offer;
    if (shortcuts.generation() != offer.entry.generation) {
        shortcut.offered = false;  // and its port may be gone
        return;
    }
    if (++shortcut.tries < kMaxTries && !shortcut.from->rx_drained()) return;
    shortcut.offered = false;
    shortcut.recent[shortcut.hash % shortcut.recent.size()] = {shortcut.hash, now_ms};
    if (install_shortcut() && shortcut.any_flags && (offer.key.tcp_flags[1] & ~kPush) == kAck) {
        // The flow's other frames must not come by another way, later or earlier.
        offer.key.tcp_flags[1] ^= kPush;
        install_shortcut();
    }
    dp.wake_control();
}

bool Executor::Impl::install_shortcut() noexcept {
    const std::uint32_t* slot = shortcut.slots.front();
    ShortcutRecord* record = shortcut.made.claim();
    if (!slot || !record) return false;  // the flow will be sampled again
    shortcut.offer.entry.slot = *slot;
    shortcut.slots.pop();
    *record = shortcut.offer;
    shortcut.made.push();  // first, so that the slot is never lost
    return Shortcuts::get()->install(shortcut.offer.key, shortcut.offer.entry);
}

}  // namespace sluice::pipeline
