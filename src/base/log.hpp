// SPDX-License-Identifier: Apache-2.0
// Logging in the manner of OVS's vlog: modules, levels, rate limits. Control thread and helpers only,
// never in workers.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <fmt/core.h>

#include "base/result.hpp"

namespace sluice::log {

enum class Level { kOff, kEmer, kErr, kWarn, kInfo, kDbg };

/// A named source of messages. Define one a .cpp file: `const log::Module kLog{"ofproto"};`
/// Modules register themselves in a list that `vlog/list` prints; names use OVS's where one fits.
class Module {
  public:
    explicit Module(std::string_view name);
    Module(const Module&) = delete;
    Module& operator=(const Module&) = delete;
    std::string_view name() const { return name_; }
    bool enabled(Level level) const;  ///< for any destination

    template <typename... A>
    void err(fmt::format_string<A...> f, A&&... a) const {
        emit(Level::kErr, f, a...);
    }
    template <typename... A>
    void warn(fmt::format_string<A...> f, A&&... a) const {
        emit(Level::kWarn, f, a...);
    }
    template <typename... A>
    void info(fmt::format_string<A...> f, A&&... a) const {
        emit(Level::kInfo, f, a...);
    }
    template <typename... A>
    void dbg(fmt::format_string<A...> f, A&&... a) const {
        emit(Level::kDbg, f, a...);
    }

  private:
    template <typename... A>
    void emit(Level level, fmt::format_string<A...> f, A&... a) const {
        if (enabled(level)) write(level, fmt::format(f, a...));
    }
    void write(Level level, std::string&& text) const;

    std::string name_;
    unsigned index_ = 0;
};

/// Token bucket for one kind of message: `static RateLimit limit{5, 60}; if (limit.allow()) ...`
class RateLimit {
  public:
    /// At most `burst` messages at once, refilled at `per_minute`.
    RateLimit(unsigned burst, unsigned per_minute) : burst_(burst), per_minute_(per_minute), tokens_(burst) {}
    bool allow();

  private:
    unsigned burst_, per_minute_;
    double tokens_;
    long long last_ms_ = 0;
};

/// Applies a specification as `ovs-appctl vlog/set` and `-v` take it: "[module[:facility[:level]]]...",
/// "ANY:file:dbg", "dbg", "PATTERN:console:...", facilities console, syslog and file.
Result<void> set_levels(std::string_view spec);
/// Table as printed by `ovs-appctl vlog/list`.
std::string list_levels();
/// Opens (appending) the log file; `reopen()` opens it again after rotation (`vlog/reopen`).
Result<void> open_file(const std::string& path);
Result<void> reopen();
void close_file();

}  // namespace sluice::log
