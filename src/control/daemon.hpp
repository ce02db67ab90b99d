// SPDX-License-Identifier: Apache-2.0
// Being ovs-vswitchd to the outside: its command line, run directory, pidfile, and going to the background.
//
//     auto options = parse_daemon_options(argc, argv);          // prints nothing, exits nowhere
//     if (options->action != DaemonAction::kRun) ...            // print options->text, exit 0
//     Daemon daemon(*options);
//     if (auto ok = daemon.start(); !ok) ...                    // forks for --detach/--monitor; locks the
//     pidfile
//     ... set up; threads only from here on ...
//     daemon.complete();                                        // lets the parent of --detach exit with 0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "control/stream.hpp"

namespace sluice {

/// Where OVS's programs meet. From OVS_RUNDIR, OVS_LOGDIR, OVS_DBDIR, OVS_SYSCONFDIR, or Debian's defaults.
struct DaemonDirs {
    std::string run = "/var/run/openvswitch";
    std::string log = "/var/log/openvswitch";
    std::string db = "/etc/openvswitch";
    std::string sysconf = "/etc";
    static DaemonDirs from_environment();
};

enum class DaemonAction { kRun, kHelp, kVersion };

/// The command line, checked. Paths are absolute (relative ones are taken from the run or log directory, as
/// OVS does).
struct DaemonOptions {
    DaemonAction action = DaemonAction::kRun;
    std::string text;  ///< what to print for kHelp and kVersion
    DaemonDirs dirs;
    std::string program = "ovs-vswitchd";  ///< in names of files
    std::string database;                  ///< default "unix:<run>/db.sock"
    std::string pidfile;                   ///< empty: none
    bool overwrite_pidfile = false;
    bool detach = false;
    bool monitor = false;
    bool no_chdir = false;
    bool mlockall = false;
    bool disable_system = false;
    bool self_confinement = true;
    std::string dummy;  ///< "", "override", "system" or "enable"
    std::string user;   ///< "user[:group]"
    bool log_to_file = false;
    std::string log_file;
    std::string syslog_method;
    std::string syslog_target;
    std::vector<std::string> verbose;  ///< specifications for log::set_levels
    std::string unixctl;               ///< empty: `<run>/<program>.<pid>.ctl`; "none" for no socket
    SslConfig ssl;

    /// Path of the control socket; call after `Daemon::start()`, as it holds the pid.
    std::string unixctl_path() const;
};

/// Parses the command line of ovs-vswitchd. Errors are a sentence for standard error; exit with 1.
Result<DaemonOptions> parse_daemon_options(int argc, const char* const* argv,
                                           const DaemonDirs& dirs = DaemonDirs::from_environment());

/// Version line, "ovs-vswitchd (Sluice) X.Y.Z".
std::string daemon_version_line();

/// Process-level set-up. One object a process.
class Daemon {
  public:
    explicit Daemon(DaemonOptions options);
    /// Removes the pidfile (in the process that wrote it).
    ~Daemon();
    Daemon(const Daemon&) = delete;
    Daemon& operator=(const Daemon&) = delete;

    /// Opens the log, forks for --detach and --monitor, locks and writes the pidfile. Returns in the process
    /// that is to do the work; with --detach the calling process waits inside for `complete()` and then
    /// exits. Must run before any thread is started. EEXIST: the pidfile is held; the sentence says by which
    /// pid.
    Result<void> start();
    /// The work has begun: --detach's parent exits with 0, standard streams go to /dev/null. Idempotent.
    void complete();
    /// Changes to --user; call once privileged set-up is done.
    Result<void> drop_privileges();
    const DaemonOptions& options() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// The pid that holds the lock on a pidfile, 0 if nobody does. Never ask about the own pidfile: closing any
/// descriptor of a file drops this process's fcntl locks on it.
Result<int> read_pidfile(const std::string& path);

}  // namespace sluice
