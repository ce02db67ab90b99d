// SPDX-License-Identifier: Apache-2.0
// Writes changes of a key into the bytes of its frame, header by header, keeping checksums right (or
// as wrong as they were: all updates are incremental).
#pragma once

#include "flow/key.hpp"
#include "reference/parse.hpp"
#include "wire/bytes.hpp"

namespace sluice::reference {

/// A frame being worked on. Invariant: `at` describes where the headers of `bytes` stand; at.key is the
/// packet's current key.
struct WorkPacket {
    wire::Frame bytes;
    ParsedFrame at;
    unsigned vlan_limit = 2;
    std::size_t received_bytes = 0;  ///< when it came into the bridge: what rules count
    bool bare = false;  ///< no Ethernet header: the one in `bytes` is a filler of zeros and a type
};

/// Makes the frame agree with `wanted`: Ethernet addresses, both VLAN tags (pushing, popping and
/// rewriting), ARP, IPv4, IPv6, ND, L4 and MPLS fields that differ from p.at.key; then takes over
/// `wanted`. Fields of headers that aren't there change in the key only. Of the types and protocol
/// numbers, none is written: eth_type and ip_proto are not writable.
void commit(WorkPacket& p, const FlowKey& wanted);

void push_vlan(WorkPacket& p, std::uint16_t tpid, std::uint16_t tci);
void pop_vlan(WorkPacket& p);  ///< no tag: nothing
/// False if there is no room in the key for one more label (OVS gives up on such packets).
bool push_mpls(WorkPacket& p, std::uint16_t ethertype);
/// False if more labels are there than the key holds. On a packet without labels: nothing, true.
bool pop_mpls(WorkPacket& p, std::uint16_t ethertype);
unsigned count_mpls(const FlowKey& key);

}  // namespace sluice::reference
