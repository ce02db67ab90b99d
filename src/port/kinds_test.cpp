// SPDX-License-Identifier: Apache-2.0
// What each kind says to wrong options, and what is particular to one kind.
#include <atomic>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <thread>

#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "packet/offload.hpp"
#include "packet/test_eal.hpp"
#include "port/patch/patch_port.hpp"
#include "port/port.hpp"
#include "port/system/system_port.hpp"
#include "port/testing/rig.hpp"

/// Read by LeakSanitizer: the net_af_xdp driver of DPDK 22.11 never frees its umem.
extern "C" const char* __lsan_default_suppressions();
extern "C" const char* __lsan_default_suppressions() {
    return "leak:xsk_umem__create";
}

namespace sluice {
namespace {

using testing::HasSubstr;
constexpr QueueId kQueue{0};

PortConfig config_of(const std::string& name, const std::string& type,
                     std::map<std::string, std::string> options = {}) {
    PortConfig config;
    config.name = name;
    config.type = type;
    config.options = std::move(options);
    return config;
}

std::string error_of(const PortConfig& config) {
    ensure_test_eal();
    auto port = create_port(config);
    return port ? "created" : port.error().message;
}

TEST(PortErrors, SayWhatToTypeInstead) {
    const auto error = [](const std::string& name, const std::string& type,
                          std::map<std::string, std::string> options = {}) {
        return error_of(config_of(name, type, std::move(options)));
    };
    EXPECT_THAT(error("p1", "nonsense"), HasSubstr("known types: system, internal, tap, dpdk, patch"));
    EXPECT_THAT(error("", "tap"), HasSubstr("needs a name"));
    EXPECT_THAT(error("a/b", "tap"), HasSubstr("cannot be the name"));
    EXPECT_THAT(error("averylongname-16", "internal"), HasSubstr("at most 15 characters"));
    EXPECT_THAT(error("t0", "tap", {{"n_rxq", "0"}}), HasSubstr("is not a number from 1 to 64"));
    EXPECT_THAT(error("nosuch0", ""), HasSubstr("no such network interface"));
    EXPECT_THAT(error("nosuch0", "", {{"io", "fast"}}), HasSubstr("not one of auto, af_packet, af_xdp"));
    EXPECT_THAT(error("p1", "patch"), HasSubstr("needs options:peer=<name"));
    EXPECT_THAT(error("p1", "patch", {{"peer", "p1"}}), HasSubstr("the port itself"));
    EXPECT_THAT(error("d1", "dpdk"), HasSubstr("needs options:dpdk-devargs="));
    EXPECT_THAT(error("d1", "dpdk", {{"dpdk-devargs", "net_nosuch0"}}), HasSubstr("net_memif0,role=server"));
    EXPECT_THAT(error("d1", "dpdk", {{"dpdk-devargs", "0000:ff:1f.5"}}), HasSubstr("dpdk-devbind.py"));
    EXPECT_THAT(error("d1", "dpdk", {{"dpdk-devargs", "net_null0"}, {"n_rxq_desc", "many"}}),
                HasSubstr("n_rxq_desc"));
    auto config = config_of("t0", "tap");
    config.mtu_request = 70000;
    EXPECT_THAT(error_of(config), HasSubstr("mtu_request 70000 is not between 68 and 65535"));
}

TEST(PortErrors, UnknownOptionsAreAccepted) {
    EXPECT_EQ(error_of(config_of("p1", "patch", {{"peer", "p2"}, {"colour", "red"}})), "created");
}

TEST(DpdkPort, TheSameDeviceTwiceIsRefusedAndFreeAgainAfterwards) {
    ensure_test_eal();
    const auto config = config_of("n0", "dpdk", {{"dpdk-devargs", "net_null7"}});
    {
        auto first = create_port(config);
        ASSERT_TRUE(first) << first.error().message;
        EXPECT_THAT(error_of(config_of("n1", "dpdk", {{"dpdk-devargs", "net_null7"}})),
                    HasSubstr("already used by port n0"));
    }
    EXPECT_EQ(error_of(config), "created");
}

TEST(DpdkPort, NullDeviceReceivesWithoutEndAndCounts) {
    ensure_test_eal();
    auto port =
        create_port(config_of("n0", "dpdk", {{"dpdk-devargs", "net_null8,size=100"}, {"n_rxq", "2"}}));
    ASSERT_TRUE(port) << port.error().message;
    EXPECT_EQ((*port)->rx_queue_count(), 2U);
    Packet* packets[kMaxBurst];
    const unsigned n = (*port)->rx_burst(kQueue, packets, kMaxBurst);
    EXPECT_EQ(n, kMaxBurst);
    EXPECT_EQ((*port)->tx_burst(kQueue, packets, n), n);
    const auto counters = (*port)->counters();
    EXPECT_EQ(counters.rx_packets, 32U);
    EXPECT_EQ(counters.tx_bytes, 3200U);
    EXPECT_EQ((*port)->state().status.at("driver_name"), "net_null");
}

/// A ring hands the same buffer on, with all that its last user noted there.
TEST(DpdkPort, MarksOfABuffersLastUseDoNotComeIn) {
    ensure_test_eal();
    auto port = create_port(config_of("r0", "dpdk", {{"dpdk-devargs", "net_ring_marks"}}));
    ASSERT_TRUE(port) << port.error().message;
    Packet* packet = packet_from_bytes(rig::numbered_frame(1, 100));
    set_output_queue(packet, 77);
    ASSERT_EQ((*port)->tx_burst(kQueue, &packet, 1), 1U);
    Packet* got = nullptr;
    ASSERT_EQ((*port)->rx_burst(kQueue, &got, 1), 1U);
    EXPECT_EQ(output_queue(got), kNoQueue);
    EXPECT_EQ(got->tx_offload, 0U);
    packet_free(got);
    EXPECT_EQ((*port)->counters().tx_bytes, 100U);
}

TEST(DpdkPort, PcapFileHoldsFinishedSegments) {
    ensure_test_eal();
    const std::string path = "/tmp/sluice-pcap-" + std::to_string(getpid()) + ".pcap";
    const rig::TcpShape shape{false, 0, 30000};
    {
        auto port = create_port(config_of("c0", "dpdk", {{"dpdk-devargs", "net_pcap7,tx_pcap=" + path}}));
        ASSERT_TRUE(port) << port.error().message;
        Packet* packet = packet_from_bytes(rig::tcp_frame(shape));
        ASSERT_TRUE(marks_from_virtio(packet, rig::tcp_header(shape, 1000)));
        EXPECT_EQ((*port)->tx_burst(kQueue, &packet, 1), 1U);
        EXPECT_EQ((*port)->counters().tx_packets, 30U);
    }
    std::ifstream file{path, std::ios::binary};
    file.seekg(24);  // pcap's file header; then 16 bytes before each frame, captured length at 8
    unsigned frames = 0;
    char record[16];
    while (file.read(record, sizeof record)) {
        std::uint32_t size = 0;
        std::memcpy(&size, record + 8, sizeof size);
        rig::Frame frame(size);
        file.read(reinterpret_cast<char*>(frame.data()), size);
        EXPECT_TRUE(rig::tcp_right(shape, frame));
        ++frames;
    }
    EXPECT_EQ(frames, 30U);
    std::remove(path.c_str());
}

/// Both ends of a memif in this process.
struct MemifPair {
    std::string socket = "/tmp/sluice-memif-" + std::to_string(getpid()) + ".sock";
    std::unique_ptr<Port> server = make("m0", "server");
    std::unique_ptr<Port> client = make("m1", "client");

