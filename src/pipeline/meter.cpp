// SPDX-License-Identifier: Apache-2.0
#include "pipeline/meter.hpp"

#include "pipeline/edit.hpp"
#include "pipeline/executor_impl.hpp"
#include "pipeline/program.hpp"

namespace sluice::pipeline {

const MeterEntry* Executor::Impl::find_meter(const Path& path, std::uint32_t id) const noexcept {
    return path.bridge->program->meters().find(id, version);
}

/// Which packets of the group pass; the band each of the others fell into is in `hit`, by place in the group.
std::uint32_t Executor::Impl::run_meter(const PacketSet& set, const Group& group, const MeterEntry& meter,
                                        const MeterEntry::Band* (&hit)[kMaxBurst]) noexcept {
    std::uint64_t cost[kMaxBurst];
    std::uint64_t bytes = 0;
    for (unsigned g = 0; g < group.count; ++g) {
        const std::uint32_t size = set.packet[group.index[g]]->pkt_len;
        bytes += size;
        cost[g] = meter.counts_packets ? 1000 : std::uint64_t{size} * 8;
        hit[g] = nullptr;
    }
    RuleCounter& total = stats.at(meter.stats);
    total.packets.add(group.count);
    total.bytes.add(bytes);
    std::uint32_t exceeded = 0;
    for (const auto& band : meter.bands) {
        std::uint32_t refused = band->bucket.claim(now_ms, cost, group.count);
        exceeded |= refused;
        for (; refused != 0; refused &= refused - 1) {
            const auto g = static_cast<unsigned>(__builtin_ctz(refused));
            if (!hit[g] || band->bucket.rate() > hit[g]->bucket.rate()) hit[g] = band.get();
        }
    }
    for (std::uint32_t rest = exceeded; rest != 0; rest &= rest - 1) {
        const auto g = static_cast<unsigned>(__builtin_ctz(rest));
        RuleCounter& counter = stats.at(hit[g]->stats);
        counter.packets.add(1);
        counter.bytes.add(set.packet[group.index[g]]->pkt_len);
    }
    return exceeded;
}

namespace {

void remark_packet(PacketSet& set, unsigned i, unsigned levels) {
    const auto type = set.key[i].get(key::kEthType);
    if (type != 0x0800 && type != 0x86dd) return;
    const auto tos = static_cast<std::uint8_t>(set.key[i].get(key::kIpTos));
    const std::uint8_t next = remark(tos, levels);
    if (next == tos) return;
    set.key[i].set(key::kIpTos, next);
    write_back(set, i, HeaderPart::kIpTos);
}

}  // namespace

void Executor::Impl::meter_op(PacketSet& set, Group& group, Path& path, const Op& op) noexcept {
    const MeterEntry* meter = trace ? nullptr : find_meter(path, op.arg);
    if (!meter) return;
    const MeterEntry::Band* hit[kMaxBurst];
    std::uint32_t exceeded = run_meter(set, group, *meter, hit);
    if (exceeded == 0) return;
    ensure_parsed(set, group, path, Parsed::kAll);
    flush_pending(set, group);
    for (; exceeded != 0; exceeded &= exceeded - 1) {
        const auto g = static_cast<unsigned>(__builtin_ctz(exceeded));
        const unsigned i = group.index[g];
        if (hit[g]->type == MeterBand::Type::kDscpRemark) {
            remark_packet(set, i, hit[g]->precedence_level);
            path.uniform.remove(key::kIpTos.word);
            continue;
        }
        set.reason[i] = DropReason::kMeter;
        set.done |= 1U << i;
        set.metered |= 1U << i;
    }
    remove_done(set, group);
}

/// A packet-in passes the meter that its action names, else the bridge's OFPM_CONTROLLER. Only the copy for
/// the controller is dropped.
Group Executor::Impl::meter_punt(PacketSet& set, const Group& group, const Path& path,
                                 const ControllerAction* action) noexcept {
    const std::uint32_t id = action && action->meter_id != 0 ? action->meter_id : kControllerMeter;
    const MeterEntry* meter = trace ? nullptr : find_meter(path, id);
    if (!meter) return group;
    const MeterEntry::Band* hit[kMaxBurst];
    const std::uint32_t exceeded = run_meter(set, group, *meter, hit);
    Group passed;
    for (unsigned g = 0; g < group.count; ++g) {
        if (exceeded >> g & 1 && hit[g]->type == MeterBand::Type::kDrop) {
            set.reason[group.index[g]] = DropReason::kMeter;
        } else {
            passed.index[passed.count++] = group.index[g];
        }
    }
    return passed;
}

}  // namespace sluice::pipeline
