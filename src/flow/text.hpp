// SPDX-License-Identifier: Apache-2.0
// The small words of the ovs-ofctl syntax: key=value lists, numbers, addresses, ports, flags. Everything
// that reads or writes flows as text stands on these. Control thread and tools only.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "base/types.hpp"

namespace sluice {

/// Names of ports, implemented by whoever knows them (a bridge). Lives as long as the call it is passed to.
class PortNames {
  public:
    virtual ~PortNames() = default;
    virtual std::optional<OfPort> find_port(std::string_view name) const = 0;
    /// Empty: the port has no name and is printed as a number.
    virtual std::string port_name(OfPort port) const = 0;
};

namespace text {

/// One item of a list "key", "key=value", "key:value", "key(value)" or "key(value)->target". `value` may be
/// empty.
struct KeyValue {
    std::string_view key, value;
    char separator = '\0';      ///< '=', ':', '(' or 0 when there is no value
    std::string_view target{};  ///< after "->"
};
/// Takes the next item from the front of `rest`; items are split by commas and white space outside of
/// brackets. False at the end. An unclosed bracket takes the rest.
bool next_key_value(std::string_view& rest, KeyValue& item);
std::string_view trim(std::string_view s);
std::string lower(std::string_view s);

/// Decimal, 0x hexadecimal (up to 128 bits) or 0 octal, nothing after it.
std::optional<U128> parse_number(std::string_view s);
/// A number of at most `max`; the error names `what`, the text and the limit.
Result<std::uint64_t> parse_uint(std::string_view what, std::string_view s, std::uint64_t max);
std::optional<std::uint64_t> parse_mac(std::string_view s);   ///< aa:bb:cc:dd:ee:ff
std::optional<std::uint32_t> parse_ipv4(std::string_view s);  ///< host order
std::optional<U128> parse_ipv6(std::string_view s);
/// Bytes as hexadecimal digits, dots between them allowed: "01.02.0a".
std::optional<std::string> parse_hex_bytes(std::string_view s);

std::string format_mac(std::uint64_t mac);
std::string format_ipv4(std::uint32_t address);
std::string format_ipv6(U128 address);
std::string format_hex(U128 value);         ///< "0x10", and "0x0"
std::string format_c_hex(std::uint64_t v);  ///< as C's "%#x": "0x10", but "0"
/// "/24", "/255.0.255.0"; empty for a full mask.
std::string format_ipv4_mask(std::uint32_t mask);
std::string format_ipv6_mask(U128 mask);

/// Port number or name: 1..0xfeff, reserved names in any case, 16- and 32-bit reserved numbers.
Result<OfPort> parse_port(std::string_view s, const PortNames* names);
std::string format_port(OfPort port, const PortNames* names);

/// A named bit, for tcp_flags, ct_state, tun_flags.
struct FlagName {
    std::uint32_t bit;
    std::string_view name;
};
std::span<const FlagName> tcp_flag_names();
std::span<const FlagName> ct_state_names();
std::span<const FlagName> tun_flag_names();
struct Flags {
    std::uint32_t value = 0, mask = 0;
};
/// "+syn-ack", "syn|ack", "0x12", "0x12/0x3f". `allowed`: bits that may be given; `exact`: the mask that a
/// value without mask gets.
Result<Flags> parse_flags(std::string_view field, std::string_view s, std::span<const FlagName> names,
                          std::uint32_t allowed, std::uint32_t exact);
/// "syn|ack" when `mask` has all bits of `all`, else "+syn-ack".
std::string format_flags(Flags flags, std::span<const FlagName> names, std::uint32_t all);

}  // namespace text
}  // namespace sluice
