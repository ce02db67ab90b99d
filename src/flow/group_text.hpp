// SPDX-License-Identifier: Apache-2.0
// Groups and meters as text, in the syntax of `ovs-ofctl add-group` and `add-meter` and the layout of
// dump-groups and dump-meters. Source: ovs-ofctl(8) "Group Syntax", "Meter Syntax". Any thread.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"
#include "flow/group.hpp"
#include "flow/text.hpp"

namespace sluice {

/// Parses "group_id=1,type=select,bucket=weight:5,output:1,bucket=...". Buckets without an id get the lowest
/// numbers that are free. Errors: EINVAL or ERANGE with a sentence.
Result<GroupMod> parse_group(std::string_view line, GroupCommand command = GroupCommand::kAdd,
                             const PortNames* names = nullptr);
/// Bucket ids are shown by OpenFlow 1.5 only.
enum class BucketIds { kShown, kHidden };
std::string format_group(const GroupMod& group, BucketIds ids, const PortNames* names = nullptr);

/// Parses "meter=1,kbps,burst,bands=type=drop,rate=100,burst_size=5".
Result<MeterMod> parse_meter(std::string_view line, MeterCommand command = MeterCommand::kAdd);
/// "meter=1 kbps bands=", then a line a band, without a line end after the last.
std::string format_meter(const MeterMod& meter);

}  // namespace sluice
