// SPDX-License-Identifier: Apache-2.0
// The NORMAL port: a learning bridge with VLANs (vswitchd.conf.db(5), table Port: vlan_mode).
#include <algorithm>

#include <fmt/format.h>

#include "reference/machine.hpp"
#include "wire/ethernet.hpp"
#include "wire/vlan.hpp"

namespace sluice::reference {
namespace {

struct Tag {
    std::uint16_t tpid = 0, vid = 0;
    std::uint8_t pcp = 0;
};
/// Tags of a packet inside the bridge: outer[0].vid is the VLAN it belongs to, 0 none.
struct Tags {
    Tag tag[2];
};

Tags tags_of(const FlowKey& k) {
    const auto read = [&k](FieldLoc tpid, FieldLoc tci_field) {
        const auto tci = static_cast<std::uint16_t>(k.get(tci_field));
        return Tag{static_cast<std::uint16_t>(k.get(tpid)), wire::vlan::vid(tci), wire::vlan::pcp(tci)};
    };
    return {{read(key::kVlanTpid, key::kVlanTci), read(key::kVlan1Tpid, key::kVlan1Tci)}};
}

bool trunks(const Port& port, std::uint16_t vid) {
    if (port.vlan_mode == VlanMode::kAccess) return false;
    const bool native =
        port.vlan_mode == VlanMode::kNativeTagged || port.vlan_mode == VlanMode::kNativeUntagged;
    return port.trunks.empty() || port.trunks.count(vid) != 0 || (native && vid == port.tag);
}
bool allows_customer(const Port& port, std::uint16_t vid) {
    return port.cvlans.empty() || port.cvlans.count(vid) != 0;
}

bool input_allowed(const Port& port, std::uint16_t vid) {
    switch (port.vlan_mode) {
        case VlanMode::kAccess:
            return vid == 0;
        case VlanMode::kNativeTagged:
        case VlanMode::kNativeUntagged:
            return vid == 0 || trunks(port, vid);
        case VlanMode::kTrunk:
            return trunks(port, vid);
        case VlanMode::kDot1qTunnel:
            return allows_customer(port, vid);
    }
    return false;
}

std::uint16_t tpid_or_default(std::uint16_t tpid) {
    return tpid != 0 ? tpid : wire::eth::kTypeVlan;
}

/// Tags of a received packet as they are inside the bridge.
Tags inward(const Port& port, const Tags& in) {
    Tags out = in;
    switch (port.vlan_mode) {
        case VlanMode::kAccess:
            out = Tags{{{tpid_or_default(in.tag[0].tpid), port.tag, in.tag[0].pcp}, {}}};
            break;
        case VlanMode::kTrunk:
            break;
        case VlanMode::kNativeTagged:
        case VlanMode::kNativeUntagged:
            if (in.tag[0].vid == 0) out.tag[0] = {tpid_or_default(in.tag[0].tpid), port.tag, in.tag[0].pcp};
            break;
        case VlanMode::kDot1qTunnel:
            out = Tags{{{port.qinq_ethertype, port.tag, 0}, in.tag[0]}};
            break;
    }
    return out;
}

/// Tags as they are sent by a port.
Tags outward(const Port& port, const Tags& inside) {
    Tags out = inside;
    switch (port.vlan_mode) {
        case VlanMode::kAccess:
            out = Tags{{{0, 0, inside.tag[0].pcp}, {}}};
            break;
        case VlanMode::kTrunk:
        case VlanMode::kNativeTagged:
            break;
        case VlanMode::kNativeUntagged:
            if (inside.tag[0].vid == port.tag) out.tag[0].vid = 0;
            break;
        case VlanMode::kDot1qTunnel:
            out = Tags{{inside.tag[1], {}}};
            break;
    }
    return out;
}

bool carries(const Port& port, const Tags& inside) {
    switch (port.vlan_mode) {
        case VlanMode::kAccess:
            return inside.tag[0].vid == port.tag && inside.tag[1].vid == 0;
        case VlanMode::kDot1qTunnel:
            return inside.tag[0].vid == port.tag && allows_customer(port, inside.tag[1].vid);
        default:
            return trunks(port, inside.tag[0].vid);
    }
}

void put_tags(FlowKey& k, const Tags& tags, PriorityTags priority_tags) {
    for (unsigned n = 0; n < 2; ++n) {
        const Tag& tag = tags.tag[n];
        std::uint16_t tci = tag.vid;
        const bool keep_pcp = tci != 0 || (priority_tags == PriorityTags::kIfNonzero && tag.pcp != 0) ||
                              (priority_tags == PriorityTags::kAlways && n == 0);
        if (keep_pcp) tci = static_cast<std::uint16_t>(wire::vlan::make_tci(tag.vid, tag.pcp) | kVlanPresent);
        k.set(n == 0 ? key::kVlanTci : key::kVlan1Tci, tci);
        k.set(n == 0 ? key::kVlanTpid : key::kVlan1Tpid, tci != 0 ? tpid_or_default(tag.tpid) : 0);
    }
}

}  // namespace

void Machine::normal_output(const Port& out_port, OfPort number, const FlowKey& internal, std::size_t limit) {
    const WorkPacket saved = p_;
    FlowKey wanted = key();
    put_tags(wanted, outward(out_port, tags_of(internal)), out_port.priority_tags);
    set_key(wanted);
    emit(number, limit);
    p_ = saved;
}

void Machine::normal() {
    Bridge& bridge = *c_.bridge;
    const OfPort from = in_port();
    // A controller may use NONE or CONTROLLER as the source of its packets: a trunk without a port.
    const bool anonymous = from == OfPort::kAny || from == OfPort::kController;
    static const Port kAnonymous{};
    const auto it = bridge.ports.find(from);
    if (it == bridge.ports.end() && !anonymous) {
        note(DropReason::kBadPort, "NORMAL: no such input port");
        return;
    }
    const Port& in = anonymous ? kAnonymous : it->second;
    if (is_mirror_output(from)) {
        note(DropReason::kMirrorPort, "NORMAL: the input port is the output of a mirror");
        return;
    }
    const bool half_tag = wire::vlan::is_tpid(static_cast<std::uint16_t>(key().get(key::kEthType))) &&
                          (key().get(key::kVlanTci) & kVlanPresent) == 0;
    const Tags received = tags_of(key());
    if (half_tag || (!anonymous && !input_allowed(in, received.tag[0].vid))) {
        note(DropReason::kVlanMismatch,
             fmt::format("NORMAL: VLAN {} is not allowed on the input port", received.tag[0].vid));
        return;
    }
    const Tags inside = anonymous ? received : inward(in, received);
    const std::uint16_t vlan = inside.tag[0].vid;
    const std::uint64_t src = key().get(key::kEthSrc), dst = key().get(key::kEthDst);
    if (!anonymous && !bridge.forward_bpdu && wire::eth::is_bridge_reserved(dst)) {
        note(DropReason::kReservedMac, "NORMAL: reserved destination address");
        return;
    }
    if (!anonymous && !wire::eth::is_multicast(src) && bridge.flood_vlans.count(vlan) == 0) {
        const auto found = bridge.fdb.find({vlan, src});
        if (found == bridge.fdb.end() || found->second != from) {
            bridge.fdb[{vlan, src}] = from;
            out_.learned.push_back({&bridge, vlan, src, from});
        }
    }
    FlowKey internal;
    put_tags(internal, inside, PriorityTags::kIfNonzero);
    const auto entry = wire::eth::is_multicast(dst) ? bridge.fdb.end() : bridge.fdb.find({vlan, dst});
    if (entry != bridge.fdb.end()) {
        const auto out = bridge.ports.find(entry->second);
        if (entry->second == from)
            note(DropReason::kNormalSamePort, "NORMAL: destination is on the input port");
        else if (out == bridge.ports.end())
            note(DropReason::kBadPort, "NORMAL: learned port is gone");
        else if (is_mirror_output(out->first))
            note(DropReason::kMirrorPort, "NORMAL: learned port is the output of a mirror");
        else if (in.is_protected && out->second.is_protected)
            note(DropReason::kPortDown, "NORMAL: both ports are protected");
        else
            normal_output(out->second, out->first, internal);
        return;
    }
    for (const auto& [number, port] : bridge.ports) {
        if (number == from || port.no_flood || is_mirror_output(number) || !carries(port, inside)) continue;
        if (in.is_protected && port.is_protected) continue;
        normal_output(port, number, internal);
    }
}

bool Machine::is_mirror_output(OfPort port) const {
    const auto& mirrors = c_.bridge->mirrors;
    return std::any_of(mirrors.begin(), mirrors.end(), [&](const Mirror& m) { return m.output == port; }) &&
           c_.bridge->ports.count(port) != 0;
}

/// The packet as it is now came in by a port, or has just been sent by it.
void Machine::mirror(OfPort at, bool received) {
    Bridge& bridge = *c_.bridge;
    const auto port = bridge.ports.find(at);
    if (port == bridge.ports.end() || port->second.peer != nullptr || bridge.mirrors.empty()) return;
    // Without an outer tag there is no inner one, whatever NORMAL left in the key.
    const Tags on_wire = (key().get(key::kVlanTci) & kVlanPresent) != 0 ? tags_of(key()) : Tags{};
    if (!input_allowed(port->second, on_wire.tag[0].vid)) return;
    const Tags inside = inward(port->second, on_wire);
    for (std::size_t n = 0; n < bridge.mirrors.size(); ++n) {
        Mirror& mirror = bridge.mirrors[n];
        const std::uint16_t vlan = inside.tag[0].vid;
        if (!mirror.select_all && (received ? mirror.src : mirror.dst).count(at) == 0) continue;
        if (c_.mirrored.count(n) != 0 || (!mirror.vlans.empty() && mirror.vlans.count(vlan) == 0)) continue;
        for (std::size_t other = 0; other < bridge.mirrors.size(); ++other) {
            const Mirror& twin = bridge.mirrors[other];
            const bool same =
                twin.output == mirror.output && (mirror.output != OfPort::kAny || twin.vlan == mirror.vlan);
            if (same) c_.mirrored.insert(other);
        }
        ++mirror.packets;
        mirror.bytes += p_.received_bytes;
        FlowKey internal;
        put_tags(internal, inside, PriorityTags::kIfNonzero);
        mirror_to(mirror, vlan, internal);
    }
}

void Machine::mirror_to(const Mirror& mirror, std::uint16_t vlan, const FlowKey& internal) {
    const Bridge& bridge = *c_.bridge;
    const auto send = [&](OfPort number, const Port& port, const FlowKey& as) {
        if (mirror.snaplen != 0 && port.peer != nullptr) return;  // no way to cut what crosses
        normal_output(port, number, as, mirror.snaplen != 0 ? mirror.snaplen : ~std::size_t{0});
    };
    if (mirror.output != OfPort::kAny) {
        const auto out = bridge.ports.find(mirror.output);
        if (out != bridge.ports.end()) send(out->first, out->second, internal);
        return;
    }
    if (vlan == mirror.vlan || wire::eth::is_bridge_reserved(key().get(key::kEthDst))) return;
    Tags moved = tags_of(internal);
    moved.tag[0].vid = mirror.vlan;
    FlowKey in_vlan;
    put_tags(in_vlan, moved, PriorityTags::kIfNonzero);
    for (const auto& [number, port] : bridge.ports) {
        if (!is_mirror_output(number) && carries(port, moved)) send(number, port, in_vlan);
    }
}

}  // namespace sluice::reference
