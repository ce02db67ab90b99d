// SPDX-License-Identifier: Apache-2.0
// Which of a guest's queues a frame goes to: a hash of its flow that is the same in both directions, so that
// a connection stays on one of the guest's processors.
#pragma once

#include <cstdint>

#include "packet/packet.hpp"

namespace sluice::guest {

/// Hash of addresses, protocol and ports, of the inner packet for VXLAN, Geneve, GRE and IP in IP; without
/// ports for fragments; of the Ethernet addresses for what is not IP. Symmetric. Reads the first segment
/// only.
std::uint32_t flow_hash(const Packet* packet) noexcept;

}  // namespace sluice::guest
