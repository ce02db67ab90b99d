// SPDX-License-Identifier: Apache-2.0
#include "pipeline/fdb.hpp"

#include <algorithm>

#include "base/hash.hpp"
#include "port/shortcut/shortcuts.hpp"

namespace sluice::pipeline {

namespace {
constexpr std::uint64_t kEmpty = 0, kTombstone = ~std::uint64_t{0};
constexpr std::size_t kMinSlots = 64;
/// MAC in the high 48 bits, VLAN and a bit that keeps it from being kEmpty in the low 16.
constexpr std::uint64_t make_key(std::uint64_t mac, std::uint16_t vlan) {
    return mac << 16 | 0x8000U | vlan;
}
}  // namespace

struct Fdb::Slot {
    std::atomic<std::uint64_t> key{kEmpty};
    std::atomic<std::uint32_t> port{0};
    std::atomic<std::uint32_t> used_s{
        0};  // writers: any worker that refreshes, control; a race costs a second
};

struct Fdb::Slots {
    explicit Slots(std::size_t capacity) : mask(capacity - 1), slot(new Slot[capacity]) {}
    std::size_t mask;
    std::unique_ptr<Slot[]> slot;
    HashKey secret = process_hash_key();
};

Fdb::Fdb(Rcu& rcu) : rcu_(rcu) {
    stats_.max_entries = max_entries_;
    slots_.publish(rcu_, std::make_unique<Slots>(kMinSlots));
}
Fdb::~Fdb() = default;

Fdb::Slot* Fdb::find_from(const Slots& slots, std::size_t start, std::uint64_t key) noexcept {
    for (std::size_t i = start & slots.mask;; i = (i + 1) & slots.mask) {
        const auto at = slots.slot[i].key.load(std::memory_order_acquire);
        if (at == key) return &slots.slot[i];
        if (at == kEmpty) return nullptr;
    }
}

Fdb::Slot* Fdb::find(std::uint64_t key) const noexcept {
    const Slots& slots = *slots_.read();
    return find_from(slots, hash_word(slots.secret, key), key);
}

std::optional<OfPort> Fdb::lookup(std::uint64_t mac, std::uint16_t vlan) const noexcept {
    const Slot* slot = find(make_key(mac, vlan));
    if (!slot) return std::nullopt;
    return OfPort{slot->port.load(std::memory_order_relaxed)};
}

bool Fdb::refresh_slot(Slot* slot, OfPort port, std::uint32_t now_s) noexcept {
    if (!slot) return false;
    const auto used = slot->used_s.load(std::memory_order_relaxed);
    if (slot->port.load(std::memory_order_relaxed) != to_int(port)) return used == kStaticAge;
    if (used != now_s && used != kStaticAge) slot->used_s.store(now_s, std::memory_order_relaxed);
    return true;
}

bool Fdb::refresh(std::uint64_t mac, std::uint16_t vlan, OfPort port, std::uint32_t now_s) noexcept {
    return refresh_slot(find(make_key(mac, vlan)), port, now_s);
}

std::uint32_t Fdb::forward(const Burst& burst, std::uint32_t* port) noexcept {
    const Slots& slots = *slots_.read();
    std::size_t dst_at[32], src_at[32];
    for (unsigned i = 0; i < burst.count; ++i) {
        dst_at[i] = hash_word(slots.secret, make_key(burst.dst[i], burst.vlan)) & slots.mask;
        src_at[i] = hash_word(slots.secret, make_key(burst.src[i], burst.vlan)) & slots.mask;
        __builtin_prefetch(&slots.slot[dst_at[i]]);
        __builtin_prefetch(&slots.slot[src_at[i]]);
    }
    std::uint32_t strangers = 0;
    for (unsigned i = 0; i < burst.count; ++i) {
        const Slot* to = find_from(slots, dst_at[i], make_key(burst.dst[i], burst.vlan));
        port[i] = to ? to->port.load(std::memory_order_relaxed) : kUnknown;
        Slot* from = find_from(slots, src_at[i], make_key(burst.src[i], burst.vlan));
        if (!refresh_slot(from, burst.port, burst.now_s)) strangers |= 1U << i;
    }
    return strangers;
}

void Fdb::rebuild(std::size_t capacity) {
    auto next = std::make_unique<Slots>(capacity);
    const Slots& old = *slots_.read();
    for (std::size_t i = 0; i <= old.mask; ++i) {
        const auto key = old.slot[i].key.load(std::memory_order_relaxed);
        if (key == kEmpty || key == kTombstone) continue;
        std::size_t to = hash_word(next->secret, key) & next->mask;
        while (next->slot[to].key.load(std::memory_order_relaxed) != kEmpty)
            to = (to + 1) & next->mask;
        next->slot[to].port.store(old.slot[i].port.load(std::memory_order_relaxed),
                                  std::memory_order_relaxed);
        next->slot[to].used_s.store(old.slot[i].used_s.load(std::memory_order_relaxed),
                                    std::memory_order_relaxed);
        next->slot[to].key.store(key, std::memory_order_relaxed);
    }
    tombstones_ = 0;
    slots_.publish(rcu_, std::move(next));
}

void Fdb::insert(std::uint64_t key, OfPort port, std::uint32_t used_s) {
    const std::size_t capacity = slots_.read()->mask + 1;
    if ((stats_.entries + tombstones_ + 1) * 2 > capacity)
        rebuild(stats_.entries * 4 > capacity ? capacity * 2 : capacity);
    Slots& slots = *slots_.read();
    std::size_t i = hash_word(slots.secret, key) & slots.mask;
    while (slots.slot[i].key.load(std::memory_order_relaxed) != kEmpty)
        i = (i + 1) & slots.mask;
    slots.slot[i].port.store(to_int(port), std::memory_order_relaxed);
    slots.slot[i].used_s.store(used_s, std::memory_order_relaxed);
    slots.slot[i].key.store(key, std::memory_order_release);
    ++stats_.entries;
}

void Fdb::erase(Slot& slot) {
    slot.key.store(kTombstone, std::memory_order_release);
    invalidate_shortcuts();
    ++tombstones_;
    --stats_.entries;
}

void Fdb::evict_oldest() {
    Slots& slots = *slots_.read();
    Slot* oldest = nullptr;
    for (std::size_t i = 0; i <= slots.mask; ++i) {
        Slot& slot = slots.slot[i];
        const auto key = slot.key.load(std::memory_order_relaxed);
        if (key == kEmpty || key == kTombstone || slot.used_s.load(std::memory_order_relaxed) == kStaticAge)
            continue;
        if (!oldest ||
            slot.used_s.load(std::memory_order_relaxed) < oldest->used_s.load(std::memory_order_relaxed))
            oldest = &slot;
    }
    if (!oldest) return;
    erase(*oldest);
    ++stats_.evicted;
}

void Fdb::learn(std::uint64_t mac, std::uint16_t vlan, OfPort port, std::uint32_t now_s) {
    const auto key = make_key(mac, vlan);
    if (Slot* slot = find(key)) {
        if (slot->used_s.load(std::memory_order_relaxed) == kStaticAge) return;
        if (slot->port.load(std::memory_order_relaxed) != to_int(port)) {
            slot->port.store(to_int(port), std::memory_order_relaxed);
            invalidate_shortcuts();
            ++stats_.moved;
        }
        slot->used_s.store(now_s, std::memory_order_relaxed);
        return;
    }
    if (stats_.entries >= max_entries_) evict_oldest();
    if (stats_.entries >= max_entries_) return;
    insert(key, port, now_s);
    ++stats_.learned;
}

void Fdb::add_static(std::uint64_t mac, std::uint16_t vlan, OfPort port) {
    const auto key = make_key(mac, vlan);
    if (Slot* slot = find(key)) {
        if (slot->used_s.load(std::memory_order_relaxed) != kStaticAge) ++stats_.static_entries;
        slot->port.store(to_int(port), std::memory_order_relaxed);
        slot->used_s.store(kStaticAge, std::memory_order_relaxed);
        invalidate_shortcuts();
        return;
    }
    insert(key, port, kStaticAge);
    ++stats_.static_entries;
}

bool Fdb::remove(std::uint64_t mac, std::uint16_t vlan) {
    Slot* slot = find(make_key(mac, vlan));
    if (!slot) return false;
    if (slot->used_s.load(std::memory_order_relaxed) == kStaticAge) --stats_.static_entries;
    erase(*slot);
    return true;
}

template <typename F>
void Fdb::erase_if(F&& condition) {
    Slots& slots = *slots_.read();
    for (std::size_t i = 0; i <= slots.mask; ++i) {
        Slot& slot = slots.slot[i];
        const auto key = slot.key.load(std::memory_order_relaxed);
        if (key != kEmpty && key != kTombstone && condition(slot)) erase(slot);
    }
}

void Fdb::flush() {
    erase_if([](const Slot& slot) { return slot.used_s.load(std::memory_order_relaxed) != kStaticAge; });
}

void Fdb::flush_port(OfPort port) {
    erase_if([&](const Slot& slot) {
        if (slot.port.load(std::memory_order_relaxed) != to_int(port)) return false;
        if (slot.used_s.load(std::memory_order_relaxed) == kStaticAge) --stats_.static_entries;
        return true;
    });
}

void Fdb::expire(std::uint32_t now_s) {
    erase_if([&](const Slot& slot) {
        const auto used = slot.used_s.load(std::memory_order_relaxed);
        const bool old = used != kStaticAge && now_s > used && now_s - used > idle_seconds_;
        if (old) ++stats_.expired;
        return old;
    });
}

void Fdb::set_limits(unsigned max_entries, unsigned idle_seconds) {
    max_entries_ = max_entries;
    stats_.max_entries = max_entries;
    idle_seconds_ = idle_seconds;
    while (stats_.entries > max_entries_) {
        const auto before = stats_.entries;
        evict_oldest();
        if (stats_.entries == before) return;
    }
}

std::vector<Fdb::Entry> Fdb::entries(std::uint32_t now_s) const {
    std::vector<Entry> list;
    const Slots& slots = *slots_.read();
    for (std::size_t i = 0; i <= slots.mask; ++i) {
        const Slot& slot = slots.slot[i];
        const auto key = slot.key.load(std::memory_order_relaxed);
        if (key == kEmpty || key == kTombstone) continue;
        const auto used = slot.used_s.load(std::memory_order_relaxed);
        Entry entry;
        entry.port = OfPort{slot.port.load(std::memory_order_relaxed)};
        entry.vlan = static_cast<std::uint16_t>(key & 0xfff);
        entry.mac = key >> 16;
        entry.is_static = used == kStaticAge;
        entry.age_seconds = entry.is_static || now_s < used ? 0 : now_s - used;
        list.push_back(entry);
    }
    std::stable_sort(list.begin(), list.end(),
                     [](const auto& a, const auto& b) { return a.age_seconds > b.age_seconds; });
    return list;
}

Fdb::Stats Fdb::stats() const {
    return stats_;
}

}  // namespace sluice::pipeline
