// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "control/reconcile_config.hpp"
#include "control/reconcile_known.hpp"
#include "control/reconcile_parse.hpp"
#include "control/status.hpp"

namespace sluice {
namespace {

using ovsdb::Datum;
using ovsdb::Row;
using ovsdb::Uuid;

/// A database in memory.
class Database {
  public:
    Uuid add(const std::string& table, std::map<std::string, Datum> columns) {
        Row row;
        for (auto& [name, datum] : columns)
            row.columns()[name] = std::move(datum);
        const Uuid id = Uuid::random();
        tables_[table][id] = std::move(row);
        return id;
    }
    TableLookup lookup() const {
        return [this](std::string_view name) -> const ovsdb::TableRows& {
            static const ovsdb::TableRows kEmpty;
            const auto it = tables_.find(std::string(name));
            return it == tables_.end() ? kEmpty : it->second;
        };
    }
    /// One bridge "br0" of one port of one interface "p0", with extra columns; returns its configuration.
    BridgeConfig bridge(std::map<std::string, Datum> bridge_columns,
                        std::map<std::string, Datum> port_columns = {},
                        std::map<std::string, Datum> interface_columns = {}) {
        interface_columns.insert({"name", Datum::string("p0")});
        const Uuid interface = add("Interface", std::move(interface_columns));
        port_columns.insert({"name", Datum::string("p0")});
        port_columns.insert({"interfaces", Datum::uuid(interface)});
        const Uuid port = add("Port", std::move(port_columns));
        bridge_columns.insert({"name", Datum::string("br0")});
        bridge_columns.insert({"ports", Datum::uuid(port)});
        const Uuid bridge = add("Bridge", std::move(bridge_columns));
        add("Open_vSwitch", {{"bridges", Datum::uuid(bridge)}});
        return read_switch_config(lookup(), "/run", notices).bridges.at(0);
    }
    Notices notices;

