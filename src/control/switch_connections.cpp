// SPDX-License-Identifier: Apache-2.0
// The switch's connections: what the database says of their zones, the sweep, events, flushes.
#include <algorithm>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "conntrack/tracker.hpp"
#include "control/switch.hpp"

namespace sluice {

namespace {

const log::Module kLog{"conntrack"};

constexpr std::int64_t kSweepMs = 100, kIdleSweepMs = 1000;  // if there are any, if not
constexpr std::uint32_t kLeastSwept = 4096,
                        kSweepShare = 32;  // records a sweep: so many, or this part of all

}  // namespace

/// A policy keeps its number, by which connections know it, as long as some zone has it.
std::uint8_t Switch::policy_number(const conntrack::TimeoutPolicy& policy) {
    if (policy == conntrack::default_policy()) return 0;
    unsigned unused = 0;
    for (unsigned n = 1; n < conntrack::Tracker::kMaxPolicies; ++n) {
        const auto it = policies_.find(static_cast<std::uint8_t>(n));
        if (it != policies_.end() && it->second == policy) return static_cast<std::uint8_t>(n);
        const bool taken = it != policies_.end() &&
                           std::any_of(config_.connections.zones.begin(), config_.connections.zones.end(),
                                       [&](const auto& zone) { return zone.second == it->second; });
        if (!taken && (unused == 0 ||
                       (it == policies_.end() && policies_.count(static_cast<std::uint8_t>(unused)) != 0)))
            unused = n;
    }
    if (unused == 0) {
        kLog.warn("zones have more than {} different timeout policies; the rest have the default one",
                  conntrack::Tracker::kMaxPolicies - 1);
        return 0;
    }
    const auto number = static_cast<std::uint8_t>(unused);
    policies_[number] = policy;
    datapath_->tracker().set_policy(number, policy);
    return number;
}

void Switch::configure_connections() {
    conntrack::Tracker& tracker = datapath_->tracker();
    const ConnectionConfig& wanted = config_.connections;
    for (const std::uint16_t zone : policy_zones_) {
        if (wanted.zones.count(zone) == 0) tracker.set_zone_policy(zone, 0);
    }
    policy_zones_.clear();
    for (const auto& [zone, policy] : wanted.zones) {
        tracker.set_zone_policy(zone, policy_number(policy));
        policy_zones_.insert(zone);
    }
    connection_log_.set_file(wanted.event_file);
    if (wanted.event_file.empty()) return tracker.on_event(nullptr);
    tracker.on_event([this](conntrack::ConnEvent event, const conntrack::Entry& entry) {
        connection_log_.add(format_connection_event(event, entry, clock::wall_ms(),
                                                    static_cast<std::uint64_t>(clock::now_ms())));
    });
}

void Switch::sweep_connections() {
    conntrack::Tracker& tracker = datapath_->tracker();
    const std::uint32_t records = tracker.records();
    if (records != 0) {
        tracker.sweep(datapath_->rcu(), static_cast<std::uint64_t>(clock::now_ms()),
                      std::max(kLeastSwept, records / kSweepShare));
        connection_log_.flush();
    }
    sweep_timer_ = loop_.after(
        records != 0 ? kSweepMs : kIdleSweepMs, [this] { sweep_connections(); }, TimeBase::kMachine);
}

void Switch::flush_connections(const openflow::CtFlush& request) {
    const auto filter_of = [&](const openflow::CtTuple& tuple) {
        conntrack::TupleFilter filter;
        filter.src = tuple.source;
        filter.dst = tuple.target;
        filter.sport = tuple.icmp_id ? tuple.icmp_id : tuple.source_port;
        filter.dport = tuple.target_port;
        filter.icmp_type = tuple.icmp_type;
        filter.icmp_code = tuple.icmp_code;
        if (request.ip_proto != 0) filter.proto = request.ip_proto;
        return filter;
    };
    conntrack::Tracker& tracker = datapath_->tracker();
    const openflow::CtTuple none;
    if (request.zone && request.ip_proto == 0 && request.original == none && request.reply == none)
        return tracker.flush_zone(*request.zone);
    tracker.flush(request.zone, filter_of(request.original), filter_of(request.reply),
                  static_cast<std::uint64_t>(clock::now_ms()));
}

}  // namespace sluice
