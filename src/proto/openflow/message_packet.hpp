// SPDX-License-Identifier: Apache-2.0
// Packets between switch and controller. OpenFlow 1.5 §7.3.6, §7.4.1.
#pragma once

#include <cstdint>
#include <vector>

#include "base/types.hpp"
#include "flow/action.hpp"
#include "flow/match.hpp"
#include "proto/openflow/message_types.hpp"

namespace sluice::openflow {

enum class PacketInFormat : std::uint8_t { kStandard = 0, kNicira = 1, kNicira2 = 2 };
struct SetPacketInFormat {
    PacketInFormat format{};
};

enum class PacketInReason : std::uint8_t {
    kNoMatch = 0,
    kAction = 1,
    kInvalidTtl = 2,
    kActionSet = 3,
    kGroup = 4,
    kPacketOut = 5,
};
struct PacketIn {
    PacketInFormat format{};
    std::uint32_t buffer_id = kNoBuffer;
    std::uint32_t total_len = 0;  ///< bytes of the whole packet; `packet` may be its start only
    PacketInReason reason{};
    std::uint8_t table = 0;
    std::uint64_t cookie = ~std::uint64_t{0};
    Match metadata;  ///< in_port, metadata, registers, tunnel, ct fields: what the header lacks
    Bytes packet;
    Bytes userdata;      ///< Nicira2 only
    Bytes continuation;  ///< Nicira2 only; opaque to the controller, returned by NXT_RESUME
};
struct Resume {
    PacketIn packet_in;
};
struct PacketOut {
    std::uint32_t buffer_id = kNoBuffer;
    OfPort in_port = OfPort::kController;
    Match metadata;  ///< 1.5; in_port is in `in_port` also then
    ActionList actions;
    Bytes packet;
};

}  // namespace sluice::openflow
