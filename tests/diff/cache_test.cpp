// SPDX-License-Identifier: Apache-2.0
// The flow cache changes nothing but the speed: the same random programs, frames that come again and again,
// with small changes to them and to the rules in between, through a pipeline with a cache and one without.
#include <algorithm>
#include <tuple>

#include <fmt/format.h>

#include <gtest/gtest.h>

#include "flow/flow_text.hpp"
#include "tests/diff/frames.hpp"
#include "tests/diff/harness.hpp"
#include "tests/diff/pipeline_target.hpp"
#include "tests/diff/reference_target.hpp"

namespace sluice::tests {
namespace {

TargetBridge random_bridge(Random& random, const RandomOptions& options) {
    TargetBridge bridge;
    for (std::uint32_t n = 1; n <= options.ports; ++n) {
        reference::Port& port = bridge.settings.ports[OfPort{n}];
        port.name = fmt::format("p{}", n);
        port.no_flood = random.one_in(10);
    }
    bridge.flows = random_rules(random, 1 + random.below(20), options);
    for (std::size_t i = 0; i < bridge.flows.size(); ++i)
        bridge.flows[i].priority = static_cast<std::uint16_t>(100 + random.below(50) * 100 + i);
    return bridge;
}

/// What a rule is replaced by, in both targets alike.
void replace_rule(PipelineTarget& target, std::size_t at, const FlowSpec& flow) {
    auto& rules = target.rules("br0");
    target.program("br0").remove(rules[at]);
    auto actions = pipeline::compile(flow.actions);
    ASSERT_TRUE(actions) << actions.error().message;
    rules[at] = target.program("br0").add(flow.table == 0xff ? std::uint8_t{0} : flow.table, flow.priority,
                                          SparseMatch::from(flow.match), 0, std::move(*actions));
    target.datapath().publish();
    target.datapath().rcu().reclaim();
}

wire::Frame changed(Random& random, wire::Frame frame) {
    if (!random.one_in(4)) return frame;
    if (random.one_in(2) && frame.size() > 23) {
        frame[22] = static_cast<std::uint8_t>(random.below(4));  // TTL of an untagged IPv4 packet
        return frame;
    }
    const std::uint32_t bit =
        random.below(static_cast<std::uint32_t>(std::min<std::size_t>(frame.size(), 60) * 8));
    frame[bit / 8] = static_cast<std::uint8_t>(frame[bit / 8] ^ 1U << bit % 8);
    return frame;
}

/// Hits leave before the rest of their burst, so only flows keep their order.
bool same_frames(Verdict a, Verdict b) {
    const auto sort = [](Verdict& verdict) {
        std::sort(verdict.sent.begin(), verdict.sent.end(), [](const SentFrame& x, const SentFrame& y) {
            return std::tie(x.port, x.bytes) < std::tie(y.port, y.bytes);
        });
    };
    sort(a), sort(b);
    return a.sent == b.sent && a.packet_ins == b.packet_ins && a.drop == b.drop;
}

std::string describe(const char* what, const std::vector<wire::Frame>& frames) {
    std::string text;
    for (const auto& frame : frames)
        text += fmt::format("{}: {}\n", what, wire::hex_of(frame));
    return text;
}
std::string describe(const char* what, const Verdict& verdict) {
    std::string text;
    for (const auto& sent : verdict.sent)
        text += fmt::format("{}: port {} queue {} {}\n", what, to_int(sent.port),
                            static_cast<std::int32_t>(sent.queue), wire::hex_of(sent.bytes));
    for (const auto& in : verdict.packet_ins)
        text += fmt::format("{}: packet-in reason {} {}\n", what, in.reason, wire::hex_of(in.bytes));
    if (verdict.drop)
        text += fmt::format("{}: {}\n", what, kDropReasonNames[static_cast<std::size_t>(*verdict.drop)]);
    return text;
}

struct CacheCase {
    const char* name;
    unsigned entries;
    unsigned rules_change_every;  ///< bursts, 0: never
};

class CacheDifferential : public ::testing::TestWithParam<CacheCase> {};

TEST_P(CacheDifferential, verdicts_and_counters_are_those_without_a_cache) {
    const CacheCase& param = GetParam();
    RandomOptions options;
    std::uint64_t hits = 0;
    for (unsigned program = 0; program < 120; ++program) {
        Random random{77'000 + program};
        const TargetBridge bridge = random_bridge(random, options);
        PipelineTarget cached{param.entries}, plain;
        ASSERT_TRUE(cached.configure({bridge}));
        ASSERT_TRUE(plain.configure({bridge}));
        std::vector<wire::Frame> pool;
        for (int i = 0; i < 6; ++i)
            pool.push_back(random_frame(random, options));
        for (unsigned burst = 0; burst < 60; ++burst) {
            if (param.rules_change_every != 0 && burst % param.rules_change_every == 1) {
                const auto at = random.below(static_cast<std::uint32_t>(bridge.flows.size()));
                FlowSpec flow = random_rules(random, 1, options).front();
                flow.priority = bridge.flows[at].priority;
                replace_rule(cached, at, flow);
                replace_rule(plain, at, flow);
            }
            const OfPort in_port{1 + random.below(2)};
            std::vector<wire::Frame> frames;
            for (std::uint32_t n = 1 + random.below(6); n > 0; --n)
                frames.push_back(
                    changed(random, pool[random.below(static_cast<std::uint32_t>(pool.size()))]));
            const Verdict got = cached.run_burst("br0", in_port, frames);
            const Verdict expected = plain.run_burst("br0", in_port, frames);
            ASSERT_TRUE(same_frames(got, expected))
                << fmt::format("program {} burst {} in_port {}\n", program, burst, to_int(in_port))
                << describe("in", frames) << describe("with a cache", got) << describe("without", expected);
        }
        for (std::size_t i = 0; i < bridge.flows.size(); ++i)
            ASSERT_EQ(cached.hits("br0", i), plain.hits("br0", i)) << "program " << program << " rule " << i;
        for (unsigned table = 0; table < 4; ++table) {
            const auto got = cached.program("br0").table_stats(static_cast<std::uint8_t>(table));
            const auto expected = plain.program("br0").table_stats(static_cast<std::uint8_t>(table));
            ASSERT_EQ(got.lookups, expected.lookups) << "program " << program << " table " << table;
            ASSERT_EQ(got.matches, expected.matches) << "program " << program << " table " << table;
        }
        hits += cached.executor().cache_stats(cached.program("br0").index()).hits;
    }
    EXPECT_GT(hits, 1000U) << "the cache was hardly used: this proves nothing";
}

INSTANTIATE_TEST_SUITE_P(Sizes, CacheDifferential,
                         ::testing::Values(CacheCase{"roomy", 4096, 0}, CacheCase{"thrashed", 2, 0},
                                           CacheCase{"roomy_rules_change", 4096, 3},
                                           CacheCase{"thrashed_rules_change", 4, 2}),
                         [](const auto& param) { return std::string(param.param.name); });

/// A UDP packet of one of 2^32 flows.
wire::Frame flow_frame(std::uint32_t flow) {
    wire::Frame bytes(60);
    bytes[0] = 2, bytes[6] = 2, bytes[11] = 1;
    bytes[12] = 8, bytes[14] = 0x45, bytes[17] = 46, bytes[22] = 64, bytes[23] = 17;
    for (unsigned i = 0; i < 4; ++i)
        bytes[26 + i] = static_cast<std::uint8_t>(flow >> (24 - 8 * i));
    bytes[33] = 1, bytes[35] = 53, bytes[37] = 53, bytes[39] = 26;
    return bytes;
}

TargetBridge bridge_that_reads_sources() {
    TargetBridge bridge;
    for (std::uint32_t n = 1; n <= 2; ++n)
        bridge.settings.ports[OfPort{n}].name = fmt::format("p{}", n);
    for (const char* text : {"table=0,ip,nw_src=10.0.0.1,actions=drop",
                             "table=0,priority=1,ip,actions=goto_table:1", "table=1,actions=output:2"})
        bridge.flows.push_back(*parse_flow_spec(text));
    return bridge;
}

TEST(FlowCache, flows_that_never_come_again_are_not_kept) {
    PipelineTarget target{1U << 16};
    ASSERT_TRUE(target.configure({bridge_that_reads_sources()}));
    std::uint32_t flow = 0x0b000000;
    const auto run = [&](unsigned bursts, bool again) {
        for (unsigned n = 0; n < bursts; ++n) {
            std::vector<wire::Frame> frames;
            for (unsigned i = 0; i < kMaxBurst; ++i)
                frames.push_back(flow_frame(again ? 0x0c000000 + (n * kMaxBurst + i) % 500 : ++flow));
            ASSERT_EQ(target.run_burst("br0", OfPort{1}, frames).sent.size(), frames.size());
        }
    };
    const auto stats = [&] { return target.executor().cache_stats(target.program("br0").index()); };
    run(1000, false);
    const auto fresh = stats();
    EXPECT_LT(fresh.inserts, 10'000U) << "of 32,000 packets that are flows of their own";
    EXPECT_LT(fresh.lookups, 12'000U);
    // Flows that do come again are found out, and served.
    run(3000, true);
    const auto before = stats();
    run(100, true);
    EXPECT_GE(stats().hits - before.hits, 100U * kMaxBurst * 9 / 10);
}

TEST(FlowCache, rules_get_what_hits_counted_when_the_rush_is_over) {
    PipelineTarget target{64};
    ASSERT_TRUE(target.configure({bridge_that_reads_sources()}));
    const std::vector<wire::Frame> frames(kMaxBurst, flow_frame(0x0c000000));
    for (unsigned n = 0; n < 10; ++n)
        target.run_burst("br0", OfPort{1}, frames);
    target.executor().flush();  // nothing came since the last one
    EXPECT_EQ(target.hits("br0", 1), 10U * kMaxBurst);
    EXPECT_EQ(target.hits("br0", 2), 10U * kMaxBurst);
    const auto bytes = target.program("br0").stats(*target.rules("br0")[2]).bytes;
    EXPECT_EQ(bytes, 10U * kMaxBurst * 60);
}

}  // namespace
}  // namespace sluice::tests
