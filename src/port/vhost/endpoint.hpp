// SPDX-License-Identifier: Apache-2.0
// The control socket of a vhost port: listens or connects, connects again, cuts the stream into messages for
// the Session. Lives on the guests' thread. A guest that says nothing, half a message or too much keeps
// nobody waiting: the socket never blocks.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/event_loop.hpp"
#include "port/guest/fd.hpp"
#include "port/vhost/session.hpp"

namespace sluice::vhost {

enum class Role : bool {
    kServer,  ///< the switch listens (dpdkvhostuser)
    kClient   ///< the switch connects (dpdkvhostuserclient)
};

class Endpoint {
  public:
    Endpoint(EventLoop& events, std::string port, std::string path, Role role, Device& device)
        : events_(events), port_(std::move(port)), path_(std::move(path)), role_(role), device_(device) {}
    ~Endpoint();
    Endpoint(const Endpoint&) = delete;
    Endpoint& operator=(const Endpoint&) = delete;

    /// Server: binds and listens. Client: tries to connect, now and again. Errors: EINVAL (path too long),
    /// EADDRINUSE (somebody listens there), those of bind(2).
    Result<void> open();

  private:
    Result<void> listen();
    void connect();
    void retry(std::int64_t delay_ms);
    void accept();
    void begin(guest::Fd socket);
    void readable();
    /// Reads what is there; an error ends the connection (empty sentence: the peer left).
    Result<void> read();
    Result<bool> fill(std::uint8_t* to, std::size_t have, std::size_t want);
    Result<void> complete();
    void end(const std::string& reason);
    void say(const std::string& reason);

    EventLoop& events_;
    std::string port_, path_;
    Role role_;
    Device& device_;
    guest::Fd listener_, socket_;
    Watch listening_, reading_;
    Timer again_;
    std::unique_ptr<Session> session_;
    std::vector<std::uint8_t> buffer_;  ///< header and payload of the message that is coming in
    std::size_t have_ = 0;
    std::vector<guest::Fd> fds_;
};

}  // namespace sluice::vhost
