// SPDX-License-Identifier: Apache-2.0
// net_sluice_gen: the generator port as a DPDK driver in a shared object. Loaded with EAL's `-d`, it gives
// any DPDK program (sluiced, ovs-vswitchd-dpdk, dpdk-testpmd) the very same packets. Needs DPDK's driver-side
// headers of the version installed.
#include <algorithm>
#include <new>
#include <utility>
#include <vector>

#include <bus_vdev_driver.h>
#include <ethdev_driver.h>
#include <ethdev_vdev.h>

#include <rte_cycles.h>
#include <rte_kvargs.h>

#include "bench/gen/port.hpp"

namespace {

using namespace sluice::gen;

Port& port_of(const rte_eth_dev* device) {
    return **static_cast<Port**>(device->data->dev_private);
}

int configure(rte_eth_dev*) {
    return 0;
}

int start(rte_eth_dev* device) {
    Port& port = port_of(device);
    port.rx_queues = std::max<std::uint16_t>(device->data->nb_rx_queues, 1);
    port.tx_queues = std::max<std::uint16_t>(device->data->nb_tx_queues, 1);
    PageHeader& header = port.page->header;
    header.rx_queues = port.rx_queues;
    header.tx_queues = port.tx_queues;
    header.tsc_hz = rte_get_tsc_hz();
    ++header.starts;
    for (std::uint16_t i = 0; i < device->data->nb_rx_queues; ++i) {
        resume(port.rx[i]);
        device->data->rx_queue_state[i] = RTE_ETH_QUEUE_STATE_STARTED;
    }
    for (std::uint16_t i = 0; i < device->data->nb_tx_queues; ++i)
        device->data->tx_queue_state[i] = RTE_ETH_QUEUE_STATE_STARTED;
    device->data->dev_link.link_status = RTE_ETH_LINK_UP;
    __atomic_store_n(&header.magic, kPageMagic, __ATOMIC_RELEASE);
    return 0;
}

int stop(rte_eth_dev* device) {
    for (std::uint16_t i = 0; i < device->data->nb_rx_queues; ++i)
        device->data->rx_queue_state[i] = RTE_ETH_QUEUE_STATE_STOPPED;
    for (std::uint16_t i = 0; i < device->data->nb_tx_queues; ++i)
        device->data->tx_queue_state[i] = RTE_ETH_QUEUE_STATE_STOPPED;
    device->data->dev_link.link_status = RTE_ETH_LINK_DOWN;
    return 0;
}

int close_device(rte_eth_dev* device) {
    if (rte_eal_process_type() != RTE_PROC_PRIMARY) return 0;
    Port& port = port_of(device);
    device->data->mac_addrs = nullptr;  // stands in the port, DPDK must not free it
    close_page(port.page);
    delete &port;
    return 0;
}

int info(rte_eth_dev*, rte_eth_dev_info* out) {
    out->max_mac_addrs = 1;
    out->max_rx_pktlen = 9022;
    out->max_mtu = 9000;
    out->min_rx_bufsize = 0;
    out->max_rx_queues = kMaxQueues;
    out->max_tx_queues = kMaxQueues;
    out->rx_offload_capa = RTE_ETH_RX_OFFLOAD_SCATTER;
    out->tx_offload_capa = RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
    return 0;
}

int set_rx_queue(rte_eth_dev* device, std::uint16_t number, std::uint16_t, unsigned, const rte_eth_rxconf*,
                 rte_mempool* pool) {
    Port& port = port_of(device);
    RxQueue& queue = port.rx[number];
    queue.port = &port;
    queue.pool = pool;
    queue.number = number;
    queue.counters = &port.page->rx[number];
    queue.writer.set(port.traffic, port.source);
    rte_mbuf sample{};
    sample.data_off = RTE_PKTMBUF_HEADROOM;
    sample.nb_segs = 1;
    sample.port = port.port_id;
    rte_mbuf_refcnt_set(&sample, 1);
    std::memcpy(&queue.rearm, &sample.rearm_data, sizeof queue.rearm);
    const std::uint32_t room = rte_pktmbuf_data_room_size(pool);
    if (room < RTE_PKTMBUF_HEADROOM + queue.writer.reach()) return -EINVAL;
    if (port.traffic.l4_checksum) {
        // Payloads are not written, so checksums count on zeros there.
        rte_mempool_obj_iter(
            pool,
            [](rte_mempool* from, void*, void* object, unsigned) {
                auto* packet = static_cast<rte_mbuf*>(object);
                std::memset(packet->buf_addr, 0, rte_pktmbuf_data_room_size(from));
            },
            nullptr);
    }
    device->data->rx_queues[number] = &queue;
    return 0;
}

int set_tx_queue(rte_eth_dev* device, std::uint16_t number, std::uint16_t, unsigned, const rte_eth_txconf*) {
    Port& port = port_of(device);
    TxQueue& queue = port.tx[number];
    queue.port = &port;
    queue.counters = &port.page->tx[number];
    queue.until_sample = port.traffic.sample;
    queue.until_check = std::max<std::uint64_t>(port.traffic.check, 1);
    device->data->tx_queues[number] = &queue;
    return 0;
}

int update_link(rte_eth_dev*, int) {
    return 0;
}
int set_mtu(rte_eth_dev*, std::uint16_t) {
    return 0;
}
int set_address(rte_eth_dev*, rte_ether_addr*) {
    return 0;
}
int set_promiscuous(rte_eth_dev*) {
    return 0;
}

int read_stats(rte_eth_dev* device, rte_eth_stats* out) {
    const Port& port = port_of(device);
    for (std::uint16_t i = 0; i < device->data->nb_rx_queues; ++i) {
        const RxCounters& queue = port.page->rx[i];
        out->ipackets += queue.packets;
        out->ibytes += queue.bytes;
        out->imissed += queue.missed;
        out->rx_nombuf += queue.no_buffer;
    }
    for (std::uint16_t i = 0; i < device->data->nb_tx_queues; ++i) {
        out->opackets += port.page->tx[i].packets;
        out->obytes += port.page->tx[i].bytes;
    }
    return 0;
}

// The page goes on counting: it is read by differences. A reset of the device's own statistics is not
// offered, so that nobody believes that there is one.
struct Extra {
    const char* name;
    std::uint64_t TxCounters::*sent;
    std::uint64_t RxCounters::*received;
};
constexpr std::array<Extra, 8> kExtra{{{"gen_missed", nullptr, &RxCounters::missed},
                                       {"gen_new_flows", nullptr, &RxCounters::new_flows},
                                       {"sink_sampled", &TxCounters::sampled, nullptr},
                                       {"sink_checked", &TxCounters::checked, nullptr},
                                       {"sink_unsigned", &TxCounters::unsigned_, nullptr},
                                       {"sink_wrong_port", &TxCounters::wrong_port, nullptr},
                                       {"sink_wrong_bytes", &TxCounters::wrong_bytes, nullptr},
                                       {"sink_reordered", &TxCounters::reordered, nullptr}}};

int extra_names(rte_eth_dev*, rte_eth_xstat_name* names, unsigned size) {
    for (std::size_t i = 0; names != nullptr && i < std::min<std::size_t>(size, kExtra.size()); ++i)
        snprintf(names[i].name, sizeof names[i].name, "%s", kExtra[i].name);
    return static_cast<int>(kExtra.size());
}

int extra_values(rte_eth_dev* device, rte_eth_xstat* values, unsigned size) {
    if (values == nullptr || size < kExtra.size()) return static_cast<int>(kExtra.size());
    const Port& port = port_of(device);
    for (std::size_t i = 0; i < kExtra.size(); ++i) {
        values[i].id = i;
        values[i].value = 0;
        for (std::size_t q = 0; q < kMaxQueues; ++q)
            values[i].value += kExtra[i].sent != nullptr ? port.page->tx[q].*kExtra[i].sent
                                                         : port.page->rx[q].*kExtra[i].received;
    }
    return static_cast<int>(kExtra.size());
}

const eth_dev_ops kOps = [] {
    eth_dev_ops ops{};
    ops.dev_configure = configure;
    ops.dev_start = start;
    ops.dev_stop = stop;
    ops.dev_close = close_device;
    ops.dev_infos_get = info;
    ops.rx_queue_setup = set_rx_queue;
    ops.tx_queue_setup = set_tx_queue;
    ops.link_update = update_link;
    ops.mtu_set = set_mtu;
    ops.mac_addr_set = set_address;
    ops.promiscuous_enable = set_promiscuous;
    ops.promiscuous_disable = set_promiscuous;
    ops.allmulticast_enable = set_promiscuous;
    ops.allmulticast_disable = set_promiscuous;
    ops.stats_get = read_stats;
    ops.xstats_get_names = extra_names;
    ops.xstats_get = extra_values;
    return ops;
}();

sluice::Result<Traffic> arguments_of(rte_vdev_device* device) {
    const char* text = rte_vdev_device_args(device);
    std::vector<std::pair<std::string, std::string>> pairs;
    rte_kvargs* parsed = rte_kvargs_parse(text == nullptr ? "" : text, traffic_keys());
    if (parsed == nullptr)
        return sluice::make_error(
            EINVAL, "generator: cannot read \"{}\": unknown key, or no list of key=value,...", text);
    rte_kvargs_process(
        parsed, nullptr,
        [](const char* key, const char* value, void* out) {
            static_cast<std::vector<std::pair<std::string, std::string>>*>(out)->emplace_back(
                key, value == nullptr ? "" : value);
            return 0;
        },
        &pairs);
    rte_kvargs_free(parsed);
    return Traffic::parse(pairs);
}

sluice::Result<void> create(rte_vdev_device* device) {
    auto traffic = arguments_of(device);
    if (!traffic) return traffic.error();
    auto port = std::make_unique<Port>();
    port->name = rte_vdev_device_name(device);
    port->traffic = std::move(*traffic);
    auto source = register_source(port->traffic);
    if (!source) return source.error();
    port->source = *source;
    auto page = open_page(port->traffic);
    if (!page) return page.error();
    port->page = *page;
    rte_eth_dev* made = rte_eth_vdev_allocate(device, sizeof(Port*));
    if (made == nullptr) {
        close_page(port->page);
        return sluice::make_error(ENOMEM, "generator: no room for another DPDK port {}", port->name);
    }
    port->port_id = made->data->port_id;
    port->address = {0x02, 0x5C, 0x47, 0, 0, static_cast<std::uint8_t>(port->source)};
    made->data->mac_addrs = reinterpret_cast<rte_ether_addr*>(port->address.data());  // NOLINT: six bytes
    made->data->dev_link = {.link_speed = RTE_ETH_SPEED_NUM_100G,
                            .link_duplex = RTE_ETH_LINK_FULL_DUPLEX,
                            .link_autoneg = RTE_ETH_LINK_FIXED,
                            .link_status = RTE_ETH_LINK_DOWN};
    made->data->promiscuous = 1;
    made->data->all_multicast = 1;
    made->data->dev_flags |= RTE_ETH_DEV_AUTOFILL_QUEUE_XSTATS;
    made->dev_ops = &kOps;
    made->rx_pkt_burst = receive;
    made->tx_pkt_burst = transmit;
    *static_cast<Port**>(made->data->dev_private) = port.release();
    rte_eth_dev_probing_finish(made);
    return {};
}

int probe(rte_vdev_device* device) {
    if (rte_eal_process_type() != RTE_PROC_PRIMARY) return -ENOTSUP;
#ifdef __AVX2__
    if (__builtin_cpu_supports("avx2") == 0) {
        rte_log(RTE_LOG_ERR, RTE_LOGTYPE_PMD,
                "net_sluice_gen: built for processors with AVX2, which this one lacks\n");
        return -ENOTSUP;
    }
#endif
    auto done = create(device);
    if (done) return 0;
    rte_log(RTE_LOG_ERR, RTE_LOGTYPE_PMD, "%s: %s\n", rte_vdev_device_name(device),
            done.error().message.c_str());
    return -done.error().code;
}

int remove(rte_vdev_device* device) {
    rte_eth_dev* found = rte_eth_dev_allocated(rte_vdev_device_name(device));
    return found == nullptr ? 0 : rte_eth_dev_close(found->data->port_id);
}

rte_vdev_driver driver = [] {
    rte_vdev_driver out{};
    out.probe = probe;
    out.remove = remove;
    return out;
}();

}  // namespace

RTE_PMD_REGISTER_VDEV(net_sluice_gen, driver);  // NOLINT
