// SPDX-License-Identifier: Apache-2.0
// Where packets leave the pipeline: ports, patch ports, controllers, drops.
#include <utility>

#include "packet/offload.hpp"
#include "packet/pool.hpp"
#include "pipeline/edit.hpp"
#include "pipeline/executor_impl.hpp"

namespace sluice::pipeline {

namespace {

/// Cuts a packet to its first `length` bytes (an Ethernet header at least). What cannot be cut (segments of a
/// TSO frame) loses its marks.
void truncate(Packet* packet, std::uint32_t length) noexcept {
    if (length < 14) length = 14;
    if (packet->pkt_len <= length) return;
    finish_checksum(packet);
    packet->ol_flags &= ~(kSegmentationFlags | RTE_MBUF_F_TX_L4_MASK);
    while (packet->pkt_len > length) {
        const rte_mbuf* last = rte_pktmbuf_lastseg(packet);
        const std::uint32_t surplus = packet->pkt_len - length;
        const std::uint32_t cut = surplus < last->data_len ? surplus : last->data_len;
        if (rte_pktmbuf_trim(packet, static_cast<std::uint16_t>(cut)) != 0) return;
        if (rte_pktmbuf_lastseg(packet)->data_len != 0 || packet->nb_segs == 1) continue;
        rte_mbuf* before = packet;
        while (before->next->next)
            before = before->next;
        rte_pktmbuf_free_seg(before->next);
        before->next = nullptr;
        --packet->nb_segs;
    }
}

}  // namespace

void Executor::Impl::output(PacketSet& set, const Group& group, Path& path, OfPort port,
                            std::uint32_t length) noexcept {
    ensure_lines(set, group, path, 1);
    const bool back = port == OfPort::kInPort;
    const PortIndex fixed = back ? PortIndex::kNone : path.bridge->find(port);
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        const OfPort in_port{static_cast<std::uint32_t>(set.key[i].get(key::kInPort))};
        if (!back && port == in_port) {
            if (trace) trace->note("skipping output to input port", path.depth);
            continue;
        }
        output_one(set, i, path, back ? path.bridge->find(in_port) : fixed, kKeepTags, length);
    }
}

/// An output port number computed at run time, reserved ones included.
void Executor::Impl::output_number(PacketSet& set, const Group& group, Path& path, std::uint32_t number,
                                   std::uint16_t max_len) noexcept {
    const OfPort port{number >= 0xff00 ? number | 0xffff0000U : number};
    switch (port) {
        case OfPort::kNormal:
            return normal(set, group, path);
        case OfPort::kFlood:
            return flood(set, group, path, false);
        case OfPort::kAll:
            return flood(set, group, path, true);
        case OfPort::kController:
            return punt(set, group, path, controller_reason(path), max_len, 0, nullptr);
        case OfPort::kAny:
        case OfPort::kTable:
            return;
        default:
            return output(set, group, path, port);
    }
}

void Executor::Impl::flood(PacketSet& set, const Group& group, Path& path, bool all) noexcept {
    ensure_lines(set, group, path, 1);
    for (const PortIndex member : path.bridge->members) {
        const PortEntry& port = topology->ports[to_int(member)];
        if (!all && port.no_flood) continue;
        for (unsigned g = 0; g < group.count; ++g) {
            const unsigned i = group.index[g];
            if (set.key[i].get(key::kInPort) != to_int(port.ofport)) output_one(set, i, path, member);
        }
    }
}

