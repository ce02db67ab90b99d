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

    bool rate_limited() const;  ///< not exempted by vlog/disable-rate-limit

  private:
    template <typename... A>
    void emit(Level level, fmt::string_view f, const A&... a) const {
        if (enabled(level)) write(level, fmt::vformat(f, fmt::make_format_args(a...)));
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
    /// Always true while `vlog/disable-rate-limit` without modules is in force.
    bool allow();
    /// As above, and true while the limits of `module` are off.
    bool allow(const Module& module);

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
/// Table as printed by `ovs-appctl vlog/list-pattern`.
std::string list_patterns();
/// Turns rate limits off or on for `modules` (all if empty), as vlog/disable-rate-limit does. ENOENT: unknown
/// module.
Result<void> set_rate_limits(const std::vector<std::string>& modules, bool on);
/// Name after "ovs|" in syslog and `%A` in patterns; the default is the program's file name.
void set_program_name(std::string_view name);
/// Where syslog lines go, as --syslog-method takes it: "libc", "null", "unix:FILE" or "udp:IP:PORT".
Result<void> set_syslog_method(const std::string& method);
/// Also sends syslog lines to "HOST:PORT" by UDP, as --syslog-target does.
Result<void> set_syslog_target(const std::string& target);
/// Default of the console: `off` while its output is not a terminal's business (after --detach).
void disable_console();
/// Path of the open log file, or empty.
std::string file_path();
/// Opens (appending) the log file; `reopen()` opens it again after rotation (`vlog/reopen`).
Result<void> open_file(const std::string& path);
Result<void> reopen();
void close_file();

}  // namespace sluice::log
