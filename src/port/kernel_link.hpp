// SPDX-License-Identifier: Apache-2.0
// A kernel network interface as rtnetlink and ethtool show it. Control thread only.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"
#include "base/types.hpp"
#include "port/port.hpp"

namespace sluice {

/// What RTM_GETLINK says (rtnetlink(7)).
struct LinkInfo {
    std::uint32_t ifindex = 0;
    std::uint32_t flags = 0;  ///< IFF_*
    std::uint16_t type = 0;   ///< ARPHRD_*
    std::uint32_t mtu = 0;
    MacBytes mac{};
    bool carrier = false;
    std::uint32_t carrier_changes = 0;
    std::string kind;          ///< IFLA_INFO_KIND: "veth", "bridge", "tun", ...; empty for hardware
    std::uint32_t master = 0;  ///< ifindex of the bridge or bond it belongs to
    std::uint32_t tx_queues = 1, rx_queues = 1;
    std::uint64_t rx_errors = 0, rx_dropped = 0, tx_dropped = 0, tx_errors = 0;
    std::uint64_t rx_crc_errors = 0, rx_frame_errors = 0, rx_over_errors = 0, collisions = 0;
    bool xdp_attached = false;
};

/// Owns two sockets in the network namespace it was made in.
class KernelLink {
  public:
    /// Errors: ENODEV with a sentence when the interface doesn't exist, EINVAL for a name over 15 bytes.
    static Result<KernelLink> open(const std::string& name);
    /// The same in the network namespace `netns` (a file descriptor of it), which lives on at least until the
    /// result is gone. EPERM without CAP_SYS_ADMIN.
    static Result<KernelLink> open_in(int netns, const std::string& name);
    KernelLink(KernelLink&& other) noexcept;
    KernelLink& operator=(KernelLink&&) = delete;
    ~KernelLink();

    const std::string& name() const { return name_; }
    std::uint32_t ifindex() const { return ifindex_; }
    /// Asks by index: ENODEV once the interface is gone.
    Result<LinkInfo> read() const;
    /// False when the interface of that index is gone or has another name.
    bool present() const;
    /// True when the interface has an IPv4 address.
    bool has_ipv4_address() const;
    Result<void> set_up(bool up) const;
    Result<void> set_mtu(std::uint32_t mtu) const;
    /// Sets the address, also while up where the driver allows.
    Result<void> set_mac(const MacBytes& mac) const;
    /// Driver, versions and bus as ETHTOOL_GDRVINFO has them; empty where it has none.
    struct Driver {
        std::string name, version, firmware, bus;
    };
    Driver driver() const;
    /// Speed and duplex from ETHTOOL_GLINKSETTINGS into `state`; unknown stays 0.
    void read_speed(PortState& state) const;
    /// Fills the fields of `state` that the kernel knows.
    Result<LinkInfo> fill(PortState& state) const;

  private:
    KernelLink(std::string name, int control, int netlink)
        : name_(std::move(name)), fd_(control), netlink_(netlink) {}
    Result<LinkInfo> query(std::uint32_t ifindex) const;

    std::string name_;
    int fd_;
    int netlink_;
    std::uint32_t ifindex_ = 0;
};

/// True from Linux 6.2 on, which knows VIRTIO_NET_HDR_GSO_UDP_L4.
bool kernel_takes_udp_gso();

}  // namespace sluice
