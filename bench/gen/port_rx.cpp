// SPDX-License-Identifier: Apache-2.0
// The receive side of a generator port: what comes next, when, and its bytes.
#include <algorithm>

#include <rte_cycles.h>

#include "bench/gen/port.hpp"

namespace sluice::gen {

namespace {

constexpr std::uint16_t kBurst = 64;
constexpr unsigned kTimeShift = 12;

void count_up(std::uint64_t& counter, std::uint64_t by) noexcept {
    __atomic_store_n(&counter, counter + by, __ATOMIC_RELAXED);
}

/// How many packets are due by the rate, at most `wanted`. What would not have fitted into a ring is lost:
/// the oldest, which costs as many packets as losing the newest and needs no memory.
std::uint64_t due(RxQueue& queue, std::uint64_t now, std::uint64_t wanted) noexcept {
    const std::uint64_t time = (now - queue.zero) << kTimeShift;
    if (time < queue.next) return 0;
    std::uint64_t count = (time - queue.next) / queue.step + 1;
    const Traffic& traffic = queue.port->traffic;
    if (traffic.burst > 1) count -= count % traffic.burst;
    if (count > traffic.ring) {
        const std::uint64_t lost = count - traffic.ring;
        count_up(queue.counters->missed, lost);
        queue.next += lost * queue.step;
        count = traffic.ring;
    }
    return std::min(count, wanted);
}

/// The first 8 + 24 bytes that receiving sets, as any driver does.
inline void set_mbuf(rte_mbuf* packet, std::uint64_t rearm, std::uint32_t bytes) noexcept {
    std::memcpy(&packet->rearm_data, &rearm, sizeof rearm);
    packet->ol_flags = 0;
    packet->packet_type = 0;
    packet->pkt_len = bytes;
    packet->data_len = static_cast<std::uint16_t>(bytes);
}

/// Frames longer than a buffer: more buffers behind the first. False when the pool is empty.
bool chain(RxQueue& queue, rte_mbuf* first, std::uint32_t bytes) noexcept {
    const std::uint32_t room = rte_pktmbuf_data_room_size(queue.pool);
    const std::uint32_t first_room = room - RTE_PKTMBUF_HEADROOM;
    first->data_len = static_cast<std::uint16_t>(std::min(bytes, first_room));
    rte_mbuf* last = first;
    for (std::uint32_t left = bytes - first->data_len; left != 0;) {
        rte_mbuf* more = rte_pktmbuf_alloc(queue.pool);
        if (more == nullptr) return false;
        more->data_off = 0;
        more->data_len = static_cast<std::uint16_t>(std::min(left, room));
        left -= more->data_len;
        last->next = more;
        last = more;
        ++first->nb_segs;
    }
    return true;
}

std::uint16_t make(RxQueue& queue, rte_mbuf** packets, std::uint16_t count, std::uint64_t stamp,
                   std::uint64_t step) noexcept {
    if (rte_mempool_get_bulk(queue.pool, reinterpret_cast<void**>(packets), count) !=
        0) {  // NOLINT: an array of pointers is one
        count_up(queue.counters->no_buffer, 1);
        return 0;
    }
    std::array<std::uint64_t, kBurst> flows;  // NOLINT: filled below
    const std::uint64_t fresh = queue.picker.pick(flows.data(), count);
    const std::uint64_t known = fresh == 0 ? ~std::uint64_t{0} : queue.picker.flows();
    const Writer& writer = queue.writer;
    const std::uint64_t rearm = queue.rearm;
    std::uint64_t bytes = 0;
    std::uint64_t time = stamp << kTimeShift;
    const bool one_size = writer.size_count() == 1;
    const std::uint32_t room = rte_pktmbuf_data_room_size(queue.pool) - RTE_PKTMBUF_HEADROOM;
    std::size_t which = 0;
    for (std::uint16_t i = 0; i < count; ++i, time += step) {
        rte_mbuf* packet = packets[i];
        if (!one_size) {
            which = queue.position;
            queue.position = which + 1 == writer.size_count() ? 0 : which + 1;
        }
        const std::uint32_t size = writer.bytes(which);
        set_mbuf(packet, rearm, size);
        if (size > room && !chain(queue, packet, size)) [[unlikely]] {
            rte_pktmbuf_free_bulk(packets + i, static_cast<unsigned>(count - i));
            count_up(queue.counters->no_buffer, 1);
            count = i;
            break;
        }
        writer.write(rte_pktmbuf_mtod(packet, std::uint8_t*), which, flows[i],
                     flows[i] >= known ? kMarkNew : 0, time >> kTimeShift);
        bytes += size;
    }
    count_up(queue.counters->packets, count);
    count_up(queue.counters->bytes, bytes);
    if (fresh != 0) count_up(queue.counters->new_flows, fresh);
    return count;
}

}  // namespace

void reload(RxQueue& queue) noexcept {
    const Control& control = queue.port->page->control;
    queue.generation = __atomic_load_n(&control.generation, __ATOMIC_ACQUIRE);
    const Port& port = *queue.port;
    queue.picker.set(port.traffic, control.flows, control.new_share, queue.number, port.rx_queues);
    queue.left = control.count == 0 ? ~std::uint64_t{0} : control.count / port.rx_queues;
    const std::uint64_t rate = control.rate / port.rx_queues;
    queue.step = control.rate == 0 ? 0 : (rte_get_tsc_hz() << kTimeShift) / std::max<std::uint64_t>(rate, 1);
    queue.enabled = control.enable != 0;
    queue.zero = rte_rdtsc();
    queue.next = 0;
}

void resume(RxQueue& queue) noexcept {
    if (!queue.enabled || queue.step == 0) return reload(queue);
    const std::uint64_t time = (rte_rdtsc() - queue.zero) << kTimeShift;
    if (time < queue.next) return;
    const std::uint64_t count = (time - queue.next) / queue.step + 1;
    count_up(queue.counters->missed, count);
    queue.next += count * queue.step;
}

std::uint16_t receive(void* opaque, rte_mbuf** packets, std::uint16_t count) noexcept {
    RxQueue& queue = *static_cast<RxQueue*>(opaque);
    if (__atomic_load_n(&queue.port->page->control.generation, __ATOMIC_RELAXED) != queue.generation)
        [[unlikely]]
        reload(queue);
    if (!queue.enabled) return 0;
    count = static_cast<std::uint16_t>(std::min<std::uint64_t>({count, kBurst, queue.left}));
    const std::uint64_t now = rte_rdtsc();
    std::uint16_t made = 0;
    if (queue.step == 0) {
        // Stamps one tick apart keep the order within a burst visible.
        if (count != 0) made = make(queue, packets, count, now, std::uint64_t{1} << kTimeShift);
    } else {
        count = static_cast<std::uint16_t>(due(queue, now, count));
        if (count == 0) return 0;
        made = make(queue, packets, count, queue.zero + (queue.next >> kTimeShift), queue.step);
        queue.next += made * queue.step;
    }
    if (queue.left != ~std::uint64_t{0}) queue.left -= made;
    return made;
}

}  // namespace sluice::gen
