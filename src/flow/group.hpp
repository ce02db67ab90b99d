// SPDX-License-Identifier: Apache-2.0
// Groups and meters as values: what a group-mod or meter-mod says, and what dumps show. Common to the text
// syntax, the OpenFlow codec (which has them under its own namespace too), the bridge, the pipeline and the
// reference interpreter. Sources: OpenFlow 1.5 §5.10, §5.11, §7.3.4.3-4, §7.3.5.9-15; ovs-ofctl(8).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flow/action.hpp"
#include "flow/field.hpp"

namespace sluice {

inline constexpr std::uint32_t kAnyGroup = 0xffffffff;  ///< OFPG_ANY
inline constexpr std::uint32_t kAllGroups = 0xfffffffc;
inline constexpr std::uint32_t kMaxGroup = 0xffffff00;

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
/// A field that a select group hashes, and which of its bits.
struct HashField {
    FieldId field = kNoField;
    U128 mask;
    friend bool operator==(const HashField&, const HashField&) = default;
};
/// Group properties (1.5 and the Nicira forms, with Netronome's selection method).
struct GroupProperties {
    std::string selection_method;  ///< "", "hash" or "dp_hash"
    std::uint64_t selection_param = 0;
    std::vector<HashField> fields;  ///< ascending by field
    friend bool operator==(const GroupProperties&, const GroupProperties&) = default;
};
struct GroupMod {
    GroupCommand command{};
    GroupType type{};
    std::uint32_t group = 0;
    std::uint32_t command_bucket = kAllBuckets;  ///< 1.5
    std::vector<Bucket> buckets;
    GroupProperties properties;
};

inline constexpr std::uint32_t kMaxMeter = 0xffff0000;
inline constexpr std::uint32_t kSlowpathMeter = 0xfffffffd, kControllerMeter = 0xfffffffe,
                               kAllMeters = 0xffffffff;

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
    std::uint16_t flags = 0;  ///< meter_flag
    std::vector<MeterBand> bands;
};

}  // namespace sluice
