// SPDX-License-Identifier: Apache-2.0
// Switch: the interfaces of a bridge: creation, change, removal, loss of the device.
#include <algorithm>
#include <charconv>
#include <utility>

#include <net/if.h>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "control/switch.hpp"

namespace sluice {

namespace {

const log::Module kLog{"bridge"};

constexpr std::int64_t kRetryMs = 1000;
constexpr std::int64_t kRetryOtherMs = 5000;

const InterfaceConfig* find_interface(const SwitchConfig& config, const std::string& bridge,
                                      const std::string& name) {
    for (const auto& wanted : config.bridges) {
        if (wanted.settings.name != bridge) continue;
        for (const auto& interface : wanted.interfaces) {
            if (interface.port.name == name) return &interface;
        }
    }
    return nullptr;
}

/// A kernel interface that the port itself makes.
bool is_tap(const std::string& type) {
    return type == "internal" || type == "tap";
}

bool is_system(const std::string& type) {
    return type.empty() || type == "system";
}

}  // namespace

void Switch::remove_unwanted() {
    for (auto it = ports_.begin(); it != ports_.end();) {
        SwitchPort& slot = *it->second;
        const InterfaceConfig* wanted = find_interface(config_, slot.bridge, it->first);
        const bool keep = wanted && wanted->port.type == slot.config.port.type &&
                          wanted->local == slot.config.local && wanted->refusal.empty();
        if (!keep) detach(slot);
        it = keep ? std::next(it) : ports_.erase(it);
    }
    for (auto it = bridges_.begin(); it != bridges_.end();) {
        const bool wanted = std::any_of(config_.bridges.begin(), config_.bridges.end(),
                                        [&](const auto& b) { return b.settings.name == it->first; });
        if (wanted) {
            ++it;
            continue;
        }
        kLog.info("bridge {}: removed", it->first);
        it->second->openflow.reset();
        dying_bridges_.push_back({std::move(it->second->bridge), false, 0});
        topology_changed_ = true;
        it = bridges_.erase(it);
    }
}

void Switch::sync_interfaces(SwitchBridge& owner) {
    // Ports that ask for a number go first, so that others don't take it.
    std::vector<const InterfaceConfig*> order;
    for (const auto& wanted : owner.config.interfaces)
        order.push_back(&wanted);
    std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
        const auto rank = [](const InterfaceConfig* i) { return i->requested ? 0 : i->previous ? 1 : 2; };
        return rank(a) < rank(b);
    });
    for (const InterfaceConfig* wanted : order) {
        auto& slot = ports_[wanted->port.name];
        if (slot && slot->bridge != owner.config.settings.name) {
            kLog.warn("interface {}: named by bridges {} and {}; the former keeps it", wanted->port.name,
                      slot->bridge, owner.config.settings.name);
            continue;
        }
        if (!slot) {
            slot = std::make_unique<SwitchPort>();
            slot->config = *wanted;
            slot->bridge = owner.config.settings.name;
        }
        update_port(owner, *slot, *wanted);
    }
}

void Switch::update_port(SwitchBridge& owner, SwitchPort& slot, const InterfaceConfig& wanted) {
    InterfaceConfig next = wanted;
    // The bridge's address is the local port's; once created, a port keeps its count of tx queues: changing
    // it would re-create kernel devices and take their addresses away.
    if (next.local && !next.port.mac && slot.config.port.mac) next.port.mac = slot.config.port.mac;
    next.port.worker_count = slot.attached()
                                 ? slot.port->config().worker_count
                                 : std::max<unsigned>(1, static_cast<unsigned>(workers_->count()));
    const bool vlan_changed = !(next.vlan == slot.config.vlan);
    if (!slot.attached()) {
        // What failed is tried again when it changed, or when some time has passed: a driver that refuses a
        // device should not do so, with log lines, at every change of anything else.
        const bool same = next.port == slot.config.port && next.refusal == slot.config.refusal;
        const bool failed = !slot.error.empty() && !slot.waiting;
        if (same && failed && clock::machine_ms() < slot.retry_at_ms) return;
        if (!next.previous) next.previous = slot.config.previous;  // the database has -1 while it fails
        slot.config = std::move(next);
        create_port_of(owner, slot);
        return;
    }
    if (!(next.port == slot.port->config())) {
        auto result = slot.port->reconfigure(next.port);
        if (result && slot.tunnel) {
            std::swap(slot.config, next);
            result = read_tunnel(slot);
            std::swap(slot.config, next);
            if (result) owner.bridge->set_tunnel(slot.number, slot.tunnel);
        }
        slot.error.clear();
        if (!result && result.error().code == EXDEV) {
            kLog.info("interface {}: re-created, as the change cannot be made on the running port",
                      next.port.name);
            next.previous = slot.number;
            detach(slot);
            slot.config = std::move(next);
            create_port_of(owner, slot);
            return;
        }
        if (!result) {
            slot.error = result.error().message;
            kLog.warn("interface {}: {}", next.port.name, slot.error);
        }
        topology_changed_ = true;
    }
    slot.config = std::move(next);
    if (vlan_changed) owner.bridge->set_vlan(slot.number, slot.config.vlan), topology_changed_ = true;
    if (slot.config.requested && !slot.config.local && *slot.config.requested != slot.number) {
        renumber(owner, slot);
    }
}

