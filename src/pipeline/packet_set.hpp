// SPDX-License-Identifier: Apache-2.0
// PacketSet: up to 32 packets inside the pipeline with their keys, as parallel arrays; Group: some of
// them, that took the same path so far; Path: what all packets of a group have in common.
#pragma once

#include <cstdint>

#include "classify/table.hpp"
#include "conntrack/tracker.hpp"
#include "flow/key.hpp"
#include "flow/limits.hpp"
#include "packet/drop_reason.hpp"
#include "packet/packet.hpp"
#include "pipeline/datapath.hpp"
#include "pipeline/program.hpp"

namespace sluice::pipeline {

/// Tags to send a packet with: TPID and TCI of the outer tag in the high 32 bits, of the inner one in the
/// low; 0: no tag. kKeepTags: as they are.
using TagPair = std::uint64_t;
inline constexpr TagPair kKeepTags = ~TagPair{0};
inline constexpr std::uint16_t kNoOffset = 0xffff;
/// actset_output when the action set has no output (OpenFlow 1.5 §7.2.3.9: OFPP_UNSET).
inline constexpr std::uint32_t kActsetUnset = 0xfffffff7;

struct PacketSet {
    std::uint32_t count = 0;
    PacketSet* parent = nullptr;  ///< set: a clone's packets; what they send waits for their originals' end
    std::uint8_t origin[kMaxBurst];  ///< of a clone: index in the parent
    std::uint32_t done = 0;          ///< bit i: packet i takes no further action (exit, TTL, limits)
    std::uint32_t punted = 0;        ///< bit i: a copy went to a controller
    std::uint32_t sent = 0;          ///< bit i: a copy was staged for output
    std::uint32_t gone = 0;          ///< bit i: packet i has left already (flow cache)
    std::uint32_t exited = 0;        ///< bit i: exit; also done. Its action set is not run
    std::uint32_t metered = 0;       ///< bit i: dropped by a meter; also done, and no action set
    std::uint32_t failed = 0;        ///< bit i: a limit was passed; nothing of packet i is sent
    std::uint32_t bare = 0;          ///< bit i: no Ethernet header (encap.cpp); the one in front is a filler
    std::uint32_t retyped = 0;       ///< bit i: packet_type of packet i was set; 0 again at the end
    std::uint32_t paused = 0;        ///< bit i: controller(pause) stopped it; also done
    Packet* packet[kMaxBurst];
    std::uint16_t next[kMaxBurst];    ///< offset of what follows the Ethernet type, or kNoOffset
    std::uint16_t l3[kMaxBurst];      ///< offset of the network header if it is sound, or kNoOffset
    std::uint32_t l3_end[kMaxBurst];  ///< end of the network packet within the first segment
    std::uint16_t l4[kMaxBurst];      ///< offset of the transport header, or kNoOffset
    PortIndex pending[kMaxBurst];     ///< last output not yet carried out, kNone if none
    TagPair pending_tags[kMaxBurst];
    std::uint32_t pending_length[kMaxBurst];  ///< truncation, 0: none
    std::uint32_t pending_queue[kMaxBurst];   ///< kNoQueue: none
    std::uint16_t pending_outer[kMaxBurst];   ///< of an output to a tunnel port, see Departure
    std::uint32_t queue[kMaxBurst];           ///< of set_queue, kNoQueue: none
    std::uint16_t action_set[kMaxBurst];      ///< node in Executor's arena, 0: empty
    conntrack::Attachment ct[kMaxBurst];      ///< what ct() found out about it last
    std::int16_t grown[kMaxBurst];  ///< bytes longer (below 0: shorter) than when it came into the bridge
    std::uint8_t stack_size[kMaxBurst];
    std::uint16_t pause_frame[kMaxBurst];  ///< paused: node in Executor's arena, outermost
    const struct Op* pause_op[kMaxBurst];  ///< paused: the controller action
    std::uint8_t pause_table[kMaxBurst];
    std::uint64_t pause_cookie[kMaxBurst];
    std::uint8_t tags[kMaxBurst];           ///< VLAN tags in front of `next` that were parsed or pushed
    bool routing[kMaxBurst];                ///< IPv6 segments left: the address is not in the checksum
    std::uint32_t mirrored[kMaxBurst];      ///< mirrors that have had it; valid if the bridge has any
    DropReason reason[kMaxBurst];           ///< why, if it ends without output
    std::uint64_t hidden_ports[kMaxBurst];  ///< of fragments, during a lookup
    FlowKey key[kMaxBurst];
    U128 stack[kMaxBurst][kMaxStackDepth];
};

/// Packets of one set that took the same path; order kept.
struct Group {
    std::uint8_t count = 0;
    std::uint8_t index[kMaxBurst];
};

/// How far the headers of a group have been parsed.
enum class Parsed : std::uint8_t { kNothing, kLink, kAll };

inline constexpr unsigned kKeyLines = kKeyWords / 8;
inline constexpr std::uint16_t kAllLines = (1U << kKeyLines) - 1;

/// How a table was entered: it decides what a miss does and what counts as a resubmit.
enum class Entry : std::uint8_t { kFirst, kGoto, kResubmit };

struct Path {
    const Topology::Bridge* bridge = nullptr;
    const PortEntry* ingress = nullptr;  ///< nullptr: from the controller
    classify::WordSet uniform;           ///< key words that are equal in all packets of the group
    std::uint16_t lines = 0;             ///< cache lines of the key that hold valid words
    Parsed parsed = Parsed::kNothing;
    std::uint8_t table = 0;
    const struct Rule* rule = nullptr;  ///< whose actions run; nullptr: a packet-out
    std::uint64_t cookie =
        ~std::uint64_t{0};        ///< of the rule, or of the one that a resumed packet stopped in
    std::uint16_t depth = 0;      ///< of resubmit
    std::uint16_t crossings = 0;  ///< of patch ports
    std::uint32_t resubmits = 0;
    bool in_action_set = false;
    bool in_group = false;  ///< inside a bucket
    bool tail = true;       ///< nothing but action sets follows what is being run
    bool in_packet_out = false;

