// SPDX-License-Identifier: Apache-2.0
#include "conntrack/tracker.hpp"

#include <atomic>
#include <set>
#include <thread>

#include <gtest/gtest.h>

#include "conntrack/test_packet.hpp"

namespace sluice::conntrack {
namespace {

using namespace ct_state;
using wire::PacketBuilder;

constexpr std::string_view kA = "10.0.0.1", kB = "10.0.0.2";
constexpr std::uint8_t kNewTrk = kNew | kTrk, kEstTrk = kEst | kTrk, kReply = kEst | kRpl | kTrk,
                       kInvTrk = kInv | kTrk;

PacketBuilder ip(std::string_view src, std::string_view dst) {
    PacketBuilder builder;
    builder.eth("02:00:00:00:00:01", "02:00:00:00:00:02");
    if (src.find(':') != src.npos)
        builder.ipv6(src, dst);
    else
        builder.ipv4(src, dst);
    return builder;
}
wire::Frame udp(std::string_view src, std::string_view dst, std::uint16_t sport, std::uint16_t dport) {
    return ip(src, dst).udp(sport, dport).payload(8).build();
}
wire::Frame tcp(std::string_view src, std::string_view dst, std::uint16_t sport, std::uint16_t dport,
                std::uint32_t seq, std::uint32_t ack, std::uint16_t flags, std::size_t size = 0) {
    // Sequence numbers are poked in, so the checksum is not right; the test's datagrams say nobody need look.
    return ip(src, dst)
        .tcp(sport, dport, flags)
        .poke16(4, static_cast<std::uint16_t>(seq >> 16))
        .poke16(6, static_cast<std::uint16_t>(seq))
        .poke16(8, static_cast<std::uint16_t>(ack >> 16))
        .poke16(10, static_cast<std::uint16_t>(ack))
        .payload(size)
        .build();
}

class TrackerTest : public testing::Test {
  protected:
    TrackerTest() {
        auto made = Tracker::create();
        tracker = std::move(*made);
    }
    ~TrackerTest() override { tracker->leave(local); }

    std::uint8_t run(const wire::Frame& frame, const Request& request) {
        Attachment attachment;
        return run(frame, request, attachment);
    }
    std::uint8_t run(const wire::Frame& frame, const Request& request, Attachment& attachment) {
        Datagram d = datagram_of(frame);
        d.check_l4 = d.proto != 6;
        Probe probe;
        examine(d, request.zone, probe);
        if (probe.valid) probe.hash = Tracker::hash(probe.key);
        tracker->track(local, probe, request, attachment, now, outcome);
        return outcome.state;
    }
    static Request commit(std::uint16_t zone = 5) {
        Request request;
        request.zone = zone;
        request.commit = true;
        return request;
    }
    static Request look(std::uint16_t zone = 5) {
        Request request;
        request.zone = zone;
        request.nat = true;
        return request;
    }
    void sweep_all() {
        while (tracker->sweep(rcu, now, 1U << 20)) {
        }
    }

