// SPDX-License-Identifier: Apache-2.0
#include "control/reconcile_ct.hpp"

#include <algorithm>
#include <map>

#include <fmt/format.h>

namespace sluice {

namespace {

using conntrack::kTimeouts;
using ovsdb::Row;
using ovsdb::Uuid;

const Row* find(const TableLookup& tables, std::string_view table, const Uuid& id) {
    const auto& rows = tables(table);
    const auto it = rows.find(id);
    return it == rows.end() ? nullptr : &it->second;
}

/// Pairs of a map of strings to what As is.
template <typename As>
std::map<std::string, As> map_of(const ovsdb::Datum& datum) {
    std::map<std::string, As> out;
    for (std::size_t i = 0; datum.is_map() && i < datum.size(); ++i) {
        const auto* key = std::get_if<std::string>(&datum.keys()[i]);
        const auto* value = std::get_if<As>(&datum.values()[i]);
        if (key && value) out.emplace(*key, *value);
    }
    return out;
}

/// What the policy does not name stays as it is by default.
conntrack::TimeoutPolicy policy_of(const Row& row, Notices& notices) {
    conntrack::TimeoutPolicy policy = conntrack::default_policy();
    for (const auto& [name, seconds] : map_of<std::int64_t>(row["timeouts"])) {
        const auto it =
            std::find_if(kTimeouts.begin(), kTimeouts.end(),
                         [&key = name](const conntrack::TimeoutRow& known) { return known.name == key; });
        if (it == kTimeouts.end()) {
            // The kernel's tracker has these; that of Open vSwitch's user space has not, either.
            notices.no_effect("CT_Timeout_Policy timeouts:" + name);
            continue;
        }
        policy[static_cast<std::size_t>(it - kTimeouts.begin())] =
            static_cast<std::uint32_t>(std::clamp<std::int64_t>(seconds, 0, 0xffffffff));
    }
    return policy;
}

void read_zones(const TableLookup& tables, const Uuid& datapath, ConnectionConfig& config, Notices& notices) {
    const Row* row = find(tables, "Datapath", datapath);
    if (!row) return;
    for (const auto& [number, id] : (*row)["ct_zones"].as_uuid_map()) {
        const Row* zone = find(tables, "CT_Zone", id);
        if (!zone || number < 0 || number > 0xffff) continue;
        const Row* policy = find(tables, "CT_Timeout_Policy", (*zone)["timeout_policy"].as_uuid());
        if (policy) config.zones.try_emplace(static_cast<std::uint16_t>(number), policy_of(*policy, notices));
    }
}

}  // namespace

ConnectionConfig read_connection_config(const TableLookup& tables, Notices& notices) {
    ConnectionConfig config;
    const auto& roots = tables("Open_vSwitch");
    if (roots.empty()) return config;
    const Row& root = roots.begin()->second;
    const auto datapaths = map_of<Uuid>(root["datapaths"]);
    if (const auto netdev = datapaths.find("netdev"); netdev != datapaths.end())
        read_zones(tables, netdev->second, config, notices);
    for (const auto& [type, id] : datapaths)
        read_zones(tables, id, config, notices);
    config.event_file = root["other_config"].get("sluice-ct-events").value_or("");
    if (!config.event_file.empty() && config.event_file.front() != '/') {
        notices.once("sluice-ct-events " + config.event_file,
                     fmt::format("other_config:sluice-ct-events: \"{}\" is not an absolute path, ignored",
                                 config.event_file));
        config.event_file.clear();
    }
    return config;
}

}  // namespace sluice
