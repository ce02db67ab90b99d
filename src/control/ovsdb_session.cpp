// SPDX-License-Identifier: Apache-2.0
// The conversation with ovsdb-server: schema, lock, monitor, updates. Writing back is in ovsdb_writer.cpp.
#include "control/ovsdb_session.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "base/log.hpp"
#include "control/jsonrpc_session.hpp"
#include "control/ovsdb_writer.hpp"
#include "proto/ovsdb_replica.hpp"

namespace sluice {

using ovsdb::Json;

namespace {

const log::Module kLog{"ovsdb_idl"};
constexpr const char* kMonitorId = "sluice";
constexpr const char* kNoTransaction = "00000000-0000-0000-0000-000000000000";
/// Best first; an old server refuses the ones it doesn't know.
constexpr std::array<const char*, 3> kMonitorMethods{"monitor_cond_since", "monitor_cond", "monitor"};

}  // namespace

struct OvsdbSession::Impl : std::enable_shared_from_this<OvsdbSession::Impl> {
    Impl(EventLoop& l, Options o, Handlers h)
        : loop(l),
          options(std::move(o)),
          handlers(std::move(h)),
          writer(l, replica, schema, options.database, options.lock) {}

    EventLoop& loop;
    Options options;
    Handlers handlers;
    std::unique_ptr<JsonrpcSession> session;
    ovsdb::Schema schema;
    ovsdb::Replica replica;
    OvsdbWriter writer;
    std::string last_transaction = kNoTransaction;
    std::size_t method = 0;
    bool synced = false;
    bool ever_synced = false;
    bool lock_held = false;
    bool lock_known = false;
    bool dead = false;
    std::set<std::string> reported;  ///< schema complaints already logged

    void start() {
        JsonrpcSession::Options o;
        o.remote = options.remote;
        o.stream.ssl = options.ssl;
        o.limits.max_message_bytes = std::size_t{256} * 1024 * 1024;
        o.probe_interval_ms = options.probe_interval_ms;
        o.min_backoff_ms = options.min_backoff_ms;
        o.max_backoff_ms = options.max_backoff_ms;
        JsonrpcSession::Handlers h;
        h.on_connected = [this] { on_connected(); };
        h.on_disconnected = [this](const Error& reason) { on_disconnected(reason); };
        h.on_message = [this](const jsonrpc::Message& message) { on_message(message); };
        session = std::make_unique<JsonrpcSession>(loop, std::move(o), std::move(h));
        session->start();
        writer.set_sender([this](const ovsdb::Transaction& txn, auto done) { send(txn, std::move(done)); });
    }

    void on_connected() {
        method = 0;
        session->request("get_schema", Json::array({options.database}), [this](Result<Json> reply) {
            const auto self = shared_from_this();
            if (!reply)
                return give_up("cannot read the schema of database " + options.database, reply.error());
            auto parsed = ovsdb::parse_schema(*reply);
            if (!parsed)
                return give_up("cannot use the schema of database " + options.database, parsed.error());
            schema = std::move(*parsed);
            choose_columns();
            request_lock();
            if (!dead) request_monitor();
        });
    }

    /// Something is wrong with the server's answers: say so and try again after a pause. (A connection that
    /// is lost anyway reports itself.)
    void give_up(const std::string& what, const Error& error) {
        if (error.code == ECONNRESET) return;
        kLog.warn("{}: {}: {}", options.remote, what, error.message);
        last_transaction = kNoTransaction;
        session->reconnect(what);
    }

    void complain_once(const std::string& text) {
        if (reported.insert(text).second) kLog.warn("{}: {}", options.remote, text);
    }

    /// What of the wanted tables and columns the server's schema has.
    void choose_columns() {
        ovsdb::Replica::Columns chosen;
        for (const auto& [table, spec] : options.tables) {
            if (schema.tables.find(table) == schema.tables.end()) {
                complain_once(fmt::format("database {} has no table {}: ignored", options.database, table));
                continue;
            }
            auto& columns = chosen[table];
            for (const auto* list : {&spec.columns, &spec.quiet_columns})
                for (const auto& column : *list) {
                    if (const auto* type = schema.find(table, column))
                        columns.emplace(column, *type);
                    else
                        complain_once(fmt::format("table {} has no column {}: ignored", table, column));
                }
        }
        // Another schema (an upgrade meanwhile): history doesn't fit, start from the whole contents.
        bool same = chosen.size() == replica.columns().size();
        for (const auto& [table, columns] : chosen) {
            const auto old = replica.columns().find(table);
            same = same && old != replica.columns().end() && old->second.size() == columns.size();
        }
        if (!same) last_transaction = kNoTransaction;
        replica.set_columns(std::move(chosen));
    }

