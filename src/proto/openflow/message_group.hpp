// SPDX-License-Identifier: Apache-2.0
// Groups and meters. OpenFlow 1.5 §7.3.4.3-4, §7.3.5.9-15.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/types.hpp"
#include "flow/action.hpp"
#include "flow/match.hpp"
#include "proto/openflow/message_types.hpp"

namespace sluice::openflow {

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

}  // namespace sluice::openflow
