// SPDX-License-Identifier: Apache-2.0
// The reference interpreter behind the test interface.
#pragma once

#include <algorithm>
#include <list>

#include "reference/conntrack.hpp"
#include "tests/diff/target.hpp"

namespace sluice::tests {

class ReferenceTarget final : public ScenarioTarget {
  public:
    std::string name() const override { return "reference"; }
    Result<void> configure(const std::vector<TargetBridge>& bridges) override {
        bridges_.clear();
        const auto connections = std::make_shared<reference::Connections>();
        for (const TargetBridge& from : bridges) {
            reference::Bridge& bridge = bridges_.emplace_back(from.settings);
            bridge.now_ms = kFirstTime;
            bridge.connections = connections;
            for (auto& [id, meter] : bridge.meters)
                meter.filled_ms = kFirstTime;
            for (std::size_t i = 0; i < from.flows.size(); ++i) {
                const FlowSpec& flow = from.flows[i];
                const auto table = static_cast<std::uint8_t>(flow.table == 0xff ? 0 : flow.table);
                bridge.rules.push_back(
                    {table, flow.priority, flow.match, flow.actions, flow.cookie, i, 0, 0});
            }
        }
        for (const TargetBridge& from : bridges) {
            for (const auto& [port, peer] : from.patches) {
                reference::Bridge* there = find(peer.first);
                if (there == nullptr) return make_error(ENODEV, "patch port: no bridge \"{}\"", peer.first);
                reference::Port& here = find(from.settings.name)->ports[port];
                here.peer = there;
                here.peer_port = peer.second;
            }
        }
        return {};
    }
    Verdict run(const std::string& bridge, OfPort in_port, wire::Bytes frame) override {
        return convert(reference::execute(*find(bridge), frame, in_port));
    }
    Result<void> change(const std::string& bridge, const std::vector<RuleChange>& changes) override {
        std::vector<reference::Rule>& rules = find(bridge)->rules;
        for (const RuleChange& change : changes) {
            const FlowSpec& flow = change.flow;
            const auto it = std::find_if(rules.begin(), rules.end(), [&](const reference::Rule& rule) {
                return rule.table == flow.table && rule.priority == flow.priority && rule.match == flow.match;
            });
            if (change.kind == RuleChange::Kind::kDelete) {
                if (it != rules.end()) rules.erase(it);
            } else if (it != rules.end()) {
                it->actions = flow.actions;
                it->cookie = flow.cookie;
            } else if (change.kind == RuleChange::Kind::kAdd) {
                rules.push_back({static_cast<std::uint8_t>(flow.table), flow.priority, flow.match,
                                 flow.actions, flow.cookie, rules.size(), 0, 0});
            }
        }
        return {};
    }
    Verdict packet_out(const std::string& bridge, OfPort in_port, wire::Bytes frame,
                       const ActionList& actions) override {
        return convert(reference::execute_packet_out(*find(bridge), frame, in_port, actions));
    }
    void set_group(const std::string& bridge, std::uint32_t id, const reference::Group* group) override {
        if (group != nullptr) {
            find(bridge)->groups[id] = *group;
        } else {
            find(bridge)->groups.erase(id);
        }
    }
    void set_time(std::uint64_t now_ms) override {
        for (reference::Bridge& bridge : bridges_)
            bridge.now_ms = now_ms;
    }
    void set_link(const std::string& bridge, OfPort port, bool up) override {
        find(bridge)->ports.at(port).link_down = !up;
    }
    std::vector<Counts> group_counts(const std::string& bridge, std::uint32_t id) override {
        reference::Group& group = find(bridge)->groups.at(id);
        std::vector<Counts> counts = {{group.packets, group.bytes}};
        group.bucket_counts.resize(group.buckets.size());
        for (const auto& [packets, bytes] : group.bucket_counts)
            counts.push_back({packets, bytes});
        return counts;
    }
    std::vector<Counts> meter_counts(const std::string& bridge, std::uint32_t id) override {
        const reference::Meter& meter = find(bridge)->meters.at(id);
        std::vector<Counts> counts = {{meter.packets, meter.bytes}};
        for (const auto& band : meter.bands)
            counts.push_back({band.packets, band.bytes});
        return counts;
    }
    std::vector<Counts> mirror_counts(const std::string& bridge) override {
        std::vector<Counts> counts;
        for (const auto& mirror : find(bridge)->mirrors)
            counts.push_back({mirror.packets, mirror.bytes});
        return counts;
    }
    std::uint64_t hits(const std::string& bridge, std::size_t index) override {
        return find(bridge)->rules.at(index).hit_count;
    }
    std::map<reference::FdbKey, OfPort> fdb(const std::string& bridge) override { return find(bridge)->fdb; }

  private:
    reference::Bridge* find(const std::string& name) {
        for (reference::Bridge& bridge : bridges_) {
            if (bridge.name == name) return &bridge;
        }
        return nullptr;
    }
    static Verdict convert(const reference::Execution& execution) {
        Verdict verdict;
        for (const auto& output : execution.outputs)
            verdict.sent.push_back({output.bridge->name, output.port, output.bytes,
                                    output.has_queue ? output.queue : 0xffffffffU});
        for (const auto& in : execution.packet_ins)
            verdict.packet_ins.push_back(
                {in.bridge->name, static_cast<std::uint8_t>(in.reason), in.table, in.bytes});
        verdict.drop = execution.drop;
        return verdict;
    }

    std::list<reference::Bridge> bridges_;  // stable addresses for patch ports
};

}  // namespace sluice::tests
