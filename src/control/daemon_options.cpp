// SPDX-License-Identifier: Apache-2.0
// ovs-vswitchd's command line.
#include <cstdlib>

#include <getopt.h>
#include <unistd.h>

#include "base/log.hpp"
#include "control/daemon.hpp"

namespace sluice {
namespace {

enum Option : int {
    kPidfile = 256,
    kOverwritePidfile,
    kDetach,
    kNoChdir,
    kMonitor,
    kNoSelfConfinement,
    kUser,
    kLogFile,
    kSyslogMethod,
    kSyslogTarget,
    kUnixctl,
    kMlockall,
    kDisableSystem,
    kDisableSystemRoute,
    kEnableDummy,
    kPeerCaCert,
    kBootstrapCaCert,
    kSslProtocols,
    kSslCiphers,
    kDpdk,
};

constexpr option kLongOptions[] = {
    {"help", no_argument, nullptr, 'h'},
    {"version", no_argument, nullptr, 'V'},
    {"verbose", optional_argument, nullptr, 'v'},
    {"pidfile", optional_argument, nullptr, kPidfile},
    {"overwrite-pidfile", no_argument, nullptr, kOverwritePidfile},
    {"detach", no_argument, nullptr, kDetach},
    {"no-chdir", no_argument, nullptr, kNoChdir},
    {"monitor", no_argument, nullptr, kMonitor},
    {"no-self-confinement", no_argument, nullptr, kNoSelfConfinement},
    {"user", required_argument, nullptr, kUser},
    {"log-file", optional_argument, nullptr, kLogFile},
    {"syslog-method", required_argument, nullptr, kSyslogMethod},
    {"syslog-target", required_argument, nullptr, kSyslogTarget},
    {"unixctl", required_argument, nullptr, kUnixctl},
    {"mlockall", no_argument, nullptr, kMlockall},
    {"disable-system", no_argument, nullptr, kDisableSystem},
    {"disable-system-route", no_argument, nullptr, kDisableSystemRoute},
    {"enable-dummy", optional_argument, nullptr, kEnableDummy},
    {"private-key", required_argument, nullptr, 'p'},
    {"certificate", required_argument, nullptr, 'c'},
    {"ca-cert", required_argument, nullptr, 'C'},
    {"peer-ca-cert", required_argument, nullptr, kPeerCaCert},
    {"bootstrap-ca-cert", required_argument, nullptr, kBootstrapCaCert},
    {"ssl-protocols", required_argument, nullptr, kSslProtocols},
    {"ssl-ciphers", required_argument, nullptr, kSslCiphers},
    {"dpdk", optional_argument, nullptr, kDpdk},
    {nullptr, 0, nullptr, 0},
};

/// `name` as a path: absolute as it is, otherwise within `folder`.
std::string within(const std::string& folder, const std::string& name) {
    return name.empty() || name.front() == '/' ? name : folder + "/" + name;
}

/// Paths of SSL files and unix: targets are relative to where the daemon was started, and --detach changes
/// that.
std::string from_here(const std::string& name) {
    if (name.empty() || name.front() == '/' || name == "none") return name;
    char here[4096];
    return ::getcwd(here, sizeof here) != nullptr ? std::string(here) + "/" + name : name;
}

std::string usage(const DaemonOptions& o) {
    return fmt::format(
        "{0}: Sluice, an Open vSwitch compatible switch daemon\n"
        "usage: {0} [OPTIONS] [DATABASE]\n"
        "where DATABASE is a socket on which ovsdb-server is listening\n"
        "      (default: \"unix:{1}/db.sock\").\n"
        "\n"
        "DATABASE is one of:\n"
        "  tcp:HOST:PORT           PORT at remote HOST\n"
        "  ssl:HOST:PORT           SSL PORT at remote HOST\n"
        "  unix:FILE               Unix domain socket named FILE\n"
        "SSL keys:\n"
        "  -p, --private-key=FILE  file with private key\n"
        "  -c, --certificate=FILE  file with certificate for private key\n"
        "  -C, --ca-cert=FILE      file with peer CA certificate\n"
        "  --bootstrap-ca-cert=FILE  file with peer CA certificate to read or create\n"
        "  --peer-ca-cert=FILE     further CA certificates sent to peers\n"
        "  --ssl-protocols=PROTOS  list of SSL protocols to enable\n"
        "  --ssl-ciphers=CIPHERS   list of SSL ciphers to enable\n"
        "Daemon options:\n"
        "  --detach                run in background as daemon\n"
        "  --monitor               creates a process that restarts this daemon when it crashes\n"
        "  --user=USER[:GROUP]     changes the effective daemon user and group\n"
        "  --no-chdir              do not chdir to '/'\n"
        "  --pidfile[=FILE]        create pidfile (default: {1}/{0}.pid)\n"
        "  --overwrite-pidfile     with --pidfile, start even if already running\n"
        "  --no-self-confinement   accepted; no restrictions on file names are made\n"
        "Logging options:\n"
        "  -vSPEC, --verbose=SPEC  set logging levels\n"
        "  -v, --verbose           set maximum verbosity level\n"
        "  --log-file[=FILE]       enable logging to specified FILE (default: {2}/{0}.log)\n"
        "  --syslog-method=(libc|null|unix:FILE|udp:IP:PORT)  how to send messages to syslog\n"
        "  --syslog-target=HOST:PORT  also send syslog messages to HOST:PORT via UDP\n"
        "Other options:\n"
        "  --unixctl=SOCKET        override default control socket name\n"
        "  --mlockall              keep all memory resident\n"
        "  --disable-system        accepted, for tests\n"
        "  --enable-dummy[=override|system]  ports of type dummy, and commands to drive them, for tests\n"
        "  -h, --help              display this help message\n"
        "  -V, --version           display version information\n"
        "DPDK is configured through the database (ovs-vsctl set Open_vSwitch . other_config:dpdk-...).\n",
        o.program, o.dirs.run, o.dirs.log);
}

std::string from_environment_or(const char* name, const char* fallback) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): before threads
    return value != nullptr && *value != '\0' ? value : fallback;
}

