// SPDX-License-Identifier: Apache-2.0
// What the conformance test needs of the world outside a port: a fresh network namespace, frames, and for
// each kind something at the other end that sends and receives them. Test programs only.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "packet/virtio_header.hpp"
#include "port/port.hpp"

namespace sluice::rig {

using Frame = std::vector<std::uint8_t>;

/// The calling thread lives in a new network namespace while this lives. ok() is false without the right.
class Namespace {
  public:
    Namespace();
    ~Namespace();
    Namespace(const Namespace&) = delete;
    Namespace& operator=(const Namespace&) = delete;
    bool ok() const { return ok_; }

  private:
    int old_ = -1;
    bool ok_ = false;
};

/// Runs a shell command; true when it succeeded.
bool run(const std::string& command);
/// Polls `condition` until it holds or five seconds have passed.
bool wait_for(const std::function<bool()>& condition);

/// A frame of the local experimental Ethernet type (IEEE 802, 0x88b5) with a number and a pattern.
Frame numbered_frame(unsigned number, std::size_t size);
/// TCP over IPv4 or IPv6 with the checksum left open; `tags` VLAN tags; `payload` bytes.
struct TcpShape {
    bool ipv6 = false;
    unsigned tags = 0;
    unsigned payload = 100;
    unsigned headers() const { return 14 + 4 * tags + (ipv6 ? 40 : 20) + 20; }
    unsigned l4() const { return headers() - 20; }
};
Frame tcp_frame(const TcpShape& shape);
VirtioHeader tcp_header(const TcpShape& shape, std::uint16_t gso_size);
/// True when every checksum in the (finished) frame is right.
bool tcp_right(const TcpShape& shape, const Frame& frame);
/// Takes the marks off: what a receiver gets that has the kernel complete a frame as `header` says.
std::vector<Frame> finish(const VirtioHeader& header, const Frame& frame);

/// The other end of a port.
class Peer {
  public:
    virtual ~Peer() = default;
    /// Sends a frame towards the port; false when the queue is full.
    virtual bool send(const Frame& frame, const VirtioHeader& header = {}) = 0;
    /// Next finished frame from the port that is one of ours (not the kernel's own chatter); false: none now.
    virtual bool receive(Frame& frame) = 0;
};

/// Packet socket with virtio headers on a kernel interface.
std::unique_ptr<Peer> make_socket_peer(const std::string& interface);
/// A second port of ours, as for memif pairs.
std::unique_ptr<Peer> make_port_peer(Port& port);

}  // namespace sluice::rig
