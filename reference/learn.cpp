// SPDX-License-Identifier: Apache-2.0
// Conjunctive matches (ovs-fields(7)), learn, and actions that compute a value or choose a port.
#include <algorithm>
#include <map>

#include "flow/action_text.hpp"
#include "flow/flow_hash.hpp"
#include "reference/machine.hpp"

namespace sluice::reference {
namespace {

std::vector<const ConjunctionAction*> conjunctions_of(const Rule& rule) {
    std::vector<const ConjunctionAction*> list;
    for (const Action& action : rule.actions) {
        if (const auto* conjunction = std::get_if<ConjunctionAction>(&action.kind))
            list.push_back(conjunction);
    }
    return list;
}

/// Does `a` hide `b`, of the same match and a lower priority?
bool shadows(const Rule& a, const Rule& b) {
    return a.priority > b.priority && a.match == b.match;
}

Rule* best(const std::vector<Rule*>& rules, bool conjunctive) {
    Rule* found = nullptr;
    for (Rule* rule : rules) {
        if (conjunctions_of(*rule).empty() == conjunctive) continue;
        if (found == nullptr || rule->priority > found->priority) found = rule;
    }
    return found;
}

}  // namespace

/// Rules of a table that match, less those behind a rule with the same match and a higher priority that is
/// not in `passed`.
std::vector<Rule*> Machine::candidates(std::uint8_t table, const FlowKey& key,
                                       const std::vector<Rule*>& passed) const {
    std::vector<Rule*> matching, open;
    for (Rule& rule : c_.bridge->rules) {
        const bool is_passed = std::find(passed.begin(), passed.end(), &rule) != passed.end();
        if (rule.table == table && !is_passed && rule.match.matches(key)) matching.push_back(&rule);
    }
    for (Rule* rule : matching) {
        const bool hidden = std::any_of(matching.begin(), matching.end(),
                                        [&](const Rule* other) { return shadows(*other, *rule); });
        if (!hidden) open.push_back(rule);
    }
    return open;
}

Rule* Machine::search(std::uint8_t table, FlowKey key) const {
    std::vector<Rule*> passed;  // conjunctive rules that came to nothing
    for (;;) {
        const std::vector<Rule*> open = candidates(table, key, passed);
        Rule* certain = best(open, false);
        const Rule* soft = best(open, true);
        if (soft == nullptr || (certain != nullptr && certain->priority >= soft->priority)) return certain;
        const auto priority = soft->priority;
        std::map<std::uint32_t, std::pair<std::uint64_t, unsigned>> sets;  // id -> clauses, number of them
        std::size_t rules = 0;
        for (Rule* rule : open) {
            if (rule->priority != priority || conjunctions_of(*rule).empty()) continue;
            ++rules;
            for (const ConjunctionAction* c : conjunctions_of(*rule)) {
                sets[c->id].first |= std::uint64_t{1} << c->clause;
                sets[c->id].second = c->n_clauses;
            }
            passed.push_back(rule);
        }
        for (const auto& [id, set] : sets) {
            const std::uint64_t all =
                set.second == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << set.second) - 1;
            if (set.first != all || set.second > rules) continue;
            FlowKey with_id = key;
            with_id.set(key::kConjId, id);
            if (Rule* rule = best(candidates(table, with_id, {}), false)) return rule;
        }
    }
}

// learn.

bool Machine::operator()(const LearnAction& a) {
    Rule rule;
    rule.table = a.table;
    rule.priority = a.priority;
    rule.cookie = a.cookie;
    if (a.fin_idle_timeout != 0 || a.fin_hard_timeout != 0)
        rule.actions.push_back({FinTimeoutAction{a.fin_idle_timeout, a.fin_hard_timeout}});
    for (const LearnSpec& spec : a.specs) {
        const U128 value = spec.immediate ? spec.value : read(spec.source);
        if (spec.target_kind == LearnSpec::Target::kOutput) {
            if (value.hi != 0 || value.lo > 0xffff) continue;
            const auto number = static_cast<std::uint32_t>(value.lo);
            const OfPort port{number >= 0xff00 ? number | 0xffff0000 : number};
            const bool reserved_ok = port == OfPort::kInPort || port == OfPort::kFlood ||
                                     port == OfPort::kAll || port == OfPort::kLocal;
            if (number < 0xff00 || reserved_ok) rule.actions.push_back({OutputAction{port, 0}});
            continue;
        }
        const FieldInfo& field = field_info(spec.target.field);
        const U128 mask = low_mask(spec.bits) << spec.target.offset;
        const U128 bits = (value << spec.target.offset) & mask;
        if (spec.target_kind == LearnSpec::Target::kLoad) {
            rule.actions.push_back(
                {SetFieldAction{spec.target.field, bits, mask, SetFieldAction::Style::kLoad}});
        } else if (is_tun_metadata(field)) {
            const unsigned index = TunTable::index_of(spec.target.field);
            write_option(rule.match.value, index, spec.target.offset, value, low_mask(spec.bits));
            write_option(rule.match.mask, index, spec.target.offset, low_mask(spec.bits),
                         low_mask(spec.bits));
        } else {
            const U128 before = field_get(field, rule.match.value), matched = field_mask(field, rule.match);
            field_set(field, rule.match, (before & ~mask) | bits, matched | mask);
        }
    }
    const bool done = remember(std::move(rule), a.limit);
    if (a.result_dst) write(*a.result_dst, {0, done ? 1U : 0U});
    return false;
}

