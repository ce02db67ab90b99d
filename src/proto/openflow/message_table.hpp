// SPDX-License-Identifier: Apache-2.0
// Tables: configuration, statistics, features. OpenFlow 1.5 §7.3.4.1, §7.3.5.4, §7.3.5.17-18.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "flow/field.hpp"
#include "proto/openflow/message_types.hpp"

namespace sluice::openflow {

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

struct TableStatsRequest {};
struct TableStats {
    std::uint8_t table = 0;
    std::string name;               ///< 1.0..1.2; elsewhere in table features
    std::uint32_t max_entries = 0;  ///< 1.0..1.2
    std::uint32_t active_count = 0;
    std::uint64_t lookup_count = 0, matched_count = 0;
    TableMiss miss{};      ///< 1.1, 1.2; kDefault shows as kController
    bool is_last = false;  ///< 1.1, 1.2: no table can be gone to from here
    friend bool operator==(const TableStats&, const TableStats&) = default;
};
struct TableStatsReply {
    std::vector<TableStats> tables;
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
    std::uint8_t command = 0;        ///< 1.5: 0 replace, 1 modify, 2 enable, 3 disable
    std::uint32_t properties = 0;    ///< which properties (1 << type) a message had
    Half hit, miss;
    std::vector<FieldId> match, maskable, wildcards;  ///< ascending
    friend bool operator==(const TableFeatures&, const TableFeatures&) = default;
};
/// An empty request asks; one with tables configures them.
struct TableFeaturesRequest {
    std::vector<TableFeatures> tables;
};
struct TableFeaturesReply {
    std::vector<TableFeatures> tables;
};
struct TableDescRequest {};
struct TableDescReply {
    std::vector<TableDesc> tables;
};

}  // namespace sluice::openflow
