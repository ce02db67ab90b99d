// SPDX-License-Identifier: Apache-2.0
#include "worker/spin_policy.hpp"

#include <gtest/gtest.h>

namespace sluice::worker {
namespace {

constexpr std::uint64_t kUs = 1000;  // cycles

/// Packets every `pause_us`, each dealt with in 1 us, from `now` on.
std::uint64_t feed(SpinPolicy& policy, std::uint64_t now, unsigned count, std::uint64_t pause_us) {
    for (unsigned i = 0; i < count; ++i) {
        now += pause_us * kUs;
        policy.busy(now, now + kUs);
        now += kUs;
    }
    return now;
}

TEST(SpinPolicy, WaitsAwakeAfterDenseTrafficAndSleepsAtOnceAfterSparseTraffic) {
    SpinPolicy policy{kUs};
    std::uint64_t now = feed(policy, 0, 100, SpinPolicy::kDenseUs / 2);
    EXPECT_FALSE(policy.may_sleep(now + (SpinPolicy::kMostUs - 1) * kUs));
    EXPECT_TRUE(policy.may_sleep(now + SpinPolicy::kMostUs * kUs));
    now = feed(policy, now, 100, SpinPolicy::kDenseUs * 2);
    EXPECT_FALSE(policy.may_sleep(now + (SpinPolicy::kLeastUs - 1) * kUs));
    EXPECT_TRUE(policy.may_sleep(now + SpinPolicy::kLeastUs * kUs));
}

TEST(SpinPolicy, OnePauseDoesNotMakeDenseTrafficSparseForLong) {
    SpinPolicy policy{kUs};
    std::uint64_t now = feed(policy, 0, 100, 10);
    now = feed(policy, now, 1, 1000000);  // a second; counts as kCapUs
    EXPECT_TRUE(policy.may_sleep(now + SpinPolicy::kLeastUs * kUs));
    now = feed(policy, now, 30, 10);
    EXPECT_FALSE(policy.may_sleep(now + (SpinPolicy::kMostUs - 1) * kUs));
}

TEST(SpinPolicy, AWakeWithoutPacketsSoonSleepsAgain) {
    SpinPolicy policy{kUs};
    const std::uint64_t now = feed(policy, 0, 100, 10) + 5000 * kUs;
    policy.woke(now);
    EXPECT_FALSE(policy.may_sleep(now));
    EXPECT_TRUE(policy.may_sleep(now + SpinPolicy::kLeastUs * kUs));
}

TEST(SpinPolicy, AFreshWorkerSleepsSoon) {
    SpinPolicy policy{kUs};
    policy.busy(10 * kUs, 11 * kUs);
    EXPECT_TRUE(policy.may_sleep(16 * kUs));
}

}  // namespace
}  // namespace sluice::worker
