// SPDX-License-Identifier: Apache-2.0
// Ethernet II, and IEEE 802.2 LLC with SNAP (IEEE 802.3 §3.1, IEEE 802.2 §3.2, RFC 1042).
#pragma once

#include "wire/bytes.hpp"

namespace sluice::wire::eth {

inline constexpr std::size_t kDst = 0, kSrc = 6, kType = 12, kHeaderBytes = 14;  // IEEE 802.3 §3.1.1
inline constexpr std::size_t kAddressBytes = 6;
inline constexpr std::size_t kMinFrameBytes = 60;  ///< without FCS; shorter payloads are padded on the wire

/// Values of the type field (IANA "IEEE 802 Numbers").
inline constexpr std::uint16_t kTypeIpv4 = 0x0800, kTypeArp = 0x0806, kTypeRarp = 0x8035, kTypeVlan = 0x8100,
                               kTypeQinQ = 0x88a8, kTypeIpv6 = 0x86dd, kTypeMpls = 0x8847,
                               kTypeMplsMulticast = 0x8848, kTypeLldp = 0x88cc, kTypeNsh = 0x894f,
                               kTypeTransparentBridging = 0x6558;
/// Smaller values of the type field are an 802.3 length (IEEE 802.3 §3.2.6).
inline constexpr std::uint16_t kMinType = 0x0600;
/// OpenFlow's dl_type of frames with a length and no SNAP type (OpenFlow 1.0 §3.4: OFP_DL_TYPE_NOT_ETH_TYPE).
inline constexpr std::uint16_t kNotEthType = 0x05ff;

// After a length: DSAP AA, SSAP AA, control 03, OUI 00-00-00, then the type (RFC 1042).
inline constexpr std::size_t kSnapOui = 3, kSnapType = 6, kSnapBytes = 8;

inline constexpr std::uint64_t kBroadcast = 0xffffffffffff;
constexpr bool is_multicast(std::uint64_t mac) {
    return (mac >> 40 & 1) != 0;
}
/// 01:80:c2:00:00:00 to :0f, which bridges don't forward (IEEE 802.1Q §8.6.3).
constexpr bool is_reserved_multicast(std::uint64_t mac) {
    return (mac & ~std::uint64_t{0xf}) == 0x0180c2000000;
}

/// Every destination that NORMAL drops unless forward-bpdu is set: the above, and those of Extreme's
/// and Cisco's link protocols (vswitchd.conf.db(5), other_config:forward-bpdu).
constexpr bool is_bridge_reserved(std::uint64_t mac) {
    return is_reserved_multicast(mac) || mac == 0x00e02b000000 || mac == 0x00e02b000004 ||
           mac == 0x00e02b000006 || mac == 0x01000c000000 || mac == 0x01000ccccccc || mac == 0x01000ccccccd ||
           mac == 0x01000ccdcdcd || (mac & ~std::uint64_t{7}) == 0x01000cccccc0;
}

class View {
  public:
    static std::optional<View> parse(Bytes frame) {
        if (frame.size() < kHeaderBytes) return std::nullopt;
        return View{frame};
    }
    std::uint64_t dst() const { return load_mac(&bytes_[kDst]); }
    std::uint64_t src() const { return load_mac(&bytes_[kSrc]); }
    std::uint16_t type() const { return load_be16(&bytes_[kType]); }  ///< or a length, below kMinType
    Bytes payload() const { return bytes_.subspan(kHeaderBytes); }

  private:
    explicit View(Bytes bytes) : bytes_(bytes) {}
    Bytes bytes_;
};

/// LLC/SNAP header that follows an 802.3 length; parse() succeeds only for SNAP with OUI 00-00-00.
class SnapView {
  public:
    static std::optional<SnapView> parse(Bytes llc) {
        if (llc.size() < kSnapBytes || llc[0] != 0xaa || llc[1] != 0xaa || llc[2] != 0x03)
            return std::nullopt;
        if (llc[kSnapOui] != 0 || llc[kSnapOui + 1] != 0 || llc[kSnapOui + 2] != 0) return std::nullopt;
        return SnapView{llc};
    }
    std::uint16_t type() const { return load_be16(&bytes_[kSnapType]); }
    Bytes payload() const { return bytes_.subspan(kSnapBytes); }

  private:
    explicit SnapView(Bytes bytes) : bytes_(bytes) {}
    Bytes bytes_;
};

}  // namespace sluice::wire::eth
