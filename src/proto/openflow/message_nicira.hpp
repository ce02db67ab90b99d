// SPDX-License-Identifier: Apache-2.0
// Small Nicira extensions: formats, controller id, tunnel option table, conntrack flushes.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/types.hpp"
#include "flow/match.hpp"
#include "proto/openflow/message_types.hpp"

namespace sluice::openflow {

struct SetFlowFormat {
    bool nxm = false;
};
struct FlowModTableId {
    bool enable = false;
};
struct SetControllerId {
    std::uint16_t id = 0;
};
struct FlowAge {};

struct TlvMap {
    std::uint16_t option_class = 0;
    std::uint8_t option_type = 0;
    std::uint8_t option_len = 0;  ///< bytes, multiple of 4
    std::uint16_t index = 0;      ///< n of tun_metadata<n>
    friend bool operator==(const TlvMap&, const TlvMap&) = default;
};
struct TlvTableMod {
    enum class Command : std::uint16_t { kAdd, kDelete, kClear } command{};
    std::vector<TlvMap> maps;
};
struct TlvTableRequest {};
struct TlvTableReply {
    std::uint32_t max_option_space = 0;
    std::uint16_t max_fields = 0;
    std::vector<TlvMap> maps;
};
struct CtFlushZone {
    std::uint16_t zone = 0;
};
/// One direction of NXT_CT_FLUSH; absent members match anything. Addresses: IPv4 in the low 32 bits.
struct CtTuple {
    std::optional<U128> source, target;
    std::optional<std::uint16_t> source_port, target_port;
    std::optional<std::uint16_t> icmp_id;
    std::optional<std::uint8_t> icmp_type, icmp_code;
    friend bool operator==(const CtTuple&, const CtTuple&) = default;
};
struct CtFlush {
    std::uint8_t ip_proto = 0;
    std::optional<std::uint16_t> zone;
    CtTuple original, reply;
};
/// NXST_IPFIX_BRIDGE or NXST_IPFIX_FLOW.
struct IpfixStatsRequest {
    bool flows = false;
};

}  // namespace sluice::openflow
