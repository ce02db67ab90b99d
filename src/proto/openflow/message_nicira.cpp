// SPDX-License-Identifier: Apache-2.0
// Small Nicira extensions: formats, controller id, tunnel option table, conntrack flushes; and the names
// of all messages. Source: ovs-ofctl(8), ovs-fields(7); numbers as Open vSwitch 3.1 uses them.
#include "proto/openflow/message_codec.hpp"

namespace sluice::openflow {

namespace {

using E = ErrorCode;
constexpr Version k10 = Version::k10, k15 = Version::k15;
constexpr std::uint32_t kFormatNxm = 2;
enum FlushPart : std::uint16_t { kOriginal, kReplyTuple, kZone };
enum TuplePart : std::uint16_t { kSource, kTarget, kSourcePort, kTargetPort, kIcmpId, kIcmpType, kIcmpCode };

void decode_flow_format(Reader& in, Version, Message& m) {
    const std::uint32_t format = in.u32();
    if (format != 0 && format != kFormatNxm) fail(E::kBrcEperm, "flow format {}", format);
    m.body = SetFlowFormat{format == kFormatNxm};
}
void decode_table_id(Reader& in, Version, Message& m) {
    const std::uint8_t set = in.u8();
    m.body = FlowModTableId{set != 0};
}
void decode_packet_in_format(Reader& in, Version, Message& m) {
    const std::uint32_t format = in.u32();
    if (format > 2) fail(E::kBrcEperm, "packet-in format {}", format);
    m.body = SetPacketInFormat{PacketInFormat{static_cast<std::uint8_t>(format)}};
}
void decode_controller_id(Reader& in, Version, Message& m) {
    in.zeros(6, E::kNxbrcMustBeZero);
    m.body = SetControllerId{in.u16()};
}
template <typename Empty>
void decode_empty(Reader&, Version, Message& m) {
    m.body = Empty{};
}

std::vector<TlvMap> read_maps(Reader& in) {
    std::vector<TlvMap> maps;
    while (!in.empty()) {
        TlvMap map;
        map.option_class = in.u16();
        map.option_type = in.u8();
        map.option_len = in.u8();
        if (map.option_len % 4 != 0 || map.option_len > 124) {
            fail(E::kNxttmfcBadOptLen, "tunnel option of {} bytes", map.option_len);
        }
        map.index = in.u16();
        if (map.index >= 64) fail(E::kNxttmfcBadFieldIdx, "tun_metadata{}", map.index);
        in.skip(2);
        maps.push_back(map);
    }
    return maps;
}
void write_maps(Writer& out, const std::vector<TlvMap>& maps) {
    for (const auto& map : maps) {
        out.u16(map.option_class);
        out.u8(map.option_type);
        out.u8(map.option_len);
        out.u16(map.index);
        out.zeros(2);
    }
}
void decode_tlv_mod(Reader& in, Version, Message& m) {
    TlvTableMod mod;
    const std::uint16_t command = in.u16();
    if (command > 2) fail(E::kNxttmfcBadCommand, "tlv table command {}", command);
    mod.command = TlvTableMod::Command{command};
    in.skip(6);
    mod.maps = read_maps(in);
    m.body = std::move(mod);
}
void decode_tlv_reply(Reader& in, Version, Message& m) {
    TlvTableReply reply;
    reply.max_option_space = in.u32();
    reply.max_fields = in.u16();
    in.skip(10);
    reply.maps = read_maps(in);
    m.body = std::move(reply);
}

void decode_flush_zone(Reader& in, Version, Message& m) {
    in.zeros(6, E::kNxbrcMustBeZero);
    m.body = CtFlushZone{in.u16()};
}
/// OpenFlow pads properties of 16 bits to 8 bytes and counts the padding; Open vSwitch doesn't count it for
/// those of 8 bits, and takes both.
void end_small(Reader& value, std::size_t padding) {
    if (value.left() != padding && !value.empty())
        fail(E::kBpcBadLen, "property with {} bytes too many", value.left());
}
CtTuple read_tuple(Reader& in) {
    CtTuple tuple;
    while (!in.empty()) {
        auto part = read_property(in);
        Reader& value = part.value;
        std::size_t padding = 0;
        switch (part.type) {
            case kSource:
                tuple.source = read_wide(value, 16);
                break;
            case kTarget:
                tuple.target = read_wide(value, 16);
                break;
            case kSourcePort:
                tuple.source_port = value.u16();
                padding = 2;
                break;
            case kTargetPort:
                tuple.target_port = value.u16();
                padding = 2;
                break;
            case kIcmpId:
                tuple.icmp_id = value.u16();
                padding = 2;
                break;
            case kIcmpType:
                tuple.icmp_type = value.u8();
                padding = 3;
                break;
            case kIcmpCode:
                tuple.icmp_code = value.u8();
                padding = 3;
                break;
            default:
                continue;  // as OVS: parts that are not known are skipped
        }
        end_small(value, padding);
    }
    return tuple;
}
void write_tuple(Writer& out, const CtTuple& tuple) {
    if (tuple.source) write_property(out, kSource, [&] { write_wide(out, *tuple.source, 16); });
    if (tuple.target) write_property(out, kTarget, [&] { write_wide(out, *tuple.target, 16); });
    const auto put16 = [&out](std::uint16_t type, std::optional<std::uint16_t> value) {
        if (!value) return;
        write_property(out, type, [&] {
            out.u16(*value);
            out.zeros(2);
        });
    };
    put16(kSourcePort, tuple.source_port);
    put16(kTargetPort, tuple.target_port);
    put16(kIcmpId, tuple.icmp_id);
    const auto put8 = [&out](std::uint16_t type, std::optional<std::uint8_t> value) {
        if (!value) return;
        write_property(out, type, [&] { out.u8(*value); });
    };
    put8(kIcmpType, tuple.icmp_type);
    put8(kIcmpCode, tuple.icmp_code);
}
void decode_flush(Reader& in, Version, Message& m) {
    CtFlush flush;
    flush.ip_proto = in.u8();
    in.zeros(7, E::kNxbrcMustBeZero);
    while (!in.empty()) {
        auto part = read_property(in);
        if (part.type == kZone) {
            flush.zone = part.value.u16();
            end_small(part.value, 2);
        } else if (part.type == kOriginal || part.type == kReplyTuple) {
            part.value.skip(4);
            (part.type == kOriginal ? flush.original : flush.reply) = read_tuple(part.value);
        }
    }
    m.body = flush;
}

/// Statistics of exporters that are not configured.
template <bool kFlows>
void decode_ipfix(Reader&, Version, Message& m) {
    m.body = IpfixStatsRequest{kFlows};
}

constexpr MessageRow kRows[] = {
    {Space::kNiciraRequest, 3, k10, k15, 0, kNothing, decode_ipfix<false>},
    {Space::kNiciraRequest, 4, k10, k15, 0, kNothing, decode_ipfix<true>},
    {Space::kNicira, 12, k10, k10, 4, false, decode_flow_format},
    {Space::kNicira, 15, k10, k15, 8, false, decode_table_id},
    {Space::kNicira, 16, k10, k15, 4, false, decode_packet_in_format},
    {Space::kNicira, 18, k10, k15, 0, false, decode_empty<FlowAge>},
    {Space::kNicira, 20, k10, k15, 8, false, decode_controller_id},
    {Space::kNicira, 24, k10, k15, 8, kEights, decode_tlv_mod},
    {Space::kNicira, 25, k10, k15, 0, false, decode_empty<TlvTableRequest>},
    {Space::kNicira, 26, k10, k15, 16, true, decode_tlv_reply},
    {Space::kNicira, 29, k10, k15, 8, false, decode_flush_zone},
    {Space::kNicira, 32, k10, k15, 8, kEights, decode_flush},
};

// In the order of Body.
constexpr std::string_view kNames[] = {"OFPT_HELLO",
                                       "OFPT_ERROR",
                                       "OFPT_ECHO_REQUEST",
                                       "OFPT_ECHO_REPLY",
                                       "OFPT_FEATURES_REQUEST",
                                       "OFPT_FEATURES_REPLY",
                                       "OFPT_GET_CONFIG_REQUEST",
                                       "OFPT_GET_CONFIG_REPLY",
                                       "OFPT_SET_CONFIG",
                                       "OFPT_PACKET_IN",
                                       "OFPT_FLOW_REMOVED",
                                       "OFPT_PORT_STATUS",
                                       "OFPT_PACKET_OUT",
                                       "OFPT_FLOW_MOD",
                                       "OFPT_GROUP_MOD",
                                       "OFPT_PORT_MOD",
                                       "OFPT_TABLE_MOD",
                                       "OFPT_METER_MOD",
                                       "OFPT_BARRIER_REQUEST",
                                       "OFPT_BARRIER_REPLY",
                                       "OFPT_QUEUE_GET_CONFIG_REQUEST",
                                       "OFPT_QUEUE_GET_CONFIG_REPLY",
                                       "OFPT_ROLE_REQUEST",
                                       "OFPT_ROLE_REPLY",
                                       "OFPT_ROLE_STATUS",
                                       "OFPT_GET_ASYNC_REQUEST",
                                       "OFPT_GET_ASYNC_REPLY",
                                       "OFPT_SET_ASYNC",
                                       "OFPT_TABLE_STATUS",
                                       "OFPT_REQUESTFORWARD",
                                       "OFPT_BUNDLE_CONTROL",
                                       "OFPT_BUNDLE_ADD_MESSAGE",
                                       "OFPST_DESC request",
                                       "OFPST_DESC reply",
                                       "OFPST_FLOW request",
                                       "OFPST_FLOW reply",
                                       "OFPST_AGGREGATE request",
                                       "OFPST_AGGREGATE reply",
                                       "OFPST_TABLE request",
                                       "OFPST_TABLE reply",
                                       "OFPST_PORT request",
                                       "OFPST_PORT reply",
                                       "OFPST_QUEUE request",
                                       "OFPST_QUEUE reply",
                                       "OFPST_GROUP request",
                                       "OFPST_GROUP reply",
                                       "OFPST_GROUP_DESC request",
                                       "OFPST_GROUP_DESC reply",
                                       "OFPST_GROUP_FEATURES request",
                                       "OFPST_GROUP_FEATURES reply",
                                       "OFPST_METER request",
                                       "OFPST_METER reply",
                                       "OFPST_METER_CONFIG request",
                                       "OFPST_METER_CONFIG reply",
                                       "OFPST_METER_FEATURES request",
                                       "OFPST_METER_FEATURES reply",
                                       "OFPST_TABLE_FEATURES request",
                                       "OFPST_TABLE_FEATURES reply",
                                       "OFPST_TABLE_DESC request",
                                       "OFPST_TABLE_DESC reply",
                                       "OFPST_PORT_DESC request",
                                       "OFPST_PORT_DESC reply",
                                       "OFPST_FLOW_MONITOR request",
                                       "OFPST_FLOW_MONITOR reply",
                                       "NXT_FLOW_MONITOR_CANCEL",
                                       "NXT_FLOW_MONITOR_PAUSED",
                                       "NXT_FLOW_MONITOR_RESUMED",
                                       "NXT_SET_FLOW_FORMAT",
                                       "NXT_FLOW_MOD_TABLE_ID",
                                       "NXT_SET_PACKET_IN_FORMAT",
                                       "NXT_SET_CONTROLLER_ID",
                                       "NXT_FLOW_AGE",
                                       "NXT_TLV_TABLE_MOD",
                                       "NXT_TLV_TABLE_REQUEST",
                                       "NXT_TLV_TABLE_REPLY",
                                       "NXT_RESUME",
                                       "NXT_CT_FLUSH_ZONE",
                                       "NXT_CT_FLUSH",
                                       "NXST_IPFIX request"};
static_assert(std::size(kNames) == std::variant_size_v<BodyVariant>, "each message kind has its name");

}  // namespace

std::span<const MessageRow> nicira_messages() {
    return kRows;
}

std::string_view message_name(const Body& body) {
    return kNames[body.index()];
}

void encode_body(MessageWriter& out, const SetFlowFormat& b) {
    require(out, k10, k10);
    out.begin_nicira(12);
    out.u32(b.nxm ? kFormatNxm : 0);
}
void encode_body(MessageWriter& out, const FlowModTableId& b) {
    out.begin_nicira(15);
    out.u8(b.enable ? 1 : 0);
    out.zeros(7);
}
void encode_body(MessageWriter& out, const SetPacketInFormat& b) {
    out.begin_nicira(16);
    out.u32(static_cast<unsigned>(b.format));
}
void encode_body(MessageWriter& out, const FlowAge&) {
    out.begin_nicira(18);
}
void encode_body(MessageWriter& out, const SetControllerId& b) {
    out.begin_nicira(20);
    out.zeros(6);
    out.u16(b.id);
}
void encode_body(MessageWriter& out, const TlvTableMod& b) {
    out.begin_nicira(24);
    out.u16(static_cast<unsigned>(b.command));
    out.zeros(6);
    write_maps(out, b.maps);
}
void encode_body(MessageWriter& out, const TlvTableRequest&) {
    out.begin_nicira(25);
}
void encode_body(MessageWriter& out, const TlvTableReply& b) {
    out.begin_nicira(26);
    out.u32(b.max_option_space);
    out.u16(b.max_fields);
    out.zeros(10);
    write_maps(out, b.maps);
}
void encode_body(MessageWriter& out, const CtFlushZone& b) {
    out.begin_nicira(29);
    out.zeros(6);
    out.u16(b.zone);
}
void encode_body(MessageWriter& out, const CtFlush& b) {
    out.begin_nicira(32);
    out.u8(b.ip_proto);
    out.zeros(7);
    const auto tuple = [&out](std::uint16_t type, const CtTuple& t) {
        if (t == CtTuple{}) return;
        write_property(out, type, [&] {
            out.zeros(4);
            write_tuple(out, t);
        });
    };
    tuple(kOriginal, b.original);
    tuple(kReplyTuple, b.reply);
    if (b.zone) {
        write_property(out, kZone, [&] {
            out.u16(*b.zone);
            out.zeros(2);
        });
    }
}

void encode_body(MessageWriter& out, const IpfixStatsRequest& b) {
    out.begin_nicira_multipart(false, b.flows ? 4 : 3);
}

}  // namespace sluice::openflow
