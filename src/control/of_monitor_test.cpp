// SPDX-License-Identifier: Apache-2.0
// What a flow monitor is told: in full, abbreviated, while paused and on resuming; and how a full table makes
// room.
#include "control/of_monitor.hpp"

#include <gtest/gtest.h>

#include "bridge/bridge.hpp"

namespace sluice {
namespace {

namespace of = openflow;
namespace flag = of::monitor_flag;
using Event = of::FlowUpdate::Event;

constexpr std::uint16_t kAll = flag::kInitial | flag::kAdd | flag::kDelete | flag::kModify | flag::kActions;

class OfMonitorTest : public testing::Test {
  protected:
    OfMonitorTest() {
        flows_.on_changed([this](std::span<const bridge::FlowChange> changes) {
            for (const auto& update : monitors_.tell(changes).updates)
                told_.push_back(update);
        });
    }
    of::FlowMod flow(std::uint32_t in_port, std::uint32_t to) {
        of::FlowMod mod;
        mod.table = 0;
        mod.new_cookie = 0;
        mod.match.set_exact(key::kInPort, in_port);
        mod.actions = {Action{OutputAction{OfPort{to}}}};
        return mod;
    }
    void apply(of::FlowMod mod, of::FlowCommand command = of::FlowCommand::kAdd, bool own = false) {
        mod.command = command;
        const auto error = flows_.apply(mod, 1000, own ? bridge::Origin{this, 7} : bridge::Origin{});
        ASSERT_FALSE(error) << error->detail;
    }
    void watch(std::uint32_t id, std::uint16_t flags, OfPort out_port = OfPort::kAny) {
        of::FlowMonitor monitor;
        monitor.id = id;
        monitor.flags = flags;
        monitor.out_port = out_port;
        of::FlowMonitorReply initial;
        ASSERT_FALSE(monitors_.request({{monitor}}, initial));
        told_ = initial.updates;
    }
    /// The events since the last call.
    std::vector<Event> events() {
        std::vector<Event> out;
        for (const auto& update : std::exchange(told_, {}))
            out.push_back(update.event);
        return out;
    }

    pipeline::Datapath datapath_;
    bridge::Bridge bridge_{datapath_, [] {
                               bridge::BridgeSettings settings;
                               settings.name = "br0";
                               return settings;
                           }()};
    bridge::FlowTables& flows_ = bridge_.flows();
    OfMonitors monitors_{flows_, this};
    std::vector<of::FlowUpdate> told_;
};

TEST_F(OfMonitorTest, ChangesAreToldOnceTheyAreFinal) {
    apply(flow(1, 2));
    watch(1, kAll);
    EXPECT_EQ(events(), std::vector{Event::kInitial});
    apply(flow(2, 2));
    apply(flow(2, 3), of::FlowCommand::kModifyStrict);
    apply(flow(2, 3), of::FlowCommand::kModifyStrict);  // changes nothing
    apply(flow(2, 3));                                  // an add over it is an add
    apply(flow(2, 3), of::FlowCommand::kDeleteStrict);
    EXPECT_EQ(events(), (std::vector{Event::kAdded, Event::kModified, Event::kAdded, Event::kRemoved}));
    flows_.begin();
    apply(flow(3, 1));
    apply(flow(4, 1));
    EXPECT_TRUE(events().empty()) << "a bundle is told when it is committed";
    flows_.commit();
    EXPECT_EQ(events().size(), 2U);
    flows_.begin();
    apply(flow(5, 1));
    flows_.rollback();
    EXPECT_TRUE(events().empty());
}

TEST_F(OfMonitorTest, OnesOwnChangesAreAbbreviatedUnlessAskedFor) {
    watch(1, kAll);
    apply(flow(1, 2), of::FlowCommand::kAdd, true);
    ASSERT_EQ(told_.size(), 1U);
    EXPECT_EQ(told_[0].event, Event::kAbbreviated);
    EXPECT_EQ(told_[0].xid, 7U);
    watch(2, kAll | flag::kOwn);
    told_.clear();
    apply(flow(2, 2), of::FlowCommand::kAdd, true);
    EXPECT_EQ(events(), std::vector{Event::kAdded});
}

TEST_F(OfMonitorTest, AWatchedOutputThatGoesAwayIsTold) {
    watch(1, kAll, OfPort{2});
    apply(flow(1, 3));
    EXPECT_TRUE(events().empty());
    apply(flow(1, 2));
    apply(flow(1, 3), of::FlowCommand::kModifyStrict);
    EXPECT_EQ(events(), (std::vector{Event::kAdded, Event::kModified}));
}

TEST_F(OfMonitorTest, APausedPeerHearsOfRemovalsAndCatchesUp) {
    apply(flow(1, 2));
    apply(flow(2, 2));
    watch(1, kAll);
    told_.clear();
    monitors_.pause();
    apply(flow(3, 2));
    apply(flow(3, 2), of::FlowCommand::kDeleteStrict);
    apply(flow(4, 2));
    apply(flow(2, 9), of::FlowCommand::kModifyStrict);
    EXPECT_TRUE(events().empty());
    apply(flow(1, 2), of::FlowCommand::kDeleteStrict);
    EXPECT_EQ(events(), std::vector{Event::kRemoved}) << "a flow that it knows";
    const auto missed = monitors_.resume();
    ASSERT_EQ(missed.updates.size(), 2U);
    EXPECT_EQ(missed.updates[0].event, Event::kModified);
    EXPECT_EQ(missed.updates[1].event, Event::kAdded);
    EXPECT_FALSE(monitors_.paused());
}

TEST_F(OfMonitorTest, AFullTableEvictsTheLeastImportantOfTheLargestGroup) {
    bridge::TableSettings settings;
    settings.max_flows = 3;
    flows_.set_table_settings(0, settings);
    for (std::uint32_t port = 1; port <= 3; ++port) {
        of::FlowMod mod = flow(port, 1);
        mod.idle_timeout_s = 100;
        mod.importance = static_cast<std::uint16_t>(10 - port);
        apply(mod);
    }
    const auto full = flows_.apply(flow(4, 1), 1000);
    ASSERT_TRUE(full);
    EXPECT_EQ(full->code, of::ErrorCode::kFmfcTableFull);
    flows_.configure_table(0, true, {});
    watch(1, kAll & ~flag::kInitial);
    apply(flow(4, 1));
    ASSERT_EQ(told_.size(), 2U);
    EXPECT_EQ(told_[0].event, Event::kRemoved);
    EXPECT_EQ(told_[0].reason, of::FlowRemovedReason::kEviction);
    EXPECT_EQ(told_[0].match.expand().value.get(key::kInPort), 3U);
    EXPECT_EQ(flows_.flow_count(0), 3U);
}

TEST_F(OfMonitorTest, VacancyEventsAlternate) {
    bridge::TableSettings settings;
    settings.max_flows = 10;
    flows_.set_table_settings(0, settings);
    flows_.configure_table(0, false, of::TableVacancy{20, 60, 0});
    std::vector<bool> downs;
    flows_.on_vacancy([&](std::uint8_t, bool down) { downs.push_back(down); });
    for (std::uint32_t port = 1; port <= 10; ++port)
        apply(flow(port, 1));
    EXPECT_EQ(downs, std::vector{true}) << "below 20 % once, at the ninth";
    for (std::uint32_t port = 1; port <= 10; ++port)
        apply(flow(port, 1), of::FlowCommand::kDeleteStrict);
    EXPECT_EQ(downs, (std::vector{true, false})) << "above 60 % once";
}

}  // namespace
}  // namespace sluice
