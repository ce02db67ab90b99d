// SPDX-License-Identifier: Apache-2.0
// One function a protocol; each gets what is left of the frame and moves `at` forward.
#include "reference/parse.hpp"

#include <algorithm>

#include "flow/nsh.hpp"
#include "wire/arp.hpp"
#include "wire/ethernet.hpp"
#include "wire/icmp.hpp"
#include "wire/icmpv6.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"
#include "wire/mpls.hpp"
#include "wire/sctp.hpp"
#include "wire/tcp.hpp"
#include "wire/udp.hpp"
#include "wire/vlan.hpp"

namespace sluice::reference {
namespace {

using wire::Bytes;

/// IGMP's fixed part (RFC 2236 §2); its type and code are read like ICMP's.
constexpr std::size_t kIgmpBytes = 8;

class Parser {
  public:
    Parser(Bytes frame, OfPort in_port, const ParseOptions& options) : frame_(frame), options_(options) {
        key().set(key::kInPort, to_int(in_port));
    }

    ParsedFrame run() {
        if (const auto eth = wire::eth::View::parse(frame_)) {
            key().set(key::kEthDst, eth->dst());
            key().set(key::kEthSrc, eth->src());
            at_ = wire::eth::kType;
            parse_tags();
            const std::uint16_t type = parse_type();
            key().set(key::kEthType, type);
            parse_l3(type);
        }
        return out_;
    }

  private:
    FlowKey& key() { return out_.key; }
    Bytes rest() const { return frame_.subspan(at_); }

    void parse_tags() {
        const unsigned limit = std::min(options_.vlan_limit, 2U);
        for (unsigned n = 0; n < limit; ++n) {
            if (!wire::vlan::is_tpid(load_be16(&frame_[at_]))) return;
            if (rest().size() < wire::vlan::kTagBytes + 2) return;  // the tag and the type behind it
            const std::uint64_t tpid = load_be16(&frame_[at_]);
            const std::uint64_t tci = load_be16(&frame_[at_ + wire::vlan::kTci]) | kVlanPresent;
            key().set(n == 0 ? key::kVlanTpid : key::kVlan1Tpid, tpid);
            key().set(n == 0 ? key::kVlanTci : key::kVlan1Tci, tci);
            at_ += wire::vlan::kTagBytes;
        }
    }

    /// Leaves `at_` behind the type.
    std::uint16_t parse_type() {
        out_.type = at_;
        const std::uint16_t type = load_be16(&frame_[at_]);
        at_ += 2;
        if (type >= wire::eth::kMinType) return type;
        const auto snap = wire::eth::SnapView::parse(rest());
        if (!snap) return wire::eth::kNotEthType;
        if (snap->type() < wire::eth::kMinType) return wire::eth::kNotEthType;
        out_.type = at_ + wire::eth::kSnapType;
        at_ += wire::eth::kSnapBytes;
        return snap->type();
    }

    void parse_l3(std::uint16_t type) {
        switch (type) {
            case wire::eth::kTypeIpv4:
                parse_ipv4();
                return;
            case wire::eth::kTypeIpv6:
                parse_ipv6();
                return;
            case wire::eth::kTypeArp:
            case wire::eth::kTypeRarp:
                parse_arp();
                return;
            case 0x894f:  // NSH
                if (const auto size =
                        read_nsh(rest().data(), static_cast<std::uint32_t>(rest().size()), key())) {
                    out_.l3 = at_;
                    out_.l3_end = at_ + size;
                }
                return;
            case wire::eth::kTypeMpls:
            case wire::eth::kTypeMplsMulticast:
                parse_mpls();
                return;
            default:
                return;
        }
    }

    void parse_arp() {
        const auto arp = wire::arp::View::parse(rest());
        if (!arp) return;
        out_.l3 = at_;
        out_.l3_end = at_ + wire::arp::kBytes;
        key().set(key::kIpv4Src, arp->spa());
        key().set(key::kIpv4Dst, arp->tpa());
        if (arp->opcode() <= 0xff) key().set(key::kIpProto, arp->opcode());
        key().set(key::kArpSha, arp->sha());
        key().set(key::kArpTha, arp->tha());
    }

    void parse_mpls() {
        static constexpr FieldLoc kLse[kMaxMplsLabels] = {key::kMplsLse0, key::kMplsLse1, key::kMplsLse2};
        if (rest().size() >= wire::mpls::kLseBytes) out_.l3 = at_;
        for (unsigned n = 0; n < kMaxMplsLabels; ++n) {
            const auto entry = wire::mpls::View::parse(rest());
            if (!entry) return;
            key().set(kLse[n], entry->lse());
            at_ += wire::mpls::kLseBytes;
            if (entry->bottom()) return;
        }
    }

    void parse_ipv4() {
        const auto ip = wire::ipv4::View::parse(rest());
        if (!ip) return;
        out_.l3 = at_;
        out_.l3_end = at_ + ip->total_bytes();
        key().set(key::kIpv4Src, ip->src());
        key().set(key::kIpv4Dst, ip->dst());
        key().set(key::kIpTos, ip->tos());
        key().set(key::kIpTtl, ip->ttl());
        key().set(key::kIpProto, ip->proto());
        std::uint8_t frag = 0;
        if (ip->is_fragment()) frag |= kFragAny;
        if (ip->is_later_fragment()) frag |= kFragLater;
        key().set(key::kIpFrag, frag);
        at_ += ip->header_bytes();
        if ((frag & kFragLater) == 0) parse_l4(ip->proto(), false);
    }

