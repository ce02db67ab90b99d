// SPDX-License-Identifier: Apache-2.0
// CtPlan: a ct action, compiled; what its op points to.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/result.hpp"
#include "conntrack/tracker.hpp"
#include "flow/action.hpp"
#include "flow/key.hpp"

namespace sluice::pipeline {

struct PacketSet;

struct CtPlan {
    bool commit = false, force = false;
    bool nat = false;
    std::uint8_t helper = 0;                 ///< conntrack::kHelperFtp, kHelperTftp
    std::optional<conntrack::NatSpec> spec;  ///< nat(src=...) or nat(dst=...)
    std::uint16_t zone = 0;                  ///< if zone_bits is 0
    FieldLoc zone_source{};
    std::uint16_t zone_offset = 0, zone_bits = 0;
    /// One set_field, load or move of exec(): bits of a constant or of a field into ct_mark or ct_label.
    struct Write {
        bool to_label = false;
        U128 mask;   ///< bits of the target
        U128 value;  ///< a constant, in place
        FieldLoc source{};
        std::uint16_t source_offset = 0, target_offset = 0, bits = 0;  ///< bits 0: constant
    };
    std::vector<Write> writes;

    /// It asks the same of all packets of a zone, and asking twice changes nothing.
    bool is_constant() const noexcept;
    /// What the action asks for of one packet.
    void request_for(const FlowKey& key, conntrack::Request& request) const noexcept;
};

/// Changes text and sequence numbers of a packet of a control connection as `outcome` says, with lengths and
/// checksums. False: there is no room in its buffer.
bool edit_text(PacketSet& set, unsigned i, const conntrack::Outcome& outcome) noexcept;

/// Fails with ENOTSUP for what can't be executed.
Result<CtPlan> plan_ct(const CtAction& action);

}  // namespace sluice::pipeline
