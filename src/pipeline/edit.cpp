// SPDX-License-Identifier: Apache-2.0
#include "pipeline/edit.hpp"

#include <cstring>

#include "base/byte_order.hpp"
#include "flow/nsh.hpp"
#include "packet/offload.hpp"
#include "pipeline/parse.hpp"
#include "wire/checksum.hpp"
#include "wire/crc32c.hpp"

namespace sluice::pipeline {

namespace {

constexpr std::uint16_t kTypeIpv4 = 0x0800, kTypeIpv6 = 0x86dd;

std::uint8_t* bytes_of(Packet* packet) {
    return rte_pktmbuf_mtod(packet, std::uint8_t*);
}

/// Bytes of the transport part that are in the first segment.
std::uint32_t l4_size(const PacketSet& set, unsigned i) {
    return set.l4[i] == kNoOffset ? 0 : set.l3_end[i] - set.l4[i];
}

/// Offset of the transport checksum in a transport part of this size, or 0.
unsigned checksum_offset(std::uint8_t proto, std::uint32_t size, bool v6) {
    switch (proto) {
        case 6:
            return size >= 20 ? 16 : 0;
        case 17:
            return size >= 8 ? 6 : 0;
        case 1:
            return size >= 8 && !v6 ? 2 : 0;
        case 58:
            return size >= 8 && v6 ? 2 : 0;
        default:
            return 0;
    }
}

bool is_type(const FlowKey& key, std::uint16_t type) {
    return key.get(key::kEthType) == type;
}

/// Covers a change of `size` bytes (even) in the transport checksum. in_pseudo: they are part of the
/// pseudo header; then an unfinished checksum field, which holds the plain sum, follows too.
void fix_transport(PacketSet& set, unsigned i, const std::uint8_t* from, const std::uint8_t* to,
                   std::size_t size, bool in_pseudo) noexcept {
    if (set.l4[i] == kNoOffset) return;
    const FlowKey& key = set.key[i];
    const auto proto = static_cast<std::uint8_t>(key.get(key::kIpProto));
    const unsigned at = checksum_offset(proto, l4_size(set, i), is_type(key, kTypeIpv6));
    if (at == 0 || (in_pseudo && proto == 1)) return;
    std::uint8_t* field = bytes_of(set.packet[i]) + set.l4[i] + at;
    const std::uint16_t old = load_be16(field);
    if (needs_checksum(set.packet[i])) {
        if (in_pseudo)
            store_be16(field, static_cast<std::uint16_t>(~wire::update_checksum_bytes(
                                  static_cast<std::uint16_t>(~old), from, to, size)));
        return;
    }
    if (proto == 17 && old == 0) return;  // sender computed none
    std::uint16_t sum = wire::update_checksum_bytes(old, from, to, size);
    if (proto == 17 && sum == 0) sum = 0xffff;
    store_be16(field, sum);
}

void replace(PacketSet& set, unsigned i, std::uint8_t* at, const std::uint8_t* to, std::size_t size,
             bool in_ipv4_header, bool in_transport, bool in_pseudo) noexcept {
    if (std::memcmp(at, to, size) == 0) return;
    if (in_ipv4_header) {
        std::uint8_t* sum = bytes_of(set.packet[i]) + set.l3[i] + 10;
        store_be16(sum, wire::update_checksum_bytes(load_be16(sum), at, to, size));
    }
    if (in_transport || in_pseudo) fix_transport(set, i, at, to, size, in_pseudo);
    std::memcpy(at, to, size);
}

/// One byte of an IPv4 header, as the 16-bit word that holds it.
void replace_ipv4_byte(PacketSet& set, unsigned i, unsigned offset, std::uint8_t value) noexcept {
    std::uint8_t* word = bytes_of(set.packet[i]) + set.l3[i] + (offset & ~1U);
    std::uint8_t next[2] = {word[0], word[1]};
    next[offset & 1U] = value;
    replace(set, i, word, next, 2, true, false, false);
}

void write_ipv4_address(PacketSet& set, unsigned i, unsigned offset, std::uint64_t value) noexcept {
    std::uint8_t next[4];
    store_be32(next, static_cast<std::uint32_t>(value));
    replace(set, i, bytes_of(set.packet[i]) + set.l3[i] + offset, next, 4, true, false, true);
}

void write_ipv6_address(PacketSet& set, unsigned i, unsigned offset, U128 value) noexcept {
    std::uint8_t next[16];
    store_be64(next, value.hi);
    store_be64(next + 8, value.lo);
    const bool covered = offset == 8 || !set.routing[i];
    replace(set, i, bytes_of(set.packet[i]) + set.l3[i] + offset, next, 16, false, false, covered);
}

void write_port(PacketSet& set, unsigned i, unsigned offset, std::uint64_t value) noexcept {
    const std::uint32_t size = l4_size(set, i);
    std::uint8_t* l4 = bytes_of(set.packet[i]) + set.l4[i];
    const auto proto = set.key[i].get(key::kIpProto);
    std::uint8_t next[2];
    store_be16(next, static_cast<std::uint16_t>(value));
    if (proto == 6) {
        const std::uint32_t header = size >= 20 ? (l4[12] >> 4) * 4U : 0;
        if (header >= 20 && header <= size) replace(set, i, l4 + offset, next, 2, false, true, false);
    } else if (proto == 17) {
        if (size >= 8) replace(set, i, l4 + offset, next, 2, false, true, false);
    } else if (proto == 132 && size >= 12 && set.packet[i]->nb_segs == 1) {
        // A CRC is linear: a wrong checksum stays as wrong as it was.
        const wire::Bytes body{l4, size};
        std::uint32_t stored;
        std::memcpy(&stored, l4 + 8, 4);
        const std::uint32_t error = stored ^ wire::sctp_checksum(body);
        std::memcpy(l4 + offset, next, 2);
        stored = wire::sctp_checksum(body) ^ error;
        std::memcpy(l4 + 8, &stored, 4);
    }
}

/// Type or code of ICMP and ICMPv6.
void write_icmp_byte(PacketSet& set, unsigned i, unsigned offset, std::uint64_t value) noexcept {
    if (l4_size(set, i) < 8) return;
    std::uint8_t* l4 = bytes_of(set.packet[i]) + set.l4[i];
    std::uint8_t next[2] = {l4[0], l4[1]};
    next[offset] = static_cast<std::uint8_t>(value);
    replace(set, i, l4, next, 2, false, true, false);
}

void write_nd_word(PacketSet& set, unsigned i) noexcept {
    if (l4_size(set, i) < 8) return;
    std::uint8_t next[4];
    store_be32(next, static_cast<std::uint32_t>(set.key[i].get(key::kNdReserved)));
    replace(set, i, bytes_of(set.packet[i]) + set.l4[i] + 4, next, 4, false, true, false);
}

void write_nd_target(PacketSet& set, unsigned i) noexcept {
    if (l4_size(set, i) < 24) return;
    const U128 value = set.key[i].get_wide(key::kNdTarget);
    std::uint8_t next[16];
    store_be64(next, value.hi);
    store_be64(next + 8, value.lo);
    replace(set, i, bytes_of(set.packet[i]) + set.l4[i] + 8, next, 16, false, true, false);
}

/// Source (type 1) or target (type 2) link-layer address options.
void write_nd_option(PacketSet& set, unsigned i, std::uint8_t type, std::uint64_t mac) noexcept {
    const std::uint32_t size = l4_size(set, i);
    std::uint8_t* l4 = bytes_of(set.packet[i]) + set.l4[i];
    for (std::uint32_t at = 24; at + 8 <= size;) {
        const std::uint32_t bytes = std::uint32_t{l4[at + 1]} * 8;
        if (bytes == 0 || bytes > size - at) return;
        if (l4[at] == type && bytes == 8) {
            std::uint8_t next[6];
            store_mac(next, mac);
            replace(set, i, l4 + at + 2, next, 6, false, true, false);
        }
        at += bytes;
    }
}

void write_tos(PacketSet& set, unsigned i) noexcept {
    const FlowKey& key = set.key[i];
    const auto tos = static_cast<std::uint8_t>(key.get(key::kIpTos));
    std::uint8_t* l3 = bytes_of(set.packet[i]) + set.l3[i];
    if (is_type(key, kTypeIpv4)) {
        replace_ipv4_byte(set, i, 1, tos);
    } else if (is_type(key, kTypeIpv6)) {
        store_be32(l3, (load_be32(l3) & 0xf00fffffU) | std::uint32_t{tos} << 20);
    }
}

void write_arp(PacketSet& set, unsigned i, unsigned offset, std::uint64_t value, unsigned size) noexcept {
    std::uint8_t* at = bytes_of(set.packet[i]) + set.l3[i] + offset;
    if (set.packet[i]->data_len < set.l3[i] + 28U) return;
    if (size == 6) store_mac(at, value);
    if (size == 4) store_be32(at, static_cast<std::uint32_t>(value));
    if (size == 2) store_be16(at, static_cast<std::uint16_t>(value));
}

/// Moves what lies behind the tags by `delta` bytes.
void shift_offsets(PacketSet& set, unsigned i, int delta) noexcept {
    for (std::uint16_t* offset : {&set.next[i], &set.l3[i], &set.l4[i]}) {
        if (*offset != kNoOffset) *offset = static_cast<std::uint16_t>(*offset + delta);
    }
    set.l3_end[i] = static_cast<std::uint32_t>(static_cast<int>(set.l3_end[i]) + delta);
    set.grown[i] = static_cast<std::int16_t>(set.grown[i] + delta);
}

bool insert_tag(Packet* packet, std::uint16_t ethertype, std::uint16_t tci) noexcept {
    char* front = rte_pktmbuf_prepend(packet, 4);
    if (!front) return false;
    std::memmove(front, front + 4, 12);
    store_be16(front + 12, ethertype);
    store_be16(front + 14, tci & 0xefffU);
    if (needs_checksum(packet)) packet->l2_len = (packet->l2_len + 4U) & 0x7fU;
    return true;
}

void remove_tag(Packet* packet) noexcept {
    auto* data = bytes_of(packet);
    std::memmove(data + 4, data, 12);
    rte_pktmbuf_adj(packet, 4);
    if (needs_checksum(packet)) packet->l2_len = (packet->l2_len - 4U) & 0x7fU;
}

}  // namespace

void set_bits(PacketSet& set, unsigned i, FieldLoc loc, HeaderPart part, U128 value, U128 mask) noexcept {
    FlowKey& key = set.key[i];
    const U128 before = key.get_wide(loc);
    const auto tci = static_cast<std::uint16_t>(key.get(key::kVlanTci));
    const U128 after = (before & ~mask) | (value & mask);
    if (after == before) return;
    key.set_wide(loc, after);
    if (part == HeaderPart::kVlanTci) {
        write_vlan(set, i, tci);
    } else if (part != HeaderPart::kNone) {
        write_back(set, i, part);
    }
}

void decrement_ttl(PacketSet& set, unsigned i) noexcept {
    FlowKey& key = set.key[i];
    key.word[key::kIpTtl.word] -= std::uint64_t{1} << key::kIpTtl.shift;
    if (set.l3[i] == kNoOffset) return;
    std::uint8_t* l3 = bytes_of(set.packet[i]) + set.l3[i];
    if (!is_type(key, kTypeIpv4)) {
        --l3[7];
        return;
    }
    const std::uint16_t before = load_be16(l3 + 8), after = static_cast<std::uint16_t>(before - 0x100);
    store_be16(l3 + 8, after);
    store_be16(l3 + 10, wire::update_checksum16(load_be16(l3 + 10), before, after));
}

void write_vlan(PacketSet& set, unsigned i, std::uint16_t before) noexcept {
    FlowKey& key = set.key[i];
    const auto tci = static_cast<std::uint16_t>(key.get(key::kVlanTci));
    if (tci == before) return;
    const auto tpid = static_cast<std::uint16_t>(key.get(key::kVlanTpid));
    if (!(tci & kVlanPresent)) {
        // Without the present bit the outermost tag ends the list of tags: all of them go.
        for (; set.tags[i] > 0; --set.tags[i]) {
            remove_tag(set.packet[i]);
            shift_offsets(set, i, -4);
        }
        key.set(key::kVlanTpid, tci == 0 ? 0 : tpid == 0 ? 0x8100 : tpid);
        return;
    }
    if (tpid == 0) key.set(key::kVlanTpid, 0x8100);
    if (set.tags[i] > 0) {
        store_be16(bytes_of(set.packet[i]) + 12, static_cast<std::uint16_t>(key.get(key::kVlanTpid)));
        store_be16(bytes_of(set.packet[i]) + 14, tci & 0xefffU);
        return;
    }
    const auto inner = static_cast<std::uint16_t>(key.get(key::kVlan1Tci));
    if ((inner & kVlanPresent) &&
        insert_tag(set.packet[i], static_cast<std::uint16_t>(key.get(key::kVlan1Tpid)), inner)) {
        ++set.tags[i];
        shift_offsets(set, i, 4);
    }
    if (insert_tag(set.packet[i], static_cast<std::uint16_t>(key.get(key::kVlanTpid)), tci)) {
        ++set.tags[i];
        shift_offsets(set, i, 4);
    }
}

void push_tag(PacketSet& set, unsigned i, std::uint16_t ethertype) noexcept {
    FlowKey& key = set.key[i];
    if (!insert_tag(set.packet[i], ethertype, 0)) return;
    shift_offsets(set, i, 4);
    if (set.tags[i] < 2) ++set.tags[i];
    key.set(key::kVlan1Tci, key.get(key::kVlanTci));
    key.set(key::kVlan1Tpid, key.get(key::kVlanTpid));
    key.set(key::kVlanTci, kVlanPresent);
    key.set(key::kVlanTpid, ethertype);
}

void pop_tag(PacketSet& set, unsigned i) noexcept {
    FlowKey& key = set.key[i];
    if ((key.get(key::kVlanTci) & kVlanPresent) && set.packet[i]->data_len >= 18) {
        remove_tag(set.packet[i]);
        shift_offsets(set, i, -4);
        if (set.tags[i] > 0) --set.tags[i];
    }
    key.set(key::kVlanTci, key.get(key::kVlan1Tci));
    key.set(key::kVlanTpid, key.get(key::kVlan1Tpid));
    key.set(key::kVlan1Tci, 0);
    key.set(key::kVlan1Tpid, 0);
}

TagPair tags_of(const FlowKey& key) noexcept {
    const auto outer = key.get(key::kVlanTci), inner = key.get(key::kVlan1Tci);
    if (!(outer & kVlanPresent)) return 0;
    TagPair tags = key.get(key::kVlanTpid) << 48 | outer << 32;
    if (inner & kVlanPresent) tags |= key.get(key::kVlan1Tpid) << 16 | inner;
    return tags;
}

bool retag(Packet* packet, TagPair from, TagPair to) noexcept {
    // As lists, outermost first.
    const auto list = [](TagPair pair, std::uint32_t(&tags)[2]) {
        unsigned count = 0;
        if (pair >> 32) tags[count++] = static_cast<std::uint32_t>(pair >> 32);
        if (pair & 0xffffffff) tags[count++] = static_cast<std::uint32_t>(pair);
        return count;
    };
    std::uint32_t old_tags[2], new_tags[2];
    unsigned old_count = list(from, old_tags), new_count = list(to, new_tags);
    while (old_count > 0 && new_count > 0 && old_tags[old_count - 1] == new_tags[new_count - 1])
        --old_count, --new_count;
    for (; old_count > 0; --old_count)
        remove_tag(packet);
    for (; new_count > 0; --new_count) {
        const std::uint32_t tag = new_tags[new_count - 1];
        if (!insert_tag(packet, static_cast<std::uint16_t>(tag >> 16), static_cast<std::uint16_t>(tag)))
            return false;
    }
    return true;
}

void parse_network_of(PacketSet& set, unsigned i) noexcept {
    const Packet* packet = set.packet[i];
    const NetworkOffsets at = parse_network(rte_pktmbuf_mtod(packet, const std::uint8_t*), packet->data_len,
                                            packet->pkt_len, set.next[i], set.key[i]);
    set.l3[i] = at.l3;
    set.l4[i] = at.l4;
    set.l3_end[i] = at.end;
    set.routing[i] = at.routing;
}

void write_back(PacketSet& set, unsigned i, HeaderPart part) noexcept {
    FlowKey& key = set.key[i];
    std::uint8_t* data = bytes_of(set.packet[i]);
    if (part == HeaderPart::kEthDst) return store_mac(data, key.get(key::kEthDst));
    if (part == HeaderPart::kEthSrc) return store_mac(data + 6, key.get(key::kEthSrc));
    if (set.l3[i] == kNoOffset) return;
    std::uint8_t* l3 = data + set.l3[i];
    switch (part) {
        case HeaderPart::kIpTos:
            return write_tos(set, i);
        case HeaderPart::kIpTtl:
            if (is_type(key, kTypeIpv4))
                replace_ipv4_byte(set, i, 8, static_cast<std::uint8_t>(key.get(key::kIpTtl)));
            if (is_type(key, kTypeIpv6)) l3[7] = static_cast<std::uint8_t>(key.get(key::kIpTtl));
            return;
        case HeaderPart::kIpv4Src:
            return write_ipv4_address(set, i, 12, key.get(key::kIpv4Src));
        case HeaderPart::kIpv4Dst:
            return write_ipv4_address(set, i, 16, key.get(key::kIpv4Dst));
        case HeaderPart::kIpv6Src:
            return write_ipv6_address(set, i, 8, key.get_wide(key::kIpv6Src));
        case HeaderPart::kIpv6Dst:
            return write_ipv6_address(set, i, 24, key.get_wide(key::kIpv6Dst));
        case HeaderPart::kIpv6Label:
            return store_be32(l3, (load_be32(l3) & 0xfff00000U) |
                                      static_cast<std::uint32_t>(key.get(key::kIpv6Label) & 0xfffff));
        case HeaderPart::kTpSrc:
            return write_port(set, i, 0, key.get(key::kTpSrc));
        case HeaderPart::kTpDst:
            return write_port(set, i, 2, key.get(key::kTpDst));
        case HeaderPart::kIcmpType:
            return write_icmp_byte(set, i, 0, key.get(key::kTpSrc));
        case HeaderPart::kIcmpCode:
            return write_icmp_byte(set, i, 1, key.get(key::kTpDst));
        case HeaderPart::kArpOp:
            return write_arp(set, i, 6, key.get(key::kIpProto), 2);
        case HeaderPart::kArpSpa:
            return write_arp(set, i, 14, key.get(key::kIpv4Src), 4);
        case HeaderPart::kArpTpa:
            return write_arp(set, i, 24, key.get(key::kIpv4Dst), 4);
        case HeaderPart::kArpSha:
            return write_arp(set, i, 8, key.get(key::kArpSha), 6);
        case HeaderPart::kArpTha:
            return write_arp(set, i, 18, key.get(key::kArpTha), 6);
        case HeaderPart::kNdReserved:
            return write_nd_word(set, i);
        case HeaderPart::kNdTarget:
            return write_nd_target(set, i);
        case HeaderPart::kNdSll:
            return write_nd_option(set, i, 1, key.get(key::kArpSha));
        case HeaderPart::kNdTll:
            return write_nd_option(set, i, 2, key.get(key::kArpTha));
        case HeaderPart::kNsh:
            return write_nsh(l3, key);
        case HeaderPart::kMplsLse:
            return store_be32(l3, static_cast<std::uint32_t>(key.get(key::kMplsLse0)));
        case HeaderPart::kNone:
        case HeaderPart::kEthDst:
        case HeaderPart::kEthSrc:
        case HeaderPart::kVlanTci:
        case HeaderPart::kEthType:
            return;
    }
}

namespace {

constexpr FieldLoc kLabels[] = {key::kMplsLse0, key::kMplsLse1, key::kMplsLse2};
constexpr unsigned kMaxLabels = 3;

unsigned count_labels(const FlowKey& key) noexcept {
    if (!is_type(key, 0x8847) && !is_type(key, 0x8848)) return 0;
    for (unsigned n = 0; n < kMaxLabels; ++n) {
        if (key.get(kLabels[n]) & 0x100) return n + 1;
    }
    return kMaxLabels;
}

/// Empties what labels hide: network and transport fields (not the tags).
void clear_network_fields(FlowKey& key) noexcept {
    const auto inner_tag = key.word[2] & 0xffffffff00000000ULL;
    const auto tpid = key.get(key::kVlanTpid);
    for (unsigned w : {2U, 3U, 4U, 7U, 8U, 9U, 10U, 11U, 12U, 13U, 14U, 15U, 42U, 46U, 47U})
        key.word[w] = 0;
    key.word[2] = inner_tag;
    key.set(key::kVlanTpid, tpid);
}

}  // namespace

bool push_mpls(PacketSet& set, unsigned i, std::uint16_t ethertype) noexcept {
    FlowKey& key = set.key[i];
    const unsigned count = count_labels(key);
    if (count >= kMaxLabels) return false;
    if (set.next[i] == kNoOffset) return true;
    Packet* packet = set.packet[i];
    finish_checksum(packet);  // the marks cannot say where the inner header is
    std::uint32_t lse;
    if (count > 0) {
        lse = static_cast<std::uint32_t>(key.get(key::kMplsLse0)) & ~0x100U;
        for (unsigned n = count; n > 0; --n)
            key.set(kLabels[n], key.get(kLabels[n - 1]));
    } else {
        const bool v6 = is_type(key, kTypeIpv6), ip = v6 || is_type(key, kTypeIpv4);
        const auto ttl =
            ip && key.get(key::kIpTtl) != 0 ? static_cast<std::uint32_t>(key.get(key::kIpTtl)) : 64U;
        const auto tc = ip ? static_cast<std::uint32_t>(key.get(key::kIpTos) >> 2 & 7) : 0U;
        lse = (v6 ? 2U << 12 : 0U) | tc << 9 | 0x100U | ttl;  // explicit null label (RFC 3032 §2.1)
        clear_network_fields(key);
    }
    char* front = rte_pktmbuf_prepend(packet, 4);
    if (!front) return false;
    std::memmove(front, front + 4, set.next[i]);
    set.grown[i] = static_cast<std::int16_t>(set.grown[i] + 4);
    store_be16(front + set.next[i] - 2, ethertype);
    store_be32(front + set.next[i], lse);
    key.set(key::kMplsLse0, lse);
    key.set(key::kEthType, ethertype);
    set.l3[i] = set.next[i];
    set.l4[i] = kNoOffset;
    return true;
}

bool pop_mpls(PacketSet& set, unsigned i, std::uint16_t ethertype) noexcept {
    FlowKey& key = set.key[i];
    const unsigned count = count_labels(key);
    if (count == 0 || set.l3[i] == kNoOffset) return true;
    if (count == kMaxLabels && !(key.get(key::kMplsLse2) & 0x100)) return false;
    Packet* packet = set.packet[i];
    std::uint8_t* data = bytes_of(packet);
    std::memmove(data + 4, data, set.next[i]);
    rte_pktmbuf_adj(packet, 4);
    set.grown[i] = static_cast<std::int16_t>(set.grown[i] - 4);
    data += 4;
    store_be16(data + set.next[i] - 2, ethertype);
    key.set(key::kEthType, ethertype);
    key.set(key::kMplsLse0, key.get(key::kMplsLse1));
    key.set(key::kMplsLse1, key.get(key::kMplsLse2));
    key.set(key::kMplsLse2, 0);
    if (ethertype == 0x8847 || ethertype == 0x8848) return true;
    clear_network_fields(key);
    parse_network_of(set, i);  // what the labels hid
    return true;
}

}  // namespace sluice::pipeline
