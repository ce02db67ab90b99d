// SPDX-License-Identifier: Apache-2.0
// VLAN tags (IEEE 802.1Q §9.6). A tag stands where the type would: TPID, TCI, then the inner type.
#pragma once

#include "wire/bytes.hpp"
#include "wire/ethernet.hpp"

namespace sluice::wire::vlan {

inline constexpr std::size_t kTpid = 0, kTci = 2, kTagBytes = 4;
inline constexpr std::uint16_t kVidMask = 0x0fff, kDeiBit = 0x1000, kPcpMask = 0xe000;
inline constexpr unsigned kPcpShift = 13;
inline constexpr unsigned kMaxVid = 4095;

constexpr bool is_tpid(std::uint16_t type) {
    return type == eth::kTypeVlan || type == eth::kTypeQinQ;
}
constexpr std::uint16_t vid(std::uint16_t tci) {
    return tci & kVidMask;
}
constexpr std::uint8_t pcp(std::uint16_t tci) {
    return static_cast<std::uint8_t>(tci >> kPcpShift);
}
constexpr std::uint16_t make_tci(std::uint16_t vlan_id, std::uint8_t priority) {
    return static_cast<std::uint16_t>((vlan_id & kVidMask) | (priority & 7) << kPcpShift);
}

/// A tag, from its TPID on. parse() doesn't look at the TPID's value.
class View {
  public:
    static std::optional<View> parse(Bytes bytes) {
        if (bytes.size() < kTagBytes) return std::nullopt;
        return View{bytes};
    }
    std::uint16_t tpid() const { return load_be16(&bytes_[kTpid]); }
    std::uint16_t tci() const { return load_be16(&bytes_[kTci]); }
    Bytes rest() const { return bytes_.subspan(kTagBytes); }  ///< starts with the inner type

  private:
    explicit View(Bytes bytes) : bytes_(bytes) {}
    Bytes bytes_;
};

}  // namespace sluice::wire::vlan
