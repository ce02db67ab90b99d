// SPDX-License-Identifier: Apache-2.0
// Action lists into operations.
#include <algorithm>
#include <type_traits>
#include <utility>

#include "flow/field.hpp"
#include "flow/tun_table.hpp"
#include "pipeline/action_program.hpp"
#include "pipeline/ct.hpp"

namespace sluice::pipeline {

namespace {

/// Where a write to a key field must also go in the packet.
HeaderPart header_part(const FieldInfo& field) {
    const FieldLoc loc = field.loc;
    const bool arp = field.prereq == Prereq::kArp;
    switch (loc.word) {
        case 0:
            return loc.shift >= 16 ? HeaderPart::kEthDst : HeaderPart::kEthType;
        case 1:
            return loc.shift >= 16 ? HeaderPart::kEthSrc : HeaderPart::kVlanTci;
        case 2:
            if (loc.shift >= 24) return arp ? HeaderPart::kArpOp : HeaderPart::kNone;
            if (loc.shift >= 16) return HeaderPart::kIpTos;
            return loc.shift >= 8 ? HeaderPart::kIpTtl : HeaderPart::kNone;
        case 3:
            if (loc.shift >= 32) return arp ? HeaderPart::kArpSpa : HeaderPart::kIpv4Src;
            return arp ? HeaderPart::kArpTpa : HeaderPart::kIpv4Dst;
        case 4: {
            const bool icmp = field.prereq == Prereq::kIcmpV4 || field.prereq == Prereq::kIcmpV6;
            if (loc.shift >= 48) return icmp ? HeaderPart::kIcmpType : HeaderPart::kTpSrc;
            if (loc.shift >= 32) return icmp ? HeaderPart::kIcmpCode : HeaderPart::kTpDst;
            return HeaderPart::kNone;
        }
        case 7:
            if (loc.shift >= 32) return HeaderPart::kIpv6Label;
            return field.prereq == Prereq::kMpls ? HeaderPart::kMplsLse : HeaderPart::kNdReserved;
        case 8:
            return HeaderPart::kIpv6Src;
        case 10:
            return HeaderPart::kIpv6Dst;
        case 12:
            if (loc.shift >= 48) return HeaderPart::kNone;  // nd_options_type
            return arp ? HeaderPart::kArpSha : HeaderPart::kNdSll;
        case 13:
            return arp ? HeaderPart::kArpTha : HeaderPart::kNdTll;
        case 14:
            return field.prereq == Prereq::kNsh ? HeaderPart::kNsh : HeaderPart::kNdTarget;
        case 46:
        case 47:
            return HeaderPart::kNsh;
        default:
            return HeaderPart::kNone;
    }
}

/// The tun_metadata fields that one action names (0 bits: all of it), and whether it writes them.
struct OptionUse {
    SubField field;
    bool writes;
};
class OptionUses {
  public:
    void operator()(const OutputRegAction& a) { note(a.source, false); }
    void operator()(const SetFieldAction& a) { note({a.field, 0, 0}, true); }
    void operator()(const DeleteFieldAction& a) { note({a.field, 0, 0}, false); }
    void operator()(const MoveAction& a) { note(a.source, false), note(a.target, true); }
    void operator()(const StackPushAction& a) { note(a.source, false); }
    void operator()(const StackPopAction& a) { note(a.target, true); }
    void operator()(const MultipathAction& a) { note(a.target, true); }
    void operator()(const CheckPktLargerAction& a) { note(a.target, true); }
    void operator()(const BundleAction& a) {
        if (a.target) note(*a.target, true);
    }
    void operator()(const LearnAction& a) {
        if (a.result_dst) note(*a.result_dst, true);
        for (const LearnSpec& spec : a.specs) {
            if (spec.target_kind != LearnSpec::Target::kOutput && is_option(spec.target.field))
                learned.push_back(spec.target);
            if (!spec.immediate && is_option(spec.source.field)) learned.push_back(spec.source);
        }
    }
    template <typename Other>
    void operator()(const Other&) {}

    std::vector<OptionUse> found;
    std::vector<SubField> learned;  ///< what a learned flow matches or sets, or takes its values from

