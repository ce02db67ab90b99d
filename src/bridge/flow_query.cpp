// SPDX-License-Identifier: Apache-2.0
// FlowTables: time-outs, statistics, dumps.
#include <algorithm>

#include "bridge/duration.hpp"
#include "bridge/flow_tables.hpp"
#include "pipeline/shortcut.hpp"

namespace sluice::bridge {

using openflow::ErrorCode;
using openflow::OfError;

// ---- Time-outs ---------------------------------------------------------------------------------------

// A flow stands in the set under the earliest moment it could expire. Packets move that moment without
// telling; so when it comes the flow is looked at, and armed again if it was used meanwhile.
/// Packets that would learn a flow anew move its hard time-out.
std::int64_t FlowTables::modified_ms(const Flow& flow) {
    const auto refreshed = flow.rule->refreshed_ms.load(std::memory_order_relaxed);
    return std::max(flow.modified_ms, static_cast<std::int64_t>(refreshed));
}

std::int64_t FlowTables::next_deadline(const Flow& flow) const {
    std::int64_t deadline = 0;
    if (flow.hard_timeout_s) deadline = modified_ms(flow) + std::int64_t{flow.hard_timeout_s} * 1000;
    if (flow.idle_timeout_s) {
        const auto used = std::max(static_cast<std::int64_t>(stats(flow).used_ms), flow.created_ms);
        const std::int64_t idle = used + std::int64_t{flow.idle_timeout_s} * 1000;
        deadline = deadline ? std::min(deadline, idle) : idle;
    }
    return deadline;
}

void FlowTables::arm(Flow& flow) {
    disarm(flow);
    if (flow.hidden) return;
    flow.deadline_ms = next_deadline(flow);
    if (flow.deadline_ms) deadlines_.emplace(flow.deadline_ms, &flow);
}

void FlowTables::disarm(Flow& flow) {
    if (flow.deadline_ms) deadlines_.erase({flow.deadline_ms, &flow});
    flow.deadline_ms = 0;
}

void FlowTables::collect_counts(std::int64_t max_age_ns) const {
    datapath_.shortcuts().collect(max_age_ns);
}

void FlowTables::expire(std::int64_t now_ms) {
    if (in_transaction_) return;
    while (!deadlines_.empty() && deadlines_.begin()->first <= now_ms) {
        Flow& flow = *deadlines_.begin()->second;
        if (next_deadline(flow) > now_ms) {
            arm(flow);
            continue;
        }
        const bool hard =
            flow.hard_timeout_s && modified_ms(flow) + std::int64_t{flow.hard_timeout_s} * 1000 <= now_ms;
        remove(flow, hard ? FlowRemovedReason::kHardTimeout : FlowRemovedReason::kIdleTimeout);
    }
    remove_orphans();
    if (dirty_) commit();
}

// ---- Statistics --------------------------------------------------------------------------------------

std::size_t FlowTables::flow_count(std::uint8_t table) const {
    const std::size_t all = table < tables_.size() && tables_[table] ? tables_[table]->size() : 0;
    return table == 0 && hidden_ ? all - 1 : all;
}

std::size_t FlowTables::flow_count() const {
    std::size_t sum = 0;
    for (unsigned table = 0; table < tables_.size(); ++table)
        sum += flow_count(static_cast<std::uint8_t>(table));
    return sum;
}

openflow::FlowStats FlowTables::describe(const Flow& flow, std::int64_t now_ms) const {
    const pipeline::RuleStats counted = stats(flow);
    const auto used = std::max(static_cast<std::int64_t>(counted.used_ms), flow.created_ms);
    openflow::FlowStats out;
    out.match = flow.match();
    out.table = flow.table();
    out.priority = flow.priority();
    out.cookie = flow.cookie;
    put_duration(out, now_ms, flow.created_ms);
    out.idle_timeout_s = flow.idle_timeout_s;
    out.hard_timeout_s = flow.hard_timeout_s;
    out.idle_age_s = static_cast<std::int32_t>(std::max<std::int64_t>(now_ms - used, 0) / 1000);
    out.hard_age_s = static_cast<std::int32_t>(std::max<std::int64_t>(now_ms - modified_ms(flow), 0) / 1000);
    out.flags = flow.flags;
    out.importance = flow.importance;
    out.packet_count = counted.packets;
    out.byte_count = counted.bytes;
    out.actions = flow.actions();
    return out;
}

openflow::AggregateReply FlowTables::aggregate(const FlowFilter& filter) const {
    openflow::AggregateReply sum;
    for_each(filter, [&](const Flow& flow) {
        const pipeline::RuleStats counted = stats(flow);
        sum.packet_count += counted.packets;
        sum.byte_count += counted.bytes;
        ++sum.flow_count;
    });
    return sum;
}

void FlowTables::for_each(const FlowFilter& filter, const std::function<void(const Flow&)>& visit) const {
    for (unsigned table = 0; table < tables_.size(); ++table) {
        if (!tables_[table] || (filter.table != openflow::kAllTables && filter.table != table)) continue;
        for (const Flow* flow = tables_[table]->first(); flow; flow = flow->next) {
            if (filter.passes(*flow)) visit(*flow);
        }
    }
}

void FlowTables::for_each_with_hidden(const std::function<void(const Flow&)>& visit) const {
    for (const auto& index : tables_) {
        for (const Flow* flow = index ? index->first() : nullptr; flow; flow = flow->next)
            visit(*flow);
    }
}

FlowTables::Error FlowTables::check_table(std::uint8_t table) {
    if (table == openflow::kAllTables || table < pipeline::kMaxTables) return {};
    return OfError{ErrorCode::kBrcBadTableId, fmt::format("table {} does not exist", table)};
}

const TableSettings& FlowTables::table_settings(std::uint8_t table) const {
    static const TableSettings kDefault;
    const auto it = settings_.find(table);
    return it == settings_.end() ? kDefault : it->second;
}

// ---- Cursor ------------------------------------------------------------------------------------------

FlowTables::Cursor::Cursor(FlowTables& tables, FlowFilter filter)
    : tables_(&tables), filter_(std::move(filter)) {
    tables.cursors_.push_back(this);
    if (filter_.table != openflow::kAllTables) table_ = filter_.table;
    enter_table();
}

FlowTables::Cursor::~Cursor() {
    std::erase(tables_->cursors_, this);
}

void FlowTables::Cursor::enter_table() {
    at_ = table_ < tables_->tables_.size() && tables_->tables_[table_] ? tables_->tables_[table_]->first()
                                                                       : nullptr;
}

// What has been looked at and passed over is never looked at again; `at_` alone survives changes.
const Flow* FlowTables::Cursor::peek() {
    while (table_ < tables_->tables_.size()) {
        for (; at_; at_ = at_->next) {
            if (filter_.passes(*at_)) return at_;
        }
        if (filter_.table != openflow::kAllTables) break;
        ++table_;
        enter_table();
    }
    return nullptr;
}

const Flow* FlowTables::Cursor::next() {
    const Flow* flow = peek();
    if (flow) at_ = flow->next;
    return flow;
}

}  // namespace sluice::bridge
