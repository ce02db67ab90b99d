// SPDX-License-Identifier: Apache-2.0
// Conversions of a log line's pattern ("%D{...}|%05N|%c%T|%p|%m"; ovs-appctl(8), "vlog/set PATTERN").
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/log.hpp"

namespace sluice::log {

/// What the conversions of one line print.
struct LineContext {
    std::string_view program;
    std::string_view module;
    Level level = Level::kInfo;
    std::string_view message;
    std::uint64_t sequence = 0;
    std::int64_t wall_ms = 0;
    std::int64_t uptime_ms = 0;
    int syslog_facility = 0;  ///< LOG_DAEMON and the like, already shifted
};

/// Expands `pattern`. Unknown conversions print nothing, as in OVS.
std::string format_line(std::string_view pattern, const LineContext& context);

/// "EMER", "ERR", "WARN", "INFO", "DBG", "OFF".
std::string_view level_name(Level level);
/// Syslog severity of a level (LOG_ERR, ...).
int syslog_severity(Level level);

}  // namespace sluice::log
