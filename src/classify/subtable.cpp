// SPDX-License-Identifier: Apache-2.0
#include "classify/subtable.hpp"

#include <algorithm>

namespace sluice::classify {

namespace {
constexpr std::size_t kMinSlots = 16;
}

Subtable::Subtable(Rcu& rcu, const SparseMatch& shape) : rcu_(rcu), secret_(process_hash_key()) {
    for (const auto& w : shape.words)
        shape_.words.push_back({0, w.mask, w.index});
    slots_.publish(rcu_, std::make_unique<Slots>(kMinSlots));
}

bool Subtable::same_shape(const SparseMatch& match) const {
    return has_shape(match.words.data(), match.words.size());
}

bool Subtable::has_shape(const WordMatch* words, std::size_t count) const noexcept {
    if (count != shape_.words.size()) return false;
    for (std::size_t i = 0; i < count; ++i) {
        if (words[i].index != shape_.words[i].index || words[i].mask != shape_.words[i].mask) return false;
    }
    return true;
}

std::uint64_t Subtable::rule_hash(const Rule& rule) const {
    std::uint64_t words[kKeyWords];
    std::size_t n = 0;
    for (const auto& w : rule.match.words)
        words[n++] = w.value;
    return finish(hash_words(secret_, words, n));
}

Subtable::Slot* Subtable::find_slot(const Rule& rule, std::uint64_t hash) const {
    const Slots& slots = *slots_.read();
    for (std::size_t i = hash & slots.mask;; i = (i + 1) & slots.mask) {
        Slot& slot = slots.slot[i];
        const auto slot_hash = slot.hash.load(std::memory_order_relaxed);
        if (slot_hash == 0) return nullptr;
        const Rule* head = slot.head.load(std::memory_order_relaxed);
        if (slot_hash == hash && head && head->match == rule.match) return &slot;
    }
}

void Subtable::place(Slots& slots, std::uint64_t hash, Rule* head) {
    std::size_t i = hash & slots.mask;
    while (slots.slot[i].head.load(std::memory_order_relaxed))
        i = (i + 1) & slots.mask;
    slots.slot[i].head.store(head, std::memory_order_release);
    slots.slot[i].hash.store(hash, std::memory_order_release);
}

void Subtable::resize(std::size_t capacity) {
    auto next = std::make_unique<Slots>(capacity);
    const Slots& old = *slots_.read();
    used_ = 0;
    for (std::size_t i = 0; i <= old.mask; ++i) {
        Rule* head = old.slot[i].head.load(std::memory_order_relaxed);
        if (!head) continue;
        place(*next, old.slot[i].hash.load(std::memory_order_relaxed), head);
        ++used_;
    }
    slots_.publish(rcu_, std::move(next));
}

void Subtable::insert(Rule& rule) {
    ++count_;
    ++priorities_[rule.priority];
    const auto hash = rule_hash(rule);
    if (Slot* slot = find_slot(rule, hash)) {
        // Into the chain before the first rule of lower priority.
        std::atomic<Rule*>* link = &slot->head;
        Rule* at = link->load(std::memory_order_relaxed);
        while (at && at->priority > rule.priority) {
            link = &at->next;
            at = link->load(std::memory_order_relaxed);
        }
        rule.next.store(at, std::memory_order_relaxed);
        link->store(&rule, std::memory_order_release);
        return;
    }
    rule.next.store(nullptr, std::memory_order_relaxed);
    const std::size_t capacity = slots_.read()->mask + 1;
    if ((used_ + 1) * 2 > capacity) resize(count_ * 4 > capacity ? capacity * 2 : capacity);
    place(*slots_.read(), hash, &rule);
    ++used_;  // counts a reused tombstone twice, which only makes the next resize come sooner
}

void Subtable::remove(Rule& rule) {
    --count_;
    if (const auto it = priorities_.find(rule.priority); --it->second == 0) priorities_.erase(it);
    Slot* slot = find_slot(rule, rule_hash(rule));
    std::atomic<Rule*>* link = &slot->head;
    while (link->load(std::memory_order_relaxed) != &rule)
        link = &link->load(std::memory_order_relaxed)->next;
    link->store(rule.next.load(std::memory_order_relaxed), std::memory_order_release);
}

const Rule* Subtable::first(std::uint64_t hash) const noexcept {
    const Slots& slots = *slots_.read();
    for (std::size_t i = hash & slots.mask;; i = (i + 1) & slots.mask) {
        const auto slot_hash = slots.slot[i].hash.load(std::memory_order_acquire);
        if (slot_hash == 0) return nullptr;
        if (slot_hash != hash) continue;
        if (const Rule* rule = slots.slot[i].head.load(std::memory_order_acquire)) return rule;
    }
}

Rule* Subtable::find(const FlowKey& key, std::uint64_t hash, Version version) const noexcept {
    const Slots& slots = *slots_.read();
    for (std::size_t i = hash & slots.mask;; i = (i + 1) & slots.mask) {
        const auto slot_hash = slots.slot[i].hash.load(std::memory_order_acquire);
        if (slot_hash == 0) return nullptr;
        if (slot_hash != hash) continue;
        Rule* rule = slots.slot[i].head.load(std::memory_order_acquire);
        if (!rule || !rule->match.matches(key)) continue;
        while (rule && !rule->visible(version))
            rule = rule->next.load(std::memory_order_acquire);
        return rule;
    }
}

Rule* Subtable::find_exact(const WordMatch* words, std::uint16_t priority, Version version) const noexcept {
    std::uint64_t values[kKeyWords];
    const std::size_t count = shape_.words.size();
    for (std::size_t n = 0; n < count; ++n)
        values[n] = words[n].value;
    const std::uint64_t hash = finish(hash_words(secret_, values, count));
    const Slots& slots = *slots_.read();
    for (std::size_t i = hash & slots.mask;; i = (i + 1) & slots.mask) {
        const auto slot_hash = slots.slot[i].hash.load(std::memory_order_acquire);
        if (slot_hash == 0) return nullptr;
        if (slot_hash != hash) continue;
        Rule* rule = slots.slot[i].head.load(std::memory_order_acquire);
        if (!rule || !std::equal(rule->match.words.begin(), rule->match.words.end(), words)) continue;
        while (rule && (rule->priority != priority || !rule->visible(version)))
            rule = rule->next.load(std::memory_order_acquire);
        return rule;
    }
}

}  // namespace sluice::classify
