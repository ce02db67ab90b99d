// SPDX-License-Identifier: Apache-2.0
// The inside of an Executor. One thread owns all of it, other than the rings' far ends and the counters.
//
// Packets walk in sets of up to 32. In each table a group is looked up at once and split by the rule it
// hit; the ops of a rule run over the whole group before the next op, so a resubmit is a recursive call
// for the group and a batch stays a batch for as long as its packets agree. What all packets of a group
// share (parse state, table, uniform words) is in Path; what differs is in PacketSet.
//
// Output is lazy: an output action only marks the packet (`pending`). The mark is carried out on a copy
// when something else is about to happen to the packet (another output, a header change), and on the
// packet itself at the end. So the common packet with one output is never copied.
#pragma once

#include <array>
#include <memory>
#include <unordered_map>
#include <vector>

#include "pipeline/executor.hpp"
#include "pipeline/flow_cache.hpp"
#include "pipeline/group.hpp"
#include "pipeline/learn.hpp"
#include "pipeline/meter.hpp"
#include "pipeline/packet_set.hpp"
#include "pipeline/paused.hpp"
#include "pipeline/shortcut.hpp"
#include "tunnel/classes.hpp"

namespace sluice::pipeline {

struct TxBuffer {
    std::uint32_t count = 0;
    Packet* packet[kMaxBurst];
};

/// A packet on its way out: which port, the tags it has and those it is to have, its length limit (0: none),
/// its queue.
struct Departure {
    Packet* packet;
    PortIndex port;
    TagPair has, wants;
    std::uint32_t length;
    std::uint32_t queue;
    std::uint16_t outer = 0;  ///< headers of a tunnel (Executor::Impl::outers), 0: none
};

/// Bytes of the packets as they came into the bridge: every rule, group and bucket that a packet meets counts
/// the same, as in OVS.
std::uint64_t received_bytes(const PacketSet& set, const Group& group) noexcept;

struct Executor::Impl {
    Impl(Datapath& datapath, unsigned queue);
    ~Impl();

    // walk.cpp
    void begin(std::uint64_t now) noexcept;
    void run_burst(PortIndex port, Packet** packets, unsigned count, unsigned crossings) noexcept;
    void run_patch_queue() noexcept;
    std::uint64_t tunnel_key_of(const Packet* packet) const noexcept;
    unsigned take_monitored(const PortEntry& ingress, Packet** packets, unsigned count) noexcept;
    void run_one(const Topology::Bridge& bridge, OfPort in_port, Packet* packet, const FlowKey* metadata,
                 const ActionProgram* actions) noexcept;
    Group enter_alone(PacketSet& set, const Topology::Bridge& bridge, OfPort in_port, const FlowKey* metadata,
                      Path& path) noexcept;
    void init_set(PacketSet& set, Packet** packets, unsigned count, OfPort in_port) noexcept;
    void run_table(PacketSet& set, const Group& group, Path& path, std::uint8_t table, Entry entry) noexcept;
    void run_rule(PacketSet& set, const Group& group, Path& path, const Rule* rule, Entry entry) noexcept;
    // simple.cpp: rules of simple programs, packet by packet, and then the tables they lead to, together
    std::uint32_t run_simple_rules(PacketSet& set, const Group& group, Path& path,
                                   classify::Rule* const* found, Entry entry, Group& joined) noexcept;
    const Op* run_simple(PacketSet& set, unsigned i, Path& path, const ActionProgram& program) noexcept;
    /// Makes `part`, which went its own way, one group again with `joined`: `path` holds for all then.
    void join(PacketSet& set, Group& joined, Path& path, const Group& part, Path& taken) noexcept;
    void trace_lookup(PacketSet& set, const Group& group, Path& path, const classify::Table* table) noexcept;
    std::uint32_t hide_fragment_ports(PacketSet& set, const Group& group, const Path& path,
                                      const classify::WordSet& words) noexcept;
    void show_fragment_ports(PacketSet& set, std::uint32_t hidden) noexcept;
    void refuse_stp(PacketSet& set, Group& group, Path& path) noexcept;
    void add_learned(PacketSet& set, const Group& group, const Path& path, classify::Rule** found) noexcept;
    void count_hit(const Rule& rule, unsigned packets, std::uint64_t bytes) noexcept;
    void on_miss(PacketSet& set, const Group& group, Path& path) noexcept;
    void prepare(PacketSet& set, const Group& group, Path& path, const classify::WordSet& words) noexcept;
    void ensure_lines(PacketSet& set, const Group& group, Path& path, std::uint16_t lines) noexcept;
    void parse_link_of(PacketSet& set, unsigned i) noexcept;
    void parse_all(PacketSet& set, const Group& group, Path& path) noexcept;
    void ensure_parsed(PacketSet& set, const Group& group, Path& path, Parsed level) noexcept;
    void finish(PacketSet& set, Path& path) noexcept;

