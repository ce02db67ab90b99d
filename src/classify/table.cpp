// SPDX-License-Identifier: Apache-2.0
#include "classify/table.hpp"

#include <algorithm>
#include <bit>

#include "classify/subtable.hpp"

namespace sluice::classify {

/// What workers read: one shape or the other.
struct Table::View {
    bool linear = true;
    bool conjunctive = false;  ///< some rule has conjunctions
    WordSet read_words;
    std::vector<Rule*> rules;  ///< linear: priority descending
    struct Entry {
        const Subtable* subtable;
        std::uint16_t max_priority;
    };
    std::vector<Entry> subtables;  ///< max_priority descending
};

Table::Table(Rcu& rcu, std::size_t linear_max) : rcu_(rcu), linear_max_(linear_max), linear_(linear_max > 0) {
    publish_view();
}

Table::~Table() = default;

std::size_t Table::subtable_count() const {
    return subtables_.size();
}

Subtable* Table::find_subtable(const SparseMatch& match) const {
    for (const auto& subtable : subtables_) {
        if (subtable->same_shape(match)) return subtable.get();
    }
    return nullptr;
}

void Table::for_each(const std::function<void(const Rule&)>& f) const {
    for (const Rule* rule : rules_)
        f(*rule);
    for (const auto& subtable : subtables_)
        subtable->for_each([&](const Rule& rule) { f(rule); });
}

void Table::add_read_bits(std::array<std::uint64_t, kKeyWords>& mask) const {
    const auto add = [&mask](const SparseMatch& match) {
        for (const auto& w : match.words)
            mask[w.index] |= w.mask;
    };
    for (const Rule* rule : rules_)
        add(rule->match);
    for (const auto& subtable : subtables_)
        add(subtable->shape());
}

void Table::publish_view() {
    auto view = std::make_unique<View>();
    view->linear = linear_;
    view->conjunctive = conjunctive_count_ != 0;
    if (linear_) {
        view->rules = rules_;
        for (const Rule* rule : rules_) {
            for (const auto& w : rule->match.words)
                view->read_words.add(w.index);
        }
    } else {
        for (const auto& subtable : subtables_) {
            view->subtables.push_back({subtable.get(), subtable->max_priority()});
            for (const auto& w : subtable->shape().words)
                view->read_words.add(w.index);
        }
        std::stable_sort(view->subtables.begin(), view->subtables.end(),
                         [](const auto& a, const auto& b) { return a.max_priority > b.max_priority; });
    }
    view_.publish(rcu_, std::move(view));
}

void Table::insert_into_subtable(Rule& rule, bool& changed) {
    Subtable* subtable = find_subtable(rule.match);
    if (!subtable) {
        subtables_.push_back(std::make_unique<Subtable>(rcu_, rule.match));
        subtable = subtables_.back().get();
        changed = true;
    }
    const bool was_empty = subtable->size() == 0;
    const auto before = subtable->max_priority();
    subtable->insert(rule);
    changed |= was_empty || subtable->max_priority() != before;
}

void Table::insert(Rule& rule) {
    ++count_;
    bool changed = !rule.conjunctions.empty() && conjunctive_count_++ == 0;
    if (linear_ && count_ <= linear_max_) {
        const auto at = std::find_if(rules_.begin(), rules_.end(),
                                     [&](const Rule* other) { return other->priority <= rule.priority; });
        rules_.insert(at, &rule);
        publish_view();
        return;
    }
    if (linear_) {
        linear_ = false;
        for (Rule* other : rules_)
            insert_into_subtable(*other, changed);
        rules_.clear();
        changed = true;
    }
    insert_into_subtable(rule, changed);
    if (changed) publish_view();
}

void Table::remove(Rule& rule) {
    --count_;
    bool changed = !rule.conjunctions.empty() && --conjunctive_count_ == 0;
    if (linear_) {
        std::erase(rules_, &rule);
        publish_view();
        return;
    }
    Subtable* subtable = find_subtable(rule.match);
    const auto before = subtable->max_priority();
    subtable->remove(rule);
    changed |= subtable->max_priority() != before;
    std::unique_ptr<Subtable> emptied;
    if (subtable->size() == 0) {
        const auto it = std::find_if(subtables_.begin(), subtables_.end(),
                                     [&](const auto& other) { return other.get() == subtable; });
        emptied = std::move(*it);
        subtables_.erase(it);
        changed = true;
    }
    // Back to the array only when empty: rules that stay linked must not change chains under readers.
    if (count_ == 0 && linear_max_ > 0) {
        linear_ = true;
        changed = true;
    }
    if (changed) publish_view();
    // Retired after the view that named it was replaced.
    rcu_.retire(std::move(emptied));
}

const WordSet& Table::read_words() const noexcept {
    return view_.read()->read_words;
}

bool Table::empty() const noexcept {
    const View& view = *view_.read();
    return view.rules.empty() && view.subtables.empty();
}

/// One packet's look-up in a table with conjunctive rules.
class Table::ConjunctiveLookup {
  public:
    ConjunctiveLookup(const View& view, FlowKey& key, Version version)
        : view_(view), key_(key), version_(version) {}

