// SPDX-License-Identifier: Apache-2.0
// Writing changed key values back into packets: header bytes, checksums, VLAN tags, MPLS labels. Each
// function changes one packet of a set and keeps its offsets and offload marks true. Parts that the
// packet does not have are left alone. Needs the headers parsed.
#pragma once

#include <cstdint>

#include "pipeline/action_program.hpp"
#include "pipeline/packet_set.hpp"

namespace sluice::pipeline {

/// Stores the key's value of `part` into the packet, with checksums.
void write_back(PacketSet& set, unsigned i, HeaderPart part) noexcept;

/// Writes the bits `mask` of a key field and, if that changed it, the header they stand for.
void set_bits(PacketSet& set, unsigned i, FieldLoc loc, HeaderPart part, U128 value, U128 mask) noexcept;

/// One from the TTL or hop limit, which is not 0, of an IP packet.
void decrement_ttl(PacketSet& set, unsigned i) noexcept;

/// Makes the packet's tags those of the key after the key's VLAN fields changed from `before` (outer TCI).
void write_vlan(PacketSet& set, unsigned i, std::uint16_t before) noexcept;
/// Puts an empty tag outermost. Nothing happens without headroom.
void push_tag(PacketSet& set, unsigned i, std::uint16_t ethertype) noexcept;
/// Removes the outermost tag, if there is one.
void pop_tag(PacketSet& set, unsigned i) noexcept;

/// The tags a key shows.
TagPair tags_of(const FlowKey& key) noexcept;
/// Replaces the tags `from` of a packet by `to`. Tags that are the same from the innermost on keep their
/// bytes; new ones get a DEI bit of 0. False: no headroom.
bool retag(Packet* packet, TagPair from, TagPair to) noexcept;

/// False: more labels than the key holds.
bool push_mpls(PacketSet& set, unsigned i, std::uint16_t ethertype) noexcept;
bool pop_mpls(PacketSet& set, unsigned i, std::uint16_t ethertype) noexcept;

/// Parses network and transport headers of packet i from set.next[i] on.
void parse_network_of(PacketSet& set, unsigned i) noexcept;

}  // namespace sluice::pipeline
