// SPDX-License-Identifier: Apache-2.0
// Which flows name a group or a meter in their actions: they go when it goes, and statistics count them.
#pragma once

#include <cstdint>
#include <set>
#include <unordered_map>
#include <vector>

#include "bridge/flow_index.hpp"

namespace sluice::bridge {

/// The numbers of groups and meters that actions name, nested lists included.
struct NamedObjects {
    std::vector<std::uint32_t> groups, meters;
    static NamedObjects in(const ActionList& actions);
};

class References {
  public:
    /// Enters a flow under what its present actions name, and takes it out again. O(1) for most flows.
    void add(Flow& flow);
    void remove(Flow& flow);

    std::size_t group_count(std::uint32_t group) const { return count(groups_, group); }
    std::size_t meter_count(std::uint32_t meter) const { return count(meters_, meter); }
    std::vector<Flow*> of_group(std::uint32_t group) const { return list(groups_, group); }
    std::vector<Flow*> of_meter(std::uint32_t meter) const { return list(meters_, meter); }

  private:
    using Users = std::unordered_map<std::uint32_t, std::set<Flow*>>;
    static std::size_t count(const Users& users, std::uint32_t id);
    static std::vector<Flow*> list(const Users& users, std::uint32_t id);

    Users groups_, meters_;
};

}  // namespace sluice::bridge
