// SPDX-License-Identifier: Apache-2.0
// Bridge: one OpenFlow switch: its ports, its program (FlowTables over pipeline::Program), its FDB.
//
// The control thread owns it and is the only caller. A bridge describes itself to the workers as plain
// values: the owner (Switch) collects entries() and entry() of all bridges and calls
// Datapath::set_topology(). When OpenFlow changes something that entries() or entry() show (a port-mod, a
// set-config), the bridge calls on_topology_changed, before the sender gets its reply.
// Ports are borrowed: the owner destroys a sluice::Port after remove_port(), set_topology() and a grace
// period. OpenFlow sessions (control/of_service) listen to what happens through BridgeListener.
//
//     Bridge bridge(datapath, {.name = "br0", .datapath_id = 0x1});
//     bridge.on_topology_changed = [&] { switch.push_topology(); };
//     auto number = bridge.add_port({.name = "veth0", .port = port.get(), .wish = OfPort{7}});
//     datapath.set_topology(bridge.entries(), {bridge.entry()});
#pragma once

#include <array>
#include <bitset>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/types.hpp"
#include "bridge/mirrors.hpp"
#include "bridge/port_numbers.hpp"
#include "bridge/tlv_table.hpp"
#include "pipeline/datapath.hpp"
#include "pipeline/paused.hpp"
#include "pipeline/program.hpp"
#include "port/port.hpp"

namespace sluice::bridge {

class FlowTables;
struct Flow;
enum class FlowRemovedReason : std::uint8_t;

/// OFPPC_* bits of a port's configuration (OpenFlow 1.0's numbering, which holds all later ones).
enum PortFlag : std::uint32_t {
    kPortDown = 1U << 0,
    kPortNoStp = 1U << 1,
    kPortNoReceive = 1U << 2,
    kPortNoReceiveStp = 1U << 3,
    kPortNoFlood = 1U << 4,
    kPortNoForward = 1U << 5,
    kPortNoPacketIn = 1U << 6,
};
/// OFPPS_* bits of a port's state.
enum PortStateFlag : std::uint32_t {
    kPortLinkDown = 1U << 0,
    kPortBlocked = 1U << 1,
    kPortLive = 1U << 2,
};

/// Behaviour under NORMAL, as Port:tag, trunks, cvlans, vlan_mode, protected and other_config say.
struct VlanSettings {
    pipeline::VlanMode mode = pipeline::VlanMode::kTrunk;
    std::uint16_t tag = 0;
    std::shared_ptr<const std::bitset<4096>> trunks;  ///< null: all
    std::shared_ptr<const std::bitset<4096>> cvlans;  ///< dot1q-tunnel: VLANs of the customer; null: all
    std::uint16_t qinq_ethertype = 0x88a8;            ///< dot1q-tunnel: type of the outer tag
    bool is_protected = false;                        ///< not joined with another protected port
    std::uint8_t priority_tags = 0;                   ///< 0 never, 1 if-nonzero, 2 always
};

/// Equality by value: two sets of VLANs are equal when they hold the same ones.
bool operator==(const VlanSettings& a, const VlanSettings& b);

/// What add_port() needs.
struct PortSpec {
    std::string name;
    Port* port = nullptr;         ///< borrowed; patch ports too may have one
    bool local = false;           ///< the bridge's own port: OFPP_LOCAL
    bool patch = false;           ///< entry.port stays null; set_patch_peer() connects it
    std::optional<OfPort> wish;   ///< ofport_request, or the number it had before a restart
    std::optional<OfPort> exact;  ///< this number or an Error EBUSY
    PortIndex index_wish = PortIndex::kNone;
    VlanSettings vlan;
    std::shared_ptr<const tunnel::Config> tunnel;  ///< set: a tunnel port, without a device like a patch port
    /// Has no device that packets go to: the pipeline takes them further.
    bool is_virtual() const { return patch || tunnel; }
};

/// A port as OpenFlow and the owner see it.
struct BridgePort {
    OfPort number{};
    std::string name;
    Port* port = nullptr;  ///< borrowed
    bool patch = false;
    std::uint32_t config = 0;     ///< PortFlag
    std::uint32_t state = 0;      ///< PortStateFlag
    bool is_virtual = false;      ///< see PortSpec
    PortState device;             ///< as of the last refresh_ports()
    std::int64_t created_ms = 0;  ///< monotonic
    pipeline::PortEntry entry;    ///< what workers get
    MacBytes mac{};               ///< shown to controllers
};

enum class PortEvent : std::uint8_t { kAdd = 0, kDelete = 1, kModify = 2 };  ///< OFPPR_* numbers

/// Port counters in the shape of OFPST_PORT; those a kind does not know are ~0.
struct PortStatistics {
    OfPort number{};
    PortCounters counters;
    std::uint32_t duration_sec = 0, duration_nsec = 0;
};

/// What OpenFlow sessions are told. Callbacks run inside the call that caused them.
class BridgeListener {
  public:
    virtual ~BridgeListener() = default;
    virtual void port_status(PortEvent event, const BridgePort& port) = 0;
    /// `flow` is valid during the call only.
    virtual void flow_removed(const Flow& flow, FlowRemovedReason reason) = 0;
    /// A table with vacancy events passed one of its bounds: `down` the lower one of what is free.
    virtual void table_vacancy(std::uint8_t table, bool down) = 0;
};

struct BridgeSettings {
    std::string name;
    std::uint64_t datapath_id = 0;
    MacBytes mac{};               ///< of the local port, and shown where OpenFlow wants one
    std::string dp_desc;          ///< other_config:dp-desc; empty: "None"
    std::string serial = "None";  ///< other_config:dp-sn
    bool forward_bpdu = false;
    std::shared_ptr<const std::bitset<4096>> flood_vlans;  ///< VLANs in which nothing is learned; null: none
    friend bool operator==(const BridgeSettings& a, const BridgeSettings& b);  ///< VLANs by value
};

class Bridge {
  public:
    /// Takes a bridge index of the datapath (through Program).
    Bridge(pipeline::Datapath& datapath, BridgeSettings settings);
    /// The datapath's topology no longer names the bridge and a grace period has passed.
    ~Bridge();
    Bridge(const Bridge&) = delete;
    Bridge& operator=(const Bridge&) = delete;

