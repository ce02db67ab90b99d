// SPDX-License-Identifier: Apache-2.0
#include "pipeline/edit.hpp"

#include <cstring>

#include "base/byte_order.hpp"
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

/// Offset of the transport checksum for a protocol, or 0.
unsigned checksum_offset(std::uint8_t proto) {
    switch (proto) {
        case 6:
            return 16;
        case 17:
            return 6;
        case 1:
        case 58:
            return 2;
        default:
            return 0;
    }
}

/// Covers a change of `size` bytes (even) in the transport checksum. in_pseudo: they are part of the
/// pseudo header; then an unfinished checksum field, which holds the plain sum, follows too.
void fix_transport(PacketSet& set, unsigned i, const std::uint8_t* from, const std::uint8_t* to,
                   std::size_t size, bool in_pseudo) noexcept {
    if (set.l4[i] == kNoOffset) return;
    const FlowKey& key = set.key[i];
    const auto proto = static_cast<std::uint8_t>(key.get(key::kIpProto));
    const unsigned at = checksum_offset(proto);
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
    replace(set, i, bytes_of(set.packet[i]) + set.l3[i] + offset, next, 16, false, false, true);
}

void write_port(PacketSet& set, unsigned i, unsigned offset, std::uint64_t value) noexcept {
    if (set.l4[i] == kNoOffset) return;
    std::uint8_t* l4 = bytes_of(set.packet[i]) + set.l4[i];
    const auto proto = set.key[i].get(key::kIpProto);
    std::uint8_t next[2];
    store_be16(next, static_cast<std::uint16_t>(value));
    if (proto != 132) {
        if (proto == 6 || proto == 17) replace(set, i, l4 + offset, next, 2, false, true, false);
        return;
    }
    // SCTP: keep a wrong checksum as wrong as it was (a CRC is linear).
    const Packet* packet = set.packet[i];
    if (packet->nb_segs != 1 || packet->data_len < set.l4[i] + 12U) return;
    const wire::Bytes body{l4, static_cast<std::size_t>(packet->data_len - set.l4[i])};
    std::uint32_t stored;
    std::memcpy(&stored, l4 + 8, 4);
    const std::uint32_t error = stored ^ wire::sctp_checksum(body);
    std::memcpy(l4 + offset, next, 2);
    stored = wire::sctp_checksum(body) ^ error;
    std::memcpy(l4 + 8, &stored, 4);
}

/// Type or code of ICMP and ICMPv6.
void write_icmp_byte(PacketSet& set, unsigned i, unsigned offset, std::uint64_t value) noexcept {
    if (set.l4[i] == kNoOffset) return;
    std::uint8_t* l4 = bytes_of(set.packet[i]) + set.l4[i];
    std::uint8_t next[2] = {l4[0], l4[1]};
    next[offset] = static_cast<std::uint8_t>(value);
    replace(set, i, l4, next, 2, false, true, false);
}

void write_nd_target(PacketSet& set, unsigned i) noexcept {
    if (set.l4[i] == kNoOffset) return;
    const U128 value = set.key[i].get_wide(key::kNdTarget);
    std::uint8_t next[16];
    store_be64(next, value.hi);
    store_be64(next + 8, value.lo);
    replace(set, i, bytes_of(set.packet[i]) + set.l4[i] + 8, next, 16, false, true, false);
}

/// Source (type 1) or target (type 2) link-layer address option.
void write_nd_option(PacketSet& set, unsigned i, std::uint8_t type, std::uint64_t mac) noexcept {
    if (set.l4[i] == kNoOffset) return;
    std::uint8_t* l4 = bytes_of(set.packet[i]) + set.l4[i];
    const std::uint32_t size = set.packet[i]->data_len - set.l4[i];
    for (std::uint32_t at = 24; at + 8 <= size;) {
        const std::uint32_t bytes = std::uint32_t{l4[at + 1]} * 8;
        if (bytes == 0 || bytes > size - at) return;
        if (l4[at] == type && bytes == 8) {
            std::uint8_t next[6];
            store_mac(next, mac);
            replace(set, i, l4 + at + 2, next, 6, false, true, false);
            return;
        }
        at += bytes;
    }
}

