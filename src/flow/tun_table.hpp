// SPDX-License-Identifier: Apache-2.0
// The TLV table of a bridge: which Geneve option each tun_metadataN stands for (NXT_TLV_TABLE_MOD), and where
// its bytes lie in the option space of a FlowKey. Options lie 4-byte aligned, and if there is room 8-byte
// aligned if they are longer than 4, so that what programs use in practice lies in one word. Control thread;
// copies are values. Source: ovs-fields(7) "tun_metadata", ovs-ofctl(8) add-tlv-map.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "flow/field.hpp"

namespace sluice {

struct TunMapping {
    std::uint16_t option_class = 0;
    std::uint8_t option_type = 0;
    std::uint8_t option_length = 0;  ///< bytes of the value: 4, 8, ... 124; 0: it can be there only
    std::uint16_t index = 0;         ///< N of tun_metadataN
    friend bool operator==(const TunMapping&, const TunMapping&) = default;
};

class TunTable {
  public:
    static constexpr unsigned kFields = 64;
    static constexpr unsigned kSpaceBytes = key::kTunMetadataWords * 8;

    /// Why a mapping is not taken: OFPERR_NXTTMFC_* of the same names.
    enum class Refusal : std::uint8_t {
        kNone,
        kBadOptionLength,
        kBadFieldIndex,
        kTableFull,
        kAlreadyMapped,
        kDuplicateEntry
    };
    Refusal add(const TunMapping& mapping);
    /// Forgets the mapping of a field, whatever stands in it. False: there was none.
    bool remove(unsigned index);
    void clear();

    /// Null: nothing is mapped to tun_metadata`index`.
    const TunMapping* find(unsigned index) const;
    const TunMapping* find(std::uint16_t option_class, std::uint8_t option_type) const;
    /// By index.
    std::vector<TunMapping> mappings() const;
    /// First byte of a mapped field in the option space of a key.
    std::uint16_t place(unsigned index) const { return entries_[index].place; }
    /// Sum of the options' lengths.
    unsigned used_bytes() const;

    /// Index of a tun_metadataN field.
    static unsigned index_of(FieldId field);
    /// Where bits [offset, offset + bits) of a mapped field lie in a key, counted from the lowest of its
    /// value. Nothing if the field is not mapped, is narrower, or the bits are not all in one word.
    std::optional<FieldLoc> loc(const SubField& sub) const;

    /// Reads or writes a whole option, most significant byte first; a value shorter than the option is right
    /// aligned, a longer one cut on its left. The field must be mapped. Writing marks it as present.
    std::vector<std::uint8_t> get(const FlowKey& key, unsigned index) const;
    void set(FlowKey& key, unsigned index, std::span<const std::uint8_t> value) const;
    /// Matches an option: present, and equal to `value` in the bits of `mask` (both as in set()).
    void set(Match& match, unsigned index, std::span<const std::uint8_t> value,
             std::span<const std::uint8_t> mask) const;

  private:
    struct Entry {
        TunMapping mapping;
        std::uint16_t place = 0;  ///< byte of the option space
        bool used = false;
    };
    std::array<Entry, kFields> entries_;
};

}  // namespace sluice
