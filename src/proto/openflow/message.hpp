// SPDX-License-Identifier: Apache-2.0
// OpenFlow messages, independent of the version that carried them. One struct a message; `Body` is the
// list of kinds. The codec (codec.hpp) maps them to and from the wire of OpenFlow 1.0 to 1.5 and of the
// Nicira extensions. Integers are in host order; ports are 32 bit numbers (OfPort) in every version.
//
// Conventions: `decode(encode(m)) == m` where a version can carry every member; members that a version
// lacks keep their defaults. A request struct ends in Request, its answer in Reply; names follow the
// OpenFlow specification. Sources: OpenFlow switch specifications 1.0.0 to 1.5.1, ovs-ofctl(8).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/types.hpp"
#include "flow/action.hpp"
#include "flow/field.hpp"
#include "flow/match.hpp"

namespace sluice::openflow {

/// Wire number of a protocol version.
enum class Version : std::uint8_t { k10 = 1, k11, k12, k13, k14, k15 };
constexpr std::uint8_t to_int(Version v) {
    return static_cast<std::uint8_t>(v);
}
/// "OpenFlow10" ... "OpenFlow15", as in the `protocols` column of Bridge.
std::string_view version_name(Version version);

using Bytes = std::vector<std::uint8_t>;
inline constexpr std::uint32_t kNoBuffer = 0xffffffff;
inline constexpr std::uint32_t kAnyGroup = 0xffffffff;  ///< OFPG_ANY
inline constexpr std::uint32_t kAllGroups = 0xfffffffc;
inline constexpr std::uint32_t kMaxGroup = 0xffffff00;
inline constexpr std::uint32_t kAnyQueue = 0xffffffff;
inline constexpr std::uint32_t kMaxMeter = 0xffff0000;
inline constexpr std::uint32_t kSlowpathMeter = 0xfffffffd, kControllerMeter = 0xfffffffe,
                               kAllMeters = 0xffffffff;
inline constexpr std::uint8_t kAllTables = 0xff;

// ---- Symmetric ---------------------------------------------------------------------------------------

/// Versions a side speaks: bit n stands for wire version n. Without a bitmap element on the wire: all
/// bits 1..header version.
struct Hello {
    std::uint32_t versions = 0;
};
/// An error as it stood on the wire (see error.hpp for names). vendor 0: standard.
struct ErrorMessage {
    std::uint32_t vendor = 0;
    std::uint16_t type = 0;
    std::uint16_t code = 0;
    Bytes data;  ///< start of the refused request, or text with hello-failed
};
struct EchoRequest {
    Bytes data;
};
struct EchoReply {
    Bytes data;
};

// ---- Ports -------------------------------------------------------------------------------------------

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

// ---- Switch ------------------------------------------------------------------------------------------

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
    std::optional<bool> invalid_ttl_to_controller;  ///< 1.1, 1.2 only
    std::uint16_t miss_send_len = 0;
    friend bool operator==(const SwitchConfig&, const SwitchConfig&) = default;
};
struct GetConfigReply {
    SwitchConfig config;
};
struct SetConfig {
    SwitchConfig config;
};
struct BarrierRequest {};
struct BarrierReply {};

enum class Role : std::uint32_t { kNoChange = 0, kEqual = 1, kPrimary = 2, kSecondary = 3 };
struct RoleRequest {
    Role role{};
    std::optional<std::uint64_t> generation_id;
    bool nicira = false;  ///< NXT_ROLE_REQUEST; answer with the same form
};
struct RoleReply {
    Role role{};
    std::optional<std::uint64_t> generation_id;
    bool nicira = false;
};
enum class RoleReason : std::uint8_t { kPrimaryRequest, kConfig, kExperimenter };
struct RoleStatus {
    Role role{};
    RoleReason reason{};
    std::uint64_t generation_id = 0;
};

/// Kinds of asynchronous messages that a controller can mask.
enum class AsyncKind : std::uint8_t {
    kPacketIn,
    kPortStatus,
    kFlowRemoved,
    kRoleStatus,
    kTableStatus,
    kRequestForward,
    kCount
};
/// For each AsyncKind a bitmap of reasons; one set as primary or equal, one as secondary.
struct AsyncMasks {
    std::array<std::uint32_t, static_cast<std::size_t>(AsyncKind::kCount)> primary{}, secondary{};
    friend bool operator==(const AsyncMasks&, const AsyncMasks&) = default;
};
/// What a new connection gets, as OVS and the specification say.
AsyncMasks default_async_masks(Version version);
struct GetAsyncRequest {};
struct GetAsyncReply {
    AsyncMasks masks;
};
/// Only kinds whose bit (1 << AsyncKind) is in `primary_set`/`secondary_set` change.
struct SetAsync {
    AsyncMasks masks;
    std::uint32_t primary_set = 0, secondary_set = 0;
    enum class Form : std::uint8_t { kStandard, kNicira, kNicira2 } form = Form::kStandard;
};

