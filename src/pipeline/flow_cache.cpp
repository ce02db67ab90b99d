// SPDX-License-Identifier: Apache-2.0
#include "pipeline/flow_cache.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <utility>

#include <sys/mman.h>

#include "pipeline/program.hpp"

namespace sluice::pipeline {

namespace {

constexpr std::size_t kHugePage = 2U << 20;

/// Zeroed memory; large pieces on huge pages where the kernel has them.
void* allocate_zeroed(std::size_t size) noexcept {
    const std::size_t unit = size >= kHugePage ? kHugePage : 64;
    size = (size + unit - 1) / unit * unit;
    void* memory = std::aligned_alloc(unit, size);
    if (!memory) return nullptr;
    if (unit == kHugePage) ::madvise(memory, size, MADV_HUGEPAGE);
    std::memset(memory, 0, size);
    return memory;
}

constexpr std::uint32_t kWindow = 4096, kSampleWindow = 1024;  // look-ups between decisions
constexpr std::uint32_t kSparse = 8, kSample = 16;             // one burst in so many
constexpr std::uint32_t kEnoughTracked = 64;                   // misses that say whether flows come again

}  // namespace

FlowCache::FlowCache(MissCounters misses, unsigned max_entries)
    : secret_(process_hash_key()), max_entries_(max_entries), misses_(misses) {}

FlowCache::~FlowCache() {
    delete offered_.load();
    delete discarded_.load();
}

std::unique_ptr<FlowCache::Memory> FlowCache::make_memory(unsigned entries, std::size_t stride) {
    auto memory = std::make_unique<Memory>();
    const std::size_t bucket_count = std::max<std::size_t>(entries / 4, 1);
    memory->buckets.reset(static_cast<Bucket*>(allocate_zeroed(bucket_count * sizeof(Bucket))));
    memory->entries.reset(static_cast<std::byte*>(allocate_zeroed(entries * stride)));
    if (!memory->buckets || !memory->entries) return nullptr;
    memory->bucket_mask = bucket_count - 1;
    memory->stride = stride;
    memory->capacity = entries;
    memory->free.resize(entries);
    for (std::uint32_t i = 0; i < entries; ++i)
        memory->free[i] = entries - 1 - i;
    memory->chains.assign(std::max<std::size_t>(entries, 64), nullptr);
    return memory;
}

void FlowCache::settle(Verdict& verdict) noexcept {
    const std::uint64_t packets = std::exchange(verdict.pending_packets, 0);
    const std::uint64_t bytes = std::exchange(verdict.pending_bytes, 0);
    for (unsigned n = 0; n < verdict.hit_count; ++n) {
        RuleCounter& counter = *verdict.hits()[n];
        counter.packets.add(packets);
        counter.bytes.add(bytes);
        counter.used_ms.set(now_ms_);
    }
    if (verdict.miss_count == 0) return;
    Counter* tables = misses_.tables->load(std::memory_order_acquire);
    for (unsigned n = 0; n < verdict.miss_count; ++n) {
        const std::uint8_t table = verdict.misses()[n];
        if (table == 0) misses_.first_table->add(packets);
        if (tables) tables[table].add(packets);
    }
}

void FlowCache::settle() noexcept {
    // Rules of one-table programs have counters of their own, far apart: fetch them ahead.
    constexpr unsigned kAhead = 8;
    for (unsigned n = 0; n < dirty_count_; ++n) {
        if (n + 2 * kAhead < dirty_count_) __builtin_prefetch(&dirty_[n + 2 * kAhead]->hash);
        if (n + kAhead < dirty_count_ && dirty_[n + kAhead]->hit_count != 0)
            __builtin_prefetch(dirty_[n + kAhead]->hits()[0]);
        if (dirty_[n]->pending_packets != 0) settle(*dirty_[n]);
    }
    dirty_count_ = 0;
}

void FlowCache::adopt(std::unique_ptr<Memory> memory) noexcept {
    settle();
    buckets_ = memory->buckets.get();
    entries_ = memory->entries.get();
    bucket_mask_ = memory->bucket_mask;
    stride_ = memory->stride;
    capacity_ = memory->capacity;
    verdicts_.reset(memory->chains);
    mode_ = Mode::kAll;
    window_lookups_ = window_hits_ = window_tracked_ = window_repeats_ = 0;
    reused_ = true;
    memory_.swap(memory);
    Memory* none = nullptr;
    if (memory && discarded_.compare_exchange_strong(none, memory.get())) (void)memory.release();
}

void FlowCache::tend() {
    delete discarded_.exchange(nullptr);
    const std::uint64_t wanted = wanted_.load(std::memory_order_acquire);
    if (wanted == 0 || offered_.load(std::memory_order_relaxed)) return;
    offered_.store(make_memory(static_cast<unsigned>(wanted), wanted >> 32).release(),
                   std::memory_order_release);
}

/// Takes memory that has been made meanwhile, or has it made.
void FlowCache::ask_for_more() noexcept {
    if (Memory* offered = offered_.load(std::memory_order_acquire)) {
        wanted_.store(0, std::memory_order_release);
        offered_.store(nullptr, std::memory_order_release);
        std::unique_ptr<Memory> memory(offered);
        if (memory->stride == stride_ && memory->capacity > capacity_) adopt(std::move(memory));
        return;
    }
    const std::uint32_t entries = std::min(capacity_ * 4, max_entries_);
    wanted_.store(std::uint64_t{stride_} << 32 | entries, std::memory_order_release);
}

bool FlowCache::begin(const Program& program, Version version, std::uint64_t topology_serial) noexcept {
    const KeyShape& shape = program.key_shape();
    if (__builtin_expect(shape.serial != shape_.serial, 0)) {
        shape_ = shape;
        if (shape.reads_headers) {
            const unsigned behind = shape.ct_count == 0 ? 0 : shape.count_ipv4 + shape.ct_count + 1U;
            const std::size_t raw =
                offsetof(Entry, key) + (std::size_t{std::max<unsigned>(shape.count, behind)} + 1) * 8;
            auto memory =
                make_memory(std::min(kMinEntries, max_entries_), raw <= 32 ? 32 : (raw + 63) / 64 * 64);
            if (memory) {
                adopt(std::move(memory));
            } else {
                shape_.reads_headers = false;
            }
        }
        seen_version_ = version;
        seen_topology_ = topology_serial;
        return shape_.reads_headers;
    }
    if (!shape_.reads_headers) return false;
    if (__builtin_expect(version != seen_version_ || topology_serial != seen_topology_, 0)) {
        ++epoch_;
        if (topology_serial != seen_topology_) {
            min_epoch_ = epoch_;
        } else {
            for (unsigned table = 0; table < table_epoch_.size(); ++table) {
                if (program.last_change(static_cast<std::uint8_t>(table)) > seen_version_)
                    table_epoch_[table] = epoch_;
            }
        }
        seen_version_ = version;
        seen_topology_ = topology_serial;
    }
    return true;
}

void FlowCache::drop(Bucket& bucket, unsigned way) noexcept {
    const std::uint32_t index = bucket.index[way];
    Verdict* verdict = entry(index).verdict;
    if (verdict->references == 1 && verdict->pending_packets != 0) settle(*verdict);
    verdicts_.release(verdict);
    bucket.tag[way] = 0;
    memory_->free.push_back(index);  // within the capacity it was made with
}

const Verdict* FlowCache::insert(const Key& key, const Journal& journal) noexcept {
    // Full memory is exchanged before anything is taken from it.
    if (is_full() && capacity_ < max_entries_ && reused_) ask_for_more();
    Bucket* bucket = &buckets_[key.hash & bucket_mask_];
    // First the new one: if it equals an old one, that lives on, and so do those that continue it.
    Verdict* verdict = verdicts_.acquire(journal);
    if (!verdict) return nullptr;
    // A burst may hold a flow twice.
    for (unsigned found = match_tags(bucket->tag, tag_of(key.hash)); found != 0; found &= found - 1) {
        const auto way = static_cast<unsigned>(__builtin_ctz(found));
        if (same(entry(bucket->index[way]), key)) drop(*bucket, way);
    }
    unsigned empty = match_tags(bucket->tag, 0);
    if (empty == 0 || is_full()) {
        // One of the bucket's own makes room: a stale one, else any.
        const unsigned occupied = ~empty & 0xff;
        if (occupied == 0) {
            verdicts_.release(verdict);
            return nullptr;
        }
        unsigned victim = static_cast<unsigned>(__builtin_ctz(occupied));
        const auto start = static_cast<unsigned>(key.hash >> 40 & 7);
        for (unsigned n = 0; n < 8; ++n) {
            const unsigned way = (start + n) & 7;
            if (!(occupied >> way & 1)) continue;
            victim = way;
            break;
        }
        drop(*bucket, victim);
        empty = 1U << victim;
    }
    const auto way = static_cast<unsigned>(__builtin_ctz(empty));
    const std::uint32_t index = memory_->free.back();
    memory_->free.pop_back();
    Entry& to = entry(index);
    to.epoch = epoch_;
    to.in_port = key.in_port;
    to.verdict = verdict;
    std::memcpy(to.key, key.word, key.size * sizeof(std::uint64_t));
    bucket->tag[way] = tag_of(key.hash);
    bucket->index[way] = index;
    ++stats_.inserts;
    return verdict;
}

bool FlowCache::wants_lookup() noexcept {
    ++burst_;
    if (mode_ == Mode::kSample && burst_ % kSample != 0) return false;
    insert_now_ = mode_ == Mode::kAll || (mode_ == Mode::kSparse && burst_ % kSparse == 0);
    return true;
}

void FlowCache::count(unsigned lookups, unsigned hits) noexcept {
    window_lookups_ += lookups;
    window_hits_ += hits;
    stats_.lookups += lookups;
    stats_.hits += hits;
    if (window_lookups_ >= (mode_ == Mode::kSample ? kSampleWindow : kWindow)) decide();
}

/// A look-up and what keeps a flow cost about a third of a walk.
void FlowCache::decide() noexcept {
    const bool pays = window_hits_ * 4 >= window_lookups_;
    if (window_tracked_ >= kEnoughTracked) {
        reused_ = window_repeats_ * 8 >= window_tracked_;
        window_tracked_ = window_repeats_ = 0;
    }
    const bool could_grow = capacity_ < max_entries_;
    if (pays) {
        mode_ = reused_ || window_lookups_ - window_hits_ < window_lookups_ / 16 ? Mode::kAll : Mode::kSparse;
    } else if (reused_ && (could_grow || !is_full())) {
        mode_ = Mode::kAll;
    } else {
        mode_ = reused_ && window_hits_ * 32 >= window_lookups_ ? Mode::kSparse : Mode::kSample;
    }
    window_lookups_ = window_hits_ = 0;
}

FlowCache::Stats FlowCache::stats() const noexcept {
    Stats stats = stats_;
    stats.capacity = capacity_;
    if (!memory_) return stats;
    stats.entries = capacity_ - memory_->free.size();
    stats.bytes = capacity_ * (stride_ + sizeof(std::uint32_t)) + (bucket_mask_ + 1) * sizeof(Bucket) +
                  verdicts_.bytes();
    return stats;
}

}  // namespace sluice::pipeline
