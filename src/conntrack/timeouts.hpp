// SPDX-License-Identifier: Apache-2.0
// How long a connection without packets is remembered. Names and defaults are those of Open vSwitch's
// user-space tracker (ovs-vswitchd.conf.db(5), CT_Timeout_Policy).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace sluice::conntrack {

enum class Timeout : std::uint8_t {
    kTcpSynSent,
    kTcpSynRecv,
    kTcpEstablished,
    kTcpFinWait,
    kTcpTimeWait,
    kTcpClose,
    kUdpFirst,
    kUdpSingle,
    kUdpMultiple,
    kIcmpFirst,
    kIcmpReply,
};
struct TimeoutRow {
    std::string_view name;
    std::uint32_t seconds;
};
inline constexpr std::array<TimeoutRow, 11> kTimeouts = {{
    {"tcp_syn_sent", 30},
    {"tcp_syn_recv", 30},
    {"tcp_established", 24 * 60 * 60},
    {"tcp_fin_wait", 15 * 60},
    {"tcp_time_wait", 45},
    {"tcp_close", 30},
    {"udp_first", 60},
    {"udp_single", 60},
    {"udp_multiple", 30},
    {"icmp_first", 60},
    {"icmp_reply", 30},
}};
inline constexpr std::size_t kTimeoutCount = kTimeouts.size();
using TimeoutPolicy = std::array<std::uint32_t, kTimeoutCount>;  ///< seconds
constexpr TimeoutPolicy default_policy() {
    TimeoutPolicy policy{};
    for (std::size_t i = 0; i < kTimeoutCount; ++i)
        policy[i] = kTimeouts[i].seconds;
    return policy;
}

}  // namespace sluice::conntrack
