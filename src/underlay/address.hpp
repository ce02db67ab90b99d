// SPDX-License-Identifier: Apache-2.0
// An IP address of either family, as the tunnels' outer headers and the kernel's tables have them.
#pragma once

#include <optional>
#include <string>

#include "base/types.hpp"

namespace sluice::underlay {

/// IPv6 address, first wire byte most significant (wire::ipv6::load_address reads and store_address writes
/// it); IPv4 is mapped, ::ffff:a.b.c.d (RFC 4291 §2.5.5.2). Zero: none.
using Address = U128;

constexpr std::uint64_t kIpv4Prefix = 0xffff'0000'0000;
/// Of an IPv4 address in host order.
constexpr Address from_ipv4(std::uint32_t address) {
    return {0, kIpv4Prefix | address};
}
constexpr bool is_ipv4(Address address) {
    return address.hi == 0 && (address.lo >> 32) == kIpv4Prefix >> 32;
}
/// Host order; valid when is_ipv4().
constexpr std::uint32_t to_ipv4(Address address) {
    return static_cast<std::uint32_t>(address.lo);
}
/// 224.0.0.0/4 or ff00::/8.
constexpr bool is_multicast(Address address) {
    return is_ipv4(address) ? to_ipv4(address) >> 28 == 0xe : address.hi >> 56 == 0xff;
}
/// fe80::/10.
constexpr bool is_link_local_ipv6(Address address) {
    return address.hi >> 54 == 0xfe80 >> 6;
}
/// "192.0.2.1" or "2001:db8::1"; zero is "::".
std::string format_address(Address address);
/// Either family in its usual text; nothing before or behind it.
std::optional<Address> parse_address(const std::string& text);

/// Addresses that agree in their first bits; `length` counts in 128 bits, so IPv4's are 96 or more.
struct Prefix {
    Address address{};
    unsigned length = 0;
    bool contains(Address other) const {
        const Address mask = ~low_mask(128 - length);
        return (other & mask) == (address & mask);
    }
    friend bool operator==(const Prefix&, const Prefix&) = default;
};
/// "10.0.0.0/8", "2001:db8::/32".
std::string format_prefix(const Prefix& prefix);
/// "10.0.0.0/8", "10.0.0.0/255.0.0.0", "2001:db8::/32"; without a length the whole address. Bits behind the
/// length become zero.
std::optional<Prefix> parse_prefix(const std::string& text);

}  // namespace sluice::underlay
