// SPDX-License-Identifier: Apache-2.0
// What every kind of port must do: lose nothing, count right, respect the MTU, finish checksums and
// segments that the other side can't, survive a full queue and the loss of its device.
#include <atomic>
#include <thread>

#include <unistd.h>

#include <gtest/gtest.h>

#include "packet/offload.hpp"
#include "packet/test_eal.hpp"
#include "port/port.hpp"
#include "port/testing/rig.hpp"

namespace sluice {
namespace {

using rig::Frame;

constexpr QueueId kQueue{0};

/// A port of some kind with its other end.
struct World {
    std::unique_ptr<Port> port;
    std::unique_ptr<rig::Peer> peer;
};

struct Kind {
    const char* name;
    bool needs_root;
    Result<World> (*make)();
    void (*remove)(World&);  ///< takes the device away; null: cannot happen
    std::size_t max_frame;   ///< largest frame that passes both ways without segmentation at MTU 1500
};

PortConfig config_of(const std::string& name, const std::string& type,
                     std::map<std::string, std::string> options = {}) {
    PortConfig config;
    config.name = name;
    config.type = type;
    config.options = std::move(options);
    return config;
}

Result<World> make_tap() {
    World world;
    auto port = create_port(config_of("ct0", "tap"));
    if (!port) return port.error();
    world.port = std::move(*port);
    if (auto up = world.port->set_admin_up(true); !up) return up.error();
    world.peer = rig::make_socket_peer("ct0");
    return world;
}

Result<World> make_system() {
    World world;
    if (!rig::run("ip link add name ct0 type veth peer name ct1 && ip link set ct1 up"))
        return make_error(EIO, "no veth");
    auto port = create_port(config_of("ct0", "", {{"io", "af_packet"}}));
    if (!port) return port.error();
    world.port = std::move(*port);
    if (auto up = world.port->set_admin_up(true); !up) return up.error();
    // Until the kernel's link watch has run, frames sent on a fresh veth vanish.
    if (!rig::wait_for([] { return rig::run("ip -br link show ct1 | grep -q ' UP '"); }))
        return make_error(ETIMEDOUT, "veth stays down");
    world.peer = rig::make_socket_peer("ct1");
    return world;
}

Result<World> make_ring() {
    World world;
    static unsigned serial = 0;  // the driver keeps the rings of a removed device and finds them full
    auto port =
        create_port(config_of("ring", "dpdk", {{"dpdk-devargs", fmt::format("net_ring_ct{}", serial++)}}));
    if (!port) return port.error();
    world.port = std::move(*port);
    world.peer = rig::make_port_peer(*world.port);
    return world;
}

const Kind kKinds[] = {
    {"tap", true, make_tap, [](World&) { rig::run("ip link del ct0"); }, 1514},
    {"system", true, make_system, [](World&) { rig::run("ip link del ct0"); }, 1514},
    {"dpdk_ring", false, make_ring, nullptr, 1514},
};

class Conformance : public testing::TestWithParam<Kind> {
  protected:
    void SetUp() override {
        ensure_test_eal();
        before_ = in_use();
        waiting_ = sweep_pools();
        if (GetParam().needs_root) {
            space_ = std::make_unique<rig::Namespace>();
            if (!space_->ok()) GTEST_SKIP() << "needs root (CAP_SYS_ADMIN) to make a network namespace";
        }
        auto world = GetParam().make();
        ASSERT_TRUE(world) << world.error().message;
        world_ = std::move(*world);
    }
    void TearDown() override {
        world_ = {};
        space_.reset();
        EXPECT_LE(sweep_pools(), waiting_) << "packets of a port's pool are still out";
        EXPECT_EQ(in_use(), before_) << "packets leaked";
    }
    static unsigned in_use() { return pool_usage()[0].in_use + pool_usage()[1].in_use; }
    Port& port() { return *world_.port; }
    rig::Peer& peer() { return *world_.peer; }

