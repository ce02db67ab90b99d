// SPDX-License-Identifier: Apache-2.0
// `sluice up`: database file, ovsdb-server, first rows, sluiced; in that order, each only when missing.
#include <cctype>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "commands.hpp"

namespace sluice::cli {

namespace fs = std::filesystem;
using std::chrono::seconds;

std::optional<ProcessInfo> running_switch(const Places& places) {
    return daemon_of(places.switch_pidfile(), {"sluiced", "ovs-vswitchd", "ovs-vswitchd-dpdk"});
}

std::optional<ProcessInfo> running_database(const Places& places) {
    return daemon_of(places.database_pidfile(), {"ovsdb-server"});
}

namespace {

std::string trimmed(std::string text) {
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0)
        text.pop_back();
    return text;
}

/// Runs a program that must succeed; its output, or an error with what it said.
Result<std::string> must_run(const std::vector<std::string>& arguments, seconds limit = seconds(15)) {
    auto outcome = run_program(arguments, limit);
    if (!outcome) {
        if (outcome.error().code != ENOENT) return outcome.error();
        return make_error(
            ENOENT, "{} is not installed: it comes with the package openvswitch-{}", arguments[0],
            arguments[0].ends_with("vsctl") || arguments[0].ends_with("ovsdb-server") ? "switch" : "common");
    }
    if (outcome->code != 0) {
        const std::string said = trimmed(outcome->errors.empty() ? outcome->output : outcome->errors);
        return make_error(EIO, "{} failed with exit code {}: {}", arguments[0], outcome->code, said);
    }
    return trimmed(outcome->output);
}

Result<void> make_folder(const std::string& path, const char* what) {
    std::error_code failure;
    fs::create_directories(path, failure);
    if (failure)
        return make_error(
            failure.value(),
            "cannot create the {} {}: {}; choose another with an option (sluice help), or run as root", what,
            path, failure.message());
    if (access(path.c_str(), W_OK | X_OK) != 0) {
        return make_error(
            EACCES,
            "the {} {} is not writable for user {}: choose another with an option, or run as its owner", what,
            path, getuid());
    }
    return {};
}

Result<void> check_places(const Places& places) {
    // sun_path holds 107 characters; the longest name in the run directory is that of the control socket.
    const std::string longest = places.rundir + "/ovs-vswitchd.4194304.ctl";
    if (longest.size() > 107) {
        return make_error(ENAMETOOLONG, "run directory {}: its name is {} characters long, sockets allow {}",
                          places.rundir, places.rundir.size(), 107 - (longest.size() - places.rundir.size()));
    }
    if (auto made = make_folder(places.rundir, "run directory"); !made) return made;
    if (auto made = make_folder(places.logdir, "log directory"); !made) return made;
    return make_folder(fs::path(places.database).parent_path().string(), "database directory");
}

/// Creates the database, or converts one whose schema differs, keeping a copy.
Result<void> prepare_database(const Places& places) {
    if (access(places.schema.c_str(), R_OK) != 0) {
        return make_error(ENOENT,
                          "no database schema at {}: it comes with the package openvswitch-switch, or name "
                          "one with --schema",
                          places.schema);
    }
    if (access(places.database.c_str(), F_OK) != 0) {
        auto created = must_run({"ovsdb-tool", "create", places.database, places.schema});
        if (!created) return created.error();
        fmt::print("created the database {}\n", places.database);
        return {};
    }
    auto needed = must_run({"ovsdb-tool", "needs-conversion", places.database, places.schema});
    if (!needed) return needed.error();
    if (*needed != "yes") return {};
    auto version = must_run({"ovsdb-tool", "db-version", places.database});
    if (!version) return version.error();
    const std::string copy = places.database + ".backup" + *version;
    std::error_code failure;
    fs::copy_file(places.database, copy, fs::copy_options::overwrite_existing, failure);
    if (failure)
        return make_error(failure.value(), "cannot copy the database to {}: {}", copy, failure.message());
    auto converted = must_run({"ovsdb-tool", "convert", places.database, places.schema});
    if (!converted) return converted.error();
    fmt::print("converted the database to {}'s schema; the old one is {}\n", places.schema, copy);
    return {};
}

/// Value of a KEY=value line of /etc/os-release, without quotes.
std::string os_release(const std::string& key) {
    std::ifstream file("/etc/os-release");
    for (std::string line; std::getline(file, line);) {
        if (line.rfind(key + "=", 0) != 0) continue;
        std::string value = line.substr(key.size() + 1);
        if (value.size() >= 2 && value.front() == '"') value = value.substr(1, value.size() - 2);
        return value;
    }
    return "unknown";
}

/// A system id that stays: made once, kept beside the database.
std::string system_id(const Places& places) {
    const fs::path path = fs::path(places.database).parent_path() / "system-id.conf";
    std::string id;
    if (std::ifstream(path) >> id && !id.empty()) return id;
    std::ifstream("/proc/sys/kernel/random/uuid") >> id;
    std::ofstream(path) << id << '\n';
    return id;
}

Result<void> first_rows(const Places& places) {
    auto schema_version = must_run({"ovsdb-tool", "schema-version", places.schema});
    if (!schema_version) return schema_version.error();
    utsname host{};
    uname(&host);
    const auto quoted = [](const std::string& text) { return '"' + text + '"'; };
    auto done = must_run(
        {"ovs-vsctl", "--db=unix:" + places.socket(), "--no-wait", "--timeout=10", "--", "init", "--", "set",
         "Open_vSwitch", ".", "db-version=" + *schema_version, "system-type=" + quoted(os_release("ID")),
         "system-version=" + quoted(os_release("VERSION_ID")),
         "external-ids:system-id=" + quoted(system_id(places)),
         "external-ids:hostname=" + quoted(host.nodename), "external-ids:rundir=" + quoted(places.rundir)});
    if (!done) return done.error();
    return {};
}

Result<void> start_database(const Places& places) {
    if (auto prepared = prepare_database(places); !prepared) return prepared;
    std::error_code ignored;
    fs::remove(places.socket(), ignored);
    fs::remove(places.database_pidfile(), ignored);
    const std::string program = find_program("ovsdb-server");
    auto started = must_run(
        {program.empty() ? "ovsdb-server" : program, places.database, "-vconsole:emer", "-vsyslog:off",
         "-vfile:info", "--remote=punix:" + places.socket(), "--private-key=db:Open_vSwitch,SSL,private_key",
         "--certificate=db:Open_vSwitch,SSL,certificate", "--bootstrap-ca-cert=db:Open_vSwitch,SSL,ca_cert",
         "--no-chdir", "--log-file=" + places.logdir + "/ovsdb-server.log",
         "--pidfile=" + places.database_pidfile(), "--detach"});
    if (!started) return started.error();
    const auto server = running_database(places);
    if (!server)
        return make_error(EIO, "ovsdb-server started and ended at once: see {}/ovsdb-server.log",
                          places.logdir);
    std::ofstream(places.owned_file()) << server->pid << '\n';
    if (auto rows = first_rows(places); !rows) return rows;
    // Managers are connected only after the first rows are there, so that none sees a half-made database.
    auto managers =
        must_run({"ovs-appctl", "-t", places.rundir + fmt::format("/ovsdb-server.{}.ctl", server->pid),
                  "ovsdb-server/add-remote", "db:Open_vSwitch,Open_vSwitch,manager_options"});
    if (!managers) return managers.error();
    fmt::print("ovsdb-server runs, pid {}\n", server->pid);
    return {};
}

/// Files that a switch which was killed left behind would keep the tools from finding the new one.
void remove_stale_files(const Places& places) {
    std::error_code ignored;
    for (const auto& entry : fs::directory_iterator(places.rundir, ignored)) {
        const std::string name = entry.path().filename().string();
        const bool control = name.rfind("ovs-vswitchd.", 0) == 0 && name.ends_with(".ctl");
        const bool of_bridge =
            (name.ends_with(".mgmt") || name.ends_with(".snoop")) && entry.is_socket(ignored);
        if (control || of_bridge) fs::remove(entry.path(), ignored);
    }
    fs::remove(places.switch_pidfile(), ignored);
}

std::string last_line(const std::string& path) {
    std::ifstream file(path);
    std::string last;
    for (std::string line; std::getline(file, line);) {
        if (!line.empty()) last = line;
    }
    return last;
}

Result<void> start_switch(const Places& places, const std::vector<std::string>& daemon_arguments) {
    const std::string program = find_program("sluiced");
    if (program.empty())
        return make_error(ENOENT, "sluiced is neither beside this program nor in PATH: ./run build makes it");
    remove_stale_files(places);
    // A bridge and a port need a few descriptors each; OVS's own start script allows as many.
    rlimit files{};
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < 65535) {
        files.rlim_cur = files.rlim_max < 65535 ? files.rlim_max : 65535;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    const std::string log = places.logdir + "/ovs-vswitchd.log";
    std::vector<std::string> arguments{program,
                                       "unix:" + places.socket(),
                                       "-vconsole:err",
                                       "-vsyslog:off",
                                       "-vfile:info",
                                       "--no-chdir",
                                       "--log-file=" + log,
                                       "--pidfile=" + places.switch_pidfile(),
                                       "--detach"};
    arguments.insert(arguments.end(), daemon_arguments.begin(), daemon_arguments.end());
    auto started = must_run(arguments, seconds(30));
    if (!started)
        return make_error(started.error().code, "{} (log: {}; its last line: {})", started.error().message,
                          log, last_line(log));
    const auto daemon = running_switch(places);
    if (!daemon)
        return make_error(EIO, "sluiced started and ended at once; the last line of {}: {}", log,
                          last_line(log));
    fmt::print("sluiced runs, pid {}\n", daemon->pid);
    return {};
}

}  // namespace

Result<void> up(const Places& places, const std::vector<std::string>& daemon_arguments) {
    if (auto checked = check_places(places); !checked) return checked;
    const auto present = running_switch(places);
    if (present && present->name != "sluiced") {
        return make_error(
            EBUSY,
            "the run directory {} is taken by {} (pid {}): stop it (systemctl stop openvswitch-switch, or "
            "ovs-appctl exit), or choose another run directory with --rundir",
            places.rundir, present->name, present->pid);
    }
    if (const auto server = running_database(places)) {
        fmt::print("ovsdb-server runs already, pid {}\n", server->pid);
    } else if (auto started = start_database(places); !started) {
        return started;
    }
    if (present) {
        fmt::print(
            "sluiced runs already, pid {}{}\n", present->pid,
            daemon_arguments.empty() ? "" : "; its arguments change only by sluice down and sluice up");
    } else if (auto started = start_switch(places, daemon_arguments); !started) {
        return started;
    }
    if (!places.is_default) fmt::print("for the ovs-* tools: export OVS_RUNDIR={}\n", places.rundir);
    return {};
}

}  // namespace sluice::cli
