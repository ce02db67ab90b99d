// SPDX-License-Identifier: Apache-2.0
// Builder of OVSDB transactions (RFC 7047 §5.2).
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "proto/ovsdb.hpp"

namespace sluice::ovsdb {

/// The operations of one `transact` request, in order. All or nothing.
///
///     Transaction txn("Open_vSwitch");
///     const Uuid port = txn.insert("Port", {{"name", Datum::string("p0")}});
///     txn.mutate("Bridge", bridge, "ports", "insert", Datum::uuid(port));
///     txn.comment("sluiced: add p0");
class Transaction {
  public:
    using Columns = std::map<std::string, Datum>;
    explicit Transaction(std::string database) : database_(std::move(database)) {}

    /// Adds a row. The returned id is provisional: usable in datums of this transaction only (they are sent
    /// as named-uuid); the real one is `TransactionResult::inserted[provisional]`.
    Uuid insert(const std::string& table, const Columns& row);
    void update(const std::string& table, const Uuid& row, const Columns& columns);
    /// `mutator`: "+=", "-=", "insert", "delete", …
    void mutate(const std::string& table, const Uuid& row, const std::string& column,
                const std::string& mutator, const Datum& value);
    void erase(const std::string& table, const Uuid& row);
    /// The transaction fails unless the column still holds `expected` (op "wait", timeout 0).
    void verify(const std::string& table, const Uuid& row, const std::string& column, const Datum& expected);
    /// The transaction fails unless this connection holds the lock.
    void assert_lock(const std::string& lock);
    /// Text for the database's log.
    void comment(const std::string& text);
    /// Any other operation, as JSON.
    void raw(Json operation);

    /// No operations that could change anything?
    bool empty() const { return writes_ == 0; }
    std::size_t size() const { return operations_.size(); }
    /// Parameters of the "transact" request.
    Json params() const;
    const std::string& database() const { return database_; }
    /// Index of the insert operation of each provisional id.
    const std::map<Uuid, std::size_t>& inserts() const { return inserts_; }

  private:
    Json where(const Uuid& row) const;
    Json columns_json(const Columns& columns) const;
    void add(Json operation, bool writes);

    std::string database_;
    Json operations_ = Json::array();
    std::map<Uuid, std::string> names_;
    std::map<Uuid, std::size_t> inserts_;
    std::size_t writes_ = 0;
};

/// Outcome of a transaction that the server accepted.
struct TransactionResult {
    Json results;                   ///< one element an operation
    std::map<Uuid, Uuid> inserted;  ///< provisional to real row ids
};
/// Reads the reply. A failed operation gives its "error" and "details" in the message; code EAGAIN: a verify
/// failed, EPERM: lock not held, ENXIO and the like: EINVAL.
Result<TransactionResult> parse_transact_reply(const Transaction& transaction, const Json& result);

}  // namespace sluice::ovsdb
