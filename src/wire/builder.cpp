// SPDX-License-Identifier: Apache-2.0
// PacketBuilder: layers are kept apart until build(), which joins them and then fills lengths and
// checksums from the innermost to the outermost.
#include "wire/builder.hpp"

#include <cstdio>
#include <stdexcept>

#include <arpa/inet.h>
#include <fmt/core.h>

#include "wire/arp.hpp"
#include "wire/checksum.hpp"
#include "wire/crc32c.hpp"
#include "wire/ethernet.hpp"
#include "wire/icmp.hpp"
#include "wire/icmpv6.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"
#include "wire/mpls.hpp"
#include "wire/sctp.hpp"
#include "wire/udp.hpp"
#include "wire/vlan.hpp"

namespace sluice::wire {
std::uint64_t mac_of(std::string_view text) {
    unsigned b[6];
    char extra = 0;
    const std::string copy{text};
    if (std::sscanf(copy.c_str(), "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5],
                    &extra) != 6)
        throw std::invalid_argument(fmt::format("bad Ethernet address \"{}\"", text));
    std::uint64_t mac = 0;
    for (const unsigned byte : b)
        mac = mac << 8 | byte;
    return mac;
}

std::uint32_t ipv4_of(std::string_view text) {
    std::uint8_t bytes[4];
    if (inet_pton(AF_INET, std::string{text}.c_str(), bytes) != 1)
        throw std::invalid_argument(fmt::format("bad IPv4 address \"{}\"", text));
    return load_be32(bytes);
}

U128 ipv6_of(std::string_view text) {
    std::uint8_t bytes[16];
    if (inet_pton(AF_INET6, std::string{text}.c_str(), bytes) != 1)
        throw std::invalid_argument(fmt::format("bad IPv6 address \"{}\"", text));
    return ipv6::load_address(bytes);
}

Frame frame_from_hex(std::string_view text) {
    Frame frame;
    int high = -1;
    for (const char c : text) {
        int digit;
        if (c >= '0' && c <= '9')
            digit = c - '0';
        else if (c >= 'a' && c <= 'f')
            digit = c - 'a' + 10;
        else if (c >= 'A' && c <= 'F')
            digit = c - 'A' + 10;
        else if (c == ' ' || c == '\n' || c == '\t' || c == '\r')
            continue;
        else
            throw std::invalid_argument(fmt::format("bad hex digit '{}'", c));
        if (high < 0) {
            high = digit;
        } else {
            frame.push_back(static_cast<std::uint8_t>(high << 4 | digit));
            high = -1;
        }
    }
    if (high >= 0) throw std::invalid_argument("odd number of hex digits");
    return frame;
}

std::string hex_of(Bytes bytes) {
    std::string text;
    for (const std::uint8_t byte : bytes)
        text += fmt::format("{:02x}", byte);
    return text;
}

PacketBuilder::Layer& PacketBuilder::add(Kind kind, std::size_t size, int own_type) {
    Layer layer;
    layer.kind = kind;
    layer.bytes.resize(size);
    layer.own_type = own_type;
    layers_.push_back(std::move(layer));
    return layers_.back();
}

PacketBuilder::Layer& PacketBuilder::last() {
    if (layers_.empty()) throw std::invalid_argument("PacketBuilder: a knob needs a header before it");
    return layers_.back();
}

PacketBuilder::Layer& PacketBuilder::last(Kind a, Kind b, const char* what) {
    Layer& layer = last();
    if (layer.kind != a && layer.kind != b)
        throw std::invalid_argument(fmt::format("PacketBuilder: {} doesn't apply to the last header", what));
    return layer;
}

PacketBuilder& PacketBuilder::eth(std::uint64_t src, std::uint64_t dst, std::uint16_t type) {
    Layer& layer = add(Kind::kEth, eth::kHeaderBytes);
    store_mac(&layer.bytes[eth::kDst], dst);
    store_mac(&layer.bytes[eth::kSrc], src);
    store_be16(&layer.bytes[eth::kType], type);
    layer.next_fixed = type != 0;
    return *this;
}
PacketBuilder& PacketBuilder::eth(std::string_view src, std::string_view dst, std::uint16_t type) {
    return eth(mac_of(src), mac_of(dst), type);
}
PacketBuilder& PacketBuilder::llc(std::uint8_t dsap, std::uint8_t ssap, std::uint8_t control) {
    add(Kind::kLlc, 3).bytes = {dsap, ssap, control};
    return *this;
}
PacketBuilder& PacketBuilder::snap(std::uint16_t type) {
    Layer& layer = add(Kind::kSnap, eth::kSnapBytes);
    layer.bytes = {0xaa, 0xaa, 0x03, 0, 0, 0, 0, 0};
    store_be16(&layer.bytes[eth::kSnapType], type);
    layer.next_fixed = type != 0;
    return *this;
}
PacketBuilder& PacketBuilder::vlan(std::uint16_t vid, std::uint8_t pcp, std::uint16_t tpid, bool dei) {
    // The layer is TCI and inner type; the TPID stands in the type field before it.
    Layer& layer = add(Kind::kVlan, vlan::kTagBytes, tpid);
    store_be16(&layer.bytes[0],
               static_cast<std::uint16_t>(vlan::make_tci(vid, pcp) | (dei ? vlan::kDeiBit : 0)));
    return *this;
}
PacketBuilder& PacketBuilder::mpls(std::uint32_t label, std::uint8_t tc, std::uint8_t ttl, bool bottom) {
    store_be32(add(Kind::kMpls, mpls::kLseBytes, eth::kTypeMpls).bytes.data(),
               mpls::make_lse(label, tc, bottom, ttl));
    return *this;
}
PacketBuilder& PacketBuilder::arp(std::uint16_t opcode, std::uint64_t sha, std::string_view spa,
                                  std::uint64_t tha, std::string_view tpa, bool rarp) {
    auto& b = add(Kind::kArp, arp::kBytes, rarp ? eth::kTypeRarp : eth::kTypeArp).bytes;
    store_be16(&b[arp::kHardware], arp::kHardwareEthernet);
    store_be16(&b[arp::kProtocol], eth::kTypeIpv4);
    b[arp::kHardwareBytes] = 6;
    b[arp::kProtocolBytes] = 4;
    store_be16(&b[arp::kOpcode], opcode);
    store_mac(&b[arp::kSha], sha);
    store_be32(&b[arp::kSpa], ipv4_of(spa));
    store_mac(&b[arp::kTha], tha);
    store_be32(&b[arp::kTpa], ipv4_of(tpa));
    return *this;
}
PacketBuilder& PacketBuilder::ipv4(std::string_view src, std::string_view dst, std::uint8_t ttl,
                                   std::uint8_t tos) {
    return ipv4(ipv4_of(src), ipv4_of(dst), ttl, tos);
}
PacketBuilder& PacketBuilder::ipv4(std::uint32_t src, std::uint32_t dst, std::uint8_t ttl, std::uint8_t tos) {
    auto& b = add(Kind::kIpv4, ipv4::kMinHeaderBytes, eth::kTypeIpv4).bytes;
    b[ipv4::kVersionIhl] = 0x45;
    b[ipv4::kTos] = tos;
    store_be16(&b[ipv4::kFragment], ipv4::kDontFragment);
    b[ipv4::kTtl] = ttl;
    b[ipv4::kProto] = 253;  // "experimentation" (RFC 3692) unless something follows
    store_be32(&b[ipv4::kSrc], src);
    store_be32(&b[ipv4::kDst], dst);
    return *this;
}
PacketBuilder& PacketBuilder::ipv6(std::string_view src, std::string_view dst, std::uint8_t hop_limit,
                                   std::uint8_t traffic_class, std::uint32_t label) {
    return ipv6(ipv6_of(src), ipv6_of(dst), hop_limit, traffic_class, label);
}
PacketBuilder& PacketBuilder::ipv6(U128 src, U128 dst, std::uint8_t hop_limit, std::uint8_t traffic_class,
                                   std::uint32_t label) {
    auto& b = add(Kind::kIpv6, ipv6::kHeaderBytes, eth::kTypeIpv6).bytes;
    store_be32(&b[ipv6::kFlow], 6U << 28 | std::uint32_t{traffic_class} << 20 | (label & ipv6::kLabelMask));
    b[ipv6::kNextHeader] = ip_proto::kNoNext;
    b[ipv6::kHopLimit] = hop_limit;
    ipv6::store_address(&b[ipv6::kSrc], src);
    ipv6::store_address(&b[ipv6::kDst], dst);
    return *this;
}
PacketBuilder& PacketBuilder::ipv6_ext(std::uint8_t type, unsigned units) {
    if (units < 1 || units > 256) throw std::invalid_argument("ipv6_ext: 1 to 256 units");
    auto& b = add(Kind::kIpv6Ext, units * ipv6::kExtMinBytes, type).bytes;
    b[ipv6::kExtNext] = ip_proto::kNoNext;
    b[ipv6::kExtLength] = static_cast<std::uint8_t>(type == ip_proto::kAh ? units * 2 - 2 : units - 1);
    if (type != ip_proto::kAh && units * 8 - 4 <= 255) {  // one PadN option fills it (RFC 8200 §4.2)
        b[2] = 1;
        b[3] = static_cast<std::uint8_t>(units * 8 - 4);
    }
    return *this;
}
PacketBuilder& PacketBuilder::ipv6_frag(std::uint16_t offset_units, bool more, std::uint32_t id_value) {
    Layer& layer = add(Kind::kIpv6Frag, ipv6::kFragmentBytes, ip_proto::kFragment);
    layer.bytes[ipv6::kFragmentNext] = ip_proto::kNoNext;
    layer.later_fragment = offset_units != 0;
    store_be16(&layer.bytes[ipv6::kFragmentOffset],
               static_cast<std::uint16_t>(offset_units << 3 | (more ? 1 : 0)));
    store_be32(&layer.bytes[ipv6::kFragmentId], id_value);
    return *this;
}
PacketBuilder& PacketBuilder::tcp(std::uint16_t src, std::uint16_t dst, std::uint16_t flags) {
    auto& b = add(Kind::kTcp, tcp::kMinHeaderBytes, ip_proto::kTcp).bytes;
    store_be16(&b[tcp::kSrc], src);
    store_be16(&b[tcp::kDst], dst);
    store_be32(&b[tcp::kSeq], 1000);
    store_be16(&b[tcp::kOffsetFlags], static_cast<std::uint16_t>(0x5000 | (flags & tcp::kFlagsMask)));
    store_be16(&b[tcp::kWindow], 65535);
    return *this;
}
PacketBuilder& PacketBuilder::udp(std::uint16_t src, std::uint16_t dst) {
    auto& b = add(Kind::kUdp, udp::kHeaderBytes, ip_proto::kUdp).bytes;
    store_be16(&b[udp::kSrc], src);
    store_be16(&b[udp::kDst], dst);
    return *this;
}
PacketBuilder& PacketBuilder::sctp(std::uint16_t src, std::uint16_t dst) {
    auto& b = add(Kind::kSctp, sctp::kHeaderBytes, ip_proto::kSctp).bytes;
    store_be16(&b[sctp::kSrc], src);
    store_be16(&b[sctp::kDst], dst);
    store_be32(&b[sctp::kTag], 0x01020304);
    return *this;
}
PacketBuilder& PacketBuilder::icmp(std::uint8_t type, std::uint8_t code, std::uint32_t rest) {
    auto& b = add(Kind::kIcmp, icmp::kHeaderBytes, ip_proto::kIcmp).bytes;
    b[icmp::kType] = type;
    b[icmp::kCode] = code;
    store_be32(&b[icmp::kRest], rest);
    return *this;
}
PacketBuilder& PacketBuilder::icmpv6(std::uint8_t type, std::uint8_t code, std::uint32_t rest) {
    auto& b = add(Kind::kIcmpV6, icmpv6::kHeaderBytes + 4, ip_proto::kIcmpV6).bytes;
    b[icmpv6::kType] = type;
    b[icmpv6::kCode] = code;
    store_be32(&b[icmpv6::kBody], rest);
    return *this;
}
PacketBuilder& PacketBuilder::nd(std::uint8_t type, std::string_view target, std::uint64_t link) {
    auto& b = add(Kind::kIcmpV6, icmpv6::kNdBytes + (link != 0 ? 8 : 0), ip_proto::kIcmpV6).bytes;
    b[icmpv6::kType] = type;
    ipv6::store_address(&b[icmpv6::kNdTarget], ipv6_of(target));
    if (link != 0) {
        b[icmpv6::kNdBytes] =
            type == icmpv6::kNeighborSolicit ? icmpv6::kOptionSourceLink : icmpv6::kOptionTargetLink;
        b[icmpv6::kNdBytes + icmpv6::kOptionLength] = 1;
        store_mac(&b[icmpv6::kNdBytes + icmpv6::kOptionData], link);
    }
    return *this;
}
PacketBuilder& PacketBuilder::payload(std::size_t size, std::uint8_t first) {
    auto& b = add(Kind::kPayload, size).bytes;
    for (std::size_t i = 0; i < size; ++i)
        b[i] = static_cast<std::uint8_t>(first + i);
    return *this;
}
PacketBuilder& PacketBuilder::raw(Bytes bytes) {
    add(Kind::kPayload, 0).bytes.assign(bytes.begin(), bytes.end());
    return *this;
}

PacketBuilder& PacketBuilder::proto(std::uint8_t number) {
    Layer& layer = last();
    switch (layer.kind) {
        case Kind::kIpv4:
            layer.bytes[ipv4::kProto] = number;
            break;
        case Kind::kIpv6:
            layer.bytes[ipv6::kNextHeader] = number;
            break;
        case Kind::kIpv6Ext:
        case Kind::kIpv6Frag:
            layer.bytes[ipv6::kExtNext] = number;
            break;
        default:
            throw std::invalid_argument("PacketBuilder: proto() doesn't apply to the last header");
    }
    layer.next_fixed = true;
    return *this;
}
PacketBuilder& PacketBuilder::options(Bytes bytes) {
    Layer& layer = last(Kind::kIpv4, Kind::kTcp, "options()");
    if (bytes.size() > 40) throw std::invalid_argument("PacketBuilder: options() takes at most 40 bytes");
    layer.bytes.insert(layer.bytes.end(), bytes.begin(), bytes.end());
    layer.bytes.resize((layer.bytes.size() + 3) / 4 * 4);
    const std::size_t words = layer.bytes.size() / 4;
    if (layer.kind == Kind::kIpv4)
        layer.bytes[ipv4::kVersionIhl] = static_cast<std::uint8_t>(0x40 | words);
    else {
        auto& b = layer.bytes[tcp::kOffsetFlags];
        b = static_cast<std::uint8_t>(words << 4 | (b & 0xf));
    }
    return *this;
}
PacketBuilder& PacketBuilder::fragment(std::uint16_t offset_units, bool more, bool dont) {
    Layer& layer = last(Kind::kIpv4, Kind::kIpv4, "fragment()");
    const unsigned flags = (dont ? ipv4::kDontFragment : 0U) | (more ? ipv4::kMoreFragments : 0U);
    store_be16(&layer.bytes[ipv4::kFragment],
               static_cast<std::uint16_t>(flags | (offset_units & ipv4::kOffsetMask)));
    layer.later_fragment = offset_units != 0;
    return *this;
}
PacketBuilder& PacketBuilder::id(std::uint16_t value) {
    store_be16(&last(Kind::kIpv4, Kind::kIpv4, "id()").bytes[ipv4::kId], value);
    return *this;
}
PacketBuilder& PacketBuilder::no_checksum() {
    last(Kind::kUdp, Kind::kUdp, "no_checksum()").no_checksum = true;
    return *this;
}
PacketBuilder& PacketBuilder::bad_checksum() {
    last().bad_checksum = true;
    return *this;
}
PacketBuilder& PacketBuilder::length(std::uint16_t value) {
    last().length = value;
    return *this;
}
PacketBuilder& PacketBuilder::poke8(std::size_t offset, std::uint8_t value) {
    Layer& layer = last();
    if (offset >= layer.bytes.size()) throw std::invalid_argument("PacketBuilder: poke beyond the header");
    layer.pokes.push_back({offset, value});
    return *this;
}
PacketBuilder& PacketBuilder::poke16(std::size_t offset, std::uint16_t value) {
    poke8(offset, static_cast<std::uint8_t>(value >> 8));
    return poke8(offset + 1, static_cast<std::uint8_t>(value));
}
PacketBuilder& PacketBuilder::pad_to(std::size_t frame_bytes) {
    pad_to_ = frame_bytes;
    return *this;
}
PacketBuilder& PacketBuilder::truncate_to(std::size_t frame_bytes) {
    truncate_to_ = frame_bytes;
    return *this;
}

void PacketBuilder::link_types(std::vector<Layer>& layers) const {
    for (std::size_t i = 0; i + 1 < layers.size(); ++i) {
        Layer& layer = layers[i];
        if (layer.next_fixed || layers[i + 1].own_type < 0) continue;
        const auto type = static_cast<std::uint16_t>(layers[i + 1].own_type);
        switch (layer.kind) {
            case Kind::kEth:
                store_be16(&layer.bytes[eth::kType], type);
                break;
            case Kind::kSnap:
                store_be16(&layer.bytes[eth::kSnapType], type);
                break;
            case Kind::kVlan:
                store_be16(&layer.bytes[2], type);
                break;
            case Kind::kIpv4:
                layer.bytes[ipv4::kProto] = static_cast<std::uint8_t>(type);
                break;
            case Kind::kIpv6:
                layer.bytes[ipv6::kNextHeader] = static_cast<std::uint8_t>(type);
                break;
            case Kind::kIpv6Ext:
            case Kind::kIpv6Frag:
                layer.bytes[ipv6::kExtNext] = static_cast<std::uint8_t>(type);
                break;
            default:
                break;
        }
    }
}

void PacketBuilder::finish_l4(const Layer& layer, const std::vector<Layer>& layers, Frame& frame,
                              const std::vector<std::size_t>& offsets, std::size_t index) {
    // The checksum covers up to the end of the frame; of a fragment it can't be known, so it covers what is
    // there.
    const std::size_t start = offsets[index], size = frame.size() - start;
    std::size_t ip = index;
    while (ip > 0 && layers[ip].kind != Kind::kIpv4 && layers[ip].kind != Kind::kIpv6)
        --ip;
    std::uint32_t pseudo = 0;
    if (layers[ip].kind == Kind::kIpv4 && layer.kind != Kind::kIcmp) {
        const std::uint8_t* h = &frame[offsets[ip]];
        pseudo =
            pseudo_sum<Ipv4Family>(h + ipv4::kSrc, h + ipv4::kDst, static_cast<std::uint8_t>(layer.own_type),
                                   static_cast<std::uint32_t>(size));
    } else if (layers[ip].kind == Kind::kIpv6) {
        const std::uint8_t* h = &frame[offsets[ip]];
        pseudo =
            pseudo_sum<Ipv6Family>(h + ipv6::kSrc, h + ipv6::kDst, static_cast<std::uint8_t>(layer.own_type),
                                   static_cast<std::uint32_t>(size));
    }
    std::uint8_t* h = &frame[start];
    const std::uint16_t flip = layer.bad_checksum ? 0x5555 : 0;
    if (layer.kind == Kind::kSctp) {
        std::uint32_t crc = sctp_checksum(Bytes{frame}.subspan(start)) ^ flip;
        std::memcpy(h + sctp::kChecksum, &crc, sizeof crc);  // low byte first
        return;
    }
    if (layer.kind == Kind::kUdp)
        store_be16(h + udp::kLength,
                   static_cast<std::uint16_t>(layer.length >= 0 ? layer.length : static_cast<int>(size)));
    const std::uint32_t sum = add_sums(pseudo, sum_bytes(h, size));
    switch (layer.kind) {
        case Kind::kTcp:
            store_be16(h + tcp::kChecksum, finish_sum(sum) ^ flip);
            break;
        case Kind::kUdp:
            if (!layer.no_checksum) store_be16(h + udp::kChecksum, finish_udp_sum(sum) ^ flip);
            break;
        case Kind::kIcmp:
            store_be16(h + icmp::kChecksum, finish_sum(sum_bytes(h, size)) ^ flip);
            break;
        case Kind::kIcmpV6:
            store_be16(h + icmpv6::kChecksum, finish_sum(sum) ^ flip);
            break;
        default:
            break;
    }
}

void PacketBuilder::finish(std::vector<Layer>& layers, Frame& frame,
                           const std::vector<std::size_t>& offsets) {
    for (std::size_t i = layers.size(); i-- > 0;) {
        const Layer& layer = layers[i];
        std::uint8_t* h = frame.data() + offsets[i];
        const std::size_t size = frame.size() - offsets[i];
        const auto claimed = [&](std::size_t value) {
            return static_cast<std::uint16_t>(layer.length >= 0 ? static_cast<std::size_t>(layer.length)
                                                                : value);
        };
        switch (layer.kind) {
            case Kind::kLlc:
            case Kind::kSnap:
                if (i > 0 && !layers[i - 1].next_fixed) store_be16(h - 2, claimed(size));
                break;
            case Kind::kIpv4: {
                store_be16(h + ipv4::kTotalLength, claimed(size));
                const std::uint16_t sum = internet_checksum({h, layer.bytes.size()});
                store_be16(h + ipv4::kChecksum, sum ^ (layer.bad_checksum ? 0x5555 : 0));
                break;
            }
            case Kind::kIpv6:
                store_be16(h + ipv6::kPayloadLength, claimed(size - ipv6::kHeaderBytes));
                break;
            case Kind::kTcp:
            case Kind::kUdp:
            case Kind::kSctp:
            case Kind::kIcmp:
            case Kind::kIcmpV6:
                finish_l4(layer, layers, frame, offsets, i);
                break;
            default:
                break;
        }
    }
    for (std::size_t i = 0; i < layers.size(); ++i) {
        for (const Poke& poke : layers[i].pokes)
            frame[offsets[i] + poke.offset] = poke.value;
    }
}

Frame PacketBuilder::build() const {
    std::vector<Layer> layers = layers_;
    link_types(layers);
    Frame frame;
    std::vector<std::size_t> offsets;
    for (const Layer& layer : layers) {
        offsets.push_back(frame.size());
        frame.insert(frame.end(), layer.bytes.begin(), layer.bytes.end());
    }
    finish(layers, frame, offsets);
    if (frame.size() < pad_to_) frame.resize(pad_to_);
    if (frame.size() > truncate_to_) frame.resize(truncate_to_);
    return frame;
}

}  // namespace sluice::wire
