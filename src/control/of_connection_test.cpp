// SPDX-License-Identifier: Apache-2.0
// OpenFlow sessions over a real socket: a client in the same loop talks to <bridge>.mgmt and to controllers.
#include <stdlib.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/clock.hpp"
#include "bridge/flow_tables.hpp"
#include "control/of_service.hpp"
#include "proto/openflow/codec.hpp"

namespace sluice {
namespace {

namespace of = openflow;

/// What a client has received.
class Client {
  public:
    Client(EventLoop& loop, const std::string& target) {
        Stream::Handlers handlers;
        handlers.on_connected = [] {};
        handlers.on_data = [this](std::string_view bytes) { receive(bytes); };
        handlers.on_closed = [this](const Error&) { closed = true; };
        handlers.on_drained = [] {};
        auto connected = Stream::connect(loop, target, {}, std::move(handlers));
        if (connected) stream = std::move(connected.value());
    }
    void receive(std::string_view bytes) {
        frames.append({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
        while (auto frame = frames.next()) {
            auto message = of::decode(*frame);
            if (message) messages.push_back(std::move(message.value()));
        }
    }
    void send_raw(const of::Bytes& bytes) {
        stream->send({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    }
    void send(of::Version version, std::uint32_t xid, of::Body body) {
        auto bytes = of::encode({version, xid, std::move(body)});
        ASSERT_TRUE(bytes) << bytes.error().message;
        send_raw(bytes.value());
    }
    void hello(of::Version version) { send(version, 1, of::Hello{1U << of::to_int(version)}); }
    template <typename T>
    const T* find(std::uint32_t xid) const {
        for (const of::Message& message : messages) {
            if (message.xid != xid) continue;
            if (const T* body = std::get_if<T>(&message.body)) return body;
        }
        return nullptr;
    }
    std::unique_ptr<Stream> stream;
    of::FrameReader frames;
    std::vector<of::Message> messages;
    bool closed = false;
};

class OfConnectionTest : public testing::TestWithParam<int> {
  protected:
    OfConnectionTest() {
        char name[] = "/tmp/sluice-of-XXXXXX";
        directory_ = ::mkdtemp(name);
        settings_.rundir = directory_;
        service_ = std::make_unique<OfService>(*loop_, *bridge_);
        const auto configured = service_->configure(settings_);
        EXPECT_TRUE(configured) << configured.error().message;
    }
    ~OfConnectionTest() override {
        service_.reset();
        ::rmdir(directory_.c_str());
    }
    /// Turns the loop until `done` holds; false after two seconds.
    template <typename F>
    bool wait(const F& done) {
        const std::int64_t deadline = clock::now_ms() + 2000;
        while (!done()) {
            if (clock::now_ms() > deadline) return false;
            loop_->run_once(10);
        }
        return true;
    }
    void turn() {
        for (int i = 0; i < 5; ++i)
            loop_->run_once(2);
    }
    std::string management() const { return "unix:" + directory_ + "/br0.mgmt"; }
    static of::FlowMod add_flow(std::uint32_t in_port, std::uint32_t to) {
        of::FlowMod mod;
        mod.table = 0;
        mod.new_cookie = 0;
        mod.match.set_exact(key::kInPort, in_port);
        mod.actions = {Action{OutputAction{OfPort{to}}}};
        return mod;
    }
    of::Version version() const { return of::Version{static_cast<std::uint8_t>(GetParam())}; }

    std::string directory_;
    std::unique_ptr<EventLoop> loop_ = std::move(EventLoop::create().value());
    pipeline::Datapath datapath_;
    std::unique_ptr<bridge::Bridge> bridge_ = [this] {
        bridge::BridgeSettings settings;
        settings.name = "br0";
        settings.datapath_id = 0x42;
        return std::make_unique<bridge::Bridge>(datapath_, settings);
    }();
    OfServiceSettings settings_;
    std::unique_ptr<OfService> service_;
};

TEST_P(OfConnectionTest, FlowsAreAddedShownAndDeleted) {
    Client client(*loop_, management());
    client.hello(version());
    of::FlowMod clear;
    clear.command = of::FlowCommand::kDelete;
    client.send(version(), 2, clear);
    for (std::uint32_t port = 1; port <= 3000; ++port)
        client.send(version(), 3, add_flow(port, 7));
    client.send(version(), 4, of::BarrierRequest{});
    ASSERT_TRUE(wait([&] { return client.find<of::BarrierReply>(4); }));
    EXPECT_EQ(bridge_->flows().flow_count(), 3000U);
    client.send(version(), 5, of::FlowStatsRequest{});
    client.send(version(), 6, of::EchoRequest{{1, 2, 3}});
    ASSERT_TRUE(wait([&] { return client.find<of::EchoReply>(6); }));
    std::size_t shown = 0, last_parts = 0;
    for (const of::Message& message : client.messages) {
        if (const auto* part = std::get_if<of::FlowStatsReply>(&message.body)) {
            shown += part->flows.size();
            last_parts += !message.more;
        }
    }
    EXPECT_EQ(shown, 3000U);
    EXPECT_EQ(last_parts, 1U) << "all parts but the last announce more";
    EXPECT_TRUE(std::holds_alternative<of::EchoReply>(client.messages.back().body)) << "in order";
}

TEST_P(OfConnectionTest, ABarrierWaitsForEveryWorkerAndHoldsWhatFollows) {
    Client client(*loop_, management());
    client.hello(version());
    client.send(version(), 2, of::BarrierRequest{});
    ASSERT_TRUE(wait([&] { return client.find<of::BarrierReply>(2); }));
    Rcu::Reader* worker = datapath_.rcu().add_reader();
    worker->online();
    client.send(version(), 3, add_flow(1, 2));
    client.send(version(), 4, of::BarrierRequest{});
    client.send(version(), 5, of::EchoRequest{});
    turn();
    EXPECT_FALSE(client.find<of::BarrierReply>(4));
    EXPECT_FALSE(client.find<of::EchoReply>(5));
    worker->quiescent();
    EXPECT_TRUE(wait([&] { return client.find<of::BarrierReply>(4) && client.find<of::EchoReply>(5); }));
    worker->offline();
    datapath_.rcu().remove_reader(worker);
}

TEST_P(OfConnectionTest, EveryOrdinaryRequestGetsItsAnswer) {
    Client client(*loop_, management());
    client.hello(version());
    client.send(version(), 10, of::FeaturesRequest{});
    client.send(version(), 11, of::GetConfigRequest{});
    client.send(version(), 12, of::DescRequest{});
    client.send(version(), 13, of::AggregateRequest{});
    client.send(version(), 14, of::TableStatsRequest{});
    client.send(version(), 15, of::PortStatsRequest{});
    client.send(version(), 16, of::PortDescRequest{});
    client.send(version(), 17, of::QueueStatsRequest{});
    ASSERT_TRUE(wait([&] { return client.find<of::QueueStatsReply>(17); }));
    ASSERT_TRUE(client.find<of::FeaturesReply>(10));
    EXPECT_EQ(client.find<of::FeaturesReply>(10)->datapath_id, 0x42U);
    EXPECT_EQ(client.find<of::FeaturesReply>(10)->n_tables, 254);
    EXPECT_TRUE(client.find<of::GetConfigReply>(11));
    ASSERT_TRUE(client.find<of::DescReply>(12));
    EXPECT_EQ(client.find<of::DescReply>(12)->hardware, "Open vSwitch");
    ASSERT_TRUE(client.find<of::AggregateReply>(13));
    EXPECT_EQ(client.find<of::AggregateReply>(13)->flow_count, 1U) << "NORMAL of a standalone bridge";
    EXPECT_TRUE(client.find<of::TableStatsReply>(14));
    EXPECT_TRUE(client.find<of::PortStatsReply>(15));
    EXPECT_TRUE(client.find<of::PortDescReply>(16));
}

TEST_P(OfConnectionTest, RolesDemoteAndRefuse) {
    if (version() < of::Version::k12) GTEST_SKIP() << "no roles in the standard";
    Client one(*loop_, management()), two(*loop_, management());
    one.hello(version()), two.hello(version());
    one.send(version(), 2, of::RoleRequest{of::Role::kPrimary, 5, false});
    ASSERT_TRUE(wait([&] { return one.find<of::RoleReply>(2); }));
    two.send(version(), 3, of::RoleRequest{of::Role::kPrimary, 4, false});
    ASSERT_TRUE(wait([&] { return two.find<of::ErrorMessage>(3); })) << "an older generation";
    two.send(version(), 4, of::RoleRequest{of::Role::kPrimary, 6, false});
    ASSERT_TRUE(wait([&] { return two.find<of::RoleReply>(4); }));
    one.send(version(), 5, add_flow(1, 2));
    ASSERT_TRUE(wait([&] { return one.find<of::ErrorMessage>(5); }));
    EXPECT_EQ(bridge_->flows().flow_count(), 1U);
}

TEST_P(OfConnectionTest, ABundleIsAllOrNothing) {
    if (version() < of::Version::k13) GTEST_SKIP() << "no bundles";
    Client client(*loop_, management());
    client.hello(version());
    const std::uint16_t flags = of::bundle_flag::kAtomic | of::bundle_flag::kOrdered;
    const auto add_to = [&](std::uint32_t bundle, std::uint32_t xid, const of::FlowMod& mod) {
        client.send(version(), xid, of::BundleAdd{bundle, flags, *of::encode({version(), xid, mod})});
    };
    client.send(version(), 2, of::BundleControl{1, of::BundleType::kOpenRequest, flags});
    add_to(1, 3, add_flow(1, 2));
    of::FlowMod overlap = add_flow(1, 3);
    overlap.match = {};
    overlap.flags = of::flow_flag::kCheckOverlap;
    add_to(1, 4, overlap);
    client.send(version(), 5, of::BundleControl{1, of::BundleType::kCommitRequest, flags});
    ASSERT_TRUE(wait([&] { return client.find<of::ErrorMessage>(5); }));
    EXPECT_TRUE(client.find<of::ErrorMessage>(4)) << "the message at fault is named";
    EXPECT_EQ(bridge_->flows().flow_count(), 1U);
    client.send(version(), 6, of::BundleControl{2, of::BundleType::kOpenRequest, flags});
    add_to(2, 7, add_flow(1, 2));
    add_to(2, 8, add_flow(2, 2));
    EXPECT_EQ(bridge_->flows().flow_count(), 1U);
    client.send(version(), 9, of::BundleControl{2, of::BundleType::kCommitRequest, flags});
    ASSERT_TRUE(wait([&] { return client.find<of::BundleControl>(9); }));
    EXPECT_EQ(bridge_->flows().flow_count(), 3U);
}

TEST_P(OfConnectionTest, BadInputIsAnsweredThenTheConnectionEnds) {
    Client early(*loop_, management());
    early.send(version(), 2, of::FeaturesRequest{});
    EXPECT_TRUE(wait([&] { return early.closed; })) << "a request before hello";
    Client broken(*loop_, management());
    broken.hello(version());
    broken.send_raw({of::to_int(version()), 0, 0, 4, 0, 0, 0, 0});
    EXPECT_TRUE(wait([&] { return broken.closed; })) << "a length below the header's";
    EXPECT_GE(broken.messages.size(), 2U) << "hello and an error";
    Client odd(*loop_, management());
    odd.hello(version());
    odd.send_raw({of::to_int(version()), 200, 0, 8, 0, 0, 0, 9});
    ASSERT_TRUE(wait([&] { return odd.find<of::ErrorMessage>(9); })) << "an unknown type is survived";
    EXPECT_FALSE(odd.closed);
}

TEST_P(OfConnectionTest, APeerThatNeverReadsCostsLittleAndHoldsNobodyUp) {
    for (std::uint32_t port = 1; port <= 20'000; ++port)
        (void)bridge_->flows().apply(add_flow(port, 1), 0);
    bridge_->flows().commit();
    Client deaf(*loop_, management());
    deaf.hello(version());
    ASSERT_TRUE(wait([&] { return !deaf.messages.empty(); }));
    deaf.stream->set_reading(false);
    for (std::uint32_t i = 0; i < 100; ++i)
        deaf.send(version(), 100 + i, of::FlowStatsRequest{});
    Client other(*loop_, management());
    other.hello(version());
    other.send(version(), 5, of::BarrierRequest{});
    EXPECT_TRUE(wait([&] { return other.find<of::BarrierReply>(5); }));
    of::FlowMod clear;
    clear.command = of::FlowCommand::kDelete;
    other.send(version(), 6, clear);
    other.send(version(), 7, of::BarrierRequest{});
    EXPECT_TRUE(wait([&] { return other.find<of::BarrierReply>(7); })) << "while a dump is half way";
    deaf.stream->set_reading(true);
    deaf.send(version(), 900, of::EchoRequest{});
    EXPECT_TRUE(wait([&] { return deaf.find<of::EchoReply>(900); })) << "and it may wake up";
}

INSTANTIATE_TEST_SUITE_P(Versions, OfConnectionTest, testing::Range(1, 7));

class OfServiceTest : public OfConnectionTest {};

TEST_F(OfServiceTest, ControllersAreConnectedAndTheStandaloneFlowGoes) {
    EXPECT_EQ(bridge_->flows().flow_count(), 1U);
    std::vector<std::unique_ptr<Stream>> accepted;
    of::FrameReader frames;
    std::size_t received = 0;
    auto listener =
        Listener::listen(*loop_, "punix:" + directory_ + "/ctl", {}, [&](std::unique_ptr<Stream> stream) {
            stream->set_handlers({[] {}, [&](std::string_view bytes) { received += bytes.size(); },
                                  [](const Error&) {}, [] {}});
            const auto hello = of::encode({of::Version::k13, 1, of::Hello{1U << 4}});
            stream->send({reinterpret_cast<const char*>(hello->data()), hello->size()});
            accepted.push_back(std::move(stream));
        });
    ASSERT_TRUE(listener);
    settings_.controllers.push_back({});
    settings_.controllers[0].target = "unix:" + directory_ + "/ctl";
    ASSERT_TRUE(service_->configure(settings_));
    EXPECT_EQ(bridge_->flows().flow_count(), 0U);
    ASSERT_TRUE(wait([&] { return service_->any_controller_connected(); }));
    const auto status = service_->controller_status();
    ASSERT_EQ(status.size(), 1U);
    EXPECT_TRUE(status[0].connected);
    EXPECT_EQ(status[0].role, "other");
    EXPECT_EQ(status[0].status.at("state"), "ACTIVE");
    accepted.clear();
    ASSERT_TRUE(wait([&] { return !service_->any_controller_connected(); }));
    ASSERT_TRUE(wait([&] { return service_->any_controller_connected(); })) << "it comes back by itself";
    settings_.controllers.clear();
    ASSERT_TRUE(service_->configure(settings_));
    EXPECT_EQ(bridge_->flows().flow_count(), 1U);
    settings_.fail_mode = FailMode::kSecure;
    ASSERT_TRUE(service_->configure(settings_));
    EXPECT_EQ(bridge_->flows().flow_count(), 0U);
}

TEST(OpenflowProtocols, WordsOfTheProtocolsColumn) {
    EXPECT_EQ(*parse_openflow_protocols({}), 0x7eU);
    EXPECT_EQ(*parse_openflow_protocols({"OpenFlow10", "OpenFlow13"}), 0x12U);
    EXPECT_FALSE(parse_openflow_protocols({"OpenFlow19"}));
}

}  // namespace
}  // namespace sluice
