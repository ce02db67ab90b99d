// SPDX-License-Identifier: Apache-2.0
// Connections as the interpreter knows them: a map from tuples, searched from the start at each packet.
// What Open vSwitch 3.1's user-space tracker says about a packet, in the plainest form.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>

#include "flow/action.hpp"
#include "flow/key.hpp"
#include "reference/commit.hpp"

namespace sluice::reference {

/// Names the packets of one direction. ICMP: sport is the identifier, dport the type.
struct Tuple {
    bool v6 = false;
    std::uint16_t zone = 0;
    std::uint8_t proto = 0;
    U128 src, dst;
    std::uint16_t sport = 0, dport = 0;
    friend auto operator<=>(const Tuple&, const Tuple&) = default;
    Tuple reversed() const;
};

/// States of a TCP side that matter, in the order of their life.
enum class TcpSide : std::uint8_t { kClosed, kSynSent, kEstablished, kClosing, kFinWait, kTimeWait };

struct Connection {
    Tuple original, reply;
    std::uint64_t expires_ms = 0;
    std::uint32_t mark = 0;
    U128 label;
    bool nat_src = false, nat_dst = false;
    bool answered = false;
    struct Side {
        TcpSide state = TcpSide::kClosed;
        std::uint32_t sent = 0;         ///< highest sequence number, exclusive
        std::uint32_t may_send = 0;     ///< end of what the other side allows
        std::uint32_t window = 0;       ///< largest it offered
        std::optional<unsigned> scale;  ///< of the option
        bool unknown_scale = false;     ///< the beginning was not seen
    };
    Side side[2];
};

struct Connections {
    std::map<Tuple, std::shared_ptr<Connection>> by_tuple;  ///< both directions
};

/// What a packet carries from one ct to the next.
struct Tracked {
    std::shared_ptr<Connection> connection;
    std::uint16_t zone = 0;
    std::uint8_t state = 0;
    bool reply = false, related = false;
};

/// Carries out one ct: changes the table, the packet (translation) and `tracked`. Returns false if there is
/// no free translation. The ct fields of the packet's key are set.
bool track(Connections& table, Tracked& tracked, WorkPacket& packet, const CtAction& action,
           std::uint64_t now_ms);

}  // namespace sluice::reference
