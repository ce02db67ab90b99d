// SPDX-License-Identifier: Apache-2.0
// Port:vlan_mode (ovs-vswitchd.conf.db(5)): tags of a packet on the wire of a port and inside of the bridge.
#pragma once

#include <cstdint>

#include "flow/key.hpp"
#include "pipeline/datapath.hpp"
#include "pipeline/packet_set.hpp"

namespace sluice::pipeline {

/// One VLAN tag; a TPID of 0: none was there.
struct Tag {
    std::uint16_t tpid = 0, vid = 0, pcp = 0;  ///< pcp in its place in the TCI
};
/// Tags of a packet inside the bridge: the outer VLAN is the one it belongs to, 0 none.
struct Tags {
    Tag outer, inner;
};

inline constexpr std::uint16_t kTypeVlan = 0x8100;
constexpr std::uint16_t tpid_or_default(std::uint16_t tpid) {
    return tpid != 0 ? tpid : kTypeVlan;
}

inline Tags received_tags(const FlowKey& key) {
    const auto read = [&](FieldLoc tpid, FieldLoc tci) {
        const auto value = static_cast<std::uint16_t>(key.get(tci));
        return Tag{static_cast<std::uint16_t>(key.get(tpid)), static_cast<std::uint16_t>(value & 0xfff),
                   static_cast<std::uint16_t>(value & 0xe000)};
    };
    return {read(key::kVlanTpid, key::kVlanTci), read(key::kVlan1Tpid, key::kVlan1Tci)};
}

inline bool is_native(const PortEntry& port) {
    return port.vlan_mode == VlanMode::kNativeTagged || port.vlan_mode == VlanMode::kNativeUntagged;
}
inline bool trunks(const PortEntry& port, std::uint16_t vid) {
    return !port.trunks || port.trunks->test(vid) || (is_native(port) && vid == port.tag);
}
inline bool allows_customer(const PortEntry& port, std::uint16_t vid) {
    return !port.cvlans || port.cvlans->test(vid);
}

inline bool admits(const PortEntry& port, std::uint16_t vid) {
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

/// Tags of a packet received on a port as they are inside the bridge.
inline Tags inward(const PortEntry& port, const Tags& in) {
    Tags out = in;
    switch (port.vlan_mode) {
        case VlanMode::kAccess:
            return {{tpid_or_default(in.outer.tpid), port.tag, in.outer.pcp}, {}};
        case VlanMode::kTrunk:
            return out;
        case VlanMode::kNativeTagged:
        case VlanMode::kNativeUntagged:
            if (in.outer.vid == 0) out.outer = {tpid_or_default(in.outer.tpid), port.tag, in.outer.pcp};
            return out;
        case VlanMode::kDot1qTunnel:
            return {{port.qinq_ethertype, port.tag, 0}, in.outer};
    }
    return out;
}

inline bool carries(const PortEntry& port, const Tags& inside) {
    switch (port.vlan_mode) {
        case VlanMode::kAccess:
            return inside.outer.vid == port.tag && inside.inner.vid == 0;
        case VlanMode::kDot1qTunnel:
            return inside.outer.vid == port.tag && allows_customer(port, inside.inner.vid);
        case VlanMode::kTrunk:
        case VlanMode::kNativeTagged:
        case VlanMode::kNativeUntagged:
            return trunks(port, inside.outer.vid);
    }
    return false;
}

/// TPID and TCI of a tag on the wire; 0: none. A VLAN of 0 with a priority is kept where the port wants it.
inline std::uint64_t wire_tag(const Tag& tag, bool keep_priority) {
    if (tag.vid == 0 && !keep_priority) return 0;
    return std::uint64_t{tpid_or_default(tag.tpid)} << 16 | tag.pcp | kVlanPresent | tag.vid;
}

inline TagPair outward(const PortEntry& port, const Tags& inside) {
    Tags out = inside;
    switch (port.vlan_mode) {
        case VlanMode::kAccess:
            out = {{0, 0, inside.outer.pcp}, {}};
            break;
        case VlanMode::kTrunk:
        case VlanMode::kNativeTagged:
            break;
        case VlanMode::kNativeUntagged:
            if (inside.outer.vid == port.tag) out.outer.vid = 0;
            break;
        case VlanMode::kDot1qTunnel:
            out = {inside.inner, {}};
            break;
    }
    const bool if_nonzero = port.priority_tags == 1;
    const std::uint64_t outer =
        wire_tag(out.outer, (if_nonzero && out.outer.pcp != 0) || port.priority_tags == 2);
    if (outer == 0) return 0;
    return outer << 32 | wire_tag(out.inner, if_nonzero && out.inner.pcp != 0);
}

}  // namespace sluice::pipeline
