// SPDX-License-Identifier: Apache-2.0
// Ports that are watched by BFD, as the threads that forward see them: which packets are the watcher's own,
// and whether it says that the port forwards. Neither goes through a topology, so neither waits for the
// control thread. What depends on `forwarding` (groups that watch ports, bundles) must not be cached.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>

#include "base/types.hpp"
#include "bfd/control_packet.hpp"
#include "sync/mpsc_ring.hpp"

namespace sluice::pipeline {

/// A BFD datagram on its way to the monitor's thread.
struct MonitorRecord {
    static constexpr std::size_t kMaxBytes = 64;  ///< more has no meaning without authentication
    PortIndex port = PortIndex::kNone;
    std::uint8_t ttl = 0, size = 0;
    std::array<std::uint8_t, kMaxBytes> payload{};
};

/// Where all threads put them. A full inbox loses what comes: the next packet is as good.
class MonitorInbox {
  public:
    MonitorInbox();
    ~MonitorInbox();
    MonitorInbox(const MonitorInbox&) = delete;
    MonitorInbox& operator=(const MonitorInbox&) = delete;

    void push(const MonitorRecord& record) noexcept;  ///< any thread
    void wake() noexcept;                             ///< any thread
    /// The monitor's thread: readable after push() or wake().
    int fd() const { return fd_; }
    void clear_wake() noexcept;  ///< before pop()
    bool pop(MonitorRecord& record) noexcept { return ring_.pop(record); }

  private:
    MpscRing<MonitorRecord> ring_{1024};
    std::atomic<bool> awake_{false};
    int fd_ = -1;
};

/// What one port's watcher shares with the threads that forward.
struct PortMonitor {
    PortMonitor(std::shared_ptr<MonitorInbox> where, const bfd::Filter& own, bool count_packets)
        : inbox(std::move(where)), filter(own), counts(count_packets) {}
    const std::shared_ptr<MonitorInbox> inbox;
    const bfd::Filter filter;
    const bool counts;                         ///< `rx_packets` is wanted; the kernel then gets no shortcuts
    std::atomic<bool> forwarding{false};       ///< writer: the monitor's thread
    std::atomic<std::uint64_t> rx_packets{0};  ///< writers: whoever receives
};

}  // namespace sluice::pipeline
