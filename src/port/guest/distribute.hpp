// SPDX-License-Identifier: Apache-2.0
// Distribution of a burst over a guest's receive queues.
#pragma once

#include <cstdint>

#include "port/guest/flow_hash.hpp"

namespace sluice::guest {

/// Hands each packet to `send(queue, packets, count)`: the queue that set_queue or enqueue named if the guest
/// has it, else one by flow, so that a flow stays in order. 0 < queues <= 64, count <= kMaxBurst. Returns the
/// sum of what `send` returns.
template <typename Send>
unsigned distribute(Packet** packets, unsigned count, unsigned queues, Send send) noexcept {
    if (queues == 1) return send(0U, packets, count);
    std::uint8_t target[kMaxBurst];
    std::uint64_t used = 0;  // bit a queue
    for (unsigned i = 0; i < count; ++i) {
        const std::uint32_t named = output_queue(packets[i]);
        target[i] = static_cast<std::uint8_t>(named < queues ? named : flow_hash(packets[i]) % queues);
        used |= std::uint64_t{1} << target[i];
    }
    unsigned sent = 0;
    Packet* part[kMaxBurst];
    for (; used != 0; used &= used - 1) {
        const auto queue = static_cast<unsigned>(__builtin_ctzll(used));
        unsigned n = 0;
        for (unsigned i = 0; i < count; ++i)
            if (target[i] == queue) part[n++] = packets[i];
        sent += send(queue, part, n);
    }
    return sent;
}

}  // namespace sluice::guest
