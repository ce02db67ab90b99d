// SPDX-License-Identifier: Apache-2.0
// From a packet's bytes to the key it is looked up by, with Open vSwitch's rules for what can't be tracked.
#pragma once

#include <cstdint>

#include "conntrack/key.hpp"

namespace sluice::conntrack {

/// An IP packet, headers parsed. Bytes are those of the first segment.
struct Datagram {
    const std::uint8_t* l3 = nullptr;
    const std::uint8_t* l4 = nullptr;    ///< null: none, or a later fragment
    std::uint32_t l4_bytes = 0;          ///< that can be read
    std::uint32_t l4_total = 0;          ///< by the IP header
    U128 src, dst;                       ///< IPv4: low 32 bits
    std::uint16_t sport = 0, dport = 0;  ///< TCP and UDP; 0: the header is not sound
    std::uint8_t proto = 0;
    bool v6 = false;
    bool fragment = false;
    bool check_l3 = true, check_l4 = true;  ///< nobody has looked at the checksums yet
};

struct Probe {
    Key key;  ///< of an ICMP error: of the packet it is about, turned round
    std::uint64_t hash = 0;
    bool valid = false;    ///< else +inv
    bool related = false;  ///< an ICMP error
    const std::uint8_t* l4 = nullptr;
    std::uint32_t l4_bytes = 0, l4_total = 0;
    std::uint32_t inner = 0;     ///< related: where the inner IP header lies, from l4
    std::uint32_t inner_l4 = 0;  ///< and what follows it
};

/// Sets everything but the hash. Not tracked: fragments, bad checksums, ports of 0, ICMP that neither asks,
/// answers nor reports an error, errors that are not for the sender of what they are about.
void examine(const Datagram& datagram, std::uint16_t zone, Probe& probe) noexcept;

}  // namespace sluice::conntrack
