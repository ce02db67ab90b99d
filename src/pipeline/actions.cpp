// SPDX-License-Identifier: Apache-2.0
// The operations of compiled actions, each over a whole group. ovs-actions(7) has the semantics.
#include <type_traits>

#include "packet/pool.hpp"
#include "pipeline/edit.hpp"
#include "pipeline/executor_impl.hpp"
#include "pipeline/parse.hpp"

namespace sluice::pipeline {

namespace {

/// A run of bits inside a field; the field may be 128 bits wide.
U128 read_bits(const FlowKey& key, FieldLoc loc, unsigned offset, unsigned bits) {
    return (key.get_wide(loc) >> offset) & low_mask(bits);
}

classify::WordSet words_of(FieldLoc loc) {
    classify::WordSet words;
    words.add(loc);
    return words;
}

/// Protocol, addresses and ports of the packet change places with those of its connection.
void swap_tuple(FlowKey& key) {
    constexpr std::pair<FieldLoc, FieldLoc> kPairs[] = {
        {key::kIpProto, key::kCtProto},  {key::kTpSrc, key::kCtTpSrc}, {key::kTpDst, key::kCtTpDst},
        {key::kIpv4Src, key::kCtSrc},    {key::kIpv4Dst, key::kCtDst}, {key::kIpv6Src, key::kCtIpv6Src},
        {key::kIpv6Dst, key::kCtIpv6Dst}};
    const bool v6 = key.get(key::kEthType) == 0x86dd;
    for (const auto& [packet, connection] : kPairs) {
        if ((packet.bits == 128 && !v6) || (packet.bits == 32 && v6)) continue;
        const U128 value = key.get_wide(packet);
        key.set_wide(packet, key.get_wide(connection));
        key.set_wide(connection, value);
    }
}

/// Order in which an action set runs (OpenFlow 1.5 §5.6), as OVS has it.
enum class SetRank {
    kStripVlan,
    kPopMpls,
    kDecap,
    kEncap,
    kPushMpls,
    kPushVlan,
    kDecTtl,
    kDecMplsTtl,
    kDecNshTtl,
    kSets,
    kQueue,
    kGroup,
    kOutput,
    kResubmit,
    kCtClear,
    kCt,
    kNone
};
/// Of these only the first that a set has is carried out; without any the set does nothing.
constexpr SetRank kFinalRanks[] = {SetRank::kGroup, SetRank::kOutput, SetRank::kResubmit, SetRank::kCtClear,
                                   SetRank::kCt};
SetRank rank_of(const Op& op) {
    switch (op.code) {
        case OpCode::kStripVlan:
            return SetRank::kStripVlan;
        case OpCode::kPopMpls:
            return SetRank::kPopMpls;
        case OpCode::kDecap:
            return SetRank::kDecap;
        case OpCode::kEncap:
            return SetRank::kEncap;
        case OpCode::kPushMpls:
            return SetRank::kPushMpls;
        case OpCode::kPushVlan:
            return SetRank::kPushVlan;
        case OpCode::kDecTtl:
            return SetRank::kDecTtl;
        case OpCode::kDecMplsTtl:
            return SetRank::kDecMplsTtl;
        case OpCode::kDecNshTtl:
            return SetRank::kDecNshTtl;
        case OpCode::kSetField:
        case OpCode::kMove:
        case OpCode::kSetVlanVid:
        case OpCode::kSetVlanPcp:
        case OpCode::kSetMplsTtl:
            return SetRank::kSets;
        case OpCode::kSetQueue:
            return SetRank::kQueue;
        case OpCode::kGroup:
            return SetRank::kGroup;
        case OpCode::kOutput:
        case OpCode::kOutputInPort:
        case OpCode::kOutputFlood:
        case OpCode::kOutputAll:
        case OpCode::kOutputNormal:
        case OpCode::kOutputController:
            return SetRank::kOutput;
        case OpCode::kResubmit:
            return SetRank::kResubmit;
        case OpCode::kCtClear:
            return SetRank::kCtClear;
        case OpCode::kCt:
            return SetRank::kCt;
        default:
            return SetRank::kNone;
    }
}

}  // namespace

void Executor::Impl::change(PacketSet& set, unsigned i, const Op& op, U128 value, U128 mask) noexcept {
    if (recording == &set && op.part != HeaderPart::kNone) note_set(i, op, value, mask);
    set_bits(set, i, op.loc, op.part, value, mask);
}

void Executor::Impl::execute(PacketSet& set, Group group, Path& path, const ActionProgram& program) noexcept {
    const Action* last = nullptr;
    const bool tail = path.tail;
    const unsigned whole = group.count;
    for (const Op& op : program.ops) {
        path.tail = tail && &op == &program.ops.back();
        const std::uint32_t stopped = set.paused;
        if (set.done != 0) remove_done(set, group);
        if (group.count == 0) break;
        if (__builtin_expect(trace != nullptr, 0)) {
            ensure_lines(set, group, path, kAllLines);
            if (op.source && op.source != last)
                trace->action(*op.source, set.key[group.index[0]], path.depth);
            last = op.source;
        }
        execute_op(set, group, path, op);
        if (__builtin_expect(set.paused != stopped, 0)) {
            const auto next = static_cast<std::uint16_t>(op.source - program.source.data() + 1);
            remember_rest(set, path, program, next, set.paused & ~stopped);
        }
    }
    path.tail = tail;
    // Those that left the list midway have not got what the others got.
    if (group.count != whole) path.uniform = {};
}

void Executor::Impl::execute_op(PacketSet& set, Group& group, Path& path, const Op& op) noexcept {
    if (recording == &set) note_op(group, op);
    switch (op.code) {
        case OpCode::kOutput:
            return output(set, group, path, OfPort{op.arg});
        case OpCode::kOutputInPort:
            return output(set, group, path, OfPort::kInPort);
        case OpCode::kOutputFlood:
            return flood(set, group, path, false);
        case OpCode::kOutputAll:
            return flood(set, group, path, true);
        case OpCode::kOutputNormal:
            return normal(set, group, path);
        case OpCode::kOutputController: {
            const auto* action = op.source ? std::get_if<ControllerAction>(&op.source->kind) : nullptr;
            const std::uint8_t reason =
                action && action->reason != 1 ? action->reason : controller_reason(path);
            return punt(set, group, path, reason, static_cast<std::uint16_t>(op.arg),
                        action ? action->controller_id : std::uint16_t{0}, action);
        }
        case OpCode::kPause:
            return pause(set, group, path, op);
        case OpCode::kEnqueue:
            return enqueue_op(set, group, path, op);
        case OpCode::kOutputReg:
            prepare(set, group, path, words_of(op.loc2));
            for (unsigned g = 0; g < group.count; ++g) {
                Group one;
                one.count = 1;
                one.index[0] = group.index[g];
                const U128 value = read_bits(set.key[one.index[0]], op.loc2, op.offset2, op.bits);
                if (value.hi != 0 || value.lo > 0xffff) continue;  // an OpenFlow 1.0 number: 16 bits
                output_number(set, one, path, static_cast<std::uint32_t>(value.lo),
                              static_cast<std::uint16_t>(op.arg));
            }
            return;
        case OpCode::kOutputTrunc:
            return output(set, group, path, OfPort{op.arg}, static_cast<std::uint32_t>(op.value.lo));
        case OpCode::kSetField:
            return set_field(set, group, path, op);
        case OpCode::kMove:
            return move_field(set, group, path, op);
        case OpCode::kPushVlan:
        case OpCode::kStripVlan:
        case OpCode::kSetVlanVid:
        case OpCode::kSetVlanPcp:
            return vlan_op(set, group, path, op);
        case OpCode::kPushMpls:
        case OpCode::kPopMpls:
        case OpCode::kSetMplsTtl:
        case OpCode::kDecMplsTtl:
            return mpls_op(set, group, path, op);
        case OpCode::kDecTtl:
            return dec_ttl(set, group, path, op);
        case OpCode::kStackPush:
        case OpCode::kStackPop:
            return stack_op(set, group, path, op);
        case OpCode::kResubmit:
            return resubmit(set, group, path, op);
        case OpCode::kGoto: {
            if (path.depth >= kMaxResubmitDepth) return fail(set, group, path, DropReason::kTooDeep);
            if (path.resubmits >= kMaxResubmits) return fail(set, group, path, DropReason::kTooManyResubmits);
            const std::uint8_t here = path.table;  // where the action set is executed
            run_table(set, group, path, op.table, Entry::kGoto);
            path.table = here;
            return;
        }
        case OpCode::kClone:
            return clone(set, group, path, op);
        case OpCode::kExit:
            // It ends everything for these packets, their action sets too.
            for (unsigned g = 0; g < group.count; ++g)
                set.done |= 1U << group.index[g], set.exited |= 1U << group.index[g];
            return;
        case OpCode::kClearActions:
            for (unsigned g = 0; g < group.count; ++g)
                set.action_set[group.index[g]] = 0;
            return update_actset_output(set, group, path);
        case OpCode::kWriteActions:
            for (unsigned g = 0; g < group.count; ++g) {
                auto& head = set.action_set[group.index[g]];
                // Neighbours in a group mostly share what they had: share the new node too.
                const auto& newest = action_set_nodes[action_set_count - 1U];
                if (g > 0 && newest.program == op.nested.get() && newest.previous == head) {
                    head = static_cast<std::uint16_t>(action_set_count - 1U);
                    continue;
                }
                if (action_set_count == action_set_nodes.size())
                    return fail(set, group, path, DropReason::kTooManyResubmits);
                action_set_nodes[action_set_count] = {op.nested.get(), head};
                head = action_set_count++;
            }
            return update_actset_output(set, group, path);
        case OpCode::kLearn:
            return learn_op(set, group, path, op);
        case OpCode::kFinTimeout:
            return fin_timeout(set, group, path, op);
        case OpCode::kMultipath:
            return multipath(set, group, path, op);
        case OpCode::kBundle:
            return bundle(set, group, path, op);
        case OpCode::kCheckLarger:
            return check_larger(set, group, path, op);
        case OpCode::kSample:
            if (!trace) counters.sampled.add(group.count);
            return;
        case OpCode::kCt:
            return ct_op(set, group, path, op);
        case OpCode::kCtClear:
            return ct_clear(set, group, path);
        case OpCode::kDeleteField:
            return delete_field(set, group, path, op);
        case OpCode::kEncap:
            return encap(set, group, path, op);
        case OpCode::kDecap:
            return decap(set, group, path, op);
        case OpCode::kDecNshTtl:
            return dec_nsh_ttl(set, group, path);
        case OpCode::kSetQueue:
        case OpCode::kPopQueue:
            for (unsigned g = 0; g < group.count; ++g)
                set.queue[group.index[g]] = op.code == OpCode::kSetQueue ? op.arg : kNoQueue;
            return;
        case OpCode::kGroup:
            return group_op(set, group, path, op);
        case OpCode::kMeter:
            return meter_op(set, group, path, op);
        case OpCode::kUnsupported:
            for (unsigned g = 0; g < group.count; ++g)
                set.reason[group.index[g]] = DropReason::kUnsupported;
            return;
    }
}

void Executor::Impl::set_field(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept {
    if (op.prereq != Prereq::kNone || op.part != HeaderPart::kNone)
        ensure_parsed(set, group, path, Parsed::kAll);
    prepare(set, group, path, words_of(op.loc));
    if (op.part != HeaderPart::kNone) flush_pending(set, group);
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        FlowKey& key = set.key[i];
        const bool applies =
            op.prereq == Prereq::kNone || prereq_present(op.prereq, key) ||
            (op.flag && (prereq_present(Prereq::kUdp, key) || prereq_present(Prereq::kSctp, key)));
        if (applies) change(set, i, op, op.value, op.mask);
    }
}

void Executor::Impl::move_field(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept {
    ensure_parsed(set, group, path, Parsed::kAll);
    prepare(set, group, path, words_of(op.loc));
    prepare(set, group, path, words_of(op.loc2));
    if (op.part != HeaderPart::kNone) flush_pending(set, group);
    const auto& source = std::get<MoveAction>(op.source->kind);
    const Prereq source_prereq = field_info(source.source.field).prereq;
    const U128 mask = (low_mask(op.bits) << op.offset) & op.mask;
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        FlowKey& key = set.key[i];
        if (!prereq_present(op.prereq, key) || !prereq_present(source_prereq, key)) continue;
        change(set, i, op, read_bits(key, op.loc2, op.offset2, op.bits) << op.offset, mask);
    }
    // The target is as different from packet to packet as the source.
    if (!words_of(op.loc2).within(path.uniform)) {
        path.uniform.remove(op.loc.word);
        if (op.loc.bits == 128) path.uniform.remove(op.loc.word + 1U);
    }
}

void Executor::Impl::vlan_op(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept {
    ensure_parsed(set, group, path, Parsed::kAll);
    flush_pending(set, group);
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        FlowKey& key = set.key[i];
        const auto tci = static_cast<std::uint16_t>(key.get(key::kVlanTci));
        switch (op.code) {
            case OpCode::kPushVlan:
                if (recording == &set)
                    journals[i].add_step(
                        {StepKind::kPushVlan, {}, {}, static_cast<std::uint16_t>(op.arg), 0, 0});
                push_tag(set, i, static_cast<std::uint16_t>(op.arg));
                break;
            case OpCode::kStripVlan:
                if (recording == &set) journals[i].add_step({StepKind::kPopVlan, {}, {}, 0, 0, 0});
                pop_tag(set, i);
                break;
            case OpCode::kSetVlanVid:
                if (!(tci & kVlanPresent) && !op.flag) break;
                if (recording == &set)
                    journals[i].add_step({StepKind::kSetTci, {}, {}, 0, kVlanPresent | op.arg, 0x1fff});
                key.set(key::kVlanTci, (tci & 0xe000U) | kVlanPresent | op.arg);
                write_vlan(set, i, tci);
                break;
            default:
                if (!(tci & kVlanPresent) && !op.flag) break;
                if (recording == &set)
                    journals[i].add_step({StepKind::kSetTci, {}, {}, 0, kVlanPresent | op.arg << 13, 0xf000});
                key.set(key::kVlanTci, (tci & 0x0fffU) | kVlanPresent | op.arg << 13);
                write_vlan(set, i, tci);
                break;
        }
    }
}

void Executor::Impl::mpls_op(PacketSet& set, Group& group, Path& path, const Op& op) noexcept {
    ensure_parsed(set, group, path, Parsed::kAll);
    ensure_lines(set, group, path, kAllLines);
    flush_pending(set, group);
    unsigned kept = 0;
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        FlowKey& key = set.key[i];
        const auto type = key.get(key::kEthType);
        const bool labelled = type == 0x8847 || type == 0x8848;
        bool keep = true;
        const auto fail_one = [&](DropReason reason) {
            Group one;
            one.count = 1;
            one.index[0] = static_cast<std::uint8_t>(i);
            fail(set, one, path, reason);
        };
        switch (op.code) {
            case OpCode::kPushMpls:
                keep = push_mpls(set, i, static_cast<std::uint16_t>(op.arg));
                if (!keep) fail_one(DropReason::kUnsupported);
                break;
            case OpCode::kPopMpls:
                keep = pop_mpls(set, i, static_cast<std::uint16_t>(op.arg));
                if (!keep) fail_one(DropReason::kUnsupported);
                break;
            case OpCode::kSetMplsTtl:
                if (!labelled) break;
                key.set(key::kMplsLse0, (key.get(key::kMplsLse0) & ~0xffULL) | op.arg);
                write_back(set, i, HeaderPart::kMplsLse);
                break;
            default:
                if (!labelled) break;
                if ((key.get(key::kMplsLse0) & 0xff) <= 1) {
                    Group one;
                    one.count = 1;
                    one.index[0] = static_cast<std::uint8_t>(i);
                    set.reason[i] = DropReason::kTtlExpired;
                    punt(set, one, path, 2, 0xffff, 0, nullptr);
                    keep = false;
                    break;
                }
                key.set(key::kMplsLse0, key.get(key::kMplsLse0) - 1);
                write_back(set, i, HeaderPart::kMplsLse);
                break;
        }
        if (keep) group.index[kept++] = static_cast<std::uint8_t>(i);
    }
    group.count = static_cast<std::uint8_t>(kept);
}

