// SPDX-License-Identifier: Apache-2.0
// See underlay/mirror.hpp. Neighbours: what the kernel knows, what the user has set, and asking.
#include <algorithm>

#include <linux/neighbour.h>
#include <net/if.h>
#include <sys/socket.h>

#include "base/clock.hpp"
#include "base/log.hpp"
#include "underlay/mirror.hpp"

namespace sluice::underlay {
namespace {

const log::Module kLog{"underlay"};

constexpr std::int64_t kAskMs = 1000;
/// A stale address is usable: the kernel sends to it, and has it confirmed meanwhile.
constexpr std::uint16_t kUsable =
    NUD_REACHABLE | NUD_STALE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP;
/// Nothing to gain from asking: known for now, or asked already.
constexpr std::uint16_t kSettled =
    NUD_REACHABLE | NUD_DELAY | NUD_PROBE | NUD_PERMANENT | NUD_NOARP | NUD_INCOMPLETE;

/// RFC 1112 §6.4, RFC 2464 §7.
MacBytes multicast_mac(const Address& group) {
    const auto low = static_cast<std::uint32_t>(group.lo);
    return mac_from_u64(is_ipv4(group) ? 0x01005e000000 | (low & 0x7fffff) : 0x333300000000 | low);
}

}  // namespace

void Mirror::handle_neighbour(const nlmsghdr& message) {
    NeighbourKey key;
    Neighbour neighbour;
    const auto* body = parse_message<ndmsg>(message, [&](const rtattr& at, int type) {
        if (type == NDA_DST) key.address = address_of(at);
        if (type == NDA_LLADDR && RTA_PAYLOAD(&at) == sizeof(MacBytes))
            neighbour.mac = value_of<MacBytes>(at);
    });
    if (!body || (body->ndm_family != AF_INET && body->ndm_family != AF_INET6)) return;  // a bridge's table
    if ((body->ndm_flags & NTF_PROXY) != 0 || key.address.is_zero()) return;
    key.ifindex = static_cast<std::uint32_t>(body->ndm_ifindex);
    neighbour.state = message.nlmsg_type == RTM_DELNEIGH ? std::uint16_t{NUD_NONE} : body->ndm_state;
    const auto known = neighbours_.find(key);
    const Neighbour before = known == neighbours_.end() ? Neighbour{} : known->second;
    if (message.nlmsg_type == RTM_DELNEIGH) {
        if (known != neighbours_.end()) neighbours_.erase(known);
    } else {
        neighbours_[key] = neighbour;
    }
    const bool was = (before.state & kUsable) != 0, is = (neighbour.state & kUsable) != 0;
    if (was == is && (!is || before.mac == neighbour.mac)) return;
    // Only who is next on some way counts: others come and go without harm.
    const bool in_use = std::any_of(decided_.begin(), decided_.end(), [&](const auto& entry) {
        return entry.second && entry.second->ifindex == key.ifindex && entry.second->next == key.address;
    });
    if (in_use) ++generation_;
}

void Mirror::add_neighbour(Hop& hop) const {
    if (hop.local) return;
    const Link* link = find_link(hop.ifindex);
    if (const auto found = user_.neighbours.find({hop.next, hop.device}); found != user_.neighbours.end()) {
        hop.next_mac = found->second.mac;
        hop.has_neighbour = true;
    } else if (!link || (link->flags & (IFF_NOARP | IFF_LOOPBACK)) != 0 || link->mac == MacBytes{}) {
        hop.has_neighbour = link != nullptr;  // there is nobody to resolve
    } else if (is_multicast(hop.next)) {
        hop.next_mac = multicast_mac(hop.next);
        hop.has_neighbour = true;
    } else if (const auto known = neighbours_.find({hop.ifindex, hop.next});
               known != neighbours_.end() && (known->second.state & kUsable) != 0) {
        hop.next_mac = known->second.mac;
        hop.has_neighbour = true;
    }
}

void Mirror::solicit(const Hop& hop) {
    const Link* link = find_link(hop.ifindex);
    if (hop.local || !link || link->mac == MacBytes{} || (link->flags & (IFF_NOARP | IFF_LOOPBACK)) != 0)
        return;
    if (is_multicast(hop.next) || user_.neighbours.contains({hop.next, hop.device})) return;
    ask_neighbour({hop.ifindex, hop.next});
}

void Mirror::ask_neighbour(const NeighbourKey& key) {
    const auto now = clock::machine_ms();
    const auto [last, first] = asked_.try_emplace(key, now);
    if (!first && now - last->second < kAskMs) return;
    last->second = now;
    ndmsg body{};
    body.ndm_family = is_ipv4(key.address) ? AF_INET : AF_INET6;
    body.ndm_ifindex = static_cast<int>(key.ifindex);
    body.ndm_state = NUD_NONE;
    body.ndm_flags = NTF_USE;  // as if the kernel had a packet for it
    NetlinkRequest request(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_ACK, body);
    request.add_address(NDA_DST, key.address);
    if (auto ok = requests_.ask(request, [](const nlmsghdr&) {}); !ok) {
        const Link* link = find_link(key.ifindex);
        kLog.warn("resolving {} on {}: {}", format_address(key.address), link ? link->name : "?",
                  ok.error().message);
    }
}

void Mirror::tend() {
    for (const auto& [query, hop] : decided_) {
        if (!hop) continue;
        const auto known = neighbours_.find({hop->ifindex, hop->next});
        if (known == neighbours_.end() || (known->second.state & kSettled) == 0) solicit(*hop);
    }
    const auto machine_ms = clock::machine_ms(), now_ms = clock::now_ms();
    std::erase_if(asked_, [&](const auto& entry) { return machine_ms - entry.second >= kAskMs; });
    if (std::erase_if(user_.neighbours, [&](const auto& entry) { return entry.second.expires_ms <= now_ms; }))
        ++generation_;
}

void Mirror::set_neighbour(const std::string& device, const Address& address, const MacBytes& mac) {
    user_.neighbours[{address, device}] = {mac, clock::now_ms() + std::int64_t{user_.ageing_s} * 1000};
    ++generation_;
}

void Mirror::flush_neighbours() {
    user_.neighbours.clear();
    for (const auto& [query, hop] : decided_) {
        if (!hop || hop->local) continue;
        const auto known = neighbours_.find({hop->ifindex, hop->next});
        if (known == neighbours_.end() || (known->second.state & (NUD_PERMANENT | NUD_NOARP)) != 0) continue;
        ndmsg body{};
        body.ndm_family = is_ipv4(hop->next) ? AF_INET : AF_INET6;
        body.ndm_ifindex = static_cast<int>(hop->ifindex);
        NetlinkRequest request(RTM_DELNEIGH, NLM_F_ACK, body);
        request.add_address(NDA_DST, hop->next);
        // ENOENT: two ways lead over the same neighbour.
        if (auto ok = requests_.ask(request, [](const nlmsghdr&) {}); !ok && ok.error().code != ENOENT)
            kLog.warn("forgetting neighbour {}: {}", format_address(hop->next), ok.error().message);
    }
    ++generation_;
}

std::vector<NeighbourRow> Mirror::neighbours() const {
    std::vector<NeighbourRow> out;
    for (const auto& [key, neighbour] : user_.neighbours)
        out.push_back({key.first, neighbour.mac, key.second});
    for (const auto& [key, neighbour] : neighbours_) {
        const Link* link = find_link(key.ifindex);
        if (!link || (neighbour.state & kUsable & ~NUD_NOARP) == 0) continue;  // NOARP: multicast groups
        if (!user_.neighbours.contains({key.address, link->name}))
            out.push_back({key.address, neighbour.mac, link->name});
    }
    return out;
}

}  // namespace sluice::underlay
