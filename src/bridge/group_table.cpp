// SPDX-License-Identifier: Apache-2.0
#include "bridge/group_table.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "bridge/duration.hpp"
#include "bridge/flow_tables.hpp"

namespace sluice::bridge {

using openflow::ErrorCode;
using openflow::OfError;

namespace {

auto find_bucket(std::vector<Bucket>& buckets, std::uint32_t id) {
    return std::find_if(buckets.begin(), buckets.end(),
                        [id](const Bucket& bucket) { return bucket.id == id; });
}

OfError unknown_group(std::uint32_t group) {
    return {ErrorCode::kGmfcUnknownGroup, fmt::format("there is no group {}", group)};
}

}  // namespace

GroupTable::GroupTable(pipeline::Datapath& datapath, pipeline::Program& program, FlowTables& flows)
    : datapath_(datapath), program_(program), flows_(flows) {}

GroupTable::~GroupTable() {
    if (groups_.empty()) return;
    for (auto& [id, group] : groups_)
        program_.groups().remove(group.entry);
    datapath_.publish();
}

std::uint64_t GroupTable::used_options() const {
    std::uint64_t used = 0;
    for (const auto& [id, group] : groups_) {
        for (const auto& bucket : group.entry->buckets)
            used |= bucket.actions->options;
    }
    return used;
}

// ---- Commands ----------------------------------------------------------------------------------------

GroupTable::Error GroupTable::validate(const GroupMod& mod) const {
    for (const Bucket& bucket : mod.buckets) {
        if (auto actions = pipeline::compile(bucket.actions, program_.tun_table()); !actions)
            return OfError{ErrorCode::kBacBadType, actions.error().message};
    }
    return {};
}

GroupTable::Error GroupTable::apply(const GroupMod& mod, std::int64_t now_ms) {
    const auto it = groups_.find(mod.group);
    const bool exists = it != groups_.end();
    const auto fresh = [&] {
        return Group{mod.type, mod.buckets, mod.properties, exists ? it->second.created_ms : now_ms, nullptr};
    };
    switch (mod.command) {
        case GroupCommand::kAdd:
            if (exists)
                return OfError{ErrorCode::kGmfcGroupExists, fmt::format("group {} exists", mod.group)};
            return put(mod.group, fresh());
        case GroupCommand::kModify:
            if (!exists) return unknown_group(mod.group);
            return put(mod.group, fresh());
        case GroupCommand::kAddOrModify:
            return put(mod.group, fresh());
        case GroupCommand::kDelete:
            if (mod.group == kAllGroups) {
                while (!groups_.empty())
                    erase(groups_.begin()->first);
            } else if (exists) {
                erase(mod.group);
            }
            flows_.staged();
            return {};
        case GroupCommand::kInsertBucket:
        case GroupCommand::kRemoveBucket:
            break;
    }
    if (!exists) return unknown_group(mod.group);
    // Type and properties of the message don't count here.
    Group changed{it->second.type, it->second.buckets, it->second.properties, it->second.created_ms, nullptr};
    const Error refused = mod.command == GroupCommand::kInsertBucket
                              ? insert_buckets(mod, it->second, changed.buckets)
                              : remove_bucket(mod, changed.buckets);
    if (refused) return refused;
    return put(mod.group, std::move(changed));
}

GroupTable::Error GroupTable::insert_buckets(const GroupMod& mod, const Group& old,
                                             std::vector<Bucket>& buckets) const {
    auto at = buckets.begin();
    if (mod.command_bucket == kLastBucket) {
        at = buckets.end();
    } else if (mod.command_bucket < kMaxGroup) {
        at = find_bucket(buckets, mod.command_bucket);
        if (at == buckets.end()) {
            return OfError{ErrorCode::kGmfcUnknownBucket,
                           fmt::format("group {} has no bucket {}", mod.group, mod.command_bucket)};
        }
        ++at;
    }
    std::set<std::uint32_t> ids;
    for (const Bucket& bucket : old.buckets)
        ids.insert(bucket.id);
    for (const Bucket& bucket : mod.buckets) {
        if (!ids.insert(bucket.id).second) {
            return OfError{ErrorCode::kGmfcBucketExists,
                           fmt::format("group {} has a bucket {}", mod.group, bucket.id)};
        }
    }
    buckets.insert(at, mod.buckets.begin(), mod.buckets.end());
    return {};
}

GroupTable::Error GroupTable::remove_bucket(const GroupMod& mod, std::vector<Bucket>& buckets) const {
    if (mod.command_bucket == kAllBuckets) {
        buckets.clear();
    } else if (mod.command_bucket == kFirstBucket) {
        if (!buckets.empty()) buckets.erase(buckets.begin());
    } else if (mod.command_bucket == kLastBucket) {
        if (!buckets.empty()) buckets.pop_back();
    } else {
        const auto at = find_bucket(buckets, mod.command_bucket);
        if (at == buckets.end()) {
            return OfError{ErrorCode::kGmfcUnknownBucket,
                           fmt::format("group {} has no bucket {}", mod.group, mod.command_bucket)};
        }
        buckets.erase(at);
    }
    return {};
}

// ---- Steps and how to undo them ----------------------------------------------------------------------

/// Adds the group, or puts it in the place of the one with its number.
GroupTable::Error GroupTable::put(std::uint32_t id, Group group) {
    const auto old = groups_.find(id);
    const std::size_t others = bucket_count_ - (old == groups_.end() ? 0 : old->second.buckets.size());
    if (others + group.buckets.size() > kMaxBuckets) {
        return OfError{ErrorCode::kGmfcOutOfBuckets,
                       fmt::format("the bridge holds {} buckets, the limit is {}", others, kMaxBuckets)};
    }
    auto entry = pipeline::compile_group(datapath_, id, group.type, group.buckets, group.properties,
                                         program_.tun_table());
    if (!entry) return OfError{ErrorCode::kBacBadType, entry.error().message};
    Step step{id, {}};
    if (old != groups_.end()) {
        program_.groups().remove(old->second.entry);
        step.before = std::move(old->second);
    }
    group.entry = program_.groups().add(std::move(*entry));
    bucket_count_ = others + group.buckets.size();
    groups_[id] = std::move(group);
    log_.push_back(std::move(step));
    flows_.staged();
    return {};
}

/// Takes flows that name it along.
void GroupTable::erase(std::uint32_t id) {
    flows_.remove_users_of_group(id);
    const auto it = groups_.find(id);
    program_.groups().remove(it->second.entry);
    bucket_count_ -= it->second.buckets.size();
    log_.push_back({id, std::move(it->second)});
    groups_.erase(it);
}

void GroupTable::rollback() {
    for (; !log_.empty(); log_.pop_back()) {
        Step& step = log_.back();
        if (const auto it = groups_.find(step.id); it != groups_.end()) {
            program_.groups().revert_add(it->second.entry);
            bucket_count_ -= it->second.buckets.size();
            groups_.erase(it);
        }
        if (!step.before) continue;
        program_.groups().revert_remove(step.before->entry);
        bucket_count_ += step.before->buckets.size();
        groups_.emplace(step.id, std::move(*step.before));
    }
}

// ---- Queries -----------------------------------------------------------------------------------------

namespace {

template <typename Map, typename Visit>
void visit_selected(const Map& groups, std::uint32_t id, const Visit& visit) {
    if (id == kAllGroups) {
        for (const auto& [number, group] : groups)
            visit(number, group);
    } else if (const auto it = groups.find(id); it != groups.end()) {
        visit(id, it->second);
    }
}

}  // namespace

std::vector<openflow::GroupStats> GroupTable::stats(std::uint32_t id, std::int64_t now_ms) const {
    std::vector<openflow::GroupStats> out;
    visit_selected(groups_, id, [&](std::uint32_t number, const Group& group) {
        const pipeline::RuleStats counted = program_.stats(group.entry->stats);
        openflow::GroupStats& stats = out.emplace_back();
        stats.group = number;
        stats.ref_count = static_cast<std::uint32_t>(flows_.references().group_count(number));
        stats.packet_count = counted.packets;
        stats.byte_count = counted.bytes;
        put_duration(stats, now_ms, group.created_ms);
        for (const pipeline::BucketEntry& bucket : group.entry->buckets) {
            const pipeline::RuleStats part = program_.stats(bucket.stats);
            stats.buckets.push_back({part.packets, part.bytes});
        }
    });
    return out;
}

std::vector<openflow::GroupDesc> GroupTable::describe(std::uint32_t id) const {
    std::vector<openflow::GroupDesc> out;
    visit_selected(groups_, id, [&](std::uint32_t number, const Group& group) {
        out.push_back({number, group.type, group.buckets, group.properties});
    });
    return out;
}

openflow::GroupFeaturesReply GroupTable::features(openflow::Version version) {
    // Action types of OpenFlow 1.2 (OFPAT_*) as OVS lists them: output, the MPLS TTL ones, push and pop of
    // VLAN and MPLS, set_queue, group, the IP TTL ones, set_field.
    constexpr std::uint32_t kActions = 1U << 0 | 1U << 15 | 1U << 16 | 1U << 17 | 1U << 18 | 1U << 19 |
                                       1U << 20 | 1U << 21 | 1U << 22 | 1U << 23 | 1U << 24 | 1U << 25;
    constexpr std::uint32_t kActions10 = 0xfff;      // all of OpenFlow 1.0's
    constexpr std::uint32_t kActions11 = 0x1ffe7ff;  // all of 1.1's but copy_ttl_out and copy_ttl_in
    openflow::GroupFeaturesReply out;
    out.types = 0xf;
    out.capabilities = 0x7;  // weights and liveness of select groups, chaining
    out.max_groups.fill(kMaxGroup);
    out.actions.fill(version == openflow::Version::k10   ? kActions10
                     : version == openflow::Version::k11 ? kActions11
                                                         : kActions);
    return out;
}

}  // namespace sluice::bridge
