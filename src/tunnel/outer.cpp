// SPDX-License-Identifier: Apache-2.0
#include "tunnel/outer.hpp"

#include <cstring>
#include <iterator>

#include "base/byte_order.hpp"
#include "base/hash.hpp"
#include "packet/offload.hpp"
#include "packet/pool.hpp"
#include "tunnel/formats.hpp"
#include "wire/checksum.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"
#include "wire/udp.hpp"

namespace sluice::tunnel {

namespace {

constexpr std::uint8_t kEctMask = 3, kEct0 = 2, kCe = 3;

bool is_ip(std::uint64_t eth_type) {
    return eth_type == wire::eth::kTypeIpv4 || eth_type == wire::eth::kTypeIpv6;
}

/// TOS of the outer header: ECN is always inherited, but that a mark of congestion is not (RFC 6040 §4.1,
/// compatibility mode).
std::uint8_t outer_tos(std::uint8_t tos, bool inherit, const Inner& inner) {
    if (!inner.ip) return tos;
    if (inherit) tos = inner.tos & ~kEctMask;
    return tos | ((inner.tos & kEctMask) == kCe ? kEct0 : inner.tos & kEctMask);
}

std::uint16_t source_port(std::uint16_t first, std::uint16_t count, std::uint64_t hash) {
    return static_cast<std::uint16_t>(first + ((hash & 0xffffffff) * count >> 32));
}

std::uint16_t count_of(const NextHop& hop) {
    return static_cast<std::uint16_t>(hop.last_port - hop.first_port + 1);
}

std::uint64_t hash_of(std::uint64_t link, std::uint64_t network, std::uint64_t transport) {
    const std::uint64_t words[] = {link, network, transport};
    return hash_words(process_hash_key(), words, std::size(words));
}

std::uint8_t* put_ip(Outer& out, const NextHop& hop, Address from, Address to, std::uint8_t proto,
                     std::uint8_t tos, std::uint8_t ttl) {
    namespace v4 = wire::ipv4;
    namespace v6 = wire::ipv6;
    std::memcpy(out.bytes, hop.ethernet.data(), hop.ethernet.size());
    std::uint8_t* ip = out.bytes + wire::eth::kHeaderBytes;
    out.ipv6 = !is_ipv4(to);
    store_be16(out.bytes + wire::eth::kType, out.ipv6 ? wire::eth::kTypeIpv6 : wire::eth::kTypeIpv4);
    if (out.ipv6) {
        store_be32(ip, 0x60000000U | std::uint32_t{tos} << wire::ipv6::kTrafficClassShift);
        ip[v6::kNextHeader] = proto;
        ip[v6::kHopLimit] = ttl;
        v6::store_address(ip + v6::kSrc, from);
        v6::store_address(ip + v6::kDst, to);
        return ip + v6::kHeaderBytes;
    }
    std::memset(ip, 0, v4::kMinHeaderBytes);
    ip[v4::kVersionIhl] = 0x45;
    ip[v4::kTos] = tos;
    store_be16(ip + v4::kFragment, out.dont_fragment ? v4::kDontFragment : 0);
    ip[v4::kTtl] = ttl;
    ip[v4::kProto] = proto;
    store_be32(ip + v4::kSrc, static_cast<std::uint32_t>(from.lo));
    store_be32(ip + v4::kDst, static_cast<std::uint32_t>(to.lo));
    return ip + v4::kMinHeaderBytes;
}

std::uint8_t* put_udp(Outer& out, std::uint8_t* at, const Config& config, const NextHop& hop,
                      const Inner& inner) {
    store_be16(at + wire::udp::kSrc, source_port(hop.first_port, count_of(hop), inner.hash));
    store_be16(at + wire::udp::kDst, config.udp_port);
    store_be32(at + wire::udp::kLength, 0);
    out.checksum = config.checksum || out.ipv6;
    return at + wire::udp::kHeaderBytes;
}

std::uint8_t* put_geneve(std::uint8_t* at, const FlowKey& key, std::uint64_t id,
                         const GeneveOptions* options) {
    std::uint8_t list[kMaxOptionBytes];
    bool critical = false;
    const unsigned size = options && key.get(key::kTunPresent) != 0 ? options->write(key, list, critical) : 0;
    const bool oam = key.get(key::kTunFlags) & kFlagOam;
    at[0] = static_cast<std::uint8_t>(size / 4);
    at[1] = static_cast<std::uint8_t>((oam ? geneve::kOam : 0) | (critical ? geneve::kCritical : 0));
    store_be16(at + 2, kTypeBridged);
    store_be32(at + 4, static_cast<std::uint32_t>(id) << 8);
    std::memcpy(at + geneve::kHeaderBytes, list, size);
    return at + geneve::kHeaderBytes + size;
}

std::uint8_t* put_vxlan(std::uint8_t* at, const Config& config, const FlowKey& key, std::uint64_t id) {
    std::uint32_t flags = vxlan::kHasId;
    if (config.gpe) {
        const std::uint64_t type = key.get(key::kEthType);
        const std::uint32_t next = !config.layer3                 ? vxlan::kNextEthernet
                                   : type == wire::eth::kTypeIpv4 ? vxlan::kNextIpv4
                                                                  : vxlan::kNextIpv6;
        flags |= vxlan::kHasProtocol | next;
    } else if (config.gbp) {
        flags |= vxlan::kHasPolicy | static_cast<std::uint32_t>(key.get(key::kTunGbpFlags)) << 16 |
                 static_cast<std::uint32_t>(key.get(key::kTunGbpId));
    }
    store_be32(at, flags);
    store_be32(at + 4, static_cast<std::uint32_t>(id) << 8);
    return at + vxlan::kHeaderBytes;
}

std::uint8_t* put_gre(Outer& out, std::uint8_t* at, const Config& config, std::uint64_t id,
                      std::uint16_t type) {
    std::uint16_t flags = 0;
    std::uint8_t* field = at + gre::kHeaderBytes;
    out.checksum = config.checksum;
    if (config.checksum) {
        flags |= gre::kChecksum;
        store_be32(field, 0);
        field += 4;
    }
    if (config.out_key.present) {
        flags |= gre::kKey;
        store_be32(field, static_cast<std::uint32_t>(id));
        field += 4;
    }
    if (config.sequence) {
        flags |= gre::kSequence;
        out.sequence = true;
        field += 4;
    }
    store_be16(at, flags);
    store_be16(at + 2, type);
    return field;
}

std::uint8_t* put_erspan(Outer& out, std::uint8_t* at, const Config& config, const FlowKey& key,
                         std::uint64_t id) {
    const auto version =
        config.erspan_flow ? static_cast<std::uint8_t>(key.get(key::kTunErspanVer)) : config.erspan_version;
    const bool second = version == 2;
    store_be16(at, gre::kSequence);
    store_be16(at + 2, second ? kTypeErspan3 : kTypeErspan2);
    out.sequence = true;
    std::uint8_t* header = at + gre::kHeaderBytes + 4;
    store_be16(header, static_cast<std::uint16_t>(version << 12));
    store_be16(header + 2, static_cast<std::uint16_t>(id & erspan::kSessionMask));
    if (!second) {
        store_be32(header + 4, config.erspan_flow ? static_cast<std::uint32_t>(key.get(key::kTunErspanIdx))
                                                  : config.erspan_index);
        return header + erspan::kHeaderBytes;
    }
    const auto hardware = config.erspan_flow ? static_cast<std::uint32_t>(key.get(key::kTunErspanHwid))
                                             : config.erspan_hardware;
    const auto direction = config.erspan_flow ? static_cast<std::uint32_t>(key.get(key::kTunErspanDir))
                                              : config.erspan_direction;
    store_be32(header + 4, 0);  // no time is told
    store_be32(header + 8, (hardware & 0x3f) << 4 | (direction & 1) << 3);
    return header + erspan::kHeaderBytes3;
}

}  // namespace

Address remote_of(const Config& config, const FlowKey& key) noexcept {
    if (config.remote) return *config.remote;
    const auto ipv4 = static_cast<std::uint32_t>(key.get(key::kTunDst));
    return ipv4 != 0 ? from_ipv4(ipv4) : key.get_wide(key::kTunIpv6Dst);
}

Address local_of(const Config& config, const FlowKey& key) noexcept {
    if (!config.local_flow) return config.local.value_or(Address{});
    const auto ipv4 = static_cast<std::uint32_t>(key.get(key::kTunSrc));
    if (ipv4 != 0) return from_ipv4(ipv4);
    return key.get_wide(key::kTunIpv6Src);
}

bool build(const Config& config, const NextHop& hop, const FlowKey& key, const GeneveOptions* options,
           Outer& out) noexcept {
    const std::uint64_t eth_type = key.get(key::kEthType);
    const Inner inner = inner_of(key);
    out.sequence = out.length = out.checksum = false;
    out.layer3 = config.layer3;
    if (config.layer3 && (!inner.ip || (key.get(key::kVlanTci) & kVlanPresent))) return false;
    out.dont_fragment = config.dont_fragment;
    out.udp = config.udp_port != 0;
    out.egress = hop.egress;
    out.enters = hop.enters;
    out.mtu = hop.mtu;
    const Address to = remote_of(config, key);
    const Address wished = local_of(config, key);
    const std::uint8_t proto = out.udp ? kProtoUdp : kProtoGre;
    const std::uint8_t ttl = config.ttl_inherit && inner.ip ? inner.ttl : config.ttl;
    const std::uint8_t tos = outer_tos(config.tos, config.tos_inherit, inner);
    std::uint8_t* at = put_ip(out, hop, wished.is_zero() ? hop.source : wished, to, proto, tos, ttl);
    out.transport = static_cast<std::uint16_t>(at - out.bytes);
    if (out.udp) at = put_udp(out, at, config, hop, inner);
    const std::uint64_t id = config.out_key.flow      ? key.get(key::kTunId)
                             : config.out_key.present ? config.out_key.value
                                                      : 0;
    switch (config.kind) {
        case Kind::kGeneve:
            at = put_geneve(at, key, id, options);
            break;
        case Kind::kVxlan:
            at = put_vxlan(at, config, key, id);
            break;
        case Kind::kGre:
            at = put_gre(out, at, config, id,
                         config.layer3 ? static_cast<std::uint16_t>(eth_type) : kTypeBridged);
            break;
        case Kind::kErspan:
            at = put_erspan(out, at, config, key, id);
            break;
        case Kind::kGtpu:
            at[0] = gtpu::kVersion1;
            at[1] = gtpu::kData;
            store_be16(at + 2, 0);
            store_be32(at + 4, static_cast<std::uint32_t>(id));
            out.length = true;
            at += gtpu::kHeaderBytes;
            break;
    }
    out.size = static_cast<std::uint16_t>(at - out.bytes);
    return true;
}

namespace {

/// `size` bytes more in front. The packet's mbuf stays the first one, as others hold it: without headroom its
/// data moves back within the segment, or partly into one more behind it. Null: no memory, or data that is
/// shared.
std::uint8_t* make_room(Packet* packet, std::uint16_t size) noexcept {
    if (char* start = rte_pktmbuf_prepend(packet, size)) return reinterpret_cast<std::uint8_t*>(start);
    if (!RTE_MBUF_DIRECT(packet) || rte_mbuf_refcnt_read(packet) != 1) return nullptr;
    if (rte_pktmbuf_tailroom(packet) >= size && packet->nb_segs == 1) {
        auto* data = rte_pktmbuf_mtod(packet, std::uint8_t*);
        std::memmove(data + size, data, packet->data_len);
        packet->data_len = static_cast<std::uint16_t>(packet->data_len + size);
        packet->pkt_len += size;
        return data;
    }
    const std::uint32_t moved = packet->data_len;
    const std::uint32_t room = moved + rte_pktmbuf_tailroom(packet);
    if (room < size || size + moved > 65535U) return nullptr;
    Packet* rest = packet_alloc_large();
    if (!rest) return nullptr;
    if (moved > rte_pktmbuf_tailroom(rest)) {
        packet_free(rest);
        return nullptr;
    }
    // What fits behind the new headers stays in the first segment, the rest goes into the second.
    auto* data = rte_pktmbuf_mtod(packet, std::uint8_t*);
    const std::uint32_t stays = room - size < moved ? room - size : moved;
    std::memcpy(rte_pktmbuf_mtod(rest, std::uint8_t*), data + stays, moved - stays);
    rest->data_len = static_cast<std::uint16_t>(moved - stays);
    std::memmove(data + size, data, stays);
    packet->data_len = static_cast<std::uint16_t>(stays + size);
    packet->pkt_len += size;
    rest->next = packet->next;
    packet->next = rest;
    ++packet->nb_segs;
    return data;
}

}  // namespace

Inner inner_of(const FlowKey& key) noexcept {
    const std::uint64_t ports = key.word[2] & kFragAny ? 0 : key.word[4] >> 32;
    return {is_ip(key.get(key::kEthType)), static_cast<std::uint8_t>(key.get(key::kIpTos)),
            static_cast<std::uint8_t>(key.get(key::kIpTtl)),
            hash_of(key.word[0] ^ key.word[8] ^ key.word[10], key.word[3] ^ key.word[9] ^ key.word[11],
                    ports | (key.word[2] & 0xff000000) << 8)};
}

Inner inner_of_plain(const std::uint64_t* word) noexcept {
    return {true, static_cast<std::uint8_t>(word[2] >> key::kIpTos.shift),
            static_cast<std::uint8_t>(word[2] >> key::kIpTtl.shift),
            hash_of(word[0], word[3], word[4] >> 32 | (word[2] & 0xff000000) << 8)};
}

namespace {
constexpr std::size_t kIpAt = wire::eth::kHeaderBytes;
}

void Template::assign(const Outer& built, const Config& config, const NextHop& hop) noexcept {
    outer = built;
    tos = config.tos;
    ttl = config.ttl;
    tos_inherit = config.tos_inherit;
    ttl_inherit = config.ttl_inherit;
    first_port = hop.first_port;
    port_count = count_of(hop);
    std::uint8_t* ip = outer.bytes + kIpAt;
    if (outer.ipv6) {
        store_be32(ip, 0x60000000);
        ip[wire::ipv6::kHopLimit] = 0;
    } else {
        ip[wire::ipv4::kTos] = ip[wire::ipv4::kTtl] = 0;
        sum = wire::sum_bytes(ip, wire::ipv4::kMinHeaderBytes);
    }
    if (outer.udp) store_be16(outer.bytes + outer.transport + wire::udp::kSrc, 0);
    plain = !outer.ipv6 && !outer.checksum && !outer.sequence && !outer.length && !outer.layer3 &&
            outer.size >= 32 && outer.size <= 64;
}

void Template::fill(const Inner& inner, Outer& out) const noexcept {
    out = outer;
    const std::uint8_t its_tos = outer_tos(tos, tos_inherit, inner);
    const std::uint8_t its_ttl = ttl_inherit && inner.ip ? inner.ttl : ttl;
    std::uint8_t* ip = out.bytes + kIpAt;
    if (out.ipv6) {
        store_be32(ip, 0x60000000U | std::uint32_t{its_tos} << wire::ipv6::kTrafficClassShift);
        ip[wire::ipv6::kHopLimit] = its_ttl;
    } else {
        ip[wire::ipv4::kTos] = its_tos;
        ip[wire::ipv4::kTtl] = its_ttl;
    }
    if (out.udp)
        store_be16(out.bytes + out.transport + wire::udp::kSrc,
                   source_port(first_port, port_count, inner.hash));
}

bool Template::same(const Template& other) const noexcept {
    const Outer& a = outer;
    const Outer& b = other.outer;
    return a.size == b.size && a.transport == b.transport && a.ipv6 == b.ipv6 && a.udp == b.udp &&
           a.checksum == b.checksum && a.sequence == b.sequence && a.length == b.length &&
           a.dont_fragment == b.dont_fragment && a.layer3 == b.layer3 && a.egress == b.egress &&
           a.enters == b.enters && a.mtu == b.mtu && tos == other.tos && ttl == other.ttl &&
           tos_inherit == other.tos_inherit && ttl_inherit == other.ttl_inherit &&
           first_port == other.first_port && port_count == other.port_count &&
           std::memcmp(a.bytes, b.bytes, a.size) == 0;
}

bool push_plain(Packet* packet, const Template& pattern, const Inner& inner) noexcept {
    const Outer& outer = pattern.outer;
    const auto total = static_cast<std::uint32_t>(packet->pkt_len + outer.size - kIpAt);
    if (total > outer.mtu || total > 65535U || rte_pktmbuf_headroom(packet) < outer.size) return false;
    packet->data_off = static_cast<std::uint16_t>(packet->data_off - outer.size);
    packet->data_len = static_cast<std::uint16_t>(packet->data_len + outer.size);
    packet->pkt_len += outer.size;
    auto* frame = rte_pktmbuf_mtod(packet, std::uint8_t*);
    std::memcpy(frame, outer.bytes, 32);
    std::memcpy(frame + outer.size - 32, outer.bytes + outer.size - 32, 32);
    std::uint8_t* ip = frame + kIpAt;
    const std::uint8_t tos = outer_tos(pattern.tos, pattern.tos_inherit, inner);
    const std::uint8_t ttl = pattern.ttl_inherit ? inner.ttl : pattern.ttl;
    ip[wire::ipv4::kTos] = tos;
    ip[wire::ipv4::kTtl] = ttl;
    store_be16(ip + wire::ipv4::kTotalLength, static_cast<std::uint16_t>(total));
    store_be16(ip + wire::ipv4::kChecksum,
               wire::finish_sum(pattern.sum + tos + (std::uint32_t{ttl} << 8) + total));
    if (!outer.udp) return true;
    std::uint8_t* udp = frame + outer.transport;
    store_be16(udp + wire::udp::kSrc, source_port(pattern.first_port, pattern.port_count, inner.hash));
    store_be16(udp + wire::udp::kLength, static_cast<std::uint16_t>(packet->pkt_len - outer.transport));
    return true;
}

bool push(Packet* packet, const Outer& outer, std::uint32_t sequence) noexcept {
    constexpr std::uint16_t kEthernet = wire::eth::kHeaderBytes;
    if (packet->pkt_len + outer.size - kEthernet > 65535U) return false;
    if (outer.layer3 && !rte_pktmbuf_adj(packet, kEthernet)) return false;
    std::uint8_t* frame = make_room(packet, outer.size);
    if (!frame) return false;
    std::memcpy(frame, outer.bytes, outer.size);
    std::uint8_t* ip = frame + kEthernet;
    const auto total = static_cast<std::uint16_t>(packet->pkt_len - kEthernet);
    const auto transport_bytes = static_cast<std::uint16_t>(packet->pkt_len - outer.transport);
    std::uint8_t* transport = frame + outer.transport;
    if (outer.length)
        store_be16(transport + wire::udp::kHeaderBytes + 2,
                   static_cast<std::uint16_t>(packet->pkt_len - outer.size));
    if (outer.ipv6) {
        store_be16(ip + wire::ipv6::kPayloadLength, transport_bytes);
    } else {
        store_be16(ip + wire::ipv4::kTotalLength, total);
        store_be16(ip + wire::ipv4::kChecksum, wire::internet_checksum({ip, wire::ipv4::kMinHeaderBytes}));
    }
    if (outer.udp) store_be16(transport + wire::udp::kLength, transport_bytes);
    if (outer.sequence) {
        const std::uint16_t flags = load_be16(transport);
        store_be32(transport + gre::sequence_at(flags), sequence);
    }
    if (!outer.checksum) return true;
    const std::uint16_t sum = sum_frame(packet, outer.transport, transport_bytes);
    if (!outer.udp) {
        store_be16(transport + gre::kHeaderBytes, wire::finish_sum(sum));
    } else {
        const std::uint32_t pseudo =
            outer.ipv6 ? wire::pseudo_sum<wire::Ipv6Family>(ip + wire::ipv6::kSrc, ip + wire::ipv6::kDst,
                                                            kProtoUdp, transport_bytes)
                       : wire::pseudo_sum<wire::Ipv4Family>(ip + wire::ipv4::kSrc, ip + wire::ipv4::kDst,
                                                            kProtoUdp, transport_bytes);
        store_be16(transport + wire::udp::kChecksum, wire::finish_udp_sum(wire::add_sums(sum, pseudo)));
    }
    return true;
}

}  // namespace sluice::tunnel
