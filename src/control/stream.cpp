// SPDX-License-Identifier: Apache-2.0
// Stream and Listener. A stream is a small state machine (resolving -> connecting -> handshake -> open ->
// closed) driven by its watch; callbacks run with the state kept alive by a shared_ptr, so that they may
// destroy the stream.
#include "control/stream.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "control/stream_target.hpp"
#include "control/tls.hpp"

namespace sluice {
namespace {

const log::Module kLog{"stream"};
constexpr std::size_t kReadChunk = 64 * 1024;
constexpr std::int64_t kLingerAfterOpenMs = 2000;

/// OpenSSL writes without MSG_NOSIGNAL, so the signal must go for the whole process.
void ignore_sigpipe() {
    static const bool done = [] {
        std::signal(SIGPIPE, SIG_IGN);
        return true;
    }();
    (void)done;
}

Error errno_error(const std::string& name, int code) {
    return Error{code, fmt::format("{}: {}", name, std::strerror(code))};
}

std::string address_of(int fd, int (*get)(int, sockaddr*, socklen_t*)) {
    SocketAddress address;
    address.size = sizeof address.storage;
    if (fd < 0 || get(fd, address.get(), &address.size) != 0) return {};
    return address.to_string();
}

}  // namespace

struct Stream::Impl : std::enable_shared_from_this<Stream::Impl> {
    enum class State { kResolving, kConnecting, kHandshake, kOpen, kClosed };

    Impl(EventLoop& l, std::string n, const StreamOptions& o) : loop(l), name(std::move(n)), options(o) {}
    ~Impl() { release(); }

    EventLoop& loop;
    std::string name;
    StreamOptions options;
    Handlers handlers;
    State state = State::kConnecting;
    int fd = -1;
    std::unique_ptr<TlsSession> tls;
    Watch watch;
    Timer timeout;
    std::string queue;  ///< bytes to send, from queue_at
    std::size_t queue_at = 0;
    std::int64_t progress_ms = 0;
    bool was_above = false;
    bool reading = true;
    bool closing = false;
    bool flush_planned = false;
    bool tls_read_wants_write = false, tls_write_wants_read = false;

    std::size_t queued() const { return queue.size() - queue_at; }

    void release() {
        watch.reset();
        timeout.reset();
        if (fd >= 0) {
            if (tls && state == State::kOpen) tls->shutdown();
            ::close(fd);
        }
        fd = -1;
        tls.reset();
    }

    /// Ends the stream and tells its owner.
    void close(Error reason) {
        if (state == State::kClosed) return;
        release();
        state = State::kClosed;
        queue.clear();
        queue.shrink_to_fit();
        queue_at = 0;
        auto callback = std::move(handlers.on_closed);
        handlers = {};
        if (callback) callback(reason);
    }
    /// Same, from the loop: for failures found while the owner is calling us.
    void close_later(Error reason) {
        loop.defer([weak = weak_from_this(), reason = std::move(reason)] {
            if (const auto self = weak.lock()) self->close(reason);
        });
    }
    bool is_closed() const { return state == State::kClosed; }

    void update_interest() {
        if (fd < 0 || state == State::kResolving) return;
        unsigned interest = 0;
        if (state == State::kConnecting) {
            interest = EventLoop::kWrite;
        } else if (state == State::kOpen) {
            if (reading || tls_write_wants_read) interest |= EventLoop::kRead;
            if (queued() > 0 || tls_read_wants_write) interest |= EventLoop::kWrite;
        } else {
            return;  // the handshake sets its own
        }
        watch.set_interest(interest);
    }

    void adopt(int socket, State initial) {
        fd = socket;
        state = initial;
        watch = loop.watch(fd, EventLoop::kWrite, [this](unsigned ready) {
            const auto self = shared_from_this();
            on_ready(ready);
        });
        if (options.connect_timeout_ms > 0)
            timeout = loop.after(
                options.connect_timeout_ms,
                [this] {
                    const auto self = shared_from_this();
                    if (state != State::kOpen)
                        close(Error{ETIMEDOUT, name + ": connection attempt timed out"});
                },
                TimeBase::kMachine);
    }

