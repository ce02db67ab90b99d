// SPDX-License-Identifier: Apache-2.0
// Whether an action list makes sense: the order of instructions, and prerequisites of the fields it touches
// given the rule's match and the actions before. Source: OpenFlow 1.5 §5.5, ovs-actions(7).
#include <array>

#include "flow/action_text.hpp"
#include "flow/match_text.hpp"

namespace sluice {
namespace {

// Place of an instruction in a rule; every action belongs to "apply_actions".
enum Place { kMeterPlace, kApplyPlace, kClearPlace, kWritePlace, kMetadataPlace, kGotoPlace };
constexpr std::string_view kPlaceNames[] = {"meter",         "apply_actions",  "clear_actions",
                                            "write_actions", "write_metadata", "goto_table"};

Place place_of(const Action& action) {
    if (std::holds_alternative<MeterAction>(action.kind)) return kMeterPlace;
    if (std::holds_alternative<ClearActionsAction>(action.kind)) return kClearPlace;
    if (std::holds_alternative<WriteActionsAction>(action.kind)) return kWritePlace;
    if (std::holds_alternative<WriteMetadataAction>(action.kind)) return kMetadataPlace;
    if (std::holds_alternative<GotoTableAction>(action.kind)) return kGotoPlace;
    return kApplyPlace;
}

template <typename T, typename... List>
constexpr bool kIsOneOf = (std::is_same_v<T, List> || ...);

struct AllowedInSet {
    template <typename T>
    bool operator()(const T&) const {
        return !kIsOneOf<T, BundleAction, CloneAction, ConjunctionAction, ControllerAction, EnqueueAction,
                         ExitAction, FinTimeoutAction, LearnAction, MeterAction, MultipathAction, NatAction,
                         NoteAction, OutputRegAction, OutputTruncAction, PopQueueAction, SampleAction,
                         StackPushAction, StackPopAction, CheckPktLargerAction, DeleteFieldAction,
                         ClearActionsAction, WriteActionsAction, WriteMetadataAction, GotoTableAction>;
    }
};

/// What a list stands in.
enum class Outer : std::uint8_t { kNone, kWriteActions, kClone, kCt };

bool is_ct_field(FieldId id) {
    const std::string_view name = field_info(id).name;
    return name == "ct_mark" || name == "ct_label";
}
/// The field that set_field, load or move changes; kNoField for other actions.
FieldId changed_field(const Action& action) {
    if (const auto* set = std::get_if<SetFieldAction>(&action.kind)) return set->field;
    if (const auto* move = std::get_if<MoveAction>(&action.kind)) return move->target.field;
    return kNoField;
}

Result<void> check_ct(const CtAction& ct) {
    bool needs_commit = false;
    for (const auto& action : ct.actions) {
        const auto* nat = std::get_if<NatAction>(&action.kind);
        if (nat != nullptr) {
            needs_commit |= nat->src || nat->dst;
            continue;
        }
        needs_commit = true;
        const FieldId field = changed_field(action);
        if (field == kNoField) {
            return make_error(EINVAL, "ct action doesn't support nested action {}", format_actions({action}));
        }
        if (!is_ct_field(field)) {
            return make_error(EINVAL, "ct action doesn't support nested modification of {}",
                              field_info(field).name);
        }
    }
    if (needs_commit && !ct.commit) {
        return make_error(EINVAL,
                          "ct: the commit flag is required if actions other than NAT without arguments are "
                          "specified");
    }
    return {};
}

Result<void> check_nested(const ActionList& actions, Outer outer) {
    for (const auto& action : actions) {
        if (outer != Outer::kNone) {
            const Place place = place_of(action);
            if (place > kApplyPlace) {
                return make_error(EINVAL, "{} instruction not allowed here", kPlaceNames[place]);
            }
        }
        if (outer == Outer::kWriteActions && !std::visit(AllowedInSet{}, action.kind)) {
            return make_error(EINVAL, "{}: not allowed in write_actions", format_actions({action}));
        }
        if (const FieldId field = changed_field(action); field != kNoField && is_ct_field(field)) {
            return make_error(EINVAL, "cannot set CT fields outside of ct action");
        }
        if (std::holds_alternative<NatAction>(action.kind)) {
            return make_error(EINVAL, "Cannot have NAT action outside of \"ct\" action");
        }
        Result<void> ok;
        if (const auto* clone = std::get_if<CloneAction>(&action.kind)) {
            ok = check_nested(clone->actions, Outer::kClone);
        } else if (const auto* write = std::get_if<WriteActionsAction>(&action.kind)) {
            ok = check_nested(write->actions, Outer::kWriteActions);
        } else if (const auto* ct = std::get_if<CtAction>(&action.kind)) {
            ok = check_ct(*ct);
        }
        if (!ok) return ok;
    }
    return {};
}

/// conjunction stands alone or beside notes.
Result<void> check_conjunctions(const ActionList& actions) {
    bool found = false;
    const Action* other = nullptr;
    for (const auto& action : actions) {
        if (std::holds_alternative<ConjunctionAction>(action.kind)) {
            found = true;
        } else if (!std::holds_alternative<NoteAction>(action.kind) && other == nullptr) {
            other = &action;
        }
    }
    if (!found || other == nullptr) return {};
    return make_error(EINVAL,
                      "\"conjunction\" actions may be used along with \"note\" but not any other kind of "
                      "action (such as the \"{}\" action used here)",
                      format_actions({*other}));
}

// The match as the actions so far have changed it.
class Checker {
  public:
    Checker(const Match& match, std::uint8_t table, ActionRules rules)
        : flow_(match), table_(table), strict_(rules == ActionRules::kOpenFlow11) {}