    Rule* run() noexcept {
        soft().clear();
        Rule* hard = search(true);
        // Rounds from the highest priority of a conjunctive match down, until the certain one wins.
        while (true) {
            std::erase_if(soft(),
                          [hard](const Rule* rule) { return hard && rule->priority <= hard->priority; });
            if (soft().empty()) return hard;
            int top = -1;
            for (const Rule* rule : soft())
                top = rule->priority > top ? rule->priority : top;
            if (Rule* rule = complete(top)) return rule;
            // The same match at a lower priority may stand in.
            for (Rule*& rule : soft()) {
                if (rule->priority != top) continue;
                rule = next_of(*rule);
                if (!rule || !rule->conjunctions.empty()) continue;
                if (!hard || rule->priority > hard->priority) hard = rule;
                rule = nullptr;
            }
            std::erase(soft(), nullptr);
        }
    }

  private:
    struct Tally {
        std::uint32_t id;
        std::uint64_t clauses;  ///< all ones: complete
        std::uint64_t round;    ///< valid if it is the current one
    };
    // They grow to what the largest look-up of the thread needed, and are never freed.
    static std::vector<Rule*>& soft() noexcept {
        static thread_local std::vector<Rule*> rules;
        return rules;
    }
    static std::vector<std::uint32_t>& complete_ids() noexcept {
        static thread_local std::vector<std::uint32_t> ids;
        return ids;
    }
    static std::vector<Tally>& tallies() noexcept {
        static thread_local std::vector<Tally> table(64);
        return table;
    }

    /// Best certain match; `with_soft`: collects the conjunctive ones that could beat it.
    Rule* search(bool with_soft) noexcept {
        Rule* hard = nullptr;
        const auto consider = [&](Rule* rule) {
            if (rule->conjunctions.empty()) {
                if (!hard || rule->priority > hard->priority) hard = rule;
            } else if (with_soft && (!hard || rule->priority > hard->priority)) {
                soft().push_back(rule);
            }
        };
        if (view_.linear) {
            for (auto at = view_.rules.begin(); at != view_.rules.end(); ++at) {
                if (hard && (*at)->priority <= hard->priority) break;
                if (matches(**at) && !is_shadowed(at)) consider(*at);
            }
            return hard;
        }
        for (const auto& entry : view_.subtables) {
            if (hard && hard->priority >= entry.max_priority) break;
            if (Rule* rule = entry.subtable->find(key_, entry.subtable->hash(key_), version_)) consider(rule);
        }
        return hard;
    }

    bool matches(const Rule& rule) const noexcept {
        return rule.match.matches(key_) && rule.visible(version_);
    }
    /// In the array too, a rule stands in the shadow of one with the same match and a higher priority.
    bool is_shadowed(std::vector<Rule*>::const_iterator at) const noexcept {
        return std::any_of(view_.rules.begin(), at, [&](const Rule* before) {
            return before->visible(version_) && before->match == (*at)->match;
        });
    }
    Rule* next_of(const Rule& rule) const noexcept {
        if (view_.linear) {
            bool behind = false;
            for (Rule* other : view_.rules) {
                if (behind && other->match == rule.match && other->visible(version_)) return other;
                behind |= other == &rule;
            }
            return nullptr;
        }
        Rule* next = rule.next.load(std::memory_order_acquire);
        while (next && !next->visible(version_))
            next = next->next.load(std::memory_order_acquire);
        return next;
    }

    /// What the packet matches with the id of a conjunction that the conjunctive matches of priority `top`
    /// complete.
    Rule* complete(int top) noexcept {
        std::size_t rules = 0, clauses = 0;
        for (const Rule* rule : soft()) {
            if (rule->priority == top) ++rules, clauses += rule->conjunctions.size();
        }
        if (tallies().size() < clauses * 2) tallies().assign(std::bit_ceil(clauses * 2), {0, 0, 0});
        static thread_local std::uint64_t round = 0;
        ++round;
        auto& ids = complete_ids();
        ids.clear();
        for (const Rule* rule : soft()) {
            if (rule->priority != top) continue;
            for (const Conjunction& c : rule->conjunctions) {
                if (c.n_clauses > rules) continue;  // more clauses than rules: never all
                Tally& tally = tally_of(c, round);
                const bool was_complete = tally.clauses == ~std::uint64_t{0};
                tally.clauses |= std::uint64_t{1} << c.clause;
                if (!was_complete && tally.clauses == ~std::uint64_t{0}) ids.push_back(c.id);
            }
        }
        std::sort(ids.begin(), ids.end());
        const auto saved = key_.get(key::kConjId);
        Rule* found = nullptr;
        for (std::size_t n = 0; n < ids.size() && !found; ++n) {
            key_.set(key::kConjId, ids[n]);
            found = search(false);
        }
        key_.set(key::kConjId, saved);
        return found;
    }

