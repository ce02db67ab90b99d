// SPDX-License-Identifier: Apache-2.0
// The Internet checksum (RFC 1071), its pseudo headers (RFC 9293 §3.1, RFC 768, RFC 8200 §8.1) and its
// incremental update (RFC 1624).
//
// A `sum` is a 32-bit accumulator of big-endian 16-bit words as host integers, not yet inverted; sums
// of runs of even length add up with add_sums(). A `checksum` is what stands in a header: 16 bits,
// inverted, host order (store it with store_be16). All functions are pure and don't allocate.
#pragma once

#include <cstring>

#include "wire/bytes.hpp"

namespace sluice::wire {

/// Folds carries until 16 bits are left.
constexpr std::uint16_t fold_sum(std::uint64_t sum) {
    while (sum >> 16 != 0)
        sum = (sum & 0xffff) + (sum >> 16);
    return static_cast<std::uint16_t>(sum);
}
/// Ones-complement sum of `size` bytes (an odd last byte is the high half of a word). O(size/8).
inline std::uint32_t sum_bytes(const void* data, std::size_t size) noexcept {
    const auto* p = static_cast<const std::uint8_t*>(data);
    std::uint64_t low = 0, high = 0;  // Native order; swapped once at the end (RFC 1071 §2 (B)).
    for (; size >= 8; p += 8, size -= 8) {
        std::uint64_t v;
        std::memcpy(&v, p, sizeof v);
        low += v & 0xffffffff;
        high += v >> 32;
    }
    std::uint64_t tail = 0;
    std::memcpy(&tail, p, size);
    const std::uint64_t halves = (low & 0xffffffff) + (low >> 32) + (high & 0xffffffff) + (high >> 32) +
                                 (tail & 0xffffffff) + (tail >> 32);
    return __builtin_bswap16(fold_sum(halves));
}
inline std::uint32_t sum_bytes(Bytes bytes) noexcept {
    return sum_bytes(bytes.data(), bytes.size());
}
constexpr std::uint32_t add_sums(std::uint32_t a, std::uint32_t b) {
    return fold_sum(std::uint64_t{a} + b);
}
/// The value for a checksum field whose bytes were 0 while summing.
constexpr std::uint16_t finish_sum(std::uint32_t sum) {
    return static_cast<std::uint16_t>(~fold_sum(sum));
}
/// finish_sum for UDP, where 0 means "no checksum" and 0xffff stands in for it (RFC 768).
constexpr std::uint16_t finish_udp_sum(std::uint32_t sum) {
    const std::uint16_t checksum = finish_sum(sum);
    return checksum == 0 ? std::uint16_t{0xffff} : checksum;
}
/// Checksum of a run; 0 when run over data that includes a right checksum.
inline std::uint16_t internet_checksum(Bytes bytes) noexcept {
    return finish_sum(sum_bytes(bytes));
}

/// Sum of a pseudo header. src and dst point at Family::kAddressBytes bytes in wire order; l4_bytes
/// is the upper-layer length.
template <typename Family>
std::uint32_t pseudo_sum(const std::uint8_t* src, const std::uint8_t* dst, std::uint8_t proto,
                         std::uint32_t l4_bytes) noexcept {
    return fold_sum(std::uint64_t{sum_bytes(src, Family::kAddressBytes)} +
                    sum_bytes(dst, Family::kAddressBytes) + proto + (l4_bytes >> 16) + (l4_bytes & 0xffff));
}

/// New checksum after a 16-bit word of the covered data went from `from` to `to` (RFC 1624 §3, eqn. 3).
constexpr std::uint16_t update_checksum16(std::uint16_t checksum, std::uint16_t from, std::uint16_t to) {
    return finish_sum(static_cast<std::uint32_t>(static_cast<std::uint16_t>(~checksum)) +
                      static_cast<std::uint16_t>(~from) + to);
}
constexpr std::uint16_t update_checksum32(std::uint16_t checksum, std::uint32_t from, std::uint32_t to) {
    checksum = update_checksum16(checksum, static_cast<std::uint16_t>(from >> 16),
                                 static_cast<std::uint16_t>(to >> 16));
    return update_checksum16(checksum, static_cast<std::uint16_t>(from), static_cast<std::uint16_t>(to));
}
/// The same for `size` bytes (even) that start at an even offset of the covered data.
inline std::uint16_t update_checksum_bytes(std::uint16_t checksum, const std::uint8_t* from,
                                           const std::uint8_t* to, std::size_t size) noexcept {
    return finish_sum(static_cast<std::uint32_t>(static_cast<std::uint16_t>(~checksum)) +
                      static_cast<std::uint16_t>(~fold_sum(sum_bytes(from, size))) + sum_bytes(to, size));
}

}  // namespace sluice::wire