    Result<void> run(const ActionList& actions) {
        for (const auto& action : actions) {
            if (auto ok = std::visit(*this, action.kind); !ok) return ok;
        }
        return {};
    }

    template <typename T>
    Result<void> operator()(const T&) {
        return {};
    }
    Result<void> operator()(const OutputRegAction& a) { return readable(a.source, "output"); }
    Result<void> operator()(const StackPushAction& a) { return readable(a.source, "push"); }
    Result<void> operator()(const StackPopAction& a) { return writable(a.target, "pop"); }
    Result<void> operator()(const MoveAction& a) {
        if (auto ok = readable(a.source, "move"); !ok) return ok;
        return writable(a.target, "move");
    }
    Result<void> operator()(const SetFieldAction& a) { return set_field(a); }
    Result<void> operator()(const SetVlanVidAction& a) { return set_vlan(a.push_if_needed, "set_vlan_vid"); }
    Result<void> operator()(const SetVlanPcpAction& a) { return set_vlan(a.push_if_needed, "set_vlan_pcp"); }
    Result<void> operator()(const PushVlanAction&) {
        flow_.value.set(key::kVlan1Tci, flow_.value.get(key::kVlanTci));
        flow_.value.set(key::kVlanTci, kVlanPresent);
        return {};
    }
    Result<void> operator()(const StripVlanAction&) {
        if (auto ok = strictly(Prereq::kVlan, "pop_vlan"); !ok) return ok;
        flow_.value.set(key::kVlanTci, flow_.value.get(key::kVlan1Tci));
        flow_.value.set(key::kVlan1Tci, 0);
        return {};
    }
    Result<void> operator()(const PushMplsAction& a) {
        flow_.value.set(key::kEthType, a.ethertype);
        return {};
    }
    Result<void> operator()(const SetMplsTtlAction&) { return strictly(Prereq::kMpls, "set_mpls_ttl"); }
    Result<void> operator()(const DecMplsTtlAction&) { return strictly(Prereq::kMpls, "dec_mpls_ttl"); }
    Result<void> operator()(const DecTtlAction&) { return strictly(Prereq::kIpAny, "dec_ttl"); }
    Result<void> operator()(const PopMplsAction& a) {
        if (auto ok = strictly(Prereq::kMpls, "pop_mpls"); !ok) return ok;
        flow_.value.set(key::kEthType, a.ethertype);
        return {};
    }
    Result<void> operator()(const ResubmitAction& a) {
        if (a.with_ct && !prereq_ok(Prereq::kCt, flow_)) {
            return make_error(EINVAL, "resubmit(..,ct) needs a match on a valid ct_state");
        }
        return {};
    }
    Result<void> operator()(const CloneAction& a) { return Checker{*this}.run(a.actions); }
    Result<void> operator()(const WriteActionsAction& a) { return Checker{*this}.run(a.actions); }
    Result<void> operator()(const MultipathAction& a) { return writable(a.target, "multipath"); }
    Result<void> operator()(const BundleAction& a) {
        return a.target ? writable(*a.target, "bundle_load") : Result<void>{};
    }
    Result<void> operator()(const CheckPktLargerAction& a) { return writable(a.target, "check_pkt_larger"); }
    Result<void> operator()(const LearnAction& a);
    Result<void> operator()(const FinTimeoutAction&) {
        if (!strict_ || flow_.value.get(key::kIpProto) == 6) return {};
        return make_error(EINVAL, "fin_timeout needs a match on tcp");
    }
    Result<void> operator()(const CtAction& a);
    Result<void> operator()(const NatAction& a) {
        const bool fits = !a.ip_min || prereq_ok(a.ipv6 ? Prereq::kIpv6 : Prereq::kIpv4, flow_);
        if (fits && prereq_ok(Prereq::kIpAny, flow_)) return {};
        return make_error(EINVAL, "nat: the rule's match does not say that packets are {}",
                          a.ip_min ? (a.ipv6 ? "ipv6" : "ip") : "ip or ipv6");
    }
    Result<void> operator()(const DecNshTtlAction&) {
        if (prereq_ok(Prereq::kNsh, flow_)) return {};
        return make_error(EINVAL, "dec_nsh_ttl needs a match on nsh");
    }
    Result<void> operator()(const EncapAction& a);
    Result<void> operator()(const DecapAction&);
    Result<void> operator()(const SetMplsLabelAction&) { return strictly(Prereq::kMpls, "set_mpls_label"); }
    Result<void> operator()(const SetMplsTcAction&) { return strictly(Prereq::kMpls, "set_mpls_tc"); }
    Result<void> operator()(const GotoTableAction& a) {
        if (table_ != 0xff && a.table <= table_) {
            return make_error(EINVAL, "goto_table:{} must lead to a table above {}", a.table, table_);
        }
        return {};
    }

