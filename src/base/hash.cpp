// SPDX-License-Identifier: Apache-2.0
#include "base/hash.hpp"

#include <sys/random.h>
#include <unistd.h>

#include "base/clock.hpp"

namespace sluice {

HashKey make_hash_key(std::uint64_t seed) noexcept {
    HashKey key{};
    for (auto& word : key.word) {  // splitmix64 (Steele, Lea, Flood 2014)
        seed += 0x9e3779b97f4a7c15;
        std::uint64_t z = seed;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        word = z ^ (z >> 31);
        // A factor with few bits set, or an even one, would lose entropy in the product.
        word |= 1;
        if (__builtin_popcountll(word) < 16) word ^= 0xa5a5a5a5a5a5a5a4;
    }
    return key;
}

const HashKey& process_hash_key() noexcept {
    static const HashKey key = [] {
        std::uint64_t seed = 0;
        if (::getrandom(&seed, sizeof seed, GRND_NONBLOCK) !=
            sizeof seed)  // early boot: clocks and pid must do
            seed = static_cast<std::uint64_t>(clock::wall_ns()) ^ static_cast<std::uint64_t>(::getpid())
                                                                      << 48;
        HashKey drawn = make_hash_key(seed);
        std::uint64_t more[4];
        if (::getrandom(more, sizeof more, GRND_NONBLOCK) == sizeof more)
            for (unsigned i = 0; i < 4; ++i)
                drawn.word[i] = (drawn.word[i] ^ more[i]) | 1;
        return drawn;
    }();
    return key;
}

}  // namespace sluice
