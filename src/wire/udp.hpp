// SPDX-License-Identifier: Apache-2.0
// UDP (RFC 768).
#pragma once

#include "wire/bytes.hpp"

namespace sluice::wire::udp {

inline constexpr std::size_t kSrc = 0, kDst = 2, kLength = 4, kChecksum = 6, kHeaderBytes = 8;

class View {
  public:
    static std::optional<View> parse(Bytes bytes) {
        if (bytes.size() < kHeaderBytes) return std::nullopt;
        return View{bytes};
    }
    std::uint16_t src() const { return load_be16(&bytes_[kSrc]); }
    std::uint16_t dst() const { return load_be16(&bytes_[kDst]); }
    std::uint16_t length() const { return load_be16(&bytes_[kLength]); }  ///< header included; not checked
    std::uint16_t checksum() const { return load_be16(&bytes_[kChecksum]); }  ///< 0: none

  private:
    explicit View(Bytes bytes) : bytes_(bytes) {}
    Bytes bytes_;
};

}  // namespace sluice::wire::udp
