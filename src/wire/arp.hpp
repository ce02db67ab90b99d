// SPDX-License-Identifier: Apache-2.0
// ARP and RARP for Ethernet and IPv4 (RFC 826 "Packet format", RFC 903).
#pragma once

#include "wire/bytes.hpp"
#include "wire/ethernet.hpp"

namespace sluice::wire::arp {

inline constexpr std::size_t kHardware = 0, kProtocol = 2, kHardwareBytes = 4, kProtocolBytes = 5,
                             kOpcode = 6, kSha = 8, kSpa = 14, kTha = 18, kTpa = 24, kBytes = 28;
inline constexpr std::uint16_t kHardwareEthernet = 1;
inline constexpr std::uint16_t kRequest = 1, kReply = 2, kRarpRequest = 3, kRarpReply = 4;

/// Only Ethernet/IPv4 packets parse; other address kinds give nothing.
class View {
  public:
    static std::optional<View> parse(Bytes bytes) {
        if (bytes.size() < kBytes || load_be16(&bytes[kHardware]) != kHardwareEthernet ||
            load_be16(&bytes[kProtocol]) != eth::kTypeIpv4 || bytes[kHardwareBytes] != 6 ||
            bytes[kProtocolBytes] != 4)
            return std::nullopt;
        return View{bytes};
    }
    std::uint16_t opcode() const { return load_be16(&bytes_[kOpcode]); }
    std::uint64_t sha() const { return load_mac(&bytes_[kSha]); }
    std::uint64_t tha() const { return load_mac(&bytes_[kTha]); }
    std::uint32_t spa() const { return load_be32(&bytes_[kSpa]); }
    std::uint32_t tpa() const { return load_be32(&bytes_[kTpa]); }

  private:
    explicit View(Bytes bytes) : bytes_(bytes) {}
    Bytes bytes_;
};

}  // namespace sluice::wire::arp
