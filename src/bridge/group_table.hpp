// SPDX-License-Identifier: Apache-2.0
// GroupTable: the OpenFlow groups of one bridge and the meaning of group-mods, over pipeline::Program.
//
// Staging works as in FlowTables, which this belongs to: apply() checks one group-mod as a whole and stages
// it with the next version; FlowTables::commit() shows it, together with flow-mods of the same bundle, and
// FlowTables::rollback() undoes it. Rules name groups by number, so a change recompiles no rule.
//
// As in Open vSwitch: buckets may name groups that don't exist, or the group itself (packets then meet the
// depth limit); only flows that name a deleted group go with it; modify keeps the group's age and resets its
// counters. Sources: OpenFlow 1.5 §6.7, §7.3.4.3, ovs-ofctl(8). Control thread only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "flow/group.hpp"
#include "pipeline/group.hpp"
#include "pipeline/program.hpp"
#include "proto/openflow/error.hpp"
#include "proto/openflow/message.hpp"

namespace sluice::bridge {

class FlowTables;

/// Buckets of all groups of a bridge together, at most.
inline constexpr std::size_t kMaxBuckets = 4'000'000;

struct Group {
    GroupType type{};
    std::vector<Bucket> buckets;
    GroupProperties properties;
    std::int64_t created_ms = 0;            ///< monotonic
    pipeline::GroupEntry* entry = nullptr;  ///< that will show
};

class GroupTable {
  public:
    using Error = std::optional<openflow::OfError>;

    GroupTable(pipeline::Datapath& datapath, pipeline::Program& program, FlowTables& flows);
    /// Flows are gone already; takes the groups out of the program and publishes.
    ~GroupTable();
    GroupTable(const GroupTable&) = delete;
    GroupTable& operator=(const GroupTable&) = delete;

    /// Stages one group-mod; an error leaves no trace. now_ms: monotonic milliseconds.
    Error apply(const GroupMod& mod, std::int64_t now_ms);
    /// Refuses what apply() would refuse whatever groups there are.
    Error validate(const GroupMod& mod) const;
    /// Bit N: a bucket names tun_metadataN.
    std::uint64_t used_options() const;
    bool exists(std::uint32_t group) const { return groups_.count(group) != 0; }
    std::size_t size() const { return groups_.size(); }

    /// kAllGroups or one (empty if it doesn't exist), ascending.
    std::vector<openflow::GroupStats> stats(std::uint32_t group, std::int64_t now_ms) const;
    std::vector<openflow::GroupDesc> describe(std::uint32_t group) const;
    static openflow::GroupFeaturesReply features(openflow::Version version);

    // For FlowTables: what is staged became final, or is to be undone from step `mark` on.
    void settle() { log_.clear(); }
    void rollback();

  private:
    struct Step {
        std::uint32_t id = 0;
        std::optional<Group> before;
    };
    Error put(std::uint32_t id, Group group);
    void erase(std::uint32_t id);
    Error insert_buckets(const GroupMod& mod, const Group& old, std::vector<Bucket>& buckets) const;
    Error remove_bucket(const GroupMod& mod, std::vector<Bucket>& buckets) const;

    pipeline::Datapath& datapath_;
    pipeline::Program& program_;
    FlowTables& flows_;
    std::map<std::uint32_t, Group> groups_;
    std::size_t bucket_count_ = 0;
    std::vector<Step> log_;
};

}  // namespace sluice::bridge
