// SPDX-License-Identifier: Apache-2.0
// controller(pause): a packet stops, a controller gets it together with all that was left to do, and
// NXT_RESUME lets it go on. While the lists of actions around it are left, each notes where it stood.
#include <cstring>

#include "packet/pool.hpp"
#include "pipeline/executor_impl.hpp"

namespace sluice::pipeline {

void Executor::Impl::pause(PacketSet& set, const Group& group, Path& path, const Op& op) noexcept {
    ensure_parsed(set, group, path, Parsed::kAll);
    ensure_lines(set, group, path, kAllLines);
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        set.done |= 1U << i;
        set.paused |= 1U << i;
        set.pause_frame[i] = 0;
        set.pause_op[i] = &op;
        set.pause_table[i] = path.table;
        set.pause_cookie[i] = path.cookie;
    }
}

void Executor::Impl::remember_rest(PacketSet& set, const Path& path, const ActionProgram& program,
                                   std::uint16_t next, std::uint32_t packets) noexcept {
    if (next >= program.source.size()) return;
    std::uint16_t shared = 0;  // neighbours stopped inside of the same lists: they share the node
    for (; packets != 0; packets &= packets - 1) {
        const auto i = static_cast<unsigned>(__builtin_ctz(packets));
        if (shared != 0 && pause_nodes[shared].previous == set.pause_frame[i]) {
            set.pause_frame[i] = shared;
            continue;
        }
        if (pause_node_count == pause_nodes.size()) {
            set.failed |= 1U << i;
            set.reason[i] = DropReason::kTooManyResubmits;
            continue;
        }
        shared = pause_node_count++;
        pause_nodes[shared] = {{&program, next, path.table, path.cookie}, set.pause_frame[i]};
        set.pause_frame[i] = shared;
    }
}

/// Hands the paused packets of a set to the control thread; their walk is over.
void Executor::Impl::punt_paused(PacketSet& set, Path& path) noexcept {
    for (std::uint32_t rest = set.paused & ~set.failed; rest != 0; rest &= rest - 1) {
        const auto i = static_cast<unsigned>(__builtin_ctz(rest));
        if (trace) {  // OVS shows it as a drop
            set.punted |= 1U << i;
            continue;
        }
        // The arena lists the frames from the outermost in.
        std::uint16_t count = 0;
        for (std::uint16_t node = set.pause_frame[i]; node != 0; node = pause_nodes[node].previous)
            ++count;
        std::uint16_t writes = 0;
        for (std::uint16_t node = set.action_set[i]; node != 0; node = action_set_nodes[node].previous)
            ++writes;
        if (count > kMaxPauseFrames || writes > kMaxSetWrites) {
            set.reason[i] = DropReason::kTooDeep;
            continue;
        }
        PauseRecord* pause_record = pauses.claim();
        PuntRecord* record = pause_record ? new_punt(set, i, path) : nullptr;
        if (!record) {
            if (!pause_record) set.reason[i] = DropReason::kPuntFull;
            continue;
        }
        pause_record->frame_count = count;
        for (std::uint16_t node = set.pause_frame[i]; node != 0; node = pause_nodes[node].previous)
            pause_record->frame[--count] = pause_nodes[node].frame;
        pause_record->set_count = writes;
        for (std::uint16_t node = set.action_set[i]; node != 0; node = action_set_nodes[node].previous)
            pause_record->action_set[--writes] = action_set_nodes[node].program;
        pause_record->stack_size = set.stack_size[i];
        for (unsigned n = 0; n < set.stack_size[i]; ++n)
            pause_record->stack[n] = set.stack[i][n];
        pause_record->queue = set.queue[i];
        pause_record->mirrored = path.bridge->has_mirrors ? set.mirrored[i] : 0;
        pauses.push();
        const auto& action = std::get<ControllerAction>(set.pause_op[i]->source->kind);
        record->reason = action.reason;
        record->table = set.pause_table[i];
        record->cookie = set.pause_cookie[i];
        record->max_len = action.max_len;
        record->controller_id = action.controller_id;
        record->action = &action;
        record->is_paused = true;
        push_punt(set, i);
    }
    if (!trace) dp.wake_control();
}

