// SPDX-License-Identifier: Apache-2.0
// See port/system/system_port.hpp.
#include "port/system/system_port.hpp"

#include <algorithm>
#include <array>

#include <fmt/core.h>

#include "port/options.hpp"
#include "port/system/packet_socket_port.hpp"
#include "port/system/xdp_port.hpp"

namespace sluice {
namespace {

/// Drivers with native XDP and AF_XDP zero copy (Linux Documentation/networking/af_xdp.rst and the drivers'
/// ndo_bpf handling XDP_SETUP_XSK_POOL). virtio_net is left out: it needs its large frames more.
constexpr std::array<std::string_view, 10> kXdpDrivers = {"i40e",  "ice",       "idpf", "igb",    "igc",
                                                          "ixgbe", "mlx5_core", "nfp",  "stmmac", "gve"};

}  // namespace

IoChoice choose_io(const LinkInfo& info, const KernelLink::Driver& driver) {
    if (!info.kind.empty())
        return {false, fmt::format("auto: {} is a virtual interface, packet sockets keep its large frames",
                                   info.kind)};
    if (driver.bus.empty() || driver.name.empty())
        return {false, "auto: not a device on a bus, packet sockets keep its large frames"};
    if (std::find(kXdpDrivers.begin(), kXdpDrivers.end(), driver.name) == kXdpDrivers.end())
        return {false, fmt::format("auto: driver {} is not known for native AF_XDP", driver.name)};
    if (info.xdp_attached) return {false, "auto: another program has XDP on this interface"};
    return {true, fmt::format("auto: driver {} runs XDP natively", driver.name)};
}

Result<std::unique_ptr<Port>> SystemPort::create(const PortConfig& config) {
    report_unknown_options(config, {"io", "n_rxq", "n_rxq_desc", "n_txq_desc", "kernel-stack"});
    auto io = option_word(config, "io", {"auto", "af_packet", "af_xdp"});
    if (!io) return io.error();
    if (*io == "af_packet") return PacketSocketPort::create(config, "options:io=af_packet");
    if (*io == "af_xdp") return XdpPort::create(config, "options:io=af_xdp");
    IoChoice choice;
    {
        auto link = KernelLink::open(config.name);
        if (!link) return link.error();
        auto info = link->read();
        if (!info) return info.error();
        choice = choose_io(*info, link->driver());
    }
    if (!choice.xdp) return PacketSocketPort::create(config, choice.reason);
    auto port = XdpPort::create(config, choice.reason);
    if (port) return port;
    return PacketSocketPort::create(config, fmt::format("auto: AF_XDP failed: {}", port.error().message));
}

}  // namespace sluice