/// The flow takes effect when this packet is through. False: there are `limit` flows already.
bool Machine::remember(Rule rule, std::uint32_t limit) {
    const auto is_same = [&](const Rule& other) {
        return other.table == rule.table && other.priority == rule.priority && other.match == rule.match;
    };
    std::vector<Rule>& rules = c_.bridge->rules;
    const auto pending = std::find_if(learned_.rbegin(), learned_.rend(), [&](const auto& entry) {
        return entry.first == c_.bridge && is_same(entry.second);
    });
    const auto there = std::find_if(rules.begin(), rules.end(), is_same);
    const Rule* current = pending != learned_.rend() ? &pending->second
                          : there != rules.end()     ? &*there
                                                     : nullptr;
    if (current != nullptr && current->cookie == rule.cookie &&
        format_actions(current->actions) == format_actions(rule.actions))
        return true;
    if (limit != 0) {
        std::size_t flows = 0;
        for (const Rule& other : rules)
            flows += other.table == rule.table && other.cookie == rule.cookie ? 1U : 0U;
        for (const auto& [bridge, other] : learned_)
            flows +=
                bridge == c_.bridge && other.table == rule.table && other.cookie == rule.cookie ? 1U : 0U;
        if (flows >= limit) return false;
    }
    learned_.emplace_back(c_.bridge, std::move(rule));
    return true;
}

void Machine::apply_learned() {
    for (auto& learned : learned_) {
        Bridge* bridge = learned.first;
        Rule& rule =
            learned.second;  // a name of its own: clang 14 lets no lambda capture a structured binding
        const auto there = std::find_if(bridge->rules.begin(), bridge->rules.end(), [&](const Rule& other) {
            return other.table == rule.table && other.priority == rule.priority && other.match == rule.match;
        });
        if (there == bridge->rules.end()) {
            bridge->rules.push_back(std::move(rule));
        } else {
            there->actions = std::move(rule.actions);
            there->cookie = rule.cookie;
        }
    }
}

// Computed values and ports.

bool Machine::operator()(const MultipathAction& a) {
    write(a.target, {0, multipath_link(a, flow_hash(key(), a.fields, a.basis))});
    return false;
}

bool Machine::operator()(const BundleAction& a) {
    const auto live = [this](OfPort port) {
        if (to_int(port) >= to_int(OfPort::kInPort))
            return port != OfPort::kController && port != OfPort::kAny;
        const auto it = c_.bridge->ports.find(port);
        return it != c_.bridge->ports.end() && it->second.up && !it->second.link_down;
    };
    const OfPort member = bundle_member(a, key(), live);
    if (a.target)
        write(*a.target, {0, to_int(member) & 0xffff});
    else if (member == OfPort::kAny)
        note(DropReason::kPortDown, "bundle: no member is live");
    else
        output(member, 0);
    return false;
}

bool Machine::operator()(const CheckPktLargerAction& a) {
    const std::size_t size = p_.bytes.size() - (p_.bare ? 14 : 0);
    write(a.target, {0, size > a.length ? 1U : 0U});
    return false;
}

bool Machine::operator()(const CtClearAction&) {
    c_.tracked = {};
    clear_ct_fields();
    return false;
}

void Machine::clear_ct_fields() {
    for (const FieldLoc field :
         {key::kCtState, key::kCtZone, key::kCtProto, key::kCtMark, key::kCtSrc, key::kCtDst, key::kCtTpSrc,
          key::kCtTpDst, key::kCtLabel, key::kCtIpv6Src, key::kCtIpv6Dst})
        key().set_wide(field, {});
}

/// With a table, the rest of the pipeline is a fork: it sees the ct fields, has a copy of everything else,
/// and what ends it ends nothing here.
bool Machine::operator()(const CtAction& a) {
    if (a.alg != 0) {
        note(DropReason::kUnsupported, "ct: alg= is not available");
        return true;
    }
    if (!c_.bridge->connections) c_.bridge->connections = std::make_shared<Connections>();
    if (!track(*c_.bridge->connections, c_.tracked, p_, a, c_.bridge->now_ms)) {
        note(DropReason::kNatExhausted, "nat: no address and port is free");
        c_.exit = true;
        return true;
    }
    if (a.recirc_table != 0xff) {
        const WorkPacket saved_packet = p_;
        const Context saved = c_;
        c_.in_packet_out = c_.in_action_set = c_.in_group = false;
        ++depth_;
        enter_table(a.recirc_table, in_port(), true);
        if (!c_.exit) run_action_set();
        --depth_;
        p_ = saved_packet;
        c_ = saved;
    }
    clear_ct_fields();
    return false;
}

bool Machine::operator()(const DeleteFieldAction& a) {
    const unsigned index = TunTable::index_of(a.field);
    if (c_.bridge->tun.find(index) == nullptr) return false;
    c_.bridge->tun.set(key(), index, {});
    key().set(key::kTunPresent, key().get(key::kTunPresent) & ~(std::uint64_t{1} << index));
    return false;
}

bool Machine::operator()(const SampleAction&) {
    return false;  // nobody collects
}
bool Machine::operator()(const FinTimeoutAction&) {
    return false;  // rules here have no timeouts
}
bool Machine::operator()(const ConjunctionAction&) {
    return false;  // a conjunctive rule is never executed
}

}  // namespace sluice::reference
