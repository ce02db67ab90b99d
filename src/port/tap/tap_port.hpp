// SPDX-License-Identifier: Apache-2.0
// Tap port: a kernel TAP interface of the port's name, made with it and gone with it. Types "internal" (a
// bridge's own face towards the kernel) and "tap".
//
// Frames of up to 64 KiB pass in both directions with their checksums and segmentation left open
// (IFF_VNET_HDR, tun(4) documentation of the kernel: networking/tuntap). One system call a frame; small
// frames are read into a small packet, GSO frames into a small and a large one, without a copy besides the
// kernel's.
//
// The interface may be moved into another network namespace and be renamed there (ip link set p netns ns name
// eth0): packets go on, and the port finds it through its own descriptor. It holds nothing of the other
// namespace between two looks, so that the namespace can be deleted.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "port/counters.hpp"
#include "port/kernel_link.hpp"
#include "port/port.hpp"
#include "port/tx_prepare.hpp"

namespace sluice {

class TapPort final : public Port {
  public:
    /// Errors: EINVAL (name over 15 characters, bad option), EEXIST (an interface of that name is there),
    /// EPERM, ENOENT (no /dev/net/tun), each with what to do.
    static Result<std::unique_ptr<Port>> create(const PortConfig& config);
    ~TapPort() override;

    unsigned rx_burst(QueueId queue, Packet** packets, unsigned max) noexcept override;
    unsigned tx_burst(QueueId queue, Packet** packets, unsigned count) noexcept override;
    int rx_fd(QueueId queue) const noexcept override;
    unsigned rx_queue_count() const override { return static_cast<unsigned>(fds_.size()); }
    unsigned tx_queue_count() const override { return tx_queue_count_; }
    PortState state() override;
    PortCounters counters() const override;
    Result<void> reconfigure(const PortConfig& config) override;
    Result<void> set_admin_up(bool up) override;
    bool device_gone() override;

  private:
    TapPort(PortConfig config, std::vector<int> fds, KernelLink link, unsigned offloads);
    template <typename F>
    Result<void> with_link(F f);
    unsigned write_frames(int fd, TxCounters& counters, Packet** packets, unsigned count) noexcept;

    std::vector<int> fds_;            ///< one a receive queue
    KernelLink link_;                 ///< to where the interface was made
    PortState last_;                  ///< control; what was read last
    std::uint64_t kernel_drops_ = 0;  ///< control; the kernel's side of our receive queue
    unsigned tx_queue_count_;
    TxAbilities can_;
    std::atomic<std::uint32_t> mtu_;    ///< writer: control; readers: workers
    std::atomic<bool> gone_{false};     ///< writer: any; the kernel interface was deleted
    std::unique_ptr<RxCounters[]> rx_;  ///< by receive queue
    std::unique_ptr<TxCounters[]> tx_;  ///< by transmit queue
};

}  // namespace sluice
