// SPDX-License-Identifier: Apache-2.0
// See underlay/mirror.hpp. What the kernel announces; routes are in routes.cpp, neighbours in neighbours.cpp.
#include "underlay/mirror.hpp"

#include <cerrno>

#include <net/if.h>
#include <net/if_arp.h>
#include <sys/socket.h>

#include "base/log.hpp"

namespace sluice::underlay {
namespace {

const log::Module kLog{"underlay"};

constexpr int kGroups[] = {RTNLGRP_LINK,        RTNLGRP_NEIGH,      RTNLGRP_IPV4_IFADDR,
                           RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE,
                           RTNLGRP_IPV4_RULE,   RTNLGRP_IPV6_RULE,  RTNLGRP_NEXTHOP};

bool is_vrf(const rtattr& info) {
    bool found = false;
    each_nested(info, [&](const rtattr& at, int type) {
        if (type == IFLA_INFO_KIND && text_of(at) == "vrf") found = true;
    });
    return found;
}

}  // namespace

Result<std::unique_ptr<Mirror>> Mirror::open() {
    auto events = Netlink::open(kGroups);  // before reading, so that no change falls between
    if (!events) return events.error();
    auto requests = Netlink::open();
    if (!requests) return requests.error();
    std::unique_ptr<Mirror> mirror(new Mirror(std::move(*events), std::move(*requests)));
    if (auto ok = mirror->load(); !ok) return ok.error();
    return mirror;
}

Result<void> Mirror::load() {
    links_.clear();
    addresses_.clear();
    neighbours_.clear();
    routes_changed();
    NetlinkRequest dumps[] = {{RTM_GETLINK, NLM_F_DUMP, ifinfomsg{}},
                              {RTM_GETADDR, NLM_F_DUMP, ifaddrmsg{}},
                              {RTM_GETNEIGH, NLM_F_DUMP, ndmsg{}}};
    for (NetlinkRequest& request : dumps)
        if (auto ok = requests_.ask(request, [this](const nlmsghdr& message) { handle(message); }); !ok)
            return make_error(ok.error().code, "reading the kernel's tables: {}", ok.error().message);
    return {};
}

void Mirror::run() {
    const auto read = events_.read([this](const nlmsghdr& message) { handle(message); });
    if (read) return;
    if (read.error().code != ENOBUFS) {
        kLog.warn("{}", read.error().message);
        return;
    }
    // Announcements were lost: what is there now counts.
    if (auto ok = load(); !ok) kLog.warn("{}", ok.error().message);
}

void Mirror::handle(const nlmsghdr& message) {
    switch (message.nlmsg_type) {
        case RTM_NEWLINK:
        case RTM_DELLINK:
            return handle_link(message);
        case RTM_NEWADDR:
        case RTM_DELADDR:
            return handle_address(message);
        case RTM_NEWNEIGH:
        case RTM_DELNEIGH:
            return handle_neighbour(message);
        case RTM_NEWROUTE:
        case RTM_DELROUTE:
        case RTM_NEWRULE:
        case RTM_DELRULE:
        case RTM_NEWNEXTHOP:
        case RTM_DELNEXTHOP:
            return routes_changed();
        default:
            return;
    }
}

void Mirror::handle_link(const nlmsghdr& message) {
    Link link;
    const auto* body = parse_message<ifinfomsg>(message, [&](const rtattr& at, int type) {
        if (type == IFLA_IFNAME) link.name = text_of(at);
        if (type == IFLA_MTU) link.mtu = value_of<std::uint32_t>(at);
        if (type == IFLA_MASTER) link.master = value_of<std::uint32_t>(at);
        if (type == IFLA_ADDRESS && RTA_PAYLOAD(&at) == sizeof(MacBytes)) link.mac = value_of<MacBytes>(at);
        if (type == IFLA_LINKINFO) link.is_vrf = is_vrf(at);
    });
    if (!body || (body->ifi_family != AF_UNSPEC && body->ifi_family != AF_PACKET))
        return;  // of a bridge's port
    link.ifindex = static_cast<std::uint32_t>(body->ifi_index);
    link.type = body->ifi_type;
    link.flags = body->ifi_flags;
    if (link.type != ARPHRD_ETHER) link.mac = {};
    if (message.nlmsg_type == RTM_DELLINK) {
        // Neither addresses nor neighbours of a link that goes are announced for sure.
        std::erase_if(addresses_, [&](const auto& entry) { return entry.first.first == link.ifindex; });
        std::erase_if(neighbours_, [&](const auto& entry) { return entry.first.ifindex == link.ifindex; });
        if (links_.erase(link.ifindex) != 0) routes_changed();
        return;
    }
    Link& known = links_[link.ifindex];
    if (known == link) return;  // statistics and the like
    known = std::move(link);
    routes_changed();
}

void Mirror::handle_address(const nlmsghdr& message) {
    Address address{}, local{};
    const auto* body = parse_message<ifaddrmsg>(message, [&](const rtattr& at, int type) {
        if (type == IFA_ADDRESS) address = address_of(at);
        if (type == IFA_LOCAL) local = address_of(at);
    });
    if (!body || (body->ifa_family != AF_INET && body->ifa_family != AF_INET6)) return;
    if (!local.is_zero()) address = local;  // IFA_ADDRESS is the peer's of a point-to-point link
    if (address.is_zero()) return;
    const unsigned length = body->ifa_prefixlen + (body->ifa_family == AF_INET ? 96U : 0U);
    const std::pair key{body->ifa_index, address};
    if (message.nlmsg_type == RTM_DELADDR) {
        if (addresses_.erase(key) != 0) routes_changed();
        return;
    }
    const auto [known, added] = addresses_.try_emplace(key, length);
    if (!added && known->second == length) return;  // its lifetime
    known->second = length;
    routes_changed();
}

void Mirror::routes_changed() {
    decided_.clear();
    ++generation_;
}

bool Mirror::is_local(const Address& address) const {
    if (is_ipv4(address) && to_ipv4(address) >> 24 == 127) return true;
    for (const auto& [key, length] : addresses_)
        if (key.second == address) return true;
    return false;
}

std::vector<LocalAddress> Mirror::addresses() const {
    std::vector<LocalAddress> out;
    out.reserve(addresses_.size());
    for (const auto& [key, length] : addresses_) {
        const Link* link = find_link(key.first);
        out.push_back({key.first, link ? link->name : "", key.second, length});
    }
    return out;
}

const Link* Mirror::find_link(std::string_view name) const {
    for (const auto& [ifindex, link] : links_)
        if (link.name == name) return &link;
    return nullptr;
}

const Link* Mirror::find_link(std::uint32_t ifindex) const {
    const auto found = links_.find(ifindex);
    return found == links_.end() ? nullptr : &found->second;
}

void Mirror::set_egress_ports(PortRange range) {
    user_.egress_ports = range;
    ++generation_;
}

}  // namespace sluice::underlay
