// SPDX-License-Identifier: Apache-2.0
// The control socket of a memif port: a listener that ports of one path share, or a client that connects
// again and again. Lives on the guests' thread; no peer keeps anybody waiting.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/event_loop.hpp"
#include "port/memif/session.hpp"

namespace sluice::memif {

class Listener;

class Endpoint {
  public:
    Endpoint(EventLoop& events, std::string port, std::string path, const Settings& settings, Device& device);
    ~Endpoint();
    Endpoint(const Endpoint&) = delete;
    Endpoint& operator=(const Endpoint&) = delete;

    /// Server: listens, or joins those who do. Client: tries to connect, now and again. Errors: EINVAL (path
    /// too long), EADDRINUSE (another program listens there, or another port has the id), those of bind(2).
    Result<void> open();

  private:
    friend class Listener;
    /// A client that asked for this port's id with `init`; the HELLO is out.
    void adopt(guest::Fd socket, const Message& init);
    void connect();
    void retry(std::int64_t delay_ms);
    void begin(guest::Fd socket);
    void readable();
    Result<void> read();
    Result<void> take(const Message& message, guest::Fd fd);
    void end(const Error& why);
    void say(const std::string& reason);

    EventLoop& events_;
    const std::string port_, path_;
    const Settings settings_;
    Device& device_;
    std::shared_ptr<Listener> listener_;
    guest::Fd socket_;
    Watch reading_;
    Timer again_;
    std::unique_ptr<Session> session_;
};

}  // namespace sluice::memif
