// SPDX-License-Identifier: Apache-2.0
// Child processes, pid files and what /proc says of a process.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include "base/result.hpp"

namespace sluice::cli {

/// How a program that was run to its end came out.
struct Outcome {
    int code = 0;        ///< exit status; 128 + signal number when a signal ended it
    std::string output;  ///< standard output
    std::string errors;  ///< standard error
};

/// Runs `arguments` (the first is a path or a name looked up in PATH) with empty standard input until it
/// ends. A daemon that detaches counts as ended when its parent is. Errors: ENOENT when the program is not
/// there, ETIMEDOUT (the child is killed) after `limit`.
Result<Outcome> run_program(const std::vector<std::string>& arguments, std::chrono::milliseconds limit);

/// What /proc tells about a live process.
struct ProcessInfo {
    pid_t pid = 0;
    std::string name;       ///< base name of its program, as started
    double uptime_s = 0;    ///< since its start
    double cpu_s = 0;       ///< user and system time used
    long resident_kib = 0;  ///< resident set size
    unsigned thread_count = 0;
};

/// The live process of that pid, or nothing. Zombies count as dead.
std::optional<ProcessInfo> inspect(pid_t pid);

/// The process a pid file names, if it lives and its program is one of `names`; a reused pid is not taken for
/// it.
std::optional<ProcessInfo> daemon_of(const std::string& pidfile, const std::vector<std::string>& names);

/// Waits until the process is gone; false when it still lives after `limit`.
bool wait_gone(pid_t pid, std::chrono::milliseconds limit);

/// Path of a program: beside this one, else in the sbin of its installation, else in PATH, else in the sbin
/// directories. Empty when nowhere.
std::string find_program(const std::string& name);

}  // namespace sluice::cli
