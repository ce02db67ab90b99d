// SPDX-License-Identifier: Apache-2.0
// What ct() does for one packet: look up, follow the protocol, translate, describe.
#include "conntrack/tracker.hpp"
#include "wire/bytes.hpp"

namespace sluice::conntrack {

namespace {

using namespace ct_state;
namespace ip_proto = wire::ip_proto;

bool has_ports(std::uint8_t proto) {
    return proto == ip_proto::kTcp || proto == ip_proto::kUdp;
}

TcpSegment segment_of(const Probe& probe) {
    const std::uint32_t header = (probe.l4[12] >> 4) * 4U;
    return read_segment(probe.l4, header, probe.l4_total > header ? probe.l4_total - header : 0);
}

/// A packet loses so many races for its connection before it goes on without one.
constexpr unsigned kMaxRaces = 16;

/// Moves the phase on, unless somebody else has moved it further.
void set_phase(Conn& conn, Phase phase) noexcept {
    std::uint32_t state = conn.state.load(std::memory_order_relaxed);
    for (;;) {
        const auto old = static_cast<Phase>(state >> Conn::kPhaseShift & 3);
        if (old >= phase) return;
        const std::uint32_t next = (state & ~(3U << Conn::kPhaseShift)) | static_cast<std::uint32_t>(phase)
                                                                              << Conn::kPhaseShift;
        if (conn.state.compare_exchange_weak(state, next, std::memory_order_acq_rel)) return;
    }
}

}  // namespace

void Tracker::prefetch_conn(const Probe& probe) const noexcept {
    if (const Ref ref = table_.guess(probe.hash); ref != kNoRef) __builtin_prefetch(&at(ref));
}

bool Tracker::alive(const Conn& conn, std::uint64_t now_ms) const noexcept {
    return (conn.state.load(std::memory_order_acquire) & Conn::kLifeMask) == Conn::kLive &&
           conn.expires_ms.load(std::memory_order_relaxed) > now_ms &&
           conn.zone_generation == generation(static_cast<std::uint16_t>(conn.key[0][1] >> 16));
}

Ref Tracker::find(const Key& key, std::uint64_t hash, std::uint64_t now_ms, bool& reply) const noexcept {
    return table_.find(hash, [&](Ref ref) {
        if (((ref & kRefV6) != 0) != key.is_v6()) return false;
        const Conn& conn = at(ref);
        if (has_key(conn, ref, 0, key))
            reply = false;
        else if (has_key(conn, ref, 1, key))
            reply = true;
        else
            return false;
        return alive(conn, now_ms);
    });
}

void Tracker::expire_in(Conn& conn, Timeout timeout, std::uint64_t now_ms) const noexcept {
    const std::uint64_t seconds =
        policies_[conn.policy][static_cast<std::size_t>(timeout)].load(std::memory_order_relaxed);
    const std::uint64_t next = now_ms + seconds * 1000;
    // An earlier time wraps round and counts as far away.
    if (next - conn.expires_ms.load(std::memory_order_relaxed) >= kExpiryStepMs)
        conn.expires_ms.store(next, std::memory_order_relaxed);
}

Tracker::Update Tracker::update(Conn& conn, const Probe& probe, bool reply, std::uint64_t now_ms) noexcept {
    if (probe.key.proto() == ip_proto::kTcp) {
        const TcpSegment segment = segment_of(probe);
        Timeout timeout{};
        bool refreshed = false;
        TcpVerdict verdict;
        {
            const ConnLock held(conn);
            TcpPeer from = conn.peer[reply ? 1 : 0], to = conn.peer[reply ? 0 : 1];
            verdict = tcp_follow(from, to, segment, check_sequence(), timeout, refreshed);
            if (!(from == conn.peer[reply ? 1 : 0])) conn.peer[reply ? 1 : 0] = from;
            if (!(to == conn.peer[reply ? 0 : 1])) conn.peer[reply ? 0 : 1] = to;
        }
        if (refreshed) expire_in(conn, timeout, now_ms);
        switch (verdict) {
            case TcpVerdict::kValid:
                return Update::kValid;
            case TcpVerdict::kStillNew:
                return Update::kStillNew;
            case TcpVerdict::kInvalid:
                return Update::kInvalid;
            case TcpVerdict::kReopened:
                return Update::kReopened;
        }
    }
    Phase phase = conn.phase();
    const bool icmp = probe.key.is_icmp();
    if (reply && phase != Phase::kAnswered)
        set_phase(conn, phase = Phase::kAnswered);
    else if (!icmp && phase == Phase::kFirst)
        set_phase(conn, phase = Phase::kMore);
    const Timeout timeout = icmp ? (phase == Phase::kAnswered ? Timeout::kIcmpReply : Timeout::kIcmpFirst)
                            : phase == Phase::kAnswered ? Timeout::kUdpMultiple
                                                        : Timeout::kUdpSingle;
    expire_in(conn, timeout, now_ms);
    return phase == Phase::kAnswered ? Update::kValid : Update::kStillNew;
}

void Tracker::begin_protocol(Conn& conn, const Probe& probe, std::uint64_t now_ms) noexcept {
    Timeout timeout = probe.key.is_icmp() ? Timeout::kIcmpFirst : Timeout::kUdpFirst;
    if (probe.key.proto() == ip_proto::kTcp) {
        tcp_begin(conn.peer[0], conn.peer[1], segment_of(probe));
        timeout = Timeout::kTcpSynSent;
    }
    conn.expires_ms.store(0, std::memory_order_relaxed);
    conn.began_ms = now_ms;
    expire_in(conn, timeout, now_ms);
}

bool Tracker::may_begin(const Probe& probe) noexcept {
    if (probe.key.proto() == ip_proto::kTcp)
        return tcp_may_begin(static_cast<std::uint16_t>((probe.l4[12] << 8 | probe.l4[13]) & 0xfff));
    if (!probe.key.is_icmp()) return true;
    const auto type = static_cast<std::uint8_t>(probe.key.dport());
    return probe.key.is_v6() ? type == 128 : type == 8 || type == 13 || type == 15;
}

/// The state of a packet whose connection is known. False: the connection is over and this begins another.
bool Tracker::track_known(Conn& conn, const Probe& probe, Attachment& a, std::uint64_t now_ms) noexcept {
    if (probe.related) {
        a.state = static_cast<std::uint8_t>(a.state | kRel | (a.reply ? kRpl : 0));
        a.related = true;
        return true;
    }
    if (conn.related) a.state |= kRel;
    switch (update(conn, probe, a.reply, now_ms)) {
        case Update::kValid:
            a.state = static_cast<std::uint8_t>((a.state & ~kNew) | kEst | (a.reply ? kRpl : 0));
            return true;
        case Update::kStillNew:
            a.state |= kNew;
            return true;
        case Update::kInvalid:
            a.state = kInv;
            return true;
        case Update::kReopened:
            break;
    }
    end(conn);
    return false;
}

void Tracker::translate(const Conn& conn, Ref ref, Attachment& a, Rewrite& rewrite) const noexcept {
    if (conn.nat == 0 || (a.state & (kSnat | kDnat))) return;
    const Key original = key_of(conn, ref, 0), answer = key_of(conn, ref, 1);
    const bool source = (conn.nat == kNatSrc) != a.reply;
    rewrite.kind = source ? Rewrite::Kind::kSource : Rewrite::Kind::kDestination;
    a.state |= source ? kSnat : kDnat;
    const Key& from = a.reply ? original : answer;  // its opposite direction is what the packet is to be
    rewrite.address = source ? from.destination() : from.source();
    rewrite.port = source ? from.dport() : from.sport();
    rewrite.has_port = has_ports(original.proto()) && !a.related;
    if (!a.related) return;
    // Who gets the error has sent the packet inside of it: it shall see what it sent.
    rewrite.inner = true;
    rewrite.inner_src = from.source();
    rewrite.inner_dst = from.destination();
    rewrite.inner_sport = has_ports(original.proto()) ? from.sport() : std::uint16_t{0};
    rewrite.inner_dport = has_ports(original.proto()) ? from.dport() : std::uint16_t{0};
}

/// Mark, label and tuple of a connection, after what the request sets.
void Tracker::describe(Conn& conn, Ref ref, const Request& request, Outcome& outcome) const noexcept {
    std::uint32_t mark = conn.mark.load(std::memory_order_relaxed);
    if (request.mark_mask != 0 && !conn.related) {
        std::uint32_t next = 0;
        do {
            next = (mark & ~request.mark_mask) | request.mark;
        } while (next != mark && !conn.mark.compare_exchange_weak(mark, next, std::memory_order_relaxed));
        mark = next;
    }
    outcome.mark = mark;
    outcome.label = {};
    const bool sets = !request.label_mask.is_zero() && !conn.related;
    if (sets || (conn.state.load(std::memory_order_relaxed) & Conn::kHasLabel)) {
        const ConnLock held(conn);
        if (sets) {
            conn.label = (conn.label & ~request.label_mask) | request.label;
            conn.state.fetch_or(Conn::kHasLabel, std::memory_order_relaxed);
        }
        outcome.label = conn.label;
    }
    outcome.has_tuple = true;
    outcome.tuple = key_of(conn, ref, 0);
}

/// A packet of a control connection: once.
void Tracker::look_into(Conn& conn, const Probe& probe, const Request& request, Attachment& a,
                        std::uint64_t now_ms, Outcome& outcome) noexcept {
    outcome.controls = true;
    if (request.leave_text || a.helped || a.related || (a.state & kInv)) return;
    a.helped = true;
    help(conn, a.ref, probe, a.reply, now_ms, outcome);
}

void Tracker::track(Local& local, const Probe& probe, const Request& request, Attachment& a,
                    std::uint64_t now_ms, Outcome& outcome) noexcept {
    outcome.mark = 0;
    outcome.label = {};
    outcome.has_tuple = outcome.no_translation_left = false;
    outcome.rewrite.kind = Rewrite::Kind::kNone;
    outcome.rewrite.inner = false;
    outcome.controls = false;
    outcome.text_removed = 0;
    outcome.seq_delta = outcome.ack_delta = 0;
    if (a.ref != kNoRef && a.zone == request.zone && !request.force && alive(at(a.ref), now_ms)) {
        // This packet has been here before, for this zone.
        if (__builtin_expect(at(a.ref).helper != 0, 0) && probe.valid)
            look_into(at(a.ref), probe, request, a, now_ms, outcome);
        if (request.nat) translate(at(a.ref), a.ref, a, outcome.rewrite);
        describe(at(a.ref), a.ref, request, outcome);
        outcome.state = a.state;
        return;
    }
    if (a.zone != request.zone) a.state = 0;
    a = {kNoRef, request.zone, a.state, false, false, false};
    if (!probe.valid) {
        outcome.state = a.state = kInv | kTrk;
        return;
    }
    for (unsigned tries = 0;; ++tries) {
        a.ref = find(probe.key, probe.hash, now_ms, a.reply);
        if (a.ref != kNoRef && request.force && a.reply) {  // the other way round from now on
            end(at(a.ref));
            a.ref = kNoRef;
        }
        if (a.ref != kNoRef) {
            if (track_known(at(a.ref), probe, a, now_ms)) {
                if (__builtin_expect(at(a.ref).helper != 0, 0))
                    look_into(at(a.ref), probe, request, a, now_ms, outcome);
                if (request.nat) translate(at(a.ref), a.ref, a, outcome.rewrite);
                break;
            }
            a.ref = kNoRef;
        }
        a.reply = false;
        if (probe.related || !may_begin(probe)) {
            a.state = kInv;
            break;
        }
        a.state = kNew;
        Expectation expectation;
        const bool expected =
            __builtin_expect(!expectations_.empty(), 0) && expectations_.find(probe.key, now_ms, expectation);
        if (expected) a.state |= kRel;
        if (!request.commit) break;
        const Created created =
            create(local, probe, request, expected ? &expectation : nullptr, now_ms, a.ref);
        if (created == Created::kThere && tries < kMaxRaces) {  // another thread was faster
            a.state = 0;
            continue;
        }
        if (created == Created::kYes) {
            if (expected) expectations_.remove(probe.key);
            if (request.nat) translate(at(a.ref), a.ref, a, outcome.rewrite);
            if (at(a.ref).helper != 0) look_into(at(a.ref), probe, request, a, now_ms, outcome);
        }
        outcome.no_translation_left = created == Created::kNoTranslation;
        break;
    }
    outcome.state = a.state = a.state | kTrk;
    if (a.ref != kNoRef) {
        describe(at(a.ref), a.ref, request, outcome);
    } else {
        outcome.has_tuple = true;
        outcome.tuple = probe.key;
    }
}

}  // namespace sluice::conntrack
