// SPDX-License-Identifier: Apache-2.0
#include "bridge/mirrors.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"

namespace sluice::bridge {

namespace {

const log::Module kLog{"bridge"};

bool names(const std::vector<std::string>& ports, const std::string& name) {
    return std::find(ports.begin(), ports.end(), name) != ports.end();
}

}  // namespace

Mirrors::~Mirrors() {
    for (const Mirror& mirror : mirrors_)
        datapath_.release_stats(mirror.slot);
    for (const pipeline::StatsSlot slot : spare_)
        datapath_.release_stats(slot);
}

void Mirrors::set(std::vector<MirrorSettings> mirrors) {
    auto old = std::exchange(mirrors_, {});
    for (MirrorSettings& settings : mirrors) {
        if (mirrors_.size() == pipeline::kMaxMirrors) {
            kLog.warn("mirror {}: the bridge has its limit of {} mirrors, ignored", settings.name,
                      pipeline::kMaxMirrors);
            continue;
        }
        const auto before = std::find_if(
            old.begin(), old.end(), [&](const Mirror& mirror) { return mirror.settings.id == settings.id; });
        if (before != old.end()) {
            mirrors_.push_back({std::move(settings), before->slot, before->base});
            old.erase(before);
            continue;
        }
        pipeline::StatsSlot slot;
        if (spare_.empty()) {
            slot = datapath_.allocate_stats();
        } else {
            slot = spare_.back();
            spare_.pop_back();
        }
        mirrors_.push_back({std::move(settings), slot, datapath_.rule_stats(slot)});
    }
    for (const Mirror& gone : old)
        spare_.push_back(gone.slot);
}

std::vector<pipeline::MirrorEntry> Mirrors::resolve(const std::vector<NamedPort>& ports) const {
    std::vector<pipeline::MirrorEntry> entries;
    for (const NamedPort& port : ports) {
        port.entry->mirror_out = false;
        port.entry->mirror_src = port.entry->mirror_dst = 0;
    }
    for (const Mirror& mirror : mirrors_) {
        const MirrorSettings& settings = mirror.settings;
        pipeline::MirrorEntry entry;
        entry.vlan = settings.vlan;
        entry.snaplen = settings.snaplen;
        entry.vlans = settings.vlans;
        entry.stats = mirror.slot;
        if (!settings.output.empty()) {
            const auto output = std::find_if(ports.begin(), ports.end(), [&](const NamedPort& port) {
                return *port.name == settings.output;
            });
            if (output == ports.end()) continue;
            entry.output = output->entry->index;
            output->entry->mirror_out = true;
        }
        const std::uint32_t bit = 1U << entries.size();
        for (const NamedPort& port : ports) {
            if (settings.select_all || names(settings.src, *port.name)) port.entry->mirror_src |= bit;
            if (settings.select_all || names(settings.dst, *port.name)) port.entry->mirror_dst |= bit;
        }
        entries.push_back(std::move(entry));
    }
    for (pipeline::MirrorEntry& entry : entries) {
        for (std::size_t n = 0; n < entries.size(); ++n) {
            const bool same = entries[n].output == entry.output &&
                              (entry.output != PortIndex::kNone || entries[n].vlan == entry.vlan);
            if (same) entry.same_output |= 1U << n;
        }
    }
    return entries;
}

std::optional<pipeline::RuleStats> Mirrors::statistics(const std::string& id) const {
    for (const Mirror& mirror : mirrors_) {
        if (mirror.settings.id != id) continue;
        pipeline::RuleStats stats = datapath_.rule_stats(mirror.slot);
        stats.packets -= mirror.base.packets;
        stats.bytes -= mirror.base.bytes;
        return stats;
    }
    return std::nullopt;
}

}  // namespace sluice::bridge