    static Tally& tally_of(const Conjunction& c, std::uint64_t round) noexcept {
        auto& table = tallies();
        const std::size_t mask = table.size() - 1;
        for (std::size_t i = (c.id * 0x9e3779b1U) & mask;; i = (i + 1) & mask) {
            Tally& tally = table[i];
            if (tally.round != round) {
                tally = {c.id, c.n_clauses < 64 ? ~std::uint64_t{0} << c.n_clauses : 0, round};
                return tally;
            }
            if (tally.id == c.id) return tally;
        }
    }

    const View& view_;
    FlowKey& key_;
    const Version version_;
};

Rule* Table::find_exact(const WordMatch* words, std::size_t count, std::uint16_t priority,
                        Version version) const noexcept {
    const View& view = *view_.read();
    if (view.linear) {
        for (Rule* rule : view.rules) {
            if (rule->priority == priority && rule->match.words.size() == count && rule->visible(version) &&
                std::equal(words, words + count, rule->match.words.begin()))
                return rule;
        }
        return nullptr;
    }
    for (const auto& entry : view.subtables) {
        if (entry.subtable->has_shape(words, count))
            return entry.subtable->find_exact(words, priority, version);
    }
    return nullptr;
}

Rule* Table::lookup(FlowKey& key, Version version) const noexcept {
    const View& view = *view_.read();
    if (__builtin_expect(view.conjunctive, 0)) return ConjunctiveLookup(view, key, version).run();
    if (view.linear) {
        for (Rule* rule : view.rules) {
            if (rule->match.matches(key) && rule->visible(version)) return rule;
        }
        return nullptr;
    }
    Rule* best = nullptr;
    for (const auto& entry : view.subtables) {
        if (best && best->priority >= entry.max_priority) break;
        Rule* rule = entry.subtable->find(key, entry.subtable->hash(key), version);
        if (rule && (!best || rule->priority > best->priority)) best = rule;
    }
    return best;
}

void Table::lookup_batch(FlowKey* keys, const std::uint8_t* index, unsigned count, Version version,
                         Rule** result) const noexcept {
    const View& view = *view_.read();
    if (__builtin_expect(view.conjunctive, 0)) {
        for (unsigned i = 0; i < count; ++i)
            result[i] = ConjunctiveLookup(view, keys[index[i]], version).run();
        return;
    }
    if (view.linear) {
        for (unsigned i = 0; i < count; ++i) {
            const FlowKey& key = keys[index[i]];
            result[i] = nullptr;
            for (Rule* rule : view.rules) {
                if (rule->match.matches(key) && rule->visible(version)) {
                    result[i] = rule;
                    break;
                }
            }
        }
        return;
    }
    for (unsigned i = 0; i < count; ++i)
        result[i] = nullptr;
    std::uint8_t open[32];  // positions still searching
    unsigned open_count = count;
    for (unsigned i = 0; i < count; ++i)
        open[i] = static_cast<std::uint8_t>(i);
    std::uint64_t hash[32];
    for (const auto& entry : view.subtables) {
        unsigned kept = 0;
        for (unsigned i = 0; i < open_count; ++i) {
            const unsigned at = open[i];
            if (result[at] && result[at]->priority >= entry.max_priority) continue;
            open[kept++] = static_cast<std::uint8_t>(at);
            hash[at] = entry.subtable->hash(keys[index[at]]);
            entry.subtable->prefetch(hash[at]);
        }
        open_count = kept;
        if (open_count == 0) break;
        // Slot, rule and the rule's match lie apart: each is fetched for all before the next is asked for.
        const Rule* head[32];
        std::uint8_t likely[32];
        unsigned likely_count = 0;
        for (unsigned i = 0; i < open_count; ++i) {
            const unsigned at = open[i];
            head[at] = entry.subtable->first(hash[at]);
            if (!head[at]) continue;
            __builtin_prefetch(head[at]);
            likely[likely_count++] = static_cast<std::uint8_t>(at);
        }
        for (unsigned i = 0; i < likely_count; ++i)
            __builtin_prefetch(head[likely[i]]->match.words.data());
        for (unsigned i = 0; i < likely_count; ++i) {
            const unsigned at = likely[i];
            Rule* rule = entry.subtable->find(keys[index[at]], hash[at], version);
            if (rule && (!result[at] || rule->priority > result[at]->priority)) result[at] = rule;
        }
    }
}

void Table::consulted(FlowKey& key, Version version, FlowKey& mask) const noexcept {
    const View& view = *view_.read();
    const Rule* best = lookup(key, version);
    if (view.linear) {
        for (const Rule* rule : view.rules) {
            for (const auto& w : rule->match.words)
                mask.word[w.index] |= w.mask;
            if (rule == best) break;
        }
        return;
    }
    for (const auto& entry : view.subtables) {
        if (best && best->priority > entry.max_priority) break;
        for (const auto& w : entry.subtable->shape().words)
            mask.word[w.index] |= w.mask;
    }
}

}  // namespace sluice::classify
