// SPDX-License-Identifier: Apache-2.0
// Keyed 64-bit hash for hash tables. Words are folded with a 64x64->128 bit multiplication whose
// operands are mixed with secrets drawn at random when the process starts, so a sender of packets
// cannot choose headers that share a bucket. Not a cryptographic MAC; never send or store its values.
//
// Cost: one multiplication for each 16 bytes, 3-4 cycles apart; a 64-byte key takes about 20 cycles.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

namespace sluice {

/// The secrets of one hash family. Tables take `process_hash_key()`; tests may fix their own.
struct HashKey {
    std::uint64_t word[4];
};

/// Random for each process, the same for its whole life. Any thread; drawn from getrandom(2) on first use.
const HashKey& process_hash_key() noexcept;
/// A key made from `seed` alone, for tests and reproducible runs.
HashKey make_hash_key(std::uint64_t seed) noexcept;

namespace detail {
__extension__ typedef unsigned __int128 Wide;
constexpr std::uint64_t fold(std::uint64_t a, std::uint64_t b) noexcept {
    const Wide product = static_cast<Wide>(a) * b;
    return static_cast<std::uint64_t>(product) ^ static_cast<std::uint64_t>(product >> 64);
}
}  // namespace detail

/// Hash of one word; for port numbers, cookies, small integers.
constexpr std::uint64_t hash_word(const HashKey& key, std::uint64_t value) noexcept {
    return detail::fold(detail::fold(value ^ key.word[0], key.word[1]) ^ key.word[2], key.word[3]);
}

/// Hash of `count` 64-bit words. The length is part of the hash. No allocation; any thread.
constexpr std::uint64_t hash_words(const HashKey& key, const std::uint64_t* words,
                                   std::size_t count) noexcept {
    std::uint64_t state = key.word[0] ^ count;
    std::size_t i = 0;
    // Mixing the state into both factors keeps an input word that cancels one secret (product zero)
    // from erasing what came before it.
    for (; i + 2 <= count; i += 2)
        state = detail::fold(words[i] ^ key.word[1] ^ state, words[i + 1] ^ key.word[2]) + state;
    if (i < count) state = detail::fold(words[i] ^ key.word[1] ^ state, key.word[3]) + state;
    return detail::fold(state ^ key.word[2], key.word[3]);
}

/// Hash of `size` bytes at any alignment.
inline std::uint64_t hash_bytes(const HashKey& key, const void* data, std::size_t size) noexcept {
    const auto* bytes = static_cast<const unsigned char*>(data);
    std::uint64_t state = key.word[0] ^ size;
    while (size > 0) {
        std::uint64_t pair[2] = {0, 0};
        const std::size_t step = size < sizeof pair ? size : sizeof pair;
        std::memcpy(pair, bytes, step);
        state = detail::fold(pair[0] ^ key.word[1] ^ state, pair[1] ^ key.word[2]) + state;
        bytes += step;
        size -= step;
    }
    return detail::fold(state ^ key.word[2], key.word[3]);
}

/// Hash of a string, as hasher of standard containers: `std::unordered_map<K, V, StringHash,
/// std::equal_to<>>`.
struct StringHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view text) const noexcept {
        return hash_bytes(process_hash_key(), text.data(), text.size());
    }
};

}  // namespace sluice
