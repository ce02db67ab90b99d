// SPDX-License-Identifier: Apache-2.0
// See port/system/packet_socket_port.hpp. Control thread's half; packet_socket_io.cpp has the workers'.
#include "port/system/packet_socket_port.hpp"

#include <algorithm>
#include <cstring>

#include <arpa/inet.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.hpp"
#include "port/options.hpp"

namespace sluice {
namespace {

const log::Module kLog{"netdev_linux"};

/// Room for some fifty 64 KiB frames each way: the default of 208 KiB holds three, and TCP loses the rest.
constexpr int kSocketBufferBytes = 8 << 20;

Error socket_error(const std::string& name, std::string_view what, int code) {
    if (code == EPERM || code == EACCES)
        return make_error(code, "{}: not allowed to open a packet socket; run as root or with CAP_NET_RAW",
                          name);
    return make_error(code, "{}: {}: {}", name, what, std::strerror(code));
}

bool set_flag(int fd, int option) {
    const int one = 1;
    return setsockopt(fd, SOL_PACKET, option, &one, sizeof one) == 0;
}

void set_buffer(int fd, int forced, int plain) {
    const int bytes = kSocketBufferBytes;
    if (setsockopt(fd, SOL_SOCKET, forced, &bytes, sizeof bytes) != 0)
        setsockopt(fd, SOL_SOCKET, plain, &bytes, sizeof bytes);  // as far as net.core.*mem_max goes
}

/// A packet socket on the interface; protocol 0 receives nothing.
Result<int> open_socket(const KernelLink& link, std::uint16_t protocol) {
    const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return socket_error(link.name(), "no packet socket", errno);
    const auto fail = [&](std::string_view what) {
        Error error = socket_error(link.name(), what, errno);
        close(fd);
        return error;
    };
    if (!set_flag(fd, PACKET_VNET_HDR)) return fail("the kernel has no PACKET_VNET_HDR");
    if (protocol != 0) {
        if (!set_flag(fd, PACKET_AUXDATA)) return fail("PACKET_AUXDATA");
        if (!set_flag(fd, PACKET_IGNORE_OUTGOING)) return fail("PACKET_IGNORE_OUTGOING (Linux 4.20)");
        set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
    } else {
        set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
    }
    sockaddr_ll address{};
    address.sll_family = AF_PACKET;
    address.sll_protocol = htons(protocol);
    address.sll_ifindex = static_cast<int>(link.ifindex());
    if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return fail("bind");
    if (protocol == 0) return fd;
    packet_mreq member{};
    member.mr_ifindex = static_cast<int>(link.ifindex());
    member.mr_type = PACKET_MR_PROMISC;
    if (setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &member, sizeof member) != 0)
        return fail("promiscuous mode");
    return fd;
}

}  // namespace

Result<std::unique_ptr<Port>> PacketSocketPort::create(const PortConfig& config, std::string reason) {
    auto queues = option_number(config, "n_rxq", 1, 1, kMaxQueues);
    if (!queues) return queues.error();
    auto stack = option_word(config, "kernel-stack", {"auto", "drop", "pass"});
    if (!stack) return stack.error();
    auto link = KernelLink::open(config.name);
    if (!link) return link.error();
    auto info = link->read();
    if (!info) return info.error();
    if (info->type != ARPHRD_ETHER)
        return make_error(EINVAL, "{}: not an Ethernet interface; a switch cannot use it{}", config.name,
                          (info->flags & IFF_LOOPBACK) != 0 ? " (it is the loopback)" : "");
    if (config.mac)
        if (auto set = link->set_mac(*config.mac); !set) return set.error();
    if (config.mtu_request)
        if (auto set = link->set_mtu(*config.mtu_request); !set) return set.error();

    std::unique_ptr<PacketSocketPort> port{new PacketSocketPort(config, std::move(*link), std::move(reason))};
    port->stack_ = *stack;
    if (auto opened = port->open_sockets(*queues); !opened) return opened.error();
    port->guard_stack(*info);
    if (auto hooked = port->hook_shortcuts(); !hooked) port->shortcuts_ = hooked.error().message;
    port->update_end(*info);
    return std::unique_ptr<Port>{std::move(port)};
}