void Executor::Impl::dec_ttl(PacketSet& set, Group& group, Path& path, const Op& op) noexcept {
    ensure_parsed(set, group, path, Parsed::kAll);
    flush_pending(set, group);
    unsigned kept = 0;
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        FlowKey& key = set.key[i];
        const auto type = key.get(key::kEthType);
        if (type == 0x0800 || type == 0x86dd) {
            const auto ttl = key.get(key::kIpTtl);
            if (ttl <= 1) {
                Group one;
                one.count = 1;
                one.index[0] = static_cast<std::uint8_t>(i);
                set.reason[i] = DropReason::kTtlExpired;
                const auto* action = op.source ? std::get_if<DecTtlAction>(&op.source->kind) : nullptr;
                if (!action || (action->controller_ids.empty() && !action->listed)) {
                    punt(set, one, path, 2, 0xffff, 0, nullptr);
                } else {
                    for (const auto id : action->controller_ids)
                        punt(set, one, path, 2, 0xffff, id, nullptr);
                }
                continue;  // the rest of this list is not executed for the packet
            }
            if (recording == &set) {
                journals[i].bad |= journals[i].wrote_ttl;
                ++journals[i].ttl_steps;
                journals[i].add_step({StepKind::kDecTtl, {}, {}, 0, 0, 0});
            }
            key.set(key::kIpTtl, ttl - 1);
            write_back(set, i, HeaderPart::kIpTtl);
        }
        group.index[kept++] = static_cast<std::uint8_t>(i);
    }
    group.count = static_cast<std::uint8_t>(kept);
}

