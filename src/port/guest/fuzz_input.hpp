// SPDX-License-Identifier: Apache-2.0
// The input of the guests' fuzzers as a list of commands. Fuzzers only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <span>

namespace sluice::guest {

/// The input, taken apart; zeros at its end. Little endian.
class FuzzInput {
  public:
    FuzzInput(const std::uint8_t* data, std::size_t size) : at_(data), end_(data + size) {}
    bool more() const { return at_ < end_; }
    std::uint8_t byte() { return more() ? *at_++ : std::uint8_t{0}; }
    std::uint16_t word() {
        const unsigned low = byte();
        return static_cast<std::uint16_t>(low | unsigned{byte()} << 8);
    }
    std::uint32_t number() {
        const std::uint32_t low = word();
        return low | std::uint32_t{word()} << 16;
    }
    std::span<const std::uint8_t> bytes(std::size_t count) {
        count = std::min(count, static_cast<std::size_t>(end_ - at_));
        at_ += count;
        return {at_ - count, count};
    }

  private:
    const std::uint8_t* at_;
    const std::uint8_t* end_;
};

/// Ends the program, which the fuzzer reports, when `truth` does not hold.
inline void require(bool truth) {
    if (!truth) std::abort();
}

}  // namespace sluice::guest
