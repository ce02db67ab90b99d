// SPDX-License-Identifier: Apache-2.0
// See port/memif/listener.hpp.
#include "port/memif/listener.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include <sys/socket.h>
#include <sys/un.h>

#include "base/log.hpp"
#include "port/memif/endpoint.hpp"

namespace sluice::memif {
namespace {

const log::Module kLog{"memif"};

constexpr std::size_t kMaxStrangers = 16;  ///< clients that have not said what they want
constexpr std::int64_t kInitDeadlineMs = 5000;
constexpr unsigned kMaxFds = 8;

struct Address {
    sockaddr_un name{};
    socklen_t size = 0;
    const sockaddr* generic() const { return reinterpret_cast<const sockaddr*>(&name); }
};

Result<Address> address_of(const std::string& port, const std::string& path) {
    Address address;
    address.name.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.name.sun_path)
        return make_error(EINVAL, "{}: socket path \"{}\" has {} characters, the limit is {}", port, path,
                          path.size(), sizeof address.name.sun_path - 1);
    std::memcpy(address.name.sun_path, path.data(), path.size());
    address.size = static_cast<socklen_t>(sizeof address.name);
    if (path.front() == '@') {
        address.name.sun_path[0] = '\0';
        address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
    }
    return address;
}

guest::Fd make_socket() {
    return guest::Fd{::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
}

std::map<std::string, std::weak_ptr<Listener>>& listeners() {
    static std::map<std::string, std::weak_ptr<Listener>> map;  // guests' thread only
    return map;
}

}  // namespace

Result<std::optional<Incoming>> receive_message(int socket) {
    Incoming incoming;
    iovec part{&incoming.message, sizeof incoming.message};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * kMaxFds) + CMSG_SPACE(sizeof(ucred))];
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t size = recvmsg(socket, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return std::optional<Incoming>{};
    std::vector<guest::Fd> fds;
    for (cmsghdr* c = size > 0 ? CMSG_FIRSTHDR(&header) : nullptr; c != nullptr;
         c = CMSG_NXTHDR(&header, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) continue;
        for (std::size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            fds.emplace_back(fd);
        }
    }
    if (size <= 0) return Error{ECONNRESET, ""};
    if (size != static_cast<ssize_t>(sizeof incoming.message) || (header.msg_flags & MSG_TRUNC) != 0)
        return make_error(EPROTO, "a message of {} bytes, they have {}", size, sizeof incoming.message);
    if (fds.size() > 1 || (header.msg_flags & MSG_CTRUNC) != 0)
        return make_error(EPROTO, "a message with more than one descriptor");
    if (!fds.empty()) incoming.fd = std::move(fds.front());
    return std::optional<Incoming>{std::move(incoming)};
}

bool send_message(int socket, const Outgoing& outgoing) {
    iovec part{const_cast<Message*>(&outgoing.message), sizeof outgoing.message};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    if (outgoing.fd >= 0) {
        header.msg_control = control;
        header.msg_controllen = sizeof control;
        cmsghdr* c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        std::memcpy(CMSG_DATA(c), &outgoing.fd, sizeof(int));
    }
    return sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT) ==
           static_cast<ssize_t>(sizeof outgoing.message);
}

Result<guest::Fd> connect_to(const std::string& port, const std::string& path) {
    auto address = address_of(port, path);
    if (!address) return address.error();
    guest::Fd socket = make_socket();
    if (::connect(socket.get(), address->generic(), address->size) != 0)
        return make_error(errno, "{}", std::strerror(errno));
    return socket;
}

Result<std::shared_ptr<Listener>> Listener::join(EventLoop& events, const std::string& path, std::uint32_t id,
                                                 Endpoint& endpoint, const std::string& port) {
    std::shared_ptr<Listener> listener = listeners()[path].lock();
    if (!listener) {
        listener.reset(new Listener{events, path});
        if (auto done = listener->listen(port); !done) return done.error();
        listeners()[path] = listener;
    }
    if (!listener->endpoints_.emplace(id, &endpoint).second)
        return make_error(EADDRINUSE, "{}: options:memif-id={}: port {} has this id at {} already", port, id,
                          listener->endpoints_.at(id)->port_, path);
    return listener;
}

Listener::~Listener() {
    listeners().erase(path_);
    if (socket_ && path_.front() != '@') unlink(path_.c_str());
}

Result<void> Listener::listen(const std::string& port) {
    auto address = address_of(port, path_);
    if (!address) return address.error();
    // What a killed switch left behind is told from a living listener by connecting.
    if (const guest::Fd probe = make_socket(); ::connect(probe.get(), address->generic(), address->size) == 0)
        return make_error(EADDRINUSE, "{}: another program listens at {}", port, path_);
    if (errno == ECONNREFUSED && path_.front() != '@') unlink(path_.c_str());
    guest::Fd socket = make_socket();
    if (::bind(socket.get(), address->generic(), address->size) != 0 || ::listen(socket.get(), 16) != 0) {
        const int code = errno;
        return make_error(code, "{}: cannot listen at {}: {}", port, path_, std::strerror(code));
    }
    socket_ = std::move(socket);
    listening_ = events_.watch(socket_.get(), EventLoop::kRead, [this](unsigned) { accept(); });
    return {};
}

void Listener::accept() {
    guest::Fd socket{::accept4(socket_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (!socket) return;
    if (guests_.size() >= kMaxStrangers) {
        static log::RateLimit limit{1, 5};
        if (limit.allow())
            kLog.warn("{}: {} clients have not said what they want; another one is refused", path_,
                      guests_.size());
        return;
    }
    if (!send_message(socket.get(), {Session::hello()})) return;
    const auto guest = guests_.emplace(guests_.end());
    guest->socket = std::move(socket);
    guest->reading =
        events_.watch(guest->socket.get(), EventLoop::kRead, [this, guest](unsigned) { greet(guest); });
    guest->deadline = events_.after(
        kInitDeadlineMs, [this, guest] { guests_.erase(guest); }, TimeBase::kMachine);
}

void Listener::greet(std::list<Guest>::iterator guest) {
    auto incoming = receive_message(guest->socket.get());
    if (incoming && !*incoming) return;
    Guest taken = std::move(*guest);
    guests_.erase(guest);
    taken.reading.reset();
    std::string refusal;
    if (!incoming) {
        refusal = incoming.error().message;
    } else if ((*incoming)->message.type != Type::kInit || (*incoming)->fd) {
        refusal = "INIT expected";
    } else if (const auto found = endpoints_.find((*incoming)->message.init.id); found == endpoints_.end()) {
        refusal = fmt::format("no interface {} here", std::uint32_t{(*incoming)->message.init.id});
    } else if (found->second->session_) {
        found->second->readable();  // the former peer's end may be in the same turn
        if (!found->second->session_)
            return found->second->adopt(std::move(taken.socket), (*incoming)->message);
        refusal = fmt::format("interface {} is connected already", found->first);
    } else {
        return found->second->adopt(std::move(taken.socket), (*incoming)->message);
    }
    if (refusal.empty()) return;
    static log::RateLimit limit{1, 5};
    if (limit.allow()) kLog.warn("{}: a client is refused: {}", path_, refusal);
    send_message(taken.socket.get(), {Session::disconnect(refusal)});
}

}  // namespace sluice::memif
