// SPDX-License-Identifier: Apache-2.0
// Flow-removed. OpenFlow 1.0 §5.4.3; 1.5 §7.4.2; NXT_FLOW_REMOVED.
#include "proto/openflow/message_codec.hpp"
#include "proto/openflow/oxs.hpp"

namespace sluice::openflow {

namespace {

constexpr Version k10 = Version::k10, k11 = Version::k11, k14 = Version::k14, k15 = Version::k15;

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

constexpr MessageRow kRows[] = {
    {Space::kType, 11, k10, k10, 80, false, decode_removed10},
    {Space::kType, 11, k11, k14, 44, kEights, decode_removed11},
    {Space::kType, 11, k15, k15, 24, true, decode_removed15},
    {Space::kNicira, 14, k10, k15, 40, kEights, decode_nicira_removed},
};

}  // namespace

FlowRemovedReason checked_reason(unsigned reason) {
    if (reason > 5) fail(ErrorCode::kNxbrcBadReason, "flow-removed reason {}", reason);
    return FlowRemovedReason{static_cast<std::uint8_t>(reason)};
}

std::span<const MessageRow> flow_removed_messages() {
    return kRows;
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

}  // namespace sluice::openflow
