// SPDX-License-Identifier: Apache-2.0
// FlowCache: what the tables of one bridge said about packets like this one, kept by one executor.
//
// Key: the receiving port, what kind of packet it is (packet_class) and exactly the header bits that any
// table of the bridge reads (KeyShape), so that two packets of equal key meet the same rules. Value: a
// Verdict, the packet's walk with all look-ups taken out: which rules counted it, which header bytes were
// changed, where it left. Walks that read or change anything else (addresses learned by NORMAL, controllers,
// clones, groups, meters ...) have none.
//
// Validity: every rule change leaves the version it shows with at its table (Program::last_change); an entry
// is good while none of the tables it visited changed and the topology is the same one. No thread ever walks
// the cache to revalidate it.
//
// Counting: a hit is noted with its verdict; the rules of the verdict get their counts together, a moment
// later (settle), so that a packet that met twelve rules does not touch twelve counters.
//
// Layout: buckets of eight 16-bit tags and indices (one cache line), entries apart; a full bucket gives up
// one of its eight. It begins small and grows by four while it is too small for the traffic, up to
// kMaxEntries; the control thread makes the bigger memory and frees the old one (tend), so that no burst
// waits for either. Memory: 80 bytes a flow with an IPv4 5-tuple for key. Owner: one thread.
#pragma once

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/hash.hpp"
#include "pipeline/key_shape.hpp"
#include "pipeline/stats.hpp"
#include "pipeline/verdict.hpp"

