// SPDX-License-Identifier: Apache-2.0
// Packets on their way into tunnels and out of them. What leaves at a tunnel port gets its outer headers here
// and goes on in the same pass: into the bridge whose own port has the route, or out of the interface that
// has it. What arrives for a tunnel, at such a port or interface, loses its outer headers and enters the
// bridge of the tunnel port like a packet from a patch port, with the tun_* fields filled in.
#include <algorithm>

#include "base/hash.hpp"
#include "packet/offload.hpp"
#include "packet/pool.hpp"
#include "pipeline/executor_impl.hpp"
#include "pipeline/parse.hpp"
#include "tunnel/formats.hpp"
#include "tunnel/fragment.hpp"
#include "wire/ethernet.hpp"

namespace sluice::pipeline {

namespace {

constexpr std::uint16_t kEthernet = wire::eth::kHeaderBytes;

/// Between end_tunnel() and enter_from_tunnel() a packet carries the number of its arrival in the two fields
/// that hardware would have outer header lengths in: 16 bits together.
void set_arrival(Packet* packet, std::uint16_t arrival) {
    packet->outer_l3_len = arrival & 0x1ff;
    packet->outer_l2_len = static_cast<std::uint64_t>(arrival >> 9) & 0x7f;
}
std::uint16_t arrival_of(const Packet* packet) {
    return static_cast<std::uint16_t>(packet->outer_l2_len << 9 | packet->outer_l3_len);
}

void count(const PortEntry& port, bool sent, std::uint32_t packets, std::uint64_t bytes) {
    if (!port.patch_counters) return;
    const unsigned at = sent ? 2 : 0;
    port.patch_counters[at].fetch_add(packets, std::memory_order_relaxed);
    port.patch_counters[at + 1].fetch_add(bytes, std::memory_order_relaxed);
}

}  // namespace

const tunnel::NextHop* Executor::Impl::next_hop(const PortEntry& port, const FlowKey& key) noexcept {
    const tunnel::Config& config = *port.tunnel;
    const RemoteRecord wanted{tunnel::remote_of(config, key), tunnel::local_of(config, key),
                              config.packet_mark};
    if (wanted.remote.is_zero()) return nullptr;
    const tunnel::NextHop* hop = topology->tunnels->find(wanted.remote, wanted.local, wanted.mark);
    if (!hop) {
        if (RemoteRecord* record = remotes.claim()) {
            *record = wanted;
            remotes.push();
            dp.wake_control();
        }
        return nullptr;
    }
    return hop->usable ? hop : nullptr;
}

/// Fills outer_key with the headers of a packet.
void Executor::Impl::parse_outer_key(const Packet* packet) noexcept {
    outer_key = {};
    const auto* frame = rte_pktmbuf_mtod(packet, const std::uint8_t*);
    const std::uint16_t next = parse_link(frame, packet->data_len, vlan_limit, outer_key);
    parse_network(frame, packet->data_len, packet->pkt_len, next, outer_key);
}

std::uint16_t Executor::Impl::make_outer(PacketSet& set, unsigned i, const Path& path,
                                         const PortEntry& port) noexcept {
    if (!outers) {
        outers = std::make_unique<tunnel::Outer[]>(kMaxOuters);
        outer_pattern = std::make_unique<std::uint16_t[]>(kMaxOuters);
    }
    if (outer_count == kMaxOuters) {
        set.reason[i] = DropReason::kNoMemory;
        return 0;
    }
    // Tunnel fields that no action and no tunnel wrote may not even be zero yet, nor all headers be parsed.
    const FlowKey* key = &set.key[i];
    if (path.parsed != Parsed::kAll || (path.lines & kTunnelLines) != kTunnelLines) {
        parse_outer_key(set.packet[i]);
        for (unsigned w = 0; w < kKeyWords; ++w) {
            if (kTunnelFieldWords.has(w) && (path.lines >> w / 8 & 1)) outer_key.word[w] = key->word[w];
        }
        key = &outer_key;
    }
    const tunnel::NextHop* hop = next_hop(port, *key);
    if (!hop) {
        set.reason[i] = DropReason::kNoTunnelRoute;
        if (trace) trace->note("native tunnel routing failed", path.depth);
        return 0;
    }
    if (!tunnel::build(*port.tunnel, *hop, *key, path.bridge->geneve_options.get(), outers[outer_count])) {
        set.reason[i] = DropReason::kNotEthernet;
        return 0;
    }
    outer_pattern[outer_count] =
        recording == &set ? pattern_of(outers[outer_count], port, *hop) : std::uint16_t{0};
    return outer_count++;
}

void Executor::Impl::forget_patterns() noexcept {
    patterns_topology = topology->serial;
    last_end.end = nullptr;
    pattern_count = 1;
    pattern_index.clear();
    classes.clear();
}

/// The number of a verdict's headers; 0: there are too many.
std::uint16_t Executor::Impl::pattern_of(const tunnel::Outer& outer, const PortEntry& port,
                                         const tunnel::NextHop& hop) noexcept {
    if (!patterns) patterns = std::make_unique<tunnel::Template[]>(kMaxPatterns);
    if (pattern_count == kMaxPatterns) return 0;
    tunnel::Template& next = patterns[pattern_count];
    next.assign(outer, *port.tunnel, hop);
    const std::uint64_t hash = hash_bytes(process_hash_key(), next.outer.bytes, next.outer.size);
    const auto [first, last] = pattern_index.equal_range(hash);
    for (auto it = first; it != last; ++it)
        if (patterns[it->second].same(next)) return it->second;
    pattern_index.emplace(hash, pattern_count);
    return pattern_count++;
}

/// A packet whose verdict ends at a tunnel port.
void Executor::Impl::send_through(const PortEntry& port, Packet* packet, std::uint16_t number,
                                  unsigned crossed) noexcept {
    const tunnel::Template& pattern = patterns[number];
    std::uint64_t word[5];
    NetworkOffsets ignored;
    const auto* frame = rte_pktmbuf_mtod(packet, const std::uint8_t*);
    const std::uint32_t bytes = packet->pkt_len;
    if (pattern.plain && !needs_checksum(packet) &&
        parse_plain(frame, packet->data_len, bytes, word, ignored) &&
        tunnel::push_plain(packet, pattern, tunnel::inner_of_plain(word))) {
        count(port, true, 1, bytes);
        return leave_host(packet, pattern.outer, crossed);
    }
    if (outer_count == kMaxOuters) return drop(packet, DropReason::kNoMemory);
    parse_outer_key(packet);
    pattern.fill(tunnel::inner_of(outer_key), outers[outer_count]);
    emit_through(port, packet, outer_count++, crossed);
}

/// Bursts that one rule sends to a tunnel port: plain packets go at once, the rest is left, in order, for the
/// walk.
unsigned Executor::Impl::run_direct_tunnel(const Rule& rule, const PortEntry& port, Packet** packets,
                                           unsigned count_all, unsigned crossed) noexcept {
    if (!direct_tunnels) direct_tunnels = std::make_unique<DirectTunnel[]>(kDirectTunnels);
    DirectTunnel& direct = direct_tunnels[to_int(port.index) % kDirectTunnels];
    if (direct.port != port.index || direct.topology != topology->serial) {
        direct.port = port.index;
        direct.topology = topology->serial;
        direct.usable = false;
        outer_key = {};
        outer_key.set(key::kEthType, wire::eth::kTypeIpv4);
        const tunnel::NextHop* hop = next_hop(port, outer_key);
        tunnel::Outer outer;
        if (hop && tunnel::build(*port.tunnel, *hop, outer_key, nullptr, outer)) {
            direct.pattern.assign(outer, *port.tunnel, *hop);
            direct.usable = direct.pattern.plain;
        }
    }
    if (!direct.usable || crossed + 1 > kMaxCrossings) return count_all;
    unsigned kept = 0;
    std::uint64_t bytes = 0;
    for (unsigned i = 0; i < count_all; ++i) {
        Packet* packet = packets[i];
        if (i + 4 < count_all) __builtin_prefetch(rte_pktmbuf_mtod(packets[i + 4], void*));
        std::uint64_t word[5];
        NetworkOffsets ignored;
        const std::uint32_t length = packet->pkt_len;
        if (needs_checksum(packet) ||
            !parse_plain(rte_pktmbuf_mtod(packet, const std::uint8_t*), packet->data_len, length, word,
                         ignored) ||
            !tunnel::push_plain(packet, direct.pattern, tunnel::inner_of_plain(word))) {
            packets[kept++] = packet;
            continue;
        }
        bytes += length;
        leave_host(packet, direct.pattern.outer, crossed);
    }
    const unsigned gone = count_all - kept;
    if (gone == 0) return kept;
    count(port, true, gone, bytes);
    count_hit(rule, gone, bytes);
    return kept;
}

std::uint32_t Executor::Impl::arrival_class(const Packet* packet) noexcept {
    const std::uint16_t arrival = arrival_of(packet);
    if (arrival == 0 || arrival >= arrival_count) return classes.unique();
    std::uint32_t& number = arrival_classes[arrival];
    if (number == 0) number = classes.number(arrivals[arrival]);
    return number;
}

void Executor::Impl::emit_through(const PortEntry& port, Packet* packet, std::uint16_t outer_index,
                                  unsigned crossed) noexcept {
    const tunnel::Outer& outer = outers[outer_index];
    if (!trace) count(port, true, 1, packet->pkt_len);
    if (__builtin_expect(!needs_checksum(packet), 1)) return push_outer(packet, outer, crossed);
    if (!is_gso(packet)) {
        if (!finish_checksum(packet)) return drop(packet, DropReason::kSegmentation);
        return push_outer(packet, outer, crossed);
    }
    Packet* segments[kMaxSegments];
    const std::uint32_t overhead = outer.size - kEthernet;
    const unsigned pieces =
        outer.mtu > overhead ? segment(packet, outer.mtu - overhead, segments, kMaxSegments) : 0;
    if (pieces == 0) return drop(packet, DropReason::kSegmentation);
    counters.copied.add(pieces - 1);
    for (unsigned n = 0; n < pieces; ++n)
        push_outer(segments[n], outer, crossed);
}

void Executor::Impl::push_outer(Packet* packet, const tunnel::Outer& outer, unsigned crossed) noexcept {
    const std::uint32_t total = packet->pkt_len + outer.size - kEthernet - (outer.layer3 ? kEthernet : 0);
    const bool fits = total <= outer.mtu;
    if (!fits && (outer.dont_fragment || outer.ipv6)) return drop(packet, DropReason::kTunnelTooLong);
    if (outer.sequence) ++tunnel_sequence;
    if (!tunnel::push(packet, outer, tunnel_sequence)) return drop(packet, DropReason::kNoMemory);
    if (fits) return leave_host(packet, outer, crossed);
    send_fragments(packet, outer, crossed);
}

void Executor::Impl::send_fragments(Packet* packet, const tunnel::Outer& outer, unsigned crossed) noexcept {
    Packet* pieces[tunnel::kMaxFragments];
    const auto id = static_cast<std::uint16_t>(++tunnel_sequence);
    const unsigned made = tunnel::fragment(packet, outer.mtu, id, pieces);
    if (made == 0) return drop(packet, DropReason::kTunnelTooLong);
    counters.copied.add(made - 1);
    for (unsigned n = 0; n < made; ++n)
        leave_host(pieces[n], outer, crossed);
}

/// A packet with its outer headers goes where the route says.
void Executor::Impl::leave_host(Packet* packet, const tunnel::Outer& outer, unsigned crossed) noexcept {
    if (!outer.enters) {
        if (trace) return rte_pktmbuf_free(packet);
        const PortEntry& exit = topology->ports[to_int(outer.egress)];
        if (!exit.port) return drop(packet, DropReason::kNoTunnelRoute);
        return enqueue(packet, outer.egress);
    }
    if (crossed + 1 > kMaxCrossings || patch_queue.size() == patch_queue.capacity())
        return drop(packet, DropReason::kPatchLoop);
    patch_queue.push_back({packet, outer.egress, static_cast<std::uint16_t>(crossed + 1)});
}

/// The tunnel port of a packet, if it is for this host. Null: there is none.
const tunnel::End* Executor::Impl::end_of(const tunnel::Received& received) noexcept {
    LastEnd& last = last_end;
    if (last.end && received.src == last.src && received.dst == last.dst && received.id == last.id &&
        received.kind == last.kind && received.udp_port == last.udp_port)
        return last.end;
    const tunnel::Table& table = *topology->tunnels;
    const tunnel::End* end = table.is_own(received.dst) ? table.find(received) : nullptr;
    if (end) last = {end, received.src, received.dst, received.id, received.kind, received.udp_port};
    return end;
}

/// Takes a packet that is for a tunnel of this host. False: it is not, and still the caller's.
bool Executor::Impl::end_tunnel(Packet* packet, unsigned crossed) noexcept {
    const tunnel::Table& table = *topology->tunnels;
    if (packet->data_len < kEthernet) return false;
    if (!arrivals) {
        arrivals = std::make_unique<tunnel::Received[]>(kMaxArrivals);
        arrival_classes = std::make_unique<std::uint32_t[]>(kMaxArrivals);
    }
    if (arrival_count == kMaxArrivals) return drop(packet, DropReason::kNoMemory), true;
    tunnel::Received& received = arrivals[arrival_count];
    const tunnel::Parse result = tunnel::parse(packet, table.listeners(), table.listens_for_gre(), received);
    if (result == tunnel::Parse::kOther) return false;
    const tunnel::End* end = result == tunnel::Parse::kTunnel ? end_of(received) : nullptr;
    if (__builtin_expect(!end, 0)) {
        if (!table.is_own(received.dst)) return false;
        const bool malformed = result == tunnel::Parse::kMalformed;
        return drop(packet, malformed ? DropReason::kTunnelHeader : DropReason::kNoTunnel), true;
    }
    const tunnel::Config& config = *end->config;
    if (!tunnel::is_acceptable(config, received)) return drop(packet, DropReason::kTunnelHeader), true;
    if (!tunnel::checksum_holds(packet, received)) return drop(packet, DropReason::kTunnelChecksum), true;
    const PortEntry& port = topology->ports[to_int(end->port)];
    if (received.options_size != 0) {
        // A copy: what has been pulled may be written over.
        const auto* frame = rte_pktmbuf_mtod(packet, const std::uint8_t*);
        std::copy_n(frame + received.options, received.options_size, received.option_bytes);
        const tunnel::GeneveOptions* options = topology->bridges[port.bridge]->geneve_options.get();
        const std::span list(received.option_bytes, received.options_size);
        if (options ? !options->accepts(list) : !tunnel::GeneveOptions::may_be_ignored(list))
            return drop(packet, DropReason::kTunnelHeader), true;
    }
    if (!tunnel::pull(packet, config, received)) return drop(packet, DropReason::kTunnelHeader), true;
    if (!tunnel::merge_congestion(packet, received.tos)) return drop(packet, DropReason::kTunnelEcn), true;
    if (crossed + 1 > kMaxCrossings || patch_queue.size() == patch_queue.capacity())
        return drop(packet, DropReason::kPatchLoop), true;
    received.port = end->port;
    arrival_classes[arrival_count] = 0;
    set_arrival(packet, arrival_count++);
    count(port, false, 1, packet->pkt_len);
    patch_queue.push_back({packet, end->port, static_cast<std::uint16_t>(crossed + 1)});
    return true;
}

void Executor::Impl::run_underlay(Packet** packets, unsigned count) noexcept {
    for (unsigned i = 0; i < count; ++i) {
        if (!end_tunnel(packets[i], 0)) drop(packets[i], DropReason::kNoTunnel);
    }
}

/// Of a packet that end_tunnel() has just left in its bridge's way.
std::uint64_t Executor::Impl::tunnel_key_of(const Packet* packet) const noexcept {
    const std::uint16_t arrival = arrival_of(packet);
    return arrival == 0 || arrival >= arrival_count ? 0 : arrivals[arrival].id;
}

/// Fields of the tunnels that the packets of a new set came through.
void Executor::Impl::enter_from_tunnel(PacketSet& set, Group& group, Path& path) noexcept {
    ensure_lines(set, group, path, kTunnelLines);
    for (unsigned i = 0; i < 2; ++i)
        path.uniform.bits[i] &= ~kTunnelFieldWords.bits[i];
    for (unsigned i = 0; i < set.count; ++i) {
        const std::uint16_t arrival = arrival_of(set.packet[i]);
        if (arrival == 0 || arrival >= arrival_count) continue;
        if (!tunnel::to_key(*path.ingress->tunnel, arrivals[arrival], path.bridge->geneve_options.get(),
                            set.key[i])) {
            set.done |= 1U << i;
            set.reason[i] = DropReason::kTunnelHeader;
        }
    }
}

}  // namespace sluice::pipeline
