// SPDX-License-Identifier: Apache-2.0
#include "control/jsonrpc_session.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "base/clock.hpp"
#include "base/log.hpp"

namespace sluice {
namespace {

const log::Module kLog{"reconnect"};

/// Text of a JSON-RPC "error" member: OVSDB sends strings or {"error": ..., "details": ...}.
std::string error_text(const jsonrpc::Json& error) {
    if (error.is_string()) return error.get<std::string>();
    if (error.is_object() && error.contains("error") && error["error"].is_string()) {
        auto text = error["error"].get<std::string>();
        if (error.contains("details") && error["details"].is_string())
            text += ": " + error["details"].get<std::string>();
        return text;
    }
    return jsonrpc::dump_json(error);
}

}  // namespace

struct JsonrpcSession::Impl : std::enable_shared_from_this<JsonrpcSession::Impl> {
    Impl(EventLoop& l, Options o, Handlers h) : loop(l), options(std::move(o)), handlers(std::move(h)) {}

    EventLoop& loop;
    Options options;
    Handlers handlers;
    std::unique_ptr<Stream> stream;
    jsonrpc::JsonReader reader;
    Timer retry;
    Timer probe;
    std::int64_t backoff_ms = 0;
    std::int64_t connected_ms = 0;
    std::int64_t received_ms = 0;
    bool probing = false;
    bool up = false;
    bool dead = false;   ///< the session object is gone
    bool quiet = false;  ///< enough said about a peer that doesn't answer
    std::uint64_t next_id = 1;
    std::map<std::uint64_t, ReplyCallback> pending;
    std::uint64_t generation = 0;

    void connect() {
        stream.reset();
        reader = jsonrpc::JsonReader(options.limits);
        ++generation;
        next_id = 1;  // nothing is pending on a new connection
        if (!quiet) kLog.info("{}: connecting...", options.remote);
        Stream::Handlers h;
        h.on_connected = [this] { on_connected(); };
        h.on_data = [this](std::string_view bytes) { on_data(bytes); };
        h.on_closed = [this](const Error& reason) { lost(reason); };
        auto made = Stream::connect(loop, options.remote, options.stream, std::move(h));
        if (!made) return lost(made.error());
        stream = std::move(*made);
    }

    void on_connected() {
        const auto self = shared_from_this();
        up = true;
        quiet = false;
        connected_ms = received_ms = clock::machine_ms();
        probing = false;
        kLog.info("{}: connected", options.remote);
        arm_probe();
        if (handlers.on_connected) handlers.on_connected();
    }

    void lost(const Error& reason) {
        const auto self = shared_from_this();
        stream.reset();
        probe.reset();
        const bool was_up = std::exchange(up, false);
        if (was_up)
            kLog.warn("{}: connection dropped ({})", options.remote, reason.message);
        else if (!quiet)
            kLog.info("{}: connection attempt failed ({})", options.remote, reason.message);
        // A connection that lasted earns a quick return; one that keeps failing gets longer pauses.
        const bool lasted = was_up && clock::machine_ms() - connected_ms >= options.max_backoff_ms;
        backoff_ms = backoff_ms == 0 || lasted ? options.min_backoff_ms
                                               : std::min(backoff_ms * 2, options.max_backoff_ms);
        if (!was_up && !quiet && backoff_ms >= options.max_backoff_ms) {
            quiet = true;
            kLog.info("{}: continuing to reconnect in the background but suppressing further logging",
                      options.remote);
        }
        retry = loop.after(
            backoff_ms,
            [this] {
                const auto keep = shared_from_this();
                connect();
            },
            TimeBase::kMachine);
        const auto unanswered = std::exchange(pending, {});
        for (const auto& [id, callback] : unanswered)
            if (callback && !dead) callback(Error{ECONNRESET, reason.message});
        if (was_up && !dead && handlers.on_disconnected) handlers.on_disconnected(reason);
    }

