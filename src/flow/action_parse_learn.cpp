// SPDX-License-Identifier: Apache-2.0
// learn(...): its options and its flow_mod_specs. Source: ovs-actions(7) "The learn action".
#include "flow/action_parse.hpp"

namespace sluice::action_parse {
namespace {

using Target = LearnSpec::Target;

Result<void> check_nameable(const FieldInfo& field, std::string_view s) {
    const OxmHeader* header = oxm_header(field, 1);
    if (header != nullptr && header->clazz != 0xffff) return {};
    return make_error(EINVAL, "learn: {}: experimenter OXM field '{}' not supported", s, field.name);
}

Result<void> check_widths(const LearnSpec& spec, std::string_view s) {
    if (spec.source.bits == spec.target.bits) return {};
    return make_error(EINVAL, "learn: {}: bit widths differ: the source has {}, the destination {}", s,
                      spec.source.bits, spec.target.bits);
}

Result<LearnSpec> immediate(LearnSpec spec, U128 value, std::string_view s) {
    if (!(value & ~low_mask(spec.target.bits)).is_zero()) {
        return make_error(ERANGE, "learn: {}: value does not fit into {} bits", s, spec.target.bits);
    }
    spec.immediate = true;
    spec.value = value;
    spec.bits = spec.target.bits;
    return spec;
}

// "tcp_dst=80", "eth_dst=eth_src", "tcp_dst=NXM_OF_TCP_SRC[]".
Result<LearnSpec> match_field(FieldId id, std::string_view value, const Context& context) {
    const FieldInfo& field = field_info(id);
    if (auto ok = check_nameable(field, value); !ok) return ok.error();
    LearnSpec spec;
    spec.target = {id, 0, field.bits};
    if (value.empty()) {
        spec.source = spec.target;
        spec.bits = field.bits;
        return spec;
    }
    const auto exact = parse_field_value(field, value, context.names);
    if (exact && (exact->mask & low_mask(field.bits)) == (field_value_mask(field) & low_mask(field.bits))) {
        return immediate(spec, exact->value, value);
    }
    const auto source = parse_subfield(value);
    if (!source) {
        return exact ? make_error(EINVAL, "learn: {}={}: a mask is not possible", field.name, value)
                     : exact.error();
    }
    spec.source = *source;
    spec.bits = source->bits;
    if (auto ok = check_widths(spec, value); !ok) return ok.error();
    return spec;
}

// "NXM_OF_VLAN_TCI[0..11]", "NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[]", "reg2[0..4]=3".
Result<LearnSpec> match_subfield(std::string_view name, std::string_view value) {
    LearnSpec spec;
    const auto target = parse_subfield(name);
    if (!target) return target.error();
    if (auto ok = check_nameable(field_info(target->field), name); !ok) return ok.error();
    spec.target = *target;
    if (value.empty()) {
        spec.source = spec.target;
    } else if (const auto number = parse_number(value)) {
        return immediate(spec, *number, value);
    } else {
        const auto source = parse_subfield(value);
        if (!source) return source.error();
        spec.source = *source;
        if (auto ok = check_widths(spec, name); !ok) return ok.error();
    }
    spec.bits = spec.source.bits;
    return spec;
}

Result<LearnSpec> load(const KeyValue& item) {
    const auto parts = split_arrow(item);
    if (!parts) return parts.error();
    LearnSpec spec;
    spec.target_kind = Target::kLoad;
    const auto target = parse_target(parts->second);
    if (!target) return target.error();
    spec.target = *target;
    if (const auto number = parse_number(parts->first)) return immediate(spec, *number, item.value);
    const auto source = parse_subfield(parts->first);
    if (!source) return source.error();
    spec.source = *source;
    spec.bits = source->bits;
    if (auto ok = check_widths(spec, item.value); !ok) return ok.error();
    return spec;
}

Result<LearnSpec> parse_spec(const KeyValue& item, const Context& context) {
    if (item.key == "load") return load(item);
    if (item.key == "output") {
        LearnSpec spec;
        spec.target_kind = Target::kOutput;
        const auto source = parse_subfield(item.value);
        if (!source) return source.error();
        spec.source = *source;
        spec.bits = source->bits;
        return spec;
    }
    if (const FieldId id = field_by_name(item.key); id != kNoField) {
        return match_field(id, item.value, context);
    }
    if (item.key.find('[') != std::string_view::npos) return match_subfield(item.key, item.value);
    return make_error(EINVAL, "learn: unknown keyword {}", item.key);
}

// Options of the action itself. False: not one of them.
Result<bool> parse_option(const KeyValue& item, LearnAction& a) {
    const auto number = [&item](std::uint64_t max, auto& target) -> Result<bool> {
        if (auto ok = parse_number_into(fmt::format("learn: {}", item.key), item.value, max, target); !ok) {
            return ok.error();
        }
        return true;
    };
    if (item.key == "table") {
        if (item.value == "255")
            return make_error(EINVAL, "learn: table id 255 not valid for `learn' action");
        return number(254, a.table);
    }
    if (item.key == "priority") return number(0xffff, a.priority);
    if (item.key == "idle_timeout") return number(0xffff, a.idle_timeout);
    if (item.key == "hard_timeout") return number(0xffff, a.hard_timeout);
    if (item.key == "fin_idle_timeout") return number(0xffff, a.fin_idle_timeout);
    if (item.key == "fin_hard_timeout") return number(0xffff, a.fin_hard_timeout);
    if (item.key == "cookie") return number(~std::uint64_t{0}, a.cookie);
    if (item.key == "limit") return number(0xffffffff, a.limit);
    if (item.key == "send_flow_rem") return a.send_flow_rem = true;
    if (item.key == "delete_learned") return a.delete_learned = true;
    if (item.key == "result_dst") {
        const auto target = parse_target(item.value);
        if (!target) return target.error();
        if (target->bits != 1) {
            return make_error(EINVAL, "learn: result_dst in 'learn' action must be a single bit");
        }
        a.result_dst = *target;
        return true;
    }
    return false;
}

}  // namespace

Parsed parse_learn(const KeyValue& item, const Context& context) {
    LearnAction a;
    std::string_view rest = item.value;
    KeyValue part;
    while (next_key_value(rest, part)) {
        const auto known = parse_option(part, a);
        if (!known) return known.error();
        if (*known) continue;
        const auto spec = parse_spec(part, context);
        if (!spec) return spec.error();
        a.specs.push_back(*spec);
    }
    return make(std::move(a));
}

}  // namespace sluice::action_parse
