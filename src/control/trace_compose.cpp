// SPDX-License-Identifier: Apache-2.0
// Header layouts: IEEE 802.3/802.1Q, RFC 791, 8200, 826, 9293, 768, 9260, 792, 4443, 4861, 3032.
#include "control/trace_compose.hpp"

#include <span>

#include "wire/checksum.hpp"

namespace sluice {

namespace {

constexpr std::uint16_t kTypeIpv4 = 0x0800, kTypeArp = 0x0806, kTypeRarp = 0x8035, kTypeIpv6 = 0x86dd;
constexpr std::uint16_t kTypeVlan = 0x8100, kTypeMpls = 0x8847, kTypeMplsMulticast = 0x8848;
constexpr std::uint8_t kProtoIcmp = 1, kProtoTcp = 6, kProtoUdp = 17, kProtoFragment = 44, kProtoIcmpV6 = 58,
                       kProtoSctp = 132;
constexpr std::size_t kMinFrame = 60;
constexpr std::uint16_t kLaterOffset = 8;  // any fragment offset other than 0, in 8-byte units

class Writer {
  public:
    void put(std::uint64_t value, unsigned bytes) {
        for (unsigned i = bytes; i-- > 0;)
            bytes_.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    }
    void put(U128 value) { put(value.hi, 8), put(value.lo, 8); }
    void zeros(std::size_t count) { bytes_.insert(bytes_.end(), count, 0); }
    void patch16(std::size_t at, std::uint64_t value) {
        bytes_[at] = static_cast<std::uint8_t>(value >> 8);
        bytes_[at + 1] = static_cast<std::uint8_t>(value);
    }
    std::size_t size() const { return bytes_.size(); }
    std::vector<std::uint8_t>& bytes() { return bytes_; }

