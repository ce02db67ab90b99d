// SPDX-License-Identifier: Apache-2.0
// Between the walk and the flow cache: taking walks down, and carrying known ones out.
#include "packet/pool.hpp"
#include "pipeline/edit.hpp"
#include "pipeline/executor_impl.hpp"

namespace sluice::pipeline {

namespace {

/// What kind of packet it is, as far as look-ups and prerequisites can tell: KeyShape leaves these bits out.
std::uint64_t packet_class(const PacketSet& set, unsigned i) {
    const auto& word = set.key[i].word;
    return (word[0] & 0xffff) | (word[2] & 0xff000000) | (word[2] & 0xff) << 16 |
           std::uint64_t{set.tags[i]} << 32 | std::uint64_t{set.l3[i] != kNoOffset} << 36 |
           std::uint64_t{set.l4[i] != kNoOffset} << 37;
}

/// MPLS labels and NSH lie outside the words that keys are made of.
bool has_other_headers(std::uint64_t eth_type) {
    return eth_type == 0x8847 || eth_type == 0x8848 || eth_type == 0x894f;
}

bool is_ip(std::uint64_t eth_type) {
    return eth_type == 0x0800 || eth_type == 0x86dd;
}

/// Whether an op does only what a journal can say, or nothing that outlives the walk.
bool can_be_recorded(const Op& op) {
    const auto is_open = [](unsigned word) { return kHeaderWords.has(word) || kCtFieldWords.has(word); };
    const auto reads_headers = [&](FieldLoc loc) {
        return is_open(loc.word) || (loc.bits == 128 && is_open(loc.word + 1U));
    };
    switch (op.code) {
        case OpCode::kOutput:
        case OpCode::kOutputInPort:
        case OpCode::kOutputFlood:
        case OpCode::kOutputAll:
        case OpCode::kPushVlan:
        case OpCode::kStripVlan:
        case OpCode::kSetVlanVid:
        case OpCode::kSetVlanPcp:
        case OpCode::kDecTtl:
        case OpCode::kExit:
        case OpCode::kClearActions:
        case OpCode::kWriteActions:
        case OpCode::kGoto:
        case OpCode::kCt:  // ct_op() says more
            return true;
        case OpCode::kResubmit:
            return op.prereq == Prereq::kNone;
        case OpCode::kSetField:
        case OpCode::kStackPop:
            // Neighbour discovery is told apart by the ICMP type, which need not be in the key.
            return op.prereq != Prereq::kNd && op.prereq != Prereq::kNdSolicit &&
                   op.prereq != Prereq::kNdAdvert && op.prereq != Prereq::kMpls &&
                   (op.part == HeaderPart::kNone || op.loc.bits != 128);
        case OpCode::kMove:
            return !reads_headers(op.loc2) && op.prereq == Prereq::kNone && op.loc.bits != 128;
        case OpCode::kStackPush:
        case OpCode::kOutputReg:
            return !reads_headers(op.loc2);
        default:
            return false;
    }
}

}  // namespace

void Executor::Impl::note_op(const Group& group, const Op& op) noexcept {
    if (can_be_recorded(op)) return;
    for (unsigned g = 0; g < group.count; ++g)
        journals[group.index[g]].bad = true;
}

void Executor::Impl::note_hit(unsigned i, const Rule& rule) noexcept {
    if (rule.stats == kPendingStats) {  // learned just now, by this packet
        journals[i].bad = true;
    } else {
        journals[i].add_hit(stats.at(rule.stats));
    }
}

void Executor::Impl::note_visit(const Group& group, std::uint8_t table) noexcept {
    for (unsigned g = 0; g < group.count; ++g)
        journals[group.index[g]].add_visit(table);
}

void Executor::Impl::note_set(unsigned i, const Op& op, U128 value, U128 mask) noexcept {
    Journal& journal = journals[i];
    if (op.part == HeaderPart::kIpTtl) journal.wrote_ttl = true;
    journal.add_step({StepKind::kSet, op.part, op.loc, 0, value.lo, mask.lo});
}

FlowCache* Executor::Impl::cache_of(const Topology::Bridge& bridge) noexcept {
    // Flows that are still on their way to the tables are not in any verdict.
    if (cache_entries == 0 || trace || bridge.has_mirrors || !learned.empty()) return nullptr;
    FlowCache* cache = caches[bridge.index].load(std::memory_order_relaxed);
    if (!cache) {
        if (!bridge.program->key_shape().reads_headers) return nullptr;
        cache = new FlowCache({&counters.missed, &table_misses[bridge.index]}, cache_entries);
        caches[bridge.index].store(cache, std::memory_order_release);
        own_caches.push_back(cache);
        if (!journals) journals = std::make_unique<Journal[]>(kMaxBurst);
    }
    cache->set_time(now_ms);
    return cache->begin(*bridge.program, version, topology->serial) && cache->wants_lookup() ? cache
                                                                                             : nullptr;
}

void Executor::Impl::make_cache_key(const FlowCache& cache, const PacketSet& set, unsigned i,
                                    const PortEntry& ingress, FlowCache::Key& key) noexcept {
    const std::uint32_t from = ingress.tunnel ? arrival_class(set.packet[i]) : to_int(ingress.ofport);
    cache.make_key(set.key[i], packet_class(set, i), from, key);
}

void Executor::Impl::run_cached(FlowCache& cache, PacketSet& set, Group& group, Path& path) noexcept {
    ensure_parsed(set, group, path, Parsed::kAll);
    Verdict* verdict[kMaxBurst];
    std::uint32_t skip = 0;  // not to be kept
    std::uint32_t none = key_missed;
    skip |= walk_only;
    none |= walk_only;
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        if (none >> i & 1) continue;
        if (__builtin_expect(has_other_headers(set.key[i].word[0] & 0xffff), 0)) {
            skip |= 1U << i;
            continue;
        }
        FlowCache::Key& key = cache_keys[key_slot[i]];
        make_cache_key(cache, set, i, *path.ingress, key);
        cache.prefetch_bucket(key);
    }
    none |= skip;
    unsigned lookups = 0, hits = 0;
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        verdict[g] = nullptr;
        if (none >> i & 1) continue;
        ++lookups;
        verdict[g] = cache.find(cache_keys[key_slot[i]]);
        verdict[g] ? void(++hits) : cache.note_miss(cache_keys[key_slot[i]]);
    }
    cache.count(lookups, hits);
    unsigned kept = 0;
    std::uint32_t refused = skip;
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        Verdict* found = verdict[g];
        if (!found || found->ct || found->rewrite == Rewrite::kWalk ||
            (found->ttl_steps != 0 && is_ip(set.key[i].word[0] & 0xffff) &&
             set.key[i].get(key::kIpTtl) <= found->ttl_steps)) {
            if (found) refused |= 1U << i;
            group.index[kept++] = static_cast<std::uint8_t>(i);
            continue;
        }
        cache.note(*found, 1, set.packet[i]->pkt_len);
        replay(set, i, *found, path);
    }
    counts_pending |= hits != 0;
    cache_hits.add(hits);
    group.count = static_cast<std::uint8_t>(kept);
    if (kept == 0 || !cache.wants_insert()) return;
    recording = &set;
    recording_cache = &cache;
    recorded = 0;
    for (unsigned g = 0; g < kept; ++g) {
        const unsigned i = group.index[g];
        journals[i].begin();
        journals[i].bad = refused >> i & 1;
        recorded |= 1U << i;
    }
}