    const std::string& name() const { return settings_.name; }
    const BridgeSettings& settings() const { return settings_; }
    /// Changes everything but the name; live. The owner sets the topology afterwards.
    void set_settings(BridgeSettings settings);
    unsigned index() const;

    pipeline::Datapath& datapath() { return datapath_; }
    pipeline::Program& program() { return *program_; }
    pipeline::Fdb& fdb() { return *fdb_; }
    FlowTables& flows() { return *flows_; }
    const FlowTables& flows() const { return *flows_; }

    // Ports. After any change the owner sets the topology.
    /// Adds a port and tells listeners. The wish is granted if free. Errors: EEXIST (name), EBUSY (exact
    /// number taken), ENOSPC (no number or datapath index left).
    Result<OfPort> add_port(const PortSpec& spec);
    /// Removes it, forgets what was learned on it, tells listeners. False: no such port.
    bool remove_port(OfPort number);
    /// Replaces VLAN settings. False: no such port.
    bool set_vlan(OfPort number, const VlanSettings& vlan);
    /// Connects a patch port with the datapath port of its peer (kNone: dangling; packets are dropped).
    bool set_patch_peer(OfPort number, PortIndex peer);
    bool set_tunnel(OfPort number, std::shared_ptr<const tunnel::Config> config);
    /// Changes what workers get in any other way.
    bool edit_entry(OfPort number, const std::function<void(pipeline::PortEntry&)>& edit);
    Mirrors& mirrors() { return mirrors_; }
    const Mirrors& mirrors() const { return mirrors_; }
    /// Reads state() of all ports; tells listeners of those that changed. True: entries() changed, set the
    /// topology. Call about twice a second, or when a device reports something.
    bool refresh_ports();
    /// Port-mod: changes config bits in `mask`; sets the device up or down; tells listeners, and
    /// on_topology_changed. Errors: ENODEV (no such port), or what the device said.
    Result<void> modify_port(OfPort number, std::uint32_t config, std::uint32_t mask);

