// SPDX-License-Identifier: Apache-2.0
// Actions that compute a value or choose a port: multipath, bundle, check_pkt_larger; and those that empty
// fields: ct_clear, delete_field.
#include "flow/flow_hash.hpp"
#include "pipeline/edit.hpp"
#include "pipeline/executor_impl.hpp"

namespace sluice::pipeline {

/// Writes a value into the sub-field that is the target of `op`, if the packet has the field.
void Executor::Impl::write_bits(PacketSet& set, unsigned i, const Op& op, U128 value) noexcept {
    if (!prereq_present(op.prereq, set.key[i])) return;
    change(set, i, op, value << op.offset, (low_mask(op.bits) << op.offset) & op.mask);
}

void Executor::Impl::forget_uniform(Path& path, FieldLoc loc) noexcept {
    path.uniform.remove(loc.word);
    if (loc.bits == 128) path.uniform.remove(loc.word + 1U);
}

void Executor::Impl::prepare_write(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept {
    ensure_parsed(set, group, path, Parsed::kAll);
    classify::WordSet words;
    words.add(op.loc);
    words.add(key::kPacketType);
    prepare(set, group, path, words);
    if (op.part != HeaderPart::kNone) flush_pending(set, group);
}

void Executor::Impl::multipath(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept {
    const auto& action = std::get<MultipathAction>(op.source->kind);
    prepare_write(set, group, path, op);
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        const std::uint32_t hash = flow_hash(set.key[i], action.fields, action.basis);
        const U128 link{0, multipath_link(action, hash)};
        write_bits(set, i, op, link);
        if (trace) trace->written(action.target, link);
    }
    forget_uniform(path, op.loc);
}

bool Executor::Impl::is_live(const Path& path, OfPort port) const noexcept {
    switch (port) {
        case OfPort::kInPort:
        case OfPort::kTable:
        case OfPort::kNormal:
        case OfPort::kFlood:
        case OfPort::kAll:
        case OfPort::kLocal:
            return true;
        case OfPort::kController:
            return false;
        default: {
            const PortIndex index = path.bridge->find(port);
            return index != PortIndex::kNone && topology->ports[to_int(index)].forwards();
        }
    }
}

void Executor::Impl::bundle(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept {
    const auto& action = std::get<BundleAction>(op.source->kind);
    prepare_write(set, group, path, op);
    const auto live = [&](OfPort port) { return is_live(path, port); };
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        const OfPort member = bundle_member(action, set.key[i], live);
        if (action.target) {
            write_bits(set, i, op, {0, to_int(member) & 0xffff});
            if (trace) trace->written(*action.target, {0, to_int(member) & 0xffff});
            continue;
        }
        Group one;
        one.count = 1;
        one.index[0] = static_cast<std::uint8_t>(i);
        if (member == OfPort::kAny)
            set.reason[i] = DropReason::kPortDown;
        else
            output_number(set, one, path, to_int(member) & 0xffff, 0);
    }
    if (action.target) forget_uniform(path, op.loc);
}

void Executor::Impl::check_larger(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept {
    prepare_write(set, group, path, op);
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        const std::uint32_t filler = set.bare >> i & 1 ? 14 : 0;
        write_bits(set, i, op, {0, set.packet[i]->pkt_len - filler > op.arg ? 1U : 0U});
    }
    forget_uniform(path, op.loc);
}

void Executor::Impl::ct_clear(PacketSet& set, const Group& group, Path& path) noexcept {
    ensure_lines(set, group, path, kAllLines);
    for (unsigned g = 0; g < group.count; ++g) {
        FlowKey& key = set.key[group.index[g]];
        set.ct[group.index[g]] = {};
        for (const FieldLoc field :
             {key::kCtState, key::kCtZone, key::kCtProto, key::kCtMark, key::kCtSrc, key::kCtDst,
              key::kCtTpSrc, key::kCtTpDst, key::kCtLabel, key::kCtIpv6Src, key::kCtIpv6Dst})
            key.set_wide(field, {});
    }
}

void Executor::Impl::delete_field(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept {
    if (op.loc.bits == 0) return;  // a tunnel option without a place in the TLV table
    prepare_write(set, group, path, op);
    for (unsigned g = 0; g < group.count; ++g)
        set.key[group.index[g]].set_wide(op.loc, {});
}

}  // namespace sluice::pipeline
