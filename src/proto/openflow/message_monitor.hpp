// SPDX-License-Identifier: Apache-2.0
// Flow monitors: OpenFlow 1.4 §7.3.5.19 and NXST_FLOW_MONITOR.
#pragma once

#include <cstdint>
#include <vector>

#include "proto/openflow/message_flow.hpp"

namespace sluice::openflow {

/// Request to watch flows (NXST_FLOW_MONITOR, OFPMP_FLOW_MONITOR).
namespace monitor_flag {
inline constexpr std::uint16_t kInitial = 1 << 0, kAdd = 1 << 1, kDelete = 1 << 2, kModify = 1 << 3,
                               kActions = 1 << 4, kOwn = 1 << 6;  ///< own: changes of one's own in full too
}
struct FlowMonitor {
    enum class Command : std::uint8_t { kAdd, kModify, kDelete } command{};
    std::uint32_t id = 0;
    std::uint16_t flags = 0;  ///< monitor_flag
    OfPort out_port = OfPort::kAny;
    std::uint32_t out_group = kAnyGroup;
    std::uint8_t table = kAllTables;
    Match match;
};
struct FlowMonitorRequest {
    std::vector<FlowMonitor> monitors;
};
/// One change reported to a monitor.
struct FlowUpdate {
    enum class Event : std::uint16_t {
        kInitial,
        kAdded,
        kRemoved,
        kModified,
        kAbbreviated,
        kPaused,
        kResumed
    };
    Event event{};
    FlowRemovedReason reason{};
    std::uint16_t idle_timeout_s = 0, hard_timeout_s = 0, priority = 0;
    std::uint8_t table = 0;
    std::uint64_t cookie = 0;
    std::uint32_t xid = 0;  ///< kAbbreviated
    SparseMatch match;
    ActionList actions;
};
struct FlowMonitorReply {
    std::vector<FlowUpdate> updates;
};
struct FlowMonitorCancel {
    std::uint32_t id = 0;
};
struct FlowMonitorPaused {};
struct FlowMonitorResumed {};

}  // namespace sluice::openflow
