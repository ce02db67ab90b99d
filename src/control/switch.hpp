// SPDX-License-Identifier: Apache-2.0
// Switch: owner of the datapath, workers, bridges and ports; makes them equal to a SwitchConfig.
//
// Control thread only. Nothing here waits: whatever workers may still hold (a port, a bridge) goes to a
// list and is destroyed by a later tick, once two RCU points have passed: the one after the topology
// without it, and the one after no worker polls its queues. Until then its name is taken: a port of the
// same name (re-created because its configuration changed) is `waiting` and comes up by itself
// afterwards; `settled()` tells.
//
// A port's life: create_port -> Bridge::add_port -> set_topology -> WorkerSet::assign; a port's end:
// Bridge::remove_port -> set_topology -> assign -> both points pass -> destroyed.
//
// A device that disappears takes its port along (`error` says so); a failed or lost system interface is
// tried again when the kernel announces it, and once a second.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/event_loop.hpp"
#include "bridge/bridge.hpp"
#include "control/connection_log.hpp"
#include "control/dummy_wire.hpp"
#include "control/of_service.hpp"
#include "control/switch_config.hpp"
#include "control/tunnels.hpp"
#include "pipeline/datapath.hpp"
#include "underlay/mirror.hpp"
#include "worker/bfd_monitor.hpp"
#include "worker/worker_set.hpp"

namespace sluice {

/// An interface of the configuration, up or not.
struct SwitchPort {
    InterfaceConfig config;
    std::string bridge;
    std::unique_ptr<Port> port;       ///< null: not created; then `error` or `waiting` says why
    std::unique_ptr<DummyWire> wire;  ///< of a dummy port with streams
    OfPort number{};                  ///< valid while attached
    PortIndex index = PortIndex::kNone;
    std::string error;             ///< sentence for Interface:error, empty if all is well
    bool waiting = false;          ///< the name is held by its predecessor for a moment longer
    PortState state;               ///< as of the last refresh
    unsigned rx_queues = 0;        ///< receive queues as last assigned to workers
    std::int64_t retry_at_ms = 0;  ///< monotonic; a failed system interface is not tried before
    std::shared_ptr<const tunnel::Config> tunnel;  ///< null: no tunnel port
    /// Without a device: patch and tunnel ports.
    bool is_virtual() const { return config.port.type == "patch" || tunnel; }
    struct Bfd {
        bfd::Config config;
        worker::BfdMonitor::Place place;
    };
    std::optional<Bfd> bfd;  ///< its session as last set, while there is one
    bool attached() const { return port != nullptr; }
};

/// A bridge with its OpenFlow service.
struct SwitchBridge {
    BridgeConfig config;
    std::unique_ptr<bridge::Bridge> bridge;
    std::unique_ptr<OfService> openflow;                   ///< destroyed before the bridge
    std::map<std::uint8_t, bridge::TableSettings> tables;  ///< as last configured
    std::uint32_t least_mtu = 1500;                        ///< of the ports that don't follow it
};

class Switch {
  public:
    /// EAL runs and the packet pools exist.
    explicit Switch(EventLoop& loop);
    /// Stops the workers, then destroys everything.
    ~Switch();
    Switch(const Switch&) = delete;
    Switch& operator=(const Switch&) = delete;

    /// Makes the switch equal to `config`, as far as it can be done now. Failures of single ports and bridges
    /// end in their `error`; all others go on.
    void apply(SwitchConfig config);
    /// Has everything of the last apply() taken effect on every worker?
    bool settled() const;
    /// Called (from the loop) whenever the switch becomes settled after an apply().
    std::function<void()> on_settled;
    /// Called (from the loop) when the state of ports, bridges or controllers changed on its own.
    std::function<void()> on_status_changed;

    pipeline::Datapath& datapath() { return *datapath_; }
    worker::WorkerSet& workers() { return *workers_; }
    /// The kernel's routes and neighbours; null when netlink is forbidden here (the log says so).
    underlay::Mirror* underlay() { return underlay_.get(); }
    const Tunnels& tunnels() const { return *tunnels_; }
    worker::BfdMonitor& bfd() { return *bfd_; }
    const worker::BfdMonitor& bfd() const { return *bfd_; }
    const std::map<std::string, std::unique_ptr<SwitchBridge>>& bridges() const { return bridges_; }
    const std::map<std::string, std::unique_ptr<SwitchPort>>& ports() const { return ports_; }
    SwitchBridge* find_bridge(std::string_view name) const;
    SwitchBridge* find_bridge(unsigned index) const;
    SwitchPort* find_port(std::string_view name) const;
    /// By index of the datapath, or null.
    SwitchPort* find_port(PortIndex index) const;
    const SwitchConfig& config() const { return config_; }

