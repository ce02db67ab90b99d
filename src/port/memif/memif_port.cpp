// SPDX-License-Identifier: Apache-2.0
// See port/memif/memif_port.hpp.
#include "port/memif/memif_port.hpp"

#include <algorithm>
#include <bit>

#include "packet/pool.hpp"
#include "port/guest/distribute.hpp"
#include "port/options.hpp"

namespace sluice {

using namespace memif;

namespace {

Result<Settings> settings_of(const PortConfig& config) {
    Settings settings;
    auto role = option_word(config, "memif-role", {"server", "client"});
    if (!role) return role.error();
    settings.role = *role == "client" ? Role::kClient : Role::kServer;
    auto id = option_number(config, "memif-id", 0, 0, ~0U);
    if (!id) return id.error();
    settings.id = *id;
    settings.secret = option_text(config, "memif-secret");
    if (settings.secret.size() > kSecretBytes)
        return make_error(EINVAL, "{}: options:memif-secret has {} characters, the limit is {}", config.name,
                          settings.secret.size(), kSecretBytes);
    const bool client = settings.role == Role::kClient;
    auto queues = option_number(config, "n_rxq", client ? 1 : kMaxRings, 1, kMaxRings);
    if (!queues) return queues.error();
    settings.queues = *queues;
    auto ring = option_number(config, "memif-ring-size", 1024, 2, 1U << kMaxLog2Size);
    if (!ring) return ring.error();
    if (!std::has_single_bit(*ring))
        return make_error(EINVAL, "{}: options:memif-ring-size={} must be a power of two", config.name,
                          *ring);
    settings.log2_size = static_cast<unsigned>(std::countr_zero(*ring));
    auto buffer = option_number(config, "memif-buffer-size", 2048, 64, 65536);
    if (!buffer) return buffer.error();
    if (*buffer % 64 != 0)
        return make_error(EINVAL, "{}: options:memif-buffer-size={} must be a multiple of 64", config.name,
                          *buffer);
    settings.buffer_bytes = *buffer;
    return settings;
}

}  // namespace

Result<std::unique_ptr<Port>> MemifPort::create(const PortConfig& config) {
    report_unknown_options(config, {"memif-socket", "memif-role", "memif-id", "memif-secret", "n_rxq",
                                    "memif-ring-size", "memif-buffer-size"});
    auto settings = settings_of(config);
    if (!settings) return settings.error();
    std::string path = option_text(config, "memif-socket");
    if (path.empty())
        return make_error(EINVAL,
                          "{}: no socket: ovs-vsctl set interface {} options:memif-socket=/path/of/socket "
                          "[options:memif-role=client] [options:memif-id=NUMBER]",
                          config.name, config.name);
    auto loop = guest::GuestLoop::acquire();
    if (!loop) return loop.error();
    std::unique_ptr<MemifPort> port{
        new MemifPort(config, std::move(*loop), std::move(path), std::move(*settings))};
    Result<void> opened;
    port->loop_->run([&] {
        port->endpoint_ = std::make_unique<Endpoint>(port->loop_->events(), config.name, port->path_,
                                                     port->settings_, port->device_);
        opened = port->endpoint_->open();
    });
    if (!opened) return opened.error();
    return std::unique_ptr<Port>{std::move(port)};
}

MemifPort::MemifPort(PortConfig config, std::shared_ptr<guest::GuestLoop> loop, std::string path,
                     Settings settings)
    : GuestPort(std::move(config), std::move(loop)), path_(std::move(path)), settings_(std::move(settings)) {}

MemifPort::~MemifPort() {
    loop_->run([this] { endpoint_.reset(); });
}

int MemifPort::rx_fd(QueueId queue) const noexcept {
    return device_.rx[to_int(queue)]->doorbell.fd();
}

void MemifPort::rx_sleep(QueueId queue, bool sleeping) noexcept {
    ReceiveQueue& rx = *device_.rx[to_int(queue)];
    if (!sleeping) rx.doorbell.clear();
    if (rx.queue.want_interrupts(sleeping) && sleeping) rx.doorbell.ring();
}

unsigned MemifPort::rx_burst(QueueId queue, Packet** packets, unsigned max) noexcept {
    if (!up_.load(std::memory_order_relaxed)) return 0;
    return device_.rx[to_int(queue)]->queue.receive(packets, max);
}

unsigned MemifPort::tx_burst(QueueId queue, Packet** packets, unsigned count) noexcept {
    TxCounters& counters = tx_[to_int(queue) % tx_queues_];
    const unsigned queues = device_.tx_count.load(std::memory_order_acquire);
    if (!up_.load(std::memory_order_relaxed) || queues == 0) {
        counters.full.add(count);
        packet_free_burst(packets, count);
        return 0;
    }
    TxAbilities can;
    can.max_chain = 1024;
    can.mtu = mtu_.load(std::memory_order_relaxed);
    return transmit(packets, count, can, counters, [&](Packet** chunk, unsigned n) {
        return guest::distribute(chunk, n, queues, [&](unsigned to, Packet** part, unsigned size) {
            return send_to(to, counters, part, size);
        });
    });
}

unsigned MemifPort::send_to(unsigned queue, TxCounters& counters, Packet** packets, unsigned count) noexcept {
    unsigned too_large = 0;
    const unsigned done = device_.tx[queue]->send(packets, count, too_large);
    if (too_large > 0) counters.oversized.add(too_large);
    if (done < count) counters.full.add(count - done);
    packet_free_burst(packets, count);
    return done - too_large;
}

std::string MemifPort::why_stopped() const {
    const auto say = [](const char* way, unsigned i, const Queue& queue) {
        return fmt::format("ring {} {}: {}", i, way, describe(queue.fault(), queue.fault_value()));
    };
    for (unsigned i = 0; i < device_.rx_made.load(std::memory_order_acquire); ++i)
        if (const Queue& queue = device_.rx[i]->queue; queue.fault() != Fault::kNone)
            return say("from the peer", i, queue);
    for (unsigned i = 0; i < device_.tx_made.load(std::memory_order_acquire); ++i)
        if (const Queue& queue = *device_.tx[i]; queue.fault() != Fault::kNone)
            return say("to the peer", i, queue);
    return {};
}

PortState MemifPort::state() {
    DeviceReport report;
    {
        const std::lock_guard lock{device_.mutex};
        report = device_.report;
    }
    const std::string stopped = report.connected ? why_stopped() : std::string{};
    PortState state = state_of(device_.link.load() && stopped.empty());
    state.status = {{"role", settings_.role == Role::kClient ? "client" : "server"},
                    {"socket", path_},
                    {"id", std::to_string(settings_.id)},
                    {"status", report.connected ? "connected" : "disconnected"}};
    if (!report.connected) {
        state.status["reason"] = report.reason;
        return state;
    }
    if (!stopped.empty()) state.status["reason"] = stopped;
    state.status["peer"] = report.interface;
    state.status["peer_program"] = report.program;
    state.status["ring_size"] = std::to_string(report.ring_size);
    state.status["n_rxq"] = std::to_string(report.to_us);
    state.status["n_txq"] = std::to_string(report.to_peer);
    return state;
}

PortCounters MemifPort::counters() const {
    PortCounters sum;
    add_tx_counters(tx_.get(), tx_queues_, sum);
    for (unsigned i = 0; i < device_.rx_made.load(std::memory_order_acquire); ++i) {
        add_rx(device_.rx[i]->queue.rx, sum);
    }
    for (unsigned i = 0; i < device_.tx_made.load(std::memory_order_acquire); ++i) {
        add_tx(device_.tx[i]->tx, sum);
    }
    return sum;
}

}  // namespace sluice
