// SPDX-License-Identifier: Apache-2.0
#include "base/log_pattern.hpp"

#include <cctype>
#include <ctime>

#include <pthread.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.hpp"

namespace sluice::log {

std::string_view level_name(Level level) {
    switch (level) {
        case Level::kOff:
            return "OFF";
        case Level::kEmer:
            return "EMER";
        case Level::kErr:
            return "ERR";
        case Level::kWarn:
            return "WARN";
        case Level::kInfo:
            return "INFO";
        case Level::kDbg:
            return "DBG";
    }
    return "OFF";
}

int syslog_severity(Level level) {
    switch (level) {
        case Level::kOff:
        case Level::kEmer:
            return LOG_ALERT;
        case Level::kErr:
            return LOG_ERR;
        case Level::kWarn:
            return LOG_WARNING;
        case Level::kInfo:
            return LOG_NOTICE;
        case Level::kDbg:
            return LOG_DEBUG;
    }
    return LOG_NOTICE;
}

namespace {

/// strftime with '#' replaced by the digits of the fraction, most significant first.
std::string format_date(std::string_view format, std::int64_t wall_ms) {
    const std::time_t seconds = static_cast<std::time_t>(wall_ms / 1000);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    char text[256];
    const std::string terminated(format.substr(0, 128));
    std::string out(text, std::strftime(text, sizeof text, terminated.c_str(), &parts));
    std::int64_t scale = 100, rest = wall_ms % 1000;
    for (auto& c : out) {
        if (c != '#') continue;
        c = scale > 0 ? static_cast<char>('0' + rest / scale % 10) : '0';
        scale /= 10;
    }
    return out;
}

std::string host_name() {
    char name[256] = "";
    if (::gethostname(name, sizeof name - 1) != 0) return "-";
    return name;
}

bool is_main_thread() {
    return ::getpid() == ::gettid();
}

std::string thread_name() {
    char name[32] = "";
    ::pthread_getname_np(::pthread_self(), name, sizeof name);
    return name;
}

/// Value of one conversion; `argument` is what stands in braces.
std::string expand(char conversion, std::string_view argument, const LineContext& line) {
    switch (conversion) {
        case 'A':
            return std::string(line.program);
        case 'B':
            return std::to_string(line.syslog_facility | syslog_severity(line.level));
        case 'c':
            return std::string(line.module);
        case 'd':
        case 'D':
            return format_date(argument.empty() ? "%Y-%m-%d %H:%M:%S.###" : argument, line.wall_ms);
        case 'E':
            return host_name();
        case 'm':
            return std::string(line.message);
        case 'N':
            return std::to_string(line.sequence);
        case 'n':
            return "\n";
        case 'p':
            return std::string(level_name(line.level));
        case 'P':
            return std::to_string(::getpid());
        case 'r':
            return std::to_string(line.uptime_ms);
        case 't':
            return is_main_thread() ? "main" : thread_name();
        case 'T':
            return is_main_thread() ? "" : "(" + thread_name() + ")";
        case '%':
            return "%";
        default:
            return "";
    }
}

}  // namespace

std::string format_line(std::string_view pattern, const LineContext& context) {
    std::string out;
    for (std::size_t i = 0; i < pattern.size(); ++i) {
        if (pattern[i] != '%') {
            out += pattern[i];
            continue;
        }
        ++i;
        bool left = false;
        char pad = ' ';
        std::size_t width = 0;
        if (i < pattern.size() && pattern[i] == '-') left = true, ++i;
        if (i < pattern.size() && pattern[i] == '0') pad = '0', ++i;
        for (; i < pattern.size() && std::isdigit(static_cast<unsigned char>(pattern[i])); ++i)
            width = (width * 10 + static_cast<std::size_t>(pattern[i] - '0')) % 1000;
        if (i >= pattern.size()) break;
        const char conversion = pattern[i];
        std::string_view argument;
        if (i + 1 < pattern.size() && pattern[i + 1] == '{') {
            const auto end = pattern.find('}', i);
            if (end == std::string_view::npos) break;
            argument = pattern.substr(i + 2, end - i - 2);
            i = end;
        }
        std::string value = expand(conversion, argument, context);
        if (value.size() < width)
            value.insert(left ? value.size() : 0, width - value.size(), left ? ' ' : pad);
        out += value;
    }
    return out;
}

}  // namespace sluice::log
