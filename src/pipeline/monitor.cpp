// SPDX-License-Identifier: Apache-2.0
// See pipeline/monitor.hpp.
#include "pipeline/monitor.hpp"

#include <algorithm>

#include <sys/eventfd.h>
#include <unistd.h>

#include "pipeline/executor_impl.hpp"

namespace sluice::pipeline {

MonitorInbox::MonitorInbox() : fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}
MonitorInbox::~MonitorInbox() {
    ::close(fd_);
}

void MonitorInbox::push(const MonitorRecord& record) noexcept {
    if (ring_.push(record)) wake();
}

void MonitorInbox::wake() noexcept {
    if (awake_.exchange(true, std::memory_order_acq_rel)) return;
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(fd_, &one, sizeof one);
}

void MonitorInbox::clear_wake() noexcept {
    std::uint64_t ignored;
    [[maybe_unused]] const auto got = ::read(fd_, &ignored, sizeof ignored);
    awake_.exchange(false, std::memory_order_acq_rel);
}

/// Takes the monitor's own packets out of a burst; the others move to the front. Returns how many those are.
unsigned Executor::Impl::take_monitored(const PortEntry& ingress, Packet** packets, unsigned count) noexcept {
    PortMonitor& monitor = *ingress.monitor;
    if (monitor.counts) monitor.rx_packets.fetch_add(count, std::memory_order_relaxed);
    unsigned kept = 0;
    for (unsigned i = 0; i < count; ++i) {
        Packet* packet = packets[i];
        const wire::Bytes frame{rte_pktmbuf_mtod(packet, const std::uint8_t*), packet->data_len};
        const auto datagram = bfd::find_datagram(monitor.filter, frame);
        const bool other_key = monitor.filter.only_key_zero && ingress.tunnel && tunnel_key_of(packet) != 0;
        if (__builtin_expect(!datagram, 1) || other_key) {
            packets[kept++] = packet;
            continue;
        }
        MonitorRecord record;
        record.port = ingress.index;
        record.ttl = datagram->ttl;
        record.size = static_cast<std::uint8_t>(std::min(datagram->payload.size(), MonitorRecord::kMaxBytes));
        std::copy_n(datagram->payload.begin(), record.size, record.payload.begin());
        monitor.inbox->push(record);
        counters.punted.add(1);
        rte_pktmbuf_free(packet);
    }
    return kept;
}

}  // namespace sluice::pipeline