    void request_lock() {
        if (options.lock.empty()) return set_lock(true);
        session->request("lock", Json::array({options.lock}), [this](Result<Json> reply) {
            const auto self = shared_from_this();
            if (!reply) return give_up("cannot ask for lock " + options.lock, reply.error());
            const auto locked = reply->is_object() ? reply->value("locked", Json()) : Json();
            if (!locked.is_boolean())
                return give_up("reply to lock " + options.lock, Error{EPROTO, "no boolean \"locked\""});
            // "locked" may have been notified before this older answer is seen; then it is not withdrawn.
            if (locked.get<bool>() || !lock_held) set_lock(locked.get<bool>());
        });
    }

    void set_lock(bool held) {
        if (lock_known && lock_held == held) return;
        lock_known = true;
        lock_held = held;
        writer.set_ready(synced && lock_held);
        if (!dead && !options.lock.empty() && handlers.on_lock) handlers.on_lock(held);
    }

    void request_monitor() {
        Json requests = Json::object();
        for (const auto& [table, columns] : replica.columns()) {
            Json names = Json::array();
            for (const auto& [name, type] : columns)
                names.push_back(name);
            requests[table] = Json::array({Json{{"columns", std::move(names)}}});
        }
        Json params = Json::array({options.database, kMonitorId, std::move(requests)});
        if (method == 0) params.push_back(last_transaction);
        session->request(kMonitorMethods[method], std::move(params), [this](Result<Json> reply) {
            if (reply) return on_contents(*reply);
            const bool unknown = reply.error().code == EREMOTEIO &&
                                 (reply.error().message.find("unknown method") != std::string::npos ||
                                  reply.error().message.find("not allowed") != std::string::npos);
            if (!unknown || method + 1 == kMonitorMethods.size())
                return give_up(std::string(kMonitorMethods[method]) + " refused", reply.error());
            ++method;
            request_monitor();
        });
    }

    void on_contents(const Json& reply) {
        const auto self = shared_from_this();
        const Json* updates = &reply;
        auto scope = ovsdb::UpdateScope::kFull;
        if (method == 0) {
            if (!reply.is_array() || reply.size() != 3 || !reply[0].is_boolean() || !reply[1].is_string())
                return give_up("reply to monitor_cond_since", Error{EPROTO, "not [found, id, updates]"});
            if (reply[0].get<bool>()) scope = ovsdb::UpdateScope::kChanges;
            last_transaction = reply[1].get<std::string>();
            updates = &reply[2];
        }
        if (!apply(*updates, method < 2 ? ovsdb::UpdateFormat::kUpdate2 : ovsdb::UpdateFormat::kUpdate1,
                   scope))
            return;
        synced = ever_synced = true;
        writer.set_ready(lock_held);
        if (handlers.on_synced) handlers.on_synced();
    }

    /// False if the message was refused or the session died in a callback.
    bool apply(const Json& updates, ovsdb::UpdateFormat format, ovsdb::UpdateScope scope) {
        auto deltas = replica.apply(updates, format, scope);
        if (!deltas) {
            give_up("bad update", deltas.error());
            return false;
        }
        std::vector<OvsdbRowChange> changes;
        for (const auto& delta : *deltas) {
            OvsdbRowChange change;
            change.table = delta.table;
            change.uuid = delta.uuid;
            change.old_row = delta.before ? &*delta.before : nullptr;
            change.new_row = delta.after ? replica.find(delta.table, delta.uuid) : nullptr;
            change.kind = !delta.before  ? OvsdbRowChange::Kind::kInsert
                          : !delta.after ? OvsdbRowChange::Kind::kDelete
                                         : OvsdbRowChange::Kind::kModify;
            if (change.kind == OvsdbRowChange::Kind::kModify) {
                for (const auto& column : options.tables[delta.table].columns)
                    if (!((*change.old_row)[column] == (*change.new_row)[column]))
                        change.columns.push_back(column);
                if (change.columns.empty()) continue;
            }
            changes.push_back(std::move(change));
        }
        writer.replica_changed();
        if (!changes.empty() && handlers.on_changes) handlers.on_changes(changes);
        return !dead;
    }

