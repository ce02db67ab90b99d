// SPDX-License-Identifier: Apache-2.0
// CRC32c with a 256-entry table made at compile time.
#include "wire/crc32c.hpp"

#include <array>

#include "wire/sctp.hpp"

namespace sluice::wire {
namespace {

constexpr std::array<std::uint32_t, 256> make_table() {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
        std::uint32_t crc = i;
        for (int bit = 0; bit < 8; ++bit)
            crc = crc >> 1 ^ ((crc & 1) != 0 ? 0x82f63b78U : 0U);  // reflected polynomial 0x1edc6f41
        table[i] = crc;
    }
    return table;
}
constexpr auto kTable = make_table();

std::uint32_t update(std::uint32_t crc, Bytes bytes) {
    for (const std::uint8_t byte : bytes)
        crc = crc >> 8 ^ kTable[(crc ^ byte) & 0xff];
    return crc;
}

}  // namespace

std::uint32_t crc32c(Bytes bytes) noexcept {
    return ~update(~0U, bytes);
}

std::uint32_t sctp_checksum(Bytes packet) noexcept {
    if (packet.size() < sctp::kHeaderBytes) return 0;
    constexpr std::uint8_t kZero[4] = {};
    std::uint32_t crc = update(~0U, packet.first(sctp::kChecksum));
    crc = update(crc, kZero);
    return ~update(crc, packet.subspan(sctp::kChecksum + 4));
}

}  // namespace sluice::wire