/// The argument that getopt complains about, as the user typed it.
std::string bad_argument(const std::vector<char*>& argv, int index) {
    const auto at = static_cast<std::size_t>(index > 0 ? index : 1);
    return at < argv.size() && argv[at] != nullptr ? argv[at] : "";
}

/// One option. `error` receives a sentence if its value is bad.
void apply_option(int which, const std::string& value, DaemonOptions& o, std::string& error) {
    switch (which) {
        case 'h':
            o.action = DaemonAction::kHelp;
            break;
        case 'V':
            o.action = DaemonAction::kVersion;
            break;
        case 'v':
            o.verbose.push_back(value);
            break;
        case 'p':
            o.ssl.private_key = from_here(value);
            break;
        case 'c':
            o.ssl.certificate = from_here(value);
            break;
        case 'C':
            o.ssl.ca_cert = from_here(value);
            break;
        case kPidfile:
            o.pidfile = within(o.dirs.run, value.empty() ? o.program + ".pid" : value);
            break;
        case kOverwritePidfile:
            o.overwrite_pidfile = true;
            break;
        case kDetach:
            o.detach = true;
            break;
        case kNoChdir:
            o.no_chdir = true;
            break;
        case kMonitor:
            o.monitor = true;
            break;
        case kNoSelfConfinement:
            o.self_confinement = false;
            break;
        case kUser:
            o.user = value;
            break;
        case kLogFile:
            o.log_to_file = true;
            o.log_file = within(o.dirs.log, value.empty() ? o.program + ".log" : value);
            break;
        case kSyslogMethod:
            o.syslog_method = value;
            break;
        case kSyslogTarget:
            o.syslog_target = value;
            break;
        case kUnixctl:
            o.unixctl = value == "none" ? value : within(o.dirs.run, value);
            break;
        case kMlockall:
            o.mlockall = true;
            break;
        case kDisableSystem:
        case kDisableSystemRoute:
            o.disable_system = true;
            break;
        case kEnableDummy:
            o.dummy = value.empty() ? "enable" : value;
            if (o.dummy != "enable" && o.dummy != "override" && o.dummy != "system")
                error = fmt::format("--enable-dummy={}: use \"override\" or \"system\"", value);
            break;
        case kPeerCaCert:
            o.ssl.peer_ca_cert = from_here(value);
            break;
        case kBootstrapCaCert:
            o.ssl.ca_cert = from_here(value);
            o.ssl.bootstrap_ca_cert = true;
            break;
        case kSslProtocols:
            o.ssl.protocols = value;
            break;
        case kSslCiphers:
            o.ssl.ciphers = value;
            break;
        case kDpdk:
            error = "Using --dpdk to configure DPDK is not supported.";
            break;
        default:
            error = "unexpected option";
            break;
    }
}

}  // namespace

