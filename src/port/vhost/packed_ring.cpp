// SPDX-License-Identifier: Apache-2.0
// See port/vhost/packed_ring.hpp.
#include "port/vhost/packed_ring.hpp"

namespace sluice::vhost {
namespace {

constexpr std::uint16_t kEventEnable = 0, kEventDisable = 1, kEventDescriptor = 2;  // §2.8.10

}  // namespace

PackedRing::PackedRing(const RingAreas& areas, std::uint32_t size, const guest::GuestMemory* memory,
                       std::uint16_t base)
    : descriptors_(areas.descriptors),
      driver_(areas.driver),
      device_(areas.device),
      size_(size),
      position_(static_cast<std::uint16_t>((base & 0x7fff) % size)),
      used_(position_),
      wrap_((base & 0x8000) != 0),
      used_wrap_(wrap_),
      builder_(memory) {}

bool PackedRing::next(Chain& chain, PieceStore& store) noexcept {
    if (!store.has_room() || fault_) return false;
    const std::uint8_t* at = descriptors_ + 16 * position_;
    // One word holds size, id and flags: what the flags make ours is what we go on with.
    auto word = read_acquire<std::uint64_t>(at + 8);
    if (!is_available(word)) return false;
    chain = {0, 0, static_cast<std::uint16_t>(store.used), 0, 0, false};
    std::uint32_t index = position_;
    for (std::uint32_t steps = 0;; ++steps) {
        const auto flags = static_cast<std::uint16_t>(word >> 48);
        const auto bytes = static_cast<std::uint32_t>(word);
        const auto address = read_once<std::uint64_t>(at);
        chain.id = static_cast<std::uint16_t>(word >> 32);
        if ((flags & kDescIndirect) != 0) {
            if ((flags & kDescNext) != 0 || steps > 0) return fail(RingFault::kBadIndirect, bytes), false;
            if (!follow_indirect(chain, store, address, bytes)) return false;
        } else {
            const bool writable = (flags & kDescWrite) != 0;
            if (steps == 0) chain.writable = writable;
            if (chain.writable != writable) return fail(RingFault::kMixedChain, position_), false;
            if (!builder_.append(chain, store, address, bytes, fault_)) return false;
        }
        if (++index == size_) index = 0;
        if ((flags & kDescNext) == 0) {
            chain.slots = static_cast<std::uint16_t>(steps + 1);
            break;
        }
        if (steps + 1 == size_) return fail(RingFault::kLoop, position_), false;
        at = descriptors_ + 16 * index;
        word = read_once<std::uint64_t>(at + 8);
    }
    if (index <= position_) wrap_ = !wrap_;
    position_ = static_cast<std::uint16_t>(index);
    return true;
}

bool PackedRing::follow_indirect(Chain& chain, PieceStore& store, std::uint64_t table,
                                 std::uint32_t bytes) noexcept {
    const std::uint32_t count = bytes / 16;
    if (bytes % 16 != 0 || count == 0 || count > kMaxRingSize)
        return fail(RingFault::kBadIndirect, bytes), false;
    for (std::uint32_t i = 0; i < count; ++i) {
        const std::uint8_t* at = builder_.entry(table + 16ULL * i);
        if (at == nullptr) return fail(RingFault::kOutsideMemory, table + 16ULL * i), false;
        const auto word = read_once<std::uint64_t>(at + 8);
        const bool writable = (static_cast<std::uint16_t>(word >> 48) & kDescWrite) != 0;
        if (i == 0) chain.writable = writable;
        if (chain.writable != writable) return fail(RingFault::kMixedChain, position_), false;
        if (!builder_.append(chain, store, read_once<std::uint64_t>(at), static_cast<std::uint32_t>(word),
                             fault_))
            return false;
    }
    return true;
}

void PackedRing::give_back(const Chain& chain, std::uint32_t written) noexcept {
    std::uint8_t* at = descriptors_ + 16 * used_;
    write_once<std::uint32_t>(at + 8, written);
    write_once<std::uint16_t>(at + 12, static_cast<std::uint16_t>(chain.id));
    const auto flags =
        static_cast<std::uint16_t>((used_wrap_ ? kAvail | kUsed : 0) | (chain.writable ? kDescWrite : 0));
    if (first_pending_) {
        write_release<std::uint16_t>(at + 14, flags);
    } else {  // shown last, so that the guest sees all of the burst or nothing
        first_pending_ = true;
        first_at_ = used_;
        first_flags_ = flags;
    }
    given_ = static_cast<std::uint16_t>(given_ + chain.slots);
    const std::uint32_t next = std::uint32_t{used_} + chain.slots;
    if (next >= size_) used_wrap_ = !used_wrap_;
    used_ = static_cast<std::uint16_t>(next >= size_ ? next - size_ : next);
}

void PackedRing::publish() noexcept {
    if (first_pending_) write_release<std::uint16_t>(descriptors_ + 16 * first_at_ + 14, first_flags_);
    first_pending_ = false;
}

bool PackedRing::must_notify() noexcept {
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const std::uint16_t given = given_;
    given_ = 0;
    const auto word = read_once<std::uint32_t>(driver_);
    const auto flags = static_cast<std::uint16_t>(word >> 16);
    if (flags != kEventDescriptor) return flags != kEventDisable;
    std::uint32_t event = word & 0x7fff;
    if (((word & 0x8000) != 0) != used_wrap_) event -= size_;
    const auto now = std::uint32_t{used_};
    return static_cast<std::uint16_t>(now - event - 1) < given;
}

bool PackedRing::want_kicks(bool wanted) noexcept {
    write_once<std::uint16_t>(device_ + 2, wanted ? kEventEnable : kEventDisable);
    if (!wanted) return false;
    std::atomic_thread_fence(std::memory_order_seq_cst);
    return available() > 0;
}

}  // namespace sluice::vhost
