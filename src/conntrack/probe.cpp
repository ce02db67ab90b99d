// SPDX-License-Identifier: Apache-2.0
#include "conntrack/probe.hpp"

#include "base/byte_order.hpp"
#include "wire/checksum.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"
#include "wire/tcp.hpp"

namespace sluice::conntrack {

namespace {

using wire::Bytes;
namespace ip_proto = wire::ip_proto;

constexpr std::uint32_t kIcmpBytes = 8;       // RFC 792
constexpr std::uint32_t kInnerPortBytes = 8;  // of the inner transport header, RFC 792: "64 bits of data"

bool checksum_holds(const Datagram& d) {
    const Bytes body{d.l4, d.l4_bytes};
    if (d.l4_bytes != d.l4_total) return true;  // the rest lies in other segments
    if (!d.v6 && d.proto == ip_proto::kIcmp) return wire::internet_checksum(body) == 0;
    const std::uint32_t pseudo =
        d.v6 ? wire::pseudo_sum<wire::Ipv6Family>(d.l3 + wire::ipv6::kSrc, d.l3 + wire::ipv6::kDst, d.proto,
                                                  d.l4_total)
             : wire::pseudo_sum<wire::Ipv4Family>(d.l3 + wire::ipv4::kSrc, d.l3 + wire::ipv4::kDst, d.proto,
                                                  d.l4_total);
    return wire::finish_sum(wire::add_sums(pseudo, wire::sum_bytes(body))) == 0;
}

bool is_query(std::uint8_t type, bool v6) {
    return answering_type(type, v6) != type;
}
bool is_error(std::uint8_t type, bool v6) {
    if (v6) return type >= 1 && type <= 4;
    return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

/// The key of the packet inside an ICMP error, turned round so that it names packets of the error's
/// direction.
bool examine_inner(const Datagram& outer, std::uint16_t zone, Probe& probe) {
    const Bytes rest{outer.l4 + kIcmpBytes, outer.l4_bytes - kIcmpBytes};
    probe.inner = kIcmpBytes;
    U128 src, dst;
    std::uint8_t proto = 0;
    std::size_t header = 0;
    if (!outer.v6) {
        if (rest.size() < wire::ipv4::kMinHeaderBytes) return false;
        header = (rest[0] & 0xfU) * 4U;
        if (header < wire::ipv4::kMinHeaderBytes || rest.size() < header) return false;
        if (load_be16(&rest[6]) & 0x3fff) return false;  // a fragment
        src = {0, load_be32(&rest[wire::ipv4::kSrc])};
        dst = {0, load_be32(&rest[wire::ipv4::kDst])};
        proto = rest[9];
    } else {
        if (rest.size() < wire::ipv6::kHeaderBytes) return false;
        src = wire::ipv6::load_address(&rest[wire::ipv6::kSrc]);
        dst = wire::ipv6::load_address(&rest[wire::ipv6::kDst]);
        proto = rest[6];
        header = wire::ipv6::kHeaderBytes;
        while (wire::ipv6::is_extension(proto)) {
            if (rest.size() < header + wire::ipv6::kExtMinBytes || proto == ip_proto::kFragment) return false;
            const std::size_t size =
                wire::ipv6::extension_bytes(proto, rest[header + wire::ipv6::kExtLength]);
            proto = rest[header];
            header += size;
            if (header > rest.size()) return false;
        }
    }
    if (!(src == outer.dst)) return false;  // not about a packet of whom it is sent to
    const Bytes l4 = rest.subspan(header);
    probe.inner_l4 = kIcmpBytes + static_cast<std::uint32_t>(header);
    std::uint16_t sport = 0, dport = 0;
    if (proto == ip_proto::kTcp || proto == ip_proto::kUdp) {
        // RFC 4443 §3.1: an error quotes as much as fits, so never less than a header.
        if (l4.size() < (outer.v6 && proto == ip_proto::kTcp ? wire::tcp::kMinHeaderBytes : kInnerPortBytes))
            return false;
        sport = load_be16(&l4[0]);
        dport = load_be16(&l4[2]);
        if (sport == 0 || dport == 0) return false;
    } else if (proto == (outer.v6 ? ip_proto::kIcmpV6 : ip_proto::kIcmp)) {
        if (l4.size() < kIcmpBytes || !is_query(l4[0], outer.v6) || l4[1] != 0) return false;
        sport = load_be16(&l4[4]);
        dport = l4[0];
    } else if (proto == ip_proto::kIcmp || proto == ip_proto::kIcmpV6) {
        return false;
    }
    probe.key = reverse(make_key(src, dst, sport, dport, zone, proto, outer.v6));
    probe.related = true;
    return true;
}

bool examine_icmp(const Datagram& d, std::uint16_t zone, Probe& probe) {
    if (d.l4_bytes < kIcmpBytes || (d.check_l4 && !checksum_holds(d))) return false;
    const std::uint8_t type = d.l4[0];
    if (is_error(type, d.v6)) return examine_inner(d, zone, probe);
    if (!is_query(type, d.v6) || d.l4[1] != 0) return false;
    probe.key = make_key(d.src, d.dst, load_be16(d.l4 + 4), type, zone, d.proto, d.v6);
    return true;
}

bool key_of_packet(const Datagram& d, std::uint16_t zone, Probe& probe) {
    if (!d.l3 || d.fragment || !d.l4) return false;
    if (!d.v6 && d.check_l3) {
        const std::size_t header = (d.l3[0] & 0xfU) * 4U;
        if (wire::internet_checksum({d.l3, header}) != 0) return false;
    }
    switch (d.proto) {
        case ip_proto::kTcp:
            if (d.sport == 0 || d.dport == 0 || (d.check_l4 && !checksum_holds(d))) return false;
            break;
        case ip_proto::kUdp: {
            if (d.sport == 0 || d.dport == 0) return false;
            const std::uint32_t length = load_be16(d.l4 + 4);
            if (length < 8 || length > d.l4_total) return false;
            const bool has_checksum = d.v6 || load_be16(d.l4 + 6) != 0;
            if (has_checksum && d.check_l4 && !checksum_holds(d)) return false;
            break;
        }
        case ip_proto::kIcmp:
            return !d.v6 && examine_icmp(d, zone, probe);
        case ip_proto::kIcmpV6:
            return d.v6 && examine_icmp(d, zone, probe);
        default:
            probe.key = make_key(d.src, d.dst, 0, 0, zone, d.proto, d.v6);
            return true;
    }
    probe.key = make_key(d.src, d.dst, d.sport, d.dport, zone, d.proto, d.v6);
    return true;
}

}  // namespace

void examine(const Datagram& datagram, std::uint16_t zone, Probe& probe) noexcept {
    probe.related = false;
    probe.l4 = datagram.l4;
    probe.l4_bytes = datagram.l4_bytes;
    probe.l4_total = datagram.l4_total;
    probe.valid = key_of_packet(datagram, zone, probe);
}

}  // namespace sluice::conntrack
