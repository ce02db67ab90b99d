// SPDX-License-Identifier: Apache-2.0
// TCP (RFC 9293 §3.1; NS bit RFC 3540, ECE and CWR RFC 3168).
#pragma once

#include "wire/bytes.hpp"

namespace sluice::wire::tcp {

inline constexpr std::size_t kSrc = 0, kDst = 2, kSeq = 4, kAck = 8, kOffsetFlags = 12, kWindow = 14,
                             kChecksum = 16, kUrgent = 18, kMinHeaderBytes = 20, kMaxHeaderBytes = 60;
inline constexpr std::uint16_t kFin = 0x001, kSyn = 0x002, kRst = 0x004, kPsh = 0x008, kAckFlag = 0x010,
                               kUrg = 0x020, kEce = 0x040, kCwr = 0x080, kNs = 0x100;
inline constexpr std::uint16_t kFlagsMask = 0x0fff;  ///< the 12 bits OpenFlow's tcp_flags covers

/// parse() demands the fixed 20 bytes only; header_bytes() is what the header claims, valid() whether that
/// fits.
class View {
  public:
    static std::optional<View> parse(Bytes bytes) {
        if (bytes.size() < kMinHeaderBytes) return std::nullopt;
        return View{bytes};
    }
    std::uint16_t src() const { return load_be16(&bytes_[kSrc]); }
    std::uint16_t dst() const { return load_be16(&bytes_[kDst]); }
    std::uint32_t seq() const { return load_be32(&bytes_[kSeq]); }
    std::uint32_t ack() const { return load_be32(&bytes_[kAck]); }
    std::uint16_t flags() const { return load_be16(&bytes_[kOffsetFlags]) & kFlagsMask; }
    std::size_t header_bytes() const { return std::size_t{bytes_[kOffsetFlags]} / 16 * 4; }
    bool valid() const { return header_bytes() >= kMinHeaderBytes && header_bytes() <= bytes_.size(); }
    std::uint16_t checksum() const { return load_be16(&bytes_[kChecksum]); }

  private:
    explicit View(Bytes bytes) : bytes_(bytes) {}
    Bytes bytes_;
};

}  // namespace sluice::wire::tcp
