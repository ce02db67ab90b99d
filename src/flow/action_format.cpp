// SPDX-License-Identifier: Apache-2.0
// Actions to text, in the layout of `ovs-ofctl dump-flows`. One overload a kind; std::visit stops the build
// when one is missing. Source: ovs-actions(7).
#include "flow/action_text.hpp"
#include "flow/match_text.hpp"

namespace sluice {
namespace {

using namespace text;

struct Formatter {
    const PortNames* names;

    std::string port(OfPort p) const { return format_port(p, names); }

    std::string operator()(const OutputAction& a) const {
        if (a.port == OfPort::kController) return fmt::format("CONTROLLER:{}", a.max_len);
        const std::uint32_t n = to_int(a.port);
        const bool reserved = n >= to_int(OfPort::kInPort);
        return reserved ? port(a.port) : "output:" + port(a.port);
    }
    std::string operator()(const OutputRegAction& a) const { return "output:" + format_subfield(a.source); }
    std::string operator()(const OutputTruncAction& a) const {
        return fmt::format("output(port={},max_len={})", port(a.port), a.max_len);
    }
    std::string operator()(const ControllerAction& a) const {
        if (a.reason == 1 && a.controller_id == 0 && a.userdata.empty() && !a.pause && a.meter_id == 0 &&
            !a.extended) {
            return fmt::format("CONTROLLER:{}", a.max_len);
        }
        std::string out = "controller(";
        if (a.reason != 1) out += fmt::format("reason={},", reason_text(a.reason));
        if (a.max_len != 0xffff) out += fmt::format("max_len={},", a.max_len);
        if (a.controller_id != 0) out += fmt::format("id={},", a.controller_id);
        if (!a.userdata.empty()) out += "userdata=" + dotted_hex(a.userdata) + ",";
        if (a.pause) out += "pause,";
        if (a.meter_id != 0) out += fmt::format("meter_id={},", a.meter_id);
        if (out.back() == ',') out.pop_back();
        return out + ")";
    }
    std::string operator()(const EnqueueAction& a) const {
        return fmt::format("enqueue:{}:{}", port(a.port), a.queue);
    }
    std::string operator()(const SetQueueAction& a) const { return fmt::format("set_queue:{}", a.queue); }
    std::string operator()(const PopQueueAction&) const { return "pop_queue"; }
    std::string operator()(const GroupAction& a) const { return fmt::format("group:{}", a.group); }
    std::string operator()(const MeterAction& a) const { return fmt::format("meter:{}", a.meter); }
    std::string operator()(const SetFieldAction& a) const { return set_field(a); }
    std::string operator()(const SetVlanVidAction& a) const {
        return fmt::format("{}_vlan_vid:{}", a.push_if_needed ? "mod" : "set", a.vid);
    }
    std::string operator()(const SetVlanPcpAction& a) const {
        return fmt::format("{}_vlan_pcp:{}", a.push_if_needed ? "mod" : "set", a.pcp);
    }
    std::string operator()(const MoveAction& a) const {
        return "move:" + format_subfield(a.source) + "->" + format_subfield(a.target);
    }
    std::string operator()(const PushVlanAction& a) const {
        return fmt::format("push_vlan:0x{:04x}", a.ethertype);
    }
    std::string operator()(const StripVlanAction& a) const { return a.pop ? "pop_vlan" : "strip_vlan"; }
    std::string operator()(const PushMplsAction& a) const {
        return fmt::format("push_mpls:0x{:04x}", a.ethertype);
    }
    std::string operator()(const PopMplsAction& a) const {
        return fmt::format("pop_mpls:0x{:04x}", a.ethertype);
    }
    std::string operator()(const DecTtlAction& a) const {
        if (a.controller_ids.empty()) return "dec_ttl";
        std::string out = "dec_ttl(";
        for (const auto id : a.controller_ids)
            out += fmt::format("{},", id);
        out.back() = ')';
        return out;
    }
    std::string operator()(const SetMplsTtlAction& a) const { return fmt::format("set_mpls_ttl({})", a.ttl); }
    std::string operator()(const DecMplsTtlAction&) const { return "dec_mpls_ttl"; }
    std::string operator()(const StackPushAction& a) const { return "push:" + format_subfield(a.source); }
    std::string operator()(const StackPopAction& a) const { return "pop:" + format_subfield(a.target); }
    std::string operator()(const ResubmitAction& a) const {
        if (a.in_port != OfPort::kInPort && a.table == 0xff && !a.with_ct)
            return "resubmit:" + port(a.in_port);
        std::string out = "resubmit(";
        if (a.in_port != OfPort::kInPort) out += port(a.in_port);
        out += ',';
        if (a.table != 0xff) out += fmt::format("{}", a.table);
        return out + (a.with_ct ? ",ct)" : ")");
    }
    std::string operator()(const CloneAction& a) const {
        return "clone(" + format_actions(a.actions, names) + ")";
    }
    std::string operator()(const NoteAction& a) const { return "note:" + dotted_hex(a.data); }
    std::string operator()(const ExitAction&) const { return "exit"; }
    std::string operator()(const ClearActionsAction&) const { return "clear_actions"; }
    std::string operator()(const WriteActionsAction& a) const {
        return "write_actions(" + format_actions(a.actions, names) + ")";
    }
    std::string operator()(const WriteMetadataAction& a) const {
        std::string out = "write_metadata:" + format_c_hex(a.value);
        return a.mask == ~std::uint64_t{0} ? out : out + "/" + format_c_hex(a.mask);
    }
    std::string operator()(const GotoTableAction& a) const { return fmt::format("goto_table:{}", a.table); }

