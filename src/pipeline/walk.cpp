// SPDX-License-Identifier: Apache-2.0
// The walk of a burst through the tables.
#include <algorithm>
#include <utility>

#include "packet/pool.hpp"
#include "pipeline/edit.hpp"
#include "pipeline/executor_impl.hpp"
#include "pipeline/parse.hpp"

namespace sluice::pipeline {

namespace {

bool intersects(const classify::WordSet& a, const classify::WordSet& b) {
    return ((a.bits[0] & b.bits[0]) | (a.bits[1] & b.bits[1])) != 0;
}

Path start_path(const Topology::Bridge& bridge, const PortEntry* ingress, unsigned crossings) {
    Path path;
    path.bridge = &bridge;
    path.ingress = ingress;
    for (unsigned i = 0; i < 2; ++i)
        path.uniform.bits[i] = ~kHeaderWords.bits[i];
    path.lines = 1;
    path.crossings = static_cast<std::uint16_t>(crossings);
    return path;
}

constexpr std::uint64_t kStpGroup = 0x0180c2000000;

}  // namespace

std::uint64_t received_bytes(const PacketSet& set, const Group& group) noexcept {
    std::int64_t bytes = 0;
    for (unsigned g = 0; g < group.count; ++g)
        bytes += std::int64_t{set.packet[group.index[g]]->pkt_len} - set.grown[group.index[g]];
    return static_cast<std::uint64_t>(bytes);
}

PacketSet& Executor::Impl::push_set() {
    // Grows only for nested clones deeper than ever before.
    if (set_depth == sets.size()) sets.push_back(std::make_unique<PacketSet>());
    return *sets[set_depth++];
}

/// What hits of flow caches left pending goes to the rules before the moment, the version or the topology is
/// another one, so before anything that counts could be freed.
void Executor::Impl::settle_counts() noexcept {
    for (FlowCache* cache : own_caches)
        cache->settle();
    counts_pending = false;
}

void Executor::Impl::begin(std::uint64_t now) noexcept {
    shortcut.begin(now);  // before what it must not be newer than
    const Topology* next_topology = dp.topology();
    const std::uint64_t handled = learned.empty() ? 0 : events_handled.load(std::memory_order_acquire);
    const Version next_version = dp.version();
    if (counts_pending && (now != now_ms || next_version != version || next_topology != topology))
        settle_counts();
    now_ms = now;
    now_s = static_cast<std::uint32_t>(now / 1000);
    topology = next_topology;
    version = next_version;
    if (__builtin_expect(handled != 0, 0)) settle_learned(handled);
    vlan_limit = dp.vlan_limit();
    action_set_count = 1;
    pause_node_count = 1;
    outer_count = arrival_count = 1;
    if (__builtin_expect(topology->serial != patterns_topology, 0)) forget_patterns();
}

void Executor::Impl::run_patch_queue() noexcept {
    Packet* burst[kMaxBurst];
    for (std::size_t at = 0; at < patch_queue.size();) {
        const PatchItem first = patch_queue[at];
        unsigned count = 0;
        while (at < patch_queue.size() && count < kMaxBurst && patch_queue[at].port == first.port &&
               patch_queue[at].crossings == first.crossings) {
            burst[count++] = patch_queue[at++].packet;
        }
        run_burst(first.port, burst, count, first.crossings);
    }
    patch_queue.clear();
}

void Executor::Impl::init_set(PacketSet& set, Packet** packets, unsigned count, OfPort in_port) noexcept {
    set.count = 0;
    set.parent = nullptr;
    set.done = set.punted = set.sent = set.failed = set.gone = set.exited = set.metered = 0;
    set.paused = set.bare = set.retyped = 0;
    for (unsigned n = 0; n < count; ++n) {
        if (__builtin_expect(packets[n]->data_len < 14, 0)) {
            drop(packets[n], DropReason::kRuntFrame);
            continue;
        }
        set.packet[set.count++] = packets[n];
    }
    // Column by column: each fill is a few vector stores.
    const auto size = set.count;
    std::fill_n(set.next, size, kNoOffset);
    std::fill_n(set.l3, size, kNoOffset);
    std::fill_n(set.l4, size, kNoOffset);
    std::fill_n(set.tags, size, std::uint8_t{0});
    std::fill_n(set.grown, size, std::int16_t{0});
    std::fill_n(set.pending, size, PortIndex::kNone);
    std::fill_n(set.action_set, size, std::uint16_t{0});
    std::fill_n(set.stack_size, size, std::uint8_t{0});
    std::fill_n(set.queue, size, kNoQueue);
    std::fill_n(set.ct, size, conntrack::Attachment{});
    std::fill_n(set.reason, size, DropReason::kActionDrop);
    for (unsigned i = 0; i < size; ++i) {
        auto& word = set.key[i].word;
        for (unsigned w = 0; w < 8; ++w)
            word[w] = 0;
        word[key::kInPort.word] = std::uint64_t{to_int(in_port)} << key::kInPort.shift;
    }
}

void Executor::Impl::run_burst(PortIndex port, Packet** packets, unsigned count, unsigned crossed) noexcept {
    const bool known = to_int(port) < topology->ports.size();
    const PortEntry* ingress = known ? &topology->ports[to_int(port)] : nullptr;
    const Topology::Bridge* bridge =
        known && ingress->index != PortIndex::kNone && ingress->bridge < topology->bridges.size()
            ? topology->bridges[ingress->bridge].get()
            : nullptr;
    if (__builtin_expect(known && ingress->underlay, 0)) return run_underlay(packets, count);
    if (!bridge || !ingress->up || ingress->no_receive) {
        for (unsigned i = 0; i < count; ++i) {
            drop(packets[i], bridge ? DropReason::kReceiveDisabled : DropReason::kNoBridge);
        }
        return;
    }
    if (__builtin_expect(ingress->mirror_out, 0) && ingress->patch_peer == PortIndex::kNone) {
        for (unsigned i = 0; i < count; ++i)
            drop(packets[i], DropReason::kMirrorPort);
        return;
    }
    if (__builtin_expect(ingress->monitor != nullptr, 0) && !trace) {
        count = take_monitored(*ingress, packets, count);
        if (count == 0) return;
    }
    count = run_direct(*bridge, *ingress, packets, count, crossed);
    if (count == 0) return;
    if (__builtin_expect(bridge->program->learns(), 0) && count > 1) {
        // What one packet learns the next one knows.
        for (unsigned i = 0; i < count; ++i)
            run_burst(port, packets + i, 1, crossed);
        return;
    }
    FlowCache* cache = cache_of(*bridge);
    walk_only = carrying = 0;
    if (cache) {
        count = run_hits(*cache, *ingress, packets, count, crossed);
        if (count == 0) return;
    }
    stages.enter(Stage::kTables);
    ++packet_number;
    PacketSet& set = push_set();
    init_set(set, packets, count, ingress->ofport);
    Path path = start_path(*bridge, ingress, crossed);
    if (crossed > 0) {  // a queue chosen before a patch port still holds
        for (unsigned i = 0; i < set.count; ++i)
            set.queue[i] = output_queue(set.packet[i]);
    }
    carrying_set = &set;
    Group group;
    group.count = static_cast<std::uint8_t>(set.count);
    for (unsigned i = 0; i < set.count; ++i)
        group.index[i] = static_cast<std::uint8_t>(i);
    if (ingress->tunnel) enter_from_tunnel(set, group, path);
    if (trace && set.count > 0) trace->enter_bridge(bridge->index, set.key[0], crossed);
    if (set.count > 0) {
        if (trace || bridge->fragments == FragmentMode::kDrop) ensure_parsed(set, group, path, Parsed::kAll);
        if (bridge->fragments == FragmentMode::kDrop) {
            for (unsigned i = 0; i < set.count; ++i) {
                if (set.key[i].get(key::kIpFrag) & kFragAny) {
                    set.done |= 1U << i;
                    set.reason[i] = DropReason::kFragment;
                }
            }
        }
        if (ingress->no_receive_stp) refuse_stp(set, group, path);
        if (bridge->has_mirrors) mirror_received(set, group, path);
        if (cache) {
            if (set.done != 0) remove_done(set, group);
            run_cached(*cache, set, group, path);
        }
        run_table(set, group, path, 0, Entry::kFirst);
        finish(set, path);
        if (recording) keep_recorded(set, *cache);
        recording = nullptr;
        carrying = 0;
    }
    pop_set();
    stages.enter(Stage::kKnown);
}

/// OFPPC_NO_RECV_STP: bridge protocol frames (IEEE 802.1D §7.12.3) stop here.
void Executor::Impl::refuse_stp(PacketSet& set, Group& group, Path& path) noexcept {
    ensure_parsed(set, group, path, Parsed::kLink);
    unsigned kept = 0;
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        if (set.key[i].get(key::kEthDst) != kStpGroup) {
            group.index[kept++] = static_cast<std::uint8_t>(i);
            continue;
        }
        set.done |= 1U << i;
        set.reason[i] = DropReason::kReceiveDisabled;
    }
    group.count = static_cast<std::uint8_t>(kept);
}

