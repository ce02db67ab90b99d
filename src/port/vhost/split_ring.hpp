// SPDX-License-Identifier: Apache-2.0
// The device's side of a split virtqueue (virtio 1.2 §2.7): descriptor table, available ring, used ring.
//
// A burst: available() - next() for each buffer - give_back() for those dealt with, in the same order -
// publish() - must_notify(). rewind() gives back what next() took but nobody used. One thread at a time.
#pragma once

#include <atomic>

#include "port/vhost/vring.hpp"

namespace sluice::vhost {

class SplitRing {
  public:
    /// A position to return to.
    using Mark = std::uint16_t;

    SplitRing() : builder_(nullptr) {}
    /// `size` is a power of two; the areas hold a ring of it. `base`: index of the next buffer.
    SplitRing(const RingAreas& areas, std::uint32_t size, bool event_index, const guest::GuestMemory* memory,
              std::uint16_t base);

    static std::uint64_t descriptor_bytes(std::uint32_t size) { return 16ULL * size; }
    static std::uint64_t driver_bytes(std::uint32_t size) { return 6 + 2ULL * size; }
    static std::uint64_t device_bytes(std::uint32_t size) { return 6 + 8ULL * size; }
    /// The used index in the guest's memory: how far a former device got.
    static std::uint16_t used_index(const RingAreas& areas) {
        return read_once<std::uint16_t>(areas.device + 2);
    }

    /// Looks how many buffers the guest offers beyond the position; 0 with fault() set when the number can't
    /// be.
    unsigned available() noexcept {
        const auto index = read_acquire<std::uint16_t>(driver_ + 2);
        const auto count = static_cast<std::uint16_t>(index - position_);
        if (count > size_) [[unlikely]]
            return fail(RingFault::kIndexJump, count), 0U;
        offered_ = index;
        return count;
    }
    /// Brings what the next `count` buffers need closer.
    void prefetch(unsigned count) const noexcept {
        for (unsigned i = 0; i < count; ++i) {
            const auto head = read_once<std::uint16_t>(driver_ + 4 + 2 * ((position_ + i) & mask_));
            __builtin_prefetch(descriptors_ + 16 * (head & mask_));
        }
    }
    /// Takes the next buffer. False: none left of those available() saw, the store is full, or fault().
    bool next(Chain& chain, PieceStore& store) noexcept;

    Mark mark() const noexcept { return position_; }
    void rewind(Mark mark) noexcept { position_ = mark; }
    /// Notes that the buffer is done with, `written` bytes were written to it.
    void give_back(const Chain& chain, std::uint32_t written) noexcept {
        std::uint8_t* slot = device_ + 4 + 8 * (used_ & mask_);
        write_once<std::uint32_t>(slot, chain.id);
        write_once<std::uint32_t>(slot + 4, written);
        ++used_;
    }
    /// Shows the guest what was given back.
    void publish() noexcept { write_release<std::uint16_t>(device_ + 2, used_); }
    /// After publish(): does the guest want to be told?
    bool must_notify() noexcept;
    /// Asks the guest to tell of new buffers, or not to. True: some are there already.
    bool want_kicks(bool wanted) noexcept;

    const Fault& fault() const noexcept { return fault_; }
    /// For GET_VRING_BASE: all buffers taken are given back.
    std::uint32_t base() const noexcept { return used_; }

  private:
    void fail(RingFault kind, std::uint64_t value) noexcept { fault_ = {kind, value}; }
    bool follow(Chain& chain, PieceStore& store, std::uint16_t head) noexcept;
    bool follow_indirect(Chain& chain, PieceStore& store, std::uint64_t table, std::uint32_t bytes) noexcept;

    std::uint8_t* descriptors_ = nullptr;
    std::uint8_t* driver_ = nullptr;
    std::uint8_t* device_ = nullptr;
    std::uint32_t size_ = 0, mask_ = 0;
    std::uint16_t offered_ = 0;   ///< the guest's index as last read
    std::uint16_t position_ = 0;  ///< next buffer to take
    std::uint16_t used_ = 0;      ///< next place in the used ring
    std::uint16_t told_ = 0;      ///< used_ when must_notify() was last asked
    bool event_index_ = false;
    ChainBuilder builder_;
    Fault fault_;
};

}  // namespace sluice::vhost