enum class PacketInFormat : std::uint8_t { kStandard = 0, kNicira = 1, kNicira2 = 2 };
struct SetPacketInFormat {
    PacketInFormat format{};
};
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

// ---- Packets -----------------------------------------------------------------------------------------

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

// ---- Flows -------------------------------------------------------------------------------------------

enum class FlowCommand : std::uint8_t { kAdd, kModify, kModifyStrict, kDelete, kDeleteStrict };
namespace flow_flag {
inline constexpr std::uint16_t kSendFlowRemoved = 1 << 0, kCheckOverlap = 1 << 1, kResetCounts = 1 << 2,
                               kNoPacketCounts = 1 << 3, kNoByteCounts = 1 << 4, kEmergency = 1 << 5;
}
struct FlowMod {
    FlowCommand command{};
    std::uint8_t table = kAllTables;  ///< 0xff: any (add: first that takes it; OpenFlow 1.0: always, unless
                                      ///< the extension flow_mod_table_id is on)
    Match match;
    std::uint16_t priority = 0x8000;
    std::uint64_t cookie = 0, cookie_mask = 0;     ///< which flows modify and delete touch; mask 0: all
    std::uint64_t new_cookie = ~std::uint64_t{0};  ///< cookie to store
    bool modify_cookie = false;                    ///< modify stores new_cookie too
    std::uint16_t idle_timeout_s = 0, hard_timeout_s = 0;
    std::uint32_t buffer_id = kNoBuffer;
    OfPort out_port = OfPort::kAny;  ///< delete: only flows that output there
    std::uint32_t out_group = kAnyGroup;
    std::uint16_t flags = 0;       ///< flow_flag
    std::uint16_t importance = 0;  ///< 1.4+
    ActionList actions;            ///< apply-actions flattened, then instructions, as in flow/action.hpp
    bool nicira = false;           ///< came as NXT_FLOW_MOD
};
enum class FlowRemovedReason : std::uint8_t {
    kIdleTimeout,
    kHardTimeout,
    kDelete,
    kGroupDelete,
    kMeterDelete,
    kEviction
};
struct FlowRemoved {
    Match match;
    std::uint64_t cookie = 0;
    std::uint16_t priority = 0;
    FlowRemovedReason reason{};
    std::uint8_t table = 0xff;  ///< 0xff: unknown (1.0)
    std::uint32_t duration_s = 0, duration_ns = 0;
    std::uint16_t idle_timeout_s = 0, hard_timeout_s = 0;
    std::uint64_t packet_count = 0, byte_count = 0;
    bool nicira = false;  ///< NXT_FLOW_REMOVED; OpenFlow 1.0, 1.1 controllers that set the NXM format
};

// ---- Groups and meters -------------------------------------------------------------------------------

enum class GroupType : std::uint8_t { kAll, kSelect, kIndirect, kFastFailover };
enum class GroupCommand : std::uint16_t {
    kAdd,
    kModify,
    kDelete,
    kInsertBucket,
    kRemoveBucket,
    kAddOrModify = 0x8000
};
/// Special bucket ids of insert-bucket and remove-bucket.
inline constexpr std::uint32_t kFirstBucket = 0xfffffffd, kLastBucket = 0xfffffffe, kAllBuckets = 0xffffffff;
struct Bucket {
    std::uint32_t id = 0;  ///< before 1.5: position in the list
    std::uint16_t weight = 0;
    OfPort watch_port = OfPort::kAny;
    std::uint32_t watch_group = kAnyGroup;
    ActionList actions;
};
/// Group properties (1.5 with the Nicira/NTR selection method).
struct GroupProperties {
    std::string selection_method;  ///< "", "hash" or "dp_hash"
    std::uint64_t selection_param = 0;
    Match fields;  ///< mask: which bits of which fields are hashed
};
struct GroupMod {
    GroupCommand command{};
    GroupType type{};
    std::uint32_t group = 0;
    std::uint32_t command_bucket = kAllBuckets;  ///< 1.5
    std::vector<Bucket> buckets;
    GroupProperties properties;
};
enum class MeterCommand : std::uint16_t { kAdd, kModify, kDelete };
namespace meter_flag {
inline constexpr std::uint16_t kKbps = 1 << 0, kPktps = 1 << 1, kBurst = 1 << 2, kStats = 1 << 3;
}
struct MeterBand {
    enum class Type : std::uint16_t { kDrop = 1, kDscpRemark = 2 } type = Type::kDrop;
    std::uint32_t rate = 0;   ///< kbit/s or packets/s
    std::uint32_t burst = 0;  ///< kbit or packets
    std::uint8_t precedence_level = 0;
    friend bool operator==(const MeterBand&, const MeterBand&) = default;
};
struct MeterMod {
    MeterCommand command{};
    std::uint32_t meter = 0;
    std::uint16_t flags = 0;
    std::vector<MeterBand> bands;
};