bool is_type(const FlowKey& key, std::uint16_t type) {
    return key.get(key::kEthType) == type;
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

/// Moves what lies before the network header by `delta` bytes.
void shift_offsets(PacketSet& set, unsigned i, int delta) noexcept {
    if (set.l3[i] != kNoOffset) set.l3[i] = static_cast<std::uint16_t>(set.l3[i] + delta);
    if (set.l4[i] != kNoOffset) set.l4[i] = static_cast<std::uint16_t>(set.l4[i] + delta);
}

bool insert_tag(Packet* packet, std::uint16_t ethertype, std::uint16_t tci) noexcept {
    char* front = rte_pktmbuf_prepend(packet, 4);
    if (!front) return false;
    std::memmove(front, front + 4, 12);
    store_be16(front + 12, ethertype);
    store_be16(front + 14, tci);
    if (needs_checksum(packet)) packet->l2_len = (packet->l2_len + 4U) & 0x7fU;
    return true;
}

void remove_tag(Packet* packet) noexcept {
    auto* data = bytes_of(packet);
    std::memmove(data + 4, data, 12);
    rte_pktmbuf_adj(packet, 4);
    if (needs_checksum(packet)) packet->l2_len = (packet->l2_len - 4U) & 0x7fU;
}

/// The key's TCI decides: a tag appears, changes or goes.
void write_vlan(PacketSet& set, unsigned i) noexcept {
    FlowKey& key = set.key[i];
    const auto tci = static_cast<std::uint16_t>(key.get(key::kVlanTci));
    const std::uint16_t type = load_be16(bytes_of(set.packet[i]) + 12);
    const bool tagged = key.get(key::kVlanTpid) != 0 && (type == 0x8100 || type == 0x88a8);
    if (!(tci & kVlanPresent)) {
        key.set(key::kVlanTci, 0);
        if (tagged) {
            key.set(key::kVlanTci, kVlanPresent);
            pop_tag(set, i);
        }
    } else if (tagged) {
        store_be16(bytes_of(set.packet[i]) + 14, tci & 0xefffU);
    } else if (insert_tag(set.packet[i], 0x8100, tci & 0xefffU)) {
        shift_offsets(set, i, 4);
        key.set(key::kVlanTpid, 0x8100);
    }
}

}  // namespace

bool push_tag(PacketSet& set, unsigned i, std::uint16_t ethertype, std::uint16_t tci) noexcept {
    FlowKey& key = set.key[i];
    if (!insert_tag(set.packet[i], ethertype, tci & 0xefffU)) return false;
    shift_offsets(set, i, 4);
    key.set(key::kVlan1Tci, key.get(key::kVlanTci));
    key.set(key::kVlan1Tpid, key.get(key::kVlanTpid));
    key.set(key::kVlanTci, tci | kVlanPresent);
    key.set(key::kVlanTpid, ethertype);
    return true;
}

void pop_tag(PacketSet& set, unsigned i) noexcept {
    FlowKey& key = set.key[i];
    if (!(key.get(key::kVlanTci) & kVlanPresent)) return;
    remove_tag(set.packet[i]);
    shift_offsets(set, i, -4);
    key.set(key::kVlanTci, key.get(key::kVlan1Tci));
    key.set(key::kVlanTpid, key.get(key::kVlan1Tpid));
    key.set(key::kVlan1Tci, 0);
    key.set(key::kVlan1Tpid, 0);
}

bool retag(Packet* packet, bool tagged, std::uint16_t tci) noexcept {
    if (tci == 0) {
        if (tagged) remove_tag(packet);
        return true;
    }
    if (!tagged) return insert_tag(packet, 0x8100, tci & 0xefffU);
    store_be16(bytes_of(packet) + 14, tci & 0xefffU);
    return true;
}