  private:
    static bool is_option(FieldId field) { return field != kNoField && is_tun_metadata(field_info(field)); }
    void note(const SubField& field, bool writes) {
        if (is_option(field.field)) found.push_back({field, writes});
    }
};

/// One visitor method a kind of action.
class Compiler {
  public:
    Compiler(ActionProgram& program, const TunTable* tun) : program_(program), tun_(tun) {}

    Result<void> run() {
        for (const Action& action : program_.source) {
            source_ = &action;
            OptionUses options;
            std::visit(options, action.kind);
            for (const SubField& field : options.learned) {
                if (auto ok = check_learned_option(field); !ok) return ok;
            }
            for (const OptionUse& use : options.found) {
                if (auto ok = check_option(use.field); !ok) return ok;
            }
            if (auto ok = std::visit([this](const auto& a) { return (*this)(a); }, action.kind); !ok)
                return ok;
            for (const OptionUse& use : options.found) {
                if (!use.writes || std::holds_alternative<StackPopAction>(action.kind))
                    continue;  // pop: if any
                set_present(TunTable::index_of(use.field.field), true);
                // What cannot be read is not written.
                if (const auto* move = std::get_if<MoveAction>(&action.kind))
                    program_.ops.back().prereq = field_info(move->source.field).prereq;
            }
        }
        return {};
    }

