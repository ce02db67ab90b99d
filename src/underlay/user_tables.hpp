// SPDX-License-Identifier: Apache-2.0
// What the user tells by ovs/route/*, tnl/neigh/* and tnl/egress_port_range. Control thread only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "underlay/address.hpp"

namespace sluice::underlay {

/// UDP ports, both included.
struct PortRange {
    std::uint16_t first = 32768, last = 61000;
};

struct UserRoute {
    Prefix to;
    std::uint32_t mark = 0;
    std::string device;
    Address gateway{};  ///< zero: none
    Address source{};
};

struct UserNeighbour {
    MacBytes mac{};
    std::int64_t expires_ms = 0;  ///< of the switch's clock
};

struct UserTables {
    std::map<std::pair<Address, std::pair<unsigned, std::uint32_t>>, UserRoute> routes;  ///< prefix and mark
    std::map<std::pair<Address, std::string>, UserNeighbour> neighbours;                 ///< by device name
    std::uint32_t ageing_s = 900;
    PortRange egress_ports;

    /// The route of this mark with the longest prefix that contains the address, or null.
    const UserRoute* find_route(const Address& to, std::uint32_t mark) const {
        const UserRoute* best = nullptr;
        for (const auto& [key, route] : routes)
            if (route.mark == mark && route.to.contains(to) && (!best || route.to.length > best->to.length))
                best = &route;
        return best;
    }
};

}  // namespace sluice::underlay
