// SPDX-License-Identifier: Apache-2.0
// New connections: limits, numbers, the search for a free translated tuple.
#include <algorithm>

#include "base/hash.hpp"
#include "conntrack/tracker.hpp"
#include "wire/bytes.hpp"

namespace sluice::conntrack {

namespace {

/// Ports that are tried one after the other, before a random place is tried with half as many: a bound on the
/// time one packet may take.
constexpr std::uint32_t kMaxTries = 128, kMinTries = 16;
/// Addresses of a range that one packet may try.
constexpr std::uint64_t kMaxAddresses = 16;

std::uint64_t next_random(std::uint64_t& state) {
    if (state == 0) state = hash_word(process_hash_key(), reinterpret_cast<std::uintptr_t>(&state)) | 1;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/// A port is replaced by one of its class, as OVS and Linux do: low ports stay low.
std::pair<std::uint32_t, std::uint32_t> class_of(std::uint32_t port) {
    if (port < 512) return {1, 511};
    if (port < 1024) return {600, 1023};
    return {1024, 65535};
}

/// Calls `attempt(port)` for ports of [low, high] from `start` on, until it returns true.
template <typename Attempt>
bool try_ports(std::uint32_t start, std::uint32_t low, std::uint32_t high, std::uint64_t& random,
               const Attempt& attempt) {
    const std::uint32_t count = high - low + 1;
    std::uint32_t offset = start < low || start > high ? 0 : start - low;
    for (std::uint32_t tries = std::min(count, kMaxTries);; tries /= 2) {
        for (std::uint32_t i = 0; i < tries; ++i) {
            if (attempt(static_cast<std::uint16_t>(low + (offset + i) % count))) return true;
        }
        if (tries >= count || tries <= kMinTries) return false;
        offset = static_cast<std::uint32_t>(next_random(random) % count);
    }
}

U128 add(U128 a, std::uint64_t n) {
    const std::uint64_t low = a.lo + n;
    return {a.hi + (low < n ? 1 : 0), low};
}

/// Addresses in [min, max], at most 2^63.
std::uint64_t range_size(U128 min, U128 max) {
    constexpr std::uint64_t kMost = std::uint64_t{1} << 63;
    const std::uint64_t high = max.hi - min.hi - (max.lo < min.lo ? 1 : 0);
    const std::uint64_t low = max.lo - min.lo;
    return high != 0 || low >= kMost ? kMost : low + 1;
}

}  // namespace

bool Tracker::claim_zone(std::uint16_t zone, std::uint32_t& generation) noexcept {
    Zone& entry = zones_[zone];
    const std::uint32_t own = entry.limit.load(std::memory_order_relaxed);
    const std::uint32_t limit = own != 0 ? own - 1 : default_limit();
    std::uint64_t word = entry.generation_count.load(std::memory_order_relaxed);
    do {
        if (limit != 0 && static_cast<std::uint32_t>(word) >= limit) return false;
    } while (!entry.generation_count.compare_exchange_weak(word, word + 1, std::memory_order_acq_rel));
    generation = static_cast<std::uint32_t>(word >> 32);
    count_.fetch_add(1, std::memory_order_relaxed);
    return true;
}

void Tracker::release_zone(std::uint16_t zone, std::uint32_t generation) noexcept {
    Zone& entry = zones_[zone];
    std::uint64_t word = entry.generation_count.load(std::memory_order_relaxed);
    do {
        if (word >> 32 != generation) return;  // flushed: counted out with its zone
    } while (!entry.generation_count.compare_exchange_weak(word, word - 1, std::memory_order_acq_rel));
    count_.fetch_sub(1, std::memory_order_relaxed);
}

void Tracker::end(Conn& conn) noexcept {
    std::uint32_t state = conn.state.load(std::memory_order_relaxed);
    do {
        if ((state & Conn::kLifeMask) != Conn::kLive) return;
    } while (!conn.state.compare_exchange_weak(state, (state & ~Conn::kLifeMask) | Conn::kLeft,
                                               std::memory_order_acq_rel));
    release_zone(static_cast<std::uint16_t>(conn.key[0][1] >> 16), conn.zone_generation);
}

Tracker::Entered Tracker::enter(Ref ref, Conn& conn, const Key& original, const Key& reply,
                                std::uint64_t now_ms, bool both) noexcept {
    conn.key[1][0] = reply.addresses;
    conn.key[1][1] = reply.rest;
    if (ref & kRefV6) {
        auto& wide = static_cast<Conn6&>(conn);
        wide.address[1][0] = reply.src;
        wide.address[1][1] = reply.dst;
    }
    const bool two = both && !(original == reply);
    const auto taken = [&](Ref other, bool second) {
        if ((other & kRefV6) != (ref & kRefV6) || other == ref) return Table::Slot::kKeep;
        Conn& there = at(other);
        const Key& key = second ? reply : original;
        if (!has_key(there, other, 0, key) && !has_key(there, other, 1, key)) return Table::Slot::kKeep;
        if (alive(there, now_ms)) return Table::Slot::kClash;
        end(there);
        return Table::Slot::kReplace;
    };
    Table::Clash clash;
    const std::uint32_t live = Conn::kLive | (conn.label.is_zero() ? 0 : Conn::kHasLabel);
    const auto show = [&conn, live] { conn.state.store(live, std::memory_order_release); };
    if (table_.insert(ref, hash_of(original), hash_of(reply), two, taken, show, clash)) return Entered::kYes;
    if (clash.ref == kNoRef) return Entered::kNoRoom;
    return clash.second ? Entered::kReplyTaken : Entered::kThere;
}

Tracker::Entered Tracker::enter_translated(Local& local, Ref ref, Conn& conn, const Key& original,
                                           const NatSpec& spec, std::uint64_t now_ms) noexcept {
    const bool v6 = original.is_v6();
    const bool ports = original.proto() == wire::ip_proto::kTcp || original.proto() == wire::ip_proto::kUdp;
    // The same client gets the same address for good, or just for now, or the connection has one of its own.
    const std::uint64_t client[2] = {original.source().hi, original.source().lo};
    std::uint64_t choice = spec.persistent ? hash_words(make_hash_key(0), client, 2)
                           : spec.random   ? next_random(local.random)
                                           : hash_of(original);
    const bool keeps = !spec.has_address || (spec.src && spec.min.is_zero());
    const std::uint64_t addresses = keeps ? 1 : range_size(spec.min, spec.max);
    conn.nat = spec.src ? kNatSrc : kNatDst;
    Entered result = Entered::kReplyTaken;
    for (std::uint64_t n = 0; n < std::min(addresses, kMaxAddresses) && result == Entered::kReplyTaken; ++n) {
        const U128 own = spec.src ? original.source() : original.destination();
        const U128 address = keeps ? own : add(spec.min, (choice + n) % addresses);
        const U128 from = spec.src ? original.destination() : address;
        const U128 to = spec.src ? address : original.source();
        // Names of the reply: from the server's port to the client's.
        const auto attempt = [&](std::uint16_t server, std::uint16_t client_port) {
            const Key reply =
                ports || !original.is_icmp()
                    ? make_key(from, to, server, client_port, original.zone(), original.proto(), v6)
                    : make_key(from, to, original.sport(),
                               answering_type(static_cast<std::uint8_t>(original.dport()), v6),
                               original.zone(), original.proto(), v6);
            bool is_reply = false;
            if (!(reply == original) && find(reply, hash_of(reply), now_ms, is_reply) != kNoRef) return false;
            result = enter(ref, conn, original, reply, now_ms);
            return result != Entered::kReplyTaken;
        };
        const std::uint16_t server = original.dport(), client_port = original.sport();
        if (!ports) {
            attempt(server, client_port);
            continue;
        }
        const bool ranged = spec.port_min != 0;
        const std::uint32_t high = std::max(spec.port_min, spec.port_max);
        const auto start =
            static_cast<std::uint32_t>(ranged ? spec.port_min + choice % (high - spec.port_min + 1U) : 0);
        if (spec.src) {
            const auto [low_class, high_class] = class_of(client_port);
            const std::uint32_t low = ranged ? spec.port_min : low_class, top = ranged ? high : high_class;
            const std::uint32_t first =
                ranged        ? start
                : spec.random ? static_cast<std::uint32_t>(low + next_random(local.random) % (top - low + 1))
                              : client_port;
            try_ports(first, low, top, local.random,
                      [&](std::uint16_t port) { return attempt(server, port); });
            continue;
        }
        if (ranged && try_ports(start, spec.port_min, high, local.random,
                                [&](std::uint16_t port) { return attempt(port, client_port); }))
            continue;
        const auto [low, top] = class_of(client_port);
        const auto target = static_cast<std::uint16_t>(ranged ? start : server);
        try_ports(client_port, low, top, local.random,
                  [&](std::uint16_t port) { return attempt(target, port); });
    }
    return result;
}

Tracker::Created Tracker::create(Local& local, const Probe& probe, const Request& request,
                                 const Expectation* expected, std::uint64_t now_ms, Ref& ref) noexcept {
    const Key& key = probe.key;
    if (count_.load(std::memory_order_relaxed) >= max_conns()) {
        local.refused_full.add(1);
        return Created::kFull;
    }
    std::uint32_t generation = 0;
    if (!claim_zone(key.zone(), generation)) {
        local.refused_zone.add(1);
        return Created::kFull;
    }
    Pool& pool = key.is_v6() ? v6_ : v4_;
    Lot& lot = key.is_v6() ? local.v6 : local.v4;
    const std::uint32_t number = pool.take(lot);
    if (number == 0) {
        release_zone(key.zone(), generation);
        local.refused_full.add(1);
        return Created::kFull;
    }
    const Ref mine = number | (key.is_v6() ? kRefV6 : 0);
    Conn& conn = at(mine);
    conn.mark.store(0, std::memory_order_relaxed);
    conn.key[0][0] = key.addresses;
    conn.key[0][1] = key.rest;
    if (key.is_v6()) {
        auto& wide = static_cast<Conn6&>(conn);
        wide.address[0][0] = key.src;
        wide.address[0][1] = key.dst;
    }
    conn.zone_generation = generation;
    conn.nat = 0;
    conn.policy = zones_[key.zone()].policy.load(std::memory_order_relaxed);
    conn.related = expected != nullptr;
    conn.label = expected ? expected->label : U128{};
    conn.shifts = 0;
    conn.helper = request.helper;
    if ((conn.helper == kHelperFtp && key.proto() != wire::ip_proto::kTcp) ||
        (conn.helper == kHelperTftp && key.proto() != wire::ip_proto::kUdp) || expected)
        conn.helper = 0;
    if (expected) conn.mark.store(expected->mark, std::memory_order_relaxed);
    begin_protocol(conn, probe, now_ms);
    const NatSpec* spec = request.spec;
    if (expected) spec = request.nat && expected->translates ? &expected->spec : nullptr;
    Entered entered = spec ? enter_translated(local, mine, conn, key, *spec, now_ms)
                           : enter(mine, conn, key, reverse(key), now_ms);
    bool is_reply = false;
    // Answers to it would be answers to another, translated one: they stay that one's, as in OVS.
    if (!spec && entered == Entered::kReplyTaken && find(key, probe.hash, now_ms, is_reply) == kNoRef)
        entered = enter(mine, conn, key, reverse(key), now_ms, false);
    if (entered == Entered::kYes) {
        local.created.add(1);
        ref = mine;
        return Created::kYes;
    }
    if (entered == Entered::kNoRoom) {  // somebody may have found it already
        end(conn);
        local.refused_full.add(1);
        return Created::kFull;
    }
    release_zone(key.zone(), generation);
    pool.give(lot, number);
    switch (entered) {
        case Entered::kThere:
            return Created::kThere;
        case Entered::kReplyTaken:
            // Without translation: somebody has just entered the other direction.
            if (!spec) return Created::kThere;
            local.exhausted.add(1);
            return Created::kNoTranslation;
        default:
            local.refused_full.add(1);
            return Created::kFull;
    }
}

}  // namespace sluice::conntrack
