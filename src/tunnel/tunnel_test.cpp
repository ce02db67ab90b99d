// SPDX-License-Identifier: Apache-2.0
// What one end builds the other one reads, for every kind, family and option; what is malformed is refused.
#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "base/byte_order.hpp"
#include "packet/pool.hpp"
#include "packet/test_eal.hpp"
#include "tunnel/formats.hpp"
#include "tunnel/fragment.hpp"
#include "tunnel/table.hpp"
#include "wire/checksum.hpp"

namespace sluice::tunnel {
namespace {

using Options = std::map<std::string, std::string>;

std::vector<std::uint8_t> udp_frame(std::size_t payload) {
    std::vector<std::uint8_t> frame(14 + 20 + 8 + payload);
    for (std::size_t n = 0; n < frame.size(); ++n)
        frame[n] = static_cast<std::uint8_t>(n * 7);
    store_be16(&frame[12], 0x0800);
    frame[14] = 0x45;
    frame[15] = 0x02;  // ECT(0)
    store_be16(&frame[16], static_cast<std::uint16_t>(28 + payload));
    store_be16(&frame[20], 0);
    frame[22] = 9;
    frame[23] = 17;
    store_be16(&frame[24], 0);
    store_be16(&frame[24], wire::internet_checksum({&frame[14], 20}));
    return frame;
}

FlowKey key_of(const std::vector<std::uint8_t>& frame) {
    FlowKey key;
    key.set(key::kEthType, 0x0800);
    key.set(key::kIpTos, frame[15]);
    key.set(key::kIpTtl, frame[22]);
    key.set(key::kIpProto, 17);
    key.set(key::kTunId, 0x123);
    return key;
}

NextHop hop_to(bool ipv6) {
    NextHop hop;
    hop.source = ipv6 ? Address{0xfd00000000000000, 1} : from_ipv4(0x0a000001);
    hop.ethernet = {2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1};
    hop.egress = PortIndex{3};
    hop.mtu = 1500;
    hop.usable = true;
    return hop;
}

class Tunnel : public ::testing::Test {
  protected:
    void SetUp() override { ensure_test_eal(); }

