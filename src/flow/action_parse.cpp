// SPDX-License-Identifier: Apache-2.0
// Text to actions: a table of names, one small function a kind. A new action is one row and one function.
// Source: ovs-actions(7).
#include "flow/action_parse.hpp"

#include <algorithm>

#include "flow/action_text.hpp"

namespace sluice::action_parse {
namespace {

constexpr unsigned kMaxDepth = 16;

using ParseFunction = Parsed (*)(const KeyValue& item, const Context& context);

// --- output and friends

Parsed output_to(OfPort port) {
    if (port == OfPort::kAny || port == OfPort{0xfffffff7}) {
        return make_error(EINVAL, "output to {} is not possible", format_port(port, nullptr));
    }
    return make(OutputAction{port, 0xffff});
}

Parsed parse_output_trunc(const KeyValue& item, const Context& context) {
    OutputTruncAction trunc;
    bool has_port = false, has_len = false;
    std::string_view rest = item.value;
    KeyValue part;
    while (next_key_value(rest, part)) {
        if (part.key == "port") {
            const auto port = parse_port(part.value, context.names);
            if (!port) return port.error();
            trunc.port = *port;
            has_port = true;
        } else if (part.key == "max_len") {
            const auto len = parse_uint("output: max_len", part.value, 0xffffffff);
            if (!len) return len.error();
            trunc.max_len = static_cast<std::uint32_t>(*len);
            has_len = true;
        } else {
            return make_error(EINVAL, "output: invalid key \"{}\" in truncated output", part.key);
        }
    }
    if (!has_port || !has_len) return make_error(EINVAL, "output({}): needs port= and max_len=", item.value);
    if (trunc.max_len < 14) {
        return make_error(EINVAL, "output: max_len {} is below the 14 bytes of an Ethernet header",
                          trunc.max_len);
    }
    const std::uint32_t port = to_int(trunc.port);
    if (port >= to_int(OfPort::kMax) && trunc.port != OfPort::kInPort && trunc.port != OfPort::kLocal) {
        return make_error(EINVAL, "output: a truncated output can't go to {}",
                          format_port(trunc.port, nullptr));
    }
    return make(trunc);
}

Parsed parse_output(const KeyValue& item, const Context& context) {
    if (item.separator == '(') return parse_output_trunc(item, context);
    const auto port = parse_port(item.value, context.names);
    if (port) return output_to(*port);
    const auto source = parse_subfield(item.value);
    if (source) return make(OutputRegAction{*source, 0xffff});
    if (item.value.find('[') != std::string_view::npos) return source.error();
    return make_error(EINVAL, "{}: output to unknown port", item.value);
}

Result<std::uint8_t> parse_reason(std::string_view s) {
    constexpr std::string_view kNames[] = {"no_match",   "action", "invalid_ttl",
                                           "action_set", "group",  "packet_out"};
    for (std::size_t i = 0; i < std::size(kNames); ++i) {
        if (s == kNames[i]) return static_cast<std::uint8_t>(i);
    }
    return make_error(EINVAL, "controller: unknown reason \"{}\"", s);
}

Result<void> parse_controller_part(const KeyValue& part, ControllerAction& a) {
    const auto number = [&part](std::uint64_t max) {
        return parse_uint(fmt::format("controller: {}", part.key), part.value, max);
    };
    if (part.key == "reason") {
        const auto reason = parse_reason(part.value);
        if (!reason) return reason.error();
        a.reason = *reason;
    } else if (part.key == "max_len" || part.key == "id") {
        const auto n = number(0xffff);
        if (!n) return n.error();
        (part.key == "id" ? a.controller_id : a.max_len) = static_cast<std::uint16_t>(*n);
    } else if (part.key == "meter_id") {
        const auto n = number(0xffffffff);
        if (!n) return n.error();
        a.meter_id = static_cast<std::uint32_t>(*n);
    } else if (part.key == "userdata") {
        const auto bytes = parse_hex_bytes(part.value);
        if (!bytes) return make_error(EINVAL, "controller: bad hex digits in userdata \"{}\"", part.value);
        a.userdata.assign(bytes->begin(), bytes->end());
    } else if (part.key == "pause") {
        a.pause = true;
    } else {
        return make_error(EINVAL, "controller: unknown key \"{}\"", part.key);
    }
    return {};
}

Parsed parse_controller(const KeyValue& item, const Context&) {
    if (item.separator != '(') {
        if (item.value.empty()) return output_to(OfPort::kController);
        const auto len = parse_uint("CONTROLLER", item.value, 0xffff);
        if (!len) return len.error();
        return make(OutputAction{OfPort::kController, static_cast<std::uint16_t>(*len)});
    }
    ControllerAction a;
    a.extended = true;
    std::string_view rest = item.value;
    KeyValue part;
    while (next_key_value(rest, part)) {
        if (auto ok = parse_controller_part(part, a); !ok) return ok.error();
    }
    // With nothing but a length it is the plain OpenFlow output, as ovs-ofctl encodes it.
    if (a.reason == 1 && a.controller_id == 0 && a.userdata.empty() && !a.pause && a.meter_id == 0) {
        return make(OutputAction{OfPort::kController, a.max_len});
    }
    return make(std::move(a));
}

Parsed parse_enqueue(const KeyValue& item, const Context& context) {
    const auto split = item.value.find_first_of(":,");
    if (split == std::string_view::npos) {
        return make_error(EINVAL, "enqueue:{}: \"enqueue\" syntax is \"enqueue:PORT:QUEUE\"", item.value);
    }
    const auto port = parse_port(trim(item.value.substr(0, split)), context.names);
    if (!port) return make_error(EINVAL, "enqueue: {}", port.error().message);
    const auto queue = parse_uint("enqueue: queue", trim(item.value.substr(split + 1)), 0xffffffff);
    if (!queue) return queue.error();
    return make(EnqueueAction{*port, static_cast<std::uint32_t>(*queue)});
}

// --- actions of one number: name, limit, and what it makes

Result<std::uint64_t> number_of(const KeyValue& item, std::uint64_t max) {
    return parse_uint(item.key, item.value, max);
}

template <typename Kind, std::uint64_t kLimit, auto kMember>
Parsed parse_numbered(const KeyValue& item, const Context&) {
    const auto n = number_of(item, kLimit);
    if (!n) return n.error();
    Kind kind{};
    using Member = std::remove_reference_t<decltype(kind.*kMember)>;
    kind.*kMember = static_cast<Member>(*n);
    return make(std::move(kind));
}

template <typename Kind>
Parsed parse_plain(const KeyValue& item, const Context&) {
    if (!item.value.empty())
        return make_error(EINVAL, "{}: unexpected argument \"{}\"", item.key, item.value);
    return make(Kind{});
}

template <typename Kind, bool kMplsOnly>
Parsed parse_ethertype(const KeyValue& item, const Context&) {
    const auto n = number_of(item, 0xffff);
    if (!n) return n.error();
    constexpr bool kVlan = std::is_same_v<Kind, PushVlanAction>;
    if (kVlan && *n != 0x8100 && *n != 0x88a8) {
        return make_error(EINVAL, "{}: not a valid VLAN ethertype, which are 0x8100 and 0x88a8", item.value);
    }
    if (kMplsOnly && *n != 0x8847 && *n != 0x8848) {
        return make_error(EINVAL, "{}: not a valid MPLS ethertype, which are 0x8847 and 0x8848", item.value);
    }
    return make(Kind{static_cast<std::uint16_t>(*n)});
}

Parsed parse_pop_vlan(const KeyValue& item, const Context&) {
    if (!item.value.empty())
        return make_error(EINVAL, "{}: unexpected argument \"{}\"", item.key, item.value);
    return make(StripVlanAction{item.key == "pop_vlan"});
}

// mod_vlan_* on an untagged packet adds the tag.
Parsed parse_vlan_vid(const KeyValue& item, const Context&) {
    const auto n = number_of(item, 4095);
    if (!n) return n.error();
    return make(SetVlanVidAction{static_cast<std::uint16_t>(*n), item.key == "mod_vlan_vid"});
}
Parsed parse_vlan_pcp(const KeyValue& item, const Context&) {
    const auto n = number_of(item, 7);
    if (!n) return n.error();
    return make(SetVlanPcpAction{static_cast<std::uint8_t>(*n), item.key == "mod_vlan_pcp"});
}

Parsed parse_dec_ttl(const KeyValue& item, const Context&) {
    DecTtlAction a;
    std::string_view rest = item.value;
    KeyValue part;
    while (next_key_value(rest, part)) {
        const auto id = parse_uint("dec_ttl: controller id", part.key, 0xffff);
        if (!id) return id.error();
        a.controller_ids.push_back(static_cast<std::uint16_t>(*id));
    }
    if (item.separator != '\0' && a.controller_ids.empty()) {
        return make_error(EINVAL, "dec_ttl({}): expected at least one controller id", item.value);
    }
    a.listed = !a.controller_ids.empty();
    return make(std::move(a));
}

// --- fields

// OpenFlow 1.0's mod_* names and the fields they set.
struct Legacy {
    std::string_view name, field;
    std::uint64_t limit;
};
constexpr Legacy kLegacy[] = {
    {"mod_dl_src", "eth_src", 0},
    {"mod_dl_dst", "eth_dst", 0},
    {"mod_nw_src", "ip_src", 0},
    {"mod_nw_dst", "ip_dst", 0},
    {"mod_nw_tos", "nw_tos", 255},
    {"mod_nw_ecn", "nw_ecn", 3},
    {"mod_nw_ttl", "nw_ttl", 255},
    {"mod_tp_src", "tcp_src", 65535},
    {"mod_tp_dst", "tcp_dst", 65535},
    {"set_tunnel", "tun_id", 0xffffffff},
    {"set_tunnel64", "tun_id", ~std::uint64_t{0}},
};

Parsed parse_legacy(const KeyValue& item, const Context& context) {
    const auto* legacy = std::find_if(std::begin(kLegacy), std::end(kLegacy),
                                      [&item](const Legacy& l) { return l.name == item.key; });
    const FieldId id = field_by_name(legacy->field);
    const FieldInfo& field = field_info(id);
    if (legacy->limit != 0) {
        const auto n = number_of(item, legacy->limit);
        if (!n) return n.error();
        if (legacy->field == "nw_tos" && (*n & 3))
            return make_error(EINVAL, "{}: not a valid TOS", item.value);
        return make(SetFieldAction{id, {0, *n}, field_value_mask(field), SetFieldAction::Style::kLegacy});
    }
    if (item.value.find('/') != std::string_view::npos) {
        return make_error(EINVAL, "{}: \"{}\" can't have a mask", item.key, item.value);
    }
    const auto value = parse_field_value(field, item.value, context.names);
    if (!value) return value.error();
    return make(SetFieldAction{id, value->value, value->mask, SetFieldAction::Style::kLegacy});
}

}  // namespace

Result<std::pair<std::string_view, std::string_view>> split_arrow(const KeyValue& item) {
    const auto arrow = item.value.rfind("->");
    if (arrow == std::string_view::npos) {
        return make_error(EINVAL, "{}: missing \"->\" in \"{}\"", item.key, item.value);
    }
    return std::pair{trim(item.value.substr(0, arrow)), trim(item.value.substr(arrow + 2))};
}

Result<void> check_writable(const FieldInfo& field) {
    if (field.writable) return {};
    return make_error(EPERM, "{} is read-only", field.name);
}

Result<SubField> parse_target(std::string_view s) {
    auto target = parse_subfield(s);
    if (!target) return target;
    if (auto ok = check_writable(field_info(target->field)); !ok) return ok.error();
    return target;
}

namespace {

Parsed parse_set_field(const KeyValue& item, const Context& context) {
    const auto parts = split_arrow(item);
    if (!parts) return parts.error();
    const FieldId id = field_by_name(parts->second);
    if (id == kNoField) return make_error(EINVAL, "{} is not a valid OXM field name", parts->second);
    const FieldInfo& field = field_info(id);
    if (auto ok = check_writable(field); !ok) return ok.error();
    const auto value = parse_field_value(field, parts->first, context.names);
    if (!value) return value.error();
    if (field.name == "dl_vlan" && value->value == U128{0, 0xffff}) {
        return make_error(ERANGE, "set_field: dl_vlan 65535 is above the limit of 4095");
    }
    return make(SetFieldAction{id, value->value, value->mask, SetFieldAction::Style::kSetField});
}

Parsed parse_load(const KeyValue& item, const Context&) {
    const auto parts = split_arrow(item);
    if (!parts) return parts.error();
    const auto target = parse_target(parts->second);
    if (!target) return target.error();
    const auto value = parse_number(parts->first);
    if (!value) return make_error(EINVAL, "load: \"{}\" is not a number", parts->first);
    const U128 mask = low_mask(std::min<unsigned>(target->bits, 128));
    if (!(*value & ~mask).is_zero()) {
        return make_error(ERANGE, "{}: value {} does not fit into {} bits", item.value, parts->first,
                          target->bits);
    }
    return make(SetFieldAction{target->field, *value << target->offset, mask << target->offset,
                               SetFieldAction::Style::kLoad});
}

Parsed parse_move(const KeyValue& item, const Context&) {
    const auto parts = split_arrow(item);
    if (!parts) return parts.error();
    const auto source = parse_subfield(parts->first);
    if (!source) return source.error();
    const auto target = parse_target(parts->second);
    if (!target) return target.error();
    if (source->bits != target->bits) {
        return make_error(EINVAL, "{}: source field is {} bits wide but destination is {} bits wide",
                          item.value, source->bits, target->bits);
    }
    return make(MoveAction{*source, *target});
}

Parsed parse_push(const KeyValue& item, const Context&) {
    const auto source = parse_subfield(item.value);
    if (!source) return source.error();
    return make(StackPushAction{*source});
}
Parsed parse_pop(const KeyValue& item, const Context&) {
    const auto target = parse_target(item.value);
    if (!target) return target.error();
    return make(StackPopAction{*target});
}

// --- control of the pipeline

Result<std::uint8_t> parse_table(std::string_view action, std::string_view s) {
    const auto n = parse_uint(fmt::format("{}: table", action), s, 255);
    if (!n) return n.error();
    return static_cast<std::uint8_t>(*n);
}

Parsed parse_resubmit(const KeyValue& item, const Context& context) {
    ResubmitAction a;
    const auto comma = item.value.find(',');
    const std::string_view port = trim(item.value.substr(0, comma));
    std::string_view rest = comma == std::string_view::npos ? "" : item.value.substr(comma + 1);
    if (!port.empty()) {
        const auto in_port = parse_port(port, context.names);
        if (!in_port) return make_error(EINVAL, "{}: resubmit to unknown port", port);
        a.in_port = *in_port;
    }
    const auto second = rest.find(',');
    const std::string_view table = trim(rest.substr(0, second));
    if (!table.empty()) {
        const auto n = parse_table("resubmit", table);
        if (!n) return n.error();
        a.table = *n;
    }
    if (second != std::string_view::npos) {
        const std::string_view ct = trim(rest.substr(second + 1));
        if (ct != "ct") return make_error(EINVAL, "{}: unknown parameter of resubmit", ct);
        a.with_ct = true;
    }
    if (port.empty() && a.table == 0xff) {
        return make_error(EINVAL, "at least one \"in_port\" or \"table\" must be specified on resubmit");
    }
    return make(a);
}

Parsed parse_clone(const KeyValue& item, const Context& context) {
    auto actions = parse_list(item.value, {context.names, context.depth + 1});
    if (!actions) return actions.error();
    return make(CloneAction{std::move(*actions)});
}

Parsed parse_write_actions(const KeyValue& item, const Context& context) {
    auto actions = parse_list(item.value, {context.names, context.depth + 1});
    if (!actions) return actions.error();
    return make(WriteActionsAction{std::move(*actions)});
}

Parsed parse_note(const KeyValue& item, const Context&) {
    const auto bytes = parse_hex_bytes(item.value);
    if (!bytes) return make_error(EINVAL, "bad hex digit in \"note\" argument \"{}\"", item.value);
    NoteAction note;
    note.data.assign(bytes->begin(), bytes->end());
    // On the wire a note fills its 8-byte aligned message, so it comes back as 6, 14, 22, ... bytes.
    while (note.data.size() % 8 != 6)
        note.data.push_back(0);
    return make(std::move(note));
}

Parsed parse_write_metadata(const KeyValue& item, const Context&) {
    const auto slash = item.value.find('/');
    const auto value = parse_uint("write_metadata", item.value.substr(0, slash), ~std::uint64_t{0});
    if (!value) return value.error();
    WriteMetadataAction a{*value, ~std::uint64_t{0}};
    if (slash != std::string_view::npos) {
        const auto mask = parse_uint("write_metadata: mask", item.value.substr(slash + 1), ~std::uint64_t{0});
        if (!mask) return mask.error();
        a.mask = *mask;
    }
    return make(a);
}

Parsed parse_goto_table(const KeyValue& item, const Context&) {
    const auto table = parse_table("goto_table", item.value);
    if (!table) return table.error();
    return make(GotoTableAction{*table});
}

struct Row {
    std::string_view name;
    ParseFunction parse;
    bool needs_argument = true;
};
constexpr Row kActions[] = {
    {"output", parse_output},
    {"controller", parse_controller, false},
    {"enqueue", parse_enqueue},
    {"set_queue", parse_numbered<SetQueueAction, 0xffffffff, &SetQueueAction::queue>},
    {"pop_queue", parse_plain<PopQueueAction>, false},
    {"group", parse_numbered<GroupAction, 0xffffff00, &GroupAction::group>},
    {"meter", parse_numbered<MeterAction, 0xffffffff, &MeterAction::meter>},
    {"set_field", parse_set_field},
    {"load", parse_load},
    {"move", parse_move},
    {"mod_vlan_vid", parse_vlan_vid},
    {"set_vlan_vid", parse_vlan_vid},
    {"mod_vlan_pcp", parse_vlan_pcp},
    {"set_vlan_pcp", parse_vlan_pcp},
    {"strip_vlan", parse_pop_vlan, false},
    {"pop_vlan", parse_pop_vlan, false},
    {"push_vlan", parse_ethertype<PushVlanAction, false>},
    {"push_mpls", parse_ethertype<PushMplsAction, true>},
    {"pop_mpls", parse_ethertype<PopMplsAction, false>},
    {"set_mpls_ttl", parse_numbered<SetMplsTtlAction, 255, &SetMplsTtlAction::ttl>},
    {"dec_mpls_ttl", parse_plain<DecMplsTtlAction>, false},
    {"dec_ttl", parse_dec_ttl, false},
    {"push", parse_push},
    {"pop", parse_pop},
    {"resubmit", parse_resubmit},
    {"clone", parse_clone, false},
    {"note", parse_note, false},
    {"exit", parse_plain<ExitAction>, false},
    {"learn", parse_learn, false},
    {"conjunction", parse_conjunction},
    {"multipath", parse_multipath},
    {"bundle", parse_bundle},
    {"bundle_load", parse_bundle_load},
    {"sample", parse_sample},
    {"fin_timeout", parse_fin_timeout, false},
    {"check_pkt_larger", parse_check_pkt_larger},
    {"delete_field", parse_delete_field},
    {"nat", parse_nat, false},
    {"ct", parse_ct, false},
    {"ct_clear", parse_plain<CtClearAction>, false},
    {"dec_nsh_ttl", parse_plain<DecNshTtlAction>, false},
    {"encap", parse_encap},
    {"decap", parse_decap, false},
    {"set_mpls_label", parse_numbered<SetMplsLabelAction, 0xfffff, &SetMplsLabelAction::label>},
    {"set_mpls_tc", parse_numbered<SetMplsTcAction, 7, &SetMplsTcAction::tc>},
    {"clear_actions", parse_plain<ClearActionsAction>, false},
    {"write_actions", parse_write_actions, false},
    {"write_metadata", parse_write_metadata},
    {"goto_table", parse_goto_table},
};

Parsed parse_action(const KeyValue& item, const Context& context) {
    const std::string name = lower(item.key);
    for (const auto& row : kActions) {
        if (row.name != name) continue;
        if (row.needs_argument && item.value.empty()) {
            return make_error(EINVAL, "{}: an argument is required", item.key);
        }
        return row.parse({row.name, trim(item.value), item.separator, item.target}, context);
    }
    for (const auto& legacy : kLegacy) {
        if (legacy.name == name)
            return parse_legacy({legacy.name, trim(item.value), item.separator, {}}, context);
    }
    if (item.separator == '\0') {
        const auto port = parse_port(item.key, context.names);
        if (port) return output_to(*port);
    }
    return make_error(EINVAL, "unknown action {}", item.key);
}

}  // namespace

Result<ActionList> parse_list(std::string_view s, const Context& context) {
    if (context.depth > kMaxDepth) {
        return make_error(EINVAL, "actions are nested deeper than the limit of {} levels", kMaxDepth);
    }
    ActionList actions;
    KeyValue item;
    bool drop = false;
    while (next_key_value(s, item)) {
        if (drop || (item.key == "drop" && !actions.empty())) {
            return make_error(EINVAL, "\"drop\" must not be accompanied by any other action or instruction");
        }
        if (item.key == "drop" && item.separator == '\0') {
            drop = true;
            continue;
        }
        auto action = parse_action(item, context);
        if (!action) return action.error();
        // Setting no bit is no action, as for ovs-ofctl.
        const auto* set = std::get_if<SetFieldAction>(&action->kind);
        if (set && set->mask.is_zero()) continue;
        const auto* write = std::get_if<WriteActionsAction>(&action->kind);
        if (write && write->actions.empty()) continue;
        actions.push_back(std::move(*action));
    }
    return actions;
}

}  // namespace sluice::action_parse

namespace sluice {

Result<ActionList> parse_actions(std::string_view s, const PortNames* names) {
    auto actions = action_parse::parse_list(s, {names, 0});
    if (!actions) return actions;
    if (auto ok = check_instruction_order(*actions); !ok) return ok.error();
    return actions;
}

}  // namespace sluice
