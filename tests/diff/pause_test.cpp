// SPDX-License-Identifier: Apache-2.0
// Packets that controllers stop and let go on end as if nobody had stopped them: random programs with
// controller(pause) strewn in through the pipeline, the same without through the reference interpreter.
#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include <gtest/gtest.h>

#include "tests/diff/frames.hpp"
#include "tests/diff/pipeline_target.hpp"
#include "tests/diff/reference_target.hpp"
#include "wire/builder.hpp"

namespace sluice::tests {
namespace {

Action pause() {
    ControllerAction action;
    action.pause = action.extended = true;
    return {action};
}

/// Puts pauses between the actions of a rule, not behind its instructions.
void strew(Random& random, ActionList& actions) {
    for (std::size_t at = 0; at <= actions.size(); ++at) {
        if (at > 0) {
            const auto& kind = actions[at - 1].kind;
            if (std::holds_alternative<ClearActionsAction>(kind) ||
                std::holds_alternative<WriteActionsAction>(kind) ||
                std::holds_alternative<WriteMetadataAction>(kind) ||
                std::holds_alternative<GotoTableAction>(kind))
                return;
        }
        if (!random.one_in(3)) continue;
        actions.insert(actions.begin() + static_cast<std::ptrdiff_t>(at), pause());
        ++at;
    }
}

std::vector<SentFrame> by_port(std::vector<SentFrame> sent) {
    std::stable_sort(sent.begin(), sent.end(),
                     [](const SentFrame& a, const SentFrame& b) { return a.port < b.port; });
    return sent;
}

TEST(Pause, resumed_packets_end_as_if_they_had_not_been_stopped) {
    RandomOptions options;
    options.clone = false;  // a pause inside of a clone ends what is around it, as in OVS
    options.queues = options.inert = options.computed = true;
    unsigned pauses = 0;
    for (unsigned program = 0; program < 200; ++program) {
        Random random{program + 1};
        TargetBridge bridge;
        for (std::uint32_t n = 1; n <= options.ports; ++n)
            bridge.settings.ports[OfPort{n}].name = fmt::format("p{}", n);
        bridge.flows = random_rules(random, 1 + random.below(20), options);
        for (std::size_t i = 0; i < bridge.flows.size(); ++i)
            bridge.flows[i].priority = static_cast<std::uint16_t>(100 + i);
        ReferenceTarget reference;
        ASSERT_TRUE(reference.configure({bridge}));
        for (FlowSpec& flow : bridge.flows)
            strew(random, flow.actions);
        PipelineTarget target{program % 2 == 0 ? 0U : 64U};
        ASSERT_TRUE(target.configure({bridge}));
        for (int n = 0; n < 40; ++n) {
            const wire::Frame frame = random_frame(random, options);
            const OfPort in_port{1 + random.below(options.ports)};
            const auto expected = by_port(reference.run("br0", in_port, frame).sent);
            std::vector<SentFrame> sent = target.run("br0", in_port, frame).sent;
            for (unsigned rounds = 0; target.paused_count() != 0; ++rounds) {
                ASSERT_LT(rounds, 200U);
                ++pauses;
                const auto more = target.resume_all().sent;
                sent.insert(sent.end(), more.begin(), more.end());
            }
            ASSERT_EQ(expected, by_port(sent)) << "program " << program << " frame " << wire::hex_of(frame);
        }
    }
    EXPECT_GT(pauses, 1000U);
}

TEST(Pause, nothing_is_lost_of_table_stack_registers_and_action_set) {
    TargetBridge bridge;
    for (std::uint32_t n = 1; n <= 4; ++n)
        bridge.settings.ports[OfPort{n}].name = fmt::format("p{}", n);
    for (const char* text :
         {"table=0,in_port=1,actions=write_actions(output:4),goto_table:1",
          "table=1,actions=load:3->NXM_NX_REG0[],push:NXM_NX_REG0[],resubmit(,5),pop:NXM_NX_REG1[],"
          "output:NXM_NX_REG1[0..15]",
          "table=5,cookie=0x55,actions=load:2->NXM_NX_REG0[],controller(pause),output:NXM_NX_REG0[0..15]"}) {
        auto flow = parse_flow_spec(text);
        ASSERT_TRUE(flow) << flow.error().message;
        bridge.flows.push_back(*flow);
    }
    PipelineTarget target;
    ASSERT_TRUE(target.configure({bridge}));
    const auto frame = wire::PacketBuilder{}
                           .eth("02:00:00:00:00:01", "02:00:00:00:00:02")
                           .ipv4("10.0.0.1", "10.0.0.2")
                           .udp(1, 2)
                           .build();
    const Verdict stopped = target.run("br0", OfPort{1}, frame);
    EXPECT_TRUE(stopped.sent.empty());
    ASSERT_EQ(target.paused_count(), 1U);
    ASSERT_EQ(stopped.packet_ins.size(), 1U);
    EXPECT_EQ(stopped.packet_ins[0].table, 5);
    // The rules are gone by the time the controller answers.
    ASSERT_TRUE(target.change(
        "br0", {{RuleChange::Kind::kDelete, bridge.flows[0]}, {RuleChange::Kind::kDelete, bridge.flows[1]}}));
    const Verdict verdict = target.resume_all();
    ASSERT_EQ(verdict.sent.size(), 3U);
    std::vector<OfPort> ports;
    for (const SentFrame& sent : verdict.sent)
        ports.push_back(sent.port);
    std::sort(ports.begin(), ports.end());
    EXPECT_EQ(ports, (std::vector<OfPort>{OfPort{2}, OfPort{3}, OfPort{4}}));
}

}  // namespace
}  // namespace sluice::tests