    /// Next packet of ours from the port, within the deadline; null if none comes.
    Packet* receive() {
        Packet* packet = nullptr;
        rig::wait_for([&] {
            while (port().rx_burst(kQueue, &packet, 1) == 1) {
                if (rte_pktmbuf_mtod(packet, const std::uint8_t*)[7] == 0x51) return true;
                packet_free(packet);
                packet = nullptr;
            }
            return false;
        });
        return packet;
    }
    bool peer_receives(Frame& frame) {
        return rig::wait_for([&] { return peer().receive(frame); });
    }
    bool send(const Frame& frame, const VirtioHeader& header = {}) {
        Packet* packet = packet_from_bytes(frame);
        if (!marks_from_virtio(packet, header)) {
            packet_free(packet);
            return false;
        }
        return port().tx_burst(kQueue, &packet, 1) == 1;
    }

    std::unique_ptr<rig::Namespace> space_;
    World world_;
    unsigned before_ = 0;
    unsigned waiting_ = 0;
};

TEST_P(Conformance, ReceivesEveryFrameInOrderAndCountsIt) {
    const auto before = port().counters();
    std::uint64_t bytes = 0;
    for (unsigned i = 0; i < 500; ++i) {
        const Frame sent = rig::numbered_frame(i, 60 + i * 2);
        ASSERT_TRUE(peer().send(sent));
        Packet* packet = receive();
        ASSERT_NE(packet, nullptr) << "frame " << i;
        EXPECT_EQ(packet_to_bytes(packet), sent);
        EXPECT_GE(packet->data_len, std::min<std::size_t>(sent.size(), kMinFirstSegment));
        EXPECT_FALSE(needs_checksum(packet));
        bytes += packet->pkt_len;
        packet_free(packet);
    }
    const auto after = port().counters();
    EXPECT_GE(after.rx_packets - before.rx_packets, 500U);
    EXPECT_GE(after.rx_bytes - before.rx_bytes, bytes);
    EXPECT_EQ(after.rx_errors, 0U);
}

TEST_P(Conformance, SendsEveryFrameOfBurstsInOrderAndCountsIt) {
    unsigned number = 0;
    for (unsigned round = 0; round < 20; ++round) {
        Packet* burst[kMaxBurst];
        const unsigned first = number;
        for (auto& packet : burst) {
            packet = packet_from_bytes(rig::numbered_frame(number, 60 + number));
            ++number;
        }
        ASSERT_EQ(port().tx_burst(kQueue, burst, kMaxBurst), kMaxBurst);
        for (unsigned i = first; i < number; ++i) {
            Frame got;
            ASSERT_TRUE(peer_receives(got)) << "frame " << i;
            EXPECT_EQ(got, rig::numbered_frame(i, 60 + i));
        }
    }
    const auto counters = port().counters();
    EXPECT_EQ(counters.tx_packets, 640U);
    EXPECT_EQ(counters.tx_dropped, 0U);
}

TEST_P(Conformance, FramesAboveTheMtuAreDroppedAndCounted) {
    EXPECT_TRUE(send(rig::numbered_frame(1, 1514)));
    EXPECT_FALSE(send(rig::numbered_frame(2, 1600)));
    const auto counters = port().counters();
    EXPECT_EQ(counters.tx_packets, 1U);
    EXPECT_EQ(counters.tx_dropped, 1U);
    EXPECT_EQ(counters.extra.at("tx_oversized"), 1U);
    Frame got;
    ASSERT_TRUE(peer_receives(got));
    EXPECT_EQ(got.size(), 1514U);
}

TEST_P(Conformance, AnOpenChecksumArrivesRight) {
    for (bool ipv6 : {false, true})
        for (unsigned tags : {0U, 1U, 2U}) {
            const rig::TcpShape shape{ipv6, tags, 333};
            ASSERT_TRUE(send(rig::tcp_frame(shape), rig::tcp_header(shape, 0)));
            Frame got;
            ASSERT_TRUE(peer_receives(got));
            EXPECT_TRUE(rig::tcp_right(shape, got)) << "ipv6 " << ipv6 << " tags " << tags;
        }
}

TEST_P(Conformance, ASegmentationFrameArrivesWholeWithRightChecksums) {
    for (bool ipv6 : {false, true})
        for (unsigned tags : {0U, 1U}) {
            const rig::TcpShape shape{ipv6, tags, 60000};
            const Frame whole = rig::tcp_frame(shape);
            ASSERT_TRUE(send(whole, rig::tcp_header(shape, 1400)));
            std::size_t payload = 0;
            while (payload < shape.payload) {
                Frame got;
                ASSERT_TRUE(peer_receives(got))
                    << payload << " bytes came, ipv6 " << ipv6 << " tags " << tags;
                EXPECT_LE(got.size(), shape.headers() + 1400);
                EXPECT_TRUE(rig::tcp_right(shape, got));
                ASSERT_TRUE(std::equal(got.begin() + shape.headers(), got.end(),
                                       whole.begin() + static_cast<long>(shape.headers() + payload)));
                payload += got.size() - shape.headers();
            }
            EXPECT_EQ(payload, shape.payload);
        }
}

TEST_P(Conformance, ReceivesSegmentationFramesOfTheKernelWhole) {
    if (!GetParam().needs_root) GTEST_SKIP() << "no kernel at the other end";
    for (bool ipv6 : {false, true})
        for (unsigned tags : {0U, 1U}) {
            const rig::TcpShape shape{ipv6, tags, 60000};
            const Frame whole = rig::tcp_frame(shape);
            ASSERT_TRUE(peer().send(whole, rig::tcp_header(shape, 1400)));
            Packet* packet = receive();
            ASSERT_NE(packet, nullptr);
            EXPECT_EQ(packet_to_bytes(packet), whole);
            EXPECT_TRUE(is_gso(packet));
            EXPECT_EQ(packet->tso_segsz, 1400);
            EXPECT_EQ(packet->l2_len, 14U + 4 * tags);
            EXPECT_GE(packet->data_len, kMinFirstSegment);
            packet_free(packet);
        }
}

TEST_P(Conformance, AFullQueueLosesFramesButNoCount) {
    constexpr unsigned kCount = 20000;
    unsigned sent = 0;
    for (unsigned i = 0; i < kCount / kMaxBurst; ++i) {
        Packet* burst[kMaxBurst];
        unsigned n = 0;
        while (n < kMaxBurst && (burst[n] = packet_from_bytes(rig::numbered_frame(n, 200))) != nullptr)
            ++n;
        sent += port().tx_burst(kQueue, burst, n);
        const auto counters = port().counters();
        ASSERT_EQ(counters.tx_packets, sent);
        if (n < kMaxBurst) break;  // the pool is empty: all in the peer's queue
    }
    const auto counters = port().counters();
    EXPECT_EQ(counters.tx_packets, sent);
    Frame got;
    while (peer().receive(got)) {
    }
}

TEST_P(Conformance, LosingTheDeviceUnderTrafficIsNoticedAndHarmless) {
    if (GetParam().remove == nullptr) GTEST_SKIP() << "this device cannot disappear";
    std::atomic<bool> stop{false};
    std::atomic<unsigned> rounds{0};
    std::thread worker([&] {
        EXPECT_TRUE(register_worker_thread());
        while (!stop.load()) {
            Packet* packets[kMaxBurst];
            packet_free_burst(packets, port().rx_burst(kQueue, packets, kMaxBurst));
            Packet* packet = packet_from_bytes(rig::numbered_frame(1, 400));
            if (packet != nullptr) port().tx_burst(kQueue, &packet, 1);
            rounds.fetch_add(1);
        }
        unregister_worker_thread();
    });
    const auto advance = [&] {
        const unsigned from = rounds.load();
        return rig::wait_for([&] { return rounds.load() > from + 200; });
    };
    EXPECT_TRUE(advance());
    GetParam().remove(world_);
    EXPECT_TRUE(advance());
    EXPECT_TRUE(rig::wait_for([&] { return port().device_gone() || !port().state().link_up; }));
    EXPECT_TRUE(advance());
    stop = true;
    worker.join();
    port().counters();
}

INSTANTIATE_TEST_SUITE_P(Kinds, Conformance, testing::ValuesIn(kKinds),
                         [](const auto& kind) { return std::string{kind.param.name}; });

}  // namespace
}  // namespace sluice
