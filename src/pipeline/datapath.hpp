// SPDX-License-Identifier: Apache-2.0
// Datapath: what workers read: ports, bridges, programs, and the version they are at.
//
// The control thread describes ports and bridges as plain values (PortEntry, BridgeEntry); set_topology()
// builds an immutable snapshot and swaps it. Rules change in place inside each bridge's Program and show
// at publish(). Workers pin one snapshot and one version a batch.
#pragma once

#include <atomic>
#include <bitset>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/types.hpp"
#include "conntrack/tracker.hpp"
#include "flow/action.hpp"
#include "flow/key.hpp"
#include "packet/drop_reason.hpp"
#include "pipeline/fdb.hpp"
#include "pipeline/monitor.hpp"
#include "pipeline/stats.hpp"
#include "port/port.hpp"
#include "sync/rcu.hpp"
#include "sync/spsc_ring.hpp"
#include "tunnel/table.hpp"

namespace sluice::pipeline {

inline constexpr unsigned kMaxBridges = 256;
inline constexpr unsigned kMaxOfPorts = 0xff00;

enum class VlanMode : std::uint8_t { kAccess, kTrunk, kNativeTagged, kNativeUntagged, kDot1qTunnel };

/// One port of a bridge, as NORMAL and output see it. A value: copy, change, set_topology().
struct PortEntry {
    PortIndex index = PortIndex::kNone;  ///< from Datapath::allocate_index()
    OfPort ofport{};
    Port* port = nullptr;                     ///< borrowed; nullptr for a patch port
    PortIndex patch_peer = PortIndex::kNone;  ///< patch: where the packet comes in again
    unsigned bridge = 0;                      ///< BridgeEntry::index
    bool up = true;                           ///< OFPPC_PORT_DOWN clear
    bool live = true;                         ///< up and its link too: buckets may watch it
    std::shared_ptr<PortMonitor> monitor;     ///< null: nobody watches it
    bool no_receive = false, no_forward = false, no_flood = false, no_packet_in = false;
    bool no_receive_stp = false;  ///< OFPPC_NO_RECV_STP: the same for 01:80:c2:00:00:00 only
    bool is_protected = false;    ///< Port:protected: NORMAL doesn't join two of them
    VlanMode vlan_mode = VlanMode::kTrunk;
    std::uint16_t tag = 0;                            ///< access or native VLAN
    std::shared_ptr<const std::bitset<4096>> cvlans;  ///< dot1q-tunnel; null: all
    std::uint16_t qinq_ethertype = 0x88a8;
    std::shared_ptr<const std::bitset<4096>> trunks;  ///< null: all
    std::uint8_t priority_tags = 0;                   ///< 0 never, 1 if-nonzero, 2 always
    std::uint32_t mtu = 1500;
    std::shared_ptr<std::atomic<std::uint64_t>[]> patch_counters;  ///< of patch and tunnel ports
    std::shared_ptr<const tunnel::Config> tunnel;                  ///< null: no tunnel port
    bool ends_tunnels = false;  ///< tunnel packets sent here to an address of this host go no further
    bool underlay = false;      ///< of no bridge: carries tunnel packets of an interface that is no port
    /// Packets that leave here simply go to the device.
    bool is_device() const noexcept { return port != nullptr && !ends_tunnels; }
    bool mirror_out = false;       ///< reserved for what mirrors send
    std::uint32_t mirror_src = 0;  ///< bit n: BridgeEntry::mirrors[n] wants what comes in here
    std::uint32_t mirror_dst = 0;  ///< bit n: ... what leaves here
    /// May traffic go here: live, and its watcher agrees. Changes at any moment.
    bool forwards() const noexcept {
        return live && (!monitor || monitor->forwarding.load(std::memory_order_relaxed));
    }
};

/// A mirror of a bridge; ports say which of them they belong to.
struct MirrorEntry {
    PortIndex output = PortIndex::kNone;             ///< kNone: to `vlan`
    std::uint16_t vlan = 0;                          ///< output_vlan
    std::uint32_t snaplen = 0;                       ///< bytes; 0: whole packets
    std::shared_ptr<const std::bitset<4096>> vlans;  ///< select_vlan; null: all
    std::uint32_t same_output = 0;                   ///< bit n: mirror n goes the same way; its own is set
    StatsSlot stats;
};
inline constexpr unsigned kMaxMirrors = 32;  ///< of a bridge, as in OVS

enum class FragmentMode : std::uint8_t { kNormal, kDrop, kNxMatch };

/// What happens to packets that miss a table (OFPTC11_*): kDefault asks the controllers that want to know.
enum class OnMiss : std::uint8_t { kDefault, kController, kContinue, kDrop };
using OnMissOfTables = std::array<OnMiss, 256>;

class FlowEventSink;
class Program;
struct PausedPacket;

struct BridgeEntry {
    unsigned index = 0;  ///< Program::index()
    std::string name;
    Program* program = nullptr;
    Fdb* fdb = nullptr;
    FlowEventSink* flow_events = nullptr;  ///< gets learn and fin_timeout; null: they are ignored
    FragmentMode fragments = FragmentMode::kNormal;
    bool miss_to_controller = false;  ///< some controller wants NO_MATCH packet-ins
    bool forward_bpdu = false;
    std::shared_ptr<const std::bitset<4096>> flood_vlans;  ///< VLANs in which nothing is learned; null: none
    unsigned miss_send_len = 128;
    std::shared_ptr<const OnMissOfTables> on_miss;                ///< null: kDefault everywhere
    std::shared_ptr<const tunnel::GeneveOptions> geneve_options;  ///< null: none is mapped
    std::vector<MirrorEntry> mirrors;                             ///< at most kMaxMirrors
};

/// Immutable snapshot.
struct Topology {
    std::uint64_t serial = 0;      ///< differs for each snapshot
    std::vector<PortEntry> ports;  ///< by PortIndex
    struct Bridge : BridgeEntry {
        std::vector<PortIndex> by_ofport;  ///< ofport < kMaxOfPorts
        PortIndex local = PortIndex::kNone;
        bool has_mirrors = false;  ///< every packet has to walk
        bool plain = true;         ///< NORMAL has neither VLAN settings nor protected ports to heed
        PortIndex find(OfPort port) const noexcept {
            if (to_int(port) < by_ofport.size()) return by_ofport[to_int(port)];
            return port == OfPort::kLocal ? local : PortIndex::kNone;
        }
        std::vector<PortIndex> members;  ///< all ports of the bridge
    };
    std::vector<std::unique_ptr<Bridge>> bridges;  ///< by index; null: none
    std::shared_ptr<const tunnel::Table> tunnels;  ///< never null
};

/// A packet on its way to a controller (worker -> control).
struct PuntRecord {
    Packet* packet = nullptr;  ///< owned by the receiver
    unsigned bridge = 0;
    OfPort in_port{};
    std::uint8_t reason =
        0;  ///< OFPR_* of OpenFlow 1.4: 0 no match, 1 action, 2 invalid TTL, 3 action set, 5 packet-out
    bool table_miss = false;  ///< reason 1 from a table-miss rule: OpenFlow 1.3+ says no match
    std::uint8_t table = 0;
    std::uint64_t cookie = 0;
    std::uint16_t max_len = 0xffff;
    std::uint16_t controller_id = 0;
    const ControllerAction* action = nullptr;  ///< userdata and the like; valid during the call of on_punt
    bool is_paused = false;                    ///< a PauseRecord lies in the executor's other ring
    PausedPacket* paused = nullptr;            ///< what NXT_RESUME needs, if is_paused; may be moved from
    PortIndex in_index = PortIndex::kNone;
    FlowKey key;  ///< metadata at the time
};

/// A source address that workers do not know (worker -> control).
struct LearnRecord {
    unsigned bridge = 0;
    OfPort port{};
    std::uint16_t vlan = 0;
    std::uint64_t mac = 0;
    std::uint32_t now_s = 0;
};

/// A remote that packets are to be sent to through a tunnel, and that the tunnel table does not have
/// (worker -> control).
struct RemoteRecord {
    tunnel::Address remote, local;  ///< local 0: any
    std::uint32_t mark = 0;
};

/// Counters of one executing thread.
struct ThreadCounters {  // writer: that thread; readers: control
    Counter received, sent, punted, copied, injected;
    Counter missed;  ///< look-ups in the first table of a bridge that found no rule
    std::array<Counter, kDropReasonCount> drops;
    Counter learn_full;
    Counter events_lost;  ///< learn and fin_timeout that found the ring full
    Counter sampled;      ///< packets that met a sample action
};

class Executor;
class ShortcutBook;

class Datapath {
  public:
    Datapath();
    ~Datapath();

