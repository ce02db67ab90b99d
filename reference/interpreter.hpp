// SPDX-License-Identifier: Apache-2.0
// The slow interpreter: what a program does to one packet, written down as plainly as possible. It is
// the specification that the compiled pipeline is tested against, and the expected side of scenarios.
//
// How it works: the packet is a byte vector beside its FlowKey. An action changes a copy of the key;
// commit (reference/commit.hpp) then writes each field that differs into the bytes, with checksums. An
// output takes the bytes as they are at that moment. Tables are searched rule by rule.
//
// Semantics are Open vSwitch 3.1's, tried there where the manual leaves a question open. Known, deliberate
// differences: later fragments never get their payload "checksummed"; pushing a third VLAN tag keeps all
// three; ports are flooded to in ascending number.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "flow/action.hpp"
#include "flow/group.hpp"
#include "flow/match.hpp"
#include "flow/tun_table.hpp"
#include "packet/drop_reason.hpp"
#include "reference/parse.hpp"
#include "wire/bytes.hpp"

namespace sluice::reference {

struct Bridge;

/// NORMAL's view of a port (vswitchd.conf.db(5), table Port).
enum class VlanMode : std::uint8_t { kTrunk, kAccess, kNativeTagged, kNativeUntagged, kDot1qTunnel };
enum class PriorityTags : std::uint8_t { kNever, kIfNonzero, kAlways };

struct Port {
    std::string name;
    bool up = true;
    bool link_down = false;  ///< for buckets that watch the port; it still sends
    bool no_flood = false, no_forward = false, no_receive = false, no_receive_stp = false,
         no_packet_in = false;
    VlanMode vlan_mode = VlanMode::kTrunk;
    std::uint16_t tag = 0;           ///< access, native and tunnel modes
    std::set<std::uint16_t> trunks;  ///< empty: all; the native VLAN is always in
    std::set<std::uint16_t> cvlans;  ///< tunnel mode; empty: all
    std::uint16_t qinq_ethertype = 0x88a8;
    PriorityTags priority_tags = PriorityTags::kNever;
    bool is_protected = false;
    Bridge* peer = nullptr;  ///< patch port: the bridge at the other end ...
    OfPort peer_port{};      ///< ... and the port there
};

/// A row of the table Mirror.
struct Mirror {
    bool select_all = false;
    std::set<OfPort> src, dst;
    std::set<std::uint16_t> vlans;  ///< empty: all
    OfPort output = OfPort::kAny;   ///< kAny: to `vlan`
    std::uint16_t vlan = 0;
    std::uint32_t snaplen = 0;  ///< 0: whole packets
    // Updated by execute().
    std::uint64_t packets = 0, bytes = 0;
    friend bool operator==(const Mirror&, const Mirror&) = default;
};

struct Rule {
    std::uint8_t table = 0;
    std::int32_t priority = 32768;
    Match match;
    ActionList actions;
    std::uint64_t cookie = 0;
    std::uint64_t id = 0;         ///< the caller's name for it in hits and traces
    std::uint64_t hit_count = 0;  ///< packets, updated by execute()
    std::uint64_t hit_bytes = 0;
};

struct Group {
    GroupType type{};
    std::vector<Bucket> buckets;
    GroupProperties properties;
    // Packets and bytes, updated by execute(): of the group, and of each bucket.
    std::uint64_t packets = 0, bytes = 0;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> bucket_counts;  ///< grows as needed
};

struct Meter {
    std::uint16_t flags = 0;  ///< meter_flag
    struct Band {
        MeterBand config;
        std::uint64_t level = 0;  ///< tokens: bits, or thousandths of packets
        std::uint64_t packets = 0, bytes = 0;
    };
    std::vector<Band> bands;
    std::uint64_t filled_ms = 0;  ///< when the levels were right
    std::uint64_t packets = 0, bytes = 0;
};
/// With full buckets. A burst of 0 means one second's worth, as in OVS.
Meter make_meter(const MeterMod& mod, std::uint64_t now_ms);

/// What a miss does in table 0 and after goto_table; in resubmit it does nothing. kContinue: the next table
/// is looked up. OpenFlow 1.1 §A.3.3 (ofp_table_config).
enum class Miss : std::uint8_t { kDrop, kController, kContinue };
/// ofp_config_flags of OpenFlow 1.0 and NXM (ovs-ofctl set-frags).
enum class FragmentMode : std::uint8_t { kNormal, kDrop, kNxMatch };

using FdbKey = std::pair<std::uint16_t, std::uint64_t>;  ///< VLAN, MAC

struct Connections;

struct Bridge {
    std::string name = "br0";
    std::map<OfPort, Port> ports;
    std::vector<Rule> rules;                    ///< any order; of equal priority the first one wins
    Miss miss = Miss::kDrop;                    ///< kDrop or kController
    std::map<std::uint8_t, Miss> table_misses;  ///< of tables that have a setting of their own
    TunTable tun;                               ///< what tun_metadataN stand for
    FragmentMode fragments = FragmentMode::kNormal;
    std::map<std::uint32_t, Group> groups;
    std::map<std::uint32_t, Meter> meters;
    std::vector<Mirror> mirrors;
    std::uint64_t now_ms = 0;                  ///< the clock of meters and connections
    std::shared_ptr<Connections> connections;  ///< of ct; made when needed, shared by bridges of a switch
    std::map<FdbKey, OfPort> fdb;              ///< learned by NORMAL, changed by execute()
    bool forward_bpdu = false;
    std::set<std::uint16_t> flood_vlans;  ///< VLANs in which nothing is learned
    unsigned vlan_limit = 2;
    unsigned max_depth = kMaxResubmitDepth;
    unsigned max_resubmits = kMaxResubmits;
};

struct Output {
    const Bridge* bridge = nullptr;
    OfPort port{};
    wire::Frame bytes;
    std::uint32_t queue = 0;  ///< of set_queue or enqueue
    bool has_queue = false;
};

/// OpenFlow 1.4 §7.4.1 (ofp_packet_in_reason).
enum class PacketInReason : std::uint8_t {
    kNoMatch = 0,
    kAction = 1,
    kInvalidTtl = 2,
    kActionSet = 3,
    kGroup = 4,
    kPacketOut = 5
};

struct PacketIn {
    const Bridge* bridge = nullptr;
    PacketInReason reason{};
    std::uint16_t max_len = 0xffff;
    wire::Frame bytes;  ///< whole; max_len is not applied
    std::uint8_t table = 0;
    std::uint64_t cookie = ~std::uint64_t{0};  ///< all ones: no rule
    std::uint16_t controller_id = 0;
    std::vector<std::uint8_t> userdata;
    FlowKey metadata;                   ///< key at that moment: in_port, metadata, registers, tunnel
    bool from_table_miss_rule = false;  ///< OpenFlow 1.3+ then says reason NO_MATCH
};

struct Learned {
    const Bridge* bridge = nullptr;
    std::uint16_t vlan = 0;
    std::uint64_t mac = 0;
    OfPort port{};
    friend bool operator==(const Learned&, const Learned&) = default;
};

/// One line of a trace.
struct Step {
    enum class Kind : std::uint8_t { kBridge, kRule, kMiss, kAction, kNote };
    Kind kind{};
    unsigned depth = 0;  ///< nesting, for indentation
    std::uint8_t table = 0;
    std::uint64_t rule_id = 0;       ///< kRule
    const Action* action = nullptr;  ///< kAction; lives as long as the rules, or the copy in an action set
    std::string text;                ///< kNote: why; kBridge: name
};

struct Execution {
    std::vector<Output> outputs;
    std::vector<PacketIn> packet_ins;
    std::vector<DropReason> notes;    ///< each thing that kept a copy from leaving, in order
    std::optional<DropReason> drop;   ///< set if there is neither output nor packet-in
    std::vector<std::uint64_t> hits;  ///< rule ids in order
    std::vector<Learned> learned;
    std::vector<Step> trace;
    FlowKey final_key;
};

/// Runs a received frame. Changes bridge.fdb and hit counts (of peers as well).
Execution execute(Bridge& bridge, wire::Bytes frame, OfPort in_port);
/// Runs a packet-out's actions; output to TABLE looks up table 0. in_port may be kController or kAny.
Execution execute_packet_out(Bridge& bridge, wire::Bytes frame, OfPort in_port, const ActionList& actions);

}  // namespace sluice::reference
