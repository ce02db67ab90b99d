// SPDX-License-Identifier: Apache-2.0
// GeneveOptions: which option stands for which tun_metadataN of a bridge, as workers read it. A copy of the
// bridge's TLV table (flow/tun_table.hpp), made anew when that changes. Source: RFC 8926 §3.5.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "flow/key.hpp"
#include "flow/tun_table.hpp"

namespace sluice::tunnel {

inline constexpr unsigned kMaxOptionBytes = 252;  ///< RFC 8926 §3.4: 6 bits of 4-byte words
inline constexpr std::uint8_t kCriticalOption = 0x80;

class GeneveOptions {
  public:
    explicit GeneveOptions(const TunTable& table);

    /// Options of the tun_metadata fields that the key has, in the order of their numbers; returns the bytes
    /// written, 0 to kMaxOptionBytes. `critical`: one of them is.
    unsigned write(const FlowKey& key, std::uint8_t (&out)[kMaxOptionBytes], bool& critical) const noexcept;
    /// Options of a packet into the key's fields (which are 0 before). False: malformed, of another length
    /// than the table has it, or critical and unknown.
    bool read(std::span<const std::uint8_t> options, FlowKey& key) const noexcept;
    /// Would read() take them?
    bool accepts(std::span<const std::uint8_t> options) const noexcept;
    /// read() without a table: are they well-formed, and none of them critical?
    static bool may_be_ignored(std::span<const std::uint8_t> options) noexcept;

  private:
    struct Entry;
    const Entry* find(std::uint16_t option_class, std::uint8_t type) const noexcept;
    struct Entry {
        std::uint16_t option_class;
        std::uint8_t option_type, length, index;
        std::uint16_t place;  ///< byte of the key's option space
    };
    std::vector<Entry> entries_;  ///< by index
};

}  // namespace sluice::tunnel
