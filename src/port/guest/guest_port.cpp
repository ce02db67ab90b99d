// SPDX-License-Identifier: Apache-2.0
// See port/guest/guest_port.hpp.
#include "port/guest/guest_port.hpp"

#include "port/options.hpp"

namespace sluice::guest {

GuestPort::GuestPort(PortConfig config, std::shared_ptr<GuestLoop> loop)
    : Port(std::move(config)),
      loop_(std::move(loop)),
      tx_queues_(std::max(1U, config_.worker_count)),
      mtu_(config_.mtu_request.value_or(1500)),
      tx_(std::make_unique<TxCounters[]>(tx_queues_)) {}

PortState GuestPort::state_of(bool running) {
    PortState state;
    state.admin_up = up_.load();
    state.mtu = mtu_.load();
    state.duplex_known = false;
    if (config_.mac) state.mac = *config_.mac;
    state.link_up = state.admin_up && running;
    if (state.link_up != was_up_) ++link_resets_;
    was_up_ = state.link_up;
    state.link_resets = link_resets_;
    return state;
}

void GuestPort::add_rx(const RxCounters& rx, PortCounters& sum) {
    sum.rx_packets += rx.packets.get();
    sum.rx_bytes += rx.bytes.get();
    sum.rx_errors += rx.errors.get();
    sum.rx_dropped += rx.dropped.get();
}

void GuestPort::add_tx(const TxCounters& tx, PortCounters& sum) {
    sum.tx_packets += tx.packets.get();
    sum.tx_bytes += tx.bytes.get();
}

Result<void> GuestPort::reconfigure(const PortConfig& config) {
    if (config.name != config_.name || config.type != config_.type || config.options != config_.options ||
        config.worker_count != config_.worker_count)
        return make_error(EXDEV, "{}: options or queues changed", config_.name);
    if (auto ok = check_mtu(config); !ok) return ok;
    mtu_.store(config.mtu_request.value_or(1500), std::memory_order_relaxed);
    config_ = config;
    return {};
}

Result<void> GuestPort::set_admin_up(bool up) {
    up_.store(up);
    return {};
}

}  // namespace sluice::guest
