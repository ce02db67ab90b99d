// SPDX-License-Identifier: Apache-2.0
// Byte streams named as OVS names them: "unix:PATH", "tcp:HOST[:PORT]", "ssl:HOST[:PORT]" to connect, and
// "punix:PATH", "ptcp:[PORT][:HOST]", "pssl:[PORT][:HOST]" to listen. IPv6 addresses stand in brackets.
//
// A stream never blocks: `connect` returns at once and the outcome comes by callback; `send` queues.
// Callbacks run in the loop's thread, never from within `connect` or `send`, and may destroy the stream they
// come from. Once `on_closed` has been called nothing else is called. Destroying a stream closes it
// silently, without `on_closed`.
//
// A peer that doesn't read: `queued_bytes()` grows; above `high_water_bytes` `above_high_water()` holds and
// above `max_queued_bytes` the stream closes itself with ENOBUFS.
//
// unix: paths too long for sockaddr_un (107 bytes) go through /proc/self/fd/<directory>/<name>.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/event_loop.hpp"
#include "base/result.hpp"

namespace sluice {

constexpr std::uint16_t kOvsdbPort = 6640;     ///< IANA's OVSDB port
constexpr std::uint16_t kOpenflowPort = 6653;  ///< IANA's OpenFlow port

/// Keys for ssl: and pssl:. All three files are PEM and are read again for each new connection.
struct SslConfig {
    std::string private_key;
    std::string certificate;
    std::string ca_cert;
    /// If `ca_cert` does not exist, trust the first server and store the CA certificate it presents.
    bool bootstrap_ca_cert = false;
    std::string peer_ca_cert;  ///< further CA certificates sent to peers, or empty
    std::string protocols;     ///< "TLSv1,TLSv1.1,TLSv1.2" style list, or empty for the default
    std::string ciphers;       ///< OpenSSL cipher string, or empty for the default
    friend bool operator==(const SslConfig&, const SslConfig&) = default;
};

struct StreamOptions {
    std::uint16_t default_port = kOvsdbPort;  ///< for tcp:/ssl:/ptcp:/pssl: without a port
    SslConfig ssl;
    std::size_t high_water_bytes = 256 * 1024;
    std::size_t max_queued_bytes = 64 * 1024 * 1024;
    std::int64_t connect_timeout_ms = 10'000;  ///< TCP and TLS handshakes together
    unsigned unix_mode = 0770;                 ///< permissions of a punix: socket
};

/// One connected (or connecting) stream.
class Stream {
  public:
    struct Handlers {
        /// The stream is usable (TLS handshake done).
        std::function<void()> on_connected;
        /// Bytes arrived; valid during the call only. At most 64 KiB a call.
        std::function<void(std::string_view bytes)> on_data;
        /// The stream ended; `reason.code` 0 stands for an orderly close by the peer.
        std::function<void(const Error& reason)> on_closed;
        /// The queue fell below half of high water after having been above it.
        std::function<void()> on_drained;
    };

    /// Starts connecting. Errors here are about the name ("tcp:1.2.3.4:99999: port 99999 is above 65535") or
    /// SSL files; everything else comes through `on_closed`.
    static Result<std::unique_ptr<Stream>> connect(EventLoop& loop, const std::string& target,
                                                   const StreamOptions& options, Handlers handlers);
    ~Stream();
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    /// Replaces the callbacks; for streams handed over by a listener.
    void set_handlers(Handlers handlers);
    /// Queues bytes; they leave as the peer reads. Allowed before the connection stands. Ignored once closed.
    void send(std::string_view bytes);
    /// Stops or resumes `on_data`, to push back on a peer that asks for more than it reads.
    void set_reading(bool on);
    /// Closes after what is queued has been sent, at most `linger_ms` later; then `on_closed` with code 0.
    void shutdown_after_send(std::int64_t linger_ms = 2000);

    bool connected() const;
    bool closed() const;
    std::size_t queued_bytes() const;
    bool above_high_water() const;
    /// Milliseconds since the peer last took any byte while some were queued; 0 when nothing is queued.
    std::int64_t stalled_ms() const;
    /// What to call the peer in logs: "unix:/run/x.sock", "tcp:10.0.0.1:6653".
    const std::string& name() const;
    /// Peer and own address without a scheme ("10.0.0.1:6653", "[::1]:55"); empty for unix sockets.
    std::string peer_address() const;
    std::string local_address() const;

    struct Impl;
    explicit Stream(std::shared_ptr<Impl> impl);

  private:
    std::shared_ptr<Impl> impl_;
};

/// A listening socket. Closed (and a punix: path removed) when destroyed.
class Listener {
  public:
    /// For pssl: the stream is handed over before its TLS handshake: wait for `on_connected`. For the others
    /// the stream is connected when handed over; `on_connected` is called as well.
    using AcceptCallback = std::function<void(std::unique_ptr<Stream> stream)>;

    /// A stale punix: socket file is replaced; one that somebody listens on gives EADDRINUSE.
    static Result<std::unique_ptr<Listener>> listen(EventLoop& loop, const std::string& target,
                                                    const StreamOptions& options, AcceptCallback on_accept);
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    /// TCP port bound to (useful with "ptcp:0"), or 0 for punix:.
    std::uint16_t port() const;
    const std::string& name() const;

    struct Impl;
    explicit Listener(std::shared_ptr<Impl> impl);

  private:
    std::shared_ptr<Impl> impl_;
};

/// Is `target` one of the forms of `Stream::connect` (active) or `Listener::listen` (passive)?
bool is_active_target(std::string_view target);
bool is_passive_target(std::string_view target);

}  // namespace sluice
