// SPDX-License-Identifier: Apache-2.0
// The workers' half of PacketSocketPort: batches in and out.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include <linux/if_packet.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/byte_order.hpp"
#include "packet/rx_slots.hpp"
#include "port/system/packet_socket_port.hpp"

namespace sluice {
namespace {

/// Fewest frames asked for at once.
constexpr unsigned kMinBurst = 2;
constexpr std::uint32_t kMacBytes = 12;
constexpr std::uint32_t kTagBytes = 4;
constexpr std::uint16_t kDefaultTpid = 0x8100;

/// What one recvmmsg fills.
struct RxMessages {
    mmsghdr message[kMaxBurst];
    iovec parts[kMaxBurst][3];
    VirtioHeader header[kMaxBurst];
    alignas(cmsghdr) char control[kMaxBurst][CMSG_SPACE(sizeof(tpacket_auxdata))];
    sockaddr_ll from[kMaxBurst];
};

void prepare_messages(RxMessages& batch, const RxSlots& slots, unsigned count) noexcept {
    for (unsigned i = 0; i < count; ++i) {
        Packet* large = slots.large(i);
        batch.parts[i][0] = {&batch.header[i], sizeof batch.header[i]};
        batch.parts[i][1] = {rte_pktmbuf_mtod(slots.small(i), void*), kSmallRoom};
        if (large != nullptr) batch.parts[i][2] = {rte_pktmbuf_mtod(large, void*), kLargeRoom};
        msghdr& header = batch.message[i].msg_hdr;
        header.msg_name = &batch.from[i];
        header.msg_namelen = sizeof batch.from[i];
        header.msg_iov = batch.parts[i];
        header.msg_iovlen = large != nullptr ? 3 : 2;
        header.msg_control = batch.control[i];
        header.msg_controllen = sizeof batch.control[i];
        header.msg_flags = 0;
    }
}

/// Puts back the VLAN tag that the kernel took out of the frame (PACKET_AUXDATA), and moves the offsets of
/// `header` with it. False: no headroom.
bool restore_vlan(Packet* packet, const msghdr& message, VirtioHeader& header) noexcept {
    // cmsg of the only kind asked for; copied since alignment is the kernel's affair.
    const cmsghdr* control = CMSG_FIRSTHDR(&message);
    if (control == nullptr || control->cmsg_level != SOL_PACKET || control->cmsg_type != PACKET_AUXDATA)
        return true;
    tpacket_auxdata aux;
    std::memcpy(&aux, CMSG_DATA(control), sizeof aux);
    if ((aux.tp_status & TP_STATUS_VLAN_VALID) == 0) return true;
    auto* start = reinterpret_cast<std::uint8_t*>(rte_pktmbuf_prepend(packet, kTagBytes));
    if (start == nullptr) return false;
    std::memmove(start, start + kTagBytes, kMacBytes);
    const bool has_tpid = (aux.tp_status & TP_STATUS_VLAN_TPID_VALID) != 0;
    store_be16(start + kMacBytes, has_tpid ? aux.tp_vlan_tpid : kDefaultTpid);
    store_be16(start + kMacBytes + 2, aux.tp_vlan_tci);
    if ((header.flags & kVirtioNeedsCsum) != 0)
        header.csum_start = static_cast<std::uint16_t>(header.csum_start + kTagBytes);
    return true;
}

}  // namespace

/// The frame in slot `slot`, or null after counting why not.
Packet* PacketSocketPort::take_frame(unsigned slot, const void* opaque, RxCounters& counters) noexcept {
    const auto& message = *static_cast<const mmsghdr*>(opaque);
    VirtioHeader header = *static_cast<const VirtioHeader*>(message.msg_hdr.msg_iov[0].iov_base);
    RxSlots& slots = RxSlots::mine();
    if (message.msg_len < sizeof header + kMacBytes + 2) {
        counters.errors.add(1);
        return nullptr;
    }
    if ((message.msg_hdr.msg_flags & MSG_TRUNC) != 0) {
        // Longer than the slot: without its large segment for want of memory, else above kMaxFrameBytes.
        (slots.large(slot) == nullptr ? counters.dropped : counters.errors).add(1);
        return nullptr;
    }
    Packet* packet = slots.take(slot, message.msg_len - static_cast<std::uint32_t>(sizeof header));
    if (packet->pkt_len + kTagBytes <= kMaxFrameBytes && restore_vlan(packet, message.msg_hdr, header) &&
        marks_from_virtio(packet, header))
        return packet;
    counters.errors.add(1);
    packet_free(packet);
    return nullptr;
}

unsigned PacketSocketPort::rx_burst(QueueId queue, Packet** packets, unsigned max) noexcept {
    static thread_local RxMessages batch;
    RxSlots& slots = RxSlots::mine();
    RxCounters& counters = rx_[to_int(queue)];
    // With no memory the frames stay in the socket, which counts its overflow (rx_missed).
    const unsigned ready = slots.refill(std::min(max, limit_[to_int(queue)].frames));
    if (ready == 0) return 0;
    prepare_messages(batch, slots, ready);
    const int got = recvmmsg(rx_fds_[to_int(queue)], batch.message, ready, MSG_DONTWAIT, nullptr);
    if (got <= 0) return 0;  // EAGAIN; ENETDOWN once after the interface went down
    unsigned count = 0;
    std::uint64_t bytes = 0;
    for (unsigned i = 0; i < static_cast<unsigned>(got); ++i) {
        if (batch.from[i].sll_pkttype == PACKET_OUTGOING)
            continue;  // fan-out groups pass them on old kernels
        Packet* packet = take_frame(i, &batch.message[i], counters);
        if (packet == nullptr) continue;
        bytes += packet->pkt_len;
        packets[count++] = packet;
    }
    if (count > 0) {
        const auto mean = static_cast<unsigned>(bytes / count);
        limit_[to_int(queue)].frames = std::clamp(kBurstBytes / mean, kMinBurst, kMaxBurst);
    }
    counters.packets.add(count);
    counters.bytes.add(bytes);
    return count;
}

bool PacketSocketPort::rx_drained() const noexcept {
    for (const int fd : rx_fds_) {
        int waiting = 0;  // bytes of the first frame that waits
        if (ioctl(fd, SIOCINQ, &waiting) != 0 || waiting != 0) return false;
    }
    return true;
}

unsigned PacketSocketPort::send_frames(int fd, TxCounters& counters, Packet** packets,
                                       unsigned count) noexcept {
    mmsghdr message[kMaxBurst];
    VirtioHeader header[kMaxBurst];
    iovec parts[kMaxBurst][kMaxIovecs + 1];
    for (unsigned i = 0; i < count; ++i) {
        marks_to_virtio(packets[i], header[i]);
        parts[i][0] = {&header[i], sizeof header[i]};
        message[i] = {};
        message[i].msg_hdr.msg_iov = parts[i];
        message[i].msg_hdr.msg_iovlen = 1 + fill_iovecs(packets[i], parts[i] + 1);
    }
    unsigned sent = 0;
    std::uint64_t bytes = 0;
    for (unsigned at = 0; at < count;) {
        const int n = sendmmsg(fd, message + at, count - at, MSG_DONTWAIT);
        for (int i = 0; i < n; ++i)
            bytes += packets[at++]->pkt_len;
        if (n > 0) {
            sent += static_cast<unsigned>(n);
            continue;
        }
        if (errno == EINTR) continue;
        // The frame at `at` failed; the others may still pass.
        const bool full = errno == EAGAIN || errno == ENOBUFS || errno == ENOMEM;
        (full ? counters.full : errno == EMSGSIZE ? counters.oversized : counters.errors).add(1);
        ++at;
    }
    packet_free_burst(packets, count);
    counters.packets.add(sent);
    counters.bytes.add(bytes);
    return sent;
}

unsigned PacketSocketPort::tx_burst(QueueId queue, Packet** packets, unsigned count) noexcept {
    const std::size_t index = to_int(queue) % tx_fds_.size();
    TxCounters& counters = tx_[index];
    const int fd = tx_fds_[index];
    return transmit(packets, count, can_, counters,
                    [&](Packet** chunk, unsigned n) { return send_frames(fd, counters, chunk, n); });
}

}  // namespace sluice
