// SPDX-License-Identifier: Apache-2.0
// rtnetlink (rtnetlink(7)) as the mirror needs it: a request, its answers, and what the kernel announces.
// Control thread only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <span>
#include <string>
#include <utility>

#include <linux/rtnetlink.h>

#include "base/result.hpp"
#include "underlay/address.hpp"

namespace sluice::underlay {

/// A request under construction. `Body` is the fixed part behind the header (rtmsg, ndmsg, ...).
class NetlinkRequest {
  public:
    template <typename Body>
    NetlinkRequest(std::uint16_t type, std::uint16_t flags, const Body& body) {
        header_.nlmsg_type = type;
        header_.nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | flags);
        append(&body, sizeof body);
    }
    template <typename T>
    void add(std::uint16_t type, const T& value) {
        add_bytes(type, &value, sizeof value);
    }
    /// 4 or 16 bytes, by the family of the address.
    void add_address(std::uint16_t type, Address address);
    /// The finished message; `sequence` is what its answers will carry.
    std::span<const std::uint8_t> finish(std::uint32_t sequence);

  private:
    void add_bytes(std::uint16_t type, const void* data, std::size_t bytes);
    void append(const void* data, std::size_t bytes);

    nlmsghdr header_{};
    std::size_t bytes_ = NLMSG_HDRLEN;
    alignas(NLMSG_ALIGNTO) std::uint8_t buffer_[256]{};
};

/// A socket of the network namespace that the calling thread is in.
class Netlink {
  public:
    using Handler = std::function<void(const nlmsghdr&)>;
    /// `groups`: RTNLGRP_* that are announced on it; none for a socket that asks.
    static Result<Netlink> open(std::span<const int> groups = {});
    Netlink(Netlink&& other) noexcept : fd_(std::exchange(other.fd_, -1)), sequence_(other.sequence_) {}
    Netlink& operator=(Netlink&&) = delete;
    ~Netlink();

    int fd() const { return fd_; }
    /// Sends a request and hands every message of its answer on; waits for the whole answer. Errors are the
    /// kernel's.
    Result<void> ask(NetlinkRequest& request, const Handler& handler);
    /// Hands on what was announced, up to a bound so that the event loop gets its turn. ENOBUFS: something
    /// was lost, the caller must read everything anew.
    Result<void> read(const Handler& handler);

  private:
    explicit Netlink(int fd) : fd_(fd) {}
    int fd_;
    std::uint32_t sequence_ = 0;
};

/// Calls f(attribute, type) for each of a run of attributes.
template <typename F>
void each_attribute(const void* first, std::size_t bytes, F f) {
    const auto* at = static_cast<const char*>(first);
    while (bytes >= sizeof(rtattr)) {
        const auto& attribute = *reinterpret_cast<const rtattr*>(at);
        if (attribute.rta_len < sizeof(rtattr) || attribute.rta_len > bytes) return;
        f(attribute, attribute.rta_type & NLA_TYPE_MASK);
        const std::size_t step = std::min<std::size_t>(bytes, RTA_ALIGN(attribute.rta_len));
        bytes -= step;
        at += step;
    }
}
/// The same for those inside of an attribute.
template <typename F>
void each_nested(const rtattr& parent, F f) {
    each_attribute(RTA_DATA(&parent), RTA_PAYLOAD(&parent), f);
}
/// A message whose fixed part is `Body`: the part, and its attributes; null when it is too short.
template <typename Body, typename F>
const Body* parse_message(const nlmsghdr& message, F f) {
    if (message.nlmsg_len < NLMSG_LENGTH(sizeof(Body))) return nullptr;
    const auto* start = reinterpret_cast<const char*>(&message);
    if (message.nlmsg_len > NLMSG_SPACE(sizeof(Body)))
        each_attribute(start + NLMSG_SPACE(sizeof(Body)), message.nlmsg_len - NLMSG_SPACE(sizeof(Body)), f);
    return reinterpret_cast<const Body*>(start + NLMSG_HDRLEN);
}
/// The value of an attribute; what is missing at its end is zero.
template <typename T>
T value_of(const rtattr& attribute) {
    T value{};
    std::memcpy(&value, RTA_DATA(&attribute), std::min<std::size_t>(sizeof value, RTA_PAYLOAD(&attribute)));
    return value;
}
std::string text_of(const rtattr& attribute);
/// An address of 4 or 16 bytes; zero for other lengths.
Address address_of(const void* bytes, std::size_t count);
inline Address address_of(const rtattr& attribute) {
    return address_of(RTA_DATA(&attribute), RTA_PAYLOAD(&attribute));
}

}  // namespace sluice::underlay
