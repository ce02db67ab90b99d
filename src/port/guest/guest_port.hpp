// SPDX-License-Identifier: Apache-2.0
// GuestPort: what ports of guests (vhost, memif) have in common: they follow a peer that comes and goes.
#pragma once

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "port/counters.hpp"
#include "port/guest/guest_loop.hpp"
#include "port/port.hpp"

namespace sluice::guest {

class GuestPort : public Port {
  public:
    unsigned tx_queue_count() const override { return tx_queues_; }
    Result<void> reconfigure(const PortConfig& config) override;
    Result<void> set_admin_up(bool up) override;

  protected:
    GuestPort(PortConfig config, std::shared_ptr<GuestLoop> loop);
    /// The state of a port whose peer runs (`running`) without a fault; without status. Control thread.
    PortState state_of(bool running);
    static void add_rx(const RxCounters& rx, PortCounters& sum);
    static void add_tx(const TxCounters& tx, PortCounters& sum);

    std::shared_ptr<GuestLoop> loop_;
    const unsigned tx_queues_;
    std::atomic<bool> up_{false};
    std::atomic<std::uint32_t> mtu_;
    std::unique_ptr<TxCounters[]> tx_;  ///< by transmit queue: what is dropped before a ring

  private:
    std::uint64_t link_resets_ = 0;
    bool was_up_ = false;
};

}  // namespace sluice::guest
