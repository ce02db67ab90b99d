// SPDX-License-Identifier: Apache-2.0
// What the protocol headers share: a run of frame bytes, and the rule for views.
//
// Each protocol is one header with a namespace of its own: offsets and constants with the line of the
// specification, and a `View`. A View can only be got from `View::parse(bytes)`, which is given
// everything from the first byte of the header to the end of the enclosing data and returns nothing
// when the fixed part (or the length the header claims for itself) doesn't fit. So reading through a
// View needs no further checks. Views borrow: they live no longer than the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/byte_order.hpp"

namespace sluice::wire {

/// Read-only frame bytes.
using Bytes = std::span<const std::uint8_t>;
/// A whole frame that owns its bytes, from the destination address on, without FCS.
using Frame = std::vector<std::uint8_t>;

/// Address of an IPv4 or IPv6 family as one trait, so that code for both is one template.
struct Ipv4Family {
    static constexpr std::size_t kAddressBytes = 4;
};
struct Ipv6Family {
    static constexpr std::size_t kAddressBytes = 16;
};

/// IP protocol and next-header numbers (IANA "Assigned Internet Protocol Numbers").
namespace ip_proto {
inline constexpr std::uint8_t kHopByHop = 0, kIcmp = 1, kIgmp = 2, kTcp = 6, kUdp = 17, kRouting = 43,
                              kFragment = 44, kGre = 47, kEsp = 50, kAh = 51, kIcmpV6 = 58, kNoNext = 59,
                              kDestOptions = 60, kSctp = 132, kMobility = 135;
}  // namespace ip_proto

}  // namespace sluice::wire
