// SPDX-License-Identifier: Apache-2.0
// Making flows out of packets, and a worker's list of those that are still on their way.
#include "pipeline/learn.hpp"

#include <algorithm>

#include "base/hash.hpp"
#include "flow/field.hpp"
#include "flow/tun_table.hpp"

namespace sluice::pipeline {

namespace {

// An option is aligned to half a word: pieces that stay between multiples of 32 bits lie in one word.
constexpr unsigned kPiece = 32;
template <typename Visit>
void each_piece(const TunTable& tun, const SubField& field, const Visit& visit) noexcept {
    for (unsigned done = 0, step = 0; done < field.bits; done += step) {
        const unsigned offset = field.offset + done;
        step = std::min(kPiece - offset % kPiece, field.bits - done);
        const auto loc =
            tun.loc({field.field, static_cast<std::uint16_t>(offset), static_cast<std::uint16_t>(step)});
        if (loc) visit(*loc, done);
    }
}

U128 read_option(const TunTable& tun, const SubField& field, const FlowKey& packet) noexcept {
    U128 value;
    each_piece(tun, field, [&](FieldLoc loc, unsigned done) {
        value = value | U128{0, packet.get(loc)} << done;
    });
    return value;
}

void match_option(const TunTable& tun, const SubField& field, U128 value, Match& match) noexcept {
    each_piece(tun, field, [&](FieldLoc loc, unsigned done) {
        match.set_exact(loc, ((value >> done) & low_mask(loc.bits)).lo);
    });
    const std::uint64_t present = std::uint64_t{1} << TunTable::index_of(field.field);
    match.value.word[key::kTunPresent.word] |= present;
    match.mask.word[key::kTunPresent.word] |= present;
}

U128 source_of(const LearnSpec& spec, const FlowKey& packet, const TunTable* tun) {
    if (spec.immediate) return spec.value & low_mask(spec.bits);
    if (is_tun_metadata(field_info(spec.source.field)))
        return tun ? read_option(*tun, spec.source, packet) : U128{};
    return (field_get(field_info(spec.source.field), packet) >> spec.source.offset) & low_mask(spec.bits);
}

/// What the attributes of a learn action add to the tag.
std::uint64_t attributes(const LearnAction& a) {
    const std::uint64_t words[] = {a.cookie,
                                   std::uint64_t{a.idle_timeout} << 48 | std::uint64_t{a.hard_timeout} << 32 |
                                       std::uint64_t{a.fin_idle_timeout} << 16 | a.fin_hard_timeout,
                                   a.send_flow_rem ? 1U : 0U};
    return hash_words(process_hash_key(), words, std::size(words));
}

/// A learned output takes OpenFlow 1.0 numbers, of the reserved ones only a few (ovs-actions(7)).
bool may_output(U128 value, OfPort& port) {
    if (value.hi != 0 || value.lo > 0xffff) return false;
    port = OfPort{static_cast<std::uint32_t>(value.lo >= 0xff00 ? value.lo | 0xffff0000 : value.lo)};
    return value.lo < 0xff00 || port == OfPort::kInPort || port == OfPort::kFlood || port == OfPort::kLocal ||
           port == OfPort::kAll;
}

}  // namespace

std::uint64_t learned_match(const LearnAction& action, const FlowKey& packet, const TunTable* tun,
                            Match& match) noexcept {
    std::uint64_t tag = attributes(action);
    for (const LearnSpec& spec : action.specs) {
        const U128 value = source_of(spec, packet, tun);
        if (spec.target_kind == LearnSpec::Target::kMatch) {
            const FieldInfo& field = field_info(spec.target.field);
            if (is_tun_metadata(field)) {
                if (tun) match_option(*tun, spec.target, value, match);
                continue;
            }
            const U128 mask = low_mask(spec.bits) << spec.target.offset;
            const U128 before = field_mask(field, match);
            const U128 old = field_get(field, match.value);
            field_set(field, match, (old & ~mask) | ((value << spec.target.offset) & mask), before | mask);
            continue;
        }
        const std::uint64_t words[] = {tag, value.hi, value.lo,
                                       static_cast<std::uint64_t>(spec.target_kind) << 40 |
                                           std::uint64_t{static_cast<std::uint8_t>(spec.target.field)} << 32 |
                                           std::uint64_t{spec.target.offset} << 16 | spec.bits};
        tag = hash_words(process_hash_key(), words, std::size(words));
    }
    return tag == 0 ? 1 : tag;
}

LearnedFlow learned_flow(const LearnAction& action, const FlowKey& packet, const TunTable* tun) {
    LearnedFlow flow;
    flow.action = &action;
    flow.tag = learned_match(action, packet, tun, flow.match);
    if (action.fin_idle_timeout != 0 || action.fin_hard_timeout != 0)
        flow.actions.push_back({FinTimeoutAction{action.fin_idle_timeout, action.fin_hard_timeout}});
    for (const LearnSpec& spec : action.specs) {
        const U128 value = source_of(spec, packet, tun);
        if (spec.target_kind == LearnSpec::Target::kLoad) {
            const U128 mask = low_mask(spec.bits) << spec.target.offset;
            flow.actions.push_back({SetFieldAction{spec.target.field, value << spec.target.offset, mask,
                                                   SetFieldAction::Style::kLoad}});
        } else if (OfPort port{}; spec.target_kind == LearnSpec::Target::kOutput && may_output(value, port)) {
            flow.actions.push_back({OutputAction{port, 0}});
        }
    }
    return flow;
}

LearnedFlows::Entry* LearnedFlows::find(unsigned bridge, std::uint8_t table, std::uint16_t priority,
                                        const SparseMatch& match) noexcept {
    for (auto it = entries_.rbegin(); it != entries_.rend(); ++it) {
        if (it->bridge == bridge && it->rule->table == table && it->rule->priority == priority &&
            it->rule->match == match)
            return &*it;
    }
    return nullptr;
}

Rule* LearnedFlows::lookup(unsigned bridge, std::uint8_t table, const FlowKey& key, std::uint64_t packet,
                           const Rule* published) noexcept {
    Rule* best = nullptr;
    for (auto it = entries_.rbegin(); it != entries_.rend(); ++it) {
        if (it->bridge != bridge || it->rule->table != table || it->packet >= packet) continue;
        if (best && it->rule->priority <= best->priority) continue;
        if (it->rule->match.matches(key)) best = it->rule.get();
    }
    if (!best || !published) return best;
    const bool replaces = best->priority == published->priority && best->match == published->match;
    return replaces || best->priority > published->priority ? best : nullptr;
}

classify::WordSet LearnedFlows::read_words(unsigned bridge, std::uint8_t table) const noexcept {
    classify::WordSet words;
    for (const Entry& entry : entries_) {
        if (entry.bridge != bridge || entry.rule->table != table) continue;
        for (const WordMatch& word : entry.rule->match.words)
            words.add(word.index);
    }
    return words;
}

std::uint32_t LearnedFlows::count(unsigned bridge, std::uint8_t table, std::uint64_t cookie) const noexcept {
    std::uint32_t flows = 0;
    for (const Entry& entry : entries_) {
        if (entry.bridge == bridge && entry.rule->table == table && entry.rule->cookie == cookie &&
            entry.is_new)
            ++flows;
    }
    return flows;
}

LearnedFlows::Entry* LearnedFlows::entry_of(const Rule* rule) noexcept {
    for (Entry& entry : entries_) {
        if (entry.rule.get() == rule) return &entry;
    }
    return nullptr;
}

}  // namespace sluice::pipeline
