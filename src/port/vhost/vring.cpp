// SPDX-License-Identifier: Apache-2.0
// See port/vhost/vring.hpp.
#include "port/vhost/vring.hpp"

#include <algorithm>

#include <fmt/format.h>

namespace sluice::vhost {

std::string describe(RingFault fault, std::uint64_t value) {
    switch (fault) {
        case RingFault::kNone:
            return "";
        case RingFault::kIndexJump:
            return fmt::format("the guest offers {} buffers at once, more than the ring holds", value);
        case RingFault::kBadHead:
            return fmt::format("the guest offers descriptor {}, which the ring does not have", value);
        case RingFault::kLoop:
            return fmt::format("the chain of descriptor {} is longer than the ring or runs in a circle",
                               value);
        case RingFault::kOutsideMemory:
            return fmt::format("a buffer at {:#x} lies outside the guest's memory", value);
        case RingFault::kMixedChain:
            return fmt::format("the buffer of descriptor {} is partly to be read, partly to be written",
                               value);
        case RingFault::kBadIndirect:
            return fmt::format("an indirect table of {} bytes, or inside another or with a successor", value);
        case RingFault::kTooManyPieces:
            return fmt::format("a buffer of more than {} pieces", value);
        case RingFault::kWrongWay:
            return fmt::format("the receive buffer of descriptor {} is to be read or smaller than a header",
                               value);
        case RingFault::kMemoryGone:
            return "the guest took its shared memory away";
    }
    return "unknown fault";
}

bool ChainBuilder::append_slowly(Chain& chain, PieceStore& store, std::uint64_t address, std::uint64_t size,
                                 Fault& fault) noexcept {
    while (size > 0) {
        const guest::Region* region = memory_->find(address);
        if (region == nullptr) {
            fault = {RingFault::kOutsideMemory, address};
            return false;
        }
        if (chain.count == PieceStore::kMaxOfChain) {
            fault = {RingFault::kTooManyPieces, PieceStore::kMaxOfChain};
            return false;
        }
        last_ = region;
        const std::uint64_t offset = address - region->guest;
        const std::uint64_t part = std::min(size, region->size - offset);
        store.piece[store.used++] = {region->host + offset, static_cast<std::uint32_t>(part)};
        ++chain.count;
        chain.bytes += part;
        address += part;
        size -= part;
    }
    return true;
}

const std::uint8_t* ChainBuilder::entry(std::uint64_t address) noexcept {
    const guest::Region* region = memory_->find(address);
    if (region == nullptr || region->size - (address - region->guest) < 16 || address % 8 != 0)
        return nullptr;
    return region->host + (address - region->guest);
}

}  // namespace sluice::vhost
