// SPDX-License-Identifier: Apache-2.0
// One or more filled-in messages of every kind, for the tests of the codec and the seeds of its fuzzer.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "flow/action_text.hpp"
#include "flow/match_text.hpp"
#include "proto/openflow/codec.hpp"

namespace sluice::openflow::samples {

inline Match match(std::string_view text) {
    auto parsed = parse_match(text);
    if (!parsed) throw std::runtime_error(parsed.error().message);
    return *parsed;
}
inline ActionList actions(std::string_view text) {
    auto parsed = parse_actions(text);
    if (!parsed) throw std::runtime_error(parsed.error().message);
    return *parsed;
}

/// Matches that OpenFlow 1.0's and 1.1's fixed structures can say.
inline const std::vector<std::string>& plain_matches() {
    static const std::vector<std::string> kMatches = {
        "",
        "in_port=3",
        "in_port=LOCAL,dl_src=00:11:22:33:44:55,dl_dst=66:77:88:99:aa:bb",
        "dl_vlan=7,dl_vlan_pcp=3",
        "dl_vlan=0xffff",
        "dl_vlan=100,ip,nw_src=10.0.0.0/8,nw_dst=192.168.1.1",
        "tcp,nw_tos=16,tp_src=80,tp_dst=443",
        "udp,tp_dst=53",
        "icmp,icmp_type=8,icmp_code=0",
        "arp,arp_spa=1.2.3.4,arp_tpa=1.2.3.0/24,arp_op=1",
        "ip,nw_proto=47",
        "dl_type=0x88cc",
    };
    return kMatches;
}
/// Matches that need NXM or OXM.
inline const std::vector<std::string>& rich_matches() {
    static const std::vector<std::string> kMatches = {
        "reg0=0x12345678,reg5=1/0xff",
        "metadata=0x1234/0xffff,tun_id=77",
        "tcp6,ipv6_src=fe80::/10,ipv6_dst=2001:db8::1,tp_src=1000/0xfff8",
        "icmp6,icmp_type=135,icmp_code=0,nd_target=fe80::1,nd_sll=00:00:00:00:00:01",
        "dl_dst=01:00:00:00:00:00/01:00:00:00:00:00",
        "ip,ip_frag=not_later,nw_ttl=64,nw_ecn=2",
        "tcp,tcp_flags=+syn-ack",
        "arp,arp_sha=00:00:00:00:00:01,arp_tha=00:00:00:00:00:02",
        "mpls,mpls_label=99,mpls_tc=3,mpls_bos=1",
        "sctp,tp_src=1,tp_dst=2",
        "ct_state=+trk+est-inv,ct_zone=0,ct_mark=0x1/0x1",
        "vlan_tci=0x1000/0x1000",
        "pkt_mark=5,ipv6,ipv6_label=0x12345",
    };
    return kMatches;
}
inline const std::vector<std::string>& action_lists() {
    static const std::vector<std::string> kLists = {
        "",
        "output:2",
        "output:1,output:2,IN_PORT,LOCAL,FLOOD,ALL,NORMAL,CONTROLLER:128",
        "controller(max_len=100,reason=no_match,id=5)",
        "controller(userdata=01.02.03,pause)",
        "set_field:00:00:00:00:00:01->eth_dst,output:1",
        "load:0x5->NXM_NX_REG3[4..7],move:NXM_NX_REG0[]->NXM_NX_REG1[],output:NXM_NX_REG1[]",
        "push:NXM_NX_REG2[0..15],pop:NXM_NX_REG3[0..15]",
        "push_vlan:0x8100,set_field:4196->vlan_vid,output:3",
        "resubmit(,5),resubmit(3,),resubmit(1,2)",
        "dec_ttl,note:01.02.03.04.05.06,exit",
        "set_tunnel:0x1234,set_queue:3,pop_queue",
        "clone(output:1,set_field:1->reg0,output:2)",
        "output(port=1,max_len=64)",
        "group:7",
        "mod_dl_src:00:00:00:00:00:01,mod_nw_src:1.2.3.4,mod_nw_tos:16,mod_tp_dst:80,output:1",
        "mod_vlan_vid:5,mod_vlan_pcp:3,strip_vlan,output:1",
        "push_mpls:0x8847,set_mpls_ttl(5),dec_mpls_ttl,pop_mpls:0x0800",
        "set_field:0x1/0xf->reg0,set_field:1.2.3.4->ip_src",
    };
    return kLists;
}
/// Only OpenFlow 1.1+ has all of these.
inline const std::vector<std::string>& instruction_lists() {
    static const std::vector<std::string> kLists = {
        "goto_table:9",
        "output:1,write_metadata:0x5/0xff,goto_table:5",
        "clear_actions,write_actions(output:2,push_vlan:0x8100),goto_table:4",
    };
    return kLists;
}

inline PortDesc port(std::uint32_t number, std::string name) {
    PortDesc p;
    p.port = OfPort{number};
    p.hw_addr = {2, 0, 0, 0, 0, static_cast<std::uint8_t>(number)};
    p.name = std::move(name);
    p.config = port_config::kPortDown | port_config::kNoPacketIn;
    p.state = port_state::kLinkDown;
    p.current = port_feature::k10GbFd | port_feature::kFiber;
    p.supported = port_feature::k1GbFd | port_feature::kAutoneg;
    return p;
}
inline Bytes bytes(std::size_t size) {
    Bytes result;
    for (std::size_t i = 0; i < size; ++i)
        result.push_back(static_cast<std::uint8_t>(i * 7 + 1));
    return result;
}

inline void add_flows(std::vector<Body>& out, const std::string& match_text, const std::string& action_text) {
    const Match m = match(match_text);
    const ActionList list = actions(action_text);
    for (const bool nicira : {false, true}) {
        FlowMod mod;
        mod.table = 3;
        mod.match = m;
        mod.actions = list;
        mod.new_cookie = 0x1234;
        mod.idle_timeout_s = 10;
        mod.hard_timeout_s = 20;
        mod.flags = flow_flag::kSendFlowRemoved;
        mod.nicira = nicira;
        out.push_back(mod);
        FlowStats stats;
        stats.match = SparseMatch::from(m);
        stats.table = 4;
        stats.priority = 100;
        stats.cookie = 5;
        stats.duration_s = 7;
        stats.duration_ns = 8000000;
        stats.packet_count = 9;
        stats.byte_count = 900;
        stats.actions = list;
        out.push_back(FlowStatsReply{{stats, stats}, nicira});
        FlowRemoved removed;
        removed.match = m;
        removed.cookie = 77;
        removed.priority = 5;
        removed.reason = FlowRemovedReason::kDelete;
        removed.packet_count = 1;
        removed.byte_count = 2;
        removed.nicira = nicira;
        out.push_back(removed);
        FlowSelection selection;
        selection.match = m;
        selection.table = 1;
        selection.nicira = nicira;
        out.push_back(FlowStatsRequest{selection});
        out.push_back(AggregateRequest{selection});
        FlowUpdate update;
        update.event = FlowUpdate::Event::kModified;
        update.match = stats.match;
        update.actions = list;
        FlowUpdate abbreviated;
        abbreviated.event = FlowUpdate::Event::kAbbreviated;
        abbreviated.xid = 9;
        out.push_back(FlowMonitorReply{{update, abbreviated}});
        FlowMonitor monitor;
        monitor.id = 5;
        monitor.flags = 7;
        monitor.match = m;
        out.push_back(FlowMonitorRequest{{monitor}});
        out.push_back(AggregateReply{1, 2, 3, nicira});
    }
}

inline void add_session(std::vector<Body>& out) {
    out.insert(out.end(), {Hello{0x52},
                           ErrorMessage{0, 1, 2, {1, 2, 0, 8, 0, 0, 0, 1}},
                           ErrorMessage{0x2320, 2, 256, {4, 2, 0, 8, 0, 0, 0, 1}},
                           EchoRequest{bytes(5)},
                           EchoReply{bytes(9)},
                           FeaturesRequest{},
                           GetConfigRequest{},
                           GetConfigReply{{1, {}, 128}},
                           SetConfig{{0, {}, 0xffff}},
                           BarrierRequest{},
                           BarrierReply{},
                           RoleRequest{Role::kPrimary, 5, false},
                           RoleRequest{Role::kSecondary, {}, true},
                           RoleReply{Role::kEqual, {}, false},
                           RoleReply{Role::kPrimary, {}, true},
                           RoleStatus{Role::kEqual, RoleReason::kConfig, 5},
                           GetAsyncRequest{},
                           GetAsyncReply{default_async_masks(Version::k13)},
                           SetFlowFormat{true},
                           FlowModTableId{true},
                           SetPacketInFormat{PacketInFormat::kNicira2},
                           SetControllerId{77},
                           FlowAge{},
                           FlowMonitorCancel{3},
                           FlowMonitorPaused{},
                           FlowMonitorResumed{},
                           TlvTableRequest{},
                           CtFlushZone{9},
                           BundleControl{1, BundleType::kCommitRequest, 3},
                           DescRequest{},
                           TableStatsRequest{},
                           PortStatsRequest{OfPort{1}},
                           PortDescRequest{},
                           QueueStatsRequest{OfPort{1}, 2},
                           GroupStatsRequest{3},
                           GroupDescRequest{},
                           GroupFeaturesRequest{},
                           MeterStatsRequest{4},
                           MeterConfigRequest{},
                           MeterFeaturesRequest{},
                           TableFeaturesRequest{},
                           TableDescRequest{},
                           DescReply{"maker", "hardware", "software", "none", "a bridge"}});
    for (const auto form : {SetAsync::Form::kStandard, SetAsync::Form::kNicira, SetAsync::Form::kNicira2}) {
        out.push_back(SetAsync{default_async_masks(Version::k13), 7, 7, form});
    }
    out.push_back(TlvTableMod{TlvTableMod::Command::kAdd, {{0xffff, 1, 4, 0}, {0x102, 0x80, 8, 1}}});
    out.push_back(TlvTableReply{256, 64, {{0xffff, 1, 4, 0}}});
    out.push_back(IpfixStatsRequest{false});
    out.push_back(IpfixStatsRequest{true});
    CtFlush flush;
    flush.ip_proto = 6;
    flush.zone = 3;
    flush.original.source = U128{0, 0xffff01020304};
    flush.original.target_port = 80;
    out.push_back(flush);
}

inline void add_switch(std::vector<Body>& out) {
    FeaturesReply features;
    features.datapath_id = 0x123456789a;
    features.n_tables = 254;
    features.capabilities = capability::kFlowStats | capability::kTableStats | capability::kPortStats;
    features.ports = {port(1, "eth1"), port(2, "a-name-of-15-ch")};
    out.push_back(features);
    features.ports.clear();
    features.auxiliary_id = 1;
    out.push_back(features);
    out.push_back(PortStatus{PortReason::kModify, port(1, "eth1")});
    out.push_back(PortDescReply{{port(1, "eth1"), port(0xfffffffe, "br0")}});
    out.push_back(PortMod{OfPort{1}, {2, 0, 0, 0, 0, 1}, 1, 1, port_feature::k1GbFd});
    PortStats stats;
    stats.port = OfPort{1};
    stats.rx_packets = 5;
    stats.collisions = ~std::uint64_t{0};
    out.push_back(PortStatsReply{{stats, stats}});
    QueueStats queue;
    queue.port = OfPort{1};
    queue.queue = 2;
    queue.tx_bytes = 3;
    out.push_back(QueueStatsReply{{queue}});
    out.push_back(QueueConfigRequest{OfPort{1}, kAnyQueue});
    out.push_back(QueueConfigReply{OfPort{1}, {{OfPort{1}, 2, 100, 900}, {OfPort{1}, 3, 0xffff, 0xffff}}});
    out.push_back(TableStatsReply{{{0, "classifier", 1000000, 5, 6, 7}, {1, "table1", 1000000, 0, 0, 0}}});
    out.push_back(TableMod{3, TableMiss::kDrop, 0, {}, {}});
    out.push_back(TableMod{3, TableMiss::kDefault, table_config::kEviction, 2, TableVacancy{10, 20, 0}});
    out.push_back(TableDescReply{{{0, table_config::kEviction, 1, TableVacancy{1, 2, 3}}, {1, 0, {}, {}}}});
    out.push_back(TableStatus{3, {1, 0, {}, TableVacancy{10, 20, 5}}});
    TableFeatures table;
    table.table = 2;
    table.name = "table2";
    table.max_entries = 1000;
    table.hit.instructions = table.miss.instructions = 0x1f;
    table.hit.next_tables = {3, 4, 5};
    table.hit.apply_actions = 1;
    table.match = {field_by_name("eth_src"), field_by_name("eth_type")};
    std::sort(table.match.begin(), table.match.end());
    table.maskable = {field_by_name("eth_src")};
    table.wildcards = table.match;
    table.hit.apply_set_fields = {field_by_name("eth_src")};
    out.push_back(TableFeaturesReply{{table}});
}

inline void add_groups(std::vector<Body>& out) {
    GroupMod mod;
    mod.group = 9;
    mod.type = GroupType::kSelect;
    mod.command = GroupCommand::kAdd;
    for (std::uint32_t i = 0; i < 2; ++i) {
        Bucket bucket;
        bucket.id = i;
        bucket.weight = 5;
        bucket.actions = actions("output:1");
        mod.buckets.push_back(bucket);
    }
    out.push_back(mod);
    out.push_back(GroupDescReply{{{9, GroupType::kSelect, mod.buckets, {}}}});
    mod.properties.selection_method = "hash";
    mod.properties.selection_param = 1;
    mod.properties.fields.push_back({field_by_name("ip_src"), U128{0, 0xffffffff}});
    out.push_back(mod);
    out.push_back(GroupStatsReply{{{9, 1, 2, 3, 4, 5, {{6, 7}, {8, 9}}}}});
    out.push_back(GroupFeaturesReply{0xf, 3, {1, 2, 3, 4}, {5, 6, 7, 8}});
    const std::vector<MeterBand> bands = {{MeterBand::Type::kDrop, 100, 10, 0},
                                          {MeterBand::Type::kDscpRemark, 50, 5, 1}};
    out.push_back(MeterMod{MeterCommand::kAdd, 5, meter_flag::kKbps | meter_flag::kBurst, bands});
    out.push_back(MeterConfigReply{{{5, meter_flag::kKbps, bands}}});
    out.push_back(MeterStatsReply{{{5, 1, 2, 3, 4, 5, {{6, 7}}}}});
    out.push_back(MeterFeaturesReply{200000, 6, 0xf, 8, 0});
}

inline void add_packets(std::vector<Body>& out) {
    for (const auto format : {PacketInFormat::kStandard, PacketInFormat::kNicira, PacketInFormat::kNicira2}) {
        PacketIn p;
        p.format = format;
        p.packet = bytes(60);
        p.total_len = 60;
        p.reason = PacketInReason::kAction;
        p.table = 4;
        p.cookie = 0x77;
        p.metadata = match("in_port=3");
        out.push_back(p);
        p.metadata = match("in_port=3,metadata=5,reg1=7,tun_id=9");
        if (format == PacketInFormat::kNicira2) {
            p.userdata = bytes(5);
            p.continuation = {0x80, 0x08, 0, 8, 0, 0, 0, 5};
            out.push_back(Resume{p});
        }
        out.push_back(p);
    }
    PacketOut p;
    p.in_port = OfPort{3};
    p.metadata = match("in_port=3");
    p.actions = actions("output:1,set_field:1->reg0");
    p.packet = bytes(61);
    out.push_back(p);
}

/// All kinds; not every version has each (encode() says so).
inline std::vector<Body> bodies() {
    std::vector<Body> out;
    add_session(out);
    add_switch(out);
    add_groups(out);
    add_packets(out);
    for (const auto& m : plain_matches())
        add_flows(out, m, "output:2");
    for (const auto& m : rich_matches())
        add_flows(out, m, "output:2");
    for (const auto& a : action_lists())
        add_flows(out, "in_port=1,tcp", a);
    for (const auto& a : instruction_lists())
        add_flows(out, "in_port=1,tcp", a);
    return out;
}
inline std::vector<Version> versions() {
    return {Version::k10, Version::k11, Version::k12, Version::k13, Version::k14, Version::k15};
}

}  // namespace sluice::openflow::samples
