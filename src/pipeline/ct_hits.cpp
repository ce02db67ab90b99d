// SPDX-License-Identifier: Apache-2.0
// Connections and the flow cache: a verdict that ends with a ct action leads, by what the tracker says of the
// packet, to the verdict of what follows. So an established connection costs its look-up in the tracker and
// two in the cache, whose entries are few where the tables read no ports. All stages run over the burst, so
// that their cache misses overlap.
//
// A packet without a verdict for what follows is walked from the start; what the tracker has said of it goes
// with it (Executor::Impl::carried) and is not asked again, and its frame is as it came.
#include "pipeline/ct_hits.hpp"

#include "packet/offload.hpp"
#include "pipeline/ct.hpp"
#include "pipeline/parse.hpp"

namespace sluice::pipeline {

namespace {

using namespace plain;

/// The packet as the tracker wants it; addresses and ports as they are by now.
conntrack::Datagram datagram_of(const Packet* packet, const std::uint64_t* word, bool unchecked) noexcept {
    conntrack::Datagram d;
    const auto* frame = rte_pktmbuf_mtod(packet, const std::uint8_t*);
    d.l3 = frame + kL3At;
    d.l4 = frame + kL4At;
    d.l4_total = load_be16(d.l3 + 2) - 20U;
    d.l4_bytes = std::min<std::uint32_t>(d.l4_total, packet->data_len - kL4At);
    d.src = {0, word[3] >> 32};
    d.dst = {0, word[3] & 0xffffffff};
    d.sport = static_cast<std::uint16_t>(word[4] >> 48);
    d.dport = static_cast<std::uint16_t>(word[4] >> 32);
    d.proto = static_cast<std::uint8_t>(word[2] >> 24);
    const std::uint64_t flags = packet->ol_flags;
    d.check_l3 = unchecked && (flags & RTE_MBUF_F_RX_IP_CKSUM_MASK) != RTE_MBUF_F_RX_IP_CKSUM_GOOD;
    d.check_l4 = unchecked && (flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) != RTE_MBUF_F_RX_L4_CKSUM_GOOD &&
                 !needs_checksum(packet);
    return d;
}

/// Carries a translation out on the words.
void translate(const conntrack::Rewrite& rewrite, std::uint64_t* word) noexcept {
    const bool source = rewrite.kind == conntrack::Rewrite::Kind::kSource;
    const unsigned address = source ? 32 : 0, port = source ? 48 : 32;
    word[3] = (word[3] & ~(std::uint64_t{0xffffffff} << address)) | (rewrite.address.lo & 0xffffffff)
                                                                        << address;
    if (rewrite.has_port)
        word[4] = (word[4] & ~(std::uint64_t{0xffff} << port)) | std::uint64_t{rewrite.port} << port;
}

/// Writes addresses and ports into the frame, with checksums.
void write_words(std::uint8_t* frame, const std::uint64_t* word) noexcept {
    const bool tcp = static_cast<std::uint8_t>(word[2] >> 24) == 6;
    std::uint8_t fresh[12];
    store_be64(fresh, word[3]);
    store_be32(fresh + 8, static_cast<std::uint32_t>(word[4] >> 32));
    store_be16(frame + kSumAt,
               wire::update_checksum_bytes(load_be16(frame + kSumAt), frame + kAddressesAt, fresh, 8));
    std::uint8_t* at = frame + kL4At + (tcp ? 16 : 6);
    if (const std::uint16_t old = load_be16(at); tcp || old != 0) {
        // Ports follow the addresses at once.
        const std::uint16_t sum = wire::update_checksum_bytes(old, frame + kAddressesAt, fresh, 12);
        store_be16(at, sum == 0 && !tcp ? std::uint16_t{0xffff} : sum);
    }
    std::memcpy(frame + kAddressesAt, fresh, sizeof fresh);
}

conntrack::Request request_of(const Verdict& verdict) noexcept {
    static const FlowKey kNothing{};
    conntrack::Request request;
    verdict.ct->request_for(kNothing, request);
    request.zone = verdict.ct_zone;
    request.leave_text = true;
    return request;
}

}  // namespace

/// The packet goes on to the walk. record: which is to be kept.
void Executor::Impl::hold_back(CtRun& run, unsigned n, bool record) noexcept {
    ++run.misses;
    run.open &= ~(1U << n);
    carried[n].used = 0;
    const std::uint32_t bit = 1U << run.kept;
    carrying |= bit;
    (record ? key_missed : walk_only) |= bit;
    key_slot[run.kept] = static_cast<std::uint8_t>(n);
    run.left[run.kept++] = run.packet[n];
}

/// Asks the tracker about packets (bits) whose verdicts have a ct action. Those that are to be dropped are.
void Executor::Impl::track_plain(CtRun& run, std::uint32_t which) noexcept {
    conntrack::Tracker& tracker = dp.tracker();
    for (std::uint32_t rest = which; rest != 0; rest &= rest - 1) {
        const auto n = static_cast<unsigned>(__builtin_ctz(rest));
        conntrack::Probe& probe = run.probe[n];
        examine(datagram_of(run.packet[n], run.word[n], carried[n].count == 0 || !probe.valid),
                run.verdict[n]->ct_zone, probe);
        if (!probe.valid) continue;
        probe.hash = conntrack::Tracker::hash(probe.key);
        tracker.prefetch(probe);
    }
    for (std::uint32_t rest = which; rest != 0; rest &= rest - 1) {
        const conntrack::Probe& probe = run.probe[__builtin_ctz(rest)];
        if (probe.valid) tracker.prefetch_conn(probe);
    }
    conntrack::Outcome outcome;
    conntrack::Request request;
    const Verdict* asked = nullptr;
    for (std::uint32_t rest = which; rest != 0; rest &= rest - 1) {
        const auto n = static_cast<unsigned>(__builtin_ctz(rest));
        const Verdict& verdict = *run.verdict[n];
        if (&verdict != asked) request = request_of(*(asked = &verdict));
        conntrack::Attachment& attachment = run.attachment[n];
        tracker.track(ct_local, run.probe[n], request, attachment, now_ms, outcome);
        if (__builtin_expect(outcome.no_translation_left, 0)) {
            run.open &= ~(1U << n);
            ++run.hits;
            for (unsigned p = 0; p < carried[n].count; ++p)
                note_in(run, n, *run.passed[n][p]);
            note_in(run, n, *run.verdict[n]);
            drop(run.packet[n], DropReason::kNatExhausted);
            continue;
        }
        run.controls[n] = outcome.controls;
        if (__builtin_expect(outcome.controls && verdict.rewrite != Rewrite::kSplit, 0)) {
            hold_back(run, n, false);
            continue;
        }
        if (outcome.rewrite.kind != conntrack::Rewrite::Kind::kNone) {
            translate(outcome.rewrite, run.word[n]);
            run.changed[n] = true;
        }
        if (verdict.rewrite != Rewrite::kSplit) continue;
        Carried& before = carried[n];
        conntrack::Attachment& kept = before.of[before.count];
        kept = attachment.ref == conntrack::kNoRef ? conntrack::Attachment{} : attachment;
        kept.state &= static_cast<std::uint8_t>(~(conntrack::ct_state::kSnat | conntrack::ct_state::kDnat));
        run.passed[n][before.count++] = run.verdict[n];
        const std::uint64_t ct[KeyShape::kCtWords] = {
            std::uint64_t{outcome.state} << 32 | std::uint64_t{request.zone} << 16,
            std::uint64_t{outcome.mark} << 32, outcome.label.hi, outcome.label.lo};
        run.cache.make_ct_key(run.word[n], ct, kPlainClass | (run.word[n][2] & 0xff000000), verdict.serial,
                              run.in_port, run.key[n]);
        run.cache.prefetch_bucket(run.key[n]);
    }
}

/// Looks up what follows the ct action of packets (bits). Returns those with another one.
std::uint32_t Executor::Impl::look_behind(CtRun& run, std::uint32_t which) noexcept {
    which &= run.open;
    for (std::uint32_t rest = which; rest != 0; rest &= rest - 1)
        run.cache.prefetch_entry(run.key[__builtin_ctz(rest)]);
    std::uint32_t again = 0;
    std::uint64_t waiting[kMaxBurst];  // connections of packets that walk: what follows must not pass them
    unsigned waiting_count = 0;
    for (std::uint32_t rest = which; rest != 0; rest &= rest - 1) {
        const auto n = static_cast<unsigned>(__builtin_ctz(rest));
        Verdict* found = run.cache.find(run.key[n]);
        const std::uint64_t hash = run.probe[n].valid ? run.probe[n].hash : 0;
        const bool record = !found && !run.controls[n];
        bool walks = !found || run.controls[n] || found->rewrite == Rewrite::kWalk ||
                     found->rewrite == Rewrite::kOther ||
                     (found->rewrite == Rewrite::kSplit && carried[n].count == kMaxCarried) ||
                     (found->ttl_steps != 0 &&
                      rte_pktmbuf_mtod(run.packet[n], const std::uint8_t*)[kTtlAt] <= found->ttl_steps) ||
                     (run.changed[n] && needs_checksum(run.packet[n]));
        for (unsigned w = 0; w < waiting_count; ++w)
            walks |= waiting[w] == hash;
        if (__builtin_expect(walks, 0)) {
            if (!found) run.cache.note_miss(run.key[n]);
            waiting[waiting_count++] = hash;
            hold_back(run, n, record);
            continue;
        }
        run.verdict[n] = found;
        if (found->rewrite == Rewrite::kSplit) again |= 1U << n;
    }
    return again;
}

void Executor::Impl::note_in(CtRun& run, unsigned n, Verdict& verdict) noexcept {
    run.cache.note(verdict, 1, run.packet[n]->pkt_len);
}

/// Carries packets out whose verdicts have a ct action. What is left is put behind run.left[run.kept].
void Executor::Impl::run_ct_hits(CtRun& run) noexcept {
    std::uint32_t split = 0, track_last = 0;
    for (std::uint32_t rest = run.open; rest != 0; rest &= rest - 1) {
        const auto n = static_cast<unsigned>(__builtin_ctz(rest));
        NetworkOffsets ignored;
        const Packet* packet = run.packet[n];
        parse_plain(rte_pktmbuf_mtod(packet, const std::uint8_t*), packet->data_len, packet->pkt_len,
                    run.word[n], ignored);
        carried[n].count = 0;
        run.attachment[n] = {};
        run.changed[n] = false;
        if (run.verdict[n]->rewrite == Rewrite::kWalk || run.verdict[n]->ttl_steps != 0)
            hold_back(run, n, false);
        else if (run.verdict[n]->rewrite == Rewrite::kSplit)
            split |= 1U << n;
    }
    while (split != 0) {
        track_plain(run, split);
        split = look_behind(run, split);
    }
    for (std::uint32_t rest = run.open; rest != 0; rest &= rest - 1) {
        const auto n = static_cast<unsigned>(__builtin_ctz(rest));
        if (run.verdict[n]->rewrite == Rewrite::kTrack) track_last |= 1U << n;
    }
    if (track_last != 0) track_plain(run, track_last);
    for (std::uint32_t rest = run.open; rest != 0; rest &= rest - 1) {
        const auto n = static_cast<unsigned>(__builtin_ctz(rest));
        Verdict& verdict = *run.verdict[n];
        auto* frame = rte_pktmbuf_mtod(run.packet[n], std::uint8_t*);
        ++run.hits;
        for (unsigned p = 0; p < carried[n].count; ++p)
            note_in(run, n, *run.passed[n][p]);
        note_in(run, n, verdict);
        if (run.changed[n]) write_words(frame, run.word[n]);
        if (verdict.rewrite == Rewrite::kMacTtl) rewrite_plain(frame, verdict);
        send_hit(run.packet[n], verdict, run.crossed);
    }
}

}  // namespace sluice::pipeline
