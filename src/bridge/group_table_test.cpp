// SPDX-License-Identifier: Apache-2.0
// What group-mods and meter-mods mean, alone and in a transaction with flow-mods.
#include "bridge/group_table.hpp"

#include <gtest/gtest.h>

#include "bridge/bridge.hpp"
#include "bridge/flow_tables.hpp"
#include "bridge/meter_table.hpp"

namespace sluice::bridge {
namespace {

namespace of = openflow;
using of::ErrorCode;

ActionList output(std::uint32_t port) {
    return {Action{OutputAction{OfPort{port}}}};
}

class GroupTableTest : public testing::Test {
  protected:
    GroupTableTest() {
        flows_.on_removed([this](const Flow& flow, FlowRemovedReason reason) {
            removed_.emplace_back(flow.priority(), reason);
        });
    }
    std::optional<ErrorCode> group(GroupCommand command, std::uint32_t id, std::vector<std::uint32_t> ports,
                                   std::uint32_t at = kAllBuckets, std::uint32_t first_id = 0) {
        GroupMod mod;
        mod.command = command;
        mod.group = id;
        mod.command_bucket = at;
        for (const auto port : ports) {
            Bucket& bucket = mod.buckets.emplace_back();
            bucket.id = first_id++;
            bucket.actions = output(port);
        }
        const auto error = groups_.apply(mod, 1000);
        return error ? std::optional(error->code) : std::nullopt;
    }
    std::optional<ErrorCode> flow(std::uint16_t priority, ActionList actions) {
        of::FlowMod mod;
        mod.table = 0;
        mod.priority = priority;
        mod.new_cookie = 0;
        mod.flags = of::flow_flag::kSendFlowRemoved;
        mod.actions = std::move(actions);
        const auto error = flows_.apply(mod, 1000);
        return error ? std::optional(error->code) : std::nullopt;
    }
    std::optional<ErrorCode> meter(MeterCommand command, std::uint32_t id, std::uint32_t rate = 10,
                                   std::size_t bands = 1) {
        MeterMod mod{command, id, meter_flag::kPktps, {}};
        mod.bands.assign(bands, MeterBand{MeterBand::Type::kDrop, rate, 0, 0});
        const auto error = meters_.apply(mod, 1000);
        return error ? std::optional(error->code) : std::nullopt;
    }
    /// "id:port" of each bucket.
    std::string buckets(std::uint32_t id) {
        std::string text;
        for (const auto& desc : groups_.describe(id)) {
            for (const Bucket& bucket : desc.buckets)
                text += fmt::format("{}:{} ", bucket.id,
                                    to_int(std::get<OutputAction>(bucket.actions.at(0).kind).port));
        }
        return text;
    }

