// SPDX-License-Identifier: Apache-2.0
// Connections that a control connection has announced, and what the text it was announced in costs: offsets
// of sequence numbers. Both are bounded: the oldest announcement of a bucket makes room for a new one.
//
// Rarely used: one lock for all. Any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "conntrack/key.hpp"
#include "conntrack/memory.hpp"
#include "conntrack/nat_spec.hpp"

namespace sluice::conntrack {

struct Expectation {
    Key key;  ///< of its first packet; source port 0: any
    std::uint64_t until_ms = 0;
    bool translates = false;
    NatSpec spec;
    std::uint32_t mark = 0;
    U128 label;
};

class Expectations {
  public:
    static constexpr unsigned kMax = 4096;
    static constexpr std::uint64_t kLifeMs = 60000;

    bool reserve() noexcept { return memory_.reserve(kMax * sizeof(Expectation)); }
    bool empty() const noexcept { return count_.load(std::memory_order_acquire) == 0; }
    /// Replaces one of the same key. Its key has source port 0.
    void add(const Expectation& expectation, std::uint64_t now_ms) noexcept;
    /// The one that expects a packet, or one of the same key.
    bool find(const Key& packet, std::uint64_t now_ms, Expectation& out) noexcept;
    void remove(const Key& packet) noexcept;
    /// Those that are there, old ones excluded.
    unsigned count(std::uint64_t now_ms) noexcept;

  private:
    static constexpr unsigned kWays = 8;
    Expectation* bucket(const Key& any) const noexcept {
        return memory_.as<Expectation>() + hash_of(any) % (kMax / kWays) * kWays;
    }
    Expectation* lookup(const Key& any, std::uint64_t now_ms) noexcept;

    Reservation memory_;
    std::atomic<std::uint32_t> lock_{0};
    std::atomic<std::uint32_t> count_{0};  ///< in use, old ones included
};

/// The same key, from any port.
inline Key from_any_port(Key key) noexcept {
    key.rest &= ~(std::uint64_t{0xffff} << 48);
    return key;
}

/// Sequence numbers of one direction behind text that was made longer or shorter; the first bytes that are
/// moved come behind `at`. Guarded by the connection's lock.
struct SequenceShift {
    bool used = false;
    std::uint32_t at = 0;
    std::int32_t before = 0, after = 0;

    /// What to add to a sequence number of this direction.
    std::int32_t of(std::uint32_t seq) const noexcept {
        return static_cast<std::int32_t>(seq - at) > 0 ? after : before;
    }
    /// What to take off an acknowledgement of this direction.
    std::int32_t of_ack(std::uint32_t ack) const noexcept {
        return static_cast<std::int32_t>(ack - static_cast<std::uint32_t>(before) - at) > 0 ? after : before;
    }
    /// Text at `seq` became longer by `more` bytes. A repetition changes nothing.
    void note(std::uint32_t seq, std::int32_t more) noexcept {
        if (used && static_cast<std::int32_t>(seq - at) <= 0) return;
        at = seq;
        before = after;
        after += more;
        used = true;
    }
};

/// Shifts of connections that need them, by number; 0: none.
class Shifts {
  public:
    static constexpr unsigned kMax = 16384;
    struct Pair {
        SequenceShift direction[2];
        std::uint32_t next_free = 0;
    };
    bool reserve() noexcept { return memory_.reserve(kMax * sizeof(Pair)); }
    /// 0: there is none left.
    std::uint32_t take() noexcept;
    void give(std::uint32_t number) noexcept;
    Pair& at(std::uint32_t number) const noexcept { return memory_.as<Pair>()[number]; }

  private:
    Reservation memory_;
    std::atomic<std::uint32_t> lock_{0};
    std::uint32_t free_ = 0, used_ = 1;
};

}  // namespace sluice::conntrack
