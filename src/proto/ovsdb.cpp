// SPDX-License-Identifier: Apache-2.0
#include "proto/ovsdb.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <numeric>

#include <sys/random.h>

namespace sluice::ovsdb {
namespace {

constexpr std::array<const char*, 5> kTypeNames{"integer", "real", "boolean", "string", "uuid"};

/// JSON for error messages: short.
std::string excerpt(const Json& json) {
    auto text = jsonrpc::dump_json(json);
    if (text.size() > 80) text = text.substr(0, 77) + "...";
    return text;
}

Result<Atom> parse_atom(const Json& json, AtomType type) {
    switch (type) {
        case AtomType::kInteger:
            if (json.is_number_unsigned() && json.get<std::uint64_t>() > INT64_MAX) break;
            if (json.is_number_integer()) return Atom(json.get<std::int64_t>());
            break;
        case AtomType::kReal:
            if (json.is_number()) return Atom(json.get<double>());
            break;
        case AtomType::kBoolean:
            if (json.is_boolean()) return Atom(json.get<bool>());
            break;
        case AtomType::kString:
            if (json.is_string()) return Atom(json.get<std::string>());
            break;
        case AtomType::kUuid:
            if (json.is_array() && json.size() == 2 && json[0] == "uuid" && json[1].is_string())
                if (const auto uuid = Uuid::parse(json[1].get_ref<const std::string&>())) return Atom(*uuid);
            break;
    }
    return make_error(EPROTO, "expected a value of type {}, found {}", to_string(type), excerpt(json));
}

Json atom_to_json(const Atom& atom, const std::map<Uuid, std::string>* new_rows) {
    switch (type_of(atom)) {
        case AtomType::kInteger:
            return std::get<std::int64_t>(atom);
        case AtomType::kReal:
            return std::get<double>(atom);
        case AtomType::kBoolean:
            return std::get<bool>(atom);
        case AtomType::kString:
            return std::get<std::string>(atom);
        case AtomType::kUuid: {
            const auto& uuid = std::get<Uuid>(atom);
            if (new_rows != nullptr)
                if (const auto found = new_rows->find(uuid); found != new_rows->end())
                    return Json::array({"named-uuid", found->second});
            return Json::array({"uuid", uuid.to_string()});
        }
    }
    return nullptr;
}

std::string format_atom(const Atom& atom) {
    switch (type_of(atom)) {
        case AtomType::kInteger:
            return std::to_string(std::get<std::int64_t>(atom));
        case AtomType::kReal:
            return fmt::format("{}", std::get<double>(atom));
        case AtomType::kBoolean:
            return std::get<bool>(atom) ? "true" : "false";
        case AtomType::kString:
            return jsonrpc::dump_json(std::get<std::string>(atom));
        case AtomType::kUuid:
            return std::get<Uuid>(atom).to_string();
    }
    return "?";
}

Result<AtomType> parse_type_name(const Json& json) {
    if (json.is_string())
        for (std::size_t i = 0; i < kTypeNames.size(); ++i)
            if (json == kTypeNames[i]) return static_cast<AtomType>(i);
    return make_error(EPROTO, "schema: \"{}\" is not a type", excerpt(json));
}

/// <base-type>: a name, or an object with "type" (RFC 7047 §3.2).
Result<AtomType> parse_base_type(const Json& json, std::string* ref_table) {
    if (!json.is_object()) return parse_type_name(json);
    if (ref_table != nullptr && json.contains("refTable") && json["refTable"].is_string())
        *ref_table = json["refTable"].get<std::string>();
    return parse_type_name(json.value("type", Json()));
}

Result<ColumnType> parse_column_type(const Json& json) {
    ColumnType type;
    if (!json.is_object() || !json.contains("key")) {
        auto key = parse_base_type(json, &type.ref_table);
        if (!key) return key.error();
        type.key = *key;
        return type;
    }
    auto key = parse_base_type(json["key"], &type.ref_table);
    if (!key) return key.error();
    type.key = *key;
    if (json.contains("value")) {
        auto value = parse_base_type(json["value"], nullptr);
        if (!value) return value.error();
        type.value = *value;
    }
    if (json.contains("min") && json["min"].is_number_unsigned()) type.min = json["min"] == 0 ? 0 : 1;
    if (json.contains("max")) {
        const auto& max = json["max"];
        if (max == "unlimited")
            type.max = ColumnType::kUnlimited;
        else if (max.is_number_unsigned() && max.get<std::uint64_t>() >= 1)
            type.max = static_cast<unsigned>(
                std::min<std::uint64_t>(max.get<std::uint64_t>(), ColumnType::kUnlimited));
        else
            return make_error(EPROTO, "schema: \"max\" is {}", excerpt(max));
    }
    return type;
}

template <typename T>
T first_or(const Datum& datum, T fallback) {
    if (datum.keys().empty()) return fallback;
    const auto* value = std::get_if<T>(&datum.keys().front());
    return value != nullptr ? *value : fallback;
}

template <typename T>
std::vector<T> all_of_type(const Datum& datum) {
    std::vector<T> out;
    out.reserve(datum.size());
    for (const auto& key : datum.keys())
        if (const auto* value = std::get_if<T>(&key)) out.push_back(*value);
    return out;
}

}  // namespace

std::string Uuid::to_string() const {
    return fmt::format("{:08x}-{:04x}-{:04x}-{:04x}-{:012x}", hi >> 32, hi >> 16 & 0xffff, hi & 0xffff,
                       lo >> 48, lo & 0xffffffffffff);
}

std::optional<Uuid> Uuid::parse(std::string_view text) {
    if (text.size() != 36) return std::nullopt;
    Uuid uuid;
    unsigned digits = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (c != '-') return std::nullopt;
            continue;
        }
        unsigned digit = 0;
        if (c >= '0' && c <= '9')
            digit = static_cast<unsigned>(c - '0');
        else if (c >= 'a' && c <= 'f')
            digit = static_cast<unsigned>(c - 'a' + 10);
        else if (c >= 'A' && c <= 'F')
            digit = static_cast<unsigned>(c - 'A' + 10);
        else
            return std::nullopt;
        auto& half = digits++ < 16 ? uuid.hi : uuid.lo;
        half = half << 4 | digit;
    }
    return uuid;
}