    static Config config_of(std::string_view type, Options options) {
        auto config = parse_config("t0", type, options);
        EXPECT_TRUE(config) << config.error().message;
        return *config;
    }
    static Table table_of(const Config& config, Address own) {
        return Table({{PortIndex{5}, std::make_shared<Config>(config)}}, {own}, {});
    }
    /// Through one end and out of the other; the frame that arrives, and its fields in `key`.
    static std::vector<std::uint8_t> carry(const Config& config, bool ipv6, std::size_t payload,
                                           FlowKey& key) {
        const auto frame = udp_frame(payload);
        Packet* packet = packet_from_bytes(frame);
        Outer outer;
        EXPECT_TRUE(build(config, hop_to(ipv6), key_of(frame), nullptr, outer));
        EXPECT_TRUE(push(packet, outer, 77));
        Config other = config;  // the other end: remote and local are the other way round
        other.remote = hop_to(ipv6).source;
        const Table table = table_of(other, *config.remote);
        Received received;
        EXPECT_EQ(parse(packet, table.listeners(), table.listens_for_gre(), received), Parse::kTunnel);
        EXPECT_TRUE(checksum_holds(packet, received));
        EXPECT_NE(table.find(received), nullptr);
        EXPECT_TRUE(is_acceptable(config, received));
        EXPECT_TRUE(to_key(config, received, nullptr, key));
        EXPECT_TRUE(pull(packet, config, received));
        auto out = packet_to_bytes(packet);
        packet_free(packet);
        return out;
    }
};

TEST_F(Tunnel, WhatOneEndBuildsTheOtherReads) {
    struct Case {
        const char* type;
        Options options;
    };
    const std::vector<Case> cases{
        {"geneve", {}},
        {"geneve", {{"csum", "true"}}},
        {"vxlan", {}},
        {"vxlan", {{"exts", "gbp"}}},
        {"vxlan", {{"exts", "gpe"}}},
        {"gre", {}},
        {"gre", {{"csum", "true"}, {"seq", "true"}}},
        {"erspan", {}},
        {"erspan", {{"erspan_ver", "2"}}},
    };
    for (const auto& [type, options] : cases) {
        for (const bool ipv6 : {false, true}) {
            for (const std::size_t payload : {0U, 1U, 64U, 1400U, 9000U}) {
                Options all = options;
                all["remote_ip"] = ipv6 ? "fd00::2" : "10.0.0.2";
                all["key"] = "99";
                FlowKey key;
                const auto frame = carry(config_of(type, all), ipv6, payload, key);
                EXPECT_EQ(frame, udp_frame(payload)) << type << payload;
                EXPECT_EQ(key.get(key::kTunId), 99U) << type;
                EXPECT_EQ(key.get(key::kTunTtl), 64U);
                EXPECT_EQ(key.get(key::kTunTos), 2U) << "ECN is inherited";
                if (!ipv6) {
                    EXPECT_EQ(key.get(key::kTunSrc), 0x0a000001U);
                }
            }
        }
    }
}

TEST_F(Tunnel, LayerThreeTunnelsCarryNoEthernetHeader) {
    for (const auto& [type, options] :
         {std::pair<const char*, Options>{"gre", {{"packet_type", "legacy_l3"}}},
          std::pair<const char*, Options>{"gtpu", {}},
          std::pair<const char*, Options>{"vxlan", {{"exts", "gpe"}, {"packet_type", "legacy_l3"}}}}) {
        Options all = options;
        all["remote_ip"] = "10.0.0.2";
        all["key"] = "99";
        FlowKey key;
        auto wanted = udp_frame(40);
        std::fill_n(wanted.begin(), 12, std::uint8_t{0});
        EXPECT_EQ(carry(config_of(type, all), false, 40, key), wanted) << type;
    }
}

TEST_F(Tunnel, GeneveOptionsAreWrittenAndRead) {
    TunTable mapped;
    ASSERT_EQ(mapped.add({0x102, 0x80, 4, 0}), TunTable::Refusal::kNone);
    ASSERT_EQ(mapped.add({0x102, 0x01, 20, 7}), TunTable::Refusal::kNone);
    const GeneveOptions options(mapped);
    FlowKey key;
    mapped.set(key, 0, std::vector<std::uint8_t>{1, 2, 3, 4});
    std::vector<std::uint8_t> longer(20);
    for (std::size_t n = 0; n < longer.size(); ++n)
        longer[n] = static_cast<std::uint8_t>(n);
    mapped.set(key, 7, longer);
    std::uint8_t bytes[kMaxOptionBytes];
    bool critical = false;
    const unsigned size = options.write(key, bytes, critical);
    EXPECT_EQ(size, 4U + 4 + 4 + 20);
    EXPECT_TRUE(critical);
    FlowKey read;
    EXPECT_TRUE(options.read({bytes, size}, read));
    EXPECT_EQ(mapped.get(read, 0), mapped.get(key, 0));
    EXPECT_EQ(mapped.get(read, 7), longer);
    EXPECT_EQ(read.get(key::kTunPresent), 0x81U);
    EXPECT_FALSE(GeneveOptions::may_be_ignored({bytes, size})) << "one is critical";
    EXPECT_FALSE(options.read({bytes, size - 1}, read)) << "cut off";
    bytes[2] = 0x90;
    EXPECT_FALSE(options.read({bytes, size}, read)) << "critical and unknown";
    bytes[2] = 0x10;
    EXPECT_TRUE(options.read({bytes, size}, read)) << "unknown, but not critical";
}

TEST_F(Tunnel, FragmentsHoldTheWholePacket) {
    for (const std::size_t payload : {1473U, 3000U, 9000U, 30000U}) {
        const auto frame = udp_frame(payload);
        Packet* packet = packet_from_bytes(frame);
        Packet* pieces[kMaxFragments];
        const unsigned count = fragment(packet, 1500, 9, pieces);
        ASSERT_GT(count, 1U);
        std::vector<std::uint8_t> whole(frame.begin(), frame.begin() + 34);
        for (unsigned n = 0; n < count; ++n) {
            const auto bytes = packet_to_bytes(pieces[n]);
            packet_free(pieces[n]);
            EXPECT_LE(bytes.size(), 1514U);
            EXPECT_EQ(wire::internet_checksum({&bytes[14], 20}), 0);
            EXPECT_EQ(load_be16(&bytes[18]), 9);
            EXPECT_EQ((load_be16(&bytes[20]) & 0x1fffU) * 8, whole.size() - 34);
            EXPECT_EQ((load_be16(&bytes[20]) & 0x2000) != 0, n + 1 < count);
            whole.insert(whole.end(), bytes.begin() + 34, bytes.end());
        }
        EXPECT_EQ(whole, frame);
    }
}

TEST_F(Tunnel, TheSourceIsThatOfThePacketOnlyIfTheOptionsSaySo) {
    FlowKey key;  // of a packet that came out of another tunnel
    key.set(key::kTunSrc, 0x0a000007);
    key.set(key::kTunDst, 0x0a000008);
    EXPECT_EQ(local_of(config_of("geneve", {{"remote_ip", "10.0.0.2"}}), key), Address{});
    EXPECT_EQ(local_of(config_of("geneve", {{"remote_ip", "flow"}}), key), Address{});
    EXPECT_EQ(local_of(config_of("geneve", {{"remote_ip", "10.0.0.2"}, {"local_ip", "10.0.0.9"}}), key),
              from_ipv4(0x0a000009));
    EXPECT_EQ(local_of(config_of("geneve", {{"remote_ip", "flow"}, {"local_ip", "flow"}}), key),
              from_ipv4(0x0a000007));
}

TEST_F(Tunnel, FixedKeysWinOverFlowsAndRemotesOverAny) {
    const auto end = [](unsigned port, Options options) {
        return End{PortIndex{static_cast<std::uint16_t>(port)},
                   std::make_shared<Config>(config_of("geneve", std::move(options)))};
    };
    const Table table(
        {end(1, {{"remote_ip", "flow"}, {"key", "flow"}}),
         end(2, {{"remote_ip", "10.0.0.2"}, {"key", "flow"}}), end(3, {{"remote_ip", "flow"}, {"key", "5"}}),
         end(4, {{"remote_ip", "10.0.0.2"}, {"key", "5"}}),
         end(5, {{"remote_ip", "10.0.0.2"}, {"key", "5"}, {"local_ip", "10.0.0.9"}})},
        {}, {});
    const auto port = [&](std::uint32_t from, std::uint32_t to, std::uint64_t id) {
        Received received;
        received.kind = Kind::kGeneve;
        received.udp_port = 6081;
        received.src = from_ipv4(from);
        received.dst = from_ipv4(to);
        received.id = id;
        const End* found = table.find(received);
        return found ? to_int(found->port) : 0;
    };
    EXPECT_EQ(port(0x0a000002, 0x0a000009, 5), 5);
    EXPECT_EQ(port(0x0a000002, 0x0a000008, 5), 4);
    EXPECT_EQ(port(0x0a000003, 0x0a000008, 5), 3);
    EXPECT_EQ(port(0x0a000002, 0x0a000008, 6), 2);
    EXPECT_EQ(port(0x0a000003, 0x0a000008, 6), 1);
}

TEST_F(Tunnel, WrongOptionsAreNamed) {
    const auto error = [](std::string_view type, Options options) {
        auto config = parse_config("t0", type, options);
        return config ? std::string{} : config.error().message;
    };
    EXPECT_EQ(error("geneve", {}), "t0: geneve type requires valid 'remote_ip' argument");
    EXPECT_NE(error("geneve", {{"remote_ip", "10.0.0.256"}}), "");
    EXPECT_NE(error("vxlan", {{"remote_ip", "10.0.0.2"}, {"key", "16777216"}}), "");
    EXPECT_NE(error("vxlan", {{"remote_ip", "10.0.0.2"}, {"exts", "nsh"}}), "");
    EXPECT_NE(error("ip6gre", {{"remote_ip", "10.0.0.2"}}), "");
    EXPECT_NE(error("geneve", {{"remote_ip", "10.0.0.2"}, {"local_ip", "flow"}}), "");
    EXPECT_NE(error("geneve", {{"remote_ip", "10.0.0.2"}, {"packet_type", "legacy_l3"}}), "");
}

TEST_F(Tunnel, CongestionIsPassedOnOrThePacketIsDropped) {
    auto frame = udp_frame(10);
    Packet* packet = packet_from_bytes(frame);
    EXPECT_TRUE(merge_congestion(packet, 3));
    const auto marked = packet_to_bytes(packet);
    EXPECT_EQ(marked[15] & 3, 3);
    EXPECT_EQ(wire::internet_checksum({&marked[14], 20}), 0);
    packet_free(packet);
    frame[15] = 0;
    packet = packet_from_bytes(frame);
    EXPECT_FALSE(merge_congestion(packet, 3));
    EXPECT_TRUE(merge_congestion(packet, 2));
    packet_free(packet);
}

TEST_F(Tunnel, DamagedPacketsAreRefusedOrReadWithinTheirBounds) {
    std::mt19937 random(3);
    for (const char* type : {"geneve", "vxlan", "gre", "erspan", "gtpu"}) {
        const Config config = config_of(type, {{"remote_ip", "10.0.0.2"}, {"key", "flow"}});
        const Table table = table_of(config, from_ipv4(0x0a000001));
        const auto frame = udp_frame(30);
        Packet* packet = packet_from_bytes(frame);
        Outer outer;
        ASSERT_TRUE(build(config, hop_to(false), key_of(frame), nullptr, outer));
        ASSERT_TRUE(push(packet, outer, 0));
        const auto good = packet_to_bytes(packet);
        packet_free(packet);
        for (int round = 0; round < 3000; ++round) {
            auto bad = good;
            bad.resize(14 + random() % (bad.size() - 13));
            for (unsigned n = random() % 4; n != 0; --n)
                bad[random() % bad.size()] = static_cast<std::uint8_t>(random());
            Packet* damaged = packet_from_bytes(bad);
            Received received;
            if (parse(damaged, table.listeners(), table.listens_for_gre(), received) == Parse::kTunnel) {
                EXPECT_LE(received.end, damaged->pkt_len);
                EXPECT_LT(received.inner, received.end);
                checksum_holds(damaged, received);
                FlowKey key;
                std::copy_n(bad.begin() + received.options, received.options_size, received.option_bytes);
                to_key(config, received, nullptr, key);
                if (is_acceptable(config, received) && pull(damaged, config, received)) {
                    merge_congestion(damaged, received.tos);
                }
            }
            packet_free(damaged);
        }
    }
}

}  // namespace
}  // namespace sluice::tunnel