  private:
    Result<void> strictly(Prereq prereq, std::string_view action) {
        if (!strict_ || prereq_ok(prereq, flow_)) return {};
        return make_error(EINVAL, "{}: the rule's match does not say that packets have what it changes",
                          action);
    }

    Result<void> set_vlan(bool push_if_needed, std::string_view action) {
        const std::uint64_t tci = flow_.value.get(key::kVlanTci);
        if (!push_if_needed && !(tci & kVlanPresent)) {
            return make_error(EINVAL, "{} needs a match on a VLAN tag or a push_vlan before", action);
        }
        flow_.value.set(key::kVlanTci, tci | kVlanPresent);
        return {};
    }

    Result<void> prerequisites(const FieldInfo& field, std::string_view action) {
        const bool vid_without_tag =
            field.name == "vlan_vid" && !(flow_.value.get(key::kVlanTci) & kVlanPresent);
        if (prereq_ok(field.prereq, flow_) && !vid_without_tag) return {};
        return make_error(EINVAL, "{} {}: the rule's match does not say that packets have this field", action,
                          field.name);
    }

    Result<void> readable(const SubField& sub, std::string_view action) {
        return prerequisites(field_info(sub.field), action);
    }

    Result<void> writable(const SubField& sub, std::string_view action) {
        const FieldInfo& field = field_info(sub.field);
        if (!field.writable) return make_error(EPERM, "{}: {} is read-only", action, field.name);
        if (!in_ct_ && is_ct_field(sub.field)) {
            return make_error(EINVAL, "{}: cannot set {} outside of a ct action", action, field.name);
        }
        if (auto ok = prerequisites(field, action); !ok) return ok;
        if (field.name == "dl_vlan" || field.name == "dl_vlan_pcp" || field.name == "vlan_tci") {
            flow_.value.set(key::kVlanTci, flow_.value.get(key::kVlanTci) | kVlanPresent);
        }
        return {};
    }

    Result<void> set_field(const SetFieldAction& a) {
        if (a.field == kNoField) return make_error(EINVAL, "set_field: no field");
        const FieldInfo& field = field_info(a.field);
        const bool legacy = a.style == SetFieldAction::Style::kLegacy;
        // mod_tp_dst means the port of whatever protocol the packet has.
        if (legacy && field.prereq == Prereq::kTcp) {
            const bool has_ports = prereq_ok(Prereq::kTcp, flow_) || prereq_ok(Prereq::kUdp, flow_) ||
                                   prereq_ok(Prereq::kSctp, flow_);
            return has_ports ? Result<void>{} : strictly(Prereq::kTcp, "mod_tp");
        }
        if (legacy && field.name != "nw_ttl" && field.name != "nw_ecn")
            return strictly(field.prereq, field.name);
        const bool removes_tag = field.name == "vlan_tci" && !(a.mask & U128{0, kVlanPresent}).is_zero() &&
                                 (a.value & U128{0, kVlanPresent}).is_zero();
        const std::uint64_t tci = flow_.value.get(key::kVlanTci);
        if (auto ok = writable({a.field, 0, field.bits}, "set_field"); !ok) return ok;
        if (field.name == "vlan_tci") {
            // Only a value with the "present" bit makes a tag.
            const bool adds_tag = !(a.value & U128{0, kVlanPresent}).is_zero();
            flow_.value.set(key::kVlanTci, adds_tag ? tci | kVlanPresent : removes_tag ? 0 : tci);
        }
        return {};
    }

