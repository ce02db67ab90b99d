// SPDX-License-Identifier: Apache-2.0
// Each protocol's changes in one function, from the outermost to the innermost header.
#include "reference/commit.hpp"

#include <algorithm>

#include "flow/nsh.hpp"
#include "wire/arp.hpp"
#include "wire/checksum.hpp"
#include "wire/crc32c.hpp"
#include "wire/ethernet.hpp"
#include "wire/icmp.hpp"
#include "wire/icmpv6.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"
#include "wire/mpls.hpp"
#include "wire/sctp.hpp"
#include "wire/tcp.hpp"
#include "wire/udp.hpp"
#include "wire/vlan.hpp"

namespace sluice::reference {
namespace {

using namespace wire;  // NOLINT: this file is about nothing else

constexpr FieldLoc kLse[kMaxMplsLabels] = {key::kMplsLse0, key::kMplsLse1, key::kMplsLse2};
/// Fields that describe L3 and L4; emptied when a label hides them.
constexpr FieldLoc kL3Fields[] = {
    key::kIpProto, key::kIpTos,  key::kIpTtl,    key::kIpFrag,     key::kIpv4Src,      key::kIpv4Dst,
    key::kTpSrc,   key::kTpDst,  key::kTcpFlags, key::kIpv6Label,  key::kIpv6Src,      key::kIpv6Dst,
    key::kArpSha,  key::kArpTha, key::kNdTarget, key::kNdReserved, key::kNdOptionsType};

constexpr std::uint16_t kTypeNsh = 0x894f;

bool differs(const FlowKey& a, const FlowKey& b, FieldLoc f) {
    return a.get_wide(f) != b.get_wide(f);
}

struct Tag {
    std::uint16_t tpid = 0;
    std::uint16_t tci = 0;  ///< as in the key: bit 12 is "present"
    friend bool operator==(const Tag&, const Tag&) = default;
};
std::vector<Tag> tags_of(const FlowKey& k) {
    std::vector<Tag> tags;
    if ((k.get(key::kVlanTci) & kVlanPresent) == 0) return tags;
    tags.push_back({static_cast<std::uint16_t>(k.get(key::kVlanTpid)),
                    static_cast<std::uint16_t>(k.get(key::kVlanTci))});
    if ((k.get(key::kVlan1Tci) & kVlanPresent) == 0) return tags;
    tags.push_back({static_cast<std::uint16_t>(k.get(key::kVlan1Tpid)),
                    static_cast<std::uint16_t>(k.get(key::kVlan1Tci))});
    return tags;
}

void shift_offsets(WorkPacket& p, std::ptrdiff_t delta) {
    for (std::size_t* offset : {&p.at.type, &p.at.l3, &p.at.l3_end, &p.at.l4}) {
        if (*offset != 0) *offset = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(*offset) + delta);
    }
}

/// Tags that are the same counted from the innermost keep their bytes (and their DEI bit); the others are
/// taken off and new ones, with DEI 0, put on.
void commit_vlan(WorkPacket& p, FlowKey& wanted) {
    if (wanted.get(key::kVlanTci) == 0)
        wanted.set(key::kVlanTpid, 0);
    else if (wanted.get(key::kVlanTpid) == 0)
        wanted.set(key::kVlanTpid, eth::kTypeVlan);
    std::vector<Tag> from = tags_of(p.at.key), to = tags_of(wanted);
    while (!from.empty() && !to.empty() && from.back() == to.back()) {
        from.pop_back();
        to.pop_back();
    }
    if (p.bytes.size() < eth::kHeaderBytes + from.size() * vlan::kTagBytes) return;
    const auto start = p.bytes.begin() + eth::kType;
    p.bytes.erase(start, start + static_cast<std::ptrdiff_t>(from.size() * vlan::kTagBytes));
    Frame fresh;
    for (const Tag& tag : to) {
        std::uint8_t bytes[vlan::kTagBytes];
        store_be16(bytes + vlan::kTpid, tag.tpid);
        store_be16(bytes + vlan::kTci, tag.tci & ~vlan::kDeiBit & 0xffff);
        fresh.insert(fresh.end(), bytes, bytes + sizeof bytes);
    }
    p.bytes.insert(p.bytes.begin() + eth::kType, fresh.begin(), fresh.end());
    shift_offsets(p, (static_cast<std::ptrdiff_t>(to.size()) - static_cast<std::ptrdiff_t>(from.size())) *
                         static_cast<std::ptrdiff_t>(vlan::kTagBytes));
}

void commit_eth(WorkPacket& p, const FlowKey& wanted) {
    if (p.bytes.size() < eth::kHeaderBytes) return;
    if (differs(p.at.key, wanted, key::kEthDst)) store_mac(&p.bytes[eth::kDst], wanted.get(key::kEthDst));
    if (differs(p.at.key, wanted, key::kEthSrc)) store_mac(&p.bytes[eth::kSrc], wanted.get(key::kEthSrc));
}

void commit_arp(WorkPacket& p, const FlowKey& wanted) {
    std::uint8_t* h = &p.bytes[p.at.l3];
    const FlowKey& now = p.at.key;
    if (differs(now, wanted, key::kIpProto))
        store_be16(h + arp::kOpcode, static_cast<std::uint16_t>(wanted.get(key::kIpProto)));
    if (differs(now, wanted, key::kArpSha)) store_mac(h + arp::kSha, wanted.get(key::kArpSha));
    if (differs(now, wanted, key::kArpTha)) store_mac(h + arp::kTha, wanted.get(key::kArpTha));
    if (differs(now, wanted, key::kIpv4Src))
        store_be32(h + arp::kSpa, static_cast<std::uint32_t>(wanted.get(key::kIpv4Src)));
    if (differs(now, wanted, key::kIpv4Dst))
        store_be32(h + arp::kTpa, static_cast<std::uint32_t>(wanted.get(key::kIpv4Dst)));
}

/// The checksum that covers the pseudo header; nullptr: none there, or UDP without one.
std::uint8_t* l4_checksum(WorkPacket& p, bool v6) {
    if (p.at.l4 == 0) return nullptr;
    const std::size_t size = p.at.l3_end - p.at.l4;
    std::uint8_t* h = p.bytes.data() + p.at.l4;
    switch (p.at.key.get(key::kIpProto)) {
        case ip_proto::kTcp:
            return size >= tcp::kMinHeaderBytes ? h + tcp::kChecksum : nullptr;
        case ip_proto::kUdp:
            return size >= udp::kHeaderBytes && load_be16(h + udp::kChecksum) != 0 ? h + udp::kChecksum
                                                                                   : nullptr;
        case ip_proto::kIcmpV6:
            return v6 && size >= icmpv6::kHeaderBytes + 4 ? h + icmpv6::kChecksum : nullptr;
        default:
            return nullptr;
    }
}

/// Writes `size` bytes at `at`, and the checksum at `checksum` (if not null) accordingly.
void replace(WorkPacket& p, std::uint8_t* at, const std::uint8_t* fresh, std::size_t size,
             std::uint8_t* checksum) {
    if (checksum != nullptr) {
        std::uint16_t sum = update_checksum_bytes(load_be16(checksum), at, fresh, size);
        const bool is_udp = p.at.key.get(key::kIpProto) == ip_proto::kUdp && p.at.l4 != 0 &&
                            checksum == p.bytes.data() + p.at.l4 + udp::kChecksum;
        if (is_udp && sum == 0) sum = 0xffff;
        store_be16(checksum, sum);
    }
    std::copy(fresh, fresh + size, at);
}
void replace16(WorkPacket& p, std::uint8_t* at, std::uint64_t value, std::uint8_t* checksum) {
    std::uint8_t fresh[2];
    store_be16(fresh, static_cast<std::uint16_t>(value));
    replace(p, at, fresh, sizeof fresh, checksum);
}

void commit_ipv4(WorkPacket& p, const FlowKey& wanted) {
    const FlowKey now = p.at.key;
    std::uint8_t* h = &p.bytes[p.at.l3];
    std::uint8_t* const sum = h + ipv4::kChecksum;
    const std::pair<FieldLoc, std::size_t> addresses[] = {{key::kIpv4Src, ipv4::kSrc},
                                                          {key::kIpv4Dst, ipv4::kDst}};
    for (const auto& [field, offset] : addresses) {
        if (!differs(now, wanted, field)) continue;
        std::uint8_t fresh[4];
        store_be32(fresh, static_cast<std::uint32_t>(wanted.get(field)));
        if (std::uint8_t* l4 = l4_checksum(p, false)) {
            std::uint8_t before[4];
            std::copy(h + offset, h + offset + 4, before);
            replace(p, h + offset, fresh, 4, l4);
            std::copy(before, before + 4, h + offset);  // the header's own checksum needs the old value too
        }
        replace(p, h + offset, fresh, 4, sum);
    }
    if (differs(now, wanted, key::kIpTos))
        replace16(p, h, std::uint64_t{h[ipv4::kVersionIhl]} << 8 | wanted.get(key::kIpTos), sum);
    if (differs(now, wanted, key::kIpTtl))
        replace16(p, h + ipv4::kTtl, wanted.get(key::kIpTtl) << 8 | h[ipv4::kProto], sum);
}

void commit_ipv6(WorkPacket& p, const FlowKey& wanted) {
    const FlowKey now = p.at.key;
    std::uint8_t* h = &p.bytes[p.at.l3];
    const std::pair<FieldLoc, std::size_t> addresses[] = {{key::kIpv6Src, ipv6::kSrc},
                                                          {key::kIpv6Dst, ipv6::kDst}};
    for (const auto& [field, offset] : addresses) {
        if (!differs(now, wanted, field)) continue;
        std::uint8_t fresh[16];
        ipv6::store_address(fresh, wanted.get_wide(field));
        // With segments left, the pseudo header has the final destination, not this one (RFC 8200 §8.1).
        const bool covered = offset == ipv6::kSrc || !p.at.routing;
        replace(p, h + offset, fresh, 16, covered ? l4_checksum(p, true) : nullptr);
    }
    const std::uint32_t flow = load_be32(h + ipv6::kFlow);
    std::uint32_t fresh_flow = flow;
    if (differs(now, wanted, key::kIpTos))
        fresh_flow = (fresh_flow & ~ipv6::kTrafficClassMask) |
                     static_cast<std::uint32_t>(wanted.get(key::kIpTos)) << ipv6::kTrafficClassShift;
    if (differs(now, wanted, key::kIpv6Label))
        fresh_flow = (fresh_flow & ~ipv6::kLabelMask) |
                     (static_cast<std::uint32_t>(wanted.get(key::kIpv6Label)) & ipv6::kLabelMask);
    store_be32(h + ipv6::kFlow, fresh_flow);
    if (differs(now, wanted, key::kIpTtl))
        h[ipv6::kHopLimit] = static_cast<std::uint8_t>(wanted.get(key::kIpTtl));
}

void commit_sctp(WorkPacket& p, const FlowKey& wanted) {
    const Bytes packet = Bytes{p.bytes}.subspan(p.at.l4, p.at.l3_end - p.at.l4);
    std::uint8_t* h = &p.bytes[p.at.l4];
    std::uint32_t stored;
    std::memcpy(&stored, h + sctp::kChecksum, sizeof stored);
    stored ^= sctp_checksum(packet);  // 0 if it was right; a wrong one stays as wrong as it was
    store_be16(h + sctp::kSrc, static_cast<std::uint16_t>(wanted.get(key::kTpSrc)));
    store_be16(h + sctp::kDst, static_cast<std::uint16_t>(wanted.get(key::kTpDst)));
    stored ^= sctp_checksum(packet);
    std::memcpy(h + sctp::kChecksum, &stored, sizeof stored);
}

/// Neighbour discovery: target, flags, and those link-layer options that are there.
void commit_nd(WorkPacket& p, const FlowKey& wanted) {
    const FlowKey now = p.at.key;
    const std::size_t size = p.at.l3_end - p.at.l4;
    std::uint8_t* h = &p.bytes[p.at.l4];
    std::uint8_t* sum = h + icmpv6::kChecksum;
    if (differs(now, wanted, key::kNdReserved)) {
        std::uint8_t fresh[4];
        store_be32(fresh, static_cast<std::uint32_t>(wanted.get(key::kNdReserved)));
        replace(p, h + icmpv6::kNdReserved, fresh, 4, sum);
    }
    if (size < icmpv6::kNdBytes) return;
    if (differs(now, wanted, key::kNdTarget)) {
        std::uint8_t fresh[16];
        ipv6::store_address(fresh, wanted.get_wide(key::kNdTarget));
        replace(p, h + icmpv6::kNdTarget, fresh, 16, sum);
    }
    for (std::size_t at = icmpv6::kNdBytes; at + icmpv6::kOptionUnit <= size;) {
        const std::size_t bytes = h[at + icmpv6::kOptionLength] * icmpv6::kOptionUnit;
        if (bytes == 0 || at + bytes > size) return;
        const std::uint8_t kind = h[at];
        const FieldLoc field = kind == icmpv6::kOptionSourceLink ? key::kArpSha : key::kArpTha;
        const bool is_link = kind == icmpv6::kOptionSourceLink || kind == icmpv6::kOptionTargetLink;
        if (is_link && bytes == icmpv6::kOptionUnit && differs(now, wanted, field)) {
            std::uint8_t fresh[6];
            store_mac(fresh, wanted.get(field));
            replace(p, h + at + icmpv6::kOptionData, fresh, 6, sum);
        }
        at += bytes;
    }
}

void commit_l4(WorkPacket& p, const FlowKey& wanted, bool v6) {
    const FlowKey& now = p.at.key;
    const bool ports = differs(now, wanted, key::kTpSrc) || differs(now, wanted, key::kTpDst);
    const std::size_t size = p.at.l3_end - p.at.l4;
    const Bytes l4 = Bytes{p.bytes}.subspan(p.at.l4, size);
    std::uint8_t* h = p.bytes.data() + p.at.l4;
    const std::uint64_t src = wanted.get(key::kTpSrc), dst = wanted.get(key::kTpDst);
    const std::uint64_t proto = now.get(key::kIpProto);
    if (proto == ip_proto::kTcp) {
        const auto view = tcp::View::parse(l4);
        if (!view || !view->valid() || !ports) return;
        replace16(p, h + tcp::kSrc, src, l4_checksum(p, v6));
        replace16(p, h + tcp::kDst, dst, l4_checksum(p, v6));
    } else if (proto == ip_proto::kUdp) {
        if (size < udp::kHeaderBytes || !ports) return;
        replace16(p, h + udp::kSrc, src, l4_checksum(p, v6));
        replace16(p, h + udp::kDst, dst, l4_checksum(p, v6));
    } else if (proto == ip_proto::kSctp) {
        if (size >= sctp::kHeaderBytes && ports) commit_sctp(p, wanted);
    } else if (proto == ip_proto::kIcmp && !v6) {
        if (size >= icmp::kHeaderBytes && ports)
            replace16(p, h, src << 8 | (dst & 0xff), h + icmp::kChecksum);
    } else if (proto == ip_proto::kIcmpV6 && v6) {
        if (size < icmpv6::kHeaderBytes + 4) return;
        if (ports) replace16(p, h, src << 8 | (dst & 0xff), h + icmpv6::kChecksum);
        commit_nd(p, wanted);
    }
}

void commit_mpls(WorkPacket& p, const FlowKey& wanted) {
    for (unsigned n = 0; n < kMaxMplsLabels; ++n) {
        const std::size_t at = p.at.l3 + n * mpls::kLseBytes;
        if (at + mpls::kLseBytes > p.bytes.size()) return;
        if (differs(p.at.key, wanted, kLse[n]))
            store_be32(&p.bytes[at], static_cast<std::uint32_t>(wanted.get(kLse[n])));
    }
}

void set_type(WorkPacket& p, std::uint16_t type) {
    store_be16(&p.bytes[p.at.type], type);
    p.at.key.set(key::kEthType, type);
}

}  // namespace

