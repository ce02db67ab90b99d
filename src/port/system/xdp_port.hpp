// SPDX-License-Identifier: Apache-2.0
// A kernel interface through AF_XDP, with DPDK's net_af_xdp driver. The kernel's stack sees none of the
// frames. Checksums and segmentation are done in software.
#pragma once

#include <memory>
#include <string>

#include "port/dpdk/dpdk_port.hpp"
#include "port/kernel_link.hpp"
#include "port/port.hpp"

namespace sluice {

/// Type "system" with io=af_xdp.
class XdpPort final : public Port {
  public:
    /// Errors: ENODEV, EAGAIN when DPDK doesn't run, what the driver says.
    static Result<std::unique_ptr<Port>> create(const PortConfig& config, std::string reason);

    unsigned rx_burst(QueueId queue, Packet** packets, unsigned max) noexcept override {
        return device_->rx_burst(queue, packets, max);
    }
    unsigned tx_burst(QueueId queue, Packet** packets, unsigned count) noexcept override {
        return device_->tx_burst(queue, packets, count);
    }
    int rx_fd(QueueId queue) const noexcept override { return device_->rx_fd(queue); }
    void rx_sleep(QueueId queue, bool sleeping) noexcept override { device_->rx_sleep(queue, sleeping); }
    unsigned rx_queue_count() const override { return device_->rx_queue_count(); }
    unsigned tx_queue_count() const override { return device_->tx_queue_count(); }
    PortState state() override;
    PortCounters counters() const override { return device_->counters(); }
    Result<void> reconfigure(const PortConfig& config) override;
    Result<void> set_admin_up(bool up) override { return link_.set_up(up); }
    bool device_gone() override { return !link_.present(); }

  private:
    XdpPort(const PortConfig& config, KernelLink link, std::unique_ptr<DpdkPort> device, std::string reason)
        : Port(config), link_(std::move(link)), device_(std::move(device)), reason_(std::move(reason)) {}
    KernelLink link_;
    std::unique_ptr<DpdkPort> device_;
    std::string reason_;
};

}  // namespace sluice
