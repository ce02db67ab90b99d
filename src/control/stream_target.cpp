// SPDX-License-Identifier: Apache-2.0
#include "control/stream_target.hpp"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <unistd.h>

namespace sluice {
namespace {

Result<std::uint16_t> parse_port(std::string_view target, std::string_view text, std::uint16_t default_port) {
    if (text.empty()) return default_port;
    unsigned long port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error == std::errc::invalid_argument || end != text.data() + text.size())
        return make_error(EINVAL, "{}: \"{}\" is not a port number", target, text);
    if (error != std::errc{} || port > 65535)
        return make_error(EINVAL, "{}: port {} is above 65535", target, text);
    return static_cast<std::uint16_t>(port);
}

/// Splits "[v6]rest" or "host:rest" at the end of the host; `rest` is what follows the colon.
Result<std::string> take_host(std::string_view target, std::string_view text, std::string_view& rest) {
    if (!text.empty() && text.front() == '[') {
        const auto close = text.find(']');
        if (close == std::string_view::npos) return make_error(EINVAL, "{}: '[' without ']'", target);
        rest = text.substr(close + 1);
        if (!rest.empty() && rest.front() != ':')
            return make_error(EINVAL, "{}: expected ':' after ']', found \"{}\"", target, rest);
        if (!rest.empty()) rest.remove_prefix(1);
        return std::string(text.substr(1, close - 1));
    }
    const auto colon = text.find(':');
    if (colon != std::string_view::npos && text.find(':', colon + 1) != std::string_view::npos)
        return make_error(EINVAL, "{}: an IPv6 address must stand in brackets", target);
    rest = colon == std::string_view::npos ? std::string_view() : text.substr(colon + 1);
    return std::string(text.substr(0, colon));
}

/// Calls `action` with an address for `path`; a path that is too long is reached through its folder's
/// descriptor.
template <typename Action>
int with_unix_address(const std::string& path, Action action) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.find('\0') != std::string::npos) return EINVAL;
    if (path.size() < sizeof address.sun_path) {
        path.copy(address.sun_path, path.size());
        return action(reinterpret_cast<const sockaddr*>(&address)) == 0 ? 0 : errno;
    }
    const auto slash = path.rfind('/');
    const auto folder = slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
    const int fd = ::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return errno;
    const auto name = fmt::format("/proc/self/fd/{}/{}", fd, path.substr(slash + 1));
    int error = ENAMETOOLONG;
    if (name.size() < sizeof address.sun_path) {
        name.copy(address.sun_path, name.size());
        error = action(reinterpret_cast<const sockaddr*>(&address)) == 0 ? 0 : errno;
    }
    ::close(fd);
    return error;
}

}  // namespace

Result<StreamTarget> parse_stream_target(std::string_view target, std::uint16_t default_port) {
    StreamTarget out;
    const auto colon = target.find(':');
    auto scheme = target.substr(0, colon);
    if (colon == std::string_view::npos || scheme.empty())
        return make_error(EAFNOSUPPORT,
                          "\"{}\": expected unix:FILE, tcp:HOST:PORT, ssl:HOST:PORT or a passive form",
                          target);
    if (scheme.front() == 'p') out.passive = true, scheme.remove_prefix(1);
    std::string_view text = target.substr(colon + 1), rest;
    if (scheme == "unix") {
        if (text.empty()) return make_error(EINVAL, "{}: a file name is missing", target);
        out.path = text;
        return out;
    }
    if (scheme != "tcp" && scheme != "ssl")
        return make_error(EAFNOSUPPORT, "{}: unknown connection method \"{}\"", target,
                          target.substr(0, colon));
    out.kind = scheme == "tcp" ? StreamKind::kTcp : StreamKind::kSsl;
    if (out.passive) {  // [PORT][:HOST]
        const auto host_at = text.find(':');
        auto port = parse_port(target, text.substr(0, host_at), default_port);
        if (!port) return port.error();
        out.port = *port;
        if (host_at == std::string_view::npos) return out;
        auto host_text = text.substr(host_at + 1);
        if (host_text.find(':') != std::string_view::npos && host_text.front() != '[') {
            out.host = host_text;  // nothing can follow, so bare IPv6 is unambiguous here
            in6_addr parsed{};
            if (::inet_pton(AF_INET6, out.host.c_str(), &parsed) != 1)
                return make_error(EINVAL, "{}: \"{}\" is not an IP address", target, host_text);
            return out;
        }
        auto host = take_host(target, host_text, rest);
        if (!host) return host.error();
        if (!rest.empty()) return make_error(EINVAL, "{}: unexpected \":{}\"", target, rest);
        out.host = *host;
        return out;
    }
    auto host = take_host(target, text, rest);
    if (!host) return host.error();
    if (host->empty()) return make_error(EINVAL, "{}: host name is missing", target);
    auto port = parse_port(target, rest, default_port);
    if (!port) return port.error();
    if (*port == 0) return make_error(EINVAL, "{}: port 0 cannot be connected to", target);
    out.host = *host;
    out.port = *port;
    return out;
}

std::string SocketAddress::to_string() const {
    char text[INET6_ADDRSTRLEN] = "";
    if (storage.ss_family == AF_INET) {
        const auto* v4 = reinterpret_cast<const sockaddr_in*>(&storage);
        ::inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
        return fmt::format("{}:{}", text, ntohs(v4->sin_port));
    }
    if (storage.ss_family == AF_INET6) {
        const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&storage);
        ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
        return fmt::format("[{}]:{}", text, ntohs(v6->sin6_port));
    }
    return {};
}

namespace {

Result<SocketAddress> look_up(const std::string& host, std::uint16_t port, int flags) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    if (const int rc = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found); rc != 0)
        return make_error(EHOSTUNREACH, "{}: {}", host, ::gai_strerror(rc));
    SocketAddress address;
    std::memcpy(&address.storage, found->ai_addr, found->ai_addrlen);
    address.size = found->ai_addrlen;
    ::freeaddrinfo(found);
    return address;
}

}  // namespace

Result<SocketAddress> numeric_address(const std::string& host, std::uint16_t port) {
    return look_up(host, port, AI_NUMERICHOST);
}

void resolve_host(EventLoop& loop, std::string host, std::uint16_t port,
                  std::function<void(Result<SocketAddress>)> done) {
    // getaddrinfo may take many seconds; the thread is left alone and finds nobody home if the loop has gone.
    std::thread([poster = loop.poster(), host = std::move(host), port, done = std::move(done)]() mutable {
        auto result = look_up(host, port, 0);
        poster.post([result = std::move(result), done = std::move(done)] { done(result); });
    }).detach();
}

int connect_unix(int fd, const std::string& path) {
    return with_unix_address(
        path, [fd](const sockaddr* address) { return ::connect(fd, address, sizeof(sockaddr_un)); });
}

int bind_unix(int fd, const std::string& path) {
    return with_unix_address(
        path, [fd](const sockaddr* address) { return ::bind(fd, address, sizeof(sockaddr_un)); });
}

}  // namespace sluice