void commit(WorkPacket& p, const FlowKey& wanted_in) {
    FlowKey wanted = wanted_in;
    commit_eth(p, wanted);
    const bool tags = differs(p.at.key, wanted, key::kVlanTci) || differs(p.at.key, wanted, key::kVlanTpid) ||
                      differs(p.at.key, wanted, key::kVlan1Tci) || differs(p.at.key, wanted, key::kVlan1Tpid);
    if (tags) commit_vlan(p, wanted);
    if (p.at.l3 != 0) {
        const auto type = static_cast<std::uint16_t>(p.at.key.get(key::kEthType));
        if (type == eth::kTypeArp || type == eth::kTypeRarp) commit_arp(p, wanted);
        if (type == eth::kTypeIpv4) commit_ipv4(p, wanted);
        if (type == eth::kTypeIpv6) commit_ipv6(p, wanted);
        if (mpls::is_mpls(type)) commit_mpls(p, wanted);
        if (type == kTypeNsh) write_nsh(&p.bytes[p.at.l3], wanted);
        if (p.at.l4 != 0) commit_l4(p, wanted, type == eth::kTypeIpv6);
    }
    p.at.key = wanted;
}

void push_vlan(WorkPacket& p, std::uint16_t tpid, std::uint16_t tci) {
    FlowKey& k = p.at.key;
    k.set(key::kVlan1Tpid, k.get(key::kVlanTpid));
    k.set(key::kVlan1Tci, k.get(key::kVlanTci));
    k.set(key::kVlanTpid, tpid);
    k.set(key::kVlanTci, tci | kVlanPresent);
    if (p.bytes.size() < eth::kHeaderBytes) return;
    std::uint8_t bytes[vlan::kTagBytes];
    store_be16(bytes + vlan::kTpid, tpid);
    store_be16(bytes + vlan::kTci, tci & ~vlan::kDeiBit & 0xffff);
    p.bytes.insert(p.bytes.begin() + eth::kType, bytes, bytes + sizeof bytes);
    shift_offsets(p, vlan::kTagBytes);
}

