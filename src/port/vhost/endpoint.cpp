// SPDX-License-Identifier: Apache-2.0
// See port/vhost/endpoint.hpp.
#include "port/vhost/endpoint.hpp"

#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>

#include "base/log.hpp"

namespace sluice::vhost {
namespace {

const log::Module kLog{"vhost"};

constexpr std::int64_t kConnectMs = 200;      ///< between attempts to connect
constexpr std::int64_t kAfterErrorMs = 2000;  ///< when the last guest did not keep to the protocol
constexpr unsigned kMaxFds = 32;
constexpr unsigned kMessagesATurn = 32;

Result<sockaddr_un> address_of(const std::string& port, const std::string& path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path)
        return make_error(EINVAL, "{}: socket path \"{}\" has {} characters, the limit is {}", port, path,
                          path.size(), sizeof address.sun_path - 1);
    std::memcpy(address.sun_path, path.data(), path.size());
    return address;
}

guest::Fd make_socket() {
    return guest::Fd{::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
}

}  // namespace

Endpoint::~Endpoint() {
    session_.reset();
    if (listener_) unlink(path_.c_str());
}

Result<void> Endpoint::open() {
    if (auto address = address_of(port_, path_); !address) return address.error();
    if (role_ == Role::kServer) return listen();
    connect();
    return {};
}

Result<void> Endpoint::listen() {
    const sockaddr_un address = *address_of(port_, path_);
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    // What a killed switch left behind is told from a living listener by connecting.
    if (const guest::Fd probe = make_socket(); ::connect(probe.get(), generic, sizeof address) == 0)
        return make_error(EADDRINUSE, "{}: another program listens at {}", port_, path_);
    if (errno == ECONNREFUSED) unlink(path_.c_str());
    listener_ = make_socket();
    if (::bind(listener_.get(), generic, sizeof address) != 0 || ::listen(listener_.get(), 1) != 0) {
        const int code = errno;
        listener_.reset();
        return make_error(code, "{}: cannot listen at {}: {}", port_, path_, std::strerror(code));
    }
    listening_ = events_.watch(listener_.get(), EventLoop::kRead, [this](unsigned) { accept(); });
    say(fmt::format("no guest has connected to {} yet", path_));
    return {};
}

void Endpoint::connect() {
    const sockaddr_un address = *address_of(port_, path_);
    guest::Fd socket = make_socket();
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        say(fmt::format(
            "cannot connect to {}: {}; the guest (QEMU: -chardev socket,server=on) has to listen there",
            path_, std::strerror(errno)));
        return retry(kConnectMs);
    }
    begin(std::move(socket));
}

void Endpoint::retry(std::int64_t delay_ms) {
    again_ = events_.after(
        delay_ms, [this] { connect(); }, TimeBase::kMachine);
}

void Endpoint::accept() {
    guest::Fd socket{::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (!socket) return;
    if (session_) readable();  // the former guest's end may be in the same turn
    if (session_) {
        kLog.warn("{}: a second guest at {} is refused, the first one is connected", port_, path_);
        return;
    }
    begin(std::move(socket));
}

void Endpoint::begin(guest::Fd socket) {
    socket_ = std::move(socket);
    session_ = std::make_unique<Session>(port_, device_);
    buffer_.assign(sizeof(Header), 0);
    have_ = 0;
    fds_.clear();
    kLog.info("{}: a guest is connected at {}", port_, path_);
    reading_ = events_.watch(socket_.get(), EventLoop::kRead, [this](unsigned) { readable(); });
}

void Endpoint::readable() {
    const auto done = read();
    if (!done) end(done.error().message);
}

Result<void> Endpoint::read() {
    for (unsigned n = 0; n < kMessagesATurn;) {
        auto filled = fill(buffer_.data(), have_, buffer_.size());
        if (!filled) return filled.error();
        if (!*filled) return {};
        Header header;
        std::memcpy(&header, buffer_.data(), sizeof header);
        if (have_ == sizeof header && header.size > 0) {
            if (header.size > kMaxPayload)
                return make_error(EPROTO, "{}: vhost-user: message {} of {} bytes, the limit is {}", port_,
                                  header.request, header.size, kMaxPayload);
            buffer_.resize(sizeof header + header.size);
            continue;
        }
        if (auto done = complete(); !done) return done;
        ++n;
    }
    return {};
}

/// True when `want` bytes are there.
Result<bool> Endpoint::fill(std::uint8_t* to, std::size_t have, std::size_t want) {
    iovec part{to + have, want - have};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFds)];
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t size = recvmsg(socket_.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return false;
    if (size <= 0) return Error{ECONNRESET, ""};
    for (cmsghdr* c = CMSG_FIRSTHDR(&message); c != nullptr; c = CMSG_NXTHDR(&message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            fds_.emplace_back(fd);
        }
    }
    if (fds_.size() > kMaxFds || (message.msg_flags & MSG_CTRUNC) != 0)
        return make_error(EPROTO, "{}: vhost-user: a message with more than {} descriptors", port_, kMaxFds);
    have_ = have + static_cast<std::size_t>(size);
    return have_ == want;
}

Result<void> Endpoint::complete() {
    Header header;
    std::memcpy(&header, buffer_.data(), sizeof header);
    auto reply = session_->handle(header, std::span{buffer_}.subspan(sizeof header), std::move(fds_));
    fds_.clear();
    buffer_.resize(sizeof header);
    have_ = 0;
    if (!reply) return reply.error();
    if (reply->empty()) return {};
    const ssize_t size = ::send(socket_.get(), reply->data(), reply->size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (size != static_cast<ssize_t>(reply->size()))
        return make_error(EPROTO, "{}: vhost-user: the guest does not read its replies", port_);
    return {};
}

void Endpoint::end(const std::string& reason) {
    reading_.reset();
    session_.reset();
    socket_.reset();
    fds_.clear();
    say(reason.empty() ? "the guest closed the connection" : reason);
    if (reason.empty()) {
        kLog.info("{}: the guest at {} has gone", port_, path_);
    } else {
        static log::RateLimit limit{1, 5};
        if (limit.allow()) kLog.warn("{}; the connection at {} is closed", reason, path_);
    }
    if (role_ == Role::kClient) retry(reason.empty() ? kConnectMs : kAfterErrorMs);
}

void Endpoint::say(const std::string& reason) {
    const std::lock_guard lock{device_.mutex};
    device_.report.reason = reason;
}

}  // namespace sluice::vhost
