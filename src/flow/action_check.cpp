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

struct AllowedInSet {
    template <typename T>
    bool operator()(const T&) const {
        constexpr bool kRefused = std::is_same_v<T, CloneAction> || std::is_same_v<T, ControllerAction> ||
                                  std::is_same_v<T, EnqueueAction> || std::is_same_v<T, ExitAction> ||
                                  std::is_same_v<T, NoteAction> || std::is_same_v<T, OutputRegAction> ||
                                  std::is_same_v<T, PopQueueAction> || std::is_same_v<T, StackPushAction> ||
                                  std::is_same_v<T, StackPopAction> || std::is_same_v<T, MeterAction>;
        return !kRefused;
    }
};

Result<void> check_nested(const ActionList& actions, bool in_set) {
    for (const auto& action : actions) {
        const Place place = place_of(action);
        if (place > kApplyPlace) {
            return make_error(EINVAL, "{} instruction not allowed here", kPlaceNames[place]);
        }
        if (in_set && !std::visit(AllowedInSet{}, action.kind)) {
            return make_error(EINVAL, "{}: not allowed in write_actions", format_actions({action}));
        }
        if (const auto* clone = std::get_if<CloneAction>(&action.kind)) {
            if (auto ok = check_nested(clone->actions, false); !ok) return ok;
        }
    }
    return {};
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
        if (field.name == "ct_mark" || field.name == "ct_label") {
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

    Match flow_;
    std::uint8_t table_;
    bool strict_;
};

}  // namespace

Result<void> check_instruction_order(const ActionList& actions) {
    std::array<bool, std::size(kPlaceNames)> seen{};
    Place highest = kMeterPlace;
    for (const auto& action : actions) {
        const Place place = place_of(action);
        if (place != kApplyPlace && seen[place]) {
            return make_error(EINVAL, "duplicate {} instruction not allowed, for OpenFlow 1.1+ compatibility",
                              kPlaceNames[place]);
        }
        if (place < highest) {
            return make_error(
                EINVAL,
                "invalid instruction ordering: {} must appear before {}, for OpenFlow 1.1+ compatibility",
                kPlaceNames[place], kPlaceNames[highest]);
        }
        seen[place] = true;
        highest = place;
        if (const auto* write = std::get_if<WriteActionsAction>(&action.kind)) {
            if (auto ok = check_nested(write->actions, true); !ok) return ok;
        }
        if (const auto* clone = std::get_if<CloneAction>(&action.kind)) {
            if (auto ok = check_nested(clone->actions, false); !ok) return ok;
        }
    }
    return {};
}

Result<void> check_actions(const ActionList& actions, const Match& match, std::uint8_t table,
                           ActionRules rules) {
    if (auto ok = check_instruction_order(actions); !ok) return ok;
    return Checker{match, table, rules}.run(actions);
}

}  // namespace sluice
