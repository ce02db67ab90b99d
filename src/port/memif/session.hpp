// SPDX-License-Identifier: Apache-2.0
// One connection's control messages, in either role, without the socket: what is said, what is answered, and
// what that does to the device. Nothing that the peer says is believed unchecked; whatever is out of turn,
// out of range or a second time ends the connection with a sentence that the peer is told. Guests' thread.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "port/guest/fd.hpp"
#include "port/memif/device.hpp"

namespace sluice::memif {

/// A message to send; `fd` goes with it when it is >= 0 and stays the session's.
struct Outgoing {
    Message message{};
    int fd = -1;
};

class Session {
  public:
    Session(std::string port, const Settings& settings, Device& device);
    /// Stops the queues; then the memory goes.
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    /// Takes a message; `fd` came with it, or none. What is to be sent is appended to `out`. An Error
    /// (EPROTO, EACCES, what mmap says) ends the connection: its message names the port and is for both
    /// sides' logs.
    Result<void> handle(const Message& message, guest::Fd fd, std::vector<Outgoing>& out);

    /// A server's first word.
    static Message hello();
    /// A last word.
    static Message disconnect(const std::string& reason);

  private:
    struct Ring {
        RingHeader* header = nullptr;
        unsigned log2_size = 0;
        guest::Fd event;
        std::size_t first_buffer = 0;  ///< client: its offset
    };
    using Rings = std::vector<Ring>;

    Result<void> as_server(const Message& message, guest::Fd fd, std::vector<Outgoing>& out);
    Result<void> as_client(const Message& message, std::vector<Outgoing>& out);
    Result<void> check_init(const Init& init);
    Result<void> add_region(const AddRegion& wish, const guest::Fd& fd);
    Result<void> add_ring(const AddRing& wish, guest::Fd fd);
    Result<void> make_memory(const Hello& hello);
    void prepare_script();
    void start();
    void stop();
    void note_peer(const Name* program, const Name* interface);
    Error refuse(const std::string& what) const;

    const std::string port_;
    const Settings settings_;
    Device& device_;
    bool greeted_ = false;  ///< server: INIT was right; client: HELLO was
    bool running_ = false;
    Regions regions_;
    guest::Fd memory_;  ///< client: of region 0
    Rings to_us_, to_peer_;
    std::deque<Outgoing> script_;  ///< client: what is said next, one at each ACK
};

/// Text of a field that need not be terminated.
template <std::size_t N>
std::string text_of(const std::array<char, N>& field) {
    return {field.data(), strnlen(field.data(), N)};
}

}  // namespace sluice::memif
