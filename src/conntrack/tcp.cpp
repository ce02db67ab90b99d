// SPDX-License-Identifier: Apache-2.0
#include "conntrack/tcp.hpp"

#include <algorithm>
#include <array>

#include "base/byte_order.hpp"
#include "wire/tcp.hpp"

namespace sluice::conntrack {

namespace {

using wire::tcp::kAckFlag;
using wire::tcp::kFin;
using wire::tcp::kPsh;
using wire::tcp::kRst;
using wire::tcp::kSyn;
using wire::tcp::kUrg;

constexpr std::uint8_t kMaxScale = 14;  // RFC 7323 §2.3
constexpr std::int32_t kSlack =
    0xffff + 1500;  ///< how far an acknowledgement may lie outside: a window and some

/// a - b on the circle of sequence numbers (RFC 9293 §3.4).
std::int32_t distance(std::uint32_t a, std::uint32_t b) {
    return static_cast<std::int32_t>(a - b);
}

/// A SYN never comes with FIN or RST; what is no SYN has ACK or RST; FIN, PSH and URG need ACK.
bool sound_flags(std::uint16_t flags) {
    if (flags & kSyn) {
        if (flags & (kRst | kFin)) return false;
    } else if (!(flags & (kAckFlag | kRst))) {
        return false;
    }
    return (flags & kAckFlag) || !(flags & (kFin | kPsh | kUrg));
}

std::uint32_t scaled(std::uint32_t window, std::uint8_t scale) {
    return window << scale;
}

std::uint16_t unscaled(std::uint32_t window, std::uint8_t scale) {
    return static_cast<std::uint16_t>((window + (1U << scale) - 1) >> scale);
}

std::uint8_t scale_option(const std::uint8_t* option, std::uint32_t left) {
    std::uint8_t found = 0;
    while (left >= 3) {
        if (option[0] == 0) break;
        std::uint32_t size = 1;
        if (option[0] != 1) {
            if (option[0] == 3)
                found = static_cast<std::uint8_t>(std::min(option[2], kMaxScale) | TcpPeer::kScaleKnown);
            size = std::max<std::uint32_t>(option[1], 2);
        }
        if (size >= left) break;
        option += size;
        left -= size;
    }
    return found;
}

/// What both branches of tcp_follow take from a segment.
void learn_windows(TcpPeer& from, TcpPeer& to, std::uint32_t end, std::uint32_t ack, std::uint16_t window,
                   std::uint8_t scale) {
    from.window = std::max(from.window, window);
    if (distance(end, from.sent) > 0) from.sent = end;
    const std::uint32_t offered = scaled(window, scale);
    if (distance(ack + offered, to.limit) >= 0) to.limit = ack + std::max<std::uint32_t>(offered, 1);
}

Timeout timeout_of(TcpState a, TcpState b) {
    const auto [low, high] = std::minmax(a, b);
    if (low >= TcpState::kFinWait2) return Timeout::kTcpClose;
    if (low >= TcpState::kClosing) return Timeout::kTcpTimeWait;
    if (low < TcpState::kEstablished) return Timeout::kTcpSynRecv;
    return high >= TcpState::kClosing ? Timeout::kTcpFinWait : Timeout::kTcpEstablished;
}

}  // namespace

std::string_view tcp_state_name(TcpState state) {
    static constexpr std::array<std::string_view, 11> kNames = {
        "CLOSED",     "LISTEN",  "SYN_SENT", "SYN_RECV",   "ESTABLISHED", "CLOSE_WAIT",
        "FIN_WAIT_1", "CLOSING", "LAST_ACK", "FIN_WAIT_2", "TIME_WAIT"};
    return kNames[static_cast<std::size_t>(state)];
}

TcpSegment read_segment(const std::uint8_t* header, std::uint32_t header_bytes,
                        std::uint32_t payload) noexcept {
    TcpSegment segment;
    segment.seq = load_be32(header + wire::tcp::kSeq);
    segment.ack = load_be32(header + wire::tcp::kAck);
    segment.flags = load_be16(header + wire::tcp::kOffsetFlags) & wire::tcp::kFlagsMask;
    segment.window = load_be16(header + wire::tcp::kWindow);
    segment.payload = payload;
    if ((segment.flags & kSyn) && header_bytes > wire::tcp::kMinHeaderBytes)
        segment.scale = scale_option(header + wire::tcp::kMinHeaderBytes,
                                     header_bytes - static_cast<std::uint32_t>(wire::tcp::kMinHeaderBytes));
    return segment;
}

bool tcp_may_begin(std::uint16_t flags) noexcept {
    return sound_flags(flags) && (flags & (kSyn | kAckFlag)) != (kSyn | kAckFlag);
}

void tcp_begin(TcpPeer& from, TcpPeer& to, const TcpSegment& segment) noexcept {
    from = to = TcpPeer{};
    from.sent = segment.seq;
    from.limit = segment.seq + segment.payload + 1;
    if (segment.flags & kSyn) {
        ++from.limit;
        from.scale = segment.scale;
    } else {
        from.scale = to.scale = TcpPeer::kScaleUnknown;
    }
    if (segment.flags & kFin) ++from.limit;
    from.window = std::max<std::uint16_t>(segment.window, 1);
    if (const auto scale = from.scale & TcpPeer::kScaleMask)
        from.window = unscaled(from.window, static_cast<std::uint8_t>(scale));
    to.limit = 1;
    to.window = 1;
    from.state = TcpState::kSynSent;
}

TcpVerdict tcp_follow(TcpPeer& from, TcpPeer& to, const TcpSegment& segment, bool check_sequence,
                      Timeout& timeout, bool& refreshed) noexcept {
    refreshed = false;
    const std::uint16_t flags = segment.flags;
    if (!sound_flags(flags)) return TcpVerdict::kInvalid;
    if ((flags & (kSyn | kAckFlag)) == kSyn) {
        if (from.state >= TcpState::kFinWait2 && to.state >= TcpState::kFinWait2) {
            from.state = to.state = TcpState::kClosed;
            return TcpVerdict::kReopened;
        }
        if (from.state <= TcpState::kSynSent) {
            from.state = TcpState::kSynSent;
            timeout = Timeout::kTcpSynSent;
            refreshed = true;
            return TcpVerdict::kStillNew;
        }
    }

    std::uint8_t from_scale = 0, to_scale = 0;
    if (!(flags & kSyn)) {
        if (from.scale & to.scale & TcpPeer::kScaleKnown) {
            from_scale = from.scale & TcpPeer::kScaleMask;
            to_scale = to.scale & TcpPeer::kScaleMask;
        } else if (from.scale & to.scale & TcpPeer::kScaleUnknown) {
            from_scale = to_scale = kMaxScale;
        }
    }
    std::uint16_t window = segment.window;
    std::uint32_t seq = segment.seq, ack = segment.ack;
    std::uint32_t end = seq + segment.payload;
    if (flags & kSyn) ++end;
    if (flags & kFin) ++end;

    bool check_ack = true;
    if (from.state < TcpState::kSynSent) {  // the first segment from this side
        if ((flags & kSyn) && (to.scale & TcpPeer::kScaleKnown)) {
            from.scale = segment.scale;
            if (from.scale & TcpPeer::kScaleKnown) {
                from_scale = from.scale & TcpPeer::kScaleMask;
                window = unscaled(window, from_scale);
                to_scale = to.scale & TcpPeer::kScaleMask;
            } else {  // this side doesn't scale, so the other may not either
                to.window = static_cast<std::uint16_t>(to.window << (to.scale & TcpPeer::kScaleMask));
                to.scale = 0;
            }
        }
        from.sent = seq;
        from.state = TcpState::kSynSent;
        const std::uint32_t allowed = end + std::max<std::uint32_t>(1, scaled(to.window, to_scale));
        if (from.limit == 1 || distance(allowed, from.limit) >= 0) {
            from.limit = allowed;
            check_ack = false;  // picked up in the middle
        }
        from.window = std::max(from.window, window);
    }
    // Without an acknowledgement, or with that of a reset by a broken stack, there is nothing to check.
    if (!(flags & kAckFlag) || (ack == 0 && (flags & kRst))) ack = to.sent;
    const std::uint32_t original_seq = segment.seq;
    if (seq == end) seq = end = from.sent;  // no data: liberal

    const std::int32_t skew = check_ack ? distance(to.sent, ack) : 0;
    const bool in_window =
        distance(from.limit, end) >= 0 && distance(seq, from.sent - scaled(to.window, to_scale)) >= 0 &&
        skew >= -kSlack &&
        skew <= static_cast<std::int32_t>(scaled(static_cast<std::uint32_t>(kSlack), from_scale)) &&
        (!(flags & kRst) || original_seq == from.sent || original_seq == from.sent + 1 ||
         original_seq + 1 == from.sent);
    if (in_window || !check_sequence) {
        learn_windows(from, to, end, ack, window, from_scale);
        if ((flags & kFin) && from.state < TcpState::kClosing) from.state = TcpState::kClosing;
        if (flags & kAckFlag) {
            if (to.state == TcpState::kSynSent)
                to.state = TcpState::kEstablished;
            else if (to.state == TcpState::kClosing)
                to.state = TcpState::kFinWait2;
        }
        if (flags & kRst) from.state = to.state = TcpState::kTimeWait;
        timeout = timeout_of(from.state, to.state);
        refreshed = true;
        return TcpVerdict::kValid;
    }
    const bool loose = (to.state < TcpState::kSynSent || to.state >= TcpState::kFinWait2 ||
                        from.state >= TcpState::kFinWait2) &&
                       distance(from.limit + static_cast<std::uint32_t>(kSlack), end) >= 0 &&
                       distance(seq, from.sent - static_cast<std::uint32_t>(kSlack)) >= 0;
    if (!loose) return TcpVerdict::kInvalid;
    // SYNs again before an answer, a stream met in its middle, late segments of a closed one: let pass, and
    // don't prolong.
    learn_windows(from, to, end, ack, window, from_scale);
    if ((flags & kFin) && from.state < TcpState::kClosing) from.state = TcpState::kClosing;
    if (flags & kRst) from.state = to.state = TcpState::kTimeWait;
    return TcpVerdict::kValid;
}

}  // namespace sluice::conntrack