void Executor::Impl::ensure_lines(PacketSet& set, const Group& group, Path& path,
                                  std::uint16_t lines) noexcept {
    unsigned missing = lines & ~path.lines;
    if (missing == 0) return;
    path.lines |= lines;
    while (missing != 0) {
        const auto line = static_cast<unsigned>(__builtin_ctz(missing));
        missing &= missing - 1;
        for (unsigned g = 0; g < group.count; ++g) {
            std::uint64_t* word = &set.key[group.index[g]].word[line * 8U];
            for (unsigned w = 0; w < 8; ++w)
                word[w] = 0;
            if (line == key::kActsetOutput.word / 8)
                set.key[group.index[g]].set(key::kActsetOutput, kActsetUnset);
        }
    }
}

void Executor::Impl::parse_link_of(PacketSet& set, unsigned i) noexcept {
    const Packet* packet = set.packet[i];
    set.next[i] =
        parse_link(rte_pktmbuf_mtod(packet, const std::uint8_t*), packet->data_len, vlan_limit, set.key[i]);
    if (set.key[i].word[1] & kVlanPresent) set.tags[i] = set.key[i].get(key::kVlan1Tci) != 0 ? 2 : 1;
}

/// From nothing to everything.
void Executor::Impl::parse_all(PacketSet& set, const Group& group, Path& path) noexcept {
    ensure_lines(set, group, path, 3);
    bool labels = false;
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        if (g + 4 < group.count) __builtin_prefetch(rte_pktmbuf_mtod(set.packet[group.index[g + 4]], void*));
        const Packet* packet = set.packet[i];
        NetworkOffsets at;
        if (__builtin_expect(parse_plain(rte_pktmbuf_mtod(packet, const std::uint8_t*), packet->data_len,
                                         packet->pkt_len, set.key[i].word.data(), at),
                             1)) {
            set.next[i] = set.l3[i] = at.l3;
            set.l4[i] = at.l4;
            set.l3_end[i] = at.end;
            set.routing[i] = false;
            continue;
        }
        parse_link_of(set, i);
        if ((set.key[i].word[0] & 0xffff) - 0x8847 <= 1) {  // MPLS: later, together
            labels = true;
        } else {
            parse_network_of(set, i);
        }
    }
    path.parsed = Parsed::kLink;
    if (!labels) path.parsed = Parsed::kAll;
}

