// SPDX-License-Identifier: Apache-2.0
// Random frames for differential tests: valid ones that show the fields of a random key (so that random
// rules hit), mutated and truncated ones. The same seed gives the same frames everywhere.
#pragma once

#include <algorithm>

#include "flow/random.hpp"
#include "wire/builder.hpp"
#include "wire/ethernet.hpp"
#include "wire/icmpv6.hpp"
#include "wire/mpls.hpp"

namespace sluice::tests {

/// L4 header and payload that show the key's ports (or type and code).
inline void add_l4(wire::PacketBuilder& b, const FlowKey& k, bool v6, Random& random) {
    const auto src = static_cast<std::uint16_t>(k.get(key::kTpSrc));
    const auto dst = static_cast<std::uint16_t>(k.get(key::kTpDst));
    const auto proto = static_cast<std::uint8_t>(k.get(key::kIpProto));
    switch (proto) {
        case wire::ip_proto::kTcp:
            b.tcp(src, dst, static_cast<std::uint16_t>(k.get(key::kTcpFlags)));
            break;
        case wire::ip_proto::kUdp:
            b.udp(src, dst);
            if (!v6 && random.one_in(4)) b.no_checksum();
            break;
        case wire::ip_proto::kSctp:
            b.sctp(src, dst);
            break;
        case wire::ip_proto::kIcmp:
            b.icmp(static_cast<std::uint8_t>(src), static_cast<std::uint8_t>(dst));
            break;
        case wire::ip_proto::kIcmpV6:
            if (dst == 0 && (src == wire::icmpv6::kNeighborSolicit || src == wire::icmpv6::kNeighborAdvert)) {
                const std::uint64_t link =
                    src == wire::icmpv6::kNeighborSolicit ? k.get(key::kArpSha) : k.get(key::kArpTha);
                b.nd(static_cast<std::uint8_t>(src), "::", link);
                std::uint8_t target[16];
                store_be64(target, k.get_wide(key::kNdTarget).hi);
                store_be64(target + 8, k.get_wide(key::kNdTarget).lo);
                for (unsigned i = 0; i < 16; ++i)
                    b.poke8(wire::icmpv6::kNdTarget + i, target[i]);
                return;
            }
            b.icmpv6(static_cast<std::uint8_t>(src), static_cast<std::uint8_t>(dst));
            break;
        default:
            b.proto(proto);
    }
    b.payload(random.below(40), static_cast<std::uint8_t>(random.below(256)));
    if (random.one_in(16)) b.bad_checksum();
}

/// A valid frame whose parse gives the key's packet fields, as far as a frame can show them.
inline wire::Frame frame_of_key(const FlowKey& k, Random& random) {
    wire::PacketBuilder b;
    const auto type = static_cast<std::uint16_t>(k.get(key::kEthType));
    const bool tag = (k.get(key::kVlanTci) & kVlanPresent) != 0;
    const auto u8 = [&k](FieldLoc f) { return static_cast<std::uint8_t>(k.get(f)); };
    b.eth(k.get(key::kEthSrc), k.get(key::kEthDst));
    const auto add_tag = [&](FieldLoc tci_field, FieldLoc tpid_field) {
        const auto tci = static_cast<std::uint16_t>(k.get(tci_field));
        const auto tpid = static_cast<std::uint16_t>(k.get(tpid_field));
        b.vlan(tci & 0xfff, static_cast<std::uint8_t>(tci >> 13), tpid != 0 ? tpid : wire::eth::kTypeVlan);
    };
    if (tag) add_tag(key::kVlanTci, key::kVlanTpid);
    if (tag && (k.get(key::kVlan1Tci) & kVlanPresent) != 0) add_tag(key::kVlan1Tci, key::kVlan1Tpid);
    const std::uint8_t frag = u8(key::kIpFrag);
    const auto offset = static_cast<std::uint16_t>((frag & kFragLater) != 0 ? 1 + random.below(100) : 0);
    if (type == wire::eth::kTypeIpv4) {
        b.ipv4(static_cast<std::uint32_t>(k.get(key::kIpv4Src)),
               static_cast<std::uint32_t>(k.get(key::kIpv4Dst)), u8(key::kIpTtl), u8(key::kIpTos));
        if (frag != 0) b.fragment(offset, offset == 0 || random.one_in(2));
        const std::uint8_t no_ops[] = {1, 1, 1, 1};
        if (random.one_in(8)) b.options(no_ops);
        if (offset != 0)
            b.proto(u8(key::kIpProto)).payload(24);
        else
            add_l4(b, k, false, random);
    } else if (type == wire::eth::kTypeIpv6) {
        b.ipv6(k.get_wide(key::kIpv6Src), k.get_wide(key::kIpv6Dst), u8(key::kIpTtl), u8(key::kIpTos),
               static_cast<std::uint32_t>(k.get(key::kIpv6Label)));
        if (random.one_in(6)) b.ipv6_ext(wire::ip_proto::kHopByHop, 1 + random.below(3));
        if (random.one_in(12)) b.ipv6_ext(wire::ip_proto::kDestOptions);
        if (frag != 0) b.ipv6_frag(offset, offset == 0 || random.one_in(2));
        if (offset != 0)
            b.payload(24);
        else
            add_l4(b, k, true, random);
    } else if (type == wire::eth::kTypeArp || type == wire::eth::kTypeRarp) {
        b.arp(u8(key::kIpProto), k.get(key::kArpSha), "0.0.0.0", k.get(key::kArpTha), "0.0.0.0",
              type == wire::eth::kTypeRarp);
        const auto spa = static_cast<std::uint32_t>(k.get(key::kIpv4Src));
        const auto tpa = static_cast<std::uint32_t>(k.get(key::kIpv4Dst));
        b.poke16(14, static_cast<std::uint16_t>(spa >> 16)).poke16(16, static_cast<std::uint16_t>(spa));
        b.poke16(24, static_cast<std::uint16_t>(tpa >> 16)).poke16(26, static_cast<std::uint16_t>(tpa));
    } else if (wire::mpls::is_mpls(type)) {
        for (unsigned n = random.below(4), i = 0; i <= n; ++i)
            b.mpls(16 + random.below(4), static_cast<std::uint8_t>(random.below(8)), 64, i == n);
        b.payload(32);
    } else {
        std::uint8_t bytes[2];  // the type, whatever it is: in the place of the header that follows
        store_be16(bytes, type >= wire::eth::kMinType ? type : std::uint16_t{0x88b5});
        wire::Frame frame = b.payload(32).build();
        const std::size_t at =
            wire::eth::kType + (tag ? 4 : 0) + (tag && (k.get(key::kVlan1Tci) & kVlanPresent) != 0 ? 4 : 0);
        std::copy(bytes, bytes + 2, frame.begin() + static_cast<std::ptrdiff_t>(at));
        return frame;
    }
    if (random.one_in(8)) b.pad_to(random.one_in(8) ? 400 : 60);
    return b.build();
}

/// Damages a frame: cut short, bytes changed, or lengthened.
inline void mutate(wire::Frame& frame, Random& random) {
    switch (random.below(4)) {
        case 0:
            frame.resize(random.below(static_cast<std::uint32_t>(frame.size() + 1)));
            break;
        case 1:
            frame.resize(frame.size() + random.below(64));
            break;
        default:
            for (unsigned n = 1 + random.below(3); n > 0 && !frame.empty(); --n) {
                // Headers are where it hurts: mostly the first 64 bytes.
                const auto range = static_cast<std::uint32_t>(std::min<std::size_t>(frame.size(), 64));
                auto& byte = frame[random.below(range)];
                byte = random.one_in(2) ? static_cast<std::uint8_t>(random.next())
                                        : static_cast<std::uint8_t>(byte ^ 1U << random.below(8));
            }
    }
}

/// A frame for a random key of the pools; one of `damaged_one_in` is mutated.
inline wire::Frame random_frame(Random& random, const RandomOptions& options,
                                std::uint32_t damaged_one_in = 5) {
    wire::Frame frame = frame_of_key(random_key(random, options), random);
    if (random.one_in(damaged_one_in)) mutate(frame, random);
    return frame;
}

}  // namespace sluice::tests
