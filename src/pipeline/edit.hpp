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

/// Inserts an 802.1Q or 802.1ad tag outermost. False: no headroom.
bool push_tag(PacketSet& set, unsigned i, std::uint16_t ethertype, std::uint16_t tci) noexcept;
/// Removes the outermost tag, if there is one.
void pop_tag(PacketSet& set, unsigned i) noexcept;
/// Gives a packet on its way out the tag `tci` (0: none), without a set: untagged, changed or added.
/// tagged: whether it has one now. False: no headroom.
bool retag(Packet* packet, bool tagged, std::uint16_t tci) noexcept;

bool push_mpls(PacketSet& set, unsigned i, std::uint16_t ethertype) noexcept;
void pop_mpls(PacketSet& set, unsigned i, std::uint16_t ethertype) noexcept;

}  // namespace sluice::pipeline
