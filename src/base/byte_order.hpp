// SPDX-License-Identifier: Apache-2.0
// Big-endian loads and stores from unaligned memory.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>

namespace sluice {
static_assert(std::endian::native == std::endian::little, "Sluice runs on little-endian machines");

inline std::uint16_t load_be16(const void* p) noexcept {
    std::uint16_t v;
    std::memcpy(&v, p, sizeof v);
    return __builtin_bswap16(v);
}
inline std::uint32_t load_be32(const void* p) noexcept {
    std::uint32_t v;
    std::memcpy(&v, p, sizeof v);
    return __builtin_bswap32(v);
}
inline std::uint64_t load_be64(const void* p) noexcept {
    std::uint64_t v;
    std::memcpy(&v, p, sizeof v);
    return __builtin_bswap64(v);
}
inline void store_be16(void* p, std::uint16_t v) noexcept {
    v = __builtin_bswap16(v);
    std::memcpy(p, &v, sizeof v);
}
inline void store_be32(void* p, std::uint32_t v) noexcept {
    v = __builtin_bswap32(v);
    std::memcpy(p, &v, sizeof v);
}
inline void store_be64(void* p, std::uint64_t v) noexcept {
    v = __builtin_bswap64(v);
    std::memcpy(p, &v, sizeof v);
}
/// 48-bit Ethernet address at p; reads 6 bytes.
inline std::uint64_t load_mac(const void* p) noexcept {
    return std::uint64_t{load_be32(p)} << 16 | load_be16(static_cast<const char*>(p) + 4);
}
inline void store_mac(void* p, std::uint64_t mac) noexcept {
    store_be32(p, static_cast<std::uint32_t>(mac >> 16));
    store_be16(static_cast<char*>(p) + 4, static_cast<std::uint16_t>(mac));
}

}  // namespace sluice
