// SPDX-License-Identifier: Apache-2.0
// What a dummy port is plugged into: other programs, by byte streams. options:pstream=punix:PATH|ptcp:...
// listens for any number of them, options:stream=unix:PATH|tcp:... connects to one, again and again. Each
// frame stands behind its length (2 bytes, most significant first); what the port sends goes to all of them.
// As in Open vSwitch 3.1's lab ports. Control thread only.
#pragma once

#include <list>
#include <memory>
#include <string>
#include <string_view>

#include "base/event_loop.hpp"
#include "control/stream.hpp"
#include "port/dummy/dummy_port.hpp"

namespace sluice {

class DummyWire {
  public:
    /// Null: the port's options name no stream. A stream that cannot be had is a warning in the log. `loop`
    /// and `port` must outlive the result.
    static std::unique_ptr<DummyWire> plug(EventLoop& loop, DummyPort& port);

    /// With options:stream: is it connected? (netdev-dummy/conn-state)
    bool is_active() const { return !target_.empty(); }
    bool connected() const;

  private:
    struct Peer {
        std::unique_ptr<Stream> stream;
        std::string received;  ///< less than a whole frame
    };

    DummyWire(EventLoop& loop, DummyPort& port) : loop_(loop), port_(port) {}
    void listen(const std::string& target);
    void connect();
    void add(std::unique_ptr<Stream> stream);
    Stream::Handlers handlers_of(std::list<Peer>::iterator peer);
    bool receive(Peer& peer, std::string_view bytes);
    void lose(std::list<Peer>::iterator peer);
    void send();

    EventLoop& loop_;
    DummyPort& port_;
    std::string target_;  ///< of options:stream
    std::unique_ptr<Listener> listener_;
    std::list<Peer> peers_;
    Watch watch_;
    Timer retry_;
};

}  // namespace sluice
