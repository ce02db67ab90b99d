// SPDX-License-Identifier: Apache-2.0
// Hello, error, echo, roles, asynchronous configuration, bundles. OpenFlow 1.5 §7.3.9-10, §7.4, §7.5.
#include "proto/openflow/message_codec.hpp"

namespace sluice::openflow {

namespace {

using E = ErrorCode;
constexpr Version k10 = Version::k10, k11 = Version::k11, k12 = Version::k12, k13 = Version::k13,
                  k14 = Version::k14, k15 = Version::k15;
constexpr std::uint16_t kErrorVendor10 = 0xb0c2, kErrorVendor12 = 0xffff;
constexpr std::size_t kAsyncKinds = static_cast<std::size_t>(AsyncKind::kCount);
/// Before 1.4 "action" covers the reasons that 1.4 split off from it.
constexpr std::uint32_t kActionBit = 1 << 1, kSplitBits = 0x38, kOldReasons = 0x07;

void decode_hello(Reader& in, Version, Message& m) {
    Hello hello;
    while (in.left() >= 4) {
        Reader head = in;
        const std::uint16_t type = head.u16(), length = head.u16();
        if (length < 4 || length > in.left()) break;  // an element to ignore: versions come from the header
        Reader element = in.sub(length);
        element.skip(4);
        if (type == 1 && element.left() >= 4) hello.versions = element.u32() & ~1U;
        in.skip(std::min(padded8(length) - length, in.left()));
    }
    m.body = hello;
}
void decode_error(Reader& in, Version version, Message& m) {
    ErrorMessage error;
    error.type = in.u16();
    error.code = in.u16();
    // Vendor 0 is nobody's: such an error stays as it is, a standard one of type 0xffff.
    Reader ahead = in;
    if (version >= k12 && error.type == kErrorVendor12 && ahead.u32() != 0) {
        error.vendor = in.u32();
        error.type = error.code;
        error.code = 0;
    } else if (version <= k11 && error.type == kErrorVendor10 && error.code == 0 && ahead.u32() != 0) {
        error.vendor = in.u32();
        error.type = in.u16();
        error.code = in.u16();
    }
    error.data = in.take_rest();
    m.body = std::move(error);
}
void decode_echo_request(Reader& in, Version, Message& m) {
    m.body = EchoRequest{in.take_rest()};
}
void decode_echo_reply(Reader& in, Version, Message& m) {
    m.body = EchoReply{in.take_rest()};
}
template <typename Empty>
void decode_empty(Reader&, Version, Message& m) {
    m.body = Empty{};
}

template <typename Kind>
void decode_role(Reader& in, Version, Message& m) {
    Kind body;
    const std::uint32_t role = in.u32();
    if (role > 3) fail(E::kRrfcBadRole, "role {}", role);
    body.role = Role{role};
    in.skip(4);
    const std::uint64_t generation = in.u64();
    if (body.role == Role::kPrimary || body.role == Role::kSecondary) body.generation_id = generation;
    if (std::is_same_v<Kind, RoleReply> && generation == ~std::uint64_t{0}) body.generation_id.reset();
    m.body = body;
}
template <typename Kind>
void decode_nicira_role(Reader& in, Version, Message& m) {
    const std::uint32_t role = in.u32();
    if (role > 2) fail(E::kRrfcBadRole, "role {}", role);
    Kind body;
    body.role = Role{role + 1};
    body.nicira = true;
    m.body = body;
}
void decode_role_status(Reader& in, Version, Message& m) {
    RoleStatus status;
    status.role = Role{in.u32()};
    const std::uint8_t reason = in.u8();
    if (status.role > Role::kSecondary || reason > 2) fail(E::kRrfcBadRole, "role status");
    status.reason = RoleReason{reason};
    in.skip(3);
    status.generation_id = in.u64();
    m.body = status;
}

/// Reasons that exist, by kind.
std::uint32_t known_reasons(std::size_t kind, Version version) {
    constexpr std::uint32_t kKnown[kAsyncKinds] = {0x3f, 0x07, 0x3f, 0x07, 0x18, 0x03};
    return version < k14 && kind == 0 ? kOldReasons : kKnown[kind];
}
/// Three kinds, primary then secondary, as OpenFlow 1.3 and Nicira write them.
void read_masks13(Reader& in, Version version, AsyncMasks& masks) {
    for (std::size_t kind = 0; kind < 3; ++kind) {
        masks.primary[kind] = in.u32();
        masks.secondary[kind] = in.u32();
    }
    for (auto* mask : {&masks.primary[0], &masks.secondary[0]}) {
        if (version < k14 && *mask & kActionBit) *mask |= kSplitBits;
    }
}
void write_masks13(Writer& out, const AsyncMasks& masks) {
    for (std::size_t kind = 0; kind < 3; ++kind) {
        out.u32(masks.primary[kind] & known_reasons(kind, k13));
        out.u32(masks.secondary[kind] & known_reasons(kind, k13));
    }
}
void read_masks14(Reader& in, Version version, SetAsync& set, bool strict) {
    while (!in.empty()) {
        auto property = read_property(in);
        const std::size_t kind = property.type / 2U;
        if (kind >= kAsyncKinds) {
            if (strict && property.type >= 0xfffe) fail_property(property.type);
            if (strict) fail(E::kAcfcUnsupported, "property {}", property.type);
            continue;
        }
        std::uint32_t mask = property.value.u32();
        property.value.end();
        if (strict && (mask & ~known_reasons(kind, version)) != 0) {
            fail(E::kAcfcInvalid, "mask {:#x} of asynchronous message kind {}", mask, kind);
        }
        if (version < k14 && kind == 0 && (mask & kActionBit)) mask |= kSplitBits;
        (property.type % 2 ? set.masks.primary : set.masks.secondary)[kind] = mask;
        (property.type % 2 ? set.primary_set : set.secondary_set) |= 1U << kind;
    }
}
void write_masks14(MessageWriter& out, const AsyncMasks& masks, std::uint32_t primary_set,
                   std::uint32_t secondary_set) {
    for (std::uint16_t kind = 0; kind < kAsyncKinds; ++kind) {
        const auto type = static_cast<std::uint16_t>(2 * kind);
        if (secondary_set & (1U << kind))
            write_property(out, type,
                           [&] { out.u32(masks.secondary[kind] & known_reasons(kind, out.version())); });
        if (primary_set & (1U << kind)) {
            write_property(out, static_cast<std::uint16_t>(type + 1),
                           [&] { out.u32(masks.primary[kind] & known_reasons(kind, out.version())); });
        }
    }
}
void decode_get_async_reply(Reader& in, Version version, Message& m) {
    SetAsync set;
    if (version == k13) {
        read_masks13(in, version, set.masks);
    } else {
        read_masks14(in, version, set, false);
    }
    m.body = GetAsyncReply{set.masks};
}
template <SetAsync::Form kForm>
void decode_set_async(Reader& in, Version version, Message& m) {
    SetAsync set;
    set.form = kForm;
    if (kForm == SetAsync::Form::kNicira || (kForm == SetAsync::Form::kStandard && version == k13)) {
        read_masks13(in, version, set.masks);
        set.primary_set = set.secondary_set = 7;
    } else {
        read_masks14(in, version, set, true);
    }
    m.body = set;
}

void decode_bundle_control(Reader& in, Version, Message& m) {
    BundleControl control;
    control.bundle = in.u32();
    const std::uint16_t type = in.u16();
    control.flags = in.u16();
    // Unknown flags bind only in that all messages of a bundle must have the same; unknown types do nothing.
    control.type = BundleType{type};
    m.body = control;
}
/// Standard types that bundles take: packet-out, flow-mod, group-mod, port-mod; as OVS.
bool bundle_takes(std::span<const std::uint8_t> message, Version version) {
    const std::uint8_t type = message[1];
    if (type == 4) {
        return message.size() >= 16 && load_be32(&message[8]) == kNiciraVendor &&
               load_be32(&message[12]) == 13;
    }
    return type == 13 || type == 14 || (type == 15 && version > k10) || type == 16;
}
void decode_bundle_add(Reader& in, Version version, Message& m) {
    BundleAdd add;
    add.bundle = in.u32();
    in.skip(2);
    add.flags = in.u16();
    const auto inner = parse_header(in.rest());
    if (!inner || inner->length < Header::kSize || inner->length > in.left()) {
        fail(E::kBfcMsgBadLen, "message of {} bytes, {} left", inner ? inner->length : 0, in.left());
    }
    if (inner->version != to_int(version)) {
        fail(E::kBfcBadVersion, "version {} inside", inner->version);
    }
    if (inner->xid != m.xid) fail(E::kBfcMsgBadXid, "xid {:#x} inside {:#x}", inner->xid, m.xid);
    add.message = in.bytes(inner->length);
    if (!bundle_takes(add.message, version)) fail(E::kBfcMsgUnsup, "message type {}", inner->type);
    m.body = std::move(add);
}
void decode_forward(Reader& in, Version, Message& m) {
    const auto inner = parse_header(in.rest());
    if (!inner || inner->length < Header::kSize || inner->length > in.left()) {
        fail(E::kBrcBadLen, "forwarded message of {} bytes", in.left());
    }
    m.body = RequestForward{in.take_rest()};
}

void write_role(MessageWriter& out, bool reply, bool nicira, Role role,
                std::optional<std::uint64_t> generation) {
    const auto number = static_cast<std::uint32_t>(role);
    if (nicira) {
        out.begin_nicira(reply ? 11 : 10);
        out.u32(number == 0 ? 0 : number - 1);
        return;
    }
    if (out.version() < k12) throw EncodeFailure{"no such message"};
    out.begin(reply ? 25 : 24);
    out.u32(number);
    out.zeros(4);
    out.u64(generation.value_or(reply ? ~std::uint64_t{0} : 0));
}
void begin_bundle(MessageWriter& out, std::uint8_t type, std::uint32_t subtype) {
    require(out, k13);
    if (out.version() == k13) {
        out.begin_vendor(kOnfVendor, subtype);
    } else {
        out.begin(type);
    }
}

constexpr MessageRow kRows[] = {
    {Space::kType, 0, k10, k15, 0, true, decode_hello},
    {Space::kType, 1, k10, k15, 4, true, decode_error},
    {Space::kType, 2, k10, k15, 0, true, decode_echo_request},
    {Space::kType, 3, k10, k15, 0, true, decode_echo_reply},
    {Space::kType, 18, k10, k10, 0, false, decode_empty<BarrierRequest>},
    {Space::kType, 19, k10, k10, 0, false, decode_empty<BarrierReply>},
    {Space::kType, 20, k11, k15, 0, false, decode_empty<BarrierRequest>},
    {Space::kType, 21, k11, k15, 0, false, decode_empty<BarrierReply>},
    {Space::kType, 24, k12, k15, 16, false, decode_role<RoleRequest>},
    {Space::kType, 25, k12, k15, 16, false, decode_role<RoleReply>},
    {Space::kNicira, 10, k10, k15, 4, false, decode_nicira_role<RoleRequest>},
    {Space::kNicira, 11, k10, k15, 4, false, decode_nicira_role<RoleReply>},
    {Space::kType, 30, k14, k15, 16, true, decode_role_status},
    {Space::kType, 26, k13, k15, 0, false, decode_empty<GetAsyncRequest>},
    {Space::kType, 27, k13, k13, 24, false, decode_get_async_reply},
    {Space::kType, 27, k14, k15, 0, true, decode_get_async_reply},
    {Space::kType, 28, k13, k13, 24, false, decode_set_async<SetAsync::Form::kStandard>},
    {Space::kType, 28, k14, k15, 0, kEights, decode_set_async<SetAsync::Form::kStandard>},
    {Space::kNicira, 19, k10, k15, 24, false, decode_set_async<SetAsync::Form::kNicira>},
    {Space::kNicira, 27, k10, k13, 0, kEights, decode_set_async<SetAsync::Form::kNicira2>},
    {Space::kType, 32, k14, k15, 8, true, decode_forward},
    {Space::kNicira, 132, k10, k12, 8, true, decode_forward},
    {Space::kOnf, 2350, k13, k13, 8, true, decode_forward},
    {Space::kOnf, 1911, k13, k13, 16, true, decode_role_status},
    {Space::kType, 33, k14, k15, 8, kEights, decode_bundle_control},
    {Space::kOnf, 2300, k13, k13, 8, kEights, decode_bundle_control},
    {Space::kType, 34, k14, k15, 8, true, decode_bundle_add},
    {Space::kOnf, 2301, k13, k13, 8, true, decode_bundle_add},
};

}  // namespace

std::span<const MessageRow> session_messages() {
    return kRows;
}

AsyncMasks default_async_masks(Version version) {
    AsyncMasks masks;
    const auto set = [&masks](AsyncKind kind, std::uint32_t primary, std::uint32_t secondary) {
        masks.primary[static_cast<std::size_t>(kind)] = primary;
        masks.secondary[static_cast<std::size_t>(kind)] = secondary;
    };
    set(AsyncKind::kPacketIn, 0x3b, 0);  // all but invalid TTL
    set(AsyncKind::kPortStatus, 7, 7);
    set(AsyncKind::kFlowRemoved, version >= k14 ? 0x3f : 0x0f, 0);
    return masks;
}

void encode_body(MessageWriter& out, const Hello& b) {
    out.begin(0);
    const auto plain = static_cast<std::uint32_t>((1U << (to_int(out.version()) + 1U)) - 2);
    if (b.versions == plain) return;
    out.u16(1);
    out.u16(8);
    out.u32(b.versions);
}
void encode_body(MessageWriter& out, const ErrorMessage& b) {
    out.begin(1);
    if (b.vendor == 0) {
        out.u16(b.type);
        out.u16(b.code);
    } else if (out.version() >= k12) {
        out.u16(kErrorVendor12);
        out.u16(b.type);
        out.u32(b.vendor);
    } else {
        out.u16(kErrorVendor10);
        out.u16(0);
        out.u32(b.vendor);
        out.u16(b.type);
        out.u16(b.code);
    }
    out.bytes(b.data);
}
void encode_body(MessageWriter& out, const EchoRequest& b) {
    out.begin(2);
    out.bytes(b.data);
}
void encode_body(MessageWriter& out, const EchoReply& b) {
    out.begin(3);
    out.bytes(b.data);
}
void encode_body(MessageWriter& out, const BarrierRequest&) {
    out.begin(out.version() == k10 ? 18 : 20);
}
void encode_body(MessageWriter& out, const BarrierReply&) {
    out.begin(out.version() == k10 ? 19 : 21);
}
void encode_body(MessageWriter& out, const RoleRequest& b) {
    write_role(out, false, b.nicira, b.role, b.generation_id);
}
void encode_body(MessageWriter& out, const RoleReply& b) {
    write_role(out, true, b.nicira, b.role, b.generation_id);
}
void encode_body(MessageWriter& out, const RoleStatus& b) {
    require(out, k13);
    if (out.version() == k13) {
        out.begin_vendor(kOnfVendor, 1911);
    } else {
        out.begin(30);
    }
    out.u32(static_cast<std::uint32_t>(b.role));
    out.u8(static_cast<std::uint8_t>(b.reason));
    out.zeros(3);
    out.u64(b.generation_id);
}
void encode_body(MessageWriter& out, const GetAsyncRequest&) {
    require(out, k13);
    out.begin(26);
}
void encode_body(MessageWriter& out, const GetAsyncReply& b) {
    require(out, k13);
    out.begin(27);
    if (out.version() == k13) return write_masks13(out, b.masks);
    write_masks14(out, b.masks, 0x3f, 0x3f);
}
void encode_body(MessageWriter& out, const SetAsync& b) {
    if (b.form == SetAsync::Form::kNicira) {
        out.begin_nicira(19);
        return write_masks13(out, b.masks);
    }
    if (b.form == SetAsync::Form::kNicira2) {
        require(out, k10, k13);
        out.begin_nicira(27);
        return write_masks14(out, b.masks, b.primary_set, b.secondary_set);
    }
    require(out, k13);
    out.begin(28);
    if (out.version() == k13) return write_masks13(out, b.masks);
    write_masks14(out, b.masks, b.primary_set, b.secondary_set);
}
void encode_body(MessageWriter& out, const RequestForward& b) {
    if (out.version() <= k12) {
        out.begin_nicira(132);
    } else if (out.version() == k13) {
        out.begin_vendor(kOnfVendor, 2350);
    } else {
        out.begin(32);
    }
    out.bytes(b.message);
}
void encode_body(MessageWriter& out, const BundleControl& b) {
    begin_bundle(out, 33, 2300);
    out.u32(b.bundle);
    out.u16(static_cast<std::uint16_t>(b.type));
    out.u16(b.flags);
}
void encode_body(MessageWriter& out, const BundleAdd& b) {
    begin_bundle(out, 34, 2301);
    out.u32(b.bundle);
    out.zeros(2);
    out.u16(b.flags);
    out.bytes(b.message);
}

}  // namespace sluice::openflow