Uuid Uuid::random() {
    Uuid uuid;
    std::size_t got = 0;
    auto* bytes = reinterpret_cast<char*>(&uuid);
    while (got < sizeof uuid) {
        const auto n = ::getrandom(bytes + got, sizeof uuid - got, 0);
        if (n > 0) got += static_cast<std::size_t>(n);
    }
    uuid.hi = (uuid.hi & ~std::uint64_t{0xf000}) | 0x4000;
    uuid.lo = (uuid.lo & ~(std::uint64_t{3} << 62)) | std::uint64_t{2} << 62;
    return uuid;
}

const char* to_string(AtomType type) {
    return kTypeNames[static_cast<std::size_t>(type)];
}

void Datum::sort() {
    if (!is_map_) {
        std::sort(keys_.begin(), keys_.end());
        keys_.erase(std::unique(keys_.begin(), keys_.end()), keys_.end());
        return;
    }
    std::vector<std::size_t> order(keys_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [this](auto a, auto b) { return keys_[a] < keys_[b]; });
    std::vector<Atom> keys, values;
    keys.reserve(order.size());
    values.reserve(order.size());
    for (const auto i : order) {
        if (!keys.empty() && keys.back() == keys_[i]) continue;  // the first of equal keys stays
        keys.push_back(std::move(keys_[i]));
        values.push_back(std::move(values_[i]));
    }
    keys_ = std::move(keys);
    values_ = std::move(values);
}

Datum Datum::set(std::vector<Atom> atoms) {
    Datum datum;
    datum.keys_ = std::move(atoms);
    datum.sort();
    return datum;
}

Datum Datum::string_set(const std::vector<std::string>& strings) {
    return set({strings.begin(), strings.end()});
}

Datum Datum::uuid_set(const std::vector<Uuid>& uuids) {
    return set({uuids.begin(), uuids.end()});
}

Datum Datum::map(std::vector<std::pair<Atom, Atom>> entries) {
    Datum datum;
    datum.is_map_ = true;
    for (auto& [key, value] : entries) {
        datum.keys_.push_back(std::move(key));
        datum.values_.push_back(std::move(value));
    }
    datum.sort();
    return datum;
}

