// SPDX-License-Identifier: Apache-2.0
// Which bucket of a select group a packet takes: the definition that the pipeline and the reference
// interpreter share. OpenFlow leaves the choice to the switch; here it is
// - stable: the same flow takes the same bucket as long as that is live and the buckets stay the same, also
//   after a restart;
// - weighted: of many flows a bucket gets a part that is its weight over the sum of weights;
// - minimal: when a bucket dies only its own flows move, spread over the others by their weights.
// A bucket of weight 0 is taken only when no live one has a weight (then the last live one, as in OVS).
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/hash.hpp"
#include "flow/group.hpp"
#include "flow/key.hpp"

namespace sluice {

/// What of a packet is hashed, made once a group. Source of the methods: ovs-ofctl(8), "selection_method".
struct SelectHash {
    enum class Kind : std::uint8_t {
        kSymmetric,  ///< default: Ethernet, VLAN, IP and ports, the same in both directions
        kFiveTuple,  ///< dp_hash with parameter 0 in its high half: addresses, protocol and ports
        kFields,     ///< hash: the fields named, as far as the packet has them
    };
    Kind kind = Kind::kSymmetric;
    HashKey key{};
    std::vector<HashField> fields;

    static SelectHash from(const GroupProperties& properties);
    /// Fragments of a packet hash alike: their ports don't count.
    std::uint64_t operator()(const FlowKey& flow) const noexcept;
};

/// Sums of the weights of buckets 0..i, for each i.
using WeightSums = std::vector<std::uint64_t>;

/// The bucket for `hash`; nothing if none is live. `live(i)`: may bucket i be taken?
template <typename Live>
std::optional<std::size_t> choose_bucket(std::uint64_t hash, const WeightSums& sums, const Live& live) {
    if (sums.empty()) return {};
    const auto scale = [](std::uint64_t h, std::uint64_t total) {
        return static_cast<std::uint64_t>(static_cast<detail::Wide>(h) * total >> 64);
    };
    if (sums.back() != 0) {
        const auto at = std::upper_bound(sums.begin(), sums.end(), scale(hash, sums.back()));
        const auto first = static_cast<std::size_t>(at - sums.begin());
        if (live(first)) return first;
    }
    std::optional<std::size_t> last;
    std::uint64_t total = 0;
    const auto weight = [&](std::size_t i) { return sums[i] - (i == 0 ? 0 : sums[i - 1]); };
    for (std::size_t i = 0; i < sums.size(); ++i) {
        if (!live(i)) continue;
        last = i;
        total += weight(i);
    }
    if (total == 0) return last;
    std::uint64_t left = scale(detail::fold(hash, 0x9e3779b97f4a7c15), total);
    for (std::size_t i = 0; i < sums.size(); ++i) {
        if (!live(i)) continue;
        if (left < weight(i)) return i;
        left -= weight(i);
    }
    return last;
}

}  // namespace sluice
