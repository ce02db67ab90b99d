// SPDX-License-Identifier: Apache-2.0
// The commands of the `sluice` program, and the places they all work with.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "process.hpp"

namespace sluice::cli {

/// Where one instance lives. All paths are absolute. Every instance has a run directory of its own; the
/// defaults are those of Debian's Open vSwitch, so that the ovs-* tools find it without flags.
struct Places {
    std::string rundir;    ///< pid files and sockets
    std::string database;  ///< file of the Open_vSwitch database
    std::string logdir;
    std::string schema;       ///< vswitch.ovsschema to create or convert the database with
    bool is_default = false;  ///< the run directory is the one that the ovs-* tools look in by themselves

    std::string switch_pidfile() const { return rundir + "/ovs-vswitchd.pid"; }
    std::string database_pidfile() const { return rundir + "/ovsdb-server.pid"; }
    std::string socket() const { return rundir + "/db.sock"; }
    /// Names the ovsdb-server that `sluice up` started, so that `sluice down` leaves any other alone.
    std::string owned_file() const { return rundir + "/sluice.database.pid"; }
};

/// The switch of that run directory, whether Sluice's or OVS's own.
std::optional<ProcessInfo> running_switch(const Places& places);
/// The ovsdb-server of that run directory.
std::optional<ProcessInfo> running_database(const Places& places);

/// Starts what does not run yet; `daemon_arguments` are added to sluiced's command line. Prints what it did.
Result<void> up(const Places& places, const std::vector<std::string>& daemon_arguments);

/// Stops the switch, then the database server that `up` started. Nothing to stop is a success.
Result<void> down(const Places& places);

/// Prints the state. Returns the exit code: 0 both run, 1 only one does or the switch does not answer, 3
/// none.
Result<int> status(const Places& places);

/// Becomes the runner of bench/ with these arguments (ended by nullptr); returns only when it can't.
Result<int> bench(char** arguments);

}  // namespace sluice::cli
