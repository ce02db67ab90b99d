// SPDX-License-Identifier: Apache-2.0
// Interface:options as a kind of port reads them: typed, with limits, and with the unknown ones reported.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "port/port.hpp"

namespace sluice {

/// Limits of common options.
inline constexpr unsigned kMaxQueues = 64;
inline constexpr std::uint32_t kMinMtu = 68;     // RFC 791 §3.2: every link carries 68 bytes
inline constexpr std::uint32_t kMaxMtu = 65535;  // what the IP length field allows

/// options:`key` as a number in [low, high], `fallback` when absent. The Error names port, key, value and
/// limits.
Result<unsigned> option_number(const PortConfig& config, std::string_view key, unsigned fallback,
                               unsigned low, unsigned high);
/// options:`key` as one of `words`, the first when absent.
Result<std::string> option_word(const PortConfig& config, std::string_view key,
                                std::initializer_list<std::string_view> words);
/// options:`key`, empty when absent.
std::string option_text(const PortConfig& config, std::string_view key);
/// Logs each option that is not among `known` (and that no kind knows to be harmless), once a process for
/// each type and key. Unknown options are no error, as in Open vSwitch.
void report_unknown_options(const PortConfig& config, std::initializer_list<std::string_view> known);
/// A local, unicast Ethernet address.
MacBytes random_mac();
/// mtu_request within the limits, or an Error.
Result<void> check_mtu(const PortConfig& config);

}  // namespace sluice
