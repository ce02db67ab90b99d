// SPDX-License-Identifier: Apache-2.0
// Values inside database columns: masks, addresses, affinities. Pure functions.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/types.hpp"

namespace sluice {

/// Cores of a hexadecimal mask ("0x6" or "6": cores 1 and 2), ascending. EINVAL: no digits, others than
/// hexadecimal ones, no bit set, or a core above 1023.
Result<std::vector<unsigned>> parse_core_mask(std::string_view text);
/// "0:3,1:7" of Interface other_config:pmd-rxq-affinity: receive queue to core. EINVAL names the bad part.
Result<std::map<unsigned, unsigned>> parse_rxq_affinity(std::string_view text);
/// "00:11:22:aa:bb:cc"; nothing if it isn't that.
std::optional<MacBytes> parse_mac(std::string_view text);
std::string format_mac(const MacBytes& mac);
/// Exactly 16 hexadecimal digits, optionally after "0x", as other_config:datapath-id; not all zero.
std::optional<std::uint64_t> parse_datapath_id(std::string_view text);
/// "true"/"false" as OVS reads other_config booleans: only the other value than the default changes it.
bool parse_flag(const std::optional<std::string>& text, bool fallback);
/// A whole unsigned decimal number up to `max`.
std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t max);

}  // namespace sluice