void pop_vlan(WorkPacket& p) {
    FlowKey& k = p.at.key;
    if ((k.get(key::kVlanTci) & kVlanPresent) != 0 && p.bytes.size() >= eth::kHeaderBytes + vlan::kTagBytes) {
        const auto start = p.bytes.begin() + eth::kType;
        p.bytes.erase(start, start + static_cast<std::ptrdiff_t>(vlan::kTagBytes));
        shift_offsets(p, -static_cast<std::ptrdiff_t>(vlan::kTagBytes));
    }
    k.set(key::kVlanTpid, k.get(key::kVlan1Tpid));
    k.set(key::kVlanTci, k.get(key::kVlan1Tci));
    k.set(key::kVlan1Tpid, 0);
    k.set(key::kVlan1Tci, 0);
}

unsigned count_mpls(const FlowKey& k) {
    if (!mpls::is_mpls(static_cast<std::uint16_t>(k.get(key::kEthType)))) return 0;
    for (unsigned n = 0; n < kMaxMplsLabels; ++n) {
        if ((k.get(kLse[n]) & mpls::kBosBit) != 0) return n + 1;
    }
    return kMaxMplsLabels;
}

bool push_mpls(WorkPacket& p, std::uint16_t ethertype) {
    FlowKey& k = p.at.key;
    if (p.bytes.size() < eth::kHeaderBytes) return true;
    const unsigned count = count_mpls(k);
    if (count >= kMaxMplsLabels) return false;
    std::uint32_t lse;
    if (count > 0) {
        lse = static_cast<std::uint32_t>(k.get(key::kMplsLse0)) & ~mpls::kBosBit;
        for (unsigned n = count; n > 0; --n)
            k.set(kLse[n], k.get(kLse[n - 1]));
    } else {
        const std::uint64_t type = k.get(key::kEthType);
        const bool is_ip = type == eth::kTypeIpv4 || type == eth::kTypeIpv6;
        const std::uint32_t label = type == eth::kTypeIpv6 ? 2 : 0;  // explicit null (RFC 3032 §2.1)
        const auto tc = static_cast<std::uint8_t>(is_ip ? k.get(key::kIpTos) >> 2 & 7 : 0);
        const auto ttl =
            static_cast<std::uint8_t>(is_ip && k.get(key::kIpTtl) != 0 ? k.get(key::kIpTtl) : 64);
        lse = mpls::make_lse(label, tc, true, ttl);
        for (const FieldLoc field : kL3Fields)
            k.set_wide(field, {});
        p.at.l3 = p.at.type + 2;
        p.at.l4 = 0;
    }
    k.set(key::kMplsLse0, lse);
    std::uint8_t bytes[mpls::kLseBytes];
    store_be32(bytes, lse);
    p.bytes.insert(p.bytes.begin() + static_cast<std::ptrdiff_t>(p.at.l3), bytes, bytes + sizeof bytes);
    set_type(p, ethertype);
    return true;
}

