// SPDX-License-Identifier: Apache-2.0
// Numbers of the tunnel headers; outer.hpp names the sources.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sluice::tunnel {

inline constexpr std::uint8_t kProtoUdp = 17, kProtoGre = 47;
/// Ethernet types inside of GRE and Geneve.
inline constexpr std::uint16_t kTypeBridged = 0x6558, kTypeErspan2 = 0x88be, kTypeErspan3 = 0x22eb;
/// Bits of tun_flags as a FlowKey has them; matches see the first one alone.
inline constexpr std::uint16_t kFlagOam = 1, kFlagChecksum = 4, kFlagKey = 8;

namespace geneve {
inline constexpr std::size_t kHeaderBytes = 8;
inline constexpr std::uint8_t kVersionMask = 0xc0, kLengthMask = 0x3f;  ///< byte 0
inline constexpr std::uint8_t kOam = 0x80, kCritical = 0x40;            ///< byte 1
}  // namespace geneve

namespace vxlan {
inline constexpr std::size_t kHeaderBytes = 8;
/// Bits of the first word.
inline constexpr std::uint32_t kHasId = 0x08000000, kHasPolicy = 0x80000000, kHasProtocol = 0x04000000,
                               kVersionMask = 0x30000000;
inline constexpr std::uint32_t kNextIpv4 = 1, kNextIpv6 = 2, kNextEthernet = 3;
}  // namespace vxlan

namespace gre {
inline constexpr std::size_t kHeaderBytes = 4;
inline constexpr std::uint16_t kChecksum = 0x8000, kKey = 0x2000, kSequence = 0x1000;
/// Anything else: routing, a version other than 0, bits that must be 0.
inline constexpr std::uint16_t kKnown = kChecksum | kKey | kSequence;
constexpr std::size_t sequence_at(std::uint16_t flags) {
    return kHeaderBytes + (flags & kChecksum ? 4 : 0) + (flags & kKey ? 4 : 0);
}
constexpr std::size_t size_of(std::uint16_t flags) {
    return sequence_at(flags) + (flags & kSequence ? 4 : 0);
}
}  // namespace gre

namespace erspan {
inline constexpr std::size_t kHeaderBytes = 8, kHeaderBytes3 = 12;  ///< type II, type III
inline constexpr std::uint16_t kSessionMask = 0x3ff;
}  // namespace erspan

namespace gtpu {
inline constexpr std::size_t kHeaderBytes = 8;
inline constexpr std::uint8_t kVersion1 = 0x30, kVersionMask = 0xf0, kOptionalMask = 0x07, kExtension = 0x04;
inline constexpr std::uint8_t kData = 0xff;  ///< message type: G-PDU
}  // namespace gtpu

}  // namespace sluice::tunnel