void Executor::Impl::ensure_parsed(PacketSet& set, const Group& group, Path& path, Parsed level) noexcept {
    if (path.parsed >= level) return;
    if (path.parsed == Parsed::kNothing && level == Parsed::kAll) {
        parse_all(set, group, path);
        if (path.parsed == Parsed::kAll) return;
    }
    if (path.parsed == Parsed::kNothing) {
        ensure_lines(set, group, path, 1);
        for (unsigned g = 0; g < group.count; ++g) {
            if (g + 4 < group.count)
                __builtin_prefetch(rte_pktmbuf_mtod(set.packet[group.index[g + 4]], void*));
            parse_link_of(set, group.index[g]);
        }
        path.parsed = Parsed::kLink;
    }
    if (level == Parsed::kAll) {
        ensure_lines(set, group, path, 3);
        // The second and third MPLS label and NSH lie in a line that hardly anybody else needs.
        for (unsigned g = 0; g < group.count; ++g) {
            const std::uint64_t type = set.key[group.index[g]].word[key::kEthType.word] & 0xffff;
            if (__builtin_expect(type - 0x8847 > 1 && type != 0x894f, 1)) continue;
            ensure_lines(set, group, path, 1U << (key::kMplsLse1.word / 8));
            break;
        }
        for (unsigned g = 0; g < group.count; ++g) {
            if (set.l3[group.index[g]] == kNoOffset) parse_network_of(set, group.index[g]);
        }
        path.parsed = Parsed::kAll;
    }
}

