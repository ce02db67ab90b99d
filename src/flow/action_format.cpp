// SPDX-License-Identifier: Apache-2.0
// Actions to text, in the layout of `ovs-ofctl dump-flows`. One overload a kind; std::visit stops the build
// when one is missing. Source: ovs-actions(7).
#include "base/byte_order.hpp"
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
        return close(out);
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
        if (a.controller_ids.empty() && !a.listed) return "dec_ttl";
        std::string out = "dec_ttl(";
        for (const auto id : a.controller_ids)
            out += fmt::format("{},", id);
        return close(out);
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
    std::string operator()(const LearnAction& a) const;
    std::string operator()(const ConjunctionAction& a) const {
        return fmt::format("conjunction({},{}/{})", a.id, a.clause + 1, a.n_clauses);
    }
    std::string operator()(const MultipathAction& a) const {
        return fmt::format("multipath({},{},{},{},{},{})", name(hash_field_names(), a.fields), a.basis,
                           name(multipath_algorithm_names(), a.algorithm), a.max_link + 1, a.arg,
                           format_subfield(a.target));
    }
    std::string operator()(const BundleAction& a) const;
    std::string operator()(const SampleAction& a) const;
    std::string operator()(const FinTimeoutAction& a) const {
        std::string out = "fin_timeout(";
        if (a.idle_timeout != 0) out += fmt::format("idle_timeout={},", a.idle_timeout);
        if (a.hard_timeout != 0) out += fmt::format("hard_timeout={},", a.hard_timeout);
        return close(out);
    }
    std::string operator()(const CheckPktLargerAction& a) const {
        return fmt::format("check_pkt_larger({})->{}", a.length, format_subfield(a.target));
    }
    std::string operator()(const DeleteFieldAction& a) const {
        return fmt::format("delete_field:{}", field_info(a.field).name);
    }
    std::string operator()(const NatAction& a) const;
    std::string operator()(const CtAction& a) const;
    std::string operator()(const CtClearAction&) const { return "ct_clear"; }
    std::string operator()(const DecNshTtlAction&) const { return "dec_nsh_ttl"; }
    std::string operator()(const EncapAction& a) const;
    std::string operator()(const DecapAction& a) const {
        if (a.packet_type == kDecapNext) return "decap()";
        return fmt::format("decap(packet_type(ns={},type={}))", a.packet_type >> 16,
                           text::format_c_hex(a.packet_type & 0xffff));
    }
    std::string operator()(const SetMplsLabelAction& a) const {
        return fmt::format("set_mpls_label({})", a.label);
    }
    std::string operator()(const SetMplsTcAction& a) const { return fmt::format("set_mpls_tc({})", a.tc); }
    std::string operator()(const ClearActionsAction&) const { return "clear_actions"; }
    std::string operator()(const WriteActionsAction& a) const {
        return "write_actions(" + format_actions(a.actions, names) + ")";
    }
    std::string operator()(const WriteMetadataAction& a) const {
        std::string out = "write_metadata:" + format_c_hex(a.value);
        return a.mask == ~std::uint64_t{0} ? out : out + "/" + format_c_hex(a.mask);
    }
    std::string operator()(const GotoTableAction& a) const { return fmt::format("goto_table:{}", a.table); }

    // The list without its last comma, and a bracket.
    static std::string close(std::string out) {
        if (out.back() == ',') out.pop_back();
        return out + ")";
    }
    template <typename E>
    static std::string name(std::span<const std::string_view> names, E value) {
        const auto i = static_cast<std::size_t>(value);
        return i < names.size() ? std::string{names[i]} : fmt::format("<unknown {}>", i);
    }
    static std::string hex(U128 value) { return value.is_zero() ? "0" : format_hex(value); }
    std::string learn_spec(const LearnSpec& spec) const;
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
        // A load of a field without NXM header travels, and comes back, as a set_field.
        const bool loadable = a.style == SetFieldAction::Style::kLoad && has_nxm_header(field);
        if (loadable && single_run(a.mask, offset, bits)) {
            const U128 value = a.value >> offset;
            return fmt::format("load:{}->{}", hex(value),
                               format_subfield({a.field, static_cast<std::uint16_t>(offset),
                                                static_cast<std::uint16_t>(bits)}));
        }
        if (a.style == SetFieldAction::Style::kLegacy) {
            if (auto out = legacy(field, a)) return *out;
        }
        const std::string mask = a.explicit_mask ? "/" + hex(a.mask) : "";
        return fmt::format("set_field:{}{}->{}", format_field_value(field, {a.value, a.mask}, names), mask,
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
        if (n == "tun_id") {
            return fmt::format("set_tunnel{}:{}", a.value.lo > 0xffffffff ? "64" : "",
                               format_c_hex(a.value.lo));
        }
        return std::nullopt;
    }
};

