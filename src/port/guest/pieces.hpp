// SPDX-License-Identifier: Apache-2.0
// Frames that lie in pieces in a guest's memory.
#pragma once

#include <algorithm>
#include <cstdint>

#include <rte_memcpy.h>

#include "packet/packet.hpp"

namespace sluice::guest {

/// A part of a guest's buffer, in our address space.
struct Piece {
    std::uint8_t* data;
    std::uint32_t size;
};

/// Walks over the bytes of consecutive pieces. The caller knows how many bytes they have.
class Cursor {
  public:
    explicit Cursor(const Piece* first) : piece_(first) {}
    /// The rest of the piece under the cursor, at most `limit` bytes; moves over it. Bytes are left.
    Piece take(std::uint32_t limit) noexcept {
        while (piece_->size == at_) {
            ++piece_;
            at_ = 0;
        }
        const std::uint32_t size = std::min(limit, piece_->size - at_);
        const Piece part{piece_->data + at_, size};
        at_ += size;
        return part;
    }
    void read(void* to, std::uint32_t size) noexcept {
        auto* at = static_cast<std::uint8_t*>(to);
        while (size > 0) {
            const Piece part = take(size);
            rte_memcpy(at, part.data, part.size);
            at += part.size;
            size -= part.size;
        }
    }
    void write(const void* from, std::uint32_t size) noexcept {
        const auto* at = static_cast<const std::uint8_t*>(from);
        while (size > 0) {
            const Piece part = take(size);
            rte_memcpy(part.data, at, part.size);
            at += part.size;
            size -= part.size;
        }
    }

  private:
    const Piece* piece_;
    std::uint32_t at_ = 0;
};

/// Copies a frame of `size` <= kMaxFrameBytes from under the cursor into `packet`, which is fresh and small;
/// what does not fit goes into a second segment. False: no memory for that one.
bool copy_frame(Cursor& cursor, std::uint32_t size, Packet* packet) noexcept;

}  // namespace sluice::guest
