// SPDX-License-Identifier: Apache-2.0
// Client of ovsdb-server with a replica in memory of chosen tables and columns, in the manner of OVS's IDL.
//
// The session connects, fetches the schema, asks for the lock, monitors (monitor_cond_since, else
// monitor_cond, else monitor) and keeps `table()` equal to the database. Each message of changes is applied
// whole, then reported in one `on_changes` call. When the server goes away the replica stays; after the
// reconnection the differences are reported like any other change, so users need not notice.
//
// Writing back: `set()` notes a wanted value. Once a turn of the loop all notes that differ from the replica
// leave in one transaction; a failed one is tried again. With a lock configured, nothing is written before
// the lock is ours.
//
//     OvsdbSession::Options options;
//     options.remote = "unix:/run/openvswitch/db.sock";
//     options.lock = "ovs_vswitchd";
//     options.tables["Bridge"] = {{"name", "ports"}, {"datapath_id"}};
//     OvsdbSession db(loop, options, {.on_changes = ...});
//     db.start();
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/event_loop.hpp"
#include "control/stream.hpp"
#include "proto/ovsdb.hpp"
#include "proto/ovsdb_transaction.hpp"

namespace sluice {

/// One row's change. Pointers are valid during the callback only.
struct OvsdbRowChange {
    enum class Kind { kInsert, kModify, kDelete };
    Kind kind = Kind::kInsert;
    std::string table;
    ovsdb::Uuid uuid;
    const ovsdb::Row* old_row = nullptr;  ///< null for inserts
    const ovsdb::Row* new_row = nullptr;  ///< null for deletes
    /// Modify only: names of the columns that differ.
    std::vector<std::string> columns;
};

/// See the top of this file. Loop's thread only.
class OvsdbSession {
  public:
    struct TableSpec {
        std::vector<std::string> columns;        ///< replicated; changes are reported
        std::vector<std::string> quiet_columns;  ///< replicated, usually because we write them; not reported
    };
    struct Options {
        std::string remote;
        std::string database = "Open_vSwitch";
        std::string lock;  ///< name of the lock to hold while writing, or empty
        /// Tables and columns the server's schema lacks are left out with one log line each.
        std::map<std::string, TableSpec> tables;
        SslConfig ssl;
        std::int64_t probe_interval_ms = 5000;
        std::int64_t min_backoff_ms = 1000;
        std::int64_t max_backoff_ms = 8000;
    };
    struct Handlers {
        /// A consistent set of changes has been applied to the replica. Deletes come first, then inserts and
        /// modifications, tables in name order.
        std::function<void(const std::vector<OvsdbRowChange>&)> on_changes;
        /// The replica equals the database (after the first contents, and after each reconnection); follows
        /// `on_changes`.
        std::function<void()> on_synced;
        std::function<void(const Error& reason)> on_lost;
        /// The lock became ours (true), or somebody else has it, stole it, or the connection is gone (false).
        std::function<void(bool held)> on_lock;
    };
    using TransactCallback = std::function<void(Result<ovsdb::TransactionResult>)>;

    OvsdbSession(EventLoop& loop, Options options, Handlers handlers);
    ~OvsdbSession();
    OvsdbSession(const OvsdbSession&) = delete;
    OvsdbSession& operator=(const OvsdbSession&) = delete;

    void start();
    bool connected() const;
    /// Has the replica been filled at least once?
    bool ever_synced() const;
    /// Connected and filled?
    bool synced() const;
    /// Always true if no lock is configured and the session is synced.
    bool lock_held() const;

    /// Rows of a replicated table; empty for others. Valid until the next turn of the loop.
    const ovsdb::TableRows& table(std::string_view name) const;
    const ovsdb::Row* find(std::string_view table, const ovsdb::Uuid& uuid) const;
    /// First row of a table with one row ("Open_vSwitch"), or null; `uuid` receives its id.
    const ovsdb::Row* first(std::string_view table, ovsdb::Uuid* uuid = nullptr) const;
    /// The server's schema; empty before the first connection.
    const ovsdb::Schema& schema() const;

    /// Wants `column` of that row to be `value`. Coalesced; the last call wins; forgotten when the row
    /// disappears or the server refuses the value for good (logged). Columns unknown to the schema are
    /// ignored.
    void set(const std::string& table, const ovsdb::Uuid& row, const std::string& column, ovsdb::Datum value);
    /// Are there values from `set()` that the database hasn't confirmed yet?
    bool writes_pending() const;

    /// Sends a transaction (asserting the lock if one is configured). Not retried.
    void transact(const ovsdb::Transaction& transaction, TransactCallback callback);
    /// Any other request to the server ("list_dbs", "get_server_id").
    void request(const std::string& method, ovsdb::Json params,
                 std::function<void(Result<ovsdb::Json>)> callback);
    void set_probe_interval(std::int64_t interval_ms);

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace sluice
