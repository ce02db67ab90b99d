// SPDX-License-Identifier: Apache-2.0
// DPDK devices by devargs: plugged when a port asks for them, unplugged when the port goes. Control thread.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"

namespace sluice {

/// A DPDK ethdev that one port of ours holds.
class DpdkDevice {
  public:
    /// Plugs the device that `devargs` describes ("net_pcap0,rx_pcap=a.pcap", "0000:03:00.0") for port
    /// `owner`, or takes the one that EAL already probed. Errors: EINVAL (nothing there, no such driver; the
    /// sentence says what to type), EBUSY (another port holds it), ENODEV, EAGAIN (EAL doesn't run).
    static Result<DpdkDevice> plug(const std::string& owner, const std::string& devargs);
    DpdkDevice(DpdkDevice&& other) noexcept;
    DpdkDevice& operator=(DpdkDevice&&) = delete;
    /// Stops and closes the ethdev, unplugs a device that plug() plugged.
    ~DpdkDevice();

    std::uint16_t port_id() const { return port_id_; }
    const std::string& devargs() const { return devargs_; }

  private:
    DpdkDevice(std::string devargs, std::uint16_t port_id, bool plugged)
        : devargs_(std::move(devargs)), port_id_(port_id), plugged_(plugged) {}
    std::string devargs_;
    std::uint16_t port_id_;
    bool plugged_;
};

/// True for "0000:03:00.0" and "03:00.0".
bool is_pci_address(const std::string& name);
/// The part of devargs that names the device, before the first comma.
std::string device_name(const std::string& devargs);

}  // namespace sluice
