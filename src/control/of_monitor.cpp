// SPDX-License-Identifier: Apache-2.0
#include "control/of_monitor.hpp"

#include <vector>

namespace sluice {

namespace of = openflow;
namespace flag = of::monitor_flag;
using bridge::Flow;
using bridge::FlowChange;
using of::ErrorCode;
using of::FlowUpdate;
using of::OfError;

bool OfMonitors::Monitor::wants(const Flow& flow) const {
    return (filter.table == of::kAllTables || filter.table == flow.table()) && filter.passes(flow);
}

// A change that takes the watched output away is of interest too.
bool OfMonitors::Monitor::wants(const FlowChange& change) const {
    if (wants(change.flow)) return true;
    if (!change.old_actions || filter.out_port == OfPort::kAny ||
        !bridge::outputs_to(*change.old_actions, filter.out_port))
        return false;
    Monitor any_port = *this;
    any_port.filter.out_port = OfPort::kAny;
    return any_port.wants(change.flow);
}

std::optional<OfError> OfMonitors::request(const of::FlowMonitorRequest& request,
                                           of::FlowMonitorReply& initial) {
    auto monitors = monitors_;
    std::vector<Monitor> added;
    for (const of::FlowMonitor& wish : request.monitors) {
        if (wish.command > of::FlowMonitor::Command::kDelete) continue;  // as OVS: nothing is said of it
        const bool is_new = wish.command == of::FlowMonitor::Command::kAdd;
        if (is_new && monitors.count(wish.id) != 0)
            return OfError{ErrorCode::kMofcMonitorExists, fmt::format("monitor {} exists", wish.id)};
        if (!is_new && monitors.erase(wish.id) == 0)
            return OfError{ErrorCode::kMofcUnknownMonitor, fmt::format("there is no monitor {}", wish.id)};
        if (wish.command == of::FlowMonitor::Command::kDelete) continue;
        of::FlowSelection selection;
        selection.match = wish.match;
        selection.table = wish.table;
        selection.out_port = wish.out_port;
        selection.out_group = wish.out_group;
        const Monitor monitor{wish, bridge::FlowFilter::from(selection)};
        monitors.emplace(wish.id, monitor);
        if ((wish.flags & flag::kInitial) != 0) added.push_back(monitor);
    }
    monitors_ = std::move(monitors);
    if (monitors_.empty()) paused_at_.reset();
    if (added.empty()) return {};
    flows_.for_each({}, [&](const Flow& flow) {
        std::uint16_t flags = 0;
        for (const Monitor& monitor : added) {
            if (monitor.wants(flow)) flags |= monitor.wish.flags;
        }
        if (flags != 0) initial.updates.push_back(describe(flow, FlowUpdate::Event::kInitial, flags));
    });
    return {};
}

std::optional<OfError> OfMonitors::cancel(std::uint32_t id) {
    if (monitors_.erase(id) == 0)
        return OfError{ErrorCode::kMofcUnknownMonitor, fmt::format("there is no monitor {}", id)};
    if (monitors_.empty()) paused_at_.reset();
    return {};
}

of::FlowMonitorReply OfMonitors::tell(std::span<const FlowChange> changes) {
    of::FlowMonitorReply out;
    bool abbreviated = false;
    for (const FlowChange& change : changes) {
        const auto [wish, event] = [&]() -> std::pair<std::uint16_t, FlowUpdate::Event> {
            switch (change.kind) {
                case FlowChange::Kind::kAdded:
                    return {flag::kAdd, FlowUpdate::Event::kAdded};
                case FlowChange::Kind::kModified:
                    return {flag::kModify, FlowUpdate::Event::kModified};
                case FlowChange::Kind::kRemoved:
                    break;
            }
            return {flag::kDelete, FlowUpdate::Event::kRemoved};
        }();
        // A paused peer needs to hear of flows that go, if it knows them; the rest resume() tells.
        if (paused_at_ && (event != FlowUpdate::Event::kRemoved || change.flow.added_seq > *paused_at_))
            continue;
        std::uint16_t flags = 0;
        for (const auto& [id, monitor] : monitors_) {
            if ((monitor.wish.flags & wish) != 0 && monitor.wants(change)) flags |= monitor.wish.flags;
        }
        if (flags == 0) continue;
        const bool own = change.origin.session == session_;
        if (!own || (flags & flag::kOwn) != 0 || paused_at_) {
            FlowUpdate& update = out.updates.emplace_back(describe(change.flow, event, flags));
            if (event == FlowUpdate::Event::kRemoved)
                update.reason = static_cast<of::FlowRemovedReason>(change.reason);
        } else if (!abbreviated) {
            abbreviated = true;
            FlowUpdate& update = out.updates.emplace_back();
            update.event = FlowUpdate::Event::kAbbreviated;
            update.xid = change.origin.xid;
        }
    }
    return out;
}

of::FlowMonitorReply OfMonitors::resume() {
    of::FlowMonitorReply out;
    const std::uint64_t since = *std::exchange(paused_at_, std::nullopt);
    flows_.for_each({}, [&](const Flow& flow) {
        if (flow.modified_seq <= since) return;
        const bool is_new = flow.added_seq > since;
        std::uint16_t flags = 0;
        for (const auto& [id, monitor] : monitors_) {
            if ((monitor.wish.flags & (is_new ? flag::kAdd : flag::kModify)) != 0 && monitor.wants(flow))
                flags |= monitor.wish.flags;
        }
        if (flags == 0) return;
        out.updates.push_back(
            describe(flow, is_new ? FlowUpdate::Event::kAdded : FlowUpdate::Event::kModified, flags));
    });
    return out;
}

FlowUpdate OfMonitors::describe(const Flow& flow, FlowUpdate::Event event, std::uint16_t flags) const {
    FlowUpdate update;
    update.event = event;
    update.idle_timeout_s = flow.idle_timeout_s;
    update.hard_timeout_s = flow.hard_timeout_s;
    update.priority = flow.priority();
    update.table = flow.table();
    update.cookie = flow.cookie;
    update.match = flow.match();
    if ((flags & flag::kActions) != 0) update.actions = flow.actions();
    return update;
}

}  // namespace sluice
