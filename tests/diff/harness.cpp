// SPDX-License-Identifier: Apache-2.0
// Generates programs and frames, runs both sides, compares.
#include "tests/diff/harness.hpp"

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <set>

#include <fmt/format.h>

#include <gtest/gtest.h>

#include "tests/diff/frames.hpp"
#include "tests/diff/random_groups.hpp"
#include "tests/diff/reference_target.hpp"

namespace sluice::tests {
namespace {

std::uint64_t environment_or(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text != nullptr ? std::strtoull(text, nullptr, 0) : otherwise;
}

bool is_conjunctive(const FlowSpec& flow) {
    return !flow.actions.empty() && std::holds_alternative<ConjunctionAction>(flow.actions.front().kind);
}

std::vector<FlowSpec>::iterator find_flow(std::vector<FlowSpec>& flows, const FlowSpec& like) {
    return std::find_if(flows.begin(), flows.end(), [&](const FlowSpec& flow) {
        return flow.table == like.table && flow.priority == like.priority && flow.match == like.match;
    });
}

/// A few flow-mods; `flows` follows them. New flows get priorities that no other has.
std::vector<RuleChange> random_changes(Random& random, std::vector<FlowSpec>& flows, std::uint16_t& priority,
                                       const RandomOptions& options) {
    std::vector<RuleChange> changes;
    for (std::uint32_t n = 1 + random.below(3); n > 0; --n) {
        const std::uint32_t what = random.below(3);
        if (what == 0 || flows.empty()) {
            for (FlowSpec& flow : random_rules(random, 1, options)) {
                flow.priority = is_conjunctive(flow) ? flow.priority : ++priority;
                if (find_flow(flows, flow) != flows.end()) continue;
                changes.push_back({RuleChange::Kind::kAdd, flow});
                flows.push_back(flow);
            }
            continue;
        }
        const auto at = flows.begin() + random.below(static_cast<std::uint32_t>(flows.size()));
        if (what == 1) {
            changes.push_back({RuleChange::Kind::kDelete, *at});
            flows.erase(at);
        } else if (!is_conjunctive(*at)) {
            at->actions = random_actions(random, at->match, static_cast<std::uint8_t>(at->table), options);
            changes.push_back({RuleChange::Kind::kModify, *at});
        }
    }
    return changes;
}

/// To a port that gets other packets as well, to one reserved by it, to a VLAN; overlapping or not.
reference::Mirror random_mirror(Random& random, std::uint32_t ports) {
    reference::Mirror mirror;
    mirror.select_all = random.one_in(3);
    for (std::uint32_t n = 1; n <= ports; ++n) {
        if (random.one_in(3)) mirror.src.insert(OfPort{n});
        if (random.one_in(3)) mirror.dst.insert(OfPort{n});
    }
    for (std::uint16_t vlan = 0; vlan < 3; ++vlan)
        if (random.one_in(4)) mirror.vlans.insert(vlan);
    if (random.one_in(3))
        mirror.vlan = static_cast<std::uint16_t>(1 + random.below(3));
    else
        mirror.output = OfPort{1 + random.below(ports)};
    if (random.one_in(4)) mirror.snaplen = 14 + random.below(60);
    return mirror;
}

/// One bridge; every rule has a priority of its own, because which of two overlapping rules of equal
/// priority wins is undefined.
TargetBridge random_bridge(Random& random, const DifferentialOptions& options) {
    TargetBridge bridge;
    for (std::uint32_t n = 1; n <= options.random.ports; ++n) {
        reference::Port& port = bridge.settings.ports[OfPort{n}];
        port.name = fmt::format("p{}", n);
        port.no_flood = random.one_in(10);
        if (options.random.normal && random.one_in(3)) {
            port.vlan_mode = reference::VlanMode::kAccess;
            port.tag = static_cast<std::uint16_t>(random.below(3));
        }
    }
    bridge.flows = random_rules(random, 1 + random.below(options.rules), options.random);
    for (std::size_t i = 0; i < bridge.flows.size(); ++i)
        bridge.flows[i].priority = static_cast<std::uint16_t>(100 + i);
    for (std::size_t i = bridge.flows.size(); i > 1; --i)
        std::swap(bridge.flows[i - 1].priority,
                  bridge.flows[random.below(static_cast<std::uint32_t>(i))].priority);
    if (options.random.tun) bridge.settings.tun = *options.random.tun;
    if (options.table_misses) {
        // Controllers of OpenFlow 1.1 get what misses, but where a table says otherwise.
        bridge.settings.miss = reference::Miss::kController;
        for (std::uint32_t table = 0; table < options.random.tables; ++table)
            if (random.one_in(2))
                bridge.settings.table_misses[static_cast<std::uint8_t>(table)] =
                    reference::Miss(random.below(3));
    }
    for (std::uint32_t id = 1; id <= options.random.groups; ++id)
        bridge.settings.groups[id] = random_group(random, options.random, id);
    for (std::uint32_t id = 1; id <= options.random.meters; ++id)
        bridge.settings.meters[id] = random_meter(random);
    for (std::uint32_t n = options.mirrors ? 1 + random.below(3) : 0; n > 0; --n)
        bridge.settings.mirrors.push_back(random_mirror(random, options.random.ports));
    // Conjunctive rules work together by having one priority.
    std::vector<FlowSpec> kept;
    for (FlowSpec& flow : bridge.flows) {
        if (is_conjunctive(flow)) flow.priority = flow.cookie % 3 == 0 ? 60 : 50;
        if (find_flow(kept, flow) == kept.end()) kept.push_back(flow);
    }
    bridge.flows = std::move(kept);
    return bridge;
}

std::string describe(const reference::Mirror& mirror) {
    std::string text = fmt::format("    mirror to port {} vlan {} snaplen {}{}",
                                   static_cast<std::int32_t>(to_int(mirror.output)), mirror.vlan,
                                   mirror.snaplen, mirror.select_all ? " all" : "");
    for (const OfPort port : mirror.src)
        text += fmt::format(" src {}", to_int(port));
    for (const OfPort port : mirror.dst)
        text += fmt::format(" dst {}", to_int(port));
    for (const auto vlan : mirror.vlans)
        text += fmt::format(" vlan {}", vlan);
    return text + "\n";
}

std::string describe(const Verdict& verdict) {
    std::string text;
    for (const SentFrame& frame : verdict.sent)
        text += fmt::format("    out {} queue {} {}\n", to_int(frame.port),
                            static_cast<std::int32_t>(frame.queue), wire::hex_of(frame.bytes));
    for (const SentPacketIn& in : verdict.packet_ins)
        text +=
            fmt::format("    packet-in reason {} table {} {}\n", in.reason, in.table, wire::hex_of(in.bytes));
    if (verdict.drop)
        text += fmt::format("    drop {}\n", kDropReasonNames[static_cast<std::size_t>(*verdict.drop)]);
    return text;
}

/// The order between ports means nothing; the order of frames of one port does.
Verdict in_port_order(Verdict verdict) {
    std::stable_sort(verdict.sent.begin(), verdict.sent.end(), [](const SentFrame& a, const SentFrame& b) {
        return std::tie(a.bridge, a.port) < std::tie(b.bridge, b.port);
    });
    return verdict;
}
/// In a burst only flows keep their order.
Verdict in_any_order(Verdict verdict) {
    std::sort(verdict.sent.begin(), verdict.sent.end());
    std::sort(verdict.packet_ins.begin(), verdict.packet_ins.end());
    return verdict;
}

bool agree(const Verdict& a, const Verdict& b, bool compare_drops) {
    return a.sent == b.sent && a.packet_ins == b.packet_ins && a.drop.has_value() == b.drop.has_value() &&
           (!compare_drops || a.drop == b.drop);
}

/// Counters of all groups and meters that a program still has agree.
void compare_counts(DiffTarget& a, DiffTarget& b, const std::set<std::uint32_t>& groups, std::uint32_t meters,
                    const std::string& where) {
    for (const auto id : groups)
        EXPECT_TRUE(a.group_counts("br0", id) == b.group_counts("br0", id)) << where << " group " << id;
    for (std::uint32_t id = 1; id <= meters; ++id)
        EXPECT_TRUE(a.meter_counts("br0", id) == b.meter_counts("br0", id)) << where << " meter " << id;
}

}  // namespace

void run_differential(DiffTarget& target, DifferentialOptions options) {
    options.seed = environment_or("SLUICE_DIFF_SEED", options.seed);
    options.programs = static_cast<unsigned>(environment_or("SLUICE_DIFF_PROGRAMS", options.programs));
    unsigned failures = 0, forwarded = 0;
    for (unsigned program = 0; program < options.programs && failures < options.failures; ++program) {
        Random random{options.seed * 1'000'003 + program};
        TargetBridge bridge = random_bridge(random, options);
        std::uint16_t priority = 1000;
        ReferenceTarget reference;
        const auto ready = reference.configure({bridge});
        ASSERT_TRUE(ready) << ready.error().message;
        const auto target_ready = target.configure({bridge});
        ASSERT_TRUE(target_ready) << target.name() << ": " << target_ready.error().message;
        std::set<std::uint32_t> groups;
        for (const auto& [id, group] : bridge.settings.groups)
            groups.insert(id);
        std::uint64_t now_ms = kFirstTime;
        for (unsigned n = 0; n < options.frames; ++n) {
            if (options.change_groups && options.random.groups > 0 && random.one_in(3)) {
                const auto id = 1 + random.below(options.random.groups);
                const reference::Group group = random_group(random, options.random, id);
                const bool remove = random.one_in(4);
                reference.set_group("br0", id, remove ? nullptr : &group);
                target.set_group("br0", id, remove ? nullptr : &group);
                remove ? void(groups.erase(id)) : void(groups.insert(id));
            }
            if (options.random.meters > 0) {
                now_ms += random.below(4);
                reference.set_time(now_ms);
                target.set_time(now_ms);
            }
            if (options.change_one_in != 0 && random.one_in(options.change_one_in)) {
                const auto changes = random_changes(random, bridge.flows, priority, options.random);
                ASSERT_TRUE(reference.change("br0", changes));
                const auto changed = target.change("br0", changes);
                ASSERT_TRUE(changed) << target.name() << ": " << changed.error().message;
            }
            std::vector<wire::Frame> frames;
            for (unsigned f = 0; f < options.burst; ++f)
                frames.push_back(random_frame(random, options.random));
            const wire::Frame& frame = frames.front();
            const OfPort in_port{1 + random.below(options.random.ports)};
            const bool single = options.burst == 1;
            const auto in_order = [single](Verdict v) {
                return single ? in_port_order(std::move(v)) : in_any_order(std::move(v));
            };
            const Verdict expected = in_order(reference.run_burst("br0", in_port, frames));
            const Verdict got = in_order(target.run_burst("br0", in_port, frames));
            if (!expected.sent.empty()) ++forwarded;
            if (agree(expected, got, options.compare_drops)) continue;
            std::string flows;
            for (const FlowSpec& flow : bridge.flows)
                flows += fmt::format("    {}\n", format_flow_spec(flow, nullptr, options.random.tun));
            for (const auto& [table, miss] : bridge.settings.table_misses)
                flows += fmt::format("    table {}: miss {}\n", table, static_cast<int>(miss));
            flows += describe_groups(bridge.settings.groups);
            for (const auto& mirror : bridge.settings.mirrors)
                flows += describe(mirror);
            ADD_FAILURE() << fmt::format("seed {} program {} frame {}: in_port {} {}\n", options.seed,
                                         program, n, to_int(in_port), wire::hex_of(frame))
                          << "  reference:\n"
                          << describe(expected) << "  " << target.name() << ":\n"
                          << describe(got) << "  flows:\n"
                          << flows;
            if (++failures >= options.failures) break;
        }
        EXPECT_TRUE(reference.mirror_counts("br0") == target.mirror_counts("br0")) << "program " << program;
        compare_counts(reference, target, groups, options.random.meters,
                       fmt::format("seed {} program {}", options.seed, program));
    }
    // A test in which nothing is ever forwarded would prove nothing.
    if (options.programs >= 20 && failures == 0) {
        EXPECT_GT(forwarded, options.programs);
    }
}

}  // namespace sluice::tests
