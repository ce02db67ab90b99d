// SPDX-License-Identifier: Apache-2.0
#include "flow/tun_table.hpp"

#include <gtest/gtest.h>

namespace sluice {
namespace {

using Refusal = TunTable::Refusal;

TEST(TunTable, refuses_what_ovs_refuses) {
    TunTable table;
    EXPECT_EQ(table.add({0x102, 0x80, 4, 0}), Refusal::kNone);
    EXPECT_EQ(table.add({0x102, 0x81, 4, 0}), Refusal::kAlreadyMapped);
    EXPECT_EQ(table.add({0x102, 0x80, 4, 1}), Refusal::kDuplicateEntry);
    EXPECT_EQ(table.add({0x102, 0x82, 6, 1}), Refusal::kBadOptionLength);
    EXPECT_EQ(table.add({0x102, 0x82, 128, 1}), Refusal::kBadOptionLength);
    EXPECT_EQ(table.add({0x102, 0x82, 4, 64}), Refusal::kBadFieldIndex);
    EXPECT_EQ(table.add({0x102, 0x83, 124, 1}), Refusal::kNone);
    EXPECT_EQ(table.add({0x102, 0x84, 124, 2}), Refusal::kNone);
    EXPECT_EQ(table.add({0x102, 0x85, 8, 3}), Refusal::kTableFull);
    EXPECT_EQ(table.add({0x102, 0x85, 4, 3}), Refusal::kNone);
    EXPECT_EQ(table.used_bytes(), 256U);
    EXPECT_TRUE(table.remove(1));
    EXPECT_FALSE(table.remove(1));
    EXPECT_EQ(table.add({0x102, 0x84, 124, 1}), Refusal::kDuplicateEntry);
    EXPECT_EQ(table.add({0x102, 0x86, 120, 1}), Refusal::kNone);
    EXPECT_EQ(table.mappings().size(), 4U);
    EXPECT_EQ(table.add({0x102, 0x87, 0, 9}), Refusal::kNone);
    table.clear();
    EXPECT_EQ(table.used_bytes(), 0U);
}

TEST(TunTable, holds_64_options_of_4_bytes) {
    TunTable table;
    for (std::uint16_t i = 0; i < 64; ++i)
        ASSERT_EQ(table.add({1, static_cast<std::uint8_t>(i), 4, i}), Refusal::kNone);
    EXPECT_EQ(table.used_bytes(), 256U);
    FlowKey key;
    for (unsigned i = 0; i < 64; ++i)
        table.set(key, i, std::array<std::uint8_t, 2>{static_cast<std::uint8_t>(i), 7});
    for (unsigned i = 0; i < 64; ++i) {
        const auto loc = table.loc(
            {static_cast<FieldId>(static_cast<unsigned>(field_by_name("tun_metadata0")) + i), 0, 32});
        ASSERT_TRUE(loc);
        EXPECT_EQ(key.get(*loc), i << 8 | 7U);
        EXPECT_EQ(table.get(key, i), (std::vector<std::uint8_t>{0, 0, static_cast<std::uint8_t>(i), 7}));
    }
    EXPECT_EQ(key.get(key::kTunPresent), ~std::uint64_t{0});
}

TEST(TunTable, says_where_sub_fields_lie) {
    TunTable table;
    ASSERT_EQ(table.add({1, 1, 4, 5}), Refusal::kNone);
    ASSERT_EQ(table.add({1, 2, 16, 6}), Refusal::kNone);
    FlowKey key;
    const std::array<std::uint8_t, 16> value{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    table.set(key, 6, value);
    table.set(key, 5, std::array<std::uint8_t, 4>{0xaa, 0xbb, 0xcc, 0xdd});
    const FieldId five = field_by_name("tun_metadata5"), six = field_by_name("tun_metadata6");
    EXPECT_EQ(key.get(*table.loc({five, 16, 15})), 0x2abbU);
    EXPECT_EQ(key.get(*table.loc({six, 0, 16})), 0x0f10U);
    EXPECT_EQ(key.get(*table.loc({six, 64, 64})), 0x0102030405060708U);
    EXPECT_FALSE(table.loc({six, 60, 8}));
    EXPECT_FALSE(table.loc({five, 16, 17}));
    EXPECT_FALSE(table.loc({field_by_name("tun_metadata7"), 0, 1}));
}

TEST(TunTable, a_match_demands_that_the_option_is_there) {
    TunTable table;
    ASSERT_EQ(table.add({1, 1, 4, 0}), Refusal::kNone);
    Match match;
    table.set(match, 0, std::array<std::uint8_t, 1>{0}, std::array<std::uint8_t, 1>{0x0f});
    FlowKey key;
    EXPECT_FALSE(match.matches(key));
    table.set(key, 0, std::array<std::uint8_t, 1>{0x30});
    EXPECT_TRUE(match.matches(key));
    table.set(key, 0, std::array<std::uint8_t, 1>{0x31});
    EXPECT_FALSE(match.matches(key));
}

}  // namespace
}  // namespace sluice
