// SPDX-License-Identifier: Apache-2.0
// State of the log: modules, levels a destination, patterns, and the three destinations. Everything is
// behind one mutex, as helper threads log too; only the question "is this level on" reads atomics.
#include "base/log.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <cerrno>
#include <deque>
#include <mutex>

#include <fcntl.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <unistd.h>

#include "base/clock.hpp"
#include "base/log_pattern.hpp"

namespace sluice::log {
namespace {

enum Destination : unsigned { kSyslog, kConsole, kFile, kDestinationCount };
constexpr std::array<std::string_view, kDestinationCount> kDestinationNames{"syslog", "console", "file"};

struct ModuleState {
    std::string name;
    std::array<Level, kDestinationCount> levels{Level::kInfo, Level::kInfo, Level::kInfo};
    std::atomic<Level> highest{Level::kInfo};  ///< of the destinations that exist
    std::atomic<bool> rate_limited{true};
};

struct Socket {
    int fd = -1;
    void reset(int next = -1) {
        if (fd >= 0) ::close(fd);
        fd = next;
    }
};

struct State {
    std::mutex mutex;
    std::deque<ModuleState> modules;  ///< index = Module::index_; never shrinks
    std::array<std::string, kDestinationCount> patterns{
        "ovs|%05N|%c%T|%p|%m",
        "%D{%Y-%m-%dT%H:%M:%SZ}|%05N|%c%T|%p|%m",
        "%D{%Y-%m-%dT%H:%M:%S.###Z}|%05N|%c%T|%p|%m",
    };
    int facility = LOG_DAEMON;
    std::string program = program_invocation_short_name;
    std::uint64_t sequence = 0;
    std::int64_t start_ms = clock::now_ms();
    int file = -1;
    std::string file_path;
    bool console = true;
    bool syslog_libc = true;
    bool syslog_null = false;
    Socket syslog_socket;
    Socket syslog_target;
    std::atomic<bool> rate_limits{true};
};

State& state() {
    static auto* const instance = new State;  // never destroyed: static objects log in their destructors
    return *instance;
}

/// Recomputes what `enabled()` reads. Caller holds the mutex.
void refresh_highest(State& s) {
    for (auto& module : s.modules) {
        Level highest = Level::kOff;
        if (s.console) highest = std::max(highest, module.levels[kConsole]);
        if (s.file >= 0) highest = std::max(highest, module.levels[kFile]);
        if (!s.syslog_null || s.syslog_target.fd >= 0) highest = std::max(highest, module.levels[kSyslog]);
        module.highest.store(highest, std::memory_order_relaxed);
    }
}

void write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const auto n = ::write(fd, text.data(), text.size());
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return;  // a full disk must not stop the switch
        text.remove_prefix(static_cast<std::size_t>(n));
    }
}

