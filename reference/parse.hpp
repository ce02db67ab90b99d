// SPDX-License-Identifier: Apache-2.0
// The slow parser: frame bytes to FlowKey, with the semantics of Open vSwitch 3.1's flow extraction.
//
// A malformed header ends the parse; what was read before it stays in the key. The rules, each tried
// against `ovs-ofctl parse-pcap`:
//  - fewer than 14 bytes: an empty key (only in_port);
//  - VLAN tags: the first `vlan_limit` ones; a tag needs its own 4 bytes and 2 of the type after it. Bit 12
//    of the TCI (DEI on the wire) is replaced by "present". Tags behind an LLC/SNAP header don't count;
//  - 802.3 length: type 0x05ff unless SNAP with OUI 0 and a type of at least 0x600;
//  - IPv4: header and total length must fit, else no nw_* field. Version and checksum aren't looked at;
//  - IPv6: payload length must fit, else no field; a broken extension chain leaves only the addresses.
//    A later fragment has protocol 44 and no L4; an atomic fragment (offset field 0) is no fragment;
//  - L4 needs its whole fixed header: TCP 20 (and a data offset that fits), UDP 8, SCTP 12, ICMP, IGMP
//    and ICMPv6 8 bytes; padding behind the IP length is never read
//    (IGMP is read over IPv6 as well);
//  - ARP/RARP: Ethernet/IPv4 only; an opcode above 255 reads as 0;
//  - ND: a link-layer option of the same kind twice empties target, sll and tll; an option that doesn't
//    fit ends the list;
//  - MPLS: up to three stack entries; nothing behind them.
#pragma once

#include <cstddef>

#include "flow/key.hpp"
#include "wire/bytes.hpp"

namespace sluice::reference {

inline constexpr unsigned kMaxMplsLabels = 3;  ///< entries of the stack that the key holds

struct ParseOptions {
    unsigned vlan_limit = 2;  ///< tags to read, 0..2 (other_config:vlan-limit)
};

/// A key and where the headers it came from stand. Offsets are from the start of the frame, 0: not there.
struct ParsedFrame {
    FlowKey key;
    std::size_t type = 0;    ///< the Ethernet type behind the tags (behind SNAP, if any)
    std::size_t l3 = 0;      ///< IP or ARP header whose checks passed, or the first MPLS entry
    std::size_t l3_end = 0;  ///< end of the L3 packet, padding excluded
    std::size_t l4 = 0;      ///< whatever follows the IP headers, if not in a later fragment
    bool routing = false;    ///< an IPv6 routing header with segments left: dst isn't the final one
};

/// Never fails: any bytes have a key. Pure.
ParsedFrame parse_frame(wire::Bytes frame, OfPort in_port, const ParseOptions& options = {});

}  // namespace sluice::reference
