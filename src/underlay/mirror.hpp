// SPDX-License-Identifier: Apache-2.0
// Mirror: how a packet to some address leaves this host, by the kernel's own routes and neighbours.
//
// Links, addresses and neighbours of the daemon's network namespace are mirrored; decisions about routes are
// the kernel's own (RTM_GETROUTE), so that policy rules, VRFs, metrics and multipath need no copy of their
// logic, and are kept until the kernel announces a change of routes, rules, next hops, links or addresses.
// Routes that the user adds (ovs/route/add) come first, but for addresses of this host.
//
//     auto hop = mirror.hop(remote, local, mark);
//     if (hop && !hop->has_neighbour) mirror.solicit(*hop);
//     if (mirror.generation() != seen) ...ask again for every tunnel...
//
// One thread (control). The event loop watches fd() and calls run(); tend() runs once a second. Nothing waits
// for more than the kernel's answer to one request.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "underlay/address.hpp"
#include "underlay/netlink.hpp"
#include "underlay/user_tables.hpp"

namespace sluice::underlay {

/// A network interface of the kernel.
struct Link {
    std::uint32_t ifindex = 0;
    std::string name;
    std::uint32_t flags = 0;  ///< IFF_*
    std::uint16_t type = 0;   ///< ARPHRD_*
    std::uint32_t mtu = 0;
    MacBytes mac{};            ///< zero when it has no Ethernet address
    std::uint32_t master = 0;  ///< ifindex, 0: none
    bool is_vrf = false;
    friend bool operator==(const Link&, const Link&) = default;
};

/// An address that an interface has.
struct LocalAddress {
    std::uint32_t ifindex = 0;
    std::string device;
    Address address{};
    unsigned length = 0;  ///< of its subnet, in 128 bits: IPv4's are 96 or more
    friend bool operator==(const LocalAddress&, const LocalAddress&) = default;
};

/// How a packet to some address leaves this host.
struct Hop {
    std::uint32_t ifindex = 0;
    std::string device;          ///< where it leaves; of a local address, where that is
    Address source{};            ///< as asked for, else the kernel's choice
    Address next{};              ///< gateway (of either family), or the address itself
    MacBytes own_mac{};          ///< zero when the device has no Ethernet address
    MacBytes next_mac{};         ///< valid if `has_neighbour`; zero on devices without Ethernet
    bool has_neighbour = false;  ///< false for local addresses
    std::uint32_t mtu = 0;       ///< bytes of an IP packet: the device's or the route's, whichever is less
    bool local = false;          ///< the address is one of this host's own
};

/// A neighbour as tnl/neigh/show prints it.
struct NeighbourRow {
    Address address{};
    MacBytes mac{};
    std::string device;
};

/// A route as ovs/route/show prints it.
struct RouteRow {
    Prefix to;
    std::string device;
    Address gateway{}, source{};  ///< zero: none
    std::uint32_t table = 0;      ///< RT_TABLE_*
    std::uint32_t mark = 0;       ///< of a user route
    bool local = false, user = false;
};

class Mirror {
  public:
    /// Opens the sockets and reads what is there. Errors: no descriptors left, or netlink is forbidden.
    static Result<std::unique_ptr<Mirror>> open();

    /// Readable when there is work for run().
    int fd() const { return events_.fd(); }
    /// Reads what has changed.
    void run();
    /// Once a second: asks the kernel to resolve or confirm the neighbours that hop() was asked for since the
    /// last change of routes, and lets entries of tnl/neigh/set expire.
    void tend();
    /// Changes whenever an answer of hop() may have changed.
    std::uint64_t generation() const { return generation_; }

    /// The way to `to`; `from` the source that the packet will have, `mark` its pkt_mark. ENETUNREACH and
    /// others of the kernel's when there is none. Costs one request to the kernel when it was not asked since
    /// the last change of routes, otherwise look-ups only.
    Result<Hop> hop(const Address& to, const std::optional<Address>& from, std::uint32_t mark);
    /// The same without taking the answer for one that is in use (tend() will not ask for its neighbour).
    Result<Hop> look(const Address& to, const std::optional<Address>& from, std::uint32_t mark);
    /// Asks the kernel to resolve the neighbour, at most once a second each; the answer shows in
    /// generation(). Needs CAP_NET_ADMIN. Nothing to do for local hops and devices without neighbours.
    void solicit(const Hop& hop);