void Executor::Impl::prepare(PacketSet& set, const Group& group, Path& path,
                             const classify::WordSet& words) noexcept {
    if (path.parsed != Parsed::kAll && intersects(words, kHeaderWords)) {
        classify::WordSet headers{
            {words.bits[0] & kHeaderWords.bits[0], words.bits[1] & kHeaderWords.bits[1]}};
        ensure_parsed(set, group, path, headers.within(kLinkWords) ? Parsed::kLink : Parsed::kAll);
    }
    const std::uint16_t lines = lines_of(words);
    if (lines & ~path.lines) ensure_lines(set, group, path, lines);
}

void Executor::Impl::trace_lookup(PacketSet& set, const Group& group, Path& path,
                                  const classify::Table* table) noexcept {
    ensure_lines(set, group, path, kAllLines);
    FlowKey& key = set.key[group.index[0]];
    FlowKey consulted;
    const Rule* rule = nullptr;
    if (table) {
        const std::uint32_t fragments = hide_fragment_ports(set, group, path, table->read_words());
        table->consulted(key, version, consulted);
        rule = static_cast<const Rule*>(table->lookup(key, version));
        show_fragment_ports(set, fragments);
    }
    trace->lookup(path.table, rule, key, consulted, path.depth);
}

void Executor::Impl::run_table(PacketSet& set, const Group& whole, Path& path, std::uint8_t id,
                               Entry entry) noexcept {
    Group group = whole;
    if (set.done != 0) remove_done(set, group);
    if (group.count == 0) return;
    path.table = id;
    if (recording == &set) note_visit(group, id);
    const classify::Table* table = path.bridge->program->table(id);
    const bool overlaid = __builtin_expect(!learned.empty(), 0);
    if (!table && !overlaid) {
        if (trace) trace_lookup(set, group, path, nullptr);
        return run_rule(set, group, path, nullptr, entry);
    }
    classify::WordSet words = table ? table->read_words() : classify::WordSet{};
    if (overlaid) words |= learned.read_words(path.bridge->index, id);
    prepare(set, group, path, words);
    if (trace) trace_lookup(set, group, path, table);
    if (!overlaid && words.within(path.uniform)) {
        const auto* rule = static_cast<const Rule*>(table->lookup(set.key[group.index[0]], version));
        return run_rule(set, group, path, rule, entry);
    }
    classify::Rule* found[kMaxBurst];
    const std::uint32_t fragments = hide_fragment_ports(set, group, path, words);
    if (table)
        table->lookup_batch(set.key, group.index, group.count, version, found);
    else
        std::fill_n(found, group.count, nullptr);
    if (overlaid) add_learned(set, group, path, found);
    if (fragments != 0) show_fragment_ports(set, fragments);
    const Path before = path;
    std::uint32_t open = group.count == 32 ? ~0U : (1U << group.count) - 1;
    Group joined;
    if (!trace) open = run_simple_rules(set, group, path, found, entry, joined);
    // Split the rest by rule; the order of packets inside each part is kept.
    while (open != 0) {
        const auto* rule = static_cast<const Rule*>(found[__builtin_ctz(open)]);
        Group part;
        for (std::uint32_t rest = open; rest != 0; rest &= rest - 1) {
            const auto g = static_cast<unsigned>(__builtin_ctz(rest));
            if (found[g] != rule) continue;
            part.index[part.count++] = group.index[g];
            open &= ~(1U << g);
        }
        Path taken = before;
        run_rule(set, part, taken, rule, entry);
        join(set, joined, path, part, taken);
    }
}

void Executor::Impl::join(PacketSet& set, Group& joined, Path& path, const Group& part,
                          Path& taken) noexcept {
    if (joined.count == 0) {
        path = taken;
        joined = part;
        return;
    }
    ensure_parsed(set, part, taken, path.parsed);
    ensure_parsed(set, joined, path, taken.parsed);
    ensure_lines(set, part, taken, path.lines);
    ensure_lines(set, joined, path, taken.lines);
    path.join(taken);
    // Both agree in themselves on these words; what they wrote since they parted need not be the same.
    const auto& a = set.key[joined.index[0]].word;
    const auto& b = set.key[part.index[0]].word;
    for (unsigned rest = path.lines; rest != 0; rest &= rest - 1) {
        const auto first = static_cast<unsigned>(__builtin_ctz(rest)) * 8;
        for (unsigned w = first; w < first + 8; ++w)
            if (a[w] != b[w]) path.uniform.remove(w);
    }
    for (unsigned g = 0; g < part.count; ++g)
        joined.index[joined.count++] = part.index[g];
}

