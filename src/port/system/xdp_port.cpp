// SPDX-License-Identifier: Apache-2.0
// See port/system/xdp_port.hpp.
#include "port/system/xdp_port.hpp"

#include <net/if_arp.h>

#include "port/options.hpp"

namespace sluice {

Result<std::unique_ptr<Port>> XdpPort::create(const PortConfig& config, std::string reason) {
    auto queues = option_number(config, "n_rxq", 1, 1, kMaxQueues);
    if (!queues) return queues.error();
    auto link = KernelLink::open(config.name);
    if (!link) return link.error();
    auto info = link->read();
    if (!info) return info.error();
    if (info->type != ARPHRD_ETHER)
        return make_error(EINVAL, "{}: not an Ethernet interface; a switch cannot use it", config.name);
    if (config.mtu_request)
        if (auto set = link->set_mtu(*config.mtu_request); !set) return set.error();

    PortConfig inner = config;
    // A queue needs a pair of the interface's own; MTU and address are the kernel's.
    inner.worker_count = *queues;
    inner.mtu_request.reset();
    inner.mac.reset();
    const std::string devargs =
        fmt::format("net_af_xdp_{},iface={},start_queue=0,queue_count={}", config.name, config.name, *queues);
    auto device = DpdkPort::create_with(inner, devargs);
    if (!device) return device.error();
    return std::unique_ptr<Port>{
        new XdpPort(config, std::move(*link), std::move(*device), std::move(reason))};
}

PortState XdpPort::state() {
    PortState state = device_->state();
    auto status = std::move(state.status);
    state = {};
    if (auto filled = link_.fill(state); !filled) state = {};
    status["driver_name"] = link_.driver().name;
    status["io"] = "af_xdp";
    status["io_reason"] = reason_;
    state.status = std::move(status);
    return state;
}

Result<void> XdpPort::reconfigure(const PortConfig& config) {
    if (config.mac && config.mac != config_.mac)
        if (auto set = link_.set_mac(*config.mac); !set) return set;
    PortConfig same = config;
    same.mac = config_.mac;
    if (!(same == config_)) return make_error(EXDEV, "{}: options, queues or MTU changed", config_.name);
    config_ = config;
    return {};
}

}  // namespace sluice
