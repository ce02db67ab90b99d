// SPDX-License-Identifier: Apache-2.0
// Outer: the headers in front of a packet that leaves through a tunnel, Ethernet to tunnel header. Made in
// two steps: build() when the packet's action is met, with the fields it has then; push() when it leaves and
// its length is known. Any thread; push() allocates from packet pools only. Sources: RFC 7348 (VXLAN),
// draft-ietf-nvo3-vxlan-gpe, draft-smith-vxlan-group-policy, RFC 8926 (Geneve), RFC 2784 and 2890 (GRE),
// draft-foschiano-erspan, 3GPP TS 29.281 §5.1 (GTP-U), RFC 6040 (ECN).
#pragma once

#include <array>
#include <cstdint>

#include "flow/key.hpp"
#include "packet/packet.hpp"
#include "tunnel/config.hpp"
#include "tunnel/options.hpp"

namespace sluice::tunnel {

/// How packets to one outer address leave this host. Versioned: the control thread makes new ones.
struct NextHop {
    Address source;
    std::array<std::uint8_t, 14> ethernet{};  ///< destination, source, type; bytes of a frame
    PortIndex egress = PortIndex::kNone;
    bool enters = false;    ///< the packet enters a bridge at `egress`; else it leaves there
    std::uint32_t mtu = 0;  ///< bytes of the outer IP packet
    std::uint16_t first_port = 32768, last_port = 60999;  ///< UDP source ports
    bool usable = false;  ///< false: there is no route, or nobody answers for the next hop
};

inline constexpr unsigned kMaxOuterBytes = 14 + 40 + 8 + 8 + kMaxOptionBytes;

struct Outer {
    std::uint16_t size = 0;       ///< bytes, Ethernet header included
    std::uint16_t transport = 0;  ///< offset of the UDP or GRE header
    bool ipv6 = false, udp = false;
    bool checksum = false;  ///< of the UDP or GRE header
    bool sequence = false;  ///< the last four bytes of the GRE header count up
    bool length = false;    ///< GTP-U: bytes 2 and 3 of its header say how long the rest is
    bool dont_fragment = false;
    bool layer3 = false;  ///< the packet's Ethernet header goes away
    PortIndex egress = PortIndex::kNone;
    bool enters = false;
    std::uint32_t mtu = 0;
    std::uint8_t bytes[kMaxOuterBytes];
};

/// The remote and local address of a packet leaving at a port; local 0: as the route says.
Address remote_of(const Config& config, const FlowKey& key) noexcept;
Address local_of(const Config& config, const FlowKey& key) noexcept;

/// Fills `out` for a packet whose headers and tunnel fields `key` holds. `options`: of the bridge, null:
/// none. False: a packet that this tunnel cannot carry (no Ethernet type of its own, with layer3).
bool build(const Config& config, const NextHop& hop, const FlowKey& key, const GeneveOptions* options,
           Outer& out) noexcept;

/// What of the packet inside shows in its outer headers, other than by actions.
struct Inner {
    bool ip = false;
    std::uint8_t tos = 0, ttl = 0;
    std::uint64_t hash = 0;  ///< the same for all packets of a connection, fragments aside
};
Inner inner_of(const FlowKey& key) noexcept;
/// Of a plain packet (pipeline/parse.hpp), by the first five words of its key.
Inner inner_of_plain(const std::uint64_t* word) noexcept;

/// Outer headers for all packets of which the same was decided: they differ by Inner alone.
struct Template {
    Outer outer;
    std::uint32_t sum = 0;  ///< of the IPv4 header with TOS, TTL, lengths and checksum 0
    std::uint8_t tos = 0, ttl = 0;
    bool tos_inherit = false, ttl_inherit = false;
    std::uint16_t first_port = 0, port_count = 0;
    bool plain = false;  ///< push_plain() may be used

    /// Of headers that build() made.
    void assign(const Outer& built, const Config& config, const NextHop& hop) noexcept;
    /// The headers for one packet.
    void fill(const Inner& inner, Outer& out) const noexcept;
    /// Do both put the same in front of the same packet?
    bool same(const Template& other) const noexcept;
};

/// push() of a `plain` template. False: no headroom, or too long for the path; the packet is as it was.
bool push_plain(Packet* packet, const Template& pattern, const Inner& inner) noexcept;

/// Puts the headers in front of a finished packet (no checksum or segmentation left to do), with lengths,
/// checksums and `sequence`. False: no memory, or longer than an IP packet can be; the packet is as it was.
bool push(Packet* packet, const Outer& outer, std::uint32_t sequence) noexcept;

}  // namespace sluice::tunnel
