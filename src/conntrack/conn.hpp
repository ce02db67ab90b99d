// SPDX-License-Identifier: Apache-2.0
// One connection: a line that every packet reads, a line for what changes with TCP and for labels, and for
// IPv6 a line of addresses. Times are milliseconds of the switch's clock.
#pragma once

#include <atomic>
#include <cstdint>

#include "conntrack/key.hpp"
#include "conntrack/tcp.hpp"

namespace sluice::conntrack {

/// Number of a connection: 1 and up; the top bit tells the two families apart.
using Ref = std::uint32_t;
inline constexpr Ref kNoRef = 0;
inline constexpr Ref kRefV6 = 0x80000000;

/// How a connection that is neither TCP nor ICMP has come along; ICMP uses the first and the last.
enum class Phase : std::uint8_t { kFirst = 0, kMore = 1, kAnswered = 2 };

struct alignas(64) Conn {
    // First line. The keys are constant while anybody can find the connection.
    static constexpr std::uint32_t kLive = 1;      ///< found by look-ups
    static constexpr std::uint32_t kLeft = 2;      ///< no longer, but slots may refer to it
    static constexpr std::uint32_t kWaiting = 3;   ///< its slots are empty; for the end of a grace period
    static constexpr std::uint32_t kLifeMask = 3;  ///< 0: free
    static constexpr std::uint32_t kHasLabel = 4;
    static constexpr std::uint32_t kReported = 8;  ///< control: its beginning was
    static constexpr unsigned kPhaseShift = 4;     ///< two bits: Phase
    std::atomic<std::uint32_t> state{0};           // writers: whoever tracks or ends it
    std::atomic<std::uint32_t> mark{0};
    std::atomic<std::uint64_t> expires_ms{0};
    std::uint64_t key[2][2] = {};  ///< of the original and of the reply direction: Key's two words
    std::uint32_t zone_generation = 0;
    std::uint8_t nat = 0;     ///< kNatSrc, kNatDst
    std::uint8_t policy = 0;  ///< of timeouts
    bool related = false;     ///< expected by another connection
    std::uint8_t helper = 0;  ///< kHelperFtp, kHelperTftp
    std::uint64_t began_ms = 0;
    // Second line.
    std::atomic<std::uint32_t> lock{0};  ///< guards the rest of this line
    std::uint32_t next_free = 0;
    U128 label;
    TcpPeer peer[2];           ///< the side that began, the other
    std::uint32_t shifts = 0;  ///< number in Tracker's Shifts, 0: none. Writer: whoever tracks, once

    Phase phase() const noexcept {
        return static_cast<Phase>(state.load(std::memory_order_relaxed) >> kPhaseShift & 3);
    }
};
static_assert(sizeof(Conn) == 128);

inline constexpr std::uint8_t kNatSrc = 1, kNatDst = 2;
inline constexpr std::uint8_t kHelperFtp = 1, kHelperTftp = 2;

struct Conn6 : Conn {
    U128 address[2][2];  ///< source and destination of each direction
};
static_assert(sizeof(Conn6) == 192);

/// Held for a few dozen instructions.
class WordLock {
  public:
    explicit WordLock(std::atomic<std::uint32_t>& word) noexcept : lock_(word) {
        while (lock_.exchange(1, std::memory_order_acquire) != 0) {
            while (lock_.load(std::memory_order_relaxed) != 0)
                __builtin_ia32_pause();
        }
    }
    ~WordLock() { lock_.store(0, std::memory_order_release); }
    WordLock(const WordLock&) = delete;
    WordLock& operator=(const WordLock&) = delete;

  private:
    std::atomic<std::uint32_t>& lock_;
};
struct ConnLock : WordLock {
    explicit ConnLock(Conn& conn) noexcept : WordLock(conn.lock) {}
};

/// Direction 0: as it began; 1: the answers.
inline Key key_of(const Conn& conn, Ref ref, unsigned direction) noexcept {
    Key key;
    key.addresses = conn.key[direction][0];
    key.rest = conn.key[direction][1];
    if (ref & kRefV6) {
        const auto& wide = static_cast<const Conn6&>(conn);
        key.src = wide.address[direction][0];
        key.dst = wide.address[direction][1];
    }
    return key;
}
inline bool has_key(const Conn& conn, Ref ref, unsigned direction, const Key& key) noexcept {
    if (conn.key[direction][0] != key.addresses || conn.key[direction][1] != key.rest) return false;
    if (!(ref & kRefV6)) return true;
    const auto& wide = static_cast<const Conn6&>(conn);
    return wide.address[direction][0] == key.src && wide.address[direction][1] == key.dst;
}

}  // namespace sluice::conntrack