void Switch::create_port_of(SwitchBridge& owner, SwitchPort& slot) {
    const PortConfig& wanted = slot.config.port;
    slot.waiting = false;
    if (!slot.config.refusal.empty()) {
        slot.error = slot.config.refusal;
        return;
    }
    if (name_dying(wanted.name)) {
        slot.waiting = true;
        return;
    }
    auto port = create_port(wanted);
    if (port) {
        if (auto read = read_tunnel(slot); !read) port = read.error();
    }
    if (!port) {
        if (slot.error != port.error().message) {
            kLog.warn("could not open network device {} ({})", wanted.name, port.error().message);
        }
        slot.error = port.error().message;
        slot.retry_at_ms = clock::machine_ms() + (is_system(wanted.type) ? kRetryMs : kRetryOtherMs);
        return;
    }
    attach(owner, slot, std::move(*port));
}

/// Tests of Open vSwitch know the datapath numbers of their dummies: that of the first digits of the name,
/// and 100 more for names that begin with "br". Numbers are one above our indices, as number 0 is the
/// datapath.
PortIndex Switch::index_wish(const SwitchBridge& owner, const SwitchPort& slot) {
    const DummyLevel level = dummy_level();
    if (level == DummyLevel::kNone) return PortIndex::kNone;
    if (slot.config.port.type == "patch")  // no port of the datapath there: out of the way of the others
        return PortIndex{static_cast<std::uint16_t>(kMaxPorts - 1 - lab_patch_ports_++ % (kMaxPorts / 2))};
    if (level != DummyLevel::kOverride && owner.config.datapath_type != "dummy") return PortIndex::kNone;
    const std::string& name = slot.config.port.name;
    const auto digits = name.find_first_of("0123456789");
    if (digits == std::string::npos) return PortIndex::kNone;
    unsigned number = 0;
    std::from_chars(name.data() + digits, name.data() + name.size(), number);
    if (name.starts_with("br")) number += 100;
    if (number == 0 || number > kMaxPorts) return PortIndex::kNone;
    return PortIndex{static_cast<std::uint16_t>(number - 1)};
}

void Switch::attach(SwitchBridge& owner, SwitchPort& slot, std::unique_ptr<Port> port) {
    bridge::PortSpec spec;
    spec.name = slot.config.port.name;
    spec.port = port.get();
    spec.local = slot.config.local;
    spec.patch = slot.config.port.type == "patch";
    spec.wish = slot.config.requested ? slot.config.requested : slot.config.previous;
    spec.vlan = slot.config.vlan;
    spec.index_wish = index_wish(owner, slot);
    spec.tunnel = slot.tunnel;
    auto number = owner.bridge->add_port(spec);
    if (!number) {
        slot.error = number.error().message;
        kLog.warn("bridge {}: port {}: {}", slot.bridge, spec.name, slot.error);
        return;
    }
    // A device named by a person is expected to work without a further `ip link set up`, except for kernel
    // devices of our own, which OVS leaves down as well.
    if (slot.config.port.type != "internal" && slot.config.port.type != "tap" && !spec.is_virtual()) {
        if (auto up = port->set_admin_up(true); !up) {
            kLog.warn("interface {}: {}", spec.name, up.error().message);
        }
    }
    slot.port = std::move(port);
    if (DummyPort* dummy = as_dummy(slot.port.get())) slot.wire = DummyWire::plug(loop_, *dummy);
    slot.number = *number;
    slot.config.previous = *number;
    slot.error.clear();
    const auto* view = owner.bridge->port(slot.number);
    slot.index = view->entry.index;
    slot.state = slot.port->state();
    topology_changed_ = true;
    tunnels_->mark_stale();
    ++events_.ports_added;
}

