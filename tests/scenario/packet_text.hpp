// SPDX-License-Identifier: Apache-2.0
// Frames as text: PacketBuilder's calls, "eth(02:..:01,02:..:02).ipv4(10.0.0.1,10.0.0.2).udp(1,2)", or
// "hex 0200..."
#pragma once

#include <string_view>

#include "base/result.hpp"
#include "wire/bytes.hpp"

namespace sluice::tests {

/// Errors name the call that is wrong.
Result<wire::Frame> parse_packet(std::string_view text);

}  // namespace sluice::tests
