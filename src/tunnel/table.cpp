// SPDX-License-Identifier: Apache-2.0
#include "tunnel/table.hpp"

#include <algorithm>

namespace sluice::tunnel {

namespace {
constexpr unsigned kAnyLocal = 1, kAnyRemote = 2, kAnyKey = 4;
}

Table::Key Table::end_key(unsigned kind_class, Kind kind, std::uint16_t udp_port, Address remote,
                          Address local, std::uint64_t id) {
    if (kind_class & kAnyLocal) local = {};
    if (kind_class & kAnyRemote) remote = {};
    if (kind_class & kAnyKey) id = 0;
    return {
        {static_cast<std::uint64_t>(kind) << 16 | udp_port, remote.hi, remote.lo, local.hi, local.lo, id}};
}

Table::Key Table::route_key(Address remote, Address local, std::uint32_t mark) {
    return {{mark, remote.hi, remote.lo, local.hi, local.lo, 0}};
}

Table::Table(std::vector<End> ends, const std::vector<Address>& own_addresses,
             const std::vector<Route>& routes)
    : ends_(std::move(ends)), own_(own_addresses.begin(), own_addresses.end()) {
    for (std::uint32_t n = 0; n < ends_.size(); ++n) {
        const Config& config = *ends_[n].config;
        const unsigned kind_class = (config.local ? 0 : kAnyLocal) | (config.remote ? 0 : kAnyRemote) |
                                    (config.in_key.flow ? kAnyKey : 0);
        const Key key = end_key(kind_class, config.kind, config.udp_port, config.remote.value_or(Address{}),
                                config.local.value_or(Address{}), config.in_key.value);
        by_class_[kind_class].emplace(key, n);  // of two ports alike the first one has the packets
        if (config.udp_port == 0) {
            gre_ = true;
        } else if (std::none_of(listeners_.begin(), listeners_.end(),
                                [&](const Listener& l) { return l.udp_port == config.udp_port; })) {
            listeners_.push_back({config.udp_port, config.kind});
        }
    }
    for (const Route& route : routes)
        hops_.insert_or_assign(route_key(route.remote, route.local, route.mark), route.hop);
}

const End* Table::find(const Received& received) const noexcept {
    for (unsigned kind_class = 0; kind_class < kClasses; ++kind_class) {
        const auto& ends = by_class_[kind_class];
        if (ends.empty()) continue;
        const auto found = ends.find(
            end_key(kind_class, received.kind, received.udp_port, received.src, received.dst, received.id));
        if (found != ends.end()) return &ends_[found->second];
    }
    return nullptr;
}

const NextHop* Table::find(Address remote, Address local, std::uint32_t mark) const noexcept {
    const auto found = hops_.find(route_key(remote, local, mark));
    return found == hops_.end() ? nullptr : &found->second;
}

}  // namespace sluice::tunnel
