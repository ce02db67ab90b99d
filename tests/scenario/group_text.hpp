// SPDX-License-Identifier: Apache-2.0
// Groups and meters of scenarios, as ovs-ofctl writes them: "group_id=1,type=select,selection_method=hash,
// field=ip_src,bucket=weight:3,watch_port:1,actions=output:1,bucket=..." and "meter=1,pktps,band=type=drop,
// rate=10,burst_size=5,band=...". Bucket numbers count from 0.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "base/result.hpp"
#include "reference/interpreter.hpp"

namespace sluice::tests {

Result<std::pair<std::uint32_t, reference::Group>> parse_group(std::string_view text);
Result<std::pair<std::uint32_t, reference::Meter>> parse_meter(std::string_view text, std::uint64_t now_ms);

}  // namespace sluice::tests
