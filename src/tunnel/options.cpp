// SPDX-License-Identifier: Apache-2.0
#include "tunnel/options.hpp"

#include <algorithm>

#include "base/byte_order.hpp"

namespace sluice::tunnel {

namespace {

constexpr unsigned kOptionHeader = 4;

std::uint8_t byte_at(const FlowKey& key, unsigned place) {
    return static_cast<std::uint8_t>(key.word[key::kTunMetadataWord + place / 8] >> (56 - place % 8 * 8));
}

/// Calls for each option with its class, type and value; false when they are cut off, or the call says so.
template <typename Call>
bool for_each_option(std::span<const std::uint8_t> options, const Call& call) {
    while (!options.empty()) {
        if (options.size() < kOptionHeader) return false;
        const unsigned length = (options[3] & 0x1fU) * 4;
        if (options.size() < kOptionHeader + length) return false;
        if (!call(load_be16(options.data()), options[2], options.subspan(kOptionHeader, length)))
            return false;
        options = options.subspan(kOptionHeader + length);
    }
    return true;
}

}  // namespace

GeneveOptions::GeneveOptions(const TunTable& table) {
    for (const TunMapping& mapping : table.mappings()) {
        entries_.push_back({mapping.option_class, mapping.option_type, mapping.option_length,
                            static_cast<std::uint8_t>(mapping.index), table.place(mapping.index)});
    }
}

unsigned GeneveOptions::write(const FlowKey& key, std::uint8_t (&out)[kMaxOptionBytes],
                              bool& critical) const noexcept {
    unsigned size = 0;
    critical = false;
    const std::uint64_t present = key.get(key::kTunPresent);
    for (const Entry& entry : entries_) {
        if (!(present >> entry.index & 1)) continue;
        if (size + kOptionHeader + entry.length > kMaxOptionBytes) break;
        store_be16(out + size, entry.option_class);
        out[size + 2] = entry.option_type;
        out[size + 3] = entry.length / 4;
        critical |= (entry.option_type & kCriticalOption) != 0;
        for (unsigned n = 0; n < entry.length; ++n)
            out[size + kOptionHeader + n] = byte_at(key, entry.place + n);
        size += kOptionHeader + entry.length;
    }
    return size;
}

const GeneveOptions::Entry* GeneveOptions::find(std::uint16_t option_class,
                                                std::uint8_t type) const noexcept {
    const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
        return entry.option_class == option_class && entry.option_type == type;
    });
    return found == entries_.end() ? nullptr : &*found;
}

bool GeneveOptions::accepts(std::span<const std::uint8_t> options) const noexcept {
    return for_each_option(options, [&](std::uint16_t option_class, std::uint8_t type, auto value) {
        const Entry* known = find(option_class, type);
        return known ? value.size() == known->length : (type & kCriticalOption) == 0;
    });
}

bool GeneveOptions::read(std::span<const std::uint8_t> options, FlowKey& key) const noexcept {
    return for_each_option(options, [&](std::uint16_t option_class, std::uint8_t type, auto value) {
        const Entry* known = find(option_class, type);
        if (!known) return (type & kCriticalOption) == 0;
        if (value.size() != known->length) return false;
        key.word[key::kTunPresent.word] |= std::uint64_t{1} << known->index;
        for (unsigned n = 0; n < known->length; ++n) {
            const unsigned place = known->place + n;
            const unsigned shift = 56 - place % 8 * 8;
            std::uint64_t& word = key.word[key::kTunMetadataWord + place / 8];
            word = (word & ~(std::uint64_t{0xff} << shift)) | std::uint64_t{value[n]} << shift;
        }
        return true;
    });
}

bool GeneveOptions::may_be_ignored(std::span<const std::uint8_t> options) noexcept {
    return for_each_option(
        options, [](std::uint16_t, std::uint8_t type, auto) { return (type & kCriticalOption) == 0; });
}

}  // namespace sluice::tunnel
