// SPDX-License-Identifier: Apache-2.0
// Any kernel interface through packet sockets (packet(7)), with virtio headers: GSO frames of 64 KiB pass
// whole and checksums may stay open, so veth and virtual machines' taps keep the speed of their large frames.
// A batch is one system call (recvmmsg, sendmmsg). bench/results/ports-2026.md compares the other ways to do
// it.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "port/counters.hpp"
#include "port/kernel_link.hpp"
#include "port/port.hpp"
#include "port/shortcut/shortcuts.hpp"
#include "port/system/stack_filter.hpp"
#include "port/tx_prepare.hpp"

namespace sluice {

/// Type "system" with io=af_packet. Needs CAP_NET_RAW; CAP_NET_ADMIN for large socket buffers, MTU, MAC and
/// admin state.
class PacketSocketPort final : public Port {
  public:
    /// `reason` is what status:io_reason will say. Errors: ENODEV, EPERM, EINVAL (bad option, loopback).
    static Result<std::unique_ptr<Port>> create(const PortConfig& config, std::string reason);
    ~PacketSocketPort() override;

    unsigned rx_burst(QueueId queue, Packet** packets, unsigned max) noexcept override;
    unsigned tx_burst(QueueId queue, Packet** packets, unsigned count) noexcept override;
    int rx_fd(QueueId queue) const noexcept override { return rx_fds_[to_int(queue)]; }
    const ShortcutEnd* shortcut_end() const noexcept override { return &end_; }
    bool rx_drained() const noexcept override;
    unsigned rx_queue_count() const override { return static_cast<unsigned>(rx_fds_.size()); }
    unsigned tx_queue_count() const override { return static_cast<unsigned>(tx_fds_.size()); }
    PortState state() override;
    PortCounters counters() const override;
    Result<void> reconfigure(const PortConfig& config) override;
    Result<void> set_admin_up(bool up) override;
    bool device_gone() override;

  private:
    PacketSocketPort(PortConfig config, KernelLink link, std::string reason);
    Result<void> open_sockets(unsigned rx_queues);
    Result<void> join_fanout();
    Packet* take_frame(unsigned slot, const void* message, RxCounters& counters) noexcept;
    unsigned send_frames(int fd, TxCounters& counters, Packet** packets, unsigned count) noexcept;
    void guard_stack(const LinkInfo& info);
    Result<void> hook_shortcuts();
    void update_end(const LinkInfo& info);

    KernelLink link_;
    std::string reason_;
    std::string stack_;  ///< options:kernel-stack
    std::string stack_state_;
    StackFilter filter_;
    ShortcutHook hook_;
    ShortcutEnd end_;
    std::string shortcuts_;  ///< why no shortcut begins here; empty: they do
    KernelLink::Driver driver_;
    std::vector<int> rx_fds_, tx_fds_;
    TxAbilities can_;
    std::unique_ptr<RxCounters[]> rx_;
    /// Frames to ask for at once, by queue; small while frames are large. Writer and reader: the queue's
    /// worker.
    struct alignas(64) BurstLimit {
        unsigned frames = kMaxBurst;
    };
    std::unique_ptr<BurstLimit[]> limit_;
    std::unique_ptr<TxCounters[]> tx_;
    mutable std::uint64_t missed_ = 0;  ///< PACKET_STATISTICS resets as it is read. Control thread.
};

}  // namespace sluice
