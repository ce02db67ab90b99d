// SPDX-License-Identifier: Apache-2.0
#include "port/dummy/dummy_port.hpp"

#include <algorithm>
#include <cerrno>

#include <sys/eventfd.h>
#include <unistd.h>

#include "packet/pool.hpp"
#include "port/options.hpp"

namespace sluice {

namespace {

constexpr std::size_t kRingSize = 128;
constexpr std::uint32_t kHeaderBytes = 14;
constexpr std::uint32_t kDefaultMtu = 1500;

/// Addresses of dummies count up from aa:55:aa:55:00:00, as in Open vSwitch.
MacBytes next_mac() {
    static std::uint32_t number = 0xaa550000;  // control thread
    return mac_from_u64(0xaa5500000000ULL | number++);
}

}  // namespace

DummyPort::Queue::Queue() : ring(kRingSize), wake_fd(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

DummyPort::Queue::~Queue() {
    while (Packet** packet = ring.front()) {
        packet_free(*packet);
        ring.pop();
    }
    if (wake_fd >= 0) ::close(wake_fd);
}

Result<std::unique_ptr<Port>> DummyPort::create(const PortConfig& config) {
    const auto rx_queues = option_number(config, "n_rxq", 1, 1, kMaxQueues);
    if (!rx_queues) return rx_queues.error();
    const auto ifindex = option_number(config, "ifindex", 0, 0, 0x7fffffff);
    if (!ifindex) return ifindex.error();
    std::unique_ptr<DummyPort> port{new DummyPort(config, *rx_queues, std::max(1U, config.worker_count))};
    port->ifindex_ = *ifindex;
    if (auto ok = port->open_captures(); !ok) return ok.error();
    if (auto ok = port->open_wire(); !ok) return ok.error();
    return std::unique_ptr<Port>{std::move(port)};
}

DummyPort::DummyPort(PortConfig config, unsigned rx_queues, unsigned tx_queues)
    : Port(std::move(config)),
      tx_queue_count_(tx_queues),
      tx_(std::make_unique<TxCounters[]>(tx_queues)),
      mac_(config_.mac ? *config_.mac : next_mac()),
      mtu_(config_.mtu_request.value_or(kDefaultMtu)) {
    for (unsigned i = 0; i < rx_queues; ++i)
        rx_.push_back(std::make_unique<Queue>());
}

DummyPort::~DummyPort() {
    take_sent([](const Packet*) {});
    if (wire_fd_ >= 0) ::close(wire_fd_);
}

Result<void> DummyPort::open_wire() {
    if (option_text(config_, "stream").empty() && option_text(config_, "pstream").empty()) return {};
    wire_fd_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (wire_fd_ < 0) return make_error(errno, "{}: no event descriptor for its stream", config_.name);
    for (unsigned i = 0; i < tx_queue_count_; ++i)
        wire_.push_back(std::make_unique<SpscRing<Packet*>>(kRingSize));
    return {};
}

void DummyPort::clear_wire_fd() const {
    if (wire_fd_ < 0) return;
    std::uint64_t ignored = 0;
    [[maybe_unused]] const auto got = ::read(wire_fd_, &ignored, sizeof ignored);
}

Result<void> DummyPort::open_captures() {
    const auto open = [&](const char* key, std::unique_ptr<PcapFile>& file) -> Result<void> {
        const std::string path = option_text(config_, key);
        if (path.empty()) return {};
        auto opened = PcapFile::open(path);
        if (!opened)
            return make_error(opened.error().code, "{}: options:{}: {}", config_.name, key,
                              opened.error().message);
        file = std::move(*opened);
        return {};
    };
    if (auto ok = open("pcap", both_); !ok) return ok;
    if (both_) return {};  // as in Open vSwitch, the others are not looked at then
    if (auto ok = open("rxq_pcap", rx_only_); !ok) return ok;
    return open("tx_pcap", tx_only_);
}

Result<void> DummyPort::receive(unsigned queue, std::span<const std::uint8_t> frame) {
    if (queue >= rx_.size())
        return make_error(EINVAL, "{}: no receive queue {}, it has {}", config_.name, queue, rx_.size());
    if (frame.size() < kHeaderBytes)
        return make_error(EINVAL, "{}: a frame of {} bytes has no room for an Ethernet header of {}",
                          config_.name, frame.size(), kHeaderBytes);
    Packet* packet = packet_from_bytes(frame);
    if (packet == nullptr)
        return make_error(ENOMEM, "{}: no packet buffer for a frame of {} bytes", config_.name, frame.size());
    if (PcapFile* file = both_ ? both_.get() : rx_only_.get()) file->write(packet);
    Queue& to = *rx_[queue];
    Packet** slot = to.ring.claim();
    if (slot == nullptr) {
        ++to.missed;
        packet_free(packet);
        return {};
    }
    *slot = packet;
    to.ring.push();
    ++to.given;
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(to.wake_fd, &one, sizeof one);
    return {};
}

bool DummyPort::pending() const {
    return std::any_of(rx_.begin(), rx_.end(), [](const auto& queue) {
        return queue->taken.load(std::memory_order_acquire) != queue->given;
    });
}

int DummyPort::rx_fd(QueueId queue) const noexcept {
    return rx_[to_int(queue)]->wake_fd;
}

unsigned DummyPort::rx_burst(QueueId queue, Packet** packets, unsigned max) noexcept {
    Queue& from = *rx_[to_int(queue)];
    if (from.ring.front() == nullptr) {
        std::uint64_t ignored = 0;
        [[maybe_unused]] const auto got = ::read(from.wake_fd, &ignored, sizeof ignored);
        // What came in before the read above woke nobody: look again.
    }
    unsigned count = 0;
    std::uint64_t bytes = 0;
    while (count < max) {
        Packet** slot = from.ring.front();
        if (slot == nullptr) break;
        bytes += (*slot)->pkt_len;
        packets[count++] = *slot;
        from.ring.pop();
    }
    if (count > 0) {
        from.counters.packets.add(count);
        from.counters.bytes.add(bytes);
        from.taken.store(from.taken.load(std::memory_order_relaxed) + count, std::memory_order_release);
    }
    return count;
}

unsigned DummyPort::tx_burst(QueueId queue, Packet** packets, unsigned count) noexcept {
    TxCounters& counters = tx_[to_int(queue) % tx_queue_count_];
    TxAbilities can;
    can.max_chain = kMaxIovecs;
    can.mtu = mtu_.load(std::memory_order_relaxed);
    PcapFile* file = both_ ? both_.get() : tx_only_.get();
    return transmit(packets, count, can, counters, [&](Packet** chunk, unsigned n) {
        for (unsigned i = 0; i < n; ++i) {
            counters.packets.add(1);
            counters.bytes.add(chunk[i]->pkt_len);
            if (file != nullptr) file->write(chunk[i]);
        }
        if (wire_.empty()) {
            packet_free_burst(chunk, n);
            return n;
        }
        SpscRing<Packet*>& ring = *wire_[to_int(queue) % tx_queue_count_];
        for (unsigned i = 0; i < n; ++i) {
            if (Packet** slot = ring.claim()) {
                *slot = chunk[i];
                ring.push();
            } else {
                packet_free(chunk[i]);
            }
        }
        const std::uint64_t one = 1;
        [[maybe_unused]] const auto written = ::write(wire_fd_, &one, sizeof one);
        return n;
    });
}

PortState DummyPort::state() {
    PortState state;
    state.admin_up = state.link_up = up_;
    state.mac = mac_;
    state.mtu = mtu_.load(std::memory_order_relaxed);
    state.ifindex = ifindex_;
    state.duplex_known = false;
    return state;
}

PortCounters DummyPort::counters() const {
    PortCounters sum;
    for (std::size_t i = 0; i < rx_.size(); ++i) {
        const auto packets = rx_[i]->counters.packets.get();
        const auto bytes = rx_[i]->counters.bytes.get();
        sum.rx_packets += packets;
        sum.rx_bytes += bytes;
        sum.rx_missed += rx_[i]->missed;
    }
    add_tx_counters(tx_.get(), tx_queue_count_, sum);
    sum.extra["rx_missed"] = sum.rx_missed;
    // What Open vSwitch's dummies don't count either: comparisons would differ by it.
    sum.rx_errors = sum.rx_dropped = sum.rx_missed = kNotCounted;
    sum.tx_errors = sum.tx_dropped = kNotCounted;
    sum.rx_crc_err = sum.rx_frame_err = sum.rx_over_err = sum.collisions = kNotCounted;
    return sum;
}

Result<void> DummyPort::reconfigure(const PortConfig& config) {
    if (config.name != config_.name || config.type != config_.type || config.options != config_.options ||
        config.worker_count != config_.worker_count)
        return make_error(EXDEV, "{}: options or queues changed", config_.name);
    if (auto ok = check_mtu(config); !ok) return ok;
    if (config.mac) mac_ = *config.mac;
    mtu_.store(config.mtu_request.value_or(mtu_.load(std::memory_order_relaxed)), std::memory_order_relaxed);
    config_ = config;
    return {};
}

Result<void> DummyPort::set_admin_up(bool up) {
    up_ = up;
    return {};
}

}  // namespace sluice
