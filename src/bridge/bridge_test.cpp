// SPDX-License-Identifier: Apache-2.0
#include "bridge/bridge.hpp"

#include <gtest/gtest.h>

#include "bridge/flow_tables.hpp"

namespace sluice::bridge {
namespace {

TEST(PortNumbers, WishesAreGrantedAndNumbersNotReusedSoon) {
    PortNumbers numbers;
    EXPECT_EQ(numbers.allocate(), OfPort{1});
    EXPECT_EQ(numbers.allocate(OfPort{7}), OfPort{7});
    EXPECT_EQ(numbers.allocate(OfPort{7}), OfPort{2}) << "taken: the next one";
    EXPECT_EQ(numbers.allocate(OfPort{0}), OfPort{3}) << "no such number";
    EXPECT_EQ(numbers.allocate(OfPort{65280}), OfPort{4});
    numbers.release(OfPort{2});
    EXPECT_EQ(numbers.allocate(), OfPort{5}) << "2 rests";
    EXPECT_EQ(numbers.allocate(OfPort{2}), OfPort{2}) << "unless somebody asks";
}

TEST(PortNumbers, AllNumbersThenTheOldestReleased) {
    PortNumbers numbers;
    for (std::uint32_t i = 1; i <= kLastOfPort; ++i)
        ASSERT_EQ(numbers.allocate(), OfPort{i});
    EXPECT_FALSE(numbers.allocate());
    numbers.release(OfPort{9});
    numbers.release(OfPort{4});
    EXPECT_EQ(numbers.allocate(), OfPort{9});
    EXPECT_EQ(numbers.allocate(), OfPort{4});
    EXPECT_FALSE(numbers.allocate());
}

/// A device that remembers what it was told.
class TestPort final : public Port {
  public:
    explicit TestPort(std::string name) : Port(named(std::move(name))) {}
    unsigned rx_burst(QueueId, Packet**, unsigned) noexcept override { return 0; }
    unsigned tx_burst(QueueId, Packet**, unsigned) noexcept override { return 0; }
    unsigned rx_queue_count() const override { return 1; }
    unsigned tx_queue_count() const override { return 1; }
    PortState state() override { return device; }
    PortCounters counters() const override { return {}; }
    Result<void> reconfigure(const PortConfig&) override { return {}; }
    Result<void> set_admin_up(bool up) override {
        device.admin_up = up;
        return {};
    }
    PortState device;

  private:
    static PortConfig named(std::string name) {
        PortConfig config;
        config.name = std::move(name);
        return config;
    }
};

class Recorder : public BridgeListener {
  public:
    void port_status(PortEvent event, const BridgePort& port) override {
        text += fmt::format("{}{} ", static_cast<int>(event), port.name);
    }
    void flow_removed(const Flow&, FlowRemovedReason) override { text += "flow "; }
    void table_vacancy(std::uint8_t table, bool down) override {
        text += fmt::format("table{}{} ", table, down ? "down" : "up");
    }
    std::string text;
};

class BridgeTest : public testing::Test {
  protected:
    BridgeTest() {
        eth0_.device.admin_up = eth0_.device.link_up = true;
        bridge_.add_listener(&recorder_);
        bridge_.on_topology_changed = [this] { ++topologies_; };
    }
    pipeline::Datapath datapath_;
    TestPort eth0_{"eth0"};
    Recorder recorder_;
    BridgeSettings settings_ = [] {
        BridgeSettings settings;
        settings.name = "br0";
        settings.datapath_id = 42;
        return settings;
    }();
    Bridge bridge_{datapath_, settings_};
    int topologies_ = 0;

    Result<OfPort> add(std::string name, Port* port, std::optional<OfPort> exact = {}) {
        PortSpec spec;
        spec.name = std::move(name);
        spec.port = port;
        spec.patch = port == nullptr;
        spec.exact = exact;
        return bridge_.add_port(spec);
    }
};

TEST_F(BridgeTest, PortsComeAndGoWithNotice) {
    const auto number = add("eth0", &eth0_);
    ASSERT_TRUE(number);
    EXPECT_EQ(*number, OfPort{1});
    EXPECT_EQ(add("eth0", &eth0_).error().code, EEXIST);
    EXPECT_EQ(add("p1", nullptr, OfPort{1}).error().code, EBUSY);
    ASSERT_EQ(bridge_.entries().size(), 1U);
    EXPECT_TRUE(bridge_.entries()[0].up);
    EXPECT_EQ(bridge_.entries()[0].bridge, bridge_.index());
    EXPECT_TRUE(bridge_.remove_port(OfPort{1}));
    EXPECT_FALSE(bridge_.remove_port(OfPort{1}));
    EXPECT_EQ(recorder_.text, "0eth0 1eth0 ");
}

TEST_F(BridgeTest, PortModReachesDeviceEntriesAndListeners) {
    (void)add("eth0", &eth0_);
    EXPECT_TRUE(bridge_.modify_port(OfPort{1}, kPortDown | kPortNoFlood, kPortDown | kPortNoFlood));
    EXPECT_FALSE(eth0_.device.admin_up);
    EXPECT_FALSE(bridge_.entries()[0].up);
    EXPECT_TRUE(bridge_.entries()[0].no_flood);
    EXPECT_EQ(topologies_, 1);
    EXPECT_TRUE(bridge_.modify_port(OfPort{1}, kPortDown | kPortNoFlood, kPortDown | kPortNoFlood));
    EXPECT_EQ(topologies_, 1) << "nothing changed";
    EXPECT_EQ(recorder_.text, "0eth0 2eth0 ");
    EXPECT_EQ(bridge_.modify_port(OfPort{9}, 0, 1).error().code, ENODEV);
}

TEST_F(BridgeTest, RefreshFindsWhatTheDeviceDidByItself) {
    (void)add("eth0", &eth0_);
    EXPECT_FALSE(bridge_.refresh_ports());
    eth0_.device.link_up = false;
    EXPECT_TRUE(bridge_.refresh_ports()) << "buckets may watch the link";
    EXPECT_FALSE(bridge_.entries()[0].live);
    EXPECT_TRUE(bridge_.entries()[0].up);
    EXPECT_EQ(bridge_.port(OfPort{1})->state, kPortLinkDown);
    eth0_.device.admin_up = false;
    EXPECT_TRUE(bridge_.refresh_ports());
    EXPECT_EQ(recorder_.text, "0eth0 2eth0 2eth0 ");
}

TEST_F(BridgeTest, SetConfigChangesTheEntry) {
    bridge_.set_fragments(pipeline::FragmentMode::kDrop);
    bridge_.set_miss_to_controller(true, 99);
    bridge_.set_miss_to_controller(true, 99);
    EXPECT_EQ(topologies_, 2);
    EXPECT_EQ(bridge_.entry().fragments, pipeline::FragmentMode::kDrop);
    EXPECT_TRUE(bridge_.entry().miss_to_controller);
    EXPECT_EQ(bridge_.entry().miss_send_len, 99U);
}

TEST_F(BridgeTest, PacketOutRefusesImpossibleInPorts) {
    const std::uint8_t bytes[64] = {};
    EXPECT_EQ(bridge_.packet_out(OfPort::kFlood, {}, bytes).error().code, EINVAL);
    EXPECT_EQ(bridge_.packet_out(OfPort{65300}, {}, bytes).error().code, EINVAL);
}

}  // namespace
}  // namespace sluice::bridge
