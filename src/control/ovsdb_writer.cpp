// SPDX-License-Identifier: Apache-2.0
#include "control/ovsdb_writer.hpp"

#include <utility>

#include "base/log.hpp"

namespace sluice {
namespace {

const log::Module kLog{"ovsdb_writer"};
constexpr std::int64_t kRetryMs = 1000;

}  // namespace

OvsdbWriter::OvsdbWriter(EventLoop& loop, const ovsdb::Replica& replica, const ovsdb::Schema& schema,
                         std::string database, std::string lock)
    : loop_(loop),
      replica_(replica),
      schema_(schema),
      database_(std::move(database)),
      lock_(std::move(lock)) {}

OvsdbWriter::~OvsdbWriter() {
    *alive_ = false;
}

void OvsdbWriter::set_ready(bool ready) {
    ready_ = ready;
    if (ready_) plan_flush();
}

void OvsdbWriter::set(const std::string& table, const ovsdb::Uuid& row, const std::string& column,
                      ovsdb::Datum value) {
    wanted_[{table, row, column}] = std::move(value);
    plan_flush();
}

void OvsdbWriter::replica_changed() {
    if (!wanted_.empty()) plan_flush();
}

bool OvsdbWriter::pending() const {
    return !wanted_.empty() || !in_flight_.empty() || !halves_.empty();
}

void OvsdbWriter::plan_flush() {
    if (planned_ || !ready_) return;
    planned_ = true;
    loop_.defer([this, alive = alive_] {
        if (!*alive) return;
        planned_ = false;
        flush();
    });
}

/// What to send next: values of rows that exist, in columns that exist, that the replica doesn't hold yet.
OvsdbWriter::Values OvsdbWriter::next_batch() {
    Values source;
    if (halves_.empty()) {
        source = std::exchange(wanted_, {});
    } else {
        source = std::move(halves_.front());
        halves_.pop_front();
    }
    Values batch;
    for (auto& [key, value] : source) {
        const auto& [table, uuid, column] = key;
        const auto* row = replica_.find(table, uuid);
        if (row == nullptr || schema_.find(table, column) == nullptr) continue;
        if (row->has(column) && (*row)[column] == value) continue;
        batch.emplace(key, std::move(value));
    }
    return batch;
}

void OvsdbWriter::flush() {
    if (!ready_ || !sender_ || !in_flight_.empty() || retry_.pending()) return;
    Values batch;
    while (batch.empty() && (!halves_.empty() || !wanted_.empty()))
        batch = next_batch();
    if (batch.empty()) return;
    ovsdb::Transaction transaction(database_);
    for (auto it = batch.begin(); it != batch.end();) {
        const auto& table = std::get<0>(it->first);
        const auto& row = std::get<1>(it->first);
        ovsdb::Transaction::Columns columns;
        auto next = it;
        for (; next != batch.end() && std::get<0>(next->first) == table && std::get<1>(next->first) == row;
             ++next)
            columns.emplace(std::get<2>(next->first), next->second);
        transaction.update(table, row, columns);
        it = next;
    }
    in_flight_ = std::move(batch);
    sender_(transaction, [this, alive = alive_](const Result<ovsdb::TransactionResult>& result) {
        if (*alive) finished(result);
    });
}

void OvsdbWriter::finished(const Result<ovsdb::TransactionResult>& result) {
    if (!result && result.error().code == EINVAL) {
        refused(result.error());
    } else if (!result) {
        // Connection or lock lost, or a passing conflict: try again, unless a newer value is wanted by now.
        for (auto& [key, value] : in_flight_)
            wanted_.try_emplace(key, std::move(value));
        retry_ = loop_.after(
            kRetryMs, [this] { flush(); }, TimeBase::kMachine);
    }
    in_flight_.clear();
    plan_flush();
}

void OvsdbWriter::refused(const Error& error) {
    if (in_flight_.size() == 1) {
        const auto& [key, value] = *in_flight_.begin();
        kLog.warn("{} {}: column {} cannot be set to {}: {}", std::get<0>(key), std::get<1>(key).to_string(),
                  std::get<2>(key), ovsdb::format_datum(value).substr(0, 200), error.message);
        return;
    }
    Values halves[2];
    std::size_t index = 0;
    for (auto& [key, value] : in_flight_)
        if (wanted_.find(key) == wanted_.end())
            halves[index++ * 2 / in_flight_.size()].emplace(key, std::move(value));
        else
            ++index;
    for (auto& half : halves)
        if (!half.empty()) halves_.push_back(std::move(half));
}

}  // namespace sluice
