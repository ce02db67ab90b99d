// SPDX-License-Identifier: Apache-2.0
// Random matches, keys, actions and rule sets, the same for the same seed on every machine. Values come from
// small pools, so that random packets do hit random rules. For the differential tests and the fuzzers.
#pragma once

#include <cstdint>
#include <vector>

#include "flow/flow_text.hpp"
#include "flow/tun_table.hpp"

namespace sluice {

/// SplitMix64: small, fast, and the same everywhere (unlike std::uniform_int_distribution).
class Random {
  public:
    explicit Random(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next();
    std::uint32_t below(std::uint32_t limit);  ///< 0..limit-1; limit > 0
    bool one_in(std::uint32_t n) { return below(n) == 0; }
    template <typename Container>
    const auto& pick(const Container& from) {
        return from[below(static_cast<std::uint32_t>(std::size(from)))];
    }

  private:
    std::uint64_t state_;
};

struct RandomOptions {
    std::uint32_t ports = 4;       ///< in_port and output are 1..ports
    std::uint32_t tables = 4;      ///< rules lie in tables 0..tables-1
    std::uint32_t max_fields = 4;  ///< fields in a match besides its protocol
    std::uint32_t max_actions = 4;
    bool masks = true;
    bool ipv6 = true;
    bool metadata = true;  ///< registers, metadata, pkt_mark, tun_id in matches and actions
    // Kinds of actions besides output to a port.
    bool reserved_ports = true;  ///< IN_PORT, ALL, FLOOD
    bool normal = false;
    bool controller = false;
    bool set_fields = true;  ///< set_field, load, move
    bool vlan = true;        ///< push, pop, mod_vlan_*
    bool ttl = true;         ///< dec_ttl
    bool resubmit = true;    ///< to higher tables, so that programs end
    bool goto_table = true;
    bool write_actions = true;  ///< write_actions, clear_actions, write_metadata
    bool clone = true;
    bool stack = true;         ///< push, pop
    std::uint32_t groups = 0;  ///< actions name groups 1..groups, and now and then one more
    std::uint32_t meters = 0;  ///< rules use meters 1..meters
    // Off unless asked for.
    bool mpls = false;         ///< push, pop, set and decrement of labels
    bool computed = false;     ///< multipath, bundle, check_pkt_larger, output of a register or truncated
    bool queues = false;       ///< enqueue, set_queue, pop_queue
    bool inert = false;        ///< note, sample, fin_timeout, ct_clear, exit
    bool encap = false;        ///< encap, decap inside of clones
    bool learn = false;        ///< learned flows have priorities 10 to 13, one for each shape of match
    bool conjunction = false;  ///< conjunctive rules have priority 50 or 60; others match conj_id
    const TunTable* tun = nullptr;  ///< tun_metadataN that it maps are matched, set, moved and learned
};

/// Options of all sizes: of none, one word, across words, the longest.
TunTable random_tun_table();

/// A match whose prerequisites hold.
Match random_match(Random& random, const RandomOptions& options = {});
/// A packet's key, from the same pools; consistent (no tcp_flags on UDP). in_port is 1..ports.
FlowKey random_key(Random& random, const RandomOptions& options = {});
/// Actions that check_actions() accepts for a rule with this match in this table.
ActionList random_actions(Random& random, const Match& match, std::uint8_t table,
                          const RandomOptions& options = {});
/// `count` rules over options.tables tables; no two have the same table, priority and match.
std::vector<FlowSpec> random_rules(Random& random, std::size_t count, const RandomOptions& options = {});

}  // namespace sluice
