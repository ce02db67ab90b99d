// SPDX-License-Identifier: Apache-2.0
// Sessions that talk to each other in made-up time, and the codec.
#include "bfd/session.hpp"

#include <gtest/gtest.h>

#include "wire/builder.hpp"

namespace sluice::bfd {
namespace {

Config options(std::map<std::string, std::string> column) {
    column.emplace("enable", "true");
    std::vector<std::string> complaints;
    const auto config = parse_config(column, complaints);
    EXPECT_TRUE(config && complaints.empty());
    return config.value_or(Config{});
}

/// Two ends of a link, millisecond by millisecond.
struct Link {
    std::int64_t now = 1000000;
    Session a{"a", 0xaaaa, 49152, 7}, b{"b", 0xbbbb, 49153, 8};
    bool a_to_b = true, b_to_a = true;
    std::uint64_t a_rx = 0, b_rx = 0, a_sent = 0, b_sent = 0;
    std::int64_t shortest = 1 << 30, longest = 0, last = 0;  ///< gaps between what a sends

    explicit Link(std::map<std::string, std::string> of_a = {},
                  std::map<std::string, std::string> of_b = {}) {
        a.configure(options(std::move(of_a)), mac_from_u64(0xa), now);
        b.configure(options(std::move(of_b)), mac_from_u64(0xb), now);
    }
    static std::vector<std::uint8_t> take(Session& from, std::int64_t now) {
        const auto bytes = encode(from.next_packet(now));
        return {bytes.begin(), bytes.end()};
    }
    void step() {
        ++now;
        a.run(a_rx, now);
        b.run(b_rx, now);
        if (a.wants_to_send(now)) {
            if (last != 0) shortest = std::min(shortest, now - last), longest = std::max(longest, now - last);
            last = now;
            ++a_sent;
            const auto packet = take(a, now);
            if (a_to_b) ++b_rx, b.receive(255, packet, now);
        }
        if (b.wants_to_send(now)) {
            ++b_sent;
            const auto packet = take(b, now);
            if (b_to_a) ++a_rx, a.receive(255, packet, now);
        }
    }
    void run(std::int64_t ms) {
        for (std::int64_t i = 0; i < ms; ++i)
            step();
    }
    void measure(std::int64_t ms) {
        last = 0, shortest = 1 << 30, longest = 0, a_sent = b_sent = 0;
        run(ms);
    }
    std::string state(Session& of) { return of.status()["state"]; }
};

TEST(BfdSession, ComesUpAndKeepsItsIntervals) {
    Link link({{"min_tx", "100"}, {"min_rx", "100"}}, {{"min_tx", "300"}, {"min_rx", "200"}});
    EXPECT_FALSE(link.a.forwarding());
    link.run(3000);
    EXPECT_EQ(link.state(link.a), "up");
    EXPECT_EQ(link.state(link.b), "up");
    EXPECT_TRUE(link.a.forwarding() && link.b.forwarding());
    EXPECT_EQ(link.a.status()["flap_count"], "1");
    link.measure(10000);
    EXPECT_GE(link.shortest, 149);  // 200 ms of the peer's min_rx less a quarter
    EXPECT_LE(link.longest, 201);
    EXPECT_NEAR(static_cast<double>(link.b_sent), 10000 / (300 * 0.875), 5);
}

TEST(BfdSession, GoesDownAfterTheDetectionTimeAndTellsItsPeer) {
    Link link({{"min_rx", "100"}}, {{"min_rx", "100"}});
    link.run(3000);
    ASSERT_TRUE(link.a.forwarding());
    link.b_to_a = false;
    link.run(220);
    EXPECT_TRUE(link.a.forwarding()) << "two lost packets are no fault";
    link.run(90);
    EXPECT_EQ(link.a.status()["diagnostic"], "Control Detection Time Expired");
    EXPECT_FALSE(link.a.forwarding());
    link.run(5);
    EXPECT_EQ(link.state(link.b), "down") << "told at once";
    EXPECT_EQ(link.b.status()["diagnostic"], "Neighbor Signaled Session Down");
    link.measure(10000);
    EXPECT_LE(link.a_sent, 14U) << "a session that is down sends once a second at most";
    link.b_to_a = true;
    link.run(3000);
    EXPECT_TRUE(link.a.forwarding() && link.b.forwarding());
    EXPECT_EQ(link.a.status()["flap_count"], "3");
}

TEST(BfdSession, TheMultiplierIsTheSenders) {
    Link link({{"min_rx", "100"}, {"mult", "3"}}, {{"min_rx", "100"}, {"mult", "10"}});
    link.run(3000);
    link.b_to_a = false;
    link.run(900);
    EXPECT_TRUE(link.a.forwarding());
    link.run(120);
    EXPECT_FALSE(link.a.forwarding());
}

TEST(BfdSession, NewIntervalsAreNegotiated) {
    Link link({{"min_rx", "100"}}, {{"min_rx", "100"}});
    link.run(3000);
    link.a.configure(options({{"min_rx", "100"}, {"min_tx", "500"}}), mac_from_u64(0xa), link.now);
    link.run(2000);
    EXPECT_TRUE(link.a.forwarding() && link.b.forwarding());
    EXPECT_EQ(link.a.status()["flap_count"], "1");
    link.measure(10000);
    EXPECT_GE(link.shortest, 374);
    // The other end's reception slows down; its detection time follows without a flap.
    link.b.configure(options({{"min_rx", "1500"}}), mac_from_u64(0xb), link.now);
    link.run(5000);
    link.measure(20000);
    EXPECT_GE(link.shortest, 1124);
    EXPECT_EQ(link.b.status()["flap_count"], "1");
}

TEST(BfdSession, ConcatenatedPathDownStopsForwardingNotTheSession) {
    Link link({{"min_rx", "100"}}, {{"min_rx", "100"}});
    link.run(3000);
    link.b.configure(options({{"min_rx", "100"}, {"cpath_down", "true"}}), mac_from_u64(0xb), link.now);
    link.run(500);
    EXPECT_EQ(link.state(link.a), "up");
    EXPECT_FALSE(link.a.forwarding());
    EXPECT_EQ(link.a.status()["remote_diagnostic"], "Concatenated Path Down");
    EXPECT_TRUE(link.b.forwarding());
    link.b.configure(options({{"min_rx", "100"}}), mac_from_u64(0xb), link.now);
    link.run(500);
    EXPECT_TRUE(link.a.forwarding());
}

TEST(BfdSession, AnIdleSessionDecaysAndWakesUp) {
    Link link({{"min_rx", "100"}, {"decay_min_rx", "3000"}}, {{"min_rx", "100"}});
    link.run(12000);
    EXPECT_TRUE(link.a.forwarding());
    link.measure(9000);
    EXPECT_LE(link.b_sent, 6U) << "the peer may send every 3 s only";
    for (int i = 0; i < 8000; ++i)
        ++link.a_rx, link.step();
    link.measure(2000);
    EXPECT_GE(link.b_sent, 15U) << "with traffic it is as fast as before";
    EXPECT_EQ(link.a.status()["flap_count"], "1");
}

TEST(BfdSession, TrafficKeepsItForwardingIfAsked) {
    Link link({{"min_rx", "100"}, {"forwarding_if_rx", "true"}}, {{"min_rx", "100"}});
    link.run(3000);
    link.b_to_a = false;
    for (int i = 0; i < 4000; ++i)
        ++link.a_rx, link.step();
    EXPECT_EQ(link.state(link.a), "down");
    EXPECT_TRUE(link.a.forwarding());
    for (int i = 0; i < 7000; ++i)
        ++link.a_rx, link.step();
    EXPECT_FALSE(link.a.forwarding()) << "without a control packet for 100 intervals";
}

TEST(BfdSession, WhatIsNotForItIsIgnored) {
    Link link({{"min_rx", "100"}}, {{"min_rx", "100"}});
    link.run(3000);
    ControlPacket packet;
    packet.state = State::kDown;
    packet.multiplier = 3;
    packet.my_discriminator = 1;
    packet.your_discriminator = 0x1234;
    link.a.receive(255, encode(packet), link.now);
    EXPECT_EQ(link.state(link.a), "up") << "another's discriminator";
    packet.your_discriminator = 0xaaaa;
    link.a.receive(254, encode(packet), link.now);
    EXPECT_EQ(link.state(link.a), "up") << "from beyond the link";
    link.a.receive(255, encode(packet), link.now);
    EXPECT_EQ(link.state(link.a), "down");
}

TEST(BfdSession, AnOverrideWins) {
    Link link;
    link.a.set_override(true);
    EXPECT_TRUE(link.a.forwarding());
    EXPECT_EQ(link.a.status()["flap_count"], "0");
    link.run(5000);
    link.a.set_override(false);
    EXPECT_FALSE(link.a.forwarding());
    link.a.set_override(std::nullopt);
    EXPECT_TRUE(link.a.forwarding());
}

TEST(BfdConfig, BadValuesAreToldAndReplaced) {
    std::vector<std::string> complaints;
    EXPECT_FALSE(parse_config({}, complaints));
    EXPECT_FALSE(parse_config({{"enable", "yes"}}, complaints));
    EXPECT_TRUE(complaints.empty());
    const auto config = parse_config({{"enable", "true"},
                                      {"min_tx", "abc"},
                                      {"min_rx", "-5"},
                                      {"mult", "256"},
                                      {"bfd_src_ip", "300.1.1.1"},
                                      {"bfd_local_dst_mac", "x"},
                                      {"decay_min_rx", "99999999999"}},
                                     complaints);
    ASSERT_TRUE(config);
    EXPECT_EQ(complaints.size(), 5U);
    EXPECT_EQ(config->min_tx_ms, 100);
    EXPECT_EQ(config->min_rx_ms, 1);
    EXPECT_EQ(config->multiplier, 3);
    EXPECT_EQ(config->decay_min_rx_ms, 0);
    EXPECT_EQ(config->src_ip, Config::kDefaultSrcIp);
    EXPECT_FALSE(config->local_dst_mac);
}

TEST(BfdPacket, RoundTripAndRefusals) {
    ControlPacket packet{State::kUp, Diagnostic::kPathDown, kPoll, 5, 1, 2, 300000, 400000, 0};
    const auto bytes = encode(packet);
    const auto back = decode(bytes);
    ASSERT_TRUE(back);
    EXPECT_EQ(*back, packet);
    const auto refused = [&](std::size_t at, std::uint8_t value) {
        auto changed = bytes;
        changed[at] = value;
        return !decode(changed);
    };
    EXPECT_TRUE(refused(0, 0x40)) << "version 2";
    EXPECT_TRUE(refused(1, 0xc4)) << "authentication";
    EXPECT_TRUE(refused(1, 0xc1)) << "multipoint";
    EXPECT_TRUE(refused(2, 0)) << "multiplier 0";
    EXPECT_TRUE(refused(3, 23)) << "too short";
    EXPECT_TRUE(refused(3, 25)) << "longer than what came";
    EXPECT_TRUE(refused(7, 0)) << "discriminator 0";
    EXPECT_TRUE(refused(11, 0)) << "up, but not with us";
    EXPECT_FALSE(decode(wire::Bytes(bytes).first(23)));
}

TEST(BfdPacket, ItsOwnFramesAreFoundAndOthersAreNot) {
    const Addresses addresses{mac_from_u64(0x020000000001), mac_from_u64(0x002320000001), 0xa9fe0101,
                              0xa9fe0100, 49152};
    const ControlPacket packet{State::kDown, Diagnostic::kNone, 0, 3, 7, 0, 1000000, 100000, 0};
    const auto frame = make_frame(addresses, packet);
    const auto found = find_datagram({}, frame);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->ttl, 255);
    EXPECT_EQ(*decode(found->payload), packet);
    Filter filter;
    filter.destination_ip = 0xa9fe0101;
    EXPECT_FALSE(find_datagram(filter, frame));
    filter.destination_ip = 0xa9fe0100;
    filter.destination_mac = mac_from_u64(0x002320000001);
    EXPECT_TRUE(find_datagram(filter, frame));
    filter.destination_mac = mac_from_u64(0x002320000002);
    EXPECT_FALSE(find_datagram(filter, frame));
    using wire::PacketBuilder;
    const auto base = [] { return PacketBuilder{}.eth(1, 2); };
    EXPECT_TRUE(
        find_datagram({}, base().vlan(5).ipv4("1.1.1.1", "2.2.2.2").udp(1, 3784).payload(24).build()));
    EXPECT_FALSE(find_datagram({}, base().ipv4("1.1.1.1", "2.2.2.2").udp(1, 3785).payload(24).build()));
    EXPECT_FALSE(find_datagram({}, base().ipv4("1.1.1.1", "2.2.2.2").tcp(1, 3784).payload(24).build()));
    EXPECT_FALSE(find_datagram({}, base().ipv6("fe80::1", "fe80::2").udp(1, 3784).payload(24).build()));
    EXPECT_FALSE(find_datagram(
        {}, base().ipv4("1.1.1.1", "2.2.2.2").fragment(8, false).udp(1, 3784).payload(24).build()));
    for (std::size_t size = 0; size < frame.size(); ++size)
        if (const auto part = find_datagram({}, wire::Bytes(frame).first(size))) {
            EXPECT_FALSE(decode(part->payload));
        }
}

}  // namespace
}  // namespace sluice::bfd