    void parse_ipv6() {
        const auto ip = wire::ipv6::View::parse(rest());
        if (!ip) return;
        out_.l3 = at_;
        out_.l3_end = at_ + wire::ipv6::kHeaderBytes + ip->payload().size();
        key().set_wide(key::kIpv6Src, ip->src());
        key().set_wide(key::kIpv6Dst, ip->dst());
        at_ += wire::ipv6::kHeaderBytes;
        std::uint8_t proto = ip->next_header();
        std::uint8_t frag = 0;
        if (!walk_extensions(proto, frag)) return;
        key().set(key::kIpv6Label, ip->label());
        key().set(key::kIpTos, ip->traffic_class());
        key().set(key::kIpTtl, ip->hop_limit());
        key().set(key::kIpProto, proto);
        key().set(key::kIpFrag, frag);
        if ((frag & kFragLater) == 0) parse_l4(proto, true);
    }

    /// False if a header of the chain doesn't fit.
    bool walk_extensions(std::uint8_t& proto, std::uint8_t& frag) {
        while (wire::ipv6::is_extension(proto)) {
            const std::size_t left = out_.l3_end - at_;
            if (left < wire::ipv6::kExtMinBytes) return false;
            const std::uint8_t* h = &frame_[at_];
            const std::size_t size = wire::ipv6::extension_bytes(proto, h[wire::ipv6::kExtLength]);
            if (size > left) return false;
            // Byte 3 of a routing header: segments left (RFC 8200 §4.4).
            if (proto == wire::ip_proto::kRouting && h[3] != 0) out_.routing = true;
            if (proto == wire::ip_proto::kFragment) {
                const std::uint16_t field = load_be16(h + wire::ipv6::kFragmentOffset);
                if (field != 0) frag = kFragAny;
                if ((field & wire::ipv6::kFragmentOffsetMask) != 0) {
                    frag |= kFragLater;
                    proto = wire::ip_proto::kFragment;
                    at_ += size;
                    return true;
                }
            }
            proto = h[wire::ipv6::kExtNext];
            at_ += size;
        }
        return true;
    }

    void set_ports(std::uint16_t src, std::uint16_t dst) {
        key().set(key::kTpSrc, src);
        key().set(key::kTpDst, dst);
    }

    void parse_l4(std::uint8_t proto, bool v6) {
        out_.l4 = at_;
        const Bytes l4 = frame_.subspan(at_, out_.l3_end - at_);
        if (proto == wire::ip_proto::kTcp) {
            const auto tcp = wire::tcp::View::parse(l4);
            if (!tcp || !tcp->valid()) return;
            set_ports(tcp->src(), tcp->dst());
            key().set(key::kTcpFlags, tcp->flags());
        } else if (proto == wire::ip_proto::kUdp) {
            if (const auto udp = wire::udp::View::parse(l4)) set_ports(udp->src(), udp->dst());
        } else if (proto == wire::ip_proto::kSctp) {
            if (const auto sctp = wire::sctp::View::parse(l4)) set_ports(sctp->src(), sctp->dst());
        } else if (proto == wire::ip_proto::kIcmp && !v6) {
            if (const auto icmp = wire::icmp::View::parse(l4)) set_ports(icmp->type(), icmp->code());
        } else if (proto == wire::ip_proto::kIgmp) {
            if (l4.size() >= kIgmpBytes) set_ports(l4[0], l4[1]);
        } else if (proto == wire::ip_proto::kIcmpV6 && v6) {
            if (l4.size() >= wire::icmpv6::kHeaderBytes + 4) parse_icmpv6(l4);
        }
    }

    void parse_icmpv6(Bytes l4) {
        const auto icmp = wire::icmpv6::View::parse(l4);
        set_ports(icmp->type(), icmp->code());
        if (!icmp->is_neighbor()) return;
        key().set(key::kNdReserved, load_be32(&l4[wire::icmpv6::kNdReserved]));
        if (l4.size() < wire::icmpv6::kNdBytes) return;
        std::uint64_t link[2] = {0, 0};  // source, target
        std::uint8_t first_kind = 0;
        for (Bytes left = l4.subspan(wire::icmpv6::kNdBytes); left.size() >= wire::icmpv6::kOptionUnit;) {
            const std::uint8_t kind = left[wire::icmpv6::kOptionType];
            const std::size_t size = left[wire::icmpv6::kOptionLength] * wire::icmpv6::kOptionUnit;
            if (size == 0 || size > left.size()) break;
            const bool is_link =
                kind == wire::icmpv6::kOptionSourceLink || kind == wire::icmpv6::kOptionTargetLink;
            if (is_link && size == wire::icmpv6::kOptionUnit) {
                std::uint64_t& slot = link[kind - wire::icmpv6::kOptionSourceLink];
                if (slot != 0) return;  // the same option twice: no ND field at all
                slot = load_mac(&left[wire::icmpv6::kOptionData]);
                if (first_kind == 0) first_kind = kind;
            }
            left = left.subspan(size);
        }
        key().set_wide(key::kNdTarget, wire::ipv6::load_address(&l4[wire::icmpv6::kNdTarget]));
        key().set(key::kArpSha, link[0]);
        key().set(key::kArpTha, link[1]);
        key().set(key::kNdOptionsType, first_kind);
    }

    Bytes frame_;
    ParseOptions options_;
    ParsedFrame out_;
    std::size_t at_ = 0;
};

}  // namespace

ParsedFrame parse_frame(wire::Bytes frame, OfPort in_port, const ParseOptions& options) {
    return Parser{frame, in_port, options}.run();
}

}  // namespace sluice::reference
