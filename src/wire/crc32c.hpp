// SPDX-License-Identifier: Apache-2.0
// CRC32c (Castagnoli), SCTP's checksum (RFC 9260 §6.8, appendix A).
#pragma once

#include "wire/bytes.hpp"

namespace sluice::wire {

/// CRC32c of the bytes; crc32c("123456789") is 0xe3069283.
std::uint32_t crc32c(Bytes bytes) noexcept;
/// Checksum of an SCTP packet (common header to end) with its own checksum field taken as 0, to be
/// stored low byte first at sctp::kChecksum. Packets shorter than the common header give 0.
std::uint32_t sctp_checksum(Bytes packet) noexcept;

}  // namespace sluice::wire
