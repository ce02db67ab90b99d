// SPDX-License-Identifier: Apache-2.0
// Encoding of actions: for each kind and version the form that OVS would send. What a version can't say
// is left out, as OVS does.
#include <bit>

#include "proto/openflow/action_codec.hpp"

namespace sluice::openflow {

namespace {

using Style = SetFieldAction::Style;

/// Position of a field by the name ovs-ofctl uses; resolved once.
FieldId named(std::string_view name) {
    return field_by_name(name);
}

struct Encoder {
    Writer& out;
    EncodeScope& scope;

    bool before(Version version) const { return scope.version < version; }
    bool is10() const { return scope.version == Version::k10; }

    std::size_t standard(std::uint16_t type) const {
        const std::size_t start = out.size();
        out.u16(type);
        out.u16(0);
        return start;
    }
    std::size_t vendor(std::uint16_t number, std::uint32_t vendor_id = kNiciraVendor) const {
        const std::size_t start = standard(0xffff);
        out.u32(vendor_id);
        out.u16(number);
        return start;
    }
    void finish(std::size_t start) const {
        out.pad8(start);
        out.patch_size(start, 2);
    }
    void standard16(std::uint16_t type, std::uint64_t value) const {
        const auto start = standard(type);
        out.u16(value);
        finish(start);
    }
    void standard32(std::uint16_t type, std::uint64_t value) const {
        const auto start = standard(type);
        out.u32(value);
        finish(start);
    }
    void standard8(std::uint16_t type, std::uint64_t value) const {
        const auto start = standard(type);
        out.u8(value);
        finish(start);
    }
    void bare(std::uint16_t type) const {
        const auto start = standard(type);
        out.zeros(4);
        finish(start);
    }
    void vendor16(std::uint16_t number, std::uint64_t value) const {
        const auto start = vendor(number);
        out.u16(value);
        finish(start);
    }
    void vendor32(std::uint16_t number, std::uint64_t value) const {
        const auto start = vendor(number);
        out.zeros(2);
        out.u32(value);
        finish(start);
    }
    void vendor8(std::uint16_t number, std::uint64_t value) const {
        const auto start = vendor(number);
        out.u8(value);
        finish(start);
    }
    void mac_action(std::uint16_t type, std::uint64_t mac) const {
        const auto start = standard(type);
        out.mac(mac);
        finish(start);
    }
    /// Nicira's actions name fields by their NXM headers in every version; copy_field by OXM.
    void field_header(FieldId id, std::uint8_t version = 1) const {
        if (const auto* header = oxm_header(field_info(id), version)) {
            write_oxm_head(out, *header, false);
        } else {
            out.u32(0);
        }
    }

    // ---- set_field and its relatives ----

    void set_field_oxm(FieldId id, U128 value, U128 mask, bool explicit_mask = false) const {
        const auto& info = field_info(id);
        const auto* header = oxm_header(info, to_int(scope.version));
        if (header == nullptr) return;
        const auto start = standard(25);
        const bool exact = mask == field_value_mask(info);
        write_oxm_entry(out, *header, value, mask, !exact || explicit_mask);
        finish(start);
    }
    void load_range(FieldId id, unsigned offset, unsigned bits, std::uint64_t value) const {
        const auto start = vendor(7);
        out.u16(offset << 6 | (bits - 1));
        field_header(id);
        out.u64(value);
        finish(start);
    }
    void load2(const SetFieldAction& a) const {
        const auto& info = field_info(a.field);
        const auto* header = oxm_header(info, to_int(scope.version));
        if (header == nullptr) return;
        const auto start = vendor(33);
        write_oxm_entry(out, *header, a.value, a.mask, a.mask != field_value_mask(info));
        finish(start);
    }
    /// One reg_load for each run of mask bits, at most 64 bits each, from the lowest.
    void loads(const SetFieldAction& a) const {
        if (!has_nxm_header(field_info(a.field))) return load2(a);
        const unsigned width = field_info(a.field).bits;
        unsigned bit = 0;
        while (bit < width) {
            if ((a.mask >> bit).lo % 2 == 0) {
                ++bit;
                continue;
            }
            unsigned run = 0;
            while (run < 64 && bit + run < width && (a.mask >> (bit + run)).lo % 2 == 1)
                ++run;
            load_range(a.field, bit, run, ((a.value >> bit) & low_mask(run)).lo);
            bit += run;
        }
    }
    bool legacy(const SetFieldAction& a) const;
    bool nicira_legacy(const SetFieldAction& a) const;
    void operator()(const SetFieldAction& a) const;