namespace sluice::pipeline {

class Program;

/// Bit i: tag i is `tag`.
inline unsigned match_tags(const std::array<std::uint16_t, 8>& tags, std::uint16_t tag) noexcept {
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

/// packet_class() (replay.cpp) of packets that parse_plain() takes, but for their protocol.
inline constexpr std::uint64_t kPlainClass = 0x0800 | std::uint64_t{3} << 36;
constexpr bool is_plain_protocol(std::uint64_t packet_class) {
    const auto proto = packet_class >> 24 & 0xff;
    return proto == 6 || proto == 17;
}

class FlowCache {
  public:
    static constexpr unsigned kMinEntries = 4096;
    static constexpr unsigned kMaxEntries = 1U << 20;

    /// Where packets are counted that met no rule. Read anew each time: the control thread makes the list.
    struct MissCounters {
        Counter* first_table;                 ///< of all bridges
        const std::atomic<Counter*>* tables;  ///< 256 of this bridge
    };
    /// max_entries: a power of two (tests make it tiny).
    FlowCache(MissCounters misses, unsigned max_entries = kMaxEntries);
    ~FlowCache();
    FlowCache(const FlowCache&) = delete;
    FlowCache& operator=(const FlowCache&) = delete;

    /// Follows changes of shape, rules and topology. Call before the look-ups of a burst, with the version
    /// and topology the burst has pinned. False: the shape can't be cached.
    bool begin(const Program& program, Version version, std::uint64_t topology_serial) noexcept;

    /// A packet's key as the cache sees it.
    struct Key {
        std::uint64_t hash;
        std::uint32_t in_port;
        std::uint32_t size;  ///< words
        std::uint64_t word[kMaxKeyWords + 1];
    };
    void make_key(const FlowKey& key, std::uint64_t packet_class, std::uint32_t in_port,
                  Key& out) const noexcept;
    /// The three steps of a look-up, to be done for a whole burst each, so that their cache misses overlap.
    void prefetch_bucket(const Key& key) const noexcept {
        __builtin_prefetch(&buckets_[key.hash & bucket_mask_]);
    }
    void prefetch_entry(const Key& key) const noexcept;
    Verdict* find(const Key& key) noexcept;
    /// A key's shape for IPv4 packets, for callers that make keys without a FlowKey: see make_key().
    const KeyShape& shape() const noexcept { return shape_; }
    std::uint64_t hash_of(const Key& key) const noexcept {
        return hash_words(secret_, key.word, key.size) + key.in_port * 0x9e3779b97f4a7c15ULL;
    }

    /// Counts packets that a verdict was carried out on. The rules get it with settle().
    void note(Verdict& verdict, std::uint32_t packets, std::uint64_t bytes) noexcept {
        verdict.pending_bytes += bytes;
        if (verdict.pending_packets == 0) {
            if (dirty_count_ == kMaxDirty) settle();
            dirty_[dirty_count_++] = &verdict;
        }
        verdict.pending_packets += packets;
    }
    bool has_pending() const noexcept { return dirty_count_ != 0; }
    /// The moment that rules counted now were used; moves on only while nothing is pending.
    void set_time(std::uint64_t now_ms) noexcept { now_ms_ = now_ms; }
    /// Gives the rules the counts that are pending. Before control could free them, or asks for them.
    void settle() noexcept;

    /// Whether the burst to come should be looked up, and its walks be kept. Decided by how often look-ups
    /// hit, and how many misses are flows that came before: a cache that does not pay is left alone but for a
    /// sample of bursts.
    bool wants_lookup() noexcept;
    bool wants_insert() const noexcept { return insert_now_; }
    void count(unsigned lookups, unsigned hits) noexcept;
    /// To be told of each miss.
    void note_miss(const Key& key) noexcept {
        if ((key.hash >> 44 & (kTrackOneIn - 1)) != 0) return;
        std::uint16_t& mark = tracked_[key.hash >> 24 & (kTracked - 1)];
        const auto tag = static_cast<std::uint16_t>(key.hash >> 48 | 1);
        ++window_tracked_;
        if (mark == tag) ++window_repeats_;
        mark = tag;
    }

    /// Keeps a walk. Replaces what the key had. Null: there is no memory for it.
    const Verdict* insert(const Key& key, const Journal& journal) noexcept;

    /// Key of what follows a ct action, for packets that parse_plain() takes. word: the first five of a
    /// FlowKey, as they are behind it; ct: by number of KeyShape::ct_word from kFirstCtWord on; parent:
    /// serial of the verdict that ends with the action.
    void make_ct_key(const std::uint64_t* word, const std::uint64_t* ct, std::uint64_t packet_class,
                     std::uint64_t parent, std::uint32_t in_port, Key& out) const noexcept;

    /// The cache is too small and wants the control thread to call tend().
    bool wants_memory() const noexcept { return wanted_.load(std::memory_order_relaxed) != 0; }
    /// Control thread, now and then.
    void tend();

    struct Stats {
        std::uint64_t lookups = 0, hits = 0, inserts = 0, stale = 0;
        std::size_t entries = 0, capacity = 0, bytes = 0;
    };
    /// Owner's thread, or when it is still.
    Stats stats() const noexcept;

  private:
    struct alignas(64) Bucket {
        std::array<std::uint16_t, 8> tag;  ///< 0: empty
        std::array<std::uint32_t, 8> index;
    };
    struct Entry {
        std::uint32_t epoch;
        std::uint32_t in_port;
        Verdict* verdict;
        std::uint64_t key[1];  ///< size words
    };
    static std::uint16_t tag_of(std::uint64_t hash) noexcept {
        const auto tag = static_cast<std::uint16_t>(hash >> 48);
        return tag == 0 ? std::uint16_t{1} : tag;
    }
    Entry& entry(std::uint32_t index) const noexcept {
        return *reinterpret_cast<Entry*>(entries_ + std::size_t{index} * stride_);
    }
    static bool same(const Entry& entry, const Key& key) noexcept;
    bool valid(Entry& entry) noexcept;
    /// What look-ups read, with the free list and the verdicts' hash chains, which grow with it.
    struct Memory {
        std::unique_ptr<Bucket[], AlignedFree> buckets;
        std::unique_ptr<std::byte[], AlignedFree> entries;
        std::size_t bucket_mask = 0, stride = 0;
        std::uint32_t capacity = 0;
        std::vector<std::uint32_t> free;
        std::vector<Verdict*> chains;
    };
    /// Zeroed and touched; nullptr when there is none. Any thread.
    static std::unique_ptr<Memory> make_memory(unsigned entries, std::size_t stride);
    void adopt(std::unique_ptr<Memory> memory) noexcept;
    void ask_for_more() noexcept;
    void decide() noexcept;
    void clear() noexcept;
    void drop(Bucket& bucket, unsigned way) noexcept;
    bool is_full() const noexcept { return memory_->free.empty(); }

    void settle(Verdict& verdict) noexcept;

    static constexpr unsigned kMaxDirty = 2048;

    const HashKey secret_;
    const unsigned max_entries_;
    const MissCounters misses_;
    std::uint64_t now_ms_ = 0;
    unsigned dirty_count_ = 0;
    std::array<Verdict*, kMaxDirty> dirty_;  ///< have something pending; some settled meanwhile
    KeyShape shape_;
    std::unique_ptr<Memory> memory_;
    Bucket* buckets_ = nullptr;
    std::byte* entries_ = nullptr;
    std::size_t bucket_mask_ = 0;
    std::size_t stride_ = 0;
    std::uint32_t capacity_ = 0;
    VerdictPool verdicts_;

    // Between the owner and the control thread: entries wanted in a stride, memory offered, memory to free.
    std::atomic<std::uint64_t> wanted_{0};
    std::atomic<Memory*> offered_{nullptr}, discarded_{nullptr};

    // Validity.
    Version seen_version_ = 0;
    std::uint64_t seen_topology_ = 0;
    std::uint32_t epoch_ = 1, min_epoch_ = 1;
    std::array<std::uint32_t, 256> table_epoch_{};

    // Whether it pays. One flow in kTrackOneIn leaves its mark when it misses; a flow that finds its own mark
    // would have been a hit in a cache that is large enough and keeps everything.
    static constexpr std::uint64_t kTracked = 1U << 16, kTrackOneIn = 16;
    enum class Mode : std::uint8_t {
        kAll,     ///< look up and keep everything
        kSparse,  ///< look up everything, keep one burst in a few
        kSample   ///< look up one burst in a few, keep nothing
    };
    Mode mode_ = Mode::kAll;
    bool insert_now_ = true;
    bool reused_ = true;  ///< misses are flows that came before, mostly: more room, more hits
    std::uint32_t burst_ = 0;
    std::uint32_t window_lookups_ = 0, window_hits_ = 0;
    std::uint32_t window_tracked_ = 0, window_repeats_ = 0;
    std::unique_ptr<std::uint16_t[]> tracked_{new std::uint16_t[kTracked]()};
    Stats stats_;
};

inline void FlowCache::make_key(const FlowKey& key, std::uint64_t packet_class, std::uint32_t in_port,
                                Key& out) const noexcept {
    const unsigned count = (packet_class & 0xffff) == 0x0800 ? shape_.count_ipv4 : shape_.count;
    out.in_port = in_port;
    out.size = count + 1;
    out.word[0] = packet_class;
    for (unsigned n = 0; n < count; ++n)
        out.word[n + 1] = key.word[shape_.word[n]] & shape_.mask[n];
    out.hash = hash_of(out);
}

inline void FlowCache::make_ct_key(const std::uint64_t* word, const std::uint64_t* ct,
                                   std::uint64_t packet_class, std::uint64_t parent, std::uint32_t in_port,
                                   Key& out) const noexcept {
    constexpr std::uint64_t kBehind = std::uint64_t{1} << 63;
    out.in_port = in_port;
    std::uint32_t size = 0;
    out.word[size++] = packet_class | kBehind;
    out.word[size++] = parent;
    for (unsigned n = 0; n < shape_.count_ipv4; ++n)
        out.word[size++] = word[shape_.word[n]] & shape_.mask[n];
    for (unsigned n = 0; n < shape_.ct_count; ++n)
        out.word[size++] = ct[shape_.ct_word[n] - KeyShape::kFirstCtWord] & shape_.ct_mask[n];
    out.size = size;
    out.hash = hash_of(out);
}

inline void FlowCache::prefetch_entry(const Key& key) const noexcept {
    const Bucket& bucket = buckets_[key.hash & bucket_mask_];
    const unsigned found = match_tags(bucket.tag, tag_of(key.hash));
    if (found != 0) __builtin_prefetch(&entry(bucket.index[static_cast<unsigned>(__builtin_ctz(found))]));
}

inline bool FlowCache::same(const Entry& entry, const Key& key) noexcept {
    std::uint64_t differ = entry.in_port ^ key.in_port;
    for (unsigned n = 0; n < key.size; ++n)
        differ |= entry.key[n] ^ key.word[n];
    return differ == 0;
}

inline bool FlowCache::valid(Entry& entry) noexcept {
    if (__builtin_expect(entry.epoch == epoch_, 1)) return true;
    if (entry.epoch < min_epoch_) return false;
    const Verdict& verdict = *entry.verdict;
    for (unsigned n = 0; n < verdict.visit_count; ++n) {
        if (table_epoch_[verdict.visits()[n]] > entry.epoch) return false;
    }
    entry.epoch = epoch_;
    return true;
}

inline Verdict* FlowCache::find(const Key& key) noexcept {
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

}  // namespace sluice::pipeline