    const BridgePort* port(OfPort number) const;
    const BridgePort* port(std::string_view name) const;
    /// By number; LOCAL comes last.
    const std::map<OfPort, BridgePort>& ports() const { return ports_; }
    std::optional<PortStatistics> statistics(OfPort number) const;

    // For Datapath::set_topology(), together.
    std::vector<pipeline::PortEntry> entries() const;
    pipeline::BridgeEntry entry() const;
    /// Called when OpenFlow changed something that entries() or entry() show.
    std::function<void()> on_topology_changed;

    // Switch configuration (OFPT_SET_CONFIG, sessions).
    pipeline::FragmentMode fragments() const { return fragments_; }
    void set_fragments(pipeline::FragmentMode mode);
    /// Do any controllers want packet-ins of table misses (OpenFlow 1.0-1.2)? Set by sessions.
    void set_miss_to_controller(bool on, unsigned miss_send_len);

    /// What OpenFlow 1.1 and 1.2 said of misses in tables changed: workers are told.
    void table_misses_changed();

    /// Which tunnel options are which tun_metadata fields.
    const TlvTable& tlv_table() const { return tlv_table_; }
    /// As TlvTable::apply(); workers follow.
    std::optional<openflow::OfError> change_tlv_table(const openflow::TlvTableMod& mod);
    /// Connections to forget, as NXT_CT_FLUSH and NXT_CT_FLUSH_ZONE ask; set by who tracks connections.
    /// Unset: nobody does, there is nothing to forget.
    std::function<void(const openflow::CtFlush&)> on_ct_flush;

    /// Runs `actions` on a packet made of `bytes`, as OFPT_PACKET_OUT. Errors: EINVAL (in_port, too long, an
    /// action this version does not execute), ENOMEM.
    Result<void> packet_out(OfPort in_port, const ActionList& actions, std::span<const std::uint8_t> bytes,
                            const FlowKey* metadata = nullptr);

    /// Random, another one for each bridge that ever was: what paused packets name their bridge by.
    const std::array<std::uint8_t, 16>& identity() const { return identity_; }
    /// Lets a packet that controller(pause) stopped on this bridge go on, as NXT_RESUME; `paused.bridge` is
    /// filled in here. Errors as for packet_out().
    Result<void> resume(pipeline::PausedPacket paused, std::span<const std::uint8_t> bytes);

    /// Flow time-outs and FDB ageing. Call a few times a second (OfService does).
    void run(std::int64_t now_ms);

    void add_listener(BridgeListener* listener);
    void remove_listener(BridgeListener* listener);

    // What OFPST_DESC says.
    std::string_view manufacturer() const { return "Nicira, Inc."; }
    std::string_view hardware() const { return "Open vSwitch"; }
    std::string software() const;
    std::string serial() const { return settings_.serial; }
    std::string description() const;

  private:
    void notify(PortEvent event, const BridgePort& port);
    bool refresh(BridgePort& port);
    std::vector<Mirrors::NamedPort> named(std::vector<pipeline::PortEntry>& entries) const;
    static void apply_config(BridgePort& port);
    Result<Packet*> make_packet(std::string_view purpose, OfPort in_port,
                                std::span<const std::uint8_t> bytes);

    pipeline::Datapath& datapath_;
    BridgeSettings settings_;
    std::unique_ptr<pipeline::Program> program_;
    std::unique_ptr<pipeline::Fdb> fdb_;
    std::unique_ptr<FlowTables> flows_;
    std::array<std::uint8_t, 16> identity_;
    PortNumbers numbers_;
    std::map<OfPort, BridgePort> ports_;
    Mirrors mirrors_;
    TlvTable tlv_table_;
    pipeline::FragmentMode fragments_ = pipeline::FragmentMode::kNormal;
    bool miss_to_controller_ = false;
    unsigned miss_send_len_ = 128;
    std::shared_ptr<const pipeline::OnMissOfTables> on_miss_;
    std::shared_ptr<const tunnel::GeneveOptions> geneve_options_;  ///< null: none is mapped
    std::vector<BridgeListener*> listeners_;
};

}  // namespace sluice::bridge
