// SPDX-License-Identifier: Apache-2.0
// See port/vhost/net_queue.hpp.
#include "port/vhost/net_queue.hpp"

#include <algorithm>
#include <cstring>

#include <unistd.h>

#include <rte_pause.h>

#include "packet/offload.hpp"
#include "packet/pool.hpp"

namespace sluice::vhost {

using guest::Cursor;
using guest::Gate;

namespace {

constexpr unsigned kMaxHeader = 12;
/// Receive buffers gathered for a burst at a time: a frame of 64 KiB in buffers of 1526 bytes takes 43.
constexpr unsigned kMaxChains = 128;
constexpr unsigned kMinFrame = 14;

Cursor cursor_of(const Chain& chain, const PieceStore& store) noexcept {
    return Cursor{store.piece + chain.first};
}

/// A frame for the guest and the buffers it goes to.
struct Plan {
    std::uint16_t first, count;
};

/// Writes header and frame over the chains [plan.first, + plan.count) and gives them back.
template <typename Ring>
void copy_out(Ring& ring, const Packet* packet, const Chain* chains, Plan plan, const PieceStore& store,
              unsigned header_bytes) noexcept {
    std::uint8_t header[kMaxHeader] = {};
    if (needs_checksum(packet)) {
        VirtioHeader marks;
        marks_to_virtio(packet, marks);
        std::memcpy(header, &marks, sizeof marks);
    }
    const std::uint16_t buffers = plan.count;
    std::memcpy(header + 10, &buffers, sizeof buffers);
    Cursor cursor = cursor_of(chains[plan.first], store);
    cursor.write(header, header_bytes);
    std::uint64_t room = chains[plan.first].bytes - header_bytes;
    auto written = static_cast<std::uint32_t>(header_bytes);
    unsigned current = plan.first;
    for (const Packet* segment = packet; segment != nullptr; segment = segment->next) {
        const auto* from = rte_pktmbuf_mtod(segment, const std::uint8_t*);
        std::uint32_t left = segment->data_len;
        while (left > 0) {
            if (room == 0) {
                ring.give_back(chains[current], written);
                cursor = cursor_of(chains[++current], store);
                room = chains[current].bytes;
                written = 0;
            }
            const auto part = static_cast<std::uint32_t>(std::min<std::uint64_t>(left, room));
            cursor.write(from, part);
            from += part;
            left -= part;
            room -= part;
            written += part;
        }
    }
    ring.give_back(chains[current], written);
}

}  // namespace

void NetQueue::open(const QueueSetup& setup) {
    close();
    if (setup.packed) {
        ring_.emplace<PackedRing>(setup.areas, setup.size, setup.memory,
                                  static_cast<std::uint16_t>(setup.base));
    } else {
        ring_.emplace<SplitRing>(setup.areas, setup.size, setup.event_index, setup.memory,
                                 static_cast<std::uint16_t>(setup.base));
    }
    memory_ = setup.memory;
    header_bytes_ = setup.header_bytes;
    mergeable_ = setup.mergeable;
    call_fd_.store(setup.call_fd, std::memory_order_relaxed);
    fault_kind_.store(RingFault::kNone, std::memory_order_relaxed);
    kicks_ = setup.kicks;
    std::visit([&](auto& ring) { ring.want_kicks(kicks_); }, ring_);
    opened_ = true;
    gate_.open();
}

void NetQueue::close() {
    gate_.close();
    call_fd_.store(-1, std::memory_order_relaxed);
    opened_ = false;
}

std::uint32_t NetQueue::base() const {
    return std::visit([](const auto& ring) { return ring.base(); }, ring_);
}

void NetQueue::interrupt() noexcept {
    const int fd = call_fd_.load(std::memory_order_relaxed);
    if (fd < 0) return;
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(fd, &one, sizeof one);
}

void NetQueue::note_fault(const Fault& fault) noexcept {
    fault_value_.store(fault.value, std::memory_order_relaxed);
    fault_kind_.store(fault.kind, std::memory_order_release);
    gate_.shut();
}

unsigned NetQueue::receive(Packet** packets, unsigned max) noexcept {
    const Gate::Visit visit{gate_, Gate::Wait::kNo};
    if (!visit) return 0;
    return std::visit(
        [&](auto& ring) {
            const unsigned count = receive_from(ring, packets, max);
            if (ring.fault()) [[unlikely]]
                note_fault(ring.fault());
            return count;
        },
        ring_);
}

template <typename Ring>
unsigned NetQueue::receive_from(Ring& ring, Packet** packets, unsigned max) noexcept {
    if (ring.available() == 0) return 0;
    if (kicks_) {  // we are awake
        kicks_ = false;
        ring.want_kicks(false);
    }
    max = std::min(max, kMaxBurst);
    ring.prefetch(max);
    PieceStore store;
    Chain chains[kMaxBurst];
    typename Ring::Mark marks[kMaxBurst + 1];
    unsigned offered = 0;
    marks[0] = ring.mark();
    while (offered < max && ring.next(chains[offered], store)) {
        const Chain& chain = chains[offered];
        if (chain.count > 0) __builtin_prefetch(store.piece[chain.first].data);
        marks[++offered] = ring.mark();
    }
    if (offered == 0) return 0;
    Packet* fresh[kMaxBurst];
    unsigned ready = offered;
    if (rte_pktmbuf_alloc_bulk(small_pool(), fresh, offered) != 0)
        for (ready = 0; ready < offered && (fresh[ready] = packet_alloc()) != nullptr;)
            ++ready;
    // Without memory the frames stay in the ring: the guest waits, as for a slow wire.
    if (ready < offered) ring.rewind(marks[ready]);
    unsigned count = 0;
    std::uint64_t bytes = 0;
    for (unsigned i = 0; i < ready; ++i) {
        Packet* packet = copy_in(chains[i], store, fresh[i]);
        ring.give_back(chains[i], 0);
        if (packet == nullptr) continue;
        bytes += packet->pkt_len;
        packets[count++] = packet;
    }
    if (!memory_->intact()) [[unlikely]] {  // what was copied may be zeros instead of a frame
        note_fault({RingFault::kMemoryGone, 0});
        packet_free_burst(packets, count);
        return 0;
    }
    ring.publish();
    if (ring.must_notify()) interrupt();
    rx.packets.add(count);
    rx.bytes.add(bytes);
    return count;
}

/// The frame of a chain in `packet`, or null after freeing and counting it.
Packet* NetQueue::copy_in(const Chain& chain, const PieceStore& store, Packet* packet) noexcept {
    const std::uint64_t frame = chain.bytes - header_bytes_;
    if (chain.bytes < header_bytes_ + kMinFrame || frame > kMaxFrameBytes || chain.writable) [[unlikely]] {
        rx.errors.add(1);
        packet_free(packet);
        return nullptr;
    }
    const auto size = static_cast<std::uint32_t>(frame);
    Cursor cursor = cursor_of(chain, store);
    VirtioHeader header;
    std::uint8_t raw[kMaxHeader];
    cursor.read(raw, header_bytes_);
    std::memcpy(&header, raw, sizeof header);
    if (!guest::copy_frame(cursor, size, packet)) {
        rx.dropped.add(1);
        packet_free(packet);
        return nullptr;
    }
    if ((header.flags & kVirtioNeedsCsum) == 0 && header.gso_type == kVirtioGsoNone) [[likely]]
        return packet;
    if (marks_from_virtio(packet, header)) return packet;
    rx.errors.add(1);
    packet_free(packet);
    return nullptr;
}

unsigned NetQueue::send(Packet* const* packets, unsigned count, unsigned retries, Sent& sent) noexcept {
    const Gate::Visit visit{gate_, Gate::Wait::kYes};
    if (!visit) return 0;
    return std::visit(
        [&](auto& ring) {
            unsigned done = 0;
            for (unsigned round = 0;; ++round) {
                done += send_to(ring, packets + done, count - done, sent);
                if (done == count || round >= retries || ring.fault()) break;
                rte_pause();
            }
            if (ring.fault()) [[unlikely]]
                note_fault(ring.fault());
            if (!memory_->intact()) [[unlikely]]
                note_fault({RingFault::kMemoryGone, 0});
            tx.packets.add(sent.packets);
            tx.bytes.add(sent.bytes);
            return done;
        },
        ring_);
}

template <typename Ring>
unsigned NetQueue::send_to(Ring& ring, Packet* const* packets, unsigned count, Sent& sent) noexcept {
    PieceStore store;
    Chain chains[kMaxChains];
    Plan plans[kMaxBurst];
    unsigned done = 0;
    bool gave_back = false;
    bool broken = false;
    while (done < count && !broken) {
        const unsigned offered = ring.available();
        if (offered == 0) break;
        ring.prefetch(std::min(offered, count - done));
        // First find buffers for as many frames as will do, then copy: by then they are in the cache.
        store.used = 0;
        unsigned used = 0;
        unsigned planned = 0;
        bool exhausted = false;
        while (done + planned < count && !exhausted) {
            const std::uint64_t need = packets[done + planned]->pkt_len + std::uint64_t{header_bytes_};
            const auto mark = ring.mark();
            const unsigned first = used;
            std::uint64_t room = 0;
            while (room < need && used < kMaxChains && (mergeable_ || used == first) &&
                   ring.next(chains[used], store)) {
                if (chains[used].count > 0) __builtin_prefetch(store.piece[chains[used].first].data, 1);
                if (!chains[used].writable || chains[used].bytes < header_bytes_) {
                    // Nothing to write to, and the order of buffers must stay.
                    note_fault({RingFault::kWrongWay, chains[used].id});
                    broken = true;
                    break;
                }
                room += chains[used++].bytes;
            }
            if (room >= need) {
                plans[planned++] = {static_cast<std::uint16_t>(first),
                                    static_cast<std::uint16_t>(used - first)};
                continue;
            }
            ring.rewind(mark);
            if (broken) break;
            const bool full_set = used == kMaxChains || (!mergeable_ && used > first) || !store.has_room();
            used = first;
            exhausted = true;
            // A frame for which even a fresh set of buffers is too small never fits.
            if (full_set && planned == 0) {
                ++sent.too_large;
                ++done;
                exhausted = false;
            }
        }
        for (unsigned i = 0; i < planned; ++i) {
            copy_out(ring, packets[done + i], chains, plans[i], store, header_bytes_);
            sent.bytes += packets[done + i]->pkt_len;
        }
        sent.packets += planned;
        done += planned;
        gave_back |= planned > 0;
        if (planned == 0 && exhausted) break;
    }
    if (gave_back) {
        ring.publish();
        if (ring.must_notify()) interrupt();
    }
    return done;
}

bool NetQueue::want_kicks(bool wanted) noexcept {
    const Gate::Visit visit{gate_, Gate::Wait::kNo};
    if (!visit) return false;
    kicks_ = wanted;
    return std::visit([&](auto& ring) { return ring.want_kicks(wanted); }, ring_);
}

}  // namespace sluice::vhost
