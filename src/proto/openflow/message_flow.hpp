// SPDX-License-Identifier: Apache-2.0
// Flow-mod, flow-removed, flow and aggregate statistics. OpenFlow 1.5 §7.3.4.2, §7.3.5.2-3, §7.4.2.
#pragma once

#include <cstdint>
#include <vector>

#include "base/types.hpp"
#include "flow/action.hpp"
#include "flow/match.hpp"
#include "proto/openflow/message_types.hpp"

namespace sluice::openflow {

enum class FlowCommand : std::uint8_t { kAdd, kModify, kModifyStrict, kDelete, kDeleteStrict };
namespace flow_flag {
inline constexpr std::uint16_t kSendFlowRemoved = 1 << 0, kCheckOverlap = 1 << 1, kResetCounts = 1 << 2,
                               kNoPacketCounts = 1 << 3, kNoByteCounts = 1 << 4, kEmergency = 1 << 5;
}
struct FlowMod {
    FlowCommand command{};
    std::uint8_t table = kAllTables;  ///< 0xff: any (add: first that takes it; OpenFlow 1.0: always, unless
                                      ///< the extension flow_mod_table_id is on)
    Match match;
    std::uint16_t priority = 0x8000;
    std::uint64_t cookie = 0, cookie_mask = 0;     ///< which flows modify and delete touch; mask 0: all
    std::uint64_t new_cookie = ~std::uint64_t{0};  ///< cookie to store
    bool modify_cookie = false;                    ///< modify stores new_cookie too
    std::uint16_t idle_timeout_s = 0, hard_timeout_s = 0;
    std::uint32_t buffer_id = kNoBuffer;
    OfPort out_port = OfPort::kAny;  ///< delete: only flows that output there
    std::uint32_t out_group = kAnyGroup;
    std::uint16_t flags = 0;       ///< flow_flag
    std::uint16_t importance = 0;  ///< 1.4+
    ActionList actions;            ///< apply-actions flattened, then instructions, as in flow/action.hpp
    bool nicira = false;           ///< came as NXT_FLOW_MOD
};
enum class FlowRemovedReason : std::uint8_t {
    kIdleTimeout,
    kHardTimeout,
    kDelete,
    kGroupDelete,
    kMeterDelete,
    kEviction
};
struct FlowRemoved {
    Match match;
    std::uint64_t cookie = 0;
    std::uint16_t priority = 0;
    FlowRemovedReason reason{};
    std::uint8_t table = 0xff;  ///< 0xff: unknown (1.0)
    std::uint32_t duration_s = 0, duration_ns = 0;
    std::uint16_t idle_timeout_s = 0, hard_timeout_s = 0;
    std::uint64_t packet_count = 0, byte_count = 0;
    bool nicira = false;  ///< NXT_FLOW_REMOVED; OpenFlow 1.0, 1.1 controllers that set the NXM format
};

/// Selection of flows for dumps and aggregates.
struct FlowSelection {
    Match match;
    std::uint8_t table = kAllTables;
    OfPort out_port = OfPort::kAny;
    std::uint32_t out_group = kAnyGroup;
    std::uint64_t cookie = 0, cookie_mask = 0;
    bool nicira = false;  ///< NXST_FLOW / NXST_AGGREGATE; answer in the same form
};
struct FlowStatsRequest {
    FlowSelection selection;
};
struct AggregateRequest {
    FlowSelection selection;
};
struct FlowStats {
    SparseMatch match;
    std::uint8_t table = 0;
    std::uint16_t priority = 0;
    std::uint64_t cookie = 0;
    std::uint32_t duration_s = 0, duration_ns = 0;
    std::uint16_t idle_timeout_s = 0, hard_timeout_s = 0;
    std::int32_t idle_age_s = -1, hard_age_s = -1;   ///< -1: not known; NXST_FLOW only
    std::uint16_t flags = 0;                         ///< 1.3+
    std::uint16_t importance = 0;                    ///< 1.4+
    std::uint64_t packet_count = 0, byte_count = 0;  ///< ~0: not counted
    ActionList actions;
};
struct FlowStatsReply {
    std::vector<FlowStats> flows;
    bool nicira = false;
};
struct AggregateReply {
    std::uint64_t packet_count = 0, byte_count = 0;
    std::uint32_t flow_count = 0;
    bool nicira = false;
};

}  // namespace sluice::openflow
