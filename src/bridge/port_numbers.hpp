// SPDX-License-Identifier: Apache-2.0
// PortNumbers: which OpenFlow port numbers of a bridge are taken, and which to give next.
//
// A wish is granted when the number is free. Otherwise numbers grow from the last one given, so that a
// number is not reused soon; once all have been used, the one free for the longest is taken, as OVS does.
#pragma once

#include <bitset>
#include <cstdint>
#include <deque>
#include <optional>

#include "base/types.hpp"

namespace sluice::bridge {

inline constexpr std::uint32_t kFirstOfPort = 1;
inline constexpr std::uint32_t kLastOfPort = 65279;  ///< OpenFlow 1.0 has no higher physical port

class PortNumbers {
  public:
    /// A free number, `wish` if it is free and in range; nullopt when all 65279 are taken. O(1) amortized.
    std::optional<OfPort> allocate(std::optional<OfPort> wish = {});
    /// Gives a number back; others than 1..65279 are ignored.
    void release(OfPort number);
    bool in_use(OfPort number) const;

  private:
    std::bitset<kLastOfPort + 1> used_;
    std::deque<std::uint16_t> released_;  ///< oldest first; may name numbers taken again meanwhile
    std::uint32_t next_ = kFirstOfPort;   ///< lowest number never given by growth
};

}  // namespace sluice::bridge
