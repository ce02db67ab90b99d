// SPDX-License-Identifier: Apache-2.0
// The NORMAL action: a learning switch with VLANs, as ovs-vswitchd.conf.db(5) describes Port:vlan_mode.
#include "pipeline/executor_impl.hpp"

namespace sluice::pipeline {

namespace {

constexpr std::uint16_t kRefused = 0xffff;

/// VLAN a packet with this TCI belongs to on its input port; kRefused: not admitted.
std::uint16_t input_vlan(const PortEntry& port, std::uint16_t tci) {
    const std::uint16_t vid = tci & 0xfff;
    switch (port.vlan_mode) {
        case VlanMode::kAccess:
            return vid != 0 ? kRefused : port.tag;
        case VlanMode::kDot1qTunnel:
            return port.tag;
        case VlanMode::kNativeTagged:
        case VlanMode::kNativeUntagged:
            if (vid == 0 || vid == port.tag) return port.tag;
            [[fallthrough]];
        case VlanMode::kTrunk:
            return port.trunks && !port.trunks->test(vid) ? kRefused : vid;
    }
    return kRefused;
}

bool carries_vlan(const PortEntry& port, std::uint16_t vlan) {
    switch (port.vlan_mode) {
        case VlanMode::kAccess:
        case VlanMode::kDot1qTunnel:
            return vlan == port.tag;
        case VlanMode::kNativeTagged:
        case VlanMode::kNativeUntagged:
            if (vlan == port.tag) return true;
            [[fallthrough]];
        case VlanMode::kTrunk:
            return !port.trunks || port.trunks->test(vlan);
    }
    return false;
}

/// TCI a packet of `vlan` leaves a port with (without the present bit; 0: untagged). tci: as it came in.
std::uint16_t output_tci(const PortEntry& port, std::uint16_t vlan, std::uint16_t tci) {
    std::uint16_t vid = vlan;
    if (port.vlan_mode == VlanMode::kAccess || port.vlan_mode == VlanMode::kDot1qTunnel) vid = 0;
    if (port.vlan_mode == VlanMode::kNativeUntagged && vlan == port.tag) vid = 0;
    const auto pcp = static_cast<std::uint16_t>(tci & 0xe000U);
    if (vid != 0) return static_cast<std::uint16_t>(pcp | vid);
    // A priority tag (VLAN 0) only where the port wants one.
    if (port.priority_tags == 2 || (port.priority_tags == 1 && pcp != 0))
        return static_cast<std::uint16_t>(pcp | kVlanPresent);
    return 0;
}

constexpr bool is_multicast(std::uint64_t mac) {
    return mac >> 40 & 1;
}
constexpr bool is_reserved(std::uint64_t mac) {
    return (mac & ~std::uint64_t{0xf}) == 0x0180c2000000;
}

}  // namespace

void Executor::Impl::normal(PacketSet& set, const Group& group, Path& path) noexcept {
    ensure_parsed(set, group, path, Parsed::kLink);
    for (unsigned g = 0; g < group.count; ++g)
        normal_one(set, group.index[g], path);
}

void Executor::Impl::learn(const Path& path, std::uint64_t mac, std::uint16_t vlan, OfPort port) noexcept {
    if (trace || is_multicast(mac)) return;
    Fdb& fdb = *path.bridge->fdb;
    if (fdb.refresh(mac, vlan, port, now_s)) return;
    if (is_control) return fdb.learn(mac, vlan, port, now_s);
    // Once a few milliseconds for each address, until the control thread has entered it.
    const std::uint64_t mark = (mac << 16 | vlan) * 0x9e3779b97f4a7c15ULL ^ to_int(port) ^ now_ms >> 3;
    std::uint64_t& recent = recent_learns[(mac ^ mac >> 8) % recent_learns.size()];
    if (recent == mark) return;
    LearnRecord* record = learns.claim();
    if (!record) {
        counters.learn_full.add(1);
        return dp.wake_control();
    }
    recent = mark;
    *record = {path.bridge->index, port, vlan, mac, now_s};
    learns.push();
    dp.wake_control();
}

void Executor::Impl::normal_one(PacketSet& set, unsigned i, const Path& path) noexcept {
    const FlowKey& key = set.key[i];
    const Topology::Bridge& bridge = *path.bridge;
    const OfPort in_port{static_cast<std::uint32_t>(key.get(key::kInPort))};
    const PortIndex in_index = bridge.find(in_port);
    const auto tci = static_cast<std::uint16_t>(key.get(key::kVlanTci));
    std::uint16_t vlan = tci & 0xfff;
    const std::uint64_t dst = key.get(key::kEthDst);
    if (in_index != PortIndex::kNone) {
        const PortEntry& ingress = topology->ports[to_int(in_index)];
        vlan = input_vlan(ingress, tci);
        if (vlan == kRefused) {
            set.reason[i] = DropReason::kVlanMismatch;
            if (trace) trace->note("VLAN tag is not allowed on the input port, dropping", path.depth);
            return;
        }
        if (is_reserved(dst) && !bridge.forward_bpdu) {
            set.reason[i] = DropReason::kReservedMac;
            if (trace) trace->note("multicast destination is reserved, dropping", path.depth);
            return;
        }
        learn(path, key.get(key::kEthSrc), vlan, in_port);
    } else if (in_port != OfPort::kController && in_port != OfPort::kAny) {
        set.reason[i] = DropReason::kBadPort;
        if (trace) trace->note("received packet on unknown port, dropping", path.depth);
        return;
    }
    const auto send = [&](PortIndex index) {
        const std::uint16_t wanted = output_tci(topology->ports[to_int(index)], vlan, tci);
        const bool same =
            wanted == 0 ? !(tci & kVlanPresent) : (tci & kVlanPresent) && ((wanted ^ tci) & 0xefff) == 0;
        output_one(set, i, path, index, same ? kKeepTag : wanted);
    };
    if (!is_multicast(dst)) {
        if (const auto known = bridge.fdb->lookup(dst, vlan)) {
            const PortIndex out = bridge.find(*known);
            if (*known == in_port) {
                set.reason[i] = DropReason::kNormalSamePort;
                if (trace) trace->note("learned port is input port, dropping", path.depth);
            } else if (out == PortIndex::kNone) {
                set.reason[i] = DropReason::kBadPort;
            } else if (carries_vlan(topology->ports[to_int(out)], vlan)) {
                if (trace) trace->note("forwarding to learned port", path.depth);
                send(out);
            }
            return;
        }
        if (trace) trace->note("no learned MAC for destination, flooding", path.depth);
    } else if (trace) {
        trace->note("multicast destination, flooding", path.depth);
    }
    for (const PortIndex member : bridge.members) {
        const PortEntry& port = topology->ports[to_int(member)];
        if (member == in_index || port.no_flood || !carries_vlan(port, vlan)) continue;
        send(member);
    }
}

}  // namespace sluice::pipeline
