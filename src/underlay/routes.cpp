// SPDX-License-Identifier: Apache-2.0
// See underlay/mirror.hpp. Routes: the kernel's decision, the user's routes before it, and the list of all.
#include <algorithm>
#include <cerrno>

#include <sys/socket.h>

#include "underlay/mirror.hpp"

namespace sluice::underlay {
namespace {

constexpr std::size_t kMaxDecided = 65536;  ///< beyond, all are asked for anew: memory stays bounded

/// What RTM_NEWROUTE says.
struct Route {
    const rtmsg* body = nullptr;
    Address to{}, source{}, gateway{};
    std::uint32_t oif = 0, table = 0, mtu = 0;
};

/// RTA_VIA: a gateway of another family than the route's.
Address via_of(const rtattr& attribute) {
    const auto* data = static_cast<const std::uint8_t*>(RTA_DATA(&attribute));
    const std::size_t bytes = RTA_PAYLOAD(&attribute), head = sizeof(sa_family_t);
    return bytes > head ? address_of(data + head, bytes - head) : Address{};
}

void read_attribute(const rtattr& at, int type, Route& route) {
    switch (type) {
        case RTA_DST:
            route.to = address_of(at);
            break;
        case RTA_PREFSRC:
            route.source = address_of(at);
            break;
        case RTA_GATEWAY:
            route.gateway = address_of(at);
            break;
        case RTA_VIA:
            route.gateway = via_of(at);
            break;
        case RTA_OIF:
            route.oif = value_of<std::uint32_t>(at);
            break;
        case RTA_TABLE:
            route.table = value_of<std::uint32_t>(at);
            break;
        case RTA_METRICS:
            each_nested(at, [&](const rtattr& metric, int which) {
                if (which == RTAX_MTU) route.mtu = value_of<std::uint32_t>(metric);
            });
            break;
        case RTA_MULTIPATH:  // the list of all routes shows the first way
            if (RTA_PAYLOAD(&at) >= sizeof(rtnexthop)) {
                const auto& first = *static_cast<const rtnexthop*>(RTA_DATA(&at));
                if (first.rtnh_len < sizeof(rtnexthop) || first.rtnh_len > RTA_PAYLOAD(&at)) break;
                route.oif = static_cast<std::uint32_t>(first.rtnh_ifindex);
                each_attribute(RTNH_DATA(&first), first.rtnh_len - sizeof(rtnexthop),
                               [&](const rtattr& sub, int kind) { read_attribute(sub, kind, route); });
            }
            break;
        default:
            break;
    }
}

Route parse_route(const nlmsghdr& message) {
    Route route;
    route.body =
        parse_message<rtmsg>(message, [&](const rtattr& at, int type) { read_attribute(at, type, route); });
    if (route.body && route.table == 0) route.table = route.body->rtm_table;
    return route;
}

bool known_family(const Route& route) {
    return route.body && (route.body->rtm_family == AF_INET || route.body->rtm_family == AF_INET6);
}

}  // namespace

Result<Hop> Mirror::hop(const Address& to, const std::optional<Address>& from, std::uint32_t mark) {
    const Query query{to, from.value_or(Address{}), mark};
    auto found = decided_.find(query);
    if (found == decided_.end()) {
        if (decided_.size() >= kMaxDecided) decided_.clear();
        found = decided_.emplace(query, decide(query)).first;
    }
    if (!found->second) return found->second.error();
    Hop hop = *found->second;
    add_neighbour(hop);
    return hop;
}

Result<Hop> Mirror::look(const Address& to, const std::optional<Address>& from, std::uint32_t mark) {
    auto hop = decide({to, from.value_or(Address{}), mark});
    if (hop) add_neighbour(*hop);
    return hop;
}

Result<Hop> Mirror::decide(const Query& query) {
    if (!is_local(query.to))
        if (auto hop = user_hop(query)) return *hop;
    return ask_kernel(query);
}

std::optional<Hop> Mirror::user_hop(const Query& query) const {
    const UserRoute* route = user_.find_route(query.to, query.mark);
    const Link* link = route ? find_link(route->device) : nullptr;
    if (!link) return std::nullopt;
    Hop hop;
    hop.ifindex = link->ifindex;
    hop.next = route->gateway.is_zero() ? query.to : route->gateway;
    hop.source = route->source;
    complete(hop, query);
    return hop;
}

Result<Hop> Mirror::ask_kernel(const Query& query) {
    rtmsg body{};
    const bool ipv4 = is_ipv4(query.to);
    body.rtm_family = ipv4 ? AF_INET : AF_INET6;
    body.rtm_dst_len = ipv4 ? 32 : 128;
    NetlinkRequest request(RTM_GETROUTE, NLM_F_ACK, body);
    request.add_address(RTA_DST, query.to);
    if (query.mark != 0) request.add(RTA_MARK, query.mark);
    // The kernel refuses a source that is not its own; OVS sends from it all the same.
    if (!query.from.is_zero() && is_ipv4(query.from) == ipv4 && is_local(query.from)) {
        request.add_address(RTA_SRC, query.from);
        if (const std::uint32_t vrf = vrf_of(query.from)) request.add(RTA_OIF, vrf);
    }
    Result<Hop> answer = make_error(ENETUNREACH, "no answer");
    const auto asked = requests_.ask(request, [&](const nlmsghdr& message) {
        if (message.nlmsg_type == RTM_NEWROUTE) answer = read_route(message, query);
    });
    if (asked && answer) return answer;
    const Error& error = asked ? answer.error() : asked.error();
    return make_error(error.code, "no route to {}: {}", format_address(query.to), error.message);
}

Result<Hop> Mirror::read_route(const nlmsghdr& message, const Query& query) const {
    const Route route = parse_route(message);
    if (!known_family(route)) return make_error(EPROTO, "an answer that can't be read");
    switch (route.body->rtm_type) {
        case RTN_UNICAST:
        case RTN_LOCAL:
        case RTN_ANYCAST:
        case RTN_MULTICAST:
        case RTN_BROADCAST:
            break;
        default:  // IPv6 answers for blackhole, unreachable and prohibit
            return make_error(ENETUNREACH, "Network is unreachable");
    }
    Hop hop;
    hop.ifindex = route.oif;
    hop.next = route.gateway.is_zero() ? query.to : route.gateway;
    hop.source = route.source;
    hop.mtu = route.mtu;
    hop.local = route.body->rtm_type == RTN_LOCAL || route.body->rtm_type == RTN_ANYCAST;
    if (hop.local) {  // the kernel says "lo"; who asks wants the interface that has the address
        for (const auto& [key, length] : addresses_)
            if (key.second == query.to) hop.ifindex = key.first;
    }
    complete(hop, query);
    if (!find_link(hop.ifindex)) return make_error(ENODEV, "interface {} is gone", hop.ifindex);
    return hop;
}

/// What follows from the link.
void Mirror::complete(Hop& hop, const Query& query) const {
    if (!query.from.is_zero()) hop.source = query.from;
    const Link* link = find_link(hop.ifindex);
    if (!link) return;
    hop.device = link->name;
    hop.own_mac = link->mac;
    hop.mtu = hop.mtu == 0 ? link->mtu : std::min(hop.mtu, link->mtu);
    if (hop.source.is_zero()) hop.source = source_for(hop.ifindex, hop.next);
}

/// The interface's address whose subnet has the peer, else any of the same family; global ones first.
Address Mirror::source_for(std::uint32_t ifindex, const Address& peer) const {
    Address best{};
    int best_rank = 0;
    for (const auto& [key, length] : addresses_) {
        if (key.first != ifindex || is_ipv4(key.second) != is_ipv4(peer)) continue;
        const bool near = Prefix{key.second, length}.contains(peer);
        const bool wide = is_link_local_ipv6(key.second) == is_link_local_ipv6(peer);
        const int rank = 1 + (near ? 2 : 0) + (wide ? 1 : 0);
        if (rank > best_rank) {
            best = key.second;
            best_rank = rank;
        }
    }
    return best;
}

/// The VRF that the interface with this address belongs to, or 0.
std::uint32_t Mirror::vrf_of(const Address& address) const {
    for (const auto& [key, length] : addresses_) {
        if (key.second != address) continue;
        const Link* link = find_link(key.first);
        const Link* master = link && link->master != 0 ? find_link(link->master) : nullptr;
        if (master && master->is_vrf) return master->ifindex;
    }
    return 0;
}

Result<void> Mirror::add_route(const Prefix& to, const std::string& device, std::optional<Address> gateway,
                               std::uint32_t mark) {
    const Link* link = find_link(device);
    if (!link) return make_error(ENODEV, "there is no interface {}", device);
    const Address peer = gateway.value_or(to.address);
    const Address source = source_for(link->ifindex, peer);
    const auto has = addresses_.find({link->ifindex, source});
    if (has == addresses_.end() || !Prefix{source, has->second}.contains(peer))
        return make_error(ENETUNREACH, "{} has no address in the subnet of {}", device, format_address(peer));
    user_.routes[{to.address, {to.length, mark}}] = {to, mark, device, gateway.value_or(Address{}), source};
    routes_changed();
    return {};
}

bool Mirror::remove_route(const Prefix& to, std::uint32_t mark) {
    if (user_.routes.erase({to.address, {to.length, mark}}) == 0) return false;
    routes_changed();
    return true;
}

std::optional<RouteRow> Mirror::parse_row(const nlmsghdr& message) const {
    const Route route = parse_route(message);
    if (!known_family(route) || (route.body->rtm_flags & RTM_F_CLONED) != 0) return std::nullopt;
    if (route.body->rtm_type != RTN_UNICAST && route.body->rtm_type != RTN_LOCAL) return std::nullopt;
    const Link* link = find_link(route.oif);
    if (!link) return std::nullopt;
    const bool ipv4 = route.body->rtm_family == AF_INET;
    RouteRow row;
    row.to.address = route.to.is_zero() && ipv4 ? from_ipv4(0) : route.to;
    row.to.length = route.body->rtm_dst_len + (ipv4 ? 96U : 0U);
    row.device = link->name;
    row.gateway = route.gateway;
    row.table = route.table;
    row.local = route.body->rtm_type == RTN_LOCAL;
    const Address peer = row.gateway.is_zero() ? row.to.address : row.gateway;
    row.source = route.source.is_zero() ? source_for(route.oif, peer) : route.source;
    return row;
}

Result<std::vector<RouteRow>> Mirror::routes() {
    std::vector<RouteRow> rows;
    for (const auto& [key, route] : user_.routes)
        rows.push_back({route.to, route.device, route.gateway, route.source, 0, route.mark, false, true});
    rtmsg body{};
    NetlinkRequest request(RTM_GETROUTE, NLM_F_DUMP, body);
    const auto asked = requests_.ask(request, [&](const nlmsghdr& message) {
        if (message.nlmsg_type != RTM_NEWROUTE) return;
        if (auto row = parse_row(message)) rows.push_back(std::move(*row));
    });
    if (!asked)
        return make_error(asked.error().code, "reading the kernel's routes: {}", asked.error().message);
    std::stable_sort(rows.begin(), rows.end(), [](const RouteRow& a, const RouteRow& b) {
        if (a.local != b.local) return a.local;
        if (a.to.length != b.to.length) return a.to.length > b.to.length;
        return is_ipv4(a.to.address) && !is_ipv4(b.to.address);
    });
    return rows;
}

}  // namespace sluice::underlay
