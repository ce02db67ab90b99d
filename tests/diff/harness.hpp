// SPDX-License-Identifier: Apache-2.0
// The differential test: random programs and random frames, two targets, the same verdicts.
//
// To plug in a target (the compiled pipeline): write a class for DiffTarget (target.hpp) and a test
//
//   TEST(Differential, PipelineAgreesWithReference) {
//       PipelineTarget target;                       // configure(): build the program; run(): one frame
//       run_differential(target, {.seed = 1, .programs = 200});
//   }
//
// configure() gets one bridge, "br0", with ports 1..n and flows of distinct priorities; run() is called
// with frames for it, one after the other, on one thread. MAC table and counters must survive from frame to
// frame, as the reference's do. SLUICE_DIFF_SEED and SLUICE_DIFF_PROGRAMS in the environment override the
// options; a failure prints seed, program, flows and frame.
#pragma once

#include <cstdint>

#include "flow/random.hpp"
#include "tests/diff/target.hpp"

namespace sluice::tests {

struct DifferentialOptions {
    std::uint64_t seed = 1;
    unsigned programs = 100;
    unsigned rules = 24;         ///< most rules of a program
    unsigned frames = 60;        ///< frames a program
    unsigned failures = 3;       ///< stop after so many
    bool compare_drops = true;   ///< reasons too, not only whether
    bool table_misses = false;   ///< some tables go on, drop or ask the controller when nothing matches
    bool mirrors = false;        ///< up to three mirrors
    bool change_groups = false;  ///< groups are replaced and deleted between frames
    unsigned burst = 1;          ///< frames that arrive together; of some, the order across flows is open
    unsigned change_one_in = 0;  ///< rules change before one in so many bursts; 0: never
    RandomOptions random{};
};

/// Runs `target` against the reference interpreter; reports differences as GoogleTest failures.
void run_differential(DiffTarget& target, DifferentialOptions options = {});

}  // namespace sluice::tests