    Result<void> operator()(const OutputAction& a) {
        Op& op = add(OpCode::kOutput);
        op.arg = to_int(a.port);
        switch (a.port) {
            case OfPort::kInPort:
                op.code = OpCode::kOutputInPort;
                break;
            case OfPort::kTable:
                op.code = OpCode::kResubmit;  // packet-out only
                op.flag = true;
                op.table = 0;
                op.arg = to_int(OfPort::kInPort);
                break;
            case OfPort::kNormal:
                op.code = OpCode::kOutputNormal;
                break;
            case OfPort::kFlood:
                op.code = OpCode::kOutputFlood;
                break;
            case OfPort::kAll:
                op.code = OpCode::kOutputAll;
                break;
            case OfPort::kController:
                op.code = OpCode::kOutputController;
                op.arg = a.max_len;
                break;
            default:
                break;
        }
        return {};
    }
    Result<void> operator()(const OutputRegAction& a) {
        Op& op = add(OpCode::kOutputReg);
        set_source(op, a.source);
        op.arg = a.max_len;
        return {};
    }
    Result<void> operator()(const OutputTruncAction& a) {
        Op& op = add(OpCode::kOutputTrunc);
        op.arg = to_int(a.port);
        op.value.lo = a.max_len;
        return {};
    }
    Result<void> operator()(const ControllerAction& a) {
        add(a.pause ? OpCode::kPause : OpCode::kOutputController).arg = a.max_len;
        return {};
    }
    Result<void> operator()(const EnqueueAction& a) {
        Op& op = add(OpCode::kEnqueue);
        op.arg = to_int(a.port);
        op.value.lo = a.queue;
        return {};
    }
    Result<void> operator()(const SetQueueAction& a) {
        add(OpCode::kSetQueue).arg = a.queue;
        return {};
    }
    Result<void> operator()(const PopQueueAction&) {
        add(OpCode::kPopQueue);
        return {};
    }
    Result<void> operator()(const GroupAction& a) {
        add(OpCode::kGroup).arg = a.group;
        program_.refers = true;
        return {};
    }
    Result<void> operator()(const MeterAction& a) {
        add(OpCode::kMeter).arg = a.meter;
        program_.refers = true;
        return {};
    }
    Result<void> operator()(const SetFieldAction& a) {
        const FieldInfo& field = field_info(a.field);
        if (is_tun_metadata(field)) {
            set_option(TunTable::index_of(a.field), a.value & a.mask, a.mask);
            return {};
        }
        Op& op = add(OpCode::kSetField);
        op.part = header_part(field);
        op.prereq = field.prereq;
        op.loc = field.loc;
        // mod_tp_src and mod_tp_dst know no protocol: they apply to UDP and SCTP too.
        op.flag = a.style == SetFieldAction::Style::kLegacy && field.prereq == Prereq::kTcp;
        op.value = a.value & a.mask;
        op.mask = a.mask;
        return {};
    }
    Result<void> operator()(const SetVlanVidAction& a) {
        Op& op = add(OpCode::kSetVlanVid);
        op.arg = a.vid;
        op.flag = a.push_if_needed;
        return {};
    }
    Result<void> operator()(const SetVlanPcpAction& a) {
        Op& op = add(OpCode::kSetVlanPcp);
        op.arg = a.pcp;
        op.flag = a.push_if_needed;
        return {};
    }
    Result<void> operator()(const MoveAction& a) {
        if (is_tun_metadata(field_info(a.source.field)) || is_tun_metadata(field_info(a.target.field))) {
            move_option(a);
            return {};
        }
        Op& op = add(OpCode::kMove);
        set_source(op, a.source);
        set_target(op, a.target);
        op.bits = a.target.bits;
        return {};
    }
    Result<void> operator()(const PushVlanAction& a) {
        add(OpCode::kPushVlan).arg = a.ethertype;
        return {};
    }
    Result<void> operator()(const StripVlanAction&) {
        add(OpCode::kStripVlan);
        return {};
    }
    Result<void> operator()(const PushMplsAction& a) {
        add(OpCode::kPushMpls).arg = a.ethertype;
        return {};
    }
    Result<void> operator()(const PopMplsAction& a) {
        add(OpCode::kPopMpls).arg = a.ethertype;
        return {};
    }
    Result<void> operator()(const DecTtlAction&) {
        add(OpCode::kDecTtl);
        return {};
    }
    Result<void> operator()(const SetMplsTtlAction& a) {
        add(OpCode::kSetMplsTtl).arg = a.ttl;
        return {};
    }
    Result<void> operator()(const DecMplsTtlAction&) {
        add(OpCode::kDecMplsTtl);
        return {};
    }
    Result<void> operator()(const StackPushAction& a) {
        Op& op = add(OpCode::kStackPush);
        set_source(op, a.source);
        op.bits = a.source.bits;
        return {};
    }
    Result<void> operator()(const StackPopAction& a) {
        Op& op = add(OpCode::kStackPop);
        set_target(op, a.target);
        op.bits = a.target.bits;
        if (is_tun_metadata(field_info(a.target.field))) op.arg = TunTable::index_of(a.target.field) + 1;
        return {};
    }
    Result<void> operator()(const ResubmitAction& a) {
        Op& op = add(OpCode::kResubmit);
        if (a.with_ct) op.prereq = Prereq::kCt;
        op.table = a.table;
        op.arg = to_int(a.in_port);
        return {};
    }
    Result<void> operator()(const CloneAction& a) { return add_nested(OpCode::kClone, a.actions); }
    Result<void> operator()(const NoteAction&) { return {}; }
    Result<void> operator()(const ExitAction&) {
        add(OpCode::kExit);
        return {};
    }
    Result<void> operator()(const SetMplsLabelAction& a) {
        return (*this)(SetFieldAction{field_by_name("mpls_label"), {0, a.label}, {0, 0xfffff}});
    }
    Result<void> operator()(const SetMplsTcAction& a) {
        return (*this)(SetFieldAction{field_by_name("mpls_tc"), {0, a.tc}, {0, 7}});
    }
    Result<void> operator()(const LearnAction& a) {
        Op& op = add(OpCode::kLearn);
        if (a.result_dst) set_target(op, *a.result_dst);
        program_.learns = true;
        return {};
    }
    Result<void> operator()(const ConjunctionAction& a) {
        program_.conjunctions.push_back({a.id, a.clause, a.n_clauses});
        return {};
    }
    Result<void> operator()(const MultipathAction& a) {
        set_target(add(OpCode::kMultipath), a.target);
        return {};
    }
    Result<void> operator()(const BundleAction& a) {
        Op& op = add(OpCode::kBundle);
        if (a.target) set_target(op, *a.target);
        return {};
    }
    Result<void> operator()(const SampleAction&) {
        add(OpCode::kSample);
        return {};
    }
    Result<void> operator()(const FinTimeoutAction&) {
        add(OpCode::kFinTimeout);
        return {};
    }
    Result<void> operator()(const CheckPktLargerAction& a) {
        Op& op = add(OpCode::kCheckLarger);
        set_target(op, a.target);
        op.arg = a.length;
        return {};
    }
    Result<void> operator()(const DeleteFieldAction& a) {
        if (is_tun_metadata(field_info(a.field))) {
            set_option(TunTable::index_of(a.field), {}, low_mask(128));
            set_present(TunTable::index_of(a.field), false);
            return {};
        }
        Op& op = add(OpCode::kDeleteField);
        op.loc = field_info(a.field).loc;
        return {};
    }
    Result<void> operator()(const NatAction&) { return unsupported("nat"); }
    Result<void> operator()(const CtAction& a) {
        if (a.alg != 0 && a.alg != 21 && a.alg != 69) return unsupported("ct: alg=");
        auto plan = plan_ct(a);
        if (!plan) return plan.error();
        Op& op = add(OpCode::kCt);
        op.table = a.recirc_table;
        op.ct = std::make_shared<const CtPlan>(std::move(*plan));
        return {};
    }
    Result<void> operator()(const CtClearAction&) {
        add(OpCode::kCtClear);
        return {};
    }
    Result<void> operator()(const DecNshTtlAction&) {
        add(OpCode::kDecNshTtl);
        return {};
    }
    Result<void> operator()(const EncapAction&) {
        add(OpCode::kEncap);
        return {};
    }
    Result<void> operator()(const DecapAction&) {
        add(OpCode::kDecap);
        return {};
    }
    Result<void> operator()(const ClearActionsAction&) {
        add(OpCode::kClearActions);
        program_.writes_action_set = true;
        return {};
    }
    Result<void> operator()(const WriteActionsAction& a) {
        program_.writes_action_set = true;
        return add_nested(OpCode::kWriteActions, a.actions);
    }
    Result<void> operator()(const WriteMetadataAction& a) {
        Op& op = add(OpCode::kSetField);
        op.loc = key::kMetadata;
        op.value = {0, a.value & a.mask};
        op.mask = {0, a.mask};
        return {};
    }
    Result<void> operator()(const GotoTableAction& a) {
        add(OpCode::kGoto).table = a.table;
        return {};
    }

