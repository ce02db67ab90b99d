// SPDX-License-Identifier: Apache-2.0
// TCP, as a firewall in the middle sees it: states of the two sides and the windows they may send in.
//
// The method is that of G. van Rooij, "Real stateful TCP packet filtering in IP Filter" (2001): for each
// side the highest sequence number it has sent (`sent`), the highest it may send (`limit`: what the other
// acknowledged plus its window), and the largest window it offered. It is liberal where Open vSwitch is: a
// connection may be picked up in the middle, and resets must match only when the sequence is known.
#pragma once

#include <cstdint>

#include "conntrack/timeouts.hpp"

namespace sluice::conntrack {

/// In this order: later states compare greater. Names as in `dpctl/dump-conntrack`.
enum class TcpState : std::uint8_t {
    kClosed,
    kListen,
    kSynSent,
    kSynRecv,
    kEstablished,
    kCloseWait,
    kFinWait1,
    kClosing,
    kLastAck,
    kFinWait2,
    kTimeWait,
};
std::string_view tcp_state_name(TcpState state);

struct TcpPeer {
    static constexpr std::uint8_t kScaleKnown = 0x80, kScaleUnknown = 0x40, kScaleMask = 0x0f;
    std::uint32_t sent = 0;
    std::uint32_t limit = 0;
    std::uint16_t window = 0;  ///< largest, before scaling
    std::uint8_t scale = 0;
    TcpState state = TcpState::kClosed;
    friend bool operator==(const TcpPeer&, const TcpPeer&) = default;
};

/// What of a segment counts. `payload`: bytes behind the header.
struct TcpSegment {
    std::uint32_t seq = 0, ack = 0, payload = 0;
    std::uint16_t flags = 0, window = 0;
    std::uint8_t scale = 0;  ///< of the window scale option, with kScaleKnown; 0: no such option
};

/// From a sound TCP header (20 bytes at least, data offset within `size`). payload: of the datagram.
TcpSegment read_segment(const std::uint8_t* header, std::uint32_t header_bytes,
                        std::uint32_t payload) noexcept;

/// kStillNew: a SYN from a side that has sent nothing else; the connection goes on as new.
enum class TcpVerdict : std::uint8_t { kValid, kStillNew, kInvalid, kReopened };

/// May this segment begin a connection: its flags make sense, and it is no SYN with ACK.
bool tcp_may_begin(std::uint16_t flags) noexcept;
void tcp_begin(TcpPeer& from, TcpPeer& to, const TcpSegment& segment) noexcept;
/// Follows one segment. kReopened: a SYN for a connection that was over; it is to be forgotten.
/// `refreshed` says whether `timeout` starts anew.
TcpVerdict tcp_follow(TcpPeer& from, TcpPeer& to, const TcpSegment& segment, bool check_sequence,
                      Timeout& timeout, bool& refreshed) noexcept;

}  // namespace sluice::conntrack
