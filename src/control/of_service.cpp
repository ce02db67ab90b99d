// SPDX-License-Identifier: Apache-2.0
#include "control/of_service.hpp"

#include <algorithm>
#include <list>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "control/of_connection.hpp"
#include "control/of_messages.hpp"

namespace sluice {

namespace of = openflow;

namespace {

const log::Module kLog{"connmgr"};

constexpr std::int64_t kTickMs = 250;
constexpr std::int64_t kFirstBackoffMs = 1000;
constexpr std::int64_t kLingerMs = 2500;  ///< a closed session's last error gets this long to leave
constexpr std::size_t kMaxConnections = 1024;
constexpr std::uint16_t kFailOpenPriority = 0xffff;
constexpr std::int64_t kFailOpenProbes = 3;  ///< missed probes until standalone takes over, as in OVS
constexpr std::int64_t kDefaultProbeMs = 5000;

StreamOptions stream_options(const SslConfig& ssl) {
    StreamOptions options;
    options.default_port = kOpenflowPort;
    options.ssl = ssl;
    options.max_queued_bytes = 64U << 20;  // all flows at once to a monitor that asks for them
    return options;
}

std::string_view role_name(of::Role role) {
    switch (role) {
        case of::Role::kPrimary:
            return "master";
        case of::Role::kSecondary:
            return "slave";
        case of::Role::kNoChange:
        case of::Role::kEqual:
            break;
    }
    return "other";
}

/// Somebody who only watches: gets a hello, then copies of what controllers say and hear.
struct Snooper {
    std::unique_ptr<Stream> stream;
    bool closed = false;
};

}  // namespace

struct OfService::Impl final : OfHub {
    /// One row of the Controller table, or the .mgmt socket.
    struct Remote {
        ControllerSettings settings;
        OfConnectionOptions options;
        std::unique_ptr<Listener> listener;                      ///< passive
        std::vector<std::unique_ptr<OfConnection>> connections;  ///< active: at most one
        Timer retry;
        std::int64_t backoff_ms = 0;
        std::int64_t connected_ms = 0, disconnected_ms = 0;  ///< monotonic; 0: never
        std::string last_error;
        bool passive() const { return is_passive_target(settings.target); }
        const OfConnection* negotiated() const {
            for (const auto& connection : connections) {
                if (connection->negotiated()) return connection.get();
            }
            return nullptr;
        }
    };

    Impl(EventLoop& loop_in, bridge::Bridge& bridge_in, OfService& owner_in)
        : loop(loop_in), bridge(bridge_in), owner(owner_in) {
        tick_timer = loop.every(kTickMs, [this] { tick(); });
    }

    // OfHub
    void connection_closed(OfConnection& connection, const Error& reason) override;
    void connection_changed(OfConnection& connection) override;
    void demote_others(OfConnection& connection) override;
    bool accept_generation(std::uint64_t id) override;
    std::optional<std::uint64_t> generation() const override { return generation_id; }
    void interest_changed() override;
    void forward_request(const OfConnection& from, const of::Message& message) override;
    void monitors_changed() override;
    void snoop(std::span<const std::uint8_t> message) override;

    Result<void> open_service(std::unique_ptr<Remote>& slot, const std::string& path);
    Result<void> open_snoop(const std::string& path);
    Result<void> start(Remote& remote);
    void connect(Remote& remote);
    void accept(Remote& remote, std::unique_ptr<Stream> stream);
    void schedule_retry(Remote& remote);
    OfConnectionOptions options_for(const ControllerSettings& controller) const;
    void apply_fail_mode(bool had_controllers, FailMode had_mode, bool first);
    void update_fail_open(std::int64_t now_ms);
    void tick();
    void status_changed();
    bool has_controllers() const;
    bool any_connected() const;
    std::size_t connection_count() const;
    template <typename F>
    void each(const F& visit) {
        const auto visit_remote = [&](Remote& remote) {
            // By index: a visit may close connections, which leave the list.
            for (std::size_t i = 0; i < remote.connections.size(); ++i)
                visit(*remote.connections[i]);
        };
        if (management) visit_remote(*management);
        for (auto& remote : remotes)
            visit_remote(*remote);
    }

