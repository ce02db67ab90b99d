// SPDX-License-Identifier: Apache-2.0
// Words of the ovs-ofctl syntax. Source: ovs-ofctl(8), ovs-fields(7).
#include "flow/text.hpp"

#include <array>
#include <bit>
#include <cstring>

#include <arpa/inet.h>

#include "base/byte_order.hpp"

namespace sluice::text {
namespace {

constexpr std::string_view kBlank = " \t\r\n";
constexpr std::string_view kListDelimiters = ", \t\r\n";

int digit_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return 99;
}

// Index just after the quoted name that starts at s[0].
std::size_t end_of_quote(std::string_view s) {
    const auto end = s.find('"', 1);
    return end == std::string_view::npos ? s.size() : end + 1;
}

// Index of the first delimiter outside of brackets and quotes.
std::size_t end_of_value(std::string_view s, std::string_view delimiters) {
    int depth = 0;
    for (std::size_t i = 0; i < s.size(); ++i) {
        if (s[i] == '"') {
            i += end_of_quote(s.substr(i)) - 1;
            continue;
        }
        if (s[i] == '(' || s[i] == '[' || s[i] == '{') {
            ++depth;
        } else if (s[i] == ')' || s[i] == ']' || s[i] == '}') {
            --depth;
        } else if (depth <= 0 && delimiters.find(s[i]) != std::string_view::npos) {
            return i;
        }
    }
    return s.size();
}

std::size_t closing_parenthesis(std::string_view s) {
    int depth = 1;
    for (std::size_t i = 0; i < s.size(); ++i) {
        if (s[i] == '(') ++depth;
        if (s[i] == ')' && --depth == 0) return i;
    }
    return s.size();
}

struct ReservedPort {
    OfPort port;
    std::string_view name;
};
constexpr ReservedPort kReservedPorts[] = {
    {OfPort::kInPort, "IN_PORT"}, {OfPort::kTable, "TABLE"}, {OfPort::kNormal, "NORMAL"},
    {OfPort::kFlood, "FLOOD"},    {OfPort::kAll, "ALL"},     {OfPort::kController, "CONTROLLER"},
    {OfPort::kLocal, "LOCAL"},    {OfPort::kAny, "ANY"},     {OfPort{0xfffffff7}, "UNSET"},
};

constexpr FlagName kTcpFlagNames[] = {
    {0x001, "fin"}, {0x002, "syn"}, {0x004, "rst"}, {0x008, "psh"},   {0x010, "ack"},   {0x020, "urg"},
    {0x040, "ece"}, {0x080, "cwr"}, {0x100, "ns"},  {0x200, "[200]"}, {0x400, "[400]"}, {0x800, "[800]"},
};
constexpr FlagName kCtStateNames[] = {
    {0x01, "new"}, {0x02, "est"}, {0x04, "rel"},  {0x08, "rpl"},
    {0x10, "inv"}, {0x20, "trk"}, {0x40, "snat"}, {0x80, "dnat"},
};
constexpr FlagName kTunFlagNames[] = {{0x1, "oam"}, {0x2, "df"}, {0x4, "csum"}, {0x8, "key"}};

}  // namespace

std::string_view trim(std::string_view s) {
    const auto first = s.find_first_not_of(kBlank);
    if (first == std::string_view::npos) return {};
    return s.substr(first, s.find_last_not_of(kBlank) - first + 1);
}

std::string lower(std::string_view s) {
    std::string out{s};
    for (char& c : out)
        c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    return out;
}

bool next_key_value(std::string_view& rest, KeyValue& item) {
    const auto first = rest.find_first_not_of(kListDelimiters);
    if (first == std::string_view::npos) {
        rest = {};
        return false;
    }
    rest.remove_prefix(first);
    const std::size_t key_end =
        rest[0] == '"' ? end_of_quote(rest) : std::min(rest.find_first_of(":=(, \t\r\n"), rest.size());
    item = {rest.substr(0, key_end), {}, '\0', {}};
    rest.remove_prefix(key_end);
    if (rest.empty() || std::string_view{":=("}.find(rest[0]) == std::string_view::npos) return true;
    item.separator = rest[0];
    rest.remove_prefix(1);
    const bool bracket = item.separator == '(';
    const std::size_t end = bracket ? closing_parenthesis(rest) : end_of_value(rest, kListDelimiters);
    item.value = rest.substr(0, end);
    rest.remove_prefix(std::min(rest.size(), end + (bracket ? 1 : 0)));
    if (bracket && rest.starts_with("->")) {
        const std::size_t target_end = end_of_value(rest, kListDelimiters);
        item.target = rest.substr(2, target_end - 2);
        rest.remove_prefix(target_end);
    }
    return true;
}

