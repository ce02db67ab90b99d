// SPDX-License-Identifier: Apache-2.0
#include "flow/field.hpp"
#include "pipeline/ct.hpp"

namespace sluice::pipeline {

namespace {

bool is_label(FieldId field) {
    return field_info(field).loc.word == key::kCtLabel.word;
}

conntrack::NatSpec spec_of(const NatAction& action) {
    conntrack::NatSpec spec;
    spec.src = action.src;
    spec.persistent = action.persistent;
    spec.random = action.protocol_random;
    spec.v6 = action.ipv6;
    spec.has_address = action.ip_min.has_value();
    if (spec.has_address) {
        spec.min = *action.ip_min;
        spec.max = action.ip_max.value_or(spec.min);
    }
    spec.port_min = action.port_min.value_or(0);
    spec.port_max = action.port_max.value_or(spec.port_min);
    return spec;
}

}  // namespace

Result<CtPlan> plan_ct(const CtAction& action) {
    CtPlan plan;
    plan.commit = action.commit;
    plan.force = action.force;
    plan.helper = action.alg == 21   ? conntrack::kHelperFtp
                  : action.alg == 69 ? conntrack::kHelperTftp
                                     : std::uint8_t{0};
    plan.zone = action.zone_immediate;
    if (action.zone_source) {
        plan.zone_source = field_info(action.zone_source->field).loc;
        plan.zone_offset = action.zone_source->offset;
        plan.zone_bits = action.zone_source->bits;
    }
    for (const Action& inner : action.actions) {
        if (const auto* nat = std::get_if<NatAction>(&inner.kind)) {
            plan.nat = true;
            if (nat->src || nat->dst) plan.spec = spec_of(*nat);
        } else if (const auto* set = std::get_if<SetFieldAction>(&inner.kind)) {
            plan.writes.push_back({is_label(set->field), set->mask, set->value & set->mask, {}, 0, 0, 0});
        } else if (const auto* move = std::get_if<MoveAction>(&inner.kind)) {
            CtPlan::Write write;
            write.to_label = is_label(move->target.field);
            write.mask = low_mask(move->target.bits) << move->target.offset;
            write.source = field_info(move->source.field).loc;
            write.source_offset = move->source.offset;
            write.target_offset = move->target.offset;
            write.bits = move->target.bits;
            plan.writes.push_back(write);
        } else {
            return make_error(ENOTSUP, "ct: exec() takes set_field, load and move only");
        }
    }
    return plan;
}

bool CtPlan::is_constant() const noexcept {
    if (force || helper != 0) return false;
    for (const Write& write : writes) {
        if (write.bits != 0) return false;
    }
    return true;
}

void CtPlan::request_for(const FlowKey& packet, conntrack::Request& request) const noexcept {
    request.commit = commit;
    request.force = force;
    request.helper = helper;
    request.nat = nat;
    request.spec = spec ? &*spec : nullptr;
    request.zone = zone_bits == 0
                       ? zone
                       : static_cast<std::uint16_t>(
                             ((packet.get_wide(zone_source) >> zone_offset) & low_mask(zone_bits)).lo);
    // The fields as exec() sees them: what is there, with what it wrote before.
    U128 mark{0, packet.get(key::kCtMark)}, label = packet.get_wide(key::kCtLabel);
    U128 mark_mask;
    request.label_mask = {};
    for (const Write& write : writes) {
        U128 value = write.value;
        if (write.bits != 0) {
            const U128 source =
                write.source.word == key::kCtMark.word && write.source.shift == key::kCtMark.shift ? mark
                : write.source.word == key::kCtLabel.word                                          ? label
                                                          : packet.get_wide(write.source);
            value = ((source >> write.source_offset) & low_mask(write.bits)) << write.target_offset;
        }
        U128& target = write.to_label ? label : mark;
        target = (target & ~write.mask) | value;
        U128& mask = write.to_label ? request.label_mask : mark_mask;
        mask = mask | write.mask;
    }
    request.mark_mask = static_cast<std::uint32_t>(mark_mask.lo);
    request.mark = static_cast<std::uint32_t>(mark.lo) & request.mark_mask;
    request.label = label & request.label_mask;
}

}  // namespace sluice::pipeline
