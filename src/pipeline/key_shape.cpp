// SPDX-License-Identifier: Apache-2.0
#include "pipeline/key_shape.hpp"

#include "pipeline/packet_set.hpp"

namespace sluice::pipeline {

namespace {

/// ct_state and ct_zone; ct_mark; ct_label.
constexpr std::array<std::uint64_t, KeyShape::kCtWords> kCtBits = {
    ~std::uint64_t{0} << 32 | 0xffff0000, ~std::uint64_t{0} << 32, ~std::uint64_t{0}, ~std::uint64_t{0}};
static_assert(key::kCtMark.word == KeyShape::kFirstCtWord + 1 &&
              key::kCtLabel.word == KeyShape::kFirstCtWord + 2);

/// Bits of the original direction's tuple.
std::uint64_t tuple_bits(unsigned word) {
    if (word == key::kCtProto.word) return std::uint64_t{0xff} << key::kCtProto.shift;
    if (word == key::kCtTpSrc.word) return ~std::uint64_t{0} << 32;
    const bool whole =
        word == key::kCtSrc.word || (word >= key::kCtIpv6Src.word && word < key::kCtIpv6Src.word + 4U);
    return whole ? ~std::uint64_t{0} : 0;
}

}  // namespace

bool KeyShape::covers(const SparseMatch& match) const noexcept {
    for (const auto& w : match.words) {
        const unsigned ct = w.index - kFirstCtWord;
        if (ct < kCtWords && (w.mask & kCtBits[ct] & ~ct_covered[ct]) != 0) return false;
        if (!reads_ct_tuple && (w.mask & tuple_bits(w.index)) != 0) return false;
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
    for (std::uint8_t n = 0; n < KeyShape::kCtWords; ++n) {
        const auto word = static_cast<std::uint8_t>(KeyShape::kFirstCtWord + n);
        shape.ct_covered[n] = mask[word] & kCtBits[n];
        if (shape.ct_covered[n] == 0) continue;
        shape.ct_word[shape.ct_count] = word;
        shape.ct_mask[shape.ct_count++] = shape.ct_covered[n];
    }
    for (unsigned word = 0; word < mask.size(); ++word)
        shape.reads_ct_tuple |= (mask[word] & tuple_bits(word)) != 0;
    return shape;
}

}  // namespace sluice::pipeline