DaemonDirs DaemonDirs::from_environment() {
    DaemonDirs dirs;
    dirs.run = from_environment_or("OVS_RUNDIR", "/var/run/openvswitch");
    dirs.log = from_environment_or("OVS_LOGDIR", "/var/log/openvswitch");
    dirs.sysconf = from_environment_or("OVS_SYSCONFDIR", "/etc");
    dirs.db = from_environment_or("OVS_DBDIR", (dirs.sysconf + "/openvswitch").c_str());
    return dirs;
}

std::string DaemonOptions::unixctl_path() const {
    return unixctl.empty() ? fmt::format("{}/{}.{}.ctl", dirs.run, program, ::getpid()) : unixctl;
}

std::string daemon_version_line() {
    return "ovs-vswitchd (Sluice) " SLUICE_VERSION;
}

Result<DaemonOptions> parse_daemon_options(int argc, const char* const* argv, const DaemonDirs& dirs) {
    DaemonOptions o;
    o.dirs = dirs;
    // getopt permutes its array: give it one of its own.
    std::vector<char*> words;
    for (int i = 0; i < argc; ++i)
        words.push_back(const_cast<char*>(argv[i]));
    words.push_back(nullptr);
    optind = 0;  // NOLINT: restarts glibc's scanner
    opterr = 0;
    while (true) {
        const int before = optind;
        const int which = ::getopt_long(argc, words.data(), ":hVv::p:c:C:", kLongOptions, nullptr);
        if (which == -1) break;
        if (which == '?' || which == ':') {
            const auto word = optopt != 0 && optopt < 256
                                  ? fmt::format("-{}", static_cast<char>(optopt))
                                  : bad_argument(words, optind > 0 ? optind - 1 : before);
            if (which == ':')
                return make_error(EINVAL, "option '{}' requires an argument; use --help for usage", word);
            return make_error(EINVAL, "unrecognized option '{}'; use --help for usage", word);
        }
        std::string error;
        apply_option(which, optarg != nullptr ? optarg : "", o, error);
        if (!error.empty()) return Error{EINVAL, error};
        if (o.action == DaemonAction::kHelp) o.text = usage(o);
        if (o.action == DaemonAction::kVersion) o.text = daemon_version_line() + "\n";
        if (o.action != DaemonAction::kRun) return o;
    }
    if (argc - optind > 1)
        return make_error(EINVAL, "at most one non-option argument accepted; use --help for usage");
    o.database = optind < argc ? words[static_cast<std::size_t>(optind)] : "unix:" + o.dirs.run + "/db.sock";
    if (!is_active_target(o.database))
        return make_error(EINVAL, "database \"{}\": use unix:FILE, tcp:HOST:PORT or ssl:HOST:PORT",
                          o.database);
    if (o.database.rfind("unix:", 0) == 0) o.database = "unix:" + within(o.dirs.run, o.database.substr(5));
    return o;
}

}  // namespace sluice
