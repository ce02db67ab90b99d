// SPDX-License-Identifier: Apache-2.0
// What flow-mods mean, against expectations by hand and against a naive model of a list.
#include "bridge/flow_tables.hpp"

#include <algorithm>
#include <random>

#include <gtest/gtest.h>

#include "bridge/bridge.hpp"

namespace sluice::bridge {
namespace {

namespace of = openflow;
using of::ErrorCode;
using of::FlowCommand;
using of::FlowMod;

Match match_port(std::uint32_t port) {
    Match match;
    match.set_exact(key::kInPort, port);
    return match;
}

ActionList output(std::uint32_t port) {
    return {Action{OutputAction{OfPort{port}}}};
}

FlowMod flow_mod(FlowCommand command, const Match& match, std::uint16_t priority, ActionList actions = {}) {
    FlowMod mod;
    mod.command = command;
    mod.match = match;
    mod.priority = priority;
    mod.actions = std::move(actions);
    mod.table = command == FlowCommand::kAdd ? 0 : of::kAllTables;
    if (command == FlowCommand::kAdd) mod.new_cookie = 0;
    return mod;
}

class FlowTablesTest : public testing::Test {
  protected:
    FlowTablesTest() {
        flows_.on_removed([this](const Flow& flow, FlowRemovedReason reason) {
            removed_.emplace_back(flow.priority(), reason);
        });
    }
    std::optional<ErrorCode> apply(const FlowMod& mod, std::int64_t now = 1000) {
        const auto error = flows_.apply(mod, now);
        return error ? std::optional(error->code) : std::nullopt;
    }
    std::optional<ErrorCode> add(std::uint32_t port, std::uint16_t priority, std::uint32_t to,
                                 std::uint64_t cookie = 0) {
        FlowMod mod = flow_mod(FlowCommand::kAdd, match_port(port), priority, output(to));
        mod.new_cookie = cookie;
        return apply(mod);
    }
    /// "priority/in_port->output" of each flow, in order.
    std::string dump(const FlowFilter& filter = {}) const {
        std::string text;
        flows_.for_each(filter, [&](const Flow& flow) {
            text += fmt::format("{}/{}->", flow.priority(), flow.match().expand().value.get(key::kInPort));
            for (const Action& action : flow.actions()) {
                if (const auto* out = std::get_if<OutputAction>(&action.kind))
                    text += std::to_string(to_int(out->port));
            }
            text += " ";
        });
        return text;
    }