bool pop_mpls(WorkPacket& p, std::uint16_t ethertype) {
    FlowKey& k = p.at.key;
    const unsigned count = count_mpls(k);
    if (count == 0) return true;
    if (count == kMaxMplsLabels && (k.get(key::kMplsLse2) & mpls::kBosBit) == 0) return false;
    const auto start = p.bytes.begin() + static_cast<std::ptrdiff_t>(p.at.l3);
    p.bytes.erase(start, start + static_cast<std::ptrdiff_t>(mpls::kLseBytes));
    set_type(p, ethertype);
    for (unsigned n = 0; n + 1 < kMaxMplsLabels; ++n)
        k.set(kLse[n], k.get(kLse[n + 1]));
    k.set(key::kMplsLse2, 0);
    if (mpls::is_mpls(ethertype)) return true;
    // What the labels hid is read now. Metadata stays, and so do the tags as the key has them.
    const ParsedFrame fresh = parse_frame(p.bytes, OfPort{}, {.vlan_limit = p.vlan_limit});
    for (const FieldLoc field : kL3Fields)
        k.set_wide(field, fresh.key.get_wide(field));
    for (const FieldLoc field : kLse)
        k.set_wide(field, fresh.key.get_wide(field));
    const FlowKey keep = k;
    p.at = fresh;
    p.at.key = keep;
    return true;
}

}  // namespace sluice::reference
