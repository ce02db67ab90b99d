// SPDX-License-Identifier: Apache-2.0
// ShortcutKey: all of a frame that any rule can match, so that frames of equal keys fare alike.
//
// For untagged TCP and UDP over IPv4 without options or over IPv6 without extension headers, whole and no
// fragments. It is the frame's beginning with lengths, identification and checksum out: the program in the
// kernel (port/shortcut/programs.cpp) makes the same with two loads and a few stores.
#pragma once

#include <cstdint>
#include <cstring>

#include "base/byte_order.hpp"

namespace sluice {

/// As it stands in the kernel's map. Bytes of the frame are in network order.
struct ShortcutKey {
    static constexpr std::uint32_t kIpv4Bytes = 38, kIpv6Bytes = 58;  ///< up to and with the ports
    std::uint8_t frame[kIpv6Bytes];                                   ///< IPv4: the rest is zero
    std::uint8_t tcp_flags[2];                                        ///< with the data offset; UDP: zero
    std::uint32_t ifindex;                                            ///< receiving interface, host order
    friend bool operator==(const ShortcutKey& a, const ShortcutKey& b) {
        return std::memcmp(&a, &b, sizeof a) == 0;
    }
};
static_assert(sizeof(ShortcutKey) == 64);

/// The key of a frame of `length` bytes, of which `contiguous` lie at `frame`; false: it is none of those
/// above.
inline bool make_shortcut_key(const std::uint8_t* frame, std::uint32_t contiguous, std::uint32_t length,
                              std::uint32_t ifindex, ShortcutKey& key) noexcept {
    constexpr std::uint32_t kL3 = 14;
    if (contiguous < ShortcutKey::kIpv4Bytes + 4) return false;
    key = {};
    key.ifindex = ifindex;
    std::uint32_t end = 0, headers = 0;  // of the network packet; all headers
    std::uint8_t proto = 0;
    const auto clear = [&](unsigned at) { std::memset(key.frame + at, 0, 2); };
    const std::uint16_t type = load_be16(frame + 12);
    if (type == 0x0800) {
        std::memcpy(key.frame, frame, ShortcutKey::kIpv4Bytes);
        if (frame[kL3] != 0x45 || (load_be16(frame + kL3 + 6) & 0x3fff) != 0) return false;
        end = kL3 + load_be16(frame + kL3 + 2);
        for (const unsigned at : {kL3 + 2, kL3 + 4, kL3 + 6, kL3 + 10})
            clear(at);
        headers = kL3 + 20;
        proto = frame[kL3 + 9];
    } else if (type == 0x86dd && contiguous >= ShortcutKey::kIpv6Bytes + 4) {
        std::memcpy(key.frame, frame, ShortcutKey::kIpv6Bytes);
        if (frame[kL3] >> 4 != 6) return false;
        headers = kL3 + 40;
        end = headers + load_be16(frame + kL3 + 4);
        clear(kL3 + 4);
        proto = frame[kL3 + 6];
    } else {
        return false;
    }
    if (proto == 6) {
        if (contiguous < headers + 20) return false;
        std::memcpy(key.tcp_flags, frame + headers + 12, 2);
        const std::uint32_t tcp = (key.tcp_flags[0] >> 4) * 4U;
        if (tcp < 20) return false;
        headers += tcp;
    } else if (proto == 17) {
        headers += 8;
    } else {
        return false;
    }
    return headers <= end && end <= length;
}

}  // namespace sluice