void Executor::Impl::stack_op(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept {
    ensure_parsed(set, group, path, Parsed::kAll);
    if (op.code == OpCode::kStackPush) {
        prepare(set, group, path, words_of(op.loc2));
        for (unsigned g = 0; g < group.count; ++g) {
            const unsigned i = group.index[g];
            if (set.stack_size[i] == kMaxStackDepth) {
                set.reason[i] = DropReason::kStackFull;
                continue;
            }
            set.stack[i][set.stack_size[i]++] = read_bits(set.key[i], op.loc2, op.offset2, op.bits);
        }
        return;
    }
    prepare(set, group, path, words_of(op.loc));
    if (op.arg != 0) prepare(set, group, path, words_of(key::kTunPresent));
    if (op.part != HeaderPart::kNone) flush_pending(set, group);
    const U128 mask = (low_mask(op.bits) << op.offset) & op.mask;
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        FlowKey& key = set.key[i];
        if (set.stack_size[i] == 0) {
            if (trace) trace->note("stack underflow", path.depth);
            set.reason[i] = DropReason::kStackEmpty;
            continue;
        }
        const U128 value = set.stack[i][--set.stack_size[i]];
        if (trace)
            trace->written(std::get<StackPopAction>(op.source->kind).target, value & low_mask(op.bits));
        if (!prereq_present(op.prereq, key)) continue;
        change(set, i, op, value << op.offset, mask);
        if (op.arg != 0) key.word[key::kTunPresent.word] |= std::uint64_t{1} << (op.arg - 1);
    }
    path.uniform.remove(op.loc.word);
    if (op.loc.bits == 128) path.uniform.remove(op.loc.word + 1U);
    if (op.arg != 0) path.uniform.remove(key::kTunPresent.word);
}

