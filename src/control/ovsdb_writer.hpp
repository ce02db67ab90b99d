// SPDX-License-Identifier: Apache-2.0
// Coalesces wanted column values into transactions: at most one in flight, only what differs from the
// replica, again after failures. A value the server refuses for good is found by halving the transaction,
// so that it can't hold up the others. Part of OvsdbSession.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "base/event_loop.hpp"
#include "proto/ovsdb_replica.hpp"
#include "proto/ovsdb_transaction.hpp"

namespace sluice {

class OvsdbWriter {
  public:
    using Done = std::function<void(Result<ovsdb::TransactionResult>)>;
    using Sender = std::function<void(const ovsdb::Transaction&, Done)>;

    /// `replica` and `schema` must outlive the writer.
    OvsdbWriter(EventLoop& loop, const ovsdb::Replica& replica, const ovsdb::Schema& schema,
                std::string database, std::string lock);
    ~OvsdbWriter();
    OvsdbWriter(const OvsdbWriter&) = delete;
    OvsdbWriter& operator=(const OvsdbWriter&) = delete;

    void set_sender(Sender sender) { sender_ = std::move(sender); }
    /// May transactions be sent (synced, and lock held)?
    void set_ready(bool ready);
    void set(const std::string& table, const ovsdb::Uuid& row, const std::string& column, ovsdb::Datum value);
    /// The replica changed: wanted values may have become differences, or rows may have gone.
    void replica_changed();
    bool pending() const;

  private:
    using Key = std::tuple<std::string, ovsdb::Uuid, std::string>;  ///< table, row, column
    using Values = std::map<Key, ovsdb::Datum>;

    void plan_flush();
    void flush();
    Values next_batch();
    void finished(const Result<ovsdb::TransactionResult>& result);
    void refused(const Error& error);

    EventLoop& loop_;
    const ovsdb::Replica& replica_;
    const ovsdb::Schema& schema_;
    std::string database_;
    std::string lock_;
    Sender sender_;
    bool ready_ = false;
    bool planned_ = false;
    Values wanted_;
    Values in_flight_;
    std::deque<Values> halves_;  ///< parts of a refused transaction, to be tried alone
    Timer retry_;
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sluice
