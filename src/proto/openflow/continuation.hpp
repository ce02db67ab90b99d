// SPDX-License-Identifier: Apache-2.0
// Where a packet stopped at controller(pause), as the continuation property of NXT_PACKET_IN2 carries it and
// NXT_RESUME brings it back: opaque to controllers, yet nothing in it is trusted. The properties are numbered
// as Open vSwitch does it, so that ovs-ofctl shows them; actions that can't stand in a plain list of the
// message's version travel as instructions in a property of our own.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "base/types.hpp"
#include "flow/action.hpp"
#include "flow/tun_table.hpp"
#include "proto/openflow/error.hpp"
#include "proto/openflow/message_types.hpp"

namespace sluice::openflow {

struct Continuation {
    /// What was left of one list of actions.
    struct Frame {
        std::uint8_t table = 0;
        std::uint64_t cookie = 0;
        ActionList actions;
    };
    std::array<std::uint8_t, 16> bridge{};  ///< whose packet it is
    std::vector<Frame> frames;              ///< in the order in which they go on
    ActionList action_set;
    std::vector<U128> stack;    ///< bottom first
    std::uint32_t mirrors = 0;  ///< bit n: mirror n of the bridge has had the packet
};

/// Value of the property. `tun`: what tun_metadataN stand for. Empty if an action has no wire form.
Bytes encode_continuation(const Continuation& continuation, Version version, const TunTable* tun = nullptr);
/// The same back; BPC errors name what is wrong.
OfResult<Continuation> decode_continuation(std::span<const std::uint8_t> bytes, Version version,
                                           const TunTable* tun = nullptr);

}  // namespace sluice::openflow
