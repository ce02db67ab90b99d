// SPDX-License-Identifier: Apache-2.0
// Flow-mod. OpenFlow 1.0 §5.3.3; 1.5 §7.3.4.2; NXT_FLOW_MOD.
#include "proto/openflow/message_codec.hpp"

namespace sluice::openflow {

namespace {

using E = ErrorCode;
constexpr Version k10 = Version::k10, k11 = Version::k11, k12 = Version::k12, k14 = Version::k14,
                  k15 = Version::k15;
constexpr std::uint16_t kEmergency10 = 1 << 2;
constexpr std::uint64_t kUnknown = ~std::uint64_t{0};

/// flow_flag bits that a version carries, in the same places.
std::uint16_t known_flags(Version version) {
    if (version <= k11) return flow_flag::kSendFlowRemoved | flow_flag::kCheckOverlap;
    return version == k12 ? 0x07 : 0x1f;
}
std::uint16_t read_flags(std::uint16_t raw, Version version, FlowCommand command, bool has_timeout = false) {
    if (version == k10 && (raw & kEmergency10)) {
        if (has_timeout) fail(E::kFmfcBadEmergTimeout, "an emergency flow with a timeout");
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
    f.flags = read_flags(in.u16(), version, f.command, f.idle_timeout_s != 0 || f.hard_timeout_s != 0);
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
    const bool any_table =
        f.command == FlowCommand::kDelete || (f.command == FlowCommand::kDeleteStrict && version != k11);
    if (f.table == kAllTables && !any_table) fail(E::kFmfcBadTableId, "flow-mod in all tables");
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
    const unsigned table = out.table_ids() || out.version() > k10 ? static_cast<unsigned>(f.table) << 8 : 0;
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

constexpr MessageRow kRows[] = {
    {Space::kType, 14, k10, k10, 64, kEights, decode_flow_mod10},
    {Space::kType, 14, k11, k15, 44, kEights, decode_flow_mod11},
    {Space::kNicira, 13, k10, k15, 32, kEights, decode_nicira_flow_mod},
};

}  // namespace

std::span<const MessageRow> flow_messages() {
    return kRows;
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

}  // namespace sluice::openflow
