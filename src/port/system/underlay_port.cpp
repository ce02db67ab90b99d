// SPDX-License-Identifier: Apache-2.0
// See port/system/underlay_port.hpp.
#include "port/system/underlay_port.hpp"

#include <cstring>

#include <arpa/inet.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "port/system/packet_socket_port.hpp"

namespace sluice {

namespace {

constexpr std::uint32_t kEthernetType = 12, kIp = 14, kIpv4Fragment = kIp + 6, kIpv4Proto = kIp + 9,
                        kIpv6Next = kIp + 6, kIpv6Transport = kIp + 40;
constexpr std::uint32_t kTakeAll = 0xffffffff;

sock_filter statement(std::uint32_t code, std::uint32_t k) {
    return {static_cast<std::uint16_t>(code), 0, 0, k};
}

/// A program under construction, whose jumps all lead forward to one of two ends.
class Filter {
  public:
    void load_half(std::uint32_t at) { code_.push_back(statement(BPF_LD | BPF_H | BPF_ABS, at)); }
    void load_byte(std::uint32_t at) { code_.push_back(statement(BPF_LD | BPF_B | BPF_ABS, at)); }
    /// X: length of the IPv4 header. A: 16 bits at X + at.
    void load_header_length() { code_.push_back(statement(BPF_LDX | BPF_B | BPF_MSH, kIp)); }
    void load_half_behind(std::uint32_t at) { code_.push_back(statement(BPF_LD | BPF_H | BPF_IND, at)); }
    /// Goes on `skip` statements later when A is `value`.
    void skip_if(std::uint32_t value, std::uint8_t skip) {
        code_.push_back({BPF_JMP | BPF_JEQ | BPF_K, skip, 0, value});
    }
    void skip_unless(std::uint32_t value, std::uint8_t skip) {
        code_.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, skip, value});
    }
    void refuse_if_any(std::uint32_t bits) {
        code_.push_back({BPF_JMP | BPF_JSET | BPF_K, 0, 1, bits});
        refuse();
    }
    void accept_if(std::uint32_t value) {
        code_.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 1, value});
        code_.push_back(statement(BPF_RET | BPF_K, kTakeAll));
    }
    void refuse() { code_.push_back(statement(BPF_RET | BPF_K, 0)); }
    std::size_t size() const { return code_.size(); }
    void append(const Filter& other) { code_.insert(code_.end(), other.code_.begin(), other.code_.end()); }
    int attach(int fd) {
        const sock_fprog program{static_cast<unsigned short>(code_.size()), code_.data()};
        return ::setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program);
    }

  private:
    std::vector<sock_filter> code_;
};

/// What follows when the protocol is in A.
Filter by_protocol(const std::vector<std::uint16_t>& udp_ports, bool gre, bool ipv4) {
    Filter filter;
    if (gre) filter.accept_if(IPPROTO_GRE);
    filter.skip_if(IPPROTO_UDP, 1);
    filter.refuse();
    if (ipv4) {
        filter.load_header_length();
        filter.load_half_behind(kIp + 2);
    } else {
        filter.load_half(kIpv6Transport + 2);
    }
    for (const std::uint16_t port : udp_ports)
        filter.accept_if(port);
    filter.refuse();
    return filter;
}

Filter underlay_filter(const std::vector<std::uint16_t>& udp_ports, bool gre) {
    Filter ipv4;
    ipv4.load_half(kIpv4Fragment);
    ipv4.refuse_if_any(0x3fff);  // more fragments, or an offset
    ipv4.load_byte(kIpv4Proto);
    ipv4.append(by_protocol(udp_ports, gre, true));
    Filter filter;
    filter.load_half(kEthernetType);
    filter.skip_unless(0x0800, static_cast<std::uint8_t>(ipv4.size()));
    filter.append(ipv4);
    filter.skip_if(0x86dd, 1);
    filter.refuse();
    filter.load_byte(kIpv6Next);
    filter.append(by_protocol(udp_ports, gre, false));
    return filter;
}

/// A socket that drops whatever it gets; -1 if it cannot be had.
int deaf_socket(int family, int type, int proto, std::uint16_t port) {
    const int fd = ::socket(family, type | SOCK_CLOEXEC, proto);
    if (fd < 0) return -1;
    Filter none;
    none.refuse();
    const int only = family == AF_INET6 && type == SOCK_DGRAM ? 0 : 1;
    if (family == AF_INET6) ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof only);
    bool ready = none.attach(fd) == 0;
    if (ready && type == SOCK_DGRAM) {
        sockaddr_in6 any6{};
        any6.sin6_family = AF_INET6;
        any6.sin6_port = htons(port);
        sockaddr_in any4{};
        any4.sin_family = AF_INET;
        any4.sin_port = htons(port);
        ready = family == AF_INET6 ? ::bind(fd, reinterpret_cast<const sockaddr*>(&any6), sizeof any6) == 0
                                   : ::bind(fd, reinterpret_cast<const sockaddr*>(&any4), sizeof any4) == 0;
    }
    if (ready) return fd;
    ::close(fd);
    return -1;
}

}  // namespace

Result<std::unique_ptr<Port>> create_underlay_port(const std::string& device,
                                                   const std::vector<std::uint16_t>& udp_ports, bool gre) {
    PortConfig config;
    config.name = device;
    config.type = "system";
    config.options["kernel-stack"] = "pass";
    auto port = PacketSocketPort::create(config, "tunnel packets only");
    if (!port) return port.error();
    if (auto set = set_underlay_filter(**port, udp_ports, gre); !set) return set.error();
    return port;
}

Result<void> set_underlay_filter(Port& port, const std::vector<std::uint16_t>& udp_ports, bool gre) {
    Filter filter = underlay_filter(udp_ports, gre);
    for (unsigned q = 0; q < port.rx_queue_count(); ++q) {
        if (filter.attach(port.rx_fd(QueueId{static_cast<std::uint16_t>(q)})) != 0)
            return make_error(errno, "{}: cannot filter tunnel packets: {}", port.name(),
                              std::strerror(errno));
    }
    return {};
}

KernelSilence::~KernelSilence() {
    for (const int fd : sockets_)
        ::close(fd);
}

std::string KernelSilence::set(const std::vector<std::uint16_t>& udp_ports, bool gre) {
    for (const int fd : sockets_)
        ::close(fd);
    sockets_.clear();
    std::string taken;
    const auto add = [&](int fd, const std::string& name) {
        if (fd >= 0) {
            sockets_.push_back(fd);
        } else if (taken.empty()) {
            taken = name;
        }
    };
    for (const std::uint16_t port : udp_ports) {
        int fd = deaf_socket(AF_INET6, SOCK_DGRAM, 0, port);
        if (fd < 0) fd = deaf_socket(AF_INET, SOCK_DGRAM, 0, port);  // no IPv6 here
        add(fd, fmt::format("UDP port {}", port));
    }
    if (gre) {
        add(deaf_socket(AF_INET, SOCK_RAW, IPPROTO_GRE, 0), "GRE");
        if (const int fd = deaf_socket(AF_INET6, SOCK_RAW, IPPROTO_GRE, 0); fd >= 0) sockets_.push_back(fd);
    }
    return taken;
}

}  // namespace sluice