    // ---- the rest, in the order of flow/action.hpp ----

    void operator()(const OutputAction& a) const {
        if (is10()) {
            const auto start = standard(0);
            out.port16(a.port);
            out.u16(a.port == OfPort::kController ? a.max_len : 0U);
            return finish(start);
        }
        const auto start = standard(0);
        out.port32(a.port);
        out.u16(a.port == OfPort::kController ? a.max_len : 0U);
        finish(start);
    }
    void operator()(const OutputRegAction& a) const {
        const auto* header = oxm_header(field_info(a.source.field), 1);
        const bool wide = header != nullptr && header->clazz == 0xffff;
        const auto start = vendor(wide ? 32 : 15);
        out.u16(static_cast<unsigned>(a.source.offset << 6) | (a.source.bits - 1U));
        if (wide) out.u16(a.max_len);
        field_header(a.source.field);
        if (!wide) out.u16(a.max_len);
        out.zeros(24 - (out.size() - start));
        finish(start);
    }
    void operator()(const OutputTruncAction& a) const {
        const auto start = vendor(39);
        out.port16(a.port);
        out.u32(a.max_len);
        finish(start);
    }
    void property(std::uint16_t type, std::span<const std::uint8_t> value) const {
        const auto start = out.size();
        out.u16(type);
        out.u16(0);
        out.bytes(value);
        out.patch_size(start, 2);
        out.pad8(start);
    }
    void operator()(const ControllerAction& a) const {
        if (a.userdata.empty() && !a.pause && a.meter_id == 0) {
            const auto start = vendor(20);
            out.u16(a.max_len);
            out.u16(a.controller_id);
            out.u8(a.reason);
            return finish(start);
        }
        const auto start = vendor(37);
        out.zeros(6);
        const auto put = [this](std::uint16_t type, std::uint64_t value, std::size_t size) {
            Bytes bytes;
            Writer w{bytes};
            write_wide(w, {0, value}, size);
            if (size == 2) w.zeros(2);  // OVS counts the padding of 16-bit values
            property(type, bytes);
        };
        if (a.max_len != 0xffff) put(0, a.max_len, 2);
        if (a.controller_id != 0) put(1, a.controller_id, 2);
        if (a.reason != 1) put(2, a.reason, 1);
        if (!a.userdata.empty()) property(3, a.userdata);
        if (a.pause) property(4, {});
        if (a.meter_id != 0) put(5, a.meter_id, 4);
        finish(start);
    }
    void operator()(const EnqueueAction& a) const {
        if (is10()) {
            const auto start = standard(11);
            out.port16(a.port);
            out.zeros(6);
            out.u32(a.queue);
            return finish(start);
        }
        (*this)(SetQueueAction{a.queue});
        (*this)(OutputAction{a.port});
        (*this)(PopQueueAction{});
    }
    void operator()(const SetQueueAction& a) const {
        is10() ? vendor32(4, a.queue) : standard32(21, a.queue);
    }
    void operator()(const PopQueueAction&) const { finish(vendor(5)); }
    void operator()(const GroupAction& a) const { is10() ? vendor32(40, a.group) : standard32(22, a.group); }
    void operator()(const MeterAction& a) const {
        if (!before(Version::k15)) standard32(29, a.meter);
    }
    void operator()(const SetVlanVidAction& a) const {
        if (is10()) return standard16(1, a.vid);
        if (!scope.has_vlan && a.push_if_needed) (*this)(PushVlanAction{});
        if (before(Version::k12)) return standard16(1, a.vid);
        set_field_oxm(named("vlan_vid"), {0, a.vid | kVlanPresent}, {0, 0x1fff});
    }
    void operator()(const SetVlanPcpAction& a) const {
        if (is10()) return standard8(2, a.pcp);
        if (!scope.has_vlan && a.push_if_needed) (*this)(PushVlanAction{});
        if (before(Version::k12)) return standard8(2, a.pcp);
        set_field_oxm(named("vlan_pcp"), {0, a.pcp}, {0, 7});
    }
    void operator()(const MoveAction& a) const {
        const auto start = before(Version::k15) ? vendor(6) : standard(28);
        out.u16(a.source.bits);
        out.u16(a.source.offset);
        out.u16(a.target.offset);
        if (!before(Version::k15)) out.zeros(2);
        const std::uint8_t names = before(Version::k15) ? std::uint8_t{1} : to_int(scope.version);
        field_header(a.source.field, names);
        field_header(a.target.field, names);
        finish(start);
    }
    void operator()(const PushVlanAction& a) const {
        scope.has_vlan = true;
        // OpenFlow 1.0 can't push by itself: its set_vlan_vid, which follows, does.
        if (!is10()) standard16(17, a.ethertype);
    }
    void operator()(const StripVlanAction&) const {
        scope.has_vlan = false;
        bare(is10() ? 3 : 18);
    }
    void operator()(const PushMplsAction& a) const {
        is10() ? vendor16(23, a.ethertype) : standard16(19, a.ethertype);
    }
    void operator()(const PopMplsAction& a) const {
        is10() ? vendor16(24, a.ethertype) : standard16(20, a.ethertype);
    }
    void operator()(const DecTtlAction& a) const {
        if (a.controller_ids.empty() && !a.listed) return is10() ? finish(vendor(18)) : bare(24);
        const auto start = vendor(21);
        out.u16(a.controller_ids.size());
        out.zeros(4);
        for (const auto id : a.controller_ids)
            out.u16(id);
        finish(start);
    }
    void operator()(const SetMplsTtlAction& a) const {
        if (is10()) return vendor8(25, a.ttl);
        standard8(15, a.ttl);
    }
    void operator()(const DecMplsTtlAction&) const { is10() ? finish(vendor(26)) : bare(16); }
    void stack(std::uint16_t number, const SubField& field) const {
        const auto start = vendor(number);
        out.u16(field.offset);
        field_header(field.field);
        out.u16(field.bits);
        out.zeros(24 - (out.size() - start));
        finish(start);
    }
    void operator()(const StackPushAction& a) const { stack(27, a.source); }
    void operator()(const StackPopAction& a) const { stack(28, a.target); }
    void operator()(const ResubmitAction& a) const {
        const bool plain = a.table == 0xff && !a.with_ct;
        const auto start = vendor(plain ? 1 : (a.with_ct ? 44 : 14));
        out.port16(a.in_port);
        if (!plain) out.u8(a.table);
        finish(start);
    }
    void operator()(const CloneAction& a) const {
        const auto start = vendor(42);
        out.zeros(6);
        encode_actions(out, a.actions, scope);
        finish(start);
    }
    void operator()(const NoteAction& a) const {
        const auto start = vendor(8);
        out.bytes(a.data);
        if (a.data.size() < 6) out.zeros(6 - a.data.size());
        finish(start);
    }
    void operator()(const ExitAction&) const { finish(vendor(17)); }
    void operator()(const LearnAction& a) const;
    void operator()(const ConjunctionAction& a) const {
        const auto start = vendor(34);
        out.u8(a.clause);
        out.u8(a.n_clauses);
        out.u32(a.id);
        finish(start);
    }
    void operator()(const MultipathAction& a) const {
        const auto start = vendor(10);
        out.u16(static_cast<std::uint16_t>(a.fields));
        out.u16(a.basis);
        out.zeros(2);
        out.u16(static_cast<std::uint16_t>(a.algorithm));
        out.u16(a.max_link);
        out.u32(a.arg);
        out.zeros(2);
        out.u16(range(a.target));
        field_header(a.target.field);
        finish(start);
    }
    void operator()(const BundleAction& a) const;
    void operator()(const SampleAction& a) const;
    void operator()(const FinTimeoutAction& a) const {
        const auto start = vendor(19);
        out.u16(a.idle_timeout);
        out.u16(a.hard_timeout);
        finish(start);
    }
    void operator()(const CheckPktLargerAction& a) const {
        const auto start = vendor(49);
        out.u16(a.length);
        out.u16(a.target.offset);
        field_header(a.target.field);
        out.zeros(24 - (out.size() - start));
        finish(start);
    }
    void operator()(const DeleteFieldAction& a) const {
        const auto start = vendor(50);
        field_header(a.field);
        out.zeros(24 - (out.size() - start));
        finish(start);
    }
    void operator()(const NatAction& a) const;
    void operator()(const CtAction& a) const {
        const auto start = vendor(35);
        out.u16((a.commit ? 1U : 0U) | (a.force ? 2U : 0U));
        a.zone_source ? field_header(a.zone_source->field) : out.u32(0);
        out.u16(a.zone_source ? range(*a.zone_source) : a.zone_immediate);
        out.u8(a.recirc_table);
        out.zeros(3);
        out.u16(a.alg);
        encode_actions(out, a.actions, scope);
        finish(start);
    }
    void operator()(const CtClearAction&) const { finish(vendor(43)); }
    void operator()(const DecNshTtlAction&) const { finish(vendor(48)); }
    void operator()(const EncapAction& a) const {
        const auto start = vendor(46);
        out.u16(a.header_size);
        out.u32(a.packet_type);
        out.bytes(a.properties);
        finish(start);
    }
    void operator()(const DecapAction& a) const { vendor32(47, a.packet_type); }
    void operator()(const SetMplsLabelAction& a) const {
        if (!before(Version::k12))
            return set_field_oxm(named("mpls_label"), {0, a.label & 0xfffffU}, {0, 0xfffff});
        is10() ? vendor32(30, a.label) : standard32(13, a.label);
    }
    void operator()(const SetMplsTcAction& a) const {
        if (!before(Version::k12)) return set_field_oxm(named("mpls_tc"), {0, a.tc & 7U}, {0, 7});
        is10() ? vendor8(31, a.tc) : standard8(14, a.tc);
    }
    // Instructions: only OpenFlow 1.0 has them as actions (or not at all).
    void operator()(const ClearActionsAction&) const {}
    void operator()(const WriteActionsAction&) const {}
    void operator()(const WriteMetadataAction& a) const {
        if (!is10()) return;
        const auto start = vendor(22);
        out.zeros(6);
        out.u64(a.value);
        out.u64(a.mask);
        finish(start);
    }
    void operator()(const GotoTableAction& a) const {
        if (is10()) (*this)(ResubmitAction{OfPort::kInPort, a.table, false});
    }
    /// Offset and width of a sub-field of at most 64 bits as ofs_nbits.
    static unsigned range(const SubField& f) { return static_cast<unsigned>(f.offset << 6) | (f.bits - 1U); }
    void learn_spec(const LearnSpec& spec) const;
};

void Encoder::learn_spec(const LearnSpec& spec) const {
    out.u16(spec.bits | static_cast<unsigned>(spec.target_kind) << 11 | (spec.immediate ? 1U << 13 : 0U));
    if (spec.immediate) {
        write_wide(out, spec.value, (spec.bits + 15U) / 16 * 2);
    } else {
        field_header(spec.source.field);
        out.u16(spec.source.offset);
    }
    if (spec.target_kind == LearnSpec::Target::kOutput) return;
    field_header(spec.target.field);
    out.u16(spec.target.offset);
}

void Encoder::operator()(const LearnAction& a) const {
    const bool second = a.limit != 0 || a.result_dst;
    const auto start = vendor(second ? 45 : 16);
    out.u16(a.idle_timeout);
    out.u16(a.hard_timeout);
    out.u16(a.priority);
    out.u64(a.cookie);
    out.u16((a.send_flow_rem ? 1U : 0U) | (a.delete_learned ? 2U : 0U) | (a.result_dst ? 4U : 0U));
    out.u8(a.table);
    out.zeros(1);
    out.u16(a.fin_idle_timeout);
    out.u16(a.fin_hard_timeout);
    if (second) {
        out.u32(a.limit);
        out.u16(a.result_dst ? a.result_dst->offset : 0U);
        out.zeros(2);
        if (a.result_dst) field_header(a.result_dst->field);
    }
    for (const auto& spec : a.specs)
        learn_spec(spec);
    finish(start);
}

void Encoder::operator()(const BundleAction& a) const {
    const auto start = vendor(a.target ? 13 : 12);
    out.u16(static_cast<std::uint16_t>(a.algorithm));
    out.u16(static_cast<std::uint16_t>(a.fields));
    out.u16(a.basis);
    field_header(named("in_port"));
    out.u16(a.members.size());
    out.u16(a.target ? range(*a.target) : 0U);
    a.target ? field_header(a.target->field) : out.u32(0);
    out.zeros(4);
    for (const OfPort member : a.members)
        out.port16(member);
    finish(start);
}

void Encoder::operator()(const SampleAction& a) const {
    const bool directed = a.direction != SampleAction::Direction::kDefault;
    const bool has_port = directed || a.sampling_port != OfPort::kAny;
    const auto start = vendor(directed ? 41 : has_port ? 38 : 29);
    out.u16(a.probability);
    out.u32(a.collector_set_id);
    out.u32(a.obs_domain_id);
    out.u32(a.obs_point_id);
    if (has_port) {
        out.port16(a.sampling_port);
        out.u8(static_cast<std::uint8_t>(a.direction));
        out.zeros(5);
    }
    finish(start);
}

void Encoder::operator()(const NatAction& a) const {
    const auto start = vendor(36);
    out.zeros(2);
    out.u16((a.src ? 1U : 0U) | (a.dst ? 2U : 0U) | (a.persistent ? 4U : 0U) | (a.protocol_hash ? 8U : 0U) |
            (a.protocol_random ? 16U : 0U));
    const unsigned family = a.ipv6 ? 4 : 1;
    out.u16((a.ip_min ? family : 0U) | (a.ip_max ? family << 1 : 0U) | (a.port_min ? 0x10U : 0U) |
            (a.port_max ? 0x20U : 0U));
    for (const auto& ip : {a.ip_min, a.ip_max}) {
        if (ip) write_wide(out, *ip, a.ipv6 ? 16 : 4);
    }
    for (const auto& port : {a.port_min, a.port_max}) {
        if (port) out.u16(*port);
    }
    finish(start);
}

/// The fixed actions of OpenFlow 1.0 and 1.1 that set a whole field. True if written.
bool Encoder::legacy(const SetFieldAction& a) const {
    const auto& info = field_info(a.field);
    if (!before(Version::k12) || a.mask != field_value_mask(info)) return false;
    const std::string_view name = info.name;
    const std::uint64_t v = a.value.lo;
    const std::uint16_t shift = is10() ? 0 : 1;
    const auto type = [shift](unsigned of10) { return static_cast<std::uint16_t>(of10 - shift); };
    if (name == "eth_src") return mac_action(type(4), v), true;
    if (name == "eth_dst") return mac_action(type(5), v), true;
    if (name == "ip_src") return standard32(type(6), v), true;
    if (name == "ip_dst") return standard32(type(7), v), true;
    if (name == "nw_tos") return standard8(type(8), v), true;
    if (name == "ip_dscp") return standard8(type(8), v << 2), true;
    if (name == "nw_ecn" && !is10()) return standard8(8, v), true;
    if (name == "nw_ttl" && !is10() && a.style == Style::kLegacy) return standard8(23, v), true;
    if (name == "vlan_vid" && (v & kVlanPresent)) return standard16(1, v & 0xfff), true;
    if (name == "vlan_pcp") return standard8(2, v), true;
    if (name == "tcp_src" || name == "udp_src" || name == "sctp_src") return standard16(9, v), true;
    if (name == "tcp_dst" || name == "udp_dst" || name == "sctp_dst") return standard16(10, v), true;
    return false;
}

/// mod_* forms of any version that are no plain set_field. True if written.
bool Encoder::nicira_legacy(const SetFieldAction& a) const {
    const std::string_view name = field_info(a.field).name;
    const std::uint64_t v = a.value.lo;
    if (name == "tun_id") {
        if (v <= 0xffffffffU) return vendor32(2, v), true;
        const auto start = vendor(9);
        out.zeros(6);
        out.u64(v);
        return finish(start), true;
    }
    if (name == "nw_ttl" && !is10()) return standard8(23, v), true;
    if (before(Version::k12)) return false;
    if (name == "nw_tos") return set_field_oxm(named("ip_dscp"), {0, v >> 2}, {0, 0x3f}), true;
    if (name == "tcp_src" || name == "tcp_dst") {
        std::string wanted = scope.ip_proto == 17 ? "udp" : scope.ip_proto == 132 ? "sctp" : "tcp";
        wanted += name.substr(3);
        return set_field_oxm(named(wanted), a.value, a.mask), true;
    }
    return false;
}

void Encoder::operator()(const SetFieldAction& a) const {
    if (a.style == Style::kLegacy && nicira_legacy(a)) return;
    const auto& info = field_info(a.field);
    const bool exact = a.mask == field_value_mask(info);
    if (!before(Version::k15)) return set_field_oxm(a.field, a.value, a.mask, a.explicit_mask);
    if (a.style == Style::kLoad) return loads(a);
    if (legacy(a)) return;
    if (!before(Version::k12) && exact) return set_field_oxm(a.field, a.value, a.mask);
    loads(a);
}

}  // namespace

EncodeScope scope_of(Version version, const Match& match) {
    EncodeScope scope;
    scope.version = version;
    if (match.mask.get(key::kIpProto) != 0) {
        scope.ip_proto = static_cast<std::uint8_t>(match.value.get(key::kIpProto));
    }
    scope.has_vlan = (match.value.get(key::kVlanTci) & kVlanPresent) != 0;
    return scope;
}

void encode_actions(Writer& out, const ActionList& actions, EncodeScope scope) {
    const Encoder encoder{out, scope};
    for (const auto& action : actions)
        std::visit(encoder, action.kind);
}

}  // namespace sluice::openflow
