// SPDX-License-Identifier: Apache-2.0
// See port/dpdk/devargs.hpp.
#include "port/dpdk/devargs.hpp"

#include <algorithm>
#include <cctype>
#include <map>

#include <rte_bus.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>

#include "packet/eal.hpp"
#include "port/dpdk/memif_guard.hpp"

namespace sluice {
namespace {

/// Device name -> port that holds it.
std::map<std::string, std::string>& holders() {
    static std::map<std::string, std::string> map;
    return map;
}

constexpr std::string_view kExamples =
    "a PCI address such as 0000:03:00.0, or a virtual device such as net_memif0,role=server,id=0 "
    "or net_pcap0,iface=eth1";

bool find_ethdev(const std::string& name, const std::string& devargs, std::uint16_t& port_id) {
    if (rte_eth_dev_get_port_by_name(name.c_str(), &port_id) == 0) return true;
    // A device may have several ports or name them otherwise; take the first that matches.
    rte_dev_iterator iterator;
    std::uint16_t found = RTE_MAX_ETHPORTS;
    RTE_ETH_FOREACH_MATCHING_DEV(found, devargs.c_str(), &iterator) {
        port_id = found;
        rte_eth_iterator_cleanup(&iterator);
        return true;
    }
    return false;
}

Error probe_error(const std::string& owner, const std::string& devargs, const std::string& name, int code) {
    if (is_pci_address(name))
        return make_error(
            code,
            "{}: cannot attach PCI device {}: {}; check that it exists (lspci) and is bound to a "
            "user-space driver (dpdk-devbind.py -b vfio-pci {})",
            owner, name, rte_strerror(code), name);
    return make_error(code,
                      "{}: cannot create the device of options:dpdk-devargs=\"{}\": {}; expected {}; the log "
                      "module dpdk says more",
                      owner, devargs, rte_strerror(code), kExamples);
}

}  // namespace

bool is_pci_address(const std::string& name) {
    return std::count(name.begin(), name.end(), ':') >= 1 && name.find('.') != std::string::npos &&
           std::isxdigit(static_cast<unsigned char>(name[0])) != 0;
}

std::string device_name(const std::string& devargs) {
    std::string name = devargs.substr(0, devargs.find(','));
    for (std::string_view bus : {"vdev:", "pci:"})
        if (name.rfind(bus, 0) == 0) name.erase(0, bus.size());
    return name;
}

Result<DpdkDevice> DpdkDevice::plug(const std::string& owner, const std::string& devargs) {
    const std::string name = device_name(devargs);
    if (name.empty())
        return make_error(EINVAL, "{}: a dpdk port needs options:dpdk-devargs=<device>: {}", owner,
                          kExamples);
    if (!eal_running())
        return make_error(
            EAGAIN, "{}: DPDK is not running (see dpdk_initialized); set other_config:dpdk-init=true", owner);
    if (const auto held = holders().find(name); held != holders().end())
        return make_error(
            EBUSY,
            "{}: device {} is already used by port {}; give each port a device of its own (net_null0, "
            "net_null1, ...)",
            owner, name, held->second);
    std::uint16_t port_id = 0;
    bool plugged = false;
    if (!find_ethdev(name, devargs, port_id)) {
        int failed = 0;
        const auto probe = [&] { failed = rte_dev_probe(devargs.c_str()); };
        if (is_memif(name)) {
            on_interrupt_thread(probe);
        } else {
            probe();
        }
        if (failed != 0) return probe_error(owner, devargs, name, std::abs(failed));
        plugged = true;
        if (!find_ethdev(name, devargs, port_id))
            return make_error(
                ENODEV, "{}: options:dpdk-devargs=\"{}\" made a device that is no Ethernet port; expected {}",
                owner, devargs, kExamples);
    }
    holders()[name] = owner;
    return DpdkDevice{devargs, port_id, plugged};
}

DpdkDevice::DpdkDevice(DpdkDevice&& other) noexcept
    : devargs_(std::move(other.devargs_)), port_id_(other.port_id_), plugged_(other.plugged_) {
    other.port_id_ = RTE_MAX_ETHPORTS;
}

DpdkDevice::~DpdkDevice() {
    if (port_id_ == RTE_MAX_ETHPORTS) return;
    holders().erase(device_name(devargs_));
    if (!rte_eth_dev_is_valid_port(port_id_)) return;
    const auto unplug = [this] {
        rte_eth_dev_info info{};
        const bool known = rte_eth_dev_info_get(port_id_, &info) == 0;
        rte_eth_dev_stop(port_id_);
        rte_eth_dev_close(port_id_);
        if (known && info.device != nullptr) rte_dev_remove(info.device);
    };
    if (is_memif(devargs_)) {
        on_interrupt_thread(unplug);
    } else {
        unplug();
    }
}

}  // namespace sluice
