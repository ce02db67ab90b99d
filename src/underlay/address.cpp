// SPDX-License-Identifier: Apache-2.0
// See underlay/address.hpp.
#include "underlay/address.hpp"

#include <bit>
#include <charconv>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "wire/ipv6.hpp"

namespace sluice::underlay {
namespace {

/// A prefix length, or for IPv4 a mask in dotted form; in bits of its own family.
std::optional<unsigned> parse_length(const std::string& text, bool ipv4) {
    unsigned length = 0;
    const auto* end = text.data() + text.size();
    if (const auto read = std::from_chars(text.data(), end, length);
        read.ec == std::errc{} && read.ptr == end)
        return length <= (ipv4 ? 32U : 128U) ? std::optional{length} : std::nullopt;
    const auto mask = parse_address(text);
    if (!mask || !ipv4 || !is_ipv4(*mask)) return std::nullopt;
    const std::uint32_t bits = to_ipv4(*mask);
    if ((~bits & (~bits + 1)) != 0) return std::nullopt;  // not ones followed by zeros
    return static_cast<unsigned>(std::popcount(bits));
}

}  // namespace

std::string format_address(Address address) {
    char text[INET6_ADDRSTRLEN] = "";
    if (is_ipv4(address)) {
        const std::uint32_t wire = htonl(to_ipv4(address));
        ::inet_ntop(AF_INET, &wire, text, sizeof text);
    } else {
        std::uint8_t wire[16];
        wire::ipv6::store_address(wire, address);
        ::inet_ntop(AF_INET6, wire, text, sizeof text);
    }
    return text;
}

std::optional<Address> parse_address(const std::string& text) {
    std::uint32_t ipv4 = 0;
    if (::inet_pton(AF_INET, text.c_str(), &ipv4) == 1) return from_ipv4(ntohl(ipv4));
    std::uint8_t wire[16];
    if (::inet_pton(AF_INET6, text.c_str(), wire) == 1) return wire::ipv6::load_address(wire);
    return std::nullopt;
}

std::string format_prefix(const Prefix& prefix) {
    // 0.0.0.0/0 is the one IPv4 prefix whose address alone does not tell its family; its length does.
    const bool ipv4 = is_ipv4(prefix.address) && prefix.length >= 96;
    return fmt::format("{}/{}", format_address(prefix.address), ipv4 ? prefix.length - 96 : prefix.length);
}

std::optional<Prefix> parse_prefix(const std::string& text) {
    const auto slash = text.find('/');
    const auto address = parse_address(text.substr(0, slash));
    if (!address) return std::nullopt;
    const bool ipv4 = is_ipv4(*address);
    unsigned length = 128;
    if (slash != std::string::npos) {
        const auto read = parse_length(text.substr(slash + 1), ipv4);
        if (!read) return std::nullopt;
        length = *read + (ipv4 ? 96 : 0);
    }
    return Prefix{*address & ~low_mask(128 - length), length};
}

}  // namespace sluice::underlay
