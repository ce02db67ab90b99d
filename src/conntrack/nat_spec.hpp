// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "base/types.hpp"

namespace sluice::conntrack {

/// nat(src=...) or nat(dst=...).
struct NatSpec {
    bool src = true;  ///< else dst
    bool has_address = false, v6 = false;
    bool persistent = false, random = false;
    U128 min, max;                             ///< addresses, inclusive
    std::uint16_t port_min = 0, port_max = 0;  ///< 0: the packet's own if it is free
};

}  // namespace sluice::conntrack
