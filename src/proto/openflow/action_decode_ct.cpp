// SPDX-License-Identifier: Apache-2.0
// Decoding of ct and nat. Source: ovs-actions(7) "The ct action".
#include "proto/openflow/action_decode.hpp"

namespace sluice::openflow {

namespace {

using E = ErrorCode;
enum NatFlag : std::uint16_t { kSrc = 1, kDst = 2, kPersistent = 4, kHash = 8, kRandom = 16 };
enum NatRange : std::uint16_t {
    kIpv4Min = 1,
    kIpv4Max = 2,
    kIpv6Min = 4,
    kIpv6Max = 8,
    kPortMin = 16,
    kPortMax = 32
};

void check_ranges(std::uint16_t flags, std::uint16_t range) {
    const bool any = (flags & (kSrc | kDst)) != 0;
    if ((flags & ~0x1fU) != 0 || (flags & (kSrc | kDst)) == (kSrc | kDst) ||
        (flags & (kHash | kRandom)) == (kHash | kRandom) || (!any && flags != 0)) {
        fail(E::kBacBadArgument, "nat: flags {:#x}", flags);
    }
    const bool v4 = (range & kIpv4Min) != 0, v6 = (range & kIpv6Min) != 0;
    if (range != 0 &&
        (!any || v4 == v6 || ((range & kIpv4Max) != 0 && !v4) || ((range & kIpv6Max) != 0 && !v6) ||
         ((range & kPortMax) != 0 && (range & kPortMin) == 0))) {
        fail(E::kBacBadArgument, "nat: range {:#x}", range);
    }
}

}  // namespace

void decode_nat(const ActionBody& b) {
    b.in.zeros(2, E::kNxbacMustBeZero);
    const std::uint16_t flags = b.in.u16(), range = b.in.u16();
    check_ranges(flags, range);
    NatAction a;
    a.src = (flags & kSrc) != 0;
    a.dst = (flags & kDst) != 0;
    a.persistent = (flags & kPersistent) != 0;
    a.protocol_hash = (flags & kHash) != 0;
    a.protocol_random = (flags & kRandom) != 0;
    a.ipv6 = (range & kIpv6Min) != 0;
    const std::size_t size = a.ipv6 ? 16 : 4;
    if ((range & (kIpv4Min | kIpv6Min)) != 0) a.ip_min = read_wide(b.in, size);
    if ((range & (kIpv4Max | kIpv6Max)) != 0) a.ip_max = read_wide(b.in, size);
    if ((range & kPortMin) != 0) a.port_min = b.in.u16();
    if ((range & kPortMax) != 0) a.port_max = b.in.u16();
    b.add(a);
}

void decode_ct(const ActionBody& b) {
    CtAction a;
    const std::uint16_t flags = b.in.u16();
    Reader zone = b.in;
    if (zone.u32() != 0) {
        // The range stands behind the header.
        Reader ahead = b.in;
        read_oxm_head(ahead, OxmUse::kAction);
        const std::uint16_t range = ahead.u16();
        a.zone_source = read_range(b.in, range, false);
        if (a.zone_source->bits != 16) fail(E::kBacBadSetLen, "ct: zone of {} bits", a.zone_source->bits);
        b.in.skip(2);
    } else {
        b.in.skip(4);
        a.zone_immediate = b.in.u16();
    }
    a.recirc_table = b.in.u8();
    b.in.skip(3);
    a.alg = b.in.u16();
    a.commit = (flags & 1) != 0;
    a.force = (flags & 2) != 0;
    if (a.force && !a.commit) fail(E::kBacBadArgument, "ct: force without commit");
    decode_actions(b.in, {b.scope.version, b.scope.depth + 1}, a.actions);
    b.add(std::move(a));
}

}  // namespace sluice::openflow
