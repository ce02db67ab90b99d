// SPDX-License-Identifier: Apache-2.0
// The fixed-size matches of OpenFlow 1.0 (§5.2.3) and 1.1 (§A.2.3.2), and the envelope of 1.1+.
#include "proto/openflow/match_codec.hpp"

namespace sluice::openflow {

namespace {

constexpr std::uint16_t kStandardMatch = 0, kOxmMatch = 1, kMatch11Size = 88;
constexpr std::uint16_t kVlanNone = 0xffff, kVlanAny11 = 0xfffe;

// OFPFW_* of OpenFlow 1.0.
namespace w10 {
constexpr std::uint32_t kInPort = 1, kVlan = 2, kDlSrc = 4, kDlDst = 8, kDlType = 16, kNwProto = 32,
                        kTpSrc = 64, kTpDst = 128, kPcp = 1 << 20, kTos = 1 << 21, kNwSrcShift = 8,
                        kNwDstShift = 14;
}
// OFPFW11_*.
namespace w11 {
constexpr std::uint32_t kInPort = 1, kVlan = 2, kPcp = 4, kDlType = 8, kTos = 16, kNwProto = 32, kTpSrc = 64,
                        kTpDst = 128, kMplsLabel = 256, kMplsTc = 512;
}

constexpr FieldLoc kMplsLabel{key::kMplsLse0.word, key::kMplsLse0.shift + 12, 20};
constexpr FieldLoc kMplsTc{key::kMplsLse0.word, key::kMplsLse0.shift + 9, 3};

std::uint64_t prefix_mask(std::uint32_t wild_bits) {
    return wild_bits >= 32 ? 0 : 0xffffffffU & (0xffffffffU << wild_bits);
}
/// Number of wildcarded low bits; a mask that is no prefix widens to the next shorter one.
std::uint32_t wild_bits(std::uint64_t mask) {
    std::uint32_t bits = 0;
    while (bits < 32 && prefix_mask(bits) != (prefix_mask(bits) & mask))
        ++bits;
    return bits;
}

void set_vlan(Match& match, bool has_vid, std::uint16_t vid, bool has_pcp, std::uint8_t pcp) {
    std::uint64_t value = 0;
    std::uint64_t mask = 0;
    if (has_vid) value |= vid | kVlanPresent, mask |= 0x0fff | kVlanPresent;
    if (has_pcp)
        value |= static_cast<std::uint64_t>(pcp & 7) << 13 | kVlanPresent, mask |= 0xe000 | kVlanPresent;
    if (mask != 0) match.set_masked(key::kVlanTci, {0, value}, {0, mask});
}

bool exact(const Match& match, FieldLoc loc) {
    return !match.mask.get_wide(loc).is_zero();
}

/// Protocols whose ports (type and code) the standard match holds.
bool has_ports11(const Match& match) {
    const auto proto = match.value.get(key::kIpProto);
    return match.mask.get(key::kIpProto) != 0 && (proto == 1 || proto == 6 || proto == 17 || proto == 132);
}

void read_tp11(Match& match, std::uint32_t wild, std::uint16_t src, std::uint16_t dst) {
    const bool has_src = !(wild & w11::kTpSrc);
    const bool has_dst = !(wild & w11::kTpDst);
    if (!has_src && !has_dst) return;
    const auto proto = match.value.get(key::kIpProto);
    if (!has_ports11(match)) return;  // to be ignored, says the specification
    if (proto == 1 && ((has_src && src > 0xff) || (has_dst && dst > 0xff))) {
        fail(ErrorCode::kBmcBadField, "ICMP type or code above 255");
    }
    if (has_src) match.set_exact(key::kTpSrc, src);
    if (has_dst) match.set_exact(key::kTpDst, dst);
}

void read_vlan11(Match& match, std::uint32_t wild, std::uint16_t vid, std::uint8_t pcp) {
    const bool has_pcp = !(wild & w11::kPcp);
    if (wild & w11::kVlan) {
        set_vlan(match, false, 0, has_pcp, pcp);
    } else if (vid == kVlanNone) {
        match.set_exact(key::kVlanTci, 0);
    } else if (vid == kVlanAny11) {
        match.set_masked(key::kVlanTci, {0, kVlanPresent}, {0, kVlanPresent});
        if (has_pcp) set_vlan(match, false, 0, true, pcp);
    } else if (vid < 4096) {
        set_vlan(match, true, vid, has_pcp, pcp);
    } else {
        fail(ErrorCode::kBmcBadValue, "VLAN id {}", vid);
    }
    if (has_pcp && pcp > 7) fail(ErrorCode::kBmcBadValue, "VLAN priority {}", pcp);
}

Match read_standard11(Reader in) {
    Match match;
    const OfPort port = in.port32();
    const std::uint32_t wild = in.u32();
    const std::uint64_t src = in.mac(), src_wild = in.mac(), dst = in.mac(), dst_wild = in.mac();
    const std::uint16_t vid = in.u16();
    const std::uint8_t pcp = in.u8();
    in.skip(1);
    const std::uint16_t type = in.u16();
    const std::uint8_t tos = in.u8(), proto = in.u8();
    const std::uint32_t nw_src = in.u32(), nw_src_wild = in.u32(), nw_dst = in.u32(), nw_dst_wild = in.u32();
    const std::uint16_t tp_src = in.u16(), tp_dst = in.u16();
    const std::uint32_t label = in.u32();
    const std::uint8_t tc = in.u8();
    in.skip(3);
    const std::uint64_t metadata = in.u64(), metadata_wild = in.u64();

    if (!(wild & w11::kInPort)) match.set_exact(key::kInPort, to_int(port));
    match.set_masked(key::kEthSrc, {0, src}, {0, ~src_wild});
    match.set_masked(key::kEthDst, {0, dst}, {0, ~dst_wild});
    read_vlan11(match, wild, vid, pcp);
    if (!(wild & w11::kDlType)) match.set_exact(key::kEthType, type);
    const bool ip = type == 0x0800 || type == 0x86dd;
    const bool arp = type == 0x0806 || type == 0x8035;
    if (!(wild & w11::kDlType) && (ip || arp)) {
        if (ip && !(wild & w11::kTos)) {
            if ((tos & ~0xfc) != 0) fail(ErrorCode::kBmcBadValue, "nw_tos {:#x} has ECN bits", tos);
            match.set_masked(key::kIpTos, {0, tos}, {0, 0xfc});
        }
        if (!(wild & w11::kNwProto)) match.set_exact(key::kIpProto, proto);
        match.set_masked(key::kIpv4Src, {0, nw_src}, {0, ~nw_src_wild});
        match.set_masked(key::kIpv4Dst, {0, nw_dst}, {0, ~nw_dst_wild});
        if (ip) read_tp11(match, wild, tp_src, tp_dst);
    }
    if (!(wild & w11::kDlType) && (type == 0x8847 || type == 0x8848)) {
        if (!(wild & w11::kMplsLabel)) match.set_exact(kMplsLabel, label);
        if (!(wild & w11::kMplsTc)) match.set_exact(kMplsTc, tc);
    }
    match.set_masked(key::kMetadata, {0, metadata}, {0, ~metadata_wild});
    drop_unmet(match);
    return match;
}

void write_standard11(Writer& out, const Match& match) {
    const auto& v = match.value;
    const auto& m = match.mask;
    std::uint32_t wild = 0;
    const auto unless = [&](FieldLoc loc, std::uint32_t bit) { wild |= exact(match, loc) ? 0 : bit; };
    unless(key::kInPort, w11::kInPort);
    unless(key::kEthType, w11::kDlType);
    unless(key::kIpTos, w11::kTos);
    unless(key::kIpProto, w11::kNwProto);
    unless(key::kTpSrc, w11::kTpSrc);
    unless(key::kTpDst, w11::kTpDst);
    const bool ports = has_ports11(match);
    if (!ports) wild |= w11::kTpSrc | w11::kTpDst;
    unless(kMplsLabel, w11::kMplsLabel);
    unless(kMplsTc, w11::kMplsTc);
    const std::uint64_t tci = v.get(key::kVlanTci), tci_mask = m.get(key::kVlanTci);
    std::uint16_t vid = 0;
    if (!(tci_mask & kVlanPresent)) {
        wild |= w11::kVlan | w11::kPcp;
    } else if (!(tci & kVlanPresent)) {
        vid = kVlanNone;
        wild |= w11::kPcp;
    } else {
        vid = (tci_mask & 0xfff) ? static_cast<std::uint16_t>(tci & 0xfff) : kVlanAny11;
        if (!(tci_mask & 0xe000)) wild |= w11::kPcp;
    }
    out.u16(kStandardMatch);
    out.u16(kMatch11Size);
    out.u32(v.get(key::kInPort));
    out.u32(wild);
    out.mac(v.get(key::kEthSrc));
    out.mac(~m.get(key::kEthSrc) & 0xffffffffffff);
    out.mac(v.get(key::kEthDst));
    out.mac(~m.get(key::kEthDst) & 0xffffffffffff);
    out.u16(vid);
    out.u8(wild & w11::kPcp ? 0 : tci >> 13);
    out.zeros(1);
    out.u16(v.get(key::kEthType));
    out.u8(v.get(key::kIpTos) & 0xfc);
    out.u8(v.get(key::kIpProto));
    out.u32(v.get(key::kIpv4Src));
    out.u32(~m.get(key::kIpv4Src));
    out.u32(v.get(key::kIpv4Dst));
    out.u32(~m.get(key::kIpv4Dst));
    out.u16(ports ? v.get(key::kTpSrc) : 0);
    out.u16(ports ? v.get(key::kTpDst) : 0);
    out.u32(v.get(kMplsLabel));
    out.u8(v.get(kMplsTc));
    out.zeros(3);
    out.u64(v.get(key::kMetadata));
    out.u64(~m.get(key::kMetadata));
}

}  // namespace

Match decode_match11(Reader& in, Version /*version*/) {
    Reader start = in;
    const std::uint16_t type = start.sub(2, ErrorCode::kBmcBadLen).u16();
    const std::uint16_t length = start.sub(2, ErrorCode::kBmcBadLen).u16();
    if (type == kStandardMatch) {
        if (length != kMatch11Size) fail(ErrorCode::kBmcBadLen, "standard match of {} bytes", length);
        Reader body = in.sub(kMatch11Size, ErrorCode::kBmcBadLen);
        body.skip(4);
        return read_standard11(body);
    }
    if (type != kOxmMatch) fail(ErrorCode::kBmcBadType, "match type {}", type);
    if (length < 4 || padded8(length) > in.left()) {
        fail(ErrorCode::kBmcBadLen, "match of {} bytes, {} left", length, in.left());
    }
    Reader body = in.sub(padded8(length), ErrorCode::kBmcBadLen);
    body.skip(4);
    return decode_oxm_list(body.sub(length - 4U));
}

void encode_match11(Writer& out, const Match& match, Version version) {
    if (version == Version::k11) return write_standard11(out, match);
    encode_match_oxm(out, match, version);
}

void encode_match_oxm(Writer& out, const Match& match, Version version) {
    const std::size_t start = out.size();
    out.u16(kOxmMatch);
    out.u16(0);
    encode_oxm_list(out, match, to_int(version));
    out.patch_size(start, 2);
    out.pad8(start);
}

Match decode_match10(Reader& whole) {
    Reader in = whole.sub(40);
    Match match;
    const std::uint32_t wild = in.u32();
    const OfPort port = in.port16();
    const std::uint64_t src = in.mac(), dst = in.mac();
    const std::uint16_t vid = in.u16();
    const std::uint8_t pcp = in.u8();
    in.skip(1);
    const std::uint16_t type = in.u16();
    const std::uint8_t tos = in.u8(), proto = in.u8();
    in.skip(2);
    const std::uint32_t nw_src = in.u32(), nw_dst = in.u32();
    const std::uint16_t tp_src = in.u16(), tp_dst = in.u16();

    if (!(wild & w10::kInPort)) match.set_exact(key::kInPort, to_int(port));
    if (!(wild & w10::kDlSrc)) match.set_exact(key::kEthSrc, src);
    if (!(wild & w10::kDlDst)) match.set_exact(key::kEthDst, dst);
    if (!(wild & w10::kVlan) && vid == kVlanNone) {
        match.set_exact(key::kVlanTci, 0);
    } else {
        set_vlan(match, !(wild & w10::kVlan), vid & 0xfff, !(wild & w10::kPcp), pcp);
    }
    if (!(wild & w10::kDlType)) match.set_exact(key::kEthType, type);
    if (!(wild & w10::kTos)) match.set_masked(key::kIpTos, {0, tos}, {0, 0xfc});
    if (!(wild & w10::kNwProto)) match.set_exact(key::kIpProto, proto);
    match.set_masked(key::kIpv4Src, {0, nw_src}, {0, prefix_mask(wild >> w10::kNwSrcShift & 63)});
    match.set_masked(key::kIpv4Dst, {0, nw_dst}, {0, prefix_mask(wild >> w10::kNwDstShift & 63)});
    if (!(wild & w10::kTpSrc)) match.set_exact(key::kTpSrc, tp_src);
    if (!(wild & w10::kTpDst)) match.set_exact(key::kTpDst, tp_dst);
    drop_unmet(match);
    return match;
}

void encode_match10(Writer& out, const Match& match) {
    const auto& v = match.value;
    const auto& m = match.mask;
    std::uint32_t wild = 0;
    const auto unless = [&](FieldLoc loc, std::uint32_t bit) { wild |= exact(match, loc) ? 0 : bit; };
    unless(key::kInPort, w10::kInPort);
    unless(key::kEthSrc, w10::kDlSrc);
    unless(key::kEthDst, w10::kDlDst);
    unless(key::kEthType, w10::kDlType);
    unless(key::kIpTos, w10::kTos);
    unless(key::kIpProto, w10::kNwProto);
    unless(key::kTpSrc, w10::kTpSrc);
    unless(key::kTpDst, w10::kTpDst);
    wild |= wild_bits(m.get(key::kIpv4Src)) << w10::kNwSrcShift;
    wild |= wild_bits(m.get(key::kIpv4Dst)) << w10::kNwDstShift;
    const std::uint64_t tci = v.get(key::kVlanTci), tci_mask = m.get(key::kVlanTci);
    std::uint16_t vid = 0;
    std::uint8_t pcp = 0;
    if (!(tci_mask & kVlanPresent)) {
        wild |= w10::kVlan | w10::kPcp;
    } else if (!(tci & kVlanPresent)) {
        vid = kVlanNone;
        // OVS leaves the priority exact here: an untagged packet has none.
    } else {
        if (tci_mask & 0xfff) {
            vid = static_cast<std::uint16_t>(tci & 0xfff);
        } else {
            wild |= w10::kVlan;
        }
        if (tci_mask & 0xe000) {
            pcp = static_cast<std::uint8_t>(tci >> 13);
        } else {
            wild |= w10::kPcp;
        }
    }
    out.u32(wild);
    out.u16(v.get(key::kInPort));
    out.mac(v.get(key::kEthSrc));
    out.mac(v.get(key::kEthDst));
    out.u16(vid);
    out.u8(pcp);
    out.zeros(1);
    out.u16(v.get(key::kEthType));
    out.u8(v.get(key::kIpTos) & 0xfc);
    out.u8(v.get(key::kIpProto));
    out.zeros(2);
    out.u32(v.get(key::kIpv4Src) & prefix_mask(wild >> w10::kNwSrcShift & 63));
    out.u32(v.get(key::kIpv4Dst) & prefix_mask(wild >> w10::kNwDstShift & 63));
    out.u16(v.get(key::kTpSrc));
    out.u16(v.get(key::kTpDst));
}

}  // namespace sluice::openflow
