// SPDX-License-Identifier: Apache-2.0
// One connection with a vhost-user front-end (QEMU, virtio-user): the back-end's half of the protocol,
// without the socket. Bytes and descriptors in, replies out; what follows for the rings is done to the
// Device.
//
// Whatever a message changes, the rings concerned are closed first (no worker is inside when it returns) and
// opened again if they may run. A message that is not right ends the session; its reason goes to the status.
// Guests' thread.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "port/guest/fd.hpp"
#include "port/guest/guest_memory.hpp"
#include "port/vhost/device.hpp"
#include "port/vhost/protocol.hpp"

namespace sluice::vhost {

class Session {
  public:
    Session(std::string port, Device& device);
    /// Closes all rings; the guest's memory is unmapped.
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    /// Deals with one message. Returns the reply's bytes, empty if there is none. Errors end the session.
    Result<std::vector<std::uint8_t>> handle(const Header& header, std::span<const std::uint8_t> payload,
                                             std::vector<guest::Fd> fds);

  private:
    /// What the front-end said of a ring.
    struct Ring {
        std::uint32_t size = 0;
        std::uint32_t base = 0;
        VringAddress address{};
        bool has_address = false, has_kick = false, enabled = false, running = false;
        guest::Fd kick, call, error;
    };
    using Reply = Result<std::vector<std::uint8_t>>;
    struct Message;

    Reply dispatch(Message& message);
    Reply set_features(std::uint64_t wanted);
    Reply set_memory(Message& message);
    Reply set_ring(Message& message);
    Reply set_ring_address(const VringAddress& address);
    Reply set_ring_fd(Message& message);
    Reply get_ring_base(std::uint32_t index);
    Reply set_mtu(std::uint64_t mtu);
    Result<Ring*> ring(std::uint64_t index);
    Error error(const std::string& what) const;

    void stop(unsigned index);
    Result<void> start(unsigned index);
    Result<QueueSetup> place(unsigned index);
    void stop_all();
    Result<void> start_all();
    void tell_device();

    std::string port_;
    Device& device_;
    std::unique_ptr<guest::GuestMemory> memory_;
    std::uint64_t features_ = 0;
    std::uint64_t protocol_ = 0;
    std::array<Ring, kMaxRings> rings_;
    unsigned ring_count_ = 0;  ///< rings that were mentioned
};

}  // namespace sluice::vhost
