// SPDX-License-Identifier: Apache-2.0
// FlowTables: limits of tables, eviction, vacancy. Only flows with a time-out may be evicted: the others were
// meant to stay (ovs-vswitchd.conf.db(5), Flow_Table).
#include <algorithm>
#include <map>
#include <vector>

#include "bridge/flow_tables.hpp"

namespace sluice::bridge {

namespace {

/// Values of the fields that flows are grouped by; what a flow does not match on counts as 0.
std::vector<std::uint64_t> group_of(const Flow& flow, const std::vector<SubField>& fields) {
    std::vector<std::uint64_t> values;
    if (fields.empty()) return values;
    const Match match = flow.match().expand();
    for (const SubField& field : fields) {
        const U128 value =
            match.value.get_wide(field_info(field.field).loc) >> field.offset & low_mask(field.bits);
        values.push_back(value.hi);
        values.push_back(value.lo);
    }
    return values;
}

}  // namespace

// One look at every flow of the table: what evicts is a table that was made small on purpose.
bool FlowTables::evict_one(std::uint8_t table) {
    const TableSettings& settings = table_settings(table);
    if (!settings.evict && !table_config(table).evict) return false;
    if (!tables_[table]) return false;
    struct Group {
        std::size_t size = 0;
        Flow* victim = nullptr;
        std::pair<std::uint16_t, std::int64_t> rank;  ///< importance, moment of expiry: least goes first
    };
    std::map<std::vector<std::uint64_t>, Group> groups;
    for (Flow* flow = tables_[table]->first(); flow; flow = flow->next) {
        const std::int64_t deadline = flow->hidden ? 0 : next_deadline(*flow);
        if (deadline == 0) continue;
        Group& group = groups[group_of(*flow, settings.groups)];
        ++group.size;
        const std::pair rank{flow->importance, deadline};
        if (!group.victim || rank < group.rank) {
            group.victim = flow;
            group.rank = rank;
        }
    }
    const auto largest = std::max_element(groups.begin(), groups.end(), [](const auto& a, const auto& b) {
        return a.second.size != b.second.size ? a.second.size < b.second.size : b.second.rank < a.second.rank;
    });
    if (largest == groups.end()) return false;
    remove(*largest->second.victim, FlowRemovedReason::kEviction);
    return true;
}

void FlowTables::set_table_settings(std::uint8_t table, TableSettings settings) {
    const std::uint32_t limit = settings.max_flows;
    settings_[table] = std::move(settings);
    while (flow_count(table) > limit && evict_one(table)) {
    }
    if (!in_transaction_) settle();
}

const TableConfig& FlowTables::table_config(std::uint8_t table) const {
    static const TableConfig kDefault;
    const auto it = configs_.find(table);
    return it == configs_.end() ? kDefault : it->second;
}

void FlowTables::configure_table(std::uint8_t table, bool evict,
                                 std::optional<openflow::TableVacancy> vacancy) {
    TableConfig& config = configs_[table];
    config.evict = evict;
    if (vacancy) {
        config.vacancy_down = vacancy->down_percent;
        config.vacancy_up = vacancy->up_percent;
        if (!config.vacancy_events) config.tells_down = vacancy_percent(table) >= config.vacancy_up;
    }
    config.vacancy_events = vacancy.has_value();
}

std::uint8_t FlowTables::vacancy_percent(std::uint8_t table) const {
    const std::uint64_t limit = table_settings(table).max_flows;
    const std::uint64_t used = flow_count(table);
    return used >= limit ? std::uint8_t{0} : static_cast<std::uint8_t>((limit - used) * 100 / limit);
}

}  // namespace sluice::bridge
