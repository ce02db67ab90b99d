// SPDX-License-Identifier: Apache-2.0
// Underlay port: packet sockets on an interface that stays the kernel's, for tunnel packets alone.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "port/port.hpp"

namespace sluice {

/// Sends any frame, receives UDP to `udp_ports` and, with `gre`, GRE (both without fragments); the kernel
/// goes on to see all of them. Errors: as ports of type system. Control thread.
Result<std::unique_ptr<Port>> create_underlay_port(const std::string& device,
                                                   const std::vector<std::uint16_t>& udp_ports, bool gre);
/// Receives other ones from now on.
Result<void> set_underlay_filter(Port& port, const std::vector<std::uint16_t>& udp_ports, bool gre);

/// Sockets that take tunnel packets off the kernel's hands unread, so that it does not answer them with ICMP
/// "unreachable".
class KernelSilence {
  public:
    KernelSilence() = default;
    KernelSilence(const KernelSilence&) = delete;
    KernelSilence& operator=(const KernelSilence&) = delete;
    ~KernelSilence();
    /// Ports that somebody else has (a tunnel device of the kernel, say) are left to him; the name of the
    /// first one for the log, or nothing.
    std::string set(const std::vector<std::uint16_t>& udp_ports, bool gre);

  private:
    std::vector<int> sockets_;
};

}  // namespace sluice
