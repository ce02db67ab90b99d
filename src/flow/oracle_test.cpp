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

}  // namespace
}  // namespace sluice
