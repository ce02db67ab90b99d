// SPDX-License-Identifier: Apache-2.0
// Random programs, random frames: the compiled pipeline and the reference interpreter agree.
#include <gtest/gtest.h>

#include "tests/diff/harness.hpp"
#include "tests/diff/pipeline_target.hpp"

namespace sluice::tests {
namespace {

TEST(Differential, pipeline_agrees_with_reference_on_small_programs) {
    PipelineTarget target;
    run_differential(target, {.seed = 1, .programs = 400, .rules = 8, .compare_drops = false});
}

TEST(Differential, pipeline_agrees_with_reference_on_larger_programs) {
    PipelineTarget target;
    run_differential(target,
                     {.seed = 2, .programs = 150, .rules = 80, .frames = 100, .compare_drops = false});
}

TEST(Differential, pipeline_agrees_with_reference_with_normal_and_controller) {
    PipelineTarget target;
    DifferentialOptions options{.seed = 3, .programs = 200, .compare_drops = false};
    options.random.normal = true;
    options.random.controller = true;
    run_differential(target, options);
}

TEST(Differential, pipeline_agrees_with_reference_with_groups) {
    PipelineTarget target;
    DifferentialOptions options{.seed = 4, .programs = 400, .rules = 12, .compare_drops = false};
    options.random.groups = 6;
    run_differential(target, options);
}

TEST(Differential, pipeline_agrees_with_reference_while_groups_change) {
    PipelineTarget target;
    DifferentialOptions options{.seed = 5, .programs = 200, .frames = 100, .compare_drops = false};
    options.random.groups = 6;
    options.random.controller = true;
    options.change_groups = true;
    run_differential(target, options);
}

TEST(Differential, pipeline_agrees_with_reference_with_meters) {
    PipelineTarget target;
    DifferentialOptions options{.seed = 6, .programs = 200, .rules = 12, .compare_drops = false};
    options.random.groups = 3;
    options.random.meters = 3;
    run_differential(target, options);
}

}  // namespace
}  // namespace sluice::tests
