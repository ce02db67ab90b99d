// SPDX-License-Identifier: Apache-2.0
// See port/kernel_link.hpp.
#include "port/kernel_link.hpp"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>

#include <linux/ethtool.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

namespace sluice {
namespace {

ifreq make_request(const std::string& name) {
    ifreq request{};
    std::memcpy(request.ifr_name, name.data(), std::min<std::size_t>(name.size(), IFNAMSIZ - 1));
    return request;
}

std::string why(int code) {
    if (code == EPERM || code == EACCES) return "permission denied (needs CAP_NET_ADMIN)";
    return std::strerror(code);
}

template <typename T>
T value(const rtattr* attribute) {
    T v{};
    std::memcpy(&v, RTA_DATA(attribute), std::min<std::size_t>(sizeof v, RTA_PAYLOAD(attribute)));
    return v;
}

std::string text(const rtattr* attribute) {
    const auto* data = static_cast<const char*>(RTA_DATA(attribute));
    return {data, strnlen(data, RTA_PAYLOAD(attribute))};
}

/// Calls f for each attribute of a run.
template <typename F>
void each_attribute(const rtattr* at, std::size_t bytes, F f) {
    while (bytes >= sizeof(rtattr) && at->rta_len >= sizeof(rtattr) && at->rta_len <= bytes) {
        f(at, at->rta_type & NLA_TYPE_MASK);
        const std::size_t step = std::min<std::size_t>(bytes, RTA_ALIGN(at->rta_len));
        bytes -= step;
        at = reinterpret_cast<const rtattr*>(reinterpret_cast<const char*>(at) + step);
    }
}

void read_stats(const rtattr* attribute, LinkInfo& info) {
    const auto stats = value<rtnl_link_stats64>(attribute);
    info.rx_errors = stats.rx_errors;
    info.rx_dropped = stats.rx_dropped;
    info.tx_dropped = stats.tx_dropped;
    info.tx_errors = stats.tx_errors;
    info.rx_crc_errors = stats.rx_crc_errors;
    info.rx_frame_errors = stats.rx_frame_errors;
    info.rx_over_errors = stats.rx_over_errors;
    info.collisions = stats.collisions;
}

LinkInfo parse_link(const nlmsghdr* message, std::string& name) {
    LinkInfo info;
    const auto* link = reinterpret_cast<const ifinfomsg*>(message + 1);
    info.ifindex = static_cast<std::uint32_t>(link->ifi_index);
    info.flags = link->ifi_flags;
    info.type = link->ifi_type;
    const auto* first =
        reinterpret_cast<const rtattr*>(reinterpret_cast<const char*>(link) + NLMSG_ALIGN(sizeof *link));
    each_attribute(first, IFLA_PAYLOAD(message), [&](const rtattr* at, int type) {
        switch (type) {
            case IFLA_IFNAME:
                name = text(at);
                break;
            case IFLA_MTU:
                info.mtu = value<std::uint32_t>(at);
                break;
            case IFLA_ADDRESS:
                info.mac = value<MacBytes>(at);
                break;
            case IFLA_CARRIER:
                info.carrier = value<std::uint8_t>(at) != 0;
                break;
            case IFLA_CARRIER_CHANGES:
                info.carrier_changes = value<std::uint32_t>(at);
                break;
            case IFLA_MASTER:
                info.master = value<std::uint32_t>(at);
                break;
            case IFLA_NUM_TX_QUEUES:
                info.tx_queues = value<std::uint32_t>(at);
                break;
            case IFLA_NUM_RX_QUEUES:
                info.rx_queues = value<std::uint32_t>(at);
                break;
            case IFLA_STATS64:
                read_stats(at, info);
                break;
            case IFLA_LINKINFO:
                each_attribute(static_cast<const rtattr*>(RTA_DATA(at)), RTA_PAYLOAD(at),
                               [&](const rtattr* sub, int kind) {
                                   if (kind == IFLA_INFO_KIND) info.kind = text(sub);
                               });
                break;
            case IFLA_XDP:
                each_attribute(static_cast<const rtattr*>(RTA_DATA(at)), RTA_PAYLOAD(at),
                               [&](const rtattr* sub, int kind) {
                                   if (kind == IFLA_XDP_ATTACHED)
                                       info.xdp_attached = value<std::uint8_t>(sub) != 0;
                               });
                break;
            default:
                break;
        }
    });
    return info;
}

}  // namespace

Result<KernelLink> KernelLink::open(const std::string& name) {
    if (name.size() >= IFNAMSIZ)
        return make_error(EINVAL, "{}: the name of a kernel interface has at most {} characters, this one {}",
                          name, IFNAMSIZ - 1, name.size());
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return make_error(errno, "{}: no socket: {}", name, std::strerror(errno));
    const int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    KernelLink link{name, fd, netlink};
    if (netlink < 0) return make_error(errno, "{}: no netlink socket: {}", name, std::strerror(errno));
    ifreq request = make_request(name);
    if (ioctl(fd, SIOCGIFINDEX, &request) != 0)
        return make_error(ENODEV, "{}: no such network interface; create it first (ip link add ...)", name);
    link.ifindex_ = static_cast<std::uint32_t>(request.ifr_ifindex);
    return link;
}

Result<KernelLink> KernelLink::open_in(int netns, const std::string& name) {
    // A thread of its own enters the namespace, so that no failure can leave the caller there.
    std::optional<Result<KernelLink>> link;
    std::thread{[&] {
        if (setns(netns, CLONE_NEWNET) == 0) {
            link.emplace(open(name));
        } else {
            link.emplace(make_error(errno, "{}: cannot enter its network namespace: {}", name, why(errno)));
        }
    }}.join();
    return std::move(*link);
}

KernelLink::KernelLink(KernelLink&& other) noexcept
    : name_(std::move(other.name_)),
      fd_(std::exchange(other.fd_, -1)),
      netlink_(std::exchange(other.netlink_, -1)),
      ifindex_(other.ifindex_) {}

KernelLink::~KernelLink() {
    if (fd_ >= 0) close(fd_);
    if (netlink_ >= 0) close(netlink_);
}

Result<LinkInfo> KernelLink::query(std::uint32_t ifindex) const {
    struct {
        nlmsghdr header;
        ifinfomsg link;
    } request{};
    request.header.nlmsg_len = sizeof request;
    request.header.nlmsg_type = RTM_GETLINK;
    request.header.nlmsg_flags = NLM_F_REQUEST;
    request.link.ifi_index = static_cast<int>(ifindex);
    if (send(netlink_, &request, sizeof request, 0) < 0)
        return make_error(errno, "{}: netlink: {}", name_, std::strerror(errno));
    alignas(nlmsghdr) char reply[16384];
    const ssize_t size = recv(netlink_, reply, sizeof reply, 0);
    const auto* message = reinterpret_cast<const nlmsghdr*>(reply);
    if (size < 0 || !NLMSG_OK(message, static_cast<unsigned>(size)))
        return make_error(EIO, "{}: netlink gave no answer", name_);
    if (message->nlmsg_type != RTM_NEWLINK)
        return make_error(ENODEV, "{}: the network interface is gone", name_);
    std::string name;
    LinkInfo info = parse_link(message, name);
    if (name != name_) return make_error(ENODEV, "{}: the network interface is now named {}", name_, name);
    return info;
}

Result<LinkInfo> KernelLink::read() const {
    return query(ifindex_);
}

bool KernelLink::present() const {
    ifreq request = make_request(name_);
    return ioctl(fd_, SIOCGIFINDEX, &request) == 0 &&
           static_cast<std::uint32_t>(request.ifr_ifindex) == ifindex_;
}

bool KernelLink::has_ipv4_address() const {
    ifreq request = make_request(name_);
    return ioctl(fd_, SIOCGIFADDR, &request) == 0;
}

Result<void> KernelLink::set_up(bool up) const {
    ifreq request = make_request(name_);
    if (ioctl(fd_, SIOCGIFFLAGS, &request) != 0)
        return make_error(errno, "{}: cannot read flags: {}", name_, why(errno));
    const auto before = request.ifr_flags;
    request.ifr_flags = static_cast<short>(up ? before | IFF_UP : before & ~IFF_UP);
    if (request.ifr_flags == before) return {};
    if (ioctl(fd_, SIOCSIFFLAGS, &request) != 0)
        return make_error(errno, "{}: cannot set {}: {}", name_, up ? "up" : "down", why(errno));
    return {};
}

Result<void> KernelLink::set_mtu(std::uint32_t mtu) const {
    ifreq request = make_request(name_);
    request.ifr_mtu = static_cast<int>(mtu);
    if (ioctl(fd_, SIOCSIFMTU, &request) != 0)
        return make_error(errno, "{}: cannot set MTU {}: {}", name_, mtu,
                          errno == EINVAL ? "outside what the device allows" : why(errno));
    return {};
}

Result<void> KernelLink::set_mac(const MacBytes& mac) const {
    ifreq request = make_request(name_);
    if (ioctl(fd_, SIOCGIFHWADDR, &request) == 0 &&
        std::memcmp(request.ifr_hwaddr.sa_data, mac.data(), 6) == 0)
        return {};
    request.ifr_hwaddr.sa_family = ARPHRD_ETHER;
    std::memcpy(request.ifr_hwaddr.sa_data, mac.data(), mac.size());
    if (ioctl(fd_, SIOCSIFHWADDR, &request) != 0)
        return make_error(errno, "{}: cannot set the Ethernet address: {}", name_,
                          errno == EADDRNOTAVAIL ? "not a unicast address" : why(errno));
    return {};
}

KernelLink::Driver KernelLink::driver() const {
    ethtool_drvinfo info{};
    info.cmd = ETHTOOL_GDRVINFO;
    ifreq request = make_request(name_);
    request.ifr_data = reinterpret_cast<char*>(&info);
    if (ioctl(fd_, SIOCETHTOOL, &request) != 0) return {};
    const auto field = [](const char* bytes, std::size_t size) {
        return std::string(bytes, strnlen(bytes, size));
    };
    return {field(info.driver, sizeof info.driver), field(info.version, sizeof info.version),
            field(info.fw_version, sizeof info.fw_version), field(info.bus_info, sizeof info.bus_info)};
}

void KernelLink::read_speed(PortState& state) const {
    // Three masks of link_mode_masks_nwords words follow the structure.
    alignas(ethtool_link_settings) char
        space[sizeof(ethtool_link_settings) + 3 * 127 * sizeof(std::uint32_t)] = {};
    auto* settings = reinterpret_cast<ethtool_link_settings*>(space);
    settings->cmd = ETHTOOL_GLINKSETTINGS;
    ifreq request = make_request(name_);
    request.ifr_data = space;
    // The first call gives the number of mask words, negated; the second the answer.
    if (ioctl(fd_, SIOCETHTOOL, &request) != 0 || settings->link_mode_masks_nwords >= 0) return;
    settings->link_mode_masks_nwords = static_cast<std::int8_t>(-settings->link_mode_masks_nwords);
    settings->cmd = ETHTOOL_GLINKSETTINGS;
    if (ioctl(fd_, SIOCETHTOOL, &request) != 0) return;
    if (settings->speed != 0 && settings->speed != static_cast<std::uint32_t>(SPEED_UNKNOWN))
        state.link_speed_bps = settings->speed * 1000000ULL;
    state.full_duplex = settings->duplex != DUPLEX_HALF;
}

Result<LinkInfo> KernelLink::fill(PortState& state) const {
    auto info = read();
    if (!info) return info;
    state.admin_up = (info->flags & IFF_UP) != 0;
    state.link_up = state.admin_up && info->carrier;
    state.mac = info->mac;
    state.mtu = info->mtu;
    state.ifindex = info->ifindex;
    state.link_resets = info->carrier_changes;
    read_speed(state);
    return info;
}

bool kernel_takes_udp_gso() {
    static const bool takes = [] {
        utsname name{};
        unsigned major = 0;
        unsigned minor = 0;
        return uname(&name) == 0 && std::sscanf(name.release, "%u.%u", &major, &minor) == 2 &&
               (major > 6 || (major == 6 && minor >= 2));
    }();
    return takes;
}

}  // namespace sluice