    static std::string dotted_hex(const std::vector<std::uint8_t>& bytes) {
        std::string out;
        for (const auto byte : bytes)
            out += fmt::format("{}{:02x}", out.empty() ? "" : ".", byte);
        return out;
    }
    static std::string reason_text(std::uint8_t reason) {
        constexpr std::string_view kNames[] = {"no_match",   "action", "invalid_ttl",
                                               "action_set", "group",  "packet_out"};
        return reason < std::size(kNames) ? std::string{kNames[reason]} : fmt::format("{}", reason);
    }

    // A load can only say one run of bits; anything else prints as set_field.
    static bool single_run(U128 mask, unsigned& offset, unsigned& bits) {
        if (mask.is_zero()) return false;
        offset = 0;
        while (((mask >> offset) & U128{0, 1}).is_zero())
            ++offset;
        bits = 0;
        while (offset + bits < 128 && !((mask >> (offset + bits)) & U128{0, 1}).is_zero())
            ++bits;
        return (mask >> offset) == low_mask(bits);
    }

    std::string set_field(const SetFieldAction& a) const {
        if (a.field == kNoField) return "set_field:0-><unknown>";
        const FieldInfo& field = field_info(a.field);
        unsigned offset = 0, bits = 0;
        if (a.style == SetFieldAction::Style::kLoad && single_run(a.mask, offset, bits)) {
            const U128 value = a.value >> offset;
            return fmt::format("load:{}->{}", value.is_zero() ? "0" : format_hex(value),
                               format_subfield({a.field, static_cast<std::uint16_t>(offset),
                                                static_cast<std::uint16_t>(bits)}));
        }
        if (a.style == SetFieldAction::Style::kLegacy) {
            if (auto out = legacy(field, a)) return *out;
        }
        return fmt::format("set_field:{}->{}", format_field_value(field, {a.value, a.mask}, names),
                           field.name);
    }

    std::optional<std::string> legacy(const FieldInfo& field, const SetFieldAction& a) const {
        const std::string_view n = field.name;
        const bool port_field = n.ends_with("_src") || n.ends_with("_dst");
        if (n == "eth_src" || n == "eth_dst")
            return fmt::format("mod_dl_{}:{}", n.substr(4), format_mac(a.value.lo));
        if (n == "ip_src" || n == "ip_dst") {
            return fmt::format("mod_nw_{}:{}", n.substr(3),
                               format_ipv4(static_cast<std::uint32_t>(a.value.lo)));
        }
        if (n == "nw_tos") return fmt::format("mod_nw_tos:{}", a.value.lo);
        if (n == "ip_dscp") return fmt::format("mod_nw_tos:{}", a.value.lo << 2);
        if (n == "nw_ecn") return fmt::format("mod_nw_ecn:{}", a.value.lo);
        if (n == "nw_ttl") return fmt::format("mod_nw_ttl:{}", a.value.lo);
        if (port_field && (n.starts_with("tcp_") || n.starts_with("udp_") || n.starts_with("sctp_"))) {
            return fmt::format("mod_tp_{}:{}", n.substr(n.size() - 3), a.value.lo);
        }
        if (n == "mpls_label") return fmt::format("set_mpls_label({})", a.value.lo);
        if (n == "mpls_tc") return fmt::format("set_mpls_tc({})", a.value.lo);
        if (n == "tun_id") {
            return fmt::format("set_tunnel{}:{}", a.value.lo > 0xffffffff ? "64" : "",
                               format_c_hex(a.value.lo));
        }
        return std::nullopt;
    }
};

}  // namespace

std::string format_actions(const ActionList& actions, const PortNames* names) {
    if (actions.empty()) return "drop";
    std::string out;
    for (const auto& action : actions) {
        if (!out.empty()) out += ',';
        out += std::visit(Formatter{names}, action.kind);
    }
    return out;
}

}  // namespace sluice