Result<void> Executor::resume(const PausedPacket& paused, Packet* packet, std::uint64_t now_ms) {
    Impl& impl = *impl_;
    impl.begin(now_ms);
    impl.counters.injected.add(1);
    const auto refuse = [&](Error error, DropReason reason) {
        impl.drop(packet, reason);
        return error;
    };
    if (paused.bridge >= impl.topology->bridges.size() || !impl.topology->bridges[paused.bridge])
        return refuse(make_error(ENODEV, "resume: the packet's bridge is gone"), DropReason::kNoBridge);
    if (paused.stack.size() > kMaxStackDepth)
        return refuse(make_error(E2BIG, "resume: {} values on the stack, above the limit of {}",
                                 paused.stack.size(), kMaxStackDepth),
                      DropReason::kStackFull);
    const TunTable* tun = impl.topology->bridges[paused.bridge]->program->tun_table();
    std::vector<std::unique_ptr<ActionProgram>> programs;
    for (const PausedFrame& frame : paused.frames) {
        auto program = compile(frame.actions, tun);
        if (!program) return refuse(program.error(), DropReason::kUnsupported);
        programs.push_back(std::move(*program));
    }
    auto action_set = compile(paused.action_set, tun);
    if (!action_set) return refuse(action_set.error(), DropReason::kUnsupported);
    for (auto& program : programs)
        impl.topology->bridges[paused.bridge]->program->bind(*program);
    impl.run_resumed(paused, programs, **action_set, packet);
    impl.run_patch_queue();
    for (auto& program : programs)
        impl.dp.free_after_drain(std::move(program));
    impl.dp.free_after_drain(std::move(*action_set));
    impl.dp.handle_flow_events(*this);
    flush();
    return {};
}

void Executor::Impl::run_resumed(const PausedPacket& paused,
                                 const std::vector<std::unique_ptr<ActionProgram>>& programs,
                                 const ActionProgram& action_set, Packet* packet) noexcept {
    const Topology::Bridge& bridge = *topology->bridges[paused.bridge];
    const OfPort in_port{static_cast<std::uint32_t>(paused.metadata.get(key::kInPort))};
    // A packet without Ethernet header came without the filler that stands for it here.
    const auto type = static_cast<std::uint32_t>(paused.metadata.get(key::kPacketType));
    if (type != 0) {
        char* front = rte_pktmbuf_prepend(packet, 14);
        if (!front) return drop(packet, DropReason::kNoMemory);
        std::memset(front, 0, 12);
        front[12] = static_cast<char>(type >> 8);
        front[13] = static_cast<char>(type);
    }
    PacketSet& set = push_set();
    init_set(set, &packet, 1, in_port);
    if (set.count == 1) {
        Path path;
        const Group group = enter_alone(set, bridge, in_port, &paused.metadata, path);
        set.queue[0] = paused.queue;
        set.mirrored[0] = paused.mirrored;
        if (type != 0) {
            set.bare = set.retyped = 1;
            set.key[0].set(key::kPacketType, type);
        }
        set.stack_size[0] = static_cast<std::uint8_t>(paused.stack.size());
        for (std::size_t n = 0; n < paused.stack.size(); ++n)
            set.stack[0][n] = paused.stack[n];
        if (!action_set.ops.empty()) {
            action_set_nodes[action_set_count] = {&action_set, 0};
            set.action_set[0] = action_set_count++;
            update_actset_output(set, group, path);
        }
        for (std::size_t n = 0; n < programs.size(); ++n) {
            path.table = paused.frames[n].table;
            path.cookie = paused.frames[n].cookie;
            const std::uint32_t stopped = set.paused;
            execute(set, group, path, *programs[n]);
            if (set.paused == stopped) continue;
            // Paused again: what is left now are the frames behind this one, whole.
            for (std::size_t later = n + 1; later < programs.size(); ++later) {
                path.table = paused.frames[later].table;
                path.cookie = paused.frames[later].cookie;
                remember_rest(set, path, *programs[later], 0, 1);
            }
            break;
        }
        finish(set, path);
    }
    pop_set();
}

}  // namespace sluice::pipeline
