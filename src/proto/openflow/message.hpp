// SPDX-License-Identifier: Apache-2.0
// OpenFlow messages, independent of the version that carried them. One struct a message; `Body` is the
// list of kinds. The codec (codec.hpp) maps them to and from the wire of OpenFlow 1.0 to 1.5 and of the
// Nicira extensions. Integers are in host order; ports are 32 bit numbers (OfPort) in every version.
//
// Conventions: `decode(encode(m)) == m` where a version can carry every member; members that a version
// lacks keep their defaults. A request struct ends in Request, its answer in Reply; names follow the
// OpenFlow specification. Sources: OpenFlow switch specifications 1.0.0 to 1.5.1, ovs-ofctl(8).
#pragma once

#include <cstdint>
#include <variant>

#include "proto/openflow/message_flow.hpp"
#include "proto/openflow/message_group.hpp"
#include "proto/openflow/message_monitor.hpp"
#include "proto/openflow/message_nicira.hpp"
#include "proto/openflow/message_packet.hpp"
#include "proto/openflow/message_session.hpp"
#include "proto/openflow/message_switch.hpp"
#include "proto/openflow/message_table.hpp"

namespace sluice::openflow {

using BodyVariant = std::variant<
    Hello, ErrorMessage, EchoRequest, EchoReply, FeaturesRequest, FeaturesReply, GetConfigRequest,
    GetConfigReply, SetConfig, PacketIn, FlowRemoved, PortStatus, PacketOut, FlowMod, GroupMod, PortMod,
    TableMod, MeterMod, BarrierRequest, BarrierReply, QueueConfigRequest, QueueConfigReply, RoleRequest,
    RoleReply, RoleStatus, GetAsyncRequest, GetAsyncReply, SetAsync, TableStatus, RequestForward,
    BundleControl, BundleAdd, DescRequest, DescReply, FlowStatsRequest, FlowStatsReply, AggregateRequest,
    AggregateReply, TableStatsRequest, TableStatsReply, PortStatsRequest, PortStatsReply, QueueStatsRequest,
    QueueStatsReply, GroupStatsRequest, GroupStatsReply, GroupDescRequest, GroupDescReply,
    GroupFeaturesRequest, GroupFeaturesReply, MeterStatsRequest, MeterStatsReply, MeterConfigRequest,
    MeterConfigReply, MeterFeaturesRequest, MeterFeaturesReply, TableFeaturesRequest, TableFeaturesReply,
    TableDescRequest, TableDescReply, PortDescRequest, PortDescReply, FlowMonitorRequest, FlowMonitorReply,
    FlowMonitorCancel, FlowMonitorPaused, FlowMonitorResumed, SetFlowFormat, FlowModTableId,
    SetPacketInFormat, SetControllerId, FlowAge, TlvTableMod, TlvTableRequest, TlvTableReply, Resume,
    CtFlushZone, CtFlush, IpfixStatsRequest>;

/// One message's body. A class so that copying, moving and destroying 79 kinds is compiled once
/// (message.cpp) and not in every file that holds a message.
struct Body : BodyVariant {
    using BodyVariant::BodyVariant;
    Body();
    Body(const Body& other);
    Body(Body&& other) noexcept;
    Body& operator=(const Body& other);
    Body& operator=(Body&& other) noexcept;
    ~Body();
};

/// `more` in a request: the client announced further parts (OFPMPF_REQ_MORE).
struct Message {
    Version version = Version::k10;
    std::uint32_t xid = 0;
    Body body;
    bool more = false;  ///< multipart: a further part follows
};

}  // namespace sluice::openflow
