// SPDX-License-Identifier: Apache-2.0
// What the control thread does with connections: making the tables, sweeping, flushing, showing.
#include <algorithm>
#include <utility>

#include "conntrack/tracker.hpp"

namespace sluice::conntrack {

Result<std::unique_ptr<Tracker>> Tracker::create() {
    // Address space may be limited (ulimit -v): then there is room for less.
    for (std::uint32_t bits = 24; bits >= 10; --bits) {
        std::unique_ptr<Tracker> tracker(new Tracker);
        if (!tracker->reserve(std::uint32_t{1} << bits)) continue;
        tracker->set_policy(0, default_policy());
        return tracker;
    }
    return make_error(ENOMEM, "connection tracking: no address space for a thousand connections");
}

bool Tracker::reserve(std::uint32_t capacity) {
    capacity_ = capacity;
    if (!table_.reserve(std::size_t{capacity} * 2) || !v4_.reserve(capacity, sizeof(Conn)) ||
        !v6_.reserve(capacity, sizeof(Conn6)) || !expectations_.reserve() || !shifts_.reserve() ||
        !zone_memory_.reserve(kZones * sizeof(Zone)))
        return false;
    zones_ = zone_memory_.as<Zone>();
    return true;
}

void Tracker::leave(Local& local) noexcept {
    v4_.empty(local.v4);
    v6_.empty(local.v6);
}

void Tracker::set_policy(unsigned index, const TimeoutPolicy& policy) noexcept {
    for (std::size_t i = 0; i < kTimeoutCount; ++i)
        policies_[index][i].store(policy[i], std::memory_order_relaxed);
}

void Tracker::set_zone_limit(std::uint16_t zone, std::optional<std::uint32_t> limit) noexcept {
    zones_[zone].limit.store(limit ? *limit + 1 : 0, std::memory_order_relaxed);
}

std::optional<std::uint32_t> Tracker::zone_limit(std::uint16_t zone) const noexcept {
    const std::uint32_t limit = zones_[zone].limit.load(std::memory_order_relaxed);
    if (limit == 0) return std::nullopt;
    return limit - 1;
}

void Tracker::unlink(Conn& conn, Ref ref) noexcept {
    const Key original = key_of(conn, ref, 0), reply = key_of(conn, ref, 1);
    table_.remove(ref, hash_of(original));
    if (!(original == reply)) table_.remove(ref, hash_of(reply));
}

std::uint32_t Tracker::sweep_pool(Pool& pool, Ref family, std::uint32_t& next, std::uint64_t now_ms,
                                  std::uint32_t limit, std::vector<Ref>& freed) {
    const std::uint32_t end_number = pool.end();
    std::uint32_t looked = 0;
    for (; looked < limit && looked + 1 < end_number; ++looked, ++next) {
        if (next >= end_number) next = 1;
        Conn& conn = pool.at(next);
        const std::uint32_t life = conn.state.load(std::memory_order_acquire) & Conn::kLifeMask;
        if (life == 0 || life == Conn::kWaiting) continue;
        const bool reports = told_ && !(conn.state.load(std::memory_order_relaxed) & Conn::kReported);
        if (reports) {
            tell(ConnEvent::kNew, conn, next | family, now_ms);
            conn.state.fetch_or(Conn::kReported, std::memory_order_relaxed);
        }
        const bool expired = conn.expires_ms.load(std::memory_order_relaxed) <= now_ms;
        if (life == Conn::kLive) {
            if (alive(conn, now_ms)) continue;
            end(conn);
        }
        if (told_) tell(expired ? ConnEvent::kExpired : ConnEvent::kEnded, conn, next | family, now_ms);
        unlink(conn, next | family);
        conn.state.store(Conn::kWaiting, std::memory_order_release);
        freed.push_back(next | family);
    }
    return looked;
}

bool Tracker::sweep(Rcu& rcu, std::uint64_t now_ms, std::uint32_t limit) {
    while (!waiting_.empty() && rcu.passed(waiting_.front().point)) {
        for (const Ref ref : waiting_.front().refs) {
            at(ref).state.store(0, std::memory_order_relaxed);
            shifts_.give(std::exchange(at(ref).shifts, 0));
            if (ref & kRefV6)
                v6_.give(control_v6_, ref & ~kRefV6);
            else
                v4_.give(control_v4_, ref);
        }
        waiting_.erase(waiting_.begin());
    }
    table_.back_growth();
    v4_.back_growth();
    v6_.back_growth();
    std::vector<Ref> freed;
    sweep_pool(v4_, 0, next_v4_, now_ms, limit, freed);
    sweep_pool(v6_, kRefV6, next_v6_, now_ms, limit, freed);
    if (!freed.empty()) waiting_.push_back({rcu.point(), std::move(freed)});
    return !waiting_.empty();
}

Entry Tracker::entry_of(Conn& conn, Ref ref, std::uint64_t now_ms) const {
    Entry entry;
    entry.key[0] = key_of(conn, ref, 0);
    entry.key[1] = key_of(conn, ref, 1);
    const std::uint64_t expires = conn.expires_ms.load(std::memory_order_relaxed);
    entry.left_ms = expires > now_ms ? expires - now_ms : 0;
    entry.mark = conn.mark.load(std::memory_order_relaxed);
    entry.nat = conn.nat;
    entry.began_ms = conn.began_ms;
    const ConnLock held(conn);
    entry.label = conn.label;
    entry.peer[0] = conn.peer[0];
    entry.peer[1] = conn.peer[1];
    return entry;
}

void Tracker::tell(ConnEvent event, Conn& conn, Ref ref, std::uint64_t now_ms) const {
    told_(event, entry_of(conn, ref, now_ms));
}

void Tracker::flush_zone(std::uint16_t zone) {
    Zone& entry = zones_[zone];
    std::uint64_t word = entry.generation_count.load(std::memory_order_relaxed);
    while (!entry.generation_count.compare_exchange_weak(word, ((word >> 32) + 1) << 32,
                                                         std::memory_order_acq_rel)) {
    }
    count_.fetch_sub(static_cast<std::uint32_t>(word), std::memory_order_relaxed);
}

void Tracker::flush_all() {
    for (std::size_t zone = 0; zone < kZones; ++zone) {
        if (static_cast<std::uint32_t>(zones_[zone].generation_count.load(std::memory_order_relaxed)) != 0)
            flush_zone(static_cast<std::uint16_t>(zone));
    }
}

bool TupleFilter::matches(const Key& key) const {
    if (v6 && *v6 != key.is_v6()) return false;
    if (src && !(*src == key.source())) return false;
    if (dst && !(*dst == key.destination())) return false;
    if (proto && *proto != key.proto()) return false;
    if (sport && *sport != key.sport()) return false;
    if (key.is_icmp()) {
        if (dport && *dport != key.sport()) return false;  // both are the identifier
        return (!icmp_type || *icmp_type == key.dport()) && (!icmp_code || *icmp_code == 0);
    }
    return !dport || *dport == key.dport();
}

std::size_t Tracker::flush(std::optional<std::uint16_t> zone, const TupleFilter& original,
                           const TupleFilter& reply, std::uint64_t now_ms) {
    std::size_t ended = 0;
    for (const Ref family : {Ref{0}, kRefV6}) {
        const Pool& pool = family ? v6_ : v4_;
        for (std::uint32_t number = 1; number < pool.end(); ++number) {
            Conn& conn = pool.at(number);
            if (!alive(conn, now_ms)) continue;
            const Key key = key_of(conn, number | family, 0);
            if (zone && *zone != key.zone()) continue;
            if (!original.matches(key) || !reply.matches(key_of(conn, number | family, 1))) continue;
            end(conn);
            ++ended;
        }
    }
    return ended;
}

void Tracker::for_each(std::optional<std::uint16_t> zone, std::uint64_t now_ms,
                       const std::function<void(const Entry&)>& each) const {
    for (const Ref family : {Ref{0}, kRefV6}) {
        const Pool& pool = family ? v6_ : v4_;
        for (std::uint32_t number = 1; number < pool.end(); ++number) {
            Conn& conn = pool.at(number);
            if (!alive(conn, now_ms)) continue;
            const Entry entry = entry_of(conn, number | family, now_ms);
            if (zone && *zone != entry.key[0].zone()) continue;
            each(entry);
        }
    }
}

}  // namespace sluice::conntrack
