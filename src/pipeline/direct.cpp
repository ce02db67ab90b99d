// SPDX-License-Identifier: Apache-2.0
// Bursts that need no walk: when the first table reads nothing of the packets, one look-up decides for the
// whole burst, and the two commonest rules, "output" and "NORMAL" on a bridge without VLAN settings, are
// carried out on the frames themselves, without keys.
#include "base/byte_order.hpp"
#include "pipeline/executor_impl.hpp"

namespace sluice::pipeline {

namespace {

/// False if a frame is too short to be one.
bool sum_bytes(Packet* const* packets, unsigned count, std::uint64_t& bytes) {
    bool sound = true;
    for (unsigned i = 0; i < count; ++i) {
        sound &= packets[i]->data_len >= 14;
        bytes += packets[i]->pkt_len;
    }
    return sound;
}

void count_rule(RuleCounter& counter, std::uint64_t packets, std::uint64_t bytes, std::uint64_t now_ms) {
    counter.packets.add(packets);
    counter.bytes.add(bytes);
    counter.used_ms.set(now_ms);
}

}  // namespace

const Rule* Executor::Impl::direct_rule(const Topology::Bridge& bridge, const PortEntry& ingress) noexcept {
    if (trace || bridge.has_mirrors || !learned.empty() || ingress.no_receive_stp ||
        bridge.fragments == FragmentMode::kDrop)
        return nullptr;
    const classify::Table* table = bridge.program->table(0);
    if (!table) return nullptr;
    const classify::WordSet& words = table->read_words();
    if (((words.bits[0] & kHeaderWords.bits[0]) | (words.bits[1] & kHeaderWords.bits[1])) != 0)
        return nullptr;
    if (ingress.tunnel &&
        ((words.bits[0] & kTunnelFieldWords.bits[0]) | (words.bits[1] & kTunnelFieldWords.bits[1])) != 0)
        return nullptr;
    direct_key.set(key::kInPort, to_int(ingress.ofport));
    const auto* rule = static_cast<const Rule*>(table->lookup(direct_key, version));
    if (!rule || rule->actions->ops.size() != 1) return nullptr;
    const Op& op = rule->actions->ops.front();
    if (op.code == OpCode::kOutputNormal) return bridge.plain ? rule : nullptr;
    return op.code == OpCode::kOutput && OfPort{op.arg} != ingress.ofport ? rule : nullptr;
}

unsigned Executor::Impl::run_direct(const Topology::Bridge& bridge, const PortEntry& ingress,
                                    Packet** packets, unsigned count, unsigned crossed) noexcept {
    const Rule* rule = direct_rule(bridge, ingress);
    if (!rule) return count;
    const Op& op = rule->actions->ops.front();
    if (op.code == OpCode::kOutputNormal) return run_direct_normal(bridge, ingress, *rule, packets, count);
    const PortIndex out = bridge.find(OfPort{op.arg});
    if (out == PortIndex::kNone) return count;
    const PortEntry& entry = topology->ports[to_int(out)];
    if (entry.tunnel && entry.up && !entry.no_forward && !ingress.tunnel)
        return run_direct_tunnel(*rule, entry, packets, count, crossed);
    if (!entry.up || entry.no_forward || !entry.is_device()) return count;
    std::uint64_t bytes = 0;
    if (!sum_bytes(packets, count, bytes)) return count;
    count_rule(stats.at(rule->stats), count, bytes, now_ms);
    enqueue_all(packets, count, out);
    return 0;
}

/// Untagged unicast to known addresses; leaves the rest, in order, for the walk. Packets of one pair mostly
/// come in runs: a run is looked up once.
unsigned Executor::Impl::run_direct_normal(const Topology::Bridge& bridge, const PortEntry& ingress,
                                           const Rule& rule, Packet** packets, unsigned count) noexcept {
    std::uint64_t dst[kMaxBurst], src[kMaxBurst];
    std::uint8_t run[kMaxBurst];  // of packet i; kNoRun: not for us
    constexpr std::uint8_t kNoRun = 0xff;
    unsigned runs = 0;
    for (unsigned i = 0; i < count; ++i) {
        if (i + 4 < count) __builtin_prefetch(rte_pktmbuf_mtod(packets[i + 4], const void*));
        const auto* bytes = rte_pktmbuf_mtod(packets[i], const std::uint8_t*);
        const std::uint64_t to = load_mac(bytes), from = load_mac(bytes + 6);
        const std::uint16_t type = load_be16(bytes + 12);
        constexpr std::uint64_t kMulticast = std::uint64_t{1} << 40;
        run[i] = kNoRun;
        if (__builtin_expect(packets[i]->data_len < 14 || type == 0x8100 || type == 0x88a8 ||
                                 ((to | from) & kMulticast) ||
                                 to == from,  // its source is learned before its destination is looked up
                             0))
            continue;
        if (runs == 0 || dst[runs - 1] != to || src[runs - 1] != from) {
            dst[runs] = to;
            src[runs++] = from;
        }
        run[i] = static_cast<std::uint8_t>(runs - 1);
    }
    std::uint32_t port[kMaxBurst];
    std::uint32_t strangers = bridge.fdb->forward({dst, src, runs, 0, ingress.ofport, now_s}, port);
    if (strangers != 0) {
        Path path;
        path.bridge = &bridge;
        for (; strangers != 0; strangers &= strangers - 1)
            learn(path, src[__builtin_ctz(strangers)], 0, ingress.ofport);
    }
    PortIndex out[kMaxBurst];
    for (unsigned n = 0; n < runs; ++n) {
        out[n] = port[n] == to_int(ingress.ofport) || port[n] == Fdb::kUnknown ? PortIndex::kNone
                                                                               : bridge.find(OfPort{port[n]});
        if (out[n] == PortIndex::kNone) continue;
        const PortEntry& entry = topology->ports[to_int(out[n])];
        if (!entry.up || entry.no_forward || !entry.is_device()) out[n] = PortIndex::kNone;
    }
    std::uint64_t bytes = 0;
    unsigned kept = 0;
    if (runs == 1 && run[0] == 0 && count == kMaxBurst && out[0] != PortIndex::kNone) {
        // A full burst of one pair is handed on as it is.
        bool whole = true;
        for (unsigned i = 0; i < count; ++i) {
            whole &= run[i] == 0;
            bytes += packets[i]->pkt_len;
        }
        if (whole) {
            count_rule(stats.at(rule.stats), count, bytes, now_ms);
            enqueue_all(packets, count, out[0]);
            return 0;
        }
        bytes = 0;
    }
    for (unsigned i = 0; i < count; ++i) {
        if (run[i] == kNoRun || out[run[i]] == PortIndex::kNone) {
            packets[kept++] = packets[i];
            continue;
        }
        bytes += packets[i]->pkt_len;
        enqueue(packets[i], out[run[i]]);
    }
    if (kept != count) count_rule(stats.at(rule.stats), count - kept, bytes, now_ms);
    return kept;
}

}  // namespace sluice::pipeline
