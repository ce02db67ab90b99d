// SPDX-License-Identifier: Apache-2.0
// One overload a kind of action. True means: end the list being run (a TTL that ran out).
#include <algorithm>
#include <tuple>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "flow/limits.hpp"
#include "reference/machine.hpp"
#include "wire/ethernet.hpp"
#include "wire/mpls.hpp"
#include "wire/vlan.hpp"

namespace sluice::reference {

void Machine::run_list(const ActionList& actions) {
    for (const Action& action : actions) {
        if (failed_ || c_.exit || c_.metered) return;
        out_.trace.push_back(
            {Step::Kind::kAction, indent_, c_.table, c_.rule != nullptr ? c_.rule->id : 0, &action, {}});
        if (std::visit([this](const auto& a) { return (*this)(a); }, action.kind)) return;
    }
}

U128 Machine::read(const SubField& source) const {
    if (is_tun_metadata(field_info(source.field))) {
        const unsigned index = TunTable::index_of(source.field);
        if (c_.bridge->tun.find(index) == nullptr) return {};
        const std::vector<std::uint8_t> option = c_.bridge->tun.get(p_.at.key, index);
        U128 value;
        for (unsigned bit = 0; bit < source.bits; ++bit) {
            const unsigned from = source.offset + bit;
            if ((option[option.size() - 1 - from / 8] >> from % 8 & 1) != 0)
                value = value | U128{0, 1} << bit;
        }
        return value;
    }
    return (field_get(field_info(source.field), p_.at.key) >> source.offset) & low_mask(source.bits);
}

/// Puts the bits of `value` that `mask` has into an option, from bit `offset` on; it is there from then on.
void Machine::write_option(FlowKey& key, unsigned index, unsigned offset, U128 value, U128 mask) const {
    if (c_.bridge->tun.find(index) == nullptr) return;
    std::vector<std::uint8_t> option = c_.bridge->tun.get(key, index);
    for (unsigned bit = 0; bit < 128 && offset + bit < option.size() * 8; ++bit) {
        if (((mask >> bit).lo & 1) == 0) continue;
        const unsigned to = offset + bit;
        std::uint8_t& byte = option[option.size() - 1 - to / 8];
        const auto here = static_cast<std::uint8_t>(1U << to % 8);
        byte = static_cast<std::uint8_t>(((value >> bit).lo & 1) != 0 ? byte | here : byte & ~here);
    }
    c_.bridge->tun.set(key, index, option);
}

void Machine::write(const SubField& target, U128 value) {
    const FieldInfo& field = field_info(target.field);
    if (!prereq_present(field.prereq, key())) return;
    FlowKey wanted = key();
    if (is_tun_metadata(field)) {
        write_option(wanted, TunTable::index_of(target.field), target.offset, value, low_mask(target.bits));
        return set_key(wanted);
    }
    const U128 mask = low_mask(target.bits) << target.offset;
    field_set(field, wanted, (field_get(field, wanted) & ~mask) | ((value << target.offset) & mask));
    set_key(wanted);
}

// Output.

void Machine::emit(OfPort number, std::size_t limit) {
    const auto it = c_.bridge->ports.find(number);
    if (it == c_.bridge->ports.end()) {
        note(DropReason::kBadPort, fmt::format("port {} does not exist", to_int(number)));
        return;
    }
    if (p_.bare) {
        note(DropReason::kNotEthernet, "ports carry Ethernet frames only");
        return;
    }
    const Port& port = it->second;
    if (!port.up || port.no_forward) {
        note(DropReason::kPortDown, fmt::format("port {} is down or set no-forward", to_int(number)));
        return;
    }
    wire::Frame whole;
    if (limit < p_.bytes.size()) {
        whole = p_.bytes;
        p_.bytes.resize(limit);
    }
    if (port.peer != nullptr)
        cross_patch(port);
    else
        out_.outputs.push_back({c_.bridge, number, p_.bytes, c_.queue, c_.has_queue});
    if (!whole.empty()) p_.bytes = std::move(whole);
    mirror(number, false);
}

/// The other bridge gets a copy of the packet with metadata and registers empty; nothing it does comes back.
void Machine::cross_patch(const Port& port) {
    const WorkPacket saved_packet = p_;
    const Context saved = c_;
    p_.received_bytes = p_.bytes.size();
    for (unsigned n = 0; n < 8; ++n)
        key().set(key::xreg(n), 0);
    for (const FieldLoc field : {key::kMetadata, key::kTunId, key::kTunSrc, key::kTunDst, key::kTunPresent})
        key().set(field, 0);
    for (unsigned n = 0; n < key::kTunMetadataWords; ++n)
        key().word[key::kTunMetadataWord + n] = 0;
    key().set(key::kActsetOutput, kActsetUnset);
    key().set(key::kInPort, to_int(port.peer_port));
    c_ = Context{};
    c_.bridge = port.peer;
    c_.table = saved.table;
    c_.queue = saved.queue;
    c_.has_queue = saved.has_queue;
    out_.trace.push_back({Step::Kind::kBridge, indent_, 0, 0, nullptr, port.peer->name});
    const auto peer = port.peer->ports.find(port.peer_port);
    if (peer == port.peer->ports.end() || !may_receive(peer->second)) {
        note(DropReason::kReceiveDisabled, "the patch port's peer is down or set no-receive");
    } else {
        enter_table(0, port.peer_port, true);
        run_action_set();
    }
    c_ = saved;
    p_ = saved_packet;
}

void Machine::flood(bool all) {
    const OfPort from = in_port();
    for (const auto& [number, port] : c_.bridge->ports) {
        if (number != from && (all || !port.no_flood)) emit(number);
    }
}

void Machine::output(OfPort port, std::uint16_t max_len) {
    switch (port) {
        case OfPort::kInPort:
            emit(in_port());
            return;
        case OfPort::kTable:
            if (c_.in_packet_out) enter_table(0, in_port(), true);
            return;
        case OfPort::kNormal:
            normal();
            return;
        case OfPort::kFlood:
            flood(false);
            return;
        case OfPort::kAll:
            flood(true);
            return;
        case OfPort::kController:
            packet_in(controller_reason(), max_len, 0);
            return;
        case OfPort::kAny:
            return;
        default:
            if (port != in_port()) emit(port);
    }
}

PacketInReason Machine::controller_reason() const {
    if (c_.in_packet_out) return PacketInReason::kPacketOut;
    if (c_.in_group) return PacketInReason::kGroup;
    return c_.in_action_set ? PacketInReason::kActionSet : PacketInReason::kAction;
}

void Machine::packet_in(PacketInReason reason, std::uint16_t max_len, std::uint16_t controller_id,
                        std::vector<std::uint8_t> userdata, std::uint32_t meter_id) {
    // Only the copy for the controller is dropped by its meter.
    const auto meter = c_.bridge->meters.find(meter_id != 0 ? meter_id : kControllerMeter);
    if (meter != c_.bridge->meters.end()) {
        const Meter::Band* band = run_meter(meter->second);
        if (band != nullptr && band->config.type == MeterBand::Type::kDrop)
            return note(DropReason::kMeter, "packet-in above the rate of its meter");
    }
    PacketIn in;
    in.bridge = c_.bridge;
    in.reason = reason;
    in.max_len = max_len;
    in.bytes = p_.bytes;
    if (p_.bare) in.bytes.erase(in.bytes.begin(), in.bytes.begin() + wire::eth::kHeaderBytes);
    in.table = c_.table;
    in.controller_id = controller_id;
    in.userdata = std::move(userdata);
    in.metadata = key();
    if (c_.rule != nullptr) {
        in.cookie = c_.rule->cookie;
        in.from_table_miss_rule = c_.rule->priority == 0 && c_.rule->match == Match{};
    }
    out_.packet_ins.push_back(std::move(in));
}

bool Machine::operator()(const OutputAction& a) {
    output(a.port, a.max_len);
    return false;
}
bool Machine::operator()(const OutputRegAction& a) {
    // The register holds an OpenFlow 1.0 number: 16 bits, reserved ones from 0xff00 (ovs-actions(7)).
    const U128 value = read(a.source);
    if (value.hi != 0 || value.lo > 0xffff) return false;
    const auto number = static_cast<std::uint32_t>(value.lo);
    output(OfPort{number >= 0xff00 ? 0xffff0000 | number : number}, a.max_len);
    return false;
}
bool Machine::operator()(const OutputTruncAction& a) {
    const std::size_t limit = std::max<std::size_t>(a.max_len, wire::eth::kHeaderBytes);
    if (a.port == OfPort::kInPort)
        emit(in_port(), limit);
    else if ((to_int(a.port) < to_int(OfPort::kMax) || a.port == OfPort::kLocal) && a.port != in_port())
        emit(a.port, limit);
    return false;
}
bool Machine::operator()(const ControllerAction& a) {
    const PacketInReason reason = a.reason == 1 ? controller_reason() : PacketInReason{a.reason};
    packet_in(reason, a.max_len, a.controller_id, a.userdata, a.meter_id);
    return false;
}
bool Machine::operator()(const EnqueueAction& a) {
    const OfPort port = a.port == OfPort::kInPort ? in_port() : a.port;
    if (a.port != OfPort::kInPort && port == in_port()) return false;
    const auto saved = std::pair{c_.queue, c_.has_queue};
    c_.queue = a.queue;
    c_.has_queue = true;
    emit(port);
    std::tie(c_.queue, c_.has_queue) = saved;
    return false;
}
bool Machine::operator()(const SetQueueAction& a) {
    c_.queue = a.queue;
    c_.has_queue = true;
    return false;
}
bool Machine::operator()(const PopQueueAction&) {
    c_.has_queue = false;
    c_.queue = 0;
    return false;
}

// Changes.

bool Machine::operator()(const SetFieldAction& a) {
    const FieldInfo& field = field_info(a.field);
    if (is_tun_metadata(field)) {
        FlowKey wanted = key();
        const unsigned index = TunTable::index_of(a.field);
        // Without a mask the whole option is meant, however long it is.
        if (a.mask == low_mask(128) && c_.bridge->tun.find(index) != nullptr)
            c_.bridge->tun.set(wanted, index, {});
        write_option(wanted, index, 0, a.value, a.mask);
        set_key(wanted);
        return false;
    }
    bool applies = prereq_present(field.prereq, key());
    // mod_tp_src and mod_tp_dst are written as TCP's fields but mean UDP and SCTP as well (ovs-actions(7)).
    if (a.style == SetFieldAction::Style::kLegacy && field.prereq == Prereq::kTcp)
        applies = applies || prereq_present(Prereq::kUdp, key()) || prereq_present(Prereq::kSctp, key());
    if (!applies) return false;
    FlowKey wanted = key();
    field_set(field, wanted, (field_get(field, wanted) & ~a.mask) | (a.value & a.mask));
    set_key(wanted);
    return false;
}
bool Machine::operator()(const SetVlanVidAction& a) {
    FlowKey wanted = key();
    const std::uint64_t tci = wanted.get(key::kVlanTci);
    if ((tci & kVlanPresent) == 0 && !a.push_if_needed) return false;
    wanted.set(key::kVlanTci, (tci & wire::vlan::kPcpMask) | kVlanPresent | wire::vlan::vid(a.vid));
    set_key(wanted);
    return false;
}
bool Machine::operator()(const SetVlanPcpAction& a) {
    FlowKey wanted = key();
    const std::uint64_t tci = wanted.get(key::kVlanTci);
    if ((tci & kVlanPresent) == 0 && !a.push_if_needed) return false;
    wanted.set(key::kVlanTci, (tci & wire::vlan::kVidMask) | kVlanPresent | wire::vlan::make_tci(0, a.pcp));
    set_key(wanted);
    return false;
}
bool Machine::operator()(const MoveAction& a) {
    if (!prereq_present(field_info(a.source.field).prereq, key())) return false;
    write(a.target, read(a.source));
    return false;
}
bool Machine::operator()(const PushVlanAction& a) {
    push_vlan(p_, a.ethertype, 0);
    return false;
}
bool Machine::operator()(const StripVlanAction&) {
    pop_vlan(p_);
    return false;
}
bool Machine::operator()(const PushMplsAction& a) {
    if (!push_mpls(p_, a.ethertype)) fail(DropReason::kUnsupported, "no room for one more MPLS label");
    return false;
}
bool Machine::operator()(const PopMplsAction& a) {
    if (!pop_mpls(p_, a.ethertype)) fail(DropReason::kUnsupported, "more MPLS labels than the key holds");
    return false;
}

bool Machine::invalid_ttl(const std::vector<std::uint16_t>& controller_ids) {
    out_.notes.push_back(DropReason::kTtlExpired);
    if (controller_ids.empty()) packet_in(PacketInReason::kInvalidTtl, 0xffff, 0);
    for (const std::uint16_t id : controller_ids)
        packet_in(PacketInReason::kInvalidTtl, 0xffff, id);
    return true;
}
bool Machine::operator()(const DecTtlAction& a) {
    const std::uint64_t type = key().get(key::kEthType);
    if (type != wire::eth::kTypeIpv4 && type != wire::eth::kTypeIpv6) return false;
    const std::uint64_t ttl = key().get(key::kIpTtl);
    if (ttl <= 1 && a.listed && a.controller_ids.empty()) {
        out_.notes.push_back(DropReason::kTtlExpired);
        return true;
    }
    if (ttl <= 1) return invalid_ttl(a.controller_ids);
    FlowKey wanted = key();
    wanted.set(key::kIpTtl, ttl - 1);
    set_key(wanted);
    return false;
}
bool Machine::operator()(const SetMplsTtlAction& a) {
    if (count_mpls(key()) == 0) return false;
    FlowKey wanted = key();
    wanted.set(key::kMplsLse0, (wanted.get(key::kMplsLse0) & ~std::uint64_t{wire::mpls::kTtlMask}) | a.ttl);
    set_key(wanted);
    return false;
}
bool Machine::operator()(const SetMplsLabelAction& a) {
    return (*this)(SetFieldAction{field_by_name("mpls_label"), {0, a.label}, {0, 0xfffff}});
}
bool Machine::operator()(const SetMplsTcAction& a) {
    return (*this)(SetFieldAction{field_by_name("mpls_tc"), {0, a.tc}, {0, 7}});
}
bool Machine::operator()(const DecMplsTtlAction&) {
    if (count_mpls(key()) == 0) return false;
    FlowKey wanted = key();
    const std::uint64_t lse = wanted.get(key::kMplsLse0);
    if ((lse & wire::mpls::kTtlMask) <= 1) return invalid_ttl({});
    wanted.set(key::kMplsLse0, lse - 1);
    set_key(wanted);
    return false;
}

bool Machine::operator()(const StackPushAction& a) {
    if (c_.stack.size() == kMaxStackDepth) {
        note(DropReason::kStackFull, "push: the stack is full");
        return false;
    }
    c_.stack.push_back(read(a.source));
    return false;
}
bool Machine::operator()(const StackPopAction& a) {
    if (c_.stack.empty()) {
        note(DropReason::kStackEmpty, "pop from an empty stack");
        return false;
    }
    const U128 value = c_.stack.back();
    c_.stack.pop_back();
    write(a.target, value);
    return false;
}

// Control flow.

bool Machine::operator()(const ResubmitAction& a) {
    const OfPort port = a.in_port == OfPort::kInPort ? in_port() : a.in_port;
    enter_table(a.table == 0xff ? c_.table : a.table, port, false, a.with_ct);
    return false;
}
bool Machine::operator()(const CloneAction& a) {
    const WorkPacket saved_packet = p_;
    const Context saved = c_;
    run_list(a.actions);
    run_action_set();  // of the copy; the original's runs again at its end, as in OVS
    const bool exit = c_.exit;
    auto mirrored = std::move(c_.mirrored);
    p_ = saved_packet;
    c_ = saved;
    c_.mirrored = std::move(mirrored);  // once a packet, whichever copy came first
    c_.exit = exit;                     // in OVS 3.1 an exit inside clone() ends everything
    return false;
}
bool Machine::operator()(const NoteAction&) {
    return false;
}
bool Machine::operator()(const ExitAction&) {
    c_.exit = true;
    return false;
}
bool Machine::operator()(const ClearActionsAction&) {
    c_.action_set.clear();
    update_actset_output();
    return false;
}
bool Machine::operator()(const WriteActionsAction& a) {
    c_.action_set.insert(c_.action_set.end(), a.actions.begin(), a.actions.end());
    update_actset_output();
    return false;
}
void Machine::update_actset_output() {
    std::uint32_t port = kActsetUnset;
    bool group = false;
    for (const Action& action : c_.action_set) {
        if (const auto* output_action = std::get_if<OutputAction>(&action.kind))
            port = to_int(output_action->port);
        if (std::holds_alternative<GroupAction>(action.kind)) group = true;
    }
    key().set(key::kActsetOutput, group ? kActsetUnset : port);
}
bool Machine::operator()(const WriteMetadataAction& a) {
    key().set(key::kMetadata, (key().get(key::kMetadata) & ~a.mask) | (a.value & a.mask));
    return false;
}
bool Machine::operator()(const GotoTableAction& a) {
    enter_table(a.table, in_port(), true);
    return false;
}

}  // namespace sluice::reference
