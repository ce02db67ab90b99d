// SPDX-License-Identifier: Apache-2.0
// `sluice down`: the switch first, so that it leaves nothing half written; then the database server we
// started.
#include <filesystem>
#include <fstream>

#include <signal.h>

#include "commands.hpp"

namespace sluice::cli {

using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

/// Asks over the control socket, then with SIGTERM, then ends it with SIGKILL; each step has its time.
Result<void> stop(const ProcessInfo& daemon, const std::string& control) {
    const auto asked = run_program({"ovs-appctl", "--timeout=5", "-t", control, "exit"}, seconds(6));
    const char* how = "asked";
    if (!asked || asked->code != 0 || !wait_gone(daemon.pid, seconds(5))) {
        how = "by SIGTERM";
        if (kill(daemon.pid, SIGTERM) != 0 && errno == EPERM) {
            return make_error(EPERM, "no permission to stop {} (pid {}): run as its owner or root",
                              daemon.name, daemon.pid);
        }
        if (!wait_gone(daemon.pid, seconds(5))) {
            how = "by SIGKILL, as it answered neither request nor SIGTERM within 10 s";
            kill(daemon.pid, SIGKILL);
            if (!wait_gone(daemon.pid, seconds(5))) {
                return make_error(EBUSY, "{} (pid {}) does not end even by SIGKILL", daemon.name, daemon.pid);
            }
        }
    }
    fmt::print("{} (pid {}) stopped{}{}\n", daemon.name, daemon.pid, how[0] == 'a' ? "" : " ",
               how[0] == 'a' ? "" : how);
    return {};
}

}  // namespace

Result<void> down(const Places& places) {
    const auto daemon = running_switch(places);
    const auto server = running_database(places);
    if (daemon && daemon->name != "sluiced") {
        return make_error(EBUSY, "the switch of {} is {} (pid {}), not Sluice: stop it with what started it",
                          places.rundir, daemon->name, daemon->pid);
    }
    if (daemon) {
        auto stopped = stop(*daemon, fmt::format("{}/ovs-vswitchd.{}.ctl", places.rundir, daemon->pid));
        if (!stopped) return stopped;
    }
    pid_t ours = 0;
    std::ifstream(places.owned_file()) >> ours;
    if (server && server->pid == ours) {
        auto stopped = stop(*server, fmt::format("{}/ovsdb-server.{}.ctl", places.rundir, server->pid));
        if (!stopped) return stopped;
    } else if (server) {
        fmt::print("ovsdb-server (pid {}) left running: sluice up did not start it\n", server->pid);
    }
    if (!daemon && !server) fmt::print("nothing runs in {}\n", places.rundir);
    std::error_code ignored;
    if (!server || server->pid == ours) std::filesystem::remove(places.owned_file(), ignored);
    return {};
}

}  // namespace sluice::cli
