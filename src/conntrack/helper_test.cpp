// SPDX-License-Identifier: Apache-2.0
// Control connections: what they announce is expected, for a while and once, and their text follows
// translation.
#include <cstring>
#include <string>

#include <gtest/gtest.h>

#include "conntrack/test_packet.hpp"
#include "conntrack/tracker.hpp"

namespace sluice::conntrack {
namespace {

using namespace ct_state;
using namespace wire::tcp;
using wire::PacketBuilder;

constexpr std::string_view kClient = "10.0.0.1", kServer = "10.0.0.2", kShown = "10.0.99.99",
                           kVirtual = "10.0.0.8";
constexpr std::uint8_t kRelated = kNew | kRel | kTrk;

NatSpec to(bool src, std::uint64_t address) {
    NatSpec spec;
    spec.src = src;
    spec.has_address = true;
    spec.min = spec.max = {0, address};
    return spec;
}
const NatSpec kHideClient = to(true, 0x0a006363), kHideServer = to(false, 0x0a000002);

class HelperTest : public testing::Test {
  protected:
    HelperTest() {
        auto made = Tracker::create();
        tracker = std::move(*made);
        tracker->set_check_sequence(false);  // the frames' windows are of no interest here
    }
    ~HelperTest() override { tracker->leave(local); }

    std::uint8_t run(const wire::Frame& frame, const Request& request) {
        Datagram d = datagram_of(frame);
        d.check_l4 = d.proto != 6;
        Probe probe;
        examine(d, request.zone, probe);
        if (probe.valid) probe.hash = Tracker::hash(probe.key);
        Attachment attachment;
        tracker->track(local, probe, request, attachment, now, outcome);
        return outcome.state;
    }
    static Request commit(const NatSpec* spec = nullptr, std::uint8_t helper = kHelperFtp) {
        Request request;
        request.zone = 5;
        request.commit = request.nat = true;
        request.spec = spec;
        request.helper = helper;
        return request;
    }
    static Request look() {
        Request request;
        request.zone = 5;
        request.nat = true;
        return request;
    }
    static wire::Frame tcp(std::string_view src, std::string_view dst, std::uint16_t sport,
                           std::uint16_t dport, std::uint32_t seq, std::uint32_t ack, std::uint16_t flags,
                           const std::string& text = "") {
        PacketBuilder builder;
        builder.eth("02:00:00:00:00:01", "02:00:00:00:00:02").ipv4(src, dst).tcp(sport, dport, flags);
        wire::Frame frame = builder.poke16(4, static_cast<std::uint16_t>(seq >> 16))
                                .poke16(6, static_cast<std::uint16_t>(seq))
                                .poke16(8, static_cast<std::uint16_t>(ack >> 16))
                                .poke16(10, static_cast<std::uint16_t>(ack))
                                .payload(text.size())
                                .build();
        std::memcpy(frame.data() + 54, text.data(), text.size());
        return frame;
    }
    static wire::Frame udp(std::string_view src, std::string_view dst, std::uint16_t sport,
                           std::uint16_t dport, std::uint8_t opcode) {
        PacketBuilder builder;
        builder.eth("02:00:00:00:00:01", "02:00:00:00:00:02")
            .ipv4(src, dst)
            .udp(sport, dport)
            .no_checksum()
            .payload(16);
        wire::Frame frame = builder.build();
        frame[42] = 0, frame[43] = opcode;
        return frame;
    }
    /// A control connection from kClient:4000; peer: whom the client talks to; shown: whom the server talks
    /// to.
    void open(const NatSpec* spec, std::string_view peer, std::string_view shown) {
        ASSERT_EQ(run(tcp(kClient, peer, 4000, 21, 1000, 0, kSyn), commit(spec)) & ~(kSnat | kDnat),
                  kNew | kTrk);
        run(tcp(kServer, shown, 21, 4000, 9000, 1001, kSyn | kAckFlag), look());
        ASSERT_EQ(run(tcp(kClient, peer, 4000, 21, 1001, 9001, kAckFlag), look()) & (kEst | kInv), kEst);
    }
    std::string text() const { return {outcome.text.data(), outcome.text_size}; }

