// SPDX-License-Identifier: Apache-2.0
// The hashes of multipath and bundle: the same numbers as Open vSwitch 3.1 gives on x86-64, so that a
// network that runs both sends a flow over the same link. Sources: ovs-actions(7) "multipath", "bundle";
// lookup3.c (Bob Jenkins, public domain), MurmurHash3 (Austin Appleby, public domain); expected values in the
// test come from `ofproto/trace`.
#pragma once

#include <cstdint>

#include "flow/action.hpp"
#include "flow/key.hpp"

namespace sluice {

/// Hash of the fields that `fields` names. Reads header words only.
std::uint32_t flow_hash(const FlowKey& flow, HashFields fields, std::uint16_t basis) noexcept;

/// The link, 0 to max_link, that multipath picks for a hash. O(max_link) for kHrw up to 64 links.
std::uint16_t multipath_link(const MultipathAction& action, std::uint32_t hash) noexcept;

/// Weight of member `index` of a bundle by highest random weight.
std::uint32_t bundle_weight(std::uint32_t index, std::uint32_t hash) noexcept;

/// The member of a bundle that gets the packet, or kAny. live(port): may it be taken?
template <typename Live>
OfPort bundle_member(const BundleAction& action, const FlowKey& flow, const Live& live) noexcept {
    if (action.algorithm == BundleAction::Algorithm::kActiveBackup) {
        for (const OfPort member : action.members) {
            if (live(member)) return member;
        }
        return OfPort::kAny;
    }
    const std::uint32_t hash = flow_hash(flow, action.fields, action.basis);
    OfPort best = OfPort::kAny;
    std::uint32_t best_weight = 0, index = 0;
    bool found = false;
    for (const OfPort member : action.members) {
        const std::uint32_t weight = bundle_weight(index++, hash);
        if (!live(member) || (found && weight <= best_weight)) continue;
        best = member;
        best_weight = weight;
        found = true;
    }
    return best;
}

}  // namespace sluice