Datum Datum::string_map(const std::map<std::string, std::string>& entries) {
    return map({entries.begin(), entries.end()});
}

Datum Datum::integer_map(const std::map<std::string, std::int64_t>& entries) {
    return map({entries.begin(), entries.end()});
}

std::int64_t Datum::as_integer(std::int64_t fallback) const {
    return first_or<std::int64_t>(*this, fallback);
}
double Datum::as_real(double fallback) const {
    return first_or<double>(*this, fallback);
}
bool Datum::as_boolean(bool fallback) const {
    return first_or<bool>(*this, fallback);
}
std::string Datum::as_string(std::string_view fallback) const {
    return first_or<std::string>(*this, std::string(fallback));
}
Uuid Datum::as_uuid() const {
    return first_or<Uuid>(*this, Uuid{});
}
std::vector<Uuid> Datum::as_uuids() const {
    return all_of_type<Uuid>(*this);
}
std::vector<std::string> Datum::as_strings() const {
    return all_of_type<std::string>(*this);
}
std::vector<std::int64_t> Datum::as_integers() const {
    return all_of_type<std::int64_t>(*this);
}

std::map<std::string, std::string> Datum::as_string_map() const {
    std::map<std::string, std::string> out;
    for (std::size_t i = 0; is_map_ && i < keys_.size(); ++i) {
        const auto* key = std::get_if<std::string>(&keys_[i]);
        const auto* value = std::get_if<std::string>(&values_[i]);
        if (key != nullptr && value != nullptr) out.emplace(*key, *value);
    }
    return out;
}

std::map<std::int64_t, Uuid> Datum::as_uuid_map() const {
    std::map<std::int64_t, Uuid> out;
    for (std::size_t i = 0; is_map_ && i < keys_.size(); ++i) {
        const auto* key = std::get_if<std::int64_t>(&keys_[i]);
        const auto* value = std::get_if<Uuid>(&values_[i]);
        if (key != nullptr && value != nullptr) out.emplace(*key, *value);
    }
    return out;
}

std::optional<std::string> Datum::get(std::string_view key) const {
    if (!is_map_) return std::nullopt;
    const Atom wanted{std::string(key)};
    const auto found = std::lower_bound(keys_.begin(), keys_.end(), wanted);
    if (found == keys_.end() || *found != wanted) return std::nullopt;
    const auto* value = std::get_if<std::string>(&values_[static_cast<std::size_t>(found - keys_.begin())]);
    return value != nullptr ? std::optional(*value) : std::nullopt;
}

bool Datum::contains(const Atom& key) const {
    return std::binary_search(keys_.begin(), keys_.end(), key);
}

Result<Datum> parse_datum(const Json& json, const ColumnType& type) {
    Datum datum;
    datum.is_map_ = type.is_map();
    const bool tagged = json.is_array() && json.size() == 2 && json[1].is_array();
    if (type.is_map()) {
        if (!tagged || json[0] != "map")
            return make_error(EPROTO, "expected [\"map\", [...]], found {}", excerpt(json));
        for (const auto& entry : json[1]) {
            if (!entry.is_array() || entry.size() != 2)
                return make_error(EPROTO, "expected a pair, found {}", excerpt(entry));
            auto key = parse_atom(entry[0], type.key);
            if (!key) return key.error();
            auto value = parse_atom(entry[1], *type.value);
            if (!value) return value.error();
            datum.keys_.push_back(std::move(*key));
            datum.values_.push_back(std::move(*value));
        }
    } else if (tagged && json[0] == "set") {
        for (const auto& element : json[1]) {
            auto atom = parse_atom(element, type.key);
            if (!atom) return atom.error();
            datum.keys_.push_back(std::move(*atom));
        }
    } else {
        auto atom = parse_atom(json, type.key);
        if (!atom) return atom.error();
        datum.keys_.push_back(std::move(*atom));
    }
    datum.sort();
    return datum;
}

Json datum_to_json(const Datum& datum, const std::map<Uuid, std::string>* new_rows) {
    if (!datum.is_map() && datum.size() == 1) return atom_to_json(datum.keys().front(), new_rows);
    Json elements = Json::array();
    for (std::size_t i = 0; i < datum.size(); ++i) {
        Json key = atom_to_json(datum.keys()[i], new_rows);
        if (datum.is_map())
            elements.push_back(Json::array({std::move(key), atom_to_json(datum.values()[i], new_rows)}));
        else
            elements.push_back(std::move(key));
    }
    return Json::array({datum.is_map() ? "map" : "set", std::move(elements)});
}

