// SPDX-License-Identifier: Apache-2.0
// PacketSet: up to 32 packets inside the pipeline with their keys, as parallel arrays; Group: some of
// them, that took the same path so far; Path: what all packets of a group have in common.
#pragma once

#include <cstdint>

#include "classify/table.hpp"
#include "flow/key.hpp"
#include "packet/drop_reason.hpp"
#include "packet/packet.hpp"
#include "pipeline/datapath.hpp"

namespace sluice::pipeline {

/// No VLAN edit at output; otherwise the TCI to send with (0: untagged).
inline constexpr std::uint32_t kKeepTag = 0xffffffff;
inline constexpr std::uint16_t kNoOffset = 0xffff;
inline constexpr unsigned kStackDepth = 16;  ///< values of push: a packet may hold

struct PacketSet {
    std::uint32_t count = 0;
    std::uint32_t done = 0;    ///< bit i: packet i takes no further action (exit, TTL, limits)
    std::uint32_t punted = 0;  ///< bit i: a copy went to a controller
    std::uint32_t sent = 0;    ///< bit i: a copy was queued for output
    Packet* packet[kMaxBurst];
    std::uint16_t l3[kMaxBurst];   ///< offset of the network header, or kNoOffset
    std::uint16_t l4[kMaxBurst];   ///< offset of the transport header, or kNoOffset
    PortIndex pending[kMaxBurst];  ///< last output not yet carried out, kNone if none
    std::uint32_t pending_tag[kMaxBurst];
    std::uint32_t pending_length[kMaxBurst];  ///< truncation, 0: none
    std::uint16_t action_set[kMaxBurst];      ///< node in Executor's arena, 0: empty
    std::uint8_t stack_size[kMaxBurst];
    DropReason reason[kMaxBurst];  ///< why, if it ends without output
    FlowKey key[kMaxBurst];
    U128 stack[kMaxBurst][kStackDepth];
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

struct Path {
    const Topology::Bridge* bridge = nullptr;
    const PortEntry* ingress = nullptr;  ///< nullptr: from the controller
    classify::WordSet uniform;           ///< key words that are equal in all packets of the group
    std::uint16_t lines = 0;             ///< cache lines of the key that hold valid words
    Parsed parsed = Parsed::kNothing;
    std::uint8_t table = 0;
    const struct Rule* rule = nullptr;  ///< whose actions run; nullptr: a packet-out
    std::uint16_t depth = 0;            ///< of resubmit
    std::uint16_t crossings = 0;        ///< of patch ports
    std::uint32_t resubmits = 0;

    /// What still holds after parts of the group went separate ways.
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
    for (unsigned w : {0U, 1U, 2U, 3U, 4U, 7U, 8U, 9U, 10U, 11U, 12U, 13U, 14U, 15U, 42U, 45U, 46U, 47U})
        set.add(w);
    return set;
}
inline constexpr classify::WordSet kHeaderWords = header_words();
constexpr classify::WordSet link_words() {
    classify::WordSet set;
    set.add(0), set.add(1);
    return set;
}
inline constexpr classify::WordSet kLinkWords = link_words();

}  // namespace sluice::pipeline