    // direct.cpp: return how many packets are left for the walk, moved to the front
    unsigned run_direct(const Topology::Bridge& bridge, const PortEntry& ingress, Packet** packets,
                        unsigned count, unsigned crossed) noexcept;
    unsigned run_direct_normal(const Topology::Bridge& bridge, const PortEntry& ingress, const Rule& rule,
                               Packet** packets, unsigned count) noexcept;

    /// The rule that decides all bursts of a port on its own, by "output" or, on a plain bridge, NORMAL.
    const Rule* direct_rule(const Topology::Bridge& bridge, const PortEntry& ingress) noexcept;

    // shortcut.cpp
    void sample_shortcut(PortIndex port, Packet* const* packets, unsigned count) noexcept;
    void offer_shortcut(const PortEntry& ingress, const ShortcutEnd& end, Packet* packet) noexcept;
    PortIndex direct_walk(const Topology::Bridge& bridge, const PortEntry& ingress, const Packet* packet,
                          ShortcutRecord& offer) noexcept;
    PortIndex cached_walk(const Topology::Bridge& bridge, const PortEntry& ingress, Packet* packet,
                          ShortcutRecord& offer) noexcept;
    void make_shortcut() noexcept;
    bool install_shortcut() noexcept;

    // hits.cpp: like run_direct(); packets that it leaves have their keys by `key_slot`
    unsigned run_hits(FlowCache& cache, const PortEntry& ingress, Packet** packets, unsigned count,
                      unsigned crossed) noexcept;

    // ct_hits.cpp: the same for packets (bits) whose verdict has a ct action
    struct CtRun;
    void run_ct_hits(CtRun& run) noexcept;
    void track_plain(CtRun& run, std::uint32_t which) noexcept;
    std::uint32_t look_behind(CtRun& run, std::uint32_t which) noexcept;
    void note_in(CtRun& run, unsigned n, Verdict& verdict) noexcept;
    void hold_back(CtRun& run, unsigned n, bool record) noexcept;
    void send_hit(Packet* packet, const Verdict& verdict, unsigned crossed) noexcept;

    // replay.cpp: the flow cache
    FlowCache* cache_of(const Topology::Bridge& bridge) noexcept;
    void settle_counts() noexcept;
    void make_cache_key(const FlowCache& cache, const PacketSet& set, unsigned i, const PortEntry& ingress,
                        FlowCache::Key& key) noexcept;
    void run_cached(FlowCache& cache, PacketSet& set, Group& group, Path& path) noexcept;
    void replay(PacketSet& set, unsigned i, const Verdict& verdict, const Path& path) noexcept;
    void keep_recorded(PacketSet& set, FlowCache& cache) noexcept;
    void note_op(const Group& group, const Op& op) noexcept;
    void note_hit(unsigned i, const Rule& rule) noexcept;
    void note_visit(const Group& group, std::uint8_t table) noexcept;
    void note_set(unsigned i, const Op& op, U128 value, U128 mask) noexcept;