    std::unique_ptr<Port> make(const char* name, const char* role) const {
        const std::string devargs =
            fmt::format("net_memif_{},role={},id=0,socket-abstract=no,socket={}", name, role, socket);
        auto port = create_port(config_of(name, "dpdk", {{"dpdk-devargs", devargs}}));
        EXPECT_TRUE(port) << port.error().message;
        return port ? std::move(*port) : nullptr;
    }
    bool connected() const {
        return rig::wait_for([&] {
            const bool up = server->state().link_up && client->state().link_up;
            Packet* none = nullptr;
            client->rx_burst(kQueue, &none, 1);  // once up, it gives the server its first buffers
            return up;
        });
    }
};

TEST(DpdkPort, MemifPairCarriesFramesBothWays) {
    ensure_test_eal();
    MemifPair pair;
    ASSERT_TRUE(pair.server && pair.client && pair.connected());
    Port* const ends[2] = {pair.server.get(), pair.client.get()};
    for (unsigned i = 0; i < 200; ++i) {
        Packet* packet = packet_from_bytes(rig::numbered_frame(i, 100 + i));
        ASSERT_EQ(ends[i % 2]->tx_burst(kQueue, &packet, 1), 1U);
        Packet* got = nullptr;
        ASSERT_TRUE(rig::wait_for([&] { return ends[1 - i % 2]->rx_burst(kQueue, &got, 1) == 1; }));
        EXPECT_EQ(packet_to_bytes(got), rig::numbered_frame(i, 100 + i));
        packet_free(got);
    }
    EXPECT_EQ(pair.server->counters().tx_packets, 100U);
    EXPECT_EQ(pair.client->counters().rx_packets, 100U);
}

TEST(DpdkPort, AMemifEndClosesWhileTheOtherSendsAndComesBack) {
    ensure_test_eal();
    MemifPair pair;
    ASSERT_TRUE(pair.server && pair.client && pair.connected());
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> sent{0};
    std::thread worker([&] {
        EXPECT_TRUE(register_worker_thread());
        while (!stop.load()) {
            Packet* packets[kMaxBurst];
            for (unsigned i = 0; i < kMaxBurst; ++i)
                packets[i] = packet_from_bytes(rig::numbered_frame(i, 1400));
            sent += pair.server->tx_burst(kQueue, packets, kMaxBurst);
            packet_free_burst(packets, pair.server->rx_burst(kQueue, packets, kMaxBurst));
        }
        unregister_worker_thread();
    });
    const auto flows = [&] {
        const std::uint64_t before = sent.load();
        return rig::wait_for([&] {
            Packet* packets[kMaxBurst];
            packet_free_burst(packets, pair.client->rx_burst(kQueue, packets, kMaxBurst));
            return sent.load() > before + 5000;
        });
    };
    for (unsigned round = 0; round < 8; ++round) {
        EXPECT_TRUE(flows()) << "round " << round;
        pair.client.reset();
        pair.client = pair.make("m1", "client");
        if (!pair.client || !pair.connected()) {
            ADD_FAILURE() << "round " << round << ": no connection";
            break;
        }
    }
    stop = true;
    worker.join();
}

class KernelPorts : public testing::Test {
  protected:
    void SetUp() override {
        ensure_test_eal();
        if (!space_.ok()) GTEST_SKIP() << "needs root (CAP_SYS_ADMIN) to make a network namespace";
    }
    rig::Namespace space_;
};

TEST_F(KernelPorts, TapTakesNameMacMtuAndQueuesAndLeavesWithItsPort) {
    auto config = config_of("br0", "internal", {{"n_rxq", "3"}});
    config.mac = MacBytes{2, 0, 0, 0, 0, 9};
    config.mtu_request = 9000;
    {
        auto port = create_port(config);
        ASSERT_TRUE(port) << port.error().message;
        EXPECT_EQ((*port)->rx_queue_count(), 3U);
        auto state = (*port)->state();
        EXPECT_EQ(state.mac, *config.mac);
        EXPECT_EQ(state.mtu, 9000U);
        EXPECT_FALSE(state.admin_up);
        ASSERT_TRUE((*port)->set_admin_up(true));
        EXPECT_TRUE((*port)->state().link_up);
        config.mtu_request = 1400;
        ASSERT_TRUE((*port)->reconfigure(config));
        EXPECT_EQ((*port)->state().mtu, 1400U);
        config.options["n_rxq"] = "2";
        auto changed = (*port)->reconfigure(config);
        ASSERT_FALSE(changed);
        EXPECT_EQ(changed.error().code, EXDEV);
        EXPECT_THAT(error_of(config_of("br0", "tap")), HasSubstr("already has an interface of that name"));
        EXPECT_FALSE((*port)->device_gone());
    }
    EXPECT_FALSE(rig::run("ip link show br0 >/dev/null 2>&1"));
}

TEST_F(KernelPorts, LoopbackIsRefused) {
    EXPECT_THAT(error_of(config_of("lo", "system")), HasSubstr("loopback"));
}

TEST_F(KernelPorts, VethGoesThroughPacketSocketsAndSaysWhy) {
    ASSERT_TRUE(rig::run("ip link add name kp0 type veth peer name kp1"));
    auto port = create_port(config_of("kp0", "system"));
    ASSERT_TRUE(port) << port.error().message;
    auto status = (*port)->state().status;
    EXPECT_EQ(status["io"], "af_packet");
    EXPECT_THAT(status["io_reason"], HasSubstr("veth"));
    EXPECT_EQ(status["driver_name"], "veth");
    EXPECT_THAT(status["kernel_stack"], testing::AnyOf("drop", "unavailable"));
    // An address means that somebody wants the kernel to answer there.
    ASSERT_TRUE(rig::run("ip addr add 192.0.2.1/24 dev kp0"));
    EXPECT_EQ((*port)->state().status["kernel_stack"], "pass");
}

TEST_F(KernelPorts, SystemPortSharesFlowsAmongQueuesWithoutEchoes) {
    ASSERT_TRUE(rig::run("ip link add name kp0 type veth peer name kp1 && ip link set kp1 up"));
    auto port = create_port(config_of("kp0", "", {{"n_rxq", "2"}}));
    ASSERT_TRUE(port) << port.error().message;
    ASSERT_TRUE((*port)->set_admin_up(true));
    ASSERT_TRUE(rig::wait_for([] { return rig::run("ip -br link show kp1 | grep -q ' UP '"); }));
    EXPECT_EQ((*port)->rx_queue_count(), 2U);
    auto peer = rig::make_socket_peer("kp1");
    for (unsigned i = 0; i < 50; ++i) {
        Packet* out = packet_from_bytes(rig::numbered_frame(i, 100));
        ASSERT_EQ((*port)->tx_burst(kQueue, &out, 1), 1U);
        ASSERT_TRUE(peer->send(rig::numbered_frame(i, 200)));
    }
    unsigned received = 0;
    Packet* packets[kMaxBurst];
    rig::wait_for([&] {
        for (unsigned q = 0; q < 2; ++q) {
            const unsigned n = (*port)->rx_burst(QueueId{static_cast<std::uint16_t>(q)}, packets, kMaxBurst);
            for (unsigned i = 0; i < n; ++i) {
                EXPECT_EQ(packets[i]->pkt_len, 200U) << "our own frame came back";
                packet_free(packets[i]);
            }
            received += n;
        }
        return received >= 50;
    });
    EXPECT_EQ(received, 50U);
}

TEST_F(KernelPorts, AfXdpOnVethWorksWhenAskedFor) {
    ASSERT_TRUE(
        rig::run("ip link add name kp0 type veth peer name kp1 && ip link set kp1 up && ip link set kp0 up"));
    auto port = create_port(config_of("kp0", "system", {{"io", "af_xdp"}}));
    if (!port) GTEST_SKIP() << "no AF_XDP here: " << port.error().message;
    ASSERT_TRUE(rig::wait_for([] { return rig::run("ip -br link show kp1 | grep -q ' UP '"); }));
    EXPECT_EQ((*port)->state().status["io"], "af_xdp");
    auto peer = rig::make_socket_peer("kp1");
    Packet* out = packet_from_bytes(rig::numbered_frame(1, 100));
    EXPECT_EQ((*port)->tx_burst(kQueue, &out, 1), 1U);
    rig::Frame got;
    EXPECT_TRUE(rig::wait_for([&] { return peer->receive(got); }));
    EXPECT_EQ(got, rig::numbered_frame(1, 100));
    ASSERT_TRUE(peer->send(rig::numbered_frame(2, 300)));
    Packet* in = nullptr;
    ASSERT_TRUE(rig::wait_for([&] { return (*port)->rx_burst(kQueue, &in, 1) == 1; }));
    EXPECT_EQ(packet_to_bytes(in), rig::numbered_frame(2, 300));
    packet_free(in);
}

TEST(IoChoice, TakesAfXdpOnlyForHardwareThatRunsItNatively) {
    LinkInfo info;
    EXPECT_TRUE(choose_io(info, {"ice", "", "", "0000:03:00.0"}).xdp);
    EXPECT_FALSE(choose_io(info, {"virtio_net", "", "", "virtio0"}).xdp);
    EXPECT_FALSE(choose_io(info, {"ice", "", "", ""}).xdp);
    info.kind = "veth";
    EXPECT_FALSE(choose_io(info, {"veth", "", "", ""}).xdp);
    info.kind = "";
    info.xdp_attached = true;
    EXPECT_FALSE(choose_io(info, {"ice", "", "", "0000:03:00.0"}).xdp);
}

TEST(PatchPort, CountsWhatThePipelineMovesAcross) {
    auto port = create_port(config_of("p1", "patch", {{"peer", "p2"}}));
    ASSERT_TRUE(port);
    auto& patch = static_cast<PatchPort&>(**port);
    EXPECT_EQ(patch.patch_peer(), "p2");
    patch.add_rx(0, 3, 300);
    patch.add_rx(1, 1, 60);
    patch.add_tx(0, 2, 120);
    const auto counters = patch.counters();
    EXPECT_EQ(counters.rx_packets, 4U);
    EXPECT_EQ(counters.rx_bytes, 360U);
    EXPECT_EQ(counters.tx_packets, 2U);
}

}  // namespace
}  // namespace sluice
