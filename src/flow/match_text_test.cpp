// SPDX-License-Identifier: Apache-2.0
// Matches as text: what ovs-ofctl 3.1 prints for them (checked against it by oracle_test.cpp), refusals,
// flows.
#include "flow/match_text.hpp"

#include <gtest/gtest.h>

namespace sluice {
namespace {

std::string reprint(std::string_view s, const PortNames* names = nullptr) {
    const auto match = parse_match(s, names);
    return match ? format_match(*match, names) : "error: " + match.error().message;
}

class TwoPorts : public PortNames {
  public:
    std::optional<OfPort> find_port(std::string_view name) const override {
        return name == "eth0"  ? std::optional{OfPort{1}}
               : name == "a b" ? std::optional{OfPort{2}}
                               : std::nullopt;
    }
    std::string port_name(OfPort port) const override {
        return port == OfPort{1} ? "eth0" : port == OfPort{2} ? "a b" : "";
    }
};

TEST(MatchText, prints_like_ovs_ofctl) {
    const std::pair<std::string_view, std::string_view> cases[] = {
        {"", ""},
        {"eth", ""},
        {"in_port=1,tcp,nw_src=10.0.0.0/8,tp_dst=80", "tcp,in_port=1,nw_src=10.0.0.0/8,tp_dst=80"},
        {"in_port=LOCAL,dl_vlan=0xffff", "in_port=LOCAL,vlan_tci=0x0000"},
        {"dl_vlan=10,dl_vlan_pcp=3", "dl_vlan=10,dl_vlan_pcp=3"},
        {"vlan_vid=0x1000/0x1000", "vlan_tci=0x1000/0x1000"},
        {"vlan_tci=0x1005/0x1fff", "dl_vlan=5"},
        {"vlan_tci=0x3000/0xf000", "dl_vlan_pcp=1"},
        {"vlan_tci=0x0005/0x0fff", "vlan_tci=0x0005/0x0fff"},
        {"vlan_tci=0/0x1fff", "vlan_tci=0x0000/0x1fff"},
        {"udp6,ipv6_src=fe80::/10,tp_src=0x10/0xf0", "udp6,ipv6_src=fe80::/10,tp_src=0x10/0xf0"},
        {"arp,arp_op=1,arp_spa=1.2.3.4,arp_sha=00:01:02:03:04:05",
         "arp,arp_spa=1.2.3.4,arp_op=1,arp_sha=00:01:02:03:04:05"},
        {"arp,nw_src=1.2.3.4", "arp,arp_spa=1.2.3.4"},
        {"icmp,tp_src=8", "icmp,icmp_type=8"},
        {"tcp,tcp_flags=+syn-ack", "tcp,tcp_flags=+syn-ack"},
        {"tcp,tcp_flags=0x12", "tcp,tcp_flags=syn|ack"},
        {"tcp,tcp_flags=0", "tcp,tcp_flags=0"},
        {"tcp,tcp_flags=0/0x2", "tcp,tcp_flags=-syn"},
        {"ct_state=+trk+est-new,ip", "ct_state=-new+est+trk,ip"},
        {"ct_state=0x21", "ct_state=new|trk"},
        {"ct_state=0", "ct_state=0"},
        {"ip,nw_frag=not_later,nw_tos=0x20,nw_ttl=64,nw_ecn=1",
         "ip,nw_tos=32,nw_ecn=1,nw_ttl=64,nw_frag=not_later"},
        {"ip,ip_frag=first", "ip,nw_frag=first"},
        {"icmp6,icmp_type=135,nd_target=fe80::1,nd_sll=00:01:02:03:04:05",
         "icmp6,icmp_type=135,nd_target=fe80::1,nd_sll=00:01:02:03:04:05"},
        {"icmp6,icmp_type=136,icmp_code=0,nd_tll=00:11:22:33:44:55,nd_reserved=5,nd_options_type=2,nd_target="
         "fe80::/ffff::1",
         "icmp6,icmp_type=136,icmp_code=0,nd_target=fe80::/ffff::1,nd_tll=00:11:22:33:44:55,nd_reserved=5,"
         "nd_options_type=2"},
        {"dl_type=0x88cc,metadata=0x5/0xf,reg0=5,reg1=0x10/0xff,xreg4=7,xxreg3=9,tun_id=0x100",
         "reg0=0x5,reg1=0x10/"
         "0xff,reg8=0,reg9=0x7,reg12=0,reg13=0,reg14=0,reg15=0x9,tun_id=0x100,metadata=0x5/0xf,"
         "dl_type=0x88cc"},
        {"mpls,mpls_label=5,mpls_tc=1,mpls_bos=0", "mpls,mpls_label=5,mpls_tc=1,mpls_bos=0"},
        {"mplsm,mpls_ttl=6", "mplsm,mpls_ttl=6"},
        {"tun_flags=oam,tun_src=1.2.3.4,tun_gbp_id=5,tun_gbp_flags=1,conj_id=4,pkt_mark=0x5,ct_zone=3,ct_"
         "mark=7,"
         "ct_label=0x10",
         "pkt_mark=0x5,conj_id=4,ct_zone=3,ct_mark=0x7,ct_label=0x10,tun_src=1.2.3.4,tun_gbp_id=5,tun_gbp_"
         "flags=0x1,"
         "tun_flags=+oam"},
        {"ip,nw_proto=2", "ip,nw_proto=2"},
        {"ipv6,nw_proto=132,tp_dst=3,ipv6_label=0x5/0xff", "sctp6,ipv6_label=0x00005/0x000ff,tp_dst=3"},
        {"dl_src=01:00:00:00:00:00/01:00:00:00:00:00,eth_dst=ff:ff:ff:ff:ff:ff",
         "dl_src=01:00:00:00:00:00/01:00:00:00:00:00,dl_dst=ff:ff:ff:ff:ff:ff"},
        {"rarp,arp_op=3", "rarp,arp_op=3"},
        {"packet_type=(1,0x800),nw_src=1.2.3.4", "packet_type=(1,0x800),nw_src=1.2.3.4"},
        {"tun_id=0,reg0=0/0xf0,metadata=0,pkt_mark=0", "pkt_mark=0,reg0=0/0xf0,tun_id=0,metadata=0"},
        {"ip,nw_src=1.2.3.4/255.0.255.0,nw_dst=0.0.0.0/0", "ip,nw_src=1.0.3.0/255.0.255.0"},
        {"ct_state=+trk+est,ip,ct_nw_src=1.2.3.4,ct_nw_proto=6,ct_tp_src=5,ct_tp_dst=6/"
         "0xff,ct_nw_dst=1.0.0.0/8",
         "ct_state=+est+trk,ct_nw_src=1.2.3.4,ct_nw_dst=1.0.0.0/8,ct_nw_proto=6,ct_tp_src=5,ct_tp_dst=0x6/"
         "0xff,ip"},
        {"dl_type=0x894f,nsh_spi=5,nsh_si=3,nsh_c1=4/"
         "0xff,nsh_c4=1,nsh_mdtype=1,nsh_ttl=5,nsh_flags=2,nsh_np=1",
         "dl_type=0x894f,nsh_flags=2,nsh_ttl=5,nsh_mdtype=1,nsh_np=1,nsh_spi=0x5,nsh_si=3,nsh_c1=0x4/"
         "0xff,nsh_c4=0x1"},
        {"ip,ip_dscp=10", "ip,nw_tos=40"},
        {"NXM_OF_ETH_TYPE=0x800,OXM_OF_IP_PROTO=17,udp_src=5", "udp,tp_src=5"},
        {"tcp nw_proto=17", "udp"},
        {"in_port=65534", "in_port=LOCAL"},
        {"dl_type=0x5", "dl_type=0x0005"},
        {"ct_label=0x100000000000000001/0xff0000000000000001",
         "ct_label=0x100000000000000001/0xff0000000000000001"},
        {"ct_label=0", "ct_label=0"},
        {"skb_priority=3", "skb_priority=0x3"},
    };
    for (const auto& [in, out] : cases) {
        EXPECT_EQ(reprint(in), out) << in;
        EXPECT_EQ(reprint(reprint(in)), reprint(in)) << in;
    }
}

TEST(MatchText, refusals_name_field_value_and_limit) {
    const std::pair<std::string_view, std::string_view> cases[] = {
        {"foo=3", "error: unknown keyword foo"},
        {"tcp_dst", "error: field tcp_dst missing value"},
        {"tp_dst=80", "error: tp_dst: a match on it needs tcp, udp, sctp, icmp or icmp6 in the same match"},
        {"nw_src=1.2.3.4", "error: nw_src: a match on it needs ip in the same match"},
        {"dl_src=00:11", "error: eth_src: \"00:11\" is not an Ethernet address"},
        {"ip,nw_src=1.2.3.4/33", "error: ip_src: prefix length in 1.2.3.4/33 is above the limit of 32"},
        {"reg0=0x100000000", "error: reg0: value 0x100000000 is above the limit of 0xffffffff"},
        {"dl_vlan=5000", "error: dl_vlan: value 5000 is above the limit of 0xfff"},
        {"dl_type=0x600/0xff",
         "error: eth_type: 0x600/0xff has a mask, but this field can only be matched as a whole"},
        {"in_port=99999",
         "error: in_port_oxm: port 99999 is outside the range 0 through 0xffff or 0xffffff00 through "
         "0xffffffff"},
        {"in_port=eth0", "error: in_port_oxm: eth0: no port has this name or number"},
        {"ct_state=200/0x1000", "error: ct_state: 200/0x1000 has bits outside of 0xff"},
        {"ct_state=+bad", "error: ct_state: \"bad\" is not a flag of this field"},
        {"tcp,tcp_flags=+syn+syn", "error: tcp_flags: each flag may be given only once, syn is there twice"},
        {"ip,nw_frag=maybe", "error: ip_frag: \"maybe\" is not one of no, yes, first, later and not_later"},
        {"tun_metadata0=5",
         "error: tun_metadata0: no TLV is mapped to this field (see ovs-ofctl add-tlv-map)"},
        {"packet_type=(1", "error: packet_type: \"(1\" is not (namespace,type)"},
    };
    for (const auto& [in, out] : cases)
        EXPECT_EQ(reprint(in), out) << in;
}

TEST(MatchText, ports_have_names_when_somebody_knows_them) {
    const TwoPorts names;
    EXPECT_EQ(reprint("in_port=eth0", &names), "in_port=eth0");
    EXPECT_EQ(reprint("in_port=1", &names), "in_port=eth0");
    EXPECT_EQ(reprint("in_port=\"a b\"", &names), "in_port=\"a b\"");
    EXPECT_EQ(reprint("in_port=3", &names), "in_port=3");
}

TEST(FlowLine, prints_every_field_a_packet_has) {
    const std::pair<std::string_view, std::string_view> cases[] = {
        {"in_port=1,tcp,dl_src=00:00:00:00:00:01,nw_src=10.0.0.1,nw_dst=10.0.0.2,tp_src=5,tp_dst=80,tcp_"
         "flags=syn",
         "tcp,in_port=1,vlan_tci=0x0000,dl_src=00:00:00:00:00:01,dl_dst=00:00:00:00:00:00,nw_src=10.0.0.1,nw_"
         "dst=10.0.0."
         "2,nw_tos=0,nw_ecn=0,nw_ttl=0,nw_frag=no,tp_src=5,tp_dst=80,tcp_flags=syn"},
        {"in_port=2,dl_vlan=20",
         "in_port=2,dl_vlan=20,dl_vlan_pcp=0,vlan_tci1=0x0000,dl_src=00:00:00:00:00:00,dl_dst="
         "00:00:00:00:00:00,dl_type=0x0000"},
        {"in_port=1,arp,arp_op=1,reg0=3",
         "arp,reg0=0x3,in_port=1,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,dl_dst=00:00:00:00:00:00,arp_spa=0."
         "0.0.0,"
         "arp_tpa=0.0.0.0,arp_op=1,arp_sha=00:00:00:00:00:00,arp_tha=00:00:00:00:00:00"},
        // Taken from ovs-appctl ofproto/trace of Open vSwitch 3.1.
        {"in_port=1,ip,nw_proto=2",
         "ip,in_port=1,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,dl_dst=00:00:00:00:00:00,nw_src=0.0.0.0,nw_"
         "dst=0.0.0.0,nw_proto=2,nw_tos=0,nw_ecn=0,nw_ttl=0,nw_frag=no,tp_src=0,tp_dst=0"},
        {"in_port=1,mpls,mpls_label=5",
         "mpls,in_port=1,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,dl_dst=00:00:00:00:00:00,mpls_label=5,mpls_"
         "tc=0,mpls_ttl=0,mpls_bos=0,mpls_lse1=0,mpls_lse2=0"},
        {"in_port=1,udp,nw_frag=later",
         "udp,in_port=1,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,dl_dst=00:00:00:00:00:00,nw_src=0.0.0.0,nw_"
         "dst=0.0.0.0,nw_tos=0,nw_ecn=0,nw_ttl=0,nw_frag=later"},
        {"in_port=1,udp,ct_state=trk|new,ct_nw_src=1.2.3.4,ct_nw_proto=6,recirc_id=0x1",
         "recirc_id=0x1,ct_state=new|trk,ct_nw_src=1.2.3.4,ct_nw_dst=0.0.0.0,ct_nw_proto=6,ct_tp_src=0,ct_tp_"
         "dst=0,eth,udp,in_port=1,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,dl_dst=00:00:00:00:00:00,nw_src=0."
         "0.0.0,nw_dst=0.0.0.0,nw_tos=0,nw_ecn=0,nw_ttl=0,nw_frag=no,tp_src=0,tp_dst=0"},
        {"in_port=1,tun_src=1.2.3.4,tun_dst=2.3.4.5,tcp",
         "tcp,tun_src=1.2.3.4,tun_dst=2.3.4.5,tun_ipv6_src=::,tun_ipv6_dst=::,tun_gbp_id=0,tun_gbp_flags=0,"
         "tun_tos=0,tun_ttl=0,tun_erspan_ver=0,gtpu_flags=0,gtpu_msgtype=0,tun_flags=0,in_port=1,vlan_tci="
         "0x0000,dl_src=00:00:00:00:00:00,dl_dst=00:00:00:00:00:00,nw_src=0.0.0.0,nw_dst=0.0.0.0,nw_tos=0,nw_"
         "ecn=0,nw_ttl=0,nw_frag=no,tp_src=0,tp_dst=0,tcp_flags=0"},
        {"in_port=1,dl_type=0x894f,nsh_mdtype=1,nsh_spi=3",
         "in_port=1,vlan_tci=0x0000,dl_src=00:00:00:00:00:00,dl_dst=00:00:00:00:00:00,dl_type=0x894f,nsh_"
         "flags=0,nsh_ttl=0,nsh_mdtype=1,nsh_np=0,nsh_spi=0x3,nsh_si=0,nsh_c1=0x0,nsh_c2=0x0,nsh_c3=0x0,nsh_"
         "c4=0x0,nw_proto=0,nw_tos=0,nw_ecn=0,nw_ttl=0,nw_frag=no"},
        {"packet_type=(1,0x800),in_port=1,nw_src=1.2.3.4",
         "packet_type=(1,0x800),in_port=1,nw_src=1.2.3.4,nw_dst=0.0.0.0,nw_proto=0,nw_tos=0,nw_ecn=0,nw_ttl="
         "0,nw_frag=no"},
    };
    for (const auto& [in, out] : cases) {
        const auto flow = parse_flow(in);
        ASSERT_TRUE(flow) << flow.error().message;
        EXPECT_EQ(format_flow(*flow), out);
    }
}

TEST(SubFieldText, round_trips) {
    const std::pair<std::string_view, std::string_view> cases[] = {
        {"reg0", "NXM_NX_REG0[]"},
        {"reg0[]", "NXM_NX_REG0[]"},
        {"NXM_NX_REG0[0..15]", "NXM_NX_REG0[0..15]"},
        {"eth_src[47]", "NXM_OF_ETH_SRC[47]"},
        {"xxreg1[]", "NXM_NX_XXREG1[]"},
        {"dl_vlan[]", "dl_vlan[]"},
        {"mpls_bos", "OXM_OF_MPLS_BOS[]"},
    };
    for (const auto& [in, out] : cases) {
        const auto sub = parse_subfield(in);
        ASSERT_TRUE(sub) << sub.error().message;
        EXPECT_EQ(format_subfield(*sub), out);
    }
    for (const std::string_view bad :
         {"reg0[32]", "reg0[5..3]", "reg0[3", "foo[]", "", "reg0[a]", "reg0[0..99999]"})
        EXPECT_FALSE(parse_subfield(bad)) << bad;
}

}  // namespace
}  // namespace sluice
