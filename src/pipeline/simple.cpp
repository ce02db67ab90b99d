// SPDX-License-Identifier: Apache-2.0
// Rules whose actions are sets of fields, dec_ttl, outputs and one table to go on with, which most rules of a
// program of many tables are. Where a look-up sends each packet of a burst to another rule, their actions run
// packet by packet, without the set-up that a group costs, and packets that go on to the same table make one
// group again: the next look-up is one for all of them, its cache misses overlapping.
#include "pipeline/edit.hpp"
#include "pipeline/executor_impl.hpp"

namespace sluice::pipeline {

/// Returns the op that leads on, or nullptr. The packet's headers and key words are there. A packet that does
/// not get all of the actions leaves nothing uniform.
const Op* Executor::Impl::run_simple(PacketSet& set, unsigned i, Path& path,
                                     const ActionProgram& program) noexcept {
    FlowKey& key = set.key[i];
    Group one;
    one.count = 1;
    one.index[0] = static_cast<std::uint8_t>(i);
    for (const Op& op : program.ops) {
        if (op.code == OpCode::kGoto || op.code == OpCode::kResubmit) return &op;
        if (recording == &set) note_op(one, op);
        if (op.code == OpCode::kSetField) {
            if (op.part == HeaderPart::kNone && op.prereq == Prereq::kNone && op.loc.bits != 128) {
                std::uint64_t& word = key.word[op.loc.word];
                word = (word & ~(op.mask.lo << op.loc.shift)) | (op.value.lo & op.mask.lo) << op.loc.shift;
            } else {
                set_field(set, one, path, op);
            }
        } else if (op.code == OpCode::kDecTtl) {
            dec_ttl(set, one, path, op);
            if (one.count != 0) continue;
            path.uniform = {};
            return nullptr;
        } else {
            output(set, one, path, OfPort{op.arg});
        }
    }
    return nullptr;
}

/// Returns the packets (bits of positions in the group) whose rules are not of this kind: nothing has
/// happened to them. The others are put into `joined`, and `path` is theirs.
std::uint32_t Executor::Impl::run_simple_rules(PacketSet& set, const Group& group, Path& path,
                                               classify::Rule* const* found, Entry entry,
                                               Group& joined) noexcept {
    for (unsigned g = 0; g < group.count; ++g)
        if (found[g]) __builtin_prefetch(static_cast<const Rule*>(found[g])->actions.get());
    std::uint32_t others = 0;
    classify::WordSet words;
    bool headers = false, alike = true;
    Group part;
    const Rule* rules[kMaxBurst];
    for (unsigned g = 0; g < group.count; ++g) {
        const auto* rule = static_cast<const Rule*>(found[g]);
        if (!rule || !rule->actions->simple.valid) {
            others |= 1U << g;
            continue;
        }
        const ActionProgram& actions = *rule->actions;
        __builtin_prefetch(actions.ops.data());
        words |= actions.simple.words;
        headers |= actions.simple.headers;
        alike &= part.count == 0 || rules[0] == rule;
        rules[part.count] = rule;
        part.index[part.count++] = group.index[g];
    }
    if (part.count == 0) return others;
    if (headers) ensure_parsed(set, part, path, Parsed::kAll);
    prepare(set, part, path, words);
    const Rule* caller = path.rule;
    const auto cookie = path.cookie;
    if (entry != Entry::kFirst) ++path.resubmits;
    const Op* next[kMaxBurst];
    std::uint32_t open = 0;
    for (unsigned n = 0; n < part.count; ++n) {
        const unsigned i = part.index[n];
        const Rule& rule = *rules[n];
        count_hit(rule, 1, static_cast<std::uint64_t>(std::int64_t{set.packet[i]->pkt_len} - set.grown[i]));
        if (recording == &set) note_hit(i, rule);
        path.rule = &rule;
        path.cookie = rule.cookie;
        next[n] = run_simple(set, i, path, *rule.actions);
        if (next[n]) {
            open |= 1U << n;
        } else {
            joined.index[joined.count++] = part.index[n];
        }
    }
    path.rule = caller;
    path.cookie = cookie;
    if (!alike) {
        for (unsigned b = 0; b < 2; ++b)
            path.uniform.bits[b] &= ~words.bits[b];
    }
    const Path before = path;
    while (open != 0) {
        const Op& op = *next[__builtin_ctz(open)];
        Group together;
        for (std::uint32_t rest = open; rest != 0; rest &= rest - 1) {
            const auto n = static_cast<unsigned>(__builtin_ctz(rest));
            if (next[n]->code != op.code || next[n]->table != op.table) continue;
            together.index[together.count++] = part.index[n];
            open &= ~(1U << n);
        }
        Path taken = before;
        const Group all = together;
        execute_op(set, together, taken, op);
        join(set, joined, path, all, taken);
    }
    return others;
}

}  // namespace sluice::pipeline
