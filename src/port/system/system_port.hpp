// SPDX-License-Identifier: Apache-2.0
// System port: a network interface of the kernel, types "system" and "". Chooses how to reach it:
// packet sockets (port/system/packet_socket_port.hpp) or AF_XDP (port/system/xdp_port.hpp).
#pragma once

#include <memory>
#include <string>

#include "base/result.hpp"
#include "port/kernel_link.hpp"
#include "port/port.hpp"

namespace sluice {

/// How frames travel between an interface and us, and why so; both end in Interface:status.
struct IoChoice {
    bool xdp = false;
    std::string reason;
};
/// The rule of options:io=auto: AF_XDP for hardware whose driver runs XDP natively, packet sockets for
/// all else: a virtual interface's frames are large and unfinished, and AF_XDP loses both.
IoChoice choose_io(const LinkInfo& info, const KernelLink::Driver& driver);

struct SystemPort {
    /// options: io=auto|af_packet|af_xdp, n_rxq, kernel-stack=auto|drop|pass. io=auto falls back to packet
    /// sockets when AF_XDP fails. Errors: as the two kinds.
    static Result<std::unique_ptr<Port>> create(const PortConfig& config);
};

}  // namespace sluice
