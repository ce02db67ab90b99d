// SPDX-License-Identifier: Apache-2.0
// See port/patch/patch_port.hpp.
#include "port/patch/patch_port.hpp"

#include "packet/pool.hpp"
#include "port/options.hpp"

namespace sluice {

Result<std::unique_ptr<Port>> PatchPort::create(const PortConfig& config) {
    report_unknown_options(config, {"peer"});
    const std::string peer = option_text(config, "peer");
    if (peer.empty())
        return make_error(EINVAL,
                          "{}: a patch port needs options:peer=<name of the patch port at the other end>",
                          config.name);
    if (peer == config.name)
        return make_error(EINVAL, "{}: options:peer={} is the port itself; it must name another patch port",
                          config.name, peer);
    return std::unique_ptr<Port>{std::make_unique<PatchPort>(config)};
}

PatchPort::PatchPort(PortConfig config)
    : Port(std::move(config)),
      peer_(option_text(config_, "peer")),
      mac_(config_.mac ? *config_.mac : random_mac()) {}

void PatchPort::add_rx(unsigned worker, std::uint64_t packets, std::uint64_t bytes) noexcept {
    Slot& slot = slots_[worker % kSlots];
    slot.rx_packets.add(packets);
    slot.rx_bytes.add(bytes);
}

void PatchPort::add_tx(unsigned worker, std::uint64_t packets, std::uint64_t bytes) noexcept {
    Slot& slot = slots_[worker % kSlots];
    slot.tx_packets.add(packets);
    slot.tx_bytes.add(bytes);
}

unsigned PatchPort::tx_burst(QueueId, Packet** packets, unsigned count) noexcept {
    packet_free_burst(packets, count);
    return 0;
}

PortState PatchPort::state() {
    PortState state;
    state.admin_up = state.link_up = up_;
    state.mac = mac_;
    return state;
}

PortCounters PatchPort::counters() const {
    PortCounters sum;
    for (unsigned i = 0; i < kSlots; ++i) {
        sum.rx_packets += slots_[i].rx_packets.get();
        sum.rx_bytes += slots_[i].rx_bytes.get();
        sum.tx_packets += slots_[i].tx_packets.get();
        sum.tx_bytes += slots_[i].tx_bytes.get();
    }
    return sum;
}

Result<void> PatchPort::reconfigure(const PortConfig& config) {
    if (config.type != config_.type || config.name != config_.name)
        return make_error(EXDEV, "{}: type changed", config_.name);
    const std::string peer = option_text(config, "peer");
    if (peer != peer_) return make_error(EXDEV, "{}: options:peer changed", config_.name);
    if (config.mac) mac_ = *config.mac;
    config_ = config;
    return {};
}

Result<void> PatchPort::set_admin_up(bool up) {
    up_ = up;
    return {};
}

}  // namespace sluice
