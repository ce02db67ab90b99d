// SPDX-License-Identifier: Apache-2.0
// What all message headers share: versions and numbers with a meaning of their own.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

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
inline constexpr std::uint32_t kAnyGroup = 0xffffffff;  ///< OFPG_ANY
inline constexpr std::uint32_t kAllGroups = 0xfffffffc;
inline constexpr std::uint32_t kMaxGroup = 0xffffff00;
inline constexpr std::uint32_t kAnyQueue = 0xffffffff;
inline constexpr std::uint32_t kMaxMeter = 0xffff0000;
inline constexpr std::uint32_t kSlowpathMeter = 0xfffffffd, kControllerMeter = 0xfffffffe,
                               kAllMeters = 0xffffffff;
inline constexpr std::uint8_t kAllTables = 0xff;

}  // namespace sluice::openflow
