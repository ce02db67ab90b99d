// SPDX-License-Identifier: Apache-2.0
#include "conntrack/table.hpp"

#include <algorithm>

namespace sluice::conntrack {

bool Table::reserve(std::size_t slots) noexcept {
    max_buckets_ = std::max<std::size_t>(slots / 4, std::size_t{1} << kFirstBits);
    max_overflow_ = max_buckets_ / 4;
    if (!bucket_memory_.reserve(max_buckets_ * sizeof(Bucket)) ||
        !overflow_memory_.reserve(max_overflow_ * sizeof(Bucket)))
        return false;
    buckets_ = bucket_memory_.as<Bucket>();
    overflow_ = overflow_memory_.as<Bucket>();
    const std::uint64_t first = std::uint64_t{1} << kFirstBits;
    shape_.store((2 * first - 1) << 32 | first, std::memory_order_release);
    return true;
}

Ref Table::guess(std::uint64_t hash) const noexcept {
    const Bucket& bucket = head(hash);
    for (unsigned half = 0; half < 2; ++half) {
        const std::uint64_t hits =
            equal_tags(bucket.tags[half].load(std::memory_order_acquire), tag_of(hash));
        if (hits != 0) {
            const unsigned slot = half * 4 + static_cast<unsigned>(__builtin_ctzll(hits)) / 16;
            return bucket.ref[slot].load(std::memory_order_acquire);
        }
    }
    return kNoRef;
}

void Table::lock(Bucket& bucket) noexcept {
    for (;;) {
        std::uint32_t version = bucket.version.load(std::memory_order_relaxed);
        if ((version & 1) == 0 &&
            bucket.version.compare_exchange_weak(version, version + 1, std::memory_order_acq_rel))
            return;
        __builtin_ia32_pause();
    }
}

void Table::unlock(Bucket& bucket) noexcept {
    bucket.version.store(bucket.version.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

void Table::set(Bucket& bucket, unsigned slot, Ref ref, std::uint64_t tag, std::uint64_t more) noexcept {
    const auto store = [](std::atomic<std::uint64_t>& word, unsigned shift, std::uint64_t mask,
                          std::uint64_t value) {
        word.store((word.load(std::memory_order_relaxed) & ~(mask << shift)) | value << shift,
                   std::memory_order_release);
    };
    if (ref == kNoRef) bucket.ref[slot].store(kNoRef, std::memory_order_release);
    store(bucket.more, slot * 8, 0xff, more);
    store(bucket.tags[slot / 4], slot % 4 * 16, 0xffff, tag);
    if (ref != kNoRef) bucket.ref[slot].store(ref, std::memory_order_release);
}

bool Table::put(Bucket& head, Ref ref, std::uint64_t tag, std::uint64_t more) noexcept {
    for (Bucket* bucket = &head;;) {
        for (unsigned slot = 0; slot < Bucket::kSlots; ++slot) {
            if (bucket->ref[slot].load(std::memory_order_relaxed) != kNoRef) continue;
            set(*bucket, slot, ref, tag, more);
            slots_.fetch_add(1, std::memory_order_relaxed);
            return true;
        }
        std::uint32_t next = bucket->next.load(std::memory_order_relaxed);
        if (next == 0) {
            next = take_overflow();
            if (next == 0) return false;
            bucket->next.store(next, std::memory_order_release);
        }
        bucket = &overflow_[next];
    }
}

void Table::remove(Ref ref, std::uint64_t hash) noexcept {
    for (;;) {
        const std::size_t index = index_of(hash);
        Bucket& head = at(index);
        lock(head);
        const bool still = index_of(hash) == index;
        if (still) {
            Clash clash;
            check(
                head, hash, false,
                [ref](Ref other, bool) { return other == ref ? Slot::kReplace : Slot::kKeep; }, clash);
        }
        unlock(head);
        if (still) return;
    }
}

std::uint32_t Table::take_overflow() noexcept {
    while (overflow_lock_.exchange(1, std::memory_order_acquire) != 0)
        __builtin_ia32_pause();
    std::uint32_t index = overflow_free_;
    if (index != 0) {
        overflow_free_ = overflow_[index].next.load(std::memory_order_relaxed);
    } else if (overflow_used_ < max_overflow_) {
        index = overflow_used_++;
    }
    overflow_lock_.store(0, std::memory_order_release);
    if (index != 0) overflow_[index].next.store(0, std::memory_order_release);
    return index;
}

void Table::give_overflow(std::uint32_t index) noexcept {
    while (overflow_lock_.exchange(1, std::memory_order_acquire) != 0)
        __builtin_ia32_pause();
    overflow_[index].next.store(overflow_free_, std::memory_order_release);
    overflow_free_ = index;
    overflow_lock_.store(0, std::memory_order_release);
}

/// Splits one bucket, unless somebody else is at it. Two slots come with a connection and a split makes room
/// for five, so this keeps up.
void Table::grow() noexcept {
    if (growing_.exchange(1, std::memory_order_acquire) != 0) return;
    const std::uint64_t shape = shape_.load(std::memory_order_relaxed);
    const std::uint64_t mask = shape >> 32, count = shape & 0xffffffff;
    if (count < max_buckets_) {
        const std::size_t from = count & (mask >> 1);
        lock(at(from));
        lock(at(count));
        split(from, count, static_cast<unsigned>(__builtin_ctzll(mask / 2 + 1)));
        const std::uint64_t next_mask = count + 1 > mask ? mask * 2 + 1 : mask;
        shape_.store(next_mask << 32 | (count + 1), std::memory_order_release);
        unlock(at(count));
        unlock(at(from));
    }
    growing_.store(0, std::memory_order_release);
}

/// Moves what has bit `bit` of the hash set; it lies in the tags (`bit` >= kFirstBits).
void Table::split(std::size_t from, std::size_t to, unsigned bit) noexcept {
    struct Item {
        Ref ref;
        std::uint16_t tag;
        std::uint8_t more;
    };
    for (Bucket* bucket = &at(from);;) {
        for (unsigned slot = 0; slot < Bucket::kSlots; ++slot) {
            const Ref ref = bucket->ref[slot].load(std::memory_order_relaxed);
            if (ref == kNoRef) continue;
            const std::uint64_t tag =
                bucket->tags[slot / 4].load(std::memory_order_relaxed) >> (slot % 4 * 16) & 0xffff;
            const std::uint64_t more = bucket->more.load(std::memory_order_relaxed) >> (slot * 8) & 0xff;
            if (!((tag | more << 16) >> (bit - kFirstBits) & 1)) continue;
            if (!put(at(to), ref, tag, more)) continue;  // no overflow bucket left: it stays, found by nobody
            set(*bucket, slot, kNoRef, 0, 0);
            slots_.fetch_sub(1, std::memory_order_relaxed);
        }
        const std::uint32_t next = bucket->next.load(std::memory_order_relaxed);
        if (next == 0) break;
        bucket = &overflow_[next];
    }
    // Close ranks, and give back overflow buckets that nobody needs any more.
    Item items[64];
    unsigned count = 0;
    for (Bucket* bucket = &at(from);;) {
        for (unsigned slot = 0; slot < Bucket::kSlots; ++slot) {
            const Ref ref = bucket->ref[slot].load(std::memory_order_relaxed);
            if (ref == kNoRef) continue;
            if (count == 64) return;
            items[count++] = {
                ref,
                static_cast<std::uint16_t>(bucket->tags[slot / 4].load(std::memory_order_relaxed) >>
                                           (slot % 4 * 16)),
                static_cast<std::uint8_t>(bucket->more.load(std::memory_order_relaxed) >> (slot * 8))};
        }
        const std::uint32_t next = bucket->next.load(std::memory_order_relaxed);
        if (next == 0) break;
        bucket = &overflow_[next];
    }
    if (count > Bucket::kSlots || at(from).next.load(std::memory_order_relaxed) == 0) return;
    std::uint32_t spare = at(from).next.load(std::memory_order_relaxed);
    at(from).next.store(0, std::memory_order_release);
    for (unsigned slot = 0; slot < Bucket::kSlots; ++slot) {
        if (slot < count)
            set(at(from), slot, items[slot].ref, items[slot].tag, items[slot].more);
        else
            set(at(from), slot, kNoRef, 0, 0);
    }
    while (spare != 0) {
        Bucket& bucket = overflow_[spare];
        const std::uint32_t next = bucket.next.load(std::memory_order_relaxed);
        for (unsigned slot = 0; slot < Bucket::kSlots; ++slot)
            set(bucket, slot, kNoRef, 0, 0);
        give_overflow(spare);
        spare = next;
    }
}

void Table::back_growth() noexcept {
    const std::size_t ahead = std::min(max_buckets_, buckets() + std::max<std::size_t>(buckets() / 4, 4096));
    if (ahead <= backed_ + 2048) return;
    bucket_memory_.back(backed_ * sizeof(Bucket), ahead * sizeof(Bucket));
    backed_ = ahead;
}

void Table::for_each_bucket(const std::function<void(std::size_t, unsigned)>& each) const {
    const std::size_t count = buckets();
    for (std::size_t i = 0; i < count; ++i) {
        unsigned slots = 0;
        for (const Bucket* bucket = &buckets_[i];;) {
            for (const auto& ref : bucket->ref)
                slots += ref.load(std::memory_order_relaxed) != kNoRef;
            const std::uint32_t next = bucket->next.load(std::memory_order_acquire);
            if (next == 0) break;
            bucket = &overflow_[next];
        }
        each(i, slots);
    }
}

}  // namespace sluice::conntrack
