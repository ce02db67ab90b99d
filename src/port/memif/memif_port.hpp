// SPDX-License-Identifier: Apache-2.0
// Memif port: packets through memory shared with a container, VPP, DPDK's net_memif or any libmemif program.
#pragma once

#include <memory>
#include <string>

#include "port/guest/guest_port.hpp"
#include "port/memif/device.hpp"
#include "port/memif/endpoint.hpp"
#include "port/tx_prepare.hpp"

namespace sluice {

class MemifPort final : public guest::GuestPort {
  public:
    /// Type memif; options memif-socket, memif-role, memif-id, memif-secret, n_rxq, memif-ring-size,
    /// memif-buffer-size. Errors: EINVAL, EADDRINUSE, those of bind(2).
    static Result<std::unique_ptr<Port>> create(const PortConfig& config);
    ~MemifPort() override;

    unsigned rx_burst(QueueId queue, Packet** packets, unsigned max) noexcept override;
    unsigned tx_burst(QueueId queue, Packet** packets, unsigned count) noexcept override;
    int rx_fd(QueueId queue) const noexcept override;
    void rx_sleep(QueueId queue, bool sleeping) noexcept override;
    unsigned rx_queue_count() const override { return device_.rx_queues.load(std::memory_order_acquire); }
    PortState state() override;
    PortCounters counters() const override;

  private:
    MemifPort(PortConfig config, std::shared_ptr<guest::GuestLoop> loop, std::string path,
              memif::Settings settings);
    unsigned send_to(unsigned queue, TxCounters& counters, Packet** packets, unsigned count) noexcept;
    std::string why_stopped() const;

    const std::string path_;
    const memif::Settings settings_;
    memif::Device device_;
    std::unique_ptr<memif::Endpoint> endpoint_;  ///< the guests' thread's
};

}  // namespace sluice
