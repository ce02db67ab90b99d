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
// Layout: buckets of eight 16-bit tags and indices (one cache line), entries apart; a full bucket gives up
// one of its eight. It begins small and grows by four while it is too small for the traffic, up to
// kMaxEntries. Memory: 24 bytes a tag pair and 64 bytes an entry for an IPv4 5-tuple. Owner: one thread.
#pragma once

#include <array>
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

class FlowCache {
  public:
    static constexpr unsigned kMinEntries = 4096;
    static constexpr unsigned kMaxEntries = 1U << 20;

    /// max_entries: a power of two (tests make it tiny).
    explicit FlowCache(unsigned max_entries = kMaxEntries);
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
    const Verdict* find(const Key& key) noexcept;

    /// Whether the bursts to come should be looked up, and their walks be kept. Decided by how often look-ups
    /// hit: a cache that does not pay is left alone but for a sample.
    bool wants_lookup() noexcept;
    bool wants_insert() const noexcept { return insert_now_; }
    void count(unsigned lookups, unsigned hits) noexcept;

    /// Keeps a walk. Replaces what the key had.
    void insert(const Key& key, const Journal& journal) noexcept;

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
        return *reinterpret_cast<Entry*>(entries_.get() + std::size_t{index} * stride_);
    }
    static bool same(const Entry& entry, const Key& key) noexcept;
    bool valid(Entry& entry) noexcept;
    bool allocate(unsigned entries) noexcept;
    void clear() noexcept;
    void drop(Bucket& bucket, unsigned way) noexcept;
    bool is_full() const noexcept { return free_.empty(); }

    const HashKey secret_;
    const unsigned max_entries_;
    KeyShape shape_;
    std::unique_ptr<Bucket[], AlignedFree> buckets_;
    std::unique_ptr<std::byte[], AlignedFree> entries_;
    std::size_t bucket_mask_ = 0;
    std::size_t stride_ = 0;
    std::uint32_t capacity_ = 0;
    std::vector<std::uint32_t> free_;
    VerdictPool verdicts_;

    // Validity.
    Version seen_version_ = 0;
    std::uint64_t seen_topology_ = 0;
    std::uint32_t epoch_ = 1, min_epoch_ = 1;
    std::array<std::uint32_t, 256> table_epoch_{};

    // Whether it pays.
    enum class Mode : std::uint8_t { kAll, kSparse, kSample };
    Mode mode_ = Mode::kAll;
    bool insert_now_ = true;
    std::uint32_t burst_ = 0;
    std::uint32_t window_lookups_ = 0, window_hits_ = 0;
    Stats stats_;
};

}  // namespace sluice::pipeline