PacketSocketPort::PacketSocketPort(PortConfig config, KernelLink link, std::string reason)
    : Port(std::move(config)), link_(std::move(link)), reason_(std::move(reason)), driver_(link_.driver()) {
    can_.checksum = can_.tcp_segments = can_.checks_mtu = true;
    can_.udp_segments = kernel_takes_udp_gso();
    can_.max_chain = kMaxIovecs;
}

PacketSocketPort::~PacketSocketPort() {
    // First no frame is to take a shortcut, then no filter decides; the hook goes last.
    end_.set(0, 0, 0);
    if (Shortcuts* shortcuts = Shortcuts::get()) shortcuts->remove_interface(link_.ifindex());
    for (int fd : rx_fds_)
        close(fd);
    for (int fd : tx_fds_)
        close(fd);
}

Result<void> PacketSocketPort::open_sockets(unsigned rx_queues) {
    for (unsigned i = 0; i < rx_queues; ++i) {
        auto fd = open_socket(link_, ETH_P_ALL);
        if (!fd) return fd.error();
        rx_fds_.push_back(*fd);
        if (rx_queues > 1)
            if (auto joined = join_fanout(); !joined) return joined;
    }
    const unsigned tx_queues = std::max(1U, config_.worker_count);
    for (unsigned i = 0; i < tx_queues; ++i) {
        auto fd = open_socket(link_, 0);
        if (!fd) return fd.error();
        tx_fds_.push_back(*fd);
    }
    rx_ = std::make_unique<RxCounters[]>(rx_queues);
    limit_ = std::make_unique<BurstLimit[]>(rx_queues);
    tx_ = std::make_unique<TxCounters[]>(tx_queues);
    return {};
}

/// Adds the newest receive socket to the group that shares the interface's flows by hash.
Result<void> PacketSocketPort::join_fanout() {
    std::uint32_t group = 0;
    socklen_t size = sizeof group;
    std::uint32_t wish = (PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_UNIQUEID) << 16;
    if (rx_fds_.size() > 1) {
        if (getsockopt(rx_fds_.front(), SOL_PACKET, PACKET_FANOUT, &group, &size) != 0)
            return socket_error(config_.name, "PACKET_FANOUT", errno);
        wish = (group & 0xffff) | PACKET_FANOUT_HASH << 16;
    }
    if (setsockopt(rx_fds_.back(), SOL_PACKET, PACKET_FANOUT, &wish, sizeof wish) != 0)
        return socket_error(config_.name, "cannot share the interface among receive queues (PACKET_FANOUT)",
                            errno);
    return {};
}

/// Decides whether the kernel's stack may see received frames: not, unless the interface has an IPv4 address
/// of its own or belongs to a bridge or bond (kernel-stack=auto).
void PacketSocketPort::guard_stack(const LinkInfo& info) {
    bool drop = stack_ == "drop";
    if (stack_ == "auto") drop = info.master == 0 && !link_.has_ipv4_address();
    if (!drop) {
        filter_.detach();
        stack_state_ = "pass";
        return;
    }
    if (filter_.attached() || stack_state_ == "unavailable") return;
    auto attached = filter_.attach(link_.ifindex());
    stack_state_ = attached ? "drop" : "unavailable";
    if (attached) return;
    static log::RateLimit limit{1, 1};
    if (stack_ == "drop" || limit.allow())
        kLog.info("{}: the kernel's stack goes on to see received frames: {}", config_.name,
                  attached.error().message);
}

