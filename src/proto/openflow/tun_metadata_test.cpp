// SPDX-License-Identifier: Apache-2.0
// tun_metadataN in messages: they mean what the bridge's TLV table says, and nothing without it.
#include <algorithm>

#include <gtest/gtest.h>

#include "flow/action_text.hpp"
#include "flow/match_text.hpp"
#include "proto/openflow/codec.hpp"

namespace sluice::openflow {
namespace {

TunTable table() {
    TunTable tun;
    EXPECT_EQ(tun.add({0xffff, 0, 4, 0}), TunTable::Refusal::kNone);
    EXPECT_EQ(tun.add({0xffff, 1, 20, 1}), TunTable::Refusal::kNone);
    return tun;
}

FlowMod flow(const Match& match, std::string_view actions) {
    FlowMod mod;
    mod.command = FlowCommand::kAdd;
    mod.table = 1;
    mod.match = match;
    if (!actions.empty()) mod.actions = parse_actions(actions).value();
    return mod;
}

/// What a flow-mod with `match` and `actions` is after a trip over the wire, as text.
std::string travelled(Version version, std::string_view fields, std::string_view actions) {
    const TunTable tun = table();
    DecodeOptions options;
    options.flow_mod_table_id = true;
    options.tun = &tun;
    Match match;
    text::KeyValue item;
    while (text::next_key_value(fields, item))
        EXPECT_TRUE(parse_match_item(item, match, nullptr, &tun));
    const auto bytes = encode({version, 1, flow(match, actions)}, options);
    if (!bytes) return bytes.error().message;
    const auto back = decode(*bytes, options);
    if (!back) return std::string(error_name(back.error().code));
    const auto& mod = std::get<FlowMod>(back->body);
    return format_match(mod.match, nullptr, &tun) + " " + format_actions(mod.actions);
}

TEST(TunMetadata, TravelsInMatchesAndActions) {
    for (std::uint8_t number = 3; number <= 6; ++number) {  // before 1.2 a match is a structure without them
        const Version version{number};
        for (const std::string match :
             {"tun_metadata0=0x1234", "tun_metadata0=0x5/0xf", "tun_metadata0", "tun_metadata0=0",
              "tun_metadata1=0x102030405060708090a0b0c0d0e0f1011121314"}) {
            EXPECT_EQ(travelled(version, match, "output:1"), match + " output:1") << int{number};
        }
        for (const std::string actions :
             {"set_field:0x7->tun_metadata0", "set_field:0->tun_metadata0", "delete_field:tun_metadata1",
              "set_field:0x102030405060708090a0b0c0d->tun_metadata1",
              "move:NXM_NX_TUN_METADATA1[100..131]->NXM_NX_REG0[]"}) {
            EXPECT_EQ(travelled(version, "", actions), " " + actions) << int{number};
        }
    }
}

TEST(TunMetadata, BitsBeyondTheOptionAreRefused) {
    EXPECT_EQ(travelled(Version::k13, "", "move:NXM_NX_TUN_METADATA0[0..32]->NXM_NX_XXREG0[0..32]"),
              "OFPBAC_BAD_SET_LEN");
}

TEST(TunMetadata, WithoutATableTheFieldIsRefused) {
    const TunTable tun = table();
    DecodeOptions with;
    with.tun = &tun;
    Match match;
    tun.set(match, 0, std::array<std::uint8_t, 1>{1}, std::array<std::uint8_t, 1>{1});
    for (const auto& mod : {flow(match, "output:1"), flow({}, "set_field:0x7->tun_metadata0"),
                            flow({}, "push:NXM_NX_TUN_METADATA0[]")}) {
        const auto bytes = encode({Version::k14, 1, mod}, with);
        ASSERT_TRUE(bytes);
        const auto back = decode(*bytes);
        ASSERT_FALSE(back);
        EXPECT_EQ(back.error().code, ErrorCode::kNxfmfcInvalidTlvField);
    }
}

// As ovs-ofctl writes it: the field follows the subtype at once.
TEST(TunMetadata, LoadOfAWideFieldIsLaidOutAsInOvs) {
    const auto bytes =
        encode({Version::k10, 1, flow({}, "set_field:0x7->tun_metadata0")}, {.flow_mod_table_id = true});
    ASSERT_TRUE(bytes);
    const Bytes load2{0xff, 0xff, 0, 16, 0, 0, 0x23, 0x20, 0, 33, 0, 1, 0x50, 1, 7, 0};
    EXPECT_NE(std::search(bytes->begin(), bytes->end(), load2.begin(), load2.end()), bytes->end());
}

}  // namespace
}  // namespace sluice::openflow
