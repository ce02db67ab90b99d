// SPDX-License-Identifier: Apache-2.0
// Where a key's connection is: a hash table of 32-bit references, read without locks, that grows bucket by
// bucket.
//
// A bucket is one cache line of eight slots: a 16-bit tag, 8 more bits of the hash, and a reference each. A
// look-up compares eight tags at once and then, nearly always, one connection's key. A bucket that is full
// goes on in an overflow bucket. The table grows by linear hashing: whenever it holds more than five slots a
// bucket, the next bucket is split in two; the bits that decide lie in the tags, so no connection is touched.
// Nothing ever moves as a whole, and nobody waits for a growing table.
//
// Writers lock the buckets they change: a version that is odd meanwhile. A reader that found nothing makes
// sure that no version moved under it. What it found needs no such check: keys of a connection are constant,
// and a connection's memory is reused only after a grace period (sync/rcu.hpp).
//
// Threads: find() and prefetch(): readers between quiescent states; the rest: any thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "conntrack/conn.hpp"
#include "conntrack/memory.hpp"

namespace sluice::conntrack {

struct alignas(64) Bucket {
    static constexpr unsigned kSlots = 8;
    std::atomic<std::uint32_t> version{0};  ///< odd: somebody is changing it, or its overflow buckets
    std::atomic<std::uint32_t> next{0};     ///< overflow bucket, 0: none
    std::atomic<std::uint64_t> tags[2];     ///< 16 bits a slot
    std::atomic<std::uint64_t> more{0};     ///< 8 bits a slot
    std::atomic<Ref> ref[kSlots];           ///< kNoRef: empty
};
static_assert(sizeof(Bucket) == 64);

class Table {
  public:
    /// Room for `slots` (a power of two); false: not enough address space.
    bool reserve(std::size_t slots) noexcept;

    void prefetch(std::uint64_t hash) const noexcept { __builtin_prefetch(&head(hash)); }
    /// A reference in a slot that may be of this hash, to prefetch its connection; kNoRef: none.
    Ref guess(std::uint64_t hash) const noexcept;

    /// `is(ref)`: this is the one. kNoRef if there is none.
    template <typename Is>
    Ref find(std::uint64_t hash, const Is& is) const noexcept;

    /// Enters one reference under one hash, or two at once. `taken(ref, second)` looks at each slot of these
    /// hashes: kKeep it, kReplace (it is dead: its slot may be emptied), or kClash: nothing is entered, and
    /// `clash` says whose slot of which hash. False without a clash: no overflow bucket is left; then `ref`
    /// may be found, and is to be removed.
    enum class Slot : std::uint8_t { kKeep, kReplace, kClash };
    struct Clash {
        Ref ref = kNoRef;
        bool second = false;
    };
    /// `before()` runs when nothing clashes, just before anybody can find `ref`.
    template <typename Taken, typename Before>
    bool insert(Ref ref, std::uint64_t a_hash, std::uint64_t b_hash, bool two, const Taken& taken,
                const Before& before, Clash& clash) noexcept;
    /// Empties the slot of `ref` under this hash, if it is there.
    void remove(Ref ref, std::uint64_t hash) noexcept;

    std::size_t buckets() const noexcept {
        return static_cast<std::uint32_t>(shape_.load(std::memory_order_acquire));
    }
    /// Has memory ready for growth. Control thread.
    void back_growth() noexcept;
    /// Calls with how many slots of each bucket, overflow included, are taken. Control thread, for
    /// statistics.
    void for_each_bucket(const std::function<void(std::size_t bucket, unsigned slots)>& each) const;

  private:
    static constexpr unsigned kFirstBits = 10;  ///< buckets to begin with, as a power of two
    static constexpr unsigned kLoad = 5;        ///< slots a bucket at which the table grows
    static std::uint64_t tag_of(std::uint64_t hash) noexcept { return hash >> kFirstBits & 0xffff; }
    static std::uint64_t more_of(std::uint64_t hash) noexcept { return hash >> (kFirstBits + 16) & 0xff; }
    /// Which of a word's four tags equal `tag`: bit 15 of each lane. False positives only above a hit.
    static std::uint64_t equal_tags(std::uint64_t tags, std::uint64_t tag) noexcept {
        const std::uint64_t x = tags ^ (tag * 0x0001000100010001ULL);
        return (x - 0x0001000100010001ULL) & ~x & 0x8000800080008000ULL;
    }
    std::size_t index_of(std::uint64_t hash) const noexcept {
        const std::uint64_t shape = shape_.load(std::memory_order_acquire);
        const std::uint64_t mask = shape >> 32;
        const std::uint64_t at = hash & mask;
        return at < (shape & 0xffffffff) ? at : at & (mask >> 1);
    }
    const Bucket& head(std::uint64_t hash) const noexcept { return buckets_[index_of(hash)]; }
    Bucket& at(std::size_t index) noexcept { return buckets_[index]; }
    static void lock(Bucket& bucket) noexcept;
    static void unlock(Bucket& bucket) noexcept;
    bool put(Bucket& head, Ref ref, std::uint64_t tag, std::uint64_t more) noexcept;
    static void set(Bucket& bucket, unsigned slot, Ref ref, std::uint64_t tag, std::uint64_t more) noexcept;
    template <typename Taken>
    bool check(Bucket& head, std::uint64_t hash, bool second, const Taken& taken, Clash& clash) noexcept;
    std::uint32_t take_overflow() noexcept;
    void give_overflow(std::uint32_t index) noexcept;
    void grow() noexcept;
    void split(std::size_t from, std::size_t to, unsigned bit) noexcept;

