// SPDX-License-Identifier: Apache-2.0
// TlvTable: which Geneve options are which tun_metadata fields, as NXT_TLV_TABLE_MOD says. Control thread.
#pragma once

#include <optional>

#include "flow/tun_table.hpp"
#include "proto/openflow/error.hpp"
#include "proto/openflow/message_nicira.hpp"

namespace sluice::bridge {

class TlvTable {
  public:
    /// Carries out a whole mod, or none of it. What is deleted need not be there, but must not be in use: bit
    /// N of `used` says that a flow or group names tun_metadataN. Errors: ALREADY_MAPPED (the field),
    /// DUP_ENTRY (the option), TABLE_FULL, INVALID_TLV_DEL.
    std::optional<openflow::OfError> apply(const openflow::TlvTableMod& mod, std::uint64_t used);
    /// By field.
    openflow::TlvTableReply describe() const;
    /// Valid as long as the bridge; what is mapped keeps its place until it is deleted.
    const TunTable& table() const { return table_; }

  private:
    TunTable table_;
};

}  // namespace sluice::bridge
