// SPDX-License-Identifier: Apache-2.0
// Mirrors: copies of what comes into a bridge and of what leaves it (ovs-vswitchd.conf.db(5), table Mirror).
//
// A bridge with mirrors has every packet walk (direct.cpp, replay.cpp and shortcut.cpp look at
// `has_mirrors`), so that without any nobody pays. As in OVS a packet goes to each destination once,
// whichever mirror chose it first; it is copied as it came in, or as it is when a port sends it; patch ports
// are not watched.
#include "pipeline/edit.hpp"
#include "pipeline/executor_impl.hpp"
#include "pipeline/vlan.hpp"
#include "wire/ethernet.hpp"

namespace sluice::pipeline {

namespace {

Tags tags_on_wire(TagPair pair) {
    const auto read = [](std::uint64_t half) {
        const auto tci = static_cast<std::uint16_t>(half);
        return Tag{static_cast<std::uint16_t>(half >> 16), static_cast<std::uint16_t>(tci & 0xfff),
                   static_cast<std::uint16_t>(tci & 0xe000)};
    };
    return {read(pair >> 32), read(pair & 0xffffffff)};
}

}  // namespace

void Executor::Impl::mirror_received(PacketSet& set, const Group& group, Path& path) noexcept {
    ensure_parsed(set, group, path, Parsed::kLink);
    for (unsigned g = 0; g < group.count; ++g)
        set.mirrored[group.index[g]] = 0;
    // What comes through a patch port was seen where it came in.
    if (!path.ingress || path.ingress->mirror_src == 0 || path.ingress->patch_peer != PortIndex::kNone)
        return;
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        mirror(set, i, path, *path.ingress, path.ingress->mirror_src, tags_of(set.key[i]));
    }
}

void Executor::Impl::mirror(PacketSet& set, unsigned i, const Path& path, const PortEntry& at,
                            std::uint32_t mirrors, TagPair tags) noexcept {
    std::uint32_t left = mirrors & ~set.mirrored[i];
    const Tags wire = tags_on_wire(tags);
    if (left == 0 || !admits(at, wire.outer.vid)) return;
    const Tags inside = inward(at, wire);
    const TagPair has = tags_of(set.key[i]);
    const auto send = [&](PortIndex to, const Tags& as, std::uint32_t length) {
        const PortEntry& port = topology->ports[to_int(to)];
        if (length != 0 && port.patch_peer != PortIndex::kNone) {
            if (trace) trace->note("Mirror truncate to ODPP_NONE, skipping output", path.depth);
            return;
        }
        const TagPair wants = outward(port, as);
        output_one(set, i, path, to, wants == has ? kKeepTags : wants, length);
    };
    for (; left != 0; left &= ~set.mirrored[i]) {
        const MirrorEntry& chosen = path.bridge->mirrors[static_cast<unsigned>(__builtin_ctz(left))];
        left &= left - 1;
        if (chosen.vlans && !chosen.vlans->test(inside.outer.vid)) continue;
        set.mirrored[i] |= chosen.same_output;
        if (!trace) {
            RuleCounter& counter = stats.at(chosen.stats);
            counter.packets.add(1);
            counter.bytes.add(
                static_cast<std::uint64_t>(std::int64_t{set.packet[i]->pkt_len} - set.grown[i]));
        }
        if (chosen.output != PortIndex::kNone) {
            send(chosen.output, inside, chosen.snaplen);
        } else if (inside.outer.vid != chosen.vlan &&
                   !wire::eth::is_bridge_reserved(set.key[i].get(key::kEthDst))) {
            Tags moved = inside;
            moved.outer.vid = chosen.vlan;
            for (const PortIndex member : path.bridge->members) {
                const PortEntry& port = topology->ports[to_int(member)];
                if (!port.mirror_out && carries(port, moved)) send(member, moved, chosen.snaplen);
            }
        }
    }
}

}  // namespace sluice::pipeline
