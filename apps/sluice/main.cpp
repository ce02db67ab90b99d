// SPDX-License-Identifier: Apache-2.0
// `sluice`: starts, stops and shows one instance of the switch and its database. Everything else is done with
// the ovs-* tools.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "commands.hpp"

namespace sluice::cli {

namespace {

constexpr const char* kHelp =
    R"(sluice: an Open vSwitch compatible switch on DPDK

usage: sluice COMMAND [OPTIONS] [-- ARGUMENTS FOR SLUICED]

  up        start ovsdb-server (creating the database) and sluiced, unless they run
  down      stop both
  status    show daemons, bridges and ports; exit code 0 runs, 1 runs in part, 3 stopped
  bench     measure it beside OVS-DPDK and testpmd; sluice bench --help
  version   print the version
  help      print this

options:
  --rundir DIR   pid files and sockets            [$OVS_RUNDIR or /var/run/openvswitch]
  --dbdir DIR    folder of the database conf.db   [$OVS_DBDIR; the run directory, if that is of your choice;
                                                   or /etc/openvswitch]
  --db FILE      the database itself              [DBDIR/conf.db]
  --logdir DIR   log files                        [$OVS_LOGDIR; the run directory, if that is of your choice;
                                                   or /var/log/openvswitch]
  --schema FILE  schema of a new database         [/usr/share/openvswitch/vswitch.ovsschema]

Bridges, ports and flows are made with ovs-vsctl and ovs-ofctl. For several instances beside each other give
each a run directory, and the ovs-* tools the same in OVS_RUNDIR.
)";

constexpr const char* kDefaultRundir = "/var/run/openvswitch";

struct CommandLine {
    std::string command;
    std::string rundir, dbdir, database, logdir, schema;  ///< empty: not given
    std::vector<std::string> daemon_arguments;            ///< what followed "--"
};

Result<CommandLine> parse(const std::vector<std::string>& arguments) {
    CommandLine line;
    const std::pair<const char*, std::string*> options[] = {{"--rundir", &line.rundir},
                                                            {"--dbdir", &line.dbdir},
                                                            {"--db", &line.database},
                                                            {"--logdir", &line.logdir},
                                                            {"--schema", &line.schema}};
    for (size_t i = 0; i < arguments.size(); ++i) {
        const std::string& argument = arguments[i];
        if (argument == "--") {
            line.daemon_arguments.assign(arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                         arguments.end());
            break;
        }
        if (argument == "-h" || argument == "--help") {
            line.command = "help";
            return line;
        }
        if (argument == "-V" || argument == "--version") {
            line.command = "version";
            return line;
        }
        if (argument.rfind("--", 0) != 0) {
            if (!line.command.empty())
                return make_error(EINVAL, "unexpected argument {} after {}: sluice help lists the options",
                                  argument, line.command);
            line.command = argument;
            continue;
        }
        const std::string name = argument.substr(0, argument.find('='));
        std::string* target = nullptr;
        for (const auto& [option, value] : options) {
            if (name == option) target = value;
        }
        if (target == nullptr)
            return make_error(
                EINVAL, "unknown option {}: sluice help lists them; options of sluiced go after --", name);
        if (name.size() < argument.size()) {
            *target = argument.substr(name.size() + 1);
        } else if (i + 1 < arguments.size()) {
            *target = arguments[++i];
        }
        if (target->empty()) return make_error(EINVAL, "option {} needs a value", name);
    }
    return line;
}

std::string environment(const char* name) {
    const char* value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): one thread
    return value != nullptr ? value : "";
}

std::string first_of(std::initializer_list<std::string> values) {
    for (const std::string& value : values) {
        if (!value.empty()) return std::filesystem::absolute(value).lexically_normal().string();
    }
    return {};
}

Places places_of(const CommandLine& line) {
    Places places;
    places.rundir = first_of({line.rundir, environment("OVS_RUNDIR"), kDefaultRundir});
    while (places.rundir.size() > 1 && places.rundir.back() == '/')
        places.rundir.pop_back();
    places.is_default = places.rundir == kDefaultRundir || places.rundir == "/run/openvswitch";
    const std::string own = places.is_default ? "" : places.rundir;
    const std::string dbdir = first_of({line.dbdir, environment("OVS_DBDIR"), own, "/etc/openvswitch"});
    places.database = first_of({line.database, dbdir + "/conf.db"});
    places.logdir = first_of({line.logdir, environment("OVS_LOGDIR"), own, "/var/log/openvswitch"});
    places.schema = first_of({line.schema, "/usr/share/openvswitch/vswitch.ovsschema"});
    return places;
}

Result<int> run(const CommandLine& line) {
    if (line.command == "help" || line.command.empty()) {
        std::fputs(kHelp, line.command.empty() ? stderr : stdout);
        return line.command.empty() ? 2 : 0;
    }
    if (line.command == "version") {
        fmt::print("sluice {}\n", SLUICE_VERSION);
        return 0;
    }
    if (line.command != "up" && !line.daemon_arguments.empty()) {
        return make_error(EINVAL, "arguments for sluiced (after --) go with sluice up only, not with {}",
                          line.command);
    }
    const Places places = places_of(line);
    // The daemons and tools that we start take their places from here.
    setenv("OVS_RUNDIR", places.rundir.c_str(), 1);  // NOLINT(concurrency-mt-unsafe): one thread
    setenv("OVS_LOGDIR", places.logdir.c_str(), 1);  // NOLINT(concurrency-mt-unsafe): one thread
    setenv("OVS_DBDIR", std::filesystem::path(places.database).parent_path().c_str(),
           1);  // NOLINT(concurrency-mt-unsafe)
    if (line.command == "status") return status(places);
    if (line.command != "up" && line.command != "down") {
        return make_error(EINVAL, "unknown command {}: there are up, down, status, bench, version and help",
                          line.command);
    }
    auto done = line.command == "up" ? up(places, line.daemon_arguments) : down(places);
    if (!done) return done.error();
    return 0;
}

}  // namespace

}  // namespace sluice::cli

int main(int argc, char** argv) {
    using namespace sluice::cli;
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    if (argc > 1 && std::strcmp(argv[1], "bench") == 0) {
        auto failed = bench(argv + 2);
        fmt::print(stderr, "sluice: {}\n", failed.error().message);
        return 1;
    }
    auto line = parse(std::vector<std::string>(argv + 1, argv + argc));
    auto code = line ? run(*line) : sluice::Result<int>(line.error());
    if (code) return *code;
    fmt::print(stderr, "sluice: {}\n", code.error().message);
    return line ? 1 : 2;
}