    EventLoop& loop;
    bridge::Bridge& bridge;
    OfService& owner;
    OfServiceSettings settings;
    bool configured = false;
    std::unique_ptr<Remote> management;
    std::vector<std::unique_ptr<Remote>> remotes;
    std::unique_ptr<Listener> snoop_listener;
    std::list<Snooper> snoopers;
    std::optional<std::uint64_t> generation_id;
    struct Closed {
        std::unique_ptr<OfConnection> connection;
        std::int64_t until_ms;
    };
    std::vector<Closed> closed;
    std::int64_t controllers_seen_ms = 0;
    Timer tick_timer;
    std::shared_ptr<bool> alive = std::make_shared<bool>(true);  ///< for deferred calls
    bool status_pending = false;
};

// ---- Connections -------------------------------------------------------------------------------------

OfConnectionOptions OfService::Impl::options_for(const ControllerSettings& controller) const {
    OfConnectionOptions options;
    options.versions = settings.versions;
    options.service = !controller.primary || is_passive_target(controller.target);
    options.controller = controller.primary;
    options.async_messages = controller.enable_async_messages;
    options.probe_ms = controller.inactivity_probe_ms;
    options.rate_limit = controller.rate_limit;
    options.burst_limit = controller.burst_limit;
    return options;
}

Result<void> OfService::Impl::open_service(std::unique_ptr<Remote>& slot, const std::string& path) {
    auto remote = std::make_unique<Remote>();
    remote->settings.target = "punix:" + path;
    remote->settings.primary = false;
    remote->settings.inactivity_probe_ms = 0;
    remote->options = options_for(remote->settings);
    slot = std::move(remote);
    return start(*slot);
}

Result<void> OfService::Impl::open_snoop(const std::string& path) {
    auto listener = Listener::listen(loop, "punix:" + path, {}, [this](std::unique_ptr<Stream> stream) {
        Snooper& snooper = snoopers.emplace_back();
        snooper.stream = std::move(stream);
        snooper.stream->set_handlers(
            {[] {}, [](std::string_view) {}, [&snooper](const Error&) { snooper.closed = true; }, [] {}});
        of::Bytes hello;
        if (of::encode({of::Version::k15, 1, of::Hello{settings.versions}}, hello))
            snooper.stream->send({reinterpret_cast<const char*>(hello.data()), hello.size()});
    });
    if (!listener) return listener.error();
    snoop_listener = std::move(listener.value());
    return {};
}

Result<void> OfService::Impl::start(Remote& remote) {
    if (!remote.passive()) {
        if (!is_active_target(remote.settings.target)) {
            remote.last_error = "Invalid argument";
            return make_error(EINVAL,
                              "bridge {}: controller \"{}\": want tcp:, ssl:, unix:, ptcp:, pssl: or punix:",
                              bridge.name(), remote.settings.target);
        }
        connect(remote);
        return {};
    }
    auto listener = Listener::listen(
        loop, remote.settings.target, stream_options(settings.ssl),
        [this, &remote](std::unique_ptr<Stream> stream) { accept(remote, std::move(stream)); });
    if (!listener) {
        remote.last_error = listener.error().message;
        return listener.error();
    }
    remote.listener = std::move(listener.value());
    return {};
}

void OfService::Impl::accept(Remote& remote, std::unique_ptr<Stream> stream) {
    if (connection_count() >= kMaxConnections) {
        static log::RateLimit limit{1, 6};
        if (limit.allow())
            kLog.warn("bridge {}: refusing {}: the limit is {} OpenFlow connections", bridge.name(),
                      stream->name(), kMaxConnections);
        return;
    }
    remote.connections.push_back(
        std::make_unique<OfConnection>(loop, bridge, *this, std::move(stream), remote.options));
}

void OfService::Impl::connect(Remote& remote) {
    auto stream = Stream::connect(loop, remote.settings.target, stream_options(settings.ssl), {});
    if (!stream) {
        remote.last_error = stream.error().message;
        kLog.warn("bridge {}: controller {}: {}", bridge.name(), remote.settings.target,
                  stream.error().message);
        schedule_retry(remote);
        return;
    }
    accept(remote, std::move(stream.value()));
    status_changed();
}

void OfService::Impl::schedule_retry(Remote& remote) {
    const std::int64_t limit = std::max(remote.settings.max_backoff_ms, kFirstBackoffMs);
    const std::int64_t lasted =
        remote.connected_ms > remote.disconnected_ms ? 0 : remote.disconnected_ms - remote.connected_ms;
    const bool was_good = remote.connected_ms != 0 && remote.backoff_ms == 0 && lasted >= kFirstBackoffMs;
    remote.backoff_ms =
        was_good ? kFirstBackoffMs : std::min(std::max(remote.backoff_ms * 2, kFirstBackoffMs), limit);
    remote.retry = loop.after(remote.backoff_ms, [this, &remote] { connect(remote); });
}

void OfService::Impl::connection_closed(OfConnection& connection, const Error& reason) {
    const auto adopt = [&](Remote& remote) {
        const auto it = std::find_if(remote.connections.begin(), remote.connections.end(),
                                     [&](const auto& held) { return held.get() == &connection; });
        if (it == remote.connections.end()) return false;
        closed.push_back({std::move(*it), clock::now_ms() + kLingerMs});
        remote.connections.erase(it);
        if (&remote == management.get()) return true;
        if (connection.negotiated()) remote.disconnected_ms = clock::now_ms();
        remote.last_error = reason.code == 0 ? "End of file" : reason.message;
        kLog.info("{}: connection closed{}{}", connection.name(), reason.code ? ": " : " by peer",
                  reason.code ? reason.message : "");
        if (!remote.passive()) schedule_retry(remote);
        return true;
    };
    if (!(management && adopt(*management))) {
        for (auto& remote : remotes) {
            if (adopt(*remote)) break;
        }
    }
    interest_changed();
    monitors_changed();
    status_changed();
}

void OfService::Impl::connection_changed(OfConnection& connection) {
    for (auto& remote : remotes) {
        for (auto& held : remote->connections) {
            if (held.get() != &connection) continue;
            if (remote->connected_ms <= remote->disconnected_ms) remote->connected_ms = clock::now_ms();
            remote->backoff_ms = 0;
        }
    }
    update_fail_open(clock::now_ms());
    status_changed();
}

void OfService::Impl::demote_others(OfConnection& connection) {
    each([&](OfConnection& other) {
        if (&other != &connection) other.demote();
    });
}

bool OfService::Impl::accept_generation(std::uint64_t id) {
    if (generation_id && static_cast<std::int64_t>(id - *generation_id) < 0) return false;
    generation_id = id;
    return true;
}

void OfService::Impl::interest_changed() {
    bool misses = false;
    unsigned length = 0;
    each([&](const OfConnection& connection) {
        if (!connection.wants_misses()) return;
        misses = true;
        length = std::max(length, connection.miss_send_len());
    });
    bridge.set_miss_to_controller(misses, misses ? length : 128);
}

void OfService::Impl::monitors_changed() {
    bool any = false;
    each([&](const OfConnection& connection) { any |= connection.watches_flows(); });
    if (!any) return bridge.flows().on_changed(nullptr);
    bridge.flows().on_changed([this](std::span<const bridge::FlowChange> changes) {
        each([&](OfConnection& connection) { connection.send_flow_changes(changes); });
    });
}

void OfService::Impl::forward_request(const OfConnection& from, const of::Message& message) {
    each([&](OfConnection& other) {
        if (&other != &from) other.send_request_forward(message);
    });
}

void OfService::Impl::snoop(std::span<const std::uint8_t> message) {
    for (Snooper& snooper : snoopers) {
        if (!snooper.closed && !snooper.stream->above_high_water())
            snooper.stream->send({reinterpret_cast<const char*>(message.data()), message.size()});
    }
}

// ---- Fail mode ---------------------------------------------------------------------------------------

bool OfService::Impl::has_controllers() const {
    return std::any_of(remotes.begin(), remotes.end(),
                       [](const auto& remote) { return remote->settings.primary && !remote->passive(); });
}

bool OfService::Impl::any_connected() const {
    return std::any_of(remotes.begin(), remotes.end(), [](const auto& remote) {
        return remote->settings.primary && !remote->passive() && remote->negotiated();
    });
}

std::size_t OfService::Impl::connection_count() const {
    std::size_t sum = management ? management->connections.size() : 0;
    for (const auto& remote : remotes)
        sum += remote->connections.size();
    return sum;
}

// As in OVS: whenever controllers come or go altogether the flows are flushed; a standalone bridge without
// any then starts with one ordinary flow, which users may see and delete.
void OfService::Impl::apply_fail_mode(bool had_controllers, FailMode had_mode, bool first) {
    const bool has = has_controllers();
    if (!first && had_controllers == has && (has || had_mode == settings.fail_mode)) return;
    controllers_seen_ms = clock::now_ms();
    bridge::FlowTables& flows = bridge.flows();
    flows.remove_hidden();
    flows.clear();
    if (!has && settings.fail_mode == FailMode::kStandalone) {
        of::FlowMod normal;
        normal.table = 0;
        normal.priority = 0;
        normal.new_cookie = 0;
        normal.actions = {Action{OutputAction{OfPort::kNormal}}};
        if (auto error = flows.apply(normal, clock::now_ms()))
            kLog.err("bridge {}: standalone flow: {}", bridge.name(), error->detail);
    }
    flows.commit();
}

/// With controllers configured but out of reach, a standalone bridge falls back to NORMAL above all flows.
void OfService::Impl::update_fail_open(std::int64_t now_ms) {
    bridge::FlowTables& flows = bridge.flows();
    if (any_connected()) controllers_seen_ms = now_ms;
    std::int64_t probe_ms = 0;
    for (const auto& remote : remotes)
        probe_ms = std::max(probe_ms, remote->settings.inactivity_probe_ms);
    if (probe_ms == 0) probe_ms = kDefaultProbeMs;
    const bool fail_open = has_controllers() && settings.fail_mode == FailMode::kStandalone &&
                           now_ms - controllers_seen_ms >= kFailOpenProbes * probe_ms;
    if (fail_open == flows.has_hidden()) return;
    if (fail_open) {
        kLog.warn("bridge {}: no controller for {} seconds, failing open", bridge.name(),
                  (now_ms - controllers_seen_ms) / 1000);
        flows.add_hidden(kFailOpenPriority, {}, {Action{OutputAction{OfPort::kNormal}}});
    } else {
        kLog.warn("bridge {}: no longer in fail-open mode", bridge.name());
        flows.remove_hidden();
    }
    flows.commit();
}

void OfService::Impl::tick() {
    const std::int64_t now = clock::now_ms();
    bridge.run(now);
    each([&](OfConnection& connection) { connection.tick(now); });
    std::erase_if(closed, [&](const Closed& entry) { return now >= entry.until_ms; });
    snoopers.remove_if([](const Snooper& snooper) { return snooper.closed; });
    if (configured) update_fail_open(now);
}

void OfService::Impl::status_changed() {
    if (std::exchange(status_pending, true)) return;
    loop.defer([this, weak = std::weak_ptr<bool>(alive)] {
        if (weak.expired()) return;
        status_pending = false;
        if (owner.on_status_changed) owner.on_status_changed();
    });
}

// ---- OfService ---------------------------------------------------------------------------------------

OfService::OfService(EventLoop& loop, bridge::Bridge& bridge)
    : impl_(std::make_unique<Impl>(loop, bridge, *this)) {
    bridge.add_listener(this);
}

OfService::~OfService() {
    impl_->bridge.remove_listener(this);
    impl_->bridge.flows().on_changed(nullptr);
    impl_->management.reset();
    impl_->remotes.clear();
}

Result<void> OfService::configure(const OfServiceSettings& settings) {
    Impl& self = *impl_;
    if (self.configured && self.settings == settings) return {};
    const bool first = !self.configured;
    const bool had_controllers = self.has_controllers();
    const OfServiceSettings before = std::exchange(self.settings, settings);
    self.configured = true;
    Result<void> result;
    const auto note = [&](const Result<void>& step) {
        if (!step && result) result = step.error();
    };

    if (first || before.rundir != settings.rundir) {
        note(self.open_service(self.management, settings.rundir + "/" + self.bridge.name() + ".mgmt"));
        note(self.open_snoop(settings.rundir + "/" + self.bridge.name() + ".snoop"));
    } else if (before.versions != settings.versions && self.management) {
        self.management->options = self.options_for(self.management->settings);
    }
    // Connections whose target stays are kept unless what they were negotiated with changed.
    const bool renegotiate = before.versions != settings.versions || !(before.ssl == settings.ssl);
    std::vector<std::unique_ptr<Impl::Remote>> old = std::exchange(self.remotes, {});
    std::vector<Impl::Remote*> fresh;
    for (const ControllerSettings& wanted : settings.controllers) {
        const auto it = std::find_if(old.begin(), old.end(), [&](const auto& remote) {
            return remote && remote->settings.target == wanted.target && !renegotiate &&
                   remote->settings.primary == wanted.primary;
        });
        if (it != old.end()) {
            (*it)->settings = wanted;
            (*it)->options = self.options_for(wanted);
            for (auto& connection : (*it)->connections)
                connection->set_options((*it)->options);
            self.remotes.push_back(std::move(*it));
            continue;
        }
        auto remote = std::make_unique<Impl::Remote>();
        remote->settings = wanted;
        remote->options = self.options_for(wanted);
        fresh.push_back(remote.get());
        self.remotes.push_back(std::move(remote));
    }
    old.clear();  // closes connections and sockets before new ones may want their addresses
    self.apply_fail_mode(had_controllers, before.fail_mode, first);
    for (Impl::Remote* remote : fresh)
        note(self.start(*remote));
    self.interest_changed();
    return result;
}

void OfService::packet_in(const pipeline::PuntRecord& record) {
    impl_->each([&](OfConnection& connection) { connection.send_packet_in(record); });
}

std::vector<ControllerStatus> OfService::controller_status() const {
    const std::int64_t now = clock::now_ms();
    std::vector<ControllerStatus> all;
    for (const auto& remote : impl_->remotes) {
        ControllerStatus& status = all.emplace_back();
        status.target = remote->settings.target;
        const OfConnection* connection = remote->negotiated();
        status.connected = connection != nullptr;
        if (connection) status.role = role_name(connection->role());
        if (!remote->last_error.empty()) status.status["last_error"] = remote->last_error;
        if (remote->passive()) {
            if (remote->connections.size() > 1)
                status.status["n_connections"] = std::to_string(remote->connections.size());
        } else {
            status.status["state"] = connection                ? "ACTIVE"
                                     : remote->retry.pending() ? "BACKOFF"
                                                               : "CONNECTING";
        }
        if (remote->connected_ms)
            status.status["sec_since_connect"] = std::to_string((now - remote->connected_ms) / 1000);
        if (remote->disconnected_ms)
            status.status["sec_since_disconnect"] = std::to_string((now - remote->disconnected_ms) / 1000);
    }
    return all;
}

bool OfService::has_controllers() const {
    return impl_->has_controllers();
}
bool OfService::any_controller_connected() const {
    return impl_->any_connected();
}
std::size_t OfService::connection_count() const {
    return impl_->connection_count();
}

void OfService::reconnect() {
    for (auto& remote : impl_->remotes) {
        if (remote->passive()) continue;
        remote->backoff_ms = 0;
        const auto connections = std::exchange(remote->connections, {});
        remote->retry.reset();
        impl_->connect(*remote);
    }
}

void OfService::port_status(bridge::PortEvent event, const bridge::BridgePort& port) {
    const of::PortStatus status{static_cast<of::PortReason>(event), describe_port(port)};
    impl_->each([&](OfConnection& connection) { connection.send_port_status(status); });
}

void OfService::flow_removed(const bridge::Flow& flow, bridge::FlowRemovedReason reason) {
    if (connection_count() == 0) return;
    const of::FlowRemoved removed = describe_removed(impl_->bridge.flows(), flow, reason, clock::now_ms());
    impl_->each([&](OfConnection& connection) { connection.send_flow_removed(removed); });
}

void OfService::table_vacancy(std::uint8_t table, bool down) {
    constexpr std::uint8_t kVacancyDown = 3, kVacancyUp = 4;
    const of::TableStatus status{down ? kVacancyDown : kVacancyUp,
                                 describe_table_config(impl_->bridge.flows(), table)};
    impl_->each([&](OfConnection& connection) { connection.send_table_status(status); });
}

Result<unsigned> parse_openflow_protocols(const std::vector<std::string>& protocols) {
    unsigned versions = 0;
    for (const std::string& word : protocols) {
        bool known = false;
        for (unsigned version = 1; version <= 6; ++version) {
            if (word != of::version_name(of::Version{static_cast<std::uint8_t>(version)})) continue;
            versions |= 1U << version;
            known = true;
        }
        if (!known)
            return make_error(EINVAL, "\"{}\" is not an OpenFlow protocol (OpenFlow10 to OpenFlow15)", word);
    }
    return versions ? versions : 0x7eU;
}

}  // namespace sluice
