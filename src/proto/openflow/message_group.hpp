// SPDX-License-Identifier: Apache-2.0
// Groups and meters. OpenFlow 1.5 §7.3.4.3-4, §7.3.5.9-15.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "base/types.hpp"
#include "flow/group.hpp"
#include "proto/openflow/message_types.hpp"

namespace sluice::openflow {

// What a group or meter is, is common to more than the codec: flow/group.hpp.
using sluice::Bucket;
using sluice::GroupCommand;
using sluice::GroupMod;
using sluice::GroupProperties;
using sluice::GroupType;
using sluice::HashField;
using sluice::kAllBuckets;
using sluice::kFirstBucket;
using sluice::kLastBucket;
using sluice::MeterBand;
using sluice::MeterCommand;
using sluice::MeterMod;
namespace meter_flag = sluice::meter_flag;

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
