// SPDX-License-Identifier: Apache-2.0
// FlowTables: the OpenFlow flows of one bridge and the meaning of flow-mods, over pipeline::Program.
//
// apply() checks one flow-mod as a whole and stages its changes with the next version: either all of it
// or nothing, and an OpenFlow error. Staged changes show to packets at commit(), which publishes once for
// any number of flow-mods; sessions call it after a burst, and before anything that must see the result.
//
//     if (auto error = flows.apply(flow_mod, now_ms)) refuse(*error);
//     Rcu::Point point = flows.commit();                  // barrier: reply when point has passed
//
// A bundle is begin(), any number of apply(), then commit() (one version: no packet sees half of it) or
// rollback() (as if nothing had happened). Between them everything is undone from a log of three kinds of
// steps: a flow added, removed, or given another rule; GroupTable keeps a log of its own. Removal notices go
// out at commit only.
//
// Which changes a command makes follows Open vSwitch where the specifications leave room: an add over an
// identical flow replaces it and starts its duration anew, but keeps its counters unless kResetCounts is
// set; a modify that matches nothing adds if it carries a new cookie and no cookie mask (the codec arranges
// that for OpenFlow 1.0 and 1.1); check_overlap ignores the identical flow. Sources: OpenFlow 1.5 §6.4,
// ovs-ofctl(8), ovs-fields(7).
//
// Costs: add, strict commands: O(1) expected and one compilation of the actions; loose commands and
// dumps: a walk over the tables named. Control thread only.
#pragma once

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "bridge/flow_index.hpp"
#include "bridge/references.hpp"
#include "pipeline/datapath.hpp"
#include "pipeline/learn.hpp"
#include "proto/openflow/error.hpp"
#include "proto/openflow/message.hpp"

namespace sluice::bridge {

inline constexpr unsigned kVisibleTables = 254;  ///< tables 0..253; 254 is the switch's own, as in OVS
inline constexpr std::uint32_t kDefaultMaxFlows = 1'000'000;  ///< a table; as OVS reports it

/// OFPRR_* numbers.
enum class FlowRemovedReason : std::uint8_t {
    kIdleTimeout,
    kHardTimeout,
    kDelete,
    kGroupDelete,
    kMeterDelete,
    kEviction
};

/// Who asked for a change; flow monitors tell their own changes apart.
struct Origin {
    const void* session = nullptr;  ///< nullptr: the switch itself
    std::uint32_t xid = 0;
};
/// One final change, as flow monitors see it. Valid during the call.
struct FlowChange {
    enum class Kind : std::uint8_t { kAdded, kModified, kRemoved } kind;
    const Flow& flow;
    FlowRemovedReason reason{};
    const ActionList* old_actions = nullptr;  ///< what it did before, if that changed
    Origin origin;
};

/// Which flows a loose command, dump or aggregate is about.
struct FlowFilter {
    SparseMatch match;
    std::uint8_t table = openflow::kAllTables;
    OfPort out_port = OfPort::kAny;
    std::uint32_t out_group = openflow::kAnyGroup;
    std::uint64_t cookie = 0, cookie_mask = 0;

    static FlowFilter from(const openflow::FlowSelection& selection);
    /// All but the table; hidden flows never pass.
    bool passes(const Flow& flow) const;
};

/// What the database says of a table (Flow_Table), and the name that OpenFlow may change.
struct TableSettings {
    std::string name;  ///< empty: shown by number alone
    std::uint32_t max_flows = kDefaultMaxFlows;
    bool evict = false;  ///< a full table makes room; from the largest group of flows alike in `groups`
    std::vector<SubField> groups;
    friend bool operator==(const TableSettings&, const TableSettings&) = default;
};
/// What OpenFlow 1.1+ table-mods said of a table.
struct TableConfig {
    openflow::TableMiss miss{};  ///< 1.1, 1.2
    bool evict = false;
    bool vacancy_events = false;
    std::uint8_t vacancy_down = 0, vacancy_up = 0;  ///< per cent of the limit that are free
    bool tells_down = true;  ///< the next event: below vacancy_down, or above vacancy_up
};

class GroupTable;
class MeterTable;

class FlowTables final : public pipeline::FlowEventSink {
  public:
    using RemovedCallback = std::function<void(const Flow& flow, FlowRemovedReason reason)>;
    using ChangedCallback = std::function<void(std::span<const FlowChange> changes)>;
    using VacancyCallback = std::function<void(std::uint8_t table, bool down)>;
    using Error = std::optional<openflow::OfError>;

