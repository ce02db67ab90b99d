// SPDX-License-Identifier: Apache-2.0
#include "control/reconcile_config.hpp"

#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "base/log.hpp"
#include "control/reconcile_ct.hpp"
#include "control/reconcile_parse.hpp"
#include "flow/match_text.hpp"

namespace sluice {

namespace {

const log::Module kLog{"bridge"};

constexpr std::int64_t kMinStatsMs = 5000;
constexpr std::int64_t kMinBackoffMs = 1000;

using ovsdb::Row;
using ovsdb::Uuid;

/// A datapath type of Open vSwitch's tests, whose internal ports are dummies.
bool is_dummy_datapath(std::string_view type) {
    return type == "dummy" && dummy_level() != DummyLevel::kNone;
}

const Row* find(const TableLookup& tables, std::string_view table, const Uuid& id) {
    const auto& rows = tables(table);
    const auto it = rows.find(id);
    return it == rows.end() ? nullptr : &it->second;
}

const Row& root_row(const TableLookup& tables) {
    static const Row kNone;
    const auto& rows = tables("Open_vSwitch");
    return rows.empty() ? kNone : rows.begin()->second;
}

SslConfig read_ssl(const TableLookup& tables) {
    SslConfig ssl;
    const Row* row = find(tables, "SSL", root_row(tables)["ssl"].as_uuid());
    if (!row) return ssl;
    ssl.private_key = (*row)["private_key"].as_string();
    ssl.certificate = (*row)["certificate"].as_string();
    ssl.ca_cert = (*row)["ca_cert"].as_string();
    ssl.bootstrap_ca_cert = (*row)["bootstrap_ca_cert"].as_boolean();
    return ssl;
}

worker::WorkerSettings read_workers(const Row& root, Notices& notices) {
    worker::WorkerSettings workers;
    const auto& other = root["other_config"];
    if (const auto mask = other.get("pmd-cpu-mask")) {
        if (auto cores = parse_core_mask(*mask)) {
            workers.cores = *cores;
        } else {
            notices.once("pmd-cpu-mask " + *mask,
                         fmt::format("other_config:pmd-cpu-mask: {}", cores.error().message));
        }
    }
    workers.busy_poll = parse_flag(other.get("sluice-busy-poll"), false);
    if (const auto sleep = other.get("pmd-maxsleep")) {
        const auto value = parse_number(*sleep, 10000);
        if (!value) {
            notices.once(
                "pmd-maxsleep " + *sleep,
                fmt::format("other_config:pmd-maxsleep: \"{}\" is not 0 to 10000 (microseconds)", *sleep));
        }
        if (value == 0U) workers.busy_poll = true;
        if (value.value_or(0) > 0) workers.max_sleep_us = static_cast<unsigned>(*value);
    }
    return workers;
}

/// Null: no VLAN named.
std::shared_ptr<std::bitset<4096>> read_vlan_set(const ovsdb::Datum& column) {
    if (column.empty()) return nullptr;
    auto set = std::make_shared<std::bitset<4096>>();
    for (const std::int64_t vid : column.as_integers()) {
        if (vid >= 0 && vid < 4096) set->set(static_cast<std::size_t>(vid));
    }
    return set;
}

void read_affinity(const Row& row, InterfaceConfig& interface) {
    const auto text = row["other_config"].get("pmd-rxq-affinity");
    if (!text) return;
    if (auto cores = parse_rxq_affinity(*text)) {
        interface.cores = *cores;
    } else {
        kLog.warn("interface {}: {}", interface.port.name, cores.error().message);
    }
}

InterfaceConfig read_interface(const Row& row, const std::string& bridge, Notices& notices) {
    InterfaceConfig interface;
    PortConfig& port = interface.port;
    port.name = row["name"].as_string();
    port.type = row["type"].as_string();
    port.options = row["options"].as_string_map();
    interface.local = port.name == bridge;
    if (interface.local) port.type = "internal";
    if (!row["mtu_request"].empty()) {
        port.mtu_request = static_cast<std::uint32_t>(row["mtu_request"].as_integer());
    }
    if (const auto text = row["mac"].as_string(); !text.empty()) {
        const auto mac = parse_mac(text);
        const bool usable = mac && (mac_to_u64(*mac) >> 40 & 1) == 0 && mac_to_u64(*mac) != 0;
        if (interface.local) {
            notices.once("mac " + port.name,
                         fmt::format("interface {}: column mac is ignored on a bridge's local "
                                     "port; set Bridge other_config:hwaddr instead",
                                     port.name));
        } else if (usable) {
            port.mac = mac;
        } else {
            notices.once("mac " + port.name + text,
                         fmt::format("interface {}: mac \"{}\" is not a unicast Ethernet address, ignored",
                                     port.name, text));
        }
    }
    const auto number = [](const ovsdb::Datum& datum) -> std::optional<OfPort> {
        const std::int64_t value = datum.as_integer(-1);
        if (value < 1 || value >= 0xff00) return std::nullopt;
        return OfPort{static_cast<std::uint32_t>(value)};
    };
    if (!interface.local) {
        interface.requested = number(row["ofport_request"]);
        interface.previous = number(row["ofport"]);
    }
    read_affinity(row, interface);
    notices.report_keys("Interface", row["other_config"].as_string_map());
    if (row["ingress_policing_rate"].as_integer() != 0 ||
        row["ingress_policing_kpkts_rate"].as_integer() != 0) {
        notices.no_effect("Interface ingress_policing_rate");
    }
    std::vector<std::string> complaints;
    interface.bfd = bfd::parse_config(row["bfd"].as_string_map(), complaints);
    for (const std::string& complaint : complaints)
        notices.once("bfd " + port.name + complaint, fmt::format("interface {}: {}", port.name, complaint));
    if (!row["cfm_mpid"].empty()) notices.no_effect("Interface cfm_mpid");
    if (row["lldp"].get("enable").value_or("") == "true") notices.no_effect("Interface lldp");
    return interface;
}

void read_port(const TableLookup& tables, const Row& row, const std::string& bridge, BridgeConfig& config,
               Notices& notices) {
    const std::string name = row["name"].as_string();
    notices.report_keys("Port", row["other_config"].as_string_map());
    if (!row["qos"].empty()) notices.no_effect("Port qos");
    const bridge::VlanSettings vlan = read_vlan(row, notices);

    std::vector<const Row*> rows;
    for (const Uuid& id : row["interfaces"].as_uuids()) {
        if (const Row* interface = find(tables, "Interface", id)) rows.push_back(interface);
    }
    std::sort(rows.begin(), rows.end(),
              [](const Row* a, const Row* b) { return (*a)["name"].as_string() < (*b)["name"].as_string(); });
    for (std::size_t i = 0; i < rows.size(); ++i) {
        InterfaceConfig interface = read_interface(*rows[i], bridge, notices);
        interface.vlan = vlan;
        if (i > 0) {
            interface.refusal = fmt::format(
                "port {}: bonds are not supported in this version, only interface {} is "
                "used; give {} a port of its own",
                name, (*rows[0])["name"].as_string(), interface.port.name);
            notices.once("bond " + name, interface.refusal);
        }
        config.interfaces.push_back(std::move(interface));
    }
}

void report_bridge_features(const Row& row, Notices& notices) {
    for (const char* column : {"netflow", "sflow", "ipfix", "auto_attach"}) {
        if (!row[column].empty()) notices.no_effect(fmt::format("Bridge {}", column));
    }
    for (const char* column : {"stp_enable", "rstp_enable", "mcast_snooping_enable"}) {
        if (row[column].as_boolean()) notices.no_effect(fmt::format("Bridge {}", column));
    }
}

unsigned read_limit(const Row& row, const char* key, unsigned fallback, unsigned min, unsigned max) {
    const auto text = row["other_config"].get(key);
    if (!text) return fallback;
    const auto value = parse_number(*text, ~std::uint32_t{0});
    if (!value) return fallback;
    return static_cast<unsigned>(std::clamp<std::uint64_t>(*value, min, max));
}

void read_openflow(const TableLookup& tables, const Row& row, const std::string& rundir, BridgeConfig& config,
                   Notices& notices) {
    OfServiceSettings& openflow = config.openflow;
    openflow.rundir = rundir;
    openflow.fail_mode = row["fail_mode"].as_string() == "secure" ? FailMode::kSecure : FailMode::kStandalone;
    if (auto versions = parse_openflow_protocols(row["protocols"].as_strings())) {
        openflow.versions = *versions;
    } else {
        kLog.warn("bridge {}: protocols: {}", config.settings.name, versions.error().message);
    }
    for (const Uuid& id : row["controller"].as_uuids()) {
        const Row* controller = find(tables, "Controller", id);
        if (!controller) continue;
        notices.report_keys("Controller", (*controller)["other_config"].as_string_map());
        openflow.controllers.push_back(read_controller(*controller));
    }
    openflow.ssl = read_ssl(tables);
}

// `prefixes` are a hint for a lookup structure that this switch does not have.
bridge::TableSettings read_flow_table(const Row& row, const std::string& bridge, Notices& notices) {
    bridge::TableSettings table;
    table.name = row["name"].as_string();
    if (!row["flow_limit"].empty())
        table.max_flows = static_cast<std::uint32_t>(
            std::clamp<std::int64_t>(row["flow_limit"].as_integer(), 0, ~std::uint32_t{0}));
    table.evict = row["overflow_policy"].as_string() == "evict";
    for (const std::string& text : row["groups"].as_strings()) {
        if (auto field = parse_subfield(text)) {
            table.groups.push_back(field.value());
        } else {
            notices.once("group " + bridge + text,
                         fmt::format("bridge {}: flow table groups: {}", bridge, field.error().message));
        }
    }
    return table;
}

void read_flow_tables(const TableLookup& tables, const Row& row, BridgeConfig& config, Notices& notices) {
    for (const auto& [number, id] : row["flow_tables"].as_uuid_map()) {
        const Row* table = find(tables, "Flow_Table", id);
        if (!table || number < 0 || number >= bridge::kVisibleTables) continue;
        config.tables[static_cast<std::uint8_t>(number)] =
            read_flow_table(*table, config.settings.name, notices);
    }
}

/// Names of the interfaces that stand for the ports of a column.
std::vector<std::string> read_port_names(const TableLookup& tables, const ovsdb::Datum& ports) {
    std::vector<std::string> names;
    for (const Uuid& id : ports.as_uuids()) {
        const Row* port = find(tables, "Port", id);
        if (!port) continue;
        std::vector<std::string> interfaces;
        for (const Uuid& member : (*port)["interfaces"].as_uuids()) {
            if (const Row* interface = find(tables, "Interface", member))
                interfaces.push_back((*interface)["name"].as_string());
        }
        if (!interfaces.empty()) names.push_back(*std::min_element(interfaces.begin(), interfaces.end()));
    }
    return names;
}

void read_mirrors(const TableLookup& tables, const Row& row, BridgeConfig& config, Notices& notices) {
    for (const Uuid& id : row["mirrors"].as_uuids()) {
        const Row* mirror = find(tables, "Mirror", id);
        if (!mirror) continue;
        bridge::MirrorSettings settings;
        settings.id = id.to_string();
        settings.name = (*mirror)["name"].as_string();
        settings.select_all = (*mirror)["select_all"].as_boolean();
        settings.src = read_port_names(tables, (*mirror)["select_src_port"]);
        settings.dst = read_port_names(tables, (*mirror)["select_dst_port"]);
        settings.vlans = read_vlan_set((*mirror)["select_vlan"]);
        const auto output = read_port_names(tables, (*mirror)["output_port"]);
        if (!output.empty()) settings.output = output.front();
        settings.vlan = static_cast<std::uint16_t>((*mirror)["output_vlan"].as_integer());
        settings.snaplen = static_cast<std::uint32_t>((*mirror)["snaplen"].as_integer());
        const auto complain = [&](const char* what) {
            notices.once("mirror " + settings.id + what,
                         fmt::format("bridge {}: mirror {} {}", config.settings.name, settings.name, what));
        };
        if (settings.output.empty() && settings.vlan == 0) {
            complain("does not specify output; ignoring");
            continue;
        }
        if (!settings.output.empty() && settings.vlan != 0) {
            complain("specifies both output port and output vlan; ignoring output vlan");
            settings.vlan = 0;
        }
        config.mirrors.push_back(std::move(settings));
    }
    std::sort(config.mirrors.begin(), config.mirrors.end(),
              [](const auto& a, const auto& b) { return a.id < b.id; });
}

BridgeConfig read_bridge(const TableLookup& tables, const Row& row, const std::string& rundir,
                         Notices& notices) {
    BridgeConfig config;
    const std::string name = row["name"].as_string();
    const auto& other = row["other_config"];
    config.settings.name = name;
    config.settings.dp_desc = other.get("dp-desc").value_or("");
    config.settings.serial = other.get("dp-sn").value_or("None");
    config.settings.forward_bpdu = parse_flag(other.get("forward-bpdu"), false);
    config.settings.flood_vlans = read_vlan_set(row["flood_vlans"]);
    if (const auto text = other.get("datapath-id")) {
        config.datapath_id = parse_datapath_id(*text);
        if (!config.datapath_id) {
            notices.once(
                "dpid " + name + *text,
                fmt::format("bridge {}: other_config:datapath-id \"{}\" is not 16 hexadecimal digits, "
                            "ignored",
                            name, *text));
        }
    }
    if (const auto text = other.get("hwaddr")) {
        config.hwaddr = parse_mac(*text);
        if (config.hwaddr && ((*config.hwaddr)[0] & 1) != 0) config.hwaddr.reset();
        if (!config.hwaddr) {
            notices.once(
                "hwaddr " + name + *text,
                fmt::format("bridge {}: other_config:hwaddr \"{}\" is not a unicast Ethernet address, "
                            "ignored",
                            name, *text));
        }
    }
    config.previous_id = parse_datapath_id(row["datapath_id"].as_string());
    config.mac_table_size = read_limit(row, "mac-table-size", config.mac_table_size, 10, 1'000'000);
    config.mac_aging_seconds = read_limit(row, "mac-aging-time", config.mac_aging_seconds, 15, 3600);
    config.datapath_type = row["datapath_type"].as_string();
    if (const std::string& type = config.datapath_type;
        !type.empty() && type != "system" && type != "netdev" && !is_dummy_datapath(type)) {
        notices.once("datapath_type " + name + type,
                     fmt::format("bridge {}: datapath_type \"{}\" is taken as netdev; known: system, netdev",
                                 name, type));
    }
    notices.report_keys("Bridge", other.as_string_map());
    report_bridge_features(row, notices);
    for (const Uuid& id : row["ports"].as_uuids()) {
        if (const Row* port = find(tables, "Port", id)) read_port(tables, *port, name, config, notices);
    }
    const bool has_local = std::any_of(config.interfaces.begin(), config.interfaces.end(),
                                       [](const InterfaceConfig& i) { return i.local; });
    if (!has_local) {
        InterfaceConfig local;
        local.port.name = name;
        local.port.type = "internal";
        local.local = true;
        config.interfaces.push_back(std::move(local));
    }
    if (is_dummy_datapath(config.datapath_type)) {
        for (auto& interface : config.interfaces) {
            if (interface.port.type == "internal") interface.port.type = "dummy-internal";
        }
    }
    read_openflow(tables, row, rundir, config, notices);
    read_flow_tables(tables, row, config, notices);
    read_mirrors(tables, row, config, notices);
    return config;
}

}  // namespace

bridge::VlanSettings read_vlan(const Row& port, Notices& notices) {
    bridge::VlanSettings vlan;
    const std::string mode = port["vlan_mode"].as_string();
    const bool has_tag = !port["tag"].empty();
    const auto tag = static_cast<std::uint16_t>(port["tag"].as_integer() & 0xfff);
    using Mode = pipeline::VlanMode;
    if (mode == "access") {
        vlan.mode = Mode::kAccess;
    } else if (mode == "native-tagged") {
        vlan.mode = Mode::kNativeTagged;
    } else if (mode == "native-untagged") {
        vlan.mode = Mode::kNativeUntagged;
    } else if (mode == "dot1q-tunnel") {
        vlan.mode = Mode::kDot1qTunnel;
    } else if (mode.empty() && has_tag) {
        vlan.mode = Mode::kAccess;
        if (!port["trunks"].empty()) {
            const std::string name = port["name"].as_string();
            notices.once("trunks " + name,
                         fmt::format("port {}: trunks are ignored, as tag makes it an access port", name));
        }
    }
    if (vlan.mode != Mode::kTrunk) vlan.tag = tag;
    const bool trunking =
        vlan.mode == Mode::kTrunk || vlan.mode == Mode::kNativeTagged || vlan.mode == Mode::kNativeUntagged;
    if (auto trunks = read_vlan_set(port["trunks"]); trunking && trunks) {
        if (vlan.mode != Mode::kTrunk) trunks->set(vlan.tag);
        vlan.trunks = std::move(trunks);
    }
    if (vlan.mode == Mode::kDot1qTunnel) {
        vlan.cvlans = read_vlan_set(port["cvlans"]);
        if (port["other_config"].get("qinq-ethtype").value_or("802.1ad") == "802.1q")
            vlan.qinq_ethertype = 0x8100;
    }
    vlan.is_protected = port["protected"].as_boolean();
    const std::string priority = port["other_config"].get("priority-tags").value_or("");
    if (priority == "true" || priority == "if-nonzero") vlan.priority_tags = 1;
    if (priority == "always") vlan.priority_tags = 2;
    return vlan;
}

ControllerSettings read_controller(const Row& row) {
    ControllerSettings settings;
    settings.target = row["target"].as_string();
    settings.max_backoff_ms = std::max(row["max_backoff"].as_integer(settings.max_backoff_ms), kMinBackoffMs);
    settings.inactivity_probe_ms =
        std::max<std::int64_t>(row["inactivity_probe"].as_integer(settings.inactivity_probe_ms), 0);
    const auto limit = [](const ovsdb::Datum& datum) -> std::optional<unsigned> {
        if (datum.empty() || datum.as_integer() <= 0) return std::nullopt;
        return static_cast<unsigned>(std::min<std::int64_t>(datum.as_integer(), ~0U));
    };
    settings.rate_limit = limit(row["controller_rate_limit"]);
    settings.burst_limit = limit(row["controller_burst_limit"]);
    settings.enable_async_messages = row["enable_async_messages"].as_boolean(true);
    settings.band = row["connection_mode"].as_string() == "in-band" ? ControllerBand::kInBand
                                                                    : ControllerBand::kOutOfBand;
    settings.primary = row["type"].as_string() != "service";
    return settings;
}

SwitchConfig read_switch_config(const TableLookup& tables, const std::string& rundir, Notices& notices) {
    SwitchConfig config;
    const Row& root = root_row(tables);
    notices.report_keys("Open_vSwitch", root["other_config"].as_string_map());
    config.workers = read_workers(root, notices);
    if (const auto limit = root["other_config"].get("vlan-limit")) {
        // As in OVS: 1 by default, 0 for as many as it can do.
        const auto value = parse_number(*limit, ~std::uint32_t{0}).value_or(1);
        config.vlan_limit = value == 1 ? 1 : 2;
    }
    config.shortcuts = parse_flag(root["other_config"].get("kernel-shortcuts"), true);
    config.flow_restore_wait = parse_flag(root["other_config"].get("flow-restore-wait"), false);
    config.connections = read_connection_config(tables, notices);
    std::set<std::string> names;
    for (const Uuid& id : root["bridges"].as_uuids()) {
        const Row* row = find(tables, "Bridge", id);
        if (!row) continue;
        const std::string name = (*row)["name"].as_string();
        if (name.find('/') != std::string::npos || name.empty() || !names.insert(name).second) {
            notices.once("bridge " + name, fmt::format("ignoring bridge with invalid name '{}' (\"/\" is not "
                                                       "allowed, and names are unique)",
                                                       name));
            continue;
        }
        config.bridges.push_back(read_bridge(tables, *row, rundir, notices));
    }
    return config;
}

EalConfig read_eal_config(const TableLookup& tables) {
    const auto& other = root_row(tables)["other_config"];
    EalConfig eal;
    eal.socket_mem = other.get("dpdk-socket-mem").value_or("");
    eal.socket_limit = other.get("dpdk-socket-limit").value_or("");
    eal.extra = other.get("dpdk-extra").value_or("");
    eal.lcore_mask = other.get("dpdk-lcore-mask").value_or("");
    return eal;
}

std::int64_t read_stats_interval_ms(const TableLookup& tables) {
    const auto text = root_row(tables)["other_config"].get("stats-update-interval");
    const auto value = text ? parse_number(*text, 1U << 30) : std::nullopt;
    return std::max(static_cast<std::int64_t>(value.value_or(0)), kMinStatsMs);
}

}  // namespace sluice