    /// What still holds after parts of the group went separate ways; see Executor::Impl::join().
    void join(const Path& other) {
        for (unsigned i = 0; i < 2; ++i)
            uniform.bits[i] &= other.uniform.bits[i];
        lines &= other.lines;
        parsed = parsed < other.parsed ? parsed : other.parsed;
        resubmits = resubmits > other.resubmits ? resubmits : other.resubmits;
    }
};

/// Words that come from the packet's headers (not metadata).
constexpr classify::WordSet header_words() {
    classify::WordSet set;
    for (unsigned w : {0U, 1U, 2U, 3U, 4U, 7U, 8U, 9U, 10U, 11U, 12U, 13U, 14U, 15U, 42U, 46U, 47U})
        set.add(w);
    return set;
}
inline constexpr classify::WordSet kHeaderWords = header_words();
/// Words with fields that a ct action sets.
constexpr classify::WordSet ct_field_words() {
    classify::WordSet set;
    for (unsigned w : {27U, 28U, 29U, 30U, 36U, 37U, 38U, 39U, 40U, 41U})
        set.add(w);
    return set;
}
inline constexpr classify::WordSet kCtFieldWords = ct_field_words();
/// Cache lines of a key that hold some of these words.
constexpr std::uint16_t lines_of(const classify::WordSet& words) {
    std::uint16_t lines = 0;
    for (unsigned line = 0; line < kKeyLines; ++line) {
        const std::uint64_t bits = line < 8 ? words.bits[0] >> (line * 8) : words.bits[1] >> ((line - 8) * 8);
        if (bits & 0xff) lines = static_cast<std::uint16_t>(lines | 1U << line);
    }
    return lines;
}
/// Words with fields that packets have from the tunnel they came through.
constexpr classify::WordSet tunnel_field_words() {
    classify::WordSet set;
    for (unsigned w : {24U, 25U, 26U, 27U, 32U, 33U, 34U, 35U, 37U, 44U, 45U})
        set.add(w);
    for (unsigned w = 0; w < key::kTunMetadataWords; ++w)
        set.add(key::kTunMetadataWord + w);
    return set;
}
inline constexpr classify::WordSet kTunnelFieldWords = tunnel_field_words();
inline constexpr std::uint16_t kTunnelLines = lines_of(kTunnelFieldWords);
constexpr classify::WordSet link_words() {
    classify::WordSet set;
    set.add(0), set.add(1);
    return set;
}
inline constexpr classify::WordSet kLinkWords = link_words();

}  // namespace sluice::pipeline
