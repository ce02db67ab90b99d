// SPDX-License-Identifier: Apache-2.0
// TraceTree: collects what the pipeline reports of one packet and prints it in the layout of ofproto/trace.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <vector>

#include "control/switch.hpp"
#include "flow/match.hpp"
#include "pipeline/trace.hpp"

namespace sluice {

/// Number by which a datapath port is printed; 0 stands for the datapath itself, as in OVS.
inline unsigned odp_port(PortIndex index) {
    return to_int(index) + 1U;
}

class TraceTree final : public pipeline::TraceSink {
  public:
    struct Style {
        bool names = false;   ///< of ports, not numbers
        bool packet = false;  ///< it is a packet's trace, not only a flow's: packet-ins would be sent
    };
    explicit TraceTree(const Switch& owner) : TraceTree(owner, Style{}) {}
    /// `first`, if any, are the actions of a packet-out that the walk starts with; they outlive this.
    TraceTree(const Switch& owner, const Style& style, const pipeline::ActionProgram* first = nullptr)
        : switch_(owner), style_(style), packet_out_(first) {}

    void enter_bridge(unsigned bridge, const FlowKey& key, unsigned depth) override;
    void lookup(std::uint8_t table, const pipeline::Rule* rule, const FlowKey& key, const FlowKey& consulted,
                unsigned depth) override;
    void action(const Action& action, const FlowKey& key, unsigned depth) override;
    void written(const SubField& target, U128 value) override;
    void note(std::string_view text, unsigned depth) override;
    void output(PortIndex index, const FlowKey& key) override;
    void drop(std::string_view reason) override;
    void failed(DropReason reason, const FlowKey& key, unsigned depth) override;
    void end(const FlowKey& key) override { last_key_ = key; }
    void missing_group(std::uint32_t group) override;
    void chose_bucket(const pipeline::BucketEntry* bucket) override;
    void enter_bucket(const pipeline::BucketEntry& bucket) override;
    void leave_bucket() override;
    void enter_clone(const FlowKey& key, bool last) override;
    void leave_clone() override;
    void tracked(const FlowKey& key, pipeline::TraceFork* fork) override;

    /// The walk goes on from a ct action (recirculation `id`), rather than beginning.
    void resume(std::uint32_t id, std::uint8_t table) { recirculation_ = id, resumed_table_ = table; }
    /// Packets that go on elsewhere, in the order in which they are to be traced. `id`: of the recirculation.
    struct Fork {
        pipeline::TraceFork packet;
        std::uint32_t id = 0;
        const NatAction* nat = nullptr;  ///< of the ct action; of a rule, as the packet's programs are
    };
    std::vector<Fork>& forks() { return forks_; }
    /// Where ids of recirculations are counted; must outlive this.
    void count_recirculations(std::uint32_t& count) { recirculations_ = &count; }

    /// The steps, from the first "bridge(...)" on.
    std::string format_steps() const;
    /// "Datapath actions:" without the title.
    std::string format_datapath_actions() const;
    /// What ended everything ("Too many resubmits"), or empty.
    const std::string& failure() const { return failure_; }
    /// Key with which the first bridge was entered, and the last one seen there.
    const FlowKey& first_key() const { return first_key_; }
    const FlowKey& last_key() const { return last_key_; }
    /// What deciding this packet's fate looked at; `shown` are the packet's original fields.
    Match megaflow(const FlowKey& shown) const;

  private:
    enum class NodeType { kBridge, kThaw, kTable, kAction, kBucket, kDetail, kWarn, kError };
    struct Node {
        NodeType type;
        std::string text;
        std::list<Node> subs;
    };
    using Nodes = std::list<Node>;
    /// One pass through a bridge, with what left it, in order.
    struct Run;
    struct Item {
        PortIndex port = PortIndex::kNone;
        FlowKey key;
        std::string step;  ///< non-empty: not a port but this: to the controller, ct
        std::unique_ptr<Run> inner;
        const Action* reframe = nullptr;  ///< encap or decap; `key` is from before, `after` from behind it
        std::unique_ptr<FlowKey> after;   ///< null: nothing came behind it
        bool is_clone = false;            ///< changes of `inner` end with it
        std::uint32_t truncate = 0;       ///< to that many bytes; 0: whole
        bool commits = true;              ///< header changes so far take effect before it
    };
    struct Run {
        unsigned bridge = 0;
        FlowKey entry;
        std::vector<Item> items;
    };
    struct Frame {
        const pipeline::Rule* rule = nullptr;
        Nodes* subs = nullptr;
        const pipeline::ActionProgram* list = nullptr;  ///< non-null: of a bucket or packet-out, no rule's
    };
    struct Pending {  ///< a patch port was passed; its bridge comes later
        PortIndex peer;
        Nodes* where;
        Run* run;
        bool used = false;
    };

    bool owns(const Frame& frame, const Action& action) const;
    bool in_action_set(const Action& action) const;
    void write_actions(const WriteActionsAction& written);
    void note_consulted(const FlowKey& key, const FlowKey& consulted);
    void note_changed(const FlowKey& key);
    void report_move(const MoveAction& move, const FlowKey& key);
    unsigned controller_reason() const;
    void add_step(std::string text, const FlowKey& key);
    Nodes& current();
    std::string describe_refused_vlan() const;
    static void print(const Nodes& nodes, unsigned level, std::string& out);
    /// What the datapath has done to the packet so far, and the encap or decap that it is yet to do: as in
    /// OVS that comes, with the fields set meanwhile, before the next thing that needs the packet.
    struct Committed {
        FlowKey base;
        const Item* reframe = nullptr;
    };
    void commit(const Run& run, Committed& done, std::vector<std::string>& out) const;
    static void bring_to(const FlowKey& key, Committed& done, std::vector<std::string>& out);

    const Switch& switch_;
    const Style style_;
    const pipeline::ActionProgram* const packet_out_;
    Nodes roots_;
    std::unique_ptr<Run> root_run_;
    Run* run_ = nullptr;
    std::vector<Frame> frames_;
    Nodes* bridge_subs_ = nullptr;
    std::list<Pending> pending_;
    std::string failure_;
    std::vector<Run*> clones_;  ///< that are being executed: the runs around them, null: the same one
    Run* reframed_ = nullptr;   ///< its last item is an encap or decap that has just been executed
    const Action* last_action_ = nullptr;
    ActionList action_set_;
    bool executing_set_ = false;
    unsigned buckets_ = 0;  ///< that are being executed, one in another: what they change comes back
    bool normal_ = false;
    std::vector<Fork> forks_;
    std::uint32_t recirculation_ = 0, own_count_ = 0;
    std::uint32_t* recirculations_ = &own_count_;
    std::uint8_t resumed_table_ = 0;
    /// Bits looked at; bits that differed from the first key in any output.
    FlowKey first_key_, last_key_, touched_, changed_;
};

}  // namespace sluice
