// SPDX-License-Identifier: Apache-2.0
// The BFD control packet (RFC 5880 §4.1) and its frame: Ethernet, IPv4 (RFC 5881 §4, §5), UDP.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.hpp"
#include "base/types.hpp"
#include "wire/bytes.hpp"

namespace sluice::bfd {

enum class State : std::uint8_t { kAdminDown = 0, kDown = 1, kInit = 2, kUp = 3 };
enum class Diagnostic : std::uint8_t {
    kNone = 0,
    kExpired = 1,
    kEchoFailed = 2,
    kNeighbourDown = 3,
    kForwardingReset = 4,
    kPathDown = 5,
    kConcatenatedPathDown = 6,
    kAdminDown = 7,
    kReverseConcatenatedPathDown = 8,
};
/// As bfd_status and bfd/show have them: "admin_down", "up"; "No Diagnostic", "Path Down".
std::string_view name_of(State state);
std::string_view name_of(Diagnostic diagnostic);

// Bits of the byte that also has the state.
inline constexpr std::uint8_t kPoll = 0x20, kFinal = 0x10, kControlIndependent = 0x08, kAuthentication = 0x04,
                              kDemand = 0x02, kMultipoint = 0x01;
inline constexpr std::uint8_t kFlags = 0x3f;

inline constexpr std::uint16_t kUdpPort = 3784;
inline constexpr std::size_t kPacketBytes = 24;
inline constexpr std::uint8_t kTtl = 255;  ///< RFC 5881 §5: others came from beyond the link

/// One control packet; intervals in microseconds, all in host order.
struct ControlPacket {
    State state = State::kDown;
    Diagnostic diagnostic = Diagnostic::kNone;
    std::uint8_t flags = 0;
    std::uint8_t multiplier = 0;
    std::uint32_t my_discriminator = 0, your_discriminator = 0;
    std::uint32_t min_tx_us = 0, min_rx_us = 0, min_rx_echo_us = 0;
    friend bool operator==(const ControlPacket&, const ControlPacket&) = default;
};

std::array<std::uint8_t, kPacketBytes> encode(const ControlPacket& packet);
/// `payload` is that of the UDP datagram. Refused with a sentence: what RFC 5880 §6.8.6 discards without
/// looking at a session, authentication included (there is none here).
Result<ControlPacket> decode(wire::Bytes payload);

/// Addresses of the frames that a session sends.
struct Addresses {
    MacBytes source_mac{}, destination_mac{};
    std::uint32_t source_ip = 0, destination_ip = 0;  ///< host order
    std::uint16_t source_port = 0;
    friend bool operator==(const Addresses&, const Addresses&) = default;
};
inline constexpr std::size_t kFrameBytes = 14 + 20 + 8 + kPacketBytes;
/// The whole frame: TTL 255, TOS 0xc0, no UDP checksum.
std::array<std::uint8_t, kFrameBytes> make_frame(const Addresses& addresses, const ControlPacket& packet);

/// Which of a port's packets are a session's own; others go on to the flow tables.
struct Filter {
    std::optional<MacBytes> destination_mac;      ///< none: any
    std::optional<std::uint32_t> destination_ip;  ///< host order; none: any
    bool only_key_zero = false;                   ///< check_tnl_key
    friend bool operator==(const Filter&, const Filter&) = default;
};
/// A BFD datagram inside of a frame.
struct Datagram {
    std::uint8_t ttl = 0;
    wire::Bytes payload;  ///< part of the frame; as long as IP and UDP say, or empty if they lie
};
/// Finds the datagram if the frame (its first bytes, at least all headers) is a session's own: IPv4, behind
/// up to two VLAN tags, UDP to port 3784, not a later fragment. Any thread; no allocation.
std::optional<Datagram> find_datagram(const Filter& filter, wire::Bytes frame) noexcept;

}  // namespace sluice::bfd
