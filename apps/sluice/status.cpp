// SPDX-License-Identifier: Apache-2.0
// `sluice status`: the daemons by /proc, bridges and ports by the database.
#include <chrono>
#include <map>
#include <thread>

#include <nlohmann/json.hpp>

#include "commands.hpp"

namespace sluice::cli {

using nlohmann::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

std::string duration(double uptime_s) {
    const long total = static_cast<long>(uptime_s);
    if (total >= 86400) return fmt::format("{}d{:02}h", total / 86400, total % 86400 / 3600);
    if (total >= 3600) return fmt::format("{}h{:02}m", total / 3600, total % 3600 / 60);
    if (total >= 60) return fmt::format("{}m{:02}s", total / 60, total % 60);
    return fmt::format("{}s", total);
}

void print_daemon(const char* title, const std::optional<ProcessInfo>& before) {
    if (!before) {
        fmt::print("{:<9} stopped\n", title);
        return;
    }
    const auto after = inspect(before->pid);
    const ProcessInfo& now = after ? *after : *before;
    const double window = now.uptime_s - before->uptime_s;
    const double cpu = window > 0.05 ? 100 * (now.cpu_s - before->cpu_s) / window : 0;
    fmt::print(
        "{:<9} {} pid {}, up {}, {} threads, {:.1f} MiB resident, CPU now {:.0f} %, since start {:.1f} %\n",
        title, now.name, now.pid, duration(now.uptime_s), now.thread_count,
        static_cast<double>(now.resident_kib) / 1024, cpu,
        now.uptime_s > 0 ? 100 * now.cpu_s / now.uptime_s : 0);
}

/// A column as text: sets of none are empty, maps print as JSON.
std::string text_of(const json& value) {
    if (value.is_string()) return value.get<std::string>();
    if (value.is_array() && value.size() == 2 && value[0] == "set")
        return value[1].empty() ? "" : text_of(value[1][0]);
    if (value.is_array() && value.size() == 2 && value[0] == "uuid") return text_of(value[1]);
    return value.dump();
}

/// The members of a set column; OVSDB writes a set of one without its brackets.
std::vector<std::string> members_of(const json& value) {
    if (!(value.is_array() && value.size() == 2 && value[0] == "set")) return {text_of(value)};
    std::vector<std::string> members;
    for (const json& member : value[1])
        members.push_back(text_of(member));
    return members;
}

std::string in_map(const json& value, const char* key) {
    if (!(value.is_array() && value.size() == 2 && value[0] == "map")) return "0";
    for (const json& pair : value[1]) {
        if (pair[0] == key) return text_of(pair[1]);
    }
    return "0";
}

using Rows = std::map<std::string, std::map<std::string, json>>;

/// Reads a table as rows by UUID.
Result<Rows> read_table(const Places& places, const std::string& table, const std::string& columns) {
    auto outcome = run_program({"ovs-vsctl", "--db=unix:" + places.socket(), "--timeout=5", "--format=json",
                                "--columns=_uuid," + columns, "list", table},
                               seconds(7));
    if (!outcome) return outcome.error();
    const json parsed = json::parse(outcome->output, nullptr, false);
    if (outcome->code != 0 || !parsed.is_object() || !parsed.contains("data") ||
        !parsed.contains("headings")) {
        return make_error(EIO, "table {} of the database cannot be read: {}", table, outcome->errors);
    }
    Rows rows;
    for (const json& row : parsed["data"]) {
        auto& entry = rows[text_of(row.at(0))];
        for (size_t i = 0; i < row.size(); ++i)
            entry[parsed["headings"].at(i).get<std::string>()] = row[i];
    }
    return rows;
}

void print_interface(std::map<std::string, json>& row) {
    const std::string type = text_of(row["type"]);
    const std::string link = text_of(row["link_state"]);
    const std::string error = text_of(row["error"]);
    const std::string ofport = text_of(row["ofport"]);
    fmt::print("  {:<15} {:>6}  {:<9} {:<5} {:>12} {:>12} {:>9}\n", text_of(row["name"]),
               ofport.empty() ? "-" : ofport, type.empty() ? "system" : type, link.empty() ? "-" : link,
               in_map(row["statistics"], "rx_packets"), in_map(row["statistics"], "tx_packets"),
               in_map(row["statistics"], "rx_dropped"));
    if (!error.empty()) fmt::print("    error: {}\n", error);
}

Result<void> print_bridges(const Places& places) {
    auto bridges = read_table(places, "Bridge", "name,ports,fail_mode,datapath_id");
    if (!bridges) return bridges.error();
    auto ports = read_table(places, "Port", "interfaces");
    if (!ports) return ports.error();
    auto interfaces = read_table(places, "Interface", "name,type,ofport,link_state,statistics,error");
    if (!interfaces) return interfaces.error();
    if (bridges->empty()) fmt::print("no bridge yet: ovs-vsctl add-br br0 makes one\n");
    for (auto& [uuid, bridge] : *bridges) {
        const std::string mode = text_of(bridge["fail_mode"]);
        fmt::print("\nbridge {}  datapath id {}, fail mode {}\n", text_of(bridge["name"]),
                   text_of(bridge["datapath_id"]), mode.empty() ? "standalone" : mode);
        fmt::print("  {:<15} {:>6}  {:<9} {:<5} {:>12} {:>12} {:>9}\n", "interface", "ofport", "type", "link",
                   "rx packets", "tx packets", "rx drops");
        for (const std::string& port : members_of(bridge["ports"])) {
            for (const std::string& interface : members_of((*ports)[port]["interfaces"])) {
                if (interfaces->count(interface) != 0) print_interface((*interfaces)[interface]);
            }
        }
    }
    return {};
}

}  // namespace

Result<int> status(const Places& places) {
    const auto daemon = running_switch(places);
    const auto server = running_database(places);
    fmt::print("{:<9} {}\n", "run dir", places.rundir);
    if (daemon) std::this_thread::sleep_for(milliseconds(200));  // the window of "CPU now"
    print_daemon("switch", daemon);
    print_daemon("database", server);
    if (!daemon && !server) return 3;
    if (server) {
        if (auto printed = print_bridges(places); !printed) return printed.error();
    }
    if (!daemon || !server) return 1;
    const std::string control = fmt::format("{}/ovs-vswitchd.{}.ctl", places.rundir, daemon->pid);
    const auto answer = run_program({"ovs-appctl", "--timeout=5", "-t", control, "version"}, seconds(6));
    if (answer && answer->code == 0) return 0;
    fmt::print("\nthe switch does not answer on {}\n", control);
    return 1;
}

}  // namespace sluice::cli