  private:
    std::map<std::string, ovsdb::TableRows> tables_;
};

TEST(CoreMask, ListsTheCoresOfAHexadecimalMask) {
    EXPECT_EQ(*parse_core_mask("0x6"), (std::vector<unsigned>{1, 2}));
    EXPECT_EQ(*parse_core_mask("1"), (std::vector<unsigned>{0}));
    EXPECT_EQ(*parse_core_mask("A0000000000000000"), (std::vector<unsigned>{65, 67}));
}

TEST(CoreMask, RefusesWhatIsNotAMask) {
    for (const char* text : {"", "0x", "0", "0x0", "xyz", "0x1,2", "-1"})
        EXPECT_FALSE(parse_core_mask(text)) << text;
    EXPECT_FALSE(parse_core_mask("1" + std::string(256, '0')));
    EXPECT_NE(parse_core_mask("zz").error().message.find("0x6"), std::string::npos);
}

TEST(RxqAffinity, MapsQueuesToCores) {
    EXPECT_EQ(*parse_rxq_affinity("0:3,1:7"), (std::map<unsigned, unsigned>{{0, 3}, {1, 7}}));
    EXPECT_TRUE(parse_rxq_affinity("")->empty());
    for (const char* text : {"0", "0:", ":1", "a:1", "0:1;1:2", "0:99999"})
        EXPECT_FALSE(parse_rxq_affinity(text)) << text;
}

TEST(MacText, ReadsAndPrints) {
    EXPECT_EQ(format_mac(*parse_mac("00:1b:AC:00:00:ff")), "00:1b:ac:00:00:ff");
    for (const char* text :
         {"", "00:11:22:33:44", "00:11:22:33:44:5g", "00-11-22-33-44-55", "00:11:22:33:44:55:66"})
        EXPECT_FALSE(parse_mac(text)) << text;
}

TEST(DatapathId, NeedsSixteenDigitsAndAValue) {
    EXPECT_EQ(parse_datapath_id("00000000000000ab"), 0xabU);
    EXPECT_EQ(parse_datapath_id("0x00000000000000ab"), 0xabU);
    for (const char* text : {"", "ab", "0000000000000000", "000000000000000g", "00000000000000abc"})
        EXPECT_FALSE(parse_datapath_id(text)) << text;
}

TEST(Flag, OnlyTheOtherValueChangesTheDefault) {
    EXPECT_TRUE(parse_flag("TRUE", false));
    EXPECT_FALSE(parse_flag("yes", false));
    EXPECT_FALSE(parse_flag("false", true));
    EXPECT_TRUE(parse_flag("no", true));
    EXPECT_TRUE(parse_flag(std::nullopt, true));
}

TEST(KnownKeys, EveryKindIsTold) {
    EXPECT_EQ(classify_key("Open_vSwitch", "pmd-cpu-mask"), KeyKind::kEffective);
    EXPECT_EQ(classify_key("Open_vSwitch", "hw-offload"), KeyKind::kNoEffect);
    EXPECT_EQ(classify_key("Bridge", "pmd-cpu-mask"), KeyKind::kUnknown);
}

TEST(Notices, SayEachThingOnce) {
    Notices notices;
    EXPECT_TRUE(notices.once("a", "text"));
    EXPECT_FALSE(notices.once("a", "text"));
    EXPECT_TRUE(notices.once("b", "text"));
}

TEST(BridgeRow, GetsALocalPortEvenIfTheDatabaseHasNone) {
    Database db;
    const BridgeConfig bridge = db.bridge({});
    ASSERT_EQ(bridge.interfaces.size(), 2U);
    EXPECT_EQ(bridge.interfaces[0].port.name, "p0");
    EXPECT_FALSE(bridge.interfaces[0].local);
    EXPECT_EQ(bridge.interfaces[1].port.name, "br0");
    EXPECT_EQ(bridge.interfaces[1].port.type, "internal");
    EXPECT_TRUE(bridge.interfaces[1].local);
    EXPECT_EQ(bridge.openflow.fail_mode, FailMode::kStandalone);
}

TEST(BridgeRow, SettingsAreRead) {
    Database db;
    const BridgeConfig bridge =
        db.bridge({{"fail_mode", Datum::string("secure")},
                   {"other_config", Datum::string_map({{"datapath-id", "0000000000000042"},
                                                       {"hwaddr", "02:00:00:00:00:07"},
                                                       {"mac-table-size", "5"},
                                                       {"mac-aging-time", "60"},
                                                       {"forward-bpdu", "true"}})}});
    EXPECT_EQ(bridge.openflow.fail_mode, FailMode::kSecure);
    EXPECT_EQ(bridge.datapath_id, 0x42U);
    EXPECT_EQ(format_mac(*bridge.hwaddr), "02:00:00:00:00:07");
    EXPECT_EQ(bridge.mac_table_size, 10U);  // OVS's minimum
    EXPECT_EQ(bridge.mac_aging_seconds, 60U);
    EXPECT_TRUE(bridge.settings.forward_bpdu);
}

TEST(InterfaceRow, NumbersAndRequestsAreRead) {
    Database db;
    const BridgeConfig bridge =
        db.bridge({}, {},
                  {{"type", Datum::string("dpdk")},
                   {"options", Datum::string_map({{"dpdk-devargs", "net_null0"}})},
                   {"mtu_request", Datum::integer(9000)},
                   {"ofport", Datum::integer(7)},
                   {"ofport_request", Datum::integer(9)},
                   {"other_config", Datum::string_map({{"pmd-rxq-affinity", "0:1"}})}});
    const InterfaceConfig& interface = bridge.interfaces[0];
    EXPECT_EQ(interface.port.type, "dpdk");
    EXPECT_EQ(interface.port.options.at("dpdk-devargs"), "net_null0");
    EXPECT_EQ(interface.port.mtu_request, 9000U);
    EXPECT_EQ(interface.previous, OfPort{7});
    EXPECT_EQ(interface.requested, OfPort{9});
    EXPECT_EQ(interface.cores.at(0), 1U);
}

TEST(InterfaceRow, AFailedPortsNumberIsNoWish) {
    Database db;
    const BridgeConfig bridge = db.bridge({}, {}, {{"ofport", Datum::integer(-1)}});
    EXPECT_FALSE(bridge.interfaces[0].previous);
    EXPECT_FALSE(bridge.interfaces[0].requested);
}

TEST(PortRow, FurtherInterfacesOfABondAreRefusedWithASentence) {
    Database db;
    const Uuid a = db.add("Interface", {{"name", Datum::string("a")}});
    const Uuid b = db.add("Interface", {{"name", Datum::string("b")}});
    const BridgeConfig bridge = db.bridge({}, {{"interfaces", Datum::uuid_set({b, a})}});
    EXPECT_TRUE(bridge.interfaces[0].refusal.empty());
    EXPECT_EQ(bridge.interfaces[0].port.name, "a");
    EXPECT_NE(bridge.interfaces[1].refusal.find("bonds are not supported"), std::string::npos);
}

TEST(PortRow, VlanModesFollowTheColumns) {
    Notices notices;
    const auto vlan = [&](std::map<std::string, Datum> columns) {
        Row row;
        for (auto& [name, datum] : columns)
            row.columns()[name] = std::move(datum);
        return read_vlan(row, notices);
    };
    using Mode = pipeline::VlanMode;
    EXPECT_EQ(vlan({}).mode, Mode::kTrunk);
    EXPECT_EQ(vlan({}).trunks, nullptr);
    const auto access = vlan({{"tag", Datum::integer(5)}});
    EXPECT_EQ(access.mode, Mode::kAccess);
    EXPECT_EQ(access.tag, 5);
    const auto trunk = vlan({{"trunks", Datum::set({std::int64_t{1}, std::int64_t{4095}})}});
    EXPECT_EQ(trunk.mode, Mode::kTrunk);
    EXPECT_TRUE(trunk.trunks->test(1) && trunk.trunks->test(4095) && !trunk.trunks->test(2));
    const auto native = vlan({{"vlan_mode", Datum::string("native-untagged")},
                              {"tag", Datum::integer(7)},
                              {"trunks", Datum::integer(3)},
                              {"other_config", Datum::string_map({{"priority-tags", "always"}})}});
    EXPECT_EQ(native.mode, Mode::kNativeUntagged);
    EXPECT_TRUE(native.trunks->test(7));  // the native VLAN is carried in any case
    EXPECT_EQ(native.priority_tags, 2);
    EXPECT_EQ(vlan({{"vlan_mode", Datum::string("trunk")}, {"tag", Datum::integer(7)}}).tag, 0);
    EXPECT_FALSE(access == trunk);
    EXPECT_TRUE(trunk == vlan({{"trunks", Datum::set({std::int64_t{1}, std::int64_t{4095}})}}));
}

TEST(PortRow, TunnelModeAndProtectionFollowTheColumns) {
    Notices notices;
    const auto vlan = [&](std::map<std::string, Datum> columns) {
        Row row;
        for (auto& [name, datum] : columns)
            row.columns()[name] = std::move(datum);
        return read_vlan(row, notices);
    };
    const auto tunnel = vlan({{"vlan_mode", Datum::string("dot1q-tunnel")},
                              {"tag", Datum::integer(100)},
                              {"cvlans", Datum::set({std::int64_t{5}, std::int64_t{6}})},
                              {"other_config", Datum::string_map({{"qinq-ethtype", "802.1q"}})}});
    EXPECT_EQ(tunnel.mode, pipeline::VlanMode::kDot1qTunnel);
    EXPECT_EQ(tunnel.tag, 100);
    EXPECT_TRUE(tunnel.cvlans->test(5) && tunnel.cvlans->test(6) && !tunnel.cvlans->test(7));
    EXPECT_EQ(tunnel.qinq_ethertype, 0x8100);
    const auto plain = vlan({{"vlan_mode", Datum::string("dot1q-tunnel")}, {"tag", Datum::integer(100)}});
    EXPECT_EQ(plain.qinq_ethertype, 0x88a8);
    EXPECT_EQ(plain.cvlans, nullptr);
    EXPECT_FALSE(plain == tunnel);
    EXPECT_TRUE(vlan({{"protected", Datum::boolean(true)}}).is_protected);
    EXPECT_FALSE(vlan({}).is_protected);
    EXPECT_EQ(vlan({{"cvlans", Datum::integer(5)}}).cvlans, nullptr) << "of no use on another kind of port";
}

TEST(RootRow, WorkersAndWaitingAreRead) {
    Database db;
    db.add("Open_vSwitch", {{"other_config", Datum::string_map({{"pmd-cpu-mask", "0x3"},
                                                                {"pmd-maxsleep", "0"},
                                                                {"vlan-limit", "0"},
                                                                {"flow-restore-wait", "true"},
                                                                {"stats-update-interval", "100"},
                                                                {"dpdk-socket-mem", "64"},
                                                                {"dpdk-extra", "-d x.so"},
                                                                {"no-such-key", "1"}})}});
    const SwitchConfig config = read_switch_config(db.lookup(), "/run", db.notices);
    EXPECT_EQ(config.workers.cores, (std::vector<unsigned>{0, 1}));
    EXPECT_TRUE(config.workers.busy_poll);
    EXPECT_TRUE(config.flow_restore_wait);
    EXPECT_EQ(config.vlan_limit, 2U);
    EXPECT_EQ(read_stats_interval_ms(db.lookup()), 5000);
    EXPECT_EQ(read_eal_config(db.lookup()).socket_mem, "64");
    EXPECT_EQ(read_eal_config(db.lookup()).extra, "-d x.so");
    EXPECT_FALSE(db.notices.once("Open_vSwitch other_config:no-such-key", ""));
}

TEST(RootRow, ABridgeWithASlashInItsNameIsIgnored) {
    Database db;
    const Uuid bridge = db.add("Bridge", {{"name", Datum::string("../etc")}});
    db.add("Open_vSwitch", {{"bridges", Datum::uuid(bridge)}});
    EXPECT_TRUE(read_switch_config(db.lookup(), "/run", db.notices).bridges.empty());
}

TEST(ControllerRow, DefaultsAreThoseOfOvs) {
    Row row;
    row.columns()["target"] = Datum::string("tcp:127.0.0.1");
    ControllerSettings settings = read_controller(row);
    EXPECT_EQ(settings.max_backoff_ms, 8000);
    EXPECT_EQ(settings.inactivity_probe_ms, 5000);
    EXPECT_TRUE(settings.enable_async_messages);
    EXPECT_FALSE(settings.rate_limit);
    row.columns()["max_backoff"] = Datum::integer(10);
    row.columns()["inactivity_probe"] = Datum::integer(0);
    row.columns()["controller_rate_limit"] = Datum::integer(100);
    settings = read_controller(row);
    EXPECT_EQ(settings.max_backoff_ms, 1000);
    EXPECT_EQ(settings.inactivity_probe_ms, 0);
    EXPECT_EQ(settings.rate_limit, 100U);
}

TEST(Statistics, NamesAreThoseOfOvs) {
    PortCounters counters;
    counters.rx_packets = 3;
    counters.extra["tx_tso_packets"] = 9;
    const auto columns = statistics_columns(counters, false);
    EXPECT_EQ(columns.at("rx_packets"), 3);
    EXPECT_EQ(columns.at("tx_tso_packets"), 9);
    EXPECT_TRUE(columns.contains("rx_missed_errors"));
    EXPECT_EQ(statistics_columns(counters, true).size(), 4U);
}

}  // namespace
}  // namespace sluice
