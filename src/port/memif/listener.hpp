// SPDX-License-Identifier: Apache-2.0
// A listening memif socket. One path serves any number of ports, told apart by their ids: a client that
// connects gets HELLO, and with its INIT goes to the port that it names. Guests' thread.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "base/event_loop.hpp"
#include "port/guest/fd.hpp"
#include "port/memif/protocol.hpp"
#include "port/memif/session.hpp"

namespace sluice::memif {

class Endpoint;

/// A message that came, with its descriptor.
struct Incoming {
    Message message{};
    guest::Fd fd;
};
/// Reads one message; nothing: none is there. Errors: ECONNRESET (end of file; empty message), EPROTO.
Result<std::optional<Incoming>> receive_message(int socket);
/// False: the peer does not read.
bool send_message(int socket, const Outgoing& outgoing);

class Listener {
  public:
    /// Adds `endpoint` to the listener at `path`, made when there is none. A path that begins with @ is
    /// abstract.
    static Result<std::shared_ptr<Listener>> join(EventLoop& events, const std::string& path,
                                                  std::uint32_t id, Endpoint& endpoint,
                                                  const std::string& port);
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    void leave(std::uint32_t id) { endpoints_.erase(id); }

  private:
    struct Guest {
        guest::Fd socket;
        Watch reading;
        Timer deadline;
    };
    Listener(EventLoop& events, std::string path) : events_(events), path_(std::move(path)) {}
    Result<void> listen(const std::string& port);
    void accept();
    void greet(std::list<Guest>::iterator guest);

    EventLoop& events_;
    const std::string path_;
    guest::Fd socket_;
    Watch listening_;
    std::map<std::uint32_t, Endpoint*> endpoints_;
    std::list<Guest> guests_;  ///< that have not said INIT yet
};

/// Connects to a path ("@name": abstract). Errors: EINVAL (path too long), those of connect(2).
Result<guest::Fd> connect_to(const std::string& port, const std::string& path);

}  // namespace sluice::memif
