// SPDX-License-Identifier: Apache-2.0
// Patch port: one end of a wire between two bridges. No packet is received or sent here; the pipeline goes on
// at the peer and counts on both ends.
#pragma once

#include "port/counters.hpp"
#include "port/port.hpp"

namespace sluice {

/// Type "patch". Counts come from any worker, so they are kept by worker index.
class PatchPort final : public Port {
  public:
    /// Errors: EINVAL without options:peer or with itself as peer.
    static Result<std::unique_ptr<Port>> create(const PortConfig& config);
    explicit PatchPort(PortConfig config);

    /// Packets that came from the peer, or went to it. `worker` is the index of the calling worker
    /// (any number; writers of the same slot must not run at once: below kSlots each worker has its own).
    void add_rx(unsigned worker, std::uint64_t packets, std::uint64_t bytes) noexcept;
    void add_tx(unsigned worker, std::uint64_t packets, std::uint64_t bytes) noexcept;

    unsigned rx_burst(QueueId, Packet**, unsigned) noexcept override { return 0; }
    unsigned tx_burst(QueueId queue, Packet** packets, unsigned count) noexcept override;
    unsigned rx_queue_count() const override { return 0; }
    unsigned tx_queue_count() const override { return 0; }
    PortState state() override;
    PortCounters counters() const override;
    Result<void> reconfigure(const PortConfig& config) override;
    Result<void> set_admin_up(bool up) override;
    std::string_view patch_peer() const override { return peer_; }

  private:
    static constexpr unsigned kSlots = 128;
    struct alignas(64) Slot {
        PortCounter rx_packets, rx_bytes, tx_packets, tx_bytes;
    };
    std::string peer_;
    bool up_ = true;
    MacBytes mac_{};
    std::unique_ptr<Slot[]> slots_ = std::make_unique<Slot[]>(kSlots);
};

}  // namespace sluice
