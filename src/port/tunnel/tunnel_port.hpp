// SPDX-License-Identifier: Apache-2.0
// Tunnel port: types geneve, vxlan, gre and so on. No packet is received or sent here: the pipeline puts the
// outer headers on and goes on where the route says (pipeline/tunnel.cpp); tunnel/config.hpp reads the
// options.
#pragma once

#include "port/port.hpp"

namespace sluice {

class TunnelPort final : public Port {
  public:
    static Result<std::unique_ptr<Port>> create(const PortConfig& config);
    explicit TunnelPort(PortConfig config);

    unsigned rx_burst(QueueId, Packet**, unsigned) noexcept override { return 0; }
    unsigned tx_burst(QueueId queue, Packet** packets, unsigned count) noexcept override;
    unsigned rx_queue_count() const override { return 0; }
    unsigned tx_queue_count() const override { return 0; }
    PortState state() override;
    PortCounters counters() const override { return {}; }  ///< the bridge counts
    /// Takes any options: whoever knows them has read them before.
    Result<void> reconfigure(const PortConfig& config) override;
    Result<void> set_admin_up(bool up) override;

  private:
    bool up_ = true;
    MacBytes mac_{};
};

}  // namespace sluice
