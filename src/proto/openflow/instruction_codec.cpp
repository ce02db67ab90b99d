// SPDX-License-Identifier: Apache-2.0
// Instructions of OpenFlow 1.1+ (OpenFlow 1.5 §7.2.5) and their flat form in flow/action.hpp.
#include <array>
#include <optional>

#include "proto/openflow/action_codec.hpp"

namespace sluice::openflow {

namespace {

using E = ErrorCode;
enum Type : std::uint16_t { kGoto = 1, kWriteMetadata, kWriteActions, kApplyActions, kClearActions, kMeter };

/// Bodies of the instructions found, by type.
using Found = std::array<std::optional<Reader>, 7>;

Found split(Reader in, Version version) {
    Found found;
    if (in.left() % 8 != 0) fail(E::kBicBadLen, "instructions of {} bytes", in.left());
    while (!in.empty()) {
        Reader head = in;
        const std::uint16_t type = head.u16(), size = head.u16();
        if (size < 8 || size % 8 != 0 || size > in.left()) {
            fail(E::kBicBadLen, "instruction {} of {} bytes, {} left", type, size, in.left());
        }
        if (type == 0xffff) fail(E::kBicBadExperimenter, "instruction of vendor {:#x}", head.u32());
        if (type < kGoto || type > kMeter || (type == kMeter && version >= Version::k15)) {
            fail(E::kBicUnknownInst, "instruction {}", type);
        }
        const std::size_t exact = type == kWriteMetadata ? 24 : 8;
        const bool open = type == kWriteActions || type == kApplyActions;
        if (!open && size != exact)
            fail(E::kBicBadLen, "instruction {} of {} bytes, not {}", type, size, exact);
        Reader body = in.sub(size, E::kBicBadLen);
        body.skip(4);
        if (open) body.skip(4);
        if (found[type]) fail(E::kBicDupInst, "instruction {} twice", type);
        found[type] = open ? body.sub(body.left(), E::kBacBadLen) : body;
    }
    return found;
}

/// Kinds that the action set of a packet can hold (OpenFlow 1.5 §5.6, and OVS's own).
struct AllowedInSet {
    template <typename K, typename... Refused>
    static constexpr bool kIsOneOf = (std::is_same_v<K, Refused> || ...);
    template <typename K>
    bool operator()(const K&) const {
        return !kIsOneOf<K, BundleAction, CheckPktLargerAction, ClearActionsAction, CloneAction,
                         ConjunctionAction, ControllerAction, DeleteFieldAction, EnqueueAction, ExitAction,
                         FinTimeoutAction, GotoTableAction, LearnAction, MeterAction, MultipathAction,
                         NatAction, NoteAction, OutputRegAction, OutputTruncAction, PopQueueAction,
                         SampleAction, StackPopAction, StackPushAction, WriteActionsAction,
                         WriteMetadataAction>;
    }
};

void check_action_set(const ActionList& actions) {
    for (const auto& action : actions) {
        if (!std::visit(AllowedInSet{}, action.kind)) {
            fail(E::kBacBadType, "write_actions holds an action that no action set can");
        }
    }
}

std::size_t begin(Writer& out, Type type) {
    const std::size_t start = out.size();
    out.u16(type);
    out.u16(0);
    return start;
}

}  // namespace

bool is_instruction(const Action& action, Version version) {
    const auto& kind = action.kind;
    if (std::holds_alternative<MeterAction>(kind)) return version < Version::k15;
    return std::holds_alternative<ClearActionsAction>(kind) ||
           std::holds_alternative<WriteActionsAction>(kind) ||
           std::holds_alternative<WriteMetadataAction>(kind) || std::holds_alternative<GotoTableAction>(kind);
}

void decode_instructions(Reader in, Version version, ActionList& out) {
    Found found = split(in, version);
    if (found[kMeter]) {
        const std::uint32_t meter = found[kMeter]->u32();
        if (meter == 0 || meter > kMaxMeter) fail(E::kMmfcInvalidMeter, "meter {}", meter);
        out.push_back({MeterAction{meter}});
    }
    if (found[kApplyActions]) decode_actions(*found[kApplyActions], {version, 0}, out);
    if (found[kClearActions]) out.push_back({ClearActionsAction{}});
    if (found[kWriteActions]) {
        WriteActionsAction write;
        decode_actions(*found[kWriteActions], {version, 1}, write.actions);
        check_action_set(write.actions);
        out.push_back({std::move(write)});
    }
    if (found[kWriteMetadata]) {
        auto& body = *found[kWriteMetadata];
        body.skip(4);
        const std::uint64_t value = body.u64(), mask = body.u64();
        out.push_back({WriteMetadataAction{value & mask, mask}});
    }
    if (found[kGoto]) out.push_back({GotoTableAction{found[kGoto]->u8()}});
}

void decode_flow_actions(Reader in, Version version, ActionList& out) {
    // Whole messages of such a kind are a multiple of 8 bytes long.
    if (in.left() % 8 != 0) fail(E::kBrcBadLen, "actions or instructions of {} bytes", in.left());
    if (version == Version::k10) {
        decode_actions(in.sub(in.left(), E::kBacBadLen), {version, 0}, out);
    } else {
        decode_instructions(in.sub(in.left(), E::kBicBadLen), version, out);
    }
}

void encode_flow_actions(Writer& out, const ActionList& actions, const EncodeScope& scope) {
    if (scope.version == Version::k10) return encode_actions(out, actions, scope);
    ActionList apply;
    for (const auto& action : actions) {
        if (const auto* meter = std::get_if<MeterAction>(&action.kind)) {
            if (scope.version >= Version::k15) apply.push_back(action);
            if (scope.version < Version::k13 || scope.version >= Version::k15) continue;
            begin(out, kMeter);
            out.u32(meter->meter);
            out.patch16(out.size() - 6, 8);
        } else if (!is_instruction(action, scope.version)) {
            apply.push_back(action);
        }
    }
    if (!apply.empty()) {
        const std::size_t start = begin(out, kApplyActions);
        out.zeros(4);
        encode_actions(out, apply, scope);
        out.patch_size(start, 2);
    }
    for (const auto& action : actions) {
        const auto start = out.size();
        if (std::holds_alternative<ClearActionsAction>(action.kind)) {
            begin(out, kClearActions);
            out.zeros(4);
        } else if (const auto* write = std::get_if<WriteActionsAction>(&action.kind)) {
            begin(out, kWriteActions);
            out.zeros(4);
            encode_actions(out, write->actions, scope);
        } else if (const auto* metadata = std::get_if<WriteMetadataAction>(&action.kind)) {
            begin(out, kWriteMetadata);
            out.zeros(4);
            out.u64(metadata->value);
            out.u64(metadata->mask);
        } else if (const auto* next = std::get_if<GotoTableAction>(&action.kind)) {
            begin(out, kGoto);
            out.u8(next->table);
            out.zeros(3);
        } else {
            continue;
        }
        out.patch_size(start, 2);
    }
}

}  // namespace sluice::openflow
