// SPDX-License-Identifier: Apache-2.0
#include "flow/bucket_choice.hpp"

#include <gtest/gtest.h>

#include "flow/random.hpp"

namespace sluice {
namespace {

constexpr auto kAllLive = [](std::size_t) { return true; };

TEST(BucketChoice, parts_follow_the_weights) {
    const WeightSums sums = {100, 100, 300, 1000};  // weights 100, 0, 200, 700
    Random random(1);
    std::array<unsigned, 4> count{};
    for (unsigned n = 0; n < 100'000; ++n)
        ++count[*choose_bucket(random.next(), sums, kAllLive)];
    EXPECT_NEAR(count[0], 10'000, 500);
    EXPECT_EQ(count[1], 0U);
    EXPECT_NEAR(count[2], 20'000, 700);
    EXPECT_NEAR(count[3], 70'000, 900);
}

TEST(BucketChoice, only_flows_of_a_dead_bucket_move_and_by_weight) {
    const WeightSums sums = {100, 200, 600};
    Random random(2);
    std::array<unsigned, 3> moved{};
    unsigned dead = 0;
    for (unsigned n = 0; n < 100'000; ++n) {
        const std::uint64_t hash = random.next();
        const auto before = *choose_bucket(hash, sums, kAllLive);
        const auto after = *choose_bucket(hash, sums, [](std::size_t i) { return i != 2; });
        EXPECT_NE(after, 2U);
        if (before != 2) {
            EXPECT_EQ(after, before);
        } else {
            ++dead;
            ++moved[after];
        }
    }
    EXPECT_NEAR(moved[0], dead / 2.0, 800);
    EXPECT_NEAR(moved[1], dead / 2.0, 800);
}

TEST(BucketChoice, without_weights_the_last_live_bucket_is_taken) {
    const WeightSums sums = {0, 0, 0};
    EXPECT_EQ(choose_bucket(5, sums, kAllLive), 2U);
    EXPECT_EQ(choose_bucket(5, sums, [](std::size_t i) { return i != 2; }), 1U);
    EXPECT_FALSE(choose_bucket(5, sums, [](std::size_t) { return false; }));
    EXPECT_FALSE(choose_bucket(5, WeightSums{}, kAllLive));
    // A live bucket without weight takes the flows of dead ones rather than nobody.
    EXPECT_EQ(choose_bucket(5, WeightSums{7, 7}, [](std::size_t i) { return i == 1; }), 1U);
}

FlowKey tcp(std::uint32_t src, std::uint32_t dst, std::uint16_t from, std::uint16_t to) {
    FlowKey flow;
    flow.set(key::kEthType, 0x0800);
    flow.set(key::kIpProto, 6);
    flow.set(key::kEthSrc, src);
    flow.set(key::kEthDst, dst);
    flow.set(key::kIpv4Src, src);
    flow.set(key::kIpv4Dst, dst);
    flow.set(key::kTpSrc, from);
    flow.set(key::kTpDst, to);
    return flow;
}

TEST(SelectHash, the_default_is_the_same_in_both_directions) {
    const SelectHash hash = SelectHash::from({});
    EXPECT_EQ(hash(tcp(1, 2, 80, 1024)), hash(tcp(2, 1, 1024, 80)));
    EXPECT_NE(hash(tcp(1, 2, 80, 1024)), hash(tcp(1, 2, 80, 1025)));
    const SelectHash one_way = SelectHash::from({"dp_hash", 0, {}});
    EXPECT_NE(one_way(tcp(1, 2, 80, 1024)), one_way(tcp(2, 1, 1024, 80)));
    const SelectHash symmetric = SelectHash::from({"dp_hash", std::uint64_t{1} << 32, {}});
    EXPECT_EQ(symmetric(tcp(1, 2, 80, 1024)), symmetric(tcp(2, 1, 1024, 80)));
}

TEST(SelectHash, fragments_of_a_packet_go_together) {
    const SelectHash hash = SelectHash::from({});
    FlowKey first = tcp(1, 2, 80, 1024), later = tcp(1, 2, 0, 0);
    first.set(key::kIpFrag, kFragAny);
    later.set(key::kIpFrag, kFragAny | kFragLater);
    EXPECT_EQ(hash(first), hash(later));
}

TEST(SelectHash, only_the_bits_named_count) {
    const GroupProperties source{
        "hash", 7, {{field_by_name("ip_src"), {0, 0xffffff00}}, {field_by_name("udp_dst"), {0, 0xffff}}}};
    const SelectHash hash = SelectHash::from(source);
    EXPECT_EQ(hash(tcp(0x0a000001, 2, 80, 1)), hash(tcp(0x0a0000ff, 3, 81, 2)));
    EXPECT_NE(hash(tcp(0x0a000001, 2, 80, 1)), hash(tcp(0x0a000101, 2, 80, 1)));
    // The parameter makes another hash of the same fields.
    GroupProperties other = source;
    other.selection_param = 8;
    EXPECT_NE(hash(tcp(0x0a000001, 2, 80, 1)), SelectHash::from(other)(tcp(0x0a000001, 2, 80, 1)));
}

}  // namespace
}  // namespace sluice