    void set_packet_type(std::uint32_t type) {
        flow_.value.set(key::kPacketType, type);
        if (type >> 16 == 1) flow_.value.set(key::kEthType, type & 0xffff);
    }

    Match flow_;
    std::uint8_t table_;
    bool strict_;
    bool in_ct_ = false;
};

Result<void> Checker::operator()(const LearnAction& a) {
    // Prerequisites of what it matches are to be met by what it matches before.
    Checker made{Match{}, 0xff, ActionRules::kOpenFlow10};
    for (const auto& spec : a.specs) {
        if (!spec.immediate) {
            if (auto ok = readable(spec.source, "learn"); !ok) return ok;
        }
        if (spec.target_kind == LearnSpec::Target::kMatch) {
            if (auto ok = made.readable(spec.target, "learn"); !ok) return ok;
            const FieldInfo& field = field_info(spec.target.field);
            const U128 bits = low_mask(spec.target.bits) << spec.target.offset;
            const U128 old = field_get(field, made.flow_.value);
            field_set(field, made.flow_.value, (old & ~bits) | ((spec.value << spec.target.offset) & bits));
        } else if (spec.target_kind == LearnSpec::Target::kLoad) {
            if (auto ok = made.writable(spec.target, "learn"); !ok) return ok;
        }
    }
    return a.result_dst ? writable(*a.result_dst, "learn") : Result<void>{};
}

Result<void> Checker::operator()(const CtAction& a) {
    const std::uint64_t proto = flow_.value.get(key::kIpProto);
    if (!prereq_ok(Prereq::kIpAny, flow_)) {
        return make_error(EINVAL, "ct: the rule's match does not say that packets are ip or ipv6");
    }
    if ((a.alg == 21 && proto != 6) || (a.alg == 69 && proto != 17)) {
        return make_error(EINVAL, "ct: alg={} needs a match on {}", a.alg == 21 ? "ftp" : "tftp",
                          a.alg == 21 ? "tcp" : "udp");
    }
    if (a.zone_source) {
        if (auto ok = readable(*a.zone_source, "ct: zone"); !ok) return ok;
    }
    Checker inner{*this};
    inner.in_ct_ = true;
    return inner.run(a.actions);
}

Result<void> Checker::operator()(const EncapAction& a) {
    const std::uint64_t type = flow_.value.get(key::kPacketType);
    if (a.packet_type == 0 && type != 0) {
        const std::uint64_t ethertype = type >> 16 == 1 ? type & 0xffff : 0;
        flow_.value.set(key::kEthType, ethertype);
    }
    set_packet_type(a.packet_type);
    return {};
}

Result<void> Checker::operator()(const DecapAction&) {
    const std::uint64_t type = flow_.value.get(key::kPacketType);
    if (type == 0) {
        set_packet_type(0x10000 | static_cast<std::uint32_t>(flow_.value.get(key::kEthType)));
        return {};
    }
    // What comes out is known from the packet alone: nothing that needs a header may follow.
    constexpr std::uint32_t kUnknown = 0xffff;
    flow_.value.set(key::kPacketType, kUnknown);
    flow_.value.set(key::kEthType, kUnknown);
    return {};
}

}  // namespace

Result<void> check_instruction_order(const ActionList& actions) {
    std::array<bool, std::size(kPlaceNames)> seen{};
    Place highest = kMeterPlace;
    for (const auto& action : actions) {
        const Place place = place_of(action);
        if (place != kApplyPlace && seen[place]) {
            return make_error(EPROTO, "duplicate {} instruction not allowed, for OpenFlow 1.1+ compatibility",
                              kPlaceNames[place]);
        }
        if (place < highest) {
            return make_error(
                EPROTO,
                "invalid instruction ordering: {} must appear before {}, for OpenFlow 1.1+ compatibility",
                kPlaceNames[place], kPlaceNames[highest]);
        }
        seen[place] = true;
        highest = place;
    }
    if (auto ok = check_conjunctions(actions); !ok) return ok;
    return check_nested(actions, Outer::kNone);
}

Result<void> check_actions(const ActionList& actions, const Match& match, std::uint8_t table,
                           ActionRules rules) {
    if (auto ok = check_instruction_order(actions); !ok) return ok;
    return Checker{match, table, rules}.run(actions);
}

}  // namespace sluice
