// SPDX-License-Identifier: Apache-2.0
// The group action: which buckets, and a copy of the packet for each. The semantics are Open vSwitch's:
// a bucket runs as an action set and leaves neither packet nor fields changed, but what tables that it
// resubmits to write into the action set or stack stays; exit ends the bucket only.
#include "pipeline/group.hpp"

#include "pipeline/executor_impl.hpp"
#include "pipeline/program.hpp"

namespace sluice::pipeline {

// ---- Liveness ----------------------------------------------------------------------------------------

/// A bucket that watches nothing is live. A group is live if one of its buckets is; a group that only
/// watches itself, however far around, is not.
bool Executor::Impl::bucket_live(const Path& path, const BucketEntry& bucket, SeenGroups& seen) noexcept {
    if (bucket.watch_port == OfPort::kAny && bucket.watch_group == kAnyGroup) return true;
    if (bucket.watch_port != OfPort::kAny) {
        const PortIndex index = path.bridge->find(bucket.watch_port);
        if (index != PortIndex::kNone && topology->ports[to_int(index)].forwards()) return true;
    }
    if (bucket.watch_group == kAnyGroup || seen.count == seen.id.size()) return false;
    for (unsigned n = 0; n < seen.count; ++n) {
        if (seen.id[n] == bucket.watch_group) return false;
    }
    seen.id[seen.count++] = bucket.watch_group;
    const GroupEntry* group = path.bridge->program->groups().find(bucket.watch_group, version);
    if (!group) return false;
    for (const BucketEntry& member : group->buckets) {
        if (bucket_live(path, member, seen)) return true;
    }
    return false;
}

std::optional<std::size_t> Executor::Impl::choose(const Path& path, const GroupEntry& group,
                                                  const FlowKey& key) noexcept {
    const auto live = [&](std::size_t i) {
        SeenGroups seen;
        return bucket_live(path, group.buckets[i], seen);
    };
    if (group.type == GroupType::kSelect) return choose_bucket(group.hash(key), group.weights, live);
    for (std::size_t i = 0; i < group.buckets.size(); ++i) {
        if (live(i)) return i;
    }
    return {};
}

// ---- Execution ---------------------------------------------------------------------------------------

void Executor::Impl::group_op(PacketSet& set, Group& group, Path& path, const Op& op) noexcept {
    if (path.depth >= kMaxResubmitDepth) return fail(set, group, path, DropReason::kTooDeep);
    const GroupEntry* entry = path.bridge->program->groups().find(op.arg, version);
    if (!entry) {
        for (unsigned g = 0; g < group.count; ++g)
            set.reason[group.index[g]] = DropReason::kNoGroup;
        if (trace) trace->missing_group(op.arg);
        group.count = 0;  // the rest of this list is not executed
        return;
    }
    const bool tail = path.tail;
    if (entry->type == GroupType::kAll || entry->type == GroupType::kIndirect) {
        count_group(set, group, entry->stats);
        for (std::size_t i = 0; i < entry->buckets.size() && group.count > 0; ++i) {
            path.tail = tail && i + 1 == entry->buckets.size();
            run_bucket(set, group, path, *entry, i);
            if (set.failed != 0) remove_done(set, group);
        }
    } else {
        choose_and_run(set, group, path, *entry);
    }
    path.tail = tail;
    remove_done(set, group);
}

/// Select and fast failover: splits the packets by the bucket they take.
void Executor::Impl::choose_and_run(PacketSet& set, const Group& group, Path& path,
                                    const GroupEntry& entry) noexcept {
    constexpr std::size_t kNone = ~std::size_t{0};
    std::size_t chosen[kMaxBurst];
    if (entry.type == GroupType::kFastFailover) {
        const auto first = choose(path, entry, set.key[group.index[0]]);
        for (unsigned g = 0; g < group.count; ++g)
            chosen[g] = first.value_or(kNone);
    } else {
        ensure_parsed(set, group, path, Parsed::kAll);
        ensure_lines(set, group, path, entry.hash.fields.empty() ? 3 : kAllLines);
        for (unsigned g = 0; g < group.count; ++g)
            chosen[g] = choose(path, entry, set.key[group.index[g]]).value_or(kNone);
    }
    const Path before = path;
    std::uint32_t open = group.count == 32 ? ~0U : (1U << group.count) - 1;
    Group joined;
    while (open != 0) {
        const std::size_t bucket = chosen[__builtin_ctz(open)];
        Group part;
        for (std::uint32_t rest = open; rest != 0; rest &= rest - 1) {
            const auto g = static_cast<unsigned>(__builtin_ctz(rest));
            if (chosen[g] != bucket) continue;
            part.index[part.count++] = group.index[g];
            open &= ~(1U << g);
        }
        Path taken = before;
        if (bucket == kNone) {
            for (unsigned g = 0; g < part.count; ++g)
                set.reason[part.index[g]] = DropReason::kNoBucket;
            if (trace) trace->chose_bucket(nullptr);
        } else {
            if (trace) trace->chose_bucket(&entry.buckets[bucket]);
            count_group(set, part, entry.stats);
            run_bucket(set, part, taken, entry, bucket);
        }
        join(set, joined, path, part, taken);
    }
}

void Executor::Impl::count_group(const PacketSet& set, const Group& group, StatsSlot slot) noexcept {
    if (trace) return;
    RuleCounter& counter = stats.at(slot);
    counter.packets.add(group.count);
    counter.bytes.add(received_bytes(set, group));
}

void Executor::Impl::run_bucket(PacketSet& set, const Group& group, Path& path, const GroupEntry& entry,
                                std::size_t index) noexcept {
    // Buckets count as resubmits: chains of groups multiply.
    if (path.resubmits >= kMaxResubmits) return fail(set, group, path, DropReason::kTooManyResubmits);
    ++path.resubmits;
    const BucketEntry& bucket = entry.buckets[index];
    count_group(set, group, bucket.stats);
    if (trace) trace->enter_bucket(bucket);
    const bool was_in_group = path.in_group;
    path.in_group = true;
    ++path.depth;
    if (bucket.plain || runs_in_place(set, group, path, bucket)) {
        const std::uint32_t before = set.exited;
        execute(set, group, path, *bucket.actions);
        set.done &= ~(set.exited & ~before);
        set.exited = before;
    } else {
        run_on_copies(set, group, path, bucket);
    }
    --path.depth;
    path.in_group = was_in_group;
    if (trace) trace->leave_bucket();
}

/// Does nothing that follows see what the bucket does to the packet? Then it needs no copy.
bool Executor::Impl::runs_in_place(const PacketSet& set, const Group& group, const Path& path,
                                   const BucketEntry& bucket) const noexcept {
    if (trace || !path.tail || (bucket.resubmits && path.bridge->program->writes_action_sets())) return false;
    for (unsigned g = 0; g < group.count; ++g) {
        if (set.action_set[group.index[g]] != 0) return false;
    }
    return true;
}

void Executor::Impl::run_on_copies(PacketSet& set, const Group& group, Path& path,
                                   const BucketEntry& bucket) noexcept {
    PacketSet& copies = push_set();
    const Group all = copy_into(set, group, path, copies);
    if (copies.count > 0) {
        Path inner = path;
        inner.tail = true;
        execute(copies, all, inner, *bucket.actions);
        path.resubmits = inner.resubmits;
        for (unsigned n = 0; n < copies.count; ++n) {
            const unsigned i = copies.origin[n];
            set.action_set[i] = std::exchange(copies.action_set[n], std::uint16_t{0});
            set.stack_size[i] = copies.stack_size[n];
            std::copy_n(copies.stack[n], copies.stack_size[n], set.stack[i]);
        }
        copies.done &= ~copies.exited;
        copies.exited = 0;
        run_clone_end(set, copies, inner);
    }
    pop_set();
}

}  // namespace sluice::pipeline
