// SPDX-License-Identifier: Apache-2.0
// What hits.cpp and ct_hits.cpp share: changes of plain frames (parse_plain), and the packets of a burst
// whose verdict has a ct action.
#pragma once

#include <cstring>

#include "base/byte_order.hpp"
#include "conntrack/tracker.hpp"
#include "pipeline/executor_impl.hpp"
#include "wire/checksum.hpp"

namespace sluice::pipeline {

namespace plain {

inline constexpr unsigned kL3At = 14, kTtlAt = 22, kSumAt = 24, kAddressesAt = 26, kL4At = 34;

/// Rewrite::kMacTtl.
inline void rewrite_plain(std::uint8_t* frame, const Verdict& verdict) noexcept {
    if (verdict.ttl_steps != 0) {
        const std::uint16_t before = load_be16(frame + kTtlAt);
        const auto after = static_cast<std::uint16_t>(before - (verdict.ttl_steps << 8));
        store_be16(frame + kTtlAt, after);
        store_be16(frame + kSumAt, wire::update_checksum16(load_be16(frame + kSumAt), before, after));
    }
    std::uint64_t front[2];
    std::memcpy(front, frame, sizeof front);
    front[0] = (front[0] & verdict.keep[0]) | verdict.put[0];
    front[1] = (front[1] & verdict.keep[1]) | verdict.put[1];
    std::memcpy(frame, front, sizeof front);
}

}  // namespace plain

/// By slot: the packet's place in the burst as run_hits() got it.
struct Executor::Impl::CtRun {
    CtRun(FlowCache& from, const PortEntry& ingress, unsigned crossings)
        : cache(from), in_port(static_cast<std::uint32_t>(to_int(ingress.ofport))), crossed(crossings) {}

    FlowCache& cache;
    const std::uint32_t in_port;
    const unsigned crossed;
    Packet** left = nullptr;  ///< those that walk after all
    unsigned kept = 0, hits = 0, misses = 0;
    std::uint32_t open = 0;  ///< bit: slot
    Packet* packet[kMaxBurst];
    Verdict* verdict[kMaxBurst];
    Verdict* passed[kMaxBurst][kMaxCarried];  ///< verdicts whose ct action is done: carried[slot].count
    std::uint64_t word[kMaxBurst][5];         ///< of a FlowKey, as the packet is to be
    bool changed[kMaxBurst];                  ///< so they differ from the frame
    bool controls[kMaxBurst];                 ///< a control connection, whose text must be looked into
    conntrack::Attachment attachment[kMaxBurst];
    conntrack::Probe probe[kMaxBurst];
    FlowCache::Key key[kMaxBurst];
};

}  // namespace sluice::pipeline