    void start_connect(const SocketAddress& address) {
        const int socket = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (socket < 0) return close_later(errno_error(name, errno));
        const int one = 1;
        ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        const int rc = ::connect(socket, address.get(), address.size);
        const int error = errno;
        adopt(socket, State::kConnecting);
        if (rc != 0 && error != EINPROGRESS) close_later(errno_error(name, error));
    }

    void start_unix(const std::string& path) {
        const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (socket < 0) return close_later(errno_error(name, errno));
        const int error = connect_unix(socket, path);
        adopt(socket, State::kConnecting);
        if (error != 0 && error != EINPROGRESS) close_later(errno_error(name, error));
    }

    void on_ready(unsigned ready) {
        if (state == State::kConnecting) {
            int error = 0;
            socklen_t size = sizeof error;
            ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
            if (error != 0) return close(errno_error(name, error));
            if (!tls) return open();
            state = State::kHandshake;
            if (auto ok = tls->attach(fd); !ok) return close(ok.error());
        }
        if (state == State::kHandshake) return shake_hands();
        const bool can_read = (ready & EventLoop::kRead) != 0, can_write = (ready & EventLoop::kWrite) != 0;
        if (can_write || (can_read && tls_write_wants_read)) flush();
        if (!is_closed() && (can_read || (can_write && tls_read_wants_write))) receive();
        if (!is_closed()) update_interest();
    }

    void shake_hands() {
        switch (tls->handshake()) {
            case TlsSession::Status::kOk:
                break;
            case TlsSession::Status::kWantRead:
                return watch.set_interest(EventLoop::kRead);
            case TlsSession::Status::kWantWrite:
                return watch.set_interest(EventLoop::kWrite);
            case TlsSession::Status::kClosed:
                return close(Error{ECONNRESET, name + ": closed during handshake"});
            case TlsSession::Status::kError:
                return close(Error{EPROTO, name + ": " + tls->error()});
        }
        if (!tls->bootstrapping()) return open();
        auto stored = tls->store_peer_ca();
        if (!stored) return close(Error{stored.error().code, name + ": " + stored.error().message});
        kLog.info("{}: stored the server's CA certificate; connecting again to verify it", name);
        close(Error{EPROTO, name + ": bootstrapped CA certificate, reconnecting"});
    }

    void open() {
        state = State::kOpen;
        timeout.reset();
        progress_ms = clock::machine_ms();
        update_interest();
        if (closing) arm_linger(kLingerAfterOpenMs);
        if (const auto callback = handlers.on_connected) callback();
        if (!is_closed() && queued() > 0) flush();
    }

    void receive() {
        if (!reading) {
            // Error or hang-up while the owner doesn't read: level-triggered epoll would spin on it.
            int error = 0;
            socklen_t size = sizeof error;
            ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size);
            return close(error != 0 ? errno_error(name, error)
                                    : Error{0, name + ": connection closed by peer"});
        }
        std::array<char, kReadChunk> buffer;
        // A few rounds only: one fast peer must not starve the others. TLS must go on while records are
        // buffered inside OpenSSL, where epoll can't see them.
        for (int round = 0; reading && !is_closed(); ++round) {
            if (round == 4 && !tls) return;
            if (round == 8) return receive_later();
            std::size_t n = 0;
            if (tls) {
                tls_read_wants_write = false;
                switch (tls->read(buffer.data(), buffer.size(), n)) {
                    case TlsSession::Status::kOk:
                        break;
                    case TlsSession::Status::kWantRead:
                        return;
                    case TlsSession::Status::kWantWrite:
                        tls_read_wants_write = true;
                        return;
                    case TlsSession::Status::kClosed:
                        return close(Error{0, name + ": connection closed by peer"});
                    case TlsSession::Status::kError:
                        return close(Error{ECONNRESET, name + ": " + tls->error()});
                }
            } else {
                const auto rc = ::recv(fd, buffer.data(), buffer.size(), 0);
                if (rc < 0 && (errno == EAGAIN || errno == EINTR)) return;
                if (rc < 0) return close(errno_error(name, errno));
                if (rc == 0) return close(Error{0, name + ": connection closed by peer"});
                n = static_cast<std::size_t>(rc);
            }
            if (const auto callback = handlers.on_data) callback({buffer.data(), n});
            if (!tls && n < buffer.size()) return;
        }
    }

