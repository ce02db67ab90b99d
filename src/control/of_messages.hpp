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
/// A packet-in holding at most `max_len` bytes of the packet.
openflow::PacketIn make_packet_in(const pipeline::PuntRecord& record, std::size_t max_len);

}  // namespace sluice
