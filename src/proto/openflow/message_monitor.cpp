// SPDX-License-Identifier: Apache-2.0
// Flow monitors. OpenFlow 1.4 §7.3.5.19, NXST_FLOW_MONITOR.
#include "proto/openflow/message_codec.hpp"

namespace sluice::openflow {

namespace {

using E = ErrorCode;
constexpr Version k10 = Version::k10, k12 = Version::k12, k14 = Version::k14, k15 = Version::k15;

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
            u.reason = checked_reason(item.u16());
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

constexpr MessageRow kRows[] = {
    {Space::kNiciraRequest, 2, k10, k12, 0, true, decode_nicira_monitor},
    {Space::kRequest, 16, k14, k15, 0, true, decode_monitor},
    {Space::kNiciraReply, 2, k10, k12, 0, true, decode_updates<true>},
    {Space::kReply, 16, k14, k15, 0, true, decode_updates<false>},
};

}  // namespace

std::span<const MessageRow> monitor_messages() {
    return kRows;
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
