// SPDX-License-Identifier: Apache-2.0
// Packet headers into key words, as Open vSwitch's flow extraction does: what is malformed or cut off is
// left zero, nothing is refused. Two steps, so that a bridge that only learns addresses reads 14 bytes.
#pragma once

#include <cstdint>

#include "flow/key.hpp"

namespace sluice::pipeline {

/// Tags parsed as VLAN tags (other_config:vlan-limit); what follows is the Ethernet type.
inline constexpr unsigned kDefaultVlanLimit = 1;

/// Addresses, VLAN tags and Ethernet type. data: first segment, `contiguous` >= 14 bytes of it.
/// Returns the offset of what follows the Ethernet type (or length).
/// The header words of cache lines 0 and 1 must be zero before.
std::uint16_t parse_link(const std::uint8_t* data, std::uint32_t contiguous, unsigned vlan_limit,
                         FlowKey& key) noexcept;

/// Offsets from the start of the frame; 0xffff: not there.
struct NetworkOffsets {
    std::uint16_t l3 = 0xffff;  ///< IP or ARP header whose checks passed, or the first MPLS entry
    std::uint16_t l4 = 0xffff;  ///< what follows the IP headers, if not in a later fragment
    std::uint32_t end = 0;      ///< end of the network packet that is in the first segment, padding excluded
    bool routing = false;       ///< IPv6 routing header with segments left: dst is not the final one
};

/// Network and transport headers from offset l3 on; frame: whole length.
NetworkOffsets parse_network(const std::uint8_t* data, std::uint32_t contiguous, std::uint32_t frame,
                             std::uint16_t l3, FlowKey& key) noexcept;

}  // namespace sluice::pipeline
