// SPDX-License-Identifier: Apache-2.0
// What all message headers share: versions and numbers with a meaning of their own.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "flow/group.hpp"

namespace sluice::openflow {

/// Wire number of a protocol version.
enum class Version : std::uint8_t { k10 = 1, k11, k12, k13, k14, k15 };
constexpr std::uint8_t to_int(Version v) {
    return static_cast<std::uint8_t>(v);
}
/// "OpenFlow10" ... "OpenFlow15", as in the `protocols` column of Bridge.
std::string_view version_name(Version version);

using Bytes = std::vector<std::uint8_t>;
inline constexpr std::uint32_t kNoBuffer = 0xffffffff;
using sluice::kAllGroups;
using sluice::kAnyGroup;
using sluice::kMaxGroup;
inline constexpr std::uint32_t kAnyQueue = 0xffffffff;
using sluice::kAllMeters;
using sluice::kControllerMeter;
using sluice::kMaxMeter;
using sluice::kSlowpathMeter;
inline constexpr std::uint8_t kAllTables = 0xff;

}  // namespace sluice::openflow
