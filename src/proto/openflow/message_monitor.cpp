// SPDX-License-Identifier: Apache-2.0
// Flow monitors: NXST_FLOW_MONITOR up to 1.2, ONF's extension of 1.3, standard from 1.4 on (§7.3.5.19). The
// first two number flags and events alike; `FlowMonitor::flags` has the numbers of 1.4.
#include "proto/openflow/message_codec.hpp"

namespace sluice::openflow {

namespace {

using E = ErrorCode;
constexpr Version k10 = Version::k10, k12 = Version::k12, k13 = Version::k13, k14 = Version::k14,
                  k15 = Version::k15;
constexpr std::uint16_t kChanges = monitor_flag::kAdd | monitor_flag::kDelete | monitor_flag::kModify;
constexpr std::uint16_t kNiciraOwn = 1 << 5;
constexpr std::uint32_t kOnfMonitor = 1870;
constexpr std::size_t kNiciraSize = 16;  ///< of a request before its match

/// The same refusals in every form: changes must be asked for, unknown flags may not.
std::uint16_t checked_flags(std::uint16_t flags) {
    constexpr unsigned kKnown =
        kChanges | monitor_flag::kInitial | monitor_flag::kActions | monitor_flag::kOwn;
    if ((flags & kChanges) == 0 || (flags & ~kKnown) != 0)
        fail(E::kMofcBadFlags, "monitor flags {:#x}", flags);
    return flags;
}
std::uint16_t flags_from_nicira(std::uint16_t wire) {
    // Bit 6 is nobody's in Nicira's numbering: keep it unknown.
    const unsigned own = (wire & kNiciraOwn) != 0 ? monitor_flag::kOwn : 0U;
    const unsigned unknown = (wire & monitor_flag::kOwn) != 0 ? 1U << 15 : 0U;
    return checked_flags(
        static_cast<std::uint16_t>((wire & ~(kNiciraOwn | monitor_flag::kOwn)) | own | unknown));
}
std::uint16_t flags_to_nicira(std::uint16_t flags) {
    const unsigned own = (flags & monitor_flag::kOwn) != 0 ? kNiciraOwn : 0U;
    return static_cast<std::uint16_t>((flags & (kChanges | monitor_flag::kInitial | monitor_flag::kActions)) |
                                      own);
}

FlowMonitor read_nicira(Reader& in) {
    FlowMonitor monitor;
    monitor.id = in.u32();
    monitor.flags = flags_from_nicira(in.u16());
    monitor.out_port = in.port16();
    const std::size_t length = in.u16();
    monitor.table = in.u8();
    in.zeros(5, E::kNxbrcMustBeZero);
    monitor.match = decode_oxm_list(nxm_list(in, length));
    return monitor;
}
FlowMonitor read_onf(Reader& in) {
    FlowMonitor monitor;
    monitor.id = in.u32();
    monitor.flags = flags_from_nicira(in.u16());
    in.skip(2);  // length of the match, which says it again
    monitor.out_port = in.port32();
    monitor.table = in.u8();
    in.zeros(3, E::kNxbrcMustBeZero);
    monitor.match = decode_match11(in, k13);
    return monitor;
}
FlowMonitor read_standard(Reader& in, Version version) {
    FlowMonitor monitor;
    monitor.id = in.u32();
    monitor.out_port = in.port32();
    monitor.out_group = in.u32();
    monitor.flags = in.u16();
    monitor.table = in.u8();
    const std::uint8_t command = in.u8();
    monitor.command = FlowMonitor::Command{command};
    if (monitor.command != FlowMonitor::Command::kDelete) checked_flags(monitor.flags);
    monitor.match = decode_match11(in, version);
    return monitor;
}
void decode_request(Reader& in, Version version, Message& m) {
    FlowMonitorRequest request;
    while (!in.empty()) {
        if (in.left() < kNiciraSize) fail(E::kBrcBadLen, "{} bytes of a monitor", in.left());
        request.monitors.push_back(version <= k12   ? read_nicira(in)
                                   : version == k13 ? read_onf(in)
                                                    : read_standard(in, version));
    }
    m.body = std::move(request);
}

/// Nicira and ONF count events from "added", which their first updates are too.
FlowUpdate::Event read_event(std::uint16_t event, Version version) {
    const unsigned number = event + (version <= k13 ? 1U : 0U);
    if (number > (version <= k13 ? 4U : 6U)) fail(E::kNxbrcFmBadEvent, "monitor event {}", event);
    return FlowUpdate::Event{static_cast<std::uint16_t>(number)};
}
void read_nicira_update(Reader& item, Version version, FlowUpdate& u) {
    u.reason = checked_reason(item.u16());
    u.priority = item.u16();
    u.idle_timeout_s = item.u16();
    u.hard_timeout_s = item.u16();
    const std::size_t length = item.u16();
    u.table = item.u8();
    item.skip(1);
    u.cookie = item.u64();
    if (version == k13) {
        u.match = SparseMatch::from(decode_match11(item, version));
        decode_flow_actions(item, version, u.actions);
    } else {
        u.match = SparseMatch::from(decode_oxm_list(nxm_list(item, length)));
        decode_actions(item, {version, 0}, u.actions);
    }
}
void read_standard_update(Reader& item, Version version, FlowUpdate& u) {
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
void decode_updates(Reader& in, Version version, Message& m) {
    FlowMonitorReply reply;
    while (!in.empty()) {
        Reader ahead = in;
        Reader item = read_item(in, ahead.u16(), 8);
        item.skip(2);
        FlowUpdate u;
        u.event = read_event(item.u16(), version);
        if (u.event >= FlowUpdate::Event::kAbbreviated) {
            u.xid = item.u32();
        } else if (version <= k13) {
            read_nicira_update(item, version, u);
        } else {
            read_standard_update(item, version, u);
        }
        reply.updates.push_back(std::move(u));
    }
    m.body = std::move(reply);
}
void decode_cancel(Reader& in, Version, Message& m) {
    m.body = FlowMonitorCancel{in.u32()};
}
template <typename Empty>
void decode_empty(Reader&, Version, Message& m) {
    m.body = Empty{};
}

void write_nicira_update(MessageWriter& out, const FlowUpdate& u, const Match& match) {
    const Version version = out.version();
    out.u16(static_cast<unsigned>(u.reason));
    out.u16(u.priority);
    out.u16(u.idle_timeout_s);
    out.u16(u.hard_timeout_s);
    const auto length_at = out.size();
    out.u16(0);
    out.u8(u.table);
    out.zeros(1);
    out.u64(u.cookie);
    if (version == k13) {
        const auto start = out.size();
        encode_match11(out, match, version);
        out.patch16(length_at, load_be16(&out.out()[start + 2]));
        encode_flow_actions(out, u.actions, scope_of(version, match));
    } else {
        const auto length = write_nxm_list(out, match);
        out.patch16(length_at, length);
        encode_actions(out, u.actions, scope_of(version, match));
    }
}
void write_standard_update(MessageWriter& out, const FlowUpdate& u, const Match& match) {
    out.u8(u.table);
    out.u8(static_cast<unsigned>(u.reason));
    out.u16(u.idle_timeout_s);
    out.u16(u.hard_timeout_s);
    out.u16(u.priority);
    out.zeros(4);
    out.u64(u.cookie);
    encode_match11(out, match, out.version());
    encode_flow_actions(out, u.actions, scope_of(out.version(), match));
}
void write_update(MessageWriter& out, const FlowUpdate& u) {
    const bool nicira = out.version() <= k13;
    const auto start = out.mark();
    auto event = static_cast<unsigned>(u.event);
    if (nicira && event > 0) --event;
    out.u16(0);
    out.u16(event);
    if (u.event >= FlowUpdate::Event::kAbbreviated) {
        out.u32(u.xid);
    } else if (nicira) {
        write_nicira_update(out, u, u.match.expand());
    } else {
        write_standard_update(out, u, u.match.expand());
    }
    out.patch_size(start, 0);
    out.item(start);
}

constexpr MessageRow kRows[] = {
    {Space::kNiciraRequest, 2, k10, k12, 0, true, decode_request},
    {Space::kOnfRequest, kOnfMonitor, k13, k13, 0, true, decode_request},
    {Space::kRequest, 16, k14, k15, 0, true, decode_request},
    {Space::kNiciraReply, 2, k10, k12, 0, true, decode_updates},
    {Space::kOnfReply, kOnfMonitor, k13, k13, 0, true, decode_updates},
    {Space::kReply, 16, k14, k15, 0, true, decode_updates},
    {Space::kNicira, 21, k10, k12, 4, false, decode_cancel},
    {Space::kOnf, kOnfMonitor, k13, k13, 4, false, decode_cancel},
    {Space::kNicira, 22, k10, k12, 0, false, decode_empty<FlowMonitorPaused>},
    {Space::kOnf, 1871, k13, k13, 0, false, decode_empty<FlowMonitorPaused>},
    {Space::kNicira, 23, k10, k12, 0, false, decode_empty<FlowMonitorResumed>},
    {Space::kOnf, 1872, k13, k13, 0, false, decode_empty<FlowMonitorResumed>},
};

void begin_monitor(MessageWriter& out, bool reply) {
    if (out.version() <= k12) {
        out.begin_vendor_multipart(reply, kNiciraVendor, 2);
    } else if (out.version() == k13) {
        out.begin_vendor_multipart(reply, kOnfVendor, kOnfMonitor);
    } else if (reply) {
        out.begin_reply(16);
    } else {
        out.begin_request(16);
    }
}
void begin_small(MessageWriter& out, std::uint32_t nicira, std::uint32_t onf) {
    const bool is_onf = out.version() == k13;
    out.begin_vendor(is_onf ? kOnfVendor : kNiciraVendor, is_onf ? onf : nicira);
}
/// Up to 1.3 a message of its own, then an event.
void write_pause(MessageWriter& out, FlowUpdate::Event event, std::uint32_t nicira, std::uint32_t onf) {
    if (out.version() <= k13) return begin_small(out, nicira, onf);
    FlowUpdate update;
    update.event = event;
    begin_monitor(out, true);
    write_update(out, update);
}

}  // namespace

std::span<const MessageRow> monitor_messages() {
    return kRows;
}

void encode_body(MessageWriter& out, const FlowMonitorRequest& b) {
    begin_monitor(out, false);
    for (const auto& monitor : b.monitors) {
        out.u32(monitor.id);
        if (out.version() >= k14) {
            out.port32(monitor.out_port);
            out.u32(monitor.out_group);
            out.u16(monitor.flags);
            out.u8(monitor.table);
            out.u8(static_cast<unsigned>(monitor.command));
            encode_match11(out, monitor.match, out.version());
            continue;
        }
        const bool is_onf = out.version() == k13;
        out.u16(flags_to_nicira(monitor.flags));
        if (!is_onf) out.port16(monitor.out_port);
        const auto length_at = out.size();
        out.u16(0);
        if (is_onf) out.port32(monitor.out_port);
        out.u8(monitor.table);
        out.zeros(is_onf ? 3 : 5);
        if (is_onf) {
            const auto start = out.size();
            encode_match11(out, monitor.match, k13);
            out.patch16(length_at, load_be16(&out.out()[start + 2]));
        } else {
            const auto length = write_nxm_list(out, monitor.match);
            out.patch16(length_at, length);
        }
    }
}
void encode_body(MessageWriter& out, const FlowMonitorReply& b) {
    begin_monitor(out, true);
    for (const auto& update : b.updates)
        write_update(out, update);
}
void encode_body(MessageWriter& out, const FlowMonitorCancel& b) {
    if (out.version() >= k14) {
        FlowMonitor monitor;
        monitor.command = FlowMonitor::Command::kDelete;
        monitor.id = b.id;
        return encode_body(out, FlowMonitorRequest{{monitor}});
    }
    begin_small(out, 21, kOnfMonitor);
    out.u32(b.id);
}
void encode_body(MessageWriter& out, const FlowMonitorPaused&) {
    write_pause(out, FlowUpdate::Event::kPaused, 22, 1871);
}
void encode_body(MessageWriter& out, const FlowMonitorResumed&) {
    write_pause(out, FlowUpdate::Event::kResumed, 23, 1872);
}

}  // namespace sluice::openflow
