// SPDX-License-Identifier: Apache-2.0
// Values that ofproto/trace of Open vSwitch 3.1.0 showed for the same packets and actions.
#include "flow/flow_hash.hpp"

#include <gtest/gtest.h>

namespace sluice {
namespace {

FlowKey ethernet(std::uint16_t type) {
    FlowKey key;
    key.set(key::kEthType, type);
    key.set(key::kEthSrc, 0x505400000001);
    key.set(key::kEthDst, 0x505400000002);
    return key;
}
FlowKey tcp4() {
    FlowKey key = ethernet(0x0800);
    key.set(key::kIpProto, 6);
    key.set(key::kIpv4Src, 0x0a010203);
    key.set(key::kIpv4Dst, 0x0a090807);
    key.set(key::kTpSrc, 1234);
    key.set(key::kTpDst, 80);
    return key;
}
FlowKey tcp6() {
    FlowKey key = ethernet(0x86dd);
    key.set(key::kIpProto, 6);
    key.set_wide(key::kIpv6Src, {0xfe80000000000000, 1});
    key.set_wide(key::kIpv6Dst, {0x2001000000000000, 3});
    key.set(key::kTpSrc, 1234);
    key.set(key::kTpDst, 80);
    return key;
}

std::uint16_t low(const FlowKey& key, HashFields fields, std::uint16_t basis) {
    return static_cast<std::uint16_t>(flow_hash(key, fields, basis));
}

TEST(FlowHash, fields_hash_as_in_ovs) {
    EXPECT_EQ(low(tcp4(), HashFields::kNwDst, 5), 0x54f4);
    EXPECT_EQ(low(tcp4(), HashFields::kSymmetricL3, 6), 0xa257);
    EXPECT_EQ(low(tcp4(), HashFields::kEthSrc, 7), 0x172);
    EXPECT_EQ(low(tcp6(), HashFields::kSymmetricL4, 50), 0xdeba);
    EXPECT_EQ(low(tcp6(), HashFields::kSymmetricL3L4, 51), 0xdb3);
    EXPECT_EQ(low(tcp6(), HashFields::kSymmetricL3L4Udp, 3), 0x9ef7);
    EXPECT_EQ(low(tcp6(), HashFields::kNwSrc, 4), 0xf06);
    EXPECT_EQ(low(tcp6(), HashFields::kNwDst, 5), 0xee76);
    EXPECT_EQ(low(tcp6(), HashFields::kSymmetricL3, 6), 0x900f);
}

TEST(FlowHash, packets_without_addresses_hash_by_link_layer) {
    FlowKey arp = ethernet(0x0806);
    arp.set(key::kVlanTci, 5 | 2 << 13 | kVlanPresent);
    EXPECT_EQ(low(arp, HashFields::kSymmetricL4, 50), 0x678e);
    EXPECT_EQ(low(arp, HashFields::kSymmetricL3L4, 51), 0x8185);
    EXPECT_EQ(low(arp, HashFields::kSymmetricL3L4Udp, 3), 0x80ea);
    EXPECT_EQ(low(arp, HashFields::kNwSrc, 4), 4);
    EXPECT_EQ(low(arp, HashFields::kNwDst, 5), 5);
    EXPECT_EQ(low(arp, HashFields::kSymmetricL3, 6), 0x9a90);
}

TEST(FlowHash, fragments_hash_without_ports) {
    FlowKey fragment = tcp4();
    fragment.set(key::kIpFrag, kFragAny);
    EXPECT_EQ(low(fragment, HashFields::kSymmetricL4, 50), 0x92e1);
    EXPECT_EQ(low(fragment, HashFields::kSymmetricL3L4, 51), 0xbc8);
    EXPECT_EQ(low(fragment, HashFields::kSymmetricL3L4Udp, 3), 0x6ccd);
}

TEST(FlowHash, links_are_those_of_ovs) {
    using Algorithm = MultipathAction::Algorithm;
    const auto link = [](HashFields fields, std::uint16_t basis, Algorithm algorithm, unsigned links,
                         std::uint32_t arg) {
        const MultipathAction action{fields, basis, algorithm, static_cast<std::uint16_t>(links - 1),
                                     arg,    {}};
        return multipath_link(action, flow_hash(tcp4(), fields, basis));
    };
    EXPECT_EQ(link(HashFields::kSymmetricL4, 50, Algorithm::kModuloN, 7, 0), 6);
    EXPECT_EQ(link(HashFields::kSymmetricL3L4, 51, Algorithm::kHashThreshold, 9, 0), 2);
    EXPECT_EQ(link(HashFields::kSymmetricL3L4Udp, 3, Algorithm::kHrw, 11, 0), 8);
    EXPECT_EQ(link(HashFields::kNwSrc, 4, Algorithm::kIterHash, 5, 8), 0);
    EXPECT_EQ(link(HashFields::kSymmetricL4, 0, Algorithm::kIterHash, 5, 100), 1);
    EXPECT_EQ(link(HashFields::kSymmetricL3L4, 0, Algorithm::kHrw, 100, 0), 0x3e);
}

TEST(FlowHash, bundles_take_the_member_of_highest_weight_that_lives) {
    BundleAction bundle{HashFields::kSymmetricL4,
                        9,
                        BundleAction::Algorithm::kHrw,
                        {OfPort{1}, OfPort{2}, OfPort{3}, OfPort{4}, OfPort{5}, OfPort{6}},
                        {}};
    const auto all = [](OfPort) { return true; };
    EXPECT_EQ(bundle_member(bundle, tcp4(), all), OfPort{3});
    EXPECT_NE(bundle_member(bundle, tcp4(), [](OfPort port) { return port != OfPort{3}; }), OfPort{3});
    EXPECT_EQ(bundle_member(bundle, tcp4(), [](OfPort) { return false; }), OfPort::kAny);
    bundle.algorithm = BundleAction::Algorithm::kActiveBackup;
    EXPECT_EQ(bundle_member(bundle, tcp4(), [](OfPort port) { return to_int(port) > 3; }), OfPort{4});
}

}  // namespace
}  // namespace sluice
