// SPDX-License-Identifier: Apache-2.0
// Flow and aggregate statistics. OpenFlow 1.0 §5.3.5; 1.5 §7.3.5.2-3; NXST_FLOW, NXST_AGGREGATE.
#include "proto/openflow/message_codec.hpp"
#include "proto/openflow/oxs.hpp"

namespace sluice::openflow {

namespace {

constexpr Version k10 = Version::k10, k11 = Version::k11, k13 = Version::k13, k14 = Version::k14,
                  k15 = Version::k15;

FlowSelection read_selection(Reader& in, Version version, bool nicira) {
    FlowSelection s;
    s.nicira = nicira;
    if (nicira) {
        s.out_port = in.port16();
        const std::size_t length = in.u16();
        s.table = in.u8();
        in.skip(3);
        NxmCookie cookie;
        s.match = decode_oxm_list(nxm_list(in, length), &cookie, true);
        s.cookie = cookie.value;
        s.cookie_mask = cookie.mask;
    } else if (version == k10) {
        s.match = decode_match10(in);
        s.table = in.u8();
        in.skip(1);
        s.out_port = in.port16();
    } else {
        s.table = in.u8();
        in.skip(3);
        s.out_port = in.port32();
        s.out_group = in.u32();
        in.skip(4);
        s.cookie = in.u64();
        s.cookie_mask = in.u64();
        s.cookie &= s.cookie_mask;
        s.match = decode_match11(in, version);
    }
    in.end();
    return s;
}
void write_selection(MessageWriter& out, const FlowSelection& s) {
    if (s.nicira) {
        out.port16(s.out_port);
        const auto length_at = out.size();
        out.u16(0);
        out.u8(s.table);
        out.zeros(3);
        const NxmCookie cookie{s.cookie, s.cookie_mask};
        const auto length = write_nxm_list(out, s.match, &cookie);
        out.patch16(length_at, length);
    } else if (out.version() == k10) {
        encode_match10(out, s.match);
        out.u8(s.table);
        out.zeros(1);
        out.port16(s.out_port);
    } else {
        out.u8(s.table);
        out.zeros(3);
        out.port32(s.out_port);
        out.u32(s.out_group);
        out.zeros(4);
        out.u64(s.cookie);
        out.u64(s.cookie_mask);
        encode_match11(out, s.match, out.version());
    }
}
template <typename Kind, bool kNicira>
void decode_selection(Reader& in, Version version, Message& m) {
    m.body = Kind{read_selection(in, version, kNicira)};
}

FlowStats read_flow15(Reader& in, Version version) {
    FlowStats f;
    in.skip(4);
    f.table = in.u8();
    in.skip(1);
    f.priority = in.u16();
    f.idle_timeout_s = in.u16();
    f.hard_timeout_s = in.u16();
    f.flags = in.u16();
    f.importance = in.u16();
    f.cookie = in.u64();
    f.match = SparseMatch::from(decode_match11(in, version));
    const Oxs oxs = read_oxs(in);
    f.duration_s = oxs.duration_s;
    f.duration_ns = oxs.duration_ns;
    if (oxs.idle_s != ~std::uint32_t{0}) f.idle_age_s = static_cast<std::int32_t>(oxs.idle_s & 0x7fffffff);
    f.packet_count = oxs.packet_count;
    f.byte_count = oxs.byte_count;
    decode_flow_actions(in, version, f.actions);
    return f;
}
FlowStats read_flow(Reader& in, Version version, bool nicira) {
    if (version >= k15 && !nicira) return read_flow15(in, version);
    FlowStats f;
    in.skip(2);
    f.table = in.u8();
    in.skip(1);
    if (version == k10 && !nicira) f.match = SparseMatch::from(decode_match10(in));
    f.duration_s = in.u32();
    f.duration_ns = in.u32();
    f.priority = in.u16();
    f.idle_timeout_s = in.u16();
    f.hard_timeout_s = in.u16();
    std::size_t length = 0;
    if (nicira) {
        length = in.u16();
        f.idle_age_s = static_cast<std::int32_t>(in.u16()) - 1;
        f.hard_age_s = static_cast<std::int32_t>(in.u16()) - 1;
    } else {
        const std::uint16_t flags = in.u16(), importance = in.u16();
        in.skip(2);
        if (version >= k13) f.flags = flags;
        if (version >= k14) f.importance = importance;
    }
    f.cookie = in.u64();
    f.packet_count = in.u64();
    f.byte_count = in.u64();
    if (nicira) {
        f.match = SparseMatch::from(decode_oxm_list(nxm_list(in, length)));
    } else if (version > k10) {
        f.match = SparseMatch::from(decode_match11(in, version));
    }
    decode_flow_actions(in, version, f.actions);
    return f;
}
template <bool kNicira>
void decode_flows(Reader& in, Version version, Message& m) {
    FlowStatsReply reply;
    reply.nicira = kNicira;
    while (!in.empty()) {
        Reader ahead = in;
        Reader item = read_item(in, ahead.u16(), 8);
        reply.flows.push_back(read_flow(item, version, kNicira));
    }
    m.body = std::move(reply);
}
void write_flow15(MessageWriter& out, const FlowStats& f) {
    const auto start = out.mark();
    const Match match = f.match.expand();
    out.u16(0);
    out.zeros(2);
    out.u8(f.table);
    out.zeros(1);
    out.u16(f.priority);
    out.u16(f.idle_timeout_s);
    out.u16(f.hard_timeout_s);
    out.u16(f.flags & 0x1f);
    out.u16(f.importance);
    out.u64(f.cookie);
    encode_match11(out, match, out.version());
    Oxs oxs;
    oxs.duration_s = f.duration_s;
    oxs.duration_ns = f.duration_ns;
    if (f.idle_age_s >= 0) oxs.idle_s = static_cast<std::uint32_t>(f.idle_age_s);
    oxs.packet_count = f.packet_count;
    oxs.byte_count = f.byte_count;
    write_oxs(out, oxs, kOxsFlow);
    encode_flow_actions(out, f.actions, scope_of(out.version(), match));
    out.patch_size(start, 0);
    out.item(start);
}

template <bool kNicira>
void decode_aggregate(Reader& in, Version version, Message& m) {
    AggregateReply reply;
    reply.nicira = kNicira;
    if (version >= k15) {
        const Oxs oxs = read_oxs(in);
        reply = {oxs.packet_count, oxs.byte_count, oxs.flow_count, false};
    } else {
        reply.packet_count = in.u64();
        reply.byte_count = in.u64();
        reply.flow_count = in.u32();
    }
    m.body = reply;
}

void begin_selection(MessageWriter& out, const FlowSelection& s, std::uint16_t type, std::uint32_t nicira) {
    if (s.nicira) {
        require(out, k10, k10);
        out.begin_nicira_multipart(false, nicira);
    } else {
        out.begin_request(type);
    }
    write_selection(out, s);
}

constexpr MessageRow kRows[] = {
    {Space::kRequest, 1, k10, k10, 44, false, decode_selection<FlowStatsRequest, false>},
    {Space::kRequest, 1, k11, k15, 36, kEights, decode_selection<FlowStatsRequest, false>},
    {Space::kRequest, 2, k10, k10, 44, false, decode_selection<AggregateRequest, false>},
    {Space::kRequest, 2, k11, k15, 36, kEights, decode_selection<AggregateRequest, false>},
    {Space::kNiciraRequest, 0, k10, k10, 8, kEights, decode_selection<FlowStatsRequest, true>},
    {Space::kNiciraRequest, 1, k10, k10, 8, kEights, decode_selection<AggregateRequest, true>},
    {Space::kReply, 1, k10, k15, 0, true, decode_flows<false>},
    {Space::kNiciraReply, 0, k10, k10, 0, true, decode_flows<true>},
    {Space::kReply, 2, k10, k14, 24, false, decode_aggregate<false>},
    {Space::kReply, 2, k15, k15, 8, true, decode_aggregate<false>},
    {Space::kNiciraReply, 1, k10, k10, 24, false, decode_aggregate<true>},
};

}  // namespace

std::span<const MessageRow> flow_stats_messages() {
    return kRows;
}

void encode_flow_stats(MessageWriter& out, const FlowStats& f, bool nicira) {
    const Version version = out.version();
    if (version >= k15 && !nicira) return write_flow15(out, f);
    const auto start = out.mark();
    const Match match = f.match.expand();
    out.u16(0);
    out.u8(f.table);
    out.zeros(1);
    if (version == k10 && !nicira) encode_match10(out, match);
    out.u32(f.duration_s);
    out.u32(f.duration_ns);
    out.u16(f.priority);
    out.u16(f.idle_timeout_s);
    out.u16(f.hard_timeout_s);
    const auto length_at = out.size();
    if (nicira) {
        const auto age = [&out](std::int32_t seconds) {
            out.u16(
                static_cast<std::uint64_t>(std::clamp<std::int64_t>(std::int64_t{seconds} + 1, 0, 0xffff)));
        };
        out.u16(0);
        age(f.idle_age_s);
        age(f.hard_age_s);
    } else {
        out.u16(version >= k13 ? f.flags & 0x1f : 0);
        out.u16(version >= k14 ? f.importance : 0);
        out.zeros(2);
    }
    out.u64(f.cookie);
    out.u64(f.packet_count);
    out.u64(f.byte_count);
    if (nicira) {
        const auto length = write_nxm_list(out, match);
        out.patch16(length_at, length);
    } else if (version > k10) {
        encode_match_oxm(out, match, version);
    }
    encode_flow_actions(out, f.actions, scope_of(version, match));
    out.patch_size(start, 0);
    out.item(start);
}

void encode_body(MessageWriter& out, const FlowStatsRequest& b) {
    begin_selection(out, b.selection, 1, 0);
}
void encode_body(MessageWriter& out, const AggregateRequest& b) {
    begin_selection(out, b.selection, 2, 1);
}
void encode_body(MessageWriter& out, const FlowStatsReply& b) {
    if (b.nicira) {
        require(out, k10, k10);
        out.begin_nicira_multipart(true, 0);
    } else {
        out.begin_reply(1);
    }
    for (const auto& flow : b.flows)
        encode_flow_stats(out, flow, b.nicira);
}
void encode_body(MessageWriter& out, const AggregateReply& b) {
    if (b.nicira) {
        require(out, k10, k10);
        out.begin_nicira_multipart(true, 1);
    } else {
        out.begin_reply(2);
    }
    if (out.version() >= k15) {
        return write_oxs(out, {0, 0, 0, b.flow_count, b.packet_count, b.byte_count}, kOxsAggregate);
    }
    out.u64(b.packet_count);
    out.u64(b.byte_count);
    out.u32(b.flow_count);
    out.zeros(4);
}

}  // namespace sluice::openflow
