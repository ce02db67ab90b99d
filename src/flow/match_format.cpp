// SPDX-License-Identifier: Apache-2.0
// Match and FlowKey to text, in the order and shape that `ovs-ofctl dump-flows` and `ofproto/trace` print.
#include "flow/match_text.hpp"

namespace sluice {
namespace {

using namespace text;

// Collects "name=value," pieces of one match.
class Writer {
  public:
    Writer(const Match& match, const PortNames* names, bool is_flow, const TunTable* tun)
        : match_(match), names_(names), is_flow_(is_flow), tun_(tun) {}

    std::string run();

  private:
    std::uint64_t value(FieldLoc f) const { return match_.value.get(f); }
    std::uint64_t mask(FieldLoc f) const { return match_.mask.get(f); }
    void put(std::string_view name, std::string_view text) {
        out_ += name;
        out_ += '=';
        out_ += text;
        out_ += ',';
    }
    void hex(std::string_view name, FieldLoc f);
    void decimal(std::string_view name, FieldLoc f);
    void number(std::string_view name, FieldLoc f);
    void ipv4(std::string_view name, FieldLoc f);
    void ipv6(std::string_view name, FieldLoc f);
    void mac(std::string_view name, FieldLoc f);
    void row(std::string_view field_name, std::string_view as = {});

    void metadata();
    void connection();
    void protocol();
    void registers();
    void tunnel();
    void options();
    void vlan();
    void addresses();
    void network();
    void nsh();
    void transport();

