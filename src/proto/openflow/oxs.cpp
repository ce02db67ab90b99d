// SPDX-License-Identifier: Apache-2.0
#include "proto/openflow/oxs.hpp"

namespace sluice::openflow {

using E = ErrorCode;

Oxs read_oxs(Reader& in) {
    Reader head = in;
    head.skip(2);
    const std::size_t length = head.u16();
    if (length < 4 || padded8(length) > in.left()) fail(E::kBrcBadLen, "statistics of {} bytes", length);
    Reader body = in.sub(padded8(length)).sub(length);
    body.skip(4);
    Oxs oxs;
    while (!body.empty()) {
        const std::uint16_t clazz = body.u16();
        const std::uint8_t field = body.u8() >> 1;
        Reader value = body.sub(body.u8());
        if (clazz != 0x8002) continue;
        if (field == 0) oxs.duration_s = value.u32(), oxs.duration_ns = value.u32();
        if (field == 1) oxs.idle_s = value.u32();
        if (field == 3) oxs.flow_count = value.u32();
        if (field == 4) oxs.packet_count = value.u64();
        if (field == 5) oxs.byte_count = value.u64();
    }
    return oxs;
}

void write_oxs(Writer& out, const Oxs& oxs, OxsUse use) {
    const auto start = out.size();
    out.u16(0);
    out.u16(0);
    const auto head = [&out](unsigned field, unsigned size) {
        out.u16(0x8002);
        out.u8(field << 1);
        out.u8(size);
    };
    if (use == kOxsFlow) {
        head(0, 8);
        out.u32(oxs.duration_s);
        out.u32(oxs.duration_ns);
        if (oxs.idle_s != ~std::uint32_t{0}) {
            head(1, 8);
            out.u32(oxs.idle_s);
            out.u32(0);
        }
    } else {
        head(3, 4);
        out.u32(oxs.flow_count);
    }
    if (oxs.packet_count != Oxs::kUnknown) head(4, 8), out.u64(oxs.packet_count);
    if (oxs.byte_count != Oxs::kUnknown) head(5, 8), out.u64(oxs.byte_count);
    out.patch_size(start, 2);
    out.pad8(start);
}

}  // namespace sluice::openflow
