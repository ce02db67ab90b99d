// SPDX-License-Identifier: Apache-2.0
// learn and fin_timeout on a worker; learn.hpp tells how they reach the tables.
#include <utility>

#include "pipeline/executor_impl.hpp"

namespace sluice::pipeline {

void Executor::Impl::learn_op(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept {
    const auto& action = std::get<LearnAction>(op.source->kind);
    ensure_parsed(set, group, path, Parsed::kAll);
    ensure_lines(set, group, path, kAllLines);
    if (trace) return trace->note("suppressing side effects, so learn action ignored", path.depth);
    if (action.result_dst && op.part != HeaderPart::kNone) flush_pending(set, group);
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        const bool learned_it = learn_one(set.key[i], path, action, op.count);
        if (action.result_dst) write_bits(set, i, op, {0, learned_it ? 1U : 0U});
    }
    if (action.result_dst) forget_uniform(path, op.loc);
}

/// False: the limit is reached, or there is no room to tell the control thread.
bool Executor::Impl::learn_one(const FlowKey& key, const Path& path, const LearnAction& action,
                               const CookieCount* count) noexcept {
    Match match;
    const std::uint64_t tag = learned_match(action, key, path.bridge->program->tun_table(), match);
    const classify::Table* table = path.bridge->program->table(action.table);
    WordMatch words[kKeyWords];
    std::size_t size = 0;
    for (unsigned w = 0; w < kKeyWords; ++w) {
        if (match.mask.word[w] == 0) continue;
        words[size++] = {match.value.word[w] & match.mask.word[w], match.mask.word[w],
                         static_cast<std::uint8_t>(w)};
    }
    Rule* there =
        table ? static_cast<Rule*>(table->find_exact(words, size, action.priority, version)) : nullptr;
    const bool pending = !learned.empty();
    if (!pending && there && there->learn_tag.load(std::memory_order_relaxed) == tag) {
        refresh(*there);
        return true;
    }
    return learn_new(key, path, action, count, tag, there != nullptr, SparseMatch{{words, words + size}});
}

/// Hard timeouts count from here; exact to a quarter of a second.
void Executor::Impl::refresh(Rule& rule) noexcept {
    if (now_ms - rule.refreshed_ms.load(std::memory_order_relaxed) >= 250)
        rule.refreshed_ms.store(now_ms, std::memory_order_relaxed);
}

bool Executor::Impl::learn_new(const FlowKey& key, const Path& path, const LearnAction& action,
                               const CookieCount* count, std::uint64_t tag, bool is_there,
                               SparseMatch match) noexcept {
    const unsigned bridge = path.bridge->index;
    const LearnedFlows::Entry* mine = learned.find(bridge, action.table, action.priority, match);
    if (mine && mine->tag == tag) return true;
    if (!mine && is_there) {
        Rule* there = static_cast<Rule*>(
            path.bridge->program->table(action.table)
                ->find_exact(match.words.data(), match.words.size(), action.priority, version));
        if (there && there->learn_tag.load(std::memory_order_relaxed) == tag) {
            refresh(*there);
            return true;
        }
    }
    if (action.limit != 0 && count) {
        const std::uint32_t flows =
            count->flows.load(std::memory_order_relaxed) + learned.count(bridge, action.table, action.cookie);
        if (flows >= action.limit) return false;
    }
    FlowEvent* event = events.claim();
    if (!event) {
        counters.events_lost.add(1);
        return false;
    }
    event->kind = FlowEvent::Kind::kLearn;
    event->bridge = bridge;
    event->learn = &action;
    event->key = key;
    events.push();
    ++event_count;
    invalidate_shortcuts();  // the next packet of any flow may meet it
    dp.wake_control();
    if (learned.full()) return true;
    const TunTable* tun = path.bridge->program->tun_table();
    LearnedFlow flow = learned_flow(action, key, tun);
    auto program = compile(flow.actions, tun);
    if (!program) return true;
    auto rule = std::make_unique<Rule>();
    rule->match = std::move(match);
    rule->priority = action.priority;
    rule->table = action.table;
    rule->cookie = action.cookie;
    rule->stats = kPendingStats;
    rule->actions = std::move(*program);
    LearnedFlows::Entry entry;
    entry.rule = std::move(rule);
    entry.bridge = bridge;
    entry.tag = tag;
    entry.event = event_count;
    entry.packet = packet_number;
    entry.is_new = !is_there && !mine;
    learned.add(std::move(entry));
    return true;
}

/// Flows that the published tables have by now leave the list; what they counted goes to their rules.
void Executor::Impl::settle_learned(std::uint64_t handled) noexcept {
    learned.forget(handled, [this](const LearnedFlows::Entry& entry) {
        const Topology::Bridge* bridge =
            entry.bridge < topology->bridges.size() ? topology->bridges[entry.bridge].get() : nullptr;
        const classify::Table* table = bridge ? bridge->program->table(entry.rule->table) : nullptr;
        const auto& words = entry.rule->match.words;
        Rule* rule = table ? static_cast<Rule*>(
                                 table->find_exact(words.data(), words.size(), entry.rule->priority, version))
                           : nullptr;
        if (!rule) return;
        if (entry.packets != 0) {
            RuleCounter& counter = stats.at(rule->stats);
            counter.packets.add(entry.packets);
            counter.bytes.add(entry.bytes);
            counter.used_ms.set(entry.used_ms);
        }
        if (entry.fin) report_fin(entry.bridge, *rule, entry.fin_idle, entry.fin_hard);
    });
}

void Executor::Impl::fin_timeout(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept {
    ensure_parsed(set, group, path, Parsed::kAll);
    constexpr std::uint64_t kFinOrRst = 0x005;  // RFC 9293 §3.1
    const auto& action = std::get<FinTimeoutAction>(op.source->kind);
    Rule* rule = const_cast<Rule*>(path.rule);
    if (trace || !rule || (action.idle_timeout == 0 && action.hard_timeout == 0)) return;
    for (unsigned g = 0; g < group.count; ++g) {
        const FlowKey& key = set.key[group.index[g]];
        if (!prereq_present(Prereq::kTcp, key) || !(key.get(key::kTcpFlags) & kFinOrRst)) continue;
        if (rule->stats == kPendingStats) {
            if (LearnedFlows::Entry* entry = learned.entry_of(rule)) {
                entry->fin = true;
                entry->fin_idle = action.idle_timeout;
                entry->fin_hard = action.hard_timeout;
            }
        } else {
            report_fin(path.bridge->index, *rule, action.idle_timeout, action.hard_timeout);
        }
        return;
    }
}

void Executor::Impl::report_fin(unsigned bridge, Rule& rule, std::uint16_t idle,
                                std::uint16_t hard) noexcept {
    // Once a rule: what the timeouts came down to they stay at.
    if (rule.fin_seen.load(std::memory_order_relaxed)) return;
    FlowEvent* event = events.claim();
    if (!event) return counters.events_lost.add(1);
    rule.fin_seen.store(true, std::memory_order_relaxed);
    event->kind = FlowEvent::Kind::kFinTimeout;
    event->bridge = bridge;
    event->rule = &rule;
    event->idle_timeout = idle;
    event->hard_timeout = hard;
    events.push();
    ++event_count;
    dp.wake_control();
}

}  // namespace sluice::pipeline