void Executor::Impl::resubmit(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept {
    if (op.flag && !path.in_packet_out) return;  // output to TABLE means something only in a packet-out
    const std::uint8_t table = op.table == 0xff ? path.table : op.table;
    if (path.depth >= kMaxResubmitDepth) return fail(set, group, path, DropReason::kTooDeep);
    if (path.resubmits >= kMaxResubmits) return fail(set, group, path, DropReason::kTooManyResubmits);
    const std::uint8_t here = path.table;
    const auto depth = path.depth;
    path.depth = static_cast<std::uint16_t>(path.depth + (table <= here ? 1 : 0));
    if (op.prereq == Prereq::kCt) {
        const Group tracked = tracked_of(set, group, path);
        if (tracked.count != 0) resubmit_as(set, tracked, path, table, op);
        if (tracked.count != group.count) path.uniform = {};
    } else if (OfPort{op.arg} == OfPort::kInPort) {
        run_table(set, group, path, table, op.flag ? Entry::kGoto : Entry::kResubmit);
    } else {
        resubmit_as(set, group, path, table, op);
    }
    path.table = here;
    path.depth = depth;
}

/// Those that a connection's tuple can stand in for.
Group Executor::Impl::tracked_of(PacketSet& set, const Group& group, Path& path) noexcept {
    ensure_parsed(set, group, path, Parsed::kAll);
    ensure_lines(set, group, path, kAllLines);
    Group tracked;
    for (unsigned g = 0; g < group.count; ++g) {
        const FlowKey& key = set.key[group.index[g]];
        const auto type = key.get(key::kEthType);
        if (key.get(key::kCtProto) != 0 && (type == 0x0800 || type == 0x86dd))
            tracked.index[tracked.count++] = group.index[g];
        else if (trace)
            trace->note("resubmit(ct) with non-tracked or non-IP packet!", path.depth);
    }
    return tracked;
}

/// Looks up with another input port, or with the tuple of the connection (ovs-actions(7), "resubmit");
/// the actions found there still see the real ones.
void Executor::Impl::resubmit_as(PacketSet& set, const Group& group, Path& path, std::uint8_t table,
                                 const Op& op) noexcept {
    const bool with_ct = op.prereq == Prereq::kCt;
    const classify::Table* lookup = path.bridge->program->table(table);
    path.table = table;
    if (recording == &set) note_visit(group, table);
    const bool overlaid = __builtin_expect(!learned.empty(), 0);
    if (!lookup && !overlaid) {
        if (trace) trace_lookup(set, group, path, nullptr);
        return run_rule(set, group, path, nullptr, Entry::kResubmit);
    }
    classify::WordSet words = lookup ? lookup->read_words() : classify::WordSet{};
    if (overlaid) words |= learned.read_words(path.bridge->index, table);
    prepare(set, group, path, words);
    ensure_lines(set, group, path, 1);
    const Path before = path;
    Group joined;
    for (unsigned g = 0; g < group.count; ++g) {
        FlowKey& key = set.key[group.index[g]];
        const auto real = key.get(key::kInPort);
        if (OfPort{op.arg} != OfPort::kInPort) key.set(key::kInPort, op.arg);
        if (with_ct) swap_tuple(key);
        Group one;
        one.count = 1;
        one.index[0] = group.index[g];
        Path taken = before;
        const std::uint32_t fragments = hide_fragment_ports(set, one, taken, words);
        classify::Rule* found = lookup ? lookup->lookup(key, version) : nullptr;
        if (overlaid) add_learned(set, one, taken, &found);
        const auto* rule = static_cast<const Rule*>(found);
        show_fragment_ports(set, fragments);
        if (trace) trace_lookup(set, one, taken, lookup);
        key.set(key::kInPort, real);
        if (with_ct) swap_tuple(key);
        run_rule(set, one, taken, rule, Entry::kResubmit);
        join(set, joined, path, one, taken);
    }
}

/// Copies the packets with all they have, for a clone or bucket; the place of the copies.
Group Executor::Impl::copy_into(PacketSet& set, const Group& group, Path& path, PacketSet& copies) noexcept {
    ensure_lines(set, group, path, kAllLines);
    flush_pending(set, group);  // what the clone sends comes after what was sent before
    copies.count = 0;
    copies.parent = &set;
    copies.done = copies.punted = copies.sent = copies.failed = copies.gone = copies.exited = copies.metered =
        0;
    copies.paused = copies.bare = copies.retyped = 0;
    Group all;
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        if (!trace) counters.copied.add(1);
        Packet* copy = packet_copy(set.packet[i]);
        if (!copy) {
            if (!trace) counters.drops[static_cast<std::size_t>(DropReason::kNoMemory)].add(1);
            set.sent |= 1U << i;
            continue;
        }
        const unsigned to = copies.count++;
        copies.origin[to] = static_cast<std::uint8_t>(i);
        all.index[all.count++] = static_cast<std::uint8_t>(to);
        copies.packet[to] = copy;
        copies.next[to] = set.next[i];
        copies.l3[to] = set.l3[i];
        copies.l4[to] = set.l4[i];
        copies.l3_end[to] = set.l3_end[i];
        copies.routing[to] = set.routing[i];
        copies.tags[to] = set.tags[i];
        copies.grown[to] = set.grown[i];
        copies.pending[to] = PortIndex::kNone;
        copies.action_set[to] = set.action_set[i];
        copies.stack_size[to] = set.stack_size[i];
        copies.queue[to] = set.queue[i];
        copies.ct[to] = set.ct[i];
        copies.bare |= (set.bare >> i & 1) << to;
        copies.retyped |= (set.retyped >> i & 1) << to;
        copies.mirrored[to] = set.mirrored[i];
        copies.reason[to] = DropReason::kActionDrop;
        copies.key[to] = set.key[i];
        for (unsigned n = 0; n < set.stack_size[i]; ++n)
            copies.stack[to][n] = set.stack[i][n];
    }
    return all;
}

