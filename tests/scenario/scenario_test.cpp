// SPDX-License-Identifier: Apache-2.0
// Runs every data/*.scn against the reference interpreter and against the compiled pipeline.
#include "tests/scenario/scenario.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "tests/diff/pipeline_target.hpp"
#include "tests/diff/reference_target.hpp"

namespace sluice::tests {
namespace {

std::vector<std::string> scenario_files() {
    std::vector<std::string> files;
    for (const auto& entry : std::filesystem::directory_iterator(SLUICE_SCENARIO_DIR)) {
        if (entry.path().extension() == ".scn") files.push_back(entry.path().string());
    }
    std::sort(files.begin(), files.end());
    return files;
}

std::string test_name(const ::testing::TestParamInfo<std::string>& info) {
    return std::filesystem::path{info.param}.stem().string();
}

void run_file(const std::string& path, ScenarioTarget& target) {
    std::ifstream file(path);
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    const auto scenario = parse_scenario(text, path);
    ASSERT_TRUE(scenario) << scenario.error().message;
    ASSERT_FALSE(scenario->steps.empty()) << path << " checks nothing";
    for (const std::string& wrong : run_scenario(*scenario, target))
        ADD_FAILURE() << path << " (" << target.name() << "): " << wrong;
}

class ScenarioFile : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Data, ScenarioFile, ::testing::ValuesIn(scenario_files()), test_name);

TEST_P(ScenarioFile, HoldsOnTheReferenceInterpreter) {
    ReferenceTarget target;
    run_file(GetParam(), target);
}

TEST_P(ScenarioFile, HoldsOnTheCompiledPipeline) {
    PipelineTarget target;
    run_file(GetParam(), target);
}

TEST(ScenarioFormat, ErrorsNameFileAndLine) {
    const auto bad_verb = parse_scenario("port 1\nfrobnicate\n", "x.scn");
    ASSERT_FALSE(bad_verb);
    EXPECT_EQ(bad_verb.error().message, "x.scn:2: unknown line \"frobnicate\"");
    EXPECT_FALSE(parse_scenario("in 1 eth(1,2)", "x.scn"));
    EXPECT_FALSE(parse_scenario("port 1 colour=red", "x.scn"));
    EXPECT_FALSE(parse_scenario("out 1 same", "x.scn"));
    EXPECT_FALSE(parse_scenario("flow nonsense", "x.scn"));
}

TEST(ScenarioFormat, AWrongExpectationIsReported) {
    const auto scenario = parse_scenario(
        "port 1\nport 2\nflow actions=output:2\nin 1 eth(02:00:00:00:00:01,02:00:00:00:00:02,0x1234)\nout 1 "
        "same\n",
        "x.scn");
    ASSERT_TRUE(scenario) << scenario.error().message;
    ReferenceTarget target;
    EXPECT_FALSE(run_scenario(*scenario, target).empty());
}

}  // namespace
}  // namespace sluice::tests
