// SPDX-License-Identifier: Apache-2.0
#include "pipeline/meter.hpp"

#include <numeric>
#include <thread>

#include <gtest/gtest.h>

namespace sluice::pipeline {
namespace {

/// Claims one packet of `cost`; did it pass?
bool pass(TokenBucket& bucket, std::uint64_t now_ms, std::uint64_t cost) {
    return bucket.claim(now_ms, &cost, 1) == 0;
}

TEST(TokenBucket, starts_full_refills_with_time_and_never_above_its_size) {
    TokenBucket bucket(1000, 3, 50'000);  // 1000 packets/s, 3 at once
    for (int n = 0; n < 3; ++n)
        EXPECT_TRUE(pass(bucket, 50'000, 1000));
    EXPECT_FALSE(pass(bucket, 50'000, 1000));
    EXPECT_TRUE(pass(bucket, 50'001, 1000));
    EXPECT_FALSE(pass(bucket, 50'001, 1000));
    for (int n = 0; n < 3; ++n)
        EXPECT_TRUE(pass(bucket, 90'000, 1000));
    EXPECT_FALSE(pass(bucket, 90'000, 1000));
}

TEST(TokenBucket, takes_what_fits_of_a_burst_in_order) {
    TokenBucket bucket(10, 2, 0);  // 2000 bits
    const std::uint64_t cost[] = {800, 1600, 800, 400, 400};
    EXPECT_EQ(bucket.claim(0, cost, 5), 0b10010U);
}

TEST(TokenBucket, a_clock_behind_anothers_gets_nothing_and_harms_nothing) {
    TokenBucket bucket(1000, 1, 0);
    EXPECT_TRUE(pass(bucket, 100, 1000));
    EXPECT_FALSE(pass(bucket, 98, 1000));
    EXPECT_TRUE(pass(bucket, 101, 1000));
}

TEST(TokenBucket, is_right_after_years_and_at_the_highest_rate) {
    TokenBucket bucket(100'000'000, 1000, 0);  // 100 Gbit/s
    const std::uint64_t year_ms = 365ULL * 86'400'000;
    EXPECT_TRUE(pass(bucket, 5 * year_ms, 1'000'000));
    EXPECT_FALSE(pass(bucket, 5 * year_ms, 1'000'000));
    TokenBucket fastest(~0U, ~0U, 1'000'000);
    EXPECT_TRUE(pass(fastest, 1'000'000 + 86'400'000, 12'000));
}

TEST(TokenBucket, threads_together_get_the_rate_of_one) {
    constexpr unsigned kThreads = 4;
    TokenBucket bucket(1000, 10, 0);
    std::atomic<std::uint64_t> now{0};
    std::atomic<bool> stop{false};
    std::array<std::uint64_t, kThreads> passed{};
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < kThreads; ++t) {
        threads.emplace_back([&, t] {
            std::uint64_t cost[32];
            std::fill(std::begin(cost), std::end(cost), 1000);
            while (!stop.load()) {
                const auto refused = bucket.claim(now.load(), cost, 32);
                passed[t] += 32U - static_cast<unsigned>(__builtin_popcount(refused));
            }
            passed[t] += 32U - static_cast<unsigned>(__builtin_popcount(bucket.claim(now.load(), cost, 32)));
        });
    }
    for (unsigned step = 1; step <= 200; ++step) {
        now.store(step);
        std::this_thread::yield();
    }
    stop.store(true);
    for (auto& thread : threads)
        thread.join();
    // 10 at first and one each of 200 ms; those of a moment when nobody asked for more than 10 ms are lost.
    const auto sum = std::accumulate(passed.begin(), passed.end(), std::uint64_t{0});
    EXPECT_LE(sum, 210U);
    EXPECT_GE(sum, 10U);
}

TEST(Remark, raises_the_drop_precedence_of_assured_forwarding_only) {
    constexpr auto tos = [](unsigned dscp, unsigned ecn = 0) {
        return static_cast<std::uint8_t>(dscp << 2 | ecn);
    };
    EXPECT_EQ(remark(tos(10, 3), 1), tos(12, 3));  // AF11 to AF12
    EXPECT_EQ(remark(tos(10), 2), tos(14));        // AF11 to AF13
    EXPECT_EQ(remark(tos(36), 5), tos(38));        // AF42 to AF43
    EXPECT_EQ(remark(tos(38), 0), tos(38));
    for (const unsigned other : {0U, 46U, 8U, 40U, 48U, 11U, 63U})
        EXPECT_EQ(remark(tos(other), 1), tos(other)) << other;
}

}  // namespace
}  // namespace sluice::pipeline
