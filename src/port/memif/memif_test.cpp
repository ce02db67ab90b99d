// SPDX-License-Identifier: Apache-2.0
// Memif ports with each other and with DPDK's net_memif, and peers that do everything wrong.
#include <functional>
#include <numeric>

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "packet/test_eal.hpp"
#include "port/memif/fake_peer.hpp"
#include "port/memif/listener.hpp"
#include "port/testing/rig.hpp"

namespace sluice::memif {
namespace {

using testing::HasSubstr;

constexpr QueueId kQueue{0};

std::string socket_path() {
    return fmt::format("/tmp/sluice-memif-test-{}.sock", getpid());
}

std::unique_ptr<Port> make(const std::string& name, const std::string& type,
                           std::map<std::string, std::string> options) {
    PortConfig config;
    config.name = name;
    config.type = type;
    config.options = std::move(options);
    if (type == "memif") config.mtu_request = 9000;
    auto port = create_port(config);
    EXPECT_TRUE(port) << port.error().message;
    if (!port) return nullptr;
    EXPECT_TRUE((*port)->set_admin_up(true));
    return std::move(*port);
}

std::unique_ptr<Port> ours(const std::string& role, std::map<std::string, std::string> more = {}) {
    std::map<std::string, std::string> options{{"memif-socket", socket_path()}, {"memif-role", role}};
    options.merge(more);
    return make("our-" + role, "memif", options);
}

/// With buffers that take its largest frame: DPDK 22.11 leaves the mark of a longer one in a buffer that it
/// uses again.
std::unique_ptr<Port> of_dpdk(const std::string& role) {
    static unsigned serial = 0;
    return make("dpdk-" + role, "dpdk",
                {{"dpdk-devargs", fmt::format("net_memif_x{},role={},id=0,socket-abstract=no,socket={}",
                                              serial++, role, socket_path())}});
}

bool connected(Port& a, Port& b) {
    return rig::wait_for([&] {
        const bool up = a.state().link_up && b.state().link_up;
        // A net_memif client gives its server the first buffers when it is polled once it is up.
        Packet* none = nullptr;
        for (Port* port : {&a, &b})
            if (port->rx_burst(kQueue, &none, 1) == 1) packet_free(none);
        return up;
    });
}

struct Pairing {
    const char* name;
    std::function<std::unique_ptr<Port>()> server, client;
    std::size_t largest;  ///< frame that both take
};

class Memif : public testing::TestWithParam<Pairing> {
  protected:
    void SetUp() override {
        ensure_test_eal();
        before_ = in_use();
        server_ = GetParam().server();
        client_ = GetParam().client();
        ASSERT_TRUE(server_ && client_);
        ASSERT_TRUE(connected(*server_, *client_)) << server_->state().status["reason"];
    }
    void TearDown() override {
        server_.reset();
        client_.reset();
        EXPECT_EQ(in_use(), before_);
    }
    static unsigned in_use() { return pool_usage()[0].in_use + pool_usage()[1].in_use; }
    unsigned before_ = 0;
    std::unique_ptr<Port> server_, client_;
};

TEST_P(Memif, CarriesFramesOfAllSizesBothWaysInOrder) {
    Port* const ends[2] = {server_.get(), client_.get()};
    for (unsigned i = 0; i < 3000; ++i) {
        const std::size_t size = i % 50 == 0 ? GetParam().largest - i % 7 : 60 + i % 1400;
        Packet* packet = packet_from_bytes(rig::numbered_frame(i, size));
        ASSERT_EQ(ends[i % 2]->tx_burst(kQueue, &packet, 1), 1U);
        Packet* got = nullptr;
        ASSERT_TRUE(rig::wait_for([&] { return ends[1 - i % 2]->rx_burst(kQueue, &got, 1) == 1; }))
            << i << " " << ends[1 - i % 2]->state().status["reason"];
        EXPECT_EQ(packet_to_bytes(got), rig::numbered_frame(i, size));
        packet_free(got);
    }
    EXPECT_EQ(server_->counters().tx_packets, 1500U);
    EXPECT_EQ(server_->counters().rx_packets, 1500U);
    EXPECT_EQ(server_->counters().tx_bytes, client_->counters().rx_bytes);
}

TEST_P(Memif, AFullRingLosesFramesButNoCount) {
    unsigned sent = 0;
    for (unsigned i = 0; i < 100; ++i) {
        Packet* packets[kMaxBurst];
        for (unsigned k = 0; k < kMaxBurst; ++k)
            packets[k] = packet_from_bytes(rig::numbered_frame(i * kMaxBurst + k, 100));
        sent += server_->tx_burst(kQueue, packets, kMaxBurst);
    }
    EXPECT_GE(sent, 512U);
    EXPECT_LT(sent, 3200U);
    EXPECT_EQ(server_->counters().tx_dropped, 3200U - sent);
    unsigned received = 0;
    ASSERT_TRUE(rig::wait_for([&] {
        Packet* packets[kMaxBurst];
        for (unsigned n; (n = client_->rx_burst(kQueue, packets, kMaxBurst)) > 0;) {
            for (unsigned k = 0; k < n; ++k)
                EXPECT_EQ(packet_to_bytes(packets[k]), rig::numbered_frame(received + k, 100));
            received += n;
            packet_free_burst(packets, n);
        }
        return received >= sent;
    }));
    EXPECT_EQ(received, sent);
}

TEST_P(Memif, TheClientGoesAndComesAgain) {
    for (int round = 0; round < 3; ++round) {
        client_.reset();
        ASSERT_TRUE(rig::wait_for([&] { return !server_->state().link_up; }));
        Packet* packet = packet_from_bytes(rig::numbered_frame(1, 100));
        EXPECT_EQ(server_->tx_burst(kQueue, &packet, 1), 0U);
        client_ = GetParam().client();
        ASSERT_TRUE(client_ && connected(*server_, *client_));
    }
    Packet* packet = packet_from_bytes(rig::numbered_frame(7, 100));
    ASSERT_EQ(server_->tx_burst(kQueue, &packet, 1), 1U);
    Packet* got = nullptr;
    ASSERT_TRUE(rig::wait_for([&] { return client_->rx_burst(kQueue, &got, 1) == 1; }));
    EXPECT_EQ(packet_to_bytes(got), rig::numbered_frame(7, 100));
    packet_free(got);
}

INSTANTIATE_TEST_SUITE_P(Pairs, Memif,
                         testing::Values(Pairing{"OursWithOurs", [] { return ours("server"); },
                                                 [] { return ours("client"); }, 9014},
                                         Pairing{"OursWithDpdk", [] { return ours("server"); },
                                                 [] { return of_dpdk("client"); }, 1514},
                                         Pairing{"DpdkWithOurs", [] { return of_dpdk("server"); },
                                                 [] {
                                                     return ours("client", {{"memif-buffer-size", "512"}});
                                                 },
                                                 1514}),
                         [](const auto& pairing) { return std::string{pairing.param.name}; });

TEST(MemifPorts, FlowsAreSpreadOverQueuesAndKeepTheirs) {
    ensure_test_eal();
    auto server = ours("server");
    auto client = ours("client", {{"n_rxq", "4"}, {"memif-ring-size", "64"}});
    ASSERT_TRUE(server && client && connected(*server, *client));
    EXPECT_EQ(server->rx_queue_count(), 4U);
    EXPECT_EQ(client->rx_queue_count(), 4U);
    EXPECT_EQ(server->state().status["n_txq"], "4");
    EXPECT_EQ(server->state().status["ring_size"], "64");
    const auto queue_of = [&](unsigned port) {
        rig::Frame frame = rig::tcp_frame({});
        frame[34] = static_cast<std::uint8_t>(port >> 8), frame[35] = static_cast<std::uint8_t>(port);
        Packet* packet = packet_from_bytes(frame);
        EXPECT_EQ(server->tx_burst(kQueue, &packet, 1), 1U);
        unsigned found = 99;
        EXPECT_TRUE(rig::wait_for([&] {
            Packet* got = nullptr;
            for (unsigned q = 0; q < 4 && found == 99; ++q)
                if (client->rx_burst(QueueId{static_cast<std::uint16_t>(q)}, &got, 1) == 1) {
                    packet_free(got);
                    found = q;
                }
            return found != 99;
        }));
        return found;
    };
    unsigned met = 0;
    for (unsigned port = 1000; port < 1040; ++port) {
        const unsigned queue = queue_of(port);
        met |= 1U << queue;
        EXPECT_EQ(queue_of(port), queue);
    }
    EXPECT_EQ(met, 15U);
}

TEST(MemifPorts, SleepersAreWoken) {
    ensure_test_eal();
    auto server = ours("server");
    auto client = ours("client");
    ASSERT_TRUE(server && client && connected(*server, *client));
    Port* const ends[2] = {server.get(), client.get()};
    for (Port* sleeper : ends) {
        sleeper->rx_sleep(kQueue, false);  // the connection rang
        sleeper->rx_sleep(kQueue, true);
        pollfd waiting{sleeper->rx_fd(kQueue), POLLIN, 0};
        EXPECT_EQ(poll(&waiting, 1, 0), 0);
        Port& other = *ends[sleeper == ends[0]];
        Packet* packet = packet_from_bytes(rig::numbered_frame(1, 100));
        ASSERT_EQ(other.tx_burst(kQueue, &packet, 1), 1U);
        EXPECT_EQ(poll(&waiting, 1, 5000), 1) << "not woken";
        sleeper->rx_sleep(kQueue, false);
        ASSERT_EQ(sleeper->rx_burst(kQueue, &packet, 1), 1U);
        packet_free(packet);
        EXPECT_EQ(poll(&waiting, 1, 0), 0) << "rings without reason";
    }
}

TEST(MemifPorts, ManyOfOneSocketAreToldApartBySecretAndId) {
    ensure_test_eal();
    auto one = ours("server", {{"memif-id", "1"}, {"memif-secret", "sesame"}});
    auto two = ours("server", {{"memif-id", "2"}});
    auto to_two = ours("client", {{"memif-id", "2"}});
    ASSERT_TRUE(one && two && to_two && connected(*two, *to_two));
    EXPECT_FALSE(one->state().link_up);
    auto thief = ours("client", {{"memif-id", "1"}, {"memif-secret", "opensesame"}});
    const auto reason_of = [](Port& port) { return port.state().status["reason"]; };
    EXPECT_TRUE(rig::wait_for([&] { return reason_of(*thief).find("secret is wrong") != std::string::npos; }))
        << reason_of(*thief);
    auto lost = ours("client", {{"memif-id", "3"}});
    EXPECT_TRUE(rig::wait_for([&] { return reason_of(*lost).find("no interface 3") != std::string::npos; }))
        << reason_of(*lost);
    auto third = ours("client", {{"memif-id", "2"}});
    EXPECT_TRUE(
        rig::wait_for([&] { return reason_of(*third).find("connected already") != std::string::npos; }));
    auto right = ours("client", {{"memif-id", "1"}, {"memif-secret", "sesame"}});
    EXPECT_TRUE(connected(*one, *right));
}

TEST(MemifPorts, WrongOptionsAreNamed) {
    ensure_test_eal();
    const auto error = [](std::map<std::string, std::string> options) {
        PortConfig config;
        config.name = "m";
        config.type = "memif";
        config.options = std::move(options);
        auto port = create_port(config);
        return port ? "created" : port.error().message;
    };
    const std::string path = socket_path();
    EXPECT_THAT(error({}), HasSubstr("options:memif-socket=/path"));
    EXPECT_THAT(error({{"memif-socket", std::string(200, 'x')}}),
                HasSubstr("200 characters, the limit is 107"));
    EXPECT_THAT(error({{"memif-socket", path}, {"memif-role", "boss"}}), HasSubstr("boss"));
    EXPECT_THAT(error({{"memif-socket", path}, {"memif-ring-size", "1000"}}), HasSubstr("power of two"));
    EXPECT_THAT(error({{"memif-socket", path}, {"memif-buffer-size", "100"}}), HasSubstr("multiple of 64"));
    EXPECT_THAT(error({{"memif-socket", path}, {"memif-secret", std::string(25, 's')}}),
                HasSubstr("limit is 24"));
    EXPECT_THAT(error({{"memif-socket", path}, {"memif-id", "-1"}}), HasSubstr("memif-id"));
    EXPECT_THAT(error({{"memif-socket", "/nowhere/at/all"}}), HasSubstr("No such file"));
    auto first = ours("server");
    EXPECT_THAT(error({{"memif-socket", path}}), HasSubstr("port our-server has this id"));
}

/// Peers that keep to nothing: whatever they send, the listener and other clients live on.
TEST(MemifPorts, StrangersDoNotKeepOthersOut) {
    ensure_test_eal();
    auto server = ours("server");
    ASSERT_TRUE(server);
    std::vector<guest::Fd> strangers;
    for (unsigned i = 0; i < 40; ++i) {
        Result<guest::Fd> socket = Error{EAGAIN, ""};  // the queue of connections is short
        ASSERT_TRUE(rig::wait_for([&] {
            socket = connect_to("stranger", socket_path());
            return static_cast<bool>(socket);
        }));
        std::vector<std::uint8_t> noise(i * 7, static_cast<std::uint8_t>(i));
        if (i % 2 == 1)
            static_cast<void>(::send(socket->get(), noise.data(), noise.size(), MSG_NOSIGNAL | MSG_DONTWAIT));
        if (i % 4 != 0) strangers.push_back(std::move(*socket));
    }
    strangers.resize(std::min<std::size_t>(strangers.size(), 12));
    auto client = ours("client");
    ASSERT_TRUE(client);
    EXPECT_TRUE(connected(*server, *client)) << client->state().status["reason"];
}

class MemifHostile : public testing::Test {
  protected:
    void SetUp() override { ensure_test_eal(); }
};

TEST_F(MemifHostile, MessagesOutOfTurnOrRangeEndTheConnection) {
    const auto refused = [](Type type, const std::function<void(Message&, guest::Fd&)>& spoil) {
        FakePair pair;
        const auto done = pair.connect([&](Message& message, guest::Fd& fd) {
            if (message.type == type) spoil(message, fd);
        });
        EXPECT_FALSE(pair.server_device.link.load());
        return done ? std::string{} : done.error().message;
    };
    EXPECT_THAT(refused(Type::kInit, [](Message& m, guest::Fd&) { m.init.version = 0x100; }),
                HasSubstr("version 1.0"));
    EXPECT_THAT(refused(Type::kInit, [](Message& m, guest::Fd&) { m.init.mode = 1; }), HasSubstr("mode 1"));
    EXPECT_THAT(refused(Type::kInit, [](Message& m, guest::Fd&) { m.type = Type::kConnect; }),
                HasSubstr("turn"));
    EXPECT_THAT(refused(Type::kInit, [](Message& m, guest::Fd&) { m.type = Type{77}; }), HasSubstr("turn"));
    EXPECT_THAT(refused(Type::kInit, [](Message&, guest::Fd& fd) { fd.reset(dup(0)); }),
                HasSubstr("descriptor"));
    EXPECT_THAT(refused(Type::kAddRegion, [](Message& m, guest::Fd&) { m.add_region.index = 1; }),
                HasSubstr("region 1"));
    EXPECT_THAT(refused(Type::kAddRegion, [](Message& m, guest::Fd&) { m.add_region.size = ~0ULL; }),
                HasSubstr("limit"));
    EXPECT_THAT(refused(Type::kAddRegion, [](Message& m, guest::Fd&) { m.add_region.size += 1; }),
                HasSubstr("region 0"));
    EXPECT_THAT(refused(Type::kAddRegion, [](Message&, guest::Fd& fd) { fd.reset(); }), HasSubstr("without"));
    EXPECT_THAT(refused(Type::kAddRegion, [](Message& m, guest::Fd&) { m.type = Type::kInit; }),
                HasSubstr("descriptor"));
    EXPECT_THAT(refused(Type::kAddRing, [](Message& m, guest::Fd&) { m.add_ring.index = 9; }),
                HasSubstr("ring 9"));
    EXPECT_THAT(refused(Type::kAddRing, [](Message& m, guest::Fd&) { m.add_ring.region = 1; }),
                HasSubstr("region 1"));
    EXPECT_THAT(refused(Type::kAddRing, [](Message& m, guest::Fd&) { m.add_ring.offset += 8; }),
                HasSubstr("multiple"));
    EXPECT_THAT(refused(Type::kAddRing, [](Message& m, guest::Fd&) { m.add_ring.offset = ~15U; }),
                HasSubstr("bytes at"));
    EXPECT_THAT(refused(Type::kAddRing, [](Message& m, guest::Fd&) { m.add_ring.log2_size = 0; }),
                HasSubstr("2^0"));
    EXPECT_THAT(refused(Type::kAddRing, [](Message& m, guest::Fd&) { m.add_ring.log2_size = 255; }),
                HasSubstr("2^255"));
    EXPECT_THAT(refused(Type::kAddRing, [](Message& m, guest::Fd&) { m.add_ring.offset += 64; }),
                HasSubstr("begins"));
    EXPECT_THAT(refused(Type::kAddRing, [](Message&, guest::Fd& fd) { fd.reset(); }), HasSubstr("eventfd"));
    EXPECT_THAT(refused(Type::kAddRing, [](Message&, guest::Fd& fd) { fd.reset(memfd_create("x", 0)); }),
                HasSubstr("eventfd"));
    EXPECT_THAT(refused(Type::kConnect, [](Message& m, guest::Fd&) { m = Session::disconnect("enough"); }),
                HasSubstr("enough"));
    EXPECT_THAT(refused(Type::kHello, [](Message& m, guest::Fd&) { m.hello.max_version = 1; }),
                HasSubstr("versions"));
    EXPECT_THAT(refused(Type::kHello, [](Message& m, guest::Fd&) { m.hello.max_log2_size = 0; }),
                HasSubstr("ring"));
    EXPECT_THAT(refused(Type::kAck, [](Message& m, guest::Fd&) { m.type = Type::kConnected; }),
                HasSubstr("turn"));
}

struct Crime {
    const char* name;
    Fault fault;
    std::function<void(FakePair&)> commit;
};

const Crime kCrimes[] = {
    {"head_jumps", Fault::kIndexJump, [](FakePair& p) { p.ring(0)->head = 1025; }},
    {"head_goes_back", Fault::kIndexJump, [](FakePair& p) { p.ring(0)->head = 0xffff; }},
    {"no_such_region", Fault::kOutsideMemory,
     [](FakePair& p) {
         *p.slot(0, 0) = {0, 1, 100, 0, 0}, p.ring(0)->head = 1;
     }},
    {"offset_outside", Fault::kOutsideMemory,
     [](FakePair& p) {
         *p.slot(0, 0) = {0, 0, 100, ~0U, 0}, p.ring(0)->head = 1;
     }},
    {"length_outside", Fault::kOutsideMemory,
     [](FakePair& p) {
         *p.slot(0, 0) = {0, 0, ~0U, 64, 0}, p.ring(0)->head = 1;
     }},
    {"second_piece_outside", Fault::kOutsideMemory,
     [](FakePair& p) {
         *p.slot(0, 0) = {kNext, 0, 100, 0, 0}, *p.slot(0, 1) = {0, 9, 100, 0, 0};
         p.ring(0)->head = 2;
     }},
    {"endless_frame", Fault::kEndlessFrame,
     [](FakePair& p) {
         for (unsigned i = 0; i < 1024; ++i)
             *p.slot(0, i) = {kNext, 0, 1, 0, 0};
         p.ring(0)->head = 1024;
     }},
};

class MemifCrime : public testing::TestWithParam<Crime> {};

TEST_P(MemifCrime, StopsTheQueueWithItsReason) {
    ensure_test_eal();
    FakePair pair;
    ASSERT_TRUE(pair.connect());
    GetParam().commit(pair);
    Packet* packets[kMaxBurst];
    Queue& queue = pair.client_to_server(false);
    EXPECT_EQ(queue.receive(packets, kMaxBurst), 0U);
    EXPECT_EQ(queue.fault(), GetParam().fault);
    EXPECT_FALSE(describe(queue.fault(), queue.fault_value()).empty());
    EXPECT_EQ(queue.receive(packets, kMaxBurst), 0U) << "a stopped queue stays so";
}

INSTANTIATE_TEST_SUITE_P(Crimes, MemifCrime, testing::ValuesIn(kCrimes),
                         [](const auto& crime) { return std::string{crime.param.name}; });

TEST_F(MemifHostile, AServerThatLiesToItsClientIsStopped) {
    Packet* packets[kMaxBurst];
    {
        FakePair pair;
        ASSERT_TRUE(pair.connect());
        pair.ring(1)->tail = 1025;  // more than was offered
        EXPECT_EQ(pair.server_to_client(false).receive(packets, kMaxBurst), 0U);
        EXPECT_EQ(pair.server_to_client(false).fault(), Fault::kIndexJump);
    }
    {
        FakePair pair;
        ASSERT_TRUE(pair.connect());
        pair.slot(1, 0)->length = 2049;  // more than a buffer holds
        pair.ring(1)->tail = 1;
        EXPECT_EQ(pair.server_to_client(false).receive(packets, kMaxBurst), 0U);
        EXPECT_EQ(pair.server_to_client(false).fault(), Fault::kOutsideMemory);
    }
    {
        FakePair pair;
        ASSERT_TRUE(pair.connect());
        Packet* packet = packet_from_bytes(rig::numbered_frame(3, 100));
        pair.slot(1, 0)->offset = 0;  // elsewhere than the client's buffer: it reads its own
        unsigned too_large = 0;
        ASSERT_EQ(pair.server_to_client(true).send(&packet, 1, too_large), 1U);
        packet_free(packet);
        ASSERT_EQ(pair.server_to_client(false).receive(packets, kMaxBurst), 1U);
        EXPECT_EQ(packet_to_bytes(packets[0]), rig::Frame(100, 0));
        packet_free(packets[0]);
        pair.ring(0)->tail = 5;  // has read what was never sent
        packet = packet_from_bytes(rig::numbered_frame(3, 100));
        EXPECT_EQ(pair.client_to_server(true).send(&packet, 1, too_large), 0U);
        EXPECT_EQ(pair.client_to_server(true).fault(), Fault::kIndexJump);
        packet_free(packet);
    }
}

TEST_F(MemifHostile, ShortLongAndHalfFramesAreCountedOrWait) {
    FakePair pair;
    ASSERT_TRUE(pair.connect());
    *pair.slot(0, 0) = {0, 0, 13, 0, 0};      // shorter than an Ethernet header
    *pair.slot(0, 1) = {0, 0, 100000, 0, 0};  // longer than any frame
    *pair.slot(0, 2) = {0, 0, 0, 0, 0};
    for (unsigned i = 3; i < 203; ++i)  // of more pieces than a frame has
        *pair.slot(0, i) = {i == 202 ? std::uint16_t{0} : kNext, 0, 14, 0, 0};
    *pair.slot(0, 203) = {0, 0, 60, 0, 0};
    *pair.slot(0, 204) = {kNext, 0, 60, 0, 0};  // the rest is not there yet
    pair.ring(0)->head = 205;
    Packet* packets[kMaxBurst];
    Queue& queue = pair.client_to_server(false);
    ASSERT_EQ(queue.receive(packets, kMaxBurst), 1U);
    EXPECT_EQ(packets[0]->pkt_len, 60U);
    packet_free(packets[0]);
    EXPECT_EQ(queue.rx.errors.get(), 4U);
    EXPECT_EQ(pair.ring(0)->tail, 204);
    EXPECT_EQ(queue.receive(packets, kMaxBurst), 0U);
    EXPECT_EQ(queue.fault(), Fault::kNone);
    *pair.slot(0, 205) = {0, 0, 40, 0, 0};
    pair.ring(0)->head = 206;
    ASSERT_EQ(queue.receive(packets, kMaxBurst), 1U);
    EXPECT_EQ(packets[0]->pkt_len, 100U);
    packet_free(packets[0]);
}

TEST_F(MemifHostile, BuffersTooSmallForAFrameCostOnlyThatFrame) {
    FakePair pair;
    ASSERT_TRUE(pair.connect());
    for (unsigned i = 0; i < 1024; ++i)
        pair.slot(1, i)->length = i < 512 ? 0 : 64;
    Packet* packets[2] = {packet_from_bytes(rig::numbered_frame(1, 9000)),
                          packet_from_bytes(rig::numbered_frame(2, 60))};
    unsigned too_large = 0;
    EXPECT_EQ(pair.server_to_client(true).send(packets, 2, too_large), 2U);
    EXPECT_EQ(too_large, 2U) << "empty buffers";
    EXPECT_EQ(pair.server_to_client(true).fault(), Fault::kNone);
    packet_free_burst(packets, 2);
}

TEST_F(MemifHostile, MemoryThatIsTakenAwayStopsThePort) {
    FakePair pair;
    guest::Fd loose{memfd_create("loose", MFD_CLOEXEC)};
    ASSERT_TRUE(pair.connect([&](Message& message, guest::Fd& fd) {
        if (message.type != Type::kAddRegion) return;
        // The same bytes in a file without seals.
        std::vector<std::uint8_t> all(message.add_region.size);
        ASSERT_EQ(pread(fd.get(), all.data(), all.size(), 0), static_cast<ssize_t>(all.size()));
        ASSERT_EQ(pwrite(loose.get(), all.data(), all.size(), 0), static_cast<ssize_t>(all.size()));
        fd = FakePair::copy(loose.get());
    }));
    ASSERT_EQ(ftruncate(loose.get(), 0), 0);
    Packet* packets[kMaxBurst];
    Queue& queue = pair.client_to_server(false);
    for (int i = 0; i < 2; ++i)
        EXPECT_EQ(queue.receive(packets, kMaxBurst), 0U);
    Packet* packet = packet_from_bytes(rig::numbered_frame(1, 100));
    unsigned too_large = 0;
    pair.server_to_client(true).send(&packet, 1, too_large);
    packet_free(packet);
    EXPECT_EQ(pair.server_to_client(true).fault(), Fault::kMemoryGone);
}

}  // namespace
}  // namespace sluice::memif
