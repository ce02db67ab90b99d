// SPDX-License-Identifier: Apache-2.0
// See port/testing/rig.hpp. (The name ends in _test so that it is part of the test program only.)
#include "port/testing/rig.hpp"

#include <cstdlib>
#include <cstring>
#include <deque>
#include <fstream>
#include <thread>

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "packet/offload.hpp"
#include "packet/pool.hpp"

namespace sluice::rig {
namespace {

/// Ours: frames from this source address.
constexpr std::uint8_t kSource[6] = {0x02, 0x51, 0x00, 0x00, 0x00, 0x01};

void put16(Frame& f, std::size_t at, unsigned v) {
    f[at] = static_cast<std::uint8_t>(v >> 8);
    f[at + 1] = static_cast<std::uint8_t>(v);
}
std::uint32_t plain_sum(const Frame& f, std::size_t at, std::size_t size, std::uint32_t sum = 0) {
    for (std::size_t i = 0; i < size; ++i) {
        sum += i % 2 == 0 ? static_cast<std::uint32_t>(f[at + i]) << 8 : f[at + i];
        if (sum > 0xffff) sum = (sum & 0xffff) + 1;
    }
    return sum;
}
std::uint32_t pseudo_sum(const TcpShape& shape, const Frame& f) {
    const std::size_t ip = 14 + 4 * shape.tags;
    std::uint32_t sum = shape.ipv6 ? plain_sum(f, ip + 8, 32) : plain_sum(f, ip + 12, 8);
    sum += 6 + static_cast<std::uint32_t>(f.size() - shape.l4());
    while (sum > 0xffff)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

void set_addresses(Frame& f) {
    const std::uint8_t to[6] = {0x02, 0x51, 0x00, 0x00, 0x00, 0x02};
    std::memcpy(f.data(), to, 6);
    std::memcpy(f.data() + 6, kSource, 6);
}

bool is_ours(const Frame& f) {
    return f.size() >= 14 && std::memcmp(f.data() + 6, kSource, 6) == 0;
}

class SocketPeer final : public Peer {
  public:
    explicit SocketPeer(const std::string& interface) : fd_(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0)) {
        const int one = 1;
        const int bytes = 16 << 20;
        setsockopt(fd_, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof one);
        setsockopt(fd_, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one);
        setsockopt(fd_, SOL_PACKET, PACKET_AUXDATA, &one, sizeof one);
        setsockopt(fd_, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
        setsockopt(fd_, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof bytes);
        sockaddr_ll address{};
        address.sll_family = AF_PACKET;
        address.sll_protocol = htons(ETH_P_ALL);
        address.sll_ifindex = static_cast<int>(if_nametoindex(interface.c_str()));
        if (bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) std::abort();
    }
    ~SocketPeer() override { close(fd_); }

    bool send(const Frame& frame, const VirtioHeader& header) override {
        VirtioHeader copy = header;
        Frame bytes = frame;
        iovec parts[2] = {{&copy, sizeof copy}, {bytes.data(), bytes.size()}};
        return writev(fd_, parts, 2) >= 0;
    }

    bool receive(Frame& frame) override {
        while (ready_.empty()) {
            VirtioHeader header;
            Frame bytes(70000);
            iovec parts[2] = {{&header, sizeof header}, {bytes.data(), bytes.size()}};
            alignas(cmsghdr) char control[CMSG_SPACE(sizeof(tpacket_auxdata))];
            msghdr message{};
            message.msg_iov = parts;
            message.msg_iovlen = 2;
            message.msg_control = control;
            message.msg_controllen = sizeof control;
            const ssize_t size = recvmsg(fd_, &message, MSG_DONTWAIT);
            if (size < static_cast<ssize_t>(sizeof header)) return false;
            bytes.resize(static_cast<std::size_t>(size) - sizeof header);
            if (!is_ours(bytes)) continue;
            restore_tag(message, bytes, header);
            for (auto& done : finish(header, bytes))
                ready_.push_back(std::move(done));
        }
        frame = std::move(ready_.front());
        ready_.pop_front();
        return true;
    }

  private:
    static void restore_tag(const msghdr& message, Frame& bytes, VirtioHeader& header) {
        tpacket_auxdata aux{};
        const cmsghdr* control = CMSG_FIRSTHDR(&message);
        if (control == nullptr) return;
        std::memcpy(&aux, CMSG_DATA(control), sizeof aux);
        if ((aux.tp_status & TP_STATUS_VLAN_VALID) == 0) return;
        bytes.insert(bytes.begin() + 12, 4, 0);
        put16(bytes, 12, (aux.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0 ? aux.tp_vlan_tpid : 0x8100U);
        put16(bytes, 14, aux.tp_vlan_tci);
        header.csum_start = static_cast<std::uint16_t>(header.csum_start + 4);
    }
    int fd_;
    std::deque<Frame> ready_;
};

class PortPeer final : public Peer {
  public:
    explicit PortPeer(Port& port) : port_(port) {}
    bool send(const Frame& frame, const VirtioHeader& header) override {
        Packet* packet = packet_from_bytes(frame);
        if (packet == nullptr) return false;
        if (!marks_from_virtio(packet, header)) std::abort();
        return port_.tx_burst(QueueId{0}, &packet, 1) == 1;
    }
    bool receive(Frame& frame) override {
        Packet* packet = nullptr;
        while (port_.rx_burst(QueueId{0}, &packet, 1) == 1) {
            frame = packet_to_bytes(packet);
            packet_free(packet);
            if (is_ours(frame)) return true;
        }
        return false;
    }

  private:
    Port& port_;
};

}  // namespace

Namespace::Namespace() : old_(open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    ok_ = old_ >= 0 && unshare(CLONE_NEWNET) == 0;
    if (!ok_) return;
    // The kernel's neighbour discovery would mix with the frames of the tests.
    for (const char* where : {"all", "default"})
        std::ofstream{std::string{"/proc/sys/net/ipv6/conf/"} + where + "/disable_ipv6"} << "1";
}

Namespace::~Namespace() {
    if (ok_ && setns(old_, CLONE_NEWNET) != 0) std::abort();
    if (old_ >= 0) close(old_);
}

bool run(const std::string& command) {
    return std::system(command.c_str()) == 0;  // NOLINT(concurrency-mt-unsafe)
}

bool wait_for(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds{5};
    while (!condition()) {
        if (std::chrono::steady_clock::now() > end) return false;
        std::this_thread::sleep_for(std::chrono::microseconds{200});
    }
    return true;
}

Frame numbered_frame(unsigned number, std::size_t size) {
    Frame f(size);
    for (std::size_t i = 14; i < size; ++i)
        f[i] = static_cast<std::uint8_t>(i * 3 + number);
    set_addresses(f);
    put16(f, 12, 0x88b5);
    put16(f, 14, number & 0xffff);
    return f;
}

Frame tcp_frame(const TcpShape& shape) {
    Frame f(shape.headers() + shape.payload);
    for (std::size_t i = shape.headers(); i < f.size(); ++i)
        f[i] = static_cast<std::uint8_t>(i * 13 + i / 256);
    set_addresses(f);
    for (unsigned i = 0; i < shape.tags; ++i) {
        put16(f, 12 + 4 * i, 0x8100);
        put16(f, 14 + 4 * i, 100 + i);
    }
    const std::size_t ip = 14 + 4 * shape.tags;
    put16(f, ip - 2, shape.ipv6 ? 0x86dd : 0x0800);
    const unsigned tcp_bytes = 20 + shape.payload;
    if (shape.ipv6) {
        f[ip] = 0x60;
        put16(f, ip + 4, tcp_bytes);
        f[ip + 6] = 6;
        f[ip + 7] = 64;
        f[ip + 8] = f[ip + 24] = 0xfd;
        f[ip + 23] = 1;
        f[ip + 39] = 2;
    } else {
        f[ip] = 0x45;
        put16(f, ip + 2, 20 + tcp_bytes);
        f[ip + 8] = 64;
        f[ip + 9] = 6;
        f[ip + 12] = f[ip + 16] = 10;
        f[ip + 15] = 1;
        f[ip + 19] = 2;
        put16(f, ip + 10, ~plain_sum(f, ip, 20) & 0xffff);
    }
    put16(f, shape.l4(), 1111);
    put16(f, shape.l4() + 2, 2222);
    f[shape.l4() + 12] = 0x50;
    f[shape.l4() + 13] = 0x10;
    put16(f, shape.l4() + 16, pseudo_sum(shape, f));
    return f;
}

VirtioHeader tcp_header(const TcpShape& shape, std::uint16_t gso_size) {
    VirtioHeader h;
    h.flags = kVirtioNeedsCsum;
    h.csum_start = static_cast<std::uint16_t>(shape.l4());
    h.csum_offset = 16;
    if (gso_size == 0) return h;
    h.gso_type = shape.ipv6 ? kVirtioGsoTcp6 : kVirtioGsoTcp4;
    h.gso_size = gso_size;
    h.hdr_len = static_cast<std::uint16_t>(shape.headers());
    return h;
}

bool tcp_right(const TcpShape& shape, const Frame& f) {
    if (f.size() < shape.headers()) return false;
    const std::size_t ip = 14 + 4 * shape.tags;
    return (shape.ipv6 || plain_sum(f, ip, 20) == 0xffff) &&
           plain_sum(f, shape.l4(), f.size() - shape.l4(), pseudo_sum(shape, f)) == 0xffff;
}

std::vector<Frame> finish(const VirtioHeader& header, const Frame& frame) {
    Packet* packet = packet_from_bytes(frame);
    std::vector<Frame> done;
    if (packet == nullptr) return done;
    if (!marks_from_virtio(packet, header)) {
        packet_free(packet);
        return done;
    }
    Packet* pieces[kMaxSegments] = {packet};
    const unsigned count = is_gso(packet) ? segment(packet, kMaxFrameBytes, pieces, kMaxSegments) : 1;
    for (unsigned i = 0; i < count; ++i) {
        finish_checksum(pieces[i]);
        done.push_back(packet_to_bytes(pieces[i]));
        packet_free(pieces[i]);
    }
    return done;
}

std::unique_ptr<Peer> make_socket_peer(const std::string& interface) {
    return std::make_unique<SocketPeer>(interface);
}
std::unique_ptr<Peer> make_port_peer(Port& port) {
    return std::make_unique<PortPeer>(port);
}

}  // namespace sluice::rig