  private:
    static Result<void> unsupported(std::string_view action) {
        return make_error(ENOTSUP, "{}: this version can't execute the action", action);
    }
    Op& add(OpCode code) {
        Op& op = program_.ops.emplace_back();
        op.code = code;
        op.source = source_;
        return op;
    }
    Result<void> add_nested(OpCode code, const ActionList& actions) {
        auto nested = compile(actions, tun_);
        if (!nested) return nested.error();
        program_.writes_action_set |= (*nested)->writes_action_set;
        program_.refers |= (*nested)->refers;
        program_.learns |= (*nested)->learns;
        program_.options |= (*nested)->options;
        add(code).nested = std::move(*nested);
        return {};
    }
    /// Is the field mapped, and do the bits lie where one operation can reach them?
    Result<void> check_option(const SubField& field) {
        const unsigned index = TunTable::index_of(field.field);
        if (!tun_ || !tun_->find(index))
            return make_error(EINVAL, "tun_metadata{}: no TLV is mapped to this field", index);
        program_.options |= std::uint64_t{1} << index;
        if (field.bits == 0 || tun_->loc(field)) return {};
        if (const unsigned width = tun_->find(index)->option_length * 8U; field.offset + field.bits > width)
            return make_error(EINVAL, "tun_metadata{}[{}..{}]: the last bit of the option is {}", index,
                              field.offset, field.offset + field.bits - 1, width - 1);
        if (std::holds_alternative<MoveAction>(source_->kind)) return {};
        return make_error(ENOTSUP, "tun_metadata{}[{}..{}]: bits across a boundary of 64 are not reached",
                          index, field.offset, field.offset + field.bits - 1);
    }
    /// A learned flow reaches any bits of an option that its numbers have room for.
    Result<void> check_learned_option(const SubField& field) {
        if (auto ok = check_option({field.field, 0, 0}); !ok) return ok;
        const unsigned index = TunTable::index_of(field.field);
        const unsigned end = field.offset + field.bits;
        const unsigned limit = std::min(128U, tun_->find(index)->option_length * 8U);
        if (end > limit)
            return make_error(EINVAL, "learn: tun_metadata{}[{}..{}]: the last bit that can be learned is {}",
                              index, field.offset, end - 1, limit - 1);
        return {};
    }
    void set_present(unsigned index, bool present) {
        Op& op = add(OpCode::kSetField);
        op.loc = key::kTunPresent;
        op.mask = {0, std::uint64_t{1} << index};
        op.value = present ? op.mask : U128{};
    }
    /// Any bits, piece by piece: what stays between multiples of 32 bits lies in one word. Overlapping fields
    /// are copied from that end where no piece is overwritten before it is read.
    void move_option(const MoveAction& a) {
        struct Piece {
            unsigned done, bits;
        };
        std::vector<Piece> pieces;
        for (unsigned done = 0, bits = 0; done < a.source.bits; done += bits) {
            const unsigned room = 32 - std::max((a.source.offset + done) % 32, (a.target.offset + done) % 32);
            bits = std::min(room, a.source.bits - done);
            pieces.push_back({done, bits});
        }
        if (a.target.offset > a.source.offset) std::reverse(pieces.begin(), pieces.end());
        for (const Piece& piece : pieces) {
            Op& op = add(OpCode::kMove);
            set_source(op, {a.source.field, u16(a.source.offset + piece.done), u16(piece.bits)});
            set_target(op, {a.target.field, u16(a.target.offset + piece.done), u16(piece.bits)});
        }
    }
    /// Sets an option; its bits above 128 become 0 with a mask of all ones, else they stay.
    void set_option(unsigned index, U128 value, U128 mask) {
        const unsigned bits = tun_->find(index)->option_length * 8U;
        const bool exact = mask == low_mask(128);
        for (unsigned offset = 0, step = 0; offset < bits; offset += step) {
            // Options are aligned to half a word.
            step = std::min(64U, bits - offset);
            if (!tun_->loc({tun_field(index), u16(offset), u16(step)})) step = 32;
            const U128 here = offset < 128 ? mask >> offset : U128{};
            const U128 part = exact ? low_mask(step) : here & low_mask(step);
            if (part.is_zero()) continue;
            Op& op = add(OpCode::kSetField);
            op.loc = *tun_->loc({tun_field(index), u16(offset), u16(step)});
            op.mask = part;
            op.value = offset < 128 ? (value >> offset) & part : U128{};
        }
    }
    static std::uint16_t u16(unsigned n) { return static_cast<std::uint16_t>(n); }
    static FieldId tun_field(unsigned index) {
        static const auto kFirst = static_cast<unsigned>(field_by_name("tun_metadata0"));
        return FieldId{static_cast<std::uint8_t>(kFirst + index)};
    }
    void set_source(Op& op, const SubField& source) {
        op.loc2 = field_info(source.field).loc;
        op.offset2 = source.offset;
        if (is_tun_metadata(field_info(source.field))) op.loc2 = *tun_->loc(source), op.offset2 = 0;
        op.bits = source.bits;
    }
    void set_target(Op& op, const SubField& target) {
        const FieldInfo& field = field_info(target.field);
        op.part = header_part(field);
        op.prereq = field.prereq;
        op.loc = field.loc;
        op.offset = target.offset;
        op.mask = field_value_mask(field);  // nw_tos: not the ECN bits
        op.bits = target.bits;
        if (is_tun_metadata(field)) op.loc = *tun_->loc(target), op.offset = 0;
    }

