// SPDX-License-Identifier: Apache-2.0
// See port/tap/tap_port.hpp.
#include "port/tap/tap_port.hpp"

#include <algorithm>
#include <cstring>

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "packet/rx_slots.hpp"
#include "port/options.hpp"

namespace sluice {
namespace {

// In the kernel since 6.2; older headers lack them.
constexpr unsigned kTunUso4 = 0x20, kTunUso6 = 0x40;
constexpr unsigned kBasicOffloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

Error tap_error(const std::string& name, int code) {
    switch (code) {
        case EPERM:
        case EACCES:
            return make_error(
                code, "{}: not allowed to make a TAP interface; run as root or with CAP_NET_ADMIN", name);
        case EBUSY:
        case EEXIST:
        case EINVAL:
            return make_error(
                EEXIST,
                "{}: the kernel already has an interface of that name or another program holds it; "
                "delete it (ip link del {}) or choose another name",
                name, name);
        case ENOENT:
        case ENODEV:
            return make_error(code, "{}: no /dev/net/tun; load the kernel module tun or pass the device in",
                              name);
        default:
            return make_error(code, "{}: cannot make a TAP interface: {}", name, std::strerror(code));
    }
}

Result<int> open_queue(const std::string& name) {
    const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return tap_error(name, errno);
    ifreq request{};
    std::memcpy(request.ifr_name, name.data(), name.size());
    request.ifr_flags = static_cast<short>(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR | IFF_MULTI_QUEUE);
    if (ioctl(fd, TUNSETIFF, &request) != 0) {
        const int code = errno;
        close(fd);
        return tap_error(name, code);
    }
    int header_bytes = sizeof(VirtioHeader);
    ioctl(fd, TUNSETVNETHDRSZ, &header_bytes);
    return fd;
}

struct Fds {
    std::vector<int> list;
    ~Fds() {
        for (int fd : list)
            close(fd);
    }
};

}  // namespace

Result<std::unique_ptr<Port>> TapPort::create(const PortConfig& config) {
    if (config.name.size() >= IFNAMSIZ)
        return make_error(EINVAL,
                          "{}: the name of a port of type {} is that of a kernel interface, at most {} "
                          "characters, this one has {}",
                          config.name, config.type, IFNAMSIZ - 1, config.name.size());
    auto queues = option_number(config, "n_rxq", 1, 1, kMaxQueues);
    if (!queues) return queues.error();
    report_unknown_options(config, {"n_rxq"});
    if (if_nametoindex(config.name.c_str()) != 0) return tap_error(config.name, EEXIST);

    Fds fds;
    for (unsigned i = 0; i < *queues; ++i) {
        auto fd = open_queue(config.name);
        if (!fd) return fd.error();
        fds.list.push_back(*fd);
    }
    unsigned offloads = kBasicOffloads | kTunUso4 | kTunUso6;
    if (ioctl(fds.list[0], TUNSETOFFLOAD, offloads) != 0) {
        offloads = kBasicOffloads;
        if (ioctl(fds.list[0], TUNSETOFFLOAD, offloads) != 0) offloads = 0;
    }
    auto link = KernelLink::open(config.name);
    if (!link) return link.error();
    if (config.mac)
        if (auto set = link->set_mac(*config.mac); !set) return set.error();
    if (config.mtu_request)
        if (auto set = link->set_mtu(*config.mtu_request); !set) return set.error();
    std::unique_ptr<Port> port{new TapPort(config, std::move(fds.list), std::move(*link), offloads)};
    fds.list.clear();
    return port;
}

TapPort::TapPort(PortConfig config, std::vector<int> fds, KernelLink link, unsigned offloads)
    : Port(std::move(config)),
      fds_(std::move(fds)),
      link_(std::move(link)),
      tx_queue_count_(std::max(1U, config_.worker_count)),
      mtu_(config_.mtu_request.value_or(1500)),
      rx_(std::make_unique<RxCounters[]>(fds_.size())),
      tx_(std::make_unique<TxCounters[]>(tx_queue_count_)) {
    can_.checksum = can_.tcp_segments = true;  // the kernel takes both on every write
    can_.udp_segments = (offloads & kTunUso4) != 0;
    can_.max_chain = kMaxIovecs;
}

TapPort::~TapPort() {
    for (int fd : fds_)
        close(fd);
}

int TapPort::rx_fd(QueueId queue) const noexcept {
    return fds_[to_int(queue)];
}

unsigned TapPort::rx_burst(QueueId queue, Packet** packets, unsigned max) noexcept {
    RxSlots& slots = RxSlots::mine();
    RxCounters& counters = rx_[to_int(queue)];
    const int fd = fds_[to_int(queue)];
    unsigned count = 0;
    std::uint64_t bytes = 0;
    // With no memory the frames stay in the kernel's queue, which counts its overflow (rx_missed).
    const unsigned ready = slots.refill(max);
    for (unsigned slot = 0; slot < ready; ++slot) {
        VirtioHeader header;
        Packet* large = slots.large(slot);
        iovec parts[3] = {{&header, sizeof header},
                          {rte_pktmbuf_mtod(slots.small(slot), void*), kSmallRoom},
                          {large != nullptr ? rte_pktmbuf_mtod(large, void*) : nullptr, kLargeRoom}};
        const ssize_t size = readv(fd, parts, large != nullptr ? 3 : 2);
        if (size < 0) {
            if (errno == EBADFD || errno == EIO) gone_.store(true, std::memory_order_relaxed);
            break;
        }
        const auto frame = static_cast<std::uint32_t>(size) - static_cast<std::uint32_t>(sizeof header);
        if (size < static_cast<ssize_t>(sizeof header) + 14 || frame > kMaxFrameBytes) {
            counters.errors.add(1);
            continue;
        }
        if (large == nullptr && frame >= kSmallRoom) {  // cut off by the read
            counters.dropped.add(1);
            continue;
        }
        Packet* packet = slots.take(slot, frame);
        if (!marks_from_virtio(packet, header)) {
            counters.errors.add(1);
            packet_free(packet);
            continue;
        }
        bytes += frame;
        packets[count++] = packet;
        if (bytes >= kBurstBytes) break;
    }
    if (count > 0) {
        counters.packets.add(count);
        counters.bytes.add(bytes);
    }
    return count;
}

unsigned TapPort::write_frames(int fd, TxCounters& counters, Packet** packets, unsigned count) noexcept {
    unsigned sent = 0;
    std::uint64_t bytes = 0;
    for (unsigned i = 0; i < count; ++i) {
        VirtioHeader header;
        marks_to_virtio(packets[i], header);
        iovec parts[kMaxIovecs + 1];
        parts[0] = {&header, sizeof header};
        const unsigned n = 1 + fill_iovecs(packets[i], parts + 1);
        if (writev(fd, parts, static_cast<int>(n)) >= 0) {
            ++sent;
            bytes += packets[i]->pkt_len;
            continue;
        }
        if (errno == EBADFD) gone_.store(true, std::memory_order_relaxed);
        const bool full = errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM;
        (full ? counters.full : counters.errors).add(1);
    }
    packet_free_burst(packets, count);
    counters.packets.add(sent);
    counters.bytes.add(bytes);
    return sent;
}

unsigned TapPort::tx_burst(QueueId queue, Packet** packets, unsigned count) noexcept {
    const unsigned index = to_int(queue) % tx_queue_count_;
    TxCounters& counters = tx_[index];
    const int fd = fds_[index % fds_.size()];
    TxAbilities can = can_;
    can.mtu = mtu_.load(std::memory_order_relaxed);
    return transmit(packets, count, can, counters,
                    [&](Packet** chunk, unsigned n) { return write_frames(fd, counters, chunk, n); });
}

/// Calls f with a link to the interface, wherever it is now. Errors: ENODEV when it is gone; EPERM when it is
/// in a namespace that this process may not enter.
template <typename F>
Result<void> TapPort::with_link(F f) {
    if (link_.present()) return f(link_);
    ifreq request{};
    if (ioctl(fds_[0], TUNGETIFF, &request) != 0) {
        gone_.store(true, std::memory_order_relaxed);
        return make_error(ENODEV, "{}: the network interface is gone", name());
    }
    const int netns = ioctl(fds_[0], TUNGETDEVNETNS);
    if (netns < 0)
        return make_error(errno, "{}: cannot find its network namespace: {}", name(), std::strerror(errno));
    auto link = KernelLink::open_in(netns, request.ifr_name);
    close(netns);
    if (!link) return link.error();
    return f(*link);
}

PortState TapPort::state() {
    PortState state;
    const auto read = with_link([&](const KernelLink& link) -> Result<void> {
        auto info = link.fill(state);
        if (!info) return info.error();
        kernel_drops_ = info->tx_dropped;
        if (link.name() != name()) state.status["interface_name"] = link.name();
        return {};
    });
    if (gone_.load(std::memory_order_relaxed)) return {};
    if (!read) {  // packets pass all the same
        last_.status["state"] = read.error().message;
        return last_;
    }
    mtu_.store(state.mtu, std::memory_order_relaxed);
    state.status["driver_name"] = "tun";
    state.status["io"] = "tap";
    last_ = state;
    return state;
}

PortCounters TapPort::counters() const {
    PortCounters sum;
    for (std::size_t i = 0; i < fds_.size(); ++i) {
        sum.rx_packets += rx_[i].packets.get();
        sum.rx_bytes += rx_[i].bytes.get();
        sum.rx_errors += rx_[i].errors.get();
        sum.rx_dropped += rx_[i].dropped.get();
    }
    add_tx_counters(tx_.get(), tx_queue_count_, sum);
    sum.rx_missed = kernel_drops_;
    return sum;
}

Result<void> TapPort::reconfigure(const PortConfig& config) {
    if (config.name != config_.name || config.options != config_.options ||
        config.worker_count != config_.worker_count)
        return make_error(EXDEV, "{}: options or queues changed", config_.name);
    if (auto ok = check_mtu(config); !ok) return ok;
    if (config.mac && config.mac != config_.mac)
        if (auto set = with_link([&](const KernelLink& link) { return link.set_mac(*config.mac); }); !set)
            return set;
    if (config.mtu_request && config.mtu_request != config_.mtu_request) {
        const std::uint32_t mtu = *config.mtu_request;
        if (auto set = with_link([&](const KernelLink& link) { return link.set_mtu(mtu); }); !set) return set;
        mtu_.store(mtu, std::memory_order_relaxed);
    }
    config_ = config;
    return {};
}

Result<void> TapPort::set_admin_up(bool up) {
    return with_link([&](const KernelLink& link) { return link.set_up(up); });
}

bool TapPort::device_gone() {
    ifreq request{};
    return gone_.load(std::memory_order_relaxed) || ioctl(fds_[0], TUNGETIFF, &request) != 0;
}

}  // namespace sluice