    Rcu rcu;
    std::unique_ptr<Tracker> tracker;
    Local local;
    Outcome outcome;
    std::uint64_t now = 1000;
};

TEST_F(HelperTest, an_announced_connection_is_related_once_and_for_a_while) {
    open(nullptr, kServer, kClient);
    run(tcp(kClient, kServer, 4000, 21, 1001, 9001, kAckFlag | kPsh, "PORT 10,0,0,1,20,1\r\n"), look());
    EXPECT_EQ(outcome.text_removed, 0) << "nothing is translated";
    const auto data = tcp(kServer, kClient, 20, 5121, 1, 0, kSyn);
    EXPECT_EQ(run(tcp(kServer, kClient, 20, 5122, 1, 0, kSyn), look()), kNew | kTrk) << "another port";
    EXPECT_EQ(run(data, look()), kRelated);
    EXPECT_EQ(run(data, commit()), kRelated);
    EXPECT_EQ(run(tcp(kClient, kServer, 5121, 20, 7, 2, kSyn | kAckFlag), look()), kEst | kRel | kRpl | kTrk);
    EXPECT_EQ(run(tcp(kServer, kClient, 21, 5121, 1, 0, kSyn), look()), kNew | kTrk) << "it has been used";
    run(tcp(kServer, kClient, 21, 4000, 9001, 1021, kAckFlag, "229 ok (|||6000|)\r\n"), look());
    now += Expectations::kLifeMs;
    EXPECT_EQ(run(tcp(kClient, kServer, 4001, 6000, 1, 0, kSyn), look()), kNew | kTrk) << "too late";
}

TEST_F(HelperTest, addresses_of_others_are_not_believed) {
    open(nullptr, kServer, kClient);
    run(tcp(kClient, kServer, 4000, 21, 1001, 9001, kAckFlag, "PORT 10,0,0,77,20,1\r\n"), look());
    EXPECT_EQ(run(tcp(kServer, "10.0.0.77", 20, 5121, 1, 0, kSyn), look()), kNew | kTrk);
}

TEST_F(HelperTest, a_hidden_client_announces_the_shown_address_and_numbers_follow) {
    open(&kHideClient, kServer, kShown);
    const std::string command = "PORT 10,0,0,1,20,1\r\n";
    run(tcp(kClient, kServer, 4000, 21, 1001, 9001, kAckFlag, command), look());
    EXPECT_EQ(text(), "10,0,99,99,20,1");
    EXPECT_EQ(outcome.text_removed, 13);
    EXPECT_EQ(outcome.text_offset, 25U);
    EXPECT_EQ(outcome.seq_delta, 0) << "what stands before the text has not moved";
    const auto size = static_cast<std::uint32_t>(command.size());
    // The same again is changed the same way; what follows moves by two bytes; so do its acknowledgements.
    run(tcp(kClient, kServer, 4000, 21, 1001, 9001, kAckFlag, command), look());
    EXPECT_EQ(text(), "10,0,99,99,20,1");
    EXPECT_EQ(outcome.seq_delta, 0);
    run(tcp(kClient, kServer, 4000, 21, 1001 + size, 9001, kAckFlag), look());
    EXPECT_EQ(outcome.seq_delta, 2);
    run(tcp(kServer, kShown, 21, 4000, 9001, 1003 + size, kAckFlag), look());
    EXPECT_EQ(outcome.ack_delta, -2);
    EXPECT_EQ(outcome.seq_delta, 0);
    // The server connects to what it was told, and comes out at the client.
    EXPECT_EQ(run(tcp(kServer, kShown, 20, 5121, 1, 0, kSyn), commit()), kRelated | kDnat);
    EXPECT_EQ(outcome.rewrite.address, (U128{0, 0x0a000001}));
    EXPECT_EQ(outcome.rewrite.port, 5121);
}

TEST_F(HelperTest, a_hidden_server_announces_the_address_that_the_client_knows) {
    open(&kHideServer, kVirtual, kClient);
    run(tcp(kServer, kClient, 21, 4000, 9001, 1001, kAckFlag, "227 Passive (10,0,0,2,23,112)\r\n"), look());
    EXPECT_EQ(text(), "10,0,0,8,23,112");
    EXPECT_EQ(run(tcp(kClient, kVirtual, 4001, 6000, 1, 0, kSyn), commit()), kRelated | kDnat);
    EXPECT_EQ(outcome.rewrite.address, (U128{0, 0x0a000002}));
    EXPECT_EQ(outcome.rewrite.port, 6000);
}

TEST_F(HelperTest, a_tftp_server_may_answer_from_any_port) {
    EXPECT_EQ(run(udp(kClient, kServer, 4000, 69, 1), commit(&kHideClient, kHelperTftp)),
              kNew | kTrk | kSnat);
    EXPECT_EQ(run(udp(kServer, kShown, 3333, 4000, 3), commit()), kRelated | kDnat);
    EXPECT_EQ(outcome.rewrite.address, (U128{0, 0x0a000001}));
    EXPECT_EQ(run(udp(kServer, kShown, 3334, 4001, 3), look()), kNew | kTrk);
}

TEST_F(HelperTest, announcements_take_a_bounded_place) {
    open(nullptr, kServer, kClient);
    std::uint32_t seq = 1001;
    for (unsigned port = 1024; port < 1024 + 2 * Expectations::kMax; ++port) {
        const std::string command =
            "PORT 10,0,0,1," + std::to_string(port >> 8) + "," + std::to_string(port & 255) + "\r\n";
        run(tcp(kClient, kServer, 4000, 21, seq, 9001, kAckFlag, command), look());
        seq += static_cast<std::uint32_t>(command.size());
        run(tcp(kServer, kClient, 21, 4000, 9001, seq, kAckFlag), look());
    }
    EXPECT_EQ(run(tcp(kServer, kClient, 20, 1024 + 2 * Expectations::kMax - 1, 1, 0, kSyn), look()), kRelated)
        << "the newest is there";
}

TEST_F(HelperTest, the_sweep_tells_of_beginnings_and_ends) {
    std::vector<std::pair<ConnEvent, std::uint16_t>> told;
    tracker->on_event(
        [&](ConnEvent event, const Entry& entry) { told.emplace_back(event, entry.key[0].sport()); });
    const auto sweep = [&] {
        while (tracker->sweep(rcu, now, 1U << 20)) {
        }
    };
    run(udp(kClient, kServer, 1, 53, 0), commit(nullptr, 0));
    run(udp(kClient, kServer, 2, 53, 0), commit(nullptr, 0));
    sweep();
    ASSERT_EQ(told.size(), 2U);
    EXPECT_EQ(told[0].first, ConnEvent::kNew);
    tracker->flush_zone(5);
    run(udp(kClient, kServer, 3, 53, 0), commit(nullptr, 0));
    now += 70000;
    sweep();
    // The third came and went between two sweeps, and is told all the same.
    ASSERT_EQ(told.size(), 6U);
    unsigned ended = 0, expired = 0;
    for (const auto& [event, port] : told) {
        ended += event == ConnEvent::kEnded ? 1 : 0;
        expired += event == ConnEvent::kExpired ? 1 : 0;
    }
    EXPECT_EQ(ended + expired, 3U);
    EXPECT_GE(expired, 1U);
}

}  // namespace
}  // namespace sluice::conntrack
