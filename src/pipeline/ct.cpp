// SPDX-License-Identifier: Apache-2.0
// The ct action over a group: packets through the tracker, its answers into keys, translations into bytes.
//
// With table=N the walk goes on in table N with the ct fields set, at once: in place if nothing follows, else
// on copies (ovs-actions(7): the packet is "forked"). What follows the action, if anything, sees no ct
// fields.
#include "pipeline/ct.hpp"

#include <algorithm>
#include <cstring>

#include "packet/offload.hpp"
#include "pipeline/edit.hpp"
#include "pipeline/executor_impl.hpp"
#include "wire/checksum.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"

namespace sluice::pipeline {

namespace {

using Translation = conntrack::Rewrite;

/// The packet as the tracker wants it.
conntrack::Datagram datagram_of(const PacketSet& set, unsigned i) noexcept {
    conntrack::Datagram d;
    const FlowKey& key = set.key[i];
    const auto type = key.get(key::kEthType);
    d.v6 = type == 0x86dd;
    if (set.l3[i] == kNoOffset || (type != 0x0800 && !d.v6)) return d;
    const Packet* packet = set.packet[i];
    const auto* data = rte_pktmbuf_mtod(packet, const std::uint8_t*);
    d.l3 = data + set.l3[i];
    d.proto = static_cast<std::uint8_t>(key.get(key::kIpProto));
    d.fragment = key.get(key::kIpFrag) != 0;
    d.src = d.v6 ? key.get_wide(key::kIpv6Src) : U128{0, key.get(key::kIpv4Src)};
    d.dst = d.v6 ? key.get_wide(key::kIpv6Dst) : U128{0, key.get(key::kIpv4Dst)};
    if (set.l4[i] == kNoOffset) return d;
    d.l4 = data + set.l4[i];
    d.l4_bytes = d.l4_total = set.l3_end[i] - set.l4[i];
    if (packet->nb_segs > 1) {
        const std::uint32_t total = d.v6 ? load_be16(d.l3 + 4) + 40U : load_be16(d.l3 + 2);
        d.l4_total = set.l3[i] + total - set.l4[i];
    }
    d.sport = static_cast<std::uint16_t>(key.get(key::kTpSrc));
    d.dport = static_cast<std::uint16_t>(key.get(key::kTpDst));
    const std::uint64_t flags = packet->ol_flags;
    d.check_l3 = (flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) != RTE_MBUF_F_RX_IP_CKSUM_GOOD;
    d.check_l4 =
        (flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) != RTE_MBUF_F_RX_L4_CKSUM_GOOD && !needs_checksum(packet);
    return d;
}

void write_tuple(FlowKey& packet, const conntrack::Key& tuple) noexcept {
    const bool v6 = tuple.is_v6();
    packet.set(key::kCtProto, tuple.proto());
    packet.word[key::kCtSrc.word] = v6 ? 0 : tuple.addresses;
    packet.set_wide(key::kCtIpv6Src, v6 ? tuple.src : U128{});
    packet.set_wide(key::kCtIpv6Dst, v6 ? tuple.dst : U128{});
    // ICMP: type and code (0) stand where the ports are.
    packet.set(key::kCtTpSrc, tuple.is_icmp() ? tuple.dport() : tuple.sport());
    packet.set(key::kCtTpDst, tuple.is_icmp() ? 0 : tuple.dport());
}

void clear_fields(FlowKey& packet) noexcept {
    for (const FieldLoc loc :
         {key::kCtState, key::kCtZone, key::kCtMark, key::kCtProto, key::kCtTpSrc, key::kCtTpDst})
        packet.set(loc, 0);
    packet.word[key::kCtSrc.word] = 0;
    for (const FieldLoc loc : {key::kCtLabel, key::kCtIpv6Src, key::kCtIpv6Dst})
        packet.set_wide(loc, {});
}

void set_address(PacketSet& set, unsigned i, bool source, U128 address) noexcept {
    if (set.key[i].get(key::kEthType) == 0x86dd) {
        set_bits(set, i, source ? key::kIpv6Src : key::kIpv6Dst,
                 source ? HeaderPart::kIpv6Src : HeaderPart::kIpv6Dst, address, low_mask(128));
    } else {
        set_bits(set, i, source ? key::kIpv4Src : key::kIpv4Dst,
                 source ? HeaderPart::kIpv4Src : HeaderPart::kIpv4Dst, address, low_mask(32));
    }
}

/// Overwrites `size` bytes (even) that a checksum covers, if there is one.
void replace(std::uint8_t* at, const std::uint8_t* next, std::size_t size, std::uint8_t* checksum,
             bool udp) noexcept {
    if (checksum) {
        const std::uint16_t old = load_be16(checksum);
        if (!udp || old != 0) {
            std::uint16_t sum = wire::update_checksum_bytes(old, at, next, size);
            if (udp && sum == 0) sum = 0xffff;
            store_be16(checksum, sum);
        }
    }
    std::memcpy(at, next, size);
}

/// The packet that an ICMP error quotes gets the addresses that its sender knows (RFC 5508 §4.2).
void rewrite_inner(PacketSet& set, unsigned i, const conntrack::Probe& probe,
                   const Translation& rewrite) noexcept {
    const bool v6 = set.key[i].get(key::kEthType) == 0x86dd;
    auto* outer = rte_pktmbuf_mtod(set.packet[i], std::uint8_t*) + set.l4[i];
    std::uint8_t* ip = outer + probe.inner;
    std::uint8_t* l4 = outer + probe.inner_l4;
    const std::uint32_t left = probe.l4_bytes - probe.inner_l4;
    const std::uint8_t proto = probe.key.proto();
    // What is changed lies in here; 20 bytes reach the checksum of TCP.
    std::uint8_t before[256];
    const std::uint32_t span = std::min<std::uint32_t>({probe.inner_l4 - probe.inner + std::min(left, 20U),
                                                        static_cast<std::uint32_t>(sizeof before)}) &
                               ~1U;
    std::memcpy(before, ip, span);
    std::uint8_t* checksum = proto == 17 && left >= 8 ? l4 + 6 : proto == 6 && left >= 18 ? l4 + 16 : nullptr;
    if (v6 && proto == 58 && left >= 4) checksum = l4 + 2;
    std::uint8_t addresses[32];
    if (v6) {
        wire::ipv6::store_address(addresses, rewrite.inner_src);
        wire::ipv6::store_address(addresses + 16, rewrite.inner_dst);
        replace(ip + wire::ipv6::kSrc, addresses, 32, checksum, proto == 17);
    } else {
        store_be32(addresses, static_cast<std::uint32_t>(rewrite.inner_src.lo));
        store_be32(addresses + 4, static_cast<std::uint32_t>(rewrite.inner_dst.lo));
        store_be16(ip + 10,
                   wire::update_checksum_bytes(load_be16(ip + 10), ip + wire::ipv4::kSrc, addresses, 8));
        replace(ip + wire::ipv4::kSrc, addresses, 8, checksum, proto == 17);
    }
    if (rewrite.inner_sport != 0) {
        std::uint8_t ports[4];
        store_be16(ports, rewrite.inner_sport);
        store_be16(ports + 2, rewrite.inner_dport);
        replace(l4, ports, 4, checksum, proto == 17);
    }
    store_be16(outer + 2, wire::update_checksum_bytes(load_be16(outer + 2), before, ip, span));
}

void apply(PacketSet& set, unsigned i, const conntrack::Probe& probe, const Translation& rewrite) noexcept {
    const bool source = rewrite.kind == Translation::Kind::kSource;
    set_address(set, i, source, rewrite.address);
    if (rewrite.has_port) {
        set_bits(set, i, source ? key::kTpSrc : key::kTpDst, source ? HeaderPart::kTpSrc : HeaderPart::kTpDst,
                 {0, rewrite.port}, low_mask(16));
    }
    if (rewrite.inner) rewrite_inner(set, i, probe, rewrite);
}

}  // namespace

/// The copies go their own way: nothing that ended them ends their originals.
void Executor::Impl::run_fork_end(PacketSet& set, PacketSet& copies, Path& path) noexcept {
    finish(copies, path);
    for (unsigned n = 0; n < copies.count; ++n) {
        if (copies.pending[n] != PortIndex::kNone || ((copies.sent | copies.punted) >> n & 1))
            set.sent |= 1U << copies.origin[n];
        else if (set.reason[copies.origin[n]] == DropReason::kActionDrop)
            set.reason[copies.origin[n]] = copies.reason[n];
    }
}

/// A packet of which a ct action was carried out before its walk began.
void Executor::Impl::recall(PacketSet& set, unsigned i) noexcept {
    Carried& before = carried[key_slot[i]];
    if (before.used >= before.count) return;
    const conntrack::Attachment& next = before.of[before.used];
    // The second action in a zone finds what the first one left.
    const bool same = before.used != 0 && next.ref == set.ct[i].ref && next.zone == set.ct[i].zone;
    ++before.used;
    if (!same) set.ct[i] = next;
}

/// The verdict of packet i so far ends here; the next one begins, for packets of which the tracker says the
/// same.
void Executor::Impl::note_split(PacketSet& set, unsigned i, const CtPlan& plan, std::uint16_t zone) noexcept {
    Journal& journal = journals[i];
    FlowCache::Key& key = cache_keys[key_slot[i]];
    const std::uint64_t packet_class = key.word[0] & ~(std::uint64_t{1} << 63);
    if (journal.bad || journal.translated || journal.step_count != 0 || journal.out != PortIndex::kNone ||
        !plan.is_constant() || recording_cache->shape().reads_ct_tuple ||
        (packet_class & ~std::uint64_t{0xff000000}) != kPlainClass || !is_plain_protocol(packet_class)) {
        journal.bad = true;
        return;
    }
    journal.ct = &plan;
    journal.ct_zone = zone;
    journal.reason = DropReason::kActionDrop;
    const Verdict* verdict = recording_cache->insert(key, journal);
    journal.begin();
    if (!verdict) {
        journal.bad = true;
        return;
    }
    journal.parent = verdict->serial;
    const auto& word = set.key[i].word;
    recording_cache->make_ct_key(word.data(), &word[KeyShape::kFirstCtWord], packet_class, verdict->serial,
                                 key.in_port, key);
}

/// Takes a ct action down that decides nothing.
void Executor::Impl::note_track(const Group& group, const CtPlan& plan, const std::uint16_t* zones) noexcept {
    for (unsigned g = 0; g < group.count; ++g) {
        Journal& journal = journals[group.index[g]];
        if (!plan.is_constant() || journal.out != PortIndex::kNone) {
            journal.bad = true;
            continue;
        }
        journal.translated |= plan.nat;
        journal.add_step(
            {StepKind::kTrack, HeaderPart::kNone, {}, zones[g], reinterpret_cast<std::uintptr_t>(&plan), 0});
    }
}

/// Tracks each packet of the group; those that are to be dropped leave it. Sets the ct fields. splits: what
/// follows depends on what they are.
void Executor::Impl::track(PacketSet& set, Group& group, Path& path, const CtPlan& plan,
                           bool splits) noexcept {
    conntrack::Tracker& tracker = dp.tracker();
    conntrack::Probe probes[kMaxBurst];
    conntrack::Request request;
    std::uint16_t zones[kMaxBurst];
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        plan.request_for(set.key[i], request);
        zones[g] = request.zone;
        examine(datagram_of(set, i), request.zone, probes[g]);
        if (!probes[g].valid) continue;
        probes[g].hash = conntrack::Tracker::hash(probes[g].key);
        tracker.prefetch(probes[g]);
    }
    for (unsigned g = 0; g < group.count; ++g) {
        if (probes[g].valid) tracker.prefetch_conn(probes[g]);
    }
    if (recording == &set && !splits) note_track(group, plan, zones);
    conntrack::Outcome outcome;
    unsigned kept = 0;
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        FlowKey& packet = set.key[i];
        if (!plan.writes.empty()) plan.request_for(packet, request);
        request.zone = zones[g];
        if (__builtin_expect(carrying != 0, 0) && carrying_set == &set && (carrying >> i & 1)) recall(set, i);
        tracker.track(ct_local, probes[g], request, set.ct[i], now_ms, outcome);
        if (__builtin_expect(outcome.no_translation_left, 0)) {
            set.done |= 1U << i, set.exited |= 1U << i;
            set.reason[i] = DropReason::kNatExhausted;
            if (recording == &set) journals[i].bad = true;
            continue;
        }
        if (outcome.rewrite.kind != Translation::Kind::kNone) apply(set, i, probes[g], outcome.rewrite);
        if (__builtin_expect(outcome.controls, 0) && !edit_text(set, i, outcome)) {
            set.done |= 1U << i, set.exited |= 1U << i;
            set.reason[i] = DropReason::kNoMemory;
            if (recording == &set) journals[i].bad = true;
            continue;
        }
        if (outcome.controls && recording == &set) journals[i].bad = true;
        packet.set(key::kCtState, outcome.state);
        packet.set(key::kCtZone, request.zone);
        packet.set(key::kCtMark, outcome.mark);
        packet.set_wide(key::kCtLabel, outcome.label);
        write_tuple(packet, outcome.has_tuple ? outcome.tuple : conntrack::Key{});
        if (recording == &set && splits) note_split(set, i, plan, request.zone);
        group.index[kept++] = static_cast<std::uint8_t>(i);
    }
    group.count = static_cast<std::uint8_t>(kept);
    for (unsigned n = 0; n < 2; ++n)
        path.uniform.bits[n] &= ~kCtFieldWords.bits[n];
}

