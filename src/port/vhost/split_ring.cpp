// SPDX-License-Identifier: Apache-2.0
// See port/vhost/split_ring.hpp.
#include "port/vhost/split_ring.hpp"

namespace sluice::vhost {
namespace {

constexpr std::uint16_t kNoInterrupt = 1;  // avail->flags, §2.7.6
constexpr std::uint16_t kNoNotify = 1;     // used->flags, §2.7.8

/// A descriptor of ours: the guest's, read once.
struct Descriptor {
    std::uint64_t address;
    std::uint32_t size;
    std::uint16_t flags, next;
};

Descriptor read_descriptor(const std::uint8_t* at) noexcept {
    const auto rest = read_once<std::uint64_t>(at + 8);
    return {read_once<std::uint64_t>(at), static_cast<std::uint32_t>(rest),
            static_cast<std::uint16_t>(rest >> 32), static_cast<std::uint16_t>(rest >> 48)};
}

}  // namespace

SplitRing::SplitRing(const RingAreas& areas, std::uint32_t size, bool event_index,
                     const guest::GuestMemory* memory, std::uint16_t base)
    : descriptors_(areas.descriptors),
      driver_(areas.driver),
      device_(areas.device),
      size_(size),
      mask_(size - 1),
      offered_(base),
      position_(base),
      used_(base),
      told_(base),
      event_index_(event_index),
      builder_(memory) {}

bool SplitRing::next(Chain& chain, PieceStore& store) noexcept {
    if (position_ == offered_ || !store.has_room() || fault_) return false;
    const auto head = read_once<std::uint16_t>(driver_ + 4 + 2 * (position_ & mask_));
    if (head >= size_) [[unlikely]]
        return fail(RingFault::kBadHead, head), false;
    chain = {0, head, static_cast<std::uint16_t>(store.used), 0, 1, false};
    if (!follow(chain, store, head)) return false;
    ++position_;
    return true;
}

bool SplitRing::follow(Chain& chain, PieceStore& store, std::uint16_t head) noexcept {
    std::uint16_t index = head;
    for (std::uint32_t steps = 0; steps < size_; ++steps) {
        const Descriptor d = read_descriptor(descriptors_ + 16 * index);
        if ((d.flags & kDescIndirect) != 0) {
            if ((d.flags & kDescNext) != 0 || steps > 0) return fail(RingFault::kBadIndirect, d.size), false;
            return follow_indirect(chain, store, d.address, d.size);
        }
        const bool writable = (d.flags & kDescWrite) != 0;
        if (steps == 0) chain.writable = writable;
        if (chain.writable != writable) return fail(RingFault::kMixedChain, head), false;
        if (!builder_.append(chain, store, d.address, d.size, fault_)) return false;
        if ((d.flags & kDescNext) == 0) return true;
        if (d.next >= size_) return fail(RingFault::kBadHead, d.next), false;
        index = d.next;
    }
    return fail(RingFault::kLoop, head), false;
}

bool SplitRing::follow_indirect(Chain& chain, PieceStore& store, std::uint64_t table,
                                std::uint32_t bytes) noexcept {
    const std::uint32_t count = bytes / 16;
    if (bytes % 16 != 0 || count == 0 || count > kMaxRingSize)
        return fail(RingFault::kBadIndirect, bytes), false;
    std::uint32_t index = 0;
    for (std::uint32_t steps = 0; steps < count; ++steps) {
        const std::uint8_t* at = builder_.entry(table + 16ULL * index);
        if (at == nullptr) return fail(RingFault::kOutsideMemory, table + 16ULL * index), false;
        const Descriptor d = read_descriptor(at);
        if ((d.flags & kDescIndirect) != 0) return fail(RingFault::kBadIndirect, bytes), false;
        const bool writable = (d.flags & kDescWrite) != 0;
        if (steps == 0) chain.writable = writable;
        if (chain.writable != writable) return fail(RingFault::kMixedChain, chain.id), false;
        if (!builder_.append(chain, store, d.address, d.size, fault_)) return false;
        if ((d.flags & kDescNext) == 0) return true;
        if (d.next >= count) return fail(RingFault::kBadIndirect, bytes), false;
        index = d.next;
    }
    return fail(RingFault::kLoop, chain.id), false;
}

bool SplitRing::must_notify() noexcept {
    // The guest must see the used index before we look whether it waits (§2.7.7.2).
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const std::uint16_t before = told_;
    told_ = used_;
    if (!event_index_) return (read_once<std::uint16_t>(driver_) & kNoInterrupt) == 0;
    const auto event = read_once<std::uint16_t>(driver_ + 4 + 2 * size_);
    return static_cast<std::uint16_t>(used_ - event - 1) < static_cast<std::uint16_t>(used_ - before);
}

bool SplitRing::want_kicks(bool wanted) noexcept {
    if (!event_index_) {
        write_once<std::uint16_t>(device_, wanted ? 0 : kNoNotify);
    } else if (wanted) {  // unwanted: an event index that is not moved is passed once in 65536 buffers
        write_once<std::uint16_t>(device_ + 4 + 8 * size_, position_);
    }
    if (!wanted) return false;
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return read_once<std::uint16_t>(driver_ + 2) != position_;
}

}  // namespace sluice::vhost
