// SPDX-License-Identifier: Apache-2.0
// The rows of the field table, in the order of ovs-fields(7). Numbers and properties: ovs-fields(7) of
// Open vSwitch 3.1, OpenFlow 1.5 §7.2.3. What the functions of field.hpp do with them is in field.cpp.
#include <algorithm>
#include <array>

#include "flow/field.hpp"

namespace sluice {
namespace {

using M = FieldMask;
using F = FieldFormat;
using P = Prereq;
constexpr bool kRw = true, kRo = false;
constexpr std::uint8_t kOf12 = 0x03, kOf13 = 0x04, kOf15 = 0x06;  // wire versions
constexpr std::uint32_t kNiciraVendor = 0x2320, kOnfVendor = 0x4f4e4600, kNshVendor = 0x005ad650;

// Parts of words that key.hpp names only as a whole.
constexpr FieldLoc part(FieldLoc whole, std::uint8_t low, std::uint8_t bits) {
    return {whole.word, static_cast<std::uint8_t>(whole.shift + low), bits};
}
constexpr FieldLoc kVlanVid12 = part(key::kVlanTci, 0, 12), kVlanVid13 = part(key::kVlanTci, 0, 13);
constexpr FieldLoc kVlanPcp = part(key::kVlanTci, 13, 3);
constexpr FieldLoc kMplsLabel = part(key::kMplsLse0, 12, 20), kMplsTc = part(key::kMplsLse0, 9, 3);
constexpr FieldLoc kMplsBos = part(key::kMplsLse0, 8, 1), kMplsTtl = part(key::kMplsLse0, 0, 8);
constexpr FieldLoc kIpDscp = part(key::kIpTos, 2, 6), kIpEcn = part(key::kIpTos, 0, 2);

using Name = std::string_view;
using Byte = std::uint8_t;
constexpr OxmHeader nxm_of(Name name, Byte field, Byte length) {
    return {0x0000, field, length, 0, 0x01, name};
}
constexpr OxmHeader nxm_nx(Name name, Byte field, Byte length) {
    return {0x0001, field, length, 0, 0x01, name};
}
constexpr OxmHeader oxm_of(Name name, Byte field, Byte length, Byte since) {
    return {0x8000, field, length, 0, since, name};
}
constexpr OxmHeader ericsson(Name name, Byte field, Byte length) {
    return {0x1000, field, length, 0, 0x01, name};
}
constexpr OxmHeader nicira_et(Name name, Byte field, Byte length) {
    return {0xffff, field, length, kNiciraVendor, 0x01, name};
}
constexpr OxmHeader onf_et(Name name, Byte field, Byte length, Byte since) {
    return {0xffff, field, length, kOnfVendor, since, name};
}
constexpr OxmHeader nsh(Name name, Byte field, Byte length) {
    return {0xffff, field, length, kNshVendor, 0x01, name};
}

struct Row {
    Name name, extra_name;
    FieldLoc loc;
    std::uint16_t bits = 0;
    FieldMask mask = M::kNone;
    FieldFormat format = F::kHex;
    Prereq prereq = P::kNone;
    bool writable = kRo;
    std::array<OxmHeader, 3> oxm{};  // unused ones have no name
};

// clang-format off
constexpr Row kTunnelRows[] = {
    {"dp_hash", "", key::kDpHash, 32, M::kFull, F::kHex, P::kNone, kRo, {nxm_nx("NXM_NX_DP_HASH", 35, 4), nicira_et("NXOXM_ET_DP_HASH", 0, 4)}},
    {"recirc_id", "", key::kRecircId, 32, M::kNone, F::kDecimal, P::kNone, kRo, {nxm_nx("NXM_NX_RECIRC_ID", 36, 4)}},
    {"packet_type", "", key::kPacketType, 32, M::kNone, F::kPacketType, P::kNone, kRo, {oxm_of("OXM_OF_PACKET_TYPE", 44, 4, kOf15)}},
    {"conj_id", "", key::kConjId, 32, M::kNone, F::kDecimal, P::kNone, kRo, {nxm_nx("NXM_NX_CONJ_ID", 37, 4)}},
    {"tun_id", "tunnel_id", key::kTunId, 64, M::kFull, F::kHex, P::kNone, kRw, {oxm_of("OXM_OF_TUNNEL_ID", 38, 8, kOf13), nxm_nx("NXM_NX_TUN_ID", 16, 8)}},
    {"tun_src", "", key::kTunSrc, 32, M::kFull, F::kIpv4, P::kNone, kRw, {nxm_nx("NXM_NX_TUN_IPV4_SRC", 31, 4)}},
    {"tun_dst", "", key::kTunDst, 32, M::kFull, F::kIpv4, P::kNone, kRw, {nxm_nx("NXM_NX_TUN_IPV4_DST", 32, 4)}},
    {"tun_ipv6_src", "", key::kTunIpv6Src, 128, M::kFull, F::kIpv6, P::kNone, kRw, {nxm_nx("NXM_NX_TUN_IPV6_SRC", 109, 16)}},
    {"tun_ipv6_dst", "", key::kTunIpv6Dst, 128, M::kFull, F::kIpv6, P::kNone, kRw, {nxm_nx("NXM_NX_TUN_IPV6_DST", 110, 16)}},
    {"tun_flags", "", key::kTunFlags, 1, M::kFull, F::kTunFlags, P::kNone, kRw, {nxm_nx("NXM_NX_TUN_FLAGS", 104, 2)}},
    {"tun_ttl", "", key::kTunTtl, 8, M::kNone, F::kDecimal, P::kNone, kRo, {}},
    {"tun_tos", "", key::kTunTos, 8, M::kNone, F::kDecimal, P::kNone, kRo, {}},
    {"tun_gbp_id", "", key::kTunGbpId, 16, M::kFull, F::kDecimal, P::kNone, kRw, {nxm_nx("NXM_NX_TUN_GBP_ID", 38, 2)}},
    {"tun_gbp_flags", "", key::kTunGbpFlags, 8, M::kFull, F::kHex, P::kNone, kRw, {nxm_nx("NXM_NX_TUN_GBP_FLAGS", 39, 1)}},
    {"tun_erspan_idx", "", key::kTunErspanIdx, 20, M::kFull, F::kHex, P::kNone, kRw, {nicira_et("NXOXM_ET_ERSPAN_IDX", 11, 4)}},
    {"tun_erspan_ver", "", key::kTunErspanVer, 4, M::kFull, F::kDecimal, P::kNone, kRw, {nicira_et("NXOXM_ET_ERSPAN_VER", 12, 1)}},
    {"tun_erspan_dir", "", key::kTunErspanDir, 1, M::kFull, F::kDecimal, P::kNone, kRw, {nicira_et("NXOXM_ET_ERSPAN_DIR", 13, 1)}},
    {"tun_erspan_hwid", "", key::kTunErspanHwid, 6, M::kFull, F::kHex, P::kNone, kRw, {nicira_et("NXOXM_ET_ERSPAN_HWID", 14, 1)}},
    {"tun_gtpu_flags", "", key::kTunGtpuFlags, 8, M::kFull, F::kHex, P::kNone, kRo, {nicira_et("NXOXM_ET_GTPU_FLAGS", 15, 1)}},
    {"tun_gtpu_msgtype", "", key::kTunGtpuMsgtype, 8, M::kFull, F::kDecimal, P::kNone, kRo, {nicira_et("NXOXM_ET_GTPU_MSGTYPE", 16, 1)}},
};
constexpr Row kMetadataRows[] = {
    {"metadata", "", key::kMetadata, 64, M::kFull, F::kHex, P::kNone, kRw, {oxm_of("OXM_OF_METADATA", 2, 8, kOf12)}},
    {"in_port", "", key::kInPort, 16, M::kNone, F::kOfPort, P::kNone, kRw, {nxm_of("NXM_OF_IN_PORT", 0, 2)}},
    {"in_port_oxm", "", key::kInPort, 32, M::kNone, F::kOfPort, P::kNone, kRw, {oxm_of("OXM_OF_IN_PORT", 0, 4, kOf12)}},
    {"actset_output", "", key::kActsetOutput, 32, M::kNone, F::kOfPort, P::kNone, kRo, {oxm_of("OXM_OF_ACTSET_OUTPUT", 43, 4, kOf15), onf_et("ONFOXM_ET_ACTSET_OUTPUT", 43, 4, kOf13)}},
    {"skb_priority", "", key::kSkbPriority, 32, M::kNone, F::kHex, P::kNone, kRo, {}},
    {"pkt_mark", "", key::kPktMark, 32, M::kFull, F::kHex, P::kNone, kRw, {nxm_nx("NXM_NX_PKT_MARK", 33, 4)}},
    {"ct_state", "", key::kCtState, 32, M::kFull, F::kCtState, P::kNone, kRo, {nxm_nx("NXM_NX_CT_STATE", 105, 4)}},
    {"ct_zone", "", key::kCtZone, 16, M::kNone, F::kHex, P::kNone, kRo, {nxm_nx("NXM_NX_CT_ZONE", 106, 2)}},
    {"ct_mark", "", key::kCtMark, 32, M::kFull, F::kHex, P::kNone, kRw, {nxm_nx("NXM_NX_CT_MARK", 107, 4)}},
    {"ct_label", "", key::kCtLabel, 128, M::kFull, F::kHex, P::kNone, kRw, {nxm_nx("NXM_NX_CT_LABEL", 108, 16)}},
    {"ct_nw_proto", "", key::kCtProto, 8, M::kNone, F::kDecimal, P::kCt, kRo, {nxm_nx("NXM_NX_CT_NW_PROTO", 119, 1)}},
    {"ct_nw_src", "", key::kCtSrc, 32, M::kFull, F::kIpv4, P::kCt, kRo, {nxm_nx("NXM_NX_CT_NW_SRC", 120, 4)}},
    {"ct_nw_dst", "", key::kCtDst, 32, M::kFull, F::kIpv4, P::kCt, kRo, {nxm_nx("NXM_NX_CT_NW_DST", 121, 4)}},
    {"ct_ipv6_src", "", key::kCtIpv6Src, 128, M::kFull, F::kIpv6, P::kCt, kRo, {nxm_nx("NXM_NX_CT_IPV6_SRC", 122, 16)}},
    {"ct_ipv6_dst", "", key::kCtIpv6Dst, 128, M::kFull, F::kIpv6, P::kCt, kRo, {nxm_nx("NXM_NX_CT_IPV6_DST", 123, 16)}},
    {"ct_tp_src", "", key::kCtTpSrc, 16, M::kFull, F::kDecimal, P::kCt, kRo, {nxm_nx("NXM_NX_CT_TP_SRC", 124, 2)}},
    {"ct_tp_dst", "", key::kCtTpDst, 16, M::kFull, F::kDecimal, P::kCt, kRo, {nxm_nx("NXM_NX_CT_TP_DST", 125, 2)}},
};
constexpr Row kPacketRows[] = {
    {"eth_src", "dl_src", key::kEthSrc, 48, M::kFull, F::kMac, P::kEthernet, kRw, {oxm_of("OXM_OF_ETH_SRC", 4, 6, kOf12), nxm_of("NXM_OF_ETH_SRC", 2, 6)}},
    {"eth_dst", "dl_dst", key::kEthDst, 48, M::kFull, F::kMac, P::kEthernet, kRw, {oxm_of("OXM_OF_ETH_DST", 3, 6, kOf12), nxm_of("NXM_OF_ETH_DST", 1, 6)}},
    {"eth_type", "dl_type", key::kEthType, 16, M::kNone, F::kHex, P::kEthernet, kRo, {oxm_of("OXM_OF_ETH_TYPE", 5, 2, kOf12), nxm_of("NXM_OF_ETH_TYPE", 3, 2)}},
    {"vlan_tci", "", key::kVlanTci, 16, M::kSpecial, F::kHex, P::kEthernet, kRw, {nxm_of("NXM_OF_VLAN_TCI", 4, 2)}},
    {"dl_vlan", "", kVlanVid12, 12, M::kNone, F::kDecimal, P::kEthernet, kRw, {}},
    {"vlan_vid", "", kVlanVid13, 12, M::kSpecial, F::kDecimal, P::kEthernet, kRw, {oxm_of("OXM_OF_VLAN_VID", 6, 2, kOf12)}},
    {"dl_vlan_pcp", "", kVlanPcp, 3, M::kNone, F::kDecimal, P::kEthernet, kRw, {}},
    {"vlan_pcp", "", kVlanPcp, 3, M::kNone, F::kDecimal, P::kVlan, kRw, {oxm_of("OXM_OF_VLAN_PCP", 7, 1, kOf12)}},
    {"mpls_label", "", kMplsLabel, 20, M::kNone, F::kDecimal, P::kMpls, kRw, {oxm_of("OXM_OF_MPLS_LABEL", 34, 4, kOf12)}},
    {"mpls_tc", "", kMplsTc, 3, M::kNone, F::kDecimal, P::kMpls, kRw, {oxm_of("OXM_OF_MPLS_TC", 35, 1, kOf12)}},
    {"mpls_bos", "", kMplsBos, 1, M::kNone, F::kDecimal, P::kMpls, kRo, {oxm_of("OXM_OF_MPLS_BOS", 36, 1, kOf13)}},
    {"mpls_ttl", "", kMplsTtl, 8, M::kNone, F::kDecimal, P::kMpls, kRw, {nxm_nx("NXM_NX_MPLS_TTL", 30, 1)}},
    {"ip_src", "nw_src", key::kIpv4Src, 32, M::kFull, F::kIpv4, P::kIpv4, kRw, {oxm_of("OXM_OF_IPV4_SRC", 11, 4, kOf12), nxm_of("NXM_OF_IP_SRC", 7, 4)}},
    {"ip_dst", "nw_dst", key::kIpv4Dst, 32, M::kFull, F::kIpv4, P::kIpv4, kRw, {oxm_of("OXM_OF_IPV4_DST", 12, 4, kOf12), nxm_of("NXM_OF_IP_DST", 8, 4)}},
    {"ipv6_src", "", key::kIpv6Src, 128, M::kFull, F::kIpv6, P::kIpv6, kRw, {oxm_of("OXM_OF_IPV6_SRC", 26, 16, kOf12), nxm_nx("NXM_NX_IPV6_SRC", 19, 16)}},
    {"ipv6_dst", "", key::kIpv6Dst, 128, M::kFull, F::kIpv6, P::kIpv6, kRw, {oxm_of("OXM_OF_IPV6_DST", 27, 16, kOf12), nxm_nx("NXM_NX_IPV6_DST", 20, 16)}},
    {"ipv6_label", "", key::kIpv6Label, 20, M::kFull, F::kHex, P::kIpv6, kRw, {oxm_of("OXM_OF_IPV6_FLABEL", 28, 4, kOf12), nxm_nx("NXM_NX_IPV6_LABEL", 27, 4)}},
    {"nw_proto", "ip_proto", key::kIpProto, 8, M::kNone, F::kDecimal, P::kIpAny, kRo, {oxm_of("OXM_OF_IP_PROTO", 10, 1, kOf12), nxm_of("NXM_OF_IP_PROTO", 6, 1)}},
    {"nw_tos", "", key::kIpTos, 8, M::kNone, F::kDecimal, P::kIpAny, kRw, {nxm_of("NXM_OF_IP_TOS", 5, 1)}},
    {"ip_dscp", "", kIpDscp, 6, M::kNone, F::kDecimal, P::kIpAny, kRw, {oxm_of("OXM_OF_IP_DSCP", 8, 1, kOf12)}},
    {"nw_ecn", "ip_ecn", kIpEcn, 2, M::kNone, F::kDecimal, P::kIpAny, kRw, {oxm_of("OXM_OF_IP_ECN", 9, 1, kOf12), nxm_nx("NXM_NX_IP_ECN", 28, 1)}},
    {"nw_ttl", "", key::kIpTtl, 8, M::kNone, F::kDecimal, P::kIpAny, kRw, {nxm_nx("NXM_NX_IP_TTL", 29, 1)}},
    {"ip_frag", "nw_frag", key::kIpFrag, 2, M::kFull, F::kFrag, P::kIpAny, kRo, {nxm_nx("NXM_NX_IP_FRAG", 26, 1)}},
    {"arp_op", "", key::kIpProto, 16, M::kNone, F::kDecimal, P::kArp, kRw, {oxm_of("OXM_OF_ARP_OP", 21, 2, kOf12), nxm_of("NXM_OF_ARP_OP", 15, 2)}},
    {"arp_spa", "", key::kIpv4Src, 32, M::kFull, F::kIpv4, P::kArp, kRw, {oxm_of("OXM_OF_ARP_SPA", 22, 4, kOf12), nxm_of("NXM_OF_ARP_SPA", 16, 4)}},
    {"arp_tpa", "", key::kIpv4Dst, 32, M::kFull, F::kIpv4, P::kArp, kRw, {oxm_of("OXM_OF_ARP_TPA", 23, 4, kOf12), nxm_of("NXM_OF_ARP_TPA", 17, 4)}},
    {"arp_sha", "", key::kArpSha, 48, M::kFull, F::kMac, P::kArp, kRw, {oxm_of("OXM_OF_ARP_SHA", 24, 6, kOf12), nxm_nx("NXM_NX_ARP_SHA", 17, 6)}},
    {"arp_tha", "", key::kArpTha, 48, M::kFull, F::kMac, P::kArp, kRw, {oxm_of("OXM_OF_ARP_THA", 25, 6, kOf12), nxm_nx("NXM_NX_ARP_THA", 18, 6)}},
    {"tcp_src", "tp_src", key::kTpSrc, 16, M::kFull, F::kDecimal, P::kTcp, kRw, {oxm_of("OXM_OF_TCP_SRC", 13, 2, kOf12), nxm_of("NXM_OF_TCP_SRC", 9, 2)}},
    {"tcp_dst", "tp_dst", key::kTpDst, 16, M::kFull, F::kDecimal, P::kTcp, kRw, {oxm_of("OXM_OF_TCP_DST", 14, 2, kOf12), nxm_of("NXM_OF_TCP_DST", 10, 2)}},
    {"tcp_flags", "", key::kTcpFlags, 12, M::kFull, F::kTcpFlags, P::kTcp, kRo, {oxm_of("OXM_OF_TCP_FLAGS", 42, 2, kOf15), onf_et("ONFOXM_ET_TCP_FLAGS", 42, 2, kOf13), nxm_nx("NXM_NX_TCP_FLAGS", 34, 2)}},
    {"udp_src", "", key::kTpSrc, 16, M::kFull, F::kDecimal, P::kUdp, kRw, {oxm_of("OXM_OF_UDP_SRC", 15, 2, kOf12), nxm_of("NXM_OF_UDP_SRC", 11, 2)}},
    {"udp_dst", "", key::kTpDst, 16, M::kFull, F::kDecimal, P::kUdp, kRw, {oxm_of("OXM_OF_UDP_DST", 16, 2, kOf12), nxm_of("NXM_OF_UDP_DST", 12, 2)}},
    {"sctp_src", "", key::kTpSrc, 16, M::kFull, F::kDecimal, P::kSctp, kRw, {oxm_of("OXM_OF_SCTP_SRC", 17, 2, kOf12)}},
    {"sctp_dst", "", key::kTpDst, 16, M::kFull, F::kDecimal, P::kSctp, kRw, {oxm_of("OXM_OF_SCTP_DST", 18, 2, kOf12)}},
    {"icmp_type", "", key::kTpSrc, 8, M::kNone, F::kDecimal, P::kIcmpV4, kRw, {oxm_of("OXM_OF_ICMPV4_TYPE", 19, 1, kOf12), nxm_of("NXM_OF_ICMP_TYPE", 13, 1)}},
    {"icmp_code", "", key::kTpDst, 8, M::kNone, F::kDecimal, P::kIcmpV4, kRw, {oxm_of("OXM_OF_ICMPV4_CODE", 20, 1, kOf12), nxm_of("NXM_OF_ICMP_CODE", 14, 1)}},
    {"icmpv6_type", "", key::kTpSrc, 8, M::kNone, F::kDecimal, P::kIcmpV6, kRw, {oxm_of("OXM_OF_ICMPV6_TYPE", 29, 1, kOf12), nxm_nx("NXM_NX_ICMPV6_TYPE", 21, 1)}},
    {"icmpv6_code", "", key::kTpDst, 8, M::kNone, F::kDecimal, P::kIcmpV6, kRw, {oxm_of("OXM_OF_ICMPV6_CODE", 30, 1, kOf12), nxm_nx("NXM_NX_ICMPV6_CODE", 22, 1)}},
    {"nd_target", "", key::kNdTarget, 128, M::kFull, F::kIpv6, P::kNd, kRw, {oxm_of("OXM_OF_IPV6_ND_TARGET", 31, 16, kOf12), nxm_nx("NXM_NX_ND_TARGET", 23, 16)}},
    {"nd_sll", "", key::kArpSha, 48, M::kFull, F::kMac, P::kNdSolicit, kRw, {oxm_of("OXM_OF_IPV6_ND_SLL", 32, 6, kOf12), nxm_nx("NXM_NX_ND_SLL", 24, 6)}},
    {"nd_tll", "", key::kArpTha, 48, M::kFull, F::kMac, P::kNdAdvert, kRw, {oxm_of("OXM_OF_IPV6_ND_TLL", 33, 6, kOf12), nxm_nx("NXM_NX_ND_TLL", 25, 6)}},
    {"nd_reserved", "", key::kNdReserved, 32, M::kNone, F::kDecimal, P::kNd, kRw, {ericsson("ERICOXM_OF_ICMPV6_ND_RESERVED", 1, 4)}},
    {"nd_options_type", "", key::kNdOptionsType, 8, M::kNone, F::kDecimal, P::kNd, kRw, {ericsson("ERICOXM_OF_ICMPV6_ND_OPTIONS_TYPE", 2, 1)}},
    {"nsh_flags", "", key::kNshFlags, 8, M::kFull, F::kDecimal, P::kNsh, kRw, {nsh("NXOXM_NSH_FLAGS", 1, 1)}},
    {"nsh_mdtype", "", key::kNshMdtype, 8, M::kNone, F::kDecimal, P::kNsh, kRo, {nsh("NXOXM_NSH_MDTYPE", 2, 1)}},
    {"nsh_np", "", key::kNshNp, 8, M::kNone, F::kDecimal, P::kNsh, kRo, {nsh("NXOXM_NSH_NP", 3, 1)}},
    {"nsh_spi", "nsp", key::kNshSpi, 24, M::kNone, F::kHex, P::kNsh, kRw, {nsh("NXOXM_NSH_SPI", 4, 4)}},
    {"nsh_si", "nsi", key::kNshSi, 8, M::kNone, F::kDecimal, P::kNsh, kRw, {nsh("NXOXM_NSH_SI", 5, 1)}},
    {"nsh_c1", "nshc1", key::kNshC1, 32, M::kFull, F::kHex, P::kNsh, kRw, {nsh("NXOXM_NSH_C1", 6, 4)}},
    {"nsh_c2", "nshc2", key::kNshC2, 32, M::kFull, F::kHex, P::kNsh, kRw, {nsh("NXOXM_NSH_C2", 7, 4)}},
    {"nsh_c3", "nshc3", key::kNshC3, 32, M::kFull, F::kHex, P::kNsh, kRw, {nsh("NXOXM_NSH_C3", 8, 4)}},
    {"nsh_c4", "nshc4", key::kNshC4, 32, M::kFull, F::kHex, P::kNsh, kRw, {nsh("NXOXM_NSH_C4", 9, 4)}},
    {"nsh_ttl", "", key::kNshTtl, 6, M::kNone, F::kDecimal, P::kNsh, kRw, {nsh("NXOXM_NSH_TTL", 10, 1)}},
};
// clang-format on

// Numbered fields: "reg0".."reg15" and so on, with the text of their names.
template <std::size_t N>
struct NumberedNames {
    std::array<std::array<char, 24>, N> text{};
    std::array<std::size_t, N> size{};
    constexpr explicit NumberedNames(Name prefix) {
        for (std::size_t i = 0; i < N; ++i) {
            std::size_t n = 0;
            for (char c : prefix)
                text[i][n++] = c;
            if (i >= 10) text[i][n++] = static_cast<char>('0' + i / 10);
            text[i][n++] = static_cast<char>('0' + i % 10);
            size[i] = n;
        }
    }
    constexpr Name operator[](std::size_t i) const { return {text[i].data(), size[i]}; }
};
constexpr NumberedNames<64> kTunMetadata{"tun_metadata"}, kTunMetadataNxm{"NXM_NX_TUN_METADATA"};
constexpr NumberedNames<16> kReg{"reg"}, kRegNxm{"NXM_NX_REG"};
constexpr NumberedNames<8> kXreg{"xreg"}, kXregOxm{"OXM_OF_PKT_REG"};
constexpr NumberedNames<4> kXxreg{"xxreg"}, kXxregNxm{"NXM_NX_XXREG"};

constexpr Row scratch_row(Name name, FieldLoc loc, OxmHeader oxm) {
    return {name, "", loc, loc.bits, M::kFull, F::kHex, P::kNone, kRw, {oxm}};
}

constexpr std::size_t kFieldCount =
    std::size(kTunnelRows) + 64 + std::size(kMetadataRows) + 16 + 8 + 4 + std::size(kPacketRows);
static_assert(kFieldCount < 255, "FieldId is one byte, 0xff means none");

constexpr std::array<Row, kFieldCount> make_rows() {
    std::array<Row, kFieldCount> rows{};
    std::size_t n = 0;
    for (const auto& row : kTunnelRows)
        rows[n++] = row;
    // Up to 124 bytes each; where one lies in the option space says the bridge's TLV table.
    for (Byte i = 0; i < 64; ++i) {
        rows[n] = scratch_row(kTunMetadata[i], FieldLoc{key::kTunMetadataWord, 0, 0},
                              nxm_nx(kTunMetadataNxm[i], static_cast<Byte>(40 + i), 124));
        rows[n].bits = 124 * 8;
        ++n;
    }
    for (const auto& row : kMetadataRows)
        rows[n++] = row;
    for (Byte i = 0; i < 16; ++i)
        rows[n++] = scratch_row(kReg[i], key::reg(i), nxm_nx(kRegNxm[i], i, 4));
    for (Byte i = 0; i < 8; ++i) {
        rows[n++] = scratch_row(kXreg[i], key::xreg(i), {0x8001, i, 8, 0, kOf13, kXregOxm[i]});
    }
    for (Byte i = 0; i < 4; ++i) {
        rows[n++] =
            scratch_row(kXxreg[i], key::xxreg(i), nxm_nx(kXxregNxm[i], static_cast<Byte>(111 + i), 16));
    }
    for (const auto& row : kPacketRows)
        rows[n++] = row;
    return rows;
}
constexpr std::array<Row, kFieldCount> kRows = make_rows();

constexpr std::size_t header_count(const Row& row) {
    std::size_t n = 0;
    while (n < row.oxm.size() && !row.oxm[n].name.empty())
        ++n;
    return n;
}

constexpr std::array<FieldInfo, kFieldCount> make_fields() {
    std::array<FieldInfo, kFieldCount> fields{};
    for (std::size_t i = 0; i < kFieldCount; ++i) {
        const Row& r = kRows[i];
        const std::size_t n = header_count(r);
        // Sub-fields are printed with the name OpenFlow 1.0 would use on the wire.
        Name nxm_name = n == 0 ? r.name : r.oxm[n - 1].name;
        for (std::size_t h = n; h-- > 0;)
            nxm_name = r.oxm[h].since <= 0x01 ? r.oxm[h].name : nxm_name;
        fields[i] = FieldInfo{r.name,     r.extra_name,      r.loc,   r.bits, r.mask, r.format, r.prereq,
                              r.writable, {r.oxm.data(), n}, nxm_name};
    }
    return fields;
}
constexpr std::array<FieldInfo, kFieldCount> kFields = make_fields();

constexpr bool row_is_sound(const FieldInfo& f) {
    if (f.name.empty()) return false;
    if (f.loc.bits == 0) return f.bits == 124 * 8;
    const bool wide = f.loc.bits == 128;
    if (f.loc.word + (wide ? 1u : 0u) >= kKeyWords) return false;
    if (wide ? f.loc.shift != 0 : f.loc.shift + f.loc.bits > 64) return false;
    for (std::size_t h = 0; h < f.oxm.size(); ++h) {
        if (f.bits > f.oxm[h].length * 8) return false;
        if (h > 0 && f.oxm[h].since > f.oxm[h - 1].since) return false;  // newest first
    }
    return f.bits > 0 && (f.format != F::kMac || f.bits == 48) && (f.format != F::kIpv6 || wide);
}
static_assert(std::all_of(kFields.begin(), kFields.end(), row_is_sound));

}  // namespace

std::span<const FieldInfo> all_fields() {
    return kFields;
}

const FieldInfo& field_info(FieldId id) {
    return kFields[static_cast<std::size_t>(id)];
}

}  // namespace sluice