std::optional<U128> parse_number(std::string_view s) {
    unsigned base = 10;
    if (s.size() > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
        base = 16;
        s.remove_prefix(2);
    } else if (s.size() > 1 && s[0] == '0') {
        base = 8;
        s.remove_prefix(1);
    }
    if (s.empty()) return std::nullopt;
    U128 value;
    for (char c : s) {
        const auto digit = static_cast<unsigned>(digit_value(c));
        if (digit >= base) return std::nullopt;
        if (base == 16) {
            if (value.hi >> 60) return std::nullopt;
            value = (value << 4) | U128{0, digit};
        } else {
            if (value.lo > (~std::uint64_t{0} - digit) / base) return std::nullopt;
            value.lo = value.lo * base + digit;
        }
    }
    return value;
}

Result<std::uint64_t> parse_uint(std::string_view what, std::string_view s, std::uint64_t max) {
    const auto value = parse_number(s);
    if (!value) return make_error(EINVAL, "{}: \"{}\" is not a number", what, s);
    if (value->hi != 0 || value->lo > max) {
        return make_error(ERANGE, "{}: {} is above the limit of {}", what, s, max);
    }
    return value->lo;
}

std::optional<std::uint64_t> parse_mac(std::string_view s) {
    std::uint64_t mac = 0;
    for (int i = 0; i < 6; ++i) {
        unsigned byte = 0, digits = 0;
        while (!s.empty() && digits < 2 && digit_value(s[0]) < 16) {
            byte = byte * 16 + static_cast<unsigned>(digit_value(s[0]));
            s.remove_prefix(1);
            ++digits;
        }
        if (digits == 0) return std::nullopt;
        mac = mac << 8 | byte;
        if (i < 5) {
            if (s.empty() || s[0] != ':') return std::nullopt;
            s.remove_prefix(1);
        }
    }
    return s.empty() ? std::optional{mac} : std::nullopt;
}

std::optional<std::uint32_t> parse_ipv4(std::string_view s) {
    std::array<std::uint8_t, 4> bytes{};
    if (s.size() >= INET_ADDRSTRLEN || inet_pton(AF_INET, std::string{s}.c_str(), bytes.data()) != 1) {
        return std::nullopt;
    }
    return load_be32(bytes.data());
}

std::optional<U128> parse_ipv6(std::string_view s) {
    std::array<std::uint8_t, 16> bytes{};
    if (s.size() >= INET6_ADDRSTRLEN || inet_pton(AF_INET6, std::string{s}.c_str(), bytes.data()) != 1) {
        return std::nullopt;
    }
    return U128{load_be64(bytes.data()), load_be64(bytes.data() + 8)};
}

std::optional<std::string> parse_hex_bytes(std::string_view s) {
    std::string bytes;
    while (!s.empty()) {
        if (s[0] == '.') {
            s.remove_prefix(1);
            continue;
        }
        if (s.size() < 2 || digit_value(s[0]) > 15 || digit_value(s[1]) > 15) return std::nullopt;
        bytes += static_cast<char>(digit_value(s[0]) * 16 + digit_value(s[1]));
        s.remove_prefix(2);
    }
    return bytes;
}

std::string format_mac(std::uint64_t mac) {
    const MacBytes b = mac_from_u64(mac);
    return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", b[0], b[1], b[2], b[3], b[4], b[5]);
}

std::string format_ipv4(std::uint32_t a) {
    return fmt::format("{}.{}.{}.{}", a >> 24, a >> 16 & 0xff, a >> 8 & 0xff, a & 0xff);
}

std::string format_ipv6(U128 address) {
    std::array<std::uint8_t, 16> bytes{};
    store_be64(bytes.data(), address.hi);
    store_be64(bytes.data() + 8, address.lo);
    std::array<char, INET6_ADDRSTRLEN> out{};
    inet_ntop(AF_INET6, bytes.data(), out.data(), out.size());
    return out.data();
}

std::string format_hex(U128 value) {
    return value.hi ? fmt::format("0x{:x}{:016x}", value.hi, value.lo) : fmt::format("0x{:x}", value.lo);
}

std::string format_c_hex(std::uint64_t v) {
    return v ? fmt::format("0x{:x}", v) : "0";
}

std::string format_ipv4_mask(std::uint32_t mask) {
    if (mask == ~std::uint32_t{0}) return {};
    const auto ones = static_cast<unsigned>(std::countl_one(mask));
    if (std::popcount(mask) == static_cast<int>(ones)) return fmt::format("/{}", ones);
    return "/" + format_ipv4(mask);
}

std::string format_ipv6_mask(U128 mask) {
    const U128 all = low_mask(128);
    if (mask == all) return {};
    const int ones = mask.hi == all.hi ? 64 + std::countl_one(mask.lo) : std::countl_one(mask.hi);
    if (std::popcount(mask.hi) + std::popcount(mask.lo) == ones) return fmt::format("/{}", ones);
    return "/" + format_ipv6(mask);
}

