// SPDX-License-Identifier: Apache-2.0
// The meaning of the five flow-mod commands; staging, undoing and publishing. Queries and time-outs are in
// flow_query.cpp.
#include "bridge/flow_tables.hpp"

#include <utility>

#include "bridge/group_table.hpp"
#include "bridge/meter_table.hpp"
#include "flow/action_text.hpp"
#include "proto/openflow/codec.hpp"

namespace sluice::bridge {

namespace flag = openflow::flow_flag;
using openflow::ErrorCode;
using openflow::FlowCommand;
using openflow::FlowMod;
using openflow::OfError;

namespace {

/// What a table may hold. OVS reports a million for one without a limit of its own, and takes more.
constexpr std::uint32_t kMostFlows = 4'000'000;
std::uint32_t limit_of(const TableSettings& settings) {
    return settings.max_flows == kDefaultMaxFlows ? kMostFlows : settings.max_flows;
}

// What a flow keeps of the flow-mod that added it; flow statistics show all of it, as OVS does.
constexpr std::uint16_t kStateFlags = flag::kSendFlowRemoved | flag::kCheckOverlap | flag::kResetCounts |
                                      flag::kNoPacketCounts | flag::kNoByteCounts;

bool is_delete(FlowCommand command) {
    return command == FlowCommand::kDelete || command == FlowCommand::kDeleteStrict;
}

/// Compiled actions, or why not.
openflow::OfResult<std::unique_ptr<pipeline::ActionProgram>> compile_actions(const ActionList& actions,
                                                                             const TunTable* tun) {
    auto program = pipeline::compile(actions, tun);
    if (program) return std::move(program.value());
    return OfError{ErrorCode::kBacBadType, program.error().message};
}

/// Text tells all that a controller can see of actions.
bool differ(const ActionList& a, const ActionList& b) {
    return format_actions(a) != format_actions(b);
}

}  // namespace

FlowTables::FlowTables(pipeline::Datapath& datapath, pipeline::Program& program)
    : datapath_(datapath),
      program_(program),
      groups_(std::make_unique<GroupTable>(datapath, program, *this)),
      meters_(std::make_unique<MeterTable>(datapath, program, *this)) {}

FlowTables::~FlowTables() {
    if (in_transaction_) rollback();
    on_removed_ = nullptr;
    on_changed_ = nullptr;  // whoever listened may be gone
    remove_hidden();
    clear();
    commit();
}

// ---- Commands ----------------------------------------------------------------------------------------

FlowTables::Error FlowTables::apply(const FlowMod& mod, std::int64_t now_ms, const Origin& origin) {
    const SparseMatch match = SparseMatch::from(mod.match);
    if (auto error = check(mod)) return error;
    const std::size_t mark = log_.size();
    origin_ = origin;
    adding_ = mod.command == FlowCommand::kAdd;
    auto error = run(mod, match, now_ms);
    origin_ = {};
    adding_ = false;
    if (error) {
        undo_to(mark);
        orphans_.clear();
        return error;
    }
    remove_orphans();
    if (!in_transaction_) settle();
    return {};
}

FlowTables::Error FlowTables::check(const FlowMod& mod) const {
    if (mod.table != openflow::kAllTables && mod.table >= pipeline::kMaxTables) {
        return OfError{ErrorCode::kBrcBadTableId, fmt::format("table {} does not exist", mod.table)};
    }
    if (is_delete(mod.command)) {
        // The flows that OVS has in its own table match everything; here there are none to protect.
        if (mod.table == kVisibleTables && mod.command == FlowCommand::kDelete &&
            SparseMatch::from(mod.match).words.empty())
            return OfError{ErrorCode::kBrcEperm, fmt::format("table {} is the switch's own", mod.table)};
        return {};
    }
    if (mod.table == kVisibleTables)
        return OfError{ErrorCode::kBrcEperm, fmt::format("table {} is the switch's own", mod.table)};
    if (mod.flags & flag::kEmergency)
        return OfError{ErrorCode::kFmfcTableFull, "there is no emergency flow cache"};
    if (mod.buffer_id != openflow::kNoBuffer)
        return OfError{ErrorCode::kBrcBufferUnknown, "this switch does not buffer packets"};
    const bool any_table = mod.table == openflow::kAllTables;
    openflow::ActionCheck limits;
    limits.table = any_table && mod.command == FlowCommand::kAdd ? 0 : mod.table;
    limits.n_tables = pipeline::kMaxTables + 1;  // as OVS: 255 may be named; it is empty
    return openflow::check_actions(mod.actions, mod.match, limits);
}

FlowTables::Error FlowTables::validate(const FlowMod& mod) const {
    if (auto error = check(mod)) return error;
    if (is_delete(mod.command)) return {};
    auto actions = compile_actions(mod.actions, program_.tun_table());
    if (!actions) return actions.error();
    return {};
}

FlowTables::Error FlowTables::run(const FlowMod& mod, const SparseMatch& match, std::int64_t now_ms) {
    switch (mod.command) {
        case FlowCommand::kAdd:
            return add(mod, mod.table == openflow::kAllTables ? 0 : mod.table, match, now_ms);
        case FlowCommand::kModify:
        case FlowCommand::kModifyStrict:
            return modify(mod, match, now_ms);
        case FlowCommand::kDelete:
        case FlowCommand::kDeleteStrict:
            break;
    }
    for (Flow* flow : select(mod, match, mod.command == FlowCommand::kDeleteStrict))
        remove(*flow, FlowRemovedReason::kDelete);
    return {};
}

FlowTables::Error FlowTables::add(const FlowMod& mod, std::uint8_t table, const SparseMatch& match,
                                  std::int64_t now_ms) {
    FlowIndex* index = tables_[table].get();
    Flow* old = index ? index->find(match, mod.priority) : nullptr;
    if (!old && index && mod.flags & flag::kCheckOverlap) {
        for (Flow* flow = index->first(); flow; flow = flow->next) {
            if (!flow->hidden && flow->priority() == mod.priority && overlaps(flow->match(), match))
                return OfError{ErrorCode::kFmfcOverlap, fmt::format("table {}: overlaps a flow", table)};
        }
    }
    if (const std::uint32_t limit = limit_of(table_settings(table));
        !old && flow_count(table) >= limit && !evict_one(table)) {
        return OfError{ErrorCode::kFmfcTableFull,
                       fmt::format("table {} holds its limit of {} flows", table, limit)};
    }
    auto actions = compile_actions(mod.actions, program_.tun_table());
    if (!actions) return actions.error();
    if ((*actions)->refers) {
        if (auto error = check_references(mod.actions)) return error;
    }

    const bool keep_stats = old && !(mod.flags & flag::kResetCounts);
    pipeline::Rule* rule = program_.add(table, mod.priority, match, mod.new_cookie, std::move(*actions),
                                        keep_stats ? &old->rule->stats : nullptr);
    std::unique_ptr<Flow> fresh = old ? nullptr : std::make_unique<Flow>();
    Flow& flow = old ? *old : *fresh;
    if (old) {
        replace_rule(flow, rule, keep_stats);
    } else {
        flow.rule = rule;
        rule->owner = &flow;
    }
    flow.cookie = mod.new_cookie;
    flow.created_ms = flow.modified_ms = now_ms;
    flow.idle_timeout_s = mod.idle_timeout_s;
    flow.hard_timeout_s = mod.hard_timeout_s;
    flow.importance = mod.importance;
    flow.flags = mod.flags & kStateFlags;
    if (fresh) {
        insert(std::move(fresh));
    } else {
        arm(flow);
    }
    return {};
}

FlowTables::Error FlowTables::modify(const FlowMod& mod, const SparseMatch& match, std::int64_t now_ms) {
    const auto flows = select(mod, match, mod.command == FlowCommand::kModifyStrict);
    if (flows.empty()) {
        if (mod.new_cookie == ~std::uint64_t{0} || mod.cookie_mask != 0) return {};
        return add(mod, mod.table == openflow::kAllTables ? 0 : mod.table, match, now_ms);
    }
    for (Flow* flow : flows) {
        if (auto error = modify_one(*flow, mod, now_ms)) return error;
    }
    return {};
}

FlowTables::Error FlowTables::modify_one(Flow& flow, const FlowMod& mod, std::int64_t now_ms) {
    // A goto_table that is fine in one table may lead backwards from another.
    if (mod.table == openflow::kAllTables) {
        openflow::ActionCheck limits;
        limits.table = flow.table();
        limits.n_tables = pipeline::kMaxTables + 1;  // as OVS: 255 may be named; it is empty
        if (auto error = openflow::check_actions(mod.actions, mod.match, limits)) return error;
    }
    auto actions = compile_actions(mod.actions, program_.tun_table());
    if (!actions) return actions.error();
    if ((*actions)->refers) {
        if (auto error = check_references(mod.actions)) return error;
    }
    const bool new_cookie = mod.modify_cookie && mod.new_cookie != ~std::uint64_t{0};
    const std::uint64_t cookie = new_cookie ? mod.new_cookie : flow.cookie;
    const bool keep_stats = !(mod.flags & flag::kResetCounts);
    pipeline::Rule* rule = program_.add(flow.table(), flow.priority(), flow.match(), cookie,
                                        std::move(*actions), keep_stats ? &flow.rule->stats : nullptr);
    replace_rule(flow, rule, keep_stats);
    flow.cookie = cookie;
    flow.modified_ms = now_ms;
    arm(flow);
    return {};
}

std::vector<Flow*> FlowTables::select(const FlowMod& mod, const SparseMatch& match, bool strict) const {
    FlowFilter filter{match, mod.table, OfPort::kAny, openflow::kAnyGroup, mod.cookie, mod.cookie_mask};
    if (is_delete(mod.command)) {
        filter.out_port = mod.out_port;
        filter.out_group = mod.out_group;
    }
    std::vector<Flow*> flows;
    for (unsigned table = 0; table < tables_.size(); ++table) {
        if (!tables_[table] || (mod.table != openflow::kAllTables && mod.table != table)) continue;
        if (strict) {
            Flow* flow = tables_[table]->find(match, mod.priority);
            if (flow && filter.passes(*flow)) flows.push_back(flow);
            continue;
        }
        for (Flow* flow = tables_[table]->first(); flow; flow = flow->next) {
            if (filter.passes(*flow)) flows.push_back(flow);
        }
    }
    return flows;
}

// ---- Steps and how to undo them ----------------------------------------------------------------------

Flow* FlowTables::insert(std::unique_ptr<Flow> flow) {
    link(*flow);
    Step step{Step::Kind::kAdded, {}, false, false, flow.release(), nullptr, origin_};
    dirty_ = true;
    return log_.emplace_back(std::move(step)).flow;
}

void FlowTables::remove(Flow& flow, FlowRemovedReason reason, bool notify) {
    note_learner(flow.actions());
    program_.remove(flow.rule);
    unlink(flow);
    dirty_ = true;
    // Nobody asked for an eviction by name.
    const Origin origin = reason == FlowRemovedReason::kEviction ? Origin{} : origin_;
    log_.push_back({Step::Kind::kRemoved, reason, false, notify, &flow, nullptr, origin});
}

void FlowTables::replace_rule(Flow& flow, pipeline::Rule* rule, bool keep_stats) {
    note_learner(flow.actions());
    auto before = std::make_unique<Flow>(flow);
    program_.remove(flow.rule, keep_stats);
    references_.remove(flow);
    flow.rule->owner = nullptr;
    flow.rule = rule;
    references_.add(flow);
    rule->owner = &flow;
    dirty_ = true;
    log_.push_back(
        {Step::Kind::kReplaced, {}, keep_stats, false, &flow, std::move(before), origin_, adding_});
}

void FlowTables::undo_to(std::size_t mark) {
    while (log_.size() > mark) {
        Step step = std::move(log_.back());
        log_.pop_back();
        Flow& flow = *step.flow;
        switch (step.kind) {
            case Step::Kind::kAdded:
                unlink(flow);
                program_.revert_add(flow.rule);
                delete &flow;
                break;
            case Step::Kind::kRemoved:
                program_.revert_remove(flow.rule);
                link(flow);
                break;
            case Step::Kind::kReplaced: {
                references_.remove(flow);
                program_.revert_add(flow.rule, step.kept_stats);
                program_.revert_remove(step.before->rule);
                const Flow links = flow;  // neighbours may have changed since
                flow = *step.before;
                flow.rule->owner = &flow;
                flow.bucket_next = links.bucket_next;
                flow.previous = links.previous;
                flow.next = links.next;
                flow.deadline_ms = links.deadline_ms;
                references_.add(flow);
                arm(flow);
                break;
            }
        }
    }
}

/// What the log holds is final: tells of removals, frees.
void FlowTables::settle() {
    if (!log_.empty()) {
        tell_changes();
        tell_vacancy();
    }
    for (Step& step : log_) {
        if (step.kind != Step::Kind::kRemoved) continue;
        if (step.notify && on_removed_ && step.flow->flags & flag::kSendFlowRemoved)
            on_removed_(*step.flow, step.reason);
        step.flow->rule->owner = nullptr;
        delete step.flow;
    }
    log_.clear();
    groups_->settle();
}

// An add over an identical flow is told as added; a modification that changes neither actions nor cookie is
// not told at all; as OVS does it.
void FlowTables::tell_changes() {
    if (!on_changed_) return;
    std::vector<FlowChange> changes;
    for (Step& step : log_) {
        Flow& flow = *step.flow;
        if (flow.hidden) continue;
        if (step.kind == Step::Kind::kRemoved) {
            changes.push_back({FlowChange::Kind::kRemoved, flow, step.reason, nullptr, step.origin});
            continue;
        }
        const bool is_new = step.kind == Step::Kind::kAdded || step.by_add;
        const bool new_actions = step.before && differ(step.before->actions(), flow.actions());
        if (!is_new && !new_actions && step.before->cookie == flow.cookie) continue;
        flow.modified_seq = ++sequence_;
        if (is_new) flow.added_seq = sequence_;
        changes.push_back({is_new ? FlowChange::Kind::kAdded : FlowChange::Kind::kModified,
                           flow,
                           {},
                           new_actions ? &step.before->actions() : nullptr,
                           step.origin});
    }
    if (!changes.empty()) on_changed_(changes);
}

void FlowTables::tell_vacancy() {
    if (!on_vacancy_) return;
    std::set<std::uint8_t> tables;
    for (const Step& step : log_) {
        if (step.kind != Step::Kind::kReplaced) tables.insert(step.flow->table());
    }
    for (const std::uint8_t table : tables) {
        const auto at = configs_.find(table);
        if (at == configs_.end() || !at->second.vacancy_events) continue;
        TableConfig& config = at->second;
        const std::uint8_t free = vacancy_percent(table);
        const bool down = free < config.vacancy_down;
        if ((!down && free <= config.vacancy_up) || down != config.tells_down) continue;
        config.tells_down = !down;
        on_vacancy_(table, down);
    }
}

void FlowTables::begin() {
    commit();
    in_transaction_ = true;
}

void FlowTables::rollback() {
    undo_to(0);
    groups_->rollback();
    in_transaction_ = false;
    dirty_ = false;
}

Rcu::Point FlowTables::commit() {
    settle();
    in_transaction_ = false;
    if (std::exchange(dirty_, false)) last_point_ = datapath_.publish();
    return last_point_;
}

void FlowTables::link(Flow& flow) {
    auto& index = tables_[flow.table()];
    if (!index) index = std::make_unique<FlowIndex>();
    index->insert(flow);
    references_.add(flow);
    arm(flow);
}

void FlowTables::unlink(Flow& flow) {
    disarm(flow);
    references_.remove(flow);
    for (Cursor* cursor : cursors_) {
        if (cursor->at_ == &flow) cursor->at_ = flow.next;
    }
    tables_[flow.table()]->erase(flow);
}

std::uint64_t FlowTables::used_options() const {
    std::uint64_t used = groups_->used_options();
    for_each_with_hidden([&used](const Flow& flow) {
        used |= flow.rule->actions->options;
        for (const WordMatch& word : flow.match().words) {
            if (word.index == key::kTunPresent.word) used |= word.mask;
        }
    });
    return used;
}

// ---- Groups and meters -------------------------------------------------------------------------------

FlowTables::Error FlowTables::check_references(const ActionList& actions) const {
    const auto named = NamedObjects::in(actions);
    for (const auto id : named.meters) {
        if (!meters_->exists(id))
            return OfError{ErrorCode::kMmfcInvalidMeter, fmt::format("there is no meter {}", id)};
    }
    for (const auto id : named.groups) {
        if (!groups_->exists(id))
            return OfError{ErrorCode::kBacBadOutGroup, fmt::format("there is no group {}", id)};
    }
    return {};
}

void FlowTables::remove_users_of_group(std::uint32_t group) {
    for (Flow* flow : references_.of_group(group))
        remove(*flow, FlowRemovedReason::kGroupDelete);
}

void FlowTables::remove_users_of_meter(std::uint32_t meter) {
    for (Flow* flow : references_.of_meter(meter))
        remove(*flow, FlowRemovedReason::kMeterDelete);
}

void FlowTables::staged() {
    dirty_ = true;
    if (!in_transaction_) settle();
}

// ---- The switch's own flows --------------------------------------------------------------------------

void FlowTables::add_hidden(std::uint16_t priority, const SparseMatch& match, const ActionList& actions) {
    if (hidden_) remove_hidden();
    auto program = pipeline::compile(actions);
    if (!program) return;
    auto flow = std::make_unique<Flow>();
    flow->hidden = true;
    flow->rule = program_.add(0, priority, match, 0, std::move(*program));
    flow->rule->owner = flow.get();
    hidden_ = insert(std::move(flow));
    if (!in_transaction_) settle();
}

void FlowTables::remove_hidden() {
    if (Flow* flow = std::exchange(hidden_, nullptr)) remove(*flow, FlowRemovedReason::kDelete, false);
    if (!in_transaction_) settle();
}

void FlowTables::clear() {
    for (auto& index : tables_) {
        if (!index) continue;
        for (Flow *flow = index->first(), *next = nullptr; flow; flow = next) {
            next = flow->next;
            if (!flow->hidden) remove(*flow, FlowRemovedReason::kDelete);
        }
    }
    if (!in_transaction_) settle();
}

}  // namespace sluice::bridge
