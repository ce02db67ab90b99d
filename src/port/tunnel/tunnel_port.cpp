// SPDX-License-Identifier: Apache-2.0
// See port/tunnel/tunnel_port.hpp.
#include "port/tunnel/tunnel_port.hpp"

#include "packet/pool.hpp"
#include "port/options.hpp"

namespace sluice {

Result<std::unique_ptr<Port>> TunnelPort::create(const PortConfig& config) {
    return std::unique_ptr<Port>{std::make_unique<TunnelPort>(config)};
}

TunnelPort::TunnelPort(PortConfig config)
    : Port(std::move(config)), mac_(config_.mac ? *config_.mac : random_mac()) {}

unsigned TunnelPort::tx_burst(QueueId, Packet** packets, unsigned count) noexcept {
    packet_free_burst(packets, count);
    return 0;
}

PortState TunnelPort::state() {
    PortState state;
    state.admin_up = state.link_up = up_;
    state.mac = mac_;
    state.mtu = kMaxMtu;
    state.duplex_known = false;
    return state;
}

Result<void> TunnelPort::reconfigure(const PortConfig& config) {
    if (config.type != config_.type || config.name != config_.name)
        return make_error(EXDEV, "{}: type changed", config_.name);
    if (config.mac) mac_ = *config.mac;
    config_ = config;
    return {};
}

Result<void> TunnelPort::set_admin_up(bool up) {
    up_ = up;
    return {};
}

}  // namespace sluice
