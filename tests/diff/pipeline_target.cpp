// SPDX-License-Identifier: Apache-2.0
#include "tests/diff/pipeline_target.hpp"

#include <algorithm>

#include <gtest/gtest.h>

#include "base/clock.hpp"
#include "flow/action_text.hpp"

namespace sluice::tests {

namespace {

std::shared_ptr<const std::bitset<4096>> bits_of(const std::set<std::uint16_t>& vlans) {
    if (vlans.empty()) return nullptr;
    auto bits = std::make_shared<std::bitset<4096>>();
    for (const auto vlan : vlans)
        bits->set(vlan);
    return bits;
}

pipeline::VlanMode mode_of(reference::VlanMode mode) {
    switch (mode) {
        case reference::VlanMode::kTrunk:
            return pipeline::VlanMode::kTrunk;
        case reference::VlanMode::kAccess:
            return pipeline::VlanMode::kAccess;
        case reference::VlanMode::kNativeTagged:
            return pipeline::VlanMode::kNativeTagged;
        case reference::VlanMode::kNativeUntagged:
            return pipeline::VlanMode::kNativeUntagged;
        case reference::VlanMode::kDot1qTunnel:
            return pipeline::VlanMode::kDot1qTunnel;
    }
    return pipeline::VlanMode::kTrunk;
}

pipeline::PortEntry entry_of(const reference::Port& port) {
    pipeline::PortEntry entry;
    entry.up = port.up;
    entry.live = port.up && !port.link_down;
    entry.no_flood = port.no_flood;
    entry.no_forward = port.no_forward;
    entry.no_receive = port.no_receive;
    entry.no_receive_stp = port.no_receive_stp;
    entry.no_packet_in = port.no_packet_in;
    entry.vlan_mode = mode_of(port.vlan_mode);
    entry.tag = port.tag;
    entry.trunks = bits_of(port.trunks);
    entry.cvlans = bits_of(port.cvlans);
    entry.qinq_ethertype = port.qinq_ethertype;
    entry.priority_tags = static_cast<std::uint8_t>(port.priority_tags);
    entry.is_protected = port.is_protected;
    return entry;
}

std::shared_ptr<const pipeline::OnMissOfTables> misses_of(const reference::Bridge& bridge) {
    if (bridge.table_misses.empty()) return nullptr;
    auto misses = std::make_shared<pipeline::OnMissOfTables>();
    for (const auto& [table, miss] : bridge.table_misses)
        (*misses)[table] = miss == reference::Miss::kContinue     ? pipeline::OnMiss::kContinue
                           : miss == reference::Miss::kController ? pipeline::OnMiss::kController
                                                                  : pipeline::OnMiss::kDrop;
    return misses;
}

}  // namespace

void PipelineTarget::reclaim() {
    while (datapath_->rcu().reclaim() != 0) {
    }
}

void PipelineTarget::clear() {
    if (!datapath_) return;
    for (auto& bridge : bridges_) {
        for (auto& [id, group] : bridge.groups)
            bridge.program->groups().remove(group);
        for (auto& [id, meter] : bridge.meters)
            bridge.program->meters().remove(meter);
        for (auto* rule : bridge.rules) {
            if (rule) bridge.program->remove(rule);
        }
    }
    datapath_->publish();
    datapath_->set_topology({}, {});
    reclaim();
    for (auto& bridge : bridges_)
        bridge.program.reset();
    bridges_.clear();
    reclaim();
    datapath_.reset();
    ports_.clear();
    port_names_.clear();
    paused_.clear();
}

PipelineTarget::BridgeState& PipelineTarget::find(const std::string& name) {
    for (auto& bridge : bridges_) {
        if (bridge.name == name) return bridge;
    }
    return bridges_.front();
}

Result<void> PipelineTarget::add_rules(BridgeState& bridge, const std::vector<FlowSpec>& flows) {
    for (const auto& flow : flows) {
        auto actions = pipeline::compile(flow.actions, &bridge.tun);
        if (!actions) return actions.error();
        const auto table = static_cast<std::uint8_t>(flow.table == 0xff ? 0 : flow.table);
        bridge.rules.push_back(bridge.program->add(table, static_cast<std::uint16_t>(flow.priority),
                                                   SparseMatch::from(flow.match), flow.cookie,
                                                   std::move(*actions)));
    }
    return {};
}

void PipelineTarget::add_mirrors(const reference::Bridge& from, const BridgeState& bridge,
                                 pipeline::BridgeEntry& entry, std::vector<pipeline::PortEntry>& ports) {
    for (std::size_t n = 0; n < from.mirrors.size(); ++n) {
        const reference::Mirror& mirror = from.mirrors[n];
        pipeline::MirrorEntry& to = entry.mirrors.emplace_back();
        const auto output = bridge.ports.find(mirror.output);
        if (output != bridge.ports.end()) to.output = output->second;
        to.vlan = mirror.vlan;
        to.snaplen = mirror.snaplen;
        to.vlans = bits_of(mirror.vlans);
        to.stats = datapath_->allocate_stats();
        for (std::size_t other = 0; other < from.mirrors.size(); ++other) {
            const reference::Mirror& twin = from.mirrors[other];
            if (twin.output == mirror.output && (mirror.output != OfPort::kAny || twin.vlan == mirror.vlan))
                to.same_output |= 1U << other;
        }
        for (auto& port : ports) {
            if (port.bridge != entry.index) continue;
            if (mirror.select_all || mirror.src.count(port.ofport) != 0) port.mirror_src |= 1U << n;
            if (mirror.select_all || mirror.dst.count(port.ofport) != 0) port.mirror_dst |= 1U << n;
            port.mirror_out |= port.ofport == mirror.output;
        }
    }
}

Result<void> PipelineTarget::configure(const std::vector<TargetBridge>& bridges) {
    clear();
    datapath_ = std::make_unique<pipeline::Datapath>();
    now_ms_ = kFirstTime;
    // The control thread's executor learns addresses at once, as the reference does; a worker's asks for it.
    executor_ = &datapath_->control_executor();
    executor_->set_cache_entries(cache_entries_);
    std::vector<pipeline::PortEntry> ports;
    std::vector<pipeline::BridgeEntry> entries;
    for (const auto& from : bridges) {
        BridgeState& bridge = bridges_.emplace_back();
        bridge.name = from.settings.name;
        bridge.datapath = datapath_.get();
        bridge.tun = from.settings.tun;
        bridge.program = std::make_unique<pipeline::Program>(*datapath_);
        bridge.program->set_tun_table(&bridge.tun);
        bridge.fdb = std::make_unique<pipeline::Fdb>(datapath_->rcu());
        for (const auto& [key, port] : from.settings.fdb)
            bridge.fdb->learn(key.second, key.first, port, static_cast<std::uint32_t>(now_ms_ / 1000));
        for (const auto& [number, port] : from.settings.ports) {
            pipeline::PortEntry entry = entry_of(port);
            entry.index = datapath_->allocate_index();
            entry.ofport = number;
            entry.bridge = bridge.program->index();
            entry.port = &ports_.emplace_back(port.name);
            port_names_[&ports_.back()] = {bridge.name, number};
            bridge.ports[number] = entry.index;
            ports.push_back(entry);
        }
        pipeline::BridgeEntry entry;
        entry.index = bridge.program->index();
        entry.name = bridge.name;
        entry.program = bridge.program.get();
        entry.fdb = bridge.fdb.get();
        entry.flow_events = &bridge;
        entry.fragments = static_cast<pipeline::FragmentMode>(from.settings.fragments);
        entry.miss_to_controller = from.settings.miss == reference::Miss::kController;
        entry.on_miss = misses_of(from.settings);
        entry.miss_send_len = 0xffff;
        entry.forward_bpdu = from.settings.forward_bpdu;
        entry.flood_vlans = bits_of(from.settings.flood_vlans);
        datapath_->set_vlan_limit(from.settings.vlan_limit);
        add_mirrors(from.settings, bridge, entry, ports);
        entries.push_back(entry);
        if (auto ok = add_rules(bridge, from.flows); !ok) return ok;
        for (const auto& [id, group] : from.settings.groups)
            set_group(bridge.name, id, &group);
        for (const auto& [id, meter] : from.settings.meters) {
            MeterMod mod{MeterCommand::kAdd, id, meter.flags, {}};
            for (const auto& band : meter.bands)
                mod.bands.push_back(band.config);
            bridge.meters[id] = bridge.program->meters().add(pipeline::make_meter(*datapath_, mod, now_ms_));
        }
    }
    for (const auto& from : bridges) {
        for (const auto& [number, peer] : from.patches) {
            for (auto& entry : ports) {
                if (entry.index != find(from.settings.name).ports[number]) continue;
                entry.patch_peer = find(peer.first).ports[peer.second];
                entry.port = nullptr;
            }
        }
    }
    port_entries_ = std::move(ports);
    bridge_entries_ = std::move(entries);
    datapath_->set_topology(port_entries_, bridge_entries_);
    datapath_->publish();
    return {};
}

void PipelineTarget::set_group(const std::string& name, std::uint32_t id, const reference::Group* group) {
    BridgeState& bridge = find(name);
    auto& table = bridge.program->groups();
    if (const auto old = bridge.groups.find(id); old != bridge.groups.end()) {
        table.remove(old->second);
        bridge.groups.erase(old);
    }
    if (group != nullptr) {
        auto entry = pipeline::compile_group(*datapath_, id, group->type, group->buckets, group->properties,
                                             &bridge.tun);
        bridge.groups[id] = table.add(std::move(*entry));
    }
    datapath_->publish();
    datapath_->rcu().reclaim();
}

void PipelineTarget::set_link(const std::string& bridge, OfPort port, bool up) {
    for (auto& entry : port_entries_) {
        if (entry.index == find(bridge).ports[port]) entry.live = entry.up && up;
    }
    datapath_->set_topology(port_entries_, bridge_entries_);
}

std::vector<DiffTarget::Counts> PipelineTarget::group_counts(const std::string& name, std::uint32_t id) {
    BridgeState& bridge = find(name);
    const auto counts = [&](pipeline::StatsSlot slot) {
        const auto stats = bridge.program->stats(slot);
        return Counts{stats.packets, stats.bytes};
    };
    const pipeline::GroupEntry& group = *bridge.groups.at(id);
    std::vector<Counts> all = {counts(group.stats)};
    for (const auto& bucket : group.buckets)
        all.push_back(counts(bucket.stats));
    return all;
}

std::vector<DiffTarget::Counts> PipelineTarget::meter_counts(const std::string& name, std::uint32_t id) {
    BridgeState& bridge = find(name);
    const auto counts = [&](pipeline::StatsSlot slot) {
        const auto stats = bridge.program->stats(slot);
        return Counts{stats.packets, stats.bytes};
    };
    const pipeline::MeterEntry& meter = *bridge.meters.at(id);
    std::vector<Counts> all = {counts(meter.stats)};
    for (const auto& band : meter.bands)
        all.push_back(counts(band->stats));
    return all;
}

std::vector<DiffTarget::Counts> PipelineTarget::mirror_counts(const std::string& name) {
    const BridgeState& bridge = find(name);
    std::vector<Counts> all;
    for (const auto& entry : bridge_entries_) {
        if (entry.index != bridge.program->index()) continue;
        for (const auto& mirror : entry.mirrors) {
            const auto stats = datapath_->rule_stats(mirror.stats);
            all.push_back({stats.packets, stats.bytes});
        }
    }
    return all;
}

Verdict PipelineTarget::collect() {
    executor_->flush();
    Verdict verdict;
    datapath_->drain(~std::size_t{0}, [&](pipeline::PuntRecord& record) {
        for (const auto& bridge : bridges_) {
            if (bridge.program->index() == record.bridge)
                verdict.packet_ins.push_back(
                    {bridge.name, record.reason, record.table, packet_to_bytes(record.packet)});
        }
        if (record.paused) paused_.emplace_back(std::move(*record.paused), packet_to_bytes(record.packet));
        packet_free(record.packet);
    });
    for (auto& port : ports_) {
        for (auto& [bytes, queue] : port.frames)
            verdict.sent.push_back(
                {port_names_[&port].first, port_names_[&port].second, std::move(bytes), queue});
        port.frames.clear();
    }
    return verdict;
}

Verdict PipelineTarget::run(const std::string& bridge, OfPort in_port, wire::Bytes frame) {
    return run_burst(bridge, in_port, {wire::Frame(frame.begin(), frame.end())});
}

Verdict PipelineTarget::run_burst(const std::string& bridge, OfPort in_port,
                                  const std::vector<wire::Frame>& frames) {
    const auto before = datapath_->drop_counts();
    Packet* burst[kMaxBurst];
    unsigned count = 0;
    for (const auto& frame : frames)
        burst[count++] = packet_from_bytes(frame);
    executor_->run(find(bridge).ports[in_port], burst, count, now_ms_);
    Verdict verdict = collect();
    const auto after = datapath_->drop_counts();
    if (verdict.sent.empty() && verdict.packet_ins.empty()) {
        for (std::size_t i = 0; i < kDropReasonCount; ++i) {
            if (after[i] != before[i]) verdict.drop = static_cast<DropReason>(i);
        }
    }
    return verdict;
}

Verdict PipelineTarget::resume_all() {
    for (auto& [paused, frame] : std::exchange(paused_, {})) {
        const auto done = datapath_->control_executor().resume(paused, packet_from_bytes(frame), now_ms_);
        EXPECT_TRUE(done) << done.error().message;
    }
    return collect();
}

std::vector<pipeline::Rule*>::iterator PipelineTarget::BridgeState::find(std::uint8_t table,
                                                                         std::uint16_t priority,
                                                                         const SparseMatch& match) {
    return std::find_if(rules.begin(), rules.end(), [&](const pipeline::Rule* rule) {
        return rule && rule->table == table && rule->priority == priority && rule->match == match;
    });
}

void PipelineTarget::BridgeState::replace(pipeline::Rule*& old, std::uint64_t cookie,
                                          std::unique_ptr<pipeline::ActionProgram> actions) {
    pipeline::Rule* next =
        program->add(old->table, old->priority, old->match, cookie, std::move(actions), &old->stats);
    program->remove(old, true);
    old = next;
}

void PipelineTarget::BridgeState::learn(const pipeline::LearnedFlow& flow) {
    const LearnAction& action = *flow.action;
    const SparseMatch match = SparseMatch::from(flow.match);
    auto it = find(action.table, action.priority, match);
    if (it == rules.end() || (*it)->cookie != action.cookie ||
        format_actions((*it)->actions->source) != format_actions(flow.actions)) {
        const auto same_cookie = std::count_if(rules.begin(), rules.end(), [&](const pipeline::Rule* rule) {
            return rule && rule->table == action.table && rule->cookie == action.cookie;
        });
        if (action.limit != 0 && same_cookie >= static_cast<std::ptrdiff_t>(action.limit)) return;
        auto actions = pipeline::compile(flow.actions, &tun);
        ASSERT_TRUE(actions) << actions.error().message;
        if (it != rules.end()) {
            replace(*it, action.cookie, std::move(*actions));
        } else {
            rules.push_back(
                program->add(action.table, action.priority, match, action.cookie, std::move(*actions)));
            it = rules.end() - 1;
        }
        datapath->publish();
    }
    (*it)->learn_tag.store(flow.tag);
}

Result<void> PipelineTarget::change(const std::string& name, const std::vector<RuleChange>& changes) {
    BridgeState& bridge = find(name);
    for (const auto& [kind, flow] : changes) {
        const SparseMatch match = SparseMatch::from(flow.match);
        const auto table = static_cast<std::uint8_t>(flow.table);
        const auto it = bridge.find(table, flow.priority, match);
        if (kind == RuleChange::Kind::kDelete) {
            if (it == bridge.rules.end()) continue;
            bridge.program->remove(*it);
            *it = nullptr;
            continue;
        }
        auto actions = pipeline::compile(flow.actions, &bridge.tun);
        if (!actions) return actions.error();
        if (it != bridge.rules.end())
            bridge.replace(*it, flow.cookie, std::move(*actions));
        else if (kind == RuleChange::Kind::kAdd)
            bridge.rules.push_back(
                bridge.program->add(table, flow.priority, match, flow.cookie, std::move(*actions)));
    }
    datapath_->publish();
    reclaim();
    return {};
}

Verdict PipelineTarget::packet_out(const std::string& bridge, OfPort in_port, wire::Bytes frame,
                                   const ActionList& actions) {
    const auto before = datapath_->drop_counts();
    auto program = pipeline::compile(actions, &find(bridge).tun);
    datapath_->control_executor().packet_out(find(bridge).program->index(), in_port, std::move(*program),
                                             packet_from_bytes(frame), now_ms_);
    Verdict verdict = collect();
    const auto after = datapath_->drop_counts();
    if (verdict.sent.empty() && verdict.packet_ins.empty()) {
        for (std::size_t i = 0; i < kDropReasonCount; ++i) {
            if (after[i] != before[i]) verdict.drop = static_cast<DropReason>(i);
        }
    }
    return verdict;
}

std::uint64_t PipelineTarget::hits(const std::string& bridge, std::size_t index) {
    BridgeState& state = find(bridge);
    return state.program->stats(*state.rules.at(index)).packets;
}

std::map<reference::FdbKey, OfPort> PipelineTarget::fdb(const std::string& bridge) {
    std::map<reference::FdbKey, OfPort> table;
    for (const auto& entry : find(bridge).fdb->entries(static_cast<std::uint32_t>(now_ms_ / 1000)))
        table[{entry.vlan, entry.mac}] = entry.port;
    return table;
}

}  // namespace sluice::tests