void Executor::Impl::ct_op(PacketSet& set, Group& group, Path& path, const Op& op) noexcept {
    const CtPlan& plan = *op.ct;
    ensure_parsed(set, group, path, Parsed::kAll);
    classify::WordSet words = kCtFieldWords;
    if (plan.zone_bits != 0) words.add(plan.zone_source);
    for (const CtPlan::Write& write : plan.writes) {
        if (write.bits != 0) words.add(write.source);
    }
    prepare(set, group, path, words);
    if (trace) return trace_ct(set, group, path, op);
    if (plan.nat) flush_pending(set, group);
    // Each of the two ways of a fork runs the action set that there is by now.
    const bool alone = std::all_of(group.index, group.index + group.count,
                                   [&](unsigned i) { return set.action_set[i] == 0; });
    // What tables behind a bucket write into the action set stays with the packet; behind its ct it does not.
    const bool bucket_writes = path.in_group && path.bridge->program->writes_action_sets();
    const bool in_place = path.tail && alone && !path.in_action_set && !bucket_writes;
    if (recording == &set && op.table != 0xff && !in_place) {
        for (unsigned g = 0; g < group.count; ++g)
            journals[group.index[g]].bad = true;
    }
    track(set, group, path, plan, op.table != 0xff);
    if (group.count > 0 && op.table != 0xff) {
        if (path.depth >= kMaxResubmitDepth) return fail(set, group, path, DropReason::kTooDeep);
        if (path.resubmits >= kMaxResubmits) return fail(set, group, path, DropReason::kTooManyResubmits);
        const bool packet_out = std::exchange(path.in_packet_out, false);
        const bool in_group = std::exchange(path.in_group, false);
        const std::uint8_t here = path.table;
        ++path.depth;
        if (in_place) {
            run_table(set, group, path, op.table, Entry::kGoto);
        } else {
            PacketSet& copies = push_set();
            const Group all = copy_into(set, group, path, copies);
            if (copies.count > 0) {
                Path inner = path;
                inner.tail = true;
                run_table(copies, all, inner, op.table, Entry::kGoto);
                path.resubmits = inner.resubmits;
                run_fork_end(set, copies, inner);
            }
            pop_set();
        }
        --path.depth;
        path.table = here;
        path.in_packet_out = packet_out;
        path.in_group = in_group;
        if (in_place) return;  // nothing follows but the action set of what ran
    }
    for (unsigned g = 0; g < group.count; ++g)
        clear_fields(set.key[group.index[g]]);
}

}  // namespace sluice::pipeline
