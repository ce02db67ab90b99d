// SPDX-License-Identifier: Apache-2.0
// The name of one direction of a connection: addresses, ports, protocol, zone.
//
// Two words are enough to hash and to compare: for IPv4 they are the tuple itself, for IPv6 the first is a
// keyed digest of the addresses, which follow. ICMP echoes and the like have their identifier as source port
// and their type as destination port, so that the reply direction has a name of its own; protocols without
// ports have two zeros.
#pragma once

#include <cstdint>
#include <utility>

#include "base/hash.hpp"
#include "base/types.hpp"

namespace sluice::conntrack {

struct Key {
    std::uint64_t addresses = 0;  ///< IPv4: source << 32 | destination; IPv6: digest
    std::uint64_t rest = 0;       ///< source port, destination port, zone, protocol, family
    U128 src, dst;                ///< IPv6 only

    std::uint16_t sport() const { return static_cast<std::uint16_t>(rest >> 48); }
    std::uint16_t dport() const { return static_cast<std::uint16_t>(rest >> 32); }
    std::uint16_t zone() const { return static_cast<std::uint16_t>(rest >> 16); }
    std::uint8_t proto() const { return static_cast<std::uint8_t>(rest >> 8); }
    bool is_v6() const { return rest & 1; }
    U128 source() const { return is_v6() ? src : U128{0, addresses >> 32}; }
    U128 destination() const { return is_v6() ? dst : U128{0, addresses & 0xffffffff}; }
    bool is_icmp() const { return proto() == (is_v6() ? 58 : 1); }

    friend bool operator==(const Key& a, const Key& b) {
        return a.addresses == b.addresses && a.rest == b.rest &&
               (!a.is_v6() || (a.src == b.src && a.dst == b.dst));
    }
};

/// Everything but the addresses, packed.
constexpr std::uint64_t pack_rest(std::uint16_t sport, std::uint16_t dport, std::uint16_t zone,
                                  std::uint8_t proto, bool v6) {
    return std::uint64_t{sport} << 48 | std::uint64_t{dport} << 32 | std::uint64_t{zone} << 16 |
           std::uint64_t{proto} << 8 | (v6 ? 1 : 0);
}

/// Addresses in the low 32 bits for IPv4.
inline Key make_key(U128 src, U128 dst, std::uint16_t sport, std::uint16_t dport, std::uint16_t zone,
                    std::uint8_t proto, bool v6) noexcept {
    Key key;
    key.rest = pack_rest(sport, dport, zone, proto, v6);
    if (v6) {
        const std::uint64_t words[4] = {src.hi, src.lo, dst.hi, dst.lo};
        key.addresses = hash_words(process_hash_key(), words, 4);
        key.src = src;
        key.dst = dst;
    } else {
        key.addresses = src.lo << 32 | (dst.lo & 0xffffffff);
    }
    return key;
}

/// The type of the message that answers this ICMP message; the type itself if none does.
/// Source: RFC 792, RFC 4443 §4.
constexpr std::uint8_t answering_type(std::uint8_t type, bool v6) {
    if (v6) return type == 128 ? 129 : type == 129 ? 128 : type;
    switch (type) {
        case 0:
            return 8;
        case 8:
            return 0;
        case 13:
            return 14;
        case 14:
            return 13;
        case 15:
            return 16;
        case 16:
            return 15;
        default:
            return type;
    }
}

/// The name of the packets that answer.
inline Key reverse(const Key& key) noexcept {
    const bool icmp = key.is_icmp();
    const std::uint16_t sport = icmp ? key.sport() : key.dport();
    const std::uint16_t dport =
        icmp ? answering_type(static_cast<std::uint8_t>(key.dport()), key.is_v6()) : key.sport();
    return make_key(key.destination(), key.source(), sport, dport, key.zone(), key.proto(), key.is_v6());
}

inline std::uint64_t hash_of(const Key& key) noexcept {
    const HashKey& secret = process_hash_key();
    const std::uint64_t inner =
        sluice::detail::fold(key.addresses ^ secret.word[1], key.rest ^ secret.word[2]);
    return sluice::detail::fold(inner ^ secret.word[0] ^ key.rest, secret.word[3]) + key.addresses;
}

}  // namespace sluice::conntrack