    void receive_later() {
        loop.defer([weak = weak_from_this()] {
            const auto self = weak.lock();
            if (self && self->state == State::kOpen && self->reading) self->receive();
        });
    }

    void send(std::string_view bytes) {
        if (is_closed() || closing || bytes.empty()) return;
        if (queued() == 0) progress_ms = clock::machine_ms();
        queue.append(bytes);
        if (queued() > options.max_queued_bytes)
            return close_later(
                Error{ENOBUFS, fmt::format("{}: peer does not read: {} bytes queued, the limit is {}", name,
                                           queued(), options.max_queued_bytes)});
        if (queued() > options.high_water_bytes) was_above = true;
        if (flush_planned || state != State::kOpen) return;
        // Writing at the end of the turn joins small messages into one system call.
        flush_planned = true;
        loop.defer([weak = weak_from_this()] {
            const auto self = weak.lock();
            if (!self) return;
            self->flush_planned = false;
            if (self->state == State::kOpen) self->flush();
        });
    }

    void flush() {
        const auto self = shared_from_this();
        while (queued() > 0) {
            std::size_t n = 0;
            if (tls) {
                tls_write_wants_read = false;
                const auto status = tls->write(queue.data() + queue_at, queued(), n);
                if (status == TlsSession::Status::kWantRead) tls_write_wants_read = true;
                if (status == TlsSession::Status::kError || status == TlsSession::Status::kClosed)
                    return close(Error{ECONNRESET, name + ": " + tls->error()});
            } else {
                const auto rc = ::send(fd, queue.data() + queue_at, queued(), MSG_NOSIGNAL);
                if (rc < 0 && errno == EINTR) continue;
                if (rc < 0 && errno != EAGAIN) return close(errno_error(name, errno));
                n = rc > 0 ? static_cast<std::size_t>(rc) : 0;
            }
            if (n == 0) break;
            progress_ms = clock::machine_ms();
            queue_at += n;
        }
        if (queued() == 0) {
            queue.clear();
            queue_at = 0;
            if (queue.capacity() > 1024 * 1024) queue.shrink_to_fit();
            if (closing) return close(Error{0, name + ": closed"});
        } else if (queue_at > queue.size() / 2) {
            queue.erase(0, queue_at);
            queue_at = 0;
        }
        update_interest();
        if (was_above && queued() < options.high_water_bytes / 2) {
            was_above = false;
            if (const auto callback = handlers.on_drained) callback();
        }
    }

    void arm_linger(std::int64_t linger_ms) {
        loop.defer([weak = weak_from_this()] {
            const auto self = weak.lock();
            if (self && self->state == State::kOpen) self->flush();
        });
        timeout = loop.after(
            linger_ms,
            [this] {
                const auto self = shared_from_this();
                close(Error{0, name + ": closed with unsent data"});
            },
            TimeBase::kMachine);
    }
};