    FlowTables(pipeline::Datapath& datapath, pipeline::Program& program);
    /// Removes all flows, groups and meters from the program and publishes.
    ~FlowTables() override;
    FlowTables(const FlowTables&) = delete;
    FlowTables& operator=(const FlowTables&) = delete;

    /// Stages one flow-mod; an error leaves no trace. now_ms: monotonic milliseconds.
    Error apply(const openflow::FlowMod& mod, std::int64_t now_ms, const Origin& origin = {});
    /// Refuses what apply() would refuse whatever flows there are. Changes nothing.
    Error validate(const openflow::FlowMod& mod) const;
    /// Publishes what is staged, if anything, and ends a transaction. Returns the point of the last
    /// publication that changed flows of this bridge: passed when every packet meets them.
    Rcu::Point commit();
    /// Starts a transaction (publishing first what is staged); ends by commit() or rollback().
    void begin();
    void rollback();
    bool in_transaction() const { return in_transaction_; }

    GroupTable& groups() { return *groups_; }
    const GroupTable& groups() const { return *groups_; }
    MeterTable& meters() { return *meters_; }
    const MeterTable& meters() const { return *meters_; }
    /// Which flows name which groups and meters.
    const References& references() const { return references_; }
    /// OFPBAC_BAD_OUT_GROUP or OFPMMFC_INVALID_METER if `actions` name a group or meter that doesn't exist.
    Error check_references(const ActionList& actions) const;
    // For the tables of groups and meters: flows that go with one; something was staged.
    void remove_users_of_group(std::uint32_t group);
    void remove_users_of_meter(std::uint32_t meter);
    void staged();

    /// What tun_metadataN stand for, and which of them flows or groups name (bit N). O(flows).
    const TunTable* tun_table() const { return program_.tun_table(); }
    std::uint64_t used_options() const;

    /// The switch's own flow in table 0, not shown and not touched by flow-mods; staged.
    void add_hidden(std::uint16_t priority, const SparseMatch& match, const ActionList& actions);
    void remove_hidden();
    bool has_hidden() const { return hidden_ != nullptr; }
    /// Removes every flow but hidden ones, notices included; staged.
    void clear();

    /// A packet learned a flow (ovs-actions(7), "learn"): adds or changes it, and publishes.
    void learn(const pipeline::LearnedFlow& learned) override;
    void fin_timeout(pipeline::Rule& rule, std::uint16_t idle_timeout, std::uint16_t hard_timeout) override;

    /// Removes flows whose idle or hard time-out has passed, and publishes. O(those due).
    void expire(std::int64_t now_ms);

    /// Told of every removal of a flow with kSendFlowRemoved; the flow's statistics are still there.
    void on_removed(RemovedCallback callback) { on_removed_ = std::move(callback); }

    /// Told of all changes of one flow-mod, transaction or expiry together, once they are final. Unset:
    /// nobody watches, and nothing is gathered.
    void on_changed(ChangedCallback callback) { on_changed_ = std::move(callback); }
    /// Grows with every change of a flow.
    std::uint64_t sequence() const { return sequence_; }
    /// Told when a table with vacancy events passes one of its bounds.
    void on_vacancy(VacancyCallback callback) { on_vacancy_ = std::move(callback); }

    // Queries.
    std::size_t flow_count() const;  ///< hidden ones aside
    std::size_t flow_count(std::uint8_t table) const;
    /// Before statistics are read: flows get what the kernel counted for them until at most so long ago.
    void collect_counts(std::int64_t max_age_ns = 0) const;
    pipeline::RuleStats stats(const Flow& flow) const { return program_.stats(*flow.rule); }
    openflow::FlowStats describe(const Flow& flow, std::int64_t now_ms) const;
    openflow::AggregateReply aggregate(const FlowFilter& filter) const;
    /// Calls for every flow in the filter; `visit` must not change flows.
    void for_each(const FlowFilter& filter, const std::function<void(const Flow&)>& visit) const;
    /// Every flow, hidden ones included (bridge/dump-flows).
    void for_each_with_hidden(const std::function<void(const Flow&)>& visit) const;
    pipeline::TableStats table_stats(std::uint8_t table) const { return program_.table_stats(table); }
    /// OFPBRC_BAD_TABLE_ID unless `table` exists or is 0xff.
    static Error check_table(std::uint8_t table);