Result<OfPort> parse_port(std::string_view s, const PortNames* names) {
    if (const auto number = parse_number(s)) {
        const std::uint64_t n = number->lo;
        if (number->hi == 0 && n < 0xff00) return OfPort{static_cast<std::uint32_t>(n)};
        if (number->hi == 0 && n >= 0xfff7 && n <= 0xffff)
            return OfPort{static_cast<std::uint32_t>(n | 0xffff0000)};
        if (number->hi == 0 && n >= 0xffffff00 && n <= 0xffffffff)
            return OfPort{static_cast<std::uint32_t>(n)};
        return make_error(
            ERANGE, "port {} is outside the range 0 through 0xffff or 0xffffff00 through 0xffffffff", s);
    }
    if (s.size() >= 2 && s.front() == '"' && s.back() == '"') s = s.substr(1, s.size() - 2);
    if (names) {
        if (const auto port = names->find_port(s)) return *port;
    }
    const std::string small = lower(s);
    for (const auto& reserved : kReservedPorts) {
        if (small == lower(reserved.name)) return reserved.port;
    }
    if (small == "none") return OfPort::kAny;
    return make_error(ENODEV, "{}: no port has this name or number", s);
}

std::string format_port(OfPort port, const PortNames* names) {
    for (const auto& reserved : kReservedPorts) {
        if (port == reserved.port) return std::string{reserved.name};
    }
    if (names) {
        std::string name = names->port_name(port);
        // A name that would not survive the list syntax is quoted, as ovs-ofctl does.
        const bool plain =
            name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.") ==
                name.npos &&
            !parse_number(name);
        if (!name.empty()) return plain ? name : "\"" + name + "\"";
    }
    const std::uint32_t number = to_int(port);
    return fmt::format("{}", number >= 0xffffff00 ? number & 0xffff : number);
}

std::span<const FlagName> tcp_flag_names() {
    return kTcpFlagNames;
}
std::span<const FlagName> ct_state_names() {
    return kCtStateNames;
}
std::span<const FlagName> tun_flag_names() {
    return kTunFlagNames;
}

Result<Flags> parse_flags(std::string_view field, std::string_view s, std::span<const FlagName> names,
                          std::uint32_t allowed, std::uint32_t exact) {
    const auto find = [&names](std::string_view name) {
        for (const auto& flag : names) {
            if (flag.name == name) return flag.bit;
        }
        return std::uint32_t{0};
    };
    if (!s.empty() && digit_value(s[0]) < 10) {
        const auto slash = s.find('/');
        const auto value = parse_number(s.substr(0, slash));
        const auto mask = slash == s.npos ? std::optional{U128{0, exact}} : parse_number(s.substr(slash + 1));
        if (!value || !mask) return make_error(EINVAL, "{}: \"{}\" is not a number or number/mask", field, s);
        if (value->hi || mask->hi || (value->lo & ~std::uint64_t{allowed}) ||
            (mask->lo != exact && (mask->lo & ~std::uint64_t{allowed}))) {
            return make_error(ERANGE, "{}: {} has bits outside of {:#x}", field, s, allowed);
        }
        return Flags{static_cast<std::uint32_t>(value->lo & mask->lo), static_cast<std::uint32_t>(mask->lo)};
    }
    Flags flags;
    if (s.empty()) return make_error(EINVAL, "{}: flags are missing", field);
    const bool masked = s[0] == '+' || s[0] == '-';
    while (!s.empty()) {
        bool set = true;
        if (masked) {
            if (s[0] != '+' && s[0] != '-') {
                return make_error(EINVAL, "{}: a flag must be preceded by \"+\" or \"-\" at \"{}\"", field,
                                  s);
            }
            set = s[0] == '+';
            s.remove_prefix(1);
        }
        const std::size_t end = std::min(s.find_first_of(masked ? "+-" : "|"), s.size());
        const std::uint32_t bit = find(s.substr(0, end));
        if (bit == 0 || (bit & ~allowed)) {
            return make_error(EINVAL, "{}: \"{}\" is not a flag of this field", field, s.substr(0, end));
        }
        if (masked && (flags.mask & bit)) {
            return make_error(EINVAL, "{}: each flag may be given only once, {} is there twice", field,
                              s.substr(0, end));
        }
        flags.mask |= bit;
        flags.value |= set ? bit : 0;
        s.remove_prefix(std::min(s.size(), end + (masked ? 0 : 1)));
    }
    if (!masked) flags.mask = exact;
    return flags;
}

std::string format_flags(Flags flags, std::span<const FlagName> names, std::uint32_t all) {
    std::string out;
    const bool exact = flags.mask == all;
    if (exact && flags.value == 0) return "0";
    for (const auto& flag : names) {
        if (exact ? !(flags.value & flag.bit) : !(flags.mask & flag.bit)) continue;
        if (exact) {
            out += out.empty() ? "" : "|";
        } else {
            out += flags.value & flag.bit ? '+' : '-';
        }
        out += flag.name;
    }
    return out;
}

}  // namespace sluice::text
