// SPDX-License-Identifier: Apache-2.0
// Packets as datapath flow text, "in_port(1),eth(src=…,dst=…),eth_type(0x0800),ipv4(…),tcp(src=1,dst=2)",
// which is how tests of Open vSwitch write them (ovs-dpctl(8)).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "flow/key.hpp"

namespace sluice {

/// What the text says. Fields it does not name are 0.
struct OdpFlow {
    FlowKey key;
    std::string in_port;  ///< number or name as written; empty: none
};
/// Errors: EINVAL, naming the word that is not understood; masks are refused.
Result<OdpFlow> parse_odp_flow(std::string_view text);

/// A frame with the headers of `key`, and after TCP, UDP and ICMP ones 64 bytes of payload, or zeros up to a
/// length of `total_bytes`. Lengths and checksums are right. EINVAL: the headers alone are longer.
Result<std::vector<std::uint8_t>> compose_test_frame(const FlowKey& key,
                                                     std::optional<std::size_t> total_bytes);

}  // namespace sluice
