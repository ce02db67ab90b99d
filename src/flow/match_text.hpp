// SPDX-License-Identifier: Apache-2.0
// Matches and flows as text, in the syntax and layout of ovs-ofctl: parse_match("tcp,nw_src=10.0.0.0/8"),
// format_match() as `dump-flows` prints it, format_flow() as the "Flow:" line of `ofproto/trace`.
// Source: ovs-fields(7), ovs-ofctl(8). Any thread; they allocate.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "flow/field.hpp"
#include "flow/match.hpp"
#include "flow/text.hpp"
#include "flow/tun_table.hpp"

namespace sluice {

/// Value and mask of one field in the form field_set() takes. A mask of field_value_mask() is exact.
struct FieldValue {
    U128 value, mask;
};
/// Parses "10.0.0.0/8", "0x10/0xf0", "+syn-ack" for a field. Errors: EINVAL syntax or mask not allowed,
/// ERANGE.
Result<FieldValue> parse_field_value(const FieldInfo& field, std::string_view text,
                                     const PortNames* names = nullptr);
/// The value as set_field prints it.
std::string format_field_value(const FieldInfo& field, FieldValue value, const PortNames* names = nullptr);

/// Parses "NXM_NX_REG0[0..15]", "reg0[3]", "reg0[]" or "reg0".
Result<SubField> parse_subfield(std::string_view text);
std::string format_subfield(const SubField& subfield);

/// One item of a match, "key" or "key=value" ("tcp", "nw_src=10.0.0.0/8"). Returns false if `key` is neither
/// a field nor a protocol name. Prerequisites are checked by check_match() after the last item.
/// `tun`: what tun_metadataN stand for, here and below; null: none is mapped.
Result<bool> parse_match_item(const text::KeyValue& item, Match& match, const PortNames* names,
                              const TunTable* tun = nullptr);
/// EINVAL, with a sentence, if a field is matched whose prerequisite (tcp for tcp_dst, ...) is not.
Result<void> check_match(const Match& match);

/// A comma-separated match; "" matches every packet. Without `names` only numbers and reserved ports are
/// known.
Result<Match> parse_match(std::string_view text, const PortNames* names = nullptr);
/// Empty for a match of every packet. No priority.
std::string format_match(const Match& match, const PortNames* names = nullptr, const TunTable* tun = nullptr);

/// A packet's fields given as an exact match, the way `ofproto/trace` takes them; fields not given are 0.
Result<FlowKey> parse_flow(std::string_view text, const PortNames* names = nullptr,
                           const TunTable* tun = nullptr);
/// All fields the packet has; metadata that is 0 is left out.
std::string format_flow(const FlowKey& key, const PortNames* names = nullptr, const TunTable* tun = nullptr);

}  // namespace sluice
