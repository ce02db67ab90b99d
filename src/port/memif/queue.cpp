// SPDX-License-Identifier: Apache-2.0
// See port/memif/queue.hpp.
#include "port/memif/queue.hpp"

#include <algorithm>
#include <atomic>

#include <fmt/core.h>
#include <unistd.h>

#include "packet/pool.hpp"

namespace sluice::memif {

using guest::Gate;
using guest::Piece;

namespace {

constexpr unsigned kMinFrame = 14;

std::uint16_t read_acquire(const std::uint16_t* from) noexcept {
    return __atomic_load_n(from, __ATOMIC_ACQUIRE);
}
void write_release(std::uint16_t* to, std::uint16_t value) noexcept {
    __atomic_store_n(to, value, __ATOMIC_RELEASE);
}
/// Reads a descriptor once: the peer may change it meanwhile, so nothing of it is read again.
Descriptor read_once(const Descriptor* from) noexcept {
    const auto* words = reinterpret_cast<const std::uint64_t*>(from);
    const std::uint64_t copy[2] = {__atomic_load_n(words, __ATOMIC_RELAXED),
                                   __atomic_load_n(words + 1, __ATOMIC_RELAXED)};
    Descriptor seen;
    std::memcpy(&seen, copy, sizeof seen);
    return seen;
}

}  // namespace

std::string describe(Fault fault, std::uint64_t value) {
    switch (fault) {
        case Fault::kNone:
            return "none";
        case Fault::kIndexJump:
            return fmt::format("the peer claims {} buffers, more than the ring has", value);
        case Fault::kOutsideMemory:
            return fmt::format("buffer {} lies outside the shared memory", value);
        case Fault::kEndlessFrame:
            return fmt::format("a frame of all {} buffers of the ring", value);
        case Fault::kMemoryGone:
            return "the peer took shared memory away";
    }
    return "unknown";
}

void Queue::open(const QueueSetup& setup, bool receives) {
    close();
    ring_ = setup.ring;
    slots_ = reinterpret_cast<Descriptor*>(ring_ + 1);
    regions_ = setup.regions;
    buffers_ = setup.buffers;
    buffer_bytes_ = setup.buffer_bytes;
    buffer_offset_ = setup.buffer_offset;
    mask_ = static_cast<std::uint16_t>((1U << setup.log2_size) - 1);
    client_ = setup.client;
    event_fd_ = setup.event_fd;
    interrupts_ = setup.interrupts;
    fault_.store(Fault::kNone, std::memory_order_relaxed);
    // The side that moves an index goes on from where the memory says: a server may come to rings in use.
    at_ = given_ = client_ ? 0 : read_acquire(&ring_->tail);
    if (receives) {
        __atomic_store_n(&ring_->flags, interrupts_ ? std::uint16_t{0} : kNoInterrupts, __ATOMIC_RELAXED);
        if (client_) refill();
    }
    gate_.open();
}

void Queue::close() {
    gate_.close();
}

bool Queue::stop(Fault fault, std::uint64_t value) noexcept {
    fault_value_.store(value, std::memory_order_relaxed);
    fault_.store(fault, std::memory_order_release);
    gate_.shut();
    return false;
}

/// Memory of a buffer. False at a fault.
bool Queue::piece_of(std::uint16_t at, const Descriptor& seen, Piece& piece) noexcept {
    if (client_) {
        piece = {buffers_ + std::size_t{static_cast<std::uint16_t>(at & mask_)} * buffer_bytes_, seen.length};
        return seen.length <= buffer_bytes_ || stop(Fault::kOutsideMemory, at & mask_);
    }
    if (seen.region >= regions_->size()) return stop(Fault::kOutsideMemory, at & mask_);
    const guest::SharedMapping& region = (*regions_)[seen.region];
    if (seen.offset > region.size() || seen.length > region.size() - seen.offset)
        return stop(Fault::kOutsideMemory, at & mask_);
    piece = {region.data() + seen.offset, seen.length};
    return true;
}

/// Buffers that are ours to deal with, from at_ on.
unsigned Queue::in_reach() noexcept {
    const std::uint16_t theirs = read_acquire(client_ ? &ring_->tail : &ring_->head);
    const auto count = static_cast<std::uint16_t>(theirs - at_);
    const unsigned most = client_ ? static_cast<std::uint16_t>(given_ - at_) : mask_ + 1U;
    if (count <= most) return count;
    stop(Fault::kIndexJump, count);
    return 0;
}

/// Puts all buffers that have been read at the server's disposal again.
void Queue::refill() noexcept {
    const auto end = static_cast<std::uint16_t>(at_ + mask_ + 1);
    for (; given_ != end; ++given_) {
        const std::size_t place = given_ & mask_;
        *slot(given_) = {0, 0, buffer_bytes_,
                         static_cast<std::uint32_t>(buffer_offset_ + place * buffer_bytes_), 0};
    }
    write_release(&ring_->head, given_);
}

/// The pieces of the frame that begins at `at`; returns how many buffers it takes, 0: it has not all come, or
/// a fault.
unsigned Queue::gather(std::uint16_t at, unsigned pending, Piece* pieces, std::uint32_t& bytes) noexcept {
    std::uint64_t sum = 0;
    for (unsigned n = 0; n < pending; ++n) {
        const auto here = static_cast<std::uint16_t>(at + n);
        const Descriptor seen = read_once(slot(here));
        Piece piece;
        if (!piece_of(here, seen, piece)) return 0;
        sum += piece.size;
        if (n < kMaxPieces) pieces[n] = piece;
        if ((seen.flags & kNext) != 0) continue;
        bytes = n < kMaxPieces ? static_cast<std::uint32_t>(std::min<std::uint64_t>(sum, ~0U)) : 0;
        return n + 1;
    }
    if (pending == mask_ + 1U) stop(Fault::kEndlessFrame, pending);
    return 0;
}

unsigned Queue::receive(Packet** packets, unsigned max) noexcept {
    const Gate::Visit visit{gate_, Gate::Wait::kNo};
    return visit ? receive_open(packets, std::min(max, kMaxBurst)) : 0;
}

unsigned Queue::receive_open(Packet** packets, unsigned max) noexcept {
    unsigned pending = in_reach();
    if (pending == 0) return 0;
    if (interrupts_) {  // we are awake
        interrupts_ = false;
        __atomic_store_n(&ring_->flags, kNoInterrupts, __ATOMIC_RELAXED);
    }
    for (unsigned n = 0; n < std::min(pending, max); ++n) {
        const Descriptor seen = read_once(slot(static_cast<std::uint16_t>(at_ + n)));
        Piece piece;
        if (!piece_of(static_cast<std::uint16_t>(at_ + n), seen, piece)) return 0;
        __builtin_prefetch(piece.data);
    }
    Packet* fresh[kMaxBurst];
    const unsigned wanted = std::min(pending, max);
    unsigned ready = wanted;
    if (rte_pktmbuf_alloc_bulk(small_pool(), fresh, wanted) != 0)
        for (ready = 0; ready < wanted && (fresh[ready] = packet_alloc()) != nullptr;)
            ++ready;
    unsigned count = 0, used = 0;
    std::uint64_t bytes = 0;
    while (used < ready && pending > 0) {
        Piece pieces[kMaxPieces];
        std::uint32_t size = 0;
        const unsigned buffers = gather(at_, pending, pieces, size);
        if (buffers == 0) break;
        Packet* packet = take_frame(pieces, size, fresh[used++]);
        at_ = static_cast<std::uint16_t>(at_ + buffers);
        pending -= buffers;
        if (packet == nullptr) continue;
        bytes += packet->pkt_len;
        packets[count++] = packet;
    }
    packet_free_burst(fresh + used, ready - used);
    const bool intact =
        std::all_of(regions_->begin(), regions_->end(), [](const auto& r) { return r.intact(); });
    if (!intact) [[unlikely]] {  // what was copied may be zeros instead of a frame
        stop(Fault::kMemoryGone, 0);
        packet_free_burst(packets, count);
        return 0;
    }
    if (client_) {
        refill();
    } else {
        write_release(&ring_->tail, at_);
    }
    rx.packets.add(count);
    rx.bytes.add(bytes);
    return count;
}

/// The frame in `fresh`, or null after freeing and counting it.
Packet* Queue::take_frame(const Piece* pieces, std::uint32_t bytes, Packet* fresh) noexcept {
    if (bytes < kMinFrame || bytes > kMaxFrameBytes) [[unlikely]] {
        rx.errors.add(1);
        packet_free(fresh);
        return nullptr;
    }
    guest::Cursor cursor{pieces};
    if (guest::copy_frame(cursor, bytes, fresh)) return fresh;
    rx.dropped.add(1);
    packet_free(fresh);
    return nullptr;
}

unsigned Queue::send(Packet* const* packets, unsigned count, unsigned& too_large) noexcept {
    const Gate::Visit visit{gate_, Gate::Wait::kYes};
    return visit ? send_open(packets, count, too_large) : 0;
}

unsigned Queue::send_open(Packet* const* packets, unsigned count, unsigned& too_large) noexcept {
    unsigned free;
    if (client_) {
        const auto out = static_cast<std::uint16_t>(at_ - read_acquire(&ring_->tail));
        if (out > mask_ + 1U) {
            stop(Fault::kIndexJump, out);
            return 0;
        }
        free = mask_ + 1U - out;
    } else {
        free = in_reach();
    }
    unsigned done = 0, sent = 0;
    std::uint64_t bytes = 0;
    for (; done < count; ++done) {
        unsigned used = 0;
        if (!put_frame(packets[done], free, used)) {
            if (used <= kMaxPieces) break;  // no room, or a fault
            ++too_large;
            continue;
        }
        at_ = static_cast<std::uint16_t>(at_ + used);
        free -= used;
        bytes += packets[done]->pkt_len;
        ++sent;
    }
    const bool intact =
        std::all_of(regions_->begin(), regions_->end(), [](const auto& r) { return r.intact(); });
    if (!intact) [[unlikely]]
        stop(Fault::kMemoryGone, 0);
    if (sent > 0) {
        write_release(client_ ? &ring_->head : &ring_->tail, at_);
        interrupt();
        tx.packets.add(sent);
        tx.bytes.add(bytes);
    }
    return done;
}

/// Copies a frame into buffers from at_ on. False: `free` buffers don't do (`used` > kMaxPieces: it never
/// fits).
bool Queue::put_frame(const Packet* packet, unsigned free, unsigned& used) noexcept {
    Piece pieces[kMaxPieces];
    Descriptor seen[kMaxPieces];
    std::uint64_t room = 0;
    for (used = 0; room < packet->pkt_len;) {
        if (used == std::min<unsigned>(kMaxPieces, mask_ + 1U)) {
            used = kMaxPieces + 1;
            return false;
        }
        if (used == free) return false;
        const auto at = static_cast<std::uint16_t>(at_ + used);
        seen[used] =
            client_ ? Descriptor{0, 0, buffer_bytes_,
                                 static_cast<std::uint32_t>(
                                     buffer_offset_ +
                                     std::size_t{static_cast<std::uint16_t>(at & mask_)} * buffer_bytes_),
                                 0}
                    : read_once(slot(at));
        if (!piece_of(at, seen[used], pieces[used])) return false;
        room += pieces[used++].size;
    }
    guest::Cursor cursor{pieces};
    for (const Packet* segment = packet; segment != nullptr; segment = segment->next)
        cursor.write(rte_pktmbuf_mtod(segment, const void*), segment->data_len);
    std::uint32_t left = packet->pkt_len;
    for (unsigned n = 0; n < used; ++n) {
        const std::uint32_t here = std::min(left, pieces[n].size);
        left -= here;
        seen[n].length = here;
        seen[n].flags = n + 1 < used ? kNext : std::uint16_t{0};
        *slot(static_cast<std::uint16_t>(at_ + n)) = seen[n];
    }
    return true;
}

void Queue::interrupt() noexcept {
    // The index must be out before the flags are looked at: the peer writes its flags, then looks at the
    // index.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    if (event_fd_ < 0 || (__atomic_load_n(&ring_->flags, __ATOMIC_RELAXED) & kNoInterrupts) != 0) return;
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(event_fd_, &one, sizeof one);
}

bool Queue::want_interrupts(bool wanted) noexcept {
    const Gate::Visit visit{gate_, Gate::Wait::kNo};
    if (!visit) return false;
    interrupts_ = wanted;
    __atomic_store_n(&ring_->flags, wanted ? std::uint16_t{0} : kNoInterrupts, __ATOMIC_RELAXED);
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return in_reach() != 0;
}

}  // namespace sluice::memif
