// SPDX-License-Identifier: Apache-2.0
// OfConnection: one OpenFlow session over a stream, from hello to goodbye.
//
// Messages are handled strictly in order. Flow-mods of one burst of bytes are staged and published
// together; any other message publishes them first. Two things make the connection wait, and stop reading
// meanwhile: a barrier (or bundle commit) until every worker has passed the publication, and a reply that
// the peer does not take: long dumps are produced piece by piece as the peer reads. A peer that never reads
// costs at most the stream's queue; asynchronous messages to it are dropped and counted.
// Control thread. The owner destroys it from OfHub::connection_closed (deferred) or at any time.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "base/event_loop.hpp"
#include "bridge/bridge.hpp"
#include "bridge/flow_tables.hpp"
#include "control/of_bundle.hpp"
#include "control/of_monitor.hpp"
#include "control/stream.hpp"
#include "proto/openflow/codec.hpp"

namespace sluice {

class OfConnection;

/// What connections of one bridge share; implemented by the service.
class OfHub {
  public:
    virtual ~OfHub() = default;
    /// The session ended; the connection may be destroyed after the current turn.
    virtual void connection_closed(OfConnection& connection, const Error& reason) = 0;
    /// Negotiation is done, or a role changed.
    virtual void connection_changed(OfConnection& connection) = 0;
    /// Another connection becomes the primary: all others are demoted.
    virtual void demote_others(OfConnection& connection) = 0;
    /// False if `id` is older than what was seen before.
    virtual bool accept_generation(std::uint64_t id) = 0;
    virtual std::optional<std::uint64_t> generation() const = 0;
    /// A connection's wishes for packet-ins changed.
    virtual void interest_changed() = 0;
    /// `from` had a group-mod or meter-mod carried out: controllers that want to know are told (1.4+).
    virtual void forward_request(const OfConnection& from, const openflow::Message& message) = 0;
    /// A connection began or ceased to watch flows.
    virtual void monitors_changed() = 0;
    /// A whole message to or from a controller.
    virtual void snoop(std::span<const std::uint8_t> message) = 0;
};

struct OfConnectionOptions {
    unsigned versions = 0x7e;  ///< bit n: wire version n
    bool service = true;       ///< asynchronous messages only after a set-config with miss_send_len
    bool controller = false;   ///< copied to snoopers
    bool async_messages = true;
    std::int64_t probe_ms = 0;  ///< 0: never
    std::optional<unsigned> rate_limit, burst_limit;
    friend bool operator==(const OfConnectionOptions&, const OfConnectionOptions&) = default;
};

class OfConnection {
  public:
    OfConnection(EventLoop& loop, bridge::Bridge& bridge, OfHub& hub, std::unique_ptr<Stream> stream,
                 const OfConnectionOptions& options);
    ~OfConnection();
    OfConnection(const OfConnection&) = delete;
    OfConnection& operator=(const OfConnection&) = delete;

    const std::string& name() const { return name_; }
    bool negotiated() const { return version_.has_value(); }
    openflow::Version version() const { return *version_; }
    openflow::Role role() const { return role_; }
    void set_options(const OfConnectionOptions& options);

    // Asynchronous messages; each checks by itself whether the peer wants it.
    void send_port_status(const openflow::PortStatus& status);
    void send_flow_removed(const openflow::FlowRemoved& removed);
    void send_packet_in(const pipeline::PuntRecord& record);
    void send_request_forward(const openflow::Message& message);
    void send_flow_changes(std::span<const bridge::FlowChange> changes);
    void send_table_status(const openflow::TableStatus& status);
    void demote();
    /// Would a packet that misses all tables of the program be sent here?
    bool wants_misses() const;
    bool watches_flows() const { return !monitors_.empty(); }
    unsigned miss_send_len() const { return miss_send_len_; }
    std::uint64_t dropped_packet_ins() const { return dropped_packet_ins_; }
    std::uint64_t messages_received() const { return received_; }

    /// Probes an idle peer, drops a dead one, forgets stale bundles. Call about four times a second.
    void tick(std::int64_t now_ms);
    void close(const Error& reason);

  private:
    struct Dump;
    friend struct OfRequestHandler;

    void on_data(std::string_view bytes);
    void process();
    bool blocked() const;
    void handle_frame(std::span<const std::uint8_t> frame);
    void handle_hello(const openflow::Message& message, std::span<const std::uint8_t> frame);
    void fail_hello(std::string_view text, std::uint32_t xid);
    bool handle_flow_mod(const openflow::Message& message, std::span<const std::uint8_t> frame);
    bool denied_to_secondary(const openflow::Body& body) const;
    void refuse(const openflow::OfError& error, std::span<const std::uint8_t> frame);
    void send(const openflow::Message& message);
    void send_bytes(const openflow::Bytes& bytes);
    void send_reply(std::uint32_t xid, openflow::Body body);
    /// Sends `body` once every worker has passed everything done so far.
    void reply_when_passed(std::uint32_t xid, openflow::Body body);
    void poll_point();
    void start_dump(std::uint32_t xid, const openflow::FlowSelection& selection);
    void continue_dump();
    bool wants(openflow::AsyncKind kind, unsigned reason) const;
    bool take_token();
    void resume_soon();
    void resume_monitors();

    EventLoop& loop_;
    bridge::Bridge& bridge_;
    OfHub& hub_;
    std::unique_ptr<Stream> stream_;
    OfConnectionOptions options_;
    std::string name_;
    openflow::FrameReader frames_;
    openflow::DecodeOptions decode_;
    std::optional<openflow::Version> version_;
    openflow::Role role_ = openflow::Role::kEqual;
    openflow::AsyncMasks masks_{};
    openflow::PacketInFormat packet_in_format_ = openflow::PacketInFormat::kStandard;
    unsigned miss_send_len_ = 0;
    std::uint16_t controller_id_ = 0;
    bool invalid_ttl_ = false;
    bool nxm_flow_format_ = false;
    bool closing_ = false, processing_ = false;
    OfBundles bundles_;
    OfMonitors monitors_;
    std::unique_ptr<Dump> dump_;
    struct Waiting {
        Rcu::Point point;
        std::uint32_t xid;
        openflow::Body body;
    };
    std::optional<Waiting> waiting_;
    Timer poll_, resume_;
    std::int64_t heard_ms_ = 0;
    bool probing_ = false;
    double tokens_ = 0;
    std::int64_t tokens_ms_ = 0;
    std::uint64_t dropped_packet_ins_ = 0, received_ = 0;
    openflow::Bytes scratch_;
};

}  // namespace sluice
