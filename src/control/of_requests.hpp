// SPDX-License-Identifier: Apache-2.0
// What single requests mean; one overload a message kind. Used by OfConnection only.
#pragma once

#include <span>

#include "control/of_connection.hpp"

namespace sluice {

/// Handles one decoded message of a negotiated session (flow-mods aside).
struct OfRequestHandler {
    OfConnection& session;
    openflow::Message& message;
    std::span<const std::uint8_t> frame;

    void run();

    void handle(const openflow::ErrorMessage& error);
    void handle(openflow::EchoRequest& request);
    void handle(const openflow::EchoReply&) {}
    void handle(const openflow::FeaturesRequest&);
    void handle(const openflow::GetConfigRequest&);
    void handle(const openflow::SetConfig& request);
    void handle(const openflow::PacketOut& request);
    void handle(const openflow::PortMod& request);
    void handle(const openflow::GroupMod& request);
    void handle(const openflow::MeterMod& request);
    void handle(const openflow::TableMod& request);
    void handle(const openflow::BarrierRequest&);
    void handle(const openflow::QueueConfigRequest& request);
    void handle(const openflow::RoleRequest& request);
    void handle(const openflow::GetAsyncRequest&);
    void handle(const openflow::SetAsync& request);
    void handle(const openflow::BundleControl& request);
    void handle(const openflow::BundleAdd& request);
    void handle(const openflow::DescRequest&);
    void handle(const openflow::FlowStatsRequest& request);
    void handle(const openflow::AggregateRequest& request);
    void handle(const openflow::TableStatsRequest&);
    void handle(const openflow::PortStatsRequest& request);
    void handle(const openflow::PortDescRequest& request);
    void handle(const openflow::QueueStatsRequest& request);
    void handle(const openflow::GroupStatsRequest& request);
    void handle(const openflow::GroupDescRequest& request);
    void handle(const openflow::GroupFeaturesRequest&);
    void handle(const openflow::MeterStatsRequest& request);
    void handle(const openflow::MeterConfigRequest& request);
    void handle(const openflow::MeterFeaturesRequest&);
    void handle(const openflow::TableFeaturesRequest& request);
    void handle(const openflow::TableDescRequest&);
    void handle(const openflow::FlowMonitorRequest& request);
    void handle(const openflow::FlowMonitorCancel& request);
    void handle(const openflow::SetFlowFormat& request);
    void handle(const openflow::FlowModTableId& request);
    void handle(const openflow::SetPacketInFormat& request);
    void handle(const openflow::SetControllerId& request);
    void handle(const openflow::FlowAge&) {}
    void handle(const openflow::TlvTableRequest&);
    void handle(const openflow::TlvTableMod& request);
    void handle(const openflow::Resume& request);
    void handle(const openflow::CtFlushZone& request);
    void handle(const openflow::CtFlush& request);
    void handle(const openflow::IpfixStatsRequest&);
    /// Everything that a switch sends and never takes.
    template <typename T>
    void handle(const T&) {
        refuse(openflow::ErrorCode::kBrcBadType);
    }

    void configure_table(const openflow::TableMod& request, std::uint8_t table);
    std::optional<openflow::OfError> check_table_features(
        const openflow::TableFeaturesRequest& request) const;
    bool same_but_name(openflow::TableFeatures table) const;
    void reply(openflow::Body body);
    void refuse(openflow::ErrorCode code, std::string detail = {});
    void refuse(const openflow::OfError& error);
};

}  // namespace sluice
