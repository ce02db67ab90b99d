// SPDX-License-Identifier: Apache-2.0
// Scenarios: tests as text. One .scn file is one scenario; any ScenarioTarget can run it. Lines:
//
//   # comment
//   bridge NAME [miss=controller] [fragments=drop|nx-match] [forward-bpdu] [vlan-limit=N]
//                                  further lines are about this bridge; without one it is "br0"
//   port N [access=V] [trunk=V;V..] [native-tagged=V] [native-untagged=V] [dot1q-tunnel=V] [trunks=V;V..]
//          [priority-tags=if-nonzero|always] [protected] [no-flood] [no-forward] [no-receive]
//          [no-packet-in] [down] [patch=BRIDGE:PORT]
//   mirror to=PORT|to-vlan=V [all] [src=N;N..] [dst=N;N..] [vlans=V;V..] [snaplen=BYTES]
//   tlv CLASS TYPE LENGTH N        tun_metadataN stands for that option
//   miss TABLE drop|controller|continue
//   flow FLOW                      as ovs-ofctl add-flow takes it; flows are numbered from 1
//   group GROUP, meter METER       as in group_text.hpp; a group below a packet is put in the place of the
//   old del-group N time MS                        so many milliseconds pass, for meters link PORT up|down in
//   PORT PACKET                 a frame arrives; PACKET as in packet_text.hpp packet-out PORT ACTIONS |
//   PACKET out PORT PACKET|same           after in or packet-out: what must leave, and nothing else punt
//   REASON [PACKET]           a packet-in: no_match, action, invalid_ttl, action_set, group, packet_out drop
//   REASON                    nothing leaves; REASON as in packet/drop_reason.hpp hits FLOW COUNT at this
//   point group-packets N COUNT [COUNT]..   of the group, then each bucket, at this point meter-packets N
//   COUNT [COUNT]..   of the meter, then each band, at this point fdb VLAN MAC PORT|none         at this
//   point
//
// PORT is a number, LOCAL or CONTROLLER, with "BRIDGE:" before it if it isn't the first bridge's.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "tests/diff/target.hpp"

namespace sluice::tests {

/// A bridge and a port of it.
struct Place {
    std::string bridge;
    OfPort port{};
};

struct ExpectedFrame {
    Place place;
    wire::Frame bytes;
};

/// A line that does or checks something, in file order.
struct ScenarioStep {
    enum class Kind { kIn, kPacketOut, kHits, kFdb, kGroup, kTime, kLink, kGroupPackets, kMeterPackets };
    Kind kind{};
    unsigned line = 0;
    Place place;
    wire::Frame frame;
    ActionList actions;                                       ///< kPacketOut
    std::vector<ExpectedFrame> sent;                          ///< kIn, kPacketOut
    std::vector<std::pair<std::uint8_t, wire::Frame>> punts;  ///< reason; an empty frame fits any
    std::string drop;                                         ///< reason's name, empty: not dropped
    std::size_t flow = 0;                                     ///< kHits, from 1
    std::uint64_t count = 0;                                  ///< kHits
    reference::FdbKey mac;                                    ///< kFdb
    bool absent = false;                ///< kFdb: must not be there; kGroup: goes; kLink: down
    std::uint32_t id = 0;               ///< of a group or meter
    reference::Group group;             ///< kGroup
    std::vector<std::uint64_t> counts;  ///< kGroupPackets, kMeterPackets
};

struct Scenario {
    std::vector<TargetBridge> bridges;
    std::vector<ScenarioStep> steps;
};

/// Errors name file and line.
Result<Scenario> parse_scenario(std::string_view text, const std::string& file);
/// Runs it; the result is a list of what was wrong, each with its line; empty: passed.
std::vector<std::string> run_scenario(const Scenario& scenario, ScenarioTarget& target);

}  // namespace sluice::tests
