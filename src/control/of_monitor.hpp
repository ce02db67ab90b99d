// SPDX-License-Identifier: Apache-2.0
// OfMonitors: which flows one OpenFlow connection watches, and what it is told of them.
//
// As in Open vSwitch: "own" asks for changes that the connection makes itself to be told in full; without it
// a request that changed something is told by its xid alone. A peer that does not read is paused: it then
// hears only of removals of flows that it knows, and on resuming of what was added or changed meanwhile.
// Sources: ovs-ofctl(8) "monitor", OpenFlow 1.4 §7.3.5.19. Control thread.
#pragma once

#include <map>
#include <optional>
#include <span>

#include "bridge/flow_tables.hpp"
#include "proto/openflow/message_monitor.hpp"

namespace sluice {

class OfMonitors {
  public:
    OfMonitors(bridge::FlowTables& flows, const void* session) : flows_(flows), session_(session) {}

    bool empty() const { return monitors_.empty(); }
    /// Adds or removes monitors, all or none; `initial` gets the flows that were asked for at once.
    std::optional<openflow::OfError> request(const openflow::FlowMonitorRequest& request,
                                             openflow::FlowMonitorReply& initial);
    std::optional<openflow::OfError> cancel(std::uint32_t id);
    /// What the peer is told of these changes.
    openflow::FlowMonitorReply tell(std::span<const bridge::FlowChange> changes);

    bool paused() const { return paused_at_.has_value(); }
    void pause() { paused_at_ = flows_.sequence(); }
    /// What the peer missed.
    openflow::FlowMonitorReply resume();

  private:
    struct Monitor {
        openflow::FlowMonitor wish;
        bridge::FlowFilter filter;
        bool wants(const bridge::Flow& flow) const;
        bool wants(const bridge::FlowChange& change) const;
    };
    openflow::FlowUpdate describe(const bridge::Flow& flow, openflow::FlowUpdate::Event event,
                                  std::uint16_t flags) const;

    bridge::FlowTables& flows_;
    const void* session_;
    std::map<std::uint32_t, Monitor> monitors_;
    std::optional<std::uint64_t> paused_at_;
};

}  // namespace sluice
