// SPDX-License-Identifier: Apache-2.0
// What the two layouts of virtqueues (virtio 1.2 §2.7 split, §2.8 packed) have in common, seen from the
// device: chains of buffers, and what can be wrong with them.
//
// The rings are the guest's memory; it may change them at any moment and put anything there. So each value
// is read once, into a variable of ours, and checked there; addresses become pointers only inside the guest's
// regions; every loop is bounded by the ring's size. What contradicts the specification in a way that leaves
// the position in the ring unknown is a RingFault and stops the port. Values are little endian, as is the
// host.
#pragma once

#include <bit>
#include <cstdint>
#include <string>

#include "port/guest/guest_memory.hpp"
#include "port/guest/pieces.hpp"

namespace sluice::vhost {

static_assert(std::endian::native == std::endian::little, "virtio 1.x rings are little endian");

inline constexpr std::uint32_t kMaxRingSize = 32768;  // virtio 1.2 §2.7, §2.8.10.1
inline constexpr std::uint16_t kDescNext = 1, kDescWrite = 2, kDescIndirect = 4;

using guest::Piece;

/// One buffer as the guest offers it: its pieces stand in a PieceStore.
struct Chain {
    std::uint64_t bytes;         ///< of all pieces
    std::uint32_t id;            ///< head index or buffer id, to be given back
    std::uint16_t first, count;  ///< pieces
    std::uint16_t slots;         ///< places it takes in a packed ring
    bool writable;               ///< for the device to write (all pieces agree)
};

/// Pieces of the chains of one burst. On the stack of a worker.
struct PieceStore {
    static constexpr unsigned kCapacity = 512;
    /// Most pieces one chain may have: a frame of 64 KiB in pages has 17 and a header.
    static constexpr unsigned kMaxOfChain = 256;
    unsigned used = 0;
    Piece piece[kCapacity];
    bool has_room() const noexcept { return kCapacity - used >= kMaxOfChain; }
};

/// What a guest did wrong.
enum class RingFault : std::uint8_t {
    kNone,
    kIndexJump,      ///< more buffers offered than the ring holds
    kBadHead,        ///< head outside the ring
    kLoop,           ///< a chain longer than the ring
    kOutsideMemory,  ///< a buffer outside the guest's memory
    kMixedChain,     ///< readable and writable pieces in one buffer
    kBadIndirect,    ///< an indirect table of a wrong size, or inside another
    kTooManyPieces,  ///< a chain of more pieces than PieceStore::kMaxOfChain
    kWrongWay,       ///< a receive buffer that cannot be written to or lacks room for a header
    kMemoryGone,     ///< the guest took shared memory away
};
/// The sentence for people; `value` is what the fault is about (an index, an address, a count).
std::string describe(RingFault fault, std::uint64_t value);

/// Fault with its number, as a ring finds it.
struct Fault {
    RingFault kind = RingFault::kNone;
    std::uint64_t value = 0;
    explicit operator bool() const { return kind != RingFault::kNone; }
};

/// Where a ring lies in our address space; which of them mean what depends on the layout.
struct RingAreas {
    std::uint8_t* descriptors = nullptr;
    std::uint8_t* driver = nullptr;  ///< available ring, or driver event suppression
    std::uint8_t* device = nullptr;  ///< used ring, or device event suppression
};

/// Reads once; the compiler may not read again.
template <typename T>
T read_once(const void* from) noexcept {
    return __atomic_load_n(static_cast<const T*>(from), __ATOMIC_RELAXED);
}
template <typename T>
T read_acquire(const void* from) noexcept {
    return __atomic_load_n(static_cast<const T*>(from), __ATOMIC_ACQUIRE);
}
template <typename T>
void write_once(void* to, T value) noexcept {
    __atomic_store_n(static_cast<T*>(to), value, __ATOMIC_RELAXED);
}
template <typename T>
void write_release(void* to, T value) noexcept {
    __atomic_store_n(static_cast<T*>(to), value, __ATOMIC_RELEASE);
}

/// Turns guest addresses into pieces of a chain; part of both layouts.
class ChainBuilder {
  public:
    explicit ChainBuilder(const guest::GuestMemory* memory) : memory_(memory) {
        if (memory != nullptr && !memory->regions().empty()) last_ = &memory->regions().front();
    }
    /// Appends [address, address + size), split where regions meet. False with `fault` set.
    bool append(Chain& chain, PieceStore& store, std::uint64_t address, std::uint32_t size,
                Fault& fault) noexcept {
        const std::uint64_t offset = address - last_->guest;
        if (size != 0 && offset < last_->size && size <= last_->size - offset &&
            chain.count < PieceStore::kMaxOfChain) [[likely]] {
            store.piece[store.used++] = {last_->host + offset, size};
            ++chain.count;
            chain.bytes += size;
            return true;
        }
        return append_slowly(chain, store, address, size, fault);
    }
    /// One 16-byte entry of an indirect table at guest address `address`; null: outside.
    const std::uint8_t* entry(std::uint64_t address) noexcept;

  private:
    bool append_slowly(Chain& chain, PieceStore& store, std::uint64_t address, std::uint64_t size,
                       Fault& fault) noexcept;
    const guest::GuestMemory* memory_;
    const guest::Region* last_ = nullptr;  ///< the region of the last address: most often the next one's too
};

}  // namespace sluice::vhost