    pipeline::Datapath datapath_;
    Bridge bridge_{datapath_, {}};
    FlowTables& flows_ = bridge_.flows();
    std::vector<std::pair<std::uint16_t, FlowRemovedReason>> removed_;
};

TEST_F(FlowTablesTest, AddReplacesTheIdenticalFlowOnly) {
    EXPECT_FALSE(add(1, 10, 2));
    EXPECT_FALSE(add(1, 20, 3));
    EXPECT_FALSE(add(1, 10, 4));
    EXPECT_EQ(dump(), "10/1->4 20/1->3 ");
    flows_.commit();
    EXPECT_EQ(datapath_.version(), 2U);
    flows_.commit();
    EXPECT_EQ(datapath_.version(), 2U) << "nothing was staged";
}

TEST_F(FlowTablesTest, ReplacingStartsDurationAndTimeoutsAnewAndSetsTheCookie) {
    FlowMod mod = flow_mod(FlowCommand::kAdd, match_port(1), 5, output(2));
    mod.idle_timeout_s = 7;
    apply(mod, 1000);
    mod.idle_timeout_s = 0;
    mod.new_cookie = 0x55;
    apply(mod, 4500);
    flows_.for_each({}, [&](const Flow& flow) {
        const of::FlowStats shown = flows_.describe(flow, 7000);
        EXPECT_EQ(shown.duration_s, 2U);
        EXPECT_EQ(shown.duration_ns, 500'000'000U);
        EXPECT_EQ(shown.idle_timeout_s, 0);
        EXPECT_EQ(shown.cookie, 0x55U);
    });
    flows_.expire(1'000'000);
    EXPECT_EQ(flows_.flow_count(), 1U);
}

TEST_F(FlowTablesTest, CheckOverlapRefusesSamePriorityOnly) {
    add(1, 10, 2);
    Match wide;
    FlowMod mod = flow_mod(FlowCommand::kAdd, wide, 10, output(3));
    mod.flags = of::flow_flag::kCheckOverlap;
    EXPECT_EQ(apply(mod), ErrorCode::kFmfcOverlap);
    mod.priority = 11;
    EXPECT_FALSE(apply(mod));
    mod.priority = 10;
    mod.match = match_port(2);
    EXPECT_FALSE(apply(mod));
    EXPECT_FALSE(apply(mod)) << "the identical flow does not count";
}

TEST_F(FlowTablesTest, LooseAndStrictDelete) {
    add(1, 10, 2), add(1, 20, 3), add(2, 10, 3);
    EXPECT_FALSE(apply(flow_mod(FlowCommand::kDeleteStrict, match_port(1), 15)));
    EXPECT_EQ(flows_.flow_count(), 3U);
    EXPECT_FALSE(apply(flow_mod(FlowCommand::kDeleteStrict, match_port(1), 10)));
    EXPECT_EQ(dump(), "20/1->3 10/2->3 ");
    EXPECT_FALSE(apply(flow_mod(FlowCommand::kDelete, match_port(1), 0)));
    EXPECT_EQ(dump(), "10/2->3 ");
    EXPECT_FALSE(apply(flow_mod(FlowCommand::kDelete, Match{}, 0)));
    EXPECT_EQ(dump(), "");
}

TEST_F(FlowTablesTest, DeleteFiltersByOutPortCookieAndTable) {
    add(1, 10, 2, 0xa1), add(2, 10, 3, 0xa2), add(3, 10, 2, 0xb1);
    FlowMod by_port = flow_mod(FlowCommand::kDelete, Match{}, 0);
    by_port.out_port = OfPort{3};
    apply(by_port);
    EXPECT_EQ(dump(), "10/1->2 10/3->2 ");
    FlowMod by_cookie = flow_mod(FlowCommand::kDelete, Match{}, 0);
    by_cookie.cookie = 0xb0;
    by_cookie.cookie_mask = 0xf0;
    apply(by_cookie);
    EXPECT_EQ(dump(), "10/1->2 ");
    FlowMod by_table = flow_mod(FlowCommand::kDelete, Match{}, 0);
    by_table.table = 1;
    apply(by_table);
    EXPECT_EQ(dump(), "10/1->2 ");
}

TEST_F(FlowTablesTest, ModifyChangesActionsAndKeepsTheRest) {
    FlowMod first = flow_mod(FlowCommand::kAdd, match_port(1), 10, output(2));
    first.new_cookie = 0x77;
    first.hard_timeout_s = 100;
    apply(first, 1000);
    apply(flow_mod(FlowCommand::kModify, Match{}, 0, output(9)), 50'000);
    flows_.for_each({}, [&](const Flow& flow) {
        EXPECT_EQ(flow.cookie, 0x77U);
        EXPECT_EQ(flow.created_ms, 1000);
        EXPECT_EQ(flow.hard_timeout_s, 100);
    });
    EXPECT_EQ(dump(), "10/1->9 ");
    flows_.expire(102'000);
    EXPECT_EQ(flows_.flow_count(), 1U) << "a modification extends the hard time-out";
    flows_.expire(150'000);
    EXPECT_EQ(flows_.flow_count(), 0U);
}

TEST_F(FlowTablesTest, ModifyWithoutMatchAddsOnlyWithANewCookieAndNoMask) {
    FlowMod mod = flow_mod(FlowCommand::kModifyStrict, match_port(1), 10, output(2));
    apply(mod);
    EXPECT_EQ(flows_.flow_count(), 0U) << "OpenFlow 1.2 and later";
    mod.new_cookie = 0;
    mod.cookie_mask = 1;
    apply(mod);
    EXPECT_EQ(flows_.flow_count(), 0U);
    mod.cookie_mask = 0;
    apply(mod);
    EXPECT_EQ(flows_.flow_count(), 1U) << "OpenFlow 1.0 and 1.1";
}

TEST_F(FlowTablesTest, BadRequestsAreRefusedWithoutATrace) {
    add(1, 10, 2);
    struct Case {
        const char* what;
        std::function<void(FlowMod&)> change;
        ErrorCode code;
    };
    const Case cases[] = {
        {"the switch's own table", [](FlowMod& m) { m.table = 254; }, ErrorCode::kBrcEperm},
        {"buffer", [](FlowMod& m) { m.buffer_id = 7; }, ErrorCode::kBrcBufferUnknown},
        {"emergency", [](FlowMod& m) { m.flags = of::flow_flag::kEmergency; }, ErrorCode::kFmfcTableFull},
        {"group", [](FlowMod& m) { m.actions = {Action{GroupAction{3}}}; }, ErrorCode::kBacBadOutGroup},
        {"backwards", [](FlowMod& m) { m.table = 3, m.actions = {Action{GotoTableAction{2}}}; },
         ErrorCode::kBicBadTableId},
    };
    for (const Case& c : cases) {
        FlowMod mod = flow_mod(FlowCommand::kAdd, match_port(9), 1, output(1));
        c.change(mod);
        EXPECT_EQ(apply(mod), c.code) << c.what;
    }
    EXPECT_EQ(dump(), "10/1->2 ");
}

TEST_F(FlowTablesTest, AFullTableRefusesNewFlowsNotReplacements) {
    flows_.set_table_settings(0, {"small", 2, false, {}});
    EXPECT_FALSE(add(1, 1, 1));
    EXPECT_FALSE(add(2, 1, 1));
    EXPECT_EQ(add(3, 1, 1), ErrorCode::kFmfcTableFull);
    EXPECT_FALSE(add(2, 1, 5));
}

TEST_F(FlowTablesTest, TimeoutsTellWhy) {
    FlowMod mod = flow_mod(FlowCommand::kAdd, match_port(1), 1, output(2));
    mod.flags = of::flow_flag::kSendFlowRemoved;
    mod.idle_timeout_s = 5;
    apply(mod, 0);
    mod.priority = 2, mod.idle_timeout_s = 0, mod.hard_timeout_s = 3;
    apply(mod, 0);
    mod.priority = 3, mod.hard_timeout_s = 0;
    apply(mod, 0);
    flows_.commit();
    flows_.expire(2999);
    EXPECT_TRUE(removed_.empty());
    flows_.expire(5000);
    apply(flow_mod(FlowCommand::kDelete, Match{}, 0));
    const decltype(removed_) expected = {{2, FlowRemovedReason::kHardTimeout},
                                         {1, FlowRemovedReason::kIdleTimeout},
                                         {3, FlowRemovedReason::kDelete}};
    EXPECT_EQ(removed_, expected);
}

TEST_F(FlowTablesTest, ARolledBackTransactionLeavesNothing) {
    FlowMod watched = flow_mod(FlowCommand::kAdd, match_port(1), 10, output(2));
    watched.flags = of::flow_flag::kSendFlowRemoved;
    apply(watched);
    add(2, 10, 3);
    flows_.commit();
    const Version version = datapath_.version();
    flows_.begin();
    add(3, 10, 4);
    add(1, 10, 8);
    apply(flow_mod(FlowCommand::kModify, Match{}, 0, output(7)));
    apply(flow_mod(FlowCommand::kDelete, match_port(1), 0));
    add(1, 10, 9);
    apply(flow_mod(FlowCommand::kDelete, Match{}, 0));
    EXPECT_EQ(flows_.flow_count(), 0U);
    flows_.rollback();
    EXPECT_EQ(flows_.flow_count(), 2U);
    EXPECT_NE(dump().find("10/1->2 "), std::string::npos);
    EXPECT_NE(dump().find("10/2->3 "), std::string::npos);
    EXPECT_TRUE(removed_.empty());
    flows_.commit();
    EXPECT_EQ(datapath_.version(), version);
}

TEST_F(FlowTablesTest, ATransactionPublishesOnceAndTellsAtItsEnd) {
    FlowMod watched = flow_mod(FlowCommand::kAdd, match_port(1), 10, output(2));
    watched.flags = of::flow_flag::kSendFlowRemoved;
    apply(watched);
    flows_.begin();
    const Version version = datapath_.version();
    apply(flow_mod(FlowCommand::kDelete, Match{}, 0));
    for (std::uint32_t port = 1; port < 50; ++port)
        add(port, 1, 2);
    EXPECT_TRUE(removed_.empty());
    flows_.commit();
    EXPECT_EQ(removed_.size(), 1U);
    EXPECT_EQ(datapath_.version(), version + 1);
}

TEST_F(FlowTablesTest, HiddenFlowsAreNeitherShownNorTouched) {
    flows_.add_hidden(0xffff, {}, output(5));
    add(1, 1, 1);
    EXPECT_EQ(flows_.flow_count(), 1U);
    apply(flow_mod(FlowCommand::kDelete, Match{}, 0));
    EXPECT_TRUE(flows_.has_hidden());
    FlowMod same = flow_mod(FlowCommand::kAdd, Match{}, 0xffff, output(6));
    EXPECT_FALSE(apply(same));
    EXPECT_EQ(dump(), "65535/0->6 ");
    flows_.remove_hidden();
    EXPECT_EQ(flows_.flow_count(), 1U);
}

TEST_F(FlowTablesTest, ACursorSurvivesChanges) {
    for (std::uint32_t port = 1; port <= 4; ++port)
        add(port, 1, port);
    FlowTables::Cursor cursor(flows_, {});
    EXPECT_EQ(cursor.next()->match(), SparseMatch::from(match_port(1)));
    EXPECT_NE(cursor.peek(), nullptr);
    apply(flow_mod(FlowCommand::kDelete, match_port(2), 0));
    apply(flow_mod(FlowCommand::kDelete, match_port(3), 0));
    EXPECT_EQ(cursor.next()->match(), SparseMatch::from(match_port(4)));
    EXPECT_EQ(cursor.next(), nullptr);
}

// Random flow-mods against a list that does the obvious thing.
struct ModelFlow {
    Match match;
    std::uint16_t priority;
    std::uint8_t table;
    std::uint64_t cookie;
    std::uint32_t to;
};

class Model {
  public:
    void apply(const FlowMod& mod, std::uint32_t to) {
        const bool strict =
            mod.command == FlowCommand::kModifyStrict || mod.command == FlowCommand::kDeleteStrict;
        if (mod.command == FlowCommand::kAdd) return add(mod, to);
        bool any = false;
        for (std::size_t i = 0; i < flows.size();) {
            ModelFlow& flow = flows[i];
            if (!selected(flow, mod, strict)) {
                ++i;
                continue;
            }
            any = true;
            if (mod.command == FlowCommand::kDelete || mod.command == FlowCommand::kDeleteStrict) {
                flows.erase(flows.begin() + static_cast<std::ptrdiff_t>(i));
            } else {
                flow.to = to;
                ++i;
            }
        }
        const bool modify = mod.command == FlowCommand::kModify || mod.command == FlowCommand::kModifyStrict;
        if (!any && modify && mod.new_cookie != ~std::uint64_t{0} && mod.cookie_mask == 0) add(mod, to);
    }
    std::vector<std::string> dump() const {
        std::vector<std::string> lines;
        for (const ModelFlow& flow : flows)
            lines.push_back(line(flow.match, flow.priority, flow.table, flow.cookie, flow.to));
        std::sort(lines.begin(), lines.end());
        return lines;
    }
    static std::string line(const Match& match, unsigned priority, unsigned table, std::uint64_t cookie,
                            std::uint32_t to) {
        return fmt::format("{} {} {:x}/{:x} {:x}/{:x} {:x} {}", table, priority, match.value.word[2],
                           match.mask.word[2], match.value.word[5], match.mask.word[5], cookie, to);
    }
    std::vector<ModelFlow> flows;

  private:
    void add(const FlowMod& mod, std::uint32_t to) {
        const std::uint8_t table = mod.table == of::kAllTables ? 0 : mod.table;
        for (ModelFlow& flow : flows) {
            if (flow.table == table && flow.priority == mod.priority && flow.match == mod.match) {
                flow.cookie = mod.new_cookie, flow.to = to;
                return;
            }
        }
        flows.push_back({mod.match, mod.priority, table, mod.new_cookie, to});
    }
    static bool selected(const ModelFlow& flow, const FlowMod& mod, bool strict) {
        if (mod.table != of::kAllTables && mod.table != flow.table) return false;
        if ((flow.cookie ^ mod.cookie) & mod.cookie_mask) return false;
        if (strict) return flow.priority == mod.priority && flow.match == mod.match;
        for (unsigned i = 0; i < kKeyWords; ++i) {
            const std::uint64_t mask = mod.match.mask.word[i];
            if ((flow.match.mask.word[i] & mask) != mask ||
                (flow.match.value.word[i] & mask) != mod.match.value.word[i])
                return false;
        }
        return true;
    }
};

TEST_F(FlowTablesTest, RandomFlowModsAgreeWithAListAlsoAfterRollbacks) {
    const unsigned seed = 20'261;
    std::mt19937 random(seed);
    const auto pick = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
    Model model, saved;
    for (unsigned step = 0; step < 4000; ++step) {
        if (!flows_.in_transaction() && pick(40) == 0) {
            flows_.begin();
            saved = model;
        } else if (flows_.in_transaction() && pick(15) == 0) {
            if (pick(2) == 0) {
                flows_.commit();
            } else {
                flows_.rollback();
                model = saved;
            }
        }
        Match match;
        if (pick(4) != 0) match.set_exact(key::kInPort, 1 + pick(4));
        if (pick(2) == 0) match.set_masked(key::kMetadata, {0, pick(4)}, {0, 1 + pick(3)});
        const auto to = 1 + pick(100);
        FlowMod mod = flow_mod(static_cast<FlowCommand>(pick(8) < 4 ? 0 : pick(5)), match,
                               static_cast<std::uint16_t>(pick(3)), output(to));
        mod.table = static_cast<std::uint8_t>(pick(5) == 0 ? of::kAllTables : pick(3));
        if (pick(3) == 0) mod.cookie = pick(4), mod.cookie_mask = pick(4);
        if (mod.command == FlowCommand::kAdd || pick(4) == 0) mod.new_cookie = pick(4);
        ASSERT_FALSE(flows_.apply(mod, step)) << "seed " << seed << " step " << step;
        model.apply(mod, to);
        std::vector<std::string> got;
        flows_.for_each({}, [&](const Flow& flow) {
            got.push_back(Model::line(flow.match().expand(), flow.priority(), flow.table(), flow.cookie,
                                      to_int(std::get<OutputAction>(flow.actions().front().kind).port)));
        });
        std::sort(got.begin(), got.end());
        ASSERT_EQ(got, model.dump()) << "seed " << seed << " step " << step;
        if (pick(10) == 0) datapath_.rcu().reclaim();
    }
}

}  // namespace
}  // namespace sluice::bridge