// ---- Tables ------------------------------------------------------------------------------------------

enum class TableMiss : std::uint8_t { kDefault, kController, kContinue, kDrop };  ///< 1.1, 1.2 only
namespace table_config {
inline constexpr std::uint32_t kEviction = 1 << 2, kVacancyEvents = 1 << 3;
}
struct TableVacancy {
    std::uint8_t down_percent = 0, up_percent = 0, current_percent = 0;
    friend bool operator==(const TableVacancy&, const TableVacancy&) = default;
};
struct TableMod {
    std::uint8_t table = 0;
    TableMiss miss{};
    std::uint32_t config = 0;  ///< 1.4+: table_config
    std::optional<std::uint32_t> eviction_flags;
    std::optional<TableVacancy> vacancy;
};
struct TableDesc {
    std::uint8_t table = 0;
    std::uint32_t config = 0;  ///< table_config
    std::optional<std::uint32_t> eviction_flags;
    std::optional<TableVacancy> vacancy;
    friend bool operator==(const TableDesc&, const TableDesc&) = default;
};
struct TableStatus {
    std::uint8_t reason = 3;  ///< 3: vacancy down, 4: vacancy up
    TableDesc desc;
};

// ---- Multipart ---------------------------------------------------------------------------------------
// `more` in a request: the client announced further parts (OFPMPF_REQ_MORE).

