// SPDX-License-Identifier: Apache-2.0
#include "pipeline/parse.hpp"

#include "base/byte_order.hpp"
#include "flow/nsh.hpp"

namespace sluice::pipeline {

namespace {

constexpr std::uint16_t kNone = 0xffff;
constexpr std::uint64_t kTypeNone = 0x05ff;  // 802.3 frame without an Ethernet type

constexpr bool is_vlan(std::uint16_t type) {
    return type == 0x8100 || type == 0x88a8;
}

/// IPv6 neighbour solicitation and advertisement (RFC 4861 §4.3, §4.4).
void parse_nd(const std::uint8_t* p, std::uint32_t size, FlowKey& key) noexcept {
    key.set(key::kNdReserved, load_be32(p + 4));
    if (size < 24) return;           // header and target
    std::uint64_t link[2] = {0, 0};  // source (option 1), target (option 2)
    std::uint8_t first = 0;
    for (std::uint32_t at = 24; size - at >= 8;) {
        const std::uint32_t bytes = std::uint32_t{p[at + 1]} * 8;
        if (bytes == 0 || bytes > size - at) break;
        if ((p[at] == 1 || p[at] == 2) && bytes == 8) {
            std::uint64_t& slot = link[p[at] - 1];
            if (slot != 0) return;  // the same option twice: believe none
            slot = load_mac(p + at + 2);
            if (first == 0) first = p[at];
        }
        at += bytes;
    }
    key.set_wide(key::kNdTarget, {load_be64(p + 8), load_be64(p + 16)});
    key.set(key::kArpSha, link[0]);
    key.set(key::kArpTha, link[1]);
    key.set(key::kNdOptionsType, first);
}

/// Ports, types and flags. size: bytes of the transport part that are there.
void parse_transport(const std::uint8_t* p, std::uint32_t size, std::uint8_t proto, bool v6,
                     FlowKey& key) noexcept {
    std::uint64_t word = key.word[key::kTpSrc.word] & 0xffff;  // keeps the VLAN TPID
    switch (proto) {
        case 6: {
            if (size < 20) return;
            const std::uint32_t header = (p[12] >> 4) * 4U;
            if (header < 20 || header > size) return;
            word |= std::uint64_t{load_be32(p)} << 32 | std::uint64_t{load_be16(p + 12) & 0x0fffU} << 16;
            break;
        }
        case 17:
            if (size < 8) return;
            word |= std::uint64_t{load_be32(p)} << 32;
            break;
        case 132:
            if (size < 12) return;
            word |= std::uint64_t{load_be32(p)} << 32;
            break;
        case 1:
            if (v6) return;
            [[fallthrough]];
        case 2:  // IGMP: over IPv6 as well, as OVS reads it
            if (size < 8) return;
            word |= std::uint64_t{p[0]} << 48 | std::uint64_t{p[1]} << 32;
            break;
        case 58:
            if (!v6 || size < 8) return;
            word |= std::uint64_t{p[0]} << 48 | std::uint64_t{p[1]} << 32;
            if ((p[0] == 135 || p[0] == 136) && p[1] == 0) parse_nd(p, size, key);
            break;
        default:
            return;
    }
    key.word[key::kTpSrc.word] = word;
}

NetworkOffsets parse_ipv4(const std::uint8_t* data, std::uint32_t contiguous, std::uint32_t frame,
                          std::uint16_t l3, FlowKey& key) noexcept {
    NetworkOffsets out;
    const std::uint8_t* p = data + l3;
    if (contiguous < l3 + 20U) return out;
    const std::uint32_t header = (p[0] & 0xfU) * 4, total = load_be16(p + 2);
    if (header < 20 || frame - l3 < header || total > frame - l3 || header > total) return out;
    const std::uint16_t fragment = load_be16(p + 6);
    std::uint64_t bits = 0;
    if (fragment & 0x3fff) bits = fragment & 0x1fff ? kFragAny | kFragLater : kFragAny;
    key.word[2] = (key.word[2] & 0xffffffff00000000ULL) | std::uint64_t{p[9]} << 24 |
                  std::uint64_t{p[1]} << 16 | std::uint64_t{p[8]} << 8 | bits;
    key.word[3] = load_be64(p + 12);
    out.l3 = l3;
    const std::uint32_t end = l3 + total, l4 = l3 + header;
    out.end = end < contiguous ? end : contiguous;
    if ((bits & kFragLater) || contiguous < l4) return out;
    out.l4 = static_cast<std::uint16_t>(l4);
    parse_transport(data + l4, out.end - l4, p[9], false, key);
    return out;
}

NetworkOffsets parse_ipv6(const std::uint8_t* data, std::uint32_t contiguous, std::uint32_t frame,
                          std::uint16_t l3, FlowKey& key) noexcept {
    NetworkOffsets out;
    const std::uint8_t* p = data + l3;
    if (contiguous < l3 + 40U) return out;
    const std::uint32_t payload = load_be16(p + 4);
    if (payload + 40 > frame - l3) return out;
    out.l3 = l3;
    const std::uint32_t flow = load_be32(p);
    key.set_wide(key::kIpv6Src, {load_be64(p + 8), load_be64(p + 16)});
    key.set_wide(key::kIpv6Dst, {load_be64(p + 24), load_be64(p + 32)});
    const std::uint32_t end = l3 + 40 + payload;
    out.end = end < contiguous ? end : contiguous;
    std::uint32_t at = l3 + 40;
    std::uint8_t next = p[6];
    std::uint64_t fragment = 0;
    // Extension headers (RFC 8200 §4): hop-by-hop, routing, fragment, AH, destination options.
    while (next == 0 || next == 43 || next == 44 || next == 51 || next == 60) {
        if (out.end < at + 8) return out;
        const std::uint8_t* ext = data + at;
        const std::uint32_t bytes = next == 51 ? (ext[1] + 2U) * 4 : next == 44 ? 8U : (ext[1] + 1U) * 8;
        if (bytes > out.end - at) return out;
        if (next == 43 && ext[3] != 0) out.routing = true;
        if (next == 44) {
            const std::uint16_t offset = load_be16(ext + 2);
            if (offset != 0) fragment = kFragAny;
            if (offset & 0xfff8) {
                fragment = kFragAny | kFragLater;
                break;
            }
        }
        next = ext[0];
        at += bytes;
    }
    key.word[2] = (key.word[2] & 0xffffffff00000000ULL) | std::uint64_t{next} << 24 |
                  std::uint64_t{flow >> 20 & 0xff} << 16 | std::uint64_t{p[7]} << 8 | fragment;
    key.set(key::kIpv6Label, flow & 0xfffff);
    if (fragment & kFragLater) return out;
    out.l4 = static_cast<std::uint16_t>(at);
    parse_transport(data + at, out.end - at, next, true, key);
    return out;
}

NetworkOffsets parse_arp(const std::uint8_t* data, std::uint32_t contiguous, std::uint16_t l3,
                         FlowKey& key) noexcept {
    // Ethernet and IPv4 only (RFC 826): hardware 1, protocol 0x0800, lengths 6 and 4.
    const std::uint8_t* p = data + l3;
    if (contiguous < l3 + 28U || load_be64(p) >> 16 != 0x000108000604ULL) return {};
    const std::uint16_t op = load_be16(p + 6);
    if (op <= 0xff) key.set(key::kIpProto, op);
    key.word[3] = std::uint64_t{load_be32(p + 14)} << 32 | load_be32(p + 24);
    key.set(key::kArpSha, load_mac(p + 8));
    key.set(key::kArpTha, load_mac(p + 18));
    NetworkOffsets out;
    out.l3 = l3;
    out.end = l3 + 28U;
    return out;
}

constexpr FieldLoc kLse[] = {key::kMplsLse0, key::kMplsLse1, key::kMplsLse2};

NetworkOffsets parse_mpls(const std::uint8_t* data, std::uint32_t contiguous, std::uint16_t l3,
                          FlowKey& key) noexcept {
    NetworkOffsets out;
    std::uint32_t at = l3;
    for (const auto& loc : kLse) {
        if (contiguous < at + 4) break;
        out.l3 = l3;
        const std::uint32_t lse = load_be32(data + at);
        key.set(loc, lse);
        at += 4;
        if (lse & 0x100) break;  // bottom of stack
    }
    out.end = at;
    return out;
}

}  // namespace

std::uint16_t parse_link(const std::uint8_t* data, std::uint32_t contiguous, unsigned vlan_limit,
                         FlowKey& key) noexcept {
    const std::uint64_t dst = load_mac(data), src = load_mac(data + 6);
    std::uint16_t type = load_be16(data + 12);
    std::uint32_t at = 14;
    std::uint64_t tci = 0;
    if (__builtin_expect(is_vlan(type), 0)) {
        for (unsigned i = 0; i < vlan_limit && i < 2 && is_vlan(type) && contiguous >= at + 4; ++i) {
            const std::uint64_t tag = load_be16(data + at) | kVlanPresent;
            if (i == 0) {
                tci = tag;
                key.word[4] |= type;
            } else {
                key.word[2] |= tag << 48 | std::uint64_t{type} << 32;
            }
            type = load_be16(data + at + 2);
            at += 4;
        }
    }
    std::uint64_t type_value = type;
    if (__builtin_expect(type < 0x600, 0)) {
        // 802.3: LLC and SNAP with an Ethernet type, or nothing we can name.
        const bool snap = contiguous >= at + 8 && load_be64(data + at) >> 16 == 0xaaaa03000000ULL;
        const std::uint16_t inner = snap ? load_be16(data + at + 6) : std::uint16_t{0};
        type_value = inner >= 0x600 ? inner : kTypeNone;
        if (inner >= 0x600) at += 8;
    }
    key.word[0] = dst << 16 | type_value;
    key.word[1] = src << 16 | tci;
    return static_cast<std::uint16_t>(at);
}

NetworkOffsets parse_network(const std::uint8_t* data, std::uint32_t contiguous, std::uint32_t frame,
                             std::uint16_t l3, FlowKey& key) noexcept {
    if (l3 == kNone || contiguous < l3) return {};
    switch (key.word[0] & 0xffff) {
        case 0x0800:
            return parse_ipv4(data, contiguous, frame, l3, key);
        case 0x86dd:
            return parse_ipv6(data, contiguous, frame, l3, key);
        case 0x0806:
        case 0x8035:
            return parse_arp(data, contiguous, l3, key);
        case 0x8847:
        case 0x8848:
            return parse_mpls(data, contiguous, l3, key);
        case 0x894f: {
            NetworkOffsets out;
            if (const std::uint32_t size = read_nsh(data + l3, contiguous - l3, key)) {
                out.l3 = l3;
                out.end = l3 + size;
            }
            return out;
        }
        default:
            return {};
    }
}

}  // namespace sluice::pipeline