    // pause.cpp: controller(pause)
    void pause(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept;
    /// Packets (bits) stopped inside of `program`, whose actions from `next` on are left.
    void remember_rest(PacketSet& set, const Path& path, const ActionProgram& program, std::uint16_t next,
                       std::uint32_t packets) noexcept;
    void run_resumed(const PausedPacket& paused, const std::vector<std::unique_ptr<ActionProgram>>& programs,
                     const ActionProgram& action_set, Packet* packet) noexcept;
    void punt_paused(PacketSet& set, Path& path) noexcept;

    // actions.cpp: the operations
    void change(PacketSet& set, unsigned i, const Op& op, U128 value, U128 mask) noexcept;
    void execute(PacketSet& set, Group group, Path& path, const ActionProgram& program) noexcept;
    void execute_op(PacketSet& set, Group& group, Path& path, const Op& op) noexcept;
    void run_clone_end(PacketSet& set, PacketSet& copies, Path& path) noexcept;
    void update_actset_output(PacketSet& set, const Group& group, Path& path) noexcept;
    void execute_action_sets(PacketSet& set, Path& path) noexcept;
    void set_field(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept;
    void move_field(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept;
    void vlan_op(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept;
    void mpls_op(PacketSet& set, Group& group, Path& path, const Op& op) noexcept;
    void dec_ttl(PacketSet& set, Group& group, Path& path, const Op& op) noexcept;
    void stack_op(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept;
    void resubmit(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept;
    Group tracked_of(PacketSet& set, const Group& group, Path& path) noexcept;
    void resubmit_as(PacketSet& set, const Group& group, Path& path, std::uint8_t table,
                     const Op& op) noexcept;
    void clone(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept;
    Group copy_into(PacketSet& set, const Group& group, Path& path, PacketSet& copies) noexcept;

    // group.cpp
    struct SeenGroups {
        unsigned count = 0;
        std::array<std::uint32_t, kMaxLivenessGroups> id;
    };
    bool bucket_live(const Path& path, const BucketEntry& bucket, SeenGroups& seen) noexcept;
    std::optional<std::size_t> choose(const Path& path, const GroupEntry& group, const FlowKey& key) noexcept;
    void group_op(PacketSet& set, Group& group, Path& path, const Op& op) noexcept;
    void choose_and_run(PacketSet& set, const Group& group, Path& path, const GroupEntry& entry) noexcept;
    void count_group(const PacketSet& set, const Group& group, StatsSlot slot) noexcept;
    void run_bucket(PacketSet& set, const Group& group, Path& path, const GroupEntry& entry,
                    std::size_t index) noexcept;
    bool runs_in_place(const PacketSet& set, const Group& group, const Path& path,
                       const BucketEntry& bucket) const noexcept;
    void run_on_copies(PacketSet& set, const Group& group, Path& path, const BucketEntry& bucket) noexcept;

    // meter.cpp
    const MeterEntry* find_meter(const Path& path, std::uint32_t id) const noexcept;
    std::uint32_t run_meter(const PacketSet& set, const Group& group, const MeterEntry& meter,
                            const MeterEntry::Band* (&hit)[kMaxBurst]) noexcept;
    void meter_op(PacketSet& set, Group& group, Path& path, const Op& op) noexcept;
    Group meter_punt(PacketSet& set, const Group& group, const Path& path,
                     const ControllerAction* action) noexcept;

    // actions_choice.cpp: computed values and ports
    void multipath(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept;
    void bundle(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept;
    void check_larger(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept;
    void ct_clear(PacketSet& set, const Group& group, Path& path) noexcept;
    void delete_field(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept;
    void prepare_write(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept;
    void write_bits(PacketSet& set, unsigned i, const Op& op, U128 value) noexcept;
    static void forget_uniform(Path& path, FieldLoc loc) noexcept;
    bool is_live(const Path& path, OfPort port) const noexcept;

    // ct.cpp
    void ct_op(PacketSet& set, Group& group, Path& path, const Op& op) noexcept;
    void track(PacketSet& set, Group& group, Path& path, const CtPlan& plan, bool splits) noexcept;
    void recall(PacketSet& set, unsigned i) noexcept;
    void note_track(const Group& group, const CtPlan& plan, const std::uint16_t* zones) noexcept;
    void note_split(PacketSet& set, unsigned i, const CtPlan& plan, std::uint16_t zone) noexcept;
    // trace_ct.cpp
    void trace_ct(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept;
    void run_fork(const TraceFork& fork, Packet* packet) noexcept;
    void run_fork_end(PacketSet& set, PacketSet& copies, Path& path) noexcept;

    // encap.cpp
    void encap(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept;
    void decap(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept;
    bool decap_one(PacketSet& set, unsigned i, const DecapAction& action) noexcept;
    void dec_nsh_ttl(PacketSet& set, Group& group, Path& path) noexcept;
    void parse_again(PacketSet& set, unsigned i, bool bare) noexcept;
    void fail_one(PacketSet& set, unsigned i, const Path& path, DropReason reason) noexcept;

    // actions_learn.cpp: what packets do to rules
    void learn_op(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept;
    bool learn_one(const FlowKey& key, const Path& path, const LearnAction& action,
                   const CookieCount* count) noexcept;
    bool learn_new(const FlowKey& key, const Path& path, const LearnAction& action, const CookieCount* count,
                   std::uint64_t tag, bool is_there, SparseMatch match) noexcept;
    void refresh(Rule& rule) noexcept;
    void settle_learned(std::uint64_t handled) noexcept;
    void fin_timeout(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept;
    void report_fin(unsigned bridge, Rule& rule, std::uint16_t idle, std::uint16_t hard) noexcept;

    // output.cpp
    void output(PacketSet& set, const Group& group, Path& path, OfPort port,
                std::uint32_t length = 0) noexcept;
    void output_number(PacketSet& set, const Group& group, Path& path, std::uint32_t number,
                       std::uint16_t max_len) noexcept;
    void output_one(PacketSet& set, unsigned i, const Path& path, PortIndex port, TagPair tags = kKeepTags,
                    std::uint32_t length = 0) noexcept;
    void enqueue_op(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept;
    // mirror.cpp: the first for all that enters a bridge with mirrors; `tags`: as they are at port `at`
    void mirror_received(PacketSet& set, const Group& group, Path& path) noexcept;
    void mirror(PacketSet& set, unsigned i, const Path& path, const PortEntry& at, std::uint32_t mirrors,
                TagPair tags) noexcept;
    PuntRecord* new_punt(PacketSet& set, unsigned i, const Path& path) noexcept;
    void push_punt(PacketSet& set, unsigned i) noexcept;
    void flood(PacketSet& set, const Group& group, Path& path, bool all) noexcept;
    void punt(PacketSet& set, const Group& group, Path& path, std::uint8_t reason, std::uint16_t max_len,
              std::uint16_t controller_id, const ControllerAction* action) noexcept;
    void flush_pending(PacketSet& set, const Group& group) noexcept;
    void emit_copy(PacketSet& set, unsigned i) noexcept;
    void emit(const Departure& departure, unsigned crossings) noexcept;
    void depart(PacketSet& set, unsigned i, const Departure& departure, unsigned crossings) noexcept;
    void release_staged(PacketSet& set, unsigned crossings) noexcept;
    void fail(PacketSet& set, const Group& group, const Path& path, DropReason reason) noexcept;
    void enqueue(Packet* packet, PortIndex port) noexcept;
    void enqueue_all(Packet** packets, unsigned count, PortIndex port) noexcept;
    void flush_port(PortIndex port) noexcept;
    void transmit(PortIndex port, Packet** packets, unsigned count) noexcept;
    void drop(Packet* packet, DropReason reason) noexcept;

    // tunnel.cpp
    /// The headers that a packet gets at a tunnel port; 0: it cannot leave there, `reason` says why.
    std::uint16_t make_outer(PacketSet& set, unsigned i, const Path& path, const PortEntry& port) noexcept;
    const tunnel::NextHop* next_hop(const PortEntry& port, const FlowKey& key) noexcept;
    void emit_through(const PortEntry& port, Packet* packet, std::uint16_t outer, unsigned crossed) noexcept;
    void parse_outer_key(const Packet* packet) noexcept;
    void push_outer(Packet* packet, const tunnel::Outer& outer, unsigned crossed) noexcept;
    void send_fragments(Packet* packet, const tunnel::Outer& outer, unsigned crossed) noexcept;
    void leave_host(Packet* packet, const tunnel::Outer& outer, unsigned crossed) noexcept;
    bool end_tunnel(Packet* packet, unsigned crossed) noexcept;
    std::uint16_t pattern_of(const tunnel::Outer& outer, const PortEntry& port,
                             const tunnel::NextHop& hop) noexcept;
    void send_through(const PortEntry& port, Packet* packet, std::uint16_t pattern,
                      unsigned crossed) noexcept;
    unsigned run_direct_tunnel(const Rule& rule, const PortEntry& port, Packet** packets, unsigned count,
                               unsigned crossed) noexcept;
    std::uint32_t arrival_class(const Packet* packet) noexcept;
    void forget_patterns() noexcept;
    void run_underlay(Packet** packets, unsigned count) noexcept;
    void enter_from_tunnel(PacketSet& set, Group& group, Path& path) noexcept;

    // normal.cpp
    void normal(PacketSet& set, const Group& group, Path& path) noexcept;
    /// Where a packet went if its destination is known; kNone: flooded or refused.
    struct Unicast {
        PortIndex port = PortIndex::kNone;
        TagPair tags = kKeepTags;
    };
    Unicast normal_one(PacketSet& set, unsigned i, const Path& path) noexcept;
    void learn(const Path& path, std::uint64_t mac, std::uint16_t vlan, OfPort port) noexcept;

    PacketSet& push_set();
    void pop_set() { --set_depth; }

    Datapath& dp;
    const unsigned tx_queue;
    bool is_control = false;
    ThreadCounters counters;
    StatsArena stats;
    SpscRing<PuntRecord> punts{512};
    SpscRing<PauseRecord> pauses{64};
    SpscRing<FlowEvent> events{512};
    std::uint64_t event_count = 0;                 ///< events ever pushed
    std::atomic<std::uint64_t> events_handled{0};  // writer: control; reader: the executor's thread
    LearnedFlows learned;
    conntrack::Local ct_local;
    std::uint64_t packet_number = 0;  ///< of the packet being run, where packets are run one by one
    SpscRing<LearnRecord> learns{4096};
    SpscRing<RemoteRecord> remotes{64};
    std::array<std::atomic<Counter*>, kMaxBridges> table_misses{};  ///< 256 a bridge
    void count_miss(unsigned bridge, std::uint8_t table, std::uint64_t packets) noexcept {
        if (table == 0 && !trace) counters.missed.add(packets);
        if (Counter* list = table_misses[bridge].load(std::memory_order_acquire); list && !trace)
            list[table].add(packets);
    }
    std::unique_ptr<std::atomic<std::uint16_t>[]> punts_in_flight;  ///< by PortIndex; the quota of each port
    std::array<std::uint64_t, 64> recent_learns{};  ///< keeps a burst from filling the ring with one address

    std::unique_ptr<TxBuffer[]> tx;  ///< by PortIndex
    std::vector<PortIndex> touched;  ///< ports with something in tx
    struct PatchItem {
        Packet* packet;
        PortIndex port;
        std::uint16_t crossings;
    };
    std::vector<PatchItem> patch_queue;
    /// Tunnel headers of the burst: to be put in front of packets, and those that packets had. Made when the
    /// first is needed; entry 0 is no entry.
    static constexpr std::uint16_t kMaxOuters = 1024, kMaxArrivals = 4096;
    std::unique_ptr<tunnel::Outer[]> outers;
    std::unique_ptr<tunnel::Received[]> arrivals;
    std::uint16_t outer_count = 1, arrival_count = 1;
    std::uint32_t tunnel_sequence = 0;
    /// Headers of verdicts; what they say holds for one topology. Entry 0 is none.
    static constexpr std::uint16_t kMaxPatterns = 4096;
    std::unique_ptr<tunnel::Template[]> patterns;
    std::uint16_t pattern_count = 1;
    std::unordered_multimap<std::uint64_t, std::uint16_t> pattern_index;  ///< by hash of the bytes
    std::unique_ptr<std::uint16_t[]> outer_pattern;  ///< of each of `outers`: its pattern, 0: none
    /// One for each port that direct bursts go to.
    struct DirectTunnel {
        PortIndex port = PortIndex::kNone;
        std::uint64_t topology = 0;
        bool usable = false;
        tunnel::Template pattern;
    };
    std::unique_ptr<DirectTunnel[]> direct_tunnels;
    static constexpr unsigned kDirectTunnels = 16;
    /// What packets that came through tunnels have in their tun_* fields, numbered; arrivals know theirs.
    std::unique_ptr<std::uint32_t[]> arrival_classes;  ///< 0: not asked for yet
    tunnel::ArrivalClasses classes;
    std::uint64_t patterns_topology = 0;
    /// The tunnel that the last packet came through: most come in trains.
    struct LastEnd {
        const tunnel::End* end = nullptr;
        tunnel::Address src, dst;
        std::uint64_t id = 0;
        tunnel::Kind kind{};
        std::uint16_t udp_port = 0;
    };
    LastEnd last_end;
    const tunnel::End* end_of(const tunnel::Received& received) noexcept;
    FlowKey outer_key;  ///< of a packet whose own key is not complete
    /// Copies that wait for the end of their packet's walk: if that fails, they are not sent.
    struct Staged {
        Departure departure;
        PacketSet* set;
        std::uint8_t index;
    };
    std::vector<Staged> staged;
    std::vector<std::unique_ptr<PacketSet>> sets;
    unsigned set_depth = 0;
    struct ActionSetNode {
        const ActionProgram* program;
        std::uint16_t previous;
    };
    std::array<ActionSetNode, 1024> action_set_nodes{};
    std::uint16_t action_set_count = 1;
    struct PauseNode {
        PauseRecord::Frame frame;
        std::uint16_t previous;  ///< the list inside of it
    };
    std::array<PauseNode, 1024> pause_nodes{};
    std::uint16_t pause_node_count = 1;

    // The flow cache. While `recording`, the walks of its packets are written into `journals`.
    unsigned cache_entries = FlowCache::kMaxEntries;            ///< 0: no cache
    std::array<std::atomic<FlowCache*>, kMaxBridges> caches{};  ///< by bridge index; the owner makes them
    std::unique_ptr<Journal[]> journals;                        ///< by index in the set
    Counter cache_hits;
    StageClock stages;
    std::vector<FlowCache*> own_caches;  ///< those of `caches` that are
    bool counts_pending = false;         ///< some cache may have some
    unsigned fresh_packets = 0;          ///< run since the last flush
    FlowCache::Key cache_keys[kMaxBurst];
    std::uint8_t key_slot[kMaxBurst] = {};  ///< by index in the set: where in cache_keys its key is
    std::uint32_t key_missed = 0;           ///< bit i of the set: looked up already, without success
    std::uint32_t walk_only = 0;            ///< and these are not to be looked up or kept
    /// What ct actions have said already of packets that walk after all, by key slot.
    static constexpr unsigned kMaxCarried = 4;
    struct Carried {
        std::uint8_t count = 0, used = 0;
        conntrack::Attachment of[kMaxCarried];
    };
    Carried carried[kMaxBurst];
    std::uint32_t carrying = 0;  ///< bit i of the set
    const PacketSet* carrying_set = nullptr;
    FlowCache* recording_cache = nullptr;
    const PacketSet* recording = nullptr;
    std::uint32_t recorded = 0;  ///< bit i: packet i of `recording` has a journal

    ShortcutMaker shortcut;

    FlowKey direct_key;  ///< of a packet of which nothing is known but its port

    // Pinned for the burst being run.
    std::uint64_t now_ms = 0;
    std::uint32_t now_s = 0;
    Version version = 0;
    const Topology* topology = nullptr;
    unsigned vlan_limit = 1;
    TraceSink* trace = nullptr;  ///< non-null: nothing is sent, counted or learned
};

/// Drops from a group the packets that take no further action.
inline void remove_done(const PacketSet& set, Group& group) noexcept {
    unsigned kept = 0;
    for (unsigned g = 0; g < group.count; ++g) {
        if (!(set.done >> group.index[g] & 1)) group.index[kept++] = group.index[g];
    }
    group.count = static_cast<std::uint8_t>(kept);
}

/// Why an explicit output to the controller goes there (OFPR_* of OpenFlow 1.4).
inline std::uint8_t controller_reason(const Path& path) noexcept {
    return path.in_packet_out   ? std::uint8_t{5}
           : path.in_group      ? std::uint8_t{4}
           : path.in_action_set ? std::uint8_t{3}
                                : std::uint8_t{1};
}

/// Most patch ports one packet may cross.
inline constexpr unsigned kMaxCrossings = 32;
/// Packets of one port that may wait for the control thread at once.
inline constexpr unsigned kPuntQuota = 128;

}  // namespace sluice::pipeline
