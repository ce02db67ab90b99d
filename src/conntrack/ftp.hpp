// SPDX-License-Identifier: Apache-2.0
// What FTP control connections say about data connections: PORT and 227 (RFC 959 §4.1.2, §4.2.1), EPRT and
// 229 (RFC 2428 §2, §3). Text in, values out; nothing is kept.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/types.hpp"

namespace sluice::conntrack {

struct FtpAddress {
    enum class Kind : std::uint8_t {
        kPort,  ///< "PORT h1,h2,h3,h4,p1,p2", from the client
        kPasv,  ///< "227 ... h1,h2,h3,h4,p1,p2", from the server
        kEprt,  ///< "EPRT |1|address|port|", from the client
        kEpsv   ///< "229 ... (|||port|)", from the server: no address
    };
    Kind kind{};
    bool v6 = false;
    char delimiter = '|';  ///< of kEprt and kEpsv
    U128 address;          ///< IPv4: low 32 bits; kEpsv: 0
    std::uint16_t port = 0;
    std::uint32_t offset = 0, size = 0;  ///< of the text that says so, within what was searched
};

/// Looks at most at so many bytes of a segment; lines are looked at from their beginning.
inline constexpr std::size_t kFtpSearched = 512;

/// The first address announced in a segment. Nothing if there is none, if it is cut off, or if it is not well
/// formed.
std::optional<FtpAddress> find_ftp_address(std::string_view payload, bool from_client) noexcept;

/// Longest text of format_ftp_address().
inline constexpr std::size_t kFtpTextBytes = 64;
/// The text that takes the place of `like`'s, with another address and port. Returns its size.
std::uint8_t format_ftp_address(const FtpAddress& like, U128 address, std::uint16_t port,
                                std::array<char, kFtpTextBytes>& out) noexcept;

}  // namespace sluice::conntrack
