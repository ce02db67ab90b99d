// SPDX-License-Identifier: Apache-2.0
// Values of single fields as text, and sub-fields "reg0[0..15]". Source: ovs-fields(7).
#include "flow/match_text.hpp"

namespace sluice {
namespace {

using namespace text;

Error bad_value(const FieldInfo& field, std::string_view s, std::string_view expected) {
    return make_error(EINVAL, "{}: \"{}\" is not {}", field.name, s, expected);
}

// value[/mask], both read by `parse`; without a mask the match is exact.
template <typename Parse>
Result<FieldValue> parse_masked(const FieldInfo& field, std::string_view s, std::string_view expected,
                                Parse parse) {
    const auto slash = s.find('/');
    const auto value = parse(s.substr(0, slash));
    if (!value) return bad_value(field, s, expected);
    if (slash == s.npos) return FieldValue{U128{*value}, field_value_mask(field)};
    const auto mask = parse(s.substr(slash + 1));
    if (!mask) return bad_value(field, s, expected);
    return FieldValue{U128{*value} & U128{*mask}, U128{*mask}};
}

std::optional<U128> widen(std::optional<std::uint64_t> v) {
    return v ? std::optional{U128{0, *v}} : std::nullopt;
}

// An address, optionally with /prefix length or /mask.
template <typename Parse>
Result<FieldValue> parse_address(const FieldInfo& field, std::string_view s, unsigned width,
                                 std::string_view expected, Parse parse) {
    const auto slash = s.find('/');
    if (slash != s.npos) {
        const auto length = parse_number(s.substr(slash + 1));
        if (length) {
            if (length->hi != 0 || length->lo > width) {
                return make_error(ERANGE, "{}: prefix length in {} is above the limit of {}", field.name, s,
                                  width);
            }
            const auto value = parse(s.substr(0, slash));
            if (!value) return bad_value(field, s, expected);
            const U128 mask = low_mask(width) & ~low_mask(width - static_cast<unsigned>(length->lo));
            return FieldValue{*value & mask, mask};
        }
    }
    return parse_masked(field, s, expected, parse);
}

Result<FieldValue> parse_integer(const FieldInfo& field, std::string_view s) {
    auto result = parse_masked(field, s, "a number or number/mask", parse_number);
    if (!result || is_tun_metadata(field)) return result;
    const U128 all = field_value_mask(field);
    const bool no_tag = field.name == "dl_vlan" && result->value == U128{0, 0xffff};
    if (!no_tag && !(result->value & ~all).is_zero()) {
        return make_error(ERANGE, "{}: value {} is above the limit of {}", field.name, s, format_hex(all));
    }
    // A mask of ones for the whole of the value's bytes means exact too.
    const unsigned bytes = (field.bits + 7U) / 8;
    if (!(result->mask & ~low_mask(bytes * 8)).is_zero()) {
        return make_error(ERANGE, "{}: mask of {} is wider than {} bytes", field.name, s, bytes);
    }
    result->mask = result->mask & all;
    return result;
}

Result<FieldValue> parse_frag(const FieldInfo& field, std::string_view s) {
    struct Name {
        std::string_view name;
        std::uint8_t value, mask;
    };
    constexpr std::uint8_t kBoth = kFragAny | kFragLater;
    constexpr Name kNames[] = {
        {"no", 0, kBoth},
        {"first", kFragAny, kBoth},
        {"later", kBoth, kBoth},
        {"yes", kFragAny, kFragAny},
        {"not_later", 0, kFragLater},
    };
    for (const auto& n : kNames) {
        if (n.name == s) return FieldValue{{0, n.value}, {0, n.mask}};
    }
    return bad_value(field, s, "one of no, yes, first, later and not_later");
}

Result<FieldValue> parse_flag_field(const FieldInfo& field, std::string_view s) {
    Result<Flags> flags = field.format == FieldFormat::kTcpFlags
                              ? parse_flags(field.name, s, tcp_flag_names(), 0xfff, 0xfff)
                          : field.format == FieldFormat::kCtState
                              ? parse_flags(field.name, s, ct_state_names(), 0xff, 0xffffffff)
                              : parse_flags(field.name, s, tun_flag_names(), 0x1, 0x1);
    if (!flags) return flags.error();
    return FieldValue{{0, flags->value}, {0, flags->mask}};
}

Result<FieldValue> parse_packet_type(const FieldInfo& field, std::string_view s) {
    const auto comma = s.find(',');
    if (s.size() < 2 || s.front() != '(' || s.back() != ')' || comma == s.npos) {
        return bad_value(field, s, "(namespace,type)");
    }
    const auto space = parse_uint("packet_type", trim(s.substr(1, comma - 1)), 0xffff);
    if (!space) return space.error();
    const auto type = parse_uint("packet_type", trim(s.substr(comma + 1, s.size() - comma - 2)), 0xffff);
    if (!type) return type.error();
    return FieldValue{{0, *space << 16 | *type}, field_value_mask(field)};
}

Result<FieldValue> parse_any(const FieldInfo& field, std::string_view s, const PortNames* names) {
    switch (field.format) {
        case FieldFormat::kDecimal:
        case FieldFormat::kHex:
            return parse_integer(field, s);
        case FieldFormat::kMac:
            return parse_masked(field, s, "an Ethernet address", [](auto v) { return widen(parse_mac(v)); });
        case FieldFormat::kIpv4:
            return parse_address(field, s, 32, "an IPv4 address",
                                 [](auto v) { return widen(parse_ipv4(v)); });
        case FieldFormat::kIpv6:
            return parse_address(field, s, 128, "an IPv6 address", parse_ipv6);
        case FieldFormat::kOfPort: {
            const auto port = parse_port(s, names);
            if (!port) return make_error(port.error().code, "{}: {}", field.name, port.error().message);
            return FieldValue{{0, to_int(*port)}, field_value_mask(field)};
        }
        case FieldFormat::kFrag:
            return parse_frag(field, s);
        case FieldFormat::kTcpFlags:
        case FieldFormat::kTunFlags:
        case FieldFormat::kCtState:
            return parse_flag_field(field, s);
        case FieldFormat::kPacketType:
            return parse_packet_type(field, s);
    }
    return bad_value(field, s, "a value");
}

// A position inside brackets: "[5]" or "[0..15]" or "[]".
Result<SubField> parse_bits(FieldId id, std::string_view whole, std::string_view range) {
    const FieldInfo& field = field_info(id);
    if (range.empty()) return SubField{id, 0, field.bits};
    const auto dots = range.find("..");
    const auto first = parse_uint(whole, range.substr(0, dots), 0xffff);
    if (!first) return first.error();
    const auto last = dots == range.npos ? first : parse_uint(whole, range.substr(dots + 2), 0xffff);
    if (!last) return last.error();
    if (*first > *last) {
        return make_error(EINVAL, "{}: starting bit {} is after ending bit {}", whole, *first, *last);
    }
    if (*last >= field.bits) {
        return make_error(ERANGE, "{}: ending bit {} is not valid because field is only {} bits wide", whole,
                          *last, field.bits);
    }
    return SubField{id, static_cast<std::uint16_t>(*first), static_cast<std::uint16_t>(*last - *first + 1)};
}

}  // namespace

Result<FieldValue> parse_field_value(const FieldInfo& field, std::string_view s, const PortNames* names) {
    s = trim(s);
    if (s == "*" || s == "ANY") return FieldValue{};
    auto result = parse_any(field, s, names);
    if (!result) return result;
    const U128 all = field_value_mask(field);
    const bool exact = (result->mask & all) == all;
    if (!exact && !result->mask.is_zero() && field.mask == FieldMask::kNone) {
        return make_error(EINVAL, "{}: {} has a mask, but this field can only be matched as a whole",
                          field.name, s);
    }
    return result;
}

std::string format_field_value(const FieldInfo& field, FieldValue v, const PortNames* names) {
    if (v.mask.is_zero()) return "ANY";
    const U128 all = field_value_mask(field);
    const bool exact = (v.mask & all) == all;
    const auto lo32 = static_cast<std::uint32_t>(v.value.lo);
    switch (field.format) {
        case FieldFormat::kMac:
            return format_mac(v.value.lo) + (exact ? "" : "/" + format_mac(v.mask.lo));
        case FieldFormat::kIpv4:
            return format_ipv4(lo32) + format_ipv4_mask(static_cast<std::uint32_t>(v.mask.lo));
        case FieldFormat::kIpv6:
            return format_ipv6(v.value) + format_ipv6_mask(v.mask);
        case FieldFormat::kOfPort:
            return format_port(OfPort{field.bits == 16 && lo32 >= 0xff00 ? lo32 | 0xffff0000 : lo32}, names);
        case FieldFormat::kTcpFlags:
            return format_flags({lo32, static_cast<std::uint32_t>(v.mask.lo) & 0xfff}, tcp_flag_names(),
                                0xfff);
        case FieldFormat::kTunFlags:
            return format_flags({lo32, static_cast<std::uint32_t>(v.mask.lo) & 1}, tun_flag_names(), 0xf);
        case FieldFormat::kCtState:
            return format_flags({lo32, static_cast<std::uint32_t>(v.mask.lo)}, ct_state_names(), 0xffffffff);
        case FieldFormat::kPacketType:
            return fmt::format("({},{})", lo32 >> 16, format_c_hex(lo32 & 0xffff));
        case FieldFormat::kFrag:
            if ((v.mask.lo & 3) == kFragLater) return lo32 & kFragLater ? "later" : "not_later";
            if ((v.mask.lo & 3) == kFragAny) return lo32 & kFragAny ? "yes" : "no";
            return !(lo32 & kFragAny) ? "no" : lo32 & kFragLater ? "later" : "first";
        case FieldFormat::kDecimal:
        case FieldFormat::kHex:
            break;
    }
    std::string out = field.format == FieldFormat::kDecimal ? fmt::format("{}", v.value.lo)
                      : v.value.is_zero()                   ? "0"
                                                            : format_hex(v.value);
    if (!exact) out += "/" + format_hex(v.mask);
    return out;
}

Result<SubField> parse_subfield(std::string_view s) {
    s = trim(s);
    const auto bracket = s.find('[');
    const FieldId id = field_by_name(trim(s.substr(0, bracket)));
    if (id == kNoField) return make_error(EINVAL, "{}: unknown field {}", s, s.substr(0, bracket));
    if (bracket == s.npos) return SubField{id, 0, field_info(id).bits};
    if (s.back() != ']') return make_error(EINVAL, "{}: [ without ]", s);
    return parse_bits(id, s, s.substr(bracket + 1, s.size() - bracket - 2));
}

std::string format_subfield(const SubField& sub) {
    if (sub.field == kNoField) return "<unknown>";
    const FieldInfo& field = field_info(sub.field);
    if (sub.offset == 0 && sub.bits == field.bits) return fmt::format("{}[]", field.nxm_name);
    if (sub.bits == 1) return fmt::format("{}[{}]", field.nxm_name, sub.offset);
    return fmt::format("{}[{}..{}]", field.nxm_name, sub.offset, sub.offset + sub.bits - 1);
}

}  // namespace sluice
