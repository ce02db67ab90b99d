// SPDX-License-Identifier: Apache-2.0
// The workers' half of DpdkPort.
#include <algorithm>

#include "packet/pool.hpp"
#include "port/dpdk/dpdk_port.hpp"

namespace sluice {
namespace {

/// Tries again this often when the device takes a part of a burst: its queue is draining.
constexpr unsigned kRetries = 2;

}  // namespace

int DpdkPort::rx_fd(QueueId queue) const noexcept {
    return interrupt_fds_[to_int(queue)];
}

void DpdkPort::rx_sleep(QueueId queue, bool sleeping) noexcept {
    if (interrupt_fds_[to_int(queue)] < 0) return;
    if (sleeping) {
        rte_eth_dev_rx_intr_enable(port_id(), to_int(queue));
    } else {
        rte_eth_dev_rx_intr_disable(port_id(), to_int(queue));
    }
}

unsigned DpdkPort::rx_burst(QueueId queue, Packet** packets, unsigned max) noexcept {
    if (!up_.load(std::memory_order_relaxed)) return 0;
    RxCounters& counters = rx_[to_int(queue)];
    if (rx_guards_) rx_guards_[to_int(queue)].enter();
    const unsigned got = rte_eth_rx_burst(port_id(), to_int(queue), packets,
                                          static_cast<std::uint16_t>(std::min(max, kMaxBurst)));
    if (rx_guards_) rx_guards_[to_int(queue)].leave();
    unsigned count = 0;
    std::uint64_t bytes = 0;
    for (unsigned i = 0; i < got; ++i) {
        Packet* packet = packets[i];
        // What a ring or memif peer, or an earlier use of the buffer, left there is not for us to believe.
        packet->ol_flags &= ~(RTE_MBUF_F_TX_L4_MASK | kSegmentationFlags | RTE_MBUF_F_TX_IPV4 |
                              RTE_MBUF_F_TX_IPV6 | kHasQueue);
        packet->tx_offload = 0;
        if (packet->pkt_len > kMaxFrameBytes) {
            counters.errors.add(1);
            packet_free(packet);
            continue;
        }
        if (packet->nb_segs > 1) packet = packet_repack(packet);
        if (packet == nullptr) {
            counters.dropped.add(1);
            continue;
        }
        bytes += packet->pkt_len;
        packets[count++] = packet;
    }
    if (count > 0) {
        counters.packets.add(count);
        counters.bytes.add(bytes);
    }
    return count;
}

unsigned DpdkPort::send_frames(std::uint16_t queue, TxCounters& counters, Packet** packets,
                               unsigned count) noexcept {
    unsigned sent = 0;
    std::uint64_t bytes = 0;  // of all, while they are ours; what is not sent is taken off
    for (unsigned i = 0; i < count; ++i)
        bytes += packets[i]->pkt_len;
    unsigned retries = 0;
    unsigned at = 0;
    while (at < count) {
        unsigned ready = count - at;
        if (tx_prepare_)
            ready = rte_eth_tx_prepare(port_id(), queue, packets + at, static_cast<std::uint16_t>(ready));
        if (ready == 0) {  // the driver refuses this one for good
            counters.errors.add(1);
            bytes -= packets[at]->pkt_len;
            packet_free(packets[at++]);
            continue;
        }
        if (tx_guards_) tx_guards_[queue].enter();
        const unsigned n =
            rte_eth_tx_burst(port_id(), queue, packets + at, static_cast<std::uint16_t>(ready));
        if (tx_guards_) tx_guards_[queue].leave();
        sent += n;
        at += n;
        if (n < ready && (n == 0 || ++retries > kRetries)) break;
    }
    if (at < count) {
        counters.full.add(count - at);
        for (unsigned i = at; i < count; ++i)
            bytes -= packets[i]->pkt_len;
        packet_free_burst(packets + at, count - at);
    }
    counters.packets.add(sent);
    counters.bytes.add(bytes);
    return sent;
}

unsigned DpdkPort::tx_burst(QueueId queue, Packet** packets, unsigned count) noexcept {
    const auto index = static_cast<std::uint16_t>(to_int(queue) % tx_queues_);
    TxCounters& counters = tx_[index];
    if (!up_.load(std::memory_order_relaxed)) {
        counters.errors.add(count);
        packet_free_burst(packets, count);
        return 0;
    }
    TxAbilities can = can_;
    can.mtu = mtu_.load(std::memory_order_relaxed);
    return transmit(packets, count, can, counters,
                    [&](Packet** chunk, unsigned n) { return send_frames(index, counters, chunk, n); });
}

}  // namespace sluice
