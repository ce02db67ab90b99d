// SPDX-License-Identifier: Apache-2.0
// A packet that has the header fields of a FlowKey, for traces of flows that come without one.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "flow/key.hpp"

namespace sluice {

/// Bytes of a frame whose headers say what `key` says: Ethernet, up to two VLAN tags, MPLS, IPv4, IPv6, ARP,
/// TCP, UDP, SCTP, ICMP, ICMPv6 with neighbour discovery. Checksums of IPv4, lengths and padding are right.
std::vector<std::uint8_t> compose_packet(const FlowKey& key);

/// The same with `payload` behind the headers, no padding, and the checksums of the transport headers right
/// too. A later fragment has the payload right behind the IP header.
std::vector<std::uint8_t> compose_packet(const FlowKey& key, std::span<const std::uint8_t> payload);

}  // namespace sluice
