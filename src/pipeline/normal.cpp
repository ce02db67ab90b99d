// SPDX-License-Identifier: Apache-2.0
// The NORMAL action: a learning switch with VLANs, as ovs-vswitchd.conf.db(5) describes Port:vlan_mode.
#include <rte_cycles.h>

#include "pipeline/edit.hpp"
#include "pipeline/executor_impl.hpp"
#include "pipeline/vlan.hpp"
#include "wire/ethernet.hpp"

namespace sluice::pipeline {

namespace {

constexpr bool is_multicast(std::uint64_t mac) {
    return mac >> 40 & 1;
}
constexpr bool is_tpid(std::uint64_t type) {
    return type == 0x8100 || type == 0x88a8;
}

}  // namespace

void Executor::Impl::normal(PacketSet& set, const Group& group, Path& path) noexcept {
    ensure_parsed(set, group, path, Parsed::kLink);
    // Packets of one flow mostly come in runs: the second of the same addresses, tags and port takes the
    // verdict of the first.
    const FlowKey* previous = nullptr;
    Unicast verdict;
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        const FlowKey& key = set.key[i];
        const bool same = previous && verdict.port != PortIndex::kNone && key.word[0] == previous->word[0] &&
                          key.word[1] == previous->word[1] && key.word[2] >> 32 == previous->word[2] >> 32 &&
                          (key.word[4] & 0xffff) == (previous->word[4] & 0xffff) &&
                          key.word[key::kInPort.word] == previous->word[key::kInPort.word];
        if (same && !trace) {
            output_one(set, i, path, verdict.port, verdict.tags);
            continue;
        }
        verdict = normal_one(set, i, path);
        previous = &key;
    }
}

void Executor::Impl::learn(const Path& path, std::uint64_t mac, std::uint16_t vlan, OfPort port) noexcept {
    if (trace || is_multicast(mac)) return;
    Fdb& fdb = *path.bridge->fdb;
    if (fdb.refresh(mac, vlan, port, now_s)) return;
    if (is_control) return fdb.learn(mac, vlan, port, now_s);
    // Once a millisecond or so for each address, until the control thread has entered it. By the processor's
    // clock: that of a lab may stand still.
    // Each part is multiplied by a number of its own: what differs must not cancel out, or an address that
    // has moved stays where it was.
    const std::uint64_t place = std::uint64_t{path.bridge->index} << 32 | to_int(port);
    const std::uint64_t mark = (mac << 16 | vlan) * 0x9e3779b97f4a7c15ULL + place * 0xbf58476d1ce4e5b9ULL +
                               (rte_rdtsc() >> 22) * 0x94d049bb133111ebULL;
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

Executor::Impl::Unicast Executor::Impl::normal_one(PacketSet& set, unsigned i, const Path& path) noexcept {
    const FlowKey& key = set.key[i];
    const Topology::Bridge& bridge = *path.bridge;
    const auto refuse = [&](DropReason reason, const char* note) {
        set.reason[i] = reason;
        if (trace) trace->note(note, path.depth);
        return Unicast{};
    };
    const OfPort in_port{static_cast<std::uint32_t>(key.get(key::kInPort))};
    const PortIndex in_index = bridge.find(in_port);
    // A controller may send from CONTROLLER or NONE: then there is no port to learn on.
    const bool anonymous = in_index == PortIndex::kNone;
    if (anonymous && in_port != OfPort::kController && in_port != OfPort::kAny) {
        return refuse(DropReason::kBadPort, "received packet on unknown port, dropping");
    }
    const Tags received = received_tags(key);
    const PortEntry* ingress = anonymous ? nullptr : &topology->ports[to_int(in_index)];
    if (ingress && ingress->mirror_out)
        return refuse(DropReason::kMirrorPort,
                      "dropping packet received on port, which is reserved exclusively for mirroring");
    const bool half_tag = !(key.get(key::kVlanTci) & kVlanPresent) && is_tpid(key.get(key::kEthType));
    if (half_tag) return refuse(DropReason::kVlanMismatch, "partial VLAN tag, dropping");
    if (ingress && !admits(*ingress, received.outer.vid)) {
        return refuse(DropReason::kVlanMismatch, "disallowed VLAN VID for this input port, dropping");
    }
    const Tags inside = ingress ? inward(*ingress, received) : received;
    const std::uint16_t vlan = inside.outer.vid;
    const std::uint64_t dst = key.get(key::kEthDst);
    if (ingress) {
        if (!bridge.forward_bpdu && wire::eth::is_bridge_reserved(dst)) {
            return refuse(DropReason::kReservedMac, "packet has reserved destination MAC, dropping");
        }
        if (!bridge.flood_vlans || !bridge.flood_vlans->test(vlan))
            learn(path, key.get(key::kEthSrc), vlan, in_port);
    }
    const TagPair has = tags_of(key);
    const auto send = [&](PortIndex index) {
        const TagPair wants = outward(topology->ports[to_int(index)], inside);
        const TagPair tags = wants == has ? kKeepTags : wants;
        output_one(set, i, path, index, tags);
        return Unicast{index, tags};
    };
    // The address that is being learned from this very packet.
    const bool to_itself = ingress && !trace && dst == key.get(key::kEthSrc) &&
                           !(bridge.flood_vlans && bridge.flood_vlans->test(vlan));
    if (to_itself && !is_multicast(dst))
        return refuse(DropReason::kNormalSamePort, "learned port is input port, dropping");
    if (!is_multicast(dst)) {
        if (const auto known = bridge.fdb->lookup(dst, vlan)) {
            const PortIndex out = bridge.find(*known);
            if (*known == in_port)
                return refuse(DropReason::kNormalSamePort, "learned port is input port, dropping");
            if (out == PortIndex::kNone)
                return refuse(DropReason::kBadPort, "learned port is gone, dropping");
            if (topology->ports[to_int(out)].mirror_out)
                return refuse(DropReason::kMirrorPort, "learned port is a mirror port, dropping");
            if (ingress && ingress->is_protected && topology->ports[to_int(out)].is_protected) {
                return refuse(DropReason::kPortDown, "both ports are protected, dropping");
            }
            if (trace) trace->note("forwarding to learned port", path.depth);
            return send(out);
        }
    }
    if (trace) {
        trace->note("no learned MAC for destination, flooding", path.depth);
    }
    for (const PortIndex member : bridge.members) {
        const PortEntry& port = topology->ports[to_int(member)];
        if (member == in_index || port.no_flood || port.mirror_out || !carries(port, inside)) continue;
        if (ingress && ingress->is_protected && port.is_protected) continue;
        send(member);
    }
    return {};
}

}  // namespace sluice::pipeline
