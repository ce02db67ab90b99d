// SPDX-License-Identifier: Apache-2.0
// IPv6 and its extension headers (RFC 8200 §3, §4; AH: RFC 4302 §2).
#pragma once

#include "base/types.hpp"
#include "wire/bytes.hpp"

namespace sluice::wire::ipv6 {

inline constexpr std::size_t kFlow = 0, kPayloadLength = 4, kNextHeader = 6, kHopLimit = 7, kSrc = 8,
                             kDst = 24, kHeaderBytes = 40;
inline constexpr std::uint32_t kLabelMask = 0x000fffff, kTrafficClassMask = 0x0ff00000;
inline constexpr unsigned kTrafficClassShift = 20;
inline constexpr std::uint32_t kMaxPayloadBytes = 65535;

// Fragment header (RFC 8200 §4.5): the 16 bits at kFragmentOffset are offset (13), reserved (2), M (1).
inline constexpr std::size_t kFragmentNext = 0, kFragmentOffset = 2, kFragmentId = 4, kFragmentBytes = 8;
inline constexpr std::uint16_t kFragmentOffsetMask = 0xfff8, kFragmentMore = 0x0001;
// Other extension headers: next header, length.
inline constexpr std::size_t kExtNext = 0, kExtLength = 1, kExtMinBytes = 8;

inline U128 load_address(const std::uint8_t* p) {
    return {load_be64(p), load_be64(p + 8)};
}
inline void store_address(std::uint8_t* p, U128 address) {
    store_be64(p, address.hi);
    store_be64(p + 8, address.lo);
}

/// Extension headers that can be walked over. ESP and "no next header" end the chain.
constexpr bool is_extension(std::uint8_t proto) {
    return proto == ip_proto::kHopByHop || proto == ip_proto::kRouting || proto == ip_proto::kDestOptions ||
           proto == ip_proto::kAh || proto == ip_proto::kFragment;
}
/// Bytes of an extension header from its own length byte: AH counts 4-byte units less 2 (RFC 4302
/// §2.2), the fragment header is fixed, others count 8-byte units less 1 (RFC 8200 §4.3).
constexpr std::size_t extension_bytes(std::uint8_t proto, std::uint8_t length) {
    if (proto == ip_proto::kAh) return (std::size_t{length} + 2) * 4;
    if (proto == ip_proto::kFragment) return kFragmentBytes;
    return (std::size_t{length} + 1) * 8;
}

/// parse() demands a payload length that is there; the version nibble isn't looked at (see ipv4.hpp).
class View {
  public:
    static std::optional<View> parse(Bytes bytes) {
        if (bytes.size() < kHeaderBytes) return std::nullopt;
        const std::size_t payload = load_be16(&bytes[kPayloadLength]);
        if (payload > bytes.size() - kHeaderBytes) return std::nullopt;
        return View{bytes.first(kHeaderBytes + payload)};
    }
    std::uint32_t label() const { return load_be32(&bytes_[kFlow]) & kLabelMask; }
    std::uint8_t traffic_class() const {
        return static_cast<std::uint8_t>(load_be32(&bytes_[kFlow]) >> kTrafficClassShift);
    }
    std::uint8_t next_header() const { return bytes_[kNextHeader]; }
    std::uint8_t hop_limit() const { return bytes_[kHopLimit]; }
    U128 src() const { return load_address(&bytes_[kSrc]); }
    U128 dst() const { return load_address(&bytes_[kDst]); }
    Bytes payload() const { return bytes_.subspan(kHeaderBytes); }  ///< extension headers included

  private:
    explicit View(Bytes bytes) : bytes_(bytes) {}
    Bytes bytes_;
};

}  // namespace sluice::wire::ipv6
