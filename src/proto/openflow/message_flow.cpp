// SPDX-License-Identifier: Apache-2.0
// Flow-mod, flow-removed, flow and aggregate statistics, flow monitors. OpenFlow 1.0 §5.3.3, §5.3.5;
// 1.5 §7.3.4.2, §7.3.5.2-4; Nicira's NXM forms.
#include "proto/openflow/message_codec.hpp"

namespace sluice::openflow {

namespace {

using E = ErrorCode;
constexpr Version k10 = Version::k10, k11 = Version::k11, k12 = Version::k12, k13 = Version::k13,
                  k14 = Version::k14, k15 = Version::k15;
constexpr std::uint16_t kEmergency10 = 1 << 2;
constexpr std::uint64_t kUnknown = ~std::uint64_t{0};

/// flow_flag bits that a version carries, in the same places.
std::uint16_t known_flags(Version version) {
    if (version <= k11) return flow_flag::kSendFlowRemoved | flow_flag::kCheckOverlap;
    return version == k12 ? 0x07 : 0x1f;
}
std::uint16_t read_flags(std::uint16_t raw, Version version, FlowCommand command) {
    if (version == k10 && (raw & kEmergency10)) {
        fail(E::kFmfcTableFull, "the emergency flow cache of OpenFlow 1.0 is not supported");
    }
    if ((raw & ~known_flags(version)) != 0) fail(E::kFmfcBadFlags, "flow-mod flags {:#x}", raw);
    // In 1.0 and 1.1 an add always resets counters, and nothing else does.
    const bool implied = version <= k11 && command == FlowCommand::kAdd;
    return static_cast<std::uint16_t>(raw | (implied ? flow_flag::kResetCounts : 0));
}
FlowCommand checked_command(unsigned command) {
    if (command > 4) fail(E::kFmfcBadCommand, "flow-mod command {}", command);
    return FlowCommand{static_cast<std::uint8_t>(command)};
}
bool is_delete(FlowCommand command) {
    return command == FlowCommand::kDelete || command == FlowCommand::kDeleteStrict;
}
/// Cuts a padded NXM list of `length` bytes off.
Reader nxm_list(Reader& in, std::size_t length) {
    if (padded8(length) > in.left()) fail(E::kBmcBadLen, "match of {} bytes, {} left", length, in.left());
    return in.sub(padded8(length), E::kBmcBadLen).sub(length);
}
std::size_t write_nxm_list(Writer& out, const Match& match, const NxmCookie* cookie = nullptr) {
    const auto start = out.size();
    encode_oxm_list(out, match, 0, cookie);
    const auto length = out.size() - start;
    out.pad8(start);
    return length;
}

// ---- Flow-mod ----------------------------------------------------------------------------------------

void keep_out(FlowMod& flow, OfPort port, std::uint32_t group) {
    if (!is_delete(flow.command)) return;
    flow.out_port = port;
    flow.out_group = group;
}

void decode_flow_mod10(Reader& in, Version version, Message& m) {
    FlowMod f;
    f.match = decode_match10(in);
    f.new_cookie = in.u64();
    f.modify_cookie = f.new_cookie != kUnknown;
    const std::uint16_t command = in.u16();
    f.command = checked_command(command & 0xffU);
    f.table = static_cast<std::uint8_t>(command >> 8);
    f.idle_timeout_s = in.u16();
    f.hard_timeout_s = in.u16();
    f.priority = in.u16();
    f.buffer_id = in.u32();
    keep_out(f, in.port16(), kAnyGroup);
    f.flags = read_flags(in.u16(), version, f.command);
    decode_flow_actions(in, version, f.actions);
    m.body = std::move(f);
}

void decode_flow_mod11(Reader& in, Version version, Message& m) {
    FlowMod f;
    const std::uint64_t cookie = in.u64(), mask = in.u64();
    f.table = in.u8();
    f.command = checked_command(in.u8());
    const bool modify = f.command == FlowCommand::kModify || f.command == FlowCommand::kModifyStrict;
    if (f.command == FlowCommand::kAdd || (modify && version == k11 && mask == 0)) {
        // 1.1: a modify that does not select by cookie adds when nothing matches.
        f.new_cookie = cookie;
    } else {
        f.cookie = cookie & mask;
        f.cookie_mask = mask;
    }
    if (f.table == kAllTables && !is_delete(f.command)) fail(E::kFmfcBadTableId, "flow-mod in all tables");
    f.idle_timeout_s = in.u16();
    f.hard_timeout_s = in.u16();
    f.priority = in.u16();
    f.buffer_id = in.u32();
    const OfPort port = in.port32();
    keep_out(f, port, in.u32());
    f.flags = read_flags(in.u16(), version, f.command);
    const std::uint16_t importance = in.u16();
    if (version >= k14) f.importance = importance;
    f.match = decode_match11(in, version);
    decode_flow_actions(in, version, f.actions);
    m.body = std::move(f);
}

void decode_nicira_flow_mod(Reader& in, Version version, Message& m) {
    FlowMod f;
    f.nicira = true;
    f.new_cookie = in.u64();
    f.modify_cookie = f.new_cookie != kUnknown;
    const std::uint16_t command = in.u16();
    f.command = checked_command(command & 0xffU);
    f.table = static_cast<std::uint8_t>(command >> 8);
    f.idle_timeout_s = in.u16();
    f.hard_timeout_s = in.u16();
    f.priority = in.u16();
    f.buffer_id = in.u32();
    keep_out(f, in.port16(), kAnyGroup);
    f.flags = read_flags(in.u16(), version, f.command);
    const std::size_t length = in.u16();
    in.skip(6);
    NxmCookie cookie;
    f.match = decode_oxm_list(nxm_list(in, length), &cookie);
    f.cookie = cookie.value;
    f.cookie_mask = cookie.mask;
    if (f.command == FlowCommand::kAdd && cookie.mask != 0) {
        fail(E::kNxbrcNxmInvalid, "an added flow can't match a cookie");
    }
    decode_flow_actions(in, version, f.actions);
    m.body = std::move(f);
}

void write_command(MessageWriter& out, const FlowMod& f) {
    const unsigned table = out.table_ids() ? static_cast<unsigned>(f.table) << 8 : 0;
    out.u16(table | static_cast<unsigned>(f.command));
}

void write_flow_mod10(MessageWriter& out, const FlowMod& f) {
    if (f.nicira) {
        out.begin_nicira(13);
    } else {
        out.begin(14);
        encode_match10(out, f.match);
    }
    out.u64(f.new_cookie);
    write_command(out, f);
    out.u16(f.idle_timeout_s);
    out.u16(f.hard_timeout_s);
    out.u16(f.priority);
    out.u32(f.buffer_id);
    out.port16(f.out_port);
    out.u16(f.flags & known_flags(out.version()));
    if (f.nicira) {
        const auto length_at = out.size();
        out.u16(0);
        out.zeros(6);
        const NxmCookie cookie{f.cookie, f.cookie_mask};
        const auto length = write_nxm_list(out, f.match, &cookie);
        out.patch16(length_at, length);
    }
    encode_flow_actions(out, f.actions, scope_of(out.version(), f.match));
}

// ---- Flow-removed ------------------------------------------------------------------------------------

/// Reasons: meter-delete is 1.4+, eviction too.
FlowRemovedReason checked_reason(std::uint8_t reason) {
    if (reason > 5) fail(E::kNxbrcBadReason, "flow-removed reason {}", reason);
    return FlowRemovedReason{reason};
}

/// OXS statistics of 1.5 (§7.2.4): type and length, then fields of class 0x8002.
struct Oxs {
    std::uint32_t duration_s = 0, duration_ns = 0, idle_s = ~std::uint32_t{0};
    std::uint32_t flow_count = 0;
    std::uint64_t packet_count = kUnknown, byte_count = kUnknown;
};
Oxs read_oxs(Reader& in) {
    Reader head = in;
    head.skip(2);
    const std::size_t length = head.u16();
    if (length < 4 || padded8(length) > in.left()) fail(E::kBrcBadLen, "statistics of {} bytes", length);
    Reader body = in.sub(padded8(length)).sub(length);
    body.skip(4);
    Oxs oxs;
    while (!body.empty()) {
        const std::uint16_t clazz = body.u16();
        const std::uint8_t field = body.u8() >> 1;
        Reader value = body.sub(body.u8());
        if (clazz != 0x8002) continue;
        if (field == 0) oxs.duration_s = value.u32(), oxs.duration_ns = value.u32();
        if (field == 1) oxs.idle_s = value.u32();
        if (field == 3) oxs.flow_count = value.u32();
        if (field == 4) oxs.packet_count = value.u64();
        if (field == 5) oxs.byte_count = value.u64();
    }
    return oxs;
}
enum OxsUse : std::uint8_t { kOxsFlow, kOxsAggregate };
void write_oxs(Writer& out, const Oxs& oxs, OxsUse use) {
    const auto start = out.size();
    out.u16(0);
    out.u16(0);
    const auto head = [&out](unsigned field, unsigned size) {
        out.u16(0x8002);
        out.u8(field << 1);
        out.u8(size);
    };
    if (use == kOxsFlow) {
        head(0, 8);
        out.u32(oxs.duration_s);
        out.u32(oxs.duration_ns);
        if (oxs.idle_s != ~std::uint32_t{0}) {
            head(1, 8);
            out.u32(oxs.idle_s);
            out.u32(0);
        }
    } else {
        head(3, 4);
        out.u32(oxs.flow_count);
    }
    if (oxs.packet_count != kUnknown) head(4, 8), out.u64(oxs.packet_count);
    if (oxs.byte_count != kUnknown) head(5, 8), out.u64(oxs.byte_count);
    out.patch_size(start, 2);
    out.pad8(start);
}

void decode_removed10(Reader& in, Version, Message& m) {
    FlowRemoved r;
    r.match = decode_match10(in);
    r.cookie = in.u64();
    r.priority = in.u16();
    r.reason = checked_reason(in.u8());
    in.skip(1);
    r.duration_s = in.u32();
    r.duration_ns = in.u32();
    r.idle_timeout_s = in.u16();
    in.skip(2);
    r.packet_count = in.u64();
    r.byte_count = in.u64();
    m.body = std::move(r);
}
void decode_removed11(Reader& in, Version version, Message& m) {
    FlowRemoved r;
    r.cookie = in.u64();
    r.priority = in.u16();
    r.reason = checked_reason(in.u8());
    r.table = in.u8();
    r.duration_s = in.u32();
    r.duration_ns = in.u32();
    r.idle_timeout_s = in.u16();
    r.hard_timeout_s = in.u16();
    r.packet_count = in.u64();
    r.byte_count = in.u64();
    r.match = decode_match11(in, version);
    m.body = std::move(r);
}
void decode_removed15(Reader& in, Version version, Message& m) {
    FlowRemoved r;
    r.table = in.u8();
    r.reason = checked_reason(in.u8());
    r.priority = in.u16();
    r.idle_timeout_s = in.u16();
    r.hard_timeout_s = in.u16();
    r.cookie = in.u64();
    r.match = decode_match11(in, version);
    const Oxs oxs = read_oxs(in);
    r.duration_s = oxs.duration_s;
    r.duration_ns = oxs.duration_ns;
    r.packet_count = oxs.packet_count;
    r.byte_count = oxs.byte_count;
    m.body = std::move(r);
}
void decode_nicira_removed(Reader& in, Version, Message& m) {
    FlowRemoved r;
    r.nicira = true;
    r.cookie = in.u64();
    r.priority = in.u16();
    r.reason = checked_reason(in.u8());
    r.table = static_cast<std::uint8_t>(in.u8() - 1);
    r.duration_s = in.u32();
    r.duration_ns = in.u32();
    r.idle_timeout_s = in.u16();
    const std::size_t length = in.u16();
    r.packet_count = in.u64();
    r.byte_count = in.u64();
    r.match = decode_oxm_list(nxm_list(in, length));
    m.body = std::move(r);
}

// ---- Flow and aggregate statistics -------------------------------------------------------------------

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

// ---- Monitors ----------------------------------------------------------------------------------------

void decode_nicira_monitor(Reader& in, Version, Message& m) {
    FlowMonitorRequest request;
    request.nicira = true;
    while (!in.empty()) {
        FlowMonitor monitor;
        monitor.id = in.u32();
        monitor.flags = in.u16();
        if ((monitor.flags & ~0x3fU) != 0) fail(E::kMofcBadFlags, "monitor flags {:#x}", monitor.flags);
        monitor.out_port = in.port16();
        const std::size_t length = in.u16();
        monitor.table = in.u8();
        in.zeros(5, E::kNxbrcMustBeZero);
        monitor.match = decode_oxm_list(nxm_list(in, length));
        request.monitors.push_back(std::move(monitor));
    }
    m.body = std::move(request);
}
void decode_monitor(Reader& in, Version version, Message& m) {
    FlowMonitorRequest request;
    while (!in.empty()) {
        FlowMonitor monitor;
        monitor.id = in.u32();
        monitor.out_port = in.port32();
        monitor.out_group = in.u32();
        monitor.flags = in.u16();
        if ((monitor.flags & ~0x7fU) != 0) fail(E::kMofcBadFlags, "monitor flags {:#x}", monitor.flags);
        monitor.table = in.u8();
        const std::uint8_t command = in.u8();
        if (command > 2) fail(E::kMofcBadCommand, "monitor command {}", command);
        monitor.command = FlowMonitor::Command{command};
        monitor.match = decode_match11(in, version);
        request.monitors.push_back(std::move(monitor));
    }
    m.body = std::move(request);
}

/// Nicira counts events from "added".
FlowUpdate::Event read_event(std::uint16_t event, bool nicira) {
    const unsigned number = event + (nicira ? 1U : 0U);
    if (number > (nicira ? 4U : 6U)) fail(E::kNxbrcFmBadEvent, "monitor event {}", event);
    return FlowUpdate::Event{static_cast<std::uint16_t>(number)};
}
template <bool kNicira>
void decode_updates(Reader& in, Version version, Message& m) {
    FlowMonitorReply reply;
    reply.nicira = kNicira;
    while (!in.empty()) {
        Reader ahead = in;
        Reader item = read_item(in, ahead.u16(), 8);
        item.skip(2);
        FlowUpdate u;
        u.event = read_event(item.u16(), kNicira);
        if (u.event >= FlowUpdate::Event::kAbbreviated) {
            u.xid = item.u32();
        } else if (kNicira) {
            u.reason = checked_reason(static_cast<std::uint8_t>(std::min<unsigned>(item.u16(), 0xff)));
            u.priority = item.u16();
            u.idle_timeout_s = item.u16();
            u.hard_timeout_s = item.u16();
            const std::size_t length = item.u16();
            u.table = item.u8();
            item.skip(1);
            u.cookie = item.u64();
            u.match = SparseMatch::from(decode_oxm_list(nxm_list(item, length)));
            decode_actions(item, {version, 0}, u.actions);
        } else {
            u.table = item.u8();
            u.reason = checked_reason(item.u8());
            u.idle_timeout_s = item.u16();
            u.hard_timeout_s = item.u16();
            u.priority = item.u16();
            item.skip(4);
            u.cookie = item.u64();
            u.match = SparseMatch::from(decode_match11(item, version));
            decode_flow_actions(item, version, u.actions);
        }
        reply.updates.push_back(std::move(u));
    }
    m.body = std::move(reply);
}
void write_update(MessageWriter& out, const FlowUpdate& u, bool nicira) {
    const Version version = out.version();
    const auto start = out.mark();
    auto event = static_cast<unsigned>(u.event);
    if (nicira && event > 0) --event;  // "initial" is an "added" there
    out.u16(0);
    out.u16(event);
    const Match match = u.match.expand();
    if (u.event >= FlowUpdate::Event::kAbbreviated) {
        out.u32(u.xid);
    } else if (nicira) {
        out.u16(static_cast<unsigned>(u.reason));
        out.u16(u.priority);
        out.u16(u.idle_timeout_s);
        out.u16(u.hard_timeout_s);
        const auto length_at = out.size();
        out.u16(0);
        out.u8(u.table);
        out.zeros(1);
        out.u64(u.cookie);
        const auto length = write_nxm_list(out, match);
        out.patch16(length_at, length);
        encode_actions(out, u.actions, scope_of(version, match));
    } else {
        out.u8(u.table);
        out.u8(static_cast<unsigned>(u.reason));
        out.u16(u.idle_timeout_s);
        out.u16(u.hard_timeout_s);
        out.u16(u.priority);
        out.zeros(4);
        out.u64(u.cookie);
        encode_match11(out, match, version);
        encode_flow_actions(out, u.actions, scope_of(version, match));
    }
    out.patch_size(start, 0);
    out.item(start);
}

constexpr MessageRow kRows[] = {
    {Space::kType, 14, k10, k10, 64, true, decode_flow_mod10},
    {Space::kType, 14, k11, k15, 44, true, decode_flow_mod11},
    {Space::kNicira, 13, k10, k15, 32, true, decode_nicira_flow_mod},
    {Space::kType, 11, k10, k10, 80, false, decode_removed10},
    {Space::kType, 11, k11, k14, 44, true, decode_removed11},
    {Space::kType, 11, k15, k15, 24, true, decode_removed15},
    {Space::kNicira, 14, k10, k15, 40, true, decode_nicira_removed},
    {Space::kRequest, 1, k10, k10, 44, false, decode_selection<FlowStatsRequest, false>},
    {Space::kRequest, 1, k11, k15, 36, true, decode_selection<FlowStatsRequest, false>},
    {Space::kRequest, 2, k10, k10, 44, false, decode_selection<AggregateRequest, false>},
    {Space::kRequest, 2, k11, k15, 36, true, decode_selection<AggregateRequest, false>},
    {Space::kNiciraRequest, 0, k10, k10, 8, true, decode_selection<FlowStatsRequest, true>},
    {Space::kNiciraRequest, 1, k10, k10, 8, true, decode_selection<AggregateRequest, true>},
    {Space::kReply, 1, k10, k15, 0, true, decode_flows<false>},
    {Space::kNiciraReply, 0, k10, k10, 0, true, decode_flows<true>},
    {Space::kReply, 2, k10, k14, 24, false, decode_aggregate<false>},
    {Space::kReply, 2, k15, k15, 8, true, decode_aggregate<false>},
    {Space::kNiciraReply, 1, k10, k10, 24, false, decode_aggregate<true>},
    {Space::kNiciraRequest, 2, k10, k12, 0, true, decode_nicira_monitor},
    {Space::kRequest, 16, k14, k15, 0, true, decode_monitor},
    {Space::kNiciraReply, 2, k10, k12, 0, true, decode_updates<true>},
    {Space::kReply, 16, k14, k15, 0, true, decode_updates<false>},
};

/// Nicira's up to 1.2, standard from 1.4 on. 1.3 would need ONF's extension 230.
void begin_monitor(MessageWriter& out, bool nicira, bool reply) {
    require(out, nicira ? k10 : k14, nicira ? k12 : k15);
    if (nicira) {
        out.begin_nicira_multipart(reply, 2);
    } else if (reply) {
        out.begin_reply(16);
    } else {
        out.begin_request(16);
    }
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

}  // namespace

std::span<const MessageRow> flow_messages() {
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

void encode_body(MessageWriter& out, const FlowMod& f) {
    const Version version = out.version();
    if (version == k10 || f.nicira) return write_flow_mod10(out, f);
    const bool adds = f.command == FlowCommand::kAdd ||
                      (version == k11 && f.cookie_mask == 0 && f.command != FlowCommand::kDelete &&
                       f.command != FlowCommand::kDeleteStrict);
    out.begin(14);
    out.u64(adds ? f.new_cookie : f.cookie);
    out.u64(adds ? 0 : f.cookie_mask);
    out.u8(f.table);
    out.u8(static_cast<unsigned>(f.command));
    out.u16(f.idle_timeout_s);
    out.u16(f.hard_timeout_s);
    out.u16(f.priority);
    out.u32(f.buffer_id);
    out.port32(f.out_port);
    out.u32(f.out_group);
    out.u16(f.flags & known_flags(version));
    out.u16(version >= k14 ? f.importance : 0);
    encode_match11(out, f.match, version);
    encode_flow_actions(out, f.actions, scope_of(version, f.match));
}

void encode_body(MessageWriter& out, const FlowRemoved& r) {
    const Version version = out.version();
    const auto reason = static_cast<unsigned>(r.reason);
    if (r.nicira) {
        out.begin_nicira(14);
        out.u64(r.cookie);
        out.u16(r.priority);
        out.u8(reason);
        out.u8(r.table + 1U);
        out.u32(r.duration_s);
        out.u32(r.duration_ns);
        out.u16(r.idle_timeout_s);
        const auto length_at = out.size();
        out.u16(0);
        out.u64(r.packet_count);
        out.u64(r.byte_count);
        const auto length = write_nxm_list(out, r.match);
        return out.patch16(length_at, length);
    }
    out.begin(11);
    if (version >= k15) {
        out.u8(r.table);
        out.u8(reason);
        out.u16(r.priority);
        out.u16(r.idle_timeout_s);
        out.u16(r.hard_timeout_s);
        out.u64(r.cookie);
        encode_match11(out, r.match, version);
        return write_oxs(
            out, {r.duration_s, r.duration_ns, ~std::uint32_t{0}, 0, r.packet_count, r.byte_count}, kOxsFlow);
    }
    if (version == k10) encode_match10(out, r.match);
    out.u64(r.cookie);
    out.u16(r.priority);
    out.u8(reason);
    out.u8(version == k10 ? 0 : r.table);
    out.u32(r.duration_s);
    out.u32(r.duration_ns);
    out.u16(r.idle_timeout_s);
    out.u16(version == k10 ? 0 : r.hard_timeout_s);
    out.u64(r.packet_count);
    out.u64(r.byte_count);
    if (version > k10) encode_match11(out, r.match, version);
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
void encode_body(MessageWriter& out, const FlowMonitorRequest& b) {
    begin_monitor(out, b.nicira, false);
    for (const auto& monitor : b.monitors) {
        out.u32(monitor.id);
        if (b.nicira) {
            out.u16(monitor.flags & 0x3f);
            out.port16(monitor.out_port);
            const auto length_at = out.size();
            out.u16(0);
            out.u8(monitor.table);
            out.zeros(5);
            const auto length = write_nxm_list(out, monitor.match);
            out.patch16(length_at, length);
        } else {
            out.port32(monitor.out_port);
            out.u32(monitor.out_group);
            out.u16(monitor.flags & 0x7f);
            out.u8(monitor.table);
            out.u8(static_cast<unsigned>(monitor.command));
            encode_match11(out, monitor.match, out.version());
        }
    }
}
void encode_body(MessageWriter& out, const FlowMonitorReply& b) {
    begin_monitor(out, b.nicira, true);
    for (const auto& update : b.updates)
        write_update(out, update, b.nicira);
}

}  // namespace sluice::openflow
