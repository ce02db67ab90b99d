// SPDX-License-Identifier: Apache-2.0
// Actions and flow lines as text: layout, refusals, and random round trips.
#include "flow/action_text.hpp"

#include <set>

#include <gtest/gtest.h>

#include "flow/flow_text.hpp"
#include "flow/match_text.hpp"
#include "flow/random.hpp"

namespace sluice {
namespace {

std::string reprint(std::string_view s) {
    const auto actions = parse_actions(s);
    return actions ? format_actions(*actions) : "error: " + actions.error().message;
}

TEST(ActionText, prints_like_ovs_ofctl) {
    const std::pair<std::string_view, std::string_view> cases[] = {
        {"", "drop"},
        {"drop", "drop"},
        {"output:1", "output:1"},
        {"5", "output:5"},
        {"output:NXM_NX_REG0[0..15]", "output:NXM_NX_REG0[0..15]"},
        {"output(port=1,max_len=100)", "output(port=1,max_len=100)"},
        {"controller", "CONTROLLER:65535"},
        {"CONTROLLER:128", "CONTROLLER:128"},
        {"controller(id=3)", "controller(id=3)"},
        {"controller(max_len=5)", "CONTROLLER:5"},
        {"controller(reason=action,max_len=64,id=1,userdata=01.02,pause)",
         "controller(max_len=64,id=1,userdata=01.02,pause)"},
        {"controller(reason=no_match,meter_id=3)", "controller(reason=no_match,meter_id=3)"},
        {"enqueue(1,2)", "enqueue:1:2"},
        {"enqueue:LOCAL:3", "enqueue:LOCAL:3"},
        {"set_queue:3,pop_queue", "set_queue:3,pop_queue"},
        {"normal,FLOOD,all,local,in_port", "NORMAL,FLOOD,ALL,LOCAL,IN_PORT"},
        {"output:LOCAL", "LOCAL"},
        {"output:CONTROLLER", "CONTROLLER:65535"},
        {"set_field:0x1->reg0", "set_field:0x1->reg0"},
        {"set_field:0x10/0xff->reg1", "set_field:0x10/0xff->reg1"},
        {"set_field:00:01:02:03:04:05->eth_dst", "set_field:00:01:02:03:04:05->eth_dst"},
        {"set_field:00:01:00:00:00:00/ff:ff:00:00:00:00->dl_dst",
         "set_field:00:01:00:00:00:00/ff:ff:00:00:00:00->eth_dst"},
        {"set_field:0x10/0xf0->tcp_src", "set_field:16/0xf0->tcp_src"},
        {"set_field:1.2.3.0/24->ip_src", "set_field:1.2.3.0/24->ip_src"},
        {"set_field:0->xxreg0", "set_field:0->xxreg0"},
        {"set_field:4101->vlan_vid", "set_field:4101->vlan_vid"},
        {"set_field:1/0->reg0", "drop"},
        {"load:5->NXM_NX_REG0[]", "load:0x5->NXM_NX_REG0[]"},
        {"load:5->reg0[4..7]", "load:0x5->NXM_NX_REG0[4..7]"},
        {"load:0x1->OXM_OF_PKT_REG0[3]", "load:0x1->OXM_OF_PKT_REG0[3]"},
        {"load:0->NXM_OF_VLAN_TCI[]", "load:0->NXM_OF_VLAN_TCI[]"},
        {"move:reg0[0..15]->reg1[16..31]", "move:NXM_NX_REG0[0..15]->NXM_NX_REG1[16..31]"},
        {"move:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15]", "move:NXM_OF_IN_PORT[]->NXM_NX_REG0[0..15]"},
        {"mod_vlan_vid:5,mod_vlan_pcp:3,set_vlan_vid:4", "mod_vlan_vid:5,mod_vlan_pcp:3,set_vlan_vid:4"},
        {"strip_vlan,pop_vlan,push_vlan:0x8100", "strip_vlan,pop_vlan,push_vlan:0x8100"},
        {"mod_dl_src:00:01:02:03:04:05,mod_nw_src:1.2.3.4",
         "mod_dl_src:00:01:02:03:04:05,mod_nw_src:1.2.3.4"},
        {"mod_nw_tos:4,mod_nw_ecn:1,mod_nw_ttl:9,mod_tp_src:1,mod_tp_dst:2",
         "mod_nw_tos:4,mod_nw_ecn:1,mod_nw_ttl:9,mod_tp_src:1,mod_tp_dst:2"},
        {"dec_ttl,dec_ttl(1,2)", "dec_ttl,dec_ttl(1,2)"},
        {"push_mpls:0x8847,set_mpls_ttl:5,dec_mpls_ttl,set_mpls_label:10,set_mpls_tc:3,pop_mpls:0x800",
         "push_mpls:0x8847,set_mpls_ttl(5),dec_mpls_ttl,set_mpls_label(10),set_mpls_tc(3),pop_mpls:0x0800"},
        {"resubmit:1,resubmit(,2),resubmit(1,2),resubmit(1),resubmit(,3,ct),resubmit(in_port,3),resubmit(3,"
         "255)",
         "resubmit:1,resubmit(,2),resubmit(1,2),resubmit:1,resubmit(,3,ct),resubmit(,3),resubmit:3"},
        {"clone(output:1,output:2),clone()", "clone(output:1,output:2),clone(drop)"},
        {"note:01.02.03", "note:01.02.03.00.00.00"},
        {"note", "note:00.00.00.00.00.00"},
        {"exit", "exit"},
        {"push:NXM_NX_REG0[],pop:NXM_NX_REG0[0..3]", "push:NXM_NX_REG0[],pop:NXM_NX_REG0[0..3]"},
        {"set_tunnel:5,set_tunnel64:0x100000000,set_tunnel:0",
         "set_tunnel:0x5,set_tunnel64:0x100000000,set_tunnel:0"},
        {"group:5", "group:5"},
        {"meter:3,output:1,clear_actions,write_actions(set_field:5->reg0,output:1),write_metadata:0x5/"
         "0xff,goto_table:9",
         "meter:3,output:1,clear_actions,write_actions(set_field:0x5->reg0,output:1),write_metadata:0x5/0xff,"
         "goto_table:9"},
        {"write_metadata:0", "write_metadata:0"},
        {"write_actions()", "drop"},
    };
    for (const auto& [in, out] : cases) {
        EXPECT_EQ(reprint(in), out) << in;
        EXPECT_EQ(reprint(reprint(in)), reprint(in)) << in;
    }
}

TEST(ActionText, refusals_name_the_action) {
    const std::pair<std::string_view, std::string_view> cases[] = {
        {"bogus", "unknown action bogus"},
        {"bogus=3", "unknown action bogus"},
        {"drop,output:1", "\"drop\" must not be accompanied by any other action or instruction"},
        {"output:1,drop", "\"drop\" must not be accompanied by any other action or instruction"},
        {"output:eth0", "eth0: output to unknown port"},
        {"output", "output: an argument is required"},
        {"output:65535", "output to ANY is not possible"},
        {"output(max_len=3,port=1)", "output: max_len 3 is below the 14 bytes of an Ethernet header"},
        {"set_field:5->eth_type", "eth_type is read-only"},
        {"set_field:5->x", "x is not a valid OXM field name"},
        {"set_field:5", "set_field: missing \"->\" in \"5\""},
        {"load:0x12->reg0[0..3]", "0x12->reg0[0..3]: value 0x12 does not fit into 4 bits"},
        {"load:5->reg0[30..35]",
         "reg0[30..35]: ending bit 35 is not valid because field is only 32 bits wide"},
        {"move:reg0[0..3]->reg1[0..4]",
         "reg0[0..3]->reg1[0..4]: source field is 4 bits wide but destination is 5 bits wide"},
        {"mod_nw_tos:6", "6: not a valid TOS"},
        {"mod_vlan_vid:4096", "mod_vlan_vid: 4096 is above the limit of 4095"},
        {"push_vlan:0x800", "0x800: not a valid VLAN ethertype, which are 0x8100 and 0x88a8"},
        {"resubmit(,255)", "at least one \"in_port\" or \"table\" must be specified on resubmit"},
        {"goto_table:2,output:1",
         "invalid instruction ordering: apply_actions must appear before goto_table, for OpenFlow 1.1+ "
         "compatibility"},
        {"output:1,meter:3",
         "invalid instruction ordering: meter must appear before apply_actions, for OpenFlow 1.1+ "
         "compatibility"},
        {"goto_table:3,goto_table:4",
         "duplicate goto_table instruction not allowed, for OpenFlow 1.1+ compatibility"},
        {"clone(goto_table:3)", "goto_table instruction not allowed here"},
        {"write_actions(clone(output:1))", "clone(output:1): not allowed in write_actions"},
        {"load:1->NXM_NX_CT_MARK[]", "cannot set CT fields outside of ct action"},
        {"ct(commit,exec(output:1))", "ct action doesn't support nested action output:1"},
        {"nat(src=1.1.1.1)", "Cannot have NAT action outside of \"ct\" action"},
        {"conjunction(1,1/2),output:1",
         "\"conjunction\" actions may be used along with \"note\" but not any other kind of action (such as "
         "the \"output:1\" action used here)"},
        {"note:0", "bad hex digit in \"note\" argument \"0\""},
    };
    for (const auto& [in, out] : cases)
        EXPECT_EQ(reprint(in), "error: " + std::string{out}) << in;
    std::string deep;
    for (int i = 0; i < 40; ++i)
        deep += "clone(";
    EXPECT_EQ(reprint(deep), "error: actions are nested deeper than the limit of 16 levels");
}

TEST(ActionCheck, needs_the_field_in_the_match) {
    const auto check = [](std::string_view match, std::string_view actions, std::uint8_t table = 0) {
        const auto m = parse_match(match);
        const auto a = parse_actions(actions);
        EXPECT_TRUE(m && a) << match << " " << actions;
        return static_cast<bool>(check_actions(*a, *m, table));
    };
    EXPECT_FALSE(check("", "set_field:80->tcp_dst"));
    EXPECT_TRUE(check("tcp", "set_field:80->tcp_dst"));
    EXPECT_FALSE(check("tcp", "set_field:80->udp_dst"));
    EXPECT_FALSE(check("", "set_field:4101->vlan_vid"));
    EXPECT_TRUE(check("", "push_vlan:0x8100,set_field:4101->vlan_vid"));
    EXPECT_FALSE(check("dl_vlan=3", "pop_vlan,set_field:4101->vlan_vid"));
    EXPECT_TRUE(check("", "mod_vlan_vid:3,set_field:3->vlan_pcp"));
    EXPECT_TRUE(check("", "mod_tp_dst:5,dec_ttl,mod_nw_src:1.2.3.4"));
    EXPECT_FALSE(check("", "mod_nw_ttl:5"));
    EXPECT_FALSE(check("ip", "push_mpls:0x8847,set_field:1.2.3.4->ip_src"));
    EXPECT_TRUE(check("ip", "push_mpls:0x8847,set_field:5->mpls_label"));
    EXPECT_FALSE(check("", "move:tcp_src[]->reg0[0..15]"));
    EXPECT_FALSE(check("", "goto_table:3", 3));
    EXPECT_TRUE(check("", "goto_table:4", 3));
    EXPECT_FALSE(check("", "write_actions(set_field:80->tcp_dst)"));
    EXPECT_FALSE(check("", "resubmit(,3,ct)"));
    EXPECT_TRUE(check("ct_state=+trk+new", "resubmit(,3,ct)"));

    const auto strict = [](std::string_view match, std::string_view actions) {
        return static_cast<bool>(
            check_actions(*parse_actions(actions), *parse_match(match), 0, ActionRules::kOpenFlow11));
    };
    EXPECT_FALSE(strict("", "dec_ttl"));
    EXPECT_TRUE(strict("ipv6", "dec_ttl"));
    EXPECT_FALSE(strict("ip", "mod_tp_dst:5"));
    EXPECT_TRUE(strict("udp6", "mod_tp_dst:5"));
    EXPECT_FALSE(strict("", "strip_vlan"));
    EXPECT_TRUE(strict("vlan_tci=0x1000/0x1000", "pop_vlan"));
    EXPECT_FALSE(strict("dl_vlan=3", "pop_vlan,pop_vlan"));
    EXPECT_FALSE(strict("", "dec_mpls_ttl"));
    EXPECT_TRUE(strict("", "push_mpls:0x8847,dec_mpls_ttl,pop_mpls:0x800"));
}

std::string respec(std::string_view line, FlowUse use = FlowUse::kAdd) {
    const auto spec = parse_flow_spec(line, use);
    return spec ? format_flow_spec(*spec) : "error: " + spec.error().message;
}

TEST(FlowText, whole_lines) {
    EXPECT_EQ(
        respec("cookie=0x5,table=3,idle_timeout=5,hard_timeout=6,importance=9,send_flow_rem,check_overlap,"
               "reset_counts,no_packet_counts,no_byte_counts,priority=7,tcp,actions=output:1"),
        "cookie=0x5, table=3, idle_timeout=5, hard_timeout=6, importance=9, send_flow_rem check_overlap "
        "reset_counts no_packet_counts no_byte_counts priority=7,tcp actions=output:1");
    EXPECT_EQ(respec("actions=drop"), "actions=drop");
    EXPECT_EQ(respec("priority=0 actions=NORMAL"), "priority=0 actions=NORMAL");
    // A line of dump-flows goes back in.
    EXPECT_EQ(
        respec(
            " cookie=0x0, duration=3.5s, table=0, n_packets=0, n_bytes=0, idle_age=3, priority=5,in_port=1 "
            "actions=output:2"),
        "priority=5,in_port=1 actions=output:2");
    EXPECT_EQ(respec("cookie=5/-1,out_port=3,out_group=7,tcp", FlowUse::kDelete),
              "cookie=0x5/0xffffffffffffffff, out_port=3, out_group=7, tcp");
    EXPECT_EQ(respec("", FlowUse::kDelete), "");
    EXPECT_EQ(respec("cookie=1/1,actions=drop"), "error: flow additions cannot use a cookie mask");
    EXPECT_EQ(respec("tcp"), "error: must specify an action");
    EXPECT_EQ(respec("tcp,actions=drop", FlowUse::kDelete), "error: actions can't be given here");
    EXPECT_EQ(respec("priority=70000,actions=drop"), "error: priority: 70000 is above the limit of 65535");
    EXPECT_EQ(respec("table=300,actions=drop"), "error: table: 300 is above the limit of 255");
    EXPECT_EQ(respec("out_port=3,actions=drop"), "error: unknown keyword out_port");
}

// format(parse(format(x))) == format(x), and parse gives back the very same match.
TEST(FlowText, random_flows_round_trip) {
    constexpr std::uint64_t kSeed = 20240611;
    RecordProperty("seed", std::to_string(kSeed));
    Random random{kSeed};
    const RandomOptions options{.controller = true};
    for (int i = 0; i < 4000; ++i) {
        FlowSpec spec;
        spec.match = random_match(random, options);
        spec.table = static_cast<std::uint8_t>(random.below(options.tables));
        spec.actions = random_actions(random, spec.match, spec.table, options);
        spec.has_actions = true;
        const std::string line = format_flow_spec(spec);
        const auto back = parse_flow_spec(line);
        ASSERT_TRUE(back) << "seed " << kSeed << " flow " << i << ": " << line << ": "
                          << back.error().message;
        ASSERT_EQ(format_flow_spec(*back), line) << "seed " << kSeed;
        ASSERT_TRUE(back->match == spec.match) << "seed " << kSeed << ": " << line;
    }
}

TEST(Random, keys_hit_rules_and_are_the_same_for_a_seed) {
    Random one{7}, two{7};
    const auto rules = random_rules(one, 100);
    ASSERT_EQ(rules.size(), 100u);
    const auto same = random_rules(two, 100);
    for (std::size_t i = 0; i < rules.size(); ++i)
        ASSERT_EQ(format_flow_spec(rules[i]), format_flow_spec(same[i]));
    std::set<std::uint64_t> hit;
    for (int i = 0; i < 1000; ++i) {
        const FlowKey key = random_key(one);
        for (const auto& rule : rules) {
            if (rule.match.matches(key)) hit.insert(rule.cookie);
        }
        const auto back = parse_flow(format_flow(key));
        ASSERT_TRUE(back) << format_flow(key) << ": " << back.error().message;
    }
    EXPECT_GT(hit.size(), 40u);
}

}  // namespace
}  // namespace sluice