  private:
    std::vector<std::uint8_t> bytes_;
};

void put_nd(Writer& out, const FlowKey& key) {
    out.put(key.get(key::kNdReserved), 4);
    out.put(key.get_wide(key::kNdTarget));
    if (const auto source = key.get(key::kArpSha)) out.put(0x0101, 2), out.put(source, 6);
    if (const auto target = key.get(key::kArpTha)) out.put(0x0201, 2), out.put(target, 6);
}

/// What stands behind the headers: a payload, or what a trace needs for its headers to be whole.
struct Rest {
    bool exact = false;
    std::span<const std::uint8_t> payload;
};

void put_transport(Writer& out, const FlowKey& key, bool ipv6, const Rest& rest) {
    const auto proto = static_cast<std::uint8_t>(key.get(key::kIpProto));
    const auto src = key.get(key::kTpSrc);
    const auto dst = key.get(key::kTpDst);
    if ((key.get(key::kIpFrag) & kFragLater) != 0) {
        if (!rest.exact) out.zeros(16);
    } else if (proto == kProtoTcp) {
        out.put(src, 2), out.put(dst, 2);
        out.zeros(8);
        out.put(0x5000 | (key.get(key::kTcpFlags) & 0xfff), 2);
        out.zeros(6);
    } else if (proto == kProtoUdp) {
        out.put(src, 2), out.put(dst, 2);
        out.put(8 + rest.payload.size(), 2), out.put(0, 2);
    } else if (proto == kProtoSctp) {
        out.put(src, 2), out.put(dst, 2);
        out.zeros(8);
    } else if ((proto == kProtoIcmp && !ipv6) || (proto == kProtoIcmpV6 && ipv6)) {
        out.put(src & 0xff, 1), out.put(dst & 0xff, 1);
        out.put(0, 2);
        const bool nd = ipv6 && dst == 0 && (src == 135 || src == 136);
        if (nd) {
            put_nd(out, key);
        } else {
            out.zeros(4);
        }
    }
}

/// Offset of the checksum in a transport header; 0: it has none that is computed.
std::size_t checksum_offset(std::uint64_t proto, bool ipv6) {
    switch (proto) {
        case kProtoTcp:
            return 16;
        case kProtoUdp:
            return 6;
        case kProtoIcmp:
            return ipv6 ? 0 : 2;
        case kProtoIcmpV6:
            return ipv6 ? 2 : 0;
        default:
            return 0;
    }
}

/// Transport header and payload, from `start` on the IP header, checksummed.
void put_upper(Writer& out, const FlowKey& key, bool ipv6, const Rest& rest, std::size_t start) {
    const std::size_t header = out.size();
    put_transport(out, key, ipv6, rest);
    for (const std::uint8_t byte : rest.payload)
        out.put(byte, 1);
    const std::uint64_t proto = key.get(key::kIpProto);
    const std::size_t at = checksum_offset(proto, ipv6);
    if (!rest.exact || at == 0 || (key.get(key::kIpFrag) & kFragLater) != 0) return;
    const auto bytes = std::span<const std::uint8_t>(out.bytes());
    const auto size = static_cast<std::uint32_t>(out.size() - header);
    std::uint32_t sum = wire::sum_bytes(bytes.subspan(header));
    if (ipv6 || proto != kProtoIcmp) {  // ICMP of IPv4 has no pseudo header
        const std::size_t addresses = start + (ipv6 ? 8 : 12);
        sum = wire::add_sums(sum, wire::sum_bytes(bytes.subspan(addresses, ipv6 ? 32 : 8)));
        sum = wire::add_sums(sum, static_cast<std::uint32_t>(proto) + wire::fold_sum(size));
    }
    out.patch16(header + at, proto == kProtoUdp ? wire::finish_udp_sum(sum) : wire::finish_sum(sum));
}

void put_ipv4(Writer& out, const FlowKey& key, const Rest& rest) {
    const std::size_t start = out.size();
    const auto frag = key.get(key::kIpFrag);
    const unsigned offset = (frag & kFragLater) != 0 ? kLaterOffset : 0;
    const unsigned more = (frag & kFragAny) != 0 && (frag & kFragLater) == 0 ? 0x2000 : 0;
    out.put(0x45, 1), out.put(key.get(key::kIpTos), 1);
    out.put(0, 2);  // total length
    out.put(0, 2), out.put(more | offset, 2);
    out.put(key.get(key::kIpTtl), 1), out.put(key.get(key::kIpProto), 1);
    out.put(0, 2);  // checksum
    out.put(key.get(key::kIpv4Src), 4), out.put(key.get(key::kIpv4Dst), 4);
    put_upper(out, key, false, rest, start);
    out.patch16(start + 2, out.size() - start);
    out.patch16(start + 10, wire::internet_checksum(std::span(out.bytes()).subspan(start, 20)));
}

void put_ipv6(Writer& out, const FlowKey& key, const Rest& rest) {
    const std::size_t start = out.size();
    const auto frag = key.get(key::kIpFrag);
    const auto proto = key.get(key::kIpProto);
    out.put(0x60000000U | key.get(key::kIpTos) << 20 | (key.get(key::kIpv6Label) & 0xfffff), 4);
    out.put(0, 2);  // payload length
    out.put(frag != 0 ? kProtoFragment : proto, 1), out.put(key.get(key::kIpTtl), 1);
    out.put(key.get_wide(key::kIpv6Src)), out.put(key.get_wide(key::kIpv6Dst));
    if (frag != 0) {
        const unsigned offset = (frag & kFragLater) != 0 ? kLaterOffset << 3 : 0;
        out.put(proto, 1), out.put(0, 1);
        out.put(offset | (offset == 0 ? 1 : 0), 2);
        out.put(1, 4);
    }
    put_upper(out, key, true, rest, start);
    out.patch16(start + 4, out.size() - start - 40);
}

void put_arp(Writer& out, const FlowKey& key) {
    out.put(1, 2), out.put(kTypeIpv4, 2);
    out.put(6, 1), out.put(4, 1);
    out.put(key.get(key::kIpProto), 2);
    out.put(key.get(key::kArpSha), 6), out.put(key.get(key::kIpv4Src), 4);
    out.put(key.get(key::kArpTha), 6), out.put(key.get(key::kIpv4Dst), 4);
}

void put_tag(Writer& out, std::uint64_t tci, std::uint64_t tpid) {
    if ((tci & kVlanPresent) == 0) return;
    out.put(tpid != 0 ? tpid : kTypeVlan, 2);
    out.put(tci & ~std::uint64_t{kVlanPresent}, 2);
}

void put_frame(Writer& out, const FlowKey& key, const Rest& rest) {
    out.put(key.get(key::kEthDst), 6), out.put(key.get(key::kEthSrc), 6);
    put_tag(out, key.get(key::kVlanTci), key.get(key::kVlanTpid));
    put_tag(out, key.get(key::kVlan1Tci), key.get(key::kVlan1Tpid));
    const auto type = static_cast<std::uint16_t>(key.get(key::kEthType));
    out.put(type, 2);
    switch (type) {
        case kTypeIpv4:
            return put_ipv4(out, key, rest);
        case kTypeIpv6:
            return put_ipv6(out, key, rest);
        case kTypeArp:
        case kTypeRarp:
            put_arp(out, key);
            break;
        case kTypeMpls:
        case kTypeMplsMulticast:
            out.put(key.get(key::kMplsLse0), 4);
            if ((key.get(key::kMplsLse0) & 0x100) == 0) out.put(key.get(key::kMplsLse1), 4);
            break;
        default:
            break;
    }
    for (const std::uint8_t byte : rest.payload)
        out.put(byte, 1);
}

}  // namespace

std::vector<std::uint8_t> compose_packet(const FlowKey& key) {
    Writer out;
    put_frame(out, key, {});
    if (out.size() < kMinFrame) out.zeros(kMinFrame - out.size());
    return std::move(out.bytes());
}

std::vector<std::uint8_t> compose_packet(const FlowKey& key, std::span<const std::uint8_t> payload) {
    Writer out;
    put_frame(out, key, {true, payload});
    return std::move(out.bytes());
}

}  // namespace sluice
