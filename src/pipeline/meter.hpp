// SPDX-License-Identifier: Apache-2.0
// Meters as workers see them: bands with one token bucket each, shared by all workers. A worker claims for a
// whole burst at once, so a bucket's cache line is written once a burst and the rate holds for the sum of
// all workers. Sources: OpenFlow 1.5 §5.11, §7.3.4.4; burst and clock as in OVS's user-space datapath
// (buckets start full; milliseconds; a burst of 0 means one second's worth).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "flow/group.hpp"
#include "pipeline/id_table.hpp"
#include "pipeline/stats.hpp"

namespace sluice::pipeline {

/// Tokens are bits, or thousandths of packets: what one millisecond adds is the rate itself.
///
/// The state is one word: the moment, in tokens that have come since the epoch, at which the bucket was
/// last known to be empty. The level is what has come since, up to the bucket's size. Arithmetic wraps: a
/// level is right as long as fewer than 2^63 tokens pass between two packets (24 days at the highest rate,
/// centuries at 100 Gbit/s).
class TokenBucket {
  public:
    TokenBucket(std::uint32_t rate, std::uint32_t burst, std::uint64_t now_ms)
        : rate_(rate), size_(std::uint64_t{burst} * 1000), empty_at_(tokens_at(now_ms) - size_) {}

    /// Takes cost[i] for each i < count, in order, where there is enough; returns bits of those for which
    /// there was not. Any thread.
    std::uint32_t claim(std::uint64_t now_ms, const std::uint64_t* cost, unsigned count) noexcept {
        const std::uint64_t now = tokens_at(now_ms);
        std::uint64_t seen = empty_at_.load(std::memory_order_relaxed);
        for (;;) {
            // Another worker's clock may be a little ahead of this one's.
            const bool ahead = seen - now <= std::uint64_t{rate_} * kMostSkewMs;
            const std::uint64_t level = ahead ? 0 : std::min(now - seen, size_);
            std::uint64_t left = level;
            std::uint32_t refused = 0;
            for (unsigned i = 0; i < count; ++i) {
                if (left >= cost[i]) {
                    left -= cost[i];
                } else {
                    refused |= 1U << i;
                }
            }
            if (left == level) return refused;  // nothing taken
            if (empty_at_.compare_exchange_weak(seen, now - left, std::memory_order_relaxed)) return refused;
        }
    }
    std::uint32_t rate() const noexcept { return rate_; }

  private:
    static constexpr std::uint64_t kMostSkewMs = 10'000;
    std::uint64_t tokens_at(std::uint64_t now_ms) const noexcept { return now_ms * rate_; }

    const std::uint32_t rate_;
    const std::uint64_t size_;
    std::atomic<std::uint64_t> empty_at_;
};

struct MeterEntry : Numbered {
    struct Band {
        Band(const MeterBand& from, std::uint64_t now_ms)
            : type(from.type),
              precedence_level(from.precedence_level),
              bucket(from.rate, from.burst != 0 ? from.burst : from.rate, now_ms) {}
        MeterBand::Type type;
        std::uint8_t precedence_level;
        StatsSlot stats{};
        alignas(64) TokenBucket bucket;
    };
    bool counts_packets = false;  ///< rates are packets/s, not kbit/s
    std::vector<std::unique_ptr<Band>> bands;
    StatsSlot stats{};
};

/// Takes statistics slots; buckets start full.
std::unique_ptr<MeterEntry> make_meter(Datapath& datapath, const MeterMod& mod, std::uint64_t now_ms);
void free_meter(Datapath& datapath, std::unique_ptr<MeterEntry> meter);

/// TOS byte after a dscp_remark band: the drop precedence of an assured-forwarding code point (RFC 2597)
/// grows by `levels`, up to 3; other code points stay. The two ECN bits stay.
constexpr std::uint8_t remark(std::uint8_t tos, unsigned levels) noexcept {
    const unsigned dscp = tos >> 2, klass = dscp >> 3, precedence = dscp >> 1 & 3;
    if (klass < 1 || klass > 4 || precedence == 0 || (dscp & 1) != 0) return tos;
    const unsigned next = precedence + levels > 3 ? 3 : precedence + levels;
    return static_cast<std::uint8_t>((klass << 3 | next << 1) << 2 | (tos & 3U));
}

}  // namespace sluice::pipeline
