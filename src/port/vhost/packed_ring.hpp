// SPDX-License-Identifier: Apache-2.0
// The device's side of a packed virtqueue (virtio 1.2 §2.8): one ring of descriptors for both directions of
// ownership, two event suppression areas. Used as SplitRing is.
#pragma once

#include <atomic>

#include "port/vhost/vring.hpp"

namespace sluice::vhost {

class PackedRing {
  public:
    /// A position to return to.
    struct Mark {
        std::uint16_t position;
        bool wrap;
    };

    PackedRing() : builder_(nullptr) {}
    /// `base`: position in bits 0 to 14, wrap counter in bit 15.
    PackedRing(const RingAreas& areas, std::uint32_t size, const guest::GuestMemory* memory,
               std::uint16_t base);

    static std::uint64_t descriptor_bytes(std::uint32_t size) { return 16ULL * size; }
    static constexpr std::uint64_t kEventBytes = 4;

    /// 1 or more when the guest offers a buffer; how many is not to be seen without walking.
    unsigned available() const noexcept {
        return is_available(read_acquire<std::uint64_t>(descriptors_ + 16 * position_ + 8)) ? 1 : 0;
    }
    void prefetch(unsigned /*count*/) const noexcept {}
    /// Takes the next buffer. False: none, the store is full, or fault().
    bool next(Chain& chain, PieceStore& store) noexcept;

    Mark mark() const noexcept { return {position_, wrap_}; }
    void rewind(Mark mark) noexcept { position_ = mark.position, wrap_ = mark.wrap; }
    void give_back(const Chain& chain, std::uint32_t written) noexcept;
    void publish() noexcept;
    bool must_notify() noexcept;
    bool want_kicks(bool wanted) noexcept;

    const Fault& fault() const noexcept { return fault_; }
    /// For GET_VRING_BASE: position and wrap counter, twice: all buffers taken are given back.
    std::uint32_t base() const noexcept {
        const std::uint32_t half = used_ | (used_wrap_ ? 0x8000U : 0U);
        return half | half << 16;
    }

  private:
    static constexpr std::uint16_t kAvail = 1 << 7, kUsed = 1 << 15;
    bool is_available(std::uint64_t word) const noexcept {
        const auto flags = static_cast<std::uint16_t>(word >> 48);
        return ((flags & kAvail) != 0) == wrap_ && ((flags & kUsed) != 0) != wrap_;
    }
    void fail(RingFault kind, std::uint64_t value) noexcept { fault_ = {kind, value}; }
    bool follow_indirect(Chain& chain, PieceStore& store, std::uint64_t table, std::uint32_t bytes) noexcept;

    std::uint8_t* descriptors_ = nullptr;
    std::uint8_t* driver_ = nullptr;
    std::uint8_t* device_ = nullptr;
    std::uint32_t size_ = 0;
    std::uint16_t position_ = 0;  ///< next descriptor to take
    std::uint16_t used_ = 0;      ///< next descriptor to give back
    bool wrap_ = true, used_wrap_ = true;
    bool first_pending_ = false;  ///< the first descriptor given back since publish() lacks its flags
    std::uint16_t first_at_ = 0, first_flags_ = 0;
    std::uint16_t given_ = 0;  ///< descriptors given back since must_notify() was last asked
    ChainBuilder builder_;
    Fault fault_;
};

}  // namespace sluice::vhost
