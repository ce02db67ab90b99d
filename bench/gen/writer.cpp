// SPDX-License-Identifier: Apache-2.0
#include "bench/gen/writer.hpp"

#include <algorithm>

namespace sluice::gen {

namespace {

std::uint64_t load_window(const std::array<std::uint8_t, kMaxHead>& head, std::size_t offset) noexcept {
    std::uint64_t value = 0;
    std::memcpy(&value, head.data() + offset, sizeof value);
    return __builtin_bswap64(value);
}

/// Ones' complement sum of `bytes` bytes, as a big-endian reader adds them.
std::uint64_t sum_of(const std::uint8_t* data, std::size_t bytes) noexcept {
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i + 1 < bytes; i += 2)
        sum += static_cast<std::uint64_t>(data[i] << 8 | data[i + 1]);
    if (bytes % 2 != 0) sum += static_cast<std::uint64_t>(data[bytes - 1]) << 8;
    return sum;
}

}  // namespace

void Writer::set(const Traffic& traffic, std::uint64_t source) {
    mark_ = traffic.mark;
    mark_base_ = kMarkMagic | source << kMarkSourceShift;
    l4_checksum_ = traffic.l4_checksum;
    l3_ = traffic.inner_l3 != 0 ? traffic.inner_l3 : traffic.l3;
    l4_ = traffic.l4;

    // Windows begin at fields, in ascending order, so that a later one puts right what an earlier one
    // overwrote of it.
    std::vector<Vary> vary = traffic.vary;
    std::stable_sort(vary.begin(), vary.end(),
                     [](const Vary& a, const Vary& b) { return a.field.offset < b.field.offset; });
    windows_ = {};
    window_count_ = 0;
    checksum_count_ = 0;
    gated_ = std::any_of(vary.begin(), vary.end(), [](const Vary& item) { return item.formula.from != 0; });
    std::size_t used = 2;  // parts of the last window
    for (const Vary& item : vary) {
        const std::size_t start = item.field.offset & ~std::size_t{1};  // even, as checksums add
        const auto checksum = static_cast<std::uint32_t>(item.field.checksum);
        Window* window = window_count_ == 0 ? nullptr : &windows_[window_count_ - 1];
        if (used == 2 || window->checksum != checksum ||
            item.field.offset + item.field.bytes > window->offset + 8) {
            window = &windows_[window_count_++];
            window->offset = static_cast<std::uint32_t>(start);
            window->checksum = checksum;
            used = 0;
        }
        window->part[used] = item.formula;
        const std::size_t behind = window->offset + 8 - (item.field.offset + item.field.bytes);
        window->left[used++] = static_cast<std::uint8_t>(item.formula.pos + 8 * behind);
        checksum_count_ = std::max(checksum_count_, static_cast<std::size_t>(checksum));
    }
    std::size_t end = traffic.head.size();
    for (std::size_t w = 0; w < window_count_; ++w)
        end = std::max<std::size_t>(end, windows_[w].offset + 8);
    blocks_ = (end + 63) / 64;
    checksum_at_ = {0, traffic.l3 + 10, traffic.inner_l3 + 10};

    templates_.clear();
    for (const std::uint32_t size : traffic.sizes) {
        Template& out = templates_.emplace_back();
        out.head = base_head(traffic, size);
        out.bytes = size - static_cast<std::uint32_t>(kFcsBytes);
        for (std::size_t w = 0; w < window_count_; ++w)
            out.base[w] = load_window(out.head, windows_[w].offset);
        for (std::size_t i = 1; i <= checksum_count_; ++i) {
            const std::size_t l3 = checksum_at_[i] - 10;
            out.sum[i] = sum_of(out.head.data() + l3, 10) + sum_of(out.head.data() + l3 + 12, 8);
        }
    }
}

void Writer::write_l4_checksum(std::uint8_t* out, std::size_t bytes) const noexcept {
    const bool four = out[l3_] >> 4 == 4;
    const std::uint8_t protocol = out[l3_ + (four ? 9 : 6)];
    const std::size_t at = l4_ + (protocol == 6 ? 16 : 6);
    out[at] = out[at + 1] = 0;
    const std::size_t length = bytes - l4_;
    const std::size_t written = std::min(length, blocks_ * 64 - l4_);  // behind it are zeros
    std::uint64_t sum = length + protocol + sum_of(out + l4_, written);
    sum += four ? sum_of(out + l3_ + 12, 8) : sum_of(out + l3_ + 8, 32);
    while (sum >> 16 != 0)
        sum = (sum & 0xFFFF) + (sum >> 16);
    std::uint16_t checksum = static_cast<std::uint16_t>(~sum);
    if (checksum == 0 && protocol == 17) checksum = 0xFFFF;
    out[at] = static_cast<std::uint8_t>(checksum >> 8);
    out[at + 1] = static_cast<std::uint8_t>(checksum);
}

}  // namespace sluice::gen
