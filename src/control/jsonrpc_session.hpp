// SPDX-License-Identifier: Apache-2.0
// A JSON-RPC connection that comes back: connects, matches replies to requests, answers and sends echoes, and
// reconnects with growing pauses (1 s to 8 s) for as long as it lives.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/event_loop.hpp"
#include "control/stream.hpp"
#include "proto/jsonrpc.hpp"

namespace sluice {

/// Client side of JSON-RPC over a Stream. Loop's thread only.
class JsonrpcSession {
  public:
    using Json = jsonrpc::Json;
    /// The reply's result, or its error (code EREMOTEIO, the "error" member as text), or ECONNRESET when the
    /// connection went away first. Called once.
    using ReplyCallback = std::function<void(Result<Json>)>;

    struct Options {
        std::string remote;
        StreamOptions stream;
        jsonrpc::Limits limits;
        std::int64_t probe_interval_ms =
            5000;  ///< idle time before an echo, and again before giving up; 0: never
        std::int64_t min_backoff_ms = 1000;
        std::int64_t max_backoff_ms = 8000;
    };
    struct Handlers {
        std::function<void()> on_connected;
        std::function<void(const Error& reason)> on_disconnected;  ///< only after on_connected
        /// Notifications, and requests other than echo.
        std::function<void(const jsonrpc::Message&)> on_message;
    };

    JsonrpcSession(EventLoop& loop, Options options, Handlers handlers);
    ~JsonrpcSession();
    JsonrpcSession(const JsonrpcSession&) = delete;
    JsonrpcSession& operator=(const JsonrpcSession&) = delete;

    /// Starts connecting; nothing happens before.
    void start();
    bool connected() const;
    /// Sends a request; its callback is lost with the session object, but not with the connection.
    void request(std::string method, Json params, ReplyCallback callback);
    void notify(std::string method, Json params);
    void reply(Json result, Json id);
    void reply_error(Json error, Json id);
    /// Drops the connection (garbage from the peer, say) and connects again after a pause.
    void reconnect(const std::string& reason);
    /// Changes the idle limit, as Open_vSwitch's other_config or Manager inactivity_probe may ask.
    void set_probe_interval(std::int64_t interval_ms);
    const std::string& remote() const;

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace sluice
