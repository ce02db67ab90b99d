// SPDX-License-Identifier: Apache-2.0
// OVSDB's data model (RFC 7047 §3, §5.1): UUIDs, atoms, datums, schemas, rows, and their JSON forms. No I/O.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/result.hpp"
#include "proto/jsonrpc.hpp"

namespace sluice::ovsdb {

using jsonrpc::Json;

/// Row identifier.
struct Uuid {
    std::uint64_t hi = 0;
    std::uint64_t lo = 0;
    friend auto operator<=>(const Uuid&, const Uuid&) = default;
    bool is_zero() const { return hi == 0 && lo == 0; }
    /// "12345678-1234-1234-1234-123456789abc".
    std::string to_string() const;
    static std::optional<Uuid> parse(std::string_view text);
    /// Random, version 4.
    static Uuid random();
};

enum class AtomType { kInteger, kReal, kBoolean, kString, kUuid };
const char* to_string(AtomType type);

/// One value; the variant's index is the AtomType.
using Atom = std::variant<std::int64_t, double, bool, std::string, Uuid>;
inline AtomType type_of(const Atom& atom) {
    return static_cast<AtomType>(atom.index());
}

/// Type of a column: a set of `key`, or a map from `key` to `*value`, with `min`..`max` elements.
struct ColumnType {
    AtomType key = AtomType::kString;
    std::optional<AtomType> value;
    unsigned min = 1;
    unsigned max = 1;       ///< kUnlimited for "unlimited"
    std::string ref_table;  ///< table that uuid keys refer to, or empty
    static constexpr unsigned kUnlimited = ~0U;
    bool is_map() const { return value.has_value(); }
    /// Exactly one atom: its JSON form may be bare.
    bool is_scalar() const { return !value && min == 1 && max == 1; }
};

/// Contents of a column: a sorted set of atoms, or a sorted map. A scalar is a set of one.
class Datum {
  public:
    Datum() = default;
    static Datum integer(std::int64_t value) { return Datum(Atom(value)); }
    static Datum real(double value) { return Datum(Atom(value)); }
    static Datum boolean(bool value) { return Datum(Atom(value)); }
    static Datum string(std::string value) { return Datum(Atom(std::move(value))); }
    static Datum uuid(Uuid value) { return Datum(Atom(value)); }
    static Datum empty_set() { return Datum(); }
    static Datum set(std::vector<Atom> atoms);
    static Datum string_set(const std::vector<std::string>& strings);
    static Datum uuid_set(const std::vector<Uuid>& uuids);
    static Datum map(std::vector<std::pair<Atom, Atom>> entries);
    static Datum empty_map() { return map({}); }
    static Datum string_map(const std::map<std::string, std::string>& entries);
    static Datum integer_map(
        const std::map<std::string, std::int64_t>& entries);  ///< e.g. Interface.statistics

    bool is_map() const { return is_map_; }
    bool empty() const { return keys_.empty(); }
    std::size_t size() const { return keys_.size(); }
    const std::vector<Atom>& keys() const { return keys_; }
    const std::vector<Atom>& values() const { return values_; }  ///< maps: same order as keys()

    /// First element if of that type; otherwise the fallback (an empty optional column reads as fallback).
    std::int64_t as_integer(std::int64_t fallback = 0) const;
    double as_real(double fallback = 0) const;
    bool as_boolean(bool fallback = false) const;
    std::string as_string(std::string_view fallback = {}) const;
    Uuid as_uuid() const;  ///< zero if empty
    std::vector<Uuid> as_uuids() const;
    std::vector<std::string> as_strings() const;
    std::vector<std::int64_t> as_integers() const;
    std::map<std::string, std::string> as_string_map() const;
    std::map<std::int64_t, Uuid> as_uuid_map() const;  ///< keys are integers
    /// Value of a string key in a string map, or nothing. O(log n).
    std::optional<std::string> get(std::string_view key) const;
    bool contains(const Atom& key) const;

    friend bool operator==(const Datum&, const Datum&) = default;

  private:
    explicit Datum(Atom atom) { keys_.push_back(std::move(atom)); }
    friend Result<Datum> parse_datum(const Json& json, const ColumnType& type);
    friend Result<Datum> apply_diff(const Datum& old, const Datum& diff, const ColumnType& type);
    void sort();

    std::vector<Atom> keys_;
    std::vector<Atom> values_;
    bool is_map_ = false;
};

/// From the JSON of RFC 7047 §5.1 (bare atom, ["set", …], ["map", …]); errors name what was met instead.
Result<Datum> parse_datum(const Json& json, const ColumnType& type);
/// To JSON. Uuids in `new_rows` (rows inserted by the same transaction) are written as named-uuids.
Json datum_to_json(const Datum& datum, const std::map<Uuid, std::string>* new_rows = nullptr);
/// The new value from an `update2` difference (ovsdb-server(7), "Update2 Notification").
Result<Datum> apply_diff(const Datum& old, const Datum& diff, const ColumnType& type);
/// Default of a column that a message leaves out: zero, "", false, empty.
Datum default_datum(const ColumnType& type);
/// For logs and people, in the manner of ovs-vsctl: `"a"`, `[1, 2]`, `{k=v}`.
std::string format_datum(const Datum& datum);

struct TableSchema {
    std::map<std::string, ColumnType, std::less<>> columns;
    bool is_root = false;
};

/// A database's schema as get_schema returns it.
struct Schema {
    std::string name;
    std::string version;
    std::map<std::string, TableSchema, std::less<>> tables;
    const ColumnType* find(std::string_view table, std::string_view column) const;
};
Result<Schema> parse_schema(const Json& json);

/// A row of the replica: column name to value.
class Row {
  public:
    /// The value, or an empty set if the column isn't replicated (or unknown to the server).
    const Datum& operator[](std::string_view column) const;
    bool has(std::string_view column) const { return columns_.find(column) != columns_.end(); }
    std::map<std::string, Datum, std::less<>>& columns() { return columns_; }
    const std::map<std::string, Datum, std::less<>>& columns() const { return columns_; }
    friend bool operator==(const Row&, const Row&) = default;

  private:
    std::map<std::string, Datum, std::less<>> columns_;
};

using TableRows = std::map<Uuid, Row>;

}  // namespace sluice::ovsdb
