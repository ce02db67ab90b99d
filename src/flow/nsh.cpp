// SPDX-License-Identifier: Apache-2.0
#include "flow/nsh.hpp"

#include <cstring>

#include "base/byte_order.hpp"

namespace sluice {

namespace {

constexpr std::uint32_t kBaseBytes = 8, kMd1Bytes = 24;
constexpr std::uint16_t kNshClass = 0x0004;  // property class of encap(nsh(...))
constexpr FieldLoc kContexts[] = {key::kNshC1, key::kNshC2, key::kNshC3, key::kNshC4};

}  // namespace

std::uint32_t nsh_size(const std::uint8_t* header) noexcept {
    return (header[1] & 0x3fU) * 4;
}

std::uint8_t nsh_next_protocol(bool bare, std::uint16_t type) noexcept {
    if (!bare) return 3;
    switch (type) {
        case 0x0800:
            return 1;
        case 0x86dd:
            return 2;
        case 0x894f:
            return 4;
        default:
            return 0;
    }
}

bool nsh_inner_type(std::uint8_t next_protocol, std::uint16_t& type) noexcept {
    constexpr std::uint16_t kTypes[] = {0, 0x0800, 0x86dd, 0, 0x894f};
    if (next_protocol == 0 || next_protocol >= std::size(kTypes)) return false;
    type = kTypes[next_protocol];
    return true;
}

std::uint32_t make_nsh(const std::vector<std::uint8_t>& properties, std::uint8_t next_protocol,
                       std::uint8_t (&header)[kMaxNshBytes]) noexcept {
    if (next_protocol == 0) return 0;
    std::memset(header, 0, sizeof header);
    std::uint8_t md_type = 1;
    std::uint32_t size = kBaseBytes;
    // Each property: class, type, length of all but the padding to 8 bytes.
    for (std::size_t at = 0; at + 4 <= properties.size();) {
        const std::uint8_t* property = &properties[at];
        const std::size_t length = property[3];
        if (length < 4 || at + length > properties.size()) break;
        at += (length + 7) / 8 * 8;
        if (load_be16(property) != kNshClass) continue;
        if (property[2] == 1) {
            md_type = property[4];
        } else if (property[2] == 2 && length >= 8) {
            // TLV class, type and length, then the value, padded to 4 bytes in the header.
            const std::uint32_t value = property[7], padded = (value + 3U) / 4 * 4;
            if (size + 4 + padded > kMaxNshBytes || 8U + value > length) return 0;
            std::memcpy(header + size, property + 4, 3);
            header[size + 3] = property[7];
            std::memcpy(header + size + 4, property + 8, value);
            size += 4 + padded;
        }
    }
    if (md_type == 1) size = kMd1Bytes;
    store_be16(header, static_cast<std::uint16_t>(63U << 6 | size / 4));
    header[2] = md_type;
    header[3] = next_protocol;
    header[7] = 255;
    if (md_type == 1) std::memset(header + kBaseBytes, 0, kMd1Bytes - kBaseBytes);
    return size;
}

std::uint32_t read_nsh(const std::uint8_t* header, std::uint32_t size, FlowKey& key) noexcept {
    if (size < kBaseBytes || header[0] >> 6 != 0) return 0;
    const std::uint32_t length = nsh_size(header);
    const std::uint8_t md_type = header[2] & 0xf;
    if (length > size || length < kBaseBytes || (md_type != 1 && md_type != 2)) return 0;
    if (md_type == 1 && length != kMd1Bytes) return 0;
    const std::uint16_t first = load_be16(header);
    key.set(key::kNshFlags, first >> 12 & 3);
    key.set(key::kNshTtl, first >> 6 & 0x3f);
    key.set(key::kNshMdtype, md_type);
    key.set(key::kNshNp, header[3]);
    key.set(key::kNshSpi, load_be32(header + 4) >> 8);
    key.set(key::kNshSi, header[7]);
    for (unsigned n = 0; md_type == 1 && n < 4; ++n)
        key.set(kContexts[n], load_be32(header + kBaseBytes + n * 4));
    return length;
}

void write_nsh(std::uint8_t* header, const FlowKey& key) noexcept {
    const auto kept = load_be16(header) & 0xc03fU;
    store_be16(header, static_cast<std::uint16_t>(kept | (key.get(key::kNshFlags) & 3) << 12 |
                                                  (key.get(key::kNshTtl) & 0x3f) << 6));
    store_be32(header + 4, static_cast<std::uint32_t>(key.get(key::kNshSpi) << 8 | key.get(key::kNshSi)));
    for (unsigned n = 0; (header[2] & 0xf) == 1 && n < 4; ++n)
        store_be32(header + kBaseBytes + n * 4, static_cast<std::uint32_t>(key.get(kContexts[n])));
}

}  // namespace sluice
