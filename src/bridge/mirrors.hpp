// SPDX-License-Identifier: Apache-2.0
// The mirrors of a bridge (ovs-vswitchd.conf.db(5), table Mirror), from names of ports to what workers read.
// Control thread.
#pragma once

#include <bitset>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pipeline/datapath.hpp"

namespace sluice::bridge {

/// One row. Ports are named as the bridge names them; a name that is no port's selects nothing.
struct MirrorSettings {
    std::string id;    ///< tells rows apart
    std::string name;  ///< for messages
    bool select_all = false;
    std::vector<std::string> src, dst;
    std::shared_ptr<const std::bitset<4096>> vlans;  ///< null: all
    std::string output;                              ///< port; "": to `vlan`
    std::uint16_t vlan = 0;
    std::uint32_t snaplen = 0;  ///< bytes; 0: whole packets
};

class Mirrors {
  public:
    explicit Mirrors(pipeline::Datapath& datapath) : datapath_(datapath) {}
    /// No worker can reach what resolve() made any more.
    ~Mirrors();
    Mirrors(const Mirrors&) = delete;
    Mirrors& operator=(const Mirrors&) = delete;

    /// Replaces all; rows that were there go on counting. At most pipeline::kMaxMirrors are taken.
    void set(std::vector<MirrorSettings> mirrors);
    bool empty() const { return mirrors_.empty(); }

    /// A port of the bridge as resolve() needs it.
    struct NamedPort {
        const std::string* name;
        pipeline::PortEntry* entry;
    };
    /// Fills in what ports have to do with mirrors; returns BridgeEntry::mirrors. A mirror whose output port
    /// is not there does nothing.
    std::vector<pipeline::MirrorEntry> resolve(const std::vector<NamedPort>& ports) const;

    /// What a mirror has sent; nothing: no such row is in use.
    std::optional<pipeline::RuleStats> statistics(const std::string& id) const;

  private:
    struct Mirror {
        MirrorSettings settings;
        pipeline::StatsSlot slot;
        pipeline::RuleStats base;  ///< what the slot had counted before
    };
    pipeline::Datapath& datapath_;
    std::vector<Mirror> mirrors_;
    std::vector<pipeline::StatsSlot> spare_;  ///< a worker may still count there: kept for the next mirror
};

}  // namespace sluice::bridge
