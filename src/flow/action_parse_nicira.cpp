// SPDX-License-Identifier: Apache-2.0
// Small Nicira actions: conjunction, sample, fin_timeout, check_pkt_larger, delete_field, encap and decap.
// Source: ovs-actions(7).
#include "base/byte_order.hpp"
#include "flow/action_parse.hpp"
#include "flow/action_text.hpp"

namespace sluice::action_parse {
namespace {

constexpr std::uint32_t kNshType = 0x1894f, kMplsType = 0x18847, kMplsMulticastType = 0x18848;
constexpr std::uint16_t kNshClass = 4;
constexpr std::uint8_t kMdTypeProperty = 1, kTlvProperty = 2;

// A property of encap: class, type, length, and the value padded to 8 bytes.
void put_property(std::vector<std::uint8_t>& out, std::uint8_t type, std::size_t size,
                  const std::vector<std::uint8_t>& value) {
    out.insert(out.end(), {kNshClass >> 8, kNshClass & 0xff, type, static_cast<std::uint8_t>(size)});
    out.insert(out.end(), value.begin(), value.end());
    while (out.size() % 8 != 0)
        out.push_back(0);
}

// "0x1000,10,0x12345678": class, type and value of a metadata TLV.
Result<void> parse_tlv(std::string_view s, std::vector<std::uint8_t>& out) {
    const auto first = s.find(','), second = s.find(',', first == s.npos ? first : first + 1);
    if (second == s.npos) return make_error(EINVAL, "encap: \"tlv\" syntax is tlv(CLASS,TYPE,VALUE): {}", s);
    std::uint16_t clazz = 0;
    std::uint8_t type = 0;
    if (auto ok = parse_number_into("encap: tlv class", trim(s.substr(0, first)), 0xffff, clazz); !ok) {
        return ok;
    }
    const auto type_text = trim(s.substr(first + 1, second - first - 1));
    if (auto ok = parse_number_into("encap: tlv type", type_text, 0xff, type); !ok) return ok;
    const std::string_view digits = trim(s.substr(second + 1));
    const auto bytes = digits.starts_with("0x") ? parse_hex_bytes(digits.substr(2)) : std::nullopt;
    if (!bytes || bytes->empty() || bytes->size() > 124) {
        return make_error(EINVAL, "encap: tlv value \"{}\" is not 0x and 1 to 124 bytes in hexadecimal",
                          digits);
    }
    std::vector<std::uint8_t> value = {static_cast<std::uint8_t>(clazz >> 8),
                                       static_cast<std::uint8_t>(clazz & 0xff), type,
                                       static_cast<std::uint8_t>(bytes->size())};
    value.insert(value.end(), bytes->begin(), bytes->end());
    const std::size_t padded = (4 + value.size() + 7) / 8 * 8;
    put_property(out, kTlvProperty, padded, value);
    return {};
}

Result<void> parse_nsh(std::string_view s, EncapAction& a) {
    KeyValue part;
    while (next_key_value(s, part)) {
        if (part.key == "md_type") {
            std::uint8_t type = 0;
            if (auto ok = parse_number_into("encap: md_type", part.value, 2, type); !ok) return ok;
            if (type == 0) return make_error(EINVAL, "encap: invalid md_type 0");
            put_property(a.properties, kMdTypeProperty, 5, {type});
        } else if (part.key == "tlv") {
            if (auto ok = parse_tlv(part.value, a.properties); !ok) return ok;
        } else {
            return make_error(EINVAL, "encap: unknown NSH property {}", part.key);
        }
    }
    return {};
}

}  // namespace

Parsed parse_conjunction(const KeyValue& item, const Context&) {
    const auto comma = item.value.find(','), slash = item.value.find('/');
    if (comma == std::string_view::npos || slash == std::string_view::npos || slash < comma) {
        return make_error(EINVAL, "\"conjunction\" syntax is \"conjunction(id,i/n)\"");
    }
    ConjunctionAction a;
    unsigned clause = 0;
    if (auto ok = parse_number_into("conjunction: id", trim(item.value.substr(0, comma)), 0xffffffff, a.id);
        !ok) {
        return ok.error();
    }
    const auto index = trim(item.value.substr(comma + 1, slash - comma - 1));
    if (auto ok = parse_number_into("conjunction: clause", index, 255, clause); !ok) return ok.error();
    const auto count = trim(item.value.substr(slash + 1));
    if (auto ok = parse_number_into("conjunction: clauses", count, 255, a.n_clauses); !ok) return ok.error();
    if (clause == 0) return make_error(EINVAL, "conjunction: clause index must be positive");
    if (a.n_clauses < 2) return make_error(EINVAL, "conjunction must have at least 2 clauses");
    if (a.n_clauses > 64) return make_error(EINVAL, "conjunction must have at most 64 clauses");
    if (clause > a.n_clauses) {
        return make_error(EINVAL,
                          "conjunction: clause index must be less than or equal to number of clauses");
    }
    a.clause = static_cast<std::uint8_t>(clause - 1);
    return make(a);
}

Parsed parse_sample(const KeyValue& item, const Context& context) {
    SampleAction a;
    std::string_view rest = item.value;
    KeyValue part;
    while (next_key_value(rest, part)) {
        const auto number = [&part](std::uint64_t max, auto& target) {
            return parse_number_into(fmt::format("sample: {}", part.key), part.value, max, target);
        };
        Result<void> ok;
        if (part.key == "probability") {
            ok = number(0xffff, a.probability);
        } else if (part.key == "collector_set_id") {
            ok = number(0xffffffff, a.collector_set_id);
        } else if (part.key == "obs_domain_id") {
            ok = number(0xffffffff, a.obs_domain_id);
        } else if (part.key == "obs_point_id") {
            ok = number(0xffffffff, a.obs_point_id);
        } else if (part.key == "sampling_port") {
            const auto port = parse_port(part.value, context.names);
            if (!port) return make_error(ENOENT, "sample: {}: unknown port", part.value);
            a.sampling_port = *port;
        } else if (part.key == "ingress") {
            a.direction = SampleAction::Direction::kIngress;
        } else if (part.key == "egress") {
            a.direction = SampleAction::Direction::kEgress;
        } else {
            return make_error(EINVAL, "invalid key \"{}\" in \"sample\" argument", part.key);
        }
        if (!ok) return ok.error();
    }
    if (a.probability == 0) {
        return make_error(EINVAL, "non-zero \"probability\" must be specified on sample");
    }
    return make(a);
}

Parsed parse_fin_timeout(const KeyValue& item, const Context&) {
    FinTimeoutAction a;
    std::string_view rest = item.value;
    KeyValue part;
    while (next_key_value(rest, part)) {
        if (part.key != "idle_timeout" && part.key != "hard_timeout") {
            return make_error(EINVAL, "invalid key '{}' in 'fin_timeout' argument", part.key);
        }
        auto& target = part.key == "idle_timeout" ? a.idle_timeout : a.hard_timeout;
        if (auto ok = parse_number_into(fmt::format("fin_timeout: {}", part.key), part.value, 0xffff, target);
            !ok) {
            return ok.error();
        }
    }
    return make(a);
}

Parsed parse_check_pkt_larger(const KeyValue& item, const Context&) {
    CheckPktLargerAction a;
    KeyValue split = item;
    if (item.separator != '(') {
        const auto parts = split_arrow(item);
        if (!parts) return parts.error();
        split.value = parts->first;
        split.target = parts->second;
    }
    if (split.target.empty()) return make_error(EINVAL, "check_pkt_larger: {}: missing `->'", item.value);
    if (auto ok = parse_number_into("check_pkt_larger", trim(split.value), 0xffff, a.length); !ok) {
        return ok.error();
    }
    const auto target = parse_target(split.target);
    if (!target) return target.error();
    if (target->bits != 1) return make_error(EINVAL, "Only 1-bit destination field is allowed");
    a.target = *target;
    return make(a);
}

Parsed parse_delete_field(const KeyValue& item, const Context&) {
    const FieldId id = field_by_name(item.value);
    if (id == kNoField) return make_error(EINVAL, "unknown field `{}'", item.value);
    if (!is_tun_metadata(field_info(id))) {
        return make_error(EINVAL, "delete_field: {}: only tun_metadata fields can be deleted", item.value);
    }
    return make(DeleteFieldAction{id});
}

Parsed parse_encap(const KeyValue& item, const Context&) {
    EncapAction a;
    std::string_view rest = item.value;
    KeyValue part;
    if (!next_key_value(rest, part)) return make_error(EINVAL, "Missing encap hdr");
    if (part.key == "ethernet") {
        a.packet_type = 0;
    } else if (part.key == "nsh") {
        a.packet_type = kNshType;
        if (auto ok = parse_nsh(part.value, a); !ok) return ok.error();
    } else if (part.key == "mpls") {
        a.packet_type = kMplsType;
    } else if (part.key == "mpls_mc") {
        a.packet_type = kMplsMulticastType;
    } else {
        return make_error(EINVAL, "Encap hdr not supported: {}", part.key);
    }
    return make(std::move(a));
}

Parsed parse_decap(const KeyValue& item, const Context&) {
    DecapAction a{kDecapNext};
    std::string_view rest = item.value;
    KeyValue part;
    while (next_key_value(rest, part)) {
        if (part.key != "packet_type") {
            return make_error(EINVAL, "invalid keyword {} in decap() argument", part.key);
        }
        std::uint16_t space = 0, type = 0;
        std::string_view inner = part.value;
        KeyValue number;
        while (next_key_value(inner, number)) {
            if (number.key != "ns" && number.key != "type") {
                return make_error(EINVAL, "decap: invalid keyword {} in packet_type", number.key);
            }
            auto& target = number.key == "ns" ? space : type;
            if (auto ok = parse_number_into("decap: packet_type", number.value, 0xffff, target); !ok) {
                return ok.error();
            }
        }
        a.packet_type = static_cast<std::uint32_t>(space) << 16 | type;
    }
    return make(a);
}

}  // namespace sluice::action_parse
