// SPDX-License-Identifier: Apache-2.0
#include "pipeline/flow_cache.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif
#include <sys/mman.h>

#include "pipeline/program.hpp"

namespace sluice::pipeline {

namespace {

/// Bit i: tag i is `tag`.
unsigned match_tags(const std::array<std::uint16_t, 8>& tags, std::uint16_t tag) noexcept {
#if defined(__SSE2__)
    const __m128i all = _mm_load_si128(reinterpret_cast<const __m128i*>(tags.data()));
    const __m128i equal = _mm_cmpeq_epi16(all, _mm_set1_epi16(static_cast<short>(tag)));
    return static_cast<unsigned>(_mm_movemask_epi8(_mm_packs_epi16(equal, _mm_setzero_si128())));
#else
    unsigned found = 0;
    for (unsigned i = 0; i < tags.size(); ++i)
        found |= (tags[i] == tag ? 1U : 0U) << i;
    return found;
#endif
}

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

constexpr std::uint32_t kWindow = 4096;             // look-ups between decisions
constexpr std::uint32_t kSparse = 8, kSample = 32;  // one burst in so many

}  // namespace

FlowCache::FlowCache(unsigned max_entries) : secret_(process_hash_key()), max_entries_(max_entries) {}
FlowCache::~FlowCache() = default;

bool FlowCache::allocate(unsigned entries) noexcept {
    const std::size_t key_words = std::size_t{shape_.count} + 1;
    const std::size_t raw = offsetof(Entry, key) + key_words * 8;
    const std::size_t stride = raw <= 32 ? 32 : (raw + 63) / 64 * 64;
    const std::size_t bucket_count = std::max<std::size_t>(entries / 4, 1);
    auto* buckets = static_cast<Bucket*>(allocate_zeroed(bucket_count * sizeof(Bucket)));
    auto* memory = static_cast<std::byte*>(allocate_zeroed(entries * stride));
    if (!buckets || !memory) {
        std::free(buckets);
        std::free(memory);
        return false;
    }
    buckets_.reset(buckets);
    entries_.reset(memory);
    bucket_mask_ = bucket_count - 1;
    stride_ = stride;
    capacity_ = entries;
    free_.resize(entries);
    for (std::uint32_t i = 0; i < entries; ++i)
        free_[i] = entries - 1 - i;
    verdicts_.clear();
    return true;
}

bool FlowCache::begin(const Program& program, Version version, std::uint64_t topology_serial) noexcept {
    const KeyShape& shape = program.key_shape();
    if (__builtin_expect(shape.serial != shape_.serial, 0)) {
        shape_ = shape;
        capacity_ = 0;
        if (shape.reads_headers && !allocate(std::min(kMinEntries, max_entries_)))
            shape_.reads_headers = false;
        mode_ = Mode::kAll;
        window_lookups_ = window_hits_ = 0;
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

void FlowCache::make_key(const FlowKey& key, std::uint64_t packet_class, std::uint32_t in_port,
                         Key& out) const noexcept {
    const unsigned count = (packet_class & 0xffff) == 0x0800 ? shape_.count_ipv4 : shape_.count;
    out.in_port = in_port;
    out.size = count + 1;
    out.word[0] = packet_class;
    for (unsigned n = 0; n < count; ++n)
        out.word[n + 1] = key.word[shape_.word[n]] & shape_.mask[n];
    out.hash = hash_words(secret_, out.word, out.size) + in_port * 0x9e3779b97f4a7c15ULL;
}

void FlowCache::prefetch_entry(const Key& key) const noexcept {
    const Bucket& bucket = buckets_[key.hash & bucket_mask_];
    const unsigned found = match_tags(bucket.tag, tag_of(key.hash));
    if (found != 0) __builtin_prefetch(&entry(bucket.index[static_cast<unsigned>(__builtin_ctz(found))]));
}

bool FlowCache::same(const Entry& entry, const Key& key) noexcept {
    std::uint64_t differ = entry.in_port ^ key.in_port;
    for (unsigned n = 0; n < key.size; ++n)
        differ |= entry.key[n] ^ key.word[n];
    return differ == 0;
}

bool FlowCache::valid(Entry& entry) noexcept {
    if (__builtin_expect(entry.epoch == epoch_, 1)) return true;
    if (entry.epoch < min_epoch_) return false;
    const Verdict& verdict = *entry.verdict;
    for (unsigned n = 0; n < verdict.visit_count; ++n) {
        if (table_epoch_[verdict.visits()[n]] > entry.epoch) return false;
    }
    entry.epoch = epoch_;
    return true;
}

const Verdict* FlowCache::find(const Key& key) noexcept {
    Bucket& bucket = buckets_[key.hash & bucket_mask_];
    for (unsigned found = match_tags(bucket.tag, tag_of(key.hash)); found != 0; found &= found - 1) {
        const auto way = static_cast<unsigned>(__builtin_ctz(found));
        Entry& candidate = entry(bucket.index[way]);
        if (!same(candidate, key)) continue;
        if (valid(candidate)) return candidate.verdict;
        ++stats_.stale;
        drop(bucket, way);
        return nullptr;
    }
    return nullptr;
}

void FlowCache::drop(Bucket& bucket, unsigned way) noexcept {
    const std::uint32_t index = bucket.index[way];
    verdicts_.release(entry(index).verdict);
    bucket.tag[way] = 0;
    free_.push_back(index);  // within the capacity it was made with
}

void FlowCache::insert(const Key& key, const Journal& journal) noexcept {
    Bucket* bucket = &buckets_[key.hash & bucket_mask_];
    // A burst may hold a flow twice.
    for (unsigned found = match_tags(bucket->tag, tag_of(key.hash)); found != 0; found &= found - 1) {
        const auto way = static_cast<unsigned>(__builtin_ctz(found));
        if (same(entry(bucket->index[way]), key)) drop(*bucket, way);
    }
    if (free_.empty() && capacity_ < max_entries_) {
        if (allocate(std::min(capacity_ * 4, max_entries_))) bucket = &buckets_[key.hash & bucket_mask_];
    }
    unsigned empty = match_tags(bucket->tag, 0);
    if (empty == 0 || free_.empty()) {
        // One of the bucket's own makes room: a stale one, else any.
        const unsigned occupied = ~empty & 0xff;
        if (occupied == 0) return;
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
    Verdict* verdict = verdicts_.acquire(journal);
    if (!verdict) return;
    const auto way = static_cast<unsigned>(__builtin_ctz(empty));
    const std::uint32_t index = free_.back();
    free_.pop_back();
    Entry& to = entry(index);
    to.epoch = epoch_;
    to.in_port = key.in_port;
    to.verdict = verdict;
    std::memcpy(to.key, key.word, key.size * sizeof(std::uint64_t));
    bucket->tag[way] = tag_of(key.hash);
    bucket->index[way] = index;
    ++stats_.inserts;
}

bool FlowCache::wants_lookup() noexcept {
    ++burst_;
    if (mode_ == Mode::kSample && burst_ % kSample != 0) return false;
    insert_now_ = mode_ != Mode::kSparse || burst_ % kSparse == 0;
    return true;
}

void FlowCache::count(unsigned lookups, unsigned hits) noexcept {
    window_lookups_ += lookups;
    window_hits_ += hits;
    stats_.lookups += lookups;
    stats_.hits += hits;
    if (window_lookups_ < kWindow) return;
    if (window_hits_ * 4 >= window_lookups_) {
        mode_ = Mode::kAll;
    } else if (is_full() && capacity_ == max_entries_) {
        mode_ = window_hits_ * 32 < window_lookups_ ? Mode::kSample : Mode::kSparse;
    }
    window_lookups_ = window_hits_ = 0;
}

FlowCache::Stats FlowCache::stats() const noexcept {
    Stats stats = stats_;
    stats.capacity = capacity_;
    stats.entries = capacity_ - free_.size();
    stats.bytes = capacity_ * (stride_ + sizeof(std::uint32_t)) + (bucket_mask_ + 1) * sizeof(Bucket) +
                  verdicts_.bytes();
    return stats;
}

}  // namespace sluice::pipeline
