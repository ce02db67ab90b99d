// SPDX-License-Identifier: Apache-2.0
// OfConnection::Dump: a flow dump in pieces. Used by of_connection*.cpp only.
#pragma once

#include "control/of_connection.hpp"

namespace sluice {

struct OfConnection::Dump {
    static constexpr unsigned kFlowsAPiece = 1024;  ///< about 150 KiB, half a millisecond

    Dump(bridge::FlowTables& flows, openflow::Version version, std::uint32_t xid,
         const openflow::FlowSelection& selection)
        : flows_(flows),
          version_(version),
          xid_(xid),
          nicira_(selection.nicira),
          cursor_(flows, bridge::FlowFilter::from(selection)) {}

    /// Appends the next part messages. True: there are more; their predecessor says so on the wire.
    bool next(openflow::Bytes& out, std::int64_t now_ms);

  private:
    bridge::FlowTables& flows_;
    openflow::Version version_;
    std::uint32_t xid_;
    bool nicira_;
    bridge::FlowTables::Cursor cursor_;
};

}  // namespace sluice
