// SPDX-License-Identifier: Apache-2.0
// The network service header (RFC 8300) as encap(nsh) makes it and decap() takes it off.
#pragma once

#include <cstdint>
#include <vector>

#include "flow/key.hpp"

namespace sluice {

inline constexpr std::uint32_t kPacketTypeNsh = 0x1894f;  ///< namespace 1, Ethernet type
inline constexpr std::uint32_t kMaxNshBytes = 252;

/// Header bytes by its own length field; `header` holds at least 8.
std::uint32_t nsh_size(const std::uint8_t* header) noexcept;
/// "Next protocol" for what a packet is: an Ethernet frame (not bare) or a bare packet of this Ethernet type.
/// 0: none.
std::uint8_t nsh_next_protocol(bool bare, std::uint16_t type) noexcept;
/// Ethernet type of what follows, 0: an Ethernet frame. False: unknown.
bool nsh_inner_type(std::uint8_t next_protocol, std::uint16_t& type) noexcept;
/// A new header with TTL 63 and service index 255. properties: of EncapAction (MD type, TLVs). Returns its
/// size, 0 if it can't be made (no next protocol, too long).
std::uint32_t make_nsh(const std::vector<std::uint8_t>& properties, std::uint8_t next_protocol,
                       std::uint8_t (&header)[kMaxNshBytes]) noexcept;
/// Reads a header into the key; returns its size, 0 if it is malformed (then nothing is read).
std::uint32_t read_nsh(const std::uint8_t* header, std::uint32_t size, FlowKey& key) noexcept;
/// Writes the key's fields (all but MD type and next protocol) into a header that read_nsh() took.
void write_nsh(std::uint8_t* header, const FlowKey& key) noexcept;

}  // namespace sluice
