// SPDX-License-Identifier: Apache-2.0
// See underlay/netlink.hpp.
#include "underlay/netlink.hpp"

#include <vector>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include "wire/ipv6.hpp"

namespace sluice::underlay {
namespace {

constexpr std::size_t kReadBytes = 65536;   // the kernel fills dumps up to 32 KiB a message
constexpr int kReceiveBytes = 4 << 20;      // so that a burst of announcements isn't lost
constexpr unsigned kMessagesPerRead = 256;  // then the event loop goes on, and comes back

std::vector<std::uint8_t>& read_buffer() {
    static std::vector<std::uint8_t> buffer(kReadBytes);  // control thread only
    return buffer;
}

/// Calls the handler for each message; false once the answer is over, with its error (0: success) in `code`.
bool hand_on(std::size_t bytes, const Netlink::Handler& handler, std::uint32_t sequence, int& code) {
    const auto* message = reinterpret_cast<const nlmsghdr*>(read_buffer().data());
    for (auto left = static_cast<int>(bytes); NLMSG_OK(message, static_cast<unsigned>(left));
         message = NLMSG_NEXT(message, left)) {
        if (message->nlmsg_seq != sequence) continue;  // of an earlier request that was given up
        if (message->nlmsg_type == NLMSG_ERROR) {
            if (message->nlmsg_len >= NLMSG_LENGTH(sizeof(nlmsgerr)))
                code = -reinterpret_cast<const nlmsgerr*>(message + 1)->error;
            return false;
        }
        if (message->nlmsg_type == NLMSG_DONE) return false;
        handler(*message);
    }
    return true;
}

}  // namespace

void NetlinkRequest::append(const void* data, std::size_t bytes) {
    if (bytes_ + NLMSG_ALIGN(bytes) > sizeof buffer_) return;  // no request comes near 256 bytes
    std::memcpy(buffer_ + bytes_, data, bytes);
    bytes_ += NLMSG_ALIGN(bytes);
}

void NetlinkRequest::add_bytes(std::uint16_t type, const void* data, std::size_t bytes) {
    const rtattr attribute{static_cast<std::uint16_t>(RTA_LENGTH(bytes)), type};
    append(&attribute, sizeof attribute);
    append(data, bytes);
}

void NetlinkRequest::add_address(std::uint16_t type, Address address) {
    if (is_ipv4(address)) return add(type, htonl(to_ipv4(address)));
    std::uint8_t wire[16];
    wire::ipv6::store_address(wire, address);
    add_bytes(type, wire, sizeof wire);
}

std::span<const std::uint8_t> NetlinkRequest::finish(std::uint32_t sequence) {
    header_.nlmsg_seq = sequence;
    header_.nlmsg_len = static_cast<std::uint32_t>(bytes_);
    std::memcpy(buffer_, &header_, sizeof header_);
    return {buffer_, bytes_};
}

Result<Netlink> Netlink::open(std::span<const int> groups) {
    const int type = SOCK_RAW | SOCK_CLOEXEC | (groups.empty() ? 0 : SOCK_NONBLOCK);
    Netlink opened(::socket(AF_NETLINK, type, NETLINK_ROUTE));
    if (opened.fd_ < 0) return make_error(errno, "netlink socket: {}", std::strerror(errno));
    sockaddr_nl self{};
    self.nl_family = AF_NETLINK;
    if (::bind(opened.fd_, reinterpret_cast<const sockaddr*>(&self), sizeof self) != 0)
        return make_error(errno, "netlink socket: bind: {}", std::strerror(errno));
    if (::setsockopt(opened.fd_, SOL_SOCKET, SO_RCVBUFFORCE, &kReceiveBytes, sizeof kReceiveBytes) != 0)
        ::setsockopt(opened.fd_, SOL_SOCKET, SO_RCVBUF, &kReceiveBytes, sizeof kReceiveBytes);
    for (const int group : groups)
        if (::setsockopt(opened.fd_, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0)
            return make_error(errno, "netlink socket: group {}: {}", group, std::strerror(errno));
    if (groups.empty()) {  // an answer that never comes must not hold the control thread for good
        const timeval limit{1, 0};
        ::setsockopt(opened.fd_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    }
    return opened;
}

Netlink::~Netlink() {
    if (fd_ >= 0) ::close(fd_);
}

Result<void> Netlink::ask(NetlinkRequest& request, const Handler& handler) {
    const auto message = request.finish(++sequence_);
    if (::send(fd_, message.data(), message.size(), 0) < 0)
        return make_error(errno, "netlink request: {}", std::strerror(errno));
    while (true) {
        const auto got = ::recv(fd_, read_buffer().data(), read_buffer().size(), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return make_error(errno, "netlink answer: {}", std::strerror(errno));
        int code = 0;
        if (hand_on(static_cast<std::size_t>(got), handler, sequence_, code)) continue;
        if (code != 0) return make_error(code, "{}", std::strerror(code));
        return {};
    }
}

Result<void> Netlink::read(const Handler& handler) {
    for (unsigned i = 0; i < kMessagesPerRead; ++i) {
        const auto got = ::recv(fd_, read_buffer().data(), read_buffer().size(), 0);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) return {};
        if (got < 0) return make_error(errno, "netlink: {}", std::strerror(errno));
        const auto* message = reinterpret_cast<const nlmsghdr*>(read_buffer().data());
        for (auto left = static_cast<int>(got); NLMSG_OK(message, static_cast<unsigned>(left));
             message = NLMSG_NEXT(message, left))
            handler(*message);
    }
    return {};
}

std::string text_of(const rtattr& attribute) {
    const auto* data = static_cast<const char*>(RTA_DATA(&attribute));
    return {data, ::strnlen(data, RTA_PAYLOAD(&attribute))};
}

Address address_of(const void* bytes, std::size_t count) {
    const auto* p = static_cast<const std::uint8_t*>(bytes);
    if (count == 4) return from_ipv4(load_be32(p));
    if (count == 16) return wire::ipv6::load_address(p);
    return {};
}

}  // namespace sluice::underlay
