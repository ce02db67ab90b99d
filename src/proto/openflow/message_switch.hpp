// SPDX-License-Identifier: Apache-2.0
// The switch and its ports: features, configuration, descriptions, port and queue statistics.
// OpenFlow 1.5 §7.2.1, §7.3.1-5.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/types.hpp"
#include "proto/openflow/message_types.hpp"

namespace sluice::openflow {

/// Configuration bits (OFPPC_*), one numbering for all versions.
namespace port_config {
inline constexpr std::uint32_t kPortDown = 1 << 0, kNoStp = 1 << 1, kNoRecv = 1 << 2, kNoRecvStp = 1 << 3,
                               kNoFlood = 1 << 4, kNoFwd = 1 << 5, kNoPacketIn = 1 << 6;
}
/// State bits (OFPPS_*). kStp* is a two-bit number in OpenFlow 1.0 only.
namespace port_state {
inline constexpr std::uint32_t kLinkDown = 1 << 0, kBlocked = 1 << 1, kLive = 1 << 2, kStpListen = 0 << 8,
                               kStpLearn = 1 << 8, kStpForward = 2 << 8, kStpBlock = 3 << 8,
                               kStpMask = 3 << 8;
}
/// Feature bits (OFPPF_*), in OpenFlow 1.1+ positions.
namespace port_feature {
inline constexpr std::uint32_t k10MbHd = 1 << 0, k10MbFd = 1 << 1, k100MbHd = 1 << 2, k100MbFd = 1 << 3,
                               k1GbHd = 1 << 4, k1GbFd = 1 << 5, k10GbFd = 1 << 6, k40GbFd = 1 << 7,
                               k100GbFd = 1 << 8, k1TbFd = 1 << 9, kOther = 1 << 10, kCopper = 1 << 11,
                               kFiber = 1 << 12, kAutoneg = 1 << 13, kPause = 1 << 14, kPauseAsym = 1 << 15;
}
struct PortDesc {
    OfPort port{};
    MacBytes hw_addr{};
    std::string name;          ///< up to 15 characters before 1.4's 16-byte field ends
    std::uint32_t config = 0;  ///< port_config
    std::uint32_t state = 0;   ///< port_state
    std::uint32_t current = 0, advertised = 0, supported = 0, peer = 0;  ///< port_feature
    std::uint32_t current_speed_kbps = 0, max_speed_kbps = 0;            ///< 1.1+
    friend bool operator==(const PortDesc&, const PortDesc&) = default;
};
enum class PortReason : std::uint8_t { kAdd, kDelete, kModify };
struct PortStatus {
    PortReason reason{};
    PortDesc desc;
};
struct PortMod {
    OfPort port{};
    MacBytes hw_addr{};
    std::uint32_t config = 0, mask = 0;  ///< port_config
    std::uint32_t advertise = 0;         ///< port_feature; 0: unchanged
};

/// Capability bits (OFPC_*), one numbering for all versions.
namespace capability {
inline constexpr std::uint32_t kFlowStats = 1 << 0, kTableStats = 1 << 1, kPortStats = 1 << 2,
                               kStp = 1 << 3 /* 1.0 */, kGroupStats = 1 << 4 /* 1.1+, on the wire bit 3 */,
                               kIpReasm = 1 << 5, kQueueStats = 1 << 6, kArpMatchIp = 1 << 7,
                               kPortBlocked = 1 << 8, kBundles = 1 << 9, kFlowMonitoring = 1 << 10;
}
struct FeaturesRequest {};
struct FeaturesReply {
    std::uint64_t datapath_id = 0;
    std::uint32_t n_buffers = 0;
    std::uint8_t n_tables = 0;
    std::uint8_t auxiliary_id = 0;   ///< 1.3+
    std::uint32_t capabilities = 0;  ///< capability
    std::uint32_t actions = 0;       ///< 1.0 only: bit n: action type n
    std::vector<PortDesc> ports;     ///< 1.0..1.2; encode stops at 64 KiB
};
struct GetConfigRequest {};
struct SwitchConfig {
    std::uint16_t frag_mode = 0;                    ///< 0 normal, 1 drop, 2 reassemble, 3 nx-match
    std::optional<bool> invalid_ttl_to_controller;  ///< before 1.3 only
    std::uint16_t miss_send_len = 0;
    friend bool operator==(const SwitchConfig&, const SwitchConfig&) = default;
};
struct GetConfigReply {
    SwitchConfig config;
};
struct SetConfig {
    SwitchConfig config;
};

struct DescRequest {};
struct DescReply {
    std::string manufacturer, hardware, software, serial_number, datapath;
    friend bool operator==(const DescReply&, const DescReply&) = default;
};

struct PortStatsRequest {
    OfPort port = OfPort::kAny;
};
/// Counters hold ~0 where unknown. 1.4+ carry Ethernet details in a property, 1.3+ the duration.
struct PortStats {
    OfPort port{};
    std::uint64_t rx_packets = 0, tx_packets = 0, rx_bytes = 0, tx_bytes = 0, rx_dropped = 0, tx_dropped = 0,
                  rx_errors = 0, tx_errors = 0, rx_frame_errors = 0, rx_over_errors = 0, rx_crc_errors = 0,
                  collisions = 0;
    std::uint32_t duration_s = ~std::uint32_t{0}, duration_ns = ~std::uint32_t{0};
    friend bool operator==(const PortStats&, const PortStats&) = default;
};
struct PortStatsReply {
    std::vector<PortStats> ports;
};

struct PortDescRequest {
    OfPort port = OfPort::kAny;  ///< 1.5
};
struct PortDescReply {
    std::vector<PortDesc> ports;
};

struct QueueStatsRequest {
    OfPort port = OfPort::kAny;
    std::uint32_t queue = kAnyQueue;
};
struct QueueStats {
    OfPort port{};
    std::uint32_t queue = 0;
    std::uint64_t tx_bytes = 0, tx_packets = 0, tx_errors = 0;
    std::uint32_t duration_s = ~std::uint32_t{0}, duration_ns = ~std::uint32_t{0};
    friend bool operator==(const QueueStats&, const QueueStats&) = default;
};
struct QueueStatsReply {
    std::vector<QueueStats> queues;
};
/// OFPT_QUEUE_GET_CONFIG_REQUEST (1.0..1.3) or OFPMP_QUEUE_DESC (1.4+).
struct QueueConfigRequest {
    OfPort port = OfPort::kAny;
    std::uint32_t queue = kAnyQueue;  ///< 1.4+
};
struct QueueConfig {
    OfPort port{};
    std::uint32_t queue = 0;
    std::uint16_t min_rate = 0xffff, max_rate = 0xffff;  ///< 1/10 of a per cent; 0xffff: none
    friend bool operator==(const QueueConfig&, const QueueConfig&) = default;
};
struct QueueConfigReply {
    OfPort port = OfPort::kAny;  ///< as requested (1.0..1.3 header)
    std::vector<QueueConfig> queues;
};

}  // namespace sluice::openflow
