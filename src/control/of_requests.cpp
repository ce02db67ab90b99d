// SPDX-License-Identifier: Apache-2.0
#include "control/of_requests.hpp"

#include "base/clock.hpp"
#include "base/log.hpp"
#include "bridge/group_table.hpp"
#include "bridge/meter_table.hpp"
#include "control/of_connection_dump.hpp"
#include "control/of_messages.hpp"

namespace sluice {

namespace of = openflow;
using of::ErrorCode;
using of::OfError;

namespace {

const log::Module kLog{"ofproto"};

}  // namespace

void OfRequestHandler::run() {
    std::visit([this](auto& body) { handle(body); }, message.body);
}

void OfRequestHandler::reply(of::Body body) {
    session.send_reply(message.xid, std::move(body));
}

void OfRequestHandler::refuse(ErrorCode code, std::string detail) {
    session.refuse({code, std::move(detail)}, frame);
}

void OfRequestHandler::refuse(const OfError& error) {
    session.refuse(error, frame);
}

// ---- Symmetric, configuration ------------------------------------------------------------------------

void OfRequestHandler::handle(const of::ErrorMessage& error) {
    static log::RateLimit limit{10, 60};
    if (limit.allow())
        kLog.info("{}: received error type {} code {} from the controller", session.name(), error.type,
                  error.code);
    refuse(ErrorCode::kBrcBadType);  // as OVS: a switch takes none
}

void OfRequestHandler::handle(of::EchoRequest& request) {
    reply(of::EchoReply{std::move(request.data)});
}

void OfRequestHandler::handle(const of::FeaturesRequest&) {
    reply(describe_features(session.bridge_, *session.version_));
}

void OfRequestHandler::handle(const of::GetConfigRequest&) {
    of::GetConfigReply out;
    switch (session.bridge_.fragments()) {
        case pipeline::FragmentMode::kNormal:
            out.config.frag_mode = 0;
            break;
        case pipeline::FragmentMode::kDrop:
            out.config.frag_mode = 1;
            break;
        case pipeline::FragmentMode::kNxMatch:
            out.config.frag_mode = 3;
            break;
    }
    if (*session.version_ < of::Version::k13) out.config.invalid_ttl_to_controller = session.invalid_ttl_;
    out.config.miss_send_len = static_cast<std::uint16_t>(session.miss_send_len_);
    reply(out);
}

void OfRequestHandler::handle(const of::SetConfig& request) {
    const of::SwitchConfig& config = request.config;
    // A secondary may set what concerns itself only.
    if (session.role_ != of::Role::kSecondary) {
        switch (config.frag_mode) {
            case 0:
                session.bridge_.set_fragments(pipeline::FragmentMode::kNormal);
                break;
            case 1:
                session.bridge_.set_fragments(pipeline::FragmentMode::kDrop);
                break;
            case 3:
                session.bridge_.set_fragments(pipeline::FragmentMode::kNxMatch);
                break;
            default:
                kLog.warn("{}: fragment handling mode {} is not supported, keeping the old one",
                          session.name(), config.frag_mode);
        }
    }
    if (config.invalid_ttl_to_controller) {
        session.invalid_ttl_ = *config.invalid_ttl_to_controller;
        auto& mask = session.masks_.primary[static_cast<std::size_t>(of::AsyncKind::kPacketIn)];
        const std::uint32_t bit = 1U << static_cast<unsigned>(of::PacketInReason::kInvalidTtl);
        mask = session.invalid_ttl_ ? mask | bit : mask & ~bit;
    }
    session.miss_send_len_ = config.miss_send_len;
    session.hub_.interest_changed();
}

// ---- Packets, ports, tables --------------------------------------------------------------------------

void OfRequestHandler::handle(const of::PacketOut& request) {
    if (auto refusal = run_packet_out(session.bridge_, request)) refuse(*refusal);
}

void OfRequestHandler::handle(const of::PortMod& request) {
    if (auto refusal = check_port_mod(session.bridge_, request)) {
        refuse(*refusal);
        return;
    }
    if (auto done = session.bridge_.modify_port(request.port, request.config, request.mask); !done)
        refuse(ErrorCode::kPmfcEperm, done.error().message);
}

void OfRequestHandler::handle(const of::GroupMod& request) {
    if (auto refusal = session.bridge_.flows().groups().apply(request, clock::now_ms())) {
        refuse(*refusal);
    } else {
        session.hub_.forward_request(session, message);
    }
}

void OfRequestHandler::handle(const of::MeterMod& request) {
    if (auto refusal = session.bridge_.flows().meters().apply(request, clock::now_ms())) {
        refuse(*refusal);
    } else {
        session.hub_.forward_request(session, message);
    }
}

void OfRequestHandler::handle(const of::BarrierRequest&) {
    session.reply_when_passed(message.xid, of::BarrierReply{});
}

// ---- Roles and what is sent unasked ------------------------------------------------------------------

void OfRequestHandler::handle(const of::RoleRequest& request) {
    if (request.role == of::Role::kPrimary || request.role == of::Role::kSecondary) {
        if (request.generation_id && !session.hub_.accept_generation(*request.generation_id)) {
            refuse(ErrorCode::kRrfcStale, fmt::format("generation id {} is old", *request.generation_id));
            return;
        }
    }
    if (request.role != of::Role::kNoChange && request.role != session.role_) {
        session.role_ = request.role;
        session.hub_.connection_changed(session);
        session.hub_.interest_changed();
    }
    if (request.role == of::Role::kPrimary) session.hub_.demote_others(session);
    session.reply_when_passed(message.xid,
                              of::RoleReply{session.role_, session.hub_.generation(), request.nicira});
}

void OfRequestHandler::handle(const of::GetAsyncRequest&) {
    reply(of::GetAsyncReply{session.masks_});
}

void OfRequestHandler::handle(const of::SetAsync& request) {
    for (std::size_t kind = 0; kind < session.masks_.primary.size(); ++kind) {
        if (request.primary_set >> kind & 1) session.masks_.primary[kind] = request.masks.primary[kind];
        if (request.secondary_set >> kind & 1) session.masks_.secondary[kind] = request.masks.secondary[kind];
    }
    // Who asks for messages wants them, also where nobody gets any by default (<bridge>.mgmt); as in OVS.
    if (session.miss_send_len_ == 0) session.miss_send_len_ = 128;
    session.hub_.interest_changed();
}

void OfRequestHandler::handle(const of::SetFlowFormat& request) {
    session.nxm_flow_format_ = request.nxm;
}

void OfRequestHandler::handle(const of::FlowModTableId& request) {
    session.decode_.flow_mod_table_id = request.enable;
}

void OfRequestHandler::handle(const of::SetPacketInFormat& request) {
    session.packet_in_format_ = request.format;
}

void OfRequestHandler::handle(const of::SetControllerId& request) {
    session.controller_id_ = request.id;
    session.hub_.interest_changed();
}

// ---- Bundles -----------------------------------------------------------------------------------------

void OfRequestHandler::handle(const of::BundleControl& request) {
    const std::int64_t now = clock::now_ms();
    OfBundles::Refusal refusal;
    std::optional<OfBundles::Failure> failure;
    std::vector<of::Message> done;
    of::BundleControl answer = request;
    answer.flags = 0;  // as OVS answers
    switch (request.type) {
        case of::BundleType::kOpenRequest:
            refusal = session.bundles_.open(request.bundle, request.flags, now);
            answer.type = of::BundleType::kOpenReply;
            break;
        case of::BundleType::kCloseRequest:
            refusal = session.bundles_.close(request.bundle, request.flags);
            answer.type = of::BundleType::kCloseReply;
            break;
        case of::BundleType::kDiscardRequest:
            refusal = session.bundles_.discard(request.bundle);
            answer.type = of::BundleType::kDiscardReply;
            break;
        case of::BundleType::kCommitRequest:
            refusal = session.bundles_.commit(request.bundle, request.flags, session.decode_, now,
                                              {&session, message.xid}, failure, done);
            answer.type = of::BundleType::kCommitReply;
            break;
        case of::BundleType::kOpenReply:
        case of::BundleType::kCloseReply:
        case of::BundleType::kCommitReply:
        case of::BundleType::kDiscardReply:
            refusal = OfError{ErrorCode::kBfcBadType, "a reply is not a request"};
            break;
        default:
            return;  // as OVS: numbers that mean nothing are passed over
    }
    if (failure) session.refuse(failure->error, failure->message);
    for (const of::Message& group_mod : done)
        session.hub_.forward_request(session, group_mod);
    if (refusal) {
        refuse(*refusal);
    } else if (answer.type == of::BundleType::kCommitReply) {
        session.reply_when_passed(message.xid, answer);
    } else {
        reply(answer);
    }
}

void OfRequestHandler::handle(const of::BundleAdd& request) {
    if (auto refusal = session.bundles_.add(request, session.decode_, clock::now_ms())) refuse(*refusal);
}

// ---- Statistics --------------------------------------------------------------------------------------

void OfRequestHandler::handle(const of::DescRequest&) {
    reply(describe_switch(session.bridge_));
}

void OfRequestHandler::handle(const of::FlowStatsRequest& request) {
    if (auto refusal = bridge::FlowTables::check_table(request.selection.table)) {
        refuse(*refusal);
        return;
    }
    session.bridge_.flows().collect_counts();
    session.start_dump(message.xid, request.selection);
}

void OfRequestHandler::handle(const of::AggregateRequest& request) {
    if (auto refusal = bridge::FlowTables::check_table(request.selection.table)) {
        refuse(*refusal);
        return;
    }
    session.bridge_.flows().collect_counts();
    auto out = session.bridge_.flows().aggregate(bridge::FlowFilter::from(request.selection));
    out.nicira = request.selection.nicira;
    reply(out);
}

void OfRequestHandler::handle(const of::PortStatsRequest& request) {
    session.bridge_.flows().collect_counts();
    of::PortStatsReply out;
    for (const auto& [number, port] : session.bridge_.ports()) {
        if (request.port != OfPort::kAny && request.port != number) continue;
        if (const auto statistics = session.bridge_.statistics(number))
            out.ports.push_back(describe_port_stats(*statistics));
    }
    reply(std::move(out));
}

void OfRequestHandler::handle(const of::PortDescRequest& request) {
    of::PortDescReply out;
    for (const auto& [number, port] : session.bridge_.ports()) {
        if (request.port == OfPort::kAny || request.port == number) out.ports.push_back(describe_port(port));
    }
    reply(std::move(out));
}

void OfRequestHandler::handle(const of::GroupStatsRequest& request) {
    reply(of::GroupStatsReply{session.bridge_.flows().groups().stats(request.group, clock::now_ms())});
}

void OfRequestHandler::handle(const of::GroupDescRequest& request) {
    reply(of::GroupDescReply{session.bridge_.flows().groups().describe(request.group)});
}

void OfRequestHandler::handle(const of::GroupFeaturesRequest&) {
    reply(bridge::GroupTable::features(*session.version_));
}

void OfRequestHandler::handle(const of::MeterStatsRequest& request) {
    if (auto meters = session.bridge_.flows().meters().stats(request.meter, clock::now_ms())) {
        reply(of::MeterStatsReply{std::move(*meters)});
    } else {
        refuse(ErrorCode::kMmfcUnknownMeter, fmt::format("there is no meter {}", request.meter));
    }
}

void OfRequestHandler::handle(const of::MeterConfigRequest& request) {
    if (auto meters = session.bridge_.flows().meters().configs(request.meter)) {
        reply(of::MeterConfigReply{std::move(*meters)});
    } else {
        refuse(ErrorCode::kMmfcUnknownMeter, fmt::format("there is no meter {}", request.meter));
    }
}

void OfRequestHandler::handle(const of::MeterFeaturesRequest&) {
    reply(bridge::MeterTable::features());
}

// ---- Dumps -------------------------------------------------------------------------------------------

bool OfConnection::Dump::next(of::Bytes& out, std::int64_t now_ms) {
    of::FlowStatsWriter writer(version_, xid_, nicira_, out, flows_.tun_table());
    for (unsigned i = 0; i < kFlowsAPiece && cursor_.peek(); ++i) {
        if (auto added = writer.add(flows_.describe(*cursor_.next(), now_ms)); !added)
            kLog.warn("flow dump: {}", added.error().message);
    }
    writer.finish();
    if (!cursor_.peek()) return false;
    // The writer ended its last part as the final one; it is not. type, flags follow the header.
    constexpr std::size_t kFlagsOffset = of::Header::kSize + 2;
    std::size_t part = 0;
    while (part + of::Header::kSize <= out.size()) {
        const std::size_t length = std::size_t{out[part + 2]} << 8 | out[part + 3];
        if (length < of::Header::kSize || part + length >= out.size()) break;
        part += length;
    }
    if (part + kFlagsOffset + 1 < out.size()) out[part + kFlagsOffset + 1] |= 1;
    return true;
}

}  // namespace sluice