    Reservation bucket_memory_, overflow_memory_;
    Bucket* buckets_ = nullptr;
    Bucket* overflow_ = nullptr;
    std::size_t max_buckets_ = 0, max_overflow_ = 0;
    alignas(64) std::atomic<std::uint64_t> shape_{0};  ///< mask << 32 | number of buckets
    alignas(64) std::atomic<std::int64_t> slots_{0};
    std::atomic<std::uint32_t> growing_{0};
    std::atomic<std::uint32_t> overflow_lock_{0};
    std::uint32_t overflow_free_ = 0, overflow_used_ = 1;  ///< under overflow_lock_
    std::size_t backed_ = 0;                               ///< buckets; control thread
};

template <typename Is>
Ref Table::find(std::uint64_t hash, const Is& is) const noexcept {
    const std::uint64_t tag = tag_of(hash), more = more_of(hash);
    // A lock lasts some dozens of instructions; if its holder has lost the CPU, an answer of "nothing" now is
    // better than waiting (at worst a packet is taken for the first of its connection).
    for (unsigned attempt = 0;; ++attempt) {
        const std::uint64_t shape = shape_.load(std::memory_order_acquire);
        const Bucket* first = &head(hash);
        const std::uint32_t version = first->version.load(std::memory_order_acquire);
        for (const Bucket* bucket = first;;) {
            for (unsigned half = 0; half < 2; ++half) {
                std::uint64_t hits = equal_tags(bucket->tags[half].load(std::memory_order_acquire), tag);
                for (; hits != 0; hits &= hits - 1) {
                    const unsigned slot = half * 4 + static_cast<unsigned>(__builtin_ctzll(hits)) / 16;
                    const Ref ref = bucket->ref[slot].load(std::memory_order_acquire);
                    if (ref == kNoRef) continue;
                    if ((bucket->more.load(std::memory_order_relaxed) >> (slot * 8) & 0xff) != more) continue;
                    if (is(ref)) return ref;
                }
            }
            const std::uint32_t next = bucket->next.load(std::memory_order_acquire);
            if (next == 0) break;
            bucket = &overflow_[next];
        }
        if ((version & 1) == 0 && first->version.load(std::memory_order_acquire) == version &&
            shape_.load(std::memory_order_acquire) == shape)
            return kNoRef;
        if (attempt == 1000) return kNoRef;
        if (version & 1) __builtin_ia32_pause();
    }
}

template <typename Taken>
bool Table::check(Bucket& head, std::uint64_t hash, bool second, const Taken& taken, Clash& clash) noexcept {
    const std::uint64_t tag = tag_of(hash), more = more_of(hash);
    for (Bucket* bucket = &head;;) {
        for (unsigned slot = 0; slot < Bucket::kSlots; ++slot) {
            const Ref ref = bucket->ref[slot].load(std::memory_order_relaxed);
            if (ref == kNoRef) continue;
            if ((bucket->tags[slot / 4].load(std::memory_order_relaxed) >> (slot % 4 * 16) & 0xffff) != tag ||
                (bucket->more.load(std::memory_order_relaxed) >> (slot * 8) & 0xff) != more)
                continue;
            switch (taken(ref, second)) {
                case Slot::kKeep:
                    break;
                case Slot::kReplace:
                    set(*bucket, slot, kNoRef, 0, 0);
                    slots_.fetch_sub(1, std::memory_order_relaxed);
                    break;
                case Slot::kClash:
                    clash = {ref, second};
                    return false;
            }
        }
        const std::uint32_t next = bucket->next.load(std::memory_order_relaxed);
        if (next == 0) return true;
        bucket = &overflow_[next];
    }
}

template <typename Taken, typename Before>
bool Table::insert(Ref ref, std::uint64_t a_hash, std::uint64_t b_hash, bool two, const Taken& taken,
                   const Before& before, Clash& clash) noexcept {
    for (;;) {
        const std::size_t a = index_of(a_hash), b = two ? index_of(b_hash) : a;
        Bucket &low = at(a < b ? a : b), &high = at(a < b ? b : a);
        lock(low);
        if (&high != &low) lock(high);
        const bool still = index_of(a_hash) == a && (!two || index_of(b_hash) == b);
        bool done = still && check(at(a), a_hash, false, taken, clash) &&
                    (!two || check(at(b), b_hash, true, taken, clash));
        if (done) {
            before();
            done = put(at(a), ref, tag_of(a_hash), more_of(a_hash)) &&
                   (!two || put(at(b), ref, tag_of(b_hash), more_of(b_hash)));
        }
        if (&high != &low) unlock(high);
        unlock(low);
        if (!still) continue;
        if (done && slots_.load(std::memory_order_relaxed) > static_cast<std::int64_t>(buckets() * kLoad))
            grow();
        return done;
    }
}

}  // namespace sluice::conntrack