void Executor::Impl::replay(PacketSet& set, unsigned i, const Verdict& verdict, const Path& path) noexcept {
    set.gone |= 1U << i;
    FlowKey& key = set.key[i];
    for (unsigned n = 0; n < verdict.step_count; ++n) {
        const Step& step = verdict.steps()[n];
        switch (step.kind) {
            case StepKind::kSet:
                set_bits(set, i, step.loc, step.part, {0, step.value}, {0, step.mask});
                break;
            case StepKind::kDecTtl:
                if (!is_ip(key.word[0] & 0xffff)) break;
                decrement_ttl(set, i);
                break;
            case StepKind::kPushVlan:
                push_tag(set, i, step.port);
                break;
            case StepKind::kPopVlan:
                pop_tag(set, i);
                break;
            case StepKind::kSetTci: {
                const auto before = static_cast<std::uint16_t>(key.get(key::kVlanTci));
                key.set(key::kVlanTci, (before & ~step.mask) | step.value);
                write_vlan(set, i, before);
                break;
            }
            case StepKind::kTrack:  // run_cached() leaves these to the walk
                break;
            case StepKind::kCopyOut: {
                counters.copied.add(1);
                if (Packet* copy = packet_copy(set.packet[i])) {
                    emit({copy, PortIndex{step.port}, 0, kKeepTags, 0, set.queue[i]}, path.crossings);
                } else {
                    counters.drops[static_cast<std::size_t>(DropReason::kNoMemory)].add(1);
                }
                break;
            }
        }
    }
    if (verdict.out == PortIndex::kNone) return drop(set.packet[i], verdict.reason);
    set_output_queue(set.packet[i], set.queue[i]);
    const PortEntry& entry = topology->ports[to_int(verdict.out)];
    if (__builtin_expect(entry.is_device(), 1)) return enqueue(set.packet[i], verdict.out);
    if (verdict.outer != 0) return send_through(entry, set.packet[i], verdict.outer, path.crossings);
    emit({set.packet[i], verdict.out, 0, kKeepTags, 0, set.queue[i]}, path.crossings);
}

void Executor::Impl::keep_recorded(PacketSet& set, FlowCache& cache) noexcept {
    for (; recorded != 0; recorded &= recorded - 1) {
        const auto i = static_cast<unsigned>(__builtin_ctz(recorded));
        Journal& journal = journals[i];
        if (journal.bad || ((set.failed | set.punted) >> i & 1)) {
            if (journal.parent == 0) continue;
            journal.forget();  // behind a ct action, that there is nothing to remember is worth remembering
        } else if (!journal.tracks_plainly()) {
            journal.forget();
        }
        journal.reason = journal.out == PortIndex::kNone ? set.reason[i] : DropReason::kActionDrop;
        cache.insert(cache_keys[key_slot[i]], journal);
    }
    if (cache.wants_memory()) dp.wake_control();
}

}  // namespace sluice::pipeline
