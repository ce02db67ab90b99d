// SPDX-License-Identifier: Apache-2.0
#include "tunnel/received.hpp"

#include <algorithm>
#include <cstring>

#include "base/byte_order.hpp"
#include "packet/offload.hpp"
#include "tunnel/formats.hpp"
#include "wire/checksum.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"
#include "wire/udp.hpp"
#include "wire/vlan.hpp"

namespace sluice::tunnel {

namespace {

constexpr std::uint8_t kEcnMask = 3, kCe = 3;

/// What is left of a frame's first segment, from some offset on.
struct Cursor {
    const std::uint8_t* data;
    std::uint32_t at, end;
    bool has(std::size_t bytes) const { return at + bytes <= end; }
    const std::uint8_t* here() const { return data + at; }
};

/// The outer IP header, if it is one that is not fragmented and of UDP or GRE.
std::uint8_t parse_ip(Cursor& cursor, std::uint32_t frame, Received& out) {
    namespace v4 = wire::ipv4;
    namespace v6 = wire::ipv6;
    const std::uint8_t* ip = cursor.here();
    const std::uint16_t type = load_be16(ip - 2);
    if (type == wire::eth::kTypeIpv4) {
        if (!cursor.has(v4::kMinHeaderBytes)) return 0;
        const std::uint32_t header = (ip[v4::kVersionIhl] & 0xfU) * 4;
        const std::uint32_t total = load_be16(ip + v4::kTotalLength);
        if (header < v4::kMinHeaderBytes || total < header || cursor.at + total > frame ||
            !cursor.has(header) || (load_be16(ip + v4::kFragment) & 0x3fff) != 0)
            return 0;
        out.src = from_ipv4(load_be32(ip + v4::kSrc));
        out.dst = from_ipv4(load_be32(ip + v4::kDst));
        out.tos = ip[v4::kTos];
        out.ttl = ip[v4::kTtl];
        out.end = cursor.at + total;
        cursor.at += header;
        return ip[v4::kProto];
    }
    if (type != wire::eth::kTypeIpv6 || !cursor.has(v6::kHeaderBytes)) return 0;
    const std::uint32_t payload = load_be16(ip + v6::kPayloadLength);
    if (cursor.at + v6::kHeaderBytes + payload > frame) return 0;
    out.src = v6::load_address(ip + v6::kSrc);
    out.dst = v6::load_address(ip + v6::kDst);
    out.tos = static_cast<std::uint8_t>(load_be32(ip) >> v6::kTrafficClassShift);
    out.ttl = ip[v6::kHopLimit];
    cursor.at += v6::kHeaderBytes;
    out.end = cursor.at + payload;
    return ip[v6::kNextHeader];
}

Parse parse_geneve(Cursor& cursor, Received& out) {
    const std::uint8_t* header = cursor.here();
    if (!cursor.has(geneve::kHeaderBytes) || (header[0] & geneve::kVersionMask) != 0)
        return Parse::kMalformed;
    out.options_size = static_cast<std::uint16_t>((header[0] & geneve::kLengthMask) * 4);
    out.options = static_cast<std::uint16_t>(cursor.at + geneve::kHeaderBytes);
    out.oam = header[1] & geneve::kOam;
    out.type = load_be16(header + 2);
    if (out.type != kTypeBridged) return Parse::kMalformed;
    out.id = load_be32(header + 4) >> 8;
    out.has_key = true;
    cursor.at += static_cast<std::uint32_t>(geneve::kHeaderBytes + out.options_size);
    return Parse::kTunnel;
}

Parse parse_vxlan(Cursor& cursor, Received& out) {
    const std::uint8_t* header = cursor.here();
    if (!cursor.has(vxlan::kHeaderBytes)) return Parse::kMalformed;
    out.vxlan_flags = load_be32(header);
    if ((out.vxlan_flags & vxlan::kHasId) == 0 || header[7] != 0) return Parse::kMalformed;
    out.id = load_be32(header + 4) >> 8;
    out.has_key = true;
    out.type = kTypeBridged;
    cursor.at += vxlan::kHeaderBytes;
    return Parse::kTunnel;
}

Parse parse_gtpu(Cursor& cursor, Received& out) {
    const std::uint8_t* header = cursor.here();
    if (!cursor.has(gtpu::kHeaderBytes) || (header[0] & gtpu::kVersionMask) != gtpu::kVersion1)
        return Parse::kMalformed;
    out.gtpu_flags = header[0];
    out.gtpu_type = header[1];
    if (out.gtpu_type != gtpu::kData) return Parse::kMalformed;  // control traffic has no packet inside
    out.id = load_be32(header + 4);
    out.has_key = true;
    cursor.at += gtpu::kHeaderBytes;
    if (out.gtpu_flags & gtpu::kOptionalMask) {
        if (!cursor.has(4)) return Parse::kMalformed;
        std::uint8_t next = out.gtpu_flags & gtpu::kExtension ? cursor.here()[3] : 0;
        cursor.at += 4;
        while (next != 0) {  // a length in words of four bytes first, the type of the next one last
            if (!cursor.has(4)) return Parse::kMalformed;
            const std::uint32_t length = cursor.here()[0] * 4U;
            if (length == 0 || !cursor.has(length)) return Parse::kMalformed;
            next = cursor.here()[length - 1];
            cursor.at += length;
        }
    }
    if (!cursor.has(1)) return Parse::kMalformed;
    out.type = cursor.here()[0] >> 4 == 6 ? wire::eth::kTypeIpv6 : wire::eth::kTypeIpv4;
    return Parse::kTunnel;
}

Parse parse_erspan(Cursor& cursor, Received& out) {
    const bool third = out.type == kTypeErspan3;
    const std::size_t size = third ? erspan::kHeaderBytes3 : erspan::kHeaderBytes;
    const std::uint8_t* header = cursor.here();
    if (!cursor.has(size)) return Parse::kMalformed;
    out.kind = Kind::kErspan;
    out.erspan_version = header[0] >> 4;
    if (out.erspan_version != (third ? 2 : 1)) return Parse::kMalformed;
    out.id = load_be16(header + 2) & erspan::kSessionMask;
    out.has_key = true;
    if (third) {
        out.erspan_hardware = static_cast<std::uint8_t>(load_be32(header + 8) >> 4 & 0x3f);
        out.erspan_direction = static_cast<std::uint8_t>(load_be32(header + 8) >> 3 & 1);
    } else {
        out.erspan_index = load_be32(header + 4) & 0xfffff;
    }
    out.type = kTypeBridged;
    cursor.at += static_cast<std::uint32_t>(size);
    return Parse::kTunnel;
}

Parse parse_gre(Cursor& cursor, Received& out) {
    const std::uint8_t* header = cursor.here();
    if (!cursor.has(gre::kHeaderBytes)) return Parse::kMalformed;
    const std::uint16_t flags = load_be16(header);
    out.type = load_be16(header + 2);
    out.kind = Kind::kGre;
    if ((flags & ~gre::kKnown) != 0 || !cursor.has(gre::size_of(flags))) return Parse::kMalformed;
    out.checksum = flags & gre::kChecksum;
    out.has_key = flags & gre::kKey;
    if (out.has_key) out.id = load_be32(header + gre::sequence_at(flags) - 4);
    cursor.at += static_cast<std::uint32_t>(gre::size_of(flags));
    if (out.type == kTypeErspan2 || out.type == kTypeErspan3) return parse_erspan(cursor, out);
    return Parse::kTunnel;
}

}  // namespace

Parse parse(const Packet* packet, const std::vector<Listener>& listeners, bool gre, Received& out) noexcept {
    Cursor cursor{rte_pktmbuf_mtod(packet, const std::uint8_t*), wire::eth::kHeaderBytes, packet->data_len};
    if (!cursor.has(wire::ipv4::kMinHeaderBytes)) return Parse::kOther;
    static_cast<ReceivedHeaders&>(out) = {};
    out.l3 = wire::eth::kHeaderBytes;
    const std::uint8_t proto = parse_ip(cursor, packet->pkt_len, out);
    out.transport = static_cast<std::uint16_t>(cursor.at);
    Parse result = Parse::kOther;
    if (proto == kProtoUdp) {
        if (!cursor.has(wire::udp::kHeaderBytes)) return Parse::kOther;
        const std::uint8_t* udp = cursor.here();
        out.udp_port = load_be16(udp + wire::udp::kDst);
        const auto found = std::find_if(listeners.begin(), listeners.end(), [&](const Listener& listener) {
            return listener.udp_port == out.udp_port;
        });
        if (found == listeners.end()) return Parse::kOther;
        const std::uint32_t length = load_be16(udp + wire::udp::kLength);
        if (length < wire::udp::kHeaderBytes || cursor.at + length > out.end) return Parse::kMalformed;
        out.end = cursor.at + length;
        out.checksum = load_be16(udp + wire::udp::kChecksum) != 0;
        out.kind = found->kind;
        cursor.at += wire::udp::kHeaderBytes;
        result = out.kind == Kind::kGeneve  ? parse_geneve(cursor, out)
                 : out.kind == Kind::kVxlan ? parse_vxlan(cursor, out)
                                            : parse_gtpu(cursor, out);
    } else if (proto == kProtoGre && gre) {
        result = parse_gre(cursor, out);
    }
    if (result != Parse::kTunnel) return result;
    const std::uint32_t least = out.type == kTypeBridged ? wire::eth::kHeaderBytes : 1;
    if (cursor.at + least > cursor.end || cursor.at + least > out.end) return Parse::kMalformed;
    out.inner = static_cast<std::uint16_t>(cursor.at);
    return Parse::kTunnel;
}

bool checksum_holds(const Packet* packet, const Received& received) noexcept {
    if (!received.checksum || needs_checksum(packet)) return true;
    const std::uint32_t size = received.end - received.transport;
    const std::uint16_t sum = sum_frame(packet, received.transport, size);
    if (received.udp_port == 0) return wire::finish_sum(sum) == 0;
    const auto* ip = rte_pktmbuf_mtod_offset(packet, const std::uint8_t*, received.l3);
    const std::uint32_t pseudo = is_ipv4(received.dst)
                                     ? wire::pseudo_sum<wire::Ipv4Family>(
                                           ip + wire::ipv4::kSrc, ip + wire::ipv4::kDst, kProtoUdp, size)
                                     : wire::pseudo_sum<wire::Ipv6Family>(
                                           ip + wire::ipv6::kSrc, ip + wire::ipv6::kDst, kProtoUdp, size);
    return wire::finish_sum(wire::add_sums(sum, pseudo)) == 0;
}

bool is_acceptable(const Config& config, const Received& received) noexcept {
    if (config.kind == Kind::kVxlan) {
        const std::uint32_t flags = received.vxlan_flags;
        if (config.gpe) {
            const std::uint32_t next = flags & 0xff;
            return (flags & vxlan::kHasProtocol) != 0 && (flags & vxlan::kVersionMask) == 0 &&
                   (config.layer3 ? next == vxlan::kNextIpv4 || next == vxlan::kNextIpv6
                                  : next == vxlan::kNextEthernet);
        }
        return config.gbp || flags == vxlan::kHasId;
    }
    if (config.layer3) return received.type == wire::eth::kTypeIpv4 || received.type == wire::eth::kTypeIpv6;
    return received.type == kTypeBridged;
}

bool to_key(const Config& config, const Received& received, const GeneveOptions* options,
            FlowKey& key) noexcept {
    key.set(key::kTunId, received.id);
    if (is_ipv4(received.dst)) {
        key.set(key::kTunSrc, received.src.lo & 0xffffffff);
        key.set(key::kTunDst, received.dst.lo & 0xffffffff);
    } else {
        key.set_wide(key::kTunIpv6Src, received.src);
        key.set_wide(key::kTunIpv6Dst, received.dst);
    }
    key.set(key::kTunTos, received.tos);
    key.set(key::kTunTtl, received.ttl);
    key.set(key::kTunFlags, std::uint64_t{received.oam ? kFlagOam : 0U} |
                                (received.checksum ? kFlagChecksum : 0U) |
                                (received.has_key ? kFlagKey : 0U));
    if (config.gbp && (received.vxlan_flags & vxlan::kHasPolicy) != 0) {
        key.set(key::kTunGbpId, received.vxlan_flags & 0xffff);
        key.set(key::kTunGbpFlags, received.vxlan_flags >> 16 & 0xff);
    }
    if (received.kind == Kind::kErspan) {
        key.set(key::kTunErspanVer, received.erspan_version);
        key.set(key::kTunErspanIdx, received.erspan_index);
        key.set(key::kTunErspanDir, received.erspan_direction);
        key.set(key::kTunErspanHwid, received.erspan_hardware);
    }
    if (received.kind == Kind::kGtpu) {
        key.set(key::kTunGtpuFlags, received.gtpu_flags);
        key.set(key::kTunGtpuMsgtype, received.gtpu_type);
    }
    if (received.options_size == 0) return true;
    const std::span list(received.option_bytes, received.options_size);
    return options ? options->read(list, key) : GeneveOptions::may_be_ignored(list);
}

bool pull(Packet* packet, const Config& config, const Received& received) noexcept {
    if (is_gso(packet)) return false;  // marks of a datagram that was several tunnel packets at once
    packet->ol_flags &= ~std::uint64_t{RTE_MBUF_F_TX_L4_MASK};
    if (packet->pkt_len > received.end) {
        const std::uint32_t padding = packet->pkt_len - received.end;
        if (padding > 0xffff || rte_pktmbuf_trim(packet, static_cast<std::uint16_t>(padding)) != 0)
            return false;
    }
    if (!rte_pktmbuf_adj(packet, received.inner)) return false;
    if (!config.layer3) return true;
    std::uint16_t type = received.type;
    if (config.gpe)
        type =
            (received.vxlan_flags & 0xff) == vxlan::kNextIpv6 ? wire::eth::kTypeIpv6 : wire::eth::kTypeIpv4;
    // The outer headers were longer than an Ethernet header, and what stood there is not read any more.
    auto* ethernet = reinterpret_cast<std::uint8_t*>(rte_pktmbuf_prepend(packet, wire::eth::kHeaderBytes));
    if (!ethernet) return false;
    std::memset(ethernet, 0, wire::eth::kType);
    store_be16(ethernet + wire::eth::kType, type);
    return true;
}

bool merge_congestion(Packet* packet, std::uint8_t outer_tos) noexcept {
    if ((outer_tos & kEcnMask) != kCe) return true;
    auto* frame = rte_pktmbuf_mtod(packet, std::uint8_t*);
    std::uint32_t at = wire::eth::kType;
    while (at + 2 + wire::vlan::kTagBytes <= packet->data_len && wire::vlan::is_tpid(load_be16(frame + at)))
        at += wire::vlan::kTagBytes;
    const std::uint16_t type = load_be16(frame + at);
    std::uint8_t* ip = frame + at + 2;
    if (type == wire::eth::kTypeIpv4 && at + 2 + wire::ipv4::kMinHeaderBytes <= packet->data_len) {
        const std::uint8_t before = ip[wire::ipv4::kTos];
        if ((before & kEcnMask) == 0) return false;
        ip[wire::ipv4::kTos] = before | kCe;
        store_be16(ip + wire::ipv4::kChecksum,
                   wire::update_checksum16(load_be16(ip + wire::ipv4::kChecksum), before, before | kCe));
        return true;
    }
    if (type == wire::eth::kTypeIpv6 && at + 2 + wire::ipv6::kHeaderBytes <= packet->data_len) {
        constexpr std::uint32_t kEcnBits = std::uint32_t{kCe} << wire::ipv6::kTrafficClassShift;
        const std::uint32_t before = load_be32(ip);
        if ((before & kEcnBits) == 0) return false;
        store_be32(ip, before | kEcnBits);
        return true;
    }
    return true;  // nothing that ECN is about
}

}  // namespace sluice::tunnel