void Executor::Impl::output_one(PacketSet& set, unsigned i, const Path& path, PortIndex port, TagPair tags,
                                std::uint32_t length) noexcept {
    if (port == PortIndex::kNone) {
        set.reason[i] = DropReason::kBadPort;
        if (trace) trace->note("output port does not exist, skipping output", path.depth);
        return;
    }
    if (__builtin_expect(set.bare >> i & 1, 0)) {
        set.reason[i] = DropReason::kNotEthernet;
        if (trace)
            trace->note("Trying to send non-Ethernet packet through legacy L2 port. Dropping packet.",
                        path.depth);
        return;
    }
    const PortEntry& entry = topology->ports[to_int(port)];
    if (!entry.up || entry.no_forward) {
        set.reason[i] = DropReason::kPortDown;
        if (trace) {
            trace->note(
                entry.no_forward ? "OFPPC_NO_FWD set, skipping output" : "port is down, skipping output",
                path.depth);
        }
        return;
    }
    std::uint16_t outer = 0;
    if (__builtin_expect(entry.tunnel != nullptr, 0)) {
        outer = make_outer(set, i, path, entry);
        if (outer == 0) {
            if (recording == &set) journals[i].bad = true;
            return;
        }
    }
    if (trace) {
        set.sent |= 1U << i;
        FlowKey key = set.key[i];
        if (tags != kKeepTags) {
            key.set(key::kVlanTci, tags >> 32 & 0xffff);
            key.set(key::kVlanTpid, tags >> 48);
            key.set(key::kVlan1Tci, tags & 0xffff);
            key.set(key::kVlan1Tpid, tags >> 16 & 0xffff);
        }
        trace->output(port, key);
        if (entry.patch_peer != PortIndex::kNone || outer != 0) {
            if (Packet* copy = packet_copy(set.packet[i])) {
                emit({copy, port, tags_of(set.key[i]), tags, length, set.queue[i], outer}, path.crossings);
            }
        }
    } else {
        if (recording == &set) {
            journals[i].add_output(port, outer == 0 ? std::uint16_t{0} : outer_pattern[outer]);
            journals[i].bad |= tags != kKeepTags || length != 0 || (outer != 0 && journals[i].outer == 0);
        }
        if (set.pending[i] != PortIndex::kNone) emit_copy(set, i);
        set.pending[i] = port;
        set.pending_tags[i] = tags;
        set.pending_length[i] = length;
        set.pending_queue[i] = set.queue[i];
        set.pending_outer[i] = outer;
    }
    if (__builtin_expect(entry.mirror_dst != 0, 0) && entry.patch_peer == PortIndex::kNone)
        mirror(set, i, path, entry, entry.mirror_dst, tags == kKeepTags ? tags_of(set.key[i]) : tags);
}

void Executor::Impl::enqueue_op(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept {
    std::uint32_t before[kMaxBurst];
    for (unsigned g = 0; g < group.count; ++g)
        before[g] = std::exchange(set.queue[group.index[g]], static_cast<std::uint32_t>(op.value.lo));
    output(set, group, path, OfPort{op.arg});
    for (unsigned g = 0; g < group.count; ++g)
        set.queue[group.index[g]] = before[g];
}

void Executor::Impl::flush_pending(PacketSet& set, const Group& group) noexcept {
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        if (set.pending[i] == PortIndex::kNone) continue;
        emit_copy(set, i);
        set.pending[i] = PortIndex::kNone;
    }
}

void Executor::Impl::emit_copy(PacketSet& set, unsigned i) noexcept {
    set.sent |= 1U << i;
    counters.copied.add(1);
    Packet* copy = staged.size() < staged.capacity() ? packet_copy(set.packet[i]) : nullptr;
    if (!copy) {
        counters.drops[static_cast<std::size_t>(DropReason::kNoMemory)].add(1);
        return;
    }
    staged.push_back({{copy, set.pending[i], tags_of(set.key[i]), set.pending_tags[i], set.pending_length[i],
                       set.pending_queue[i], set.pending_outer[i]},
                      &set,
                      static_cast<std::uint8_t>(i)});
}

/// The end of a packet's walk: out, or, for a clone, into the queue of its original.
void Executor::Impl::depart(PacketSet& set, unsigned i, const Departure& departure,
                            unsigned crossed) noexcept {
    if (!set.parent) return emit(departure, crossed);
    if (staged.size() == staged.capacity()) return drop(departure.packet, DropReason::kNoMemory);
    staged.push_back({departure, set.parent, set.origin[i]});
}

