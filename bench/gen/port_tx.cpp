// SPDX-License-Identifier: Apache-2.0
// The transmit side of a generator port: counts, samples, frees.
#include <algorithm>

#include <rte_cycles.h>

#include "bench/gen/port.hpp"
#include "bench/gen/registry.hpp"

namespace sluice::gen {

namespace {

void count_up(std::uint64_t& counter, std::uint64_t by) noexcept {
    __atomic_store_n(&counter, counter + by, __ATOMIC_RELAXED);
}

struct Mark {
    const Traffic* source = nullptr;
    std::uint64_t flow = 0;
    std::uint64_t stamp = 0;
    bool fresh = false;
};

/// The mark of a packet of any of our ports, moved by as much as the expected edits move it.
Mark find_mark(std::span<const std::uint8_t> frame, std::ptrdiff_t grown) noexcept {
    for (const Traffic* source : sources()) {
        if (source == nullptr) break;
        const auto at = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(source->mark) + grown);
        if (source->mark == 0 || at + kMarkBytes > frame.size()) continue;
        std::array<std::uint64_t, 2> words{};
        std::memcpy(words.data(), frame.data() + at, sizeof words);
        if ((words[0] & (std::uint64_t{0xFFFF} << 48)) != kMarkMagic) continue;
        const Traffic* from = sources()[(words[0] >> kMarkSourceShift) % kMaxSources];
        if (from == nullptr || from->mark != source->mark) continue;
        return {from, words[0] & kMarkFlowMask, words[1], (words[0] & kMarkNew) != 0};
    }
    return {};
}

void compare(TxQueue& queue, const Mark& mark, std::span<const std::uint8_t> frame,
             std::size_t bytes) noexcept {
    TxCounters& counters = *queue.counters;
    count_up(counters.checked, 1);
    std::array<std::uint8_t, kMaxHead> want{};
    switch (judge(*mark.source, queue.port->traffic.expect, mark.flow, frame, bytes, want)) {
        case Verdict::kRight:
            return;
        case Verdict::kWrongPort:
            count_up(counters.wrong_port, 1);
            break;
        case Verdict::kWrongBytes:
            count_up(counters.wrong_bytes, 1);
            break;
    }
    if (counters.wrong_length != 0) return;
    counters.wrong_length = bytes;
    std::copy_n(frame.begin(), std::min(frame.size(), counters.wrong_got.size()), counters.wrong_got.begin());
    counters.wrong_want = want;
}

void sample(TxQueue& queue, const rte_mbuf* packet, std::uint64_t now) noexcept {
    TxCounters& counters = *queue.counters;
    count_up(counters.sampled, 1);
    const std::span frame(rte_pktmbuf_mtod(packet, const std::uint8_t*), packet->data_len);
    const Mark mark = find_mark(frame, growth(queue.port->traffic.expect));
    if (mark.source == nullptr) {
        count_up(counters.unsigned_, 1);
        return;
    }
    const std::uint64_t ticks = now > mark.stamp ? now - mark.stamp : 0;
    count_up(counters.latency[mark.fresh ? 1 : 0][bucket_of(ticks)], 1);
    TxQueue::Last& last = queue.last[mark.flow % queue.last.size()];
    if (last.flow == mark.flow && mark.stamp < last.stamp) count_up(counters.reordered, 1);
    last = {mark.flow, mark.stamp};
    if (const Traffic& own = queue.port->traffic;
        own.check != 0 && !own.expect.empty() && --queue.until_check == 0) {
        queue.until_check = own.check;
        compare(queue, mark, frame, packet->pkt_len);
    }
}

/// Whether a packet is a plain one, alone in its buffer: what nearly all are, and freed many at a time.
inline bool plain(const rte_mbuf* packet) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, &packet->rearm_data, sizeof word);
    constexpr std::uint64_t kMask = 0x0000FFFFFFFF0000, kWant = 0x0000000100010000;  // nb_segs 1, refcnt 1
    return (word & kMask) == kWant && (packet->ol_flags & (RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL)) == 0;
}

void free_all(rte_mbuf** packets, std::uint16_t count) noexcept {
    std::array<void*, 64> batch;  // NOLINT: filled below
    unsigned held = 0;
    rte_mempool* pool = nullptr;
    for (std::uint16_t i = 0; i < count; ++i) {
        rte_mbuf* packet = packets[i];
        if (!plain(packet)) [[unlikely]] {
            rte_pktmbuf_free(packet);
            continue;
        }
        if (packet->pool != pool || held == batch.size()) [[unlikely]] {
            if (held != 0) rte_mempool_put_bulk(pool, batch.data(), held);
            pool = packet->pool;
            held = 0;
        }
        batch[held++] = packet;
    }
    if (held != 0) rte_mempool_put_bulk(pool, batch.data(), held);
}

}  // namespace

std::uint16_t transmit(void* opaque, rte_mbuf** packets, std::uint16_t count) noexcept {
    TxQueue& queue = *static_cast<TxQueue*>(opaque);
    if (count == 0) return 0;
    std::uint64_t bytes = 0;
    for (std::uint16_t i = 0; i < count; ++i)
        bytes += packets[i]->pkt_len;
    if (queue.until_sample <= count) {
        const std::uint64_t now = rte_rdtsc();
        const std::uint64_t every = queue.port->traffic.sample;
        std::uint64_t at = queue.until_sample;
        for (; at <= count; at += every)
            sample(queue, packets[at - 1], now);
        queue.until_sample = at;
        count_up(queue.counters->last_tsc, now - queue.counters->last_tsc);
    }
    queue.until_sample -= count;
    count_up(queue.counters->packets, count);
    count_up(queue.counters->bytes, bytes);
    free_all(packets, count);
    return count;
}

}  // namespace sluice::gen