Result<Datum> apply_diff(const Datum& old, const Datum& diff, const ColumnType& type) {
    if (type.is_scalar()) return diff;
    if (!type.is_map()) {
        // An optional scalar is sent as its new value, like a scalar; an empty difference empties it.
        if (type.max == 1) return diff;
        std::vector<Atom> atoms;  // elements in the difference change sides
        std::set_symmetric_difference(old.keys().begin(), old.keys().end(), diff.keys().begin(),
                                      diff.keys().end(), std::back_inserter(atoms));
        return Datum::set(std::move(atoms));
    }
    // Key absent: added; present with another value: replaced; present with the same value: removed.
    std::map<Atom, Atom> entries;
    for (std::size_t i = 0; i < old.size(); ++i)
        entries.emplace(old.keys()[i], old.values()[i]);
    for (std::size_t i = 0; i < diff.size(); ++i) {
        const auto found = entries.find(diff.keys()[i]);
        if (found == entries.end())
            entries.emplace(diff.keys()[i], diff.values()[i]);
        else if (found->second == diff.values()[i])
            entries.erase(found);
        else
            found->second = diff.values()[i];
    }
    return Datum::map({entries.begin(), entries.end()});
}

Datum default_datum(const ColumnType& type) {
    if (type.is_map()) return Datum::empty_map();
    if (type.min == 0) return Datum::empty_set();
    switch (type.key) {
        case AtomType::kInteger:
            return Datum::integer(0);
        case AtomType::kReal:
            return Datum::real(0);
        case AtomType::kBoolean:
            return Datum::boolean(false);
        case AtomType::kString:
            return Datum::string({});
        case AtomType::kUuid:
            return Datum::uuid({});
    }
    return {};
}

std::string format_datum(const Datum& datum) {
    if (!datum.is_map() && datum.size() == 1) return format_atom(datum.keys().front());
    std::string out = datum.is_map() ? "{" : "[";
    for (std::size_t i = 0; i < datum.size(); ++i) {
        if (i > 0) out += ", ";
        out += format_atom(datum.keys()[i]);
        if (datum.is_map()) out += "=" + format_atom(datum.values()[i]);
    }
    return out + (datum.is_map() ? "}" : "]");
}

const ColumnType* Schema::find(std::string_view table, std::string_view column) const {
    const auto t = tables.find(table);
    if (t == tables.end()) return nullptr;
    const auto c = t->second.columns.find(column);
    return c == t->second.columns.end() ? nullptr : &c->second;
}

Result<Schema> parse_schema(const Json& json) {
    if (!json.is_object() || !json.contains("tables") || !json["tables"].is_object())
        return make_error(EPROTO, "schema: expected an object with \"tables\", found {}", excerpt(json));
    Schema schema;
    if (json.contains("name") && json["name"].is_string()) schema.name = json["name"].get<std::string>();
    if (json.contains("version") && json["version"].is_string())
        schema.version = json["version"].get<std::string>();
    for (const auto& [table_name, table] : json["tables"].items()) {
        if (!table.is_object() || !table.contains("columns") || !table["columns"].is_object())
            return make_error(EPROTO, "schema: table {} has no columns", table_name);
        auto& out = schema.tables[table_name];
        out.is_root = table.contains("isRoot") && table["isRoot"] == true;
        for (const auto& [column_name, column] : table["columns"].items()) {
            if (!column.is_object() || !column.contains("type"))
                return make_error(EPROTO, "schema: column {}.{} has no type", table_name, column_name);
            auto type = parse_column_type(column["type"]);
            if (!type)
                return make_error(EPROTO, "column {}.{}: {}", table_name, column_name, type.error().message);
            out.columns[column_name] = std::move(*type);
        }
    }
    return schema;
}

const Datum& Row::operator[](std::string_view column) const {
    static const Datum kEmpty;
    const auto found = columns_.find(column);
    return found == columns_.end() ? kEmpty : found->second;
}

}  // namespace sluice::ovsdb
