// SPDX-License-Identifier: Apache-2.0
// Packet-in of each version and Nicira's two, NXT_RESUME, packet-out. OpenFlow 1.5 §7.3.6, §7.4.1.
#include "proto/openflow/message_codec.hpp"

namespace sluice::openflow {

namespace {

using E = ErrorCode;
constexpr Version k10 = Version::k10, k11 = Version::k11, k12 = Version::k12, k13 = Version::k13,
                  k14 = Version::k14, k15 = Version::k15;
/// Properties of NXT_PACKET_IN2.
enum Part : std::uint16_t {
    kPacket,
    kFullLen,
    kBufferId,
    kTableId,
    kCookie,
    kReason,
    kMetadata,
    kUserdata,
    kContinuation
};

/// Version argument of encode_oxm_list: NXM before 1.2.
std::uint8_t list_version(Version version) {
    return version >= k12 ? to_int(version) : std::uint8_t{0};
}
PacketInReason checked_reason(std::uint8_t reason) {
    if (reason > 5) fail(E::kNxbrcBadReason, "packet-in reason {}", reason);
    return PacketInReason{reason};
}
std::uint8_t wire_reason(PacketInReason reason, Version version) {
    const auto number = static_cast<std::uint8_t>(reason);
    return version < k14 && number > 2 ? std::uint8_t{1} : number;
}

void decode_standard(Reader& in, Version version, Message& m) {
    PacketIn p;
    p.buffer_id = in.u32();
    if (version == k11) {
        p.metadata.set_exact(key::kInPort, to_int(in.port32()));
        in.skip(4);
    }
    p.total_len = in.u16();
    if (version == k10) p.metadata.set_exact(key::kInPort, to_int(in.port16()));
    p.reason = checked_reason(in.u8());
    const std::uint8_t table = in.u8();
    if (version > k10) p.table = table;
    if (version >= k13) p.cookie = in.u64();
    if (version >= k12) {
        p.metadata = decode_match11(in, version);
        in.skip(2);
    }
    p.packet = in.take_rest();
    m.body = std::move(p);
}

void decode_nicira1(Reader& in, Version, Message& m) {
    PacketIn p;
    p.format = PacketInFormat::kNicira;
    p.buffer_id = in.u32();
    p.total_len = in.u16();
    p.reason = checked_reason(in.u8());
    p.table = in.u8();
    p.cookie = in.u64();
    const std::size_t length = in.u16();
    in.skip(6);
    if (padded8(length) > in.left()) fail(E::kBrcBadLen, "match of {} bytes, {} left", length, in.left());
    Reader match = in.sub(padded8(length), E::kBmcBadLen);
    p.metadata = decode_oxm_list(match.sub(length));
    in.skip(2);
    p.packet = in.take_rest();
    m.body = std::move(p);
}

void read_part(PacketIn& p, Property& part, bool& has_total) {
    Reader& value = part.value;
    switch (part.type) {
        case kPacket:
            p.packet = value.take_rest();
            break;
        case kFullLen:
            p.total_len = value.u32();
            has_total = true;
            break;
        case kBufferId:
            p.buffer_id = value.u32();
            break;
        case kTableId:
            p.table = value.u8();
            break;
        case kCookie:
            value.skip(4);
            p.cookie = value.u64();
            break;
        case kReason:
            p.reason = checked_reason(value.u8());
            break;
        case kMetadata:
            p.metadata = decode_oxm_list(value.sub(value.left(), E::kBmcBadLen), nullptr, true);
            break;
        case kUserdata:
            p.userdata = value.take_rest();
            break;
        case kContinuation:
            value.skip(4);
            p.continuation = value.take_rest();
            break;
        default:
            fail_property(part.type);
    }
}
PacketIn decode_parts(Reader& in) {
    PacketIn p;
    p.format = PacketInFormat::kNicira2;
    bool has_total = false;
    while (!in.empty()) {
        auto part = read_property(in);
        read_part(p, part, has_total);
    }
    if (!has_total) p.total_len = static_cast<std::uint32_t>(p.packet.size());
    return p;
}
void decode_nicira2(Reader& in, Version, Message& m) {
    m.body = decode_parts(in);
}
void decode_resume(Reader& in, Version, Message& m) {
    Resume resume{decode_parts(in)};
    if (resume.packet_in.packet.empty()) fail(E::kBrcBadLen, "a packet to resume is missing");
    m.body = std::move(resume);
}

void write_parts(MessageWriter& out, const PacketIn& p) {
    write_property(out, kPacket, [&] { out.bytes(p.packet); });
    if (p.total_len != p.packet.size()) write_property(out, kFullLen, [&] { out.u32(p.total_len); });
    if (p.buffer_id != kNoBuffer) write_property(out, kBufferId, [&] { out.u32(p.buffer_id); });
    write_property(out, kTableId, [&] { out.u8(p.table); });
    if (p.cookie != ~std::uint64_t{0}) {
        write_property(out, kCookie, [&] {
            out.zeros(4);
            out.u64(p.cookie);
        });
    }
    write_property(out, kReason, [&] { out.u8(static_cast<std::uint8_t>(p.reason)); });
    write_property(out, kMetadata, [&] { encode_oxm_list(out, p.metadata, list_version(out.version())); });
    if (!p.continuation.empty()) {
        write_property(out, kContinuation, [&] {
            out.zeros(4);
            out.bytes(p.continuation);
        });
    }
    if (!p.userdata.empty()) write_property(out, kUserdata, [&] { out.bytes(p.userdata); });
}

void write_nicira1(MessageWriter& out, const PacketIn& p) {
    out.begin_nicira(17);
    out.u32(p.buffer_id);
    out.u16(p.total_len);
    out.u8(wire_reason(p.reason, out.version()));
    out.u8(p.table);
    out.u64(p.cookie);
    const auto length_at = out.size();
    out.u16(0);
    out.zeros(6);
    const auto start = out.size();
    encode_oxm_list(out, p.metadata, 0);
    out.patch16(length_at, out.size() - start);
    out.pad8(start);
    out.zeros(2);
    out.bytes(p.packet);
}

/// The pipeline fields that packet-in and packet-out carry beside the packet must be just that.
OfPort port_of(const Match& metadata) {
    const auto port = static_cast<std::uint32_t>(metadata.value.get(key::kInPort));
    return OfPort{port};
}

void check_in_port(OfPort port) {
    const auto number = to_int(port);
    const bool reserved = port == OfPort::kLocal || port == OfPort::kController || port == OfPort::kAny;
    if (number >= 0xff00 && !reserved) fail(E::kBrcBadPort, "packet-out with in_port {:#x}", number);
}

void decode_packet_out(Reader& in, Version version, Message& m) {
    PacketOut p;
    p.buffer_id = in.u32();
    std::size_t actions = 0;
    if (version >= k15) {
        actions = in.u16();
        in.skip(2);
        p.metadata = decode_match11(in, version);
        if (p.metadata.mask.get(key::kInPort) == 0) fail(E::kBrcBadPort, "packet-out without in_port");
        p.in_port = port_of(p.metadata);
        constexpr std::uint32_t kFirstUnused = 0xff00, kFirstReserved = 0xffffff00;
        if (to_int(p.in_port) >= kFirstUnused && to_int(p.in_port) < kFirstReserved)
            fail(E::kBmcBadValue, "packet-out with in_port {:#x}", to_int(p.in_port));
        for (const FieldLoc& header : {key::kEthSrc, key::kEthDst, key::kEthType, key::kVlanTci}) {
            if (!p.metadata.mask.get_wide(header).is_zero())
                fail(E::kBrcPipelineFieldsOnly, "packet-out that matches the packet itself");
        }
    } else {
        p.in_port = version == k10 ? in.port16() : in.port32();
        actions = in.u16();
        if (version > k10) in.skip(6);
        p.metadata.set_exact(key::kInPort, to_int(p.in_port));
    }
    check_in_port(p.in_port);
    if (actions > in.left() || actions % 8 != 0)
        fail(E::kBrcBadLen, "actions of {} bytes, {} left", actions, in.left());
    decode_actions(in.sub(actions, E::kBacBadLen), {version, 0}, p.actions);
    p.packet = in.take_rest();
    if (p.buffer_id != kNoBuffer) p.packet.clear();
    m.body = std::move(p);
}

constexpr MessageRow kRows[] = {
    {Space::kType, 10, k10, k10, 10, true, decode_standard},
    {Space::kType, 10, k11, k11, 16, true, decode_standard},
    {Space::kType, 10, k12, k12, 18, true, decode_standard},
    {Space::kType, 10, k13, k15, 26, true, decode_standard},
    {Space::kNicira, 17, k10, k15, 26, true, decode_nicira1},
    {Space::kNicira, 30, k10, k15, 0, true, decode_nicira2},
    {Space::kNicira, 28, k10, k15, 0, kEights, decode_resume},
    {Space::kType, 13, k10, k10, 8, true, decode_packet_out},
    {Space::kType, 13, k11, k15, 16, true, decode_packet_out},
};

}  // namespace

std::span<const MessageRow> packet_messages() {
    return kRows;
}

void encode_body(MessageWriter& out, const PacketIn& p) {
    if (p.format == PacketInFormat::kNicira) return write_nicira1(out, p);
    if (p.format == PacketInFormat::kNicira2) {
        out.begin_nicira(30);
        return write_parts(out, p);
    }
    const Version version = out.version();
    out.begin(10);
    out.u32(p.buffer_id);
    if (version == k11) {
        out.port32(port_of(p.metadata));
        out.port32(port_of(p.metadata));
    }
    out.u16(std::min<std::uint32_t>(p.total_len, 0xffff));
    if (version == k10) out.port16(port_of(p.metadata));
    out.u8(wire_reason(p.reason, version));
    out.u8(version == k10 ? 0 : p.table);
    if (version >= k13) out.u64(p.cookie);
    if (version >= k12) {
        encode_match11(out, p.metadata, version);
        out.zeros(2);
    }
    out.bytes(p.packet);
}

void encode_body(MessageWriter& out, const Resume& b) {
    out.begin_nicira(28);
    write_parts(out, b.packet_in);
}

void encode_body(MessageWriter& out, const PacketOut& p) {
    const Version version = out.version();
    out.begin(13);
    out.u32(p.buffer_id);
    if (version == k10) out.port16(p.in_port);
    if (version > k10 && version < k15) out.port32(p.in_port);
    const auto length_at = out.size();
    out.u16(0);
    if (version > k10) out.zeros(version >= k15 ? 2 : 6);
    if (version >= k15) {
        Match metadata = p.metadata;
        metadata.set_exact(key::kInPort, to_int(p.in_port));
        encode_match11(out, metadata, version);
    }
    const auto start = out.size();
    encode_actions(out, p.actions, {version});
    if (out.size() - start > 0xffff) throw EncodeFailure{"actions exceed 65535 bytes"};
    out.patch16(length_at, out.size() - start);
    if (p.buffer_id == kNoBuffer) out.bytes(p.packet);
}

}  // namespace sluice::openflow