/// Puts flows that are still on their way to the tables in the place of rules that they beat.
void Executor::Impl::add_learned(PacketSet& set, const Group& group, const Path& path,
                                 classify::Rule** found) noexcept {
    for (unsigned g = 0; g < group.count; ++g) {
        Rule* rule = learned.lookup(path.bridge->index, path.table, set.key[group.index[g]], packet_number,
                                    static_cast<const Rule*>(found[g]));
        if (rule) found[g] = rule;
    }
}

/// In the normal fragment mode first fragments match like later ones: without ports. Returns which packets
/// of the set had theirs put aside.
std::uint32_t Executor::Impl::hide_fragment_ports(PacketSet& set, const Group& group, const Path& path,
                                                  const classify::WordSet& words) noexcept {
    if (!words.has(key::kTpSrc.word) || path.bridge->fragments == FragmentMode::kDrop) return 0;
    std::uint32_t hidden = 0;
    for (unsigned g = 0; g < group.count; ++g) {
        const unsigned i = group.index[g];
        if (__builtin_expect((set.key[i].word[key::kIpFrag.word] & kFragAny) == 0, 1)) continue;
        hidden |= 1U << i;
        set.hidden_ports[i] = set.key[i].word[key::kTpSrc.word];
        set.key[i].word[key::kTpSrc.word] &= 0xffffffff;
    }
    return hidden;
}

void Executor::Impl::show_fragment_ports(PacketSet& set, std::uint32_t hidden) noexcept {
    for (; hidden != 0; hidden &= hidden - 1) {
        const auto i = static_cast<unsigned>(__builtin_ctz(hidden));
        set.key[i].word[key::kTpSrc.word] = set.hidden_ports[i];
    }
}

void Executor::Impl::count_hit(const Rule& rule, unsigned packets, std::uint64_t bytes) noexcept {
    if (__builtin_expect(rule.stats == kPendingStats, 0)) {
        if (LearnedFlows::Entry* entry = learned.entry_of(&rule)) {
            entry->packets += packets;
            entry->bytes += bytes;
            entry->used_ms = now_ms;
        }
        return;
    }
    RuleCounter& counter = stats.at(rule.stats);
    counter.packets.add(packets);
    counter.bytes.add(bytes);
    counter.used_ms.set(now_ms);
}

void Executor::Impl::run_rule(PacketSet& set, const Group& group, Path& path, const Rule* rule,
                              Entry entry) noexcept {
    if (!rule) {
        count_miss(path.bridge->index, path.table, group.count);
        for (unsigned g = 0; recording == &set && g < group.count; ++g)
            journals[group.index[g]].add_miss(path.table);
        const OnMissOfTables* misses = path.bridge->on_miss.get();
        if (__builtin_expect(misses != nullptr, 0)) {
            constexpr unsigned kLastTable = 253;
            const OnMiss wish = (*misses)[path.table];
            if (wish == OnMiss::kContinue && entry != Entry::kResubmit && path.table < kLastTable) {
                const std::uint8_t here = path.table;
                run_table(set, group, path, static_cast<std::uint8_t>(here + 1U), entry);
                path.table = here;
                return;
            }
            if (wish == OnMiss::kDrop && entry != Entry::kResubmit) {  // nobody hears of it
                for (unsigned g = 0; g < group.count; ++g)
                    set.reason[group.index[g]] = DropReason::kNoMatch;
                return;
            }
        }
        if (entry != Entry::kResubmit) on_miss(set, group, path);
        return;
    }
    if (!trace) {
        count_hit(*rule, group.count, received_bytes(set, group));
        for (unsigned g = 0; recording == &set && g < group.count; ++g)
            note_hit(group.index[g], *rule);
    }
    if (entry != Entry::kFirst) ++path.resubmits;
    const Rule* caller = std::exchange(path.rule, rule);
    const auto cookie = std::exchange(path.cookie, rule->cookie);
    execute(set, group, path, *rule->actions);
    path.rule = caller;
    path.cookie = cookie;
}

