// SPDX-License-Identifier: Apache-2.0
// Packet headers into key words, as Open vSwitch's flow extraction does: what is malformed or cut off is
// left zero, nothing is refused. Two steps, so that a bridge that only learns addresses reads 14 bytes.
#pragma once

#include <cstdint>

#include "base/byte_order.hpp"
#include "flow/key.hpp"

namespace sluice::pipeline {

/// Tags parsed as VLAN tags (other_config:vlan-limit); what follows is the Ethernet type.
inline constexpr unsigned kDefaultVlanLimit = 1;

/// Addresses, VLAN tags and Ethernet type. data: first segment, `contiguous` >= 14 bytes of it.
/// Returns the offset of what follows the Ethernet type (or length).
/// The header words of cache lines 0 and 1 must be zero before.
std::uint16_t parse_link(const std::uint8_t* data, std::uint32_t contiguous, unsigned vlan_limit,
                         FlowKey& key) noexcept;

/// Offsets from the start of the frame; 0xffff: not there.
struct NetworkOffsets {
    std::uint16_t l3 = 0xffff;  ///< IP or ARP header whose checks passed, or the first MPLS entry
    std::uint16_t l4 = 0xffff;  ///< what follows the IP headers, if not in a later fragment
    std::uint32_t end = 0;      ///< end of the network packet that is in the first segment, padding excluded
    bool routing = false;       ///< IPv6 routing header with segments left: dst is not the final one
};

/// Network and transport headers from offset l3 on; frame: whole length.
NetworkOffsets parse_network(const std::uint8_t* data, std::uint32_t contiguous, std::uint32_t frame,
                             std::uint16_t l3, FlowKey& key) noexcept;

/// parse_link() and parse_network() at once for the common packet: untagged IPv4 without options, no
/// fragment, TCP or UDP, headers whole and in the first segment. word: of a FlowKey, the first five are
/// written. False: it is another one, nothing is written.
inline bool parse_plain(const std::uint8_t* data, std::uint32_t contiguous, std::uint32_t frame,
                        std::uint64_t* word, NetworkOffsets& out) noexcept {
    constexpr std::uint32_t kL3 = 14, kL4 = 34;
    if (contiguous < kL4 + 20 || load_be16(data + 12) != 0x0800 || data[kL3] != 0x45) return false;
    const std::uint32_t total = load_be16(data + kL3 + 2);
    const std::uint8_t proto = data[kL3 + 9];
    std::uint64_t ports = std::uint64_t{load_be32(data + kL4)} << 32;
    std::uint32_t least = 28;
    if (proto == 6) {
        const std::uint32_t header = (data[kL4 + 12] >> 4) * 4U;
        least = 20 + (header < 20 ? 65536 : header);
        ports |= std::uint64_t{load_be16(data + kL4 + 12) & 0x0fffU} << 16;
    } else if (proto != 17) {
        return false;
    }
    const std::uint32_t end = kL3 + total;
    if ((load_be16(data + kL3 + 6) & 0x3fff) != 0 || total < least || end > frame || kL3 + least > contiguous)
        return false;
    word[0] = (load_be64(data) & ~std::uint64_t{0xffff}) | 0x0800;
    word[1] = load_be64(data + 6) & ~std::uint64_t{0xffff};
    word[2] =
        std::uint64_t{proto} << 24 | std::uint64_t{data[kL3 + 1]} << 16 | std::uint64_t{data[kL3 + 8]} << 8;
    word[3] = load_be64(data + kL3 + 12);
    word[4] = ports;
    out = {kL3, kL4, end < contiguous ? end : contiguous, false};
    return true;
}

}  // namespace sluice::pipeline