    /// Reads the state of all devices and acts on what changed. Runs by itself twice a second and on kernel
    /// link events.
    void refresh();
    /// Distributes the receive queues anew (dpif-netdev/pmd-rxq-rebalance).
    void rebalance();
    /// Hands every punted packet and learned address to its bridge now instead of in a later turn.
    void drain_all();
    /// How often each of the coverage events happened, for coverage/show.
    struct Events {
        std::uint64_t reconfigured = 0, ports_added = 0, ports_removed = 0, topologies = 0, punts = 0,
                      refreshes = 0, link_events = 0, late_turns = 0;
    };
    const Events& events() const { return events_; }

  private:
    struct DyingPort {
        std::unique_ptr<Port> port;
        bool released = false;  ///< `topology` and `queues` are valid
        Rcu::Point topology = 0, queues = 0;
    };
    struct DyingBridge {
        std::unique_ptr<bridge::Bridge> bridge;
        bool released = false;
        Rcu::Point topology = 0;
    };

    void apply_now();
    void configure_workers();
    void remove_unwanted();
    void add_bridges();
    static void sync_tables(SwitchBridge& owner);
    void sync_interfaces(SwitchBridge& owner);
    void update_port(SwitchBridge& owner, SwitchPort& slot, const InterfaceConfig& wanted);
    void create_port_of(SwitchBridge& owner, SwitchPort& slot);
    void attach(SwitchBridge& owner, SwitchPort& slot, std::unique_ptr<Port> port);
    void detach(SwitchPort& slot);
    void renumber(SwitchBridge& owner, SwitchPort& slot);
    void sync_patches();
    void follow_mtu(SwitchBridge& owner);
    void sync_identity(SwitchBridge& owner);
    void sync_openflow(SwitchBridge& owner);
    void push_topology();
    void assign_queues(bool rebalance = false);
    bool name_dying(const std::string& name) const;
    bool close_lost_ports();
    bool retry_failed_ports();
    void watch_links();
    void watch_underlay();
    // switch_tunnels.cpp
    Result<void> read_tunnel(SwitchPort& slot);
    void follow_tunnels();
    void add_carriers(std::vector<pipeline::PortEntry>& ports);
    PortIndex index_wish(const SwitchBridge& owner, const SwitchPort& slot);
    std::size_t drain();
    void tick();
    void tend_shortcuts();
    // switch_bfd.cpp
    void start_bfd();
    void follow_bfd();
    void sync_bfd();
    void end_bfd(SwitchBridge& owner, SwitchPort& slot);
    // switch_connections.cpp
    void configure_connections();
    std::uint8_t policy_number(const conntrack::TimeoutPolicy& policy);
    void sweep_connections();
    void flush_connections(const openflow::CtFlush& request);
    void schedule_tick(std::int64_t delay_ms);
    void check_lateness();

    EventLoop& loop_;
    SwitchConfig config_;
    std::unique_ptr<pipeline::Datapath> datapath_;
    std::unique_ptr<worker::WorkerSet> workers_;
    std::unique_ptr<underlay::Mirror> underlay_;
    std::unique_ptr<Tunnels> tunnels_;
    bool carriers_changed_ = false;                               ///< their queues are to be assigned
    std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);  ///< for calls posted by other threads
    std::atomic<bool> bfd_news_{false};                           ///< one such call is on its way
    std::unique_ptr<worker::BfdMonitor> bfd_;
    std::map<std::string, std::unique_ptr<SwitchBridge>> bridges_;
    std::map<std::string, std::unique_ptr<SwitchPort>> ports_;
    std::vector<DyingPort> dying_ports_;
    std::vector<DyingBridge> dying_bridges_;
    worker::WorkerSettings workers_applied_;
    std::map<std::uint8_t, conntrack::TimeoutPolicy> policies_;  ///< by number in the tracker
    std::set<std::uint16_t> policy_zones_;                       ///< that have one
    ConnectionLog connection_log_;
    bool workers_ready_ = false;
    bool holding_ = true;  ///< flow-restore-wait still holds (or nothing was applied yet)
    bool unsettled_ = false;
    bool topology_changed_ = false;
    Rcu::Point effect_ = 0;  ///< of the last topology
    Rcu::Point queues_ = 0;  ///< of the last assignment
    Events events_;
    int link_socket_ = -1;
    unsigned lab_patch_ports_ = 0;  ///< that were given an index from the end
    std::int64_t next_tick_ms_ = 0;
    std::int64_t last_beat_ms_ = 0;
    Watch wake_watch_, link_watch_, underlay_watch_;
    Timer tick_timer_, refresh_timer_, beat_timer_, link_timer_, sweep_timer_, shortcut_timer_,
        underlay_timer_;
};

}  // namespace sluice