    const Match& match_;
    const PortNames* names_;
    bool is_flow_;  // a whole packet: all tunnel flags are known, not only the one a match can name
    const TunTable* tun_;
    std::string out_;
    std::uint64_t eth_type_ = 0;
    bool skip_type_ = false, skip_proto_ = false;
};

// Bytes as one number, zero as "0".
std::string format_long_hex(const std::vector<std::uint8_t>& bytes) {
    std::string digits;
    for (const std::uint8_t byte : bytes)
        digits += fmt::format("{:02x}", byte);
    const auto first = digits.find_first_not_of('0');
    return first == std::string::npos ? "0" : "0x" + digits.substr(first);
}

// "name=0x5" or "name=0x5/0xff", zero as "0".
void Writer::hex(std::string_view name, FieldLoc f) {
    const U128 m = match_.mask.get_wide(f), v = match_.value.get_wide(f);
    if (m.is_zero()) return;
    std::string text = v.is_zero() ? "0" : format_hex(v);
    if (m != low_mask(f.bits)) text += "/" + format_hex(m);
    put(name, text);
}

// "name=5" or "name=0x5/0xff".
void Writer::decimal(std::string_view name, FieldLoc f) {
    const std::uint64_t m = mask(f);
    if (m == 0) return;
    put(name,
        m == low_mask(f.bits).lo ? fmt::format("{}", value(f)) : fmt::format("0x{:x}/0x{:x}", value(f), m));
}

// "name=5", whatever the mask.
void Writer::number(std::string_view name, FieldLoc f) {
    if (mask(f)) put(name, fmt::format("{}", value(f)));
}

void Writer::ipv4(std::string_view name, FieldLoc f) {
    const auto m = static_cast<std::uint32_t>(mask(f));
    if (m) put(name, format_ipv4(static_cast<std::uint32_t>(value(f))) + format_ipv4_mask(m));
}

void Writer::ipv6(std::string_view name, FieldLoc f) {
    const U128 m = match_.mask.get_wide(f);
    if (!m.is_zero()) put(name, format_ipv6(match_.value.get_wide(f)) + format_ipv6_mask(m));
}

void Writer::mac(std::string_view name, FieldLoc f) {
    const std::uint64_t m = mask(f);
    if (m) put(name, format_mac(value(f)) + (m == low_mask(48).lo ? "" : "/" + format_mac(m)));
}

// As set_field would print the field.
void Writer::row(std::string_view field_name, std::string_view as) {
    const FieldInfo& field = field_info(field_by_name(field_name));
    const U128 m = field_mask(field, match_);
    if (m.is_zero()) return;
    put(as.empty() ? field_name : as, format_field_value(field, {field_get(field, match_.value), m}, names_));
}

std::string Writer::run() {
    eth_type_ = value(key::kEthType);
    metadata();
    connection();
    protocol();
    registers();
    tunnel();
    hex("metadata", key::kMetadata);
    if (mask(key::kInPort)) {
        put("in_port", format_port(OfPort{static_cast<std::uint32_t>(value(key::kInPort))}, names_));
    }
    vlan();
    mac("dl_src", key::kEthSrc);
    mac("dl_dst", key::kEthDst);
    if (!skip_type_ && mask(key::kEthType)) put("dl_type", fmt::format("0x{:04x}", value(key::kEthType)));
    nsh();
    addresses();
    network();
    transport();
    if (!out_.empty()) out_.pop_back();
    return std::move(out_);
}

void Writer::metadata() {
    hex("pkt_mark", key::kPktMark);
    hex("recirc_id", key::kRecircId);
    hex("dp_hash", key::kDpHash);
    number("conj_id", key::kConjId);
    hex("skb_priority", key::kSkbPriority);
    row("actset_output");
}

void Writer::connection() {
    row("ct_state");
    decimal("ct_zone", key::kCtZone);
    hex("ct_mark", key::kCtMark);
    hex("ct_label", key::kCtLabel);
    ipv4("ct_nw_src", key::kCtSrc);
    ipv6("ct_ipv6_src", key::kCtIpv6Src);
    ipv4("ct_nw_dst", key::kCtDst);
    ipv6("ct_ipv6_dst", key::kCtIpv6Dst);
    number("ct_nw_proto", key::kCtProto);
    decimal("ct_tp_src", key::kCtTpSrc);
    decimal("ct_tp_dst", key::kCtTpDst);
}

// Ethernet type and IP protocol fold into one word where there is one.
void Writer::protocol() {
    struct Name {
        std::uint16_t eth_type;
        int ip_proto;  // -1: any
        std::string_view name;
    };
    static constexpr Name kNames[] = {
        {0x0800, 1, "icmp,"},   {0x0800, 6, "tcp,"},    {0x0800, 17, "udp,"},  {0x0800, 132, "sctp,"},
        {0x86dd, 58, "icmp6,"}, {0x86dd, 6, "tcp6,"},   {0x86dd, 17, "udp6,"}, {0x86dd, 132, "sctp6,"},
        {0x0800, -1, "ip,"},    {0x86dd, -1, "ipv6,"},  {0x0806, -1, "arp,"},  {0x8035, -1, "rarp,"},
        {0x8847, -1, "mpls,"},  {0x8848, -1, "mplsm,"},
    };
    const std::uint64_t packet_type = value(key::kPacketType);
    if (mask(key::kPacketType)) {
        if (packet_type != 0) {
            row("packet_type");
            if (packet_type >> 16 == 1) eth_type_ = packet_type & 0xffff;
        } else if (mask(key::kRecircId) || mask(key::kDpHash)) {
            out_ += "eth,";
        }
    }
    if (!mask(key::kEthType)) return;
    for (const auto& n : kNames) {
        if (value(key::kEthType) != n.eth_type) continue;
        if (n.ip_proto >= 0) {
            if (!mask(key::kIpProto) || value(key::kIpProto) != static_cast<unsigned>(n.ip_proto)) continue;
            skip_proto_ = true;
        }
        out_ += n.name;
        skip_type_ = true;
        return;
    }
}

void Writer::registers() {
    for (unsigned i = 0; i < 16; ++i)
        hex(fmt::format("reg{}", i), key::reg(i));
}

void Writer::tunnel() {
    hex("tun_id", key::kTunId);
    ipv4("tun_src", key::kTunSrc);
    ipv4("tun_dst", key::kTunDst);
    ipv6("tun_ipv6_src", key::kTunIpv6Src);
    ipv6("tun_ipv6_dst", key::kTunIpv6Dst);
    decimal("tun_gbp_id", key::kTunGbpId);
    if (mask(key::kTunGbpFlags)) put("tun_gbp_flags", format_c_hex(value(key::kTunGbpFlags)));
    if (mask(key::kTunTos)) put("tun_tos", fmt::format("{:x}", value(key::kTunTos)));
    number("tun_ttl", key::kTunTtl);
    number("tun_erspan_ver", key::kTunErspanVer);
    // The index belongs to version 1, direction and hardware id to version 2.
    if (mask(key::kTunErspanIdx) && value(key::kTunErspanVer) != 2) {
        put("tun_erspan_idx", format_c_hex(value(key::kTunErspanIdx)));
    }
    number("tun_erspan_dir", key::kTunErspanDir);
    if (mask(key::kTunErspanHwid)) put("tun_erspan_hwid", format_c_hex(value(key::kTunErspanHwid)));
    if (mask(key::kTunGtpuFlags)) put("gtpu_flags", format_c_hex(value(key::kTunGtpuFlags)));
    number("gtpu_msgtype", key::kTunGtpuMsgtype);
    const auto flags = static_cast<std::uint32_t>(value(key::kTunFlags));
    if (is_flow_ && mask(key::kTunFlags)) {
        put("tun_flags", format_flags({flags & 0xf, 0xf}, tun_flag_names(), 0xf));
    } else {
        row("tun_flags");
    }
    options();
}

/// tun_metadataN: the name alone stands for an option that must be there, whatever it says.
void Writer::options() {
    for (std::uint64_t left = mask(key::kTunPresent); tun_ && left != 0; left &= left - 1) {
        const auto index = static_cast<unsigned>(__builtin_ctzll(left));
        if (!tun_->find(index)) continue;
        const auto value = tun_->get(match_.value, index), bits = tun_->get(match_.mask, index);
        out_ += fmt::format("tun_metadata{}", index);
        if (bits != std::vector<std::uint8_t>(bits.size(), 0)) {
            out_ += '=' + format_long_hex(value);
            if (bits != std::vector<std::uint8_t>(bits.size(), 0xff)) out_ += '/' + format_long_hex(bits);
        }
        out_ += ',';
    }
}

void Writer::vlan() {
    constexpr FieldLoc kTci[] = {key::kVlanTci, key::kVlan1Tci};
    constexpr std::string_view kSuffix[] = {"", "1"};
    for (unsigned i = 0; i < 2; ++i) {
        const std::uint64_t m = mask(kTci[i]), v = value(kTci[i]);
        if (m == 0) continue;
        const std::uint64_t vid = m & 0x0fff, pcp = m & 0xe000;
        if ((m & v & kVlanPresent) && (vid == 0 || vid == 0x0fff) && (pcp == 0 || pcp == 0xe000) &&
            (vid || pcp)) {
            if (vid) put(fmt::format("dl_vlan{}", kSuffix[i]), fmt::format("{}", v & 0x0fff));
            if (pcp) put(fmt::format("dl_vlan_pcp{}", kSuffix[i]), fmt::format("{}", v >> 13));
        } else if (m == 0xffff) {
            put(fmt::format("vlan_tci{}", kSuffix[i]), fmt::format("0x{:04x}", v));
        } else {
            put(fmt::format("vlan_tci{}", kSuffix[i]), fmt::format("0x{:04x}/0x{:04x}", v, m));
        }
    }
}

void Writer::addresses() {
    const bool arp = eth_type_ == 0x0806 || eth_type_ == 0x8035;
    if (eth_type_ == 0x86dd) {
        ipv6("ipv6_src", key::kIpv6Src);
        ipv6("ipv6_dst", key::kIpv6Dst);
        const std::uint64_t m = mask(key::kIpv6Label), v = value(key::kIpv6Label);
        if (m == 0xffffffff) {
            put("ipv6_label", fmt::format("0x{:05x}", v));
        } else if (m != 0) {
            put("ipv6_label", fmt::format("0x{:05x}/0x{:05x}", v, m));
        }
    } else {
        ipv4(arp ? "arp_spa" : "nw_src", key::kIpv4Src);
        ipv4(arp ? "arp_tpa" : "nw_dst", key::kIpv4Dst);
    }
    if (!skip_proto_) number(arp ? "arp_op" : "nw_proto", key::kIpProto);
    if (arp) {
        mac("arp_sha", key::kArpSha);
        mac("arp_tha", key::kArpTha);
    }
}

void Writer::network() {
    row("nw_tos");
    row("nw_ecn");
    number("nw_ttl", key::kIpTtl);
    if (eth_type_ != 0x8847 && eth_type_ != 0x8848) return;
    row("mpls_label");
    row("mpls_tc");
    row("mpls_ttl");
    row("mpls_bos");
    decimal("mpls_lse1", key::kMplsLse1);
    decimal("mpls_lse2", key::kMplsLse2);
}

void Writer::nsh() {
    if (eth_type_ != 0x894f) return;
    for (const std::string_view name : {"nsh_flags", "nsh_ttl", "nsh_mdtype", "nsh_np", "nsh_spi", "nsh_si",
                                        "nsh_c1", "nsh_c2", "nsh_c3", "nsh_c4"}) {
        // The path and context headers print 0 as "0x0", unlike every other number.
        const FieldInfo& field = field_info(field_by_name(name));
        const bool zero =
            (name == "nsh_spi" || name.starts_with("nsh_c")) && field_get(field, match_.value).is_zero();
        if (zero && field_mask(field, match_) == field_value_mask(field)) {
            put(name, "0x0");
        } else {
            row(name);
        }
    }
}

void Writer::transport() {
    row("ip_frag", "nw_frag");
    const bool ip4 = eth_type_ == 0x0800, ip6 = eth_type_ == 0x86dd;
    const std::uint64_t proto = ip4 || ip6 ? value(key::kIpProto) : 0;
    if ((ip4 && proto == 1) || (ip6 && proto == 58)) {
        decimal("icmp_type", key::kTpSrc);
        decimal("icmp_code", key::kTpDst);
    } else {
        decimal("tp_src", key::kTpSrc);
        decimal("tp_dst", key::kTpDst);
    }
    if (ip6 && proto == 58) {
        ipv6("nd_target", key::kNdTarget);
        mac("nd_sll", key::kArpSha);
        mac("nd_tll", key::kArpTha);
        number("nd_reserved", key::kNdReserved);
        number("nd_options_type", key::kNdOptionsType);
    }
    if (proto == 6) row("tcp_flags");
}

constexpr std::uint64_t kAllBits = ~std::uint64_t{0};

// Fields that stand for packet context: shown when they are not 0.
constexpr FieldLoc kContext[] = {
    key::kPktMark,       key::kRecircId,     key::kDpHash,         key::kConjId,       key::kSkbPriority,
    key::kCtState,       key::kCtZone,       key::kCtMark,         key::kMetadata,     key::kTunId,
    key::kTunSrc,        key::kTunDst,       key::kTunFlags,       key::kTunTos,       key::kTunTtl,
    key::kTunGbpId,      key::kTunGbpFlags,  key::kTunErspanVer,   key::kTunErspanIdx, key::kTunErspanDir,
    key::kTunErspanHwid, key::kTunGtpuFlags, key::kTunGtpuMsgtype, key::kPacketType,
};

// Shown for packets that came through a tunnel, 0 or not.
constexpr FieldLoc kTunnel[] = {
    key::kTunSrc,       key::kTunDst,       key::kTunIpv6Src,     key::kTunIpv6Dst,
    key::kTunGbpId,     key::kTunGbpFlags,  key::kTunTos,         key::kTunTtl,
    key::kTunErspanVer, key::kTunGtpuFlags, key::kTunGtpuMsgtype, key::kTunFlags,
};

void reveal_network(const FlowKey& flow, FlowKey& mask) {
    std::uint64_t type = flow.get(key::kEthType);
    if (flow.get(key::kPacketType) >> 16 == 1) type = flow.get(key::kPacketType) & 0xffff;
    const bool ip4 = type == 0x0800, ip6 = type == 0x86dd;
    const auto show = [&mask](std::initializer_list<FieldLoc> fields) {
        for (const FieldLoc f : fields)
            mask.set_wide(f, low_mask(f.bits));
    };
    if (ip4) show({key::kIpv4Src, key::kIpv4Dst});
    if (ip6) show({key::kIpv6Src, key::kIpv6Dst, key::kIpv6Label});
    if (type == 0x0806 || type == 0x8035) {
        show({key::kIpv4Src, key::kIpv4Dst, key::kIpProto, key::kArpSha, key::kArpTha});
    }
    if (type == 0x8847 || type == 0x8848) {
        // A label stack is shown down to its bottom, three entries at most.
        constexpr std::uint64_t kBottom = 0x100;
        show({key::kMplsLse0});
        if (!(flow.get(key::kMplsLse0) & kBottom)) {
            show({key::kMplsLse1});
            if (!(flow.get(key::kMplsLse1) & kBottom)) show({key::kMplsLse2});
        }
    }
    if (type == 0x894f) {
        show({key::kNshFlags, key::kNshTtl, key::kNshMdtype, key::kNshNp, key::kNshSpi, key::kNshSi});
        if (flow.get(key::kNshMdtype) == 1) show({key::kNshC1, key::kNshC2, key::kNshC3, key::kNshC4});
    }
    if (!ip4 && !ip6 && type != 0x894f) return;
    show({key::kIpProto, key::kIpTos, key::kIpTtl, key::kIpFrag});
    const std::uint64_t proto = flow.get(key::kIpProto);
    if (flow.get(key::kIpFrag) & kFragLater) return;
    const bool icmp6 = ip6 && proto == 58;
    if ((ip4 && (proto == 1 || proto == 2)) || icmp6 || proto == 6 || proto == 17 || proto == 132) {
        show({key::kTpSrc, key::kTpDst});
    }
    if (proto == 6) show({key::kTcpFlags});
    if (icmp6 && prereq_present(Prereq::kNd, flow)) show({key::kNdTarget, key::kArpSha, key::kArpTha});
}

}  // namespace

std::string format_match(const Match& match, const PortNames* names, const TunTable* tun) {
    return Writer{match, names, false, tun}.run();
}

std::string format_flow(const FlowKey& flow, const PortNames* names, const TunTable* tun) {
    Match match;
    match.value = flow;
    for (const FieldLoc f : kContext) {
        if (flow.get(f) != 0) match.mask.set(f, kAllBits);
    }
    for (const FieldLoc f : {key::kCtLabel, key::kTunIpv6Src, key::kTunIpv6Dst}) {
        if (!flow.get_wide(f).is_zero()) match.mask.set_wide(f, low_mask(128));
    }
    for (unsigned i = 0; i < 16; ++i) {
        if (flow.get(key::reg(i)) != 0) match.mask.set(key::reg(i), kAllBits);
    }
    if (flow.get(key::kCtProto) != 0 && prereq_present(Prereq::kCt, flow)) {
        for (const FieldLoc f : {key::kCtProto, key::kCtTpSrc, key::kCtTpDst})
            match.mask.set(f, kAllBits);
        if (flow.get(key::kEthType) == 0x86dd) {
            match.mask.set_wide(key::kCtIpv6Src, low_mask(128));
            match.mask.set_wide(key::kCtIpv6Dst, low_mask(128));
        } else {
            match.mask.set(key::kCtSrc, kAllBits);
            match.mask.set(key::kCtDst, kAllBits);
        }
    }
    for (const TunMapping& mapping : tun ? tun->mappings() : std::vector<TunMapping>{}) {
        if ((flow.get(key::kTunPresent) >> mapping.index & 1) == 0) continue;
        tun->set(match.mask, mapping.index, std::vector<std::uint8_t>(mapping.option_length, 0xff));
    }
    match.mask.set(key::kPacketType, kAllBits);
    match.mask.set(key::kInPort, kAllBits);
    if (flow.get(key::kPacketType) == 0) {
        for (const FieldLoc f : {key::kEthSrc, key::kEthDst, key::kEthType, key::kVlanTci})
            match.mask.set(f, kAllBits);
        if (flow.get(key::kVlanTci) & kVlanPresent) match.mask.set(key::kVlan1Tci, kAllBits);
    }
    if (flow.get(key::kTunDst) != 0 || !flow.get_wide(key::kTunIpv6Dst).is_zero()) {
        for (const FieldLoc f : kTunnel)
            match.mask.set_wide(f, low_mask(f.bits));
    }
    reveal_network(flow, match.mask);
    match.normalize();
    return Writer{match, names, true, tun}.run();
}

}  // namespace sluice
