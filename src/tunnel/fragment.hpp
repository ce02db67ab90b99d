// SPDX-License-Identifier: Apache-2.0
// Fragments of an outer IPv4 packet that is longer than its path takes (RFC 791 §2.3). Any thread.
#pragma once

#include <cstdint>

#include "packet/packet.hpp"

namespace sluice::tunnel {

inline constexpr unsigned kMaxFragments = 128;

/// Cuts a finished frame of Ethernet and IPv4 without options into frames whose IP packets have at most `mtu`
/// bytes; each gets the identification `id`. Takes `packet` on success and returns how many; 0: no memory,
/// more than kMaxFragments, or an MTU below 68; the packet stays the caller's.
unsigned fragment(Packet* packet, std::uint32_t mtu, std::uint16_t id,
                  Packet* (&out)[kMaxFragments]) noexcept;

}  // namespace sluice::tunnel