    Rcu& rcu() { return rcu_; }
    /// Flows that the kernel carries. Control thread.
    ShortcutBook& shortcuts() { return *shortcuts_; }
    /// Connections of all bridges.
    conntrack::Tracker& tracker() noexcept { return *tracker_; }

    // Control thread: versions.
    /// Version that rules added now will become visible with.
    Version next_version() const { return version_.load(std::memory_order_relaxed) + 1; }
    /// Shows everything added and hides everything removed since the last call; returns the point after
    /// which every packet meets it (Rcu::passed).
    Rcu::Point publish();
    Version version() const noexcept { return version_.load(std::memory_order_acquire); }

    // Control thread: topology.
    /// `wish` if it is free, else the lowest that is; kNone when kMaxPorts are in use.
    PortIndex allocate_index(PortIndex wish = PortIndex::kNone);
    void release_index(PortIndex index);  ///< reused after a grace period
    unsigned allocate_bridge_index();
    void release_bridge_index(unsigned index);
    /// Replaces ports and bridges at once. Objects no longer named may be destroyed after
    /// rcu().retire()/a grace period.
    void set_topology(std::vector<PortEntry> ports, std::vector<BridgeEntry> bridges);
    const Topology* topology() const noexcept { return topology_.read(); }
    /// What topologies from now on have as `tunnels`.
    void set_tunnels(std::shared_ptr<const tunnel::Table> table) { tunnels_ = std::move(table); }
    /// Called by drain() for each remote that was missing.
    std::function<void(const RemoteRecord&)> on_unknown_remote;