void Executor::Impl::release_staged(PacketSet& set, unsigned crossed) noexcept {
    // A nested set (clone) ends before the set around it, so its copies are the last ones.
    std::size_t first = staged.size();
    while (first > 0 && staged[first - 1].set == &set)
        --first;
    std::size_t kept = first;
    for (std::size_t n = first; n < staged.size(); ++n) {
        const Staged copy = staged[n];
        if (set.failed >> copy.index & 1) {
            drop(copy.departure.packet, set.reason[copy.index]);
        } else if (set.parent) {
            staged[kept++] = {copy.departure, set.parent, set.origin[copy.index]};
        } else {
            emit(copy.departure, crossed);
        }
    }
    staged.resize(kept);
}

/// OVS throws a translation away whole when it passes a limit.
void Executor::Impl::fail(PacketSet& set, const Group& group, const Path& path, DropReason reason) noexcept {
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        set.reason[i] = reason;
        set.done |= 1U << i;
        set.failed |= 1U << i;
    }
    if (trace) trace->failed(reason, set.key[group.index[0]], path.depth);
}

void Executor::Impl::emit(const Departure& departure, unsigned crossed) noexcept {
    Packet* packet = departure.packet;
    const PortIndex port = departure.port;
    if (departure.wants != kKeepTags && !retag(packet, departure.has, departure.wants)) {
        return drop(packet, DropReason::kNoMemory);
    }
    if (departure.length != 0) truncate(packet, departure.length);
    set_output_queue(packet, departure.queue);
    const PortEntry& entry = topology->ports[to_int(port)];
    if (__builtin_expect(entry.is_device(), 1)) return enqueue(packet, port);
    if (entry.tunnel) return emit_through(entry, packet, departure.outer, crossed);
    if (entry.ends_tunnels) {
        if (trace) return rte_pktmbuf_free(packet);
        if (end_tunnel(packet, crossed)) return;
        return enqueue(packet, port);
    }
    if (entry.patch_peer == PortIndex::kNone) return drop(packet, DropReason::kBadPort);
    if (crossed + 1 > kMaxCrossings || patch_queue.size() == patch_queue.capacity()) {
        return drop(packet, DropReason::kPatchLoop);
    }
    if (!trace) {
        const PortEntry& peer = topology->ports[to_int(entry.patch_peer)];
        if (entry.patch_counters) {
            entry.patch_counters[2].fetch_add(1, std::memory_order_relaxed);
            entry.patch_counters[3].fetch_add(packet->pkt_len, std::memory_order_relaxed);
        }
        if (peer.patch_counters) {
            peer.patch_counters[0].fetch_add(1, std::memory_order_relaxed);
            peer.patch_counters[1].fetch_add(packet->pkt_len, std::memory_order_relaxed);
        }
    }
    patch_queue.push_back({packet, entry.patch_peer, static_cast<std::uint16_t>(crossed + 1)});
}

void Executor::Impl::enqueue(Packet* packet, PortIndex port) noexcept {
    TxBuffer& buffer = tx[to_int(port)];
    if (buffer.count == 0) touched.push_back(port);
    buffer.packet[buffer.count++] = packet;
    if (buffer.count == kMaxBurst) flush_port(port);
}

void Executor::Impl::enqueue_all(Packet** packets, unsigned count, PortIndex port) noexcept {
    if (count == kMaxBurst) {
        flush_port(port);  // what waits goes first
        return transmit(port, packets, count);
    }
    for (unsigned i = 0; i < count; ++i)
        enqueue(packets[i], port);
}

void Executor::Impl::flush_port(PortIndex port) noexcept {
    TxBuffer& buffer = tx[to_int(port)];
    const unsigned count = buffer.count;
    if (count == 0) return;
    buffer.count = 0;
    transmit(port, buffer.packet, count);
}

