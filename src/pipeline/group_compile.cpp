// SPDX-License-Identifier: Apache-2.0
// Makes and frees what workers see of groups and meters.
#include <algorithm>

#include "flow/action_set.hpp"
#include "pipeline/group.hpp"
#include "pipeline/meter.hpp"

namespace sluice::pipeline {

namespace {

bool is_output(OpCode code) {
    switch (code) {
        case OpCode::kOutput:
        case OpCode::kOutputInPort:
        case OpCode::kOutputFlood:
        case OpCode::kOutputAll:
        case OpCode::kOutputNormal:
        case OpCode::kOutputController:
        case OpCode::kOutputTrunc:
            return true;
        default:
            return false;
    }
}

}  // namespace

Result<std::unique_ptr<GroupEntry>> compile_group(Datapath& datapath, std::uint32_t id, GroupType type,
                                                  const std::vector<Bucket>& buckets,
                                                  const GroupProperties& properties, const TunTable* tun) {
    auto group = std::make_unique<GroupEntry>();
    group->id = id;
    group->type = type;
    if (type == GroupType::kSelect) group->hash = SelectHash::from(properties);
    std::uint64_t sum = 0;
    for (const Bucket& bucket : buckets) {
        auto actions = compile(order_action_set(bucket.actions), tun);
        if (!actions) return actions.error();
        BucketEntry& entry = group->buckets.emplace_back();
        entry.id = bucket.id;
        entry.watch_port = bucket.watch_port;
        entry.watch_group = bucket.watch_group;
        entry.actions = std::move(*actions);
        const auto& ops = entry.actions->ops;
        entry.plain = std::all_of(ops.begin(), ops.end(), [](const Op& op) { return is_output(op.code); });
        entry.resubmits = std::any_of(ops.begin(), ops.end(), [](const Op& op) {
            return op.code == OpCode::kResubmit || op.code == OpCode::kCt;
        });
        sum += bucket.weight;
        if (type == GroupType::kSelect) group->weights.push_back(sum);
    }
    group->stats = datapath.allocate_stats();
    for (BucketEntry& bucket : group->buckets)
        bucket.stats = datapath.allocate_stats();
    return group;
}

void free_group(Datapath& datapath, std::unique_ptr<GroupEntry> group) {
    datapath.release_stats(group->stats);
    for (const BucketEntry& bucket : group->buckets)
        datapath.release_stats(bucket.stats);
}

std::unique_ptr<MeterEntry> make_meter(Datapath& datapath, const MeterMod& mod, std::uint64_t now_ms) {
    auto meter = std::make_unique<MeterEntry>();
    meter->id = mod.meter;
    meter->counts_packets = mod.flags & meter_flag::kPktps;
    meter->stats = datapath.allocate_stats();
    for (const MeterBand& band : mod.bands) {
        meter->bands.push_back(std::make_unique<MeterEntry::Band>(band, now_ms));
        meter->bands.back()->stats = datapath.allocate_stats();
    }
    return meter;
}

void free_meter(Datapath& datapath, std::unique_ptr<MeterEntry> meter) {
    datapath.release_stats(meter->stats);
    for (const auto& band : meter->bands)
        datapath.release_stats(band->stats);
}

}  // namespace sluice::pipeline
