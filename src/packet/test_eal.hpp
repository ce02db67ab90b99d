// SPDX-License-Identifier: Apache-2.0
// For test programs: EAL and the shared pools, small, started at first use and kept until exit.
#pragma once

#include <cstdio>
#include <cstdlib>

#include "packet/eal.hpp"
#include "packet/pool.hpp"

namespace sluice {

/// Starts EAL without hugepages and pools of 4096 small and 256 large packets; ends the program with a
/// message if that fails. Main thread of the test.
inline void ensure_test_eal() {
    EalConfig config;
    config.hugepages = HugepageUse::kNever;
    config.socket_mem = "256";
    auto started = start_eal(config);
    if (started) started = create_packet_pools({.small_count = 4096, .large_count = 256});
    if (!started) {
        std::fprintf(stderr, "EAL for tests: %s\n", started.error().message.c_str());
        std::exit(1);
    }
}

}  // namespace sluice
