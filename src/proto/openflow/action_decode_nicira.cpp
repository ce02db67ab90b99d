// SPDX-License-Identifier: Apache-2.0
// Decoding of the Nicira actions of fixed form, and encap and decap. Source: ovs-actions(7).
#include "proto/openflow/action_decode.hpp"

namespace sluice::openflow {

namespace {

using E = ErrorCode;
constexpr std::uint32_t kInPortHeader = 0x00000002;  // NXM_OF_IN_PORT
constexpr std::uint16_t kNshClass = 4;

HashFields read_hash_fields(Reader& in) {
    const std::uint16_t fields = in.u16();
    if (fields > 6) fail(E::kBacBadArgument, "hash fields {}", fields);
    return static_cast<HashFields>(fields);
}

void check_properties(Reader in) {
    while (!in.empty()) {
        const std::size_t left = in.left();
        if (left < 4) fail(E::kBacBadLen, "encap: property header");
        const std::uint16_t clazz = in.u16();
        const std::uint8_t type = in.u8(), size = in.u8();
        if (size < 4 || padded8(size) > left) fail(E::kBacBadLen, "encap: property of {} bytes", size);
        if (clazz != kNshClass || (type != 1 && type != 2)) {
            fail(E::kNxbacUnknownEdProp, "encap: property class {}, type {}", clazz, type);
        }
        Reader value = in.sub(padded8(size) - 4, E::kNxbacBadEdProp);
        if (type == 1) {
            if (size != 5) fail(E::kNxbacBadEdProp, "encap: md_type of {} bytes", size);
        } else {
            value.skip(3);
            const std::uint8_t length = value.u8();
            if (length == 0 || length > value.left()) {
                fail(E::kNxbacBadEdProp, "encap: tlv of {} bytes", length);
            }
        }
    }
}

}  // namespace

void decode_conjunction(const ActionBody& b) {
    ConjunctionAction a;
    a.clause = b.in.u8();
    a.n_clauses = b.in.u8();
    a.id = b.in.u32();
    if (a.n_clauses < 2 || a.n_clauses > 64 || a.clause >= a.n_clauses) {
        fail(E::kNxbacBadConjunction, "conjunction: clause {} of {}", a.clause, a.n_clauses);
    }
    b.add(a);
}

void decode_multipath(const ActionBody& b) {
    MultipathAction a;
    a.fields = read_hash_fields(b.in);
    a.basis = b.in.u16();
    b.in.skip(2);
    const std::uint16_t algorithm = b.in.u16();
    a.max_link = b.in.u16();
    a.arg = b.in.u32();
    b.in.skip(2);
    const std::uint16_t range = b.in.u16();
    a.target = read_range(b.in, range, true);
    if (algorithm > 3) fail(E::kBacBadArgument, "multipath: algorithm {}", algorithm);
    a.algorithm = static_cast<MultipathAction::Algorithm>(algorithm);
    if (a.target.bits < 16 && a.max_link >= 1U << a.target.bits) {
        fail(E::kBacBadArgument, "multipath: {} links in {} bits", a.max_link + 1, a.target.bits);
    }
    b.add(a);
}

void decode_bundle(const ActionBody& b) {
    BundleAction a;
    const std::uint16_t algorithm = b.in.u16();
    a.fields = read_hash_fields(b.in);
    a.basis = b.in.u16();
    const std::uint32_t type = b.in.u32();
    const std::uint16_t count = b.in.u16(), range = b.in.u16();
    if (8U + count * 2U > b.in.left()) fail(E::kBacBadLen, "bundle: {} members do not fit", count);
    if (algorithm > 1 || type != kInPortHeader || count > kMaxBundleMembers) {
        fail(E::kBacBadArgument, "bundle: algorithm {}, type {:#x}, {} members", algorithm, type, count);
    }
    a.algorithm = static_cast<BundleAction::Algorithm>(algorithm);
    Reader fixed = b.in.sub(8);
    if (b.number == 13) {
        a.target = read_range(fixed, range, true);
        if (a.target->bits < 16) fail(E::kBacBadArgument, "bundle_load: {} bits", a.target->bits);
    } else if (range != 0) {
        fail(E::kBacBadArgument, "bundle: a range without a field");
    }
    if (b.number == 12) fixed.zeros(fixed.left(), E::kBacBadArgument);
    for (unsigned i = 0; i < count; ++i)
        a.members.push_back(b.in.port16());
    b.add(std::move(a));
}

void decode_sample(const ActionBody& b) {
    SampleAction a;
    a.probability = b.in.u16();
    a.collector_set_id = b.in.u32();
    a.obs_domain_id = b.in.u32();
    a.obs_point_id = b.in.u32();
    if (a.probability == 0) fail(E::kBacBadArgument, "sample: probability 0");
    if (b.number != 29) {
        a.sampling_port = b.in.port16();
        const std::uint8_t direction = b.in.u8();
        if (b.number == 41) {
            b.in.zeros(5, E::kNxbrcMustBeZero);
            if (direction > 2) fail(E::kBacBadArgument, "sample: direction {}", direction);
            a.direction = static_cast<SampleAction::Direction>(direction);
        }
    }
    b.add(a);
}

void decode_fin_timeout(const ActionBody& b) {
    const std::uint16_t idle = b.in.u16();
    b.add(FinTimeoutAction{idle, b.in.u16()});
}

void decode_check_pkt_larger(const ActionBody& b) {
    CheckPktLargerAction a;
    a.length = b.in.u16();
    const unsigned offset = b.in.u16();
    a.target = read_subfield(b.in, offset, 1, true);
    b.in.zeros(b.in.left(), E::kNxbrcMustBeZero);
    b.add(a);
}

void decode_delete_field(const ActionBody& b) {
    const OxmHead head = read_oxm_head(b.in, OxmUse::kHeader);
    if (head.field == kNoField) fail(E::kBmcBadField, "delete_field: unknown field");
    if (!is_tun_metadata(field_info(head.field))) {
        fail(E::kBacBadArgument, "delete_field: {}", field_info(head.field).name);
    }
    b.in.zeros(b.in.left(), E::kNxbrcMustBeZero);
    b.add(DeleteFieldAction{head.field});
}

void decode_encap(const ActionBody& b) {
    EncapAction a;
    a.header_size = b.in.u16();
    a.packet_type = b.in.u32();
    if (a.packet_type != 0 && a.packet_type != 0x1894f && a.packet_type != 0x18847 &&
        a.packet_type != 0x18848) {
        fail(E::kNxbacBadHeaderType, "encap: packet type {:#x}", a.packet_type);
    }
    check_properties(b.in);
    a.properties = b.in.take_rest();
    b.add(std::move(a));
}

void decode_decap(const ActionBody& b) {
    b.in.skip(2);
    const DecapAction a{b.in.u32()};
    if (!b.in.empty()) fail(E::kNxbacUnknownEdProp, "decap takes no property");
    b.add(a);
}

}  // namespace sluice::openflow
