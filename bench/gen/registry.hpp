// SPDX-License-Identifier: Apache-2.0
// The arguments of all generator ports of the process, by the number in their marks. Entries are added, never
// changed.
#pragma once

#include <array>

#include "bench/gen/traffic.hpp"
#include "bench/gen/writer.hpp"

namespace sluice::gen {

/// Entries in order of registration; nullptr behind the last. Any thread may read.
const std::array<const Traffic*, kMaxSources>& sources() noexcept;

}  // namespace sluice::gen
