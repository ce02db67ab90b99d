// SPDX-License-Identifier: Apache-2.0
// Groups and meters. OpenFlow 1.3 §A.3.4.3-4, 1.5 §7.3.4.3-4, §7.3.5.9-15.
#include <algorithm>

#include "proto/openflow/message_codec.hpp"

namespace sluice::openflow {

namespace {

using E = ErrorCode;
constexpr Version k10 = Version::k10, k11 = Version::k11, k12 = Version::k12, k13 = Version::k13,
                  k14 = Version::k14, k15 = Version::k15;
constexpr std::uint32_t kNetronome = 0x0000154d, kSelectionMethod = 1;
constexpr std::uint16_t kExperimenterProperty = 0xffff;

/// OpenFlow 1.0 has groups through Nicira's extension, in the form of 1.5.
bool has_bucket_ids(Version version) {
    return version >= k15 || version == k10;
}
bool has_durations(Version version) {
    return version >= k13 || version == k10;
}

std::uint16_t default_weight(GroupType type) {
    return type == GroupType::kSelect ? 1 : 0;
}

Bucket read_bucket11(Reader& in, Version version, std::uint32_t index) {
    Reader ahead = in;
    Reader item = read_item(in, ahead.u16(), 16, E::kGmfcBadBucket);
    Bucket bucket;
    bucket.id = index;
    item.skip(2);
    bucket.weight = item.u16();
    bucket.watch_port = item.port32();
    bucket.watch_group = item.u32();
    item.skip(4);
    if (item.left() % 8 != 0) fail(E::kBrcBadLen, "bucket with actions of {} bytes", item.left());
    decode_actions(item.sub(item.left(), E::kBacBadLen), {version, 0}, bucket.actions);
    return bucket;
}
Bucket read_bucket15(Reader& in, Version version, GroupType type) {
    Reader ahead = in;
    Reader item = read_item(in, ahead.u16(), 8, E::kGmfcBadBucket);
    Bucket bucket;
    item.skip(2);
    const std::size_t actions = item.u16();
    bucket.id = item.u32();
    if (bucket.id >= kMaxGroup) fail(E::kGmfcBadBucket, "bucket id {:#x}", bucket.id);
    bucket.weight = default_weight(type);
    if (actions > item.left()) fail(E::kGmfcBadBucket, "bucket actions of {} bytes", actions);
    decode_actions(item.sub(actions, E::kBacBadLen), {version, 0}, bucket.actions);
    while (!item.empty()) {
        auto property = read_property(item);
        if (property.type == 0) {
            bucket.weight = property.value.u16();
        } else if (property.type == 1) {
            bucket.watch_port = property.value.port32();
        } else if (property.type == 2) {
            bucket.watch_group = property.value.u32();
        } else {
            fail_property(property.type);
        }
    }
    return bucket;
}
std::vector<Bucket> read_buckets(Reader in, Version version, GroupType type) {
    std::vector<Bucket> buckets;
    while (!in.empty()) {
        buckets.push_back(has_bucket_ids(version)
                              ? read_bucket15(in, version, type)
                              : read_bucket11(in, version, static_cast<std::uint32_t>(buckets.size())));
    }
    return buckets;
}
void write_buckets(Writer& out, const std::vector<Bucket>& buckets, Version version, GroupType type) {
    for (const auto& bucket : buckets) {
        const auto start = out.size();
        out.u16(0);
        if (!has_bucket_ids(version)) {
            out.u16(bucket.weight);
            out.port32(bucket.watch_port);
            out.u32(bucket.watch_group);
            out.zeros(4);
            encode_actions(out, bucket.actions, {version});
        } else {
            out.u16(0);
            out.u32(bucket.id);
            const auto actions = out.size();
            encode_actions(out, bucket.actions, {version});
            out.patch16(start + 2, out.size() - actions);
            if (bucket.weight != default_weight(type)) {
                write_property(out, 0, [&] { out.u16(bucket.weight), out.zeros(2); });
            }
            if (bucket.watch_port != OfPort::kAny)
                write_property(out, 1, [&] { out.port32(bucket.watch_port); });
            if (bucket.watch_group != kAnyGroup) write_property(out, 2, [&] { out.u32(bucket.watch_group); });
        }
        out.patch_size(start, 0);
    }
}

/// Fields of a selection method; no prerequisites apply here. A mask of zero means the whole field.
void read_hash_fields(Reader in, std::vector<HashField>& fields) {
    while (!in.empty()) {
        const OxmHead head = read_oxm_head(in, OxmUse::kMatch);
        if (head.field == kNoField) fail(E::kBpcBadExpValue, "unknown field of the selection method");
        const auto& info = field_info(head.field);
        U128 mask = field_value_mask(info);
        const std::size_t width = head.has_mask ? head.length / 2U : head.length;
        const U128 value = read_wide(in, width);
        mask = head.has_mask ? read_wide(in, width) : (value.is_zero() ? mask : value);
        const auto at = std::lower_bound(fields.begin(), fields.end(), head.field,
                                         [](const HashField& f, FieldId id) { return f.field < id; });
        fields.insert(at, {head.field, mask & low_mask(info.loc.bits)});
    }
}
GroupProperties read_group_properties(Reader& in) {
    GroupProperties properties;
    while (!in.empty()) {
        auto property = read_property(in);
        if (property.type != kExperimenterProperty) fail_property(property.type);
        Reader& value = property.value;
        const bool ours = value.u32() == kNetronome;
        if (value.u32() != kSelectionMethod || !ours) fail(E::kBpcBadExpType, "group property");
        value.skip(4);
        properties.selection_method = value.text(16);
        if (properties.selection_method != "hash" && properties.selection_method != "dp_hash") {
            fail(E::kBpcBadValue, "selection method '{}'", properties.selection_method);
        }
        properties.selection_param = value.u64();
        read_hash_fields(value, properties.fields);
        if (properties.selection_method == "dp_hash" && !properties.fields.empty())
            fail(E::kBpcBadValue, "fields of the selection method dp_hash");
    }
    return properties;
}
void write_group_properties(Writer& out, const GroupProperties& properties) {
    if (properties.selection_method.empty()) return;
    write_property(out, kExperimenterProperty, [&] {
        out.u32(kNetronome);
        out.u32(kSelectionMethod);
        out.zeros(4);
        out.text(properties.selection_method, 16);
        out.u64(properties.selection_param);
        for (const auto& [field, mask] : properties.fields) {
            const auto* header = oxm_header(field_info(field), 6);
            if (header != nullptr) write_oxm_entry(out, *header, mask, mask, false);
        }
    });
}

GroupCommand checked_command(std::uint16_t command) {
    const bool known =
        command <= 2 || command == 3 || command == 5 || command == 0x8000;  // in every version, as OVS
    if (!known) fail(E::kGmfcBadCommand, "group-mod command {}", command);
    return command == 5 ? GroupCommand::kRemoveBucket : GroupCommand{command};
}
std::uint16_t wire_command(GroupCommand command) {
    return command == GroupCommand::kRemoveBucket ? std::uint16_t{5} : static_cast<std::uint16_t>(command);
}

/// What is wrong whatever groups there are.
void check_group_mod(const GroupMod& mod, Version version) {
    const bool is_insert = mod.command == GroupCommand::kInsertBucket;
    const bool is_remove = mod.command == GroupCommand::kRemoveBucket;
    const std::uint32_t at = mod.command_bucket;
    const bool one = at <= kMaxGroup || at == kFirstBucket || at == kLastBucket;
    const bool right_place = is_insert ? one : is_remove ? one || at == kAllBuckets : at == kAllBuckets;
    if (has_bucket_ids(version) && !right_place) fail(E::kGmfcBadBucket, "command bucket id {:#x}", at);
    if (is_remove && !mod.buckets.empty()) fail(E::kGmfcBadBucket, "remove-bucket with buckets");
    if (mod.type == GroupType::kIndirect && mod.command != GroupCommand::kDelete && mod.buckets.size() != 1)
        fail(E::kGmfcInvalidGroup, "indirect group with {} buckets", mod.buckets.size());
    std::vector<std::uint32_t> ids;
    for (const Bucket& bucket : mod.buckets) {
        const bool watches = bucket.watch_port != OfPort::kAny || bucket.watch_group != kAnyGroup;
        if (bucket.weight != 0 && mod.type != GroupType::kSelect)
            fail(E::kGmfcInvalidGroup, "bucket with weight {}, not in a select group", bucket.weight);
        if (watches && (mod.type == GroupType::kAll || mod.type == GroupType::kIndirect))
            fail(E::kGmfcWatchUnsupported, "bucket {} watches a port or group", bucket.id);
        if (!watches && mod.type == GroupType::kFastFailover)
            fail(E::kGmfcInvalidGroup, "bucket {} of a fast failover group watches nothing", bucket.id);
        ids.push_back(bucket.id);
    }
    std::sort(ids.begin(), ids.end());
    if (std::adjacent_find(ids.begin(), ids.end()) != ids.end())
        fail(E::kGmfcBadBucket, "two buckets with one id");
}

void decode_group_mod(Reader& in, Version version, Message& m) {
    GroupMod mod;
    mod.command = checked_command(in.u16());
    const std::uint8_t type = in.u8();
    if (type > 3) fail(E::kGmfcBadType, "group type {}", type);
    mod.type = GroupType{type};
    in.skip(1);
    mod.group = in.u32();
    if (!has_bucket_ids(version)) {
        mod.buckets = read_buckets(in, version, mod.type);
    } else {
        const std::size_t length = in.u16();
        in.skip(2);
        mod.command_bucket = in.u32();
        if (length > in.left()) fail(E::kBrcBadLen, "buckets of {} bytes, {} left", length, in.left());
        mod.buckets = read_buckets(in.sub(length), version, mod.type);
        mod.properties = read_group_properties(in);
        if (!mod.properties.selection_method.empty() && mod.type != GroupType::kSelect)
            fail(E::kBpcBadValue, "selection method of a group that does not select");
    }
    // Other commands find that there is no such group.
    const bool adds = mod.command == GroupCommand::kAdd || mod.command == GroupCommand::kAddOrModify;
    if (mod.group > kMaxGroup && adds) fail(E::kGmfcInvalidGroup, "group {:#x}", mod.group);
    check_group_mod(mod, version);
    m.body = std::move(mod);
}

// ---- Statistics of groups ----------------------------------------------------------------------------

template <typename Kind>
void decode_group_request(Reader& in, Version, Message& m) {
    m.body = Kind{in.u32()};
}
void decode_desc_request(Reader& in, Version version, Message& m) {
    m.body = GroupDescRequest{has_bucket_ids(version) ? in.u32() : kAllGroups};
}
void read_counters(Reader& in, std::vector<BucketCounters>& counters) {
    while (!in.empty()) {
        BucketCounters c;
        c.packet_count = in.u64();
        c.byte_count = in.u64();
        counters.push_back(c);
    }
}
void write_counters(Writer& out, const std::vector<BucketCounters>& counters) {
    for (const auto& c : counters) {
        out.u64(c.packet_count);
        out.u64(c.byte_count);
    }
}
void decode_group_stats(Reader& in, Version version, Message& m) {
    GroupStatsReply reply;
    while (!in.empty()) {
        Reader ahead = in;
        Reader item = read_item(in, ahead.u16(), has_durations(version) ? 40 : 32);
        GroupStats stats;
        item.skip(4);
        stats.group = item.u32();
        stats.ref_count = item.u32();
        item.skip(4);
        stats.packet_count = item.u64();
        stats.byte_count = item.u64();
        if (has_durations(version)) {
            stats.duration_s = item.u32();
            stats.duration_ns = item.u32();
        }
        read_counters(item, stats.buckets);
        reply.groups.push_back(std::move(stats));
    }
    m.body = std::move(reply);
}
void decode_group_desc(Reader& in, Version version, Message& m) {
    GroupDescReply reply;
    while (!in.empty()) {
        Reader ahead = in;
        Reader item = read_item(in, ahead.u16(), has_bucket_ids(version) ? 16 : 8);
        item.skip(2);
        GroupDesc desc;
        const std::uint8_t type = item.u8();
        if (type > 3) fail(E::kGmfcBadType, "group type {}", type);
        desc.type = GroupType{type};
        item.skip(1);
        desc.group = item.u32();
        if (!has_bucket_ids(version)) {
            desc.buckets = read_buckets(item, version, desc.type);
        } else {
            const std::size_t length = item.u16();
            item.skip(6);
            desc.buckets = read_buckets(item.sub(length), version, desc.type);
            desc.properties = read_group_properties(item);
        }
        reply.groups.push_back(std::move(desc));
    }
    m.body = std::move(reply);
}
void decode_group_features(Reader& in, Version, Message& m) {
    GroupFeaturesReply reply;
    reply.types = in.u32();
    reply.capabilities = in.u32();
    for (auto& max : reply.max_groups)
        max = in.u32();
    for (auto& actions : reply.actions)
        actions = in.u32();
    m.body = reply;
}
template <typename Empty>
void decode_empty(Reader&, Version, Message& m) {
    m.body = Empty{};
}

// ---- Meters ------------------------------------------------------------------------------------------

std::vector<MeterBand> read_bands(Reader in) {
    std::vector<MeterBand> bands;
    while (!in.empty()) {
        Reader ahead = in.sub(std::min<std::size_t>(in.left(), 4), E::kBrcBadLen);
        const std::uint16_t type = ahead.u16(), length = ahead.u16();
        if (type != 1 && type != 2) fail(E::kMmfcBadBand, "meter band type {}", type);
        if (length != 16 || in.left() < 12) fail(E::kBrcBadLen, "meter band of {} bytes", length);
        MeterBand band;
        band.type = MeterBand::Type{type};
        band.rate = in.u32();
        band.burst = in.u32();
        const std::uint8_t precedence = in.u8();
        if (type == 2) band.precedence_level = precedence;
        in.skip(3);
        bands.push_back(band);
    }
    return bands;
}
void write_bands(Writer& out, const std::vector<MeterBand>& bands) {
    for (const auto& band : bands) {
        out.u16(static_cast<unsigned>(band.type));
        out.u16(16);
        out.u32(band.rate);
        out.u32(band.burst);
        out.u8(band.type == MeterBand::Type::kDscpRemark ? band.precedence_level : 0U);
        out.zeros(3);
    }
}
void decode_meter_mod(Reader& in, Version, Message& m) {
    MeterMod mod;
    const std::uint16_t command = in.u16();
    if (command > 2) fail(E::kMmfcBadCommand, "meter-mod command {}", command);
    mod.command = MeterCommand{command};
    mod.flags = in.u16();
    mod.meter = in.u32();
    const bool is_delete = mod.command == MeterCommand::kDelete;
    const bool reserved = mod.meter == kSlowpathMeter || mod.meter == kControllerMeter;
    if (!is_delete && (mod.meter == 0 || (mod.meter > kMaxMeter && !reserved))) {
        fail(E::kMmfcInvalidMeter, "meter {:#x}", mod.meter);
    }
    if (!is_delete) {
        const bool kbps = mod.flags & meter_flag::kKbps, packets = mod.flags & meter_flag::kPktps;
        if ((mod.flags & ~0x0fU) != 0 || kbps == packets)
            fail(E::kMmfcBadFlags, "meter flags {:#x}", mod.flags);
        mod.bands = read_bands(in);
    }
    m.body = std::move(mod);
}
void decode_meter_stats(Reader& in, Version, Message& m) {
    MeterStatsReply reply;
    while (!in.empty()) {
        Reader ahead = in;
        ahead.skip(4);
        Reader item = read_item(in, ahead.u16(), 40);
        MeterStats stats;
        stats.meter = item.u32();
        item.skip(8);
        stats.flow_count = item.u32();
        stats.packet_in_count = item.u64();
        stats.byte_in_count = item.u64();
        stats.duration_s = item.u32();
        stats.duration_ns = item.u32();
        read_counters(item, stats.bands);
        reply.meters.push_back(std::move(stats));
    }
    m.body = std::move(reply);
}
void decode_meter_config(Reader& in, Version, Message& m) {
    MeterConfigReply reply;
    while (!in.empty()) {
        Reader ahead = in;
        Reader item = read_item(in, ahead.u16(), 8);
        item.skip(2);
        MeterConfig config;
        config.flags = item.u16();
        config.meter = item.u32();
        config.bands = read_bands(item);
        reply.meters.push_back(std::move(config));
    }
    m.body = std::move(reply);
}
void decode_meter_features(Reader& in, Version, Message& m) {
    MeterFeaturesReply reply;
    reply.max_meters = in.u32();
    reply.band_types = in.u32();
    reply.capabilities = in.u32();
    reply.max_bands = in.u8();
    reply.max_color = in.u8();
    m.body = reply;
}

/// Type `type` of OpenFlow 1.1+; Nicira's, in 1.0 and for features in 1.1, has the next number.
void begin_group_multipart(MessageWriter& out, bool reply, std::uint16_t type) {
    if (out.version() == k10 || (out.version() == k11 && type == 8))
        return out.begin_nicira_multipart(reply, type + 1U);
    reply ? out.begin_reply(type) : out.begin_request(type);
}

constexpr MessageRow kRows[] = {
    {Space::kType, 15, k11, k14, 8, kEights, decode_group_mod},
    {Space::kType, 15, k15, k15, 16, kEights, decode_group_mod},
    {Space::kNicira, 31, k10, k10, 16, kEights, decode_group_mod},
    {Space::kNiciraRequest, 7, k10, k10, 8, false, decode_group_request<GroupStatsRequest>},
    {Space::kNiciraReply, 7, k10, k10, 0, true, decode_group_stats},
    {Space::kNiciraRequest, 8, k10, k10, 8, false, decode_desc_request},
    {Space::kNiciraReply, 8, k10, k10, 0, true, decode_group_desc},
    {Space::kNiciraRequest, 9, k10, k11, 0, false, decode_empty<GroupFeaturesRequest>},
    {Space::kNiciraReply, 9, k10, k11, 40, false, decode_group_features},
    {Space::kType, 29, k13, k15, 8, kEights, decode_meter_mod},
    {Space::kRequest, 6, k11, k15, 8, false, decode_group_request<GroupStatsRequest>},
    {Space::kReply, 6, k11, k15, 0, true, decode_group_stats},
    {Space::kRequest, 7, k11, k14, 0, false, decode_desc_request},
    {Space::kRequest, 7, k15, k15, 8, false, decode_desc_request},
    {Space::kReply, 7, k11, k15, 0, true, decode_group_desc},
    {Space::kRequest, 8, k12, k15, 0, false, decode_empty<GroupFeaturesRequest>},
    {Space::kReply, 8, k12, k15, 40, false, decode_group_features},
    {Space::kRequest, 9, k13, k15, 8, false, decode_group_request<MeterStatsRequest>},
    {Space::kReply, 9, k13, k15, 0, true, decode_meter_stats},
    {Space::kRequest, 10, k13, k15, 8, false, decode_group_request<MeterConfigRequest>},
    {Space::kReply, 10, k13, k15, 0, true, decode_meter_config},
    {Space::kRequest, 11, k13, k15, 0, false, decode_empty<MeterFeaturesRequest>},
    {Space::kReply, 11, k13, k15, 16, false, decode_meter_features},
};

}  // namespace

std::span<const MessageRow> group_messages() {
    return kRows;
}

void encode_body(MessageWriter& out, const GroupMod& b) {
    out.version() == k10 ? out.begin_nicira(31) : out.begin(15);
    out.u16(wire_command(b.command));
    out.u8(static_cast<unsigned>(b.type));
    out.zeros(1);
    out.u32(b.group);
    if (!has_bucket_ids(out.version())) return write_buckets(out, b.buckets, out.version(), b.type);
    const auto length_at = out.size();
    out.zeros(4);
    out.u32(b.command_bucket);
    const auto start = out.size();
    write_buckets(out, b.buckets, out.version(), b.type);
    out.patch16(length_at, out.size() - start);
    write_group_properties(out, b.properties);
}
void encode_body(MessageWriter& out, const MeterMod& b) {
    require(out, k13);
    out.begin(29);
    out.u16(static_cast<unsigned>(b.command));
    out.u16(b.flags);
    out.u32(b.meter);
    write_bands(out, b.bands);
}
void encode_body(MessageWriter& out, const GroupStatsRequest& b) {
    begin_group_multipart(out, false, 6);
    out.u32(b.group);
    out.zeros(4);
}
void encode_body(MessageWriter& out, const GroupStatsReply& b) {
    begin_group_multipart(out, true, 6);
    for (const auto& stats : b.groups) {
        const auto start = out.mark();
        out.u16(0);
        out.zeros(2);
        out.u32(stats.group);
        out.u32(stats.ref_count);
        out.zeros(4);
        out.u64(stats.packet_count);
        out.u64(stats.byte_count);
        if (has_durations(out.version())) {
            out.u32(stats.duration_s);
            out.u32(stats.duration_ns);
        }
        write_counters(out, stats.buckets);
        out.patch_size(start, 0);
        out.item(start);
    }
}
void encode_body(MessageWriter& out, const GroupDescRequest& b) {
    begin_group_multipart(out, false, 7);
    if (!has_bucket_ids(out.version())) return;
    out.u32(b.group);
    out.zeros(4);
}
void encode_body(MessageWriter& out, const GroupDescReply& b) {
    begin_group_multipart(out, true, 7);
    for (const auto& desc : b.groups) {
        const auto start = out.mark();
        out.u16(0);
        out.u8(static_cast<unsigned>(desc.type));
        out.zeros(1);
        out.u32(desc.group);
        if (has_bucket_ids(out.version())) out.zeros(8);
        const auto buckets = out.size();
        write_buckets(out, desc.buckets, out.version(), desc.type);
        if (has_bucket_ids(out.version())) {
            out.patch16(start + 8, out.size() - buckets);
            write_group_properties(out, desc.properties);
        }
        out.patch_size(start, 0);
        out.item(start);
    }
}
void encode_body(MessageWriter& out, const GroupFeaturesRequest&) {
    begin_group_multipart(out, false, 8);
}
void encode_body(MessageWriter& out, const GroupFeaturesReply& b) {
    begin_group_multipart(out, true, 8);
    out.u32(b.types);
    out.u32(b.capabilities);
    for (const auto max : b.max_groups)
        out.u32(max);
    for (const auto actions : b.actions)
        out.u32(actions);
}
void encode_body(MessageWriter& out, const MeterStatsRequest& b) {
    require(out, k13);
    out.begin_request(9);
    out.u32(b.meter);
    out.zeros(4);
}
void encode_body(MessageWriter& out, const MeterStatsReply& b) {
    require(out, k13);
    out.begin_reply(9);
    for (const auto& stats : b.meters) {
        const auto start = out.mark();
        out.u32(stats.meter);
        out.u16(0);
        out.zeros(6);
        out.u32(stats.flow_count);
        out.u64(stats.packet_in_count);
        out.u64(stats.byte_in_count);
        out.u32(stats.duration_s);
        out.u32(stats.duration_ns);
        write_counters(out, stats.bands);
        out.patch_size(start, 4);
        out.item(start);
    }
}
void encode_body(MessageWriter& out, const MeterConfigRequest& b) {
    require(out, k13);
    out.begin_request(10);
    out.u32(b.meter);
    out.zeros(4);
}
void encode_body(MessageWriter& out, const MeterConfigReply& b) {
    require(out, k13);
    out.begin_reply(10);
    for (const auto& config : b.meters) {
        const auto start = out.mark();
        out.u16(0);
        out.u16(config.flags);
        out.u32(config.meter);
        write_bands(out, config.bands);
        out.patch_size(start, 0);
        out.item(start);
    }
}
void encode_body(MessageWriter& out, const MeterFeaturesRequest&) {
    require(out, k13);
    out.begin_request(11);
}
void encode_body(MessageWriter& out, const MeterFeaturesReply& b) {
    require(out, k13);
    out.begin_reply(11);
    out.u32(b.max_meters);
    out.u32(b.band_types);
    out.u32(b.capabilities);
    out.u8(b.max_bands);
    out.u8(b.max_color);
    out.zeros(2);
}

}  // namespace sluice::openflow
