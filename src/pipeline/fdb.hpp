// SPDX-License-Identifier: Apache-2.0
// Fdb: the MAC learning table of one bridge. Workers read and refresh; only the control thread inserts
// and removes (workers report unknown sources through a ring).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/types.hpp"
#include "sync/rcu.hpp"

namespace sluice::pipeline {

class Fdb {
  public:
    static constexpr unsigned kDefaultMaxEntries = 8192;
    static constexpr unsigned kDefaultIdleSeconds = 300;

    explicit Fdb(Rcu& rcu);
    ~Fdb();

    struct Entry {  ///< for printing
        OfPort port{};
        std::uint16_t vlan = 0;
        std::uint64_t mac = 0;  ///< low 48 bits
        unsigned age_seconds = 0;
        bool is_static = false;
    };
    /// As printed by fdb/stats-show.
    struct Stats {
        std::uint64_t entries = 0, max_entries = 0, learned = 0, expired = 0, evicted = 0, moved = 0,
                      static_entries = 0;
    };

    // Workers. now_s: seconds of the monotonic clock.
    /// Port that (mac, vlan) was learned on, if known.
    std::optional<OfPort> lookup(std::uint64_t mac, std::uint16_t vlan) const noexcept;
    /// True if (mac, vlan) is known on `port`; refreshes its age. False: report it to control.
    bool refresh(std::uint64_t mac, std::uint16_t vlan, OfPort port, std::uint32_t now_s) noexcept;

    /// What forward() asks: addresses of a burst, all in one VLAN and from one port.
    struct Burst {
        const std::uint64_t* dst;
        const std::uint64_t* src;
        unsigned count;  ///< at most 32
        std::uint16_t vlan;
        OfPort port;
        std::uint32_t now_s;
    };
    static constexpr std::uint32_t kUnknown = 0xffffffff;
    /// lookup() of each destination into `port` (kUnknown: none) and refresh() of each source, with the cache
    /// misses of the whole burst overlapping. Returns the sources that refresh() would be false for, a bit
    /// each.
    std::uint32_t forward(const Burst& burst, std::uint32_t* port) noexcept;

    // Control thread.
    /// Learns or moves. Evicts the oldest entry when full.
    void learn(std::uint64_t mac, std::uint16_t vlan, OfPort port, std::uint32_t now_s);
    void add_static(std::uint64_t mac, std::uint16_t vlan, OfPort port);
    bool remove(std::uint64_t mac, std::uint16_t vlan);
    void flush();
    void flush_port(OfPort port);
    /// Drops what was idle too long.
    void expire(std::uint32_t now_s);
    void set_limits(unsigned max_entries, unsigned idle_seconds);
    std::vector<Entry> entries(std::uint32_t now_s) const;  ///< oldest first
    Stats stats() const;

  private:
    struct Slot;
    struct Slots;
    static constexpr std::uint32_t kStaticAge = 0xffffffff;
    Slot* find(std::uint64_t key) const noexcept;
    static Slot* find_from(const Slots& slots, std::size_t start, std::uint64_t key) noexcept;
    static bool refresh_slot(Slot* slot, OfPort port, std::uint32_t now_s) noexcept;
    void insert(std::uint64_t key, OfPort port, std::uint32_t used_s);
    void erase(Slot& slot);
    void evict_oldest();
    template <typename F>
    void erase_if(F&& condition);
    void rebuild(std::size_t capacity);
    Rcu& rcu_;
    RcuPtr<Slots> slots_;
    unsigned max_entries_ = kDefaultMaxEntries;
    unsigned idle_seconds_ = kDefaultIdleSeconds;
    Stats stats_;
    std::size_t tombstones_ = 0;
};

}  // namespace sluice::pipeline