Stream::Stream(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Stream::~Stream() {
    impl_->handlers = {};
    impl_->release();
    impl_->state = Impl::State::kClosed;
}

Result<std::unique_ptr<Stream>> Stream::connect(EventLoop& loop, const std::string& target,
                                                const StreamOptions& options, Handlers handlers) {
    ignore_sigpipe();
    auto parsed = parse_stream_target(target, options.default_port);
    if (!parsed) return parsed.error();
    if (parsed->passive) return make_error(EINVAL, "{}: a passive target cannot be connected to", target);
    auto impl = std::make_shared<Impl>(loop, target, options);
    impl->handlers = std::move(handlers);
    if (parsed->kind == StreamKind::kSsl) {
        auto tls = TlsSession::create(options.ssl, TlsSession::Side::kClient);
        if (!tls) return tls.error();
        impl->tls = std::move(*tls);
    }
    if (parsed->kind == StreamKind::kUnix) {
        impl->start_unix(parsed->path);
    } else if (auto address = numeric_address(parsed->host, parsed->port)) {
        impl->start_connect(*address);
    } else {
        impl->state = Impl::State::kResolving;
        resolve_host(loop, parsed->host, parsed->port,
                     [weak = std::weak_ptr(impl)](Result<SocketAddress> resolved) {
                         const auto self = weak.lock();
                         if (!self || self->is_closed()) return;
                         if (!resolved) return self->close(resolved.error());
                         self->start_connect(*resolved);
                     });
    }
    return std::make_unique<Stream>(std::move(impl));
}

void Stream::set_handlers(Handlers handlers) {
    impl_->handlers = std::move(handlers);
}
void Stream::send(std::string_view bytes) {
    impl_->send(bytes);
}
void Stream::set_reading(bool on) {
    if (impl_->reading == on) return;
    impl_->reading = on;
    impl_->update_interest();
    // Bytes may wait inside OpenSSL, where epoll can't see them.
    if (on && impl_->tls) impl_->receive_later();
}
void Stream::shutdown_after_send(std::int64_t linger_ms) {
    if (impl_->is_closed() || impl_->closing) return;
    impl_->closing = true;
    impl_->arm_linger(std::max<std::int64_t>(linger_ms, 1));
}
bool Stream::connected() const {
    return impl_->state == Impl::State::kOpen;
}
bool Stream::closed() const {
    return impl_->is_closed();
}
std::size_t Stream::queued_bytes() const {
    return impl_->queued();
}
bool Stream::above_high_water() const {
    return impl_->queued() > impl_->options.high_water_bytes;
}
std::int64_t Stream::stalled_ms() const {
    return impl_->queued() == 0 ? 0 : clock::machine_ms() - impl_->progress_ms;
}
const std::string& Stream::name() const {
    return impl_->name;
}
std::string Stream::peer_address() const {
    return address_of(impl_->fd, [](int fd, sockaddr* a, socklen_t* n) { return ::getpeername(fd, a, n); });
}
std::string Stream::local_address() const {
    return address_of(impl_->fd, [](int fd, sockaddr* a, socklen_t* n) { return ::getsockname(fd, a, n); });
}

struct Listener::Impl : std::enable_shared_from_this<Listener::Impl> {
    Impl(EventLoop& l, std::string n, const StreamOptions& o) : loop(l), name(std::move(n)), options(o) {}
    ~Impl() { release(); }

    EventLoop& loop;
    std::string name;
    StreamOptions options;
    StreamTarget target;
    AcceptCallback on_accept;
    int fd = -1;
    std::uint16_t port = 0;
    std::uint64_t accepted = 0;
    std::string bound_path;
    struct stat bound_stat {};
    Watch watch;
    Timer pause;

    void release() {
        watch.reset();
        pause.reset();
        on_accept = nullptr;
        if (fd >= 0) ::close(fd);
        fd = -1;
        // Remove the socket only if it is still ours, not a successor's.
        struct stat now {};
        if (!bound_path.empty() && ::stat(bound_path.c_str(), &now) == 0 && now.st_ino == bound_stat.st_ino &&
            now.st_dev == bound_stat.st_dev)
            ::unlink(bound_path.c_str());
        bound_path.clear();
    }

    Result<void> bind_path() {
        fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0) return errno_error(name, errno);
        int error = bind_unix(fd, target.path);
        if (error == EADDRINUSE) {
            const int probe = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
            const int answer = probe >= 0 ? connect_unix(probe, target.path) : errno;
            if (probe >= 0) ::close(probe);
            struct stat old {};
            const bool is_socket = ::lstat(target.path.c_str(), &old) == 0 && S_ISSOCK(old.st_mode);
            if (answer != ECONNREFUSED || !is_socket)
                return make_error(EADDRINUSE, "{}: {}", name,
                                  is_socket ? "another process is listening there" : "a file is in the way");
            ::unlink(target.path.c_str());
            error = bind_unix(fd, target.path);
        }
        if (error != 0) return errno_error(name, error);
        bound_path = target.path;
        ::stat(bound_path.c_str(), &bound_stat);
        if (::chmod(bound_path.c_str(), options.unix_mode) != 0) return errno_error(name, errno);
        return {};
    }

    Result<void> bind_address() {
        SocketAddress address;
        if (target.host.empty()) {
            auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
            v6->sin6_family = AF_INET6;  // any address of both families
            v6->sin6_port = htons(target.port);
            address.size = sizeof *v6;
        } else {
            auto numeric = numeric_address(target.host, target.port);
            if (!numeric) return make_error(EINVAL, "{}: \"{}\" is not an IP address", name, target.host);
            address = *numeric;
        }
        fd = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0 && errno == EAFNOSUPPORT && target.host.empty()) {  // a kernel without IPv6
            address = *numeric_address("0.0.0.0", target.port);
            fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        }
        if (fd < 0) return errno_error(name, errno);
        const int one = 1, zero = 0;
        ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (target.host.empty() && address.storage.ss_family == AF_INET6)
            ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
        if (::bind(fd, address.get(), address.size) != 0) return errno_error(name, errno);
        address.size = sizeof address.storage;
        ::getsockname(fd, address.get(), &address.size);
        // The port is at the same offset in both families.
        port = ntohs(reinterpret_cast<const sockaddr_in*>(&address.storage)->sin_port);
        return {};
    }

    void accept_some() {
        for (int i = 0; i < 16 && fd >= 0; ++i) {
            SocketAddress peer;
            peer.size = sizeof peer.storage;
            const int socket = ::accept4(fd, peer.get(), &peer.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
            if (socket >= 0) {
                hand_over(socket, peer);
                continue;
            }
            if (errno == EAGAIN || errno == EINTR || errno == ECONNABORTED) return;
            kLog.warn("{}: accept: {}; trying again in one second", name, std::strerror(errno));
            watch.set_interest(0);
            pause = loop.after(
                1000, [this] { watch.set_interest(EventLoop::kRead); }, TimeBase::kMachine);
            return;
        }
    }

    void hand_over(int socket, const SocketAddress& peer) {
        const auto text = peer.to_string();
        const char* scheme = target.kind == StreamKind::kSsl ? "ssl:" : "tcp:";
        auto stream = std::make_shared<Stream::Impl>(
            loop, text.empty() ? fmt::format("{}#{}", target.path, accepted++) : scheme + text, options);
        if (target.kind == StreamKind::kSsl) {
            auto tls = TlsSession::create(options.ssl, TlsSession::Side::kServer);
            if (!tls) {
                kLog.warn("{}: refused {}: {}", name, text, tls.error().message);
                ::close(socket);
                return;
            }
            stream->tls = std::move(*tls);
        }
        if (target.kind != StreamKind::kUnix) {
            const int one = 1;
            ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        }
        // As "connecting" it becomes open, and says so, in the next turn, when its owner has set handlers.
        stream->adopt(socket, Stream::Impl::State::kConnecting);
        const auto callback = on_accept;
        callback(std::make_unique<Stream>(std::move(stream)));
    }
};

