// SPDX-License-Identifier: Apache-2.0
// IPv4 (RFC 791 §3.1).
#pragma once

#include "wire/bytes.hpp"

namespace sluice::wire::ipv4 {

inline constexpr std::size_t kVersionIhl = 0, kTos = 1, kTotalLength = 2, kId = 4, kFragment = 6, kTtl = 8,
                             kProto = 9, kChecksum = 10, kSrc = 12, kDst = 16, kMinHeaderBytes = 20,
                             kMaxHeaderBytes = 60;
inline constexpr std::uint16_t kDontFragment = 0x4000, kMoreFragments = 0x2000, kOffsetMask = 0x1fff;
inline constexpr std::uint8_t kDscpMask = 0xfc, kEcnMask = 0x03;  // RFC 2474 §3, RFC 3168 §5

/// parse() demands a header length of 20 to 60 bytes that is there, and a total length between the
/// header's and what is there. The version nibble isn't looked at: as in Open vSwitch, the type of the
/// enclosing header says that this is IPv4.
class View {
  public:
    static std::optional<View> parse(Bytes bytes) {
        if (bytes.size() < kMinHeaderBytes) return std::nullopt;
        const std::size_t header = (bytes[kVersionIhl] & 0xfU) * 4;
        const std::size_t total = load_be16(&bytes[kTotalLength]);
        if (header < kMinHeaderBytes || header > bytes.size() || total < header || total > bytes.size())
            return std::nullopt;
        return View{bytes.first(total), header};
    }
    std::size_t header_bytes() const { return header_; }
    std::size_t total_bytes() const { return bytes_.size(); }
    std::uint8_t tos() const { return bytes_[kTos]; }
    std::uint8_t ttl() const { return bytes_[kTtl]; }
    std::uint8_t proto() const { return bytes_[kProto]; }
    std::uint16_t fragment() const { return load_be16(&bytes_[kFragment]); }
    bool is_fragment() const { return (fragment() & (kMoreFragments | kOffsetMask)) != 0; }
    bool is_later_fragment() const { return (fragment() & kOffsetMask) != 0; }
    std::uint16_t checksum() const { return load_be16(&bytes_[kChecksum]); }
    std::uint32_t src() const { return load_be32(&bytes_[kSrc]); }
    std::uint32_t dst() const { return load_be32(&bytes_[kDst]); }
    Bytes header() const { return bytes_.first(header_); }
    Bytes payload() const { return bytes_.subspan(header_); }  ///< up to the total length: no padding

  private:
    View(Bytes bytes, std::size_t header) : bytes_(bytes), header_(header) {}
    Bytes bytes_;
    std::size_t header_;
};

}  // namespace sluice::wire::ipv4
