// SPDX-License-Identifier: Apache-2.0
// The flow cache at its shortest: plain packets (parse_plain) whose walk is known are looked up, changed and
// sent from their frames, burst by burst and stage by stage, so that the cache misses of a burst overlap.
// Everything else goes on to run_cached() and the walk.
#include "pipeline/ct_hits.hpp"
#include "pipeline/executor_impl.hpp"
#include "pipeline/parse.hpp"
#include "wire/checksum.hpp"

namespace sluice::pipeline {

namespace {

using plain::kTtlAt;
using plain::rewrite_plain;

}  // namespace

void Executor::Impl::send_hit(Packet* packet, const Verdict& verdict, unsigned crossed) noexcept {
    if (verdict.out == PortIndex::kNone) return drop(packet, verdict.reason);
    const PortEntry& entry = topology->ports[to_int(verdict.out)];
    if (__builtin_expect(entry.is_device(), 1)) return enqueue(packet, verdict.out);
    if (verdict.outer != 0) return send_through(entry, packet, verdict.outer, crossed);
    emit({packet, verdict.out, 0, kKeepTags, 0, output_queue(packet)}, crossed);
}

unsigned Executor::Impl::run_hits(FlowCache& cache, const PortEntry& ingress, Packet** packets,
                                  unsigned count, unsigned crossed) noexcept {
    for (unsigned i = 0; i < kMaxBurst; ++i)
        key_slot[i] = static_cast<std::uint8_t>(i);
    key_missed = 0;
    if (ingress.no_receive_stp) return count;
    const KeyShape& shape = cache.shape();
    const unsigned words = shape.count_ipv4;
    const auto in_port = static_cast<std::uint32_t>(to_int(ingress.ofport));
    std::uint32_t plain = 0;
    for (unsigned n = 0; n < count; ++n) {
        if (n + 4 < count) __builtin_prefetch(rte_pktmbuf_mtod(packets[n + 4], void*));
        std::uint64_t word[5];
        NetworkOffsets ignored;
        const Packet* packet = packets[n];
        if (__builtin_expect(!parse_plain(rte_pktmbuf_mtod(packet, const std::uint8_t*), packet->data_len,
                                          packet->pkt_len, word, ignored),
                             0))
            continue;
        FlowCache::Key& key = cache_keys[n];
        key.in_port = ingress.tunnel ? arrival_class(packet) : in_port;
        key.size = words + 1;
        key.word[0] = kPlainClass | (word[2] & 0xff000000);
        for (unsigned w = 0; w < words; ++w)
            key.word[w + 1] = word[shape.word[w]] & shape.mask[w];
        key.hash = cache.hash_of(key);
        cache.prefetch_bucket(key);
        plain |= 1U << n;
    }
    for (std::uint32_t rest = plain; rest != 0; rest &= rest - 1)
        cache.prefetch_entry(cache_keys[__builtin_ctz(rest)]);
    Verdict* verdict[kMaxBurst];
    for (std::uint32_t rest = plain; rest != 0; rest &= rest - 1) {
        const auto n = static_cast<unsigned>(__builtin_ctz(rest));
        verdict[n] = cache.find(cache_keys[n]);
        if (verdict[n]) __builtin_prefetch(verdict[n], 1);
    }
    unsigned kept = 0, hits = 0, misses = 0;
    std::uint32_t tracked = 0;  // their verdicts have a ct action
    Packet* waiting[kMaxBurst];
    std::uint32_t missed = 0;
    for (unsigned n = 0; n < count; ++n) {
        Packet* packet = packets[n];
        auto* frame = rte_pktmbuf_mtod(packet, std::uint8_t*);
        Verdict* found = plain >> n & 1 ? verdict[n] : nullptr;
        if (found && found->ttl_steps != 0 && frame[kTtlAt] <= found->ttl_steps) {
            plain &= ~(1U << n);  // run_cached() looks it up again, and refuses it
            found = nullptr;
        }
        if (__builtin_expect(!found || found->rewrite >= Rewrite::kOther, 0)) {
            if (found && found->rewrite > Rewrite::kOther) {
                tracked |= 1U << n;
                waiting[n] = packet;
                continue;
            }
            if (__builtin_expect(packet->data_len < 14, 0)) {  // init_set() is not to drop any
                drop(packet, DropReason::kRuntFrame);
                continue;
            }
            if (!found && (plain >> n & 1)) {
                missed |= 1U << kept;
                ++misses;
                cache.note_miss(cache_keys[n]);
            }
            key_slot[kept] = static_cast<std::uint8_t>(n);
            packets[kept++] = packet;
            continue;
        }
        if (found->rewrite == Rewrite::kMacTtl) rewrite_plain(frame, *found);
        ++hits;
        cache.note(*found, 1, packet->pkt_len);
        send_hit(packet, *found, crossed);
    }
    key_missed = missed;
    if (tracked != 0) {
        CtRun run(cache, ingress, crossed);
        run.left = packets;
        run.kept = kept;
        run.open = tracked;
        for (std::uint32_t rest = tracked; rest != 0; rest &= rest - 1) {
            const auto n = static_cast<unsigned>(__builtin_ctz(rest));
            run.packet[n] = waiting[n];
            run.verdict[n] = verdict[n];
        }
        run_ct_hits(run);
        kept = run.kept;
        hits += run.hits, misses += run.misses;
    }
    counts_pending |= hits != 0;
    cache.count(hits + misses, hits);
    cache_hits.add(hits);
    return kept;
}

}  // namespace sluice::pipeline