Listener::Listener(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

Listener::~Listener() {
    impl_->release();
}

Result<std::unique_ptr<Listener>> Listener::listen(EventLoop& loop, const std::string& target,
                                                   const StreamOptions& options, AcceptCallback on_accept) {
    ignore_sigpipe();
    auto parsed = parse_stream_target(target, options.default_port);
    if (!parsed) return parsed.error();
    if (!parsed->passive) return make_error(EINVAL, "{}: an active target cannot be listened on", target);
    if (parsed->kind == StreamKind::kSsl)  // find missing files now, not when the first client comes
        if (auto tls = TlsSession::create(options.ssl, TlsSession::Side::kServer); !tls) return tls.error();
    auto impl = std::make_shared<Impl>(loop, target, options);
    impl->target = *parsed;
    impl->on_accept = std::move(on_accept);
    if (auto ok = parsed->kind == StreamKind::kUnix ? impl->bind_path() : impl->bind_address(); !ok)
        return ok.error();
    if (::listen(impl->fd, 64) != 0) return errno_error(target, errno);
    impl->watch = loop.watch(impl->fd, EventLoop::kRead, [raw = impl.get()](unsigned) {
        const auto self = raw->shared_from_this();
        self->accept_some();
    });
    return std::make_unique<Listener>(std::move(impl));
}

std::uint16_t Listener::port() const {
    return impl_->port;
}
const std::string& Listener::name() const {
    return impl_->name;
}

bool is_active_target(std::string_view target) {
    const auto parsed = parse_stream_target(target, 1);
    return parsed && !parsed->passive;
}
bool is_passive_target(std::string_view target) {
    const auto parsed = parse_stream_target(target, 1);
    return parsed && parsed->passive;
}

}  // namespace sluice
