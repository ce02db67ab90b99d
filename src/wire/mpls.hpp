// SPDX-License-Identifier: Apache-2.0
// MPLS label stack entry (RFC 3032 §2.1): label (20), traffic class (3), bottom of stack (1), TTL (8).
#pragma once

#include "wire/bytes.hpp"
#include "wire/ethernet.hpp"

namespace sluice::wire::mpls {

inline constexpr std::size_t kLseBytes = 4;
inline constexpr std::uint32_t kLabelMask = 0xfffff000, kTcMask = 0x00000e00, kBosBit = 0x00000100,
                               kTtlMask = 0xff;
inline constexpr unsigned kLabelShift = 12, kTcShift = 9, kBosShift = 8;

constexpr bool is_mpls(std::uint16_t ethertype) {
    return ethertype == eth::kTypeMpls || ethertype == eth::kTypeMplsMulticast;
}
constexpr std::uint32_t make_lse(std::uint32_t label, std::uint8_t tc, bool bottom, std::uint8_t ttl) {
    return (label << kLabelShift & kLabelMask) | (std::uint32_t{tc} << kTcShift & kTcMask) |
           (bottom ? kBosBit : 0) | ttl;
}

/// One stack entry.
class View {
  public:
    static std::optional<View> parse(Bytes bytes) {
        if (bytes.size() < kLseBytes) return std::nullopt;
        return View{bytes};
    }
    std::uint32_t lse() const { return load_be32(bytes_.data()); }
    bool bottom() const { return (lse() & kBosBit) != 0; }
    Bytes rest() const { return bytes_.subspan(kLseBytes); }

  private:
    explicit View(Bytes bytes) : bytes_(bytes) {}
    Bytes bytes_;
};

}  // namespace sluice::wire::mpls
