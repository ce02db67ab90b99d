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
    bool explicit_mask = false;  ///< the mask was written though it has all bits of the field
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
    std::vector<std::uint16_t> controller_ids;  ///< who hears of a TTL that runs out
    /// Came as NXAST_DEC_TTL_CNT_IDS, whose list may be empty: nobody hears. Else, without ids: id 0 does.
    bool listed = false;
};
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
/// One flow_mod_spec of learn: a match on, or an action over, `bits` bits of the flow to be made.
/// Source: ovs-actions(7) "The learn action", nicira-ext.h NXAST_LEARN.
struct LearnSpec {
    enum class Target : std::uint8_t { kMatch, kLoad, kOutput };
    bool immediate = false;  ///< the source is `value`, not `source`
    SubField source;
    U128 value;  ///< immediate, right aligned
    Target target_kind = Target::kMatch;
    SubField target;  ///< kMatch, kLoad
    std::uint16_t bits = 0;
};
struct LearnAction {
    std::uint16_t idle_timeout = 0, hard_timeout = 0;  ///< s
    std::uint16_t fin_idle_timeout = 0, fin_hard_timeout = 0;
    std::uint16_t priority = 0x8000;
    std::uint64_t cookie = 0;
    std::uint8_t table = 1;
    bool send_flow_rem = false, delete_learned = false;
    std::uint32_t limit = 0;             ///< 0: none (NXAST_LEARN2)
    std::optional<SubField> result_dst;  ///< one bit: 1 when learned or there already
    std::vector<LearnSpec> specs;
};
struct ConjunctionAction {
    std::uint32_t id = 0;
    std::uint8_t clause = 0;     ///< from 0; prints from 1
    std::uint8_t n_clauses = 0;  ///< 2..64
};
/// Which fields multipath and bundle hash (enum nx_hash_fields; ovs-actions(7) "multipath").
enum class HashFields : std::uint16_t {
    kEthSrc = 0,
    kSymmetricL4 = 1,
    kSymmetricL3L4 = 2,
    kSymmetricL3L4Udp = 3,
    kNwSrc = 4,
    kNwDst = 5,
    kSymmetricL3 = 6,
};
struct MultipathAction {
    enum class Algorithm : std::uint16_t { kModuloN = 0, kHashThreshold = 1, kHrw = 2, kIterHash = 3 };
    HashFields fields{};
    std::uint16_t basis = 0;
    Algorithm algorithm{};
    std::uint16_t max_link = 0;  ///< number of links - 1
    std::uint32_t arg = 0;
    SubField target;
};
/// bundle, and bundle_load when `target` is there.
struct BundleAction {
    enum class Algorithm : std::uint16_t { kActiveBackup = 0, kHrw = 1 };
    HashFields fields{};
    std::uint16_t basis = 0;
    Algorithm algorithm{};
    std::vector<OfPort> members;
    std::optional<SubField> target;
};
struct SampleAction {
    enum class Direction : std::uint8_t { kDefault = 0, kIngress = 1, kEgress = 2 };
    std::uint16_t probability = 0;  ///< of 65535
    std::uint32_t collector_set_id = 0, obs_domain_id = 0, obs_point_id = 0;
    OfPort sampling_port = OfPort::kAny;  ///< kAny: none
    Direction direction{};
};
struct FinTimeoutAction {
    std::uint16_t idle_timeout = 0, hard_timeout = 0;  ///< s
};
struct CheckPktLargerAction {
    std::uint16_t length = 0;  ///< bytes of the frame, no FCS
    SubField target;           ///< one bit
};
struct DeleteFieldAction {
    FieldId field = kNoField;  ///< tun_metadataN
};
/// nat inside ct (NXAST_NAT). No src, no dst: translate as the connection says.
struct NatAction {
    bool src = false, dst = false, persistent = false, protocol_hash = false, protocol_random = false;
    std::optional<U128> ip_min, ip_max;  ///< IPv4: low 32 bits
    bool ipv6 = false;
    std::optional<std::uint16_t> port_min, port_max;
};
struct CtAction {
    bool commit = false, force = false;
    std::optional<SubField> zone_source;  ///< else zone_immediate
    std::uint16_t zone_immediate = 0;
    std::uint8_t recirc_table = 0xff;  ///< 0xff: none
    std::uint16_t alg = 0;             ///< 0 none, 21 ftp, 69 tftp
    ActionList actions;                ///< exec(...) and nat
};
struct CtClearAction {};
struct DecNshTtlAction {};
/// encap(nsh(...)), encap(ethernet), encap(mpls), decap(...): ovs-actions(7) "Encapsulation Actions".
struct EncapAction {
    std::uint32_t packet_type = 0;         ///< ns << 16 | ns_type
    std::uint16_t header_size = 0;         ///< NXAST_ENCAP hdr_size
    std::vector<std::uint8_t> properties;  ///< TLVs as on the wire, checked
};
struct DecapAction {
    std::uint32_t packet_type = 0;
};
inline constexpr std::uint32_t kDecapNext = 0xfffe;  ///< DecapAction: whatever the header says comes next
inline constexpr std::size_t kMaxBundleMembers = 2048;
struct SetMplsLabelAction {
    std::uint32_t label = 0;
};
struct SetMplsTcAction {
    std::uint8_t tc = 0;
};
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

using ActionVariant =
    std::variant<OutputAction, OutputRegAction, OutputTruncAction, ControllerAction, EnqueueAction,
                 SetQueueAction, PopQueueAction, GroupAction, MeterAction, SetFieldAction, SetVlanVidAction,
                 SetVlanPcpAction, MoveAction, PushVlanAction, StripVlanAction, PushMplsAction, PopMplsAction,
                 DecTtlAction, SetMplsTtlAction, DecMplsTtlAction, StackPushAction, StackPopAction,
                 ResubmitAction, CloneAction, NoteAction, ExitAction, LearnAction, ConjunctionAction,
                 MultipathAction, BundleAction, SampleAction, FinTimeoutAction, CheckPktLargerAction,
                 DeleteFieldAction, NatAction, CtAction, CtClearAction, DecNshTtlAction, EncapAction,
                 DecapAction, SetMplsLabelAction, SetMplsTcAction, ClearActionsAction, WriteActionsAction,
                 WriteMetadataAction, GotoTableAction>;

/// A class so that copying, moving and destroying all kinds is compiled once (action.cpp).
struct ActionKind : ActionVariant {
    using ActionVariant::ActionVariant;
    ActionKind();
    ActionKind(const ActionKind& other);
    ActionKind(ActionKind&& other) noexcept;
    ActionKind& operator=(const ActionKind& other);
    ActionKind& operator=(ActionKind&& other) noexcept;
    ~ActionKind();
};

struct Action {
    using Kind = ActionKind;
    Kind kind;
};

/// Depth of resubmit and goto_table, and their total for one packet, as in OVS.
inline constexpr unsigned kMaxResubmitDepth = 64;
inline constexpr unsigned kMaxResubmits = 4096;

}  // namespace sluice
