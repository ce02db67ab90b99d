// SPDX-License-Identifier: Apache-2.0
// Decoding of learn and its flow_mod_specs. Source: ovs-actions(7) "The learn action".
#include "proto/openflow/action_decode.hpp"

namespace sluice::openflow {

namespace {

using E = ErrorCode;
constexpr std::uint16_t kLearn2 = 45;
constexpr std::uint16_t kSendFlowRem = 1, kDeleteLearned = 2, kWriteResult = 4;

/// Bytes that a spec with this header has at least.
std::size_t least_size(std::uint16_t header) {
    const std::size_t bits = header & 0x7ffU;
    const std::size_t source = (header & 1U << 13) != 0 ? (bits + 15) / 16 * 2 : 6;
    const unsigned target = header >> 11 & 3U;
    return source + (target == 0 || target == 1 ? 6 : 0);
}

LearnSpec read_spec(Reader& in, std::uint16_t header) {
    LearnSpec spec;
    spec.bits = header & 0x7ffU;
    spec.immediate = (header & 1U << 13) != 0;
    const unsigned target = header >> 11 & 3U;
    if ((header & 0xc000U) != 0 || target > 2) fail(E::kBacBadArgument, "learn: spec {:#x}", header);
    spec.target_kind = static_cast<LearnSpec::Target>(target);
    if (least_size(header) > in.left()) fail(E::kBacBadLen, "learn: spec {:#x} is cut off", header);
    if (spec.immediate) {
        const std::size_t size = (spec.bits + 15U) / 16 * 2;
        for (std::size_t extra = size; extra > 16; --extra) {
            if (in.u8() != 0) fail(E::kBacBadArgument, "learn: a value of more than 128 bits");
        }
        spec.value =
            read_wide(in, std::min<std::size_t>(size, 16)) & low_mask(std::min<unsigned>(spec.bits, 128));
    } else {
        Reader ahead = in;
        read_oxm_head(ahead, OxmUse::kNxmHeader);
        const unsigned offset = ahead.u16();
        spec.source = read_subfield(in, offset, spec.bits, false, OxmUse::kNxmHeader);
        in.skip(2);
    }
    if (spec.target_kind == LearnSpec::Target::kOutput) return spec;
    Reader ahead = in;
    read_oxm_head(ahead, OxmUse::kNxmHeader);
    const unsigned offset = ahead.u16();
    spec.target = read_subfield(in, offset, spec.bits, spec.target_kind == LearnSpec::Target::kLoad,
                                OxmUse::kNxmHeader);
    in.skip(2);
    return spec;
}

}  // namespace

void decode_learn(const ActionBody& b) {
    LearnAction a;
    a.idle_timeout = b.in.u16();
    a.hard_timeout = b.in.u16();
    a.priority = b.in.u16();
    a.cookie = b.in.u64();
    const std::uint16_t flags = b.in.u16();
    a.table = b.in.u8();
    b.in.zeros(1, E::kBacBadArgument);
    a.fin_idle_timeout = b.in.u16();
    a.fin_hard_timeout = b.in.u16();
    const unsigned allowed = kSendFlowRem | kDeleteLearned | (b.number == kLearn2 ? kWriteResult : 0U);
    if (a.table == 0xff || (flags & ~allowed) != 0) {
        fail(E::kBacBadArgument, "learn: table {}, flags {:#x}", a.table, flags);
    }
    a.send_flow_rem = (flags & kSendFlowRem) != 0;
    a.delete_learned = (flags & kDeleteLearned) != 0;
    if (b.number == kLearn2) {
        a.limit = b.in.u32();
        const unsigned offset = b.in.u16();
        b.in.zeros(2, E::kNxbacMustBeZero);
        if ((flags & kWriteResult) != 0) a.result_dst = read_subfield(b.in, offset, 1, true);
    }
    while (b.in.left() >= 2) {
        const std::uint16_t header = b.in.u16();
        if (header == 0) break;
        a.specs.push_back(read_spec(b.in, header));
    }
    b.in.zeros(b.in.left(), E::kBacBadArgument);
    b.add(std::move(a));
}

}  // namespace sluice::openflow
