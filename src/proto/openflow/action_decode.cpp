// SPDX-License-Identifier: Apache-2.0
// Decoding of actions. Sources: OpenFlow 1.0 §5.2.4, 1.5 §7.2.6; Nicira actions: ovs-actions(7).
#include "proto/openflow/action_decode.hpp"

#include <array>
#include <string_view>

namespace sluice::openflow {

SubField read_subfield(Reader& in, unsigned offset, unsigned bits, bool write, OxmUse use) {
    const OxmHead head = read_oxm_head(in, use);
    if (head.field == kNoField) {
        fail(use == OxmUse::kHeader ? ErrorCode::kBmcBadField : ErrorCode::kBacBadSetType, "unknown field");
    }
    const auto& info = field_info(head.field);
    if (head.has_mask) {
        fail(use == OxmUse::kHeader ? ErrorCode::kBmcBadMask : ErrorCode::kBacBadSetType,
             "{}: header with a mask", info.name);
    }
    if (bits == 0 || offset + bits > info.bits) {
        fail(ErrorCode::kBacBadSetLen, "{}: bits {}+{} of {}", info.name, offset, bits, info.bits);
    }
    check_tun_field(in.tun(),
                    {head.field, static_cast<std::uint16_t>(offset), static_cast<std::uint16_t>(bits)});
    if (write && !info.writable) fail(ErrorCode::kBacBadSetArgument, "{} is read-only", info.name);
    return {head.field, static_cast<std::uint16_t>(offset), static_cast<std::uint16_t>(bits)};
}

namespace {

using Style = SetFieldAction::Style;
using E = ErrorCode;
constexpr Version kFirst = Version::k10, kLast = Version::k15;
constexpr std::uint16_t kVendorAction = 0xffff;

using Body = ActionBody;
using DecodeFunction = void (*)(const Body&);

/// One form of an action. `size`: of the whole action; a longer one is refused unless `open`.
struct Row {
    std::uint32_t vendor;
    std::uint16_t number;
    Version first, last;
    std::uint16_t size;
    bool open;
    DecodeFunction decode;
};

FieldId named(std::string_view name) {
    return field_by_name(name);
}

void add_set(const Body& b, std::string_view name, std::uint64_t value, Style style = Style::kLegacy) {
    const FieldId id = named(name);
    b.add(SetFieldAction{id, {0, value}, field_value_mask(field_info(id)), style});
}

OfPort check_port(OfPort port) {
    const auto number = to_int(port);
    if (number >= 0xff00 && number < 0xffffff00) fail(E::kBacBadOutPort, "port {} is above 65279", number);
    return port;
}

void rest_is_zero(const Body& b, ErrorCode error = E::kNxbrcMustBeZero) {
    b.in.zeros(b.in.left(), error);
}

// ---- Standard ----------------------------------------------------------------------------------------

void output10(const Body& b) {
    const OfPort port = b.in.port16();
    b.add(OutputAction{port, b.in.u16()});
}
void output11(const Body& b) {
    const OfPort port = check_port(b.in.port32());
    b.add(OutputAction{port, b.in.u16()});
}
void set_vlan_vid(const Body& b) {
    const std::uint16_t vid = b.in.u16();
    if (vid > 0xfff) fail(E::kBacBadArgument, "VLAN id {} is above 4095", vid);
    b.add(SetVlanVidAction{vid, b.scope.version == Version::k10});
}
void set_vlan_pcp(const Body& b) {
    const std::uint8_t pcp = b.in.u8();
    if (pcp > 7) fail(E::kBacBadArgument, "VLAN priority {} is above 7", pcp);
    b.add(SetVlanPcpAction{pcp, b.scope.version == Version::k10});
}
void strip_vlan(const Body& b) {
    b.add(StripVlanAction{b.scope.version > Version::k10});
}
void push_vlan(const Body& b) {
    const std::uint16_t type = b.in.u16();
    if (type != 0x8100 && type != 0x88a8) fail(E::kBacBadArgument, "push_vlan:{:#x}", type);
    b.add(PushVlanAction{type});
}
void set_dl_src(const Body& b) {
    add_set(b, "eth_src", b.in.mac());
}
void set_dl_dst(const Body& b) {
    add_set(b, "eth_dst", b.in.mac());
}
void set_nw_src(const Body& b) {
    add_set(b, "ip_src", b.in.u32());
}
void set_nw_dst(const Body& b) {
    add_set(b, "ip_dst", b.in.u32());
}
void set_nw_tos(const Body& b) {
    const std::uint8_t tos = b.in.u8();
    if ((tos & 3) != 0) fail(E::kBacBadArgument, "nw_tos {:#x} has ECN bits", tos);
    add_set(b, "nw_tos", tos);
}
void set_nw_ecn(const Body& b) {
    const std::uint8_t ecn = b.in.u8();
    if (ecn > 3) fail(E::kBacBadArgument, "ECN {} is above 3", ecn);
    add_set(b, "nw_ecn", ecn);
}
void set_tp_src(const Body& b) {
    add_set(b, "tcp_src", b.in.u16());
}
void set_tp_dst(const Body& b) {
    add_set(b, "tcp_dst", b.in.u16());
}
void enqueue(const Body& b) {
    const OfPort port = b.in.port16();
    const auto number = to_int(port);
    if (number >= 0xff00 && port != OfPort::kInPort && port != OfPort::kLocal) {
        fail(E::kBacBadOutPort, "enqueue to port {:#x}", number);
    }
    b.in.skip(6);
    b.add(EnqueueAction{port, b.in.u32()});
}
/// Skips the two bytes that align a 32-bit argument behind a vendor header.
void align32(const Body& b) {
    if (b.vendor != 0) b.in.skip(2);
}
void set_mpls_label(const Body& b) {
    align32(b);
    const std::uint32_t label = b.in.u32();
    b.add(SetMplsLabelAction{label});
}
void set_mpls_tc(const Body& b) {
    const std::uint8_t tc = b.in.u8();
    b.add(SetMplsTcAction{tc});
}
void set_mpls_ttl(const Body& b) {
    b.add(SetMplsTtlAction{b.in.u8()});
}
void dec_mpls_ttl(const Body& b) {
    b.add(DecMplsTtlAction{});
}
void push_mpls(const Body& b) {
    const std::uint16_t type = b.in.u16();
    if (type != 0x8847 && type != 0x8848) fail(E::kBacBadArgument, "push_mpls:{:#x}", type);
    b.add(PushMplsAction{type});
}
void pop_mpls(const Body& b) {
    b.add(PopMplsAction{b.in.u16()});
}
void set_queue(const Body& b) {
    align32(b);
    b.add(SetQueueAction{b.in.u32()});
}
void group(const Body& b) {
    align32(b);
    b.add(GroupAction{b.in.u32()});
}
void set_nw_ttl(const Body& b) {
    add_set(b, "nw_ttl", b.in.u8());
}
void dec_ttl(const Body& b) {
    b.add(DecTtlAction{});
}
void meter(const Body& b) {
    const std::uint32_t id = b.in.u32();
    if (id == 0 || id > kMaxMeter) fail(E::kMmfcInvalidMeter, "meter {}", id);
    b.add(MeterAction{id});
}
void set_field(const Body& b) {
    const OxmEntry entry = read_oxm_entry(b.in, OxmUse::kSetField);
    rest_is_zero(b, E::kBacBadSetArgument);
    const auto& info = field_info(entry.field);
    if (entry.has_mask && b.scope.version < Version::k15 && b.vendor == 0) {
        fail(E::kBacBadSetMask, "{}: set_field takes no mask before OpenFlow 1.5", info.name);
    }
    if (!info.writable) fail(E::kBacBadSetArgument, "{} is read-only", info.name);
    if (info.name == "vlan_vid" && !entry.has_mask && (entry.value.lo & kVlanPresent) == 0) {
        fail(E::kBacBadSetArgument, "vlan_vid without the bit that says a tag is there");
    }
    const bool all = entry.mask == field_value_mask(info);
    b.add(SetFieldAction{entry.field, entry.value, entry.mask, Style::kSetField, entry.has_mask && all});
}
void add_move(const Body& b, unsigned bits, unsigned source, unsigned target) {
    MoveAction move;
    move.source = read_subfield(b.in, source, bits, false);
    move.target = read_subfield(b.in, target, bits, true);
    rest_is_zero(b);
    b.add(move);
}
void copy_field(const Body& b) {
    if (b.vendor != 0) b.in.skip(2);
    const unsigned bits = b.in.u16(), source = b.in.u16(), target = b.in.u16();
    b.in.skip(2);
    add_move(b, bits, source, target);
}

// ---- Nicira ------------------------------------------------------------------------------------------

void reg_move(const Body& b) {
    const unsigned bits = b.in.u16(), source = b.in.u16(), target = b.in.u16();
    add_move(b, bits, source, target);
}
void reg_load(const Body& b) {
    const std::uint16_t range = b.in.u16();
    const SubField target = read_range(b.in, range, true);
    const std::uint64_t value = b.in.u64();
    if ((U128{0, value} & ~low_mask(target.bits)).lo != 0) {
        fail(E::kBacBadArgument, "load: value {:#x} exceeds {} bits", value, target.bits);
    }
    b.add(SetFieldAction{target.field, U128{0, value} << target.offset,
                         low_mask(target.bits) << target.offset, Style::kLoad});
}
void resubmit(const Body& b) {
    b.add(ResubmitAction{b.in.port16(), 0xff, false});
}
void resubmit_table(const Body& b) {
    const OfPort port = b.in.port16();
    const std::uint8_t table = b.in.u8();
    rest_is_zero(b, E::kBacBadArgument);
    b.add(ResubmitAction{port, table, b.number == 44});
}
void set_tunnel(const Body& b) {
    b.in.skip(2);
    add_set(b, "tun_id", b.in.u32());
}
void set_tunnel64(const Body& b) {
    b.in.skip(6);
    add_set(b, "tun_id", b.in.u64());
}
void pop_queue(const Body& b) {
    b.add(PopQueueAction{});
}
void note(const Body& b) {
    b.add(NoteAction{b.in.take_rest()});
}
void output_reg(const Body& b) {
    const std::uint16_t range = b.in.u16();
    OutputRegAction action;
    if (b.number == 15) {
        action.source = read_range(b.in, range, false);
        action.max_len = b.in.u16();
    } else {
        action.max_len = b.in.u16();
        action.source = read_subfield(b.in, range >> 6, (range & 63U) + 1, false);
    }
    rest_is_zero(b, E::kBacBadArgument);
    b.add(action);
}
void exit_action(const Body& b) {
    b.add(ExitAction{});
}
template <typename Kind>
void plain(const Body& b) {
    b.add(Kind{});
}
void controller(const Body& b) {
    ControllerAction action;
    action.extended = true;
    action.max_len = b.in.u16();
    action.controller_id = b.in.u16();
    action.reason = b.in.u8();
    b.add(action);
}
void controller2(const Body& b) {
    b.in.zeros(6, E::kNxbrcMustBeZero);
    ControllerAction action;
    action.extended = true;
    while (!b.in.empty()) {
        Reader head = b.in.sub(4, E::kBpcBadLen);
        const std::uint16_t type = head.u16(), length = head.u16();
        if (length < 4 || padded8(length) - 4 > b.in.left()) {
            fail(E::kBpcBadLen, "controller: property of {} bytes", length);
        }
        Reader padded = b.in.sub(padded8(length) - 4, E::kBpcBadLen);
        Reader value = padded.sub(length - 4U);
        switch (type) {
            case 0:
                action.max_len = value.u16();
                break;
            case 1:
                action.controller_id = value.u16();
                break;
            case 2:
                action.reason = value.u8();
                break;
            case 3:
                action.userdata = value.take_rest();
                break;
            case 4:
                action.pause = true;
                break;
            case 5:
                // OVS aligns the number to 8 bytes or leaves it right behind the header.
                action.meter_id = value.u32();
                break;
            default:
                // The last two are an experimenter's, whose header is longer.
                if (type >= 0xfffe && length < 12) fail(E::kBpcBadLen, "controller: property {:#x}", type);
                fail(E::kBpcBadType, "controller: property {}", type);
        }
    }
    b.add(std::move(action));
}
void dec_ttl_ids(const Body& b) {
    const unsigned count = b.in.u16();
    b.in.zeros(4, E::kNxbrcMustBeZero);
    DecTtlAction action;
    action.listed = true;
    for (unsigned i = 0; i < count; ++i)
        action.controller_ids.push_back(b.in.u16());
    b.add(std::move(action));
}
void write_metadata(const Body& b) {
    b.in.zeros(6, E::kNxbrcMustBeZero);
    const std::uint64_t value = b.in.u64(), mask = b.in.u64();
    b.add(WriteMetadataAction{value & mask, mask});
}
template <bool kPush>
void stack(const Body& b) {
    const unsigned offset = b.in.u16();
    Reader ahead = b.in;
    read_oxm_head(ahead, OxmUse::kHeader);
    const unsigned bits = ahead.u16();
    const SubField field = read_subfield(b.in, offset, bits, !kPush);
    b.in.skip(2);
    rest_is_zero(b);
    if constexpr (kPush) {
        b.add(StackPushAction{field});
    } else {
        b.add(StackPopAction{field});
    }
}
void output_trunc(const Body& b) {
    const OfPort port = b.in.port16();
    const std::uint32_t max_len = b.in.u32();
    if (max_len < 14) fail(E::kBacBadArgument, "output: max_len {} is below 14", max_len);
    b.add(OutputTruncAction{port, max_len});
}
void clone(const Body& b) {
    b.in.skip(6);
    CloneAction action;
    decode_actions(b.in, {b.scope.version, b.scope.depth + 1}, action.actions);
    b.add(std::move(action));
}

constexpr Version k10 = Version::k10, k11 = Version::k11, k12 = Version::k12, k13 = Version::k13,
                  k14 = Version::k14, k15 = Version::k15;
constexpr std::uint32_t kNx = kNiciraVendor;

// clang-format off
constexpr Row kRows[] = {
    {0, 0, k10, k10, 8, false, output10},       {0, 0, k11, kLast, 16, false, output11},
    {0, 1, kFirst, kLast, 8, false, set_vlan_vid},  {0, 2, kFirst, kLast, 8, false, set_vlan_pcp},
    {0, 3, k10, k10, 8, false, strip_vlan},     {0, 18, k11, kLast, 8, false, strip_vlan},
    {0, 4, k10, k10, 16, false, set_dl_src},    {0, 3, k11, kLast, 16, false, set_dl_src},
    {0, 5, k10, k10, 16, false, set_dl_dst},    {0, 4, k11, kLast, 16, false, set_dl_dst},
    {0, 6, k10, k10, 8, false, set_nw_src},     {0, 5, k11, kLast, 8, false, set_nw_src},
    {0, 7, k10, k10, 8, false, set_nw_dst},     {0, 6, k11, kLast, 8, false, set_nw_dst},
    {0, 8, k10, k10, 8, false, set_nw_tos},     {0, 7, k11, kLast, 8, false, set_nw_tos},
    {0, 8, k11, kLast, 8, false, set_nw_ecn},
    {0, 9, kFirst, kLast, 8, false, set_tp_src},    {0, 10, kFirst, kLast, 8, false, set_tp_dst},
    {0, 11, k10, k10, 16, false, enqueue},
    {0, 13, k11, kLast, 8, false, set_mpls_label},  {kNx, 30, k10, k10, 16, false, set_mpls_label},
    {0, 14, k11, kLast, 8, false, set_mpls_tc},     {kNx, 31, k10, k10, 16, false, set_mpls_tc},
    {0, 15, k11, kLast, 8, false, set_mpls_ttl},    {kNx, 25, k10, k10, 16, false, set_mpls_ttl},
    {0, 16, k11, kLast, 8, false, dec_mpls_ttl},    {kNx, 26, k10, k10, 16, false, dec_mpls_ttl},
    {0, 17, k11, kLast, 8, false, push_vlan},
    {0, 19, k11, kLast, 8, false, push_mpls},       {kNx, 23, k10, k10, 16, false, push_mpls},
    {0, 20, k11, kLast, 8, false, pop_mpls},        {kNx, 24, k10, k10, 16, false, pop_mpls},
    {0, 21, k11, kLast, 8, false, set_queue},       {kNx, 4, k10, k10, 16, false, set_queue},
    {0, 22, k11, kLast, 8, false, group},           {kNx, 40, k10, k10, 16, false, group},
    {0, 23, k11, kLast, 8, false, set_nw_ttl},
    {0, 24, k11, kLast, 8, false, dec_ttl},         {kNx, 18, k10, k10, 16, false, dec_ttl},
    {kNx, 21, kFirst, kLast, 16, true, dec_ttl_ids},
    {0, 25, k12, kLast, 8, true, set_field},
    {kNx, 7, k10, k14, 24, false, reg_load},        {kNx, 33, k10, k14, 16, true, set_field},
    {0, 28, k15, kLast, 16, true, copy_field},      {kOnfVendor, 3200, k13, k14, 24, true, copy_field},
    {kNx, 6, k10, k14, 16, true, reg_move},
    {0, 29, k15, kLast, 8, false, meter},
    {kNx, 1, kFirst, kLast, 16, false, resubmit},
    {kNx, 14, kFirst, kLast, 16, false, resubmit_table}, {kNx, 44, kFirst, kLast, 16, false, resubmit_table},
    {kNx, 2, kFirst, kLast, 16, false, set_tunnel}, {kNx, 9, kFirst, kLast, 24, false, set_tunnel64},
    {kNx, 5, kFirst, kLast, 16, false, pop_queue},
    {kNx, 8, kFirst, kLast, 16, true, note},
    {kNx, 15, kFirst, kLast, 24, false, output_reg}, {kNx, 32, kFirst, kLast, 24, false, output_reg},
    {kNx, 17, kFirst, kLast, 16, false, exit_action},
    {kNx, 20, kFirst, kLast, 16, false, controller}, {kNx, 37, kFirst, kLast, 16, true, controller2},
    {kNx, 22, kFirst, kLast, 32, false, write_metadata},
    {kNx, 27, kFirst, kLast, 24, false, stack<true>}, {kNx, 28, kFirst, kLast, 24, false, stack<false>},
    {kNx, 39, kFirst, kLast, 16, false, output_trunc},
    {kNx, 42, kFirst, kLast, 16, true, clone},
    {kNx, 16, kFirst, kLast, 32, true, decode_learn}, {kNx, 45, kFirst, kLast, 40, true, decode_learn},
    {kNx, 34, kFirst, kLast, 16, false, decode_conjunction},
    {kNx, 10, kFirst, kLast, 32, false, decode_multipath},
    {kNx, 12, kFirst, kLast, 32, true, decode_bundle}, {kNx, 13, kFirst, kLast, 32, true, decode_bundle},
    {kNx, 29, kFirst, kLast, 24, false, decode_sample}, {kNx, 38, kFirst, kLast, 32, false, decode_sample},
    {kNx, 41, kFirst, kLast, 32, false, decode_sample},
    {kNx, 19, kFirst, kLast, 16, false, decode_fin_timeout},
    {kNx, 49, kFirst, kLast, 24, true, decode_check_pkt_larger},
    {kNx, 50, kFirst, kLast, 24, false, decode_delete_field},
    {kNx, 35, kFirst, kLast, 24, true, decode_ct}, {kNx, 36, kFirst, kLast, 16, true, decode_nat},
    {kNx, 43, kFirst, kLast, 16, false, plain<CtClearAction>},
    {kNx, 46, k13, kLast, 16, true, decode_encap}, {kNx, 47, k13, kLast, 16, true, decode_decap},
    {kNx, 48, k13, kLast, 16, false, plain<DecNshTtlAction>},
};
// clang-format on

const Row& find_row(std::uint32_t vendor, std::uint16_t number, Version version) {
    bool vendor_known = false;
    for (const auto& row : kRows) {
        vendor_known |= row.vendor == vendor;
        if (row.vendor == vendor && row.number == number && row.first <= version && version <= row.last) {
            return row;
        }
    }
    if (vendor == 0) fail(E::kBacBadType, "action {}", number);
    if (!vendor_known) fail(E::kBacBadVendor, "action of vendor {:#x}", vendor);
    fail(E::kBacBadVendorType, "action {} of vendor {:#x}", number, vendor);
}

/// Cuts the next action off `in` and decodes it.
void decode_one(Reader& in, const ActionScope& scope, ActionList& out) {
    Reader head = in;
    const std::uint16_t type = head.u16();
    const std::uint16_t size = head.u16();
    if (size < 8 || size % 8 != 0 || size > in.left()) {
        fail(E::kBacBadLen, "action {} of {} bytes, {} left", type, size, in.left());
    }
    Reader body = in.sub(size, E::kBacBadLen);
    body.skip(4);
    std::uint32_t vendor = 0;
    std::uint16_t number = type;
    if (type == kVendorAction) {
        vendor = body.u32();
        if (vendor == 0 || (vendor != kNiciraVendor && vendor != kOnfVendor)) {
            fail(E::kBacBadVendor, "action of vendor {:#x}", vendor);
        }
        if (size < 16) fail(E::kBacBadLen, "vendor action of {} bytes", size);
        number = body.u16();
    }
    const Row& row = find_row(vendor, number, scope.version);
    if (size < row.size || (size > row.size && !row.open)) {
        fail(E::kBacBadLen, "action {} of {} bytes, not {}", number, size, row.size);
    }
    row.decode({body, scope, out, vendor, number});
}

}  // namespace

void decode_actions(Reader in, const ActionScope& scope, ActionList& out) {
    if (scope.depth > kMaxActionDepth) fail(E::kBacTooMany, "actions nested deeper than {}", kMaxActionDepth);
    if (in.left() % 8 != 0) fail(E::kBacBadLen, "action list of {} bytes", in.left());
    while (!in.empty())
        decode_one(in, scope, out);
    if (scope.depth == 0) verify_actions(out);
}

}  // namespace sluice::openflow
