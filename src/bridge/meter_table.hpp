// SPDX-License-Identifier: Apache-2.0
// MeterTable: the OpenFlow meters of one bridge and the meaning of meter-mods, over pipeline::Program.
// Changes are staged with the next version and show at FlowTables::commit(). Meter-mods are no part of
// bundles, so nothing is ever undone. OFPM_CONTROLLER meters packet-ins; OFPM_SLOWPATH is kept and shown, but
// no packet of this switch takes a slow path. Source: OpenFlow 1.5 §6.8, §7.3.4.4. Control thread only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "flow/group.hpp"
#include "pipeline/meter.hpp"
#include "pipeline/program.hpp"
#include "proto/openflow/error.hpp"
#include "proto/openflow/message.hpp"

namespace sluice::bridge {

class FlowTables;

inline constexpr std::size_t kMaxMeters = 262'144;  ///< of a bridge, as OVS has them
inline constexpr std::size_t kMaxBands = 8;         ///< of a meter, as OVS has them

class MeterTable {
  public:
    using Error = std::optional<openflow::OfError>;

    MeterTable(pipeline::Datapath& datapath, pipeline::Program& program, FlowTables& flows);
    /// Flows are gone already; takes the meters out of the program and publishes.
    ~MeterTable();
    MeterTable(const MeterTable&) = delete;
    MeterTable& operator=(const MeterTable&) = delete;

    /// Stages one meter-mod; an error leaves no trace. now_ms: monotonic milliseconds, the workers' clock.
    Error apply(const MeterMod& mod, std::int64_t now_ms);
    bool exists(std::uint32_t meter) const { return meters_.count(meter) != 0; }

    /// kAllMeters or one, ascending. Nothing: it does not exist.
    std::optional<std::vector<openflow::MeterStats>> stats(std::uint32_t meter, std::int64_t now_ms) const;
    std::optional<std::vector<openflow::MeterConfig>> configs(std::uint32_t meter) const;
    static openflow::MeterFeaturesReply features();

  private:
    struct Meter {
        std::uint16_t flags = 0;
        std::vector<MeterBand> bands;
        std::int64_t created_ms = 0;  ///< monotonic
        pipeline::MeterEntry* entry = nullptr;
    };
    void put(const MeterMod& mod, std::int64_t now_ms);
    void erase(std::uint32_t id);

    pipeline::Datapath& datapath_;
    pipeline::Program& program_;
    FlowTables& flows_;
    std::map<std::uint32_t, Meter> meters_;
};

}  // namespace sluice::bridge
