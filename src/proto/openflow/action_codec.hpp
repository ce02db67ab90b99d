// SPDX-License-Identifier: Apache-2.0
// Actions and instructions on the wire. Decoding runs over a table: a new action is one row in
// action_decode.cpp (vendor, number, versions, size, function) and one overload in action_encode.cpp.
#pragma once

#include <cstdint>

#include "flow/action.hpp"
#include "flow/match.hpp"
#include "proto/openflow/match_codec.hpp"
#include "proto/openflow/wire.hpp"

namespace sluice::openflow {

/// What a decoder of an action needs to know.
struct ActionScope {
    Version version = Version::k10;
    unsigned depth = 0;  ///< of nested lists (clone, write_actions)
};
/// Lists nested deeper are refused with OFPBAC_TOO_MANY.
inline constexpr unsigned kMaxActionDepth = 64;

/// Appends what the action list `in` holds (to its end).
void decode_actions(Reader in, const ActionScope& scope, ActionList& out);
/// OpenFlow 1.1+ instructions to the end of `in`: meter, apply, clear, write, metadata, goto in this order.
void decode_instructions(Reader in, Version version, ActionList& out);
/// Action list (1.0) or instructions (1.1+).
void decode_flow_actions(Reader in, Version version, ActionList& out);

/// What an encoder needs to know: forms of some actions depend on the flow they belong to.
struct EncodeScope {
    Version version = Version::k10;
    std::uint8_t ip_proto = 6;  ///< mod_tp_src in 1.2+ becomes set_field of this protocol's port
    bool has_vlan = false;      ///< mod_vlan_vid in 1.1+ needs no push_vlan
};
EncodeScope scope_of(Version version, const Match& match);
void encode_actions(Writer& out, const ActionList& actions, EncodeScope scope);
void encode_flow_actions(Writer& out, const ActionList& actions, const EncodeScope& scope);
/// True for clear_actions, write_actions, write_metadata, goto_table, and meter where it is one.
bool is_instruction(const Action& action, Version version);

}  // namespace sluice::openflow
