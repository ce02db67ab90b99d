// SPDX-License-Identifier: Apache-2.0
// OpenFlow messages made from what a bridge knows. No I/O; control thread.
#pragma once

#include "bridge/bridge.hpp"
#include "bridge/flow_tables.hpp"
#include "proto/openflow/message.hpp"

namespace sluice {

openflow::PortDesc describe_port(const bridge::BridgePort& port);
openflow::PortStats describe_port_stats(const bridge::PortStatistics& statistics);
/// Features without ports. `version` decides which capabilities exist.
openflow::FeaturesReply describe_features(const bridge::Bridge& bridge, openflow::Version version);
openflow::DescReply describe_switch(const bridge::Bridge& bridge);
openflow::TableStatsReply describe_tables(const bridge::FlowTables& flows);
/// Tables first .. first+count-1.
openflow::TableFeaturesReply describe_table_features(const bridge::FlowTables& flows, unsigned first,
                                                     unsigned count);
openflow::TableDesc describe_table_config(const bridge::FlowTables& flows, std::uint8_t table);
openflow::FlowRemoved describe_removed(const bridge::FlowTables& flows, const bridge::Flow& flow,
                                       bridge::FlowRemovedReason reason, std::int64_t now_ms);
/// What NXT_RESUME brings back of a packet that controller(pause) stopped on `bridge`; empty if `version`
/// can't carry its actions.
openflow::Bytes make_continuation(const bridge::Bridge& bridge, const pipeline::PausedPacket& paused,
                                  openflow::Version version);
/// Lets a packet go on. NXR_STALE if its bridge is not this one; what its actions name must exist.
std::optional<openflow::OfError> resume_packet(bridge::Bridge& bridge, const openflow::PacketIn& packet_in,
                                               openflow::Version version);
/// A packet-in with all of the packet.
openflow::PacketIn make_packet_in(const pipeline::PuntRecord& record, const TunTable* tun);

}  // namespace sluice
