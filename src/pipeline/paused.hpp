// SPDX-License-Identifier: Apache-2.0
// PausedPacket: where a packet stopped at controller(pause), as a value.
//
// It holds copies of the actions that were left to do, not references into rules: whatever happens to the
// rules while a controller holds the packet, NXT_RESUME goes on exactly where the packet stopped
// (ovs-actions(7), "controller"; nicira-ext.h NXPINT_CONTINUATION). The worker writes down pointers
// (PauseRecord); the control thread turns them into a PausedPacket while they are still valid.
#pragma once

#include <cstdint>
#include <vector>

#include "flow/action.hpp"
#include "flow/key.hpp"
#include "flow/limits.hpp"
#include "packet/packet.hpp"
#include "pipeline/action_program.hpp"

namespace sluice::pipeline {

inline constexpr unsigned kMaxPauseFrames = 128;  ///< lists of actions a paused packet may be inside of
inline constexpr unsigned kMaxSetWrites = 64;     ///< write_actions of one packet that its action set keeps

/// What was left of one list of actions.
struct PausedFrame {
    std::uint8_t table = 0;                    ///< of the rule (what resubmit(,) and packet-ins refer to)
    std::uint64_t cookie = ~std::uint64_t{0};  ///< of the rule; all ones: none (a packet-out)
    ActionList actions;
};

/// A value; any thread, but made by Datapath::drain() and used by Executor::resume() on the control thread.
struct PausedPacket {
    unsigned bridge = 0;              ///< BridgeEntry::index
    std::vector<PausedFrame> frames;  ///< innermost first: the order in which they go on
    ActionList action_set;            ///< in the order it was written
    std::vector<U128> stack;          ///< bottom first
    FlowKey metadata;                 ///< in_port, registers, metadata, tunnel and conntrack fields
    std::uint32_t queue = kNoQueue;   ///< of set_queue
    std::uint32_t mirrored = 0;       ///< bit n: mirror n of the bridge has had it
};

/// The same as workers write it down: fixed size, pointers into rules. writer: worker; reader: control.
struct PauseRecord {
    struct Frame {
        const ActionProgram* program = nullptr;
        std::uint16_t next = 0;  ///< first action of program->source that was not executed
        std::uint8_t table = 0;
        std::uint64_t cookie = 0;
    };
    std::uint16_t frame_count = 0;
    std::uint16_t set_count = 0;
    std::uint8_t stack_size = 0;
    std::uint32_t queue = kNoQueue;
    std::uint32_t mirrored = 0;
    Frame frame[kMaxPauseFrames];
    const ActionProgram* action_set[kMaxSetWrites];  ///< oldest write first
    U128 stack[kMaxStackDepth];
};

}  // namespace sluice::pipeline
