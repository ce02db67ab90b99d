// SPDX-License-Identifier: Apache-2.0
// struct virtio_net_hdr of virtio 1.2 §5.1.6, host order: what TAP, AF_PACKET and vhost put before a frame.
// (The kernel's own header has a member named `class`, which C++ refuses.)
#pragma once

#include <cstdint>

namespace sluice {

struct VirtioHeader {
    std::uint8_t flags = 0;
    std::uint8_t gso_type = 0;
    std::uint16_t hdr_len = 0;      ///< bytes of all headers of a GSO frame; a hint
    std::uint16_t gso_size = 0;     ///< payload bytes of each piece
    std::uint16_t csum_start = 0;   ///< from the first byte of the frame
    std::uint16_t csum_offset = 0;  ///< from csum_start
};
static_assert(sizeof(VirtioHeader) == 10);

inline constexpr std::uint8_t kVirtioNeedsCsum = 1;  ///< flags: checksum to be completed
inline constexpr std::uint8_t kVirtioDataValid = 2;  ///< flags: checksum verified
inline constexpr std::uint8_t kVirtioGsoNone = 0, kVirtioGsoTcp4 = 1, kVirtioGsoUdp = 3, kVirtioGsoTcp6 = 4,
                              kVirtioGsoUdpL4 = 5, kVirtioGsoEcn = 0x80;

}  // namespace sluice
