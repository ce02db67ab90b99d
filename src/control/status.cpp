// SPDX-License-Identifier: Apache-2.0
#include "control/status.hpp"

#include <fstream>
#include <sstream>
#include <vector>

#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "control/reconcile_parse.hpp"
#include "packet/eal.hpp"
#include "pipeline/shortcut.hpp"

namespace sluice {

namespace {

using ovsdb::Datum;

const char* const kInterfaceState[] = {"mac_in_use", "mtu",        "ifindex", "admin_state",
                                       "link_state", "link_speed", "duplex",  "link_resets"};

/// Datapath:capabilities (ovs-vswitchd.conf.db(5)): what programs may use here.
const std::map<std::string, std::string> kCapabilities = {
    {"add_mpls", "true"},
    {"check_pkt_len", "true"},
    {"clone", "true"},
    {"ct_clear", "true"},
    {"ct_eventmask", "false"},
    {"ct_flush", "true"},
    {"ct_label", "true"},
    {"ct_mark", "true"},
    {"ct_orig_tuple", "true"},
    {"ct_orig_tuple6", "true"},
    {"ct_state", "true"},
    {"ct_state_nat", "true"},
    {"ct_timeout", "true"},
    {"ct_zero_snat", "true"},
    {"ct_zone", "true"},
    {"explicit_drop_action", "true"},
    {"lb_output_action", "false"},
    {"masked_set_action", "true"},
    {"max_hash_alg", "1"},
    {"max_mpls_depth", "3"},
    {"max_vlan_headers", "2"},
    {"nd_ext", "true"},
    {"recirc", "true"},
    {"sample_nesting", "false"},
    {"tnl_push_pop", "false"},
    {"trunc", "true"},
    {"ufid", "true"},
};

std::int64_t to_signed(std::uint64_t value) {
    return static_cast<std::int64_t>(value);
}

}  // namespace

std::map<std::string, std::int64_t> statistics_columns(const PortCounters& c, bool patch) {
    std::map<std::string, std::int64_t> columns{
        {"rx_packets", to_signed(c.rx_packets)},
        {"rx_bytes", to_signed(c.rx_bytes)},
        {"tx_packets", to_signed(c.tx_packets)},
        {"tx_bytes", to_signed(c.tx_bytes)},
    };
    if (patch) return columns;
    columns.insert({
        {"rx_errors", to_signed(c.rx_errors)},
        {"rx_dropped", to_signed(c.rx_dropped)},
        {"rx_missed_errors", to_signed(c.rx_missed)},
        {"rx_crc_err", to_signed(c.rx_crc_err)},
        {"rx_frame_err", to_signed(c.rx_frame_err)},
        {"rx_over_err", to_signed(c.rx_over_err)},
        {"tx_errors", to_signed(c.tx_errors)},
        {"tx_dropped", to_signed(c.tx_dropped)},
        {"collisions", to_signed(c.collisions)},
    });
    for (const auto& [name, value] : c.extra)
        columns.emplace(name, to_signed(value));
    std::erase_if(columns, [](const auto& column) { return column.second == to_signed(kNotCounted); });
    return columns;
}

void StatusWriter::write_root() {
    ovsdb::Uuid id;
    const ovsdb::Row* root = database_.first("Open_vSwitch", &id);
    if (!root) return;
    std::vector<std::string> types;
    for (const PortKind& kind : port_kinds())
        types.emplace_back(kind.type.empty() ? "system" : kind.type);
    const auto set = [&](const char* column, Datum value) {
        database_.set("Open_vSwitch", id, column, std::move(value));
    };
    set("iface_types", Datum::string_set(types));
    std::vector<std::string> datapaths{"netdev", "system"};
    if (dummy_level() != DummyLevel::kNone) datapaths.insert(datapaths.begin(), "dummy");
    set("datapath_types", Datum::string_set(datapaths));
    set("dpdk_initialized", Datum::boolean(eal_running()));
    if (eal_running()) set("dpdk_version", Datum::string(eal_info().version));
    for (const auto& [datapath, row] : database_.table("Datapath"))
        database_.set("Datapath", datapath, "capabilities", Datum::string_map(kCapabilities));
    if ((*root)["ovs_version"].empty()) set("ovs_version", Datum::string(kCompatibleVersion));
}

void StatusWriter::write_interfaces() {
    for (const auto& [id, row] : database_.table("Interface")) {
        const SwitchPort* slot = switch_.find_port(row["name"].as_string());
        if (slot && !slot->waiting) write_interface(id, *slot);
    }
}

void StatusWriter::write_interface(const ovsdb::Uuid& row, const SwitchPort& slot) {
    const auto set = [&](const char* column, Datum value) {
        database_.set("Interface", row, column, std::move(value));
    };
    set("error", slot.error.empty() ? Datum::empty_set() : Datum::string(slot.error));
    if (!slot.attached()) {
        set("ofport", Datum::integer(-1));
        for (const char* column : kInterfaceState)
            set(column, Datum::empty_set());
        set("status", Datum::empty_map());
        set("statistics", Datum::empty_map());
        set("bfd_status", Datum::empty_map());
        return;
    }
    const PortState& state = slot.state;
    const bool patch = slot.is_virtual();
    const auto up_down = [](bool up) { return Datum::string(up ? "up" : "down"); };
    set("ofport", Datum::integer(slot.config.local ? 65534 : to_int(slot.number)));
    const MacBytes none{};
    set("mac_in_use", state.mac == none ? Datum::empty_set() : Datum::string(format_mac(state.mac)));
    set("mtu", patch ? Datum::empty_set() : Datum::integer(state.mtu));
    set("ifindex", Datum::integer(state.ifindex));
    set("admin_state", up_down(state.admin_up));
    set("link_state", up_down(state.link_up));
    set("link_speed",
        state.link_speed_bps == 0 ? Datum::empty_set() : Datum::integer(to_signed(state.link_speed_bps)));
    set("duplex", patch || !state.duplex_known ? Datum::empty_set()
                                               : Datum::string(state.full_duplex ? "full" : "half"));
    set("link_resets", Datum::integer(to_signed(state.link_resets)));
    set("status", Datum::string_map(state.status));
    set("bfd_status",
        slot.bfd ? Datum::string_map(switch_.bfd().status(slot.config.port.name)) : Datum::empty_map());
}

void StatusWriter::write_bridges() {
    for (const auto& [id, row] : database_.table("Bridge")) {
        const SwitchBridge* owner = switch_.find_bridge(row["name"].as_string());
        if (!owner) continue;
        database_.set("Bridge", id, "datapath_id",
                      Datum::string(fmt::format("{:016x}", owner->bridge->settings().datapath_id)));
        database_.set("Bridge", id, "datapath_version", Datum::string("<built-in>"));
    }
}

void StatusWriter::write_controllers() {
    for (const auto& [id, row] : database_.table("Bridge")) {
        const SwitchBridge* owner = switch_.find_bridge(row["name"].as_string());
        if (!owner) continue;
        const auto all = owner->openflow->controller_status();
        for (const ovsdb::Uuid& controller : row["controller"].as_uuids()) {
            const ovsdb::Row* wanted = database_.find("Controller", controller);
            if (!wanted) continue;
            const std::string target = (*wanted)["target"].as_string();
            const auto set = [&](const char* column, Datum value) {
                database_.set("Controller", controller, column, std::move(value));
            };
            bool found = false;
            for (const ControllerStatus& status : all) {
                if (status.target != target) continue;
                set("is_connected", Datum::boolean(status.connected));
                set("role", status.role ? Datum::string(*status.role) : Datum::empty_set());
                set("status", Datum::string_map(status.status));
                found = true;
                break;
            }
            if (!found) {
                set("is_connected", Datum::boolean(false));
                set("role", Datum::empty_set());
                set("status", Datum::empty_map());
            }
        }
    }
}

void StatusWriter::write_statistics() {
    switch_.datapath().shortcuts().collect();
    for (const auto& [id, row] : database_.table("Interface")) {
        const SwitchPort* slot = switch_.find_port(row["name"].as_string());
        if (!slot || !slot->attached()) continue;
        const SwitchBridge* owner = switch_.find_bridge(slot->bridge);
        const auto statistics = owner->bridge->statistics(slot->number);
        if (!statistics) continue;
        const bool patch = slot->is_virtual();
        database_.set("Interface", id, "statistics",
                      Datum::integer_map(statistics_columns(statistics->counters, patch)));
    }
    for (const auto& [id, row] : database_.table("Bridge")) {
        const SwitchBridge* owner = switch_.find_bridge(row["name"].as_string());
        if (!owner) continue;
        for (const ovsdb::Uuid& mirror : row["mirrors"].as_uuids()) {
            const auto stats = owner->bridge->mirrors().statistics(mirror.to_string());
            database_.set("Mirror", mirror, "statistics",
                          stats ? Datum::integer_map({{"tx_packets", to_signed(stats->packets)},
                                                      {"tx_bytes", to_signed(stats->bytes)}})
                                : Datum::empty_map());
        }
    }
    write_system_statistics();
}

void StatusWriter::write_system_statistics() {
    ovsdb::Uuid id;
    const ovsdb::Row* root = database_.first("Open_vSwitch", &id);
    if (!root) return;
    const auto& other = (*root)["other_config"];
    const bool wanted = parse_flag(other.get("enable-statistics"), false) ||
                        parse_flag(other.get("statistics-enable"), false);
    if (!wanted) {
        if (system_statistics_) database_.set("Open_vSwitch", id, "statistics", Datum::empty_map());
        system_statistics_ = false;
        return;
    }
    system_statistics_ = true;
    struct sysinfo info {};
    rusage usage{};
    ::sysinfo(&info);
    ::getrusage(RUSAGE_SELF, &usage);
    const auto kib = [&](unsigned long units) { return std::uint64_t{units} * info.mem_unit / 1024; };
    std::uint64_t size_pages = 0;
    std::uint64_t resident_pages = 0;
    std::ifstream("/proc/self/statm") >> size_pages >> resident_pages;
    const auto page_kib = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)) / 1024;
    const auto cpu_ms = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000 +
                        (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1000;
    double load[3] = {};
    [[maybe_unused]] const int got = ::getloadavg(load, 3);
    database_.set("Open_vSwitch", id, "statistics",
                  Datum::string_map({
                      {"cpu", fmt::format("{}", ::sysconf(_SC_NPROCESSORS_ONLN))},
                      {"load_average", fmt::format("{:.2f},{:.2f},{:.2f}", load[0], load[1], load[2])},
                      {"memory", fmt::format("{},{},{},{},{}", kib(info.totalram),
                                             kib(info.totalram - info.freeram), kib(info.bufferram),
                                             kib(info.totalswap), kib(info.totalswap - info.freeswap))},
                      {"process_ovs-vswitchd",
                       fmt::format("{},{},{},0", size_pages * page_kib, resident_pages * page_kib, cpu_ms)},
                  }));
}

void StatusWriter::write_all() {
    write_root();
    write_bridges();
    write_interfaces();
    write_controllers();
}

}  // namespace sluice