    const TableSettings& table_settings(std::uint8_t table) const;
    /// A limit below what the table holds evicts flows, if it may.
    void set_table_settings(std::uint8_t table, TableSettings settings);
    const TableConfig& table_config(std::uint8_t table) const;
    /// The changes of a table-mod; vacancy: bounds to set, or nullopt: no events.
    void configure_table(std::uint8_t table, bool evict, std::optional<openflow::TableVacancy> vacancy);
    void set_table_miss(std::uint8_t table, openflow::TableMiss miss) { configs_[table].miss = miss; }
    /// Free entries of a table in per cent of its limit.
    std::uint8_t vacancy_percent(std::uint8_t table) const;

    /// A walk that may pause while flows come and go: what is removed is skipped.
    class Cursor {
      public:
        Cursor(FlowTables& tables, FlowFilter filter);
        ~Cursor();
        Cursor(const Cursor&) = delete;
        Cursor& operator=(const Cursor&) = delete;
        /// The next flow in the filter, not yet taken, valid until flows change; nullptr: done.
        const Flow* peek();
        /// Takes it.
        const Flow* next();

      private:
        friend class FlowTables;
        void enter_table();
        FlowTables* tables_;
        FlowFilter filter_;
        unsigned table_ = 0;
        Flow* at_ = nullptr;  ///< next to look at
    };

  private:
    struct Step {
        enum class Kind : std::uint8_t { kAdded, kRemoved, kReplaced } kind;
        FlowRemovedReason reason{};
        bool kept_stats = false;
        bool notify = false;
        Flow* flow = nullptr;
        std::unique_ptr<Flow> before;  ///< kReplaced: as it was
        Origin origin;
        bool by_add = false;  ///< kReplaced: an add over an identical flow
    };
    Error check(const openflow::FlowMod& mod) const;
    Error run(const openflow::FlowMod& mod, const SparseMatch& match, std::int64_t now_ms);
    Error add(const openflow::FlowMod& mod, std::uint8_t table, const SparseMatch& match,
              std::int64_t now_ms);
    Error modify(const openflow::FlowMod& mod, const SparseMatch& match, std::int64_t now_ms);
    Error modify_one(Flow& flow, const openflow::FlowMod& mod, std::int64_t now_ms);
    std::vector<Flow*> select(const openflow::FlowMod& mod, const SparseMatch& match, bool strict) const;
    Flow* insert(std::unique_ptr<Flow> flow);
    void remove(Flow& flow, FlowRemovedReason reason, bool notify = true);
    void replace_rule(Flow& flow, pipeline::Rule* rule, bool keep_stats);
    void undo_to(std::size_t mark);
    void note_learner(const ActionList& actions);
    void remove_orphans();
    static std::int64_t modified_ms(const Flow& flow);
    void settle();
    void tell_changes();
    void tell_vacancy();
    /// Removes the flow that the table can miss best; false: none may go.
    bool evict_one(std::uint8_t table);
    void link(Flow& flow);
    void unlink(Flow& flow);
    void arm(Flow& flow);
    void disarm(Flow& flow);
    std::int64_t next_deadline(const Flow& flow) const;

    pipeline::Datapath& datapath_;
    pipeline::Program& program_;
    std::array<std::unique_ptr<FlowIndex>, pipeline::kMaxTables> tables_;
    std::map<std::uint8_t, TableSettings> settings_;
    std::map<std::uint8_t, TableConfig> configs_;
    std::set<std::pair<std::int64_t, Flow*>> deadlines_;
    std::vector<Step> log_;
    /// Table and cookie of learn actions with delete_learned in flows that were removed or changed.
    std::vector<std::pair<std::uint8_t, std::uint64_t>> orphans_;
    std::vector<Cursor*> cursors_;
    References references_;
    std::unique_ptr<GroupTable> groups_;
    std::unique_ptr<MeterTable> meters_;
    Flow* hidden_ = nullptr;
    bool in_transaction_ = false;
    bool dirty_ = false;
    Rcu::Point last_point_ = 0;
    RemovedCallback on_removed_;
    ChangedCallback on_changed_;
    VacancyCallback on_vacancy_;
    std::uint64_t sequence_ = 0;
    Origin origin_;        ///< of the flow-mod being applied
    bool adding_ = false;  ///< it is an add
};

/// Does `actions` output to `port` (nested lists too)?
bool outputs_to(const ActionList& actions, OfPort port);
/// Could one packet match both?
bool overlaps(const SparseMatch& a, const SparseMatch& b);
/// Does every packet that `narrow` matches match `wide`, judged by masks?
bool covers(const SparseMatch& wide, const SparseMatch& narrow);

}  // namespace sluice::bridge
