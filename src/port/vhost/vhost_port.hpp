// SPDX-License-Identifier: Apache-2.0
// Vhost port: a virtual machine's or container's virtio-net device, over the vhost-user protocol.
//
// Types `dpdkvhostuserclient` (the switch connects to options:vhost-server-path, so that it may restart under
// a running guest) and `dpdkvhostuser` (the switch listens at <run directory>/<port name>). Queues follow the
// guest. Frames are copied once each way.
#pragma once

#include <memory>
#include <string>

#include "port/guest/guest_port.hpp"
#include "port/tx_prepare.hpp"
#include "port/vhost/device.hpp"
#include "port/vhost/endpoint.hpp"

namespace sluice {

class VhostPort final : public guest::GuestPort {
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
    PortState state() override;
    PortCounters counters() const override;

  private:
    VhostPort(PortConfig config, std::shared_ptr<guest::GuestLoop> loop, std::string path, vhost::Role role,
              unsigned retries);
    static Result<std::unique_ptr<Port>> create(const PortConfig& config, const std::string& path,
                                                vhost::Role role);
    unsigned announce(Packet** packets) noexcept;
    unsigned send(TxCounters& counters, Packet** packets, unsigned count) noexcept;
    unsigned send_to(unsigned pair, TxCounters& counters, Packet** packets, unsigned count) noexcept;
    std::string why_stopped() const;

    const std::string path_;
    const vhost::Role role_;
    const unsigned retries_;  ///< attempts more when the guest's ring is full
    vhost::Device device_;
    std::unique_ptr<vhost::Endpoint> endpoint_;  ///< the guests' thread's
};

/// Where sockets of type dpdkvhostuser are made; set before the first port. Control thread.
void set_vhost_socket_folder(const std::string& folder);

}  // namespace sluice
