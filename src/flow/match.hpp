// SPDX-License-Identifier: Apache-2.0
// Match: values and masks over a FlowKey; SparseMatch: the same, only the words that matter.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flow/key.hpp"

namespace sluice {

/// A match in full form (transient: parsing, checking, printing). Invariant after normalize():
/// value & ~mask == 0.
struct Match {
    FlowKey value;
    FlowKey mask;

    void set_exact(FieldLoc f, std::uint64_t v) { value.set(f, v), mask.set(f, ~std::uint64_t{0}); }
    void set_masked(FieldLoc f, U128 v, U128 m) { value.set_wide(f, v & m), mask.set_wide(f, m); }
    void normalize() {
        for (unsigned i = 0; i < kKeyWords; ++i)
            value.word[i] &= mask.word[i];
    }
    bool matches(const FlowKey& key) const {
        for (unsigned i = 0; i < kKeyWords; ++i) {
            if ((key.word[i] & mask.word[i]) != value.word[i]) return false;
        }
        return true;
    }
    friend bool operator==(const Match&, const Match&) = default;
};

/// One word of a sparse match.
struct WordMatch {
    std::uint64_t value = 0;
    std::uint64_t mask = 0;
    std::uint8_t index = 0;  ///< word of FlowKey
    friend bool operator==(const WordMatch&, const WordMatch&) = default;
};

/// A stored match: words with a non-zero mask, ascending by index.
struct SparseMatch {
    std::vector<WordMatch> words;

    static SparseMatch from(const Match& match) {
        SparseMatch sparse;
        for (unsigned i = 0; i < kKeyWords; ++i) {
            if (match.mask.word[i] != 0) {
                sparse.words.push_back({match.value.word[i] & match.mask.word[i], match.mask.word[i],
                                        static_cast<std::uint8_t>(i)});
            }
        }
        return sparse;
    }
    Match expand() const {
        Match match;
        for (const auto& w : words)
            match.value.word[w.index] = w.value, match.mask.word[w.index] = w.mask;
        return match;
    }
    bool matches(const FlowKey& key) const {
        for (const auto& w : words) {
            if ((key.word[w.index] & w.mask) != w.value) return false;
        }
        return true;
    }
    friend bool operator==(const SparseMatch&, const SparseMatch&) = default;
};

}  // namespace sluice
