// SPDX-License-Identifier: Apache-2.0
// Strong types that everything shares: port numbers, queues, versions, 128-bit values, MAC addresses.
#pragma once

#include <array>
#include <compare>
#include <cstdint>

namespace sluice {

/// OpenFlow port number, 32 bit, host order, as in OpenFlow 1.1+ (reserved numbers 0xffffff00 and
/// above). OpenFlow 1.0's 16-bit numbers are mapped at the codec (0xfff8 and above <-> 0xfffffff8..).
enum class OfPort : std::uint32_t {
    kNone0 = 0,
    kMax = 0xffffff00,  ///< first number that no real port can have
    kInPort = 0xfffffff8,
    kTable = 0xfffffff9,
    kNormal = 0xfffffffa,
    kFlood = 0xfffffffb,
    kAll = 0xfffffffc,
    kController = 0xfffffffd,
    kLocal = 0xfffffffe,
    kAny = 0xffffffff,  ///< also OFPP_NONE
};
constexpr std::uint32_t to_int(OfPort port) {
    return static_cast<std::uint32_t>(port);
}

/// Index of a port in the datapath (all bridges together): small, dense, reused after a grace period.
enum class PortIndex : std::uint16_t { kNone = 0xffff };
constexpr std::uint16_t to_int(PortIndex port) {
    return static_cast<std::uint16_t>(port);
}
constexpr unsigned kMaxPorts = 4096;

/// Receive or transmit queue of a port, from 0.
enum class QueueId : std::uint16_t {};
constexpr std::uint16_t to_int(QueueId queue) {
    return static_cast<std::uint16_t>(queue);
}

/// A published state of the whole datapath program; grows by one a publication.
using Version = std::uint64_t;
constexpr Version kNeverVersion = ~Version{0};

/// 128-bit unsigned integer, host order.
struct U128 {
    std::uint64_t hi = 0;
    std::uint64_t lo = 0;
    friend constexpr auto operator<=>(const U128&, const U128&) = default;
    friend constexpr U128 operator&(U128 a, U128 b) { return {a.hi & b.hi, a.lo & b.lo}; }
    friend constexpr U128 operator|(U128 a, U128 b) { return {a.hi | b.hi, a.lo | b.lo}; }
    friend constexpr U128 operator~(U128 a) { return {~a.hi, ~a.lo}; }
    friend constexpr U128 operator<<(U128 a, unsigned n) {
        if (n == 0) return a;
        if (n >= 128) return {};
        if (n >= 64) return {a.lo << (n - 64), 0};
        return {(a.hi << n) | (a.lo >> (64 - n)), a.lo << n};
    }
    friend constexpr U128 operator>>(U128 a, unsigned n) {
        if (n == 0) return a;
        if (n >= 128) return {};
        if (n >= 64) return {0, a.hi >> (n - 64)};
        return {a.hi >> n, (a.lo >> n) | (a.hi << (64 - n))};
    }
    constexpr bool is_zero() const { return (hi | lo) == 0; }
};
/// The `bits` low bits set; bits: 0..128.
constexpr U128 low_mask(unsigned bits) {
    return bits == 0 ? U128{} : (~U128{} >> (128 - bits));
}

/// Ethernet address in wire order.
using MacBytes = std::array<std::uint8_t, 6>;
/// Ethernet address as the low 48 bits of an integer, first wire byte most significant.
constexpr std::uint64_t mac_to_u64(const MacBytes& mac) {
    std::uint64_t value = 0;
    for (auto byte : mac)
        value = value << 8 | byte;
    return value;
}
constexpr MacBytes mac_from_u64(std::uint64_t value) {
    MacBytes mac{};
    for (unsigned i = 0; i < 6; ++i)
        mac[i] = static_cast<std::uint8_t>(value >> (40 - 8 * i));
    return mac;
}

}  // namespace sluice
