// SPDX-License-Identifier: Apache-2.0
// ICMPv6 (RFC 4443 §2.1) and neighbour discovery (RFC 4861 §4.3, §4.4, §4.6).
#pragma once

#include "wire/bytes.hpp"
#include "wire/ipv6.hpp"

namespace sluice::wire::icmpv6 {

inline constexpr std::size_t kType = 0, kCode = 1, kChecksum = 2, kBody = 4, kHeaderBytes = 4;
inline constexpr std::uint8_t kEchoRequest = 128, kEchoReply = 129, kRouterSolicit = 133, kRouterAdvert = 134,
                              kNeighborSolicit = 135, kNeighborAdvert = 136, kRedirect = 137;

// Neighbour solicitation and advertisement: 4 reserved or flag bytes, target, then options.
inline constexpr std::size_t kNdReserved = 4, kNdTarget = 8, kNdBytes = 24;
// Option: type, length in units of 8 bytes (0 is invalid), then data (RFC 4861 §4.6).
inline constexpr std::size_t kOptionType = 0, kOptionLength = 1, kOptionData = 2, kOptionUnit = 8;
inline constexpr std::uint8_t kOptionSourceLink = 1, kOptionTargetLink = 2;

class View {
  public:
    static std::optional<View> parse(Bytes bytes) {
        if (bytes.size() < kHeaderBytes) return std::nullopt;
        return View{bytes};
    }
    std::uint8_t type() const { return bytes_[kType]; }
    std::uint8_t code() const { return bytes_[kCode]; }
    bool is_neighbor() const {
        return code() == 0 && (type() == kNeighborSolicit || type() == kNeighborAdvert);
    }

  private:
    explicit View(Bytes bytes) : bytes_(bytes) {}
    Bytes bytes_;
};

}  // namespace sluice::wire::icmpv6