    ActionProgram& program_;
    const TunTable* tun_;
    const Action* source_ = nullptr;
};

SimpleProgram simplify(const ActionProgram& program) {
    SimpleProgram simple;
    for (const Op& op : program.ops) {
        const bool last = &op == &program.ops.back();
        switch (op.code) {
            case OpCode::kSetField:
                simple.headers |= op.part != HeaderPart::kNone || op.prereq != Prereq::kNone;
                simple.words.add(op.loc);
                break;
            case OpCode::kDecTtl:
                simple.headers = true;
                break;
            case OpCode::kOutput:
                simple.words.add(key::kInPort);
                break;
            case OpCode::kGoto:
                if (!last) return {};
                break;
            case OpCode::kResubmit:
                if (!last || op.flag || op.prereq != Prereq::kNone || OfPort{op.arg} != OfPort::kInPort)
                    return {};
                break;
            default:
                return {};
        }
    }
    simple.valid = program.conjunctions.empty();
    return simple;
}

}  // namespace

Result<std::unique_ptr<ActionProgram>> compile(const ActionList& actions, const TunTable* tun) {
    auto program = std::make_unique<ActionProgram>();
    program->source = actions;
    if (auto ok = Compiler(*program, tun).run(); !ok) return ok.error();
    program->simple = simplify(*program);
    return program;
}

}  // namespace sluice::pipeline
