// SPDX-License-Identifier: Apache-2.0
// Switch: a bridge's address and datapath id, and the settings of its OpenFlow service.
#include <algorithm>
#include <random>

#include "base/log.hpp"
#include "control/switch.hpp"

namespace sluice {

namespace {

const log::Module kLog{"bridge"};

constexpr std::uint64_t kMulticastBit = 1ULL << 40;
constexpr std::uint64_t kLocalBit = 1ULL << 41;
constexpr std::uint64_t kMacBits = (1ULL << 48) - 1;

std::uint64_t random_mac() {
    std::random_device device;
    const std::uint64_t bits = (std::uint64_t{device()} << 32 | device()) & kMacBits;
    return (bits & ~kMulticastBit) | kLocalBit;
}

}  // namespace

// As OVS: other_config:hwaddr, else the lowest global address of a port that has hardware behind it. Beyond
// OVS: with neither, the address it had before a restart, so that the datapath id stays.
void Switch::sync_identity(SwitchBridge& owner) {
    std::uint64_t mac = 0;
    for (const auto& [name, slot] : ports_) {
        const std::string& type = slot->config.port.type;
        if (slot->bridge != owner.config.settings.name || !slot->attached() || slot->config.local) continue;
        if (!type.empty() && type != "system" && type != "dpdk") continue;
        const std::uint64_t candidate = mac_to_u64(slot->state.mac);
        if (candidate == 0 || (candidate & (kMulticastBit | kLocalBit)) != 0) continue;
        if (mac == 0 || candidate < mac) mac = candidate;
    }
    if (owner.config.hwaddr) mac = mac_to_u64(*owner.config.hwaddr);
    const std::uint64_t current = mac_to_u64(owner.bridge->settings().mac);
    if (mac == 0 && (current & kLocalBit) != 0) mac = current;
    if (mac == 0 && owner.config.previous_id) {
        const std::uint64_t previous = *owner.config.previous_id & kMacBits;
        if ((previous & kLocalBit) != 0 && (previous & kMulticastBit) == 0) mac = previous;
    }
    if (mac == 0) mac = random_mac();

    bridge::BridgeSettings settings = owner.config.settings;
    settings.mac = mac_from_u64(mac);
    settings.datapath_id = owner.config.datapath_id.value_or(mac);
    if (!(settings == owner.bridge->settings())) {
        if (settings.datapath_id != owner.bridge->settings().datapath_id) {
            kLog.info("bridge {}: using datapath ID {:016x}", settings.name, settings.datapath_id);
        }
        owner.bridge->set_settings(settings);
        topology_changed_ = true;
    }
    owner.config.settings = settings;

    SwitchPort* local = find_port(settings.name);
    if (!local || !local->attached() || !local->config.local) return;
    PortConfig wanted = local->port->config();
    if (wanted.mac == settings.mac) return;
    wanted.mac = settings.mac;
    if (auto ok = local->port->reconfigure(wanted); !ok) {
        kLog.warn("bridge {}: could not set the address of its local port: {}", settings.name,
                  ok.error().message);
        return;
    }
    local->config.port.mac = settings.mac;
    local->state = local->port->state();
}

void Switch::sync_openflow(SwitchBridge& owner) {
    OfServiceSettings settings = owner.config.openflow;
    if (holding_) settings.controllers.clear();
    if (auto ok = owner.openflow->configure(settings); !ok) {
        kLog.err("bridge {}: {}", owner.config.settings.name, ok.error().message);
    }
}

}  // namespace sluice
