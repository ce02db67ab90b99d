// SPDX-License-Identifier: Apache-2.0
// Decoding of ct and nat. Source: ovs-actions(7) "The ct action".
#include "proto/openflow/action_decode.hpp"

namespace sluice::openflow {

namespace {

using E = ErrorCode;
enum NatFlag : std::uint16_t { kSrc = 1, kDst = 2, kPersistent = 4, kHash = 8, kRandom = 16 };
enum NatRange : std::uint16_t {
    kIpv4Min = 1,
    kIpv4Max = 2,
    kIpv6Min = 4,
    kIpv6Max = 8,
    kPortMin = 16,
    kPortMax = 32
};

void check_ranges(std::uint16_t flags, std::uint16_t range) {
    const bool any = (flags & (kSrc | kDst)) != 0;
    if ((flags & ~0x1fU) != 0 || (flags & (kSrc | kDst)) == (kSrc | kDst) ||
        (flags & (kHash | kRandom)) == (kHash | kRandom) || (!any && flags != 0)) {
        fail(E::kBacBadArgument, "nat: flags {:#x}", flags);
    }
    const bool v4 = (range & kIpv4Min) != 0, v6 = (range & kIpv6Min) != 0;
    if (range != 0 && (v4 == v6 || ((range & kIpv4Max) != 0 && !v4) || ((range & kIpv6Max) != 0 && !v6) ||
                       ((range & kPortMax) != 0 && (range & kPortMin) == 0))) {
        fail(E::kBacBadArgument, "nat: range {:#x}", range);
    }
}

}  // namespace

void decode_nat(const ActionBody& b) {
    b.in.skip(2);
    const std::uint16_t flags = b.in.u16(), range = b.in.u16();
    check_ranges(flags, range);
    NatAction a;
    a.src = (flags & kSrc) != 0;
    a.dst = (flags & kDst) != 0;
    a.persistent = (flags & kPersistent) != 0;
    a.protocol_hash = (flags & kHash) != 0;
    a.protocol_random = (flags & kRandom) != 0;
    a.ipv6 = (range & kIpv6Min) != 0;
    const std::size_t size = a.ipv6 ? 16 : 4;
    if (!a.src && !a.dst) {
        // A range of nothing is not read, but makes it a nat with arguments.
        if (range != 0) a.ip_min = U128{};
        return b.add(a);
    }
    if ((range & (kIpv4Min | kIpv6Min)) != 0) a.ip_min = read_wide(b.in, size);
    if ((range & (kIpv4Max | kIpv6Max)) != 0) a.ip_max = read_wide(b.in, size);
    if ((range & kPortMin) != 0) a.port_min = b.in.u16();
    if ((range & kPortMax) != 0) a.port_max = b.in.u16();
    if ((a.ip_max && *a.ip_max < *a.ip_min) ||
        (a.port_max && (*a.port_max < *a.port_min || *a.port_min == 0))) {
        fail(E::kBacBadArgument, "nat: a range that ends before it starts");
    }
    b.add(a);
}

namespace {

/// The field that set_field, load or move changes; kNoField for other actions.
FieldId changed_field(const Action& action) {
    if (const auto* set = std::get_if<SetFieldAction>(&action.kind)) return set->field;
    if (const auto* move = std::get_if<MoveAction>(&action.kind)) return move->target.field;
    return kNoField;
}
bool is_ct_field(FieldId id) {
    return id != kNoField && (field_info(id).name == "ct_mark" || field_info(id).name == "ct_label");
}

void verify_nested(const CtAction& ct) {
    bool needs_commit = false;
    for (const auto& action : ct.actions) {
        const auto* nat = std::get_if<NatAction>(&action.kind);
        needs_commit |= nat == nullptr || nat->src || nat->dst || nat->ip_min.has_value();
        if (nat == nullptr && !is_ct_field(changed_field(action))) {
            fail(E::kBacBadArgument, "ct holds an action that is neither nat nor a change of its fields");
        }
    }
    if (needs_commit && !ct.commit) fail(E::kBacBadArgument, "ct: what it holds needs the commit flag");
}

}  // namespace

void verify_actions(const ActionList& actions) {
    bool conjunction = false, other = false;
    for (const auto& action : actions) {
        const auto& kind = action.kind;
        conjunction |= std::holds_alternative<ConjunctionAction>(kind);
        other |=
            !std::holds_alternative<ConjunctionAction>(kind) && !std::holds_alternative<NoteAction>(kind);
        if (is_ct_field(changed_field(action))) fail(E::kBacBadSetArgument, "a field of ct outside of ct");
        if (std::holds_alternative<NatAction>(kind)) fail(E::kBacBadSetArgument, "nat outside of ct");
        if (const auto* ct = std::get_if<CtAction>(&kind)) verify_nested(*ct);
        if (const auto* clone = std::get_if<CloneAction>(&kind)) verify_actions(clone->actions);
    }
    if (conjunction && other) fail(E::kNxbacBadConjunction, "conjunction beside other actions than note");
}

void decode_ct(const ActionBody& b) {
    CtAction a;
    const std::uint16_t flags = b.in.u16();
    Reader zone = b.in;
    if (zone.u32() != 0) {
        // The range stands behind the header.
        Reader ahead = b.in;
        read_oxm_head(ahead, OxmUse::kNxmHeader);
        const std::uint16_t range = ahead.u16();
        a.zone_source = read_range(b.in, range, false);
        if (a.zone_source->bits != 16) fail(E::kBacBadSetLen, "ct: zone of {} bits", a.zone_source->bits);
        b.in.skip(2);
    } else {
        b.in.skip(4);
        a.zone_immediate = b.in.u16();
    }
    a.recirc_table = b.in.u8();
    b.in.skip(3);
    a.alg = b.in.u16();
    a.commit = (flags & 1) != 0;
    a.force = (flags & 2) != 0;
    if (a.force && !a.commit) fail(E::kBacBadArgument, "ct: force without commit");
    decode_actions(b.in, {b.scope.version, b.scope.depth + 1}, a.actions);
    b.add(std::move(a));
}

}  // namespace sluice::openflow
