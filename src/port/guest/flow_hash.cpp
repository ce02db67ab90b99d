// SPDX-License-Identifier: Apache-2.0
// See port/guest/flow_hash.hpp.
#include "port/guest/flow_hash.hpp"

#include <cstring>

#include "base/byte_order.hpp"
#include "base/hash.hpp"

namespace sluice::guest {
namespace {

constexpr std::uint8_t kIpIp = 4, kTcp = 6, kUdp = 17, kIpv6 = 41, kGre = 47, kSctp = 132;
constexpr std::uint16_t kVxlan = 4789, kGeneve = 6081;
constexpr unsigned kMaxLayers = 3;

/// Bytes that are there.
struct View {
    const std::uint8_t* data;
    std::uint32_t size;
    bool has(std::uint32_t bytes) const { return size >= bytes; }
    View after(std::uint32_t bytes) const { return {data + bytes, size - bytes}; }
};

template <typename T>
std::uint64_t word(const std::uint8_t* at) noexcept {
    T value;
    std::memcpy(&value, at, sizeof value);
    return value;
}

/// The two ends in either order give the same.
std::uint64_t both(std::uint64_t a, std::uint64_t b) noexcept {
    return (a + b) ^ ((a ^ b) << 1);
}

/// What an IP packet carries.
struct Inside {
    std::uint8_t proto = 0;
    bool fragment = false;
    std::uint64_t hash = 0;
    View rest{nullptr, 0};
};

bool read_ip(View packet, bool ipv6, Inside& inside) noexcept {
    const std::uint8_t* at = packet.data;
    if (ipv6) {
        if (!packet.has(40)) return false;
        inside.proto = at[6];
        inside.fragment = at[6] == 44;
        inside.hash = both(word<std::uint64_t>(at + 8), word<std::uint64_t>(at + 24)) +
                      both(word<std::uint64_t>(at + 16), word<std::uint64_t>(at + 32));
        inside.rest = packet.after(40);
        return true;
    }
    if (!packet.has(20)) return false;
    const std::uint32_t header = (at[0] & 0xfU) * 4;
    if (header < 20 || !packet.has(header)) return false;
    inside.proto = at[9];
    inside.fragment = (load_be16(at + 6) & 0x3fff) != 0;
    inside.hash = both(word<std::uint32_t>(at + 12), word<std::uint32_t>(at + 16));
    inside.rest = packet.after(header);
    return true;
}

/// The frame or packet inside a tunnel, with its Ethernet type (0x6558: an Ethernet frame); size 0: none.
View inner(const Inside& outer, std::uint16_t& type) noexcept {
    const View& rest = outer.rest;
    if (outer.proto == kIpIp || outer.proto == kIpv6) {
        type = outer.proto == kIpIp ? 0x0800 : 0x86dd;
        return rest;
    }
    if (outer.proto == kGre && rest.has(4)) {
        const std::uint32_t flags = rest.data[0];
        const std::uint32_t header =
            4 + (flags & 0x80 ? 4 : 0) + (flags & 0x20 ? 4 : 0) + (flags & 0x10 ? 4 : 0);
        type = load_be16(rest.data + 2);
        if (rest.has(header)) return rest.after(header);
    }
    if (outer.proto == kUdp && rest.has(16)) {
        const std::uint16_t port = load_be16(rest.data + 2);
        const std::uint32_t header = 16 + (port == kGeneve ? (rest.data[8] & 0x3fU) * 4 : 0);
        type = port == kGeneve ? load_be16(rest.data + 10) : 0x6558;
        if ((port == kVxlan || port == kGeneve) && rest.has(header)) return rest.after(header);
    }
    return {nullptr, 0};
}

}  // namespace

std::uint32_t flow_hash(const Packet* packet) noexcept {
    View view{rte_pktmbuf_mtod(packet, const std::uint8_t*), packet->data_len};
    std::uint64_t hash = 0;
    std::uint16_t type = 0x6558;
    for (unsigned layer = 0; layer < kMaxLayers; ++layer) {
        if (type == 0x6558) {
            if (!view.has(14)) break;
            const std::uint8_t* at = view.data;
            hash = both(word<std::uint32_t>(at) | word<std::uint16_t>(at + 4) << 32,
                        word<std::uint32_t>(at + 6) | word<std::uint16_t>(at + 10) << 32);
            std::uint32_t end = 12;
            type = load_be16(at + end);
            while ((type == 0x8100 || type == 0x88a8) && view.has(end + 6)) {
                end += 4;
                type = load_be16(at + end);
            }
            view = view.after(end + 2);
        }
        Inside inside;
        if ((type != 0x0800 && type != 0x86dd) || !read_ip(view, type == 0x86dd, inside)) break;
        hash = inside.hash + inside.proto;
        if (inside.fragment) break;
        const View deeper = inner(inside, type);
        if (deeper.size > 0) {
            view = deeper;
            continue;
        }
        if ((inside.proto == kTcp || inside.proto == kUdp || inside.proto == kSctp) && inside.rest.has(4))
            hash += both(load_be16(inside.rest.data), load_be16(inside.rest.data + 2)) << 16;
        break;
    }
    return static_cast<std::uint32_t>(hash_word(process_hash_key(), hash) >> 32);
}

}  // namespace sluice::guest
