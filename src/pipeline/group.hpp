// SPDX-License-Identifier: Apache-2.0
// Groups as workers see them. Like a rule a group never changes: a modification is a new GroupEntry that
// shows from another version on. Rules name groups by number, so they stay as they are when a group changes.
#pragma once

#include <memory>
#include <vector>

#include "base/result.hpp"
#include "flow/bucket_choice.hpp"
#include "flow/group.hpp"
#include "pipeline/action_program.hpp"
#include "pipeline/id_table.hpp"
#include "pipeline/stats.hpp"

namespace sluice::pipeline {

struct BucketEntry {
    std::uint32_t id = 0;
    OfPort watch_port = OfPort::kAny;
    std::uint32_t watch_group = kAnyGroup;
    std::unique_ptr<ActionProgram> actions;  ///< in the order of an action set
    bool plain = false;                      ///< only outputs: the packet stays as it is
    bool resubmits = false;
    StatsSlot stats{};
};

struct GroupEntry : Numbered {
    GroupType type{};
    std::vector<BucketEntry> buckets;
    WeightSums weights;  ///< kSelect
    SelectHash hash;     ///< kSelect
    StatsSlot stats{};
};

/// Compiles; fails with a sentence for actions this version does not execute. Takes statistics slots.
Result<std::unique_ptr<GroupEntry>> compile_group(Datapath& datapath, std::uint32_t id, GroupType type,
                                                  const std::vector<Bucket>& buckets,
                                                  const GroupProperties& properties,
                                                  const TunTable* tun = nullptr);
/// What IdTable does with groups nobody can refer to any more.
void free_group(Datapath& datapath, std::unique_ptr<GroupEntry> group);

/// Groups that one question for liveness looks at, at most; those beyond count as dead.
inline constexpr unsigned kMaxLivenessGroups = 128;

}  // namespace sluice::pipeline
