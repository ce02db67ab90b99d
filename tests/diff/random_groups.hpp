// SPDX-License-Identifier: Apache-2.0
// Random groups and meters for differential tests: all types, chains (sometimes loops), watched ports and
// groups, buckets with set fields, TTLs, VLANs and resubmits.
#pragma once

#include <map>
#include <string>

#include <fmt/format.h>

#include "flow/action_text.hpp"
#include "flow/random.hpp"
#include "reference/interpreter.hpp"

namespace sluice::tests {

inline Action random_bucket_action(Random& random, const RandomOptions& options, std::uint32_t group) {
    const auto set = [](std::string_view name, std::uint64_t value) {
        const FieldId id = field_by_name(name);
        return Action{SetFieldAction{
            id, {0, value}, field_value_mask(field_info(id)), SetFieldAction::Style::kSetField}};
    };
    switch (random.below(10)) {
        case 0:
            return set("eth_dst", 0x020000000001 + random.below(4));
        case 1:
            return set("ip_dst", 0x0a000001 + random.below(4));
        case 2:
            return set("reg0", random.below(4));
        case 3:
            return {DecTtlAction{}};
        case 4:
            if (options.vlan) return {PushVlanAction{0x8100}};
            break;
        case 5:
            if (options.vlan) return {StripVlanAction{true}};
            break;
        case 6:
            if (options.resubmit)
                return {ResubmitAction{
                    OfPort::kInPort, static_cast<std::uint8_t>(1 + random.below(options.tables - 1)), false}};
            break;
        case 7: {
            // Mostly to groups with higher numbers; one in 30 anywhere, so that some programs loop.
            const bool anywhere = random.one_in(30);
            const auto next = anywhere ? 1 + random.below(options.groups) : group + 1 + random.below(3);
            return {GroupAction{next}};
        }
        default:
            break;
    }
    return {OutputAction{OfPort{1 + random.below(options.ports)}, 0xffff}};
}

inline reference::Group random_group(Random& random, const RandomOptions& options, std::uint32_t id) {
    reference::Group group;
    group.type = GroupType{static_cast<std::uint8_t>(random.below(4))};
    const auto count = group.type == GroupType::kIndirect ? 1 : random.below(5);
    for (std::uint32_t i = 0; i < count; ++i) {
        Bucket& bucket = group.buckets.emplace_back();
        bucket.id = i;
        if (group.type == GroupType::kSelect) bucket.weight = static_cast<std::uint16_t>(random.below(5));
        const bool watches =
            group.type == GroupType::kFastFailover || (group.type == GroupType::kSelect && random.one_in(3));
        if (watches && random.one_in(2)) bucket.watch_port = OfPort{1 + random.below(options.ports + 1)};
        if (watches && bucket.watch_port == OfPort::kAny)
            bucket.watch_group = 1 + random.below(options.groups + 1);
        for (auto n = 1 + random.below(4); n > 0; --n)
            bucket.actions.push_back(random_bucket_action(random, options, id));
    }
    if (group.type == GroupType::kSelect) {
        if (random.one_in(3)) {
            group.properties.selection_method = "hash";
            for (const auto name : {"eth_src", "ip_src", "tcp_dst"}) {
                const FieldId field = field_by_name(name);
                if (random.one_in(2))
                    group.properties.fields.push_back({field, field_value_mask(field_info(field))});
            }
        } else if (random.one_in(2)) {
            group.properties.selection_method = "dp_hash";
        }
        group.properties.selection_param = random.below(2);
    }
    return group;
}

/// Low rates: with a frame every millisecond or two, bands are hit.
inline reference::Meter random_meter(Random& random) {
    MeterMod mod;
    mod.flags = random.one_in(2) ? meter_flag::kPktps : meter_flag::kKbps;
    const bool packets = mod.flags == meter_flag::kPktps;
    for (auto n = 1 + random.below(3); n > 0; --n) {
        MeterBand& band = mod.bands.emplace_back();
        band.type = random.one_in(2) ? MeterBand::Type::kDrop : MeterBand::Type::kDscpRemark;
        band.precedence_level = static_cast<std::uint8_t>(random.below(4));
        band.rate = (packets ? 100 : 60) + random.below(400);
        band.burst = random.below(packets ? 4 : 3);
    }
    return reference::make_meter(mod, 0);
}

inline std::string describe_groups(const std::map<std::uint32_t, reference::Group>& groups) {
    constexpr std::string_view kTypes[] = {"all", "select", "indirect", "ff"};
    std::string text;
    for (const auto& [id, group] : groups) {
        text += fmt::format("    group {} {} {}", id, kTypes[static_cast<std::size_t>(group.type)],
                            group.properties.selection_method);
        for (const Bucket& bucket : group.buckets)
            text +=
                fmt::format(" bucket weight:{},watch_port:{},watch_group:{},actions={}", bucket.weight,
                            to_int(bucket.watch_port), bucket.watch_group, format_actions(bucket.actions));
        text += '\n';
    }
    return text;
}

}  // namespace sluice::tests
