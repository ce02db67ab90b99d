// SPDX-License-Identifier: Apache-2.0
// Vhost port: a virtual machine's or container's virtio-net device, over the vhost-user protocol.
//
// Types `dpdkvhostuserclient` (the switch connects to options:vhost-server-path, so that it may restart under
// a running guest) and `dpdkvhostuser` (the switch listens at <run directory>/<port name>). Queues follow the
// guest. Frames are copied once each way.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "port/guest/guest_loop.hpp"
#include "port/port.hpp"
#include "port/tx_prepare.hpp"
#include "port/vhost/device.hpp"
#include "port/vhost/endpoint.hpp"

namespace sluice {

class VhostPort final : public Port {
  public:
    /// Type dpdkvhostuserclient; options vhost-server-path, tx-retries-max. Errors: EINVAL.
    static Result<std::unique_ptr<Port>> create_client(const PortConfig& config);
    /// Type dpdkvhostuser; option tx-retries-max. Errors: EINVAL, EADDRINUSE, those of bind(2).
    static Result<std::unique_ptr<Port>> create_server(const PortConfig& config);
    ~VhostPort() override;

    unsigned rx_burst(QueueId queue, Packet** packets, unsigned max) noexcept override;
    unsigned tx_burst(QueueId queue, Packet** packets, unsigned count) noexcept override;
    int rx_fd(QueueId queue) const noexcept override;
    void rx_sleep(QueueId queue, bool sleeping) noexcept override;
    unsigned rx_queue_count() const override { return device_.rx_queues.load(std::memory_order_acquire); }
    unsigned tx_queue_count() const override { return tx_queues_; }
    PortState state() override;
    PortCounters counters() const override;
    Result<void> reconfigure(const PortConfig& config) override;
    Result<void> set_admin_up(bool up) override;

  private:
    VhostPort(PortConfig config, std::shared_ptr<guest::GuestLoop> loop, std::string path, vhost::Role role,
              unsigned retries);
    static Result<std::unique_ptr<Port>> create(const PortConfig& config, const std::string& path,
                                                vhost::Role role);
    unsigned announce(Packet** packets) noexcept;
    unsigned send(TxCounters& counters, Packet** packets, unsigned count) noexcept;
    unsigned send_to(unsigned pair, TxCounters& counters, Packet** packets, unsigned count) noexcept;
    std::string why_stopped() const;

    std::shared_ptr<guest::GuestLoop> loop_;
    const std::string path_;
    const vhost::Role role_;
    const unsigned retries_;  ///< attempts more when the guest's ring is full
    const unsigned tx_queues_;
    vhost::Device device_;
    std::unique_ptr<vhost::Endpoint> endpoint_;  ///< the guests' thread's
    std::atomic<bool> up_{false};
    std::atomic<std::uint32_t> mtu_;
    std::uint64_t link_resets_ = 0;
    bool was_up_ = false;
    std::unique_ptr<TxCounters[]> tx_;  ///< by transmit queue: what is dropped before a ring
};

/// Where sockets of type dpdkvhostuser are made; set before the first port. Control thread.
void set_vhost_socket_folder(const std::string& folder);

}  // namespace sluice
