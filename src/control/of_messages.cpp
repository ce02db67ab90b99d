// SPDX-License-Identifier: Apache-2.0
#include "control/of_messages.hpp"

#include <algorithm>

#include "flow/field.hpp"
#include "proto/openflow/codec.hpp"
#include "proto/openflow/continuation.hpp"

namespace sluice {

namespace of = openflow;
using of::ErrorCode;
using of::OfError;

namespace {

/// OFPPF_* bits of a speed; devices of unknown speed have none.
std::uint32_t feature_of(const PortState& device) {
    struct Row {
        std::uint64_t mbps;
        std::uint32_t full, half;
    };
    constexpr Row kRows[] = {{10, of::port_feature::k10MbFd, of::port_feature::k10MbHd},
                             {100, of::port_feature::k100MbFd, of::port_feature::k100MbHd},
                             {1000, of::port_feature::k1GbFd, of::port_feature::k1GbHd},
                             {10'000, of::port_feature::k10GbFd, 0},
                             {40'000, of::port_feature::k40GbFd, 0},
                             {100'000, of::port_feature::k100GbFd, 0},
                             {1'000'000, of::port_feature::k1TbFd, 0}};
    if (device.link_speed_bps == 0) return 0;
    for (const Row& row : kRows) {
        if (row.mbps * 1'000'000 == device.link_speed_bps)
            return (device.full_duplex || row.half == 0 ? row.full : row.half) | of::port_feature::kCopper;
    }
    return of::port_feature::kOther;
}

/// What a packet-in tells beside the packet: whatever is not zero of these.
constexpr FieldLoc kPacketInFields[] = {
    key::kMetadata, key::kTunId,       key::kTunSrc,     key::kTunDst,  key::kTunIpv6Src, key::kTunIpv6Dst,
    key::kTunGbpId, key::kTunGbpFlags, key::kPacketType, key::kPktMark, key::kCtState,    key::kCtZone,
    key::kCtMark,   key::kCtLabel,     key::kCtSrc,      key::kCtDst,   key::kCtIpv6Src,  key::kCtIpv6Dst};

void add_metadata(const FlowKey& from, const TunTable* tun, Match& to) {
    for (const FieldLoc& loc : kPacketInFields) {
        if (!from.get_wide(loc).is_zero()) to.set_masked(loc, from.get_wide(loc), ~U128{});
    }
    for (unsigned n = 0; n < 16; ++n) {
        if (from.get(key::reg(n)) != 0) to.set_exact(key::reg(n), from.get(key::reg(n)));
    }
    for (std::uint64_t left = from.get(key::kTunPresent); tun && left != 0; left &= left - 1) {
        const auto index = static_cast<unsigned>(__builtin_ctzll(left));
        if (!tun->find(index)) continue;
        const auto value = tun->get(from, index);
        tun->set(to, index, value, std::vector<std::uint8_t>(value.size(), 0xff));
    }
}

/// OFPTMPEF_OTHER, _IMPORTANCE, _LIFETIME.
constexpr std::uint32_t kAllEvictionReasons = 7;
/// Instructions goto, write-metadata, write-actions, apply-actions, clear-actions, meter.
constexpr std::uint32_t kInstructions = 0x3f;
/// Standard actions: output, copy-ttl none, push/pop VLAN and MPLS, ttl, set-queue, group, set-field.
constexpr std::uint32_t kStandardActions = 1U << 0 | 1U << 15 | 1U << 16 | 1U << 17 | 1U << 18 | 1U << 19 |
                                           1U << 20 | 1U << 21 | 1U << 22 | 1U << 23 | 1U << 24 | 1U << 25;
/// OpenFlow 1.0: output, the ten set and strip actions, enqueue.
constexpr std::uint32_t kActions10 = 0xfff;

}  // namespace

of::PortDesc describe_port(const bridge::BridgePort& port) {
    of::PortDesc out;
    out.port = port.number;
    out.hw_addr = port.mac;
    out.name = port.name;
    out.config = port.config;
    out.state = port.state;
    out.current = feature_of(port.device);
    out.current_speed_kbps = static_cast<std::uint32_t>(
        std::min<std::uint64_t>(port.device.link_speed_bps / 1000, ~std::uint32_t{0}));
    return out;
}

of::PortStats describe_port_stats(const bridge::PortStatistics& statistics) {
    const PortCounters& c = statistics.counters;
    of::PortStats out;
    out.port = statistics.number;
    out.rx_packets = c.rx_packets;
    out.tx_packets = c.tx_packets;
    out.rx_bytes = c.rx_bytes;
    out.tx_bytes = c.tx_bytes;
    out.rx_dropped = c.rx_dropped == kNotCounted ? kNotCounted : c.rx_dropped + c.rx_missed;
    out.tx_dropped = c.tx_dropped;
    out.rx_errors = c.rx_errors;
    out.tx_errors = c.tx_errors;
    out.rx_frame_errors = c.rx_frame_err;
    out.rx_over_errors = c.rx_over_err;
    out.rx_crc_errors = c.rx_crc_err;
    out.collisions = c.collisions;
    out.duration_s = statistics.duration_sec;
    out.duration_ns = statistics.duration_nsec;
    return out;
}

of::FeaturesReply describe_features(const bridge::Bridge& bridge, of::Version version) {
    of::FeaturesReply out;
    out.datapath_id = bridge.settings().datapath_id;
    out.n_tables = bridge::kVisibleTables;
    out.capabilities = of::capability::kFlowStats | of::capability::kTableStats | of::capability::kPortStats |
                       of::capability::kQueueStats;
    if (version <= of::Version::k11) out.capabilities |= of::capability::kArpMatchIp;
    if (version == of::Version::k10) {
        out.actions = kActions10;
    } else {
        out.capabilities |= of::capability::kGroupStats;
    }
    if (version >= of::Version::k14) out.capabilities |= of::capability::kBundles;
    if (version <= of::Version::k12) {
        for (const auto& [number, port] : bridge.ports())
            out.ports.push_back(describe_port(port));
    }
    return out;
}

of::DescReply describe_switch(const bridge::Bridge& bridge) {
    return {std::string(bridge.manufacturer()), std::string(bridge.hardware()), bridge.software(),
            bridge.serial(), bridge.description()};
}

of::TableStatsReply describe_tables(const bridge::FlowTables& flows) {
    of::TableStatsReply out;
    out.tables.resize(bridge::kVisibleTables);
    for (unsigned id = 0; id < bridge::kVisibleTables; ++id) {
        const auto table = static_cast<std::uint8_t>(id);
        const auto counted = flows.table_stats(table);
        of::TableStats& row = out.tables[id];
        row.table = table;
        row.name = flows.table_settings(table).name;
        row.max_entries = flows.table_settings(table).max_flows;
        row.active_count = static_cast<std::uint32_t>(flows.flow_count(table));
        row.lookup_count = counted.lookups;
        row.matched_count = counted.matches;
        row.miss = flows.table_config(table).miss;
        row.is_last = id + 1 == bridge::kVisibleTables;
    }
    return out;
}

of::TableFeaturesReply describe_table_features(const bridge::FlowTables& flows, unsigned first,
                                               unsigned count) {
    of::TableFeatures model;
    model.metadata_match = model.metadata_write = ~std::uint64_t{0};
    const auto fields = all_fields();
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const FieldId id{static_cast<std::uint8_t>(i)};
        if (fields[i].oxm.empty()) continue;
        model.match.push_back(id);
        model.wildcards.push_back(id);
        if (fields[i].mask != FieldMask::kNone) model.maskable.push_back(id);
        if (fields[i].writable) model.hit.apply_set_fields.push_back(id);
    }
    model.hit.write_set_fields = model.hit.apply_set_fields;
    model.hit.write_actions = model.hit.apply_actions = kStandardActions;

    of::TableFeaturesReply out;
    for (unsigned id = first; id < first + count && id < bridge::kVisibleTables; ++id) {
        of::TableFeatures row = model;
        row.table = static_cast<std::uint8_t>(id);
        row.name = flows.table_settings(row.table).name;
        row.max_entries = flows.table_settings(row.table).max_flows;
        for (unsigned next = id + 1; next < bridge::kVisibleTables; ++next)
            row.hit.next_tables.push_back(static_cast<std::uint8_t>(next));
        row.hit.instructions = row.hit.next_tables.empty() ? kInstructions & ~1U : kInstructions;
        row.miss = row.hit;
        out.tables.push_back(std::move(row));
    }
    return out;
}

of::TableDesc describe_table_config(const bridge::FlowTables& flows, std::uint8_t table) {
    const bridge::TableConfig& config = flows.table_config(table);
    of::TableDesc out;
    out.table = table;
    if (config.evict) out.config |= of::table_config::kEviction;
    out.eviction_flags = kAllEvictionReasons;
    if (config.vacancy_events) {
        out.config |= of::table_config::kVacancyEvents;
        out.vacancy = of::TableVacancy{config.vacancy_down, config.vacancy_up, flows.vacancy_percent(table)};
    }
    return out;
}

of::FlowRemoved describe_removed(const bridge::FlowTables& flows, const bridge::Flow& flow,
                                 bridge::FlowRemovedReason reason, std::int64_t now_ms) {
    constexpr std::int64_t kFreshNs = 1'000'000;  // many flows may go at once
    flows.collect_counts(kFreshNs);
    const of::FlowStats last = flows.describe(flow, now_ms);
    of::FlowRemoved out;
    out.match = flow.match().expand();
    out.cookie = flow.cookie;
    out.priority = flow.priority();
    out.reason = static_cast<of::FlowRemovedReason>(reason);
    out.table = flow.table();
    out.duration_s = last.duration_s;
    out.duration_ns = last.duration_ns;
    out.idle_timeout_s = flow.idle_timeout_s;
    out.hard_timeout_s = flow.hard_timeout_s;
    out.packet_count = last.packet_count;
    out.byte_count = last.byte_count;
    return out;
}

of::Bytes make_continuation(const bridge::Bridge& bridge, const pipeline::PausedPacket& paused,
                            of::Version version) {
    of::Continuation out;
    out.bridge = bridge.identity();
    for (const pipeline::PausedFrame& frame : paused.frames)
        out.frames.push_back({frame.table, frame.cookie, frame.actions});
    out.action_set = paused.action_set;
    out.stack = paused.stack;
    out.mirrors = paused.mirrored;
    return of::encode_continuation(out, version, bridge.flows().tun_table());
}

std::optional<OfError> resume_packet(bridge::Bridge& bridge, const of::PacketIn& packet_in,
                                     of::Version version) {
    auto continuation = of::decode_continuation(packet_in.continuation, version, bridge.flows().tun_table());
    if (!continuation) return continuation.error();
    if (continuation->bridge != bridge.identity())
        return OfError{ErrorCode::kNxrStale, "the packet was paused on another bridge"};
    pipeline::PausedPacket paused;
    const auto check = [&](const ActionList& actions, std::uint8_t table) {
        of::ActionCheck limits;
        limits.table = table;
        limits.n_tables = pipeline::kMaxTables;
        auto refusal = of::check_actions(actions, Match{}, limits);
        // Prerequisites can't be judged without a match: actions that don't apply to the packet do nothing.
        if (refusal && refusal->code != ErrorCode::kBacMatchInconsistent) return refusal;
        return bridge.flows().check_references(actions);
    };
    for (auto& frame : continuation->frames) {
        if (auto refusal = check(frame.actions, frame.table)) return refusal;
        paused.frames.push_back({frame.table, frame.cookie, std::move(frame.actions)});
    }
    if (auto refusal = check(continuation->action_set, 0)) return refusal;
    paused.action_set = std::move(continuation->action_set);
    paused.stack = std::move(continuation->stack);
    paused.mirrored = continuation->mirrors;
    paused.metadata = packet_in.metadata.value;
    if (packet_in.metadata.mask.get(key::kInPort) == 0)
        paused.metadata.set(key::kInPort, to_int(OfPort::kAny));
    if (auto resumed = bridge.resume(std::move(paused), packet_in.packet); !resumed)
        return OfError{ErrorCode::kBrcBadPacket, resumed.error().message};
    return {};
}

of::PacketIn make_packet_in(const pipeline::PuntRecord& record, const TunTable* tun) {
    of::PacketIn out;
    out.total_len = record.packet->pkt_len;
    out.reason = static_cast<of::PacketInReason>(record.reason);
    out.table = record.table;
    // As OVS: a miss without a flow has cookie 0.
    out.cookie = out.reason == of::PacketInReason::kNoMatch && !record.action ? 0 : record.cookie;
    out.metadata.set_exact(key::kInPort, to_int(record.in_port));
    add_metadata(record.key, tun, out.metadata);
    out.packet.reserve(record.packet->pkt_len);
    for (const Packet* segment = record.packet; segment; segment = segment->next) {
        const auto* data = rte_pktmbuf_mtod(segment, const std::uint8_t*);
        out.packet.insert(out.packet.end(), data, data + segment->data_len);
    }
    if (record.action) out.userdata = record.action->userdata;
    return out;
}

}  // namespace sluice
