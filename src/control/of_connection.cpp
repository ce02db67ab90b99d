// SPDX-License-Identifier: Apache-2.0
// The session: hello, order, waiting, asynchronous messages. What single requests mean is in
// of_requests.cpp.
#include "control/of_connection.hpp"

#include <algorithm>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "control/of_connection_dump.hpp"
#include "control/of_messages.hpp"
#include "control/of_requests.hpp"

namespace sluice {

namespace of = openflow;
using of::ErrorCode;
using of::OfError;

namespace {

const log::Module kLog{"rconn"};

constexpr unsigned kDefaultMissSendLen = 128;
/// A sleeping or idle worker passes at once, a busy one after a batch: mostly no need to come back.
constexpr std::uint64_t kSpinNs = 30'000;
constexpr std::int64_t kPollMs = 1;
/// A message's worth of work is done at a time while others wait for the loop.
constexpr unsigned kFramesATurn = 16'384;

std::span<const std::uint8_t> as_bytes(std::string_view text) {
    return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}
std::string_view as_text(const of::Bytes& bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

of::Version highest(unsigned versions) {
    unsigned version = 6;
    while (version > 1 && !(versions >> version & 1))
        --version;
    return of::Version{static_cast<std::uint8_t>(version)};
}

}  // namespace

OfConnection::OfConnection(EventLoop& loop, bridge::Bridge& bridge, OfHub& hub,
                           std::unique_ptr<Stream> stream, const OfConnectionOptions& options)
    : loop_(loop),
      bridge_(bridge),
      hub_(hub),
      stream_(std::move(stream)),
      options_(options),
      name_(fmt::format("{}<->{}", bridge.name(), stream_->name())),
      miss_send_len_(options.service ? 0 : kDefaultMissSendLen),
      bundles_(bridge),
      monitors_(bridge.flows(), this),
      heard_ms_(clock::now_ms()) {
    decode_.tun = &bridge.tlv_table().table();
    Stream::Handlers handlers;
    handlers.on_connected = [this] { heard_ms_ = clock::now_ms(); };
    handlers.on_data = [this](std::string_view bytes) { on_data(bytes); };
    handlers.on_closed = [this](const Error& reason) { close(reason); };
    handlers.on_drained = [this] {
        dump_ ? continue_dump() : process();
        resume_monitors();
    };
    stream_->set_handlers(std::move(handlers));
    send({highest(options_.versions), 1, of::Hello{options_.versions}});
}

OfConnection::~OfConnection() = default;

void OfConnection::set_options(const OfConnectionOptions& options) {
    options_ = options;
}

void OfConnection::close(const Error& reason) {
    if (closing_) return;
    closing_ = true;
    bridge_.flows().commit();
    dump_.reset();
    waiting_.reset();
    poll_.reset();
    resume_.reset();
    hub_.connection_closed(*this, reason);
}

// ---- Receiving ---------------------------------------------------------------------------------------

void OfConnection::on_data(std::string_view bytes) {
    if (closing_) return;
    heard_ms_ = clock::now_ms();
    probing_ = false;
    frames_.append(as_bytes(bytes));
    process();
}

bool OfConnection::blocked() const {
    return closing_ || waiting_ || dump_ || stream_->above_high_water();
}

void OfConnection::process() {
    if (processing_ || closing_) return;
    processing_ = true;
    unsigned budget = kFramesATurn;
    while (!blocked() && budget-- > 0) {
        const auto frame = frames_.next();
        if (!frame) break;
        ++received_;
        if (options_.controller) hub_.snoop(*frame);
        handle_frame(*frame);
    }
    bridge_.flows().commit();
    processing_ = false;
    if (closing_) return;
    if (frames_.broken()) {
        kLog.warn("{}: received a message with a length below {} bytes, closing", name_, of::Header::kSize);
        const std::uint8_t header[of::Header::kSize] = {of::to_int(version_.value_or(of::Version::k10)), 0, 0,
                                                        8};
        send_bytes(of::encode_error({ErrorCode::kBrcBadLen, {}}, header));
        stream_->set_reading(false);
        stream_->shutdown_after_send();
        close(make_error(EPROTO, "protocol error"));
        return;
    }
    stream_->set_reading(!blocked());
    if (budget == ~0U) resume_soon();
}

void OfConnection::resume_soon() {
    resume_ = loop_.after(0, [this] { process(); });
}

void OfConnection::handle_frame(std::span<const std::uint8_t> frame) {
    const auto header = of::parse_header(frame);
    auto message = of::decode(frame, decode_);
    if (!version_) {
        if (message && std::holds_alternative<of::Hello>(message->body)) {
            handle_hello(*message, frame);
        } else if (message && std::holds_alternative<of::ErrorMessage>(message->body)) {
            kLog.warn("{}: version negotiation failed at the other side", name_);
        } else {
            fail_hello("expected a hello message first", header ? header->xid : 0);
        }
        return;
    }
    if (header && header->version != of::to_int(*version_) && header->type > 1) {
        kLog.warn("{}: received OpenFlow version {:#04x}, expected {:#04x}", name_, header->version,
                  of::to_int(*version_));
        const std::uint8_t ours[of::Header::kSize] = {of::to_int(*version_),
                                                      header->type,
                                                      0,
                                                      of::Header::kSize,
                                                      static_cast<std::uint8_t>(header->xid >> 24),
                                                      static_cast<std::uint8_t>(header->xid >> 16),
                                                      static_cast<std::uint8_t>(header->xid >> 8),
                                                      static_cast<std::uint8_t>(header->xid)};
        send_bytes(of::encode_error({ErrorCode::kBrcBadVersion, {}}, ours));
        return;
    }
    if (!message) {
        refuse(message.error(), frame);
        return;
    }
    if (denied_to_secondary(message->body)) {
        refuse({ErrorCode::kBrcIsSlave, {}}, frame);
        return;
    }
    if (const auto* flow = std::get_if<of::FlowMod>(&message->body)) {
        if (auto error = bridge_.flows().apply(*flow, clock::now_ms(), {this, message->xid}))
            refuse(*error, frame);
        return;
    }
    bridge_.flows().commit();
    OfRequestHandler{*this, *message, frame}.run();
}

void OfConnection::handle_hello(const of::Message& message, std::span<const std::uint8_t>) {
    const std::uint32_t theirs = std::get<of::Hello>(message.body).versions;
    version_ = of::negotiate(options_.versions, theirs);
    if (!version_) {
        fail_hello(fmt::format("we support versions {:#04x}, you support {:#04x}, no common versions",
                               options_.versions, theirs),
                   message.xid);
        return;
    }
    masks_ = of::default_async_masks(*version_);
    if (!options_.async_messages) masks_ = {};
    if (!options_.service || options_.controller) {
        kLog.info("{}: connected, {}", name_, of::version_name(*version_));
    }
    hub_.connection_changed(*this);
    hub_.interest_changed();
}

void OfConnection::fail_hello(std::string_view text, std::uint32_t xid) {
    kLog.warn("{}: version negotiation failed: {}", name_, text);
    send_bytes(of::encode_hello_failed(highest(options_.versions), xid, text));
    stream_->set_reading(false);
    stream_->shutdown_after_send();
    close(make_error(EPROTO, "version negotiation failed"));
}

bool OfConnection::denied_to_secondary(const of::Body& body) const {
    return role_ == of::Role::kSecondary &&
           (std::holds_alternative<of::FlowMod>(body) || std::holds_alternative<of::PacketOut>(body) ||
            std::holds_alternative<of::GroupMod>(body) || std::holds_alternative<of::PortMod>(body) ||
            std::holds_alternative<of::TableMod>(body) || std::holds_alternative<of::MeterMod>(body) ||
            std::holds_alternative<of::BundleControl>(body) || std::holds_alternative<of::BundleAdd>(body) ||
            std::holds_alternative<of::TlvTableMod>(body));
}

// ---- Sending -----------------------------------------------------------------------------------------

void OfConnection::refuse(const OfError& error, std::span<const std::uint8_t> frame) {
    static log::RateLimit limit{20, 60};
    if (limit.allow()) {
        kLog.info("{}: sending {} error reply{}{}", name_, of::error_name(error.code),
                  error.detail.empty() ? "" : ": ", error.detail);
    }
    send_bytes(of::encode_error(error, frame));
}

void OfConnection::send(const of::Message& message) {
    scratch_.clear();
    if (auto encoded = of::encode(message, scratch_, decode_); !encoded) {
        static log::RateLimit limit{5, 60};
        if (limit.allow()) kLog.warn("{}: {}", name_, encoded.error().message);
        return;
    }
    send_bytes(scratch_);
}

void OfConnection::send_bytes(const of::Bytes& bytes) {
    if (options_.controller) hub_.snoop(bytes);
    stream_->send(as_text(bytes));
}

void OfConnection::send_reply(std::uint32_t xid, of::Body body) {
    send({*version_, xid, std::move(body)});
}

void OfConnection::reply_when_passed(std::uint32_t xid, of::Body body) {
    bridge_.flows().commit();
    Rcu& rcu = bridge_.datapath().rcu();
    const Rcu::Point point = rcu.point();
    if (rcu.spin_until_passed(point, kSpinNs)) {
        send_reply(xid, std::move(body));
        return;
    }
    waiting_ = Waiting{point, xid, std::move(body)};
    poll_ = loop_.after(
        kPollMs, [this] { poll_point(); }, TimeBase::kMachine);
}

void OfConnection::poll_point() {
    if (!waiting_) return;
    if (!bridge_.datapath().rcu().passed(waiting_->point)) {
        poll_ = loop_.after(
            kPollMs, [this] { poll_point(); }, TimeBase::kMachine);
        return;
    }
    Waiting done = std::move(*waiting_);
    waiting_.reset();
    send_reply(done.xid, std::move(done.body));
    process();
}

// ---- Dumps -------------------------------------------------------------------------------------------

void OfConnection::start_dump(std::uint32_t xid, const of::FlowSelection& selection) {
    dump_ = std::make_unique<Dump>(bridge_.flows(), *version_, xid, selection);
    continue_dump();
}

void OfConnection::continue_dump() {
    if (!dump_ || stream_->above_high_water()) return;
    of::Bytes part;
    const bool more = dump_->next(part, clock::now_ms());
    send_bytes(part);
    if (more) {
        resume_ = loop_.after(0, [this] { continue_dump(); });
        return;
    }
    dump_.reset();
    if (!processing_) resume_soon();
}

// ---- Asynchronous messages ---------------------------------------------------------------------------

bool OfConnection::wants(of::AsyncKind kind, unsigned reason) const {
    if (!version_ || closing_) return false;
    if (options_.service && miss_send_len_ == 0) return false;
    const auto& masks = role_ == of::Role::kSecondary ? masks_.secondary : masks_.primary;
    return reason < 32 && masks[static_cast<std::size_t>(kind)] >> reason & 1;
}

void OfConnection::send_port_status(const of::PortStatus& status) {
    if (wants(of::AsyncKind::kPortStatus, static_cast<unsigned>(status.reason))) send_reply(0, status);
}

void OfConnection::send_flow_removed(const of::FlowRemoved& removed) {
    if (!wants(of::AsyncKind::kFlowRemoved, static_cast<unsigned>(removed.reason))) return;
    of::FlowRemoved message = removed;
    message.nicira = nxm_flow_format_ && *version_ <= of::Version::k11;
    send_reply(0, std::move(message));
}

// A peer that lets more than this lie about flows is paused; as OVS does it.
constexpr std::size_t kMonitorBacklog = 128U << 10;

void OfConnection::send_flow_changes(std::span<const bridge::FlowChange> changes) {
    if (!version_ || closing_ || monitors_.empty()) return;
    of::FlowMonitorReply reply = monitors_.tell(changes);
    if (reply.updates.empty()) return;
    send_reply(0, std::move(reply));
    if (monitors_.paused() || stream_->queued_bytes() <= kMonitorBacklog) return;
    monitors_.pause();
    send_reply(0, of::FlowMonitorPaused{});
}

void OfConnection::resume_monitors() {
    if (closing_ || !monitors_.paused() || stream_->queued_bytes() != 0) return;
    of::FlowMonitorReply missed = monitors_.resume();
    if (!missed.updates.empty()) send_reply(0, std::move(missed));
    send_reply(0, of::FlowMonitorResumed{});
}

void OfConnection::send_table_status(const of::TableStatus& status) {
    if (version_ && *version_ >= of::Version::k14 && wants(of::AsyncKind::kTableStatus, status.reason))
        send_reply(0, status);
}

void OfConnection::send_request_forward(const of::Message& request) {
    constexpr unsigned kGroupMod = 0, kMeterMod = 1;
    const bool is_group = std::holds_alternative<of::GroupMod>(request.body);
    if (!wants(of::AsyncKind::kRequestForward, is_group ? kGroupMod : kMeterMod)) return;
    of::Message inner = request;
    inner.version = *version_;
    auto bytes = of::encode(inner);
    if (!bytes) return;  // this version has no such message
    send_reply(0, of::RequestForward{std::move(bytes.value())});
}

bool OfConnection::wants_misses() const {
    return version_ && *version_ < of::Version::k13 && controller_id_ == 0 &&
           wants(of::AsyncKind::kPacketIn, static_cast<unsigned>(of::PacketInReason::kNoMatch));
}

void OfConnection::send_packet_in(const pipeline::PuntRecord& record) {
    const bool table_miss_without_flow =
        record.reason == static_cast<unsigned>(of::PacketInReason::kNoMatch) && !record.action;
    if (!version_) return;
    const bool told_as_miss = record.table_miss && *version_ >= of::Version::k13;
    const auto reason =
        told_as_miss ? of::PacketInReason::kNoMatch : static_cast<of::PacketInReason>(record.reason);
    if (record.controller_id != controller_id_ ||
        !wants(of::AsyncKind::kPacketIn, static_cast<unsigned>(reason)))
        return;
    if (table_miss_without_flow && *version_ >= of::Version::k13) return;
    if (stream_->above_high_water() || !take_token()) {
        ++dropped_packet_ins_;
        static log::RateLimit limit{1, 12};
        if (limit.allow())
            kLog.warn(
                "{}: {} packet-in messages dropped so far: the controller is too slow, or above its limit",
                name_, dropped_packet_ins_);
        return;
    }
    // Nothing is buffered here, so a packet is sent whole whatever max_len says, as in OVS.
    of::PacketIn message = make_packet_in(record, decode_.tun);
    message.reason = reason;
    message.format = packet_in_format_;
    if (record.paused && packet_in_format_ == of::PacketInFormat::kNicira2)
        message.continuation = make_continuation(bridge_, *record.paused, *version_);
    send_reply(0, std::move(message));
}

bool OfConnection::take_token() {
    if (!options_.rate_limit) return true;
    const std::int64_t now = clock::now_ms();
    const double rate = *options_.rate_limit;
    const double burst =
        options_.burst_limit ? std::max(*options_.burst_limit, 25U) : std::max(rate / 4, 25.0);
    tokens_ = tokens_ms_ == 0
                  ? burst
                  : std::min(burst, tokens_ + static_cast<double>(now - tokens_ms_) * rate / 1000);
    tokens_ms_ = now;
    if (tokens_ < 1) return false;
    tokens_ -= 1;
    return true;
}

void OfConnection::demote() {
    if (role_ != of::Role::kPrimary) return;
    role_ = of::Role::kSecondary;
    if (version_ && *version_ >= of::Version::k14 &&
        wants(of::AsyncKind::kRoleStatus, static_cast<unsigned>(of::RoleReason::kPrimaryRequest))) {
        send_reply(0, of::RoleStatus{role_, of::RoleReason::kPrimaryRequest,
                                     hub_.generation().value_or(~std::uint64_t{0})});
    }
    hub_.connection_changed(*this);
}

void OfConnection::tick(std::int64_t now_ms) {
    bundles_.expire(now_ms);
    resume_monitors();
    if (closing_ || options_.probe_ms <= 0 || blocked() || !stream_->connected()) return;
    const std::int64_t idle = now_ms - heard_ms_;
    if (!probing_ && idle >= options_.probe_ms && version_) {
        probing_ = true;
        send({*version_, 0, of::EchoRequest{}});
    } else if (idle >= 2 * options_.probe_ms) {
        kLog.warn("{}: no response to inactivity probe after {:.3g} seconds, disconnecting", name_,
                  static_cast<double>(idle) / 1000);
        close(make_error(ETIMEDOUT, "no response to inactivity probe"));
    }
}

}  // namespace sluice