/// The hook comes before the filters: what they decide, it carries out.
Result<void> PacketSocketPort::hook_shortcuts() {
    Shortcuts* shortcuts = Shortcuts::start();
    if (!shortcuts) return make_error(ENOTSUP, "{}", Shortcuts::reason());
    shortcuts->add_interface(link_.ifindex());
    auto hook = shortcuts->attach_hook(link_.ifindex());
    if (!hook) return hook.error();
    hook_ = std::move(*hook);
    for (const int fd : rx_fds_)
        if (auto attached = shortcuts->attach_socket(fd); !attached) return attached;
    return {};
}

/// Frames that the kernel's stack is to see as well take no shortcut.
void PacketSocketPort::update_end(const LinkInfo& info) {
    const bool up = (info.flags & IFF_UP) != 0 && info.carrier;
    const bool may_begin = up && shortcuts_.empty() && stack_state_ != "pass";
    end_.set(may_begin ? link_.ifindex() : 0, up ? link_.ifindex() : 0, info.mtu + ETH_HLEN);
}

PortState PacketSocketPort::state() {
    PortState state;
    auto info = link_.fill(state);
    if (!info) {
        end_.set(0, 0, 0);
        return state;
    }
    guard_stack(*info);
    update_end(*info);
    state.status = {{"driver_name", driver_.name},
                    {"driver_version", driver_.version},
                    {"firmware_version", driver_.firmware},
                    {"io", "af_packet"},
                    {"io_reason", reason_},
                    {"kernel_shortcuts", shortcuts_.empty() ? "yes" : "no: " + shortcuts_},
                    {"kernel_stack", stack_state_}};
    return state;
}

PortCounters PacketSocketPort::counters() const {
    PortCounters sum;
    for (std::size_t i = 0; i < rx_fds_.size(); ++i) {
        sum.rx_packets += rx_[i].packets.get();
        sum.rx_bytes += rx_[i].bytes.get();
        sum.rx_errors += rx_[i].errors.get();
        sum.rx_dropped += rx_[i].dropped.get();
        tpacket_stats stats{};
        socklen_t size = sizeof stats;
        if (getsockopt(rx_fds_[i], SOL_PACKET, PACKET_STATISTICS, &stats, &size) == 0)
            missed_ += stats.tp_drops;
    }
    sum.rx_missed = missed_;
    add_tx_counters(tx_.get(), static_cast<unsigned>(tx_fds_.size()), sum);
    if (Shortcuts* shortcuts = Shortcuts::get()) {
        const Shortcuts::Passed passed = shortcuts->passed(link_.ifindex());
        sum.rx_packets += passed.rx_packets;
        sum.rx_bytes += passed.rx_bytes;
        sum.tx_packets += passed.tx_packets;
        sum.tx_bytes += passed.tx_bytes;
    }
    if (auto info = link_.read()) {
        sum.rx_crc_err = info->rx_crc_errors;
        sum.rx_frame_err = info->rx_frame_errors;
        sum.rx_over_err = info->rx_over_errors;
        sum.collisions = info->collisions;
    }
    return sum;
}

Result<void> PacketSocketPort::reconfigure(const PortConfig& config) {
    if (config.name != config_.name || config.options != config_.options ||
        config.worker_count != config_.worker_count)
        return make_error(EXDEV, "{}: options or queues changed", config_.name);
    if (auto ok = check_mtu(config); !ok) return ok;
    if (config.mac && config.mac != config_.mac)
        if (auto set = link_.set_mac(*config.mac); !set) return set;
    if (config.mtu_request && config.mtu_request != config_.mtu_request)
        if (auto set = link_.set_mtu(*config.mtu_request); !set) return set;
    if (auto info = link_.read()) update_end(*info);
    config_ = config;
    return {};
}

Result<void> PacketSocketPort::set_admin_up(bool up) {
    return link_.set_up(up);
}

bool PacketSocketPort::device_gone() {
    return !link_.present();
}

}  // namespace sluice
