// SPDX-License-Identifier: Apache-2.0
// See port/vhost/vhost_port.hpp.
#include "port/vhost/vhost_port.hpp"

#include <algorithm>
#include <cstring>

#include "packet/pool.hpp"
#include "port/guest/distribute.hpp"
#include "port/options.hpp"

namespace sluice {

using namespace vhost;

namespace {

constexpr unsigned kDefaultRetries = 8, kMaxRetries = 32;  // as Open vSwitch has them

std::string& socket_folder() {
    static std::string folder{"/var/run/openvswitch"};
    return folder;
}

/// What the guest lets us leave to it.
TxAbilities abilities(std::uint64_t features, std::uint32_t mtu) {
    TxAbilities can;
    can.checksum = has(features, kGuestCsum);
    can.tcp_segments = can.checksum && has(features, kGuestTso4) && has(features, kGuestTso6);
    can.udp_segments = can.checksum && has(features, kGuestUso4) && has(features, kGuestUso6);
    can.max_chain = 1024;
    can.mtu = mtu;
    return can;
}

}  // namespace

void set_vhost_socket_folder(const std::string& folder) {
    socket_folder() = folder;
}

Result<std::unique_ptr<Port>> VhostPort::create_client(const PortConfig& config) {
    report_unknown_options(config, {"vhost-server-path", "tx-retries-max", "n_rxq"});
    return create(config, option_text(config, "vhost-server-path"), Role::kClient);
}

Result<std::unique_ptr<Port>> VhostPort::create_server(const PortConfig& config) {
    report_unknown_options(config, {"tx-retries-max", "n_rxq"});
    return create(config, socket_folder() + "/" + config.name, Role::kServer);
}

Result<std::unique_ptr<Port>> VhostPort::create(const PortConfig& config, const std::string& path,
                                                Role role) {
    auto retries = option_number(config, "tx-retries-max", kDefaultRetries, 0, kMaxRetries);
    if (!retries) return retries.error();
    auto loop = guest::GuestLoop::acquire();
    if (!loop) return loop.error();
    std::unique_ptr<VhostPort> port{new VhostPort(config, std::move(*loop), path, role, *retries)};
    if (path.empty()) return std::unique_ptr<Port>{std::move(port)};  // its status says what is missing
    Result<void> opened;
    port->loop_->run([&] {
        port->endpoint_ =
            std::make_unique<Endpoint>(port->loop_->events(), config.name, path, role, port->device_);
        opened = port->endpoint_->open();
    });
    if (!opened) return opened.error();
    return std::unique_ptr<Port>{std::move(port)};
}

VhostPort::VhostPort(PortConfig config, std::shared_ptr<guest::GuestLoop> loop, std::string path, Role role,
                     unsigned retries)
    : GuestPort(std::move(config), std::move(loop)), path_(std::move(path)), role_(role), retries_(retries) {}

VhostPort::~VhostPort() {
    loop_->run([this] { endpoint_.reset(); });
}

int VhostPort::rx_fd(QueueId queue) const noexcept {
    return device_.pairs[to_int(queue)]->doorbell.fd();
}

void VhostPort::rx_sleep(QueueId queue, bool sleeping) noexcept {
    QueuePair& pair = *device_.pairs[to_int(queue)];
    if (!sleeping) pair.doorbell.clear();
    if (pair.from_guest.want_kicks(sleeping)) pair.doorbell.ring();
}

unsigned VhostPort::rx_burst(QueueId queue, Packet** packets, unsigned max) noexcept {
    if (!up_.load(std::memory_order_relaxed)) return 0;
    if (to_int(queue) == 0 && device_.rarp.load(std::memory_order_relaxed) != 0) [[unlikely]]
        return announce(packets);
    return device_.pairs[to_int(queue)]->from_guest.receive(packets, max);
}

/// A guest that has moved here says so through us: RARP request (RFC 903) from its address to all.
unsigned VhostPort::announce(Packet** packets) noexcept {
    const std::uint64_t address = device_.rarp.exchange(0, std::memory_order_relaxed);
    std::uint8_t frame[60] = {};
    std::uint8_t mac[6];
    std::memcpy(mac, &address, sizeof mac);
    std::memset(frame, 0xff, 6);
    std::memcpy(frame + 6, mac, 6);
    constexpr std::uint8_t kRarp[10] = {0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3};
    std::memcpy(frame + 12, kRarp, sizeof kRarp);
    std::memcpy(frame + 22, mac, 6);
    std::memcpy(frame + 32, mac, 6);
    packets[0] = packet_from_bytes(frame);
    if (packets[0] == nullptr) return 0;
    NetQueue& queue = device_.pairs[0]->from_guest;
    queue.rx.packets.add(1);
    queue.rx.bytes.add(sizeof frame);
    return 1;
}

unsigned VhostPort::tx_burst(QueueId queue, Packet** packets, unsigned count) noexcept {
    TxCounters& counters = tx_[to_int(queue) % tx_queues_];
    if (!up_.load(std::memory_order_relaxed) || !device_.link.load(std::memory_order_acquire)) {
        counters.full.add(count);
        packet_free_burst(packets, count);
        return 0;
    }
    const TxAbilities can =
        abilities(device_.features.load(std::memory_order_relaxed), mtu_.load(std::memory_order_relaxed));
    return transmit(packets, count, can, counters,
                    [&](Packet** chunk, unsigned n) { return send(counters, chunk, n); });
}

unsigned VhostPort::send(TxCounters& counters, Packet** packets, unsigned count) noexcept {
    const unsigned queues = std::max(1U, device_.tx_count.load(std::memory_order_acquire));
    return guest::distribute(packets, count, queues, [&](unsigned queue, Packet** part, unsigned n) {
        return send_to(device_.tx_map[queue].load(std::memory_order_relaxed), counters, part, n);
    });
}

unsigned VhostPort::send_to(unsigned pair, TxCounters& counters, Packet** packets, unsigned count) noexcept {
    NetQueue::Sent sent;
    const unsigned done = device_.pairs[pair]->to_guest.send(packets, count, retries_, sent);
    if (sent.too_large > 0) counters.oversized.add(sent.too_large);
    if (done < count) counters.full.add(count - done);
    packet_free_burst(packets, count);
    return sent.packets;
}

std::string VhostPort::why_stopped() const {
    const unsigned pairs = device_.pair_count.load(std::memory_order_acquire);
    for (unsigned i = 0; i < 2 * pairs; ++i) {
        const QueuePair& pair = *device_.pairs[i / 2];
        const Fault fault = (i % 2 == 0 ? pair.to_guest : pair.from_guest).fault();
        if (fault) return fmt::format("ring {}: {}", i, describe(fault.kind, fault.value));
    }
    return {};
}

PortState VhostPort::state() {
    const std::string stopped = why_stopped();
    PortState state = state_of(device_.link.load() && stopped.empty());
    DeviceReport report;
    {
        const std::lock_guard lock{device_.mutex};
        report = device_.report;
    }
    state.status = {{"mode", role_ == Role::kClient ? "client" : "server"},
                    {"status", report.connected ? "connected" : "disconnected"}};
    if (!path_.empty()) state.status["socket"] = path_;
    if (path_.empty()) {
        state.status["reason"] = fmt::format(
            "no socket: ovs-vsctl set interface {} options:vhost-server-path=/path/of/socket", name());
    } else if (!report.connected) {
        state.status["reason"] = report.reason;
    } else if (!stopped.empty()) {
        state.status["reason"] = stopped;
    } else if (!device_.link.load()) {
        state.status["reason"] = "the guest has not started its queues";
    }
    if (!report.connected) return state;
    state.status["features"] = fmt::format("0x{:016x}", report.features);
    state.status["numa"] = "0";
    if (report.guest_mtu != 0) state.status["mtu"] = std::to_string(report.guest_mtu);
    unsigned rings = 0;
    for (unsigned i = 0; i < kMaxRings; ++i) {
        if (report.ring_size[i] == 0) continue;
        rings = i + 1;
        state.status[fmt::format("vring_{}_size", i)] = std::to_string(report.ring_size[i]);
    }
    state.status["num_of_vrings"] = std::to_string(rings);
    state.status["n_rxq"] = std::to_string(rx_queue_count());
    state.status["n_txq"] = std::to_string(device_.tx_count.load());
    state.status["ring_layout"] = has(report.features, kPacked) ? "packed" : "split";
    state.status["userspace-tso"] = abilities(report.features, 1500).tcp_segments ? "enabled" : "disabled";
    return state;
}

PortCounters VhostPort::counters() const {
    PortCounters sum;
    add_tx_counters(tx_.get(), tx_queues_, sum);
    const unsigned pairs = device_.pair_count.load(std::memory_order_acquire);
    for (unsigned i = 0; i < pairs; ++i) {
        const NetQueue& from = device_.pairs[i]->from_guest;
        const NetQueue& to = device_.pairs[i]->to_guest;
        add_rx(from.rx, sum);
        add_tx(to.tx, sum);
        if (pairs == 1) continue;
        sum.extra[fmt::format("rx_q{}_good_packets", i)] = from.rx.packets.get();
        sum.extra[fmt::format("tx_q{}_good_packets", i)] = to.tx.packets.get();
    }
    // Open vSwitch's names for the same.
    sum.extra["ovs_tx_failure_drops"] = sum.extra["tx_full"];
    sum.extra["ovs_tx_mtu_exceeded_drops"] = sum.extra["tx_oversized"];
    return sum;
}

}  // namespace sluice
