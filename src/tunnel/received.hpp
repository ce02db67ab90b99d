// SPDX-License-Identifier: Apache-2.0
// Received: what the outer headers of a packet say. No packet is trusted: whatever is cut off, of another
// version or contradicts itself is refused. Any thread; no allocation. Sources: see outer.hpp.
#pragma once

#include <cstdint>
#include <vector>

#include "flow/key.hpp"
#include "packet/packet.hpp"
#include "tunnel/config.hpp"
#include "tunnel/options.hpp"

namespace sluice::tunnel {

/// Reads are counted in nanoseconds: what parse() must clear is apart from the options' bytes.
struct ReceivedHeaders {
    PortIndex port = PortIndex::kNone;  ///< whose it is; for the caller
    Kind kind{};
    std::uint16_t udp_port = 0;
    Address src, dst;
    std::uint64_t id = 0;
    std::uint8_t tos = 0, ttl = 0;
    bool has_key = false, oam = false;
    bool checksum = false;                        ///< the UDP or GRE header has one
    std::uint16_t l3 = 0;                         ///< offset of the outer IP header
    std::uint16_t transport = 0;                  ///< of the UDP or GRE header
    std::uint16_t inner = 0;                      ///< of what the tunnel carries
    std::uint16_t options = 0, options_size = 0;  ///< Geneve: offset in the frame, bytes
    std::uint16_t type = 0;  ///< Ethernet type of what is inside; kTypeBridged: a whole frame
    std::uint32_t vxlan_flags = 0;
    std::uint8_t erspan_version = 0, erspan_direction = 0, erspan_hardware = 0;
    std::uint32_t erspan_index = 0;
    std::uint8_t gtpu_flags = 0, gtpu_type = 0;
    std::uint32_t end = 0;  ///< of the outer IP packet: what follows is padding
};

struct Received : ReceivedHeaders {
    std::uint8_t
        option_bytes[kMaxOptionBytes];  ///< Geneve: a copy of them, for to_key(): the caller makes it
};

/// A UDP port on which some tunnel port listens.
struct Listener {
    std::uint16_t udp_port;
    Kind kind;
};

enum class Parse : std::uint8_t {
    kOther,     ///< not for a tunnel
    kTunnel,    ///< `out` is complete
    kMalformed  ///< for a tunnel, but not to be used
};
/// Reads a frame. gre: GRE and ERSPAN are listened for.
Parse parse(const Packet* packet, const std::vector<Listener>& listeners, bool gre, Received& out) noexcept;

/// Is the UDP or GRE checksum, if there is one, right? Reads the whole packet. Marks (packet.hpp) count as a
/// right one.
bool checksum_holds(const Packet* packet, const Received& received) noexcept;

/// Whether a port of `config` can take it: what depends on more than the key.
bool is_acceptable(const Config& config, const Received& received) noexcept;

/// Writes tun_* fields: words of lines 3 to 5 and, of Geneve options, 6 to 9, which are 0 before. False:
/// options that must not be ignored, or are malformed.
bool to_key(const Config& config, const Received& received, const GeneveOptions* options,
            FlowKey& key) noexcept;

/// Takes the outer headers away; with layer3, a header of Ethernet comes in their place. The marks of the
/// outer headers go too. Padding behind the outer IP packet as well. False: nothing would be left, or no
/// room.
bool pull(Packet* packet, const Config& config, const Received& received) noexcept;

/// RFC 6040 §4.2: congestion that the outer header tells of goes into the inner one. False: that does not
/// know ECN, so the packet is to be dropped.
bool merge_congestion(Packet* packet, std::uint8_t outer_tos) noexcept;

}  // namespace sluice::tunnel
