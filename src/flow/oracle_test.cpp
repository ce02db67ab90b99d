// SPDX-License-Identifier: Apache-2.0
// Our flow syntax against the installed ovs-ofctl: it must take every line we print, and print it back the
// same. Skipped where ovs-ofctl is not installed.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "flow/flow_text.hpp"
#include "flow/match_text.hpp"
#include "flow/random.hpp"

namespace sluice {
namespace {

constexpr std::uint64_t kSeed = 31;

bool have_ofctl() {
    return std::system("ovs-ofctl --version >/dev/null 2>&1") == 0;
}

// What `ovs-ofctl parse-flows` says to a file of flows, a line each.
std::vector<std::string> ask_ofctl(const std::vector<std::string>& flows, const std::string& options) {
    std::string path = std::filesystem::temp_directory_path() / "sluice-oracle-XXXXXX";
    const int fd = mkstemp(path.data());
    EXPECT_GE(fd, 0);
    FILE* file = fdopen(fd, "w");
    for (const auto& flow : flows)
        std::fprintf(file, "%s\n", flow.c_str());
    std::fclose(file);
    // A deadline, since a hanging oracle must not hang the tests.
    const std::string command = "timeout 60 ovs-ofctl " + options + " parse-flows " + path + " 2>&1";
    std::vector<std::string> lines;
    FILE* pipe = popen(command.c_str(), "r");
    std::string line;
    for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) {
        if (c != '\n') {
            line += static_cast<char>(c);
        } else {
            lines.push_back(std::move(line));
            line.clear();
        }
    }
    pclose(pipe);
    if (!std::getenv("SLUICE_KEEP_ORACLE")) std::filesystem::remove(path);
    return lines;
}

// "OFPT_FLOW_MOD (OF1.5) (xid=0x1): ADD tcp actions=drop": the part after ADD; empty for other lines.
std::string flow_of(const std::string& line) {
    const auto add = line.find("): ADD ");
    return add == line.npos ? "" : line.substr(add + 7);
}

std::vector<std::string> answers(const std::vector<std::string>& flows, const std::string& options) {
    std::vector<std::string> out;
    std::string complaints;
    for (const auto& line : ask_ofctl(flows, options)) {
        const std::string flow = flow_of(line);
        if (!flow.empty()) {
            out.push_back(flow);
        } else if (line.find("usable protocols") == line.npos && line.find("chosen protocol") == line.npos) {
            complaints += line + "\n";
        }
    }
    EXPECT_EQ(out.size(), flows.size()) << complaints;
    return out;
}

// Random matches with a plain action: the printed match is the same, letter by letter.
TEST(Oracle, prints_random_matches_the_same) {
    if (!have_ofctl()) GTEST_SKIP() << "ovs-ofctl is not installed";
    Random random{kSeed};
    RandomOptions options;
    options.max_fields = 6;
    std::vector<std::string> flows;
    for (int i = 0; i < 400; ++i) {
        const std::string match = format_match(random_match(random, options));
        flows.push_back((match.empty() ? "" : match + " ") + "actions=output:1");
    }
    const auto back = answers(flows, "");
    ASSERT_EQ(back.size(), flows.size());
    for (std::size_t i = 0; i < flows.size(); ++i)
        EXPECT_EQ(back[i], flows[i]) << "seed " << kSeed;
}

// Whole random rules: ovs-ofctl takes them, and what it prints we read and print the same again.
TEST(Oracle, takes_random_rules_and_we_take_its_answer) {
    if (!have_ofctl()) GTEST_SKIP() << "ovs-ofctl is not installed";
    Random random{kSeed + 1};
    RandomOptions options;
    options.controller = true;
    options.tables = 8;
    std::vector<std::string> flows;
    for (int i = 0; i < 400; ++i) {
        FlowSpec spec;
        spec.match = random_match(random, options);
        spec.table = static_cast<std::uint8_t>(random.below(options.tables));
        spec.actions = random_actions(random, spec.match, spec.table, options);
        spec.has_actions = true;
        spec.table = spec.table == 0 ? std::uint8_t{0xff} : spec.table;
        flows.push_back(format_flow_spec(spec));
    }
    const auto back = answers(flows, "-O OpenFlow15");
    ASSERT_EQ(back.size(), flows.size());
    for (std::size_t i = 0; i < flows.size(); ++i) {
        // ovs-ofctl prints a flow-mod's table as "table:3 ".
        std::string line = back[i];
        if (line.starts_with("table:")) line.replace(5, 1, "=");
        const auto spec = parse_flow_spec(line);
        ASSERT_TRUE(spec) << flows[i] << " came back as " << line << ": " << spec.error().message;
        std::string again = format_flow_spec(*spec);
        if (again.starts_with("table=")) again.erase(again.find(','), 1);
        EXPECT_EQ(again, line) << "seed " << kSeed;
        auto mine = parse_flow_spec(flows[i]);
        ASSERT_TRUE(mine);
        // OXM has no vlan_tci: "no tag" travels as vlan_vid 0 and comes back without the priority bits.
        if (mine->match.mask.get(key::kVlanTci) == 0xffff && mine->match.value.get(key::kVlanTci) == 0) {
            mine->match.mask.set(key::kVlanTci, 0x1fff);
        }
        EXPECT_TRUE(mine->match == spec->match) << flows[i] << " came back as " << line;
    }
}

// Every spelling of the actions that random rules don't make: the same text as ovs-ofctl's after a trip
// over the wire.
constexpr const char* kLines[] = {
    "actions=learn(table=2,idle_timeout=10,hard_timeout=20,fin_idle_timeout=1,fin_hard_timeout=2,priority=5,"
    "cookie=0x12,send_flow_rem,delete_learned,limit=3,result_dst=NXM_NX_REG0[3],NXM_OF_VLAN_TCI[0..11],"
    "NXM_OF_ETH_DST[]=NXM_OF_ETH_SRC[],reg1=5,reg2[0..4]=3,load:0->NXM_OF_VLAN_TCI[],"
    "load:0x12->NXM_NX_REG3[4..9],load:NXM_OF_IN_PORT[]->NXM_NX_REG1[0..15],output:NXM_OF_IN_PORT[])",
    "tcp,actions=learn(eth_type=0x800,nw_proto=6,tcp_dst=NXM_OF_TCP_SRC[],vlan_tci=5,load:reg1[0..3]->reg2[1."
    ".4])",
    "actions=learn(reg0,reg1=reg2,reg3=0,reg4[3]=0,load:0->reg5,output:tun_id)",
    "actions=learn",
    "actions=conjunction(1,1/2),conjunction(0x5,2/2)",
    "actions=conjunction(1,64/64),note:01.02",
    "tcp,actions=multipath(eth_src,50,modulo_n,1,0,NXM_NX_REG0[]),multipath(symmetric_l4, 1024, hrw, 12, 0, "
    "NXM_NX_REG1[5..10]),multipath(nw_src,1,iter_hash,2,7,reg3[1])",
    "actions=bundle(eth_src,0,hrw,ofport,members:4,8),bundle_load(symmetric_l3l4+udp,0,active_backup,ofport,"
    "NXM_NX_REG0[0..15],members:4,8,1),bundle(nw_dst,1,hrw,ofport,members:),"
    "bundle(symmetric_l3,1,hrw,ofport,slaves:LOCAL)",
    "actions=sample(probability=12345,collector_set_id=23456,obs_domain_id=34567,obs_point_id=45678),"
    "sample(probability=1,collector_set_id=2,sampling_port=3),sample(probability=1,sampling_port=3,egress),"
    "sample(probability=1,ingress)",
    "tcp,actions=fin_timeout(idle_timeout=10,hard_timeout=20),fin_timeout(idle_timeout=1),fin_timeout()",
    "actions=check_pkt_larger(100)->NXM_NX_REG0[0],check_pkt_larger(1500)->xxreg1[127],"
    "check_pkt_larger:100->reg0[1]",
    "actions=delete_field:tun_metadata0,delete_field:tun_metadata63",
    "ip,actions=ct,ct(),ct(zone=NXM_NX_REG0[0..15],table=0),ct(nat),ct(commit,nat(dst=10.0.0.1)),"
    "ct(commit,nat(src,random)),ct(commit,nat(src=10.0.0.1:80)),ct_clear,ct(zone=ct_zone)",
    "tcp,actions=ct(commit,force,zone=5,table=3,alg=ftp,exec(load:1->NXM_NX_CT_MARK[],"
    "move:reg0->ct_mark),nat(src=10.0.0.1-10.0.0.5:1-5,persistent,hash))",
    "udp,actions=ct(alg=tftp,commit,nat(src=1.1.1.2-1.1.1.2:5-5,random))",
    "ip6,actions=ct(commit,nat(src=[fe80::1]-[fe80::2]:5-6)),ct(commit,nat(dst=fe80::1)),"
    "ct(commit,nat(dst=[fe80::1]))",
    "mpls,actions=set_mpls_label:5,set_mpls_tc:3,set_mpls_ttl:2,dec_mpls_ttl",
};

TEST(Oracle, prints_every_action_the_same) {
    if (!have_ofctl()) GTEST_SKIP() << "ovs-ofctl is not installed";
    const std::vector<std::string> flows{std::begin(kLines), std::end(kLines)};
    const auto back = answers(flows, "");
    ASSERT_EQ(back.size(), flows.size());
    for (std::size_t i = 0; i < flows.size(); ++i) {
        const auto spec = parse_flow_spec(flows[i]);
        ASSERT_TRUE(spec) << flows[i] << ": " << spec.error().message;
        EXPECT_EQ(format_flow_spec(*spec), back[i]);
    }
}

}  // namespace
}  // namespace sluice