    Rcu rcu;
    std::unique_ptr<Tracker> tracker;
    Local local;
    Outcome outcome;
    std::uint64_t now = 1000;
};

TEST_F(TrackerTest, UdpIsNewUntilItIsAnswered) {
    const auto there = udp(kA, kB, 10, 20), back = udp(kB, kA, 20, 10);
    EXPECT_EQ(run(there, look()), kNewTrk);
    EXPECT_EQ(tracker->count(), 0U);
    EXPECT_EQ(run(there, commit()), kNewTrk);
    EXPECT_EQ(run(there, look()), kNewTrk);
    EXPECT_EQ(run(back, look()), kReply);
    EXPECT_EQ(run(there, look()), kEstTrk);
    EXPECT_EQ(run(there, look(6)), kNewTrk) << "another zone knows nothing of it";
    EXPECT_EQ(tracker->count(), 1U);
    EXPECT_EQ(tracker->zone_count(5), 1U);
}

TEST_F(TrackerTest, TcpGoesThroughItsStates) {
    using namespace wire::tcp;
    const auto from_a = [](std::uint32_t seq, std::uint32_t ack, std::uint16_t flags, std::size_t size = 0) {
        return tcp(kA, kB, 1, 2, seq, ack, flags, size);
    };
    const auto from_b = [](std::uint32_t seq, std::uint32_t ack, std::uint16_t flags) {
        return tcp(kB, kA, 2, 1, seq, ack, flags);
    };
    EXPECT_EQ(run(from_a(100, 0, kSyn), commit()), kNewTrk);
    EXPECT_EQ(run(from_b(500, 101, kSyn | kAckFlag), look()), kReply);
    EXPECT_EQ(run(from_a(101, 501, kAckFlag), look()), kEstTrk);
    EXPECT_EQ(run(from_a(0x1000000, 501, kAckFlag, 2), look()), kInvTrk) << "outside of the window";
    tracker->set_check_sequence(false);
    EXPECT_EQ(run(from_a(0x1000000, 501, kAckFlag, 2), look()), kEstTrk);
    tracker->set_check_sequence(true);
}

TEST_F(TrackerTest, AClosedTcpConnectionMayBeginAgain) {
    using namespace wire::tcp;
    run(tcp(kA, kB, 1, 2, 100, 0, kSyn), commit());
    run(tcp(kB, kA, 2, 1, 500, 101, kSyn | kAckFlag), look());
    run(tcp(kA, kB, 1, 2, 101, 501, kFin | kAckFlag), look());
    run(tcp(kB, kA, 2, 1, 501, 102, kFin | kAckFlag), look());
    EXPECT_EQ(run(tcp(kA, kB, 1, 2, 102, 502, kAckFlag), look()), kEstTrk);
    EXPECT_EQ(run(tcp(kA, kB, 1, 2, 9000, 0, kSyn), commit()), kNewTrk);
    EXPECT_EQ(run(tcp(kB, kA, 2, 1, 700, 9001, kSyn | kAckFlag), look()), kReply);
    EXPECT_EQ(tracker->count(), 1U);
    EXPECT_EQ(run(tcp(kA, kB, 3, 4, 77, 88, kAckFlag), commit()), kNewTrk) << "picked up in the middle";
    EXPECT_EQ(run(tcp(kB, kA, 4, 3, 88, 77, kAckFlag), look()), kReply);
}

TEST_F(TrackerTest, IcmpErrorsAreRelated) {
    run(udp(kA, kB, 10, 20), commit());
    const auto inner = udp(kA, kB, 10, 20);
    const wire::Bytes quoted{inner.data() + 14, 28};
    EXPECT_EQ(run(ip("9.9.9.9", kA).icmp(11, 0).raw(quoted).build(), look()), kRel | kRpl | kTrk);
    EXPECT_EQ(run(ip("9.9.9.9", "10.0.0.77").icmp(11, 0).raw(quoted).build(), look()), kInvTrk)
        << "not for the sender of what it quotes";
    const auto other = udp(kA, kB, 11, 20);
    EXPECT_EQ(run(ip("9.9.9.9", kA).icmp(11, 0).raw({other.data() + 14, 28}).build(), commit()), kInvTrk);
    EXPECT_EQ(tracker->count(), 1U) << "an error creates nothing";
}

TEST_F(TrackerTest, WhatCannotBeTrackedIsInvalid) {
    EXPECT_EQ(run(udp(kA, kB, 0, 20), commit()), kInvTrk);
    EXPECT_EQ(run(ip(kA, kB).udp(1, 2).bad_checksum().payload(8).build(), commit()), kInvTrk);
    EXPECT_EQ(run(ip(kA, kB).udp(1, 2).no_checksum().payload(8).build(), commit()), kNewTrk);
    EXPECT_EQ(run(ip(kA, kB).bad_checksum().udp(3, 2).payload(8).build(), commit()), kInvTrk);
    EXPECT_EQ(run(ip(kA, kB).icmp(8, 1).build(), commit()), kInvTrk);
    EXPECT_EQ(run(ip(kA, kB).icmp(0, 0).build(), commit()), kInvTrk) << "an answer begins nothing";
    EXPECT_EQ(run(ip(kA, kB).fragment(0, true).udp(5, 6).payload(8).build(), commit()), kInvTrk);
    EXPECT_EQ(run(ip("fe80::1", "fe80::2").icmpv6(135, 0).payload(16).build(), commit()), kInvTrk);
    EXPECT_EQ(run(tcp(kA, kB, 1, 2, 5, 6, wire::tcp::kSyn | wire::tcp::kAckFlag), commit()), kInvTrk);
    EXPECT_EQ(tracker->count(), 1U);
}

TEST_F(TrackerTest, MarksAndLabelsAreWrittenUnderMasks) {
    Request request = commit();
    request.mark = 0x10;
    request.mark_mask = 0xf0;
    request.label = {0, 5};
    request.label_mask = {0, 7};
    run(udp(kA, kB, 10, 20), request);
    EXPECT_EQ(outcome.mark, 0x10U);
    request.mark = 3;
    request.mark_mask = 0xf;
    request.label = request.label_mask = {1, 0};
    EXPECT_EQ(run(udp(kB, kA, 20, 10), request), kReply);
    EXPECT_EQ(outcome.mark, 0x13U);
    EXPECT_EQ(outcome.label, (U128{1, 5}));
    EXPECT_EQ(outcome.tuple.sport(), 10);
}

TEST_F(TrackerTest, SourceTranslationResolvesCollisionsAndRunsOut) {
    NatSpec spec;
    spec.has_address = true;
    spec.min = spec.max = {0, wire::ipv4_of("10.0.0.50")};
    spec.port_min = 5000;
    spec.port_max = 5001;
    Request request = commit();
    request.nat = true;
    request.spec = &spec;
    std::set<std::uint16_t> ports;
    for (const auto client : {"10.0.0.1", "10.0.0.3"}) {
        EXPECT_EQ(run(udp(client, kB, 10, 20), request), kNewTrk | kSnat);
        EXPECT_EQ(outcome.rewrite.kind, Rewrite::Kind::kSource);
        EXPECT_EQ(outcome.rewrite.address, spec.min);
        ports.insert(outcome.rewrite.port);
    }
    EXPECT_EQ(ports, (std::set<std::uint16_t>{5000, 5001}));
    run(udp("10.0.0.4", kB, 10, 20), request);
    EXPECT_TRUE(outcome.no_translation_left);
    EXPECT_EQ(tracker->count(), 2U);
    EXPECT_EQ(run(udp(kB, "10.0.0.50", 20, 5000), look()), kReply | kDnat);
    EXPECT_EQ(outcome.rewrite.kind, Rewrite::Kind::kDestination);
    EXPECT_EQ(outcome.rewrite.port, 10);
}

TEST_F(TrackerTest, DestinationTranslationOfIpv6AndItsErrors) {
    NatSpec spec;
    spec.src = false;
    spec.has_address = spec.v6 = true;
    spec.min = spec.max = wire::ipv6_of("fd00::2");
    spec.port_min = spec.port_max = 80;
    Request request = commit();
    request.nat = true;
    request.spec = &spec;
    EXPECT_EQ(run(udp("fd00::1", "fd00::99", 10, 20), request), kNewTrk | kDnat);
    EXPECT_EQ(outcome.rewrite.address, spec.min);
    EXPECT_EQ(outcome.rewrite.port, 80);
    EXPECT_EQ(run(udp("fd00::2", "fd00::1", 80, 10), look()), kReply | kSnat);
    EXPECT_EQ(outcome.rewrite.address, wire::ipv6_of("fd00::99"));
    const auto inner = udp("fd00::1", "fd00::2", 10, 80);
    EXPECT_EQ(run(ip("fd00::7", "fd00::1").icmpv6(3, 0).raw({inner.data() + 14, 48}).build(), look()),
              kRel | kRpl | kTrk | kSnat);
    EXPECT_TRUE(outcome.rewrite.inner);
    EXPECT_EQ(outcome.rewrite.inner_dst, wire::ipv6_of("fd00::99"));
    EXPECT_EQ(outcome.rewrite.inner_dport, 20);
}

TEST_F(TrackerTest, ForceTurnsAConnectionRound) {
    run(udp(kA, kB, 10, 20), commit());
    Request request = commit();
    request.force = true;
    EXPECT_EQ(run(udp(kB, kA, 20, 10), request), kNewTrk);
    EXPECT_EQ(tracker->count(), 1U);
    EXPECT_EQ(run(udp(kA, kB, 10, 20), look()), kReply);
}

TEST_F(TrackerTest, LimitsHold) {
    tracker->set_zone_limit(5, 1);
    EXPECT_EQ(run(udp(kA, kB, 10, 20), commit()), kNewTrk);
    EXPECT_EQ(run(udp(kA, kB, 11, 20), commit()), kNewTrk);
    EXPECT_EQ(tracker->zone_count(5), 1U);
    tracker->set_max_conns(2);
    EXPECT_EQ(run(udp(kA, kB, 12, 20), commit(6)), kNewTrk);
    EXPECT_EQ(run(udp(kA, kB, 13, 20), commit(6)), kNewTrk);
    EXPECT_EQ(tracker->count(), 2U);
    EXPECT_EQ(local.refused_full.read(), 1U);
    EXPECT_EQ(local.refused_zone.read(), 1U);
}

TEST_F(TrackerTest, WhatExpiresOrIsFlushedIsGoneAtOnceAndFreedLater) {
    run(udp(kA, kB, 10, 20), commit());
    now += 59999;
    EXPECT_EQ(run(udp(kB, kA, 20, 10), look()), kReply);
    now += 30000;
    EXPECT_EQ(run(udp(kA, kB, 10, 20), look()), kNewTrk);
    sweep_all();
    EXPECT_EQ(tracker->count(), 0U);
    run(udp(kA, kB, 10, 20), commit(5));
    run(udp(kA, kB, 10, 20), commit(6));
    tracker->flush_zone(5);
    EXPECT_EQ(tracker->count(), 1U);
    EXPECT_EQ(run(udp(kA, kB, 10, 20), look(5)), kNewTrk);
    EXPECT_EQ(run(udp(kB, kA, 20, 10), look(6)), kReply);
    TupleFilter filter;
    filter.dport = 20;
    EXPECT_EQ(tracker->flush(std::nullopt, filter, {}, now), 1U);
    sweep_all();
    EXPECT_EQ(tracker->count(), 0U);
    // Freed numbers are used again.
    for (unsigned i = 0; i < 200; ++i) {
        run(udp(kA, kB, static_cast<std::uint16_t>(i + 1), 20), commit());
        if (i % 50 == 49) {
            tracker->flush_all();
            sweep_all();
        }
    }
    EXPECT_EQ(tracker->count(), 0U);
}

TEST_F(TrackerTest, TheTableGrowsWithoutLosingAnything) {
    constexpr unsigned kCount = 100000;
    wire::Frame frame = udp(kA, kB, 10, 20);
    Request request = commit(1);
    const auto address = [](unsigned i) { return U128{0, 0x0a000000 + i}; };
    const auto probe_for = [&](unsigned i, bool reply) {
        Probe probe;
        probe.valid = true;
        probe.key = make_key(address(i), address(1), 10, 20, 1, 17, false);
        if (reply) probe.key = reverse(probe.key);
        probe.hash = Tracker::hash(probe.key);
        return probe;
    };
    for (unsigned i = 2; i < kCount; ++i) {
        Attachment attachment;
        tracker->track(local, probe_for(i, false), request, attachment, now, outcome);
    }
    EXPECT_EQ(tracker->count(), kCount - 2);
    EXPECT_GT(tracker->table().buckets(), kCount / 4);
    unsigned found = 0;
    for (unsigned i = 2; i < kCount; ++i) {
        Attachment attachment;
        tracker->track(local, probe_for(i, true), look(1), attachment, now, outcome);
        found += outcome.state == kReply;
    }
    EXPECT_EQ(found, kCount - 2);
    std::size_t slots = 0, longest = 0;
    tracker->table().for_each_bucket([&](std::size_t, unsigned n) {
        slots += n;
        longest = std::max<std::size_t>(longest, n);
    });
    EXPECT_EQ(slots, 2 * std::size_t{kCount - 2});
    EXPECT_LT(longest, 24U);
}

TEST_F(TrackerTest, ThreadsMakeFindExpireAndFlushAtOnce) {
    constexpr unsigned kThreads = 3, kFlows = 400, kRounds = 300;
    std::atomic<std::uint64_t> clock{1000};
    std::atomic<unsigned> running{kThreads};
    std::atomic<std::uint64_t> established{0};
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t, reader = rcu.add_reader()] {
            Local mine;
            Outcome out;
            reader->online();
            for (unsigned round = 0; round < kRounds; ++round) {
                for (unsigned i = 0; i < kFlows; ++i) {
                    Probe probe;
                    probe.valid = true;
                    // All threads use the same flows, some from the other side.
                    probe.key = make_key({0, 0x0a000002 + i}, {0, 0x0a000001}, 10, 20,
                                         static_cast<std::uint16_t>(1 + i % 2), 17, false);
                    if ((t + round) % 2) probe.key = reverse(probe.key);
                    probe.hash = Tracker::hash(probe.key);
                    Attachment attachment;
                    Request request = commit(probe.key.zone());
                    request.mark = t;
                    request.mark_mask = 0xff;
                    request.label = request.label_mask = {0, 1};
                    tracker->track(mine, probe, request, attachment, clock.load(), out);
                    if (out.state & kEst) established.fetch_add(1, std::memory_order_relaxed);
                    if (out.state & kInv) ADD_FAILURE() << "invalid";
                }
                reader->quiescent();
            }
            reader->offline();
            tracker->leave(mine);
            running.fetch_sub(1);
        });
    }
    unsigned turn = 0;
    while (running.load() != 0) {
        tracker->sweep(rcu, clock.load(), 4096);
        if (++turn % 8 == 0) tracker->flush_zone(1);
        if (turn % 16 == 0) clock.fetch_add(20000);
        tracker->for_each(std::nullopt, clock.load(),
                          [](const Entry& entry) { EXPECT_EQ(entry.key[0].proto(), 17); });
    }
    for (auto& thread : threads)
        thread.join();
    now = clock.load();
    tracker->flush_all();
    sweep_all();
    EXPECT_EQ(tracker->count(), 0U);
    EXPECT_GT(established.load(), 0U);
    std::size_t slots = 0;
    tracker->table().for_each_bucket([&](std::size_t, unsigned n) { slots += n; });
    EXPECT_EQ(slots, 0U);
}

}  // namespace
}  // namespace sluice::conntrack
