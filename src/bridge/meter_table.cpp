// SPDX-License-Identifier: Apache-2.0
#include "bridge/meter_table.hpp"

#include <fmt/format.h>

#include "bridge/duration.hpp"
#include "bridge/flow_tables.hpp"

namespace sluice::bridge {

using openflow::ErrorCode;
using openflow::OfError;

MeterTable::MeterTable(pipeline::Datapath& datapath, pipeline::Program& program, FlowTables& flows)
    : datapath_(datapath), program_(program), flows_(flows) {}

MeterTable::~MeterTable() {
    if (meters_.empty()) return;
    for (auto& [id, meter] : meters_)
        program_.meters().remove(meter.entry);
    datapath_.publish();
}

MeterTable::Error MeterTable::apply(const MeterMod& mod, std::int64_t now_ms) {
    if (mod.command == MeterCommand::kDelete) {
        if (mod.meter == kAllMeters) {
            while (!meters_.empty())
                erase(meters_.begin()->first);
        } else if (exists(mod.meter)) {
            erase(mod.meter);
        }
        flows_.staged();
        return {};
    }
    if (mod.bands.size() > kMaxBands) {
        return OfError{ErrorCode::kMmfcOutOfBands, fmt::format("meter {}: {} bands, the limit is {}",
                                                               mod.meter, mod.bands.size(), kMaxBands)};
    }
    for (const MeterBand& band : mod.bands) {
        if (band.rate == 0)
            return OfError{ErrorCode::kMmfcBadRate, fmt::format("meter {}: a band of rate 0", mod.meter)};
    }
    const bool known = exists(mod.meter);
    if (mod.command == MeterCommand::kAdd && known)
        return OfError{ErrorCode::kMmfcMeterExists, fmt::format("meter {} exists", mod.meter)};
    if (mod.command == MeterCommand::kModify && !known)
        return OfError{ErrorCode::kMmfcUnknownMeter, fmt::format("there is no meter {}", mod.meter)};
    if (!known && meters_.size() >= kMaxMeters)
        return OfError{ErrorCode::kMmfcOutOfMeters, fmt::format("the limit is {} meters", kMaxMeters)};
    if (mod.bands.empty())  // the error of OVS
        return OfError{ErrorCode::kMmfcOutOfBands, fmt::format("meter {} has no band", mod.meter)};
    put(mod, now_ms);
    return {};
}

/// A changed meter starts anew: buckets full, counters 0. Its age stays.
void MeterTable::put(const MeterMod& mod, std::int64_t now_ms) {
    Meter& meter = meters_[mod.meter];
    if (meter.entry) {
        program_.meters().remove(meter.entry);
    } else {
        meter.created_ms = now_ms;
    }
    meter.flags = mod.flags;
    meter.bands = mod.bands;
    meter.entry =
        program_.meters().add(pipeline::make_meter(datapath_, mod, static_cast<std::uint64_t>(now_ms)));
    flows_.staged();
}

/// Takes flows that use it along.
void MeterTable::erase(std::uint32_t id) {
    flows_.remove_users_of_meter(id);
    const auto it = meters_.find(id);
    program_.meters().remove(it->second.entry);
    meters_.erase(it);
}

// ---- Queries -----------------------------------------------------------------------------------------

std::optional<std::vector<openflow::MeterStats>> MeterTable::stats(std::uint32_t id,
                                                                   std::int64_t now_ms) const {
    if (id != kAllMeters && !exists(id)) return {};
    std::vector<openflow::MeterStats> out;
    for (const auto& [number, meter] : meters_) {
        if (id != kAllMeters && id != number) continue;
        const pipeline::RuleStats counted = program_.stats(meter.entry->stats);
        openflow::MeterStats& stats = out.emplace_back();
        stats.meter = number;
        stats.flow_count = static_cast<std::uint32_t>(flows_.references().meter_count(number));
        stats.packet_in_count = counted.packets;
        stats.byte_in_count = counted.bytes;
        put_duration(stats, now_ms, meter.created_ms);
        for (const auto& band : meter.entry->bands) {
            const pipeline::RuleStats part = program_.stats(band->stats);
            stats.bands.push_back({part.packets, part.bytes});
        }
    }
    return out;
}

std::optional<std::vector<openflow::MeterConfig>> MeterTable::configs(std::uint32_t id) const {
    if (id != kAllMeters && !exists(id)) return {};
    std::vector<openflow::MeterConfig> out;
    for (const auto& [number, meter] : meters_) {
        if (id == kAllMeters || id == number) out.push_back({number, meter.flags, meter.bands});
    }
    return out;
}

openflow::MeterFeaturesReply MeterTable::features() {
    openflow::MeterFeaturesReply out;
    out.max_meters = kMaxMeters;
    out.band_types = 1U << static_cast<unsigned>(MeterBand::Type::kDrop) |
                     1U << static_cast<unsigned>(MeterBand::Type::kDscpRemark);
    out.capabilities = meter_flag::kKbps | meter_flag::kPktps | meter_flag::kBurst | meter_flag::kStats;
    out.max_bands = kMaxBands;
    return out;
}

}  // namespace sluice::bridge
