// SPDX-License-Identifier: Apache-2.0
// Hash and clock.
#include <set>
#include <vector>

#include <gtest/gtest.h>

#include "base/clock.hpp"
#include "base/hash.hpp"

namespace sluice {
namespace {

TEST(Hash, DependsOnKeyLengthAndEveryWord) {
    const auto a = make_hash_key(1), b = make_hash_key(2);
    std::vector<std::uint64_t> words(9, 0);
    EXPECT_NE(hash_words(a, words.data(), 9), hash_words(b, words.data(), 9));
    std::set<std::uint64_t> seen;
    for (std::size_t n = 0; n <= words.size(); ++n)
        EXPECT_TRUE(seen.insert(hash_words(a, words.data(), n)).second) << n;
    for (std::size_t i = 0; i < words.size(); ++i)
        for (unsigned bit = 0; bit < 64; ++bit) {
            auto changed = words;
            changed[i] ^= std::uint64_t{1} << bit;
            EXPECT_TRUE(seen.insert(hash_words(a, changed.data(), changed.size())).second);
        }
}

TEST(Hash, SpreadsCountersOverTheLowBits) {
    const auto& key = process_hash_key();
    std::vector<unsigned> buckets(256);
    for (std::uint64_t i = 0; i < 256 * 64; ++i)
        ++buckets[hash_word(key, i) & 255];
    for (const auto count : buckets) {
        EXPECT_GT(count, 16U);
        EXPECT_LT(count, 160U);
    }
}

TEST(Hash, BytesAtAnyAlignmentAndLengthAgree) {
    const auto key = make_hash_key(3);
    const std::string text = "x0123456789abcdef0123456789";
    for (std::size_t n = 0; n < text.size(); ++n) {
        const auto copy = text.substr(1, n);
        EXPECT_EQ(hash_bytes(key, text.data() + 1, copy.size()), hash_bytes(key, copy.data(), copy.size()));
    }
}

TEST(Clock, MonotonicNeverGoesBack) {
    const auto first = clock::now_ns();
    EXPECT_LE(first, clock::now_ns());
    EXPECT_GT(clock::wall_ms(), 1'600'000'000'000);
}

}  // namespace
}  // namespace sluice