void write_syslog(State& s, const LineContext& line) {
    const auto text = format_line(s.patterns[kSyslog], line);
    const auto severity = syslog_severity(line.level);
    if (s.syslog_libc) ::syslog(severity | s.facility, "%s", text.c_str());
    if (s.syslog_socket.fd < 0 && s.syslog_target.fd < 0) return;
    const auto framed = format_line("<%B> %D{%h %e %T} %E %A: ", line) + text;
    for (const int fd : {s.syslog_socket.fd, s.syslog_target.fd})
        if (fd >= 0) (void)!::send(fd, framed.data(), framed.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
}

void write_line(State& s, const ModuleState& module, Level level, std::string_view message) {
    const LineContext line{
        s.program, module.name, level, message, ++s.sequence, clock::wall_ms(), clock::now_ms() - s.start_ms,
        s.facility};
    if (s.console && level <= module.levels[kConsole])
        write_all(STDERR_FILENO, format_line(s.patterns[kConsole], line) + '\n');
    if (s.file >= 0 && level <= module.levels[kFile])
        write_all(s.file, format_line(s.patterns[kFile], line) + '\n');
    if (!s.syslog_null || s.syslog_target.fd >= 0)
        if (level <= module.levels[kSyslog]) write_syslog(s, line);
}

bool equals_ignoring_case(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                      [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

int find_destination(std::string_view name) {
    for (unsigned i = 0; i < kDestinationCount; ++i)
        if (equals_ignoring_case(name, kDestinationNames[i])) return static_cast<int>(i);
    return -1;
}

bool find_level(std::string_view name, Level& level) {
    for (const auto candidate :
         {Level::kOff, Level::kEmer, Level::kErr, Level::kWarn, Level::kInfo, Level::kDbg}) {
        if (!equals_ignoring_case(name, level_name(candidate))) continue;
        level = candidate;
        return true;
    }
    return false;
}

/// Module of that name; '-' and '_' are the same. Caller holds the mutex.
ModuleState* find_module(State& s, std::string_view name) {
    std::string wanted(name);
    std::replace(wanted.begin(), wanted.end(), '-', '_');
    for (auto& module : s.modules)
        if (equals_ignoring_case(module.name, wanted)) return &module;
    return nullptr;
}

std::vector<std::string> split_words(std::string_view spec) {
    std::vector<std::string> words;
    std::string word;
    for (const char c : spec) {
        if (c != ' ' && c != ',' && c != ':') {
            word += c;
        } else if (!word.empty()) {
            words.push_back(std::move(word));
            word.clear();
        }
    }
    if (!word.empty()) words.push_back(std::move(word));
    return words;
}

Result<void> set_pattern(State& s, std::string_view rest) {
    const auto colon = rest.find(':');
    if (colon == std::string_view::npos)
        return make_error(EINVAL, "missing destination or pattern in \"PATTERN:{}\"", rest);
    const auto name = rest.substr(0, colon);
    const int destination = find_destination(name);
    if (destination < 0 && !equals_ignoring_case(name, "ANY"))
        return make_error(EINVAL, "unknown destination \"{}\"", name);
    for (unsigned i = 0; i < kDestinationCount; ++i)
        if (destination < 0 || static_cast<unsigned>(destination) == i)
            s.patterns[i] = rest.substr(colon + 1);
    return {};
}

Result<void> set_facility(State& s, std::string_view name) {
    static constexpr std::pair<std::string_view, int> kFacilities[] = {
        {"auth", LOG_AUTH},     {"authpriv", LOG_AUTHPRIV}, {"cron", LOG_CRON},     {"daemon", LOG_DAEMON},
        {"ftp", LOG_FTP},       {"kern", LOG_KERN},         {"lpr", LOG_LPR},       {"mail", LOG_MAIL},
        {"news", LOG_NEWS},     {"syslog", LOG_SYSLOG},     {"user", LOG_USER},     {"uucp", LOG_UUCP},
        {"local0", LOG_LOCAL0}, {"local1", LOG_LOCAL1},     {"local2", LOG_LOCAL2}, {"local3", LOG_LOCAL3},
        {"local4", LOG_LOCAL4}, {"local5", LOG_LOCAL5},     {"local6", LOG_LOCAL6}, {"local7", LOG_LOCAL7},
    };
    for (const auto& [known, value] : kFacilities) {
        if (!equals_ignoring_case(name, known)) continue;
        s.facility = value;
        return {};
    }
    return make_error(EINVAL, "invalid facility");
}

Result<int> udp_socket(const std::string& host_port) {
    const auto colon = host_port.rfind(':');
    if (colon == std::string::npos || colon == 0)
        return make_error(EINVAL, "syslog target \"{}\": expected HOST:PORT", host_port);
    auto host = host_port.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    addrinfo hints{};
    hints.ai_socktype = SOCK_DGRAM;
    hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    if (const int rc = ::getaddrinfo(host.c_str(), host_port.c_str() + colon + 1, &hints, &found); rc != 0)
        return make_error(EINVAL, "syslog target \"{}\": {}", host_port, ::gai_strerror(rc));
    const int fd = ::socket(found->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const bool ok = fd >= 0 && ::connect(fd, found->ai_addr, found->ai_addrlen) == 0;
    const int error = errno;
    ::freeaddrinfo(found);
    if (ok) return fd;
    if (fd >= 0) ::close(fd);
    return make_error(error, "syslog target \"{}\": {}", host_port, ::strerror(error));
}

Result<int> unix_datagram_socket(const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        return make_error(ENAMETOOLONG, "syslog socket {}: path is longer than {} bytes", path,
                          sizeof address.sun_path - 1);
    path.copy(address.sun_path, path.size());
    const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && ::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
    const int error = errno;
    if (fd >= 0) ::close(fd);
    return make_error(error, "syslog socket {}: {}", path, ::strerror(error));
}

/// Opens `path` and makes it the log file. Caller holds the mutex.
Result<void> open_locked(State& s, const std::string& path) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0660);
    if (fd < 0) {
        const int error = errno;
        return make_error(error, "failed to open {} for logging: {}", path, ::strerror(error));
    }
    if (s.file >= 0) ::close(s.file);
    s.file = fd;
    s.file_path = path;
    refresh_highest(s);
    return {};
}

const Module kLog{"vlog"};

}  // namespace

Module::Module(std::string_view name) : name_(name) {
    auto& s = state();
    const std::lock_guard lock(s.mutex);
    for (index_ = 0; index_ < s.modules.size(); ++index_)
        if (s.modules[index_].name == name) return;
    s.modules.emplace_back().name = name;
}

bool Module::enabled(Level level) const {
    return level <= state().modules[index_].highest.load(std::memory_order_relaxed);
}

bool Module::rate_limited() const {
    return state().modules[index_].rate_limited.load(std::memory_order_relaxed);
}

void Module::write(Level level, std::string&& text) const {
    const int saved_errno = errno;
    auto& s = state();
    {
        const std::lock_guard lock(s.mutex);
        const auto& module = s.modules[index_];
        std::string_view rest = text;
        while (true) {  // each line gets a prefix of its own, so that the file stays one record a line
            const auto end = rest.find('\n');
            write_line(s, module, level, rest.substr(0, end));
            if (end == std::string_view::npos || end + 1 == rest.size()) break;
            rest.remove_prefix(end + 1);
        }
    }
    errno = saved_errno;
}

bool RateLimit::allow() {
    if (!state().rate_limits.load(std::memory_order_relaxed)) return true;
    const long long now = clock::now_ms();
    if (last_ms_ != 0) {
        tokens_ += static_cast<double>(now - last_ms_) * per_minute_ / 60000.0;
        tokens_ = std::min(tokens_, static_cast<double>(burst_));
    }
    last_ms_ = now;
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
}

bool RateLimit::allow(const Module& module) {
    return !module.rate_limited() || allow();
}

Result<void> set_levels(std::string_view spec) {
    auto& s = state();
    const std::lock_guard lock(s.mutex);
    if (spec.substr(0, 8) == "PATTERN:") return set_pattern(s, spec.substr(8));
    if (spec.substr(0, 9) == "FACILITY:") return set_facility(s, spec.substr(9));

    ModuleState* module = nullptr;
    int destination = -1;
    bool have_level = false;
    Level level = Level::kDbg;
    for (const auto& word : split_words(spec)) {
        if (equals_ignoring_case(word, "ANY")) continue;
        if (const int found = find_destination(word); found >= 0) {
            if (destination >= 0) return make_error(EINVAL, "cannot specify multiple destinations");
            destination = found;
        } else if (Level parsed{}; find_level(word, parsed)) {
            if (have_level) return make_error(EINVAL, "cannot specify multiple levels");
            have_level = true;
            level = parsed;
        } else if (auto* known = find_module(s, word); known != nullptr) {
            if (module != nullptr) return make_error(EINVAL, "cannot specify multiple modules");
            module = known;
        } else {
            return make_error(EINVAL, "no destination, level, or module \"{}\"", word);
        }
    }
    for (auto& each : s.modules) {
        if (module != nullptr && &each != module) continue;
        for (unsigned i = 0; i < kDestinationCount; ++i)
            if (destination < 0 || static_cast<unsigned>(destination) == i) each.levels[i] = level;
    }
    refresh_highest(s);
    return {};
}

std::string list_levels() {
    auto& s = state();
    const std::lock_guard lock(s.mutex);
    std::vector<const ModuleState*> sorted;
    for (const auto& module : s.modules)
        sorted.push_back(&module);
    std::sort(sorted.begin(), sorted.end(), [](const auto* a, const auto* b) { return a->name < b->name; });
    std::string out =
        "                 console    syslog    file\n"
        "                 -------    ------    ------\n";
    for (const auto* module : sorted)
        out += fmt::format("{:<16}  {:>4}       {:>4}       {:>4}\n", module->name,
                           level_name(module->levels[kConsole]), level_name(module->levels[kSyslog]),
                           level_name(module->levels[kFile]));
    return out;
}

std::string list_patterns() {
    auto& s = state();
    const std::lock_guard lock(s.mutex);
    std::string out =
        "         prefix                            format\n"
        "         ------                            ------\n";
    out += fmt::format("SYSLOG   {:<32}  {}\n", "<%B> %D{%h %e %T} %E %A:", s.patterns[kSyslog]);
    out += fmt::format("CONSOLE  {:<32}  {}\n", "none", s.patterns[kConsole]);
    out += fmt::format("FILE     {:<32}  {}\n", "none", s.patterns[kFile]);
    return out;
}

Result<void> set_rate_limits(const std::vector<std::string>& modules, bool on) {
    auto& s = state();
    const std::lock_guard lock(s.mutex);
    std::vector<ModuleState*> chosen;
    for (const auto& name : modules) {
        auto* module = find_module(s, name);
        if (module == nullptr && !equals_ignoring_case(name, "ANY"))
            return make_error(ENOENT, "unknown module");
        if (module != nullptr) chosen.push_back(module);
    }
    if (chosen.empty()) {
        s.rate_limits = on;
        for (auto& module : s.modules)
            module.rate_limited = on;
    }
    for (auto* module : chosen)
        module->rate_limited = on;
    return {};
}

void set_program_name(std::string_view name) {
    auto& s = state();
    const std::lock_guard lock(s.mutex);
    s.program = name;
    static std::array<char, 64> ident{};  // openlog keeps the pointer
    ident.fill(0);
    name.substr(0, ident.size() - 1).copy(ident.data(), ident.size() - 1);
    ::openlog(ident.data(), LOG_NDELAY, s.facility);
}

Result<void> set_syslog_method(const std::string& method) {
    auto& s = state();
    int fd = -1;
    if (method.rfind("unix:", 0) == 0 || method.rfind("udp:", 0) == 0) {
        auto opened =
            method[1] == 'n' ? unix_datagram_socket(method.substr(5)) : udp_socket(method.substr(4));
        if (!opened) return opened.error();
        fd = *opened;
    } else if (method != "libc" && method != "null") {
        return make_error(
            EINVAL, "unsupported syslog method \"{}\": use libc, null, unix:FILE or udp:IP:PORT", method);
    }
    const std::lock_guard lock(s.mutex);
    s.syslog_libc = method == "libc";
    s.syslog_null = method == "null";
    s.syslog_socket.reset(fd);
    refresh_highest(s);
    return {};
}

Result<void> set_syslog_target(const std::string& target) {
    auto opened = udp_socket(target);
    if (!opened) return opened.error();
    auto& s = state();
    const std::lock_guard lock(s.mutex);
    s.syslog_target.reset(*opened);
    refresh_highest(s);
    return {};
}

void disable_console() {
    auto& s = state();
    const std::lock_guard lock(s.mutex);
    s.console = false;
    refresh_highest(s);
}

std::string file_path() {
    auto& s = state();
    const std::lock_guard lock(s.mutex);
    return s.file >= 0 ? s.file_path : std::string();
}

Result<void> open_file(const std::string& path) {
    auto& s = state();
    {
        const std::lock_guard lock(s.mutex);
        if (auto opened = open_locked(s, path); !opened) return opened;
    }
    kLog.info("opened log file {}", path);
    return {};
}

Result<void> reopen() {
    std::string path;
    {
        auto& s = state();
        const std::lock_guard lock(s.mutex);
        path = s.file_path;
    }
    if (path.empty()) return make_error(ENOENT, "Logging to file not configured");
    return open_file(path);
}

void close_file() {
    auto& s = state();
    const std::lock_guard lock(s.mutex);
    if (s.file >= 0) ::close(s.file);
    s.file = -1;
    refresh_highest(s);
}

}  // namespace sluice::log