struct DescRequest {};
struct DescReply {
    std::string manufacturer, hardware, software, serial_number, datapath;
    friend bool operator==(const DescReply&, const DescReply&) = default;
};
/// Selection of flows for dumps and aggregates.
struct FlowSelection {
    Match match;
    std::uint8_t table = kAllTables;
    OfPort out_port = OfPort::kAny;
    std::uint32_t out_group = kAnyGroup;
    std::uint64_t cookie = 0, cookie_mask = 0;
    bool nicira = false;  ///< NXST_FLOW / NXST_AGGREGATE; answer in the same form
};
struct FlowStatsRequest {
    FlowSelection selection;
};
struct AggregateRequest {
    FlowSelection selection;
};
struct FlowStats {
    SparseMatch match;
    std::uint8_t table = 0;
    std::uint16_t priority = 0;
    std::uint64_t cookie = 0;
    std::uint32_t duration_s = 0, duration_ns = 0;
    std::uint16_t idle_timeout_s = 0, hard_timeout_s = 0;
    std::int32_t idle_age_s = -1, hard_age_s = -1;   ///< -1: not known; NXST_FLOW only
    std::uint16_t flags = 0;                         ///< 1.3+
    std::uint16_t importance = 0;                    ///< 1.4+
    std::uint64_t packet_count = 0, byte_count = 0;  ///< ~0: not counted
    ActionList actions;
};
struct FlowStatsReply {
    std::vector<FlowStats> flows;
    bool nicira = false;
};
struct AggregateReply {
    std::uint64_t packet_count = 0, byte_count = 0;
    std::uint32_t flow_count = 0;
    bool nicira = false;
};
struct TableStatsRequest {};
struct TableStats {
    std::uint8_t table = 0;
    std::string name;               ///< 1.0..1.2; elsewhere in table features
    std::uint32_t max_entries = 0;  ///< 1.0..1.2
    std::uint32_t active_count = 0;
    std::uint64_t lookup_count = 0, matched_count = 0;
    friend bool operator==(const TableStats&, const TableStats&) = default;
};
struct TableStatsReply {
    std::vector<TableStats> tables;
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
struct GroupStatsRequest {
    std::uint32_t group = kAllGroups;
};
struct BucketCounters {
    std::uint64_t packet_count = 0, byte_count = 0;
    friend bool operator==(const BucketCounters&, const BucketCounters&) = default;
};
struct GroupStats {
    std::uint32_t group = 0, ref_count = 0;
    std::uint64_t packet_count = 0, byte_count = 0;
    std::uint32_t duration_s = ~std::uint32_t{0}, duration_ns = ~std::uint32_t{0};
    std::vector<BucketCounters> buckets;
    friend bool operator==(const GroupStats&, const GroupStats&) = default;
};
struct GroupStatsReply {
    std::vector<GroupStats> groups;
};
struct GroupDescRequest {
    std::uint32_t group = kAllGroups;  ///< 1.5; before always all
};
struct GroupDesc {
    std::uint32_t group = 0;
    GroupType type{};
    std::vector<Bucket> buckets;
    GroupProperties properties;
};
struct GroupDescReply {
    std::vector<GroupDesc> groups;
};
struct GroupFeaturesRequest {};
struct GroupFeaturesReply {
    std::uint32_t types = 0;         ///< bit n: GroupType n
    std::uint32_t capabilities = 0;  ///< OFPGFC_*
    std::array<std::uint32_t, 4> max_groups{};
    std::array<std::uint32_t, 4> actions{};  ///< bit n: OpenFlow 1.2 action type n
};
struct MeterStatsRequest {
    std::uint32_t meter = kAllMeters;
};
struct MeterStats {
    std::uint32_t meter = 0, flow_count = 0;
    std::uint64_t packet_in_count = 0, byte_in_count = 0;
    std::uint32_t duration_s = 0, duration_ns = 0;
    std::vector<BucketCounters> bands;
    friend bool operator==(const MeterStats&, const MeterStats&) = default;
};
struct MeterStatsReply {
    std::vector<MeterStats> meters;
};
struct MeterConfigRequest {
    std::uint32_t meter = kAllMeters;
};
struct MeterConfig {
    std::uint32_t meter = 0;
    std::uint16_t flags = 0;
    std::vector<MeterBand> bands;
    friend bool operator==(const MeterConfig&, const MeterConfig&) = default;
};
struct MeterConfigReply {
    std::vector<MeterConfig> meters;
};
struct MeterFeaturesRequest {};
struct MeterFeaturesReply {
    std::uint32_t max_meters = 0;
    std::uint32_t band_types = 0;    ///< bit n: band type n
    std::uint32_t capabilities = 0;  ///< meter_flag
    std::uint8_t max_bands = 0, max_color = 0;
};

/// What a table can do, for misses and for hits (OFPMP_TABLE_FEATURES, 1.3+).
struct TableFeatures {
    /// Instruction bits: 1 << OFPIT11_* - 1 ... i.e. bit 0 goto, 1 write-metadata, 2 write-actions,
    /// 3 apply-actions, 4 clear-actions, 5 meter.
    struct Half {
        std::uint32_t instructions = 0;
        std::vector<std::uint8_t> next_tables;
        std::uint32_t write_actions = 0, apply_actions = 0;  ///< bit n: standard action type n (1.3+)
        std::vector<FieldId> write_set_fields, apply_set_fields;
        friend bool operator==(const Half&, const Half&) = default;
    };
    std::uint8_t table = 0;
    std::string name;
    std::uint64_t metadata_match = 0, metadata_write = 0;
    std::uint32_t max_entries = 0;
    std::uint32_t config = 0;        ///< as in TableMod
    std::uint32_t capabilities = 0;  ///< 1.4+: table_config bits it can do
    Half hit, miss;
    std::vector<FieldId> match, maskable, wildcards;  ///< ascending
    friend bool operator==(const TableFeatures&, const TableFeatures&) = default;
};
/// An empty request asks; a request with a body would configure tables, which is refused at decode.
struct TableFeaturesRequest {};
struct TableFeaturesReply {
    std::vector<TableFeatures> tables;
};
struct TableDescRequest {};
struct TableDescReply {
    std::vector<TableDesc> tables;
};
/// Request to watch flows (NXST_FLOW_MONITOR, OFPMP_FLOW_MONITOR).
namespace monitor_flag {
inline constexpr std::uint16_t kInitial = 1 << 0, kAdd = 1 << 1, kDelete = 1 << 2, kModify = 1 << 3,
                               kActions = 1 << 4, kOwn = 1 << 5;
}
struct FlowMonitor {
    enum class Command : std::uint8_t { kAdd, kModify, kDelete } command{};
    std::uint32_t id = 0;
    std::uint16_t flags = 0;  ///< monitor_flag
    OfPort out_port = OfPort::kAny;
    std::uint32_t out_group = kAnyGroup;
    std::uint8_t table = kAllTables;
    Match match;
};
struct FlowMonitorRequest {
    std::vector<FlowMonitor> monitors;
    bool nicira = false;
};
/// One change reported to a monitor.
struct FlowUpdate {
    enum class Event : std::uint16_t {
        kInitial,
        kAdded,
        kRemoved,
        kModified,
        kAbbreviated,
        kPaused,
        kResumed
    };
    Event event{};
    FlowRemovedReason reason{};
    std::uint16_t idle_timeout_s = 0, hard_timeout_s = 0, priority = 0;
    std::uint8_t table = 0;
    std::uint64_t cookie = 0;
    std::uint32_t xid = 0;  ///< kAbbreviated
    SparseMatch match;
    ActionList actions;
};
struct FlowMonitorReply {
    std::vector<FlowUpdate> updates;
    bool nicira = false;
};
struct FlowMonitorCancel {
    std::uint32_t id = 0;
};
struct FlowMonitorPaused {};
struct FlowMonitorResumed {};

// ---- Bundles -----------------------------------------------------------------------------------------

enum class BundleType : std::uint16_t {
    kOpenRequest,
    kOpenReply,
    kCloseRequest,
    kCloseReply,
    kCommitRequest,
    kCommitReply,
    kDiscardRequest,
    kDiscardReply
};
namespace bundle_flag {
inline constexpr std::uint16_t kAtomic = 1 << 0, kOrdered = 1 << 1;
}
/// Standard in 1.4+, ONF extension in 1.3.
struct BundleControl {
    std::uint32_t bundle = 0;
    BundleType type{};
    std::uint16_t flags = 0;
};
/// `message` is a whole OpenFlow message of the same version and xid and of a type that bundles take
/// (flow-mod, group-mod, port-mod, packet-out); decode() it when it is added.
struct BundleAdd {
    std::uint32_t bundle = 0;
    std::uint16_t flags = 0;
    Bytes message;
};
/// 1.4+: a group-mod or meter-mod that another controller made. `message` is the whole message.
struct RequestForward {
    Bytes message;
};

// ---- Nicira extensions -------------------------------------------------------------------------------

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
    std::uint8_t family = 0;  ///< 0 unspecified, else AF_INET or AF_INET6
    std::optional<std::uint16_t> zone;
    CtTuple original, reply;
};

