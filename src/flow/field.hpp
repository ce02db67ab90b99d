// SPDX-License-Identifier: Apache-2.0
// The table of match fields: one row a field, read by the OXM/NXM codec, the text parser and printer,
// prerequisite checks, the random generators of the tests and the docs. A new field is one row in
// field_table.cpp. Source: ovs-fields(7), OpenFlow 1.5 §7.2.3.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/types.hpp"
#include "flow/key.hpp"
#include "flow/match.hpp"

namespace sluice {

/// Index of a row in the field table.
enum class FieldId : std::uint8_t {};
inline constexpr FieldId kNoField{0xff};

enum class FieldFormat : std::uint8_t {
    kDecimal,
    kHex,
    kMac,
    kIpv4,
    kIpv6,
    kOfPort,
    kFrag,
    kTcpFlags,
    kTunFlags,
    kCtState,
    kPacketType,
};
enum class FieldMask : std::uint8_t { kNone, kFull, kSpecial /* vlan_vid/vlan_tci rules of ovs-fields */ };
enum class Prereq : std::uint8_t {
    kNone,
    kArp,
    kIpv4,
    kIpv6,
    kIpAny,
    kVlan,
    kMpls,
    kTcp,
    kUdp,
    kSctp,
    kIcmpV4,
    kIcmpV6,
    kNd,
    kNdSolicit,
    kNdAdvert,
    kCt,
    kEthernet,
    kNsh,
};

/// One OXM/NXM header a field has. `clazz` 0x0000 NXM_OF, 0x0001 NXM_NX, 0x8000 OXM_OF,
/// 0x8001 packet registers, 0x1000 Ericsson's, 0xffff experimenter (then `experimenter` is set).
struct OxmHeader {
    std::uint16_t clazz;
    std::uint8_t field;
    std::uint8_t length;             ///< bytes of the value, without mask and experimenter id
    std::uint32_t experimenter = 0;  ///< ONF 0x4f4e4600, NSH 0x005ad650, ...
    std::uint8_t since = 0x01;       ///< OpenFlow version (wire number) from which it is used in encoding
    std::string_view name = {};      ///< "NXM_OF_ETH_DST"
};

struct FieldInfo {
    std::string_view name;        ///< primary name in ovs-ofctl syntax
    std::string_view extra_name;  ///< alias ("dl_src" for eth_src) or empty
    FieldLoc loc;
    /// Width of sub-fields, as OVS counts it (vlan_vid 12, ip_dscp 6, arp_op 16). `loc` may be wider
    /// (vlan_vid: 13 with the "present" bit; icmp_type: 16) or narrower (arp_op: 8). tun_metadataN: the
    /// most there can be, 992; its place (none in `loc`) and width come from the bridge's TLV table.
    std::uint16_t bits;
    FieldMask mask;
    FieldFormat format;
    Prereq prereq;
    bool writable;                   ///< may be target of set_field, load, move
    std::span<const OxmHeader> oxm;  ///< newest first; see oxm_header()
    std::string_view nxm_name;       ///< "NXM_NX_REG0" as printed in load: and move:
};

std::span<const FieldInfo> all_fields();
const FieldInfo& field_info(FieldId id);
FieldId field_by_name(std::string_view name);  ///< any spelling ovs-ofctl takes; kNoField if none
FieldId field_by_oxm(std::uint16_t clazz, std::uint8_t field, std::uint32_t experimenter = 0);
FieldId field_id(const FieldInfo& field);  ///< `field` must be a row of all_fields()

/// tun_metadata0..63, whose place in the option space and width the bridge's TLV table says.
constexpr bool is_tun_metadata(const FieldInfo& field) {
    return field.loc.bits == 0;
}

/// Header to encode a field with in an OpenFlow version (wire number): the newest that the version knows,
/// else the oldest there is (xreg0 in OpenFlow 1.0). Null when the field has none (dl_vlan, tun_ttl).
const OxmHeader* oxm_header(const FieldInfo& field, std::uint8_t version);

/// Bits that a value of the field can have: low_mask(bits), but vlan_vid 0x1fff, nw_tos 0xfc, arp_op 0xff;
/// tun_metadataN: all 128 (values of more bits are not taken, but for matches).
U128 field_value_mask(const FieldInfo& field);

/// True if the field has a header of 4 bytes and fixed length, as NXAST_REG_LOAD needs.
bool has_nxm_header(const FieldInfo& field);

/// Value of a field in a key, and its change, in the form OpenFlow gives it. `in_port` (NXM_OF_IN_PORT) is
/// the 16-bit port number of OpenFlow 1.0, `in_port_oxm` the 32-bit one; nw_tos has its ECN bits 0; setting
/// dl_vlan or a pcp in a key adds the "tag present" bit, which vlan_vid carries itself (0x1000).
U128 field_get(const FieldInfo& field, const FlowKey& key);
void field_set(const FieldInfo& field, FlowKey& key, U128 value);
/// Sets a (masked) field in a match. A mask of all field_value_mask() bits is an exact match. dl_vlan 0xffff
/// means "no tag", as OpenFlow 1.0 writes it; matching a pcp demands a tag.
void field_set(const FieldInfo& field, Match& match, U128 value, U128 mask);
/// The mask of a field in a match, clipped to its value bits (0: not matched).
U128 field_mask(const FieldInfo& field, const Match& match);
/// True if `match` fulfils the field's prerequisite exactly (as OVS checks before accepting a match or set).
bool prereq_ok(Prereq prereq, const Match& match);
/// True if the packet described by `key` has the field (so that a set_field on it takes effect).
bool prereq_present(Prereq prereq, const FlowKey& key);

/// Bits [offset, offset+bits) of a field; the whole field when offset 0 and bits == info.bits.
struct SubField {
    FieldId field = kNoField;
    std::uint16_t offset = 0;
    std::uint16_t bits = 0;
    friend bool operator==(const SubField&, const SubField&) = default;
};

}  // namespace sluice
