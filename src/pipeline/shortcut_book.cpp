// SPDX-License-Identifier: Apache-2.0
// The control thread's side of pipeline/shortcut.hpp.
#include <algorithm>

#include "base/clock.hpp"
#include "base/hash.hpp"
#include "pipeline/executor_impl.hpp"
#include "pipeline/shortcut.hpp"

namespace sluice::pipeline {

namespace {

/// tend()s without a packet after which a shortcut is given up.
constexpr unsigned kIdleTends = 20;
/// tend()s for which void shortcuts are still read, and then slots rest: no program runs for that long.
constexpr unsigned kLateTends = 2;

}  // namespace

std::size_t ShortcutBook::KeyHash::operator()(const ShortcutKey& key) const noexcept {
    return hash_bytes(process_hash_key(), &key, sizeof key);
}

bool ShortcutBook::is_void(const Active& active) const {
    const Shortcuts* shortcuts = Shortcuts::get();
    return !shortcuts || shortcuts->generation() != active.entry.generation;
}

void ShortcutBook::adopt(Executor& executor) {
    ShortcutMaker& maker = executor.impl().shortcut;
    while (const ShortcutRecord* record = maker.made.front()) {
        active_.push_back({*record, 0, 0});
        slot_of_[record->key] = record->entry.slot;
        maker.made.pop();
        ++installed_;
    }
}

void ShortcutBook::serve(Executor& executor) {
    const Shortcuts* shortcuts = Shortcuts::get();
    if (!shortcuts || &executor == &datapath_.control_executor()) return;
    if (seen_.empty()) {
        for (std::uint32_t slot = 0; slot < Shortcuts::kSlots; ++slot) {
            seen_.push_back(shortcuts->counts(slot));
            free_.push_back(slot);
        }
    }
    adopt(executor);
    SpscRing<std::uint32_t>& slots = executor.impl().shortcut.slots;
    while (!free_.empty()) {
        std::uint32_t* place = slots.claim();
        if (!place) return;
        *place = free_.back();
        free_.pop_back();
        slots.push();
    }
}

/// False: no packet came since the last time.
bool ShortcutBook::count(Shortcuts& shortcuts, const Active& active) {
    const std::uint32_t slot = active.entry.slot;
    const ShortcutCounts now = shortcuts.counts(slot);
    const std::uint64_t packets = now.packets - seen_[slot].packets, bytes = now.bytes - seen_[slot].bytes;
    seen_[slot] = now;
    if (packets == 0 && bytes == 0) return false;
    const std::int64_t age_ns = clock::machine_ns() - static_cast<std::int64_t>(now.used_ns);
    const auto used_ms = static_cast<std::uint64_t>(
        std::max<std::int64_t>(clock::now_ms() - std::max<std::int64_t>(age_ns, 0) / 1'000'000, 0));
    Executor::Impl& control = datapath_.control_executor().impl();
    for (unsigned n = 0; n < active.rule_count; ++n) {
        RuleCounter& rule = control.stats.at(active.rules[n]);
        rule.packets.add(packets);
        rule.bytes.add(bytes);
        if (used_ms > rule.used_ms.read()) rule.used_ms.set(used_ms);
    }
    control.counters.received.add(packets);
    control.counters.sent.add(packets);
    shortcuts.count(active.key.ifindex, active.entry.out_ifindex, packets, bytes);
    if (active.refreshes && !is_void(active)) {  // else its bridge may be gone
        const std::uint64_t source = load_mac(active.key.frame + 6);
        datapath_.topology()->bridges[active.bridge]->fdb->refresh(
            source, 0, active.in_port, static_cast<std::uint32_t>(used_ms / 1000));
    }
    packets_ += packets;
    bytes_ += bytes;
    return true;
}

void ShortcutBook::collect(std::int64_t max_age_ns) {
    Shortcuts* shortcuts = Shortcuts::get();
    if (!shortcuts) return;
    const std::int64_t now_ns = clock::machine_ns();
    if (max_age_ns != 0 && now_ns - collected_ns_ < max_age_ns) return;
    collected_ns_ = now_ns;
    for (Executor* executor : datapath_.executors())
        serve(*executor);
    for (Active& active : active_)
        if (count(*shortcuts, active)) active.idle_tends = 0;
}

void ShortcutBook::tend() {
    collect();
    Shortcuts* shortcuts = Shortcuts::get();
    if (!shortcuts) return;
    for (Resting& rest : resting_) {
        if (--rest.tends != 0) continue;
        seen_[rest.slot] = shortcuts->counts(rest.slot);
        free_.push_back(rest.slot);
    }
    std::erase_if(resting_, [](const Resting& rest) { return rest.tends == 0; });
    std::erase_if(active_, [&](Active& active) {
        if (is_void(active)) {
            if (++active.void_tends < kLateTends) return false;
        } else if (++active.idle_tends < kIdleTends) {
            return false;
        }
        const auto newest = slot_of_.find(active.key);
        if (newest != slot_of_.end() && newest->second == active.entry.slot) {
            shortcuts->remove(active.key);
            slot_of_.erase(newest);
        }
        resting_.push_back({active.entry.slot, kLateTends});
        return true;
    });
}

void ShortcutBook::forget_void_rules() {
    const Shortcuts* shortcuts = Shortcuts::get();
    if (!shortcuts || rules_forgotten_at_ == shortcuts->generation()) return;
    collect();
    rules_forgotten_at_ = shortcuts->generation();
    for (Active& active : active_)
        if (active.entry.generation != rules_forgotten_at_) active.rule_count = 0;
}

void ShortcutBook::leave(Executor& executor) {
    adopt(executor);
    SpscRing<std::uint32_t>& slots = executor.impl().shortcut.slots;
    while (const std::uint32_t* slot = slots.front()) {
        free_.push_back(*slot);
        slots.pop();
    }
}

std::unordered_set<std::uint32_t> ShortcutBook::carried_rules() const {
    std::unordered_set<std::uint32_t> slots;
    for (const Active& active : active_) {
        if (is_void(active)) continue;
        for (unsigned n = 0; n < active.rule_count; ++n)
            slots.insert(active.rules[n].index);
    }
    return slots;
}

ShortcutBook::Stats ShortcutBook::stats() const {
    const auto valid =
        std::count_if(active_.begin(), active_.end(), [&](const Active& a) { return !is_void(a); });
    return {installed_, packets_, bytes_, static_cast<std::size_t>(valid)};
}

}  // namespace sluice::pipeline