std::string Formatter::learn_spec(const LearnSpec& spec) const {
    using Target = LearnSpec::Target;
    if (spec.target_kind == Target::kOutput) {
        return "output:" + (spec.immediate ? hex(spec.value) : format_subfield(spec.source));
    }
    if (spec.target_kind == Target::kLoad) {
        return fmt::format("load:{}->{}", spec.immediate ? hex(spec.value) : format_subfield(spec.source),
                           format_subfield(spec.target));
    }
    const FieldInfo& field = field_info(spec.target.field);
    if (spec.immediate && spec.target.offset == 0 && spec.target.bits == field.bits) {
        return fmt::format("{}={}", field.name,
                           format_field_value(field, {spec.value, field_value_mask(field)}, names));
    }
    std::string out = format_subfield(spec.target);
    if (spec.immediate) return out + "=" + hex(spec.value);
    if (spec.source.field == spec.target.field && spec.source.offset == spec.target.offset) return out;
    return out + "=" + format_subfield(spec.source);
}

std::string Formatter::operator()(const LearnAction& a) const {
    std::string out = fmt::format("learn(table={},", a.table);
    if (a.idle_timeout != 0) out += fmt::format("idle_timeout={},", a.idle_timeout);
    if (a.hard_timeout != 0) out += fmt::format("hard_timeout={},", a.hard_timeout);
    if (a.fin_idle_timeout != 0) out += fmt::format("fin_idle_timeout={},", a.fin_idle_timeout);
    if (a.fin_hard_timeout != 0) out += fmt::format("fin_hard_timeout={},", a.fin_hard_timeout);
    if (a.priority != 0x8000) out += fmt::format("priority={},", a.priority);
    if (a.send_flow_rem) out += "send_flow_rem,";
    if (a.delete_learned) out += "delete_learned,";
    if (a.cookie != 0) out += fmt::format("cookie=0x{:x},", a.cookie);
    if (a.limit != 0) out += fmt::format("limit={},", a.limit);
    if (a.result_dst) out += fmt::format("result_dst={},", format_subfield(*a.result_dst));
    for (const auto& spec : a.specs)
        out += learn_spec(spec) + ",";
    return close(out);
}

std::string Formatter::operator()(const BundleAction& a) const {
    std::string out =
        fmt::format("bundle{}({},{},{},ofport,", a.target ? "_load" : "", name(hash_field_names(), a.fields),
                    a.basis, name(bundle_algorithm_names(), a.algorithm));
    if (a.target) out += format_subfield(*a.target) + ",";
    out += "members:";
    for (const OfPort member : a.members)
        out += port(member) + ",";
    return close(out);
}

std::string Formatter::operator()(const SampleAction& a) const {
    std::string out =
        fmt::format("sample(probability={},collector_set_id={},obs_domain_id={},obs_point_id={},",
                    a.probability, a.collector_set_id, a.obs_domain_id, a.obs_point_id);
    if (a.sampling_port != OfPort::kAny) out += fmt::format("sampling_port={},", port(a.sampling_port));
    if (a.direction == SampleAction::Direction::kIngress) out += "ingress,";
    if (a.direction == SampleAction::Direction::kEgress) out += "egress,";
    return close(out);
}

