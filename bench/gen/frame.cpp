// SPDX-License-Identifier: Apache-2.0
// Frames made slowly and plainly: templates for the fast writer, and what the sink compares with.
#include <algorithm>
#include <cstring>

#include "bench/gen/traffic.hpp"

namespace sluice::gen {

namespace {

using Head = std::array<std::uint8_t, kMaxHead>;

void put16(Head& head, std::size_t offset, std::size_t value) noexcept {
    head[offset] = static_cast<std::uint8_t>(value >> 8);
    head[offset + 1] = static_cast<std::uint8_t>(value);
}

void checksum_ipv4(Head& head, std::size_t l3) noexcept {
    put16(head, l3 + 10, 0);
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < 20; i += 2)
        sum += static_cast<std::uint32_t>(head[l3 + i] << 8 | head[l3 + i + 1]);
    sum = (sum & 0xFFFF) + (sum >> 16);
    sum = (sum & 0xFFFF) + (sum >> 16);
    put16(head, l3 + 10, ~sum & 0xFFFF);
}

bool is_ipv4(const Head& head, std::size_t l3) noexcept {
    return head[l3] >> 4 == 4;
}

void set_lengths(const Traffic& traffic, Head& head, std::size_t bytes) noexcept {
    const auto ip = [&](std::size_t l3) {
        const bool four = is_ipv4(head, l3);
        const std::size_t l4 = l3 + (four ? 20 : 40);
        if (four)
            put16(head, l3 + 2, bytes - l3);
        else
            put16(head, l3 + 4, bytes - l4);
        if (head[l3 + (four ? 9 : 6)] == 17) put16(head, l4 + 4, bytes - l4);
        if (four) checksum_ipv4(head, l3);
    };
    ip(traffic.l3);
    if (traffic.inner_l3 != 0) ip(traffic.inner_l3);
}

void add_to_field(Head& head, std::size_t offset, std::size_t bytes, std::uint64_t delta) noexcept {
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < bytes; ++i)
        value = value << 8 | head[offset + i];
    value += delta;
    for (std::size_t i = bytes; i-- > 0; value >>= 8)
        head[offset + i] = static_cast<std::uint8_t>(value);
}

void set_field(Head& head, std::size_t offset, std::size_t bytes, std::uint64_t value) noexcept {
    std::memset(head.data() + offset, 0, bytes);
    add_to_field(head, offset, bytes, value);
}

/// The frame under way through the edits: where its headers are by now.
struct Edited {
    Head head;
    std::ptrdiff_t shift = 0;  // of L3 and behind
    std::size_t skip = 0;      // bytes at the start that are not compared
};

void insert(Head& head, std::size_t at, std::size_t bytes) noexcept {
    std::memmove(head.data() + at + bytes, head.data() + at, head.size() - at - bytes);
}

void remove(Head& head, std::size_t at, std::size_t bytes) noexcept {
    std::memmove(head.data() + at, head.data() + at + bytes, head.size() - at - bytes);
}

std::size_t shifted(std::size_t offset, std::ptrdiff_t shift) noexcept {
    return static_cast<std::size_t>(static_cast<std::ptrdiff_t>(offset) + shift);
}

void apply(const Traffic& source, const Edit& edit, std::uint64_t flow, Edited& out) noexcept {
    const std::size_t l3 = shifted(source.l3, out.shift);
    switch (edit.kind) {
        case Edit::Kind::kSet:
            if (const Field* field = source.find(edit.field); field != nullptr) {
                const bool moved = field->offset >= 12;
                set_field(out.head, moved ? shifted(field->offset, out.shift) : field->offset, field->bytes,
                          edit.value + edit.formula(flow));
                if (field->checksum == 1) checksum_ipv4(out.head, l3);
                if (field->checksum == 2) checksum_ipv4(out.head, shifted(source.inner_l3, out.shift));
            }
            return;
        case Edit::Kind::kDecTtl:
            if (is_ipv4(out.head, l3)) {
                --out.head[l3 + 8];
                checksum_ipv4(out.head, l3);
            } else {
                --out.head[l3 + 7];
            }
            return;
        case Edit::Kind::kPushVlan:
            insert(out.head, 12, 4);
            put16(out.head, 12, 0x8100);
            put16(out.head, 14, edit.value);
            out.shift += 4;
            return;
        case Edit::Kind::kPopVlan:
            remove(out.head, 12, 4);
            out.shift -= 4;
            return;
        case Edit::Kind::kSkip:
            insert(out.head, 0, edit.value);
            out.shift += static_cast<std::ptrdiff_t>(edit.value);
            out.skip += edit.value;
            return;
        case Edit::Kind::kStrip:
            remove(out.head, 0, edit.value);
            out.shift -= static_cast<std::ptrdiff_t>(edit.value);
            return;
        case Edit::Kind::kPort:
        case Edit::Kind::kNotPort:
        case Edit::Kind::kNone:
            return;
    }
}

}  // namespace

