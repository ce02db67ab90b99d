// SPDX-License-Identifier: Apache-2.0
// Groups and meters. A bucket runs as an action set; after it packet and fields are as before, but what
// tables that it resubmitted to did to the action set and the stack stays, as in OVS.
#include <algorithm>

#include <fmt/format.h>

#include "flow/action_set.hpp"
#include "flow/bucket_choice.hpp"
#include "reference/machine.hpp"

namespace sluice::reference {

/// A bucket that watches nothing is live. A group is live if one of its buckets is, but not by watching
/// itself. `seen`: groups asked already.
bool Machine::bucket_live(const Bucket& bucket, std::set<std::uint32_t>& seen) const {
    if (bucket.watch_port == OfPort::kAny && bucket.watch_group == kAnyGroup) return true;
    const auto port = c_.bridge->ports.find(bucket.watch_port);
    if (bucket.watch_port != OfPort::kAny && port != c_.bridge->ports.end() && port->second.up &&
        !port->second.link_down)
        return true;
    if (bucket.watch_group == kAnyGroup || !seen.insert(bucket.watch_group).second) return false;
    const auto group = c_.bridge->groups.find(bucket.watch_group);
    return group != c_.bridge->groups.end() &&
           std::any_of(group->second.buckets.begin(), group->second.buckets.end(),
                       [&](const Bucket& member) { return bucket_live(member, seen); });
}

/// The buckets that this packet takes, in order.
std::vector<std::size_t> Machine::choose_buckets(const Group& group) const {
    const auto live = [&](std::size_t i) {
        std::set<std::uint32_t> seen;
        return bucket_live(group.buckets[i], seen);
    };
    std::vector<std::size_t> chosen;
    switch (group.type) {
        case GroupType::kAll:
        case GroupType::kIndirect:
            for (std::size_t i = 0; i < group.buckets.size(); ++i)
                chosen.push_back(i);
            break;
        case GroupType::kSelect: {
            WeightSums sums;
            for (const Bucket& bucket : group.buckets)
                sums.push_back((sums.empty() ? 0 : sums.back()) + bucket.weight);
            const std::uint64_t hash = SelectHash::from(group.properties)(p_.at.key);
            if (const auto bucket = choose_bucket(hash, sums, live)) chosen.push_back(*bucket);
            break;
        }
        case GroupType::kFastFailover:
            for (std::size_t i = 0; i < group.buckets.size() && chosen.empty(); ++i) {
                if (live(i)) chosen.push_back(i);
            }
            break;
    }
    return chosen;
}

bool Machine::operator()(const GroupAction& a) {
    if (depth_ >= c_.bridge->max_depth) {
        fail(DropReason::kTooDeep, fmt::format("deeper than {} groups", c_.bridge->max_depth));
        return true;
    }
    const auto it = c_.bridge->groups.find(a.group);
    if (it == c_.bridge->groups.end()) {
        note(DropReason::kNoGroup, fmt::format("group {} does not exist", a.group));
        return true;
    }
    Group& group = it->second;
    const auto chosen = choose_buckets(group);
    const bool all = group.type == GroupType::kAll || group.type == GroupType::kIndirect;
    if (chosen.empty() && !all) note(DropReason::kNoBucket, fmt::format("group {}: no live bucket", a.group));
    if (!chosen.empty() || all) {
        ++group.packets;
        group.bytes += p_.received_bytes;
    }
    group.bucket_counts.resize(group.buckets.size());
    for (const std::size_t i : chosen) {
        if (failed_) break;
        if (resubmits_ >= c_.bridge->max_resubmits) {
            fail(DropReason::kTooManyResubmits, fmt::format("more than {} resubmits", resubmits_));
            break;
        }
        ++resubmits_;
        ++group.bucket_counts[i].first;
        group.bucket_counts[i].second += p_.received_bytes;
        run_bucket(group.buckets[i]);
    }
    return false;
}

void Machine::run_bucket(const Bucket& bucket) {
    const WorkPacket saved = p_;
    const bool was_in_group = std::exchange(c_.in_group, true);
    const auto queue = std::pair{c_.queue, c_.has_queue};
    action_sets_run_.push_back(order_action_set(bucket.actions));
    ++depth_;
    ++indent_;
    run_list(action_sets_run_.back());
    --indent_;
    --depth_;
    p_ = saved;
    std::tie(c_.queue, c_.has_queue) = queue;
    c_.in_group = was_in_group;
    c_.exit = c_.metered = false;  // they end the bucket only
}

// ---- Meters ------------------------------------------------------------------------------------------

Meter make_meter(const MeterMod& mod, std::uint64_t now_ms) {
    Meter meter;
    meter.flags = mod.flags;
    meter.filled_ms = now_ms;
    for (const MeterBand& config : mod.bands) {
        Meter::Band& band = meter.bands.emplace_back();
        band.config = config;
        if (config.burst == 0) band.config.burst = config.rate;
        band.level = std::uint64_t{band.config.burst} * 1000;
    }
    return meter;
}

/// Counts the packet; the band that it exceeds (of several the one with the highest rate), or nullptr.
const Meter::Band* Machine::run_meter(Meter& meter) {
    const std::uint64_t elapsed_ms = c_.bridge->now_ms - meter.filled_ms;
    meter.filled_ms = c_.bridge->now_ms;
    ++meter.packets;
    meter.bytes += p_.bytes.size();
    const std::uint64_t cost = (meter.flags & meter_flag::kPktps) != 0 ? 1000 : p_.bytes.size() * 8;
    Meter::Band* exceeded = nullptr;
    for (Meter::Band& band : meter.bands) {
        band.level =
            std::min(band.level + elapsed_ms * band.config.rate, std::uint64_t{band.config.burst} * 1000);
        if (band.level >= cost) {
            band.level -= cost;
        } else if (exceeded == nullptr || band.config.rate > exceeded->config.rate) {
            exceeded = &band;
        }
    }
    if (exceeded != nullptr) {
        ++exceeded->packets;
        exceeded->bytes += p_.bytes.size();
    }
    return exceeded;
}

bool Machine::operator()(const MeterAction& a) {
    const auto it = c_.bridge->meters.find(a.meter);
    if (it == c_.bridge->meters.end()) return false;  // a meter that doesn't exist lets everything pass
    const Meter::Band* band = run_meter(it->second);
    if (band == nullptr) return false;
    if (band->config.type == MeterBand::Type::kDrop) {
        note(DropReason::kMeter, fmt::format("above {} of meter {}", band->config.rate, a.meter));
        c_.metered = true;
        return true;
    }
    // dscp_remark: AFxy (RFC 2597) becomes AFx(y+level), y at most 3. Other code points stay.
    if (!prereq_present(Prereq::kIpAny, key())) return false;
    const std::uint64_t tos = key().get(key::kIpTos);
    const std::uint64_t klass = tos >> 5, precedence = tos >> 3 & 3;
    const bool assured = klass >= 1 && klass <= 4 && precedence != 0 && (tos >> 2 & 1) == 0;
    if (!assured) return false;
    FlowKey wanted = key();
    const auto next = std::min<std::uint64_t>(precedence + band->config.precedence_level, 3);
    wanted.set(key::kIpTos, klass << 5 | next << 3 | (tos & 3));
    set_key(wanted);
    return false;
}

}  // namespace sluice::reference