void Executor::Impl::transmit(PortIndex port, Packet** packets, unsigned count) noexcept {
    const PortEntry* entry = to_int(port) < topology->ports.size() ? &topology->ports[to_int(port)] : nullptr;
    if (!entry || !entry->port) {
        for (unsigned i = 0; i < count; ++i)
            drop(packets[i], DropReason::kBadPort);
        return;
    }
    const unsigned queues = entry->port->tx_queue_count();
    const unsigned queue = tx_queue < queues ? tx_queue : tx_queue % (queues == 0 ? 1 : queues);
    std::atomic<bool>& lock = dp.tx_lock(port, queue);
    while (lock.exchange(true, std::memory_order_acquire)) {
        while (lock.load(std::memory_order_relaxed))
            __builtin_ia32_pause();
    }
    const Stage before = stages.enter(Stage::kSend);
    const unsigned sent = entry->port->tx_burst(QueueId{static_cast<std::uint16_t>(queue)}, packets, count);
    lock.store(false, std::memory_order_release);
    stages.enter(before);
    counters.sent.add(sent);
    if (sent < count) counters.drops[static_cast<std::size_t>(DropReason::kTxFull)].add(count - sent);
}

void Executor::flush() noexcept {
    for (const PortIndex port : impl_->touched)
        impl_->flush_port(port);
    impl_->touched.clear();
    if (__builtin_expect(impl_->shortcut.offered, 0)) impl_->make_shortcut();
    // Under load counts may wait for more of the same until the millisecond ends.
    const bool busy = std::exchange(impl_->fresh_packets, 0) >= kMaxBurst;
    if (impl_->counts_pending && (!busy || impl_->dp.version() != impl_->version)) impl_->settle_counts();
}

void Executor::Impl::drop(Packet* packet, DropReason reason) noexcept {
    if (trace) {
        trace->drop(kDropReasonNames[static_cast<std::size_t>(reason)]);
    } else {
        counters.drops[static_cast<std::size_t>(reason)].add(1);
    }
    rte_pktmbuf_free(packet);
}

void Executor::Impl::punt(PacketSet& set, const Group& all, Path& path, std::uint8_t reason,
                          std::uint16_t max_len, std::uint16_t controller_id,
                          const ControllerAction* action) noexcept {
    ensure_lines(set, all, path, kAllLines);
    const Group group = meter_punt(set, all, path, action);
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        if (recording == &set) journals[i].bad = true;
        if (trace) {
            set.punted |= 1U << i;
            trace->output(PortIndex::kNone, set.key[i]);
            continue;
        }
        PuntRecord* record = new_punt(set, i, path);
        if (!record) continue;
        record->reason = reason;
        record->table_miss = reason == 1 && path.rule && path.rule->is_table_miss;
        record->table = path.table;
        record->cookie = path.cookie;
        record->max_len = max_len;
        record->controller_id = controller_id;
        record->action = action;
        push_punt(set, i);
    }
    if (!trace) dp.wake_control();
}

/// A record with a copy of the packet, to be completed and pushed; nullptr: the port has used up its quota
/// or something is full.
PuntRecord* Executor::Impl::new_punt(PacketSet& set, unsigned i, const Path& path) noexcept {
    const PortIndex from = path.ingress ? path.ingress->index : PortIndex::kNone;
    if (from != PortIndex::kNone &&
        punts_in_flight[to_int(from)].load(std::memory_order_relaxed) >= kPuntQuota) {
        set.reason[i] = DropReason::kPuntFull;
        return nullptr;
    }
    PuntRecord* record = punts.claim();
    Packet* copy = record ? packet_copy(set.packet[i]) : nullptr;
    if (!copy) {
        set.reason[i] = record ? DropReason::kNoMemory : DropReason::kPuntFull;
        return nullptr;
    }
    if (set.bare >> i & 1) rte_pktmbuf_adj(copy, 14);
    if (from != PortIndex::kNone) punts_in_flight[to_int(from)].fetch_add(1, std::memory_order_relaxed);
    record->packet = copy;
    record->bridge = path.bridge->index;
    record->in_port = OfPort{static_cast<std::uint32_t>(set.key[i].get(key::kInPort))};
    record->table_miss = record->is_paused = false;
    record->in_index = from;
    record->key = set.key[i];
    return record;
}

void Executor::Impl::push_punt(PacketSet& set, unsigned i) noexcept {
    counters.copied.add(1);
    counters.punted.add(1);
    set.punted |= 1U << i;
    punts.push();
}

}  // namespace sluice::pipeline
