// SPDX-License-Identifier: Apache-2.0
// In-memory copy of chosen tables and columns, fed with the updates of the three monitor methods (RFC 7047
// §4.1.6; ovsdb-server(7) "Update2 Notification", "Update3 Notification"). No I/O.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "proto/ovsdb.hpp"

namespace sluice::ovsdb {

enum class UpdateFormat { kUpdate1, kUpdate2 };
/// Does a message describe the whole database, or changes to it?
enum class UpdateScope { kFull, kChanges };

/// A row before and after one message. Nothing in `before`: inserted; nothing in `after`: deleted.
struct RowDelta {
    std::string table;
    Uuid uuid;
    std::optional<Row> before;
    std::optional<Row> after;
};

class Replica {
  public:
    /// Columns to keep, with their types; must name the same columns as the monitor request.
    using Columns = std::map<std::string, std::map<std::string, ColumnType>>;
    void set_columns(Columns columns) { columns_ = std::move(columns); }
    const Columns& columns() const { return columns_; }

    /// Applies a message whole or, on error, not at all. Returns what differs, deletions first, then by
    /// table.
    Result<std::vector<RowDelta>> apply(const Json& updates, UpdateFormat format, UpdateScope scope);

    const TableRows& table(std::string_view name) const;
    const Row* find(std::string_view table, const Uuid& uuid) const;

  private:
    using RowUpdate = std::optional<Row>;
    using Updates = std::map<std::string, std::map<Uuid, RowUpdate>>;
    Result<Updates> decode(const Json& updates, UpdateFormat format) const;
    Result<RowUpdate> decode_row(const std::string& table, const Uuid& uuid, const Json& update,
                                 UpdateFormat format) const;
    Result<Row> decode_columns(const std::string& table, const Json& json, const Row* base, bool diff) const;

    Columns columns_;
    std::map<std::string, TableRows, std::less<>> tables_;
};

}  // namespace sluice::ovsdb
