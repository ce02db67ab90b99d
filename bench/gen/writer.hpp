// SPDX-License-Identifier: Apache-2.0
// The fast way to write frames: a template copied in steps of 64 bytes, then a few 8-byte windows that hold
// the varying fields, then the header checksums corrected by what was added.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <cstring>
#include <vector>

#include "bench/gen/traffic.hpp"

namespace sluice::gen {

/// Bits of the mark: 0xA5C3 in the 16 highest, 7 of the source, whether the flow never comes again, 40 of the
/// flow.
constexpr std::uint64_t kMarkMagic = std::uint64_t{0xA5C3} << 48;
constexpr std::uint64_t kMarkFlowMask = (std::uint64_t{1} << 40) - 1;
constexpr std::uint64_t kMarkNew = std::uint64_t{1} << 40;
constexpr unsigned kMarkSourceShift = 41;
constexpr std::uint64_t kMaxSources = 128;

class Writer {
  public:
    /// `source`: the number of this port in marks, below kMaxSources.
    void set(const Traffic& traffic, std::uint64_t source);

    /// Bytes that write() may touch: a multiple of 64, up to kMaxHead.
    [[nodiscard]] std::size_t reach() const noexcept { return blocks_ * 64; }
    [[nodiscard]] std::size_t size_count() const noexcept { return templates_.size(); }
    /// Bytes in memory of frames of template `which`.
    [[nodiscard]] std::uint32_t bytes(std::size_t which) const noexcept { return templates_[which].bytes; }

    /// Writes the head of the frame of `flow` by template `which` to `out`.
    /// `fresh`: kMarkNew or 0. `stamp`: TSC ticks. `out`: reach() bytes.
    void write(std::uint8_t* out, std::size_t which, std::uint64_t flow, std::uint64_t fresh,
               std::uint64_t stamp) const noexcept {
        const Template& from = templates_[which];
        std::memcpy(out, from.head.data(), 64);
        if (blocks_ > 1) {
            std::memcpy(out + 64, from.head.data() + 64, 64);
            if (blocks_ > 2) std::memcpy(out + 128, from.head.data() + 128, 64);
        }
        if (window_count_ != 0) gated_ ? patch<true>(out, from, flow) : patch<false>(out, from, flow);
        if (mark_ != 0) {
            const std::array<std::uint64_t, 2> mark{mark_base_ | fresh | (flow & kMarkFlowMask), stamp};
            std::memcpy(out + mark_, mark.data(), sizeof mark);
        }
        if (l4_checksum_) write_l4_checksum(out, from.bytes);
    }

  private:
    struct Window {
        std::array<Formula, 2> part{};       // unused: mask 0
        std::array<std::uint8_t, 2> left{};  // shift of each within the window
        std::uint32_t offset = 0;
        std::uint32_t checksum = 0;  // 0: none
    };
    struct Template {
        std::array<std::uint8_t, kMaxHead> head{};
        std::array<std::uint64_t, 8> base{};  // of the windows, host order
        std::array<std::uint64_t, 3> sum{};   // of the headers whose checksums are corrected
        std::uint32_t bytes = 0;
    };

    /// kGated: some formula holds from a flow on only.
    template <bool kGated>
    void patch(std::uint8_t* out, const Template& from, std::uint64_t flow) const noexcept {
        std::array<std::uint64_t, 3> sum = from.sum;
        for (std::size_t w = 0; w < window_count_; ++w) {
            const Window& window = windows_[w];
            std::uint64_t added = 0;
            for (std::size_t i = 0; i < 2; ++i) {
                const Formula& part = window.part[i];
                const std::uint64_t mask = kGated && flow < part.from ? 0 : part.mask;
                added += (((flow * part.mul) >> part.shr) & mask) << window.left[i];
            }
            const std::uint64_t value = __builtin_bswap64(from.base[w] + added);
            std::memcpy(out + window.offset, &value, sizeof value);
            sum[window.checksum] += (added >> 32) + (added & 0xFFFFFFFF);
        }
        for (std::size_t i = 1; i <= checksum_count_; ++i) {
            std::uint64_t folded = (sum[i] >> 32) + (sum[i] & 0xFFFFFFFF);
            folded = (folded >> 16) + (folded & 0xFFFF);
            folded = (folded >> 16) + (folded & 0xFFFF);
            folded = (folded >> 16) + (folded & 0xFFFF);
            const std::uint16_t checksum = __builtin_bswap16(static_cast<std::uint16_t>(~folded));
            std::memcpy(out + checksum_at_[i], &checksum, sizeof checksum);
        }
    }
    void write_l4_checksum(std::uint8_t* out, std::size_t bytes) const noexcept;

    std::size_t blocks_ = 1;
    std::size_t window_count_ = 0;
    std::size_t mark_ = 0;
    std::uint64_t mark_base_ = 0;
    std::size_t checksum_count_ = 0;
    std::array<std::size_t, 3> checksum_at_{};
    std::array<Window, 8> windows_{};
    bool gated_ = false;
    bool l4_checksum_ = false;
    std::size_t l3_ = 0, l4_ = 0;
    std::vector<Template> templates_;
};

}  // namespace sluice::gen
