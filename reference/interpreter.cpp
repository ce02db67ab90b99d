// SPDX-License-Identifier: Apache-2.0
// Tables, misses, limits, action sets and the verdict; actions are in actions.cpp, NORMAL in normal.cpp.
#include "reference/interpreter.hpp"

#include <fmt/format.h>

#include "flow/action_set.hpp"
#include "reference/machine.hpp"
#include "wire/ethernet.hpp"

namespace sluice::reference {

Machine::Machine(Bridge& bridge, wire::Bytes frame, OfPort in_port) {
    c_.bridge = &bridge;
    p_.bytes.assign(frame.begin(), frame.end());
    p_.vlan_limit = bridge.vlan_limit;
    p_.received_bytes = frame.size();
    p_.at = parse_frame(frame, in_port, {.vlan_limit = bridge.vlan_limit});
    key().set(key::kActsetOutput, kActsetUnset);
}

void Machine::note(DropReason reason, std::string text) {
    out_.notes.push_back(reason);
    out_.trace.push_back({Step::Kind::kNote, indent_, c_.table, 0, nullptr, std::move(text)});
}

void Machine::fail(DropReason reason, std::string text) {
    failed_ = true;
    failure_ = reason;
    note(reason, std::move(text));
}

bool Machine::may_receive(const Port& port) const {
    // 01:80:c2:00:00:00 is STP's own group (IEEE 802.1D §7.12.3); OpenFlow has a flag of its own for it.
    const bool is_stp = p_.at.key.get(key::kEthDst) == 0x0180c2000000;
    return port.up && !(is_stp ? port.no_receive_stp : port.no_receive);
}

Execution Machine::run() {
    out_.trace.push_back({Step::Kind::kBridge, 0, 0, 0, nullptr, c_.bridge->name});
    const auto port = c_.bridge->ports.find(in_port());
    if (p_.bytes.size() < wire::eth::kHeaderBytes) {
        note(DropReason::kRuntFrame, "shorter than an Ethernet header");
    } else if (port != c_.bridge->ports.end() && !may_receive(port->second)) {
        note(DropReason::kReceiveDisabled, "input port is down or set no-receive");
    } else if (is_mirror_output(in_port())) {
        note(DropReason::kMirrorPort, "input port is the output of a mirror");
    } else {
        mirror(in_port(), true);
        process();
        run_action_set();
    }
    return finish(matched_);
}

Execution Machine::run_packet_out(const ActionList& actions) {
    out_.trace.push_back({Step::Kind::kBridge, 0, 0, 0, nullptr, c_.bridge->name});
    c_.in_packet_out = true;
    if (is_mirror_output(in_port())) {
        note(DropReason::kMirrorPort, "input port is the output of a mirror");
        return finish(true);
    }
    mirror(in_port(), true);
    run_list(actions);
    run_action_set();
    return finish(true);
}

Execution Machine::finish(bool matched) {
    if (failed_) {  // OVS throws the whole translation away
        out_.outputs.clear();
        out_.packet_ins.clear();
    }
    if (out_.outputs.empty() && out_.packet_ins.empty()) {
        if (failed_)
            out_.drop = failure_;
        else if (!out_.notes.empty())
            out_.drop = out_.notes.front();
        else
            out_.drop = matched ? DropReason::kActionDrop : DropReason::kNoMatch;
    }
    apply_learned();
    out_.final_key = key();
    return std::move(out_);
}

/// First lookup of a received packet: counts neither as resubmit nor as depth.
void Machine::process() {
    Rule* rule = find_rule(c_.table, in_port(), true);
    if (rule == nullptr)
        miss(c_.table);
    else
        run_rule(*rule, 0);
    c_.table = 0;
}

namespace {

/// resubmit(,N,ct): the tuple of the connection stands where the packet's is, and the other way round.
void exchange_tuples(FlowKey& key) {
    const auto swap = [&](FieldLoc a, FieldLoc b) {
        const U128 value = key.get_wide(a);
        key.set_wide(a, key.get_wide(b));
        key.set_wide(b, value);
    };
    swap(key::kIpProto, key::kCtProto);
    swap(key::kTpSrc, key::kCtTpSrc);
    swap(key::kTpDst, key::kCtTpDst);
    if (key.get(key::kEthType) == 0x86dd) {
        swap(key::kIpv6Src, key::kCtIpv6Src);
        swap(key::kIpv6Dst, key::kCtIpv6Dst);
    } else {
        swap(key::kIpv4Src, key::kCtSrc);
        swap(key::kIpv4Dst, key::kCtDst);
    }
}

}  // namespace

Miss Machine::miss_of(std::uint8_t table) const {
    const auto own = c_.bridge->table_misses.find(table);
    return own != c_.bridge->table_misses.end() ? own->second : c_.bridge->miss;
}

Rule* Machine::find_rule(std::uint8_t& table, OfPort port, bool go_on, bool as_connection) {
    FlowKey lookup = key();
    lookup.set(key::kInPort, to_int(port));
    if (as_connection) exchange_tuples(lookup);
    const bool is_fragment = (lookup.get(key::kIpFrag) & kFragAny) != 0;
    if (is_fragment && c_.bridge->fragments == FragmentMode::kDrop) {
        note(DropReason::kFragment, "fragments are dropped by the bridge's fragment mode");
        return nullptr;
    }
    if (is_fragment && c_.bridge->fragments == FragmentMode::kNormal) {
        // Ports of first fragments are hidden, so that all fragments match alike.
        lookup.set(key::kTpSrc, 0);
        lookup.set(key::kTpDst, 0);
    }
    for (;;) {
        constexpr std::uint8_t kLastTable = 253;
        Rule* rule = search(table, lookup);
        if (rule != nullptr || !go_on || miss_of(table) != Miss::kContinue || table == kLastTable)
            return rule;
        out_.trace.push_back({Step::Kind::kMiss, indent_, table, 0, nullptr, {}});
        ++table;
    }
}

void Machine::miss(std::uint8_t table) {
    out_.trace.push_back({Step::Kind::kMiss, indent_, table, 0, nullptr, {}});
    const bool is_fragment = (key().get(key::kIpFrag) & kFragAny) != 0;
    if (is_fragment && c_.bridge->fragments == FragmentMode::kDrop) return;
    const auto port = c_.bridge->ports.find(in_port());
    const bool silent = port != c_.bridge->ports.end() && port->second.no_packet_in;
    const Rule* rule = std::exchange(c_.rule, nullptr);
    const std::uint8_t old_table = std::exchange(c_.table, table);
    if (miss_of(table) == Miss::kController && !silent)
        packet_in(PacketInReason::kNoMatch, 0xffff, 0);
    else
        note(DropReason::kNoMatch, fmt::format("no match in table {}", table));
    c_.rule = rule;
    c_.table = old_table;
}

void Machine::run_rule(Rule& rule, unsigned deeper) {
    matched_ = true;
    ++rule.hit_count;
    rule.hit_bytes += p_.received_bytes;
    out_.hits.push_back(rule.id);
    out_.trace.push_back({Step::Kind::kRule, indent_, rule.table, rule.id, nullptr, {}});
    const Rule* old = std::exchange(c_.rule, &rule);
    depth_ += deeper;
    ++indent_;
    run_list(rule.actions);
    --indent_;
    depth_ -= deeper;
    c_.rule = old;
}

/// resubmit, goto_table, output to TABLE and patch ports. `port` stands in for in_port during the search
/// only; the actions see the real one.
void Machine::enter_table(std::uint8_t table, OfPort port, bool miss_counts, bool as_connection) {
    if (depth_ >= c_.bridge->max_depth) {
        fail(DropReason::kTooDeep, fmt::format("deeper than {} tables", c_.bridge->max_depth));
        return;
    }
    if (resubmits_ >= c_.bridge->max_resubmits) {
        fail(DropReason::kTooManyResubmits, fmt::format("more than {} resubmits", c_.bridge->max_resubmits));
        return;
    }
    const auto type = key().get(key::kEthType);
    if (as_connection && (key().get(key::kCtProto) == 0 || (type != 0x0800 && type != 0x86dd))) return;
    const std::uint8_t old_table = std::exchange(c_.table, table);
    if (Rule* rule = find_rule(c_.table, port, miss_counts, as_connection)) {
        ++resubmits_;
        run_rule(*rule, table <= old_table ? 1 : 0);
    } else if (miss_counts) {
        miss(c_.table);
    }
    c_.table = old_table;
}

void Machine::run_action_set() {
    const ActionList set = std::exchange(c_.action_set, {});
    if (failed_) return;
    action_sets_run_.push_back(order_action_set(set));
    const bool old = std::exchange(c_.in_action_set, true);
    run_list(action_sets_run_.back());
    c_.in_action_set = old;
}

Execution execute(Bridge& bridge, wire::Bytes frame, OfPort in_port) {
    return Machine{bridge, frame, in_port}.run();
}

Execution execute_packet_out(Bridge& bridge, wire::Bytes frame, OfPort in_port, const ActionList& actions) {
    return Machine{bridge, frame, in_port}.run_packet_out(actions);
}

}  // namespace sluice::reference
