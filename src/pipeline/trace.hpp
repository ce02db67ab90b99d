// SPDX-License-Identifier: Apache-2.0
// TraceSink: what a packet meets, step by step, for ofproto/trace. One flag test a table when off.
#pragma once

#include <string_view>
#include <vector>

#include "base/types.hpp"
#include "flow/action.hpp"
#include "flow/key.hpp"
#include "flow/match.hpp"
#include "packet/drop_reason.hpp"

namespace sluice::pipeline {

struct Rule;
struct BucketEntry;
struct ActionProgram;

/// A packet on its way out of ct(...,table=N), as a trace leaves it there: the caller says what its
/// connection is like and has it go on with Executor::trace_fork(). Refers to rules: valid as long as no flow
/// changes.
struct TraceFork {
    unsigned bridge = 0;
    std::uint8_t table = 0;
    FlowKey key;  ///< ct_zone, ct_mark and ct_label are set; ct_state is the caller's to set
    std::vector<std::uint8_t> packet;
    std::vector<U128> stack;                       ///< bottom first
    std::vector<const ActionProgram*> action_set;  ///< as written, oldest first
    std::uint32_t queue = 0;
    bool bare = false;  ///< its Ethernet header is only a filler
};

class TraceSink {
  public:
    virtual ~TraceSink() = default;
    /// The packet enters a bridge (the first one, or through a patch port) as `key`.
    virtual void enter_bridge(unsigned bridge, const FlowKey& key, unsigned depth) = 0;
    /// A table was consulted; rule nullptr: a miss. `consulted`: masks of the rules it was compared with.
    virtual void lookup(std::uint8_t table, const Rule* rule, const FlowKey& key, const FlowKey& consulted,
                        unsigned depth) = 0;
    /// About to execute `action` of the current rule.
    virtual void action(const Action& action, const FlowKey& key, unsigned depth) = 0;
    /// The action gave a sub-field this value (multipath, bundle_load, pop).
    virtual void written(const SubField& target, U128 value) = 0;
    /// A remark of the pipeline ("no learned MAC for destination, flooding", "skipping output to input
    /// port").
    virtual void note(std::string_view text, unsigned depth) = 0;
    /// The packet, as `key`, would leave by datapath port `index` here (or go to the controller: kNone).
    virtual void output(PortIndex index, const FlowKey& key) = 0;
    virtual void drop(std::string_view reason) = 0;
    /// The action just reported ended everything: nothing is sent, also not what was to be so far.
    virtual void failed(DropReason reason, const FlowKey& key, unsigned depth) = 0;
    /// The packet came to the end of the first bridge as `key`.
    virtual void end(const FlowKey& key) = 0;
    /// The group action just reported: there is no such group; or of which bucket it makes use (nullptr:
    /// none is live), if there is a choice. Then each bucket, with its actions in between.
    virtual void missing_group(std::uint32_t group) = 0;
    virtual void chose_bucket(const BucketEntry* bucket) = 0;
    virtual void enter_bucket(const BucketEntry& bucket) = 0;
    virtual void leave_bucket() = 0;
    /// Around the actions of the clone just reported. `last`: nothing but action sets follows it.
    virtual void enter_clone(const FlowKey& key, bool last) = 0;
    virtual void leave_clone() = 0;
    /// A trace tracks no connection. `key` has what the ct action just reported asked for: ct_zone, ct_mark,
    /// ct_label. `fork`: the copy that goes on in another table, null if none does.
    virtual void tracked(const FlowKey& key, TraceFork* fork) = 0;
};

}  // namespace sluice::pipeline