void write_back(PacketSet& set, unsigned i, HeaderPart part) noexcept {
    FlowKey& key = set.key[i];
    Packet* packet = set.packet[i];
    std::uint8_t* data = bytes_of(packet);
    if (part == HeaderPart::kEthDst) return store_mac(data, key.get(key::kEthDst));
    if (part == HeaderPart::kEthSrc) return store_mac(data + 6, key.get(key::kEthSrc));
    if (part == HeaderPart::kVlanTci) return write_vlan(set, i);
    if (set.l3[i] == kNoOffset) return;
    switch (part) {
        case HeaderPart::kIpTos:
            return write_tos(set, i);
        case HeaderPart::kIpTtl:
            if (is_type(key, kTypeIpv4))
                replace_ipv4_byte(set, i, 8, static_cast<std::uint8_t>(key.get(key::kIpTtl)));
            if (is_type(key, kTypeIpv6))
                data[set.l3[i] + 7] = static_cast<std::uint8_t>(key.get(key::kIpTtl));
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
            return store_be32(data + set.l3[i],
                              (load_be32(data + set.l3[i]) & 0xfff00000U) |
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
        case HeaderPart::kNdTarget:
            return write_nd_target(set, i);
        case HeaderPart::kNdSll:
            return write_nd_option(set, i, 1, key.get(key::kArpSha));
        case HeaderPart::kNdTll:
            return write_nd_option(set, i, 2, key.get(key::kArpTha));
        case HeaderPart::kMplsLse:
            if (packet->data_len >= set.l3[i] + 4U) {
                store_be32(data + set.l3[i], static_cast<std::uint32_t>(key.get(key::kMplsLse0)));
            }
            return;
        case HeaderPart::kNone:
        case HeaderPart::kEthDst:
        case HeaderPart::kEthSrc:
        case HeaderPart::kVlanTci:
        case HeaderPart::kEthType:
            return;
    }
}

bool push_mpls(PacketSet& set, unsigned i, std::uint16_t ethertype) noexcept {
    FlowKey& key = set.key[i];
    if (set.l3[i] == kNoOffset) return true;
    const bool inner_mpls = is_type(key, 0x8847) || is_type(key, 0x8848);
    const bool ip = is_type(key, kTypeIpv4) || is_type(key, kTypeIpv6);
    std::uint32_t lse = 0x100U | (ip ? static_cast<std::uint32_t>(key.get(key::kIpTtl)) : 64U);
    if (ip) lse |= static_cast<std::uint32_t>(key.get(key::kIpTos) >> 5) << 9;  // precedence becomes TC
    if (inner_mpls) lse = static_cast<std::uint32_t>(key.get(key::kMplsLse0)) & ~0x100U;
    Packet* packet = set.packet[i];
    finish_checksum(packet);
    char* front = rte_pktmbuf_prepend(packet, 4);
    if (!front) return false;
    std::memmove(front, front + 4, set.l3[i]);
    store_be16(front + set.l3[i] - 2, ethertype);
    store_be32(front + set.l3[i], lse);
    set.l4[i] = kNoOffset;
    key.set(key::kMplsLse2, key.get(key::kMplsLse1));
    key.set(key::kMplsLse1, inner_mpls ? key.get(key::kMplsLse0) : 0);
    key.set(key::kMplsLse0, lse);
    key.set(key::kEthType, ethertype);
    // What lies behind the label cannot be read any more (OVS clears it too).
    const auto tpid = key.get(key::kVlanTpid);
    const auto tag1 = key.word[2] & 0xffffffff00000000ULL;
    for (unsigned w : {2U, 3U, 4U, 8U, 9U, 10U, 11U, 12U, 13U, 14U, 15U})
        key.word[w] = 0;
    key.set(key::kIpv6Label, 0);
    key.word[2] = tag1;
    key.set(key::kVlanTpid, tpid);
    return true;
}

void pop_mpls(PacketSet& set, unsigned i, std::uint16_t ethertype) noexcept {
    FlowKey& key = set.key[i];
    if (!is_type(key, 0x8847) && !is_type(key, 0x8848)) return;
    Packet* packet = set.packet[i];
    if (set.l3[i] == kNoOffset || packet->data_len < set.l3[i] + 4U) return;
    std::uint8_t* data = bytes_of(packet);
    std::memmove(data + 4, data, set.l3[i]);
    rte_pktmbuf_adj(packet, 4);
    data += 4;
    store_be16(data + set.l3[i] - 2, ethertype);
    key.set(key::kEthType, ethertype);
    key.set(key::kMplsLse0, key.get(key::kMplsLse1));
    key.set(key::kMplsLse1, key.get(key::kMplsLse2));
    key.set(key::kMplsLse2, 0);
    if (ethertype != 0x8847 && ethertype != 0x8848) {
        key.set(key::kMplsLse0, 0);
        key.set(key::kMplsLse1, 0);
    }
    set.l4[i] = parse_network(data, packet->data_len, packet->pkt_len, set.l3[i], key);
}

}  // namespace sluice::pipeline
