// SPDX-License-Identifier: Apache-2.0
#include "conntrack/expect.hpp"

#include "conntrack/conn.hpp"

namespace sluice::conntrack {

void Expectations::add(const Expectation& expectation, std::uint64_t now_ms) noexcept {
    const WordLock held(lock_);
    Expectation* list = bucket(expectation.key);
    Expectation* to = &list[0];
    for (unsigned way = 0; way < kWays; ++way) {
        if (list[way].until_ms != 0 && list[way].key == expectation.key) {
            to = &list[way];
            break;
        }
        if (list[way].until_ms < to->until_ms) to = &list[way];
    }
    if (to->until_ms == 0) count_.fetch_add(1, std::memory_order_release);
    *to = expectation;
    to->until_ms = now_ms + kLifeMs;
}

Expectation* Expectations::lookup(const Key& any, std::uint64_t now_ms) noexcept {
    Expectation* list = bucket(any);
    for (unsigned way = 0; way < kWays; ++way) {
        if (list[way].until_ms == 0 || !(list[way].key == any)) continue;
        if (list[way].until_ms > now_ms) return &list[way];
        list[way].until_ms = 0;
        count_.fetch_sub(1, std::memory_order_release);
    }
    return nullptr;
}

bool Expectations::find(const Key& packet, std::uint64_t now_ms, Expectation& out) noexcept {
    const WordLock held(lock_);
    const Expectation* found = lookup(from_any_port(packet), now_ms);
    if (found) out = *found;
    return found != nullptr;
}

void Expectations::remove(const Key& packet) noexcept {
    const WordLock held(lock_);
    if (Expectation* found = lookup(from_any_port(packet), 0)) {
        found->until_ms = 0;
        count_.fetch_sub(1, std::memory_order_release);
    }
}

unsigned Expectations::count(std::uint64_t now_ms) noexcept {
    if (empty()) return 0;
    const WordLock held(lock_);
    unsigned there = 0;
    for (unsigned n = 0; n < kMax; ++n)
        there += memory_.as<Expectation>()[n].until_ms > now_ms ? 1 : 0;
    return there;
}

std::uint32_t Shifts::take() noexcept {
    const WordLock held(lock_);
    std::uint32_t number = free_;
    if (number != 0) {
        free_ = at(number).next_free;
    } else if (used_ < kMax) {
        number = used_++;
    } else {
        return 0;
    }
    at(number) = Pair{};
    return number;
}

void Shifts::give(std::uint32_t number) noexcept {
    if (number == 0) return;
    const WordLock held(lock_);
    at(number).next_free = free_;
    free_ = number;
}

}  // namespace sluice::conntrack
