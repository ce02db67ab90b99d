// SPDX-License-Identifier: Apache-2.0
// Switch: internal ports take the MTU of their bridge, as in OVS: the least of its other ports, unless
// Interface:mtu_request says otherwise. A lower MTU set by hand stays until that least one changes.
#include <utility>

#include "base/log.hpp"
#include "control/switch.hpp"
#include "port/kernel_link.hpp"

namespace sluice {

namespace {

const log::Module kLog{"ofproto"};
constexpr std::uint32_t kDefaultMtu = 1500;  ///< of a bridge without other ports

bool follows(const SwitchPort& slot) {
    return slot.config.port.type == "internal" && !slot.config.port.mtu_request;
}

}  // namespace

void Switch::follow_mtu(SwitchBridge& owner) {
    const std::string& bridge = owner.config.settings.name;
    std::uint32_t least = 0;
    for (const auto& [name, slot] : ports_) {
        if (!slot->attached() || slot->bridge != bridge || slot->config.port.type == "patch" ||
            follows(*slot))
            continue;
        if (slot->state.mtu != 0 && (least == 0 || slot->state.mtu < least)) least = slot->state.mtu;
    }
    if (least == 0) least = kDefaultMtu;
    const bool changed = least != std::exchange(owner.least_mtu, least);
    for (const auto& [name, slot] : ports_) {
        if (!slot->attached() || slot->bridge != bridge || !follows(*slot)) continue;
        if (!(slot->state.mtu > least || (changed && slot->state.mtu != least))) continue;
        // The port learns of it as of any change made with `ip link`.
        auto link = KernelLink::open(name);
        auto set = link ? link->set_mtu(least) : Result<void>{link.error()};
        if (!set) {
            static log::RateLimit limit{1, 1};
            if (limit.allow()) kLog.warn("bridge {}: {}", bridge, set.error().message);
            continue;
        }
        slot->state = slot->port->state();
        topology_changed_ = true;
    }
}

}  // namespace sluice
