// SPDX-License-Identifier: Apache-2.0
#include "bridge/bridge.hpp"

#include <algorithm>
#include <random>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "bridge/flow_tables.hpp"
#include "packet/pool.hpp"
#include "pipeline/executor.hpp"

namespace sluice::bridge {

namespace {

const log::Module kLog{"ofproto"};

constexpr unsigned kPatchCounters = 4;  ///< rx packets, rx bytes, tx packets, tx bytes

PortState state_of(const BridgePort& port) {
    if (port.port && !port.patch) return port.port->state();
    PortState state;  // a patch port is a piece of software: there or not
    state.admin_up = state.link_up = true;
    return state;
}

using VlanSet = std::shared_ptr<const std::bitset<4096>>;

bool same_set(const VlanSet& a, const VlanSet& b) {
    return a && b ? *a == *b : a == b;
}

bool valid_in_port(OfPort port) {
    return to_int(port) <= kLastOfPort || port == OfPort::kLocal || port == OfPort::kController ||
           port == OfPort::kAny;
}

}  // namespace

bool operator==(const VlanSettings& a, const VlanSettings& b) {
    return a.mode == b.mode && a.tag == b.tag && a.priority_tags == b.priority_tags &&
           a.qinq_ethertype == b.qinq_ethertype && a.is_protected == b.is_protected &&
           same_set(a.trunks, b.trunks) && same_set(a.cvlans, b.cvlans);
}

bool operator==(const BridgeSettings& a, const BridgeSettings& b) {
    return a.name == b.name && a.datapath_id == b.datapath_id && a.mac == b.mac && a.dp_desc == b.dp_desc &&
           a.serial == b.serial && a.forward_bpdu == b.forward_bpdu && same_set(a.flood_vlans, b.flood_vlans);
}

Bridge::Bridge(pipeline::Datapath& datapath, BridgeSettings settings)
    : datapath_(datapath),
      settings_(std::move(settings)),
      program_(std::make_unique<pipeline::Program>(datapath)),
      fdb_(std::make_unique<pipeline::Fdb>(datapath.rcu())),
      flows_(std::make_unique<FlowTables>(datapath, *program_)),
      mirrors_(datapath) {
    program_->set_tun_table(&tlv_table_.table());
    std::random_device random;
    for (auto& byte : identity_)
        byte = static_cast<std::uint8_t>(random());
    flows_->on_removed([this](const Flow& flow, FlowRemovedReason reason) {
        for (BridgeListener* listener : listeners_)
            listener->flow_removed(flow, reason);
    });
    flows_->on_vacancy([this](std::uint8_t table, bool down) {
        for (BridgeListener* listener : listeners_)
            listener->table_vacancy(table, down);
    });
}

// Rules removed here are unlinked from the program by the next reclaims, so the program itself is retired
// behind them. The FDB is read by workers through the topology only, which no longer names it.
Bridge::~Bridge() {
    for (const auto& [number, port] : ports_)
        datapath_.release_index(port.entry.index);
    flows_.reset();
    auto* program = program_.release();
    // Twice: the first grace period unlinks the rules and retires them, the second frees them.
    datapath_.rcu().retire([&rcu = datapath_.rcu(), program] { rcu.retire([program] { delete program; }); });
}

unsigned Bridge::index() const {
    return program_->index();
}

void Bridge::set_settings(BridgeSettings settings) {
    settings.name = settings_.name;
    // What was learned in a VLAN that now floods would still be used.
    if (!same_set(settings.flood_vlans, settings_.flood_vlans)) fdb_->flush();
    settings_ = std::move(settings);
}

// ---- Ports -------------------------------------------------------------------------------------------

Result<OfPort> Bridge::add_port(const PortSpec& spec) {
    if (port(spec.name))
        return make_error(EEXIST, "bridge {}: port {} exists already", settings_.name, spec.name);
    OfPort number = OfPort::kLocal;
    if (spec.local) {
        if (ports_.count(OfPort::kLocal))
            return make_error(EEXIST, "bridge {}: has a local port already", settings_.name);
    } else {
        const auto given = numbers_.allocate(spec.exact ? spec.exact : spec.wish);
        if (!given)
            return make_error(ENOSPC, "bridge {}: port {}: all {} OpenFlow port numbers are in use",
                              settings_.name, spec.name, kLastOfPort);
        if (spec.exact && *given != *spec.exact) {
            numbers_.release(*given);
            return make_error(EBUSY, "bridge {}: port {}: OpenFlow port number {} is not free (1 to {})",
                              settings_.name, spec.name, to_int(*spec.exact), kLastOfPort);
        }
        number = *given;
    }
    const PortIndex index = datapath_.allocate_index(spec.index_wish);
    if (index == PortIndex::kNone) {
        numbers_.release(number);
        return make_error(ENOSPC, "bridge {}: port {}: the switch holds its limit of {} ports",
                          settings_.name, spec.name, kMaxPorts);
    }
    BridgePort& added = ports_[number];
    added.number = number;
    added.name = spec.name;
    added.port = spec.port;
    added.patch = spec.patch;
    added.is_virtual = spec.is_virtual();
    added.created_ms = clock::now_ms();
    added.entry.index = index;
    added.entry.ofport = number;
    added.entry.port = spec.is_virtual() ? nullptr : spec.port;
    added.entry.tunnel = spec.tunnel;
    added.entry.bridge = this->index();
    if (spec.is_virtual()) {
        added.entry.patch_counters =
            std::shared_ptr<std::atomic<std::uint64_t>[]>(new std::atomic<std::uint64_t>[kPatchCounters] {});
    }
    set_vlan(number, spec.vlan);
    refresh(added);
    apply_config(added);
    kLog.info("bridge {}: added interface {} on port {}", settings_.name, spec.name,
              to_int(number) & 0xffff);  // 16 bits wide, as the database has it: LOCAL is 65534
    notify(PortEvent::kAdd, added);
    return number;
}

bool Bridge::remove_port(OfPort number) {
    const auto it = ports_.find(number);
    if (it == ports_.end()) return false;
    const BridgePort gone = std::move(it->second);
    ports_.erase(it);
    datapath_.release_index(gone.entry.index);
    numbers_.release(number);
    fdb_->flush_port(number);
    kLog.info("bridge {}: deleted interface {} on port {}", settings_.name, gone.name,
              to_int(number) & 0xffff);
    notify(PortEvent::kDelete, gone);
    return true;
}

bool Bridge::set_vlan(OfPort number, const VlanSettings& vlan) {
    return edit_entry(number, [&](pipeline::PortEntry& entry) {
        entry.vlan_mode = vlan.mode;
        entry.tag = vlan.tag;
        entry.trunks = vlan.trunks;
        entry.priority_tags = vlan.priority_tags;
        entry.cvlans = vlan.cvlans;
        entry.qinq_ethertype = vlan.qinq_ethertype;
        entry.is_protected = vlan.is_protected;
    });
}

bool Bridge::set_patch_peer(OfPort number, PortIndex peer) {
    return edit_entry(number, [&](pipeline::PortEntry& entry) { entry.patch_peer = peer; });
}

std::optional<openflow::OfError> Bridge::change_tlv_table(const openflow::TlvTableMod& mod) {
    if (auto refusal = tlv_table_.apply(mod, flows().used_options())) return refusal;
    const TunTable& table = tlv_table_.table();
    geneve_options_ = table.mappings().empty() ? nullptr : std::make_shared<tunnel::GeneveOptions>(table);
    if (on_topology_changed) on_topology_changed();
    return {};
}

bool Bridge::set_tunnel(OfPort number, std::shared_ptr<const tunnel::Config> config) {
    return edit_entry(number, [&](pipeline::PortEntry& entry) { entry.tunnel = std::move(config); });
}

bool Bridge::edit_entry(OfPort number, const std::function<void(pipeline::PortEntry&)>& edit) {
    const auto it = ports_.find(number);
    if (it == ports_.end()) return false;
    edit(it->second.entry);
    return true;
}

/// Reads the device. True: OpenFlow sees a difference.
bool Bridge::refresh(BridgePort& port) {
    port.device = state_of(port);
    MacBytes mac = port.device.mac;
    if (mac == MacBytes{} && port.number == OfPort::kLocal) mac = settings_.mac;
    const std::uint32_t config =
        (port.config & ~std::uint32_t{kPortDown}) | (port.device.admin_up ? 0U : std::uint32_t{kPortDown});
    const pipeline::PortMonitor* monitor = port.entry.monitor.get();
    const bool forwards = !monitor || monitor->forwarding.load(std::memory_order_relaxed);
    const std::uint32_t state = !port.device.link_up ? std::uint32_t{kPortLinkDown}
                                : forwards           ? std::uint32_t{kPortLive}
                                                     : 0U;
    const bool changed = config != port.config || state != port.state || mac != port.mac;
    port.config = config;
    port.state = state;
    port.mac = mac;
    return changed;
}

void Bridge::apply_config(BridgePort& port) {
    port.entry.up = !(port.config & kPortDown);
    port.entry.live = port.entry.up && !(port.state & kPortLinkDown);
    port.entry.no_receive = port.config & kPortNoReceive;
    port.entry.no_forward = port.config & kPortNoForward;
    port.entry.no_flood = port.config & kPortNoFlood;
    port.entry.no_packet_in = port.config & kPortNoPacketIn;
    port.entry.mtu = port.device.mtu;
}

bool Bridge::refresh_ports() {
    bool topology = false;
    for (auto& [number, port] : ports_) {
        const bool was_up = port.entry.up, was_live = port.entry.live;
        const std::uint32_t mtu = port.entry.mtu;
        const bool changed = refresh(port);
        apply_config(port);
        topology |= was_up != port.entry.up || was_live != port.entry.live || mtu != port.entry.mtu;
        if (changed) notify(PortEvent::kModify, port);
    }
    return topology;
}

Result<void> Bridge::modify_port(OfPort number, std::uint32_t config, std::uint32_t mask) {
    const auto it = ports_.find(number);
    if (it == ports_.end())
        return make_error(ENODEV, "bridge {}: there is no port {}", settings_.name, to_int(number));
    BridgePort& port = it->second;
    const std::uint32_t wanted = (port.config & ~mask) | (config & mask);
    if (wanted == port.config) return {};
    if ((wanted ^ port.config) & kPortDown && port.port && !port.patch) {
        if (auto set = port.port->set_admin_up(!(wanted & kPortDown)); !set) return set.error();
    }
    port.config = wanted;
    refresh(port);
    // The device may take a moment to report what it was told.
    port.config = (port.config & ~std::uint32_t{kPortDown}) | (wanted & kPortDown);
    apply_config(port);
    notify(PortEvent::kModify, port);
    if (on_topology_changed) on_topology_changed();
    return {};
}

const BridgePort* Bridge::port(OfPort number) const {
    const auto it = ports_.find(number);
    return it == ports_.end() ? nullptr : &it->second;
}

const BridgePort* Bridge::port(std::string_view name) const {
    const auto it = std::find_if(ports_.begin(), ports_.end(),
                                 [&](const auto& entry) { return entry.second.name == name; });
    return it == ports_.end() ? nullptr : &it->second;
}

std::optional<PortStatistics> Bridge::statistics(OfPort number) const {
    const BridgePort* port = this->port(number);
    if (!port) return {};
    PortStatistics out;
    out.number = number;
    if (const auto& patch = port->entry.patch_counters; port->is_virtual && patch) {
        out.counters.rx_packets = patch[0].load(std::memory_order_relaxed);
        out.counters.rx_bytes = patch[1].load(std::memory_order_relaxed);
        out.counters.tx_packets = patch[2].load(std::memory_order_relaxed);
        out.counters.tx_bytes = patch[3].load(std::memory_order_relaxed);
    } else if (port->port) {
        out.counters = port->port->counters();
    }
    const std::int64_t age_ms = clock::now_ms() - port->created_ms;
    out.duration_sec = static_cast<std::uint32_t>(age_ms / 1000);
    out.duration_nsec = static_cast<std::uint32_t>(age_ms % 1000 * 1'000'000);
    return out;
}

// ---- Towards the datapath ----------------------------------------------------------------------------

/// The names that go with entries(), which are in the order of ports_.
std::vector<Mirrors::NamedPort> Bridge::named(std::vector<pipeline::PortEntry>& entries) const {
    std::vector<Mirrors::NamedPort> named;
    if (mirrors_.empty()) return named;
    auto entry = entries.begin();
    for (const auto& [number, port] : ports_)
        named.push_back({&port.name, &*entry++});
    return named;
}

std::vector<pipeline::PortEntry> Bridge::entries() const {
    std::vector<pipeline::PortEntry> all;
    all.reserve(ports_.size());
    for (const auto& [number, port] : ports_)
        all.push_back(port.entry);
    mirrors_.resolve(named(all));
    return all;
}

pipeline::BridgeEntry Bridge::entry() const {
    pipeline::BridgeEntry entry;
    entry.index = index();
    entry.name = settings_.name;
    entry.program = program_.get();
    entry.fdb = fdb_.get();
    entry.flow_events = flows_.get();
    entry.fragments = fragments_;
    entry.miss_to_controller = miss_to_controller_;
    entry.forward_bpdu = settings_.forward_bpdu;
    entry.on_miss = on_miss_;
    entry.flood_vlans = settings_.flood_vlans;
    entry.geneve_options = geneve_options_;
    entry.miss_send_len = miss_send_len_;
    if (!mirrors_.empty()) {
        auto ports = entries();
        entry.mirrors = mirrors_.resolve(named(ports));
    }
    return entry;
}

void Bridge::set_fragments(pipeline::FragmentMode mode) {
    if (std::exchange(fragments_, mode) != mode && on_topology_changed) on_topology_changed();
}

void Bridge::set_miss_to_controller(bool on, unsigned miss_send_len) {
    if (on == miss_to_controller_ && miss_send_len == miss_send_len_) return;
    miss_to_controller_ = on;
    miss_send_len_ = miss_send_len;
    if (on_topology_changed) on_topology_changed();
}

Result<void> Bridge::packet_out(OfPort in_port, const ActionList& actions,
                                std::span<const std::uint8_t> bytes, const FlowKey* metadata) {
    auto program = pipeline::compile(actions, program_->tun_table());
    if (!program) return program.error();
    auto packet = make_packet("packet-out", in_port, bytes);
    if (!packet) return packet.error();
    pipeline::Executor& executor = datapath_.control_executor();
    executor.packet_out(index(), in_port, std::move(*program), packet.value(),
                        static_cast<std::uint64_t>(clock::now_ms()), metadata);
    return {};
}

Result<void> Bridge::resume(pipeline::PausedPacket paused, std::span<const std::uint8_t> bytes) {
    const OfPort in_port{static_cast<std::uint32_t>(paused.metadata.get(key::kInPort))};
    auto packet = make_packet("packet to resume", in_port, bytes);
    if (!packet) return packet.error();
    paused.bridge = index();
    return datapath_.control_executor().resume(paused, packet.value(),
                                               static_cast<std::uint64_t>(clock::now_ms()));
}

Result<Packet*> Bridge::make_packet(std::string_view purpose, OfPort in_port,
                                    std::span<const std::uint8_t> bytes) {
    if (!valid_in_port(in_port))
        return make_error(EINVAL, "bridge {}: {} from port {}: no such number", settings_.name, purpose,
                          to_int(in_port));
    if (bytes.size() > kMaxFrameBytes)
        return make_error(EMSGSIZE, "bridge {}: {} of {} bytes is above the limit of {}", settings_.name,
                          purpose, bytes.size(), kMaxFrameBytes);
    Packet* packet = packet_from_bytes(bytes);
    if (!packet) return make_error(ENOMEM, "bridge {}: no memory for a {}", settings_.name, purpose);
    return packet;
}

void Bridge::run(std::int64_t now_ms) {
    flows_->collect_counts();
    flows_->expire(now_ms);
    fdb_->expire(static_cast<std::uint32_t>(now_ms / 1000));
}

void Bridge::table_misses_changed() {
    auto misses = std::make_shared<pipeline::OnMissOfTables>();
    bool any = false;
    for (unsigned table = 0; table < kVisibleTables; ++table) {
        const auto miss =
            static_cast<pipeline::OnMiss>(flows_->table_config(static_cast<std::uint8_t>(table)).miss);
        (*misses)[table] = miss;
        any |= miss != pipeline::OnMiss::kDefault && miss != pipeline::OnMiss::kController;
    }
    on_miss_ = any ? std::move(misses) : nullptr;
    if (on_topology_changed) on_topology_changed();
}

// ---- Listeners and names -----------------------------------------------------------------------------

void Bridge::add_listener(BridgeListener* listener) {
    listeners_.push_back(listener);
}

void Bridge::remove_listener(BridgeListener* listener) {
    std::erase(listeners_, listener);
}

void Bridge::notify(PortEvent event, const BridgePort& port) {
    for (BridgeListener* listener : listeners_)
        listener->port_status(event, port);
}

std::string Bridge::software() const {
    return "Sluice " SLUICE_VERSION;
}

std::string Bridge::description() const {
    return settings_.dp_desc.empty() ? "None" : settings_.dp_desc;
}

}  // namespace sluice::bridge
