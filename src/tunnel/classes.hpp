// SPDX-License-Identifier: Apache-2.0
// ArrivalClasses: numbers for what packets have in their tun_* fields, so that a cache can have one word for
// all of them. Packets of one number agree in all of these fields and in their port. One thread.
#pragma once

#include <array>
#include <cstdint>
#include <unordered_map>

#include "base/hash.hpp"
#include "tunnel/received.hpp"

namespace sluice::tunnel {

class ArrivalClasses {
  public:
    /// From kFirst on, so that they are no port numbers. Allocates for what is new.
    std::uint32_t number(const Received& received);
    /// One that nobody else has, for what is not to be found again.
    std::uint32_t unique() noexcept { return kUnique | ++unique_ % kUnique; }
    /// Numbers given out before mean nothing any more.
    void clear() noexcept;

  private:
    static constexpr std::uint32_t kFirst = 0x80000001, kUnique = 0xc0000000;
    static constexpr std::size_t kMost = 1U << 18, kOptionWords = 4;
    using Words = std::array<std::uint64_t, 9 + kOptionWords>;
    struct Hash {
        std::size_t operator()(const Words& words) const noexcept {
            return hash_words(process_hash_key(), words.data(), words.size());
        }
    };
    std::unordered_map<Words, std::uint32_t, Hash> numbers_;
    Words last_{};
    std::uint32_t last_number_ = 0;  ///< 0: none
    std::uint32_t unique_ = 0;
};

}  // namespace sluice::tunnel