void Executor::Impl::clone(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept {
    PacketSet& copies = push_set();
    const Group all = copy_into(set, group, path, copies);
    if (copies.count > 0) {
        Path inner = path;
        inner.tail = true;
        if (trace) trace->enter_clone(copies.key[0], path.tail);
        execute(copies, all, inner, *op.nested);
        path.resubmits = inner.resubmits;
        run_clone_end(set, copies, inner);
        if (trace) trace->leave_clone();
    }
    pop_set();
}

/// What a clone leaves behind for its original: whether anything went out, and what ends everything.
void Executor::Impl::run_clone_end(PacketSet& set, PacketSet& copies, Path& path) noexcept {
    std::uint32_t exited = 0;
    for (unsigned n = 0; n < copies.count; ++n) {
        if ((copies.done & ~copies.metered) >> n & 1) exited |= 1U << n;
    }
    finish(copies, path);
    for (unsigned n = 0; n < copies.count; ++n) {
        const std::uint32_t bit = 1U << copies.origin[n];
        set.mirrored[copies.origin[n]] = copies.mirrored[n];
        if (copies.failed >> n & 1) {
            set.failed |= bit;
            set.done |= bit;
            set.reason[copies.origin[n]] = copies.reason[n];
        }
        if (exited >> n & 1) {
            set.done |= bit;
            set.exited |= bit;
        }
        const bool left = copies.pending[n] != PortIndex::kNone || ((copies.sent | copies.punted) >> n & 1);
        if (left) set.sent |= bit;  // the packet is not a drop if its clone got away
        if (!left && set.reason[copies.origin[n]] == DropReason::kActionDrop)
            set.reason[copies.origin[n]] = copies.reason[n];
    }
}

void Executor::Impl::update_actset_output(PacketSet& set, const Group& group, Path& path) noexcept {
    ensure_lines(set, group, path, 1U << (key::kActsetOutput.word / 8));
    path.uniform.remove(key::kActsetOutput.word);
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        std::uint32_t port = kActsetUnset;
        for (std::uint16_t node = set.action_set[i]; node != 0 && port == kActsetUnset;
             node = action_set_nodes[node].previous) {
            for (const Op& op : action_set_nodes[node].program->ops) {
                const auto* action = op.source ? std::get_if<OutputAction>(&op.source->kind) : nullptr;
                if (action) port = to_int(action->port);
            }
        }
        for (std::uint16_t node = set.action_set[i]; node != 0; node = action_set_nodes[node].previous) {
            for (const Op& op : action_set_nodes[node].program->ops) {
                if (op.code == OpCode::kGroup) port = kActsetUnset;  // a group goes before any output
            }
        }
        set.key[i].set(key::kActsetOutput, port);
    }
}

