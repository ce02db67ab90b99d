// SPDX-License-Identifier: Apache-2.0
// The classifier against a plain list: random rules, random keys, changes and versions in between.
#include "classify/table.hpp"

#include <algorithm>
#include <atomic>
#include <map>
#include <random>
#include <thread>

#include <gtest/gtest.h>

namespace sluice::classify {
namespace {

struct Model {
    std::vector<std::unique_ptr<Rule>> rules;
    const Rule* lookup(const FlowKey& key, Version version) const {
        const Rule* best = nullptr;
        for (const auto& rule : rules) {
            if (rule->visible(version) && rule->match.matches(key) &&
                (!best || rule->priority > best->priority)) {
                best = rule.get();
            }
        }
        return best;
    }
};

FlowKey random_key(std::mt19937& rng) {
    FlowKey key;
    for (unsigned w : {0U, 2U, 3U, 16U})
        key.word[w] = rng() % 4 | std::uint64_t{rng() % 4} << 32;
    return key;
}

SparseMatch random_match(std::mt19937& rng) {
    static constexpr std::uint64_t kMasks[] = {0, ~0ULL, 0xffffffff00000000ULL, 0xffffffffULL, 1, 2};
    Match match;
    for (unsigned w : {0U, 2U, 3U, 16U})
        match.mask.word[w] = kMasks[rng() % 6];
    match.value = random_key(rng);
    match.normalize();
    return SparseMatch::from(match);
}

class TableShapes : public testing::TestWithParam<std::size_t> {};

TEST_P(TableShapes, agrees_with_a_list_while_rules_and_versions_change) {
    std::mt19937 rng(7);
    Rcu rcu;
    Table table(rcu, GetParam());
    Model model;
    Version version = 1;
    for (int step = 0; step < 3000; ++step) {
        if (rng() % 3 != 0 || model.rules.empty()) {
            auto rule = std::make_unique<Rule>();
            rule->match = random_match(rng);
            rule->priority = static_cast<std::uint16_t>(rng() % 50);
            // As OpenFlow has it: one visible rule a (match, priority).
            bool duplicate = false;
            for (const auto& other : model.rules) {
                duplicate |= other->priority == rule->priority && other->match == rule->match &&
                             other->visible(version);
            }
            if (!duplicate) {
                rule->added.store(version + 1);
                table.insert(*rule);
                model.rules.push_back(std::move(rule));
            }
        } else {
            const auto at = model.rules.begin() + static_cast<long>(rng() % model.rules.size());
            if (rng() % 2 == 0) {
                if ((*at)->removed.load() == kNeverVersion) (*at)->removed.store(version + 1);
            } else if (!(*at)->visible(version)) {
                table.remove(**at);
                model.rules.erase(at);
            }
        }
        if (rng() % 4 == 0) ++version;
        if (model.rules.size() > 60 && rng() % 2 == 0) {
            table.remove(*model.rules.back());
            model.rules.pop_back();
        }
        FlowKey keys[32];
        std::uint8_t index[32];
        Rule* found[32];
        for (unsigned i = 0; i < 32; ++i)
            keys[i] = random_key(rng), index[i] = static_cast<std::uint8_t>(31 - i);
        table.lookup_batch(keys, index, 32, version, found);
        for (unsigned i = 0; i < 32; ++i) {
            const Rule* expected = model.lookup(keys[31 - i], version);
            const Rule* one = table.lookup(keys[31 - i], version);
            // Equal priorities may overlap (undefined by OpenFlow), so compare priorities.
            ASSERT_EQ(expected == nullptr, found[i] == nullptr) << "step " << step;
            ASSERT_EQ(one == nullptr, found[i] == nullptr) << "step " << step;
            if (expected) {
                ASSERT_EQ(expected->priority, found[i]->priority);
                ASSERT_TRUE(found[i]->match.matches(keys[31 - i]));
                ASSERT_TRUE(found[i]->visible(version));
                ASSERT_EQ(one->priority, found[i]->priority);
            }
        }
        rcu.reclaim();
    }
    while (!model.rules.empty()) {
        table.remove(*model.rules.back());
        model.rules.pop_back();
    }
    EXPECT_EQ(table.size(), 0U);
    FlowKey any;
    EXPECT_EQ(table.lookup(any, version), nullptr);
}

/// A conjunctive look-up from plain lists: each round takes the conjunctive rules of the highest priority.
const Rule* conjunctive_model(const std::vector<std::unique_ptr<Rule>>& rules, FlowKey key, bool with_soft) {
    std::vector<const Rule*> matching;
    for (const auto& rule : rules) {
        if (rule->match.matches(key)) matching.push_back(rule.get());
    }
    std::sort(matching.begin(), matching.end(),
              [](const Rule* a, const Rule* b) { return a->priority > b->priority; });
    std::vector<const Rule*> passed;  // soft rules that did not complete anything
    for (;;) {
        const auto shadowed = [&](const Rule* rule) {
            return std::any_of(matching.begin(), matching.end(), [&](const Rule* other) {
                return other->priority > rule->priority && other->match == rule->match &&
                       std::find(passed.begin(), passed.end(), other) == passed.end();
            });
        };
        const Rule* hard = nullptr;
        const Rule* soft = nullptr;
        for (const Rule* rule : matching) {
            if (std::find(passed.begin(), passed.end(), rule) != passed.end() || shadowed(rule)) continue;
            const Rule*& best = rule->conjunctions.empty() ? hard : soft;
            if (!best) best = rule;
        }
        if (!with_soft || !soft || (hard && hard->priority >= soft->priority)) return hard;
        std::map<std::uint32_t, std::uint64_t> clauses;
        std::map<std::uint32_t, unsigned> wanted;
        std::size_t count = 0;
        for (const Rule* rule : matching) {
            if (rule->conjunctions.empty() || rule->priority != soft->priority || shadowed(rule)) continue;
            ++count;
            for (const Conjunction& c : rule->conjunctions) {
                clauses[c.id] |= std::uint64_t{1} << c.clause;
                wanted[c.id] = c.n_clauses;
            }
            passed.push_back(rule);
        }
        for (const auto& [id, bits] : clauses) {
            if (bits != (std::uint64_t{1} << wanted[id]) - 1 || wanted[id] > count) continue;
            FlowKey again = key;
            again.set(key::kConjId, id);
            if (const Rule* rule = conjunctive_model(rules, again, false)) return rule;
        }
    }
}

TEST_P(TableShapes, conjunctions_agree_with_a_list) {
    std::mt19937 engine(11);
    const auto rng = [&engine] { return static_cast<unsigned>(engine()); };
    Rcu rcu;
    unsigned found_by_id = 0;
    for (int round = 0; round < 150; ++round) {
        Table table(rcu, GetParam());
        std::vector<std::unique_ptr<Rule>> rules;
        const unsigned count = 4 + rng() % 24;
        for (unsigned n = 0; n < count; ++n) {
            auto rule = std::make_unique<Rule>();
            Match wide = random_match(engine).expand();
            for (unsigned w : {0U, 2U, 3U, 16U}) {
                if (rng() % 3 != 0) wide.mask.word[w] = 0;
            }
            wide.normalize();
            rule->match = SparseMatch::from(wide);
            // Of two certain rules with one priority either may win: give each its own.
            rule->priority = static_cast<std::uint16_t>(100 + n);
            rule->added.store(1);
            if (rng() % 3 == 0) {
                Match match = rule->match.expand();
                match.set_exact(key::kConjId, 1 + rng() % 3);
                rule->match = SparseMatch::from(match);
            } else if (rng() % 3 != 0) {
                rule->priority = static_cast<std::uint16_t>(90 + 10 * (rng() % 4));
                for (unsigned id = 1 + rng() % 2; id <= 3; id += 1 + rng() % 3)
                    rule->conjunctions.push_back({id, static_cast<std::uint8_t>(rng() % (1 + id % 2 + 1)),
                                                  static_cast<std::uint8_t>(1 + id % 2 + 1)});
            }
            const bool duplicate = std::any_of(rules.begin(), rules.end(), [&](const auto& other) {
                return other->match == rule->match && other->priority == rule->priority;
            });
            // A certain rule at the priority of conjunctive ones is left open too.
            const bool clash = rule->conjunctions.empty() && rule->priority % 10 == 0;
            if (duplicate || clash) continue;
            table.insert(*rule);
            rules.push_back(std::move(rule));
        }
        for (int n = 0; n < 200; ++n) {
            FlowKey key = random_key(engine);
            const FlowKey before = key;
            const Rule* expected = conjunctive_model(rules, key, true);
            const Rule* got = table.lookup(key, 1);
            ASSERT_EQ(expected, got) << "round " << round;
            ASSERT_EQ(key, before);
            if (got && got->match.expand().mask.get(key::kConjId) != 0) ++found_by_id;
        }
        for (auto& rule : rules) {
            EXPECT_EQ(table.find_exact(rule->match.words.data(), rule->match.words.size(), rule->priority, 1),
                      rule.get());
            table.remove(*rule);
        }
        rcu.reclaim();
    }
    EXPECT_GT(found_by_id, 100U);
}

INSTANTIATE_TEST_SUITE_P(linear_tuple_space_and_default, TableShapes,
                         testing::Values(std::size_t{0}, Table::kLinearMax, std::size_t{1000000}));

TEST(Table, readers_always_see_exactly_one_generation_while_a_writer_replaces_rules) {
    Rcu rcu;
    Table table(rcu, 0);
    std::atomic<Version> version{1};
    std::atomic<bool> stop{false};
    // Two rules that are always replaced together: a reader must see both of the same generation.
    auto make = [&](std::uint64_t word, std::uint16_t generation) {
        auto rule = std::make_unique<Rule>();
        Match match;
        match.mask.word[3] = ~0ULL;
        match.value.word[3] = word;
        rule->match = SparseMatch::from(match);
        rule->priority = 1;
        rule->added.store(version + 1);
        rule->next.store(nullptr);
        (void)generation;
        return rule;
    };
    struct Generation {
        Rule* first;
        Rule* second;
    };
    std::vector<std::unique_ptr<Rule>> first, second;
    first.push_back(make(1, 0)), second.push_back(make(2, 0));
    table.insert(*first[0]), table.insert(*second[0]);
    version.fetch_add(1);
    std::atomic<std::uint64_t> reads{0};
    Rcu::Reader* reader = rcu.add_reader();
    std::thread thread([&] {
        reader->online();
        FlowKey a, b;
        a.word[3] = 1, b.word[3] = 2;
        while (!stop.load()) {
            const Version pinned = version.load(std::memory_order_acquire);
            const Rule* ra = table.lookup(a, pinned);
            const Rule* rb = table.lookup(b, pinned);
            ASSERT_TRUE(ra && rb);
            ASSERT_EQ(ra->added.load(), rb->added.load());
            reads.fetch_add(1);
            reader->quiescent();
        }
        reader->offline();
    });
    for (int i = 0; i < 2000; ++i) {
        auto na = make(1, 1), nb = make(2, 1);
        table.insert(*na), table.insert(*nb);
        Rule* oa = first.back().release();
        Rule* ob = second.back().release();
        oa->removed.store(version + 1), ob->removed.store(version + 1);
        first.back() = std::move(na), second.back() = std::move(nb);
        version.fetch_add(1);
        rcu.retire([&table, &rcu, oa, ob] {
            table.remove(*oa), table.remove(*ob);
            rcu.retire(std::unique_ptr<Rule>(oa)), rcu.retire(std::unique_ptr<Rule>(ob));
        });
        rcu.reclaim();
    }
    while (reads.load() < 100)
        std::this_thread::yield();
    stop.store(true);
    thread.join();
    rcu.remove_reader(reader);
    while (rcu.reclaim() != 0) {
    }
    table.remove(*first.back()), table.remove(*second.back());
}

}  // namespace
}  // namespace sluice::classify
