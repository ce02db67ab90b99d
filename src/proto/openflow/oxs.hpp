// SPDX-License-Identifier: Apache-2.0
// Flow statistics as OpenFlow 1.5 §7.2.4 writes them: type and length, then fields of class 0x8002. Inside
// the folder only.
#pragma once

#include "proto/openflow/wire.hpp"

namespace sluice::openflow {

struct Oxs {
    static constexpr std::uint64_t kUnknown = ~std::uint64_t{0};
    std::uint32_t duration_s = 0, duration_ns = 0, idle_s = ~std::uint32_t{0};
    std::uint32_t flow_count = 0;
    std::uint64_t packet_count = kUnknown, byte_count = kUnknown;
};
enum OxsUse : std::uint8_t { kOxsFlow, kOxsAggregate };

/// Fields that are not known are skipped.
Oxs read_oxs(Reader& in);
void write_oxs(Writer& out, const Oxs& oxs, OxsUse use);

}  // namespace sluice::openflow
