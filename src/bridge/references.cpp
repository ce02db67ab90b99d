// SPDX-License-Identifier: Apache-2.0
#include "bridge/references.hpp"

namespace sluice::bridge {

namespace {

void collect(const ActionList& actions, NamedObjects& out) {
    for (const Action& action : actions) {
        if (const auto* group = std::get_if<GroupAction>(&action.kind)) out.groups.push_back(group->group);
        if (const auto* meter = std::get_if<MeterAction>(&action.kind)) out.meters.push_back(meter->meter);
        if (const auto* clone = std::get_if<CloneAction>(&action.kind)) collect(clone->actions, out);
        if (const auto* set = std::get_if<WriteActionsAction>(&action.kind)) collect(set->actions, out);
    }
}

}  // namespace

NamedObjects NamedObjects::in(const ActionList& actions) {
    NamedObjects out;
    collect(actions, out);
    return out;
}

void References::add(Flow& flow) {
    if (!flow.rule->actions->refers) return;
    const auto named = NamedObjects::in(flow.actions());
    for (const auto id : named.groups)
        groups_[id].insert(&flow);
    for (const auto id : named.meters)
        meters_[id].insert(&flow);
}

void References::remove(Flow& flow) {
    if (!flow.rule->actions->refers) return;
    const auto drop = [&flow](Users& users, std::uint32_t id) {
        const auto it = users.find(id);
        if (it == users.end()) return;
        it->second.erase(&flow);
        if (it->second.empty()) users.erase(it);
    };
    const auto named = NamedObjects::in(flow.actions());
    for (const auto id : named.groups)
        drop(groups_, id);
    for (const auto id : named.meters)
        drop(meters_, id);
}

std::size_t References::count(const Users& users, std::uint32_t id) {
    const auto it = users.find(id);
    return it == users.end() ? 0 : it->second.size();
}

std::vector<Flow*> References::list(const Users& users, std::uint32_t id) {
    const auto it = users.find(id);
    return it == users.end() ? std::vector<Flow*>{}
                             : std::vector<Flow*>(it->second.begin(), it->second.end());
}

}  // namespace sluice::bridge
