// SPDX-License-Identifier: Apache-2.0
// ct in a trace: nothing is tracked. The packet goes on untracked; a copy for another table waits, with all
// it has, for trace_fork().
#include "packet/pool.hpp"
#include "pipeline/ct.hpp"
#include "pipeline/executor_impl.hpp"

namespace sluice::pipeline {

void Executor::Impl::trace_ct(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept {
    ensure_lines(set, group, path, kAllLines);
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        conntrack::Request request;
        op.ct->request_for(set.key[i], request);
        TraceFork fork;
        fork.key = set.key[i];
        const U128 mark_mask{0, request.mark_mask};
        fork.key.set(key::kCtZone, request.zone);
        fork.key.set(key::kCtMark, (fork.key.get(key::kCtMark) & ~mark_mask.lo) | request.mark);
        fork.key.set_wide(key::kCtLabel,
                          (fork.key.get_wide(key::kCtLabel) & ~request.label_mask) | request.label);
        fork.key.set(key::kCtState, 0);
        if (op.table == 0xff) {
            trace->tracked(fork.key, nullptr);
            continue;
        }
        fork.bridge = path.bridge->index;
        fork.table = op.table;
        for (const Packet* part = set.packet[i]; part; part = part->next) {
            const auto* data = rte_pktmbuf_mtod(part, const std::uint8_t*);
            fork.packet.insert(fork.packet.end(), data, data + part->data_len);
        }
        fork.stack.assign(set.stack[i], set.stack[i] + set.stack_size[i]);
        for (std::uint16_t node = set.action_set[i]; node != 0; node = action_set_nodes[node].previous)
            fork.action_set.insert(fork.action_set.begin(), action_set_nodes[node].program);
        fork.queue = set.queue[i];
        fork.bare = (set.bare >> i & 1) != 0;
        trace->tracked(fork.key, &fork);
    }
    ct_clear(set, group, path);
}

void Executor::Impl::run_fork(const TraceFork& fork, Packet* packet) noexcept {
    PacketSet& set = push_set();
    init_set(set, &packet, 1, OfPort{static_cast<std::uint32_t>(fork.key.get(key::kInPort))});
    if (set.count == 1) {
        Path path;
        const OfPort in_port{static_cast<std::uint32_t>(fork.key.get(key::kInPort))};
        const Group group = enter_alone(set, *topology->bridges[fork.bridge], in_port, &fork.key, path);
        set.queue[0] = fork.queue;
        if (fork.bare) {
            set.bare = set.retyped = 1;
            set.key[0].set(key::kPacketType, fork.key.get(key::kPacketType));
        }
        set.stack_size[0] = static_cast<std::uint8_t>(fork.stack.size());
        for (std::size_t n = 0; n < fork.stack.size(); ++n)
            set.stack[0][n] = fork.stack[n];
        for (const ActionProgram* program : fork.action_set) {
            if (action_set_count == action_set_nodes.size()) break;
            action_set_nodes[action_set_count] = {program, set.action_set[0]};
            set.action_set[0] = action_set_count++;
        }
        update_actset_output(set, group, path);
        trace->enter_bridge(fork.bridge, set.key[0], 0);
        run_table(set, group, path, fork.table, Entry::kGoto);
        trace->end(set.key[0]);
        finish(set, path);
    }
    pop_set();
    run_patch_queue();
}

void Executor::trace_fork(const TraceFork& fork, Packet* packet, TraceSink& sink) noexcept {
    Impl& impl = *impl_;
    impl.begin(impl.now_ms);
    if (fork.bridge >= impl.topology->bridges.size() || !impl.topology->bridges[fork.bridge]) {
        rte_pktmbuf_free(packet);
        return;
    }
    impl.trace = &sink;
    impl.run_fork(fork, packet);
    impl.trace = nullptr;
}

}  // namespace sluice::pipeline
