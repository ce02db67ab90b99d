// SPDX-License-Identifier: Apache-2.0
// The frames expected here are those that ovs-vswitchd 3.1 made of the same text.
#include "control/odp_flow.hpp"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "flow/text.hpp"

namespace sluice {
namespace {

std::string frame_of(const std::string& text, std::optional<std::size_t> bytes = std::nullopt) {
    const auto flow = parse_odp_flow(text);
    if (!flow) return flow.error().message;
    const auto frame = compose_test_frame(flow->key, bytes);
    if (!frame) return frame.error().message;
    std::string out;
    for (const std::uint8_t byte : *frame)
        out += fmt::format("{:02x}", byte);
    return out;
}

std::string payload() {
    std::string out;
    for (unsigned i = 0; i < 64; ++i)
        out += fmt::format("{:02x}", i);
    return out;
}

const std::string kEth = "in_port(1),eth(src=50:54:00:00:00:05,dst=50:54:00:00:00:07),";
const std::string kEthHex = "505400000007505400000005";
const std::string kIp = "eth_type(0x0800),ipv4(src=192.168.0.1,dst=192.168.0.2,tos=0,ttl=64,frag=no,proto=";

TEST(OdpFlow, TransportWithPayload) {
    EXPECT_EQ(frame_of(kEth + kIp + "6),tcp(src=1,dst=2)"), kEthHex +
                                                                "08004500006800000000"
                                                                "4006f93cc0a80001c0a80002"
                                                                "000100020000000000000000"
                                                                "500000004a4a0000" +
                                                                payload());
    EXPECT_EQ(frame_of(kEth + kIp + "17),udp(src=1,dst=2)"),
              kEthHex + "08004500005c000000004011f93dc0a80001c0a800020001000200489a03" + payload());
    EXPECT_EQ(frame_of(kEth + kIp + "1),icmp(type=8,code=0)"),
              kEthHex + "08004500005c000000004001f94dc0a80001c0a80002080013fc00000000" + payload());
}

TEST(OdpFlow, NeighbourSolicitation) {
    EXPECT_EQ(
        frame_of(kEth + "eth_type(0x86dd),ipv6(src=::1,dst=::2,label=0,proto=58,tclass=0,hlimit=64,frag=no),"
                        "icmpv6(type=135,code=0),nd(target=::3,sll=00:00:00:00:00:01,tll=00:00:00:00:00:02)"),
        kEthHex +
            "86dd6000000000283a40"
            "00000000000000000000000000000001"
            "00000000000000000000000000000002"
            "8700759200000000"
            "00000000000000000000000000000003"
            "0101000000000001"
            "0201000000000002");
}

TEST(OdpFlow, TagsArpAndLength) {
    const std::string arp =
        "eth_type(0x0806),arp(sip=1.2.3.4,tip=4.3.2.1,op=1,sha=00:00:00:00:00:01,tha=00:00:00:00:00:02)";
    const std::string arp_hex = "080600010800060400010000000000010102030400000000000204030201";
    EXPECT_EQ(frame_of(kEth + "eth_type(0x8100),vlan(vid=10,pcp=0),encap(" + arp + ")"),
              kEthHex + "8100000a" + arp_hex);
    EXPECT_EQ(frame_of(kEth + "eth_type(0x1234)", 60), kEthHex + "1234" + std::string(92, '0'));
    EXPECT_EQ(frame_of(kEth + "eth_type(0x8847),mpls(label=100,tc=1,ttl=3,bos=1)"), kEthHex + "884700064303");
    EXPECT_THAT(frame_of(kEth + arp, 20), testing::HasSubstr("too small packet len"));
}

TEST(OdpFlow, SaysWhatIsWrong) {
    EXPECT_EQ(frame_of("zz"), "syntax error at zz");
    EXPECT_EQ(frame_of("nosuch(1)"), "syntax error at nosuch(1)");
    EXPECT_EQ(frame_of("eth(src=1.2.3.4)"), "syntax error at eth(src=1.2.3.4)");
    EXPECT_EQ(frame_of("eth_type(0x12345)"), "syntax error at eth_type(0x12345)");
    EXPECT_EQ(frame_of("ipv4(proto=300)"), "syntax error at ipv4(proto=300)");
    EXPECT_EQ(frame_of("vlan(vid=5000)"), "syntax error at vlan(vid=5000)");
    EXPECT_EQ(frame_of("ipv4(dst=10.0.0.0/8)"), "syntax error at ipv4(dst=10.0.0.0/8)");
}

}  // namespace
}  // namespace sluice