    // Control thread: executing threads (each worker one, and the control thread itself one).
    Executor* add_executor(unsigned tx_queue);
    void remove_executor(Executor* executor);
    /// The control thread's own executor: packet-outs and traces run through the same pipeline.
    Executor& control_executor() { return *control_; }
    const std::vector<Executor*>& executors() const { return executors_; }

    /// Drains punts and learned addresses of all executors; calls back for each. Learned addresses are
    /// entered into the Fdb here. Returns how many records were handled (at most `limit`).
    std::size_t drain(std::size_t limit, const std::function<void(PuntRecord&)>& on_punt);
    /// Control thread: frees `object` when no worker and no record that drain() has still to hand out can
    /// refer to it. Called when no worker can reach it any more (from Rcu::retire()).
    template <typename T>
    void free_after_drain(std::unique_ptr<T> object) {
        if (!object) return;
        doomed_.emplace_back([raw = object.release()] { delete raw; });
        wake_control();
    }
    /// Control thread: carries out the learn and fin_timeout of one executor; returns how many.
    std::size_t handle_flow_events(Executor& executor);
    /// Eventfd that becomes readable when drain() has work.
    int wake_fd() const { return wake_fd_; }
    void wake_control() noexcept;  ///< any thread

    /// Sum over executors.
    std::array<std::uint64_t, kDropReasonCount> drop_counts() const;
    struct Totals {
        std::uint64_t received = 0, sent = 0, punted = 0, copied = 0, injected = 0, dropped = 0;
        std::uint64_t sampled = 0, events_lost = 0;
    };
    Totals totals() const;

    // Statistics slots (used by Program).
    StatsSlot allocate_stats();
    void release_stats(StatsSlot slot);  ///< after the grace period of its last user
    RuleStats rule_stats(StatsSlot slot) const;

    /// Runs `hook` at the next publish(), right after the new version shows.
    void at_publish(std::function<void()> hook) { publish_hooks_.push_back(std::move(hook)); }

    /// VLAN tags that are parsed as tags (other_config:vlan-limit): 1 or 2.
    void set_vlan_limit(unsigned limit) { vlan_limit_.store(limit, std::memory_order_relaxed); }
    unsigned vlan_limit() const noexcept { return vlan_limit_.load(std::memory_order_relaxed); }
    /// Held for the length of one tx_burst: transmit queues may be shared by threads.
    std::atomic<bool>& tx_lock(PortIndex port, unsigned queue) noexcept {
        return tx_locks_[to_int(port) * kTxLocks + queue % kTxLocks];
    }

  private:
    Rcu rcu_;
    alignas(64) std::atomic<Version> version_{1};
    std::unique_ptr<conntrack::Tracker> tracker_;
    RcuPtr<Topology> topology_;
    std::uint64_t topology_serial_ = 0;
    std::shared_ptr<const tunnel::Table> tunnels_;
    std::vector<bool> index_used_, bridge_used_;
    std::vector<Executor*> executors_;
    std::unique_ptr<Executor> control_;
    std::unique_ptr<ShortcutBook> shortcuts_;
    std::vector<std::function<void()>> publish_hooks_;
    std::vector<std::function<void()>> doomed_;  ///< free_after_drain()
    std::atomic<unsigned> vlan_limit_{1};
    static constexpr unsigned kTxLocks = 8;
    std::unique_ptr<std::atomic<bool>[]> tx_locks_;
    std::vector<std::uint32_t> free_stats_;
    std::uint32_t next_stats_ = 0;
    int wake_fd_ = -1;
    alignas(64) std::atomic<bool> wake_pending_{false};
};

}  // namespace sluice::pipeline
