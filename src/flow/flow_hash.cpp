// SPDX-License-Identifier: Apache-2.0
#include "flow/flow_hash.hpp"

#include <bit>
#include <cstring>

#include "base/byte_order.hpp"

namespace sluice {

namespace {

// Numbers are hashed as a little-endian machine reads network order from memory.
constexpr std::uint32_t swapped(std::uint32_t value) {
    return __builtin_bswap32(value);
}

/// lookup3's mix and final over `size` bytes.
std::uint32_t jenkins(const std::uint8_t* bytes, std::size_t size, std::uint32_t basis) {
    using std::rotl;
    std::uint32_t a = 0xdeadbeef + static_cast<std::uint32_t>(size) + basis, b = a, c = a;
    std::uint32_t word[3];
    for (; size >= 12; size -= 12, bytes += 12) {
        std::memcpy(word, bytes, 12);
        a += word[0], b += word[1], c += word[2];
        a -= c, a ^= rotl(c, 4), c += b;
        b -= a, b ^= rotl(a, 6), a += c;
        c -= b, c ^= rotl(b, 8), b += a;
        a -= c, a ^= rotl(c, 16), c += b;
        b -= a, b ^= rotl(a, 19), a += c;
        c -= b, c ^= rotl(b, 4), b += a;
    }
    if (size > 0) {
        std::memset(word, 0, sizeof word);
        std::memcpy(word, bytes, size);
        a += word[0], b += word[1], c += word[2];
        c ^= b, c -= rotl(b, 14);
        a ^= c, a -= rotl(c, 11);
        b ^= a, b -= rotl(a, 25);
        c ^= b, c -= rotl(b, 16);
        a ^= c, a -= rotl(c, 4);
        b ^= a, b -= rotl(a, 14);
        c ^= b, c -= rotl(b, 24);
    }
    return c;
}

/// MurmurHash3's block and final steps.
std::uint32_t murmur_add(std::uint32_t hash, std::uint32_t data) {
    data *= 0xcc9e2d51;
    data = std::rotl(data, 15);
    data *= 0x1b873593;
    hash = std::rotl(hash ^ data, 13);
    return hash * 5 + 0xe6546b64;
}
std::uint32_t murmur_finish(std::uint32_t hash, std::uint32_t length) {
    hash ^= length;
    hash ^= hash >> 16;
    hash *= 0x85ebca6b;
    hash ^= hash >> 13;
    hash *= 0xc2b2ae35;
    return hash ^ hash >> 16;
}
std::uint32_t hash_pair(std::uint32_t x, std::uint32_t y) {
    return murmur_finish(murmur_add(murmur_add(x, 0), y), 8);
}

struct Flow {
    explicit Flow(const FlowKey& key) : k(key) {
        type = static_cast<std::uint16_t>(k.get(key::kEthType));
        proto = static_cast<std::uint8_t>(k.get(key::kIpProto));
        v4 = type == 0x0800;
        v6 = type == 0x86dd;
        ports = static_cast<std::uint16_t>(k.get(key::kTpSrc) ^ k.get(key::kTpDst));
        vlan = static_cast<std::uint16_t>((k.get(key::kVlanTci) ^ k.get(key::kVlan1Tci)) & 0xfff);
        macs = k.get(key::kEthSrc) ^ k.get(key::kEthDst);
        v4_addresses = static_cast<std::uint32_t>(k.get(key::kIpv4Src) ^ k.get(key::kIpv4Dst));
        const U128 src = k.get_wide(key::kIpv6Src), dst = k.get_wide(key::kIpv6Dst);
        v6_addresses = {src.hi ^ dst.hi, src.lo ^ dst.lo};
    }
    bool tcp_like() const { return proto == 6 || proto == 132; }

