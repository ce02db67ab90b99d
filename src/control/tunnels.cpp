// SPDX-License-Identifier: Apache-2.0
#include "control/tunnels.hpp"

#include <algorithm>

#include "base/log.hpp"
#include "control/reconcile_parse.hpp"
#include "control/switch.hpp"

namespace sluice {

namespace {

const log::Module kLog{"tunnel"};

constexpr std::uint32_t kNoMtu = 65535;

}  // namespace

void Tunnels::learn_remote(const pipeline::RemoteRecord& record) {
    const Remote remote{record.remote, record.local, record.mark};
    if (hops_.count(remote) != 0 || std::find(learned_.begin(), learned_.end(), remote) != learned_.end())
        return;
    if (learned_.size() == kMaxLearned) learned_.erase(learned_.begin());
    learned_.push_back(remote);
    stale_ = true;
}

bool Tunnels::stale() const {
    return stale_ || (mirror_ && mirror_->generation() != seen_ && (table_ && !table_->empty()));
}

std::vector<tunnel::End> Tunnels::ends() const {
    std::vector<tunnel::End> ends;
    for (const auto& [name, slot] : ports_) {
        if (slot->attached() && slot->tunnel) ends.push_back({slot->index, slot->tunnel});
    }
    return ends;
}

std::vector<Tunnels::Remote> Tunnels::fixed_remotes(const std::vector<tunnel::End>& ends) const {
    std::vector<Remote> remotes;
    for (const tunnel::End& end : ends) {
        const tunnel::Config& config = *end.config;
        if (config.remote && !config.local_flow)
            remotes.push_back({*config.remote, config.local.value_or(tunnel::Address{}), config.packet_mark});
    }
    return remotes;
}

const SwitchPort* Tunnels::internal_port(const std::string& device) const {
    const auto found = ports_.find(device);
    const bool ours =
        found != ports_.end() && found->second->attached() && found->second->config.port.type == "internal";
    return ours ? found->second.get() : nullptr;
}

PortIndex Tunnels::carrier(const std::string& device) {
    const auto port = ports_.find(device);
    if (port != ports_.end() && port->second->attached()) return port->second->index;
    wanted_[device] = true;
    if (const auto found = carriers_.find(device); found != carriers_.end()) return found->second.index;
    auto opened = create_underlay_port(device, udp_ports_, gre_);
    if (!opened) {
        static log::RateLimit limit{1, 5};
        if (limit.allow()) kLog.warn("tunnels cannot use {}: {}", device, opened.error().message);
        return PortIndex::kNone;
    }
    const PortIndex index = datapath_.allocate_index();
    if (index == PortIndex::kNone) return index;
    kLog.info("tunnel packets go through {}, which stays an interface of the kernel", device);
    carriers_[device] = {std::move(*opened), index};
    return index;
}

tunnel::NextHop Tunnels::resolve(const Remote& remote) {
    tunnel::NextHop next;
    const bool any = remote.local.is_zero();
    const auto hop =
        mirror_->hop(remote.remote, any ? std::nullopt : std::optional{remote.local}, remote.mark);
    if (!hop || hop->local || hop->device.empty()) return next;
    next.source = hop->source;
    next.first_port = mirror_->egress_ports().first;
    next.last_port = mirror_->egress_ports().last;
    next.mtu = hop->mtu == 0 ? kNoMtu : hop->mtu;
    std::copy(hop->next_mac.begin(), hop->next_mac.end(), next.ethernet.begin());
    std::copy(hop->own_mac.begin(), hop->own_mac.end(), next.ethernet.begin() + 6);
    if (const SwitchPort* port = internal_port(hop->device)) {
        next.egress = port->index;
        next.enters = true;
    } else {
        next.egress = carrier(hop->device);
    }
    if (!hop->has_neighbour) mirror_->solicit(*hop);
    next.usable = hop->has_neighbour && next.egress != PortIndex::kNone;
    return next;
}

/// Where packets for tunnels may come in: with a fixed local address at its interface, with a fixed remote
/// where the way to it leads out, else at all.
void Tunnels::open_carriers(const std::vector<tunnel::End>& ends) {
    for (const tunnel::End& end : ends) {
        const tunnel::Config& config = *end.config;
        if (config.remote && !config.local) continue;  // resolve() has opened it
        for (const underlay::LocalAddress& own : mirror_->addresses()) {
            const underlay::Link* link = mirror_->find_link(own.ifindex);
            constexpr std::uint32_t kLoopback = 0x8;
            constexpr std::uint16_t kEthernet = 1;
            if (!link || link->type != kEthernet || (link->flags & kLoopback) != 0) continue;
            if (config.local && !(own.address == *config.local)) continue;
            if (!internal_port(own.device)) carrier(own.device);
        }
    }
}

/// Follows the UDP ports that tunnels use.
void Tunnels::listen(const std::vector<tunnel::End>& ends) {
    std::vector<std::uint16_t> udp_ports;
    bool gre = false;
    for (const tunnel::End& end : ends) {
        const std::uint16_t port = end.config->udp_port;
        if (port == 0) {
            gre = true;
        } else if (std::find(udp_ports.begin(), udp_ports.end(), port) == udp_ports.end()) {
            udp_ports.push_back(port);
        }
    }
    if (udp_ports == udp_ports_ && gre == gre_) return;
    udp_ports_ = udp_ports;
    gre_ = gre;
    for (auto& [device, carrier] : carriers_) {
        if (auto set = set_underlay_filter(*carrier.port, udp_ports_, gre_); !set)
            kLog.warn("{}", set.error().message);
    }
    if (const std::string taken = silence_.set(udp_ports_, gre_); !taken.empty()) {
        kLog.warn("{} is used by somebody else on this host; tunnel packets reach him as well", taken);
    }
}

bool Tunnels::update() {
    if (!stale() || !mirror_) return false;
    stale_ = false;
    seen_ = mirror_->generation();
    auto ends = this->ends();
    if (ends.empty() && (!table_ || table_->empty())) return false;
    wanted_.clear();
    listen(ends);
    if (ends.empty()) learned_.clear();
    std::map<Remote, tunnel::NextHop> hops;
    for (const Remote& remote : fixed_remotes(ends))
        hops.emplace(remote, resolve(remote));
    for (const Remote& remote : learned_)
        hops.emplace(remote, resolve(remote));
    open_carriers(ends);
    for (auto it = carriers_.begin(); it != carriers_.end();) {
        const bool keep = wanted_.count(it->first) != 0 && !it->second.port->device_gone();
        if (keep) {
            ++it;
            continue;
        }
        if (wanted_.count(it->first) != 0) stale_ = true;  // the device was replaced: opened anew next time
        datapath_.release_index(it->second.index);
        dropped_.push_back(std::move(it->second.port));
        it = carriers_.erase(it);
    }
    hops_ = std::move(hops);
    std::vector<tunnel::Address> own;
    for (const underlay::LocalAddress& address : mirror_->addresses())
        own.push_back(address.address);
    std::vector<tunnel::Table::Route> routes;
    for (const auto& [remote, hop] : hops_)
        routes.push_back({remote.remote, remote.local, remote.mark, hop});
    table_ = std::make_shared<tunnel::Table>(std::move(ends), own, routes);
    datapath_.set_tunnels(table_);
    return true;
}

std::map<std::string, std::string> Tunnels::status(const tunnel::Config& config) const {
    if (!mirror_ || !config.remote) return {};
    const auto hop = mirror_->look(*config.remote, config.local, config.packet_mark);
    if (!hop) return {};
    const underlay::Link* link = mirror_->find_link(hop->ifindex);
    constexpr std::uint32_t kRunning = 0x40;
    return {{"tunnel_egress_iface", hop->device},
            {"tunnel_egress_iface_carrier", link && (link->flags & kRunning) != 0 ? "up" : "down"}};
}

std::string Tunnels::show(bool verbose) const {
    std::map<std::string, std::pair<std::uint16_t, unsigned>> listening;
    std::map<std::string, bool> over_udp;
    for (const tunnel::End& end : ends()) {
        const std::string name = tunnel::system_name(*end.config);
        auto& [number, count] = listening[name];
        number = tunnel::system_number(*end.config);
        ++count;
        over_udp[name] = end.config->udp_port != 0;
    }
    std::string out = "Listening ports:\n";
    if (!verbose) {
        for (const auto& [name, port] : listening)
            out += fmt::format("{} ({}) ref_cnt={}\n", name, port.first, port.second);
        return out;
    }
    for (const underlay::LocalAddress& own :
         mirror_ ? mirror_->addresses() : std::vector<underlay::LocalAddress>{}) {
        const underlay::Link* link = mirror_->find_link(own.ifindex);
        if (!link || link->mac == MacBytes{}) continue;
        const bool ipv4 = underlay::is_ipv4(own.address);
        for (const auto& [name, port] : listening) {
            out += fmt::format("{} ({}) : eth(dst={}),eth_type({}),{}(dst={},proto={},frag=no)", name,
                               port.first, format_mac(link->mac), ipv4 ? "0x0800" : "0x86dd",
                               ipv4 ? "ipv4" : "ipv6", underlay::format_address(own.address),
                               over_udp[name] ? 17 : 47);
            out += over_udp[name] ? fmt::format(",udp(dst={})\n", port.first) : "\n";
        }
    }
    return out;
}

}  // namespace sluice
