// SPDX-License-Identifier: Apache-2.0
// The two programs in the kernel that carry shortcuts out, and the records they share with us.
//
// A frame comes to the packet socket of its interface first and to the interface's tc ingress hook next, on
// the same processor, without another frame in between (net/core/dev.c, __netif_receive_skb_core). So
// `filter` at the socket looks up the frame; if a shortcut holds, the socket does not get the frame, and the
// decision is left for `redirect` at the hook, which sends the frame on. Without the socket there is no
// filter, without a decision no redirect: nothing is carried on by itself once the switch is gone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include <linux/bpf.h>

namespace sluice {

/// What the one entry of the control map says. Writers: the switch, and `filter` when it stops all shortcuts.
struct ShortcutControl {
    static constexpr std::uint64_t kOff = std::uint64_t{1} << 63;
    std::uint64_t generation;  ///< shortcuts of another one are void; kOff: all are
    std::uint64_t lost;        ///< decisions that `redirect` did not carry out
};

/// A shortcut, the value of a ShortcutKey. Never changes while it is in the map.
struct ShortcutEntry {
    std::uint64_t generation;
    std::uint32_t slot;         ///< where its packets are counted
    std::uint32_t out_ifindex;  ///< where they go
    std::uint32_t max_frame;    ///< bytes; longer ones (as they will be on the wire) are the worker's
    std::uint32_t reserved;
};

/// Counts of a shortcut. Writer: `filter`, on any processor; reader: the switch.
struct alignas(64) ShortcutCounts {
    std::uint64_t packets, bytes;  ///< whole frames; large ones count once, as the worker counts them
    std::uint64_t used_ns;         ///< CLOCK_MONOTONIC_COARSE, of the last packet
};

/// What `filter` tells `redirect`, by processor. 0: nothing.
struct ShortcutDecision {
    std::uint32_t out_ifindex, reserved;
};

struct ShortcutMaps {
    int control = -1, flows = -1, counts = -1, decision = -1;  ///< descriptors
};

/// Of type BPF_PROG_TYPE_SOCKET_FILTER.
std::vector<bpf_insn> make_shortcut_filter(const ShortcutMaps& maps);
/// Of type BPF_PROG_TYPE_SCHED_CLS, at ingress.
std::vector<bpf_insn> make_shortcut_redirect(const ShortcutMaps& maps);

}  // namespace sluice
