// SPDX-License-Identifier: Apache-2.0
// Names of streams, taken apart ("tcp:[::1]:6653"), and sockets made from them. Used by stream.cpp only.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include <sys/socket.h>

#include "base/event_loop.hpp"
#include "base/result.hpp"

namespace sluice {

enum class StreamKind { kUnix, kTcp, kSsl };

/// A parsed target. `host` is without brackets; for passive targets it may be empty (any address).
struct StreamTarget {
    StreamKind kind = StreamKind::kUnix;
    bool passive = false;
    std::string path;
    std::string host;
    std::uint16_t port = 0;
};

/// Parses either kind of target; EAFNOSUPPORT for an unknown scheme.
Result<StreamTarget> parse_stream_target(std::string_view target, std::uint16_t default_port);

/// A socket address of any family.
struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
    sockaddr* get() { return reinterpret_cast<sockaddr*>(&storage); }
    /// "10.0.0.1:80", "[::1]:80"; empty for unix sockets.
    std::string to_string() const;
};

/// Address of a numeric host; fails for names.
Result<SocketAddress> numeric_address(const std::string& host, std::uint16_t port);
/// Looks up a host name in a thread of its own; `done` runs in the loop's thread.
void resolve_host(EventLoop& loop, std::string host, std::uint16_t port,
                  std::function<void(Result<SocketAddress>)> done);

/// Binds or connects `fd` to a unix path of any length. 0 or errno.
int connect_unix(int fd, const std::string& path);
int bind_unix(int fd, const std::string& path);

}  // namespace sluice
