// SPDX-License-Identifier: Apache-2.0
// Matches on the wire: OpenFlow 1.0's ofp_match, 1.1's standard match, OXM (1.2+) and Nicira's NXM. All of
// them go through the field table; NXM and OXM differ only in which header a field prefers.
#pragma once

#include <cstdint>
#include <optional>

#include "flow/field.hpp"
#include "flow/match.hpp"
#include "proto/openflow/wire.hpp"

namespace sluice::openflow {

/// Cookie and mask that NXM carries beside the match (NXM_NX_COOKIE) in requests.
struct NxmCookie {
    std::uint64_t value = 0, mask = 0;
};

/// One OXM/NXM entry: a field, its value and mask (all value bits when `has_mask` is false).
struct OxmEntry {
    FieldId field = kNoField;
    U128 value, mask;
    bool has_mask = false;
};
/// What an entry or header is part of decides the error codes.
enum class OxmUse : std::uint8_t {
    kMatch,
    kSetField,   ///< the entry of set_field and reg_load2
    kHeader,     ///< a header of 4 or 8 bytes: move, push, pop, output_reg2, ...
    kNxmHeader,  ///< a header of 4 bytes: load, learn, multipath, ...
};

/// Reads the header (and experimenter id) of one entry; `length` is that of value plus mask.
struct OxmHead {
    FieldId field = kNoField;
    bool has_mask = false;
    std::uint8_t length = 0;
    bool bad_length = false;  ///< the field is known, but not with this length: `field` is kNoField
};
OxmHead read_oxm_head(Reader& in, OxmUse use);
OxmEntry read_oxm_entry(Reader& in, OxmUse use);

/// Header as 4 or 8 bytes. `length` is that of the value; doubled when masked.
void write_oxm_head(Writer& out, const OxmHeader& header, bool has_mask);
void write_oxm_entry(Writer& out, const OxmHeader& header, U128 value, U128 mask, bool has_mask);
/// Value of `length` bytes, 1..16.
void write_wide(Writer& out, U128 value, std::size_t length);
U128 read_wide(Reader& in, std::size_t length);

/// Entries up to the end of `in`. With `loose`, unknown fields are skipped (statistics requests of OVS).
/// `cookie` non-null: NXM_NX_COOKIE is taken.
/// NXFMFC_INVALID_TLV_FIELD if a tun_metadataN is not mapped, BAC_BAD_SET_LEN if it is too short for `sub`.
void check_tun_field(const TunTable* tun, const SubField& sub);
Match decode_oxm_list(Reader in, NxmCookie* cookie = nullptr, bool loose = false);
/// `version` 0: NXM, else the OXM of that wire version. Order as OVS writes it.
void encode_oxm_list(Writer& out, const Match& match, std::uint8_t version,
                     const NxmCookie* cookie = nullptr);

/// Cuts a list of `length` bytes and its padding to 8 off; a padded list written, its length returned.
Reader nxm_list(Reader& in, std::size_t length);
std::size_t write_nxm_list(Writer& out, const Match& match, const NxmCookie* cookie = nullptr);

/// ofp_match of 1.1+ with its padding: standard (1.1) or OXM by its type.
Match decode_match11(Reader& in, Version version);
void encode_match11(Writer& out, const Match& match, Version version);
/// As OXM in 1.1 too, whose standard match can't say all: flow statistics go out this way, as OVS does it.
void encode_match_oxm(Writer& out, const Match& match, Version version);

/// OpenFlow 1.0's 40 bytes.
Match decode_match10(Reader& in);
void encode_match10(Writer& out, const Match& match);

/// Drops what a match says about fields whose prerequisites it doesn't demand, as OVS does silently.
void drop_unmet(Match& match);

}  // namespace sluice::openflow