void Switch::detach(SwitchPort& slot) {
    slot.waiting = false;
    if (!slot.attached()) return;
    slot.wire.reset();
    if (SwitchBridge* owner = find_bridge(slot.bridge)) {
        end_bfd(*owner, slot);
        owner->bridge->remove_port(slot.number);
    }
    dying_ports_.push_back({std::move(slot.port), false, 0, 0});
    slot.index = PortIndex::kNone;
    slot.state = {};
    slot.tunnel.reset();
    tunnels_->mark_stale();
    topology_changed_ = true;
    ++events_.ports_removed;
}

void Switch::renumber(SwitchBridge& owner, SwitchPort& slot) {
    const OfPort wish = *slot.config.requested;
    if (owner.bridge->port(wish) != nullptr) return;  // taken: stays where it is, as OVS does
    end_bfd(owner, slot);
    bridge::PortSpec spec;
    spec.name = slot.config.port.name;
    spec.port = slot.port.get();
    spec.patch = slot.config.port.type == "patch";
    spec.exact = wish;
    spec.vlan = slot.config.vlan;
    spec.tunnel = slot.tunnel;
    owner.bridge->remove_port(slot.number);
    auto number = owner.bridge->add_port(spec);
    if (!number) {  // out of range, say: any number will do
        spec.exact.reset();
        spec.wish = slot.number;
        number = owner.bridge->add_port(spec);
    }
    topology_changed_ = true;
    if (!number) {
        slot.error = number.error().message;
        slot.wire.reset();
        dying_ports_.push_back({std::move(slot.port), false, 0, 0});
        return;
    }
    slot.number = *number;
    slot.config.previous = *number;
    slot.index = owner.bridge->port(slot.number)->entry.index;
    tunnels_->mark_stale();
    kLog.info("bridge {}: interface {} is port {} now", slot.bridge, spec.name, to_int(slot.number));
}

void Switch::sync_patches() {
    for (auto& [name, slot] : ports_) {
        if (!slot->attached() || slot->config.port.type != "patch") continue;
        const SwitchPort* peer = find_port(slot->port->patch_peer());
        const bool mutual = peer && peer != slot.get() && peer->attached() &&
                            peer->config.port.type == "patch" && peer->port->patch_peer() == name;
        SwitchBridge* owner = find_bridge(slot->bridge);
        owner->bridge->set_patch_peer(slot->number, mutual ? peer->index : PortIndex::kNone);
        topology_changed_ = true;
    }
}

bool Switch::close_lost_ports() {
    bool lost = false;
    for (auto& [name, slot] : ports_) {
        if (!slot->attached() || !slot->port->device_gone()) continue;
        detach(*slot);
        slot->error =
            fmt::format("interface {}: the device disappeared; {}", name,
                        is_tap(slot->config.port.type) ? "it is made anew" : "the port comes back with it");
        kLog.warn("{}", slot->error);
        lost = true;
    }
    if (!lost) return false;
    sync_patches();
    push_topology();
    assign_queues();
    return true;
}

bool Switch::retry_failed_ports() {
    return std::any_of(ports_.begin(), ports_.end(), [](const auto& entry) {
        const SwitchPort& slot = *entry.second;
        if (slot.attached() || slot.waiting || !slot.config.refusal.empty()) return false;
        const bool exists = ::if_nametoindex(entry.first.c_str()) != 0;
        const bool ready = exists ? is_system(slot.config.port.type) : is_tap(slot.config.port.type);
        return ready && slot.retry_at_ms <= clock::machine_ms();
    });
}

}  // namespace sluice
