// SPDX-License-Identifier: Apache-2.0
// Table-mod, table descriptions, table features. OpenFlow 1.5 §7.3.4.1, §7.3.5.17-18.
#include "proto/openflow/message_codec.hpp"

namespace sluice::openflow {

namespace {

using E = ErrorCode;
constexpr Version k11 = Version::k11, k12 = Version::k12, k13 = Version::k13, k14 = Version::k14,
                  k15 = Version::k15;
constexpr std::uint16_t kLastInstruction = 6, kExperimenter = 0xffff;
constexpr std::uint16_t kEvictionProperty = 2, kVacancyProperty = 3;
constexpr std::uint32_t kConfigBits = table_config::kEviction | table_config::kVacancyEvents;
/// OFPTFPT_*: even numbers for hits, odd ones for misses.
enum Feature : std::uint16_t {
    kInstructions = 0,
    kNextTables = 2,
    kWriteActions = 4,
    kApplyActions = 6,
    kMatch = 8,
    kWildcards = 10,
    kWriteSetField = 12,
    kApplySetField = 14
};

/// Vacancy bounds. A request may not say how full the table is.
TableVacancy read_vacancy(Reader& value, bool request) {
    TableVacancy vacancy;
    vacancy.down_percent = value.u8();
    vacancy.up_percent = value.u8();
    vacancy.current_percent = value.u8();
    value.skip(1);
    if (request && vacancy.current_percent != 0) fail(E::kBpcBadValue, "a vacancy in a request");
    if (vacancy.down_percent > vacancy.up_percent || vacancy.up_percent > 100)
        fail(E::kBpcBadValue, "vacancy {}..{} per cent", vacancy.down_percent, vacancy.up_percent);
    return vacancy;
}
template <typename Kind>
void read_properties(Reader& in, Kind& table, bool request) {
    while (!in.empty()) {
        auto property = read_property(in);
        if (property.type == kEvictionProperty) {
            table.eviction_flags = property.value.u32();
        } else if (property.type == kVacancyProperty) {
            table.vacancy = read_vacancy(property.value, request);
        } else {
            fail(E::kBrcBadType, "table property {}", property.type);
        }
        property.value.end();
    }
}
template <typename Kind>
void write_properties(Writer& out, const Kind& table) {
    if (table.eviction_flags) write_property(out, kEvictionProperty, [&] { out.u32(*table.eviction_flags); });
    if (table.vacancy) {
        write_property(out, kVacancyProperty, [&] {
            out.u8(table.vacancy->down_percent);
            out.u8(table.vacancy->up_percent);
            out.u8(table.vacancy->current_percent);
            out.zeros(1);
        });
    }
}

void decode_table_mod(Reader& in, Version version, Message& m) {
    TableMod mod;
    mod.table = in.u8();
    in.skip(3);
    const std::uint32_t config = in.u32();
    if (version <= k12) {
        mod.miss = TableMiss{static_cast<std::uint8_t>(((config & 3U) + 1) & 3U)};
    } else if (version >= k14) {
        mod.config = config & kConfigBits;
        read_properties(in, mod, true);
    }
    m.body = mod;
}

TableDesc read_desc(Reader& in) {
    Reader ahead = in;
    Reader item = read_item(in, ahead.u16(), 8);
    item.skip(2);
    TableDesc desc;
    desc.table = item.u8();
    item.skip(1);
    desc.config = item.u32() & kConfigBits;
    read_properties(item, desc, false);
    return desc;
}
void write_desc(Writer& out, const TableDesc& desc) {
    const auto start = out.size();
    out.u16(0);
    out.u8(desc.table);
    out.zeros(1);
    out.u32(desc.config & kConfigBits);
    write_properties(out, desc);
    out.patch_size(start, 0);
}
void decode_desc_request(Reader&, Version, Message& m) {
    m.body = TableDescRequest{};
}
void decode_desc_reply(Reader& in, Version, Message& m) {
    TableDescReply reply;
    while (!in.empty())
        reply.tables.push_back(read_desc(in));
    m.body = std::move(reply);
}
void decode_status(Reader& in, Version, Message& m) {
    TableStatus status;
    status.reason = in.u8();
    if (status.reason != 3 && status.reason != 4) fail(E::kNxbrcBadReason, "table status reason");
    in.skip(7);
    status.desc = read_desc(in);
    m.body = status;
}

// ---- Features ----------------------------------------------------------------------------------------

/// Type and length pairs of instructions (from 1) or actions (from 0) as a bitmap.
std::uint32_t read_types(Reader& in, unsigned first) {
    std::uint32_t bits = 0;
    while (!in.empty()) {
        const std::uint16_t type = in.u16(), length = in.u16();
        if (length < 4 || length - 4U > in.left()) fail(E::kBpcBadLen, "type of {} bytes", length);
        in.skip(length - 4U);
        if (first != 0 && type > kLastInstruction && type != kExperimenter)
            fail(E::kBicUnknownInst, "instruction {}", type);
        if (type >= first && type - first < 32) bits |= 1U << (type - first);
    }
    return bits;
}
void write_types(Writer& out, std::uint32_t bits, unsigned first) {
    for (unsigned i = 0; i < 32; ++i) {
        if ((bits & (1U << i)) == 0) continue;
        out.u16(i + first);
        out.u16(4);
    }
}
void read_fields(Reader& in, std::vector<FieldId>& fields, std::vector<FieldId>* masked) {
    while (!in.empty()) {
        const OxmHead head = read_oxm_head(in, OxmUse::kMatch);
        if (head.field == kNoField) fail(E::kBmcBadField, "unknown field of a table");
        fields.push_back(head.field);
        if (masked != nullptr && head.has_mask) masked->push_back(head.field);
    }
    std::sort(fields.begin(), fields.end());
    if (masked != nullptr) std::sort(masked->begin(), masked->end());
}
void write_fields(Writer& out, const std::vector<FieldId>& fields, Version version,
                  const std::vector<FieldId>* masked) {
    for (const FieldId id : fields) {
        const auto* header = oxm_header(field_info(id), to_int(version));
        if (header == nullptr) continue;
        const bool mask = masked != nullptr && std::find(masked->begin(), masked->end(), id) != masked->end();
        write_oxm_head(out, *header, mask);
    }
}
/// False: a property of another kind.
bool read_feature(TableFeatures& t, Property& p) {
    TableFeatures::Half& half = p.type % 2 ? t.miss : t.hit;
    switch (p.type & ~1U) {
        case kInstructions:
            half.instructions = read_types(p.value, 1);
            break;
        case kNextTables:
            half.next_tables = p.value.take_rest();
            break;
        case kWriteActions:
            half.write_actions = read_types(p.value, 0);
            break;
        case kApplyActions:
            half.apply_actions = read_types(p.value, 0);
            break;
        case kMatch:
            read_fields(p.value, t.match, &t.maskable);
            break;
        case kWildcards:
            read_fields(p.value, t.wildcards, nullptr);
            break;
        case kWriteSetField:
            read_fields(p.value, half.write_set_fields, nullptr);
            break;
        case kApplySetField:
            read_fields(p.value, half.apply_set_fields, nullptr);
            break;
        default:
            return false;
    }
    return true;
}
TableFeatures read_features(Reader& in, Version version, bool request) {
    Reader ahead = in;
    Reader item = read_item(in, ahead.u16(), 64, E::kBpcBadLen);
    TableFeatures t;
    item.skip(2);
    t.table = item.u8();
    const std::uint8_t command = item.u8();
    if (version >= k15) t.command = command;
    item.skip(4);
    t.name = item.text(32);
    t.metadata_match = item.u64();
    t.metadata_write = item.u64();
    (version >= k14 ? t.capabilities : t.config) = item.u32();
    t.max_entries = item.u32();
    while (!item.empty()) {
        auto property = read_property(item);
        if (read_feature(t, property))
            t.properties |= 1U << property.type;
        else if (request)
            fail_property(property.type);  // 1.5's packet types and experimenters
    }
    return t;
}
void decode_features_request(Reader& in, Version version, Message& m) {
    TableFeaturesRequest request;
    while (!in.empty())
        request.tables.push_back(read_features(in, version, true));
    m.body = std::move(request);
}
void decode_features_reply(Reader& in, Version version, Message& m) {
    TableFeaturesReply reply;
    while (!in.empty())
        reply.tables.push_back(read_features(in, version, false));
    m.body = std::move(reply);
}
void write_half(Writer& out, const TableFeatures::Half& half, std::uint16_t odd, Version version) {
    const auto put = [&](unsigned type, auto&& write) {
        write_property(out, static_cast<std::uint16_t>(type + odd), write);
    };
    // OpenFlow 1.5 has the instruction "meter" (type 6) no more: it is an action there.
    constexpr std::uint32_t kMeter = 1U << 5;
    const std::uint32_t instructions = version >= k15 ? half.instructions & ~kMeter : half.instructions;
    put(kInstructions, [&] { write_types(out, instructions, 1); });
    put(kNextTables, [&] { out.bytes(half.next_tables); });
    put(kWriteActions, [&] { write_types(out, half.write_actions, 0); });
    put(kApplyActions, [&] { write_types(out, half.apply_actions, 0); });
    put(kWriteSetField, [&] { write_fields(out, half.write_set_fields, version, nullptr); });
    put(kApplySetField, [&] { write_fields(out, half.apply_set_fields, version, nullptr); });
}
void write_features(MessageWriter& out, const TableFeatures& t) {
    const auto start = out.mark();
    const Version version = out.version();
    out.u16(0);
    out.u8(t.table);
    out.u8(version >= k15 ? t.command : 0);
    out.zeros(4);
    out.text(t.name, 32);
    out.u64(t.metadata_match);
    out.u64(t.metadata_write);
    out.u32(version >= k14 ? t.capabilities : t.config);
    out.u32(t.max_entries);
    write_half(out, t.hit, 0, version);
    write_half(out, t.miss, 1, version);
    write_property(out, kMatch, [&] { write_fields(out, t.match, version, &t.maskable); });
    write_property(out, kWildcards, [&] { write_fields(out, t.wildcards, version, nullptr); });
    out.patch_size(start, 0);
    out.item(start);
}

constexpr MessageRow kRows[] = {
    {Space::kType, 17, k11, k13, 8, false, decode_table_mod},
    {Space::kType, 17, k14, k15, 8, kEights, decode_table_mod},
    {Space::kType, 31, k14, k15, 16, true, decode_status},
    {Space::kRequest, 12, k13, k15, 0, kEights, decode_features_request},
    {Space::kReply, 12, k13, k15, 64, true, decode_features_reply},
    {Space::kRequest, 14, k14, k15, 0, false, decode_desc_request},
    {Space::kReply, 14, k14, k15, 0, true, decode_desc_reply},
};

}  // namespace

std::span<const MessageRow> table_messages() {
    return kRows;
}

void encode_body(MessageWriter& out, const TableMod& b) {
    require(out, k11);
    out.begin(17);
    out.u8(b.table);
    out.zeros(3);
    if (out.version() <= k12) {
        out.u32(b.miss == TableMiss::kDefault ? 0U : static_cast<unsigned>(b.miss) - 1U);
    } else if (out.version() == k13) {
        out.u32(0);
    } else {
        out.u32(b.config & kConfigBits);
        write_properties(out, b);
    }
}
void encode_body(MessageWriter& out, const TableStatus& b) {
    require(out, k14);
    out.begin(31);
    out.u8(b.reason);
    out.zeros(7);
    write_desc(out, b.desc);
}
void encode_body(MessageWriter& out, const TableDescRequest&) {
    require(out, k14);
    out.begin_request(14);
}
void encode_body(MessageWriter& out, const TableDescReply& b) {
    require(out, k14);
    out.begin_reply(14);
    for (const auto& desc : b.tables) {
        const auto start = out.mark();
        write_desc(out, desc);
        out.item(start);
    }
}
void encode_body(MessageWriter& out, const TableFeaturesRequest& b) {
    require(out, k13);
    out.begin_request(12);
    for (const auto& table : b.tables)
        write_features(out, table);
}
void encode_body(MessageWriter& out, const TableFeaturesReply& b) {
    require(out, k13);
    out.begin_reply(12);
    for (const auto& table : b.tables)
        write_features(out, table);
}

}  // namespace sluice::openflow
