// SPDX-License-Identifier: Apache-2.0
#include "control/trace_tree.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "bridge/flow_tables.hpp"
#include "control/trace.hpp"
#include "control/trace_odp.hpp"
#include "flow/action_text.hpp"
#include "flow/match_text.hpp"
#include "pipeline/group.hpp"
#include "pipeline/program.hpp"

namespace sluice {

namespace {

constexpr FieldLoc kMegaflowFields[] = {
    key::kEthDst,  key::kEthSrc,  key::kEthType,   key::kVlanTci, key::kIpProto,  key::kIpTos,
    key::kIpTtl,   key::kIpv4Src, key::kIpv4Dst,   key::kTpSrc,   key::kTpDst,    key::kTcpFlags,
    key::kIpv6Src, key::kIpv6Dst, key::kIpv6Label, key::kArpSha,  key::kArpTha,   key::kNdTarget,
    key::kPktMark, key::kTunId,   key::kTunSrc,    key::kTunDst,  key::kVlan1Tci, key::kCtState,
    key::kCtZone,  key::kCtMark,  key::kCtLabel,
};

bool contains(const ActionList& list, const Action& action) {
    return !list.empty() && &action >= list.data() && &action < list.data() + list.size();
}

bool contains_nested(const pipeline::ActionProgram& program, const Action& action) {
    if (contains(program.source, action)) return true;
    return std::any_of(program.ops.begin(), program.ops.end(), [&](const pipeline::Op& op) {
        return op.nested && contains_nested(*op.nested, action);
    });
}

/// Place in the fixed order in which an action set is executed (OpenFlow 1.5 §5.6).
int set_rank(const Action& action) {
    const auto& kind = action.kind;
    if (std::holds_alternative<PopMplsAction>(kind)) return 1;
    if (std::holds_alternative<StripVlanAction>(kind)) return 2;
    if (std::holds_alternative<PushMplsAction>(kind)) return 3;
    if (std::holds_alternative<PushVlanAction>(kind)) return 4;
    if (std::holds_alternative<DecTtlAction>(kind)) return 5;
    if (std::holds_alternative<DecMplsTtlAction>(kind)) return 6;
    if (std::holds_alternative<SetQueueAction>(kind)) return 8;
    if (std::holds_alternative<GroupAction>(kind)) return 9;
    if (std::holds_alternative<OutputAction>(kind)) return 10;
    return 7;
}

/// `plain`: the reason where the action names none (1, that is).
std::string controller_text(const Action* action, unsigned plain, std::uint64_t cookie, bool sent) {
    unsigned reason = 0, id = 0, max_len = 0xffff;
    if (action) {
        if (const auto* full = std::get_if<ControllerAction>(&action->kind)) {
            reason = full->reason == 1 ? plain : full->reason;
            id = full->controller_id, max_len = full->max_len;
        } else if (const auto* output = std::get_if<OutputAction>(&action->kind)) {
            reason = plain, max_len = output->max_len;
        } else if (std::holds_alternative<DecTtlAction>(action->kind)) {
            reason = 2;
        }
    }
    return fmt::format(
        "userspace(pid=0,controller(reason={},dont_send={},continuation=0,recirc_id=0,rule_cookie={},"
        "controller_id={},max_len={}))",
        reason, sent ? 0 : 1, text::format_c_hex(cookie), id, max_len);
}

}  // namespace

TraceTree::Nodes& TraceTree::current() {
    if (!frames_.empty()) return *frames_.back().subs;
    return bridge_subs_ ? *bridge_subs_ : roots_;
}

void TraceTree::enter_bridge(unsigned bridge, const FlowKey& key, unsigned) {
    const SwitchBridge* owner = switch_.find_bridge(bridge);
    Node node{NodeType::kBridge, fmt::format("bridge(\"{}\")", owner ? owner->bridge->name() : "?"), {}};
    auto run = std::make_unique<Run>();
    run->bridge = bridge;
    run->entry = key;
    frames_.clear();
    action_set_.clear();
    executing_set_ = false;
    last_action_ = nullptr;
    if (!root_run_) {
        first_key_ = last_key_ = key;
        roots_.push_back(std::move(node));
        bridge_subs_ = &roots_.back().subs;
        root_run_ = std::move(run);
        run_ = root_run_.get();
        if (recirculation_ != 0)
            bridge_subs_->push_back(
                {NodeType::kThaw, fmt::format("Resuming from table {}", resumed_table_), {}});
        if (packet_out_) frames_.push_back({nullptr, bridge_subs_, packet_out_});
        return;
    }
    const auto waiting = std::find_if(pending_.begin(), pending_.end(), [&](const Pending& p) {
        const SwitchPort* peer = switch_.find_port(p.peer);
        return !p.used && peer && owner && peer->bridge == owner->bridge->name();
    });
    Nodes& where = waiting != pending_.end() ? *waiting->where : roots_;
    Run& outer = waiting != pending_.end() ? *waiting->run : *root_run_;
    if (waiting != pending_.end()) {
        waiting->used = true;
        // The key is not parsed yet on this side of a patch port: what left the other side is.
        for (Item& item : outer.items) {
            if (item.port == waiting->peer && !item.inner && item.step.empty()) {
                run->entry = item.key;
                item.inner = std::move(run);
                run_ = item.inner.get();
                break;
            }
        }
    }
    if (run) {
        outer.items.emplace_back();
        outer.items.back().key = key;
        outer.items.back().inner = std::move(run);
        run_ = outer.items.back().inner.get();
    }
    where.push_back(std::move(node));
    bridge_subs_ = &where.back().subs;
}

void TraceTree::note_consulted(const FlowKey& key, const FlowKey& consulted) {
    for (unsigned i = 0; i < kKeyWords; ++i)
        touched_.word[i] |= consulted.word[i] & ~(key.word[i] ^ first_key_.word[i]);
}

void TraceTree::lookup(std::uint8_t table, const pipeline::Rule* rule, const FlowKey& key,
                       const FlowKey& consulted, unsigned) {
    note_consulted(key, consulted);
    if (run_ == root_run_.get() && buckets_ == 0) last_key_ = key;
    Nodes& list = current();
    std::string text;
    if (rule) {
        const bridge::Bridge& bridge = *switch_.find_bridge(run_->bridge)->bridge;
        const BridgePortNames ports(bridge);
        const std::string match =
            format_match(rule->match.expand(), style_.names ? &ports : nullptr, bridge.flows().tun_table());
        text = fmt::format("{:2}. {}{}priority {}", table, match, match.empty() ? "" : ", ", rule->priority);
        if (rule->cookie != 0) text += fmt::format(", cookie {:#x}", rule->cookie);
    } else {
        text = fmt::format("{:2}. No match.", table);
    }
    list.push_back({NodeType::kTable, std::move(text), {}});
    if (!rule) {
        list.back().subs.push_back({NodeType::kAction, "drop", {}});
        // Actions that follow belong to the rule that sent the packet here; a miss has none.
        if (frames_.empty()) frames_.push_back({nullptr, &list.back().subs});
        return;
    }
    if (rule->actions->source.empty()) list.back().subs.push_back({NodeType::kAction, "drop", {}});
    frames_.push_back({rule, &list.back().subs});
    last_action_ = nullptr;
}

void TraceTree::note_changed(const FlowKey& key) {
    for (unsigned i = 0; i < kKeyWords; ++i)
        changed_.word[i] |= key.word[i] ^ first_key_.word[i];
}

void TraceTree::report_move(const MoveAction& move, const FlowKey& key) {
    const U128 value = field_get(field_info(move.source.field), key) >> move.source.offset;
    current().push_back({NodeType::kDetail,
                         fmt::format("{} is now {}", format_subfield(move.target),
                                     text::format_hex(value & low_mask(move.source.bits))),
                         {}});
}

void TraceTree::written(const SubField& target, U128 value) {
    current().push_back({NodeType::kDetail,
                         fmt::format("{} is now {}", format_subfield(target), text::format_hex(value)),
                         {}});
}

bool TraceTree::owns(const Frame& frame, const Action& action) const {
    if (frame.list) return contains_nested(*frame.list, action);
    return frame.rule && contains_nested(*frame.rule->actions, action);
}

bool TraceTree::in_action_set(const Action& action) const {
    return std::any_of(frames_.begin(), frames_.end(), [&](const Frame& frame) {
        if (!frame.rule) return false;
        const auto& ops = frame.rule->actions->ops;
        return std::any_of(ops.begin(), ops.end(), [&](const pipeline::Op& op) {
            return op.code == pipeline::OpCode::kWriteActions && op.nested &&
                   contains_nested(*op.nested, action);
        });
    });
}

void TraceTree::action(const Action& action, const FlowKey& key, unsigned) {
    if (run_ == root_run_.get() && buckets_ == 0) last_key_ = key;
    last_action_ = &action;
    if (Run* run = std::exchange(reframed_, nullptr))
        run->items.back().after = std::make_unique<FlowKey>(key);
    if (const auto* out = std::get_if<OutputAction>(&action.kind)) {
        normal_ |= out->port == OfPort::kNormal;
    }
    const BridgePortNames ports(*switch_.find_bridge(run_->bridge)->bridge);
    const std::string text = format_actions({action}, style_.names ? &ports : nullptr);
    if (in_action_set(action)) {
        if (!std::exchange(executing_set_, true)) {
            Nodes& list = *frames_.front().subs;
            list.push_back({NodeType::kTable, "--. Executing action set:", {}});
            frames_.push_back({frames_.front().rule, &list.back().subs});
        }
        current().push_back({NodeType::kAction, text, {}});
        return;
    }
    // Return to the rule the action belongs to; stay where we are for lists without a rule (packet-out).
    const auto owner = std::find_if(frames_.rbegin(), frames_.rend(),
                                    [&](const Frame& frame) { return owns(frame, action); });
    if (owner != frames_.rend()) frames_.erase(owner.base(), frames_.end());
    current().push_back({NodeType::kAction, text, {}});
    if (const auto* written = std::get_if<WriteActionsAction>(&action.kind)) write_actions(*written);
    if (const auto* move = std::get_if<MoveAction>(&action.kind)) report_move(*move, key);
    if (std::holds_alternative<ClearActionsAction>(action.kind)) action_set_.clear();
    if (const auto* ct = std::get_if<CtAction>(&action.kind)) {
        for (const Action& inner : ct->actions)
            current().push_back({NodeType::kAction, format_actions({inner}), {}});
        if (ct->actions.empty()) current().push_back({NodeType::kAction, "drop", {}});
    }
    if (const auto* meter = std::get_if<MeterAction>(&action.kind)) {
        add_step(fmt::format("meter({})", meter->meter), key);
        run_->items.back().commits = false;  // sets of fields come when the packet leaves
    }
    if (std::holds_alternative<EncapAction>(action.kind) ||
        std::holds_alternative<DecapAction>(action.kind)) {
        add_step({}, key);
        run_->items.back().reframe = &action;
        reframed_ = run_;
    }
    if (std::holds_alternative<CtClearAction>(action.kind) && key.get(key::kCtState) != 0)
        add_step("ct_clear", key);
}

/// Why a packet goes to a controller from where the walk is: OFPR_*, and 6 for what OVS counts as a miss
/// though a flow sends it.
unsigned TraceTree::controller_reason() const {
    constexpr unsigned kAction = 1, kActionSet = 3, kGroup = 4, kPacketOut = 5, kTableMiss = 6;
    if (executing_set_) return kActionSet;
    if (buckets_ != 0) return kGroup;
    if (frames_.empty()) return kAction;
    if (frames_.back().list) return kPacketOut;
    return frames_.back().rule && frames_.back().rule->is_table_miss ? kTableMiss : kAction;
}

/// Can a datapath undo what these actions do to a packet by setting fields? If not, OVS clones it.
static bool reversible(const ActionList& actions) {
    return std::none_of(actions.begin(), actions.end(), [](const Action& action) {
        return std::holds_alternative<CtAction>(action.kind) ||
               std::holds_alternative<MeterAction>(action.kind) ||
               std::holds_alternative<OutputTruncAction>(action.kind) ||
               std::holds_alternative<EncapAction>(action.kind) ||
               std::holds_alternative<DecapAction>(action.kind) ||
               std::holds_alternative<DecNshTtlAction>(action.kind);
    });
}

void TraceTree::enter_clone(const FlowKey& key, bool last) {
    const auto* clone = last_action_ ? std::get_if<CloneAction>(&last_action_->kind) : nullptr;
    clones_.push_back(nullptr);
    if (!clone || !run_ || reversible(clone->actions) || (last && action_set_.empty())) return;
    add_step({}, key);
    clones_.back() = run_;
    Item& item = run_->items.back();
    item.is_clone = true;
    item.inner = std::make_unique<Run>();
    item.inner->bridge = run_->bridge;
    run_ = item.inner.get();
}

void TraceTree::leave_clone() {
    if (Run* around = clones_.back()) run_ = around;
    clones_.pop_back();
    reframed_ = nullptr;
}

void TraceTree::add_step(std::string text, const FlowKey& key) {
    note_changed(key);
    Item item;
    item.key = key;
    item.step = std::move(text);
    run_->items.push_back(std::move(item));
}

void TraceTree::tracked(const FlowKey& key, pipeline::TraceFork* fork) {
    if (!run_ || !last_action_) return;
    const auto* ct = std::get_if<CtAction>(&last_action_->kind);
    if (!ct) return;
    std::string text = format_odp_ct(*ct, key);
    if (fork) {
        current().push_back(
            {NodeType::kDetail,
             fmt::format("A clone of the packet is forked to recirculate. The forked pipeline "
                         "will be resumed at table {}.",
                         fork->table),
             {}});
        text += fmt::format(",recirc({:#x})", ++*recirculations_);
        forks_.push_back({std::move(*fork), *recirculations_});
        for (const Action& inner : ct->actions) {
            if (const auto* nat = std::get_if<NatAction>(&inner.kind)) forks_.back().nat = nat;
        }
    }
    current().push_back({NodeType::kDetail,
                         "Sets the packet to an untracked state, and clears all the conntrack fields.",
                         {}});
    add_step(std::move(text), key);
}

void TraceTree::write_actions(const WriteActionsAction& written) {
    for (const Action& action : written.actions) {
        const auto same = std::find_if(action_set_.begin(), action_set_.end(), [&](const Action& other) {
            return other.kind.index() == action.kind.index() && set_rank(action) != 7;
        });
        if (same != action_set_.end()) action_set_.erase(same);
        action_set_.push_back(action);
    }
    std::stable_sort(action_set_.begin(), action_set_.end(),
                     [](const Action& a, const Action& b) { return set_rank(a) < set_rank(b); });
    current().push_back(
        {NodeType::kDetail, fmt::format("action set is: {}", format_actions(action_set_)), {}});
}

/// Why NORMAL does not take a packet of the VLAN that this one is in, in the words of OVS.
std::string TraceTree::describe_refused_vlan() const {
    const auto vid = last_key_.get(key::kVlanTci) & 0xfff;
    const SwitchBridge* owner = switch_.find_bridge(run_->bridge);
    const auto* port =
        owner ? owner->bridge->port(OfPort{static_cast<std::uint32_t>(last_key_.get(key::kInPort))})
              : nullptr;
    const std::string name = port ? port->name : "";
    const auto mode = port ? port->entry.vlan_mode : pipeline::VlanMode::kTrunk;
    if (mode == pipeline::VlanMode::kAccess)
        return fmt::format(
            "dropping VLAN {} tagged packet received on port {} configured as VLAN {} access port", vid, name,
            port->entry.tag);
    if (mode == pipeline::VlanMode::kDot1qTunnel)
        return fmt::format("dropping VLAN {} packet received on dot1q-tunnel port {} that excludes this VLAN",
                           vid, name);
    return fmt::format("dropping VLAN {0} packet received on port {1} not configured for trunking VLAN {0}",
                       vid, name);
}

void TraceTree::note(std::string_view text, unsigned) {
    if (text.starts_with("received packet on unknown port")) {
        current().push_back({NodeType::kError,
                             fmt::format("received packet on unknown port {}", first_key_.get(key::kInPort)),
                             {}});
        current().push_back({NodeType::kWarn, "no input bundle, dropping", {}});
        return;
    }
    if (text == "stack underflow" || text.starts_with("resubmit(ct)")) {
        current().push_back({NodeType::kError, std::string(text), {}});
        return;
    }
    if (text.starts_with("disallowed VLAN VID")) {
        current().push_back({NodeType::kError, describe_refused_vlan(), {}});
        current().push_back({NodeType::kWarn, std::string(text), {}});
        return;
    }
    if (text.starts_with("output port does not exist")) text = "Nonexistent output port";
    const bool warn = text.find("skipping output") != std::string_view::npos ||
                      text.find("Nonexistent") != std::string_view::npos ||
                      text.find("non-Ethernet") != std::string_view::npos ||
                      text.find("suppressing side effects") != std::string_view::npos ||
                      text.find("more than") != std::string_view::npos ||
                      text.find("deeper than") != std::string_view::npos;
    current().push_back({warn ? NodeType::kWarn : NodeType::kDetail, std::string(text), {}});
}

void TraceTree::output(PortIndex index, const FlowKey& key) {
    if (!run_) return;
    if (run_ == root_run_.get() && index == PortIndex::kNone && buckets_ == 0) last_key_ = key;
    note_changed(key);
    Item item;
    item.key = key;
    if (index == PortIndex::kNone) {
        const auto* rule = frames_.empty() ? nullptr : frames_.back().rule;
        if (!rule && !last_action_ && !current().empty() && current().back().text == "drop") {
            current().back().text = "controller(reason=no_match)";
        }
        if (last_action_ && std::holds_alternative<DecTtlAction>(last_action_->kind)) {
            const bool ipv6 = key.get(key::kEthType) == 0x86dd;
            touched_.set(key::kIpTtl, 0xff);
            touched_.set(key::kIpProto, 0xff);
            current().push_back(
                {NodeType::kWarn, fmt::format("IPv{} decrement TTL exception", ipv6 ? 6 : 4), {}});
        }
        item.step =
            controller_text(last_action_, controller_reason(), rule ? rule->cookie : 0, style_.packet);
        run_->items.push_back(std::move(item));
        return;
    }
    item.port = index;
    if (last_action_) {
        if (const auto* cut = std::get_if<OutputTruncAction>(&last_action_->kind))
            item.truncate = cut->max_len;
    }
    const SwitchPort* port = switch_.find_port(index);
    if (port && port->config.port.type == "patch") {
        const SwitchPort* peer = switch_.find_port(port->port->patch_peer());
        if (!peer || !peer->attached()) return;
        item.port = peer->index;
        pending_.push_back({peer->index, &current(), run_, false});
    }
    run_->items.push_back(std::move(item));
}

void TraceTree::drop(std::string_view) {}

void TraceTree::failed(DropReason reason, const FlowKey& key, unsigned) {
    const auto error = [this](std::string text) {
        current().push_back({NodeType::kError, std::move(text), {}});
    };
    const auto remark = [this](std::string text) {
        current().push_back({NodeType::kAction, std::move(text), {}});
    };
    const auto type = key.get(key::kPacketType);
    if (reason == DropReason::kTooDeep) {
        failure_ = "Recursion too deep";
        return error(fmt::format("over max translation depth {}", kMaxResubmitDepth));
    }
    if (reason == DropReason::kTooManyResubmits) {
        failure_ = "Too many resubmits";
        return error(fmt::format("over {} resubmit actions", kMaxResubmits));
    }
    const bool push = last_action_ && std::holds_alternative<PushMplsAction>(last_action_->kind);
    if (push || (last_action_ && std::holds_alternative<PopMplsAction>(last_action_->kind))) {
        failure_ = "Too many MPLS labels";
        return;
    }
    failure_ = "Unsupported packet type";
    if (const auto* encap = last_action_ ? std::get_if<EncapAction>(&last_action_->kind) : nullptr) {
        if (encap->packet_type == 0)
            return remark("Dropping packet as encap(ethernet) is not supported for packet type ethernet.");
        return remark(
            fmt::format("Dropping packet as encap(nsh) is not supported for packet type ({},0x{:x})",
                        type >> 16, type & 0xffff));
    }
    if (!last_action_ || !std::holds_alternative<DecapAction>(last_action_->kind)) return;
    if (type == 0) return remark("Dropping packet, cannot decap Ethernet if VLAN is present.");
    if (key.get(key::kEthType) == 0x894f)
        return remark(
            fmt::format("Dropping packet as NSH next protocol {} is not supported", key.get(key::kNshNp)));
    remark(fmt::format("Dropping packet as the decap() does not support packet type ({},0x{:x})", type >> 16,
                       type & 0xffff));
}

void TraceTree::missing_group(std::uint32_t group) {
    current().push_back({NodeType::kWarn, fmt::format("output to nonexistent group {}", group), {}});
}

void TraceTree::chose_bucket(const pipeline::BucketEntry* bucket) {
    current().push_back(
        {NodeType::kDetail, bucket ? fmt::format("using bucket {}", bucket->id) : "no live bucket", {}});
}

void TraceTree::enter_bucket(const pipeline::BucketEntry& bucket) {
    Nodes& list = current();
    list.push_back({NodeType::kBucket, fmt::format("bucket {}", bucket.id), {}});
    const auto* rule = frames_.empty() ? nullptr : frames_.back().rule;
    if (bucket.actions->source.empty()) list.back().subs.push_back({NodeType::kAction, "drop", {}});
    frames_.push_back({rule, &list.back().subs, bucket.actions.get()});
    ++buckets_;
}

void TraceTree::leave_bucket() {
    while (frames_.size() > 1 && !frames_.back().list)
        frames_.pop_back();
    frames_.pop_back();
    --buckets_;
}

Match TraceTree::megaflow(const FlowKey& shown) const {
    Match match;
    const auto exact = [&](FieldLoc loc) { match.mask.set_wide(loc, low_mask(loc.bits)); };
    const auto changed = [&](FieldLoc loc) {
        return !changed_.get_wide(loc).is_zero() || !(first_key_.get_wide(loc) == last_key_.get_wide(loc));
    };
    for (const FieldLoc loc : kMegaflowFields) {
        match.mask.set_wide(loc, touched_.get_wide(loc));
        if (changed(loc)) exact(loc);
    }
    if (changed(key::kIpTos) && (changed_.get(key::kIpTos) & 3) == 0) match.mask.set(key::kIpTos, 0xfc);
    exact(key::kInPort);
    exact(key::kEthType);
    exact(key::kPacketType);
    exact(key::kRecircId);
    const bool tagged = (first_key_.get(key::kVlanTci) & kVlanPresent) != 0;
    if (normal_) exact(key::kEthDst), exact(key::kEthSrc);
    if (normal_ && tagged) match.mask.set(key::kVlanTci, match.mask.get(key::kVlanTci) | 0x1fff);
    if (!tagged) match.mask.set(key::kVlanTci, 0);
    if ((first_key_.get(key::kVlan1Tci) & kVlanPresent) == 0) match.mask.set(key::kVlan1Tci, 0);
    const auto type = first_key_.get(key::kEthType);
    if (type == 0x0800 || type == 0x86dd) {
        match.mask.set(key::kIpFrag, 3);
        // Sets of network fields depend on there being such a header, which its protocol tells.
        const bool rewritten = changed(key::kIpTtl) || changed(key::kIpTos) || changed(key::kIpv4Src) ||
                               changed(key::kIpv4Dst) || changed(key::kIpv6Src) || changed(key::kIpv6Dst);
        const bool transport = (match.mask.get(key::kTpSrc) | match.mask.get(key::kTpDst)) != 0;
        if (rewritten || transport) exact(key::kIpProto);
    }
    match.value = shown;
    match.value.set(key::kRecircId, recirculation_);
    match.normalize();
    return match;
}

// A node with text of its own kind is indented below its table; a table or bridge that comes last among its
// siblings stays at their level, so that long chains of resubmits don't wander off to the right (as OVS).
void TraceTree::print(const Nodes& nodes, unsigned level, std::string& out) {
    for (auto it = nodes.begin(); it != nodes.end(); ++it) {
        const bool terminal = it->type != NodeType::kBridge && it->type != NodeType::kTable;
        const unsigned more = std::next(it) != nodes.end() || terminal ? 1 : 0;
        const std::string indent((level + more) * 4U, ' ');
        switch (it->type) {
            case NodeType::kBridge:
                out += fmt::format("\n{}{}\n{}{}\n", indent, it->text, indent,
                                   std::string(it->text.size(), '-'));
                break;
            case NodeType::kThaw:
                out += fmt::format("{}thaw\n{}    {}\n", indent, indent, it->text);
                break;
            case NodeType::kTable:
            case NodeType::kAction:
            case NodeType::kBucket:
                out += fmt::format("{}{}\n", indent, it->text);
                break;
            case NodeType::kDetail:
                out += fmt::format("{} -> {}\n", indent, it->text);
                break;
            case NodeType::kWarn:
                out += fmt::format("{} >> {}\n", indent, it->text);
                break;
            case NodeType::kError:
                out += fmt::format("{} >>>> {} <<<<\n", indent, it->text);
                break;
        }
        print(it->subs, level + more + more, out);
    }
}

std::string TraceTree::format_steps() const {
    std::string out;
    print(roots_, 0, out);
    return out;
}

void TraceTree::bring_to(const FlowKey& key, Committed& done, std::vector<std::string>& out) {
    if (const Item* item = std::exchange(done.reframe, nullptr)) {
        std::string text = odp_reframing(*item->reframe, item->key, key);
        if (!text.empty()) out.push_back(std::move(text));
        done.base = odp_reframed(*item->reframe, *item->after, key);
    }
    for (auto& change : odp_changes(done.base, key))
        out.push_back(std::move(change));
    done.base = key;
}

void TraceTree::commit(const Run& run, Committed& done, std::vector<std::string>& out) const {
    for (const Item& item : run.items) {
        if (item.reframe) {
            bring_to(item.key, done, out);
            if (!item.after) return;  // it ended there
            done.reframe = &item;
            continue;
        }
        if (item.is_clone) {
            bring_to(item.key, done, out);
            Committed copy = done;
            std::vector<std::string> inside;
            commit(*item.inner, copy, inside);
            if (!inside.empty()) out.push_back(fmt::format("clone({})", fmt::join(inside, ",")));
            continue;
        }
        if (item.inner) {
            commit(*item.inner, done, out);
            continue;
        }
        const SwitchPort* port = item.port == PortIndex::kNone ? nullptr : switch_.find_port(item.port);
        if (item.step.empty() && (!port || port->config.port.type == "patch")) continue;
        if (item.commits) bring_to(item.key, done, out);
        if (item.truncate != 0) out.push_back(fmt::format("trunc({})", item.truncate));
        out.push_back(!item.step.empty() ? item.step
                      : style_.names     ? port->config.port.name
                                         : fmt::format("{}", odp_port(item.port)));
    }
}

std::string TraceTree::format_datapath_actions() const {
    std::vector<std::string> out;
    if (root_run_ && failure_.empty()) {
        Committed done{first_key_, nullptr};
        commit(*root_run_, done, out);
        // Nothing is left to protect from what a last clone does: OVS has its actions in its place.
        constexpr std::string_view kClone = "clone(";
        if (!out.empty() && out.back().starts_with(kClone))
            out.back() = out.back().substr(kClone.size(), out.back().size() - kClone.size() - 1);
    }
    return out.empty() ? "drop" : fmt::format("{}", fmt::join(out, ","));
}

}  // namespace sluice
