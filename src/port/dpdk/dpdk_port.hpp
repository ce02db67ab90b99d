// SPDX-License-Identifier: Apache-2.0
// Dpdk port: any ethdev DPDK has a driver for: a network card, or a virtual device (memif, pcap, ring, null,
// virtio-user, af_xdp, ...) made from options:dpdk-devargs.
//
// Offloads are used where the device has them; the rest is done in software before the burst goes out.
// Packets received come from a pool of the port's own.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include <rte_ethdev.h>

#include "port/counters.hpp"
#include "port/dpdk/devargs.hpp"
#include "port/dpdk/memif_guard.hpp"
#include "port/port.hpp"
#include "port/tx_prepare.hpp"

namespace sluice {

class DpdkPort final : public Port {
  public:
    /// Errors: as DpdkDevice::plug; EINVAL for options; what the driver says when it can't be set up.
    static Result<std::unique_ptr<Port>> create(const PortConfig& config);
    /// The same with devargs of the caller's (the af_xdp port).
    static Result<std::unique_ptr<DpdkPort>> create_with(const PortConfig& config,
                                                         const std::string& devargs);
    ~DpdkPort() override;

    unsigned rx_burst(QueueId queue, Packet** packets, unsigned max) noexcept override;
    unsigned tx_burst(QueueId queue, Packet** packets, unsigned count) noexcept override;
    int rx_fd(QueueId queue) const noexcept override;
    void rx_sleep(QueueId queue, bool sleeping) noexcept override;
    unsigned rx_queue_count() const override { return rx_queues_; }
    unsigned tx_queue_count() const override { return tx_queues_; }
    PortState state() override;
    PortCounters counters() const override;
    Result<void> reconfigure(const PortConfig& config) override;
    Result<void> set_admin_up(bool up) override;
    bool device_gone() override { return gone_.load(std::memory_order_relaxed); }

    std::uint16_t port_id() const { return device_.port_id(); }

  private:
    DpdkPort(PortConfig config, DpdkDevice device) : Port(std::move(config)), device_(std::move(device)) {}
    Result<void> set_up();
    Result<void> choose_queues(const rte_eth_dev_info& info);
    Result<void> configure(const rte_eth_dev_info& info);
    Result<void> set_up_queues(const rte_eth_dev_info& info);
    void choose_offloads(const rte_eth_dev_info& info, rte_eth_conf& conf);
    void open_interrupts();
    void apply_mtu();
    unsigned send_frames(std::uint16_t queue, TxCounters& counters, Packet** packets,
                         unsigned count) noexcept;

    DpdkDevice device_;
    rte_mempool* pool_ = nullptr;
    std::string driver_;
    unsigned rx_queues_ = 1, tx_queues_ = 1;
    unsigned rx_descriptors_ = 0, tx_descriptors_ = 0;
    bool wants_interrupts_ = false;
    std::vector<int> interrupt_fds_;
    std::atomic<std::uint32_t> mtu_{1500};
    std::atomic<bool> up_{false};  ///< started; workers neither receive nor send when not
    std::atomic<bool> gone_{false};
    bool tx_prepare_ = false;  ///< offloads are on: rte_eth_tx_prepare before each burst
    TxAbilities can_;
    std::unique_ptr<RxCounters[]> rx_;
    std::unique_ptr<TxCounters[]> tx_;
    std::unique_ptr<MemifGuard[]> rx_guards_, tx_guards_;  ///< by queue; null unless the driver is net_memif
};

}  // namespace sluice
