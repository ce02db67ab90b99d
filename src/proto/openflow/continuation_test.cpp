// SPDX-License-Identifier: Apache-2.0
#include "proto/openflow/continuation.hpp"

#include <gtest/gtest.h>

#include "flow/action_text.hpp"
#include "flow/flow_text.hpp"

namespace sluice::openflow {
namespace {

ActionList actions(std::string_view text) {
    auto parsed = parse_actions(text);
    EXPECT_TRUE(parsed) << text << ": " << parsed.error().message;
    return parsed ? std::move(parsed.value()) : ActionList{};
}

Continuation sample() {
    Continuation c;
    for (std::uint8_t i = 0; i < 16; ++i)
        c.bridge[i] = i;
    c.frames.push_back({3, 0x77, actions("load:0x5->NXM_NX_REG1[],resubmit(,4)")});
    c.frames.push_back({0, 0, actions("output:2,clone(output:3,output:4)")});
    c.frames.push_back({9, ~std::uint64_t{0}, actions("output:1,write_actions(output:5),goto_table:12")});
    c.action_set = actions("output:3");
    c.mirrors = 0x80000001;
    c.stack = {{0, 5}, {0, 0}, {0xffffffffffffffff, 1}};
    return c;
}

void expect_same(const Continuation& a, const Continuation& b) {
    EXPECT_EQ(a.bridge, b.bridge);
    EXPECT_EQ(a.stack, b.stack);
    EXPECT_EQ(a.mirrors, b.mirrors);
    EXPECT_EQ(format_actions(a.action_set), format_actions(b.action_set));
    ASSERT_EQ(a.frames.size(), b.frames.size());
    for (std::size_t i = 0; i < a.frames.size(); ++i) {
        EXPECT_EQ(a.frames[i].table, b.frames[i].table);
        EXPECT_EQ(a.frames[i].cookie, b.frames[i].cookie);
        EXPECT_EQ(format_actions(a.frames[i].actions), format_actions(b.frames[i].actions));
    }
}

TEST(Continuation, ComesBackAsItWent) {
    for (std::uint8_t version = 1; version <= 6; ++version) {
        const Bytes bytes = encode_continuation(sample(), Version{version});
        ASSERT_FALSE(bytes.empty());
        const auto back = decode_continuation(bytes, Version{version});
        ASSERT_TRUE(back) << back.error().detail;
        const Bytes again = encode_continuation(*back, Version{version});
        EXPECT_EQ(again, bytes);
    }
    const auto back = decode_continuation(encode_continuation(sample(), Version::k13), Version::k13);
    ASSERT_TRUE(back);
    expect_same(*back, sample());
}

TEST(Continuation, GotoTableTravelsAsResubmit) {
    Continuation c;
    c.frames.push_back({0, 0, actions("output:1,goto_table:5")});
    const auto back = decode_continuation(encode_continuation(c, Version::k13), Version::k13);
    ASSERT_TRUE(back);
    EXPECT_EQ(format_actions(back->frames[0].actions), "output:1,resubmit(,5)");
}

TEST(Continuation, CutAndAlteredOnesNeverCrash) {
    const Bytes whole = encode_continuation(sample(), Version::k15);
    for (std::size_t size = 0; size < whole.size(); ++size)
        (void)decode_continuation(std::span(whole).first(size), Version::k15);
    std::size_t refused = 0;
    for (std::size_t at = 0; at < whole.size(); ++at) {
        for (const int value : {0x00, 0x7f, 0xff}) {
            Bytes altered = whole;
            altered[at] = static_cast<std::uint8_t>(value);
            refused += !decode_continuation(altered, Version::k15);
        }
    }
    EXPECT_GT(refused, 50U);
}

TEST(Continuation, UnknownPartsAreRefused) {
    const Bytes unknown = {0x80, 0x77, 0, 8, 0, 0, 0, 0};
    const auto result = decode_continuation(unknown, Version::k15);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::kBpcBadType);
    const Bytes empty_number = {0x80, 0x01, 0, 4, 0, 0, 0, 0};
    EXPECT_FALSE(decode_continuation(empty_number, Version::k15));
}

}  // namespace
}  // namespace sluice::openflow
