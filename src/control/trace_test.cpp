// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "control/trace_compose.hpp"
#include "control/trace_odp.hpp"
#include "flow/match_text.hpp"
#include "pipeline/parse.hpp"

namespace sluice {
namespace {

FlowKey parse(const std::vector<std::uint8_t>& bytes) {
    FlowKey key;
    const auto size = static_cast<std::uint32_t>(bytes.size());
    const auto l3 = pipeline::parse_link(bytes.data(), size, 2, key);
    pipeline::parse_network(bytes.data(), size, size, l3, key);
    return key;
}

class Compose : public testing::TestWithParam<const char*> {};

TEST_P(Compose, GivesAPacketThatParsesToTheSameFlow) {
    const auto flow = parse_flow(GetParam());
    ASSERT_TRUE(flow) << flow.error().message;
    const FlowKey parsed = parse(compose_packet(*flow));
    EXPECT_EQ(format_flow(parsed), format_flow(*flow));
}

INSTANTIATE_TEST_SUITE_P(
    Flows, Compose,
    testing::Values(
        "dl_src=02:00:00:00:00:01,dl_dst=02:00:00:00:00:02,dl_type=0x1234",
        "ip,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_ttl=64,nw_proto=99",
        "tcp,nw_src=10.0.0.1,nw_dst=10.0.0.2,nw_tos=32,nw_ttl=64,tp_src=1,tp_dst=80,tcp_flags=syn",
        "udp,nw_dst=10.0.0.2,nw_ttl=64,tp_src=68,tp_dst=67", "sctp,nw_ttl=1,tp_src=9,tp_dst=10",
        "icmp,nw_ttl=64,icmp_type=8,icmp_code=0",
        "tcp,dl_vlan=5,dl_vlan_pcp=3,nw_dst=10.0.0.2,nw_ttl=64,tp_dst=80",
        "arp,arp_op=2,arp_spa=10.0.0.1,arp_tpa=10.0.0.2,arp_sha=02:00:00:00:00:01",
        "tcp6,ipv6_src=fe80::1,ipv6_dst=fe80::2,ipv6_label=0x12345,nw_ttl=64,tp_dst=443",
        "icmp6,ipv6_src=fe80::1,ipv6_dst=ff02::1,icmp_type=135,icmp_code=0,nd_target=fe80::2,"
        "nd_sll=02:00:00:00:00:01,nw_ttl=255",
        "ip,nw_frag=first,nw_proto=17,nw_ttl=64", "ip,nw_frag=later,nw_proto=17,nw_ttl=64",
        "mpls,mpls_label=100,mpls_bos=1,mpls_ttl=64"));

std::string changes(const char* from, const char* to) {
    std::string out;
    for (const auto& change : odp_changes(*parse_flow(from), *parse_flow(to)))
        out += (out.empty() ? "" : ",") + change;
    return out;
}

TEST(OdpChanges, AreThoseOvsPrints) {
    EXPECT_EQ(changes("tcp,nw_ttl=64", "tcp,nw_ttl=64"), "");
    EXPECT_EQ(changes("tcp,nw_ttl=64", "tcp,nw_ttl=63"), "set(ipv4(ttl=63))");
    EXPECT_EQ(changes("tcp,tp_dst=80", "tcp,dl_src=02:00:00:00:00:09,nw_dst=1.2.3.4,tp_dst=8080"),
              "set(eth(src=02:00:00:00:00:09)),set(ipv4(dst=1.2.3.4)),set(tcp(dst=8080))");
    EXPECT_EQ(changes("ip", "ip,nw_tos=32"), "set(ipv4(tos=0x20/0xfc))");
    EXPECT_EQ(changes("tcp6", "tcp6,ipv6_dst=fe80::7,nw_ttl=3"), "set(ipv6(dst=fe80::7,hlimit=3))");
    EXPECT_EQ(changes("arp,arp_op=1", "arp,arp_op=2"), "set(arp(op=2))");
}

TEST(OdpChanges, TagsArePoppedAndPushedAsNeeded) {
    EXPECT_EQ(changes("ip", "ip,dl_vlan=5,dl_vlan_pcp=3"), "push_vlan(vid=5,pcp=3)");
    EXPECT_EQ(changes("ip,dl_vlan=5", "ip"), "pop_vlan");
    EXPECT_EQ(changes("ip,dl_vlan=5", "ip,dl_vlan=6"), "pop_vlan,push_vlan(vid=6,pcp=0)");
}

TEST(OdpMatch, PrintsHeadersInNesting) {
    const auto match = parse_match("tcp,dl_vlan=9,nw_dst=10.0.0.0/8,tp_dst=80");
    ASSERT_TRUE(match);
    EXPECT_EQ(format_odp_match(*match),
              "vlan(vid=9,pcp=0),eth_type(0x0800),ipv4(dst=10.0.0.0/255.0.0.0,proto=6),tcp(dst=80)");
    EXPECT_EQ(format_odp_match({}), "");
}

}  // namespace
}  // namespace sluice
