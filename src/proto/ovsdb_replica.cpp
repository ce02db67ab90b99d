// SPDX-License-Identifier: Apache-2.0
#include "proto/ovsdb_replica.hpp"

#include <algorithm>

namespace sluice::ovsdb {

const TableRows& Replica::table(std::string_view name) const {
    static const TableRows kEmpty;
    const auto found = tables_.find(name);
    return found == tables_.end() ? kEmpty : found->second;
}

const Row* Replica::find(std::string_view table_name, const Uuid& uuid) const {
    const auto& rows = table(table_name);
    const auto found = rows.find(uuid);
    return found == rows.end() ? nullptr : &found->second;
}

/// Columns of `json` over `base` (or over the defaults without one).
Result<Row> Replica::decode_columns(const std::string& table, const Json& json, const Row* base,
                                    bool diff) const {
    if (!json.is_object())
        return make_error(EPROTO, "row of table {} is {}, not an object", table, json.type_name());
    const auto& types = columns_.at(table);
    Row row;
    for (const auto& [name, type] : types) {
        const auto& old = base != nullptr && base->has(name) ? (*base)[name] : default_datum(type);
        const auto found = json.find(name);
        if (found == json.end()) {
            row.columns()[name] = old;
            continue;
        }
        auto datum = parse_datum(*found, type);
        if (datum && diff && base != nullptr) datum = apply_diff(old, *datum, type);
        if (!datum) return make_error(EPROTO, "column {}.{}: {}", table, name, datum.error().message);
        row.columns()[name] = std::move(*datum);
    }
    return row;
}

Result<Replica::RowUpdate> Replica::decode_row(const std::string& table, const Uuid& uuid, const Json& update,
                                               UpdateFormat format) const {
    if (!update.is_object())
        return make_error(EPROTO, "update of {} {} is {}, not an object", table, uuid.to_string(),
                          update.type_name());
    const auto wrap = [](Result<Row> row) -> Result<RowUpdate> {
        if (!row) return row.error();
        return RowUpdate(std::move(*row));
    };
    const Row* const old = find(table, uuid);
    if (format == UpdateFormat::kUpdate1) {
        const auto now = update.find("new");
        if (now != update.end()) return wrap(decode_columns(table, *now, old, false));
        if (update.contains("old")) return RowUpdate();
    } else if (const auto modify = update.find("modify"); modify != update.end()) {
        if (old == nullptr)
            return make_error(EPROTO, "table {} has no row {} to modify", table, uuid.to_string());
        return wrap(decode_columns(table, *modify, old, true));
    } else if (update.contains("delete")) {
        return RowUpdate();
    } else {
        for (const char* key : {"initial", "insert"})
            if (const auto found = update.find(key); found != update.end())
                return wrap(decode_columns(table, *found, nullptr, false));
    }
    return make_error(EPROTO, "update of {} {} has no known member", table, uuid.to_string());
}

Result<Replica::Updates> Replica::decode(const Json& updates, UpdateFormat format) const {
    if (!updates.is_object()) return make_error(EPROTO, "table updates are {}", updates.type_name());
    Updates out;
    for (const auto& [table, rows] : updates.items()) {
        if (columns_.find(table) == columns_.end()) continue;
        if (!rows.is_object()) return make_error(EPROTO, "update of table {} is {}", table, rows.type_name());
        for (const auto& [id, update] : rows.items()) {
            const auto uuid = Uuid::parse(id);
            if (!uuid) return make_error(EPROTO, "table {}: \"{}\" is not a UUID", table, id.substr(0, 64));
            auto row = decode_row(table, *uuid, update, format);
            if (!row) return row.error();
            out[table][*uuid] = std::move(*row);
        }
    }
    return out;
}

Result<std::vector<RowDelta>> Replica::apply(const Json& updates, UpdateFormat format, UpdateScope scope) {
    auto decoded = decode(updates, format);
    if (!decoded) return decoded.error();
    if (scope == UpdateScope::kFull)  // what isn't mentioned is gone
        for (const auto& [table, rows] : tables_)
            for (const auto& [uuid, row] : rows)
                (*decoded)[table].try_emplace(uuid, std::nullopt);
    std::vector<RowDelta> deltas;
    for (auto& [table, rows] : *decoded) {
        auto& mine = tables_[table];
        for (auto& [uuid, after] : rows) {
            const auto found = mine.find(uuid);
            if (found == mine.end() && !after) continue;
            if (found != mine.end() && after && found->second == *after) continue;
            RowDelta delta{table, uuid, std::nullopt, after};
            if (found != mine.end()) delta.before = std::move(found->second);
            if (after)
                mine[uuid] = std::move(*after);
            else
                mine.erase(found);
            deltas.push_back(std::move(delta));
        }
    }
    std::stable_partition(deltas.begin(), deltas.end(), [](const RowDelta& d) { return !d.after; });
    return deltas;
}

}  // namespace sluice::ovsdb