// ---- The whole ---------------------------------------------------------------------------------------

using BodyVariant =
    std::variant<Hello, ErrorMessage, EchoRequest, EchoReply, FeaturesRequest, FeaturesReply,
                 GetConfigRequest, GetConfigReply, SetConfig, PacketIn, FlowRemoved, PortStatus, PacketOut,
                 FlowMod, GroupMod, PortMod, TableMod, MeterMod, BarrierRequest, BarrierReply,
                 QueueConfigRequest, QueueConfigReply, RoleRequest, RoleReply, RoleStatus, GetAsyncRequest,
                 GetAsyncReply, SetAsync, TableStatus, RequestForward, BundleControl, BundleAdd, DescRequest,
                 DescReply, FlowStatsRequest, FlowStatsReply, AggregateRequest, AggregateReply,
                 TableStatsRequest, TableStatsReply, PortStatsRequest, PortStatsReply, QueueStatsRequest,
                 QueueStatsReply, GroupStatsRequest, GroupStatsReply, GroupDescRequest, GroupDescReply,
                 GroupFeaturesRequest, GroupFeaturesReply, MeterStatsRequest, MeterStatsReply,
                 MeterConfigRequest, MeterConfigReply, MeterFeaturesRequest, MeterFeaturesReply,
                 TableFeaturesRequest, TableFeaturesReply, TableDescRequest, TableDescReply, PortDescRequest,
                 PortDescReply, FlowMonitorRequest, FlowMonitorReply, FlowMonitorCancel, FlowMonitorPaused,
                 FlowMonitorResumed, SetFlowFormat, FlowModTableId, SetPacketInFormat, SetControllerId,
                 FlowAge, TlvTableMod, TlvTableRequest, TlvTableReply, Resume, CtFlushZone, CtFlush>;

/// One message's body. A class so that copying, moving and destroying 78 kinds is compiled once
/// (message.cpp) and not in every file that holds a message.
struct Body : BodyVariant {
    using BodyVariant::BodyVariant;
    Body();
    Body(const Body& other);
    Body(Body&& other) noexcept;
    Body& operator=(const Body& other);
    Body& operator=(Body&& other) noexcept;
    ~Body();
};

struct Message {
    Version version = Version::k10;
    std::uint32_t xid = 0;
    Body body;
    bool more = false;  ///< multipart: a further part follows
};

}  // namespace sluice::openflow
