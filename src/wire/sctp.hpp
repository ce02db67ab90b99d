// SPDX-License-Identifier: Apache-2.0
// SCTP common header (RFC 9260 §3.1). The checksum is CRC32c (wire/crc32c.hpp), stored low byte first.
#pragma once

#include "wire/bytes.hpp"

namespace sluice::wire::sctp {

inline constexpr std::size_t kSrc = 0, kDst = 2, kTag = 4, kChecksum = 8, kHeaderBytes = 12;

class View {
  public:
    static std::optional<View> parse(Bytes bytes) {
        if (bytes.size() < kHeaderBytes) return std::nullopt;
        return View{bytes};
    }
    std::uint16_t src() const { return load_be16(&bytes_[kSrc]); }
    std::uint16_t dst() const { return load_be16(&bytes_[kDst]); }
    std::uint32_t tag() const { return load_be32(&bytes_[kTag]); }

  private:
    explicit View(Bytes bytes) : bytes_(bytes) {}
    Bytes bytes_;
};

}  // namespace sluice::wire::sctp
