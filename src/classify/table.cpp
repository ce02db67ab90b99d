// SPDX-License-Identifier: Apache-2.0
#include "classify/table.hpp"

#include <algorithm>

#include "classify/subtable.hpp"

namespace sluice::classify {

/// What workers read: one shape or the other.
struct Table::View {
    bool linear = true;
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
    if (linear_ && count_ <= linear_max_) {
        const auto at = std::find_if(rules_.begin(), rules_.end(),
                                     [&](const Rule* other) { return other->priority <= rule.priority; });
        rules_.insert(at, &rule);
        publish_view();
        return;
    }
    bool changed = false;
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
    if (linear_) {
        std::erase(rules_, &rule);
        publish_view();
        return;
    }
    Subtable* subtable = find_subtable(rule.match);
    const auto before = subtable->max_priority();
    subtable->remove(rule);
    bool changed = subtable->max_priority() != before;
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

Rule* Table::lookup(const FlowKey& key, Version version) const noexcept {
    const View& view = *view_.read();
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

void Table::lookup_batch(const FlowKey* keys, const std::uint8_t* index, unsigned count, Version version,
                         Rule** result) const noexcept {
    const View& view = *view_.read();
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
        for (unsigned i = 0; i < open_count; ++i) {
            const unsigned at = open[i];
            Rule* rule = entry.subtable->find(keys[index[at]], hash[at], version);
            if (rule && (!result[at] || rule->priority > result[at]->priority)) result[at] = rule;
        }
    }
}

void Table::consulted(const FlowKey& key, Version version, FlowKey& mask) const noexcept {
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