    bool is_local(const Address& address) const;
    /// Every address of this host, by interface.
    std::vector<LocalAddress> addresses() const;
    const Link* find_link(std::string_view name) const;
    const Link* find_link(std::uint32_t ifindex) const;

    /// Adds a user route: of this mark only, over `device`, which must have an address in the subnet of the
    /// gateway (of the prefix without one). One of the same prefix and mark is replaced. ENODEV, ENETUNREACH.
    Result<void> add_route(const Prefix& to, const std::string& device, std::optional<Address> gateway,
                           std::uint32_t mark);
    /// False if there is no such user route.
    bool remove_route(const Prefix& to, std::uint32_t mark);
    /// User routes and all of the kernel's unicast and local ones, local first, then by length of the prefix.
    Result<std::vector<RouteRow>> routes();

    /// Settles a neighbour by hand for neighbour_ageing_s() seconds; it wins over the kernel's.
    void set_neighbour(const std::string& device, const Address& address, const MacBytes& mac);
    /// Forgets what set_neighbour() has set, and has the kernel resolve the neighbours in use anew.
    void flush_neighbours();
    std::vector<NeighbourRow> neighbours() const;
    std::uint32_t neighbour_ageing_s() const { return user_.ageing_s; }
    /// 1..3600; holds for what is set from now on.
    void set_neighbour_ageing(std::uint32_t seconds) { user_.ageing_s = seconds; }

    /// UDP source ports of tunnel packets (tnl/egress_port_range).
    const PortRange& egress_ports() const { return user_.egress_ports; }
    void set_egress_ports(PortRange range);

  private:
    struct Query {
        Address to{}, from{};  ///< from zero: any
        std::uint32_t mark = 0;
        friend auto operator<=>(const Query&, const Query&) = default;
    };
    struct NeighbourKey {
        std::uint32_t ifindex = 0;
        Address address{};
        friend auto operator<=>(const NeighbourKey&, const NeighbourKey&) = default;
    };
    struct Neighbour {
        MacBytes mac{};
        std::uint16_t state = 0;  ///< NUD_*
    };

    Mirror(Netlink events, Netlink requests) : events_(std::move(events)), requests_(std::move(requests)) {}
    Result<void> load();
    void handle(const nlmsghdr& message);
    void handle_link(const nlmsghdr& message);
    void handle_address(const nlmsghdr& message);
    void handle_neighbour(const nlmsghdr& message);
    void routes_changed();
    // routes.cpp
    Result<Hop> decide(const Query& query);
    std::optional<Hop> user_hop(const Query& query) const;
    Result<Hop> ask_kernel(const Query& query);
    Result<Hop> read_route(const nlmsghdr& message, const Query& query) const;
    void complete(Hop& hop, const Query& query) const;
    void add_neighbour(Hop& hop) const;
    Address source_for(std::uint32_t ifindex, const Address& peer) const;
    std::uint32_t vrf_of(const Address& address) const;
    std::optional<RouteRow> parse_row(const nlmsghdr& message) const;
    void ask_neighbour(const NeighbourKey& key);

    Netlink events_, requests_;
    std::map<std::uint32_t, Link> links_;                              ///< by ifindex
    std::map<std::pair<std::uint32_t, Address>, unsigned> addresses_;  ///< (ifindex, address) -> length
    std::map<NeighbourKey, Neighbour> neighbours_;
    std::map<Query, Result<Hop>> decided_;        ///< without neighbours; since the last change of routes
    std::map<NeighbourKey, std::int64_t> asked_;  ///< when each was last solicited, ms of the machine's clock
    UserTables user_;
    std::uint64_t generation_ = 1;
};

}  // namespace sluice::underlay
