// SPDX-License-Identifier: Apache-2.0
// For tests: frames into datagrams.
#pragma once

#include "base/byte_order.hpp"
#include "conntrack/tracker.hpp"
#include "wire/builder.hpp"

namespace sluice::conntrack {

/// An untagged IPv4 or IPv6 frame without extension headers. Borrows the frame.
inline Datagram datagram_of(const wire::Frame& frame) {
    Datagram d;
    d.l3 = frame.data() + 14;
    d.v6 = load_be16(&frame[12]) == 0x86dd;
    const std::size_t header = d.v6 ? 40 : (d.l3[0] & 0xfU) * 4U;
    d.proto = d.l3[d.v6 ? 6 : 9];
    const auto load6 = [](const std::uint8_t* p) { return U128{load_be64(p), load_be64(p + 8)}; };
    d.src = d.v6 ? load6(d.l3 + 8) : U128{0, load_be32(d.l3 + 12)};
    d.dst = d.v6 ? load6(d.l3 + 24) : U128{0, load_be32(d.l3 + 16)};
    d.fragment = !d.v6 && (load_be16(d.l3 + 6) & 0x3fff) != 0;
    d.l4 = d.l3 + header;
    d.l4_bytes = d.l4_total = static_cast<std::uint32_t>(frame.size() - 14 - header);
    if (d.proto == 6 || d.proto == 17) {
        d.sport = load_be16(d.l4);
        d.dport = load_be16(d.l4 + 2);
    }
    return d;
}

inline Probe probe_of(const wire::Frame& frame, std::uint16_t zone) {
    Probe probe;
    examine(datagram_of(frame), zone, probe);
    if (probe.valid) probe.hash = Tracker::hash(probe.key);
    return probe;
}

}  // namespace sluice::conntrack