void Executor::Impl::execute_action_sets(PacketSet& set, Path& path) noexcept {
    set.done = set.failed | set.exited | set.metered | set.paused;
    path.in_action_set = true;
    path.tail = true;
    std::uint32_t open = set.count == 32 ? ~0U : (1U << set.count) - 1;
    while (open != 0) {
        const auto head = set.action_set[__builtin_ctz(open)];
        Group group;
        for (std::uint32_t rest = open; rest != 0; rest &= rest - 1) {
            const auto i = static_cast<unsigned>(__builtin_ctz(rest));
            if (set.action_set[i] != head) continue;
            group.index[group.count++] = static_cast<std::uint8_t>(i);
            open &= ~(1U << i);
        }
        remove_done(set, group);
        if (head == 0 || group.count == 0) continue;
        for (unsigned g = 0; g < group.count; ++g)
            set.action_set[group.index[g]] = 0;
        // Oldest write first; of each singleton kind only the newest op counts, all set-field ops do.
        std::uint16_t chain[64];
        unsigned depth = 0;
        for (std::uint16_t node = head; node != 0 && depth < 64; node = action_set_nodes[node].previous)
            chain[depth++] = node;
        const Op* single[static_cast<std::size_t>(SetRank::kNone)] = {};
        for (unsigned n = depth; n-- > 0;) {
            for (const Op& op : action_set_nodes[chain[n]].program->ops) {
                const SetRank rank = rank_of(op);
                if (rank != SetRank::kNone && rank != SetRank::kSets)
                    single[static_cast<std::size_t>(rank)] = &op;
            }
        }
        bool has_final = false;
        for (const SetRank rank : kFinalRanks) {
            const Op*& op = single[static_cast<std::size_t>(rank)];
            if (has_final) op = nullptr;
            has_final |= op != nullptr;
        }
        if (!has_final) continue;
        for (std::size_t rank = 0; rank < static_cast<std::size_t>(SetRank::kNone); ++rank) {
            if (rank == static_cast<std::size_t>(SetRank::kSets)) {
                for (unsigned n = depth; n-- > 0;) {
                    for (const Op& op : action_set_nodes[chain[n]].program->ops) {
                        if (rank_of(op) != SetRank::kSets || group.count == 0) continue;
                        if (trace && op.source)
                            trace->action(*op.source, set.key[group.index[0]], path.depth);
                        execute_op(set, group, path, op);
                    }
                }
            } else if (single[rank] && group.count > 0) {
                if (trace && single[rank]->source)
                    trace->action(*single[rank]->source, set.key[group.index[0]], path.depth);
                execute_op(set, group, path, *single[rank]);
            }
        }
    }
}

}  // namespace sluice::pipeline
