// SPDX-License-Identifier: Apache-2.0
// The interpreter's state while it runs one packet. Private to reference/.
#pragma once

#include <list>
#include <set>
#include <string>
#include <vector>

#include "reference/commit.hpp"
#include "reference/conntrack.hpp"
#include "reference/interpreter.hpp"

namespace sluice::reference {

/// actset_output when the action set has no output (OpenFlow 1.5 §7.2.3.9: OFPP_UNSET).
inline constexpr std::uint32_t kActsetUnset = 0xfffffff7;

class Machine {
  public:
    Machine(Bridge& bridge, wire::Bytes frame, OfPort in_port);
    Execution run();
    Execution run_packet_out(const ActionList& actions);

  private:
    /// What belongs to one bridge's run; a patch port starts a fresh one.
    struct Context {
        Bridge* bridge = nullptr;
        std::uint8_t table = 0;
        const Rule* rule = nullptr;
        ActionList action_set;
        std::vector<U128> stack;
        bool exit = false;
        bool metered = false;  ///< dropped by a meter: takes no further action
        bool in_action_set = false;
        bool in_group = false;
        bool in_packet_out = false;
        std::uint32_t queue = 0;
        bool has_queue = false;
        std::set<std::size_t> mirrored;  ///< mirrors whose destination has had the packet
        Tracked tracked;
    };
    FlowKey& key() { return p_.at.key; }
    OfPort in_port() const { return OfPort{static_cast<std::uint32_t>(p_.at.key.get(key::kInPort))}; }
    void note(DropReason reason, std::string text);
    void fail(DropReason reason, std::string text);
    Execution finish(bool matched);

    // Tables (interpreter.cpp).
    void process();
    bool may_receive(const Port& port) const;
    /// If `go_on`, looks up further tables as they say; `table` is the last one.
    Rule* find_rule(std::uint8_t& table, OfPort port, bool go_on, bool as_connection = false);
    Miss miss_of(std::uint8_t table) const;
    void enter_table(std::uint8_t table, OfPort port, bool miss_counts, bool as_connection = false);
    void run_rule(Rule& rule, unsigned deeper);
    void miss(std::uint8_t table);
    void run_action_set();

    // Actions (actions.cpp). One overload a kind; `stop` ends the list that is being run.
    void run_list(const ActionList& actions);
    void set_key(const FlowKey& wanted) { commit(p_, wanted); }
    U128 read(const SubField& source) const;
    void write(const SubField& target, U128 value);
    void output(OfPort port, std::uint16_t max_len);
    void emit(OfPort port, std::size_t limit = ~std::size_t{0});
    void cross_patch(const Port& port);
    void flood(bool all);
    void packet_in(PacketInReason reason, std::uint16_t max_len, std::uint16_t controller_id,
                   std::vector<std::uint8_t> userdata = {}, std::uint32_t meter_id = 0);
    PacketInReason controller_reason() const;
    bool invalid_ttl(const std::vector<std::uint16_t>& controller_ids);
    void update_actset_output();
    void write_option(FlowKey& key, unsigned index, unsigned offset, U128 value, U128 mask) const;

    // Groups and meters (group.cpp).
    bool bucket_live(const Bucket& bucket, std::set<std::uint32_t>& seen) const;
    std::vector<std::size_t> choose_buckets(const Group& group) const;
    void run_bucket(const Bucket& bucket);
    const Meter::Band* run_meter(Meter& meter);

    bool operator()(const OutputAction& a);
    bool operator()(const OutputRegAction& a);
    bool operator()(const OutputTruncAction& a);
    bool operator()(const ControllerAction& a);
    bool operator()(const EnqueueAction& a);
    bool operator()(const SetQueueAction& a);
    bool operator()(const PopQueueAction& a);
    bool operator()(const GroupAction& a);
    bool operator()(const MeterAction& a);
    bool operator()(const SetFieldAction& a);
    bool operator()(const SetVlanVidAction& a);
    bool operator()(const SetVlanPcpAction& a);
    bool operator()(const MoveAction& a);
    bool operator()(const PushVlanAction& a);
    bool operator()(const StripVlanAction& a);
    bool operator()(const PushMplsAction& a);
    bool operator()(const PopMplsAction& a);
    bool operator()(const DecTtlAction& a);
    bool operator()(const SetMplsTtlAction& a);
    bool operator()(const DecMplsTtlAction& a);
    bool operator()(const StackPushAction& a);
    bool operator()(const StackPopAction& a);
    bool operator()(const ResubmitAction& a);
    bool operator()(const CloneAction& a);
    bool operator()(const NoteAction& a);
    bool operator()(const ExitAction& a);
    bool operator()(const SetMplsLabelAction& a);
    bool operator()(const SetMplsTcAction& a);
    template <typename Unsupported>
    bool operator()(const Unsupported& /*a*/) {
        note(DropReason::kUnsupported, "the action is not available");
        return false;
    }
    bool operator()(const ClearActionsAction& a);
    bool operator()(const WriteActionsAction& a);
    bool operator()(const WriteMetadataAction& a);
    bool operator()(const GotoTableAction& a);

    // encap.cpp
    bool operator()(const EncapAction& a);
    bool operator()(const DecapAction& a);
    bool operator()(const DecNshTtlAction& a);
    void parse_again(bool bare);
    bool push_header(wire::Bytes header, std::uint16_t type);
    bool pull_header(std::size_t size, std::uint16_t type);

    // learn.cpp
    bool operator()(const LearnAction& a);
    bool operator()(const MultipathAction& a);
    bool operator()(const BundleAction& a);
    bool operator()(const CheckPktLargerAction& a);
    bool operator()(const CtClearAction& a);
    bool operator()(const CtAction& a);
    bool operator()(const DeleteFieldAction& a);
    bool operator()(const SampleAction& a);
    bool operator()(const FinTimeoutAction& a);
    bool operator()(const ConjunctionAction& a);
    void clear_ct_fields();
    std::vector<Rule*> candidates(std::uint8_t table, const FlowKey& key,
                                  const std::vector<Rule*>& passed) const;
    Rule* search(std::uint8_t table, FlowKey key) const;
    bool remember(Rule rule, std::uint32_t limit);
    void apply_learned();

    // NORMAL and mirrors (normal.cpp).
    void normal();
    void mirror(OfPort at, bool received);
    void mirror_to(const Mirror& mirror, std::uint16_t vlan, const FlowKey& internal);
    bool is_mirror_output(OfPort port) const;
    void normal_output(const Port& out_port, OfPort number, const FlowKey& internal,
                       std::size_t limit = ~std::size_t{0});

    WorkPacket p_;
    Context c_;
    Execution out_;
    std::list<ActionList> action_sets_run_;          ///< keeps the actions that the trace points at
    std::vector<std::pair<Bridge*, Rule>> learned_;  ///< flows that show once the packet is through
    unsigned depth_ = 0, resubmits_ = 0, indent_ = 0;
    bool matched_ = false;
    bool failed_ = false;
    DropReason failure_{};
};

}  // namespace sluice::reference
