// SPDX-License-Identifier: Apache-2.0
#include "flow/tun_table.hpp"

#include <algorithm>
#include <bitset>

namespace sluice {
namespace {

constexpr unsigned kMaxOption = 124;

// Byte `at` of the option space in a key.
std::uint8_t get_byte(const FlowKey& key, unsigned at) {
    return static_cast<std::uint8_t>(key.word[key::kTunMetadataWord + at / 8] >> (56 - at % 8 * 8));
}
void set_byte(FlowKey& key, unsigned at, std::uint8_t value) {
    const unsigned shift = 56 - at % 8 * 8;
    auto& word = key.word[key::kTunMetadataWord + at / 8];
    word = (word & ~(std::uint64_t{0xff} << shift)) | std::uint64_t{value} << shift;
}
// Right-aligns `value` into the `size` bytes at `place`.
void store(FlowKey& key, unsigned place, unsigned size, std::span<const std::uint8_t> value) {
    for (unsigned i = 0; i < size; ++i) {
        const unsigned from_end = size - i;
        set_byte(key, place + i, from_end <= value.size() ? value[value.size() - from_end] : std::uint8_t{0});
    }
}

}  // namespace

TunTable::Refusal TunTable::add(const TunMapping& mapping) {
    const unsigned size = mapping.option_length;
    if (size > kMaxOption || size % 4 != 0) return Refusal::kBadOptionLength;
    if (mapping.index >= kFields) return Refusal::kBadFieldIndex;
    if (entries_[mapping.index].used) return Refusal::kAlreadyMapped;
    if (find(mapping.option_class, mapping.option_type) != nullptr) return Refusal::kDuplicateEntry;
    std::bitset<kSpaceBytes> taken;
    for (const auto& entry : entries_) {
        for (unsigned i = 0; entry.used && i < entry.mapping.option_length; ++i)
            taken.set(entry.place + i);
    }
    const auto try_place = [&](unsigned place) {
        for (unsigned i = 0; i < size; ++i) {
            if (taken[place + i]) return false;
        }
        entries_[mapping.index] = {mapping, static_cast<std::uint16_t>(place), true};
        return true;
    };
    // Short ones from the end, so that they don't take whole words from the others.
    for (unsigned place = kSpaceBytes - size + 4; size == 4 && place != 0;) {
        if (try_place(place -= 4)) return Refusal::kNone;
    }
    // Odd halves of words go together, so that no room is lost between them.
    for (const unsigned step : {size % 8 == 0 ? 8U : 4U, 4U}) {
        for (unsigned place = 0; place + size <= kSpaceBytes; place += step) {
            if (try_place(place)) return Refusal::kNone;
        }
    }
    return Refusal::kTableFull;
}

bool TunTable::remove(unsigned index) {
    if (index >= kFields || !entries_[index].used) return false;
    entries_[index] = {};
    return true;
}

void TunTable::clear() {
    entries_ = {};
}

const TunMapping* TunTable::find(unsigned index) const {
    return index < kFields && entries_[index].used ? &entries_[index].mapping : nullptr;
}

const TunMapping* TunTable::find(std::uint16_t option_class, std::uint8_t option_type) const {
    const auto found = std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
        return entry.used && entry.mapping.option_class == option_class &&
               entry.mapping.option_type == option_type;
    });
    return found == entries_.end() ? nullptr : &found->mapping;
}

std::vector<TunMapping> TunTable::mappings() const {
    std::vector<TunMapping> all;
    for (const auto& entry : entries_) {
        if (entry.used) all.push_back(entry.mapping);
    }
    return all;
}

unsigned TunTable::used_bytes() const {
    unsigned sum = 0;
    for (const auto& entry : entries_)
        sum += entry.used ? entry.mapping.option_length : 0U;
    return sum;
}

unsigned TunTable::index_of(FieldId field) {
    static const FieldId kFirst = field_by_name("tun_metadata0");
    return static_cast<unsigned>(field) - static_cast<unsigned>(kFirst);
}

std::optional<FieldLoc> TunTable::loc(const SubField& sub) const {
    const unsigned index = index_of(sub.field);
    const TunMapping* mapping = find(index);
    if (mapping == nullptr || sub.bits == 0 || sub.offset + sub.bits > mapping->option_length * 8U) return {};
    // Bits are counted from the end of the option, words from the start of the space.
    const unsigned end = (entries_[index].place + mapping->option_length) * 8U - sub.offset;
    const unsigned start = end - sub.bits;
    if (start / 64 != (end - 1) / 64) return {};
    return FieldLoc{static_cast<std::uint8_t>(key::kTunMetadataWord + start / 64),
                    static_cast<std::uint8_t>(63 - (end - 1) % 64), static_cast<std::uint8_t>(sub.bits)};
}

std::vector<std::uint8_t> TunTable::get(const FlowKey& key, unsigned index) const {
    const Entry& entry = entries_[index];
    std::vector<std::uint8_t> value;
    for (unsigned i = 0; i < entry.mapping.option_length; ++i)
        value.push_back(get_byte(key, entry.place + i));
    return value;
}

void TunTable::set(FlowKey& key, unsigned index, std::span<const std::uint8_t> value) const {
    const Entry& entry = entries_[index];
    store(key, entry.place, entry.mapping.option_length, value);
    key.word[key::kTunPresent.word] |= std::uint64_t{1} << index;
}

void TunTable::set(Match& match, unsigned index, std::span<const std::uint8_t> value,
                   std::span<const std::uint8_t> mask) const {
    set(match.value, index, value);
    set(match.mask, index, mask);
    const Entry& entry = entries_[index];
    for (unsigned i = 0; i < entry.mapping.option_length; ++i) {
        const unsigned at = entry.place + i;
        set_byte(match.value, at, get_byte(match.value, at) & get_byte(match.mask, at));
    }
}

}  // namespace sluice
