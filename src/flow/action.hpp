// SPDX-License-Identifier: Apache-2.0
// Actions and instructions, in one list as ovs-ofctl writes them. One struct a kind; the variant is the
// list of kinds. The codec (proto/openflow), the text syntax (flow/action_text), the compiler (pipeline)
// and the reference interpreter each have one visitor over it, so the compiler finds what is left when
// a kind is added. Source: ovs-actions(7), OpenFlow 1.5 §5.8, §7.2.6.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/types.hpp"
#include "flow/field.hpp"

namespace sluice {

struct Action;
using ActionList = std::vector<Action>;

struct OutputAction {
    OfPort port{};
    std::uint16_t max_len = 0xffff;
};  ///< max_len: CONTROLLER only
struct OutputRegAction {
    SubField source;
    std::uint16_t max_len = 0xffff;
};
struct OutputTruncAction {
    OfPort port{};
    std::uint32_t max_len = 0;
};
struct ControllerAction {
    std::uint16_t max_len = 0xffff;
    std::uint16_t controller_id = 0;
    std::uint8_t reason = 1;  ///< OFPR_ACTION
    std::vector<std::uint8_t> userdata;
    bool pause = false;
    std::uint32_t meter_id = 0;  ///< 0: none
    bool extended = false;       ///< came as NXAST_CONTROLLER/2 (prints "controller(...)")
};
struct EnqueueAction {
    OfPort port{};
    std::uint32_t queue = 0;
};
struct SetQueueAction {
    std::uint32_t queue = 0;
};
struct PopQueueAction {};
struct GroupAction {
    std::uint32_t group = 0;
};
struct MeterAction {
    std::uint32_t meter = 0;
};

/// Sets the bits of `mask` of a field to `value`. style says how it was written and how it prints.
struct SetFieldAction {
    enum class Style : std::uint8_t {
        kSetField,  ///< set_field:V/M->name
        kLoad,      ///< load:V->NXM_NAME[a..b]
        kLegacy,    ///< mod_dl_src:, mod_nw_tos:, mod_tp_dst: ... (OpenFlow 1.0 forms)
    };
    FieldId field = kNoField;
    U128 value;  ///< in field position, only bits of mask set
    U128 mask;
    Style style = Style::kSetField;
};
struct SetVlanVidAction {
    std::uint16_t vid = 0;
    bool push_if_needed = false;
};  ///< mod_vlan_vid
struct SetVlanPcpAction {
    std::uint8_t pcp = 0;
    bool push_if_needed = false;
};  ///< mod_vlan_pcp
struct MoveAction {
    SubField source;
    SubField target;
};
struct PushVlanAction {
    std::uint16_t ethertype = 0x8100;
};
struct StripVlanAction {
    bool pop = false;  ///< came as OpenFlow 1.1+ POP_VLAN: prints "pop_vlan", not "strip_vlan"
};
struct PushMplsAction {
    std::uint16_t ethertype = 0x8847;
};
struct PopMplsAction {
    std::uint16_t ethertype = 0x0800;
};
struct DecTtlAction {
    std::vector<std::uint16_t> controller_ids;
};  ///< empty: id 0
struct SetMplsTtlAction {
    std::uint8_t ttl = 0;
};
struct DecMplsTtlAction {};
struct StackPushAction {
    SubField source;
};
struct StackPopAction {
    SubField target;
};
struct ResubmitAction {
    OfPort in_port = OfPort::kInPort;  ///< kInPort: unchanged
    std::uint8_t table = 0xff;         ///< 0xff: the current table
    bool with_ct = false;
};
struct CloneAction {
    ActionList actions;
};
struct NoteAction {
    std::vector<std::uint8_t> data;
};
struct ExitAction {};
// Instructions, in their fixed order in a rule (OpenFlow 1.5 §5.5).
struct ClearActionsAction {};
struct WriteActionsAction {
    ActionList actions;
};
struct WriteMetadataAction {
    std::uint64_t value = 0, mask = ~std::uint64_t{0};
};
struct GotoTableAction {
    std::uint8_t table = 0;
};

struct Action {
    using Kind =
        std::variant<OutputAction, OutputRegAction, OutputTruncAction, ControllerAction, EnqueueAction,
                     SetQueueAction, PopQueueAction, GroupAction, MeterAction, SetFieldAction,
                     SetVlanVidAction, SetVlanPcpAction, MoveAction, PushVlanAction, StripVlanAction,
                     PushMplsAction, PopMplsAction, DecTtlAction, SetMplsTtlAction, DecMplsTtlAction,
                     StackPushAction, StackPopAction, ResubmitAction, CloneAction, NoteAction, ExitAction,
                     ClearActionsAction, WriteActionsAction, WriteMetadataAction, GotoTableAction>;
    Kind kind;
};

/// Depth of resubmit and goto_table, and their total for one packet, as in OVS.
inline constexpr unsigned kMaxResubmitDepth = 64;
inline constexpr unsigned kMaxResubmits = 4096;

}  // namespace sluice
