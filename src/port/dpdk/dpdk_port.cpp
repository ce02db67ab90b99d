// SPDX-License-Identifier: Apache-2.0
// See port/dpdk/dpdk_port.hpp. Set-up and reports; dpdk_io.cpp has the workers' half.
#include "port/dpdk/dpdk_port.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <vector>

#include <rte_errno.h>
#include <rte_version.h>

#include "base/log.hpp"
#include "packet/pool.hpp"
#include "port/options.hpp"

namespace sluice {
namespace {

const log::Module kLog{"netdev_dpdk"};

constexpr auto kAnySocket = static_cast<unsigned>(SOCKET_ID_ANY);
constexpr unsigned kDefaultDescriptors = 1024;
constexpr unsigned kMaxDescriptors = 32768;
/// Packets of a port's pool beside its receive descriptors: what workers, rings and other ports' transmit
/// descriptors may hold.
constexpr unsigned kPoolSpare = 4096;
constexpr std::uint64_t kChecksumOffloads =
    RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;

/// Key for RSS, new with each start, so that nobody outside can aim flows at one queue.
const std::array<std::uint8_t, 64>& rss_key() {
    static const auto key = [] {
        std::array<std::uint8_t, 64> bytes{};
        std::random_device random;
        for (auto& byte : bytes)
            byte = static_cast<std::uint8_t>(random());
        return bytes;
    }();
    return key;
}

Error driver_error(const std::string& name, std::string_view what, int code) {
    code = std::abs(code);
    return make_error(code, "{}: {}: {}", name, what, rte_strerror(code));
}

int removal_callback(std::uint16_t, rte_eth_event_type, void* gone, void*) {
    static_cast<std::atomic<bool>*>(gone)->store(true, std::memory_order_relaxed);
    return 0;
}

}  // namespace

Result<std::unique_ptr<Port>> DpdkPort::create(const PortConfig& config) {
    report_unknown_options(
        config, {"dpdk-devargs", "n_rxq", "n_rxq_desc", "n_txq_desc", "dpdk-lsc-interrupt", "rx-flow-ctrl",
                 "tx-flow-ctrl", "flow-ctrl-autoneg", "vhost-server-path"});
    auto port = create_with(config, option_text(config, "dpdk-devargs"));
    if (!port) return port.error();
    return std::unique_ptr<Port>{std::move(*port)};
}

Result<std::unique_ptr<DpdkPort>> DpdkPort::create_with(const PortConfig& config,
                                                        const std::string& devargs) {
    for (const char* key : {"n_rxq_desc", "n_txq_desc"})
        if (auto ok = option_number(config, key, 1, 1, kMaxDescriptors); !ok) return ok.error();
    if (auto ok = option_number(config, "n_rxq", 1, 1, kMaxQueues); !ok) return ok.error();
    auto device = DpdkDevice::plug(config.name, devargs);
    if (!device) return device.error();
    std::unique_ptr<DpdkPort> port{new DpdkPort(config, std::move(*device))};
    if (auto done = port->set_up(); !done) return done.error();
    return port;
}

DpdkPort::~DpdkPort() {
    up_.store(false);
    rte_eth_dev_callback_unregister(port_id(), RTE_ETH_EVENT_INTR_RMV, removal_callback, &gone_);
    { const DpdkDevice closing = std::move(device_); }
    if (pool_ != nullptr)
        release_pool(pool_, driver_ == "net_af_xdp" ? LostPackets::kWriteOff : LostPackets::kNone);
}

Result<void> DpdkPort::set_up() {
    rte_eth_dev_info info{};
    if (int failed = rte_eth_dev_info_get(port_id(), &info); failed != 0)
        return driver_error(name(), "the driver gives no information", failed);
    driver_ = info.driver_name != nullptr ? info.driver_name : "";
    if (auto done = choose_queues(info); !done) return done;
    if (auto done = configure(info); !done) return done;
    apply_mtu();
    if (auto done = set_up_queues(info); !done) return done;
    if (config_.mac) {
        rte_ether_addr address;
        std::memcpy(address.addr_bytes, config_.mac->data(), config_.mac->size());
        rte_eth_dev_default_mac_addr_set(port_id(), &address);  // many virtual devices have a fixed one
    }
    rte_eth_dev_callback_register(port_id(), RTE_ETH_EVENT_INTR_RMV, removal_callback, &gone_);
    int failed = 0;
    const auto start = [&] { failed = rte_eth_dev_start(port_id()); };
    if (rx_guards_) {
        on_interrupt_thread(start);
    } else {
        start();
    }
    if (failed != 0) return driver_error(name(), "the device does not start", failed);
    rte_eth_promiscuous_enable(port_id());
    rte_eth_allmulticast_enable(port_id());
    open_interrupts();
    up_.store(true);
    return {};
}

Result<void> DpdkPort::choose_queues(const rte_eth_dev_info& info) {
    const auto wanted = option_number(config_, "n_rxq", 1, 1, kMaxQueues);
    rx_queues_ = std::clamp(*wanted, 1U, std::max<unsigned>(1, info.max_rx_queues));
    tx_queues_ = std::clamp(config_.worker_count, 1U, std::max<unsigned>(1, info.max_tx_queues));
    if (rx_queues_ < *wanted)
        kLog.warn("{}: options:n_rxq={} is more than the {} receive queues of driver {}; using {}", name(),
                  *wanted, info.max_rx_queues, driver_, rx_queues_);
    rx_descriptors_ = *option_number(config_, "n_rxq_desc", kDefaultDescriptors, 1, kMaxDescriptors);
    tx_descriptors_ = *option_number(config_, "n_txq_desc", kDefaultDescriptors, 1, kMaxDescriptors);
    rx_ = std::make_unique<RxCounters[]>(rx_queues_);
    tx_ = std::make_unique<TxCounters[]>(tx_queues_);
    if (is_memif(driver_)) {
        rx_guards_ = std::make_unique<MemifGuard[]>(rx_queues_);
        tx_guards_ = std::make_unique<MemifGuard[]>(tx_queues_);
    }
    return {};
}

void DpdkPort::choose_offloads(const rte_eth_dev_info& info, rte_eth_conf& conf) {
    const std::uint64_t capable = info.tx_offload_capa;
    std::uint64_t use = 0;
    // net_tap does these in software with more copies than ours.
    const bool hardware = driver_ != "net_tap";
    if (hardware && (capable & kChecksumOffloads) == kChecksumOffloads) {
        use |= kChecksumOffloads;
        can_.checksum = true;
        if ((capable & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0) {
            use |= RTE_ETH_TX_OFFLOAD_TCP_TSO;
            can_.tcp_segments = true;
        }
    }
    if ((capable & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0) {
        use |= RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
        // 0 means the driver names no limit.
        can_.max_chain = info.tx_desc_lim.nb_seg_max > 0 ? info.tx_desc_lim.nb_seg_max : 16U;
    }
    tx_prepare_ = can_.checksum;
    conf.txmode.offloads = use;
    if ((info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) != 0)
        conf.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
}

Result<void> DpdkPort::configure(const rte_eth_dev_info& info) {
    rte_eth_conf conf{};
    conf.rxmode.mtu = config_.mtu_request.value_or(1500);
    if (info.max_mtu > 0 && conf.rxmode.mtu > info.max_mtu)
        return make_error(EINVAL, "{}: mtu_request {} is above the limit of {} of driver {}", name(),
                          conf.rxmode.mtu, info.max_mtu, driver_);
    choose_offloads(info, conf);
    std::array<std::uint8_t, 64> key = rss_key();
    const std::uint64_t rss =
        info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
    if (rx_queues_ > 1 && rss != 0) {
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
        conf.rx_adv_conf.rss_conf.rss_hf = rss;
        if (info.hash_key_size > 0 && info.hash_key_size <= key.size()) {
            conf.rx_adv_conf.rss_conf.rss_key = key.data();
            conf.rx_adv_conf.rss_conf.rss_key_len = info.hash_key_size;
        }
    }
    const auto rx = static_cast<std::uint16_t>(rx_queues_);
    const auto tx = static_cast<std::uint16_t>(tx_queues_);
    // Virtual devices have no interrupts to offer and say so in error messages.
    conf.intr_conf.rxq = is_pci_address(device_name(device_.devargs())) ? 1 : 0;
    wants_interrupts_ = conf.intr_conf.rxq != 0 && rte_eth_dev_configure(port_id(), rx, tx, &conf) == 0;
    if (wants_interrupts_) return {};
    conf.intr_conf.rxq = 0;
    int failed = rte_eth_dev_configure(port_id(), rx, tx, &conf);
    if (failed != 0 && rx_queues_ * tx_queues_ > 1) {
        kLog.warn("{}: driver {} refuses {} receive and {} transmit queues; using one of each", name(),
                  driver_, rx_queues_, tx_queues_);
        rx_queues_ = tx_queues_ = 1;
        conf.rxmode.mq_mode = RTE_ETH_MQ_RX_NONE;
        failed = rte_eth_dev_configure(port_id(), 1, 1, &conf);
    }
    if (failed != 0) return driver_error(name(), "the driver refuses the configuration", failed);
    return {};
}

void DpdkPort::apply_mtu() {
    const std::uint32_t wanted = config_.mtu_request.value_or(1500);
    std::uint16_t have = 0;
    if (config_.mtu_request) {
        const int failed = rte_eth_dev_set_mtu(port_id(), static_cast<std::uint16_t>(wanted));
        if (failed != 0 && failed != -ENOTSUP)
            kLog.warn("{}: driver {} refuses MTU {}: {}", name(), driver_, wanted, rte_strerror(-failed));
        // Devices without a notion of MTU carry what we hand them.
        mtu_.store(failed == -ENOTSUP || failed == 0 ? wanted : 1500, std::memory_order_relaxed);
        return;
    }
    if (rte_eth_dev_get_mtu(port_id(), &have) == 0 && have >= kMinMtu) mtu_.store(have);
}

Result<void> DpdkPort::set_up_queues(const rte_eth_dev_info& info) {
    auto rx_count = static_cast<std::uint16_t>(rx_descriptors_);
    auto tx_count = static_cast<std::uint16_t>(tx_descriptors_);
    rte_eth_dev_adjust_nb_rx_tx_desc(port_id(), &rx_count, &tx_count);
    rx_descriptors_ = rx_count;
    tx_descriptors_ = tx_count;
    // Drivers that scatter take 2 KiB pieces; the others need room for a whole frame.
    const std::uint32_t frame = mtu_.load() + 14 + 8 + 4;
    const bool scatter = (info.rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) != 0 || frame <= kSmallRoom;
    const unsigned room = scatter ? kSmallRoom : std::min<std::uint32_t>(frame, 65535 - RTE_PKTMBUF_HEADROOM);
    auto pool = acquire_pool(name(), rx_queues_ * rx_descriptors_ + kPoolSpare, room);
    if (!pool) return pool.error();
    pool_ = *pool;
    for (std::uint16_t queue = 0; queue < rx_queues_; ++queue) {
        const int failed = rte_eth_rx_queue_setup(port_id(), queue, rx_count, kAnySocket, nullptr, pool_);
        if (failed != 0) return driver_error(name(), "the driver refuses a receive queue", failed);
    }
    for (std::uint16_t queue = 0; queue < tx_queues_; ++queue) {
        const int failed = rte_eth_tx_queue_setup(port_id(), queue, tx_count, kAnySocket, nullptr);
        if (failed != 0) return driver_error(name(), "the driver refuses a transmit queue", failed);
    }
    return {};
}

void DpdkPort::open_interrupts() {
    interrupt_fds_.assign(rx_queues_, -1);
    if (!wants_interrupts_) return;
    for (std::uint16_t queue = 0; queue < rx_queues_; ++queue) {
        const int fd = rte_eth_dev_rx_intr_ctl_q_get_fd(port_id(), queue);
        if (fd >= 0 && rte_eth_dev_rx_intr_enable(port_id(), queue) == 0) interrupt_fds_[queue] = fd;
    }
}

PortState DpdkPort::state() {
    PortState state;
    if (!rte_eth_dev_is_valid_port(port_id())) return state;
    state.admin_up = up_.load();
    rte_eth_link link{};
    if (rte_eth_link_get_nowait(port_id(), &link) == 0) {
        state.link_up = state.admin_up && link.link_status == RTE_ETH_LINK_UP;
        if (link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN && link.link_speed != 0)
            state.link_speed_bps = link.link_speed * 1000000ULL;
        state.full_duplex = link.link_duplex == RTE_ETH_LINK_FULL_DUPLEX;
    }
    rte_ether_addr mac{};
    if (rte_eth_macaddr_get(port_id(), &mac) == 0)
        std::memcpy(state.mac.data(), mac.addr_bytes, state.mac.size());
    state.mtu = mtu_.load();
    rte_eth_dev_info info{};
    rte_eth_dev_info_get(port_id(), &info);
    state.ifindex = info.if_index;
    state.status = {{"driver_name", driver_},
                    {"port_no", std::to_string(port_id())},
                    {"dpdk-devargs", device_.devargs()},
                    {"numa_id", std::to_string(std::max(0, rte_eth_dev_socket_id(port_id())))},
                    {"max_rx_queues", std::to_string(info.max_rx_queues)},
                    {"max_tx_queues", std::to_string(info.max_tx_queues)},
                    {"max_rx_pktlen", std::to_string(info.max_rx_pktlen)},
                    {"min_rx_bufsize", std::to_string(info.min_rx_bufsize)},
                    {"n_rxq", std::to_string(rx_queues_)},
                    {"n_txq", std::to_string(tx_queues_)},
                    {"n_rxq_desc", std::to_string(rx_descriptors_)},
                    {"n_txq_desc", std::to_string(tx_descriptors_)},
                    {"tx_checksum_offload", can_.checksum ? "hardware" : "software"},
                    {"tx_tso_offload", can_.tcp_segments ? "hardware" : "software"}};
    return state;
}

PortCounters DpdkPort::counters() const {
    PortCounters sum;
    for (unsigned i = 0; i < rx_queues_; ++i) {
        sum.rx_packets += rx_[i].packets.get();
        sum.rx_bytes += rx_[i].bytes.get();
        sum.rx_errors += rx_[i].errors.get();
        sum.rx_dropped += rx_[i].dropped.get();
    }
    add_tx_counters(tx_.get(), tx_queues_, sum);
    rte_eth_stats stats{};
    if (rte_eth_stats_get(port_id(), &stats) == 0) {
        sum.rx_missed = stats.imissed;
        sum.rx_errors += stats.ierrors;
        sum.rx_dropped += stats.rx_nombuf;
        sum.tx_errors += stats.oerrors;
    }
    const int count = rte_eth_xstats_get_names(port_id(), nullptr, 0);
    if (count <= 0) return sum;
    const auto size = static_cast<unsigned>(count);
    std::vector<rte_eth_xstat_name> names(size);
    std::vector<rte_eth_xstat> values(size);
    if (rte_eth_xstats_get_names(port_id(), names.data(), size) != count ||
        rte_eth_xstats_get(port_id(), values.data(), size) != count)
        return sum;
    for (const auto& value : values)
        if (value.id < size) sum.extra[names[value.id].name] = value.value;
    return sum;
}

Result<void> DpdkPort::reconfigure(const PortConfig& config) {
    if (config.name != config_.name || config.type != config_.type || config.options != config_.options ||
        config.worker_count != config_.worker_count)
        return make_error(EXDEV, "{}: options or queues changed", config_.name);
    if (auto ok = check_mtu(config); !ok) return ok;
    if (config.mtu_request != config_.mtu_request) {
        // Few drivers change it while running, and their buffers were sized for the old one.
        return make_error(EXDEV, "{}: MTU changed", config_.name);
    }
    if (config.mac && config.mac != config_.mac) {
        rte_ether_addr address;
        std::memcpy(address.addr_bytes, config.mac->data(), config.mac->size());
        if (int failed = rte_eth_dev_default_mac_addr_set(port_id(), &address); failed != 0)
            return driver_error(name(), "the driver refuses the Ethernet address", failed);
    }
    config_ = config;
    return {};
}

Result<void> DpdkPort::set_admin_up(bool up) {
    // The device itself stays started: stopping it under a worker's hands is not safe with every driver.
    if (up == up_.load()) return {};
    const int failed = up ? rte_eth_dev_set_link_up(port_id()) : rte_eth_dev_set_link_down(port_id());
    if (failed != 0 && failed != -ENOTSUP) return driver_error(name(), "the driver refuses", failed);
    up_.store(up);
    return {};
}

}  // namespace sluice