std::string Formatter::operator()(const NatAction& a) const {
    if (!a.src && !a.dst) return "nat";
    std::string out = a.src ? "nat(src" : "nat(dst";
    if (!a.ip_min) return out + ")";
    const auto address = [&a](U128 ip) {
        if (!a.ipv6) return format_ipv4(static_cast<std::uint32_t>(ip.lo));
        return a.port_min ? "[" + format_ipv6(ip) + "]" : format_ipv6(ip);
    };
    out += "=" + address(*a.ip_min);
    if (a.ip_max) out += "-" + address(*a.ip_max);
    if (a.port_min) out += fmt::format(":{}", *a.port_min);
    if (a.port_max) out += fmt::format("-{}", *a.port_max);
    if (a.persistent) out += ",persistent";
    if (a.protocol_hash) out += ",hash";
    if (a.protocol_random) out += ",random";
    return out + ")";
}

std::string Formatter::operator()(const CtAction& a) const {
    std::string out = "ct(";
    if (a.commit) out += "commit,";
    if (a.force) out += "force,";
    if (a.recirc_table != 0xff) out += fmt::format("table={},", a.recirc_table);
    if (a.zone_source) {
        out += fmt::format("zone={},", format_subfield(*a.zone_source));
    } else if (a.zone_immediate != 0) {
        out += fmt::format("zone={},", a.zone_immediate);
    }
    // A nat that comes first stands by itself, as it is written.
    auto exec = a.actions.begin();
    if (exec != a.actions.end() && std::holds_alternative<NatAction>(exec->kind)) {
        out += std::visit(*this, exec->kind) + ",";
        ++exec;
    }
    if (exec != a.actions.end()) out += "exec(" + format_actions({exec, a.actions.end()}, names) + "),";
    if (a.alg == 21) {
        out += "alg=ftp,";
    } else if (a.alg == 69) {
        out += "alg=tftp,";
    } else if (a.alg != 0) {
        out += fmt::format("alg={},", a.alg);
    }
    return close(out);
}

std::string Formatter::operator()(const EncapAction& a) const {
    constexpr std::uint32_t kEthernet = 0, kMpls = 0x18847, kMplsMulticast = 0x18848;
    if (a.packet_type == kEthernet) return "encap(ethernet)";
    if (a.packet_type == kMpls) return "encap(mpls)";
    if (a.packet_type == kMplsMulticast) return "encap(mpls_mc)";
    std::string inner;
    for (std::size_t at = 0; at + 4 <= a.properties.size();) {
        const std::uint8_t* p = a.properties.data() + at;
        const std::size_t size = p[3];
        if (p[2] == 1) inner += fmt::format("md_type={},", p[4]);
        if (p[2] == 2) {
            inner += fmt::format("tlv(0x{:04x},{},0x", load_be16(p + 4), p[6]);
            for (unsigned i = 0; i < p[7]; ++i)
                inner += fmt::format("{:02x}", p[8 + i]);
            inner += "),";
        }
        at += (size + 7) / 8 * 8;
    }
    if (inner.empty()) return "encap(nsh)";
    inner.back() = ')';
    return "encap(nsh(" + inner + ")";
}

constexpr std::string_view kHashFields[] = {"eth_src", "symmetric_l4", "symmetric_l3l4", "symmetric_l3l4+udp",
                                            "nw_src",  "nw_dst",       "symmetric_l3"};
constexpr std::string_view kMultipathAlgorithms[] = {"modulo_n", "hash_threshold", "hrw", "iter_hash"};
constexpr std::string_view kBundleAlgorithms[] = {"active_backup", "hrw"};

}  // namespace

std::span<const std::string_view> hash_field_names() {
    return kHashFields;
}
std::span<const std::string_view> multipath_algorithm_names() {
    return kMultipathAlgorithms;
}
std::span<const std::string_view> bundle_algorithm_names() {
    return kBundleAlgorithms;
}

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