    pipeline::Datapath datapath_;
    Bridge bridge_{datapath_, {}};
    FlowTables& flows_ = bridge_.flows();
    GroupTable& groups_ = flows_.groups();
    MeterTable& meters_ = flows_.meters();
    std::vector<std::pair<std::uint16_t, FlowRemovedReason>> removed_;
};

TEST_F(GroupTableTest, CommandsNeedTheGroupThereOrNot) {
    EXPECT_EQ(group(GroupCommand::kModify, 1, {1}), ErrorCode::kGmfcUnknownGroup);
    EXPECT_EQ(group(GroupCommand::kInsertBucket, 1, {1}, kFirstBucket), ErrorCode::kGmfcUnknownGroup);
    EXPECT_FALSE(group(GroupCommand::kDelete, 1, {}));
    EXPECT_FALSE(group(GroupCommand::kAdd, 1, {1, 2}));
    EXPECT_EQ(group(GroupCommand::kAdd, 1, {3}), ErrorCode::kGmfcGroupExists);
    EXPECT_EQ(buckets(1), "0:1 1:2 ");
    EXPECT_FALSE(group(GroupCommand::kModify, 1, {3}));
    EXPECT_EQ(buckets(1), "0:3 ");
    EXPECT_FALSE(group(GroupCommand::kAddOrModify, 2, {4}));
    EXPECT_FALSE(group(GroupCommand::kAddOrModify, 2, {5}));
    EXPECT_EQ(buckets(2), "0:5 ");
    EXPECT_FALSE(group(GroupCommand::kDelete, kAllGroups, {}));
    EXPECT_EQ(groups_.size(), 0U);
}

TEST_F(GroupTableTest, BucketsAreInsertedAndRemovedByPlace) {
    ASSERT_FALSE(group(GroupCommand::kAdd, 1, {1, 2}, kAllBuckets, 5));
    EXPECT_FALSE(group(GroupCommand::kInsertBucket, 1, {3}, kLastBucket, 9));
    EXPECT_FALSE(group(GroupCommand::kInsertBucket, 1, {4, 5}, kFirstBucket, 1));
    EXPECT_FALSE(group(GroupCommand::kInsertBucket, 1, {6}, 5, 20));
    EXPECT_EQ(buckets(1), "1:4 2:5 5:1 20:6 6:2 9:3 ");
    EXPECT_EQ(group(GroupCommand::kInsertBucket, 1, {6}, 5, 20), ErrorCode::kGmfcBucketExists);
    EXPECT_EQ(group(GroupCommand::kInsertBucket, 1, {6}, 55, 30), ErrorCode::kGmfcUnknownBucket);
    EXPECT_EQ(group(GroupCommand::kRemoveBucket, 1, {}, 55), ErrorCode::kGmfcUnknownBucket);
    EXPECT_FALSE(group(GroupCommand::kRemoveBucket, 1, {}, 20));
    EXPECT_FALSE(group(GroupCommand::kRemoveBucket, 1, {}, kFirstBucket));
    EXPECT_FALSE(group(GroupCommand::kRemoveBucket, 1, {}, kLastBucket));
    EXPECT_EQ(buckets(1), "2:5 5:1 6:2 ");
    EXPECT_FALSE(group(GroupCommand::kRemoveBucket, 1, {}, kAllBuckets));
    EXPECT_EQ(buckets(1), "");
    EXPECT_TRUE(groups_.exists(1));
}

TEST_F(GroupTableTest, FlowsGoWithTheGroupTheyName) {
    EXPECT_EQ(flow(1, {Action{GroupAction{7}}}), ErrorCode::kBacBadOutGroup);
    ASSERT_FALSE(group(GroupCommand::kAdd, 7, {1}));
    ASSERT_FALSE(group(GroupCommand::kAdd, 8, {1}));
    EXPECT_FALSE(flow(1, {Action{GroupAction{7}}}));
    EXPECT_FALSE(flow(2, {Action{WriteActionsAction{{Action{GroupAction{7}}}}}}));
    EXPECT_FALSE(flow(3, {Action{CloneAction{{Action{GroupAction{7}}}}}}));
    EXPECT_FALSE(flow(4, {Action{GroupAction{8}}}));
    EXPECT_FALSE(flow(4, {Action{GroupAction{7}}, Action{GroupAction{8}}}));
    EXPECT_EQ(groups_.stats(7, 1000).at(0).ref_count, 4U);
    EXPECT_EQ(groups_.stats(8, 1000).at(0).ref_count, 1U);
    EXPECT_FALSE(flow(4, output(1)));
    EXPECT_EQ(groups_.stats(7, 1000).at(0).ref_count, 3U);
    EXPECT_EQ(groups_.stats(8, 1000).at(0).ref_count, 0U);
    EXPECT_FALSE(group(GroupCommand::kModify, 7, {2}));
    EXPECT_EQ(flows_.flow_count(), 4U) << "a changed group keeps its flows";
    EXPECT_FALSE(group(GroupCommand::kDelete, 7, {}));
    EXPECT_EQ(flows_.flow_count(), 1U);
    ASSERT_EQ(removed_.size(), 3U);
    EXPECT_EQ(removed_[0].second, FlowRemovedReason::kGroupDelete);
}

TEST_F(GroupTableTest, ARefusedTransactionLeavesGroupsAndFlowsAsTheyWere) {
    ASSERT_FALSE(group(GroupCommand::kAdd, 1, {1}));
    ASSERT_FALSE(group(GroupCommand::kAdd, 2, {1, 2}));
    ASSERT_FALSE(flow(1, {Action{GroupAction{1}}}));
    flows_.commit();
    const auto version = datapath_.version();
    flows_.begin();
    EXPECT_FALSE(group(GroupCommand::kAdd, 3, {3}));
    EXPECT_FALSE(flow(3, {Action{GroupAction{3}}})) << "the group of the same bundle is there";
    EXPECT_FALSE(group(GroupCommand::kModify, 2, {9}));
    EXPECT_FALSE(group(GroupCommand::kModify, 2, {8}));
    EXPECT_FALSE(group(GroupCommand::kDelete, 1, {}));
    EXPECT_FALSE(group(GroupCommand::kAdd, 1, {7}));
    EXPECT_EQ(flows_.flow_count(), 1U);
    flows_.rollback();
    EXPECT_FALSE(groups_.exists(3));
    EXPECT_EQ(buckets(1), "0:1 ");
    EXPECT_EQ(buckets(2), "0:1 1:2 ");
    EXPECT_EQ(flows_.flow_count(), 1U);
    EXPECT_EQ(groups_.stats(1, 1000).at(0).ref_count, 1U);
    EXPECT_TRUE(removed_.empty());
    EXPECT_EQ(datapath_.version(), version);
    // Packets at the next version find what they found before.
    const auto* entry = bridge_.program().groups().find(2, version + 1);
    ASSERT_NE(entry, nullptr);
    EXPECT_EQ(entry->buckets.size(), 2U);
    EXPECT_EQ(bridge_.program().groups().find(3, version + 1), nullptr);
}

TEST_F(GroupTableTest, AGroupShowsFromItsVersionOn) {
    ASSERT_FALSE(group(GroupCommand::kAdd, 1, {1}));
    flows_.commit();
    const auto before = datapath_.version();
    ASSERT_FALSE(group(GroupCommand::kModify, 1, {1, 2}));
    const auto& table = bridge_.program().groups();
    EXPECT_EQ(table.find(1, before)->buckets.size(), 1U);
    EXPECT_EQ(table.find(1, before + 1)->buckets.size(), 2U);
    flows_.commit();
    while (datapath_.rcu().reclaim() != 0) {
    }
    EXPECT_EQ(table.find(1, before), nullptr) << "nobody is there any more";
    EXPECT_EQ(table.find(1, before + 1)->buckets.size(), 2U);
}

TEST_F(GroupTableTest, ManyGroupsComeAndGo) {
    for (std::uint32_t id = 1; id <= 3000; ++id)
        ASSERT_FALSE(group(GroupCommand::kAdd, id, {id}));
    flows_.commit();
    for (std::uint32_t id = 1; id <= 3000; id += 2)
        ASSERT_FALSE(group(GroupCommand::kDelete, id, {}));
    flows_.commit();
    while (datapath_.rcu().reclaim() != 0) {
    }
    for (std::uint32_t id = 1; id <= 3000; ++id) {
        const auto* entry = bridge_.program().groups().find(id, datapath_.version());
        ASSERT_EQ(entry != nullptr, id % 2 == 0) << id;
        if (entry) {
            ASSERT_EQ(entry->id, id);
        }
    }
}

TEST_F(GroupTableTest, MetersAreCheckedAndTakeTheirFlowsAlong) {
    EXPECT_EQ(meter(MeterCommand::kModify, 1), ErrorCode::kMmfcUnknownMeter);
    EXPECT_EQ(meter(MeterCommand::kAdd, 1, 0), ErrorCode::kMmfcBadRate);
    EXPECT_EQ(meter(MeterCommand::kAdd, 1, 10, 9), ErrorCode::kMmfcOutOfBands);
    EXPECT_EQ(flow(1, {Action{MeterAction{1}}}), ErrorCode::kMmfcInvalidMeter);
    EXPECT_FALSE(meter(MeterCommand::kAdd, 1, 10, 8));
    EXPECT_EQ(meter(MeterCommand::kAdd, 1), ErrorCode::kMmfcMeterExists);
    EXPECT_FALSE(meter(MeterCommand::kAdd, kControllerMeter));
    EXPECT_FALSE(flow(1, {Action{MeterAction{1}}}));
    EXPECT_FALSE(meter(MeterCommand::kModify, 1, 20));
    EXPECT_EQ(meters_.stats(1, 1000)->at(0).flow_count, 1U);
    EXPECT_EQ(meters_.configs(1)->at(0).bands.at(0).rate, 20U);
    EXPECT_FALSE(meters_.stats(2, 1000));
    EXPECT_FALSE(meter(MeterCommand::kDelete, 2));
    EXPECT_FALSE(meter(MeterCommand::kDelete, 1));
    EXPECT_EQ(flows_.flow_count(), 0U);
    ASSERT_EQ(removed_.size(), 1U);
    EXPECT_EQ(removed_[0].second, FlowRemovedReason::kMeterDelete);
    EXPECT_EQ(meters_.configs(kAllMeters)->size(), 1U);
    EXPECT_FALSE(meter(MeterCommand::kDelete, kAllMeters));
    EXPECT_TRUE(meters_.configs(kAllMeters)->empty());
}

}  // namespace
}  // namespace sluice::bridge
