// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include <gtest/gtest.h>

#include "bench/gen/picker.hpp"
#include "bench/gen/stats_page.hpp"
#include "bench/gen/traffic.hpp"
#include "bench/gen/writer.hpp"

namespace sluice::gen {
namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

Traffic traffic(const Pairs& pairs) {
    auto out = Traffic::parse(pairs);
    EXPECT_TRUE(out) << (out ? "" : out.error().message);
    return out ? *out : Traffic{};
}

std::string error_of(const Pairs& pairs) {
    auto out = Traffic::parse(pairs);
    return out ? "" : out.error().message;
}

std::array<std::uint8_t, kMaxHead> written(const Traffic& from, std::uint64_t flow, std::size_t which = 0) {
    Writer writer;
    writer.set(from, 5);
    std::array<std::uint8_t, kMaxHead> out{};
    writer.write(out.data(), which, flow, 0, 0x1122334455667788);
    return out;
}

struct Case {
    const char* name;
    Pairs pairs;
};

class FastWriter : public testing::TestWithParam<Case> {};

TEST_P(FastWriter, WritesWhatTheSlowOneWrites) {
    const Traffic from = traffic(GetParam().pairs);
    Writer writer;
    writer.set(from, 5);
    for (std::size_t which = 0; which < from.sizes.size(); ++which) {
        for (std::uint64_t flow :
             {0ULL, 1ULL, 2ULL, 255ULL, 65535ULL, 999999ULL, 0xFFFFFFULL, 0x12345678ULL}) {
            std::array<std::uint8_t, kMaxHead> fast{};
            writer.write(fast.data(), which, flow, 0, 42);
            auto slow = flow_head(from, from.sizes[which], flow);
            const std::size_t compared = from.mark != 0 ? from.mark : from.head.size();
            if (from.l4_checksum) {
                const std::size_t at = from.l4 + (from.proto.starts_with("tcp") ? 16 : 6);
                slow[at] = fast[at];
                slow[at + 1] = fast[at + 1];
            }
            ASSERT_TRUE(
                std::equal(fast.begin(), fast.begin() + static_cast<std::ptrdiff_t>(compared), slow.begin()))
                << flow;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, FastWriter,
    testing::Values(
        Case{"plain", {}},
        Case{"tuple", {{"vary", "nw_src:24/nw_dst:20:0:3:2654435761/tp_src:14/tp_dst:14:0:20:40503"}}},
        Case{"gated",
             {{"flows", "1000"},
              {"vary", "dl_src:16/new.nw_src:32:0:8:11400714819323198485/new.tp_src:16"},
              {"nw_src", "0.0.0.0"}}},
        Case{"macs", {{"vary", "dl_dst:20/dl_src:20:0:1"}}},
        Case{"prefix",
             {{"vary", "nw_dst:10:8/nw_dst:8:0:10/tp_src:16:0:4"}, {"nw_dst", "10.0.0.0"}, {"nw_ttl", "7"}}},
        Case{"vlan", {{"vlan", "7"}, {"size", "128"}, {"vary", "vlan:10/nw_src:8/nw_tos:6:2"}}},
        Case{"six", {{"proto", "udp6"}, {"size", "128"}, {"vary", "ipv6_dst:32/ipv6_src:16/tp_src:16"}}},
        Case{"tcp", {{"proto", "tcp4"}, {"size", "100"}, {"vary", "nw_src:24/tp_src:16"}}},
        Case{"imix", {{"size", "imix"}, {"vary", "nw_src:24/tp_src:16"}}},
        Case{"vxlan",
             {{"tunnel", "vxlan"},
              {"size", "200"},
              {"vary", "tp_src:16/tun_id:10/in_nw_src:16/in_nw_dst:16/in_tp_src:8"}}}),
    [](const auto& each) { return each.param.name; });

TEST(Formula, OfNewFlowsLeavesTheOthersAlone) {
    const Traffic from = traffic({{"flows", "1000"}, {"vary", "new.tp_src:16"}, {"tp_src", "0"}});
    EXPECT_EQ(flow_head(from, 64, 999)[35], 0);
    EXPECT_EQ(flow_head(from, 64, 1000)[35], 1000 & 0xFF);
}

TEST(Writer, MarksFramesWithSourceFlowAndTime) {
    const Traffic from = traffic({});
    const auto frame = written(from, 77);
    std::array<std::uint64_t, 2> mark{};
    std::memcpy(mark.data(), frame.data() + from.mark, sizeof mark);
    EXPECT_EQ(from.mark, 42U);
    EXPECT_EQ(mark[0], kMarkMagic | std::uint64_t{5} << kMarkSourceShift | 77);
    EXPECT_EQ(mark[1], 0x1122334455667788U);
}

TEST(Writer, FillsInTheTcpChecksumOverTheMark) {
    const Traffic from = traffic({{"proto", "tcp4"}, {"size", "74"}, {"vary", "nw_src:24/tp_src:16"}});
    const auto frame = written(from, 12345);
    std::uint32_t sum = 6 + 36;  // protocol and length of the segment: header 20, mark 16
    for (std::size_t i = 26; i < 34 + 36; i += 2)
        sum += static_cast<std::uint32_t>(frame[i] << 8 | frame[i + 1]);
    while (sum >> 16 != 0)
        sum = (sum & 0xFFFF) + (sum >> 16);
    EXPECT_EQ(sum, 0xFFFFU);
}

TEST(Judge, AcceptsTheFrameWithTheExpectedChangesAndNoOther) {
    const Traffic from = traffic({{"vary", "nw_dst:10:8"}, {"nw_dst", "10.0.0.0"}});
    const Traffic sink =
        traffic({{"expect", "set:dl_dst:0x020000000a00:4/set:dl_src:0x020000000b00/dec_ttl"}});
    auto frame = written(from, 19);
    std::array<std::uint8_t, kMaxHead> want{};
    const auto verdict = [&] { return judge(from, sink.expect, 19, std::span(frame).first(60), 60, want); };
    EXPECT_EQ(verdict(), Verdict::kWrongBytes);
    const std::array<std::uint8_t, 12> addresses{2, 0, 0, 0, 0x0A, 3, 2, 0, 0, 0, 0x0B, 0};
    std::copy(addresses.begin(), addresses.end(), frame.begin());
    frame[22] = 63;
    EXPECT_EQ(verdict(), Verdict::kWrongBytes) << "the checksum is still the old one";
    frame[24] = static_cast<std::uint8_t>(frame[24] + 1);  // TTL is the high byte of its word
    EXPECT_EQ(verdict(), Verdict::kRight);
    frame[36] ^= 1;
    EXPECT_EQ(verdict(), Verdict::kWrongBytes);
}

TEST(Judge, KnowsWhichFlowsBelongToThePort) {
    const Traffic from = traffic({{"vary", "tp_src:16"}});
    const Traffic sink = traffic({{"expect", "port:1:1"}});
    const Traffic none = traffic({{"expect", "none"}});
    const Traffic others = traffic({{"expect", "not_port:1:1"}});
    std::array<std::uint8_t, kMaxHead> want{};
    const auto frame = written(from, 3);
    EXPECT_EQ(judge(from, sink.expect, 3, std::span(frame).first(60), 60, want), Verdict::kRight);
    EXPECT_EQ(judge(from, sink.expect, 2, std::span(frame).first(60), 60, want), Verdict::kWrongPort);
    EXPECT_EQ(judge(from, others.expect, 2, std::span(frame).first(42), 60, want), Verdict::kWrongBytes)
        << "those of flow 3";
    EXPECT_EQ(judge(from, others.expect, 3, std::span(frame).first(60), 60, want), Verdict::kWrongPort);
    EXPECT_EQ(judge(from, none.expect, 3, std::span(frame).first(60), 60, want), Verdict::kWrongPort);
}

TEST(Judge, FollowsTagsThatAreAdded) {
    const Traffic from = traffic({});
    const Traffic sink = traffic({{"expect", "push_vlan:7/dec_ttl"}});
    auto frame = written(from, 3);
    std::memmove(frame.data() + 16, frame.data() + 12, 60);
    const std::array<std::uint8_t, 4> tag{0x81, 0, 0, 7};
    std::copy(tag.begin(), tag.end(), frame.begin() + 12);
    frame[26] = 63;
    frame[28] = static_cast<std::uint8_t>(frame[28] + 1);
    std::array<std::uint8_t, kMaxHead> want{};
    EXPECT_EQ(judge(from, sink.expect, 3, std::span(frame).first(64), 64, want), Verdict::kRight);
    EXPECT_EQ(growth(sink.expect), 4);
}

TEST(Picker, DividesTheFlowsAmongTheQueues) {
    const Traffic from = traffic({{"order", "seq"}});
    std::set<std::uint64_t> seen;
    for (std::uint64_t q = 0; q < 3; ++q) {
        Picker picker;
        picker.set(from, 10, 0, q, 3);
        std::array<std::uint64_t, 8> out{};
        EXPECT_EQ(picker.pick(out.data(), out.size()), 0U);
        for (const std::uint64_t flow : out) {
            EXPECT_EQ(flow % 3, q);
            seen.insert(flow);
        }
    }
    EXPECT_EQ(seen.size(), 10U);
    EXPECT_EQ(*seen.rbegin(), 9U);
}

TEST(Picker, IsUniformWhenRandom) {
    const Traffic from = traffic({});
    Picker picker;
    picker.set(from, 100, 0, 0, 1);
    std::vector<std::uint64_t> out(100'000);
    EXPECT_EQ(picker.pick(out.data(), out.size()), 0U);
    std::map<std::uint64_t, int> count;
    for (const std::uint64_t flow : out)
        ++count[flow];
    ASSERT_EQ(count.size(), 100U);
    for (const auto& [flow, n] : count)
        EXPECT_NEAR(n, 1000, 200) << flow;
}

TEST(Picker, GivesNewFlowsTheirShareAndNeverTwice) {
    const Traffic from = traffic({});
    Picker picker;
    picker.set(from, 100, std::uint64_t{1} << 30, 0, 1);  // a quarter
    std::vector<std::uint64_t> out(100'000);
    const std::uint64_t fresh = picker.pick(out.data(), out.size());
    std::set<std::uint64_t> seen;
    for (const std::uint64_t flow : out) {
        if (flow < 100) continue;
        EXPECT_TRUE(seen.insert(flow).second);
    }
    EXPECT_EQ(seen.size(), fresh);
    EXPECT_NEAR(static_cast<double>(fresh), 25'000, 1'000);
    picker.set(from, 100, std::uint64_t{1} << 32, 0, 1);
    EXPECT_EQ(picker.pick(out.data(), out.size()), out.size());
    EXPECT_EQ(seen.count(out[0]), 0U);
}

TEST(Zipf, FollowsItsLaw) {
    Zipf zipf;
    constexpr std::uint64_t kFlows = 1'000'000;
    zipf.build(kFlows, 1.0);
    Random random(1);
    constexpr int kDraws = 2'000'000;
    std::array<int, 4> decade{};  // ranks below 10, 100, 1000, 10000
    for (int i = 0; i < kDraws; ++i) {
        const std::uint64_t rank = zipf(random());
        ASSERT_LT(rank, kFlows);
        for (std::size_t d = 0; d < decade.size(); ++d)
            if (rank < static_cast<std::uint64_t>(std::pow(10, d + 1))) ++decade[d];
    }
    const auto harmonic = [](std::uint64_t n) {
        double sum = 0;
        for (std::uint64_t i = 1; i <= n; ++i)
            sum += 1.0 / static_cast<double>(i);
        return sum;
    };
    for (std::size_t d = 0; d < decade.size(); ++d) {
        const double want = harmonic(static_cast<std::uint64_t>(std::pow(10, d + 1))) / harmonic(kFlows);
        EXPECT_NEAR(static_cast<double>(decade[d]) / kDraws, want, 0.01) << d;
    }
}

TEST(Buckets, AreOrderedAndExactToAThirtySecond) {
    std::size_t before = 0;
    for (std::uint64_t ticks = 0; ticks < 1'000'000; ticks += 1 + ticks / 100) {
        const std::size_t bucket = bucket_of(ticks);
        ASSERT_GE(bucket, before);
        ASSERT_LT(bucket, kBuckets);
        before = bucket;
    }
    EXPECT_EQ(bucket_of(~std::uint64_t{0}), kBuckets - 1);
    EXPECT_EQ(bucket_of(31), 31U);
    EXPECT_EQ(bucket_of(32), 32U);
    EXPECT_EQ(bucket_of(63), 63U);
    EXPECT_EQ(bucket_of(64), 64U);
}

TEST(Arguments, ThatAreWrongAreNamed) {
    EXPECT_NE(error_of({{"size", "63"}}).find("size=63 is not a number from 64 to 9018"), std::string::npos);
    EXPECT_NE(error_of({{"proto", "sctp4"}}).find("proto=sctp4"), std::string::npos);
    EXPECT_NE(error_of({{"order", "zipf"}}).find("order=zipf"), std::string::npos);
    EXPECT_NE(error_of({{"vary", "ipv6_dst:8"}}).find("no field ipv6_dst"), std::string::npos);
    EXPECT_NE(error_of({{"vary", "tp_src:17"}}).find("beyond the 16 bits of tp_src"), std::string::npos);
    EXPECT_NE(error_of({{"vary", "tp_src"}}).find("needs BITS"), std::string::npos);
    EXPECT_NE(error_of({{"vary",
                         "tp_src:1/tp_src:1/tp_src:1/tp_src:1/tp_src:1/tp_src:1/tp_src:1/tp_src:1/tp_src:1"}})
                  .find("9 items"),
              std::string::npos);
    EXPECT_NE(error_of({{"expect", "set:dl_dst"}}).find("expect=set:dl_dst"), std::string::npos);
    EXPECT_NE(error_of({{"new_share", "2"}}).find("new_share=2"), std::string::npos);
    EXPECT_NE(error_of({{"proto", "tcp6"}, {"size", "64"}}).find("size=64 is less than the 78 bytes"),
              std::string::npos);
    EXPECT_NE(error_of({{"speed", "1"}}).find("no argument speed"), std::string::npos);
    EXPECT_NE(error_of({{"dl_src", "02:00:00:00:00:100"}}).find("dl_src"), std::string::npos);
    EXPECT_NE(error_of({{"tunnel", "gre"}}).find("tunnel=gre"), std::string::npos);
    EXPECT_NE(error_of({{"tunnel", "vxlan"}, {"proto", "udp6"}}).find("carries IPv4"), std::string::npos);
}

}  // namespace
}  // namespace sluice::gen
