// SPDX-License-Identifier: Apache-2.0
#include "proto/ovsdb_transaction.hpp"

#include <algorithm>

namespace sluice::ovsdb {

Json Transaction::where(const Uuid& row) const {
    const auto named = names_.find(row);
    Json id = named != names_.end() ? Json::array({"named-uuid", named->second})
                                    : Json::array({"uuid", row.to_string()});
    return Json::array({Json::array({"_uuid", "==", std::move(id)})});
}

Json Transaction::columns_json(const Columns& columns) const {
    Json out = Json::object();
    for (const auto& [name, datum] : columns)
        out[name] = datum_to_json(datum, &names_);
    return out;
}

void Transaction::add(Json operation, bool writes) {
    operations_.push_back(std::move(operation));
    if (writes) ++writes_;
}

Uuid Transaction::insert(const std::string& table, const Columns& row) {
    const auto uuid = Uuid::random();
    auto name = "row" + uuid.to_string();
    std::replace(name.begin(), name.end(), '-', '_');
    inserts_[uuid] = operations_.size();
    add({{"op", "insert"}, {"table", table}, {"uuid-name", name}, {"row", columns_json(row)}}, true);
    names_[uuid] = std::move(name);
    return uuid;
}

void Transaction::update(const std::string& table, const Uuid& row, const Columns& columns) {
    add({{"op", "update"}, {"table", table}, {"where", where(row)}, {"row", columns_json(columns)}}, true);
}

void Transaction::mutate(const std::string& table, const Uuid& row, const std::string& column,
                         const std::string& mutator, const Datum& value) {
    Json mutation = Json::array({column, mutator, datum_to_json(value, &names_)});
    add({{"op", "mutate"},
         {"table", table},
         {"where", where(row)},
         {"mutations", Json::array({std::move(mutation)})}},
        true);
}

void Transaction::erase(const std::string& table, const Uuid& row) {
    add({{"op", "delete"}, {"table", table}, {"where", where(row)}}, true);
}

void Transaction::verify(const std::string& table, const Uuid& row, const std::string& column,
                         const Datum& expected) {
    Json rows = Json::array({Json{{column, datum_to_json(expected, &names_)}}});
    add({{"op", "wait"},
         {"timeout", 0},
         {"table", table},
         {"where", where(row)},
         {"columns", Json::array({column})},
         {"until", "=="},
         {"rows", std::move(rows)}},
        false);
}

void Transaction::assert_lock(const std::string& lock) {
    add({{"op", "assert"}, {"lock", lock}}, false);
}

void Transaction::comment(const std::string& text) {
    add({{"op", "comment"}, {"comment", text}}, false);
}

void Transaction::raw(Json operation) {
    add(std::move(operation), true);
}

Json Transaction::params() const {
    Json params = Json::array({database_});
    for (const auto& operation : operations_)
        params.push_back(operation);
    return params;
}

Result<TransactionResult> parse_transact_reply(const Transaction& transaction, const Json& result) {
    if (!result.is_array())
        return make_error(EPROTO, "transaction reply is {}, not an array", result.type_name());
    for (std::size_t i = 0; i < result.size(); ++i) {
        const auto& element = result[i];
        if (!element.is_object() || !element.contains("error")) continue;
        const auto text = [&element](const char* key) {
            const auto found = element.find(key);
            return found != element.end() && found->is_string() ? found->get<std::string>() : std::string();
        };
        const auto error = text("error"), details = text("details");
        const int code = error == "timed out" ? EAGAIN : error == "not owner" ? EPERM : EINVAL;
        return make_error(code, "database refused operation {}: {}{}{}", i, error,
                          details.empty() ? "" : ": ", details);
    }
    TransactionResult out;
    for (const auto& [provisional, index] : transaction.inserts()) {
        if (index >= result.size())
            return make_error(EPROTO, "transaction reply is too short: {}", result.size());
        ColumnType type;
        type.key = AtomType::kUuid;
        const auto& element = result[index];
        if (!element.is_object() || !element.contains("uuid"))
            return make_error(EPROTO, "reply to insert {} has no uuid", index);
        auto uuid = parse_datum(element["uuid"], type);
        if (!uuid) return uuid.error();
        out.inserted[provisional] = uuid->as_uuid();
    }
    out.results = result;
    return out;
}

}  // namespace sluice::ovsdb