    void on_message(const jsonrpc::Message& message) {
        const auto self = shared_from_this();
        const auto& params = message.params;
        if (message.method == "update3" && params.size() == 3 && params[1].is_string()) {
            last_transaction = params[1].get<std::string>();
            apply(params[2], ovsdb::UpdateFormat::kUpdate2, ovsdb::UpdateScope::kChanges);
        } else if (message.method == "update2" && params.size() == 2) {
            apply(params[1], ovsdb::UpdateFormat::kUpdate2, ovsdb::UpdateScope::kChanges);
        } else if (message.method == "update" && params.size() == 2) {
            apply(params[1], ovsdb::UpdateFormat::kUpdate1, ovsdb::UpdateScope::kChanges);
        } else if (message.method == "locked" || message.method == "stolen") {
            if (params.size() == 1 && params[0] == options.lock) set_lock(message.method == "locked");
        } else if (message.method == "monitor_canceled") {
            give_up("monitor cancelled", Error{EIO, "database " + options.database + " was removed"});
        } else if (message.type == jsonrpc::MessageType::kRequest) {
            session->reply_error("unknown method", message.id);
        } else {
            static log::RateLimit limit{5, 5};
            if (limit.allow()) kLog.warn("{}: unexpected notification {}", options.remote, message.method);
        }
    }

    void on_disconnected(const Error& reason) {
        const auto self = shared_from_this();
        synced = false;
        writer.set_ready(false);
        if (lock_held) set_lock(false);
        lock_known = false;
        if (!dead && handlers.on_lost) handlers.on_lost(reason);
    }

    void send(const ovsdb::Transaction& transaction, TransactCallback callback) {
        auto checked = std::make_shared<ovsdb::Transaction>(transaction);
        if (!options.lock.empty()) checked->assert_lock(options.lock);
        session->request("transact", checked->params(),
                         [checked, callback = std::move(callback)](Result<Json> reply) {
                             if (!callback) return;
                             if (!reply) return callback(reply.error());
                             callback(ovsdb::parse_transact_reply(*checked, *reply));
                         });
    }
};

OvsdbSession::OvsdbSession(EventLoop& loop, Options options, Handlers handlers)
    : impl_(std::make_shared<Impl>(loop, std::move(options), std::move(handlers))) {}

OvsdbSession::~OvsdbSession() {
    impl_->dead = true;  // handlers stay: one of them may be running right now
    impl_->session.reset();
    impl_->writer.set_ready(false);
}

void OvsdbSession::start() {
    impl_->start();
}
bool OvsdbSession::connected() const {
    return impl_->session && impl_->session->connected();
}
bool OvsdbSession::ever_synced() const {
    return impl_->ever_synced;
}
bool OvsdbSession::synced() const {
    return impl_->synced;
}
bool OvsdbSession::lock_held() const {
    return impl_->options.lock.empty() ? impl_->synced : impl_->lock_held;
}
const ovsdb::TableRows& OvsdbSession::table(std::string_view name) const {
    return impl_->replica.table(name);
}
const ovsdb::Row* OvsdbSession::find(std::string_view table, const ovsdb::Uuid& uuid) const {
    return impl_->replica.find(table, uuid);
}
const ovsdb::Row* OvsdbSession::first(std::string_view table_name, ovsdb::Uuid* uuid) const {
    const auto& rows = table(table_name);
    if (rows.empty()) return nullptr;
    if (uuid != nullptr) *uuid = rows.begin()->first;
    return &rows.begin()->second;
}
const ovsdb::Schema& OvsdbSession::schema() const {
    return impl_->schema;
}
void OvsdbSession::set(const std::string& table, const ovsdb::Uuid& row, const std::string& column,
                       ovsdb::Datum value) {
    impl_->writer.set(table, row, column, std::move(value));
}
bool OvsdbSession::writes_pending() const {
    return impl_->writer.pending();
}
void OvsdbSession::transact(const ovsdb::Transaction& transaction, TransactCallback callback) {
    if (impl_->session) return impl_->send(transaction, std::move(callback));
    impl_->loop.defer([callback = std::move(callback)] {
        if (callback) callback(Error{ENOTCONN, "database session has not been started"});
    });
}
void OvsdbSession::request(const std::string& method, Json params,
                           std::function<void(Result<Json>)> callback) {
    if (impl_->session) impl_->session->request(method, std::move(params), std::move(callback));
}
void OvsdbSession::set_probe_interval(std::int64_t interval_ms) {
    impl_->options.probe_interval_ms = interval_ms;
    if (impl_->session) impl_->session->set_probe_interval(interval_ms);
}

}  // namespace sluice
