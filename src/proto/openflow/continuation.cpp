// SPDX-License-Identifier: Apache-2.0
#include "proto/openflow/continuation.hpp"

#include "proto/openflow/message_codec.hpp"

namespace sluice::openflow {

namespace {

using E = ErrorCode;

enum Part : std::uint16_t {
    kBridge = 0x8000,
    kStack,
    kMirrors,
    kConntracked,
    kTableId,
    kCookie,
    kActions,
    kActionSet,
    kOdpPort,
    kInstructions = 0x80f0  ///< as kActions, in instructions of OpenFlow 1.3
};
constexpr std::size_t kMaxFrames = 256, kMaxStack = 4096;

/// goto_table and write_metadata as the actions that do the same at the end of a list.
ActionList as_plain(const ActionList& actions) {
    ActionList out;
    for (const Action& action : actions) {
        if (const auto* jump = std::get_if<GotoTableAction>(&action.kind)) {
            out.push_back(Action{ResubmitAction{OfPort::kInPort, jump->table, false}});
        } else {
            out.push_back(action);
        }
    }
    return out;
}

void write_actions(Writer& out, Part type, const ActionList& actions, Version version) {
    const std::size_t start = out.size();
    const ActionList plain = as_plain(actions);
    const bool has_instructions = std::any_of(plain.begin(), plain.end(), [&](const Action& action) {
        return is_instruction(action, Version::k13);
    });
    try {
        if (has_instructions) throw EncodeFailure{"an instruction in a list of actions"};
        write_property(out, type, [&] {
            out.zeros(4);
            encode_actions(out, plain, {version});
        });
    } catch (const EncodeFailure&) {
        if (type != kActions) throw;
        out.out().resize(start);
        write_property(out, kInstructions, [&] {
            out.zeros(4);
            encode_flow_actions(out, actions, {Version::k13});
        });
    }
}

/// Without leading zero bytes, but at least one byte.
void write_number(Writer& out, U128 value) {
    std::size_t size = 16;
    while (size > 1 && (value >> static_cast<unsigned>(8 * (size - 1))).is_zero())
        --size;
    write_wide(out, value, size);
}

void read_part(Property& part, Version version, Continuation& out, Continuation::Frame& frame) {
    Reader& value = part.value;
    switch (part.type) {
        case kBridge:
            for (auto& byte : out.bridge)
                byte = value.u8();
            break;
        case kStack:
            if (value.empty() || value.left() > 16) fail(E::kBpcBadLen, "{} bytes on a stack", value.left());
            if (out.stack.size() >= kMaxStack) fail(E::kBpcBadValue, "a stack of more than {}", kMaxStack);
            out.stack.push_back(read_wide(value, value.left()));
            break;
        case kTableId:
            frame.table = value.u8();
            break;
        case kCookie:
            value.skip(4);
            frame.cookie = value.u64();
            break;
        case kActions:
        case kInstructions:
            value.skip(4);
            if (out.frames.size() >= kMaxFrames) fail(E::kBpcBadValue, "more than {} lists", kMaxFrames);
            if (part.type == kActions) {
                decode_actions(value.sub(value.left(), E::kBacBadLen), {version, 0}, frame.actions);
            } else {
                decode_instructions(value.sub(value.left(), E::kBicBadLen), Version::k13, frame.actions);
            }
            out.frames.push_back(std::move(frame));
            frame = {out.frames.back().table, out.frames.back().cookie, {}};
            break;
        case kActionSet:
            value.skip(4);
            decode_actions(value.sub(value.left(), E::kBacBadLen), {version, 0}, out.action_set);
            break;
        case kMirrors:
            out.mirrors = value.u32();
            break;
        case kConntracked:
        case kOdpPort:
            break;
        default:
            fail_property(part.type);
    }
}

}  // namespace

Bytes encode_continuation(const Continuation& continuation, Version version, const TunTable* tun) {
    Bytes bytes;
    Writer out{bytes, tun};
    try {
        write_property(out, kBridge, [&] { out.bytes(continuation.bridge); });
        for (auto at = continuation.stack.rbegin(); at != continuation.stack.rend(); ++at)
            write_property(out, kStack, [&] { write_number(out, *at); });
        if (continuation.mirrors != 0) write_property(out, kMirrors, [&] { out.u32(continuation.mirrors); });
        // Readers of other makes keep what the list before said.
        std::uint8_t table = 0;
        std::uint64_t cookie = 0;
        for (const auto& frame : continuation.frames) {
            if (frame.table != std::exchange(table, frame.table))
                write_property(out, kTableId, [&] { out.u8(frame.table); });
            if (frame.cookie != std::exchange(cookie, frame.cookie)) {
                write_property(out, kCookie, [&] {
                    out.zeros(4);
                    out.u64(frame.cookie);
                });
            }
            write_actions(out, kActions, frame.actions, version);
        }
        if (!continuation.action_set.empty())
            write_actions(out, kActionSet, continuation.action_set, version);
    } catch (const EncodeFailure&) {
        return {};
    }
    return bytes;
}

OfResult<Continuation> decode_continuation(std::span<const std::uint8_t> bytes, Version version,
                                           const TunTable* tun) {
    Continuation out;
    try {
        Reader in{bytes, E::kBpcBadLen};
        in.set_tun(tun);
        Continuation::Frame frame;
        while (!in.empty()) {
            auto part = read_property(in);
            read_part(part, version, out, frame);
        }
    } catch (const DecodeFailure& failure) {
        return failure.error;
    }
    std::reverse(out.stack.begin(), out.stack.end());
    return out;
}

}  // namespace sluice::openflow
