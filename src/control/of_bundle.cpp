// SPDX-License-Identifier: Apache-2.0
#include "control/of_bundle.hpp"

#include "bridge/flow_tables.hpp"
#include "bridge/group_table.hpp"

namespace sluice {

namespace of = openflow;
using of::ErrorCode;
using of::OfError;

OfBundles::Refusal OfBundles::open(std::uint32_t id, std::uint16_t flags, std::int64_t now_ms) {
    if (const auto it = bundles_.find(id); it != bundles_.end()) {
        forget(it);
        return OfError{ErrorCode::kBfcBadId, fmt::format("bundle {} was open already", id)};
    }
    if (bundles_.size() >= kMaxBundles)
        return OfError{ErrorCode::kBfcOutOfBundles, fmt::format("the limit is {} bundles", kMaxBundles)};
    Bundle& bundle = bundles_[id];
    bundle.flags = flags;
    bundle.used_ms = now_ms;
    return {};
}

OfBundles::Refusal OfBundles::close(std::uint32_t id, std::uint16_t flags) {
    const auto it = bundles_.find(id);
    if (it == bundles_.end()) return OfError{ErrorCode::kBfcBadId, fmt::format("there is no bundle {}", id)};
    const bool closed = it->second.closed;
    if (closed || it->second.flags != flags) {
        forget(it);
        return OfError{closed ? ErrorCode::kBfcBundleClosed : ErrorCode::kBfcBadFlags, {}};
    }
    it->second.closed = true;
    return {};
}

OfBundles::Refusal OfBundles::discard(std::uint32_t id) {
    const auto it = bundles_.find(id);
    if (it == bundles_.end()) return OfError{ErrorCode::kBfcBadId, fmt::format("there is no bundle {}", id)};
    forget(it);
    return {};
}

OfBundles::Refusal OfBundles::add(const of::BundleAdd& message, const of::DecodeOptions& options,
                                  std::int64_t now_ms) {
    auto inner = of::decode(message.message, options);
    if (!inner) return inner.error();
    if (!std::holds_alternative<of::FlowMod>(inner->body) &&
        !std::holds_alternative<of::GroupMod>(inner->body) &&
        !std::holds_alternative<of::PortMod>(inner->body) &&
        !std::holds_alternative<of::PacketOut>(inner->body)) {
        return OfError{ErrorCode::kBfcMsgUnsup, std::string(of::message_name(inner->body))};
    }
    // What can be told now is told now; commit finds the rest.
    Refusal bad;
    if (const auto* flow = std::get_if<of::FlowMod>(&inner->body)) bad = bridge_.flows().validate(*flow);
    if (const auto* group = std::get_if<of::GroupMod>(&inner->body))
        bad = bridge_.flows().groups().validate(*group);
    if (const auto* packet = std::get_if<of::PacketOut>(&inner->body)) {
        bad = check_packet_out(bridge_, *packet);
        // The bundle may make the group or meter before.
        if (bad && (bad->code == ErrorCode::kBacBadOutGroup || bad->code == ErrorCode::kMmfcInvalidMeter))
            bad.reset();
    }
    if (bad) return bad;
    if (bundles_.count(message.bundle) == 0) {
        if (auto refusal = open(message.bundle, message.flags, now_ms)) return refusal;
    }
    const auto it = bundles_.find(message.bundle);
    Bundle& bundle = it->second;
    if (bundle.closed || bundle.flags != message.flags) {
        const ErrorCode code = bundle.closed ? ErrorCode::kBfcBundleClosed : ErrorCode::kBfcBadFlags;
        forget(it);
        return OfError{code, {}};
    }
    if (bytes_ + message.message.size() > kMaxBytes)
        return OfError{ErrorCode::kBfcMsgTooMany, fmt::format("bundles hold {} bytes", bytes_)};
    bundle.used_ms = now_ms;
    bundle.bytes += message.message.size();
    bytes_ += message.message.size();
    bundle.messages.push_back(message.message);
    return {};
}

OfBundles::Refusal OfBundles::commit(std::uint32_t id, std::uint16_t flags, const of::DecodeOptions& options,
                                     std::int64_t now_ms, const bridge::Origin& origin,
                                     std::optional<Failure>& failure, std::vector<of::Message>& done) {
    const auto it = bundles_.find(id);
    if (it == bundles_.end()) return OfError{ErrorCode::kBfcBadId, fmt::format("there is no bundle {}", id)};
    if (it->second.flags != flags) {
        forget(it);
        return OfError{ErrorCode::kBfcBadFlags, {}};
    }
    failure = carry_out(it->second, options, now_ms, origin, done);
    forget(it);
    if (failure) return OfError{ErrorCode::kBfcMsgFailed, failure->error.detail};
    return {};
}

// Flows and groups first, as they can all be undone; ports and packets are checked on the way and dealt with
// once nothing can be refused any more.
std::optional<OfBundles::Failure> OfBundles::carry_out(const Bundle& bundle, const of::DecodeOptions& options,
                                                       std::int64_t now_ms, const bridge::Origin& origin,
                                                       std::vector<of::Message>& done) {
    bridge_.flows().begin();
    std::vector<of::Body> later;
    for (const of::Bytes& bytes : bundle.messages) {
        auto message = of::decode(bytes, options);
        Refusal refusal;
        if (!message) {
            refusal = message.error();
        } else if (const auto* flow = std::get_if<of::FlowMod>(&message->body)) {
            refusal = bridge_.flows().apply(*flow, now_ms, {origin.session, message->xid});
        } else if (const auto* group = std::get_if<of::GroupMod>(&message->body)) {
            refusal = bridge_.flows().groups().apply(*group, now_ms);
            done.push_back(std::move(*message));
        } else if (const auto* port = std::get_if<of::PortMod>(&message->body)) {
            refusal = check_port_mod(bridge_, *port);
            later.push_back(std::move(message->body));
        } else if (const auto* packet = std::get_if<of::PacketOut>(&message->body)) {
            refusal = check_packet_out(bridge_, *packet);
            later.push_back(std::move(message->body));
        }
        if (refusal) {
            bridge_.flows().rollback();
            done.clear();
            return Failure{*refusal, bytes};
        }
    }
    bridge_.flows().commit();
    for (const of::Body& body : later) {
        if (const auto* port = std::get_if<of::PortMod>(&body)) {
            (void)bridge_.modify_port(port->port, port->config, port->mask);
        } else if (const auto* packet = std::get_if<of::PacketOut>(&body)) {
            (void)run_packet_out(bridge_, *packet);
        }
    }
    return {};
}

void OfBundles::expire(std::int64_t now_ms) {
    for (auto it = bundles_.begin(); it != bundles_.end();) {
        const auto next = std::next(it);
        if (now_ms - it->second.used_ms > kIdleMs) forget(it);
        it = next;
    }
}

void OfBundles::forget(Map::iterator bundle) {
    bytes_ -= bundle->second.bytes;
    bundles_.erase(bundle);
}

std::optional<OfError> check_port_mod(const bridge::Bridge& bridge, const of::PortMod& mod) {
    const bridge::BridgePort* port = bridge.port(mod.port);
    if (!port) return OfError{ErrorCode::kPmfcBadPort, fmt::format("there is no port {}", to_int(mod.port))};
    if (mod.hw_addr != port->mac)
        return OfError{ErrorCode::kPmfcBadHwAddr, fmt::format("port {} has another address", port->name)};
    return {};
}

std::optional<OfError> check_packet_out(const bridge::Bridge& bridge, const of::PacketOut& message) {
    if (message.buffer_id != of::kNoBuffer)
        return OfError{ErrorCode::kBrcBufferUnknown, "this switch does not buffer packets"};
    const std::uint32_t port = to_int(message.in_port);
    if (port > bridge::kLastOfPort && message.in_port != OfPort::kLocal && message.in_port != OfPort::kAny &&
        message.in_port != OfPort::kController) {
        return OfError{ErrorCode::kBrcBadPort, fmt::format("a packet can't come from port {}", port)};
    }
    of::ActionCheck limits;
    limits.table = 0;
    limits.n_tables = pipeline::kMaxTables;
    // Prerequisites can't be judged without a match: actions that don't apply to the packet do nothing.
    auto refusal = of::check_actions(message.actions, Match{}, limits);
    if (refusal && refusal->code == ErrorCode::kBacMatchInconsistent) refusal.reset();
    if (refusal) return refusal;
    if (auto compiled = pipeline::compile(message.actions, bridge.flows().tun_table()); !compiled)
        return OfError{ErrorCode::kBacBadType, compiled.error().message};
    return bridge.flows().check_references(message.actions);
}

std::optional<OfError> run_packet_out(bridge::Bridge& bridge, const of::PacketOut& message) {
    if (auto refusal = check_packet_out(bridge, message)) return refusal;
    if (message.packet.empty()) return {};  // nothing to send
    const auto sent =
        bridge.packet_out(message.in_port, message.actions, message.packet, &message.metadata.value);
    if (!sent) return OfError{ErrorCode::kBrcBadPacket, sent.error().message};
    return {};
}

}  // namespace sluice
