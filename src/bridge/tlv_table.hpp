// SPDX-License-Identifier: Apache-2.0
// TlvTable: which Geneve options are which tun_metadata fields, as NXT_TLV_TABLE_MOD says. Control thread.
#pragma once

#include <array>
#include <optional>

#include "proto/openflow/error.hpp"
#include "proto/openflow/message_nicira.hpp"

namespace sluice::bridge {

class TlvTable {
  public:
    static constexpr std::uint32_t kSpace = 256;  ///< bytes of all options together
    static constexpr std::uint16_t kFields = 64;

    /// Carries out a whole mod, or none of it. What is deleted need not be there. Errors: ALREADY_MAPPED (the
    /// field), DUP_ENTRY (the option), TABLE_FULL.
    std::optional<openflow::OfError> apply(const openflow::TlvTableMod& mod);
    /// By field.
    openflow::TlvTableReply describe() const;
    const std::optional<openflow::TlvMap>& field(unsigned index) const { return maps_[index]; }

  private:
    using Maps = std::array<std::optional<openflow::TlvMap>, kFields>;
    static std::optional<openflow::OfError> add(Maps& maps, const openflow::TlvMap& map);
    Maps maps_;
};

}  // namespace sluice::bridge
