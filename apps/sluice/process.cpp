// SPDX-License-Identifier: Apache-2.0
// posix_spawn with two pipes and a deadline; the rest reads /proc.
#include "process.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

extern char** environ;

namespace sluice::cli {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

namespace {

/// One pipe whose ends close themselves.
struct Pipe {
    int ends[2] = {-1, -1};
    Pipe() {
        if (pipe2(ends, O_CLOEXEC) != 0) ends[0] = ends[1] = -1;
    }
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    ~Pipe() {
        close_end(0);
        close_end(1);
    }
    void close_end(int which) {
        if (ends[which] >= 0) close(ends[which]);
        ends[which] = -1;
    }
    /// Appends what can be read now; closes at end of file.
    void drain(std::string& into) {
        char buffer[4096];
        const ssize_t got = read(ends[0], buffer, sizeof buffer);
        if (got > 0) {
            into.append(buffer, static_cast<size_t>(got));
        } else if (got == 0 || (errno != EINTR && errno != EAGAIN)) {
            close_end(0);
        }
    }
};

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

/// Collects output until the child ends. A detached grandchild may keep the pipes open, so the end of the
/// child counts, not the end of its output.
bool collect(pid_t pid, Pipe& output, Pipe& errors, Clock::time_point deadline, Outcome& outcome,
             int& status) {
    for (;;) {
        const pid_t ended = waitpid(pid, &status, WNOHANG);
        pollfd polls[2] = {{output.ends[0], POLLIN, 0}, {errors.ends[0], POLLIN, 0}};
        while (poll(polls, 2, ended == pid ? 0 : 10) > 0) {
            if (polls[0].revents != 0) output.drain(outcome.output);
            if (polls[1].revents != 0) errors.drain(outcome.errors);
            polls[0] = {output.ends[0], POLLIN, 0};
            polls[1] = {errors.ends[0], POLLIN, 0};
            if (ended != pid) break;
        }
        if (ended == pid) return true;
        if (output.ends[0] < 0 && errors.ends[0] < 0) std::this_thread::sleep_for(milliseconds(5));
        if (Clock::now() > deadline) return false;
    }
}

}  // namespace

Result<Outcome> run_program(const std::vector<std::string>& arguments, milliseconds limit) {
    Pipe output, errors;
    if (output.ends[0] < 0 || errors.ends[0] < 0)
        return make_error(errno, "no pipe for {}: {}", arguments[0], std::strerror(errno));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, output.ends[1], 1);
    posix_spawn_file_actions_adddup2(&actions, errors.ends[1], 2);
    std::vector<char*> argv;
    for (const std::string& argument : arguments)
        argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    pid_t pid = 0;
    const int failure = posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    if (failure != 0) return make_error(failure, "cannot start {}: {}", arguments[0], std::strerror(failure));
    output.close_end(1);
    errors.close_end(1);
    fcntl(output.ends[0], F_SETFL, O_NONBLOCK);
    fcntl(errors.ends[0], F_SETFL, O_NONBLOCK);
    Outcome outcome;
    int status = 0;
    if (!collect(pid, output, errors, Clock::now() + limit, outcome, status)) {
        kill(pid, SIGKILL);
        waitpid(pid, &status, 0);
        return make_error(ETIMEDOUT, "{} did not finish within {} ms{}{}", arguments[0], limit.count(),
                          outcome.errors.empty() ? "" : ": ", outcome.errors);
    }
    outcome.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return outcome;
}

std::optional<ProcessInfo> inspect(pid_t pid) {
    const std::string folder = fmt::format("/proc/{}/", pid);
    const std::string stat = read_file(folder + "stat");
    const size_t end_of_name = stat.rfind(')');
    if (pid <= 0 || end_of_name == std::string::npos) return std::nullopt;
    // Fields of proc(5) from the third on: state is field 3, utime 14, stime 15, threads 20, start 22,
    // rss 24.
    std::istringstream fields(stat.substr(end_of_name + 1));
    std::vector<std::string> values{std::istream_iterator<std::string>(fields), {}};
    // A zombie whose other threads still end holds its memory and ports; it counts as alive.
    const bool ended = values.size() >= 22 && (values[0] == "X" || (values[0] == "Z" && values[17] == "1"));
    if (values.size() < 22 || ended) return std::nullopt;
    const auto number = [&](size_t field) { return std::strtod(values[field - 3].c_str(), nullptr); };
    const double ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
    ProcessInfo info;
    info.pid = pid;
    info.cpu_s = (number(14) + number(15)) / ticks;
    info.thread_count = static_cast<unsigned>(number(20));
    info.uptime_s =
        std::max(0.0, std::strtod(read_file("/proc/uptime").c_str(), nullptr) - number(22) / ticks);
    info.resident_kib = static_cast<long>(number(24)) * (sysconf(_SC_PAGESIZE) / 1024);
    // argv[0]: the kernel's own name of the process may be that of its first thread.
    const std::string command = read_file(folder + "cmdline");
    std::string first = command.substr(0, command.find('\0'));
    first = first.substr(0, first.find(':'));  // "ovsdb-server: monitoring pid 7 (healthy)"
    info.name = std::filesystem::path(first).filename().string();
    return info;
}

std::optional<ProcessInfo> daemon_of(const std::string& pidfile, const std::vector<std::string>& names) {
    const long pid = std::strtol(read_file(pidfile).c_str(), nullptr, 10);
    if (pid <= 0 || pid > 0x7fffffff) return std::nullopt;
    auto info = inspect(static_cast<pid_t>(pid));
    if (!info || std::find(names.begin(), names.end(), info->name) == names.end()) return std::nullopt;
    return info;
}

bool wait_gone(pid_t pid, milliseconds limit) {
    const auto deadline = Clock::now() + limit;
    while (inspect(pid)) {
        if (Clock::now() > deadline) return false;
        std::this_thread::sleep_for(milliseconds(10));
    }
    return true;
}

std::string find_program(const std::string& name) {
    std::error_code failure;
    std::vector<std::string> folders{
        std::filesystem::read_symlink("/proc/self/exe", failure).parent_path().string()};
    folders.push_back(folders[0] + "/../sbin");  // of the same installation
    const char* path = std::getenv("PATH");
    std::istringstream entries(std::string(path != nullptr ? path : "") + ":/usr/local/sbin:/usr/sbin:/sbin");
    for (std::string entry; std::getline(entries, entry, ':');)
        folders.push_back(entry);
    for (const std::string& folder : folders) {
        const std::string candidate = folder + "/" + name;
        if (!folder.empty() && access(candidate.c_str(), X_OK) == 0) return candidate;
    }
    return {};
}

}  // namespace sluice::cli