    const FlowKey& k;
    std::uint16_t type, ports, vlan;
    std::uint8_t proto;
    bool v4, v6;
    std::uint64_t macs;
    std::uint32_t v4_addresses;
    U128 v6_addresses;
};

void put_addresses(std::uint8_t* to, const Flow& flow) {
    if (flow.v4) store_be32(to, flow.v4_addresses);
    if (flow.v6) {
        store_be64(to, flow.v6_addresses.hi);
        store_be64(to + 8, flow.v6_addresses.lo);
    }
}

std::uint32_t symmetric_l4(const Flow& flow, std::uint32_t basis) {
    std::uint8_t bytes[32] = {};  // addresses, type, VLAN, ports, MACs, protocol
    put_addresses(bytes, flow);
    store_be16(bytes + 16, flow.type);
    store_be16(bytes + 18, flow.vlan);
    if ((flow.v4 || flow.v6) && flow.tcp_like()) store_be16(bytes + 20, flow.ports);
    store_mac(bytes + 22, flow.macs);
    if (flow.v4 || flow.v6) bytes[28] = flow.proto;
    return jenkins(bytes, sizeof bytes, basis);
}

std::uint32_t symmetric_l3(const Flow& flow, std::uint32_t basis) {
    std::uint8_t bytes[20] = {};
    put_addresses(bytes, flow);
    store_be16(bytes + 16, flow.type);
    return jenkins(bytes, sizeof bytes, basis);
}

std::uint32_t symmetric_l2(const Flow& flow, std::uint32_t basis) {
    if (flow.k.get(key::kPacketType) != 0) return 0;
    std::uint8_t bytes[12] = {};
    store_be16(bytes, flow.type);
    store_be16(bytes + 2, flow.vlan);
    store_mac(bytes + 4, flow.macs);
    std::uint32_t hash = basis, word[3];
    std::memcpy(word, bytes, sizeof word);
    for (const std::uint32_t w : word)
        hash = murmur_add(hash, w);
    return murmur_finish(hash, basis);
}

std::uint32_t symmetric_l3l4(const Flow& flow, std::uint32_t basis, bool with_udp) {
    std::uint32_t hash = basis;
    if (flow.v4) {
        hash = murmur_add(hash, swapped(flow.v4_addresses));
    } else if (flow.v6) {
        for (const std::uint64_t half : {flow.v6_addresses.hi, flow.v6_addresses.lo}) {
            hash = murmur_add(hash, swapped(static_cast<std::uint32_t>(half >> 32)));
            hash = murmur_add(hash, swapped(static_cast<std::uint32_t>(half)));
        }
    } else {
        return symmetric_l2(flow, basis);
    }
    hash = murmur_add(hash, flow.proto);
    if (flow.k.get(key::kIpFrag) == 0 && (flow.tcp_like() || (with_udp && flow.proto == 17)))
        hash = murmur_add(hash, __builtin_bswap16(flow.ports));
    return murmur_finish(hash, basis);
}

std::uint32_t address_hash(const Flow& flow, bool source, std::uint32_t basis) {
    std::uint8_t bytes[16];
    if (flow.v4) {
        store_be32(bytes, static_cast<std::uint32_t>(flow.k.get(source ? key::kIpv4Src : key::kIpv4Dst)));
        return jenkins(bytes, 4, basis);
    }
    if (!flow.v6) return basis;
    const U128 address = flow.k.get_wide(source ? key::kIpv6Src : key::kIpv6Dst);
    store_be64(bytes, address.hi);
    store_be64(bytes + 8, address.lo);
    return jenkins(bytes, 16, basis);
}

std::uint16_t iterated_link(std::uint32_t hash, std::uint32_t links, std::uint32_t modulo) {
    if (modulo < links || modulo / 2 > links) modulo = std::bit_ceil(links);
    std::uint32_t round = 0, link;
    do {
        link = hash_pair(hash, round++) % modulo;
    } while (link >= links);
    return static_cast<std::uint16_t>(link);
}

}  // namespace

std::uint32_t flow_hash(const FlowKey& key, HashFields fields, std::uint16_t basis) noexcept {
    const Flow flow{key};
    switch (fields) {
        case HashFields::kEthSrc: {
            std::uint8_t bytes[6];
            store_mac(bytes, key.get(key::kEthSrc));
            return jenkins(bytes, sizeof bytes, basis);
        }
        case HashFields::kSymmetricL4:
            return symmetric_l4(flow, basis);
        case HashFields::kSymmetricL3L4:
            return symmetric_l3l4(flow, basis, false);
        case HashFields::kSymmetricL3L4Udp:
            return symmetric_l3l4(flow, basis, true);
        case HashFields::kNwSrc:
            return address_hash(flow, true, basis);
        case HashFields::kNwDst:
            return address_hash(flow, false, basis);
        case HashFields::kSymmetricL3:
            return symmetric_l3(flow, basis);
    }
    return basis;
}

std::uint16_t multipath_link(const MultipathAction& action, std::uint32_t hash) noexcept {
    const std::uint32_t links = action.max_link + 1U;
    switch (action.algorithm) {
        case MultipathAction::Algorithm::kModuloN:
            return static_cast<std::uint16_t>(hash % links);
        case MultipathAction::Algorithm::kHashThreshold:
            return links == 1 ? std::uint16_t{0}
                              : static_cast<std::uint16_t>(hash / (0xffffffff / links + 1));
        case MultipathAction::Algorithm::kHrw: {
            if (links > 64) return iterated_link(hash, links, 0);
            std::uint16_t best = 0;
            std::uint32_t best_weight = hash_pair(hash, 0);
            for (std::uint16_t link = 1; link < links; ++link) {
                const std::uint32_t weight = hash_pair(hash, link);
                if (weight <= best_weight) continue;
                best = link;
                best_weight = weight;
            }
            return best;
        }
        case MultipathAction::Algorithm::kIterHash:
            return iterated_link(hash, links, action.arg);
    }
    return 0;
}

std::uint32_t bundle_weight(std::uint32_t index, std::uint32_t hash) noexcept {
    return hash_pair(index, hash);
}

}  // namespace sluice
