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

TEST(Differential, pipeline_agrees_with_reference_with_mirrors) {
    PipelineTarget target;
    DifferentialOptions options{.seed = 8, .programs = 400, .rules = 12, .compare_drops = false};
    options.random.normal = true;
    options.random.groups = 3;
    options.mirrors = true;
    run_differential(target, options);
}

TEST(Differential, pipeline_agrees_with_reference_with_meters) {
    PipelineTarget target;
    DifferentialOptions options{.seed = 6, .programs = 200, .rules = 12, .compare_drops = false};
    options.random.groups = 3;
    options.random.meters = 3;
    run_differential(target, options);
}

TEST(Differential, pipeline_agrees_with_reference_on_the_whole_language) {
    PipelineTarget target;
    DifferentialOptions options{.seed = 4, .programs = 300, .compare_drops = false};
    // No controller: OVS takes back the packet-ins of a walk that fails later on; the pipeline cannot.
    options.random.mpls = options.random.computed = options.random.queues = options.random.inert = true;
    options.random.encap = true;
    run_differential(target, options);
}

TEST(Differential, pipeline_agrees_with_reference_on_conjunctions) {
    PipelineTarget target;
    DifferentialOptions options{.seed = 5, .programs = 300, .rules = 40, .compare_drops = false};
    options.random.conjunction = true;
    options.random.max_fields = 2;
    run_differential(target, options);
}

TEST(Differential, pipeline_agrees_with_reference_on_learned_flows) {
    PipelineTarget target;
    DifferentialOptions options{.seed = 6, .programs = 300, .compare_drops = false};
    options.random.learn = true;
    options.random.max_fields = 2;
    run_differential(target, options);
}

TEST(Differential, pipeline_agrees_with_reference_while_rules_change_underneath) {
    for (const unsigned cache_entries : {0U, 8U, 4096U}) {
        PipelineTarget target{cache_entries};
        DifferentialOptions options{.seed = 7, .programs = 150, .compare_drops = false, .change_one_in = 3};
        options.random.controller = options.random.computed = true;
        options.random.queues = options.random.inert = options.random.learn = true;
        options.random.conjunction = true;
        options.random.max_fields = 3;
        run_differential(target, options);
    }
}

TEST(Differential, pipeline_agrees_with_reference_on_everything_at_once_while_all_of_it_changes) {
    // Caches: none, one that every flow is thrown out of, a small one, one that holds all.
    for (const unsigned cache_entries : {0U, 2U, 64U, 4096U}) {
        PipelineTarget target{cache_entries};
        DifferentialOptions options{.seed = 9, .programs = 60, .frames = 80, .compare_drops = false};
        options.change_one_in = 4;
        options.change_groups = true;
        RandomOptions& random = options.random;
        random.groups = 5;
        random.meters = 2;
        random.mpls = random.computed = random.queues = random.inert = random.encap = true;
        random.learn = random.conjunction = true;
        random.max_fields = 2;
        run_differential(target, options);
    }
}

TEST(Differential, pipeline_agrees_with_reference_on_tunnel_options) {
    const TunTable table = random_tun_table();
    for (const unsigned cache_entries : {0U, 64U}) {
        PipelineTarget target{cache_entries};
        DifferentialOptions options{.seed = 10, .programs = 200, .rules = 30, .compare_drops = false};
        options.change_one_in = 6;
        options.random.tun = &table;
        options.random.learn = true;
        options.random.max_fields = 1;
        options.random.max_actions = 6;
        run_differential(target, options);
    }
}

TEST(Differential, pipeline_agrees_with_reference_on_what_tables_do_with_misses) {
    for (const unsigned cache_entries : {0U, 64U}) {
        PipelineTarget target{cache_entries};
        DifferentialOptions options{.seed = 11, .programs = 300, .rules = 10, .compare_drops = false};
        options.table_misses = true;  // no groups: their walks may fail after a packet-in, see above
        options.change_one_in = 6;
        options.random.max_fields = 2;
        run_differential(target, options);
    }
}

TEST(Differential, bursts_end_as_their_packets_one_by_one) {
    for (const bool learn : {false, true}) {
        PipelineTarget target{64};
        DifferentialOptions options{.seed = 8,
                                    .programs = 100,
                                    .frames = 12,
                                    .compare_drops = false,
                                    .burst = 24,
                                    .change_one_in = 4};
        options.random.mpls = options.random.computed = options.random.queues = options.random.inert = true;
        options.random.learn = learn;
        options.random.conjunction = true;
        options.random.max_fields = 2;
        run_differential(target, options);
    }
}

}  // namespace
}  // namespace sluice::tests
