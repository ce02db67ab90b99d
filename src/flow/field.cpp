// SPDX-License-Identifier: Apache-2.0
// Look-ups over the field table, reading and writing of fields, prerequisites. Source: ovs-fields(7).
#include "flow/field.hpp"

#include <map>
#include <tuple>
#include <unordered_map>

namespace sluice {
namespace {

constexpr std::uint16_t kPcpBits = 0xe000, kVidBits = 0x0fff;
constexpr std::uint64_t kNoVlan10 = 0xffff;  // OFPVID_NONE of OpenFlow 1.0

bool same(FieldLoc a, FieldLoc b) {
    return a.word == b.word && a.shift == b.shift && a.bits == b.bits;
}
bool is_tos(const FieldInfo& f) {
    return same(f.loc, key::kIpTos);
}
bool is_port16(const FieldInfo& f) {
    return same(f.loc, key::kInPort) && f.bits == 16;
}
bool in_vlan_tci(const FieldInfo& f) {
    return f.loc.word == key::kVlanTci.word && f.loc.shift < 16;
}
bool is_vlan_tci(const FieldInfo& f) {
    return in_vlan_tci(f) && f.loc.bits == 16;
}
bool is_vlan_vid13(const FieldInfo& f) {
    return in_vlan_tci(f) && f.loc.bits == 13;
}
bool is_pcp(const FieldInfo& f) {
    return in_vlan_tci(f) && f.loc.bits == 3;
}
bool is_dl_vlan(const FieldInfo& f) {
    return in_vlan_tci(f) && f.loc.bits == 12;
}

// OpenFlow 1.0's reserved port numbers 0xff00..0xffff are 0xffffff00..0xffffffff in 32 bits.
std::uint64_t port_from_16(std::uint64_t port) {
    port &= 0xffff;
    return port >= 0xff00 ? port | 0xffff0000 : port;
}

std::uint64_t ethertype(const FlowKey& key) {
    const std::uint64_t packet_type = key.get(key::kPacketType);
    if (packet_type == 0) return key.get(key::kEthType);
    return packet_type >> 16 == 1 ? packet_type & 0xffff : 0;
}

constexpr std::uint64_t kCtNew = 0x01, kCtEstablished = 0x02, kCtRelated = 0x04, kCtReply = 0x08,
                        kCtInvalid = 0x10, kCtTracked = 0x20, kCtNat = 0xc0;

bool ct_of_match(const Match& match) {
    const std::uint64_t state = match.value.get(key::kCtState);
    if (state & (kCtNew | kCtEstablished | kCtRelated | kCtReply | kCtNat)) return true;
    return (state & kCtTracked) && (match.mask.get(key::kCtState) & kCtInvalid) && !(state & kCtInvalid);
}

}  // namespace

FieldId field_id(const FieldInfo& field) {
    return FieldId{static_cast<std::uint8_t>(&field - all_fields().data())};
}

FieldId field_by_name(std::string_view name) {
    static const auto kNames = [] {
        std::unordered_map<std::string_view, FieldId> names;
        for (const auto& field : all_fields()) {
            names.emplace(field.name, field_id(field));
            if (!field.extra_name.empty()) names.emplace(field.extra_name, field_id(field));
            for (const auto& header : field.oxm)
                names.emplace(header.name, field_id(field));
        }
        return names;
    }();
    const auto found = kNames.find(name);
    return found == kNames.end() ? kNoField : found->second;
}

FieldId field_by_oxm(std::uint16_t clazz, std::uint8_t field, std::uint32_t experimenter) {
    using Key = std::tuple<std::uint16_t, std::uint8_t, std::uint32_t>;
    static const auto kHeaders = [] {
        std::map<Key, FieldId> headers;
        for (const auto& info : all_fields()) {
            for (const auto& h : info.oxm)
                headers.emplace(Key{h.clazz, h.field, h.experimenter}, field_id(info));
        }
        return headers;
    }();
    const auto found = kHeaders.find({clazz, field, experimenter});
    return found == kHeaders.end() ? kNoField : found->second;
}

const OxmHeader* oxm_header(const FieldInfo& field, std::uint8_t version) {
    for (const auto& header : field.oxm) {
        if (header.since <= version) return &header;
    }
    return field.oxm.empty() ? nullptr : &field.oxm.back();
}

bool has_nxm_header(const FieldInfo& field) {
    const OxmHeader* header = oxm_header(field, 0x01);
    return header != nullptr && header->clazz != 0xffff && !is_tun_metadata(field);
}

U128 field_value_mask(const FieldInfo& field) {
    if (is_tos(field)) return {0, 0xfc};
    if (is_tun_metadata(field)) return low_mask(128);
    if (is_vlan_vid13(field)) return {0, 0x1fff};
    return low_mask(field.bits < field.loc.bits ? field.bits : field.loc.bits);
}

U128 field_get(const FieldInfo& field, const FlowKey& key) {
    if (field.loc.bits == 0) return {};
    return key.get_wide(field.loc) & field_value_mask(field);
}

U128 field_mask(const FieldInfo& field, const Match& match) {
    return field_get(field, match.mask);
}

void field_set(const FieldInfo& field, FlowKey& key, U128 value) {
    if (field.loc.bits == 0) return;
    value = value & field_value_mask(field);
    if (is_tos(field)) {
        key.set(field.loc, value.lo | (key.get(field.loc) & 0x03));
        return;
    }
    if (is_port16(field)) value.lo = port_from_16(value.lo);
    key.set_wide(field.loc, value);
    if (is_dl_vlan(field) || is_pcp(field)) {
        key.set(key::kVlanTci, key.get(key::kVlanTci) | kVlanPresent);
    }
}

void field_set(const FieldInfo& field, Match& match, U128 value, U128 mask) {
    if (field.loc.bits == 0) return;
    const U128 all = field_value_mask(field);
    if (in_vlan_tci(field) && !is_vlan_tci(field)) {
        std::uint64_t tci = match.value.get(key::kVlanTci), tci_mask = match.mask.get(key::kVlanTci);
        if (is_dl_vlan(field) && value.lo == kNoVlan10 && !mask.is_zero()) {
            tci = 0;
            tci_mask = 0xffff;
        } else if (is_pcp(field)) {
            const bool exact = !(mask & all).is_zero();
            tci = (tci & 0x1fffU) | (exact ? (value.lo & 7) << 13 | kVlanPresent : 0);
            tci_mask = (tci_mask & 0x1fffU) | (exact ? kPcpBits | kVlanPresent : 0);
        } else {
            // A plain dl_vlan demands the tag; vlan_vid carries its own "present" bit.
            const bool plain = is_dl_vlan(field) && !(mask & all).is_zero();
            const std::uint64_t bits = (mask.lo & all.lo) | (plain ? kVlanPresent : 0);
            tci = (tci & kPcpBits) |
                  (((value.lo & kVidBits) | (plain ? kVlanPresent : value.lo)) & bits & 0x1fff);
            tci_mask = (tci_mask & kPcpBits) | bits;
        }
        match.set_masked(key::kVlanTci, {0, tci}, {0, tci_mask});
        return;
    }
    mask = mask & all;
    value = value & mask;
    if (is_tos(field)) {
        const std::uint64_t ecn = match.mask.get(field.loc) & 0x03;
        match.set_masked(field.loc, {0, value.lo | (match.value.get(field.loc) & 0x03)}, {0, mask.lo | ecn});
        return;
    }
    if (mask == all) {
        if (is_port16(field)) value.lo = port_from_16(value.lo);
        mask = low_mask(field.loc.bits);
    }
    match.set_masked(field.loc, value, mask);
}

bool prereq_ok(Prereq prereq, const Match& match) {
    if (prereq == Prereq::kCt) return ct_of_match(match);
    return prereq_present(prereq, match.value);
}

bool prereq_present(Prereq prereq, const FlowKey& key) {
    const auto type = [&key] { return ethertype(key); };
    const auto ip = [&type] { return type() == 0x0800 || type() == 0x86dd; };
    const auto proto = [&key](unsigned number) {
        return key.get(key::kIpProto) == number && !(key.get(key::kIpFrag) & kFragLater);
    };
    // As in OVS, later fragments of ICMP may be matched on a type, which they never have.
    const auto icmp = [&key](unsigned number) { return key.get(key::kIpProto) == number; };
    const auto nd = [&key, &type, &icmp](bool solicit, bool advert) {
        const std::uint64_t icmp_type = key.get(key::kTpSrc);
        return type() == 0x86dd && icmp(58) && key.get(key::kTpDst) == 0 &&
               ((solicit && icmp_type == 135) || (advert && icmp_type == 136));
    };
    switch (prereq) {
        case Prereq::kNone:
            return true;
        case Prereq::kEthernet:
            return key.get(key::kPacketType) == 0;
        case Prereq::kArp:
            return type() == 0x0806 || type() == 0x8035;
        case Prereq::kIpv4:
            return type() == 0x0800;
        case Prereq::kIpv6:
            return type() == 0x86dd;
        case Prereq::kIpAny:
            return ip();
        case Prereq::kVlan:
            return key.get(key::kPacketType) == 0 && (key.get(key::kVlanTci) & kVlanPresent);
        case Prereq::kMpls:
            return type() == 0x8847 || type() == 0x8848;
        case Prereq::kNsh:
            return type() == 0x894f;
        case Prereq::kTcp:
            return ip() && proto(6);
        case Prereq::kUdp:
            return ip() && proto(17);
        case Prereq::kSctp:
            return ip() && proto(132);
        case Prereq::kIcmpV4:
            return type() == 0x0800 && icmp(1);
        case Prereq::kIcmpV6:
            return type() == 0x86dd && icmp(58);
        case Prereq::kNd:
            return nd(true, true);
        case Prereq::kNdSolicit:
            return nd(true, false);
        case Prereq::kNdAdvert:
            return nd(false, true);
        case Prereq::kCt:
            return key.get(key::kCtState) & (kCtNew | kCtEstablished | kCtReply);
    }
    return false;
}

}  // namespace sluice
