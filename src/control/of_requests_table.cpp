// SPDX-License-Identifier: Apache-2.0
// Requests about tables, flow monitors, queues, tunnel options and connections.
#include <bitset>

#include "control/of_messages.hpp"
#include "control/of_requests.hpp"
#include "port/port.hpp"

namespace sluice {

namespace of = openflow;
using of::ErrorCode;
using of::OfError;

// ---- Tables ------------------------------------------------------------------------------------------

void OfRequestHandler::handle(const of::TableMod& request) {
    if (request.table != of::kAllTables && request.table >= bridge::kVisibleTables) {
        const bool own = request.table == bridge::kVisibleTables;
        return refuse(own ? ErrorCode::kTmfcEperm : ErrorCode::kTmfcBadTable,
                      fmt::format("table {} can't be configured", request.table));
    }
    const unsigned first = request.table == of::kAllTables ? 0 : request.table;
    const unsigned last = request.table == of::kAllTables ? bridge::kVisibleTables - 1 : request.table;
    for (unsigned table = first; table <= last; ++table)
        configure_table(request, static_cast<std::uint8_t>(table));
    if (*session.version_ < of::Version::k13) session.bridge_.table_misses_changed();
}

void OfRequestHandler::configure_table(const of::TableMod& request, std::uint8_t table) {
    if (*session.version_ < of::Version::k14) {
        if (request.miss != of::TableMiss::kDefault)
            session.bridge_.flows().set_table_miss(table, request.miss);
        return;
    }
    const bool events = (request.config & of::table_config::kVacancyEvents) != 0;
    std::optional<of::TableVacancy> vacancy;
    if (events) {
        const bridge::TableConfig& old = session.bridge_.flows().table_config(table);
        vacancy = request.vacancy.value_or(of::TableVacancy{old.vacancy_down, old.vacancy_up, 0});
    }
    session.bridge_.flows().configure_table(table, (request.config & of::table_config::kEviction) != 0,
                                            vacancy);
}

void OfRequestHandler::handle(const of::TableStatsRequest&) {
    session.bridge_.flows().collect_counts();
    reply(describe_tables(session.bridge_.flows()));
}

void OfRequestHandler::handle(const of::TableDescRequest&) {
    of::TableDescReply out;
    for (unsigned table = 0; table < bridge::kVisibleTables; ++table)
        out.tables.push_back(
            describe_table_config(session.bridge_.flows(), static_cast<std::uint8_t>(table)));
    reply(std::move(out));
}

// All that can be changed is the name: everything else must be as it is.
void OfRequestHandler::handle(const of::TableFeaturesRequest& request) {
    bridge::FlowTables& flows = session.bridge_.flows();
    if (auto refusal = check_table_features(request)) return refuse(*refusal);
    for (const of::TableFeatures& table : request.tables) {
        bridge::TableSettings settings = flows.table_settings(table.table);
        settings.name = table.name;
        flows.set_table_settings(table.table, std::move(settings));
    }
    if (request.tables.empty() || !message.more)
        reply(describe_table_features(flows, 0, bridge::kVisibleTables));
}

std::optional<OfError> OfRequestHandler::check_table_features(const of::TableFeaturesRequest& request) const {
    std::uint32_t required = 0;  // the properties without which 1.3 and 1.4 take no table
    if (*session.version_ < of::Version::k15) required = 0x5555;
    std::bitset<256> seen;
    for (const of::TableFeatures& table : request.tables) {
        if (table.table == of::kAllTables)
            return OfError{ErrorCode::kTffcBadTable, "all tables can't be given features"};
        if ((table.properties & required) != required)
            return OfError{ErrorCode::kTffcBadFeatures,
                           fmt::format("table {} lacks properties", table.table)};
        for (const auto* half : {&table.hit, &table.miss}) {
            for (const std::uint8_t next : half->next_tables) {
                if (next <= table.table)
                    return OfError{ErrorCode::kTffcBadFeatures,
                                   fmt::format("table {} can't precede table {}", next, table.table)};
            }
        }
        if (seen[table.table])
            return OfError{ErrorCode::kNxtffcDupTable, fmt::format("table {} stands twice", table.table)};
        seen.set(table.table);
    }
    for (const of::TableFeatures& table : request.tables) {
        if (!same_but_name(table))
            return OfError{ErrorCode::kTffcEperm, fmt::format("table {} can only be renamed", table.table)};
    }
    return {};
}

bool OfRequestHandler::same_but_name(of::TableFeatures table) const {
    if (table.table >= bridge::kVisibleTables) return false;
    const auto ours =
        of::encode({*session.version_, 0, describe_table_features(session.bridge_.flows(), table.table, 1)});
    if (!ours) return false;
    const auto decoded = of::decode(ours.value());
    if (!decoded) return false;
    of::TableFeatures current = std::get<of::TableFeaturesReply>(decoded->body).tables.at(0);
    current.name = table.name;
    // What misses can do follows from what hits can, unless it was said.
    current.properties = table.properties;
    if ((table.properties & 0xaaaa) == 0) table.miss = current.miss;
    table.command = current.command = 0;
    return table == current;
}

// ---- Flow monitors -----------------------------------------------------------------------------------

void OfRequestHandler::handle(const of::FlowMonitorRequest& request) {
    of::FlowMonitorReply initial;
    if (auto refusal = session.monitors_.request(request, initial)) return refuse(*refusal);
    reply(std::move(initial));
    session.hub_.monitors_changed();
}

void OfRequestHandler::handle(const of::FlowMonitorCancel& request) {
    if (auto refusal = session.monitors_.cancel(request.id)) return refuse(*refusal);
    session.hub_.monitors_changed();
}

// ---- Queues ------------------------------------------------------------------------------------------

namespace {

/// Queues of a port: a dummy has one (0), as in OVS, which keeps no statistics. Other kinds have none.
bool has_queue(const bridge::BridgePort& port, std::uint32_t queue) {
    return (queue == 0 || queue == of::kAnyQueue) && port.port && is_dummy_type(port.port->config().type);
}

}  // namespace

void OfRequestHandler::handle(const of::QueueStatsRequest& request) {
    const bool all = request.port == OfPort::kAny ||
                     (request.port == OfPort::kAll && *session.version_ == of::Version::k10);
    if (!all && !session.bridge_.port(request.port))
        return refuse(ErrorCode::kQofcBadPort, fmt::format("there is no port {}", to_int(request.port)));
    of::QueueStatsReply out;
    for (const auto& [number, port] : session.bridge_.ports()) {
        if ((!all && number != request.port) || !has_queue(port, request.queue)) continue;
        of::QueueStats stats;
        stats.port = number;
        stats.tx_bytes = stats.tx_packets = stats.tx_errors = kNotCounted;
        out.queues.push_back(stats);
    }
    if (out.queues.empty() && request.queue != of::kAnyQueue)
        return refuse(ErrorCode::kQofcBadQueue, fmt::format("there is no queue {}", request.queue));
    reply(std::move(out));
}

void OfRequestHandler::handle(const of::QueueConfigRequest& request) {
    const bool all = request.port == OfPort::kAny && *session.version_ != of::Version::k10;
    // As OVS: before 1.4 only ports with a number of their own may be asked about.
    const bool named = request.port == OfPort::kLocal && *session.version_ < of::Version::k14;
    if ((!all && !session.bridge_.port(request.port)) || named)
        return refuse(ErrorCode::kQofcBadPort, fmt::format("there is no port {}", to_int(request.port)));
    of::QueueConfigReply out;
    out.port = request.port;
    for (const auto& [number, port] : session.bridge_.ports()) {
        if ((!all && number != request.port) || !has_queue(port, request.queue)) continue;
        of::QueueConfig& queue = out.queues.emplace_back();
        queue.port = number;
    }
    if (out.queues.empty() && request.queue != of::kAnyQueue)
        return refuse(ErrorCode::kQofcBadQueue, fmt::format("there is no queue {}", request.queue));
    reply(out);
}

// ---- Tunnel options, connections, exporters ----------------------------------------------------------

void OfRequestHandler::handle(const of::TlvTableRequest&) {
    reply(session.bridge_.tlv_table().describe());
}

void OfRequestHandler::handle(const of::TlvTableMod& request) {
    if (auto refusal = session.bridge_.change_tlv_table(request)) refuse(*refusal);
}

void OfRequestHandler::handle(const of::CtFlushZone& request) {
    of::CtFlush flush;
    flush.zone = request.zone;
    if (session.bridge_.on_ct_flush) session.bridge_.on_ct_flush(flush);
}

void OfRequestHandler::handle(const of::CtFlush& request) {
    if (session.bridge_.on_ct_flush) session.bridge_.on_ct_flush(request);
}

void OfRequestHandler::handle(const of::IpfixStatsRequest&) {
    refuse(ErrorCode::kNxstNotConfigured, "there is no IPFIX exporter");
}

void OfRequestHandler::handle(const of::Resume& request) {
    if (auto refusal = resume_packet(session.bridge_, request.packet_in, *session.version_)) refuse(*refusal);
}

}  // namespace sluice