    void arm_probe() {
        if (options.probe_interval_ms <= 0 || !up) return probe.reset();
        const auto idle = clock::machine_ms() - received_ms;
        const auto limit = options.probe_interval_ms * (probing ? 2 : 1);
        probe = loop.after(
            std::max<std::int64_t>(limit - idle, 0),
            [this] {
                const auto self = shared_from_this();
                const auto idle_now = clock::machine_ms() - received_ms;
                if (idle_now < options.probe_interval_ms) {
                    probing = false;
                } else if (!probing) {
                    probing = true;
                    send(jsonrpc::make_request("echo", Json::array(), "echo"));
                } else if (idle_now >= 2 * options.probe_interval_ms) {
                    return lost(
                        Error{ETIMEDOUT, fmt::format("no response to inactivity probe after {:.3g} seconds",
                                                     static_cast<double>(idle_now) / 1000)});
                }
                arm_probe();
            },
            TimeBase::kMachine);
    }

    void send(const jsonrpc::Message& message) {
        if (stream) stream->send(jsonrpc::format_message(message));
    }

    void on_data(std::string_view bytes) {
        const auto self = shared_from_this();
        received_ms = clock::machine_ms();
        probing = false;
        const auto mine = generation;
        reader.feed(bytes);
        while (!dead && up && mine == generation) {
            auto value = reader.next();
            if (!value) return lost(Error{value.error().code, "garbage from peer: " + value.error().message});
            if (!*value) return;
            auto message = jsonrpc::parse_message(std::move(**value));
            if (!message)
                return lost(Error{message.error().code, "garbage from peer: " + message.error().message});
            dispatch(*message);
        }
    }

    void dispatch(jsonrpc::Message& message) {
        switch (message.type) {
            case jsonrpc::MessageType::kRequest:
                if (message.method == "echo")
                    return send(jsonrpc::make_reply(std::move(message.params), std::move(message.id)));
                [[fallthrough]];
            case jsonrpc::MessageType::kNotify:
                if (handlers.on_message) handlers.on_message(message);
                return;
            case jsonrpc::MessageType::kReply:
            case jsonrpc::MessageType::kError:
                break;
        }
        if (!message.id.is_number_unsigned()) return;  // answer to our echo
        const auto found = pending.find(message.id.get<std::uint64_t>());
        if (found == pending.end()) return;
        const auto callback = std::move(found->second);
        pending.erase(found);
        if (!callback) return;
        if (message.type == jsonrpc::MessageType::kReply) return callback(std::move(message.result));
        callback(Error{EREMOTEIO, error_text(message.error)});
    }
};

JsonrpcSession::JsonrpcSession(EventLoop& loop, Options options, Handlers handlers)
    : impl_(std::make_shared<Impl>(loop, std::move(options), std::move(handlers))) {}

JsonrpcSession::~JsonrpcSession() {
    impl_->dead = true;
    impl_->up = false;
    impl_->stream.reset();
    impl_->retry.reset();
    impl_->probe.reset();
    impl_->pending.clear();
}

void JsonrpcSession::start() {
    // Through the timer, so that no callback runs inside this call.
    impl_->retry = impl_->loop.after(0, [impl = impl_.get()] {
        const auto keep = impl->shared_from_this();
        impl->connect();
    });
}
bool JsonrpcSession::connected() const {
    return impl_->up;
}
void JsonrpcSession::request(std::string method, Json params, ReplyCallback callback) {
    if (!impl_->up) {
        impl_->loop.defer([callback = std::move(callback), weak = std::weak_ptr(impl_)] {
            const auto self = weak.lock();
            if (callback && self && !self->dead)
                callback(Error{ENOTCONN, self->options.remote + ": not connected"});
        });
        return;
    }
    const auto id = impl_->next_id++;
    impl_->pending.emplace(id, std::move(callback));
    impl_->send(jsonrpc::make_request(std::move(method), std::move(params), id));
}
void JsonrpcSession::notify(std::string method, Json params) {
    impl_->send(jsonrpc::make_notify(std::move(method), std::move(params)));
}
void JsonrpcSession::reply(Json result, Json id) {
    impl_->send(jsonrpc::make_reply(std::move(result), std::move(id)));
}
void JsonrpcSession::reply_error(Json error, Json id) {
    impl_->send(jsonrpc::make_error_reply(std::move(error), std::move(id)));
}
void JsonrpcSession::reconnect(const std::string& reason) {
    if (impl_->stream) impl_->lost(Error{EPROTO, reason});
}
void JsonrpcSession::set_probe_interval(std::int64_t interval_ms) {
    impl_->options.probe_interval_ms = interval_ms;
    impl_->arm_probe();
}
const std::string& JsonrpcSession::remote() const {
    return impl_->options.remote;
}

}  // namespace sluice
