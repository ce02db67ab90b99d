// SPDX-License-Identifier: Apache-2.0
#include "pipeline/key_shape.hpp"

#include "pipeline/packet_set.hpp"

namespace sluice::pipeline {

bool KeyShape::covers(const SparseMatch& match) const noexcept {
    for (const auto& w : match.words) {
        if (w.index < covered.size() && kHeaderWords.has(w.index) && (w.mask & ~covered[w.index]) != 0)
            return false;
    }
    return true;
}

KeyShape make_key_shape(const std::array<std::uint64_t, kKeyWords>& mask, std::uint64_t serial) {
    KeyShape shape;
    shape.serial = serial;
    for (std::uint8_t word = 0; word < shape.covered.size(); ++word) {
        if (!kHeaderWords.has(word)) continue;
        shape.covered[word] = mask[word];
        std::uint64_t rest = mask[word];
        if (word == 0) rest &= ~kClassWord0;
        if (word == 2) rest &= ~kClassWord2;
        shape.reads_headers |= mask[word] != 0;
        if (rest == 0) continue;
        shape.word[shape.count] = word;
        shape.mask[shape.count++] = rest;
        if (word < 7) shape.count_ipv4 = shape.count;
    }
    return shape;
}

}  // namespace sluice::pipeline
