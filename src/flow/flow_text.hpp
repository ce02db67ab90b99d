// SPDX-License-Identifier: Apache-2.0
// Whole flow lines, as `ovs-ofctl add-flow` takes them and `dump-flows --no-stats` prints them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "flow/action.hpp"
#include "flow/match.hpp"
#include "flow/text.hpp"

namespace sluice {

class TunTable;

/// One flow, with everything a flow-mod of any command says besides the command itself.
struct FlowSpec {
    Match match;
    ActionList actions;
    std::uint16_t priority = 0x8000;
    std::uint8_t table = 0xff;                         ///< 0xff: not given (0 for add, all tables for delete)
    std::uint64_t cookie = 0;                          ///< of a new flow
    std::uint64_t cookie_value = 0, cookie_mask = 0;   ///< which flows a modify, delete or dump means
    std::uint16_t idle_timeout = 0, hard_timeout = 0;  ///< seconds, 0: none
    std::uint16_t importance = 0;
    std::uint16_t flags = 0;  ///< OFPFF_*: OpenFlow 1.3+ bit positions
    OfPort out_port = OfPort::kAny;
    std::uint32_t out_group = 0xffffffff;  ///< OFPG_ANY
    bool has_actions = false;
};
inline constexpr std::uint16_t kFlowSendRemoved = 1, kFlowCheckOverlap = 2, kFlowResetCounts = 4,
                               kFlowNoPacketCounts = 8, kFlowNoByteCounts = 16;

/// What a line is for: an add must have actions, a delete or dump must not; "cookie=" names the new flow's
/// cookie in an add and "cookie=V/M" (V/-1) selects flows in the others.
enum class FlowUse { kAdd, kModify, kDelete, kFilter };

/// Parses "priority=5,tcp,tp_dst=80,actions=output:2". The match's prerequisites and the actions are checked.
/// `tun`: what tun_metadataN stand for, here and below; null: none is mapped.
Result<FlowSpec> parse_flow_spec(std::string_view line, FlowUse use = FlowUse::kAdd,
                                 const PortNames* names = nullptr, const TunTable* tun = nullptr);
/// "cookie=0x5, table=1, priority=5,tcp actions=drop": only what differs from the defaults.
std::string format_flow_spec(const FlowSpec& spec, const PortNames* names = nullptr,
                             const TunTable* tun = nullptr);

/// "idle_timeout=5, send_flow_rem " pieces between counters and match of a dump line.
std::string format_flow_flags(std::uint16_t flags);

}  // namespace sluice
