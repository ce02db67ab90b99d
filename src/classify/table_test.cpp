// SPDX-License-Identifier: Apache-2.0
// The classifier against a plain list: random rules, random keys, changes and versions in between.
#include "classify/table.hpp"

#include <atomic>
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
    EXPECT_EQ(table.lookup(FlowKey{}, version), nullptr);
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
