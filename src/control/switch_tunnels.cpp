// SPDX-License-Identifier: Apache-2.0
// Switch: tunnel ports, and what carries their packets.
#include <utility>

#include "control/switch.hpp"

namespace sluice {

/// Of a slot whose type is a tunnel's: its options, read. Errors: tunnel::parse_config's; the old ones hold
/// on.
Result<void> Switch::read_tunnel(SwitchPort& slot) {
    const PortConfig& port = slot.config.port;
    if (!tunnel::is_tunnel_type(port.type) || is_dummy_type(port.type)) return {};
    auto config = tunnel::parse_config(port.name, port.type, port.options);
    if (!config) return config.error();
    slot.tunnel = std::make_shared<tunnel::Config>(std::move(*config));
    tunnels_->mark_stale();
    return {};
}

void Switch::follow_tunnels() {
    if (!tunnels_->stale()) return;
    topology_changed_ = true;
    push_topology();
    schedule_tick(0);
}

/// Brings the tunnel table up to date, and the port list in line with it.
void Switch::add_carriers(std::vector<pipeline::PortEntry>& ports) {
    const auto count = [this] { return tunnels_->carriers().size(); };
    const std::size_t before = count();
    tunnels_->update();
    for (auto& port : tunnels_->take_dropped()) {
        dying_ports_.push_back({std::move(port), false, 0, 0});
        carriers_changed_ = true;
    }
    carriers_changed_ |= before != count();
    for (const auto& [device, carrier] : tunnels_->carriers()) {
        pipeline::PortEntry entry;
        entry.index = carrier.index;
        entry.port = carrier.port.get();
        entry.bridge = pipeline::kMaxBridges;  // of none
        entry.underlay = true;
        ports.push_back(std::move(entry));
    }
    if (!tunnels_->listens()) return;
    for (pipeline::PortEntry& port : ports) {
        const SwitchPort* slot = port.underlay ? nullptr : find_port(port.index);
        port.ends_tunnels = slot && slot->config.port.type == "internal";
    }
}

}  // namespace sluice
