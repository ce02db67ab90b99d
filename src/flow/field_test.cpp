// SPDX-License-Identifier: Apache-2.0
// The field table is consistent; fields read, write and check their prerequisites as OVS does.
#include "flow/field.hpp"

#include <set>
#include <string>

#include <gtest/gtest.h>

namespace sluice {
namespace {

const FieldInfo& info(std::string_view name) {
    const FieldId id = field_by_name(name);
    EXPECT_NE(id, kNoField) << name;
    return field_info(id);
}

TEST(FieldTable, names_and_headers_are_unique_and_found) {
    std::set<std::string_view> names;
    std::set<std::string> headers;
    for (const auto& field : all_fields()) {
        EXPECT_TRUE(names.insert(field.name).second) << field.name;
        EXPECT_EQ(field_by_name(field.name), field_id(field));
        if (!field.extra_name.empty()) {
            EXPECT_TRUE(names.insert(field.extra_name).second) << field.extra_name;
            EXPECT_EQ(field_by_name(field.extra_name), field_id(field));
        }
        for (const auto& h : field.oxm) {
            EXPECT_TRUE(headers.insert(fmt::format("{:x}.{}.{:x}", h.clazz, h.field, h.experimenter)).second)
                << h.name;
            EXPECT_EQ(field_by_oxm(h.clazz, h.field, h.experimenter), field_id(field));
            EXPECT_EQ(field_by_name(h.name), field_id(field));
            EXPECT_LE(h.field, 127);
        }
    }
    EXPECT_EQ(all_fields().size(), 183u);
    EXPECT_EQ(field_by_name("no_such_field"), kNoField);
    EXPECT_EQ(field_by_oxm(0x8000, 127), kNoField);
}

TEST(FieldTable, each_version_has_its_header) {
    struct Case {
        std::string_view field;
        std::uint8_t version;
        std::string_view header;
    };
    const Case cases[] = {
        {"eth_dst", 0x01, "NXM_OF_ETH_DST"},     {"eth_dst", 0x02, "NXM_OF_ETH_DST"},
        {"eth_dst", 0x03, "OXM_OF_ETH_DST"},     {"eth_dst", 0x06, "OXM_OF_ETH_DST"},
        {"tcp_flags", 0x03, "NXM_NX_TCP_FLAGS"}, {"tcp_flags", 0x04, "ONFOXM_ET_TCP_FLAGS"},
        {"tcp_flags", 0x06, "OXM_OF_TCP_FLAGS"}, {"reg3", 0x06, "NXM_NX_REG3"},
        {"xreg2", 0x01, "OXM_OF_PKT_REG2"},      {"xxreg3", 0x06, "NXM_NX_XXREG3"},
        {"tun_id", 0x03, "NXM_NX_TUN_ID"},       {"tun_id", 0x04, "OXM_OF_TUNNEL_ID"},
        {"sctp_src", 0x01, "OXM_OF_SCTP_SRC"},   {"actset_output", 0x05, "ONFOXM_ET_ACTSET_OUTPUT"},
        {"nw_tos", 0x06, "NXM_OF_IP_TOS"},       {"packet_type", 0x06, "OXM_OF_PACKET_TYPE"},
    };
    for (const auto& c : cases) {
        const OxmHeader* header = oxm_header(info(c.field), c.version);
        ASSERT_NE(header, nullptr);
        EXPECT_EQ(header->name, c.header) << c.field << " in version " << int{c.version};
    }
    EXPECT_EQ(oxm_header(info("dl_vlan"), 0x01), nullptr);
    EXPECT_EQ(info("eth_dst").nxm_name, "NXM_OF_ETH_DST");
    EXPECT_EQ(info("xreg0").nxm_name, "OXM_OF_PKT_REG0");
    EXPECT_EQ(info("dl_vlan").nxm_name, "dl_vlan");
}

TEST(Field, a_value_set_in_a_key_reads_back) {
    for (const auto& field : all_fields()) {
        if (is_tun_metadata(field)) continue;
        const U128 all = field_value_mask(field);
        for (const U128 value : {all, U128{}, all & U128{0x5a5a5a5a5a5a5a5a, 0xa5a5a5a5a5a5a5a5}}) {
            FlowKey key;
            key.word.fill(~std::uint64_t{0});
            field_set(field, key, value);
            EXPECT_EQ(field_get(field, key), value) << field.name;
        }
    }
}

TEST(Field, an_exact_match_covers_the_whole_place) {
    for (const auto& field : all_fields()) {
        if (is_tun_metadata(field)) continue;
        Match match;
        field_set(field, match, U128{0, 1} & field_value_mask(field), field_value_mask(field));
        EXPECT_EQ(field_mask(field, match), field_value_mask(field)) << field.name;
        FlowKey key;
        field_set(field, key, U128{0, 1} & field_value_mask(field));
        EXPECT_TRUE(match.matches(key)) << field.name;
    }
}

TEST(Field, registers_overlay_each_other) {
    FlowKey key;
    field_set(info("reg0"), key, {0, 0x11111111});
    field_set(info("reg1"), key, {0, 0x22222222});
    field_set(info("reg3"), key, {0, 0x44444444});
    EXPECT_EQ(field_get(info("xreg0"), key), (U128{0, 0x1111111122222222}));
    EXPECT_EQ(field_get(info("xxreg0"), key), (U128{0x1111111122222222, 0x44444444}));
}

TEST(Field, openflow10_port_numbers_are_16_bits) {
    FlowKey key;
    field_set(info("in_port"), key, {0, 0xfffe});
    EXPECT_EQ(key.get(key::kInPort), to_int(OfPort::kLocal));
    EXPECT_EQ(field_get(info("in_port"), key), (U128{0, 0xfffe}));
    EXPECT_EQ(field_get(info("in_port_oxm"), key), (U128{0, 0xfffffffe}));
}

TEST(Field, vlan_fields_share_the_tci) {
    FlowKey key;
    field_set(info("dl_vlan_pcp"), key, {0, 5});
    EXPECT_EQ(key.get(key::kVlanTci), 0xb000u);
    field_set(info("dl_vlan"), key, {0, 7});
    EXPECT_EQ(key.get(key::kVlanTci), 0xb007u);
    EXPECT_EQ(field_get(info("vlan_vid"), key), (U128{0, 0x1007}));

    Match match;
    field_set(info("dl_vlan"), match, {0, 0xffff}, {0, 0xfff});
    EXPECT_EQ(match.value.get(key::kVlanTci), 0u);
    EXPECT_EQ(match.mask.get(key::kVlanTci), 0xffffu);
    match = {};
    field_set(info("vlan_vid"), match, {0, 0x1000}, {0, 0x1000});
    EXPECT_EQ(match.value.get(key::kVlanTci), 0x1000u);
    EXPECT_EQ(match.mask.get(key::kVlanTci), 0x1000u);
    field_set(info("vlan_pcp"), match, {0, 3}, {0, 7});
    EXPECT_EQ(match.value.get(key::kVlanTci), 0x7000u);
    EXPECT_EQ(match.mask.get(key::kVlanTci), 0xf000u);
}

TEST(Field, setting_the_tos_keeps_the_ecn) {
    FlowKey key;
    key.set(key::kIpTos, 0x03);
    field_set(info("nw_tos"), key, {0, 0xff});
    EXPECT_EQ(key.get(key::kIpTos), 0xffu);
    EXPECT_EQ(field_get(info("nw_tos"), key), (U128{0, 0xfc}));
    Match match;
    field_set(info("nw_ecn"), match, {0, 1}, {0, 3});
    field_set(info("nw_tos"), match, {0, 0x20}, {0, 0xfc});
    EXPECT_EQ(match.value.get(key::kIpTos), 0x21u);
    EXPECT_EQ(match.mask.get(key::kIpTos), 0xffu);
}

TEST(Prereq, holds_only_for_the_protocol) {
    Match match;
    EXPECT_TRUE(prereq_ok(Prereq::kNone, match));
    EXPECT_TRUE(prereq_ok(Prereq::kEthernet, match));
    EXPECT_FALSE(prereq_ok(Prereq::kIpv4, match));
    match.set_exact(key::kEthType, 0x86dd);
    EXPECT_TRUE(prereq_ok(Prereq::kIpAny, match));
    EXPECT_FALSE(prereq_ok(Prereq::kTcp, match));
    match.set_exact(key::kIpProto, 58);
    EXPECT_TRUE(prereq_ok(Prereq::kIcmpV6, match));
    EXPECT_FALSE(prereq_ok(Prereq::kIcmpV4, match));
    EXPECT_FALSE(prereq_ok(Prereq::kNd, match));
    match.set_exact(key::kTpSrc, 135);
    EXPECT_TRUE(prereq_ok(Prereq::kNdSolicit, match));
    EXPECT_FALSE(prereq_ok(Prereq::kNdAdvert, match));
    match.set_exact(key::kIpFrag, kFragAny | kFragLater);
    EXPECT_TRUE(prereq_ok(Prereq::kIcmpV6, match));
    match.set_exact(key::kIpProto, 6);
    EXPECT_FALSE(prereq_ok(Prereq::kTcp, match));
    match.set_exact(key::kIpFrag, kFragAny);
    EXPECT_TRUE(prereq_ok(Prereq::kTcp, match));
    Match other;
    other.set_exact(key::kPacketType, 0x10800);
    EXPECT_TRUE(prereq_ok(Prereq::kIpv4, other));
    EXPECT_FALSE(prereq_ok(Prereq::kEthernet, other));
}

}  // namespace
}  // namespace sluice
