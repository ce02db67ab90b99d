// SPDX-License-Identifier: Apache-2.0
#include "flow/group_text.hpp"

#include <algorithm>

#include "flow/action_text.hpp"
#include "flow/match_text.hpp"

namespace sluice {
namespace {

using namespace text;

struct TypeName {
    std::string_view name;
    GroupType type;
};
// The first name of a type is how it prints.
constexpr TypeName kTypeNames[] = {
    {"all", GroupType::kAll},
    {"select", GroupType::kSelect},
    {"indirect", GroupType::kIndirect},
    {"ff", GroupType::kFastFailover},
    {"fast_failover", GroupType::kFastFailover},
};
constexpr std::uint32_t kNoId = 0xffffffff;
constexpr std::uint16_t kMaxWeight = 0xffff;

template <typename T>
Result<void> number_into(std::string_view what, const KeyValue& item, std::uint64_t max, T& target) {
    const auto n = parse_uint(fmt::format("{}: {}", what, item.key), item.value, max);
    if (!n) return n.error();
    target = static_cast<T>(*n);
    return {};
}

// "bucket_id:5,weight:100,watch_port:1,actions=output:1"; what is no word of a bucket starts its actions.
Result<Bucket> parse_bucket(std::string_view s, GroupType type, const PortNames* names) {
    Bucket bucket;
    bucket.id = kNoId;
    bucket.weight = type == GroupType::kSelect ? 1 : 0;
    std::string_view rest = s;
    std::string actions;
    KeyValue item;
    while (next_key_value(rest, item)) {
        const auto start = static_cast<std::size_t>(item.key.data() - s.data());
        Result<void> ok;
        if (item.key == "bucket_id") {
            ok = number_into("bucket", item, kMaxGroup, bucket.id);
        } else if (item.key == "weight") {
            if (type != GroupType::kSelect) {
                return make_error(EINVAL, "bucket {}: only select groups can have bucket weights", s);
            }
            ok = number_into("bucket", item, kMaxWeight, bucket.weight);
        } else if (item.key == "watch_port") {
            const auto port = parse_port(item.value, names);
            if (!port || (to_int(*port) >= to_int(OfPort::kMax) && *port != OfPort::kAny)) {
                return make_error(EINVAL, "{}: invalid watch_port", item.value);
            }
            bucket.watch_port = *port;
        } else if (item.key == "watch_group") {
            ok = number_into("bucket", item, kMaxGroup, bucket.watch_group);
        } else if (item.key == "action" || item.key == "actions") {
            // A word without a value has none to point at.
            actions = item.separator == '\0'
                          ? rest
                          : s.substr(static_cast<std::size_t>(item.value.data() - s.data()));
            break;
        } else {
            actions = s.substr(start);
            break;
        }
        if (!ok) return ok.error();
    }
    auto list = parse_actions(actions, names);
    if (!list) return list.error();
    bucket.actions = std::move(*list);
    if (type == GroupType::kFastFailover && bucket.watch_port == OfPort::kAny &&
        bucket.watch_group == kAnyGroup) {
        return make_error(EINVAL, "bucket {}: a fast failover bucket needs watch_port or watch_group", s);
    }
    return bucket;
}

// "ip_src,ip_dst=255.255.255.0": fields with the bits that count.
Result<void> parse_fields(std::string_view s, GroupProperties& properties, const PortNames* names) {
    KeyValue item;
    while (next_key_value(s, item)) {
        const FieldId id = field_by_name(item.key);
        if (id == kNoField) return make_error(EINVAL, "fields: {}: unknown field", item.key);
        const FieldInfo& field = field_info(id);
        U128 mask = field_value_mask(field);
        if (!item.value.empty()) {
            const auto value = parse_field_value(field, item.value, names);
            if (!value) return value.error();
            mask = value->value;
        }
        const auto at = std::lower_bound(properties.fields.begin(), properties.fields.end(), id,
                                         [](const HashField& f, FieldId other) { return f.field < other; });
        if (at != properties.fields.end() && at->field == id) {
            return make_error(EINVAL, "fields: {}: duplicate field", item.key);
        }
        properties.fields.insert(at, {id, mask});
    }
    return {};
}

Result<void> parse_word(const KeyValue& item, GroupMod& group, bool& has_id, bool& has_type,
                        const PortNames* names) {
    if (item.key == "group_id") {
        has_id = true;
        if (item.value == "all") {
            group.group = kAllGroups;
            return {};
        }
        return number_into("group", item, kMaxGroup, group.group);
    }
    if (item.key == "type") {
        for (const auto& type : kTypeNames) {
            if (type.name != item.value) continue;
            group.type = type.type;
            has_type = true;
            return {};
        }
        return make_error(EINVAL, "group: invalid group type {}", item.value);
    }
    if (item.key == "command_bucket_id") {
        if (group.command != GroupCommand::kInsertBucket && group.command != GroupCommand::kRemoveBucket) {
            return make_error(EINVAL, "command bucket id is not needed");
        }
        if (item.value == "all") {
            group.command_bucket = kAllBuckets;
        } else if (item.value == "first") {
            group.command_bucket = kFirstBucket;
        } else if (item.value == "last") {
            group.command_bucket = kLastBucket;
        } else {
            return number_into("group", item, kMaxGroup, group.command_bucket);
        }
        return {};
    }
    if (item.key == "selection_method") {
        if (item.value != "hash" && item.value != "dp_hash") {
            return make_error(EINVAL, "group: selection method \"{}\" is neither hash nor dp_hash",
                              item.value);
        }
        group.properties.selection_method = item.value;
        return {};
    }
    if (item.key == "selection_method_param") {
        return number_into("group", item, ~std::uint64_t{0}, group.properties.selection_param);
    }
    if (item.key == "fields") return parse_fields(item.value, group.properties, names);
    return make_error(EINVAL, "group: unknown keyword {}", item.key);
}

Result<void> check_group(const GroupMod& group) {
    const auto& properties = group.properties;
    if (group.type != GroupType::kSelect && !properties.selection_method.empty()) {
        return make_error(EINVAL, "group: selection method is not allowed for non-select groups");
    }
    if (properties.selection_method.empty() && properties.selection_param != 0) {
        return make_error(EINVAL, "group: selection method param given without selection method");
    }
    if (properties.selection_method != "hash" && !properties.fields.empty()) {
        return make_error(EINVAL, "fields may only be specified with \"selection_method=hash\"");
    }
    if (group.type == GroupType::kIndirect && group.buckets.size() > 1) {
        return make_error(EINVAL, "group: an indirect group can have at most one bucket, not {}",
                          group.buckets.size());
    }
    return {};
}

Result<void> number_buckets(std::vector<Bucket>& buckets) {
    std::uint32_t next = 0;
    const auto taken = [&buckets](std::uint32_t id) {
        return std::count_if(buckets.begin(), buckets.end(), [id](const Bucket& b) { return b.id == id; });
    };
    for (auto& bucket : buckets) {
        if (bucket.id != kNoId) {
            if (taken(bucket.id) > 1) return make_error(EINVAL, "group: duplicate bucket id {}", bucket.id);
            continue;
        }
        while (taken(next) != 0)
            ++next;
        bucket.id = next;
    }
    return {};
}

// Start of the next "bucket=" word; npos if there is none.
std::size_t find_bucket(std::string_view s, std::size_t from) {
    for (std::size_t at = s.find("bucket", from); at != s.npos; at = s.find("bucket", at + 1)) {
        const bool starts = at == 0 || std::string_view{", \t\r\n"}.find(s[at - 1]) != std::string_view::npos;
        const auto end = at + std::string_view{"bucket"}.size();
        if (starts && end < s.size() && (s[end] == '=' || s[end] == ':')) return at;
    }
    return s.npos;
}

std::string format_bucket(const Bucket& bucket, GroupType type, BucketIds ids, const PortNames* names) {
    std::string out = "bucket=";
    if (ids == BucketIds::kShown) out += fmt::format("bucket_id:{},", bucket.id);
    if (type == GroupType::kSelect && bucket.weight != 1) out += fmt::format("weight:{},", bucket.weight);
    if (bucket.watch_port != OfPort::kAny)
        out += fmt::format("watch_port:{},", format_port(bucket.watch_port, names));
    if (bucket.watch_group != kAnyGroup) out += fmt::format("watch_group:{},", bucket.watch_group);
    return out + "actions=" + format_actions(bucket.actions, names);
}

std::string format_fields(const std::vector<HashField>& fields) {
    std::string list;
    for (const auto& f : fields) {
        const FieldInfo& field = field_info(f.field);
        const U128 all = field_value_mask(field);
        if (!list.empty()) list += ',';
        list += field.name;
        if (!(f.mask == all)) list += "=" + format_field_value(field, {f.mask, all});
    }
    return fields.size() == 1 ? "fields=" + list : "fields(" + list + ")";
}

Result<void> parse_band(std::string_view s, std::uint16_t flags, MeterBand& band) {
    KeyValue item;
    bool has_rate = false, has_burst = false;
    while (next_key_value(s, item)) {
        Result<void> ok;
        if (item.key == "type") {
            if (item.value != "drop" && item.value != "dscp_remark") {
                return make_error(EINVAL, "meter: field type unknown value {}", item.value);
            }
            band.type = item.value == "drop" ? MeterBand::Type::kDrop : MeterBand::Type::kDscpRemark;
        } else if (item.key == "rate") {
            ok = number_into("meter", item, 0xffffffff, band.rate);
            has_rate = true;
        } else if (item.key == "burst_size") {
            ok = number_into("meter", item, 0xffffffff, band.burst);
            has_burst = true;
        } else if (item.key == "prec_level") {
            ok = number_into("meter", item, 255, band.precedence_level);
        } else {
            return make_error(EINVAL, "meter: unknown keyword {}", item.key);
        }
        if (!ok) return ok;
    }
    if (!has_rate) return make_error(EINVAL, "meter: band must have 'rate'");
    const bool burst = (flags & meter_flag::kBurst) != 0;
    if (burst && !has_burst)
        return make_error(EINVAL, "band must have 'burst_size' when 'burst' flag is set");
    if (!burst && has_burst) {
        return make_error(EINVAL, "band may have 'burst_size' only when 'burst' flag is set");
    }
    return {};
}

Result<void> parse_meter_word(const KeyValue& item, MeterMod& meter, bool& has_id) {
    struct FlagName {
        std::string_view name;
        std::uint16_t bit;
    };
    constexpr FlagName kFlags[] = {{"kbps", meter_flag::kKbps},
                                   {"pktps", meter_flag::kPktps},
                                   {"burst", meter_flag::kBurst},
                                   {"stats", meter_flag::kStats}};
    for (const auto& flag : kFlags) {
        if (item.key != flag.name) continue;
        meter.flags = static_cast<std::uint16_t>(meter.flags | flag.bit);
        return {};
    }
    if (item.key != "meter") return make_error(EINVAL, "meter: unknown keyword {}", item.key);
    has_id = true;
    if (item.value == "all") {
        meter.meter = kAllMeters;
    } else if (item.value == "controller") {
        meter.meter = kControllerMeter;
    } else if (item.value == "slowpath") {
        meter.meter = kSlowpathMeter;
    } else {
        if (auto ok = number_into("meter", item, kMaxMeter, meter.meter); !ok) return ok;
        if (meter.meter == 0) return make_error(EINVAL, "meter: {} is not a meter number", item.value);
    }
    return {};
}

}  // namespace

Result<GroupMod> parse_group(std::string_view line, GroupCommand command, const PortNames* names) {
    GroupMod group;
    group.command = command;
    bool has_id = false, has_type = false;
    std::size_t bucket = find_bucket(line, 0);
    std::string_view rest = line.substr(0, bucket);
    KeyValue item;
    while (next_key_value(rest, item)) {
        if (auto ok = parse_word(item, group, has_id, has_type, names); !ok) return ok.error();
    }
    if (!has_id) return make_error(EINVAL, "must specify a group_id");
    const bool defines = command == GroupCommand::kAdd || command == GroupCommand::kModify ||
                         command == GroupCommand::kAddOrModify;
    if (defines && !has_type) return make_error(EINVAL, "must specify a type");
    while (bucket != line.npos) {
        const std::size_t next = find_bucket(line, bucket + 1);
        std::string_view text = line.substr(bucket, next == line.npos ? next : next - bucket);
        text.remove_prefix(std::string_view{"bucket="}.size());
        while (!text.empty() && (text.back() == ',' || text.back() == ' '))
            text.remove_suffix(1);
        auto parsed = parse_bucket(text, group.type, names);
        if (!parsed) return parsed.error();
        group.buckets.push_back(std::move(*parsed));
        bucket = next;
    }
    if (auto ok = number_buckets(group.buckets); !ok) return ok.error();
    if (auto ok = check_group(group); !ok) return ok.error();
    return group;
}

std::string format_group(const GroupMod& group, BucketIds ids, const PortNames* names) {
    const auto type = std::find_if(std::begin(kTypeNames), std::end(kTypeNames),
                                   [&group](const TypeName& t) { return t.type == group.type; });
    std::string out = fmt::format("group_id={},type={}", group.group, type->name);
    const auto& properties = group.properties;
    if (!properties.selection_method.empty()) {
        out += ",selection_method=" + properties.selection_method;
        if (properties.selection_param != 0) {
            out += fmt::format(",selection_method_param={}", properties.selection_param);
        }
        if (!properties.fields.empty()) out += "," + format_fields(properties.fields);
    }
    for (const auto& bucket : group.buckets)
        out += "," + format_bucket(bucket, group.type, ids, names);
    return out;
}

Result<MeterMod> parse_meter(std::string_view line, MeterCommand command) {
    MeterMod meter;
    meter.command = command;
    std::size_t bands = line.find("band");
    std::string_view rest = line.substr(0, bands);
    KeyValue item;
    bool has_id = false;
    while (next_key_value(rest, item)) {
        if (auto ok = parse_meter_word(item, meter, has_id); !ok) return ok.error();
    }
    if (!has_id) return make_error(EINVAL, "must specify a meter");
    if (command == MeterCommand::kDelete) return meter;
    const auto rates = meter.flags & (meter_flag::kKbps | meter_flag::kPktps);
    if (rates == 0) return make_error(EINVAL, "meter must specify either 'kbps' or 'pktps'");
    if (rates == (meter_flag::kKbps | meter_flag::kPktps)) {
        return make_error(EINVAL, "meter can't have both 'kbps' and 'pktps'");
    }
    if (bands == line.npos) return make_error(EINVAL, "must specify bands");
    std::string_view list = line.substr(line.find('=', bands) + 1);
    // Every band starts with its type.
    for (std::size_t at = list.find("type="); at != list.npos;) {
        const std::size_t next = list.find("type=", at + 1);
        MeterBand band;
        const auto text = list.substr(at, next == list.npos ? next : next - at);
        if (auto ok = parse_band(text, meter.flags, band); !ok) return ok.error();
        meter.bands.push_back(band);
        at = next;
    }
    if (meter.bands.empty()) return make_error(EINVAL, "must specify bands");
    return meter;
}

std::string format_meter(const MeterMod& meter) {
    std::string out = "meter=";
    if (meter.meter == kControllerMeter) {
        out += "controller";
    } else if (meter.meter == kSlowpathMeter) {
        out += "slowpath";
    } else if (meter.meter == kAllMeters) {
        out += "all";
    } else {
        out += fmt::format("{}", meter.meter);
    }
    if (meter.flags & meter_flag::kKbps) out += " kbps";
    if (meter.flags & meter_flag::kPktps) out += " pktps";
    if (meter.flags & meter_flag::kBurst) out += " burst";
    if (meter.flags & meter_flag::kStats) out += " stats";
    out += " bands=";
    for (const auto& band : meter.bands) {
        const bool remark = band.type == MeterBand::Type::kDscpRemark;
        out += fmt::format("\ntype={} rate={}", remark ? "dscp_remark" : "drop", band.rate);
        if (meter.flags & meter_flag::kBurst) out += fmt::format(" burst_size={}", band.burst);
        if (remark) out += fmt::format(" prec_level={}", band.precedence_level);
    }
    return out;
}

}  // namespace sluice