std::array<std::uint8_t, kMaxHead> base_head(const Traffic& traffic, std::uint32_t size) noexcept {
    Head head{};
    std::memcpy(head.data(), traffic.head.data(), traffic.head.size());
    set_lengths(traffic, head, size - kFcsBytes);
    return head;
}

std::array<std::uint8_t, kMaxHead> flow_head(const Traffic& traffic, std::uint32_t size,
                                             std::uint64_t flow) noexcept {
    Head head = base_head(traffic, size);
    for (const Vary& vary : traffic.vary)
        add_to_field(head, vary.field.offset, vary.field.bytes, vary.formula(flow));
    if (is_ipv4(head, traffic.l3)) checksum_ipv4(head, traffic.l3);
    if (traffic.inner_l3 != 0) checksum_ipv4(head, traffic.inner_l3);
    return head;
}

std::ptrdiff_t growth(std::span<const Edit> edits) noexcept {
    std::ptrdiff_t bytes = 0;
    for (const Edit& edit : edits) {
        if (edit.kind == Edit::Kind::kPushVlan) bytes += 4;
        if (edit.kind == Edit::Kind::kPopVlan) bytes -= 4;
        if (edit.kind == Edit::Kind::kSkip) bytes += static_cast<std::ptrdiff_t>(edit.value);
        if (edit.kind == Edit::Kind::kStrip) bytes -= static_cast<std::ptrdiff_t>(edit.value);
    }
    return bytes;
}

Verdict judge(const Traffic& source, std::span<const Edit> edits, std::uint64_t flow,
              std::span<const std::uint8_t> frame, std::size_t frame_bytes,
              std::array<std::uint8_t, kMaxHead>& want) noexcept {
    const std::ptrdiff_t grown = growth(edits);
    const auto sent_bytes = static_cast<std::size_t>(static_cast<std::ptrdiff_t>(frame_bytes) - grown);
    Edited out{flow_head(source, static_cast<std::uint32_t>(sent_bytes + kFcsBytes), flow)};
    for (const Edit& edit : edits) {
        if (edit.kind == Edit::Kind::kNone) return Verdict::kWrongPort;
        if (edit.kind == Edit::Kind::kPort && edit.formula(flow) != edit.value) return Verdict::kWrongPort;
        if (edit.kind == Edit::Kind::kNotPort && edit.formula(flow) == edit.value) return Verdict::kWrongPort;
        if (edit.kind == Edit::Kind::kSet && source.find(edit.field) == nullptr) return Verdict::kWrongBytes;
        apply(source, edit, flow, out);
    }
    want = out.head;
    const std::size_t known = shifted(source.mark != 0 ? source.mark : source.head.size(), grown);
    if (frame.size() < known) return Verdict::kWrongBytes;
    if (source.l4_checksum && source.l4 != 0) {
        // Not ours to know: it covers the time stamp. A receiver would check it.
        const bool tcp = source.proto.starts_with("tcp");
        const std::size_t at = shifted(source.l4, grown) + (tcp ? 16 : 6);
        want[at] = frame[at];
        want[at + 1] = frame[at + 1];
    }
    const bool same = std::memcmp(frame.data() + out.skip, want.data() + out.skip, known - out.skip) == 0;
    const bool size_known =
        std::find(source.sizes.begin(), source.sizes.end(), sent_bytes + kFcsBytes) != source.sizes.end();
    return same && size_known ? Verdict::kRight : Verdict::kWrongBytes;
}

}  // namespace sluice::gen
