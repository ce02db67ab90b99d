// SPDX-License-Identifier: Apache-2.0
// Dummy port: an interface that exists in this process only. Frames come in by command
// (netdev-dummy/receive), what goes out is counted and, with options:pcap, written to a file. So a switch can
// be driven packet by packet, without root, devices or real time.
//
// Types "dummy", "dummy-internal", "dummy-pmd", and with `--enable-dummy=override` all others but patch, each
// under its own name.
#pragma once

#include <atomic>
#include <memory>
#include <span>
#include <vector>

#include "port/counters.hpp"
#include "port/dummy/pcap_file.hpp"
#include "port/port.hpp"
#include "port/tx_prepare.hpp"
#include "sync/spsc_ring.hpp"

namespace sluice {

class DummyPort final : public Port {
  public:
    /// options: n_rxq, n_txq, ifindex, pcap (both directions), rxq_pcap, tx_pcap, stream and pstream (that
    /// is, wire_fd(); who connects is control/dummy_wire.hpp). Errors: EINVAL for a bad number, those of
    /// open(2) for a file.
    static Result<std::unique_ptr<Port>> create(const PortConfig& config);
    ~DummyPort() override;

    /// Hands a frame to a receive queue, as if it had come from a wire; a full queue drops it, counted as
    /// missed. Control thread. Errors: EINVAL for a queue the port doesn't have, or a frame without room for
    /// an Ethernet header; ENOMEM.
    Result<void> receive(unsigned queue, std::span<const std::uint8_t> frame);
    /// Frames that no worker has taken yet. Control thread.
    bool pending() const;

    /// With options:stream or options:pstream what is sent can be had, as far as there is room: readable
    /// while there may be something; -1 without them.
    int wire_fd() const { return wire_fd_; }
    /// Calls `visit` for each packet sent since the last time, oldest of each queue first. Control thread.
    template <typename Visit>
    void take_sent(const Visit& visit) {
        clear_wire_fd();
        for (const auto& ring : wire_) {
            while (Packet** packet = ring->front()) {
                visit(*packet);
                packet_free(*packet);
                ring->pop();
            }
        }
    }

    unsigned rx_burst(QueueId queue, Packet** packets, unsigned max) noexcept override;
    unsigned tx_burst(QueueId queue, Packet** packets, unsigned count) noexcept override;
    int rx_fd(QueueId queue) const noexcept override;
    unsigned rx_queue_count() const override { return static_cast<unsigned>(rx_.size()); }
    unsigned tx_queue_count() const override { return tx_queue_count_; }
    PortState state() override;
    PortCounters counters() const override;
    Result<void> reconfigure(const PortConfig& config) override;
    Result<void> set_admin_up(bool up) override;

  private:
    /// Frames between a command and a worker.
    struct Queue {
        Queue();
        ~Queue();
        Queue(const Queue&) = delete;
        Queue& operator=(const Queue&) = delete;
        SpscRing<Packet*> ring;
        int wake_fd;  ///< readable while the ring may hold frames
        RxCounters counters;
        std::uint64_t missed = 0;             ///< control
        std::uint64_t given = 0;              ///< control: frames put into the ring
        std::atomic<std::uint64_t> taken{0};  ///< writer: worker; reader: control
    };

    DummyPort(PortConfig config, unsigned rx_queues, unsigned tx_queues);
    Result<void> open_captures();
    Result<void> open_wire();
    void clear_wire_fd() const;

    std::vector<std::unique_ptr<Queue>> rx_;
    unsigned tx_queue_count_;
    std::unique_ptr<TxCounters[]> tx_;
    std::unique_ptr<PcapFile> both_, rx_only_, tx_only_;  ///< `both_` serves where one is missing
    MacBytes mac_{};
    std::atomic<std::uint32_t> mtu_;  ///< writer: control; readers: workers
    /// By transmit queue: what goes to streams. Producer: who sends on it; consumer: control.
    std::vector<std::unique_ptr<SpscRing<Packet*>>> wire_;
    int wire_fd_ = -1;
    unsigned ifindex_ = 0;
    bool up_ = true;
};

/// The port as a dummy, or null.
inline DummyPort* as_dummy(Port* port) {
    return dynamic_cast<DummyPort*>(port);
}

}  // namespace sluice