void Executor::Impl::on_miss(PacketSet& set, const Group& group, Path& path) noexcept {
    for (unsigned g = 0; g < group.count; ++g)
        set.reason[group.index[g]] = DropReason::kNoMatch;
    if (path.bridge->miss_to_controller && !(path.ingress && path.ingress->no_packet_in)) {
        const Rule* rule = std::exchange(path.rule, nullptr);
        const auto cookie = std::exchange(path.cookie, ~std::uint64_t{0});
        punt(set, group, path, 0, static_cast<std::uint16_t>(path.bridge->miss_send_len), 0, nullptr);
        path.rule = rule;
        path.cookie = cookie;
    }
}

void Executor::Impl::finish(PacketSet& set, Path& path) noexcept {
    for (unsigned i = 0; i < set.count; ++i) {
        if (set.action_set[i] != 0) {
            execute_action_sets(set, path);
            break;
        }
    }
    if (__builtin_expect(set.paused != 0, 0)) punt_paused(set, path);
    release_staged(set, path.crossings);
    for (unsigned i = 0; i < set.count; ++i) {
        const std::uint32_t bit = 1U << i;
        if (set.gone & bit) continue;
        if (set.failed & bit) {
            drop(set.packet[i], set.reason[i]);
        } else if (set.pending[i] != PortIndex::kNone) {
            depart(set, i,
                   {set.packet[i], set.pending[i], tags_of(set.key[i]), set.pending_tags[i],
                    set.pending_length[i], set.pending_queue[i], set.pending_outer[i]},
                   path.crossings);
        } else if ((set.sent | set.punted) & bit) {
            // Its copies are on their way, so the packet itself was the surplus one.
            if (!trace) counters.copied.add(~std::uint64_t{0});
            rte_pktmbuf_free(set.packet[i]);
        } else {
            drop(set.packet[i], set.reason[i]);
        }
    }
    // Look-ups take it that the type of a packet is 0 unless its set says otherwise.
    for (; set.retyped != 0; set.retyped &= set.retyped - 1)
        set.key[__builtin_ctz(set.retyped)].set(key::kPacketType, 0);
}

/// Everything known of the one packet of a set that did not come from a port.
Group Executor::Impl::enter_alone(PacketSet& set, const Topology::Bridge& bridge, OfPort in_port,
                                  const FlowKey* metadata, Path& path) noexcept {
    const PortIndex index = bridge.find(in_port);
    path = start_path(bridge, index == PortIndex::kNone ? nullptr : &topology->ports[to_int(index)], 0);
    Group group;
    group.count = 1;
    group.index[0] = 0;
    set.mirrored[0] = 0;
    ensure_parsed(set, group, path, Parsed::kAll);
    ensure_lines(set, group, path, kAllLines);
    if (metadata) {
        for (unsigned w = 0; w < kKeyWords; ++w) {
            if (!kHeaderWords.has(w) && w != key::kInPort.word) set.key[0].word[w] = metadata->word[w];
        }
        set.key[0].set(key::kPktMark, metadata->get(key::kPktMark));
        set.key[0].set(key::kPacketType, 0);  // the frame has its Ethernet header
    }
    return group;
}

void Executor::Impl::run_one(const Topology::Bridge& bridge, OfPort in_port, Packet* packet,
                             const FlowKey* metadata, const ActionProgram* actions) noexcept {
    ++packet_number;
    PacketSet& set = push_set();
    init_set(set, &packet, 1, in_port);
    if (set.count == 1) {
        Path path;
        const Group group = enter_alone(set, bridge, in_port, metadata, path);
        set.key[0].set(key::kActsetOutput, kActsetUnset);  // whatever the metadata say
        if (trace) trace->enter_bridge(bridge.index, set.key[0], 0);
        const bool reserved = path.ingress && path.ingress->mirror_out;
        const bool refused = path.ingress && path.ingress->no_receive && !actions;
        if (bridge.has_mirrors && !reserved && !refused) mirror_received(set, group, path);
        if (reserved) {
            set.reason[0] = DropReason::kMirrorPort;
            if (trace)
                trace->note("dropping packet received on port, which is reserved exclusively for mirroring",
                            0);
        } else if (actions) {
            path.in_packet_out = true;
            execute(set, group, path, *actions);
        } else if (refused) {
            set.reason[0] = DropReason::kReceiveDisabled;
        } else {
            run_table(set, group, path, 0, Entry::kFirst);
        }
        if (trace) trace->end(set.key[0]);
        finish(set, path);
    }
    pop_set();
    run_patch_queue();
}

}  // namespace sluice::pipeline
