// SPDX-License-Identifier: Apache-2.0
// What the message files share: MessageWriter (headers, lengths, multipart splitting) and the list of
// decode and encode functions, one pair a message kind. Inside the folder only.
#pragma once

#include "proto/openflow/action_codec.hpp"
#include "proto/openflow/codec.hpp"
#include "proto/openflow/match_codec.hpp"
#include "proto/openflow/wire.hpp"

namespace sluice::openflow {

/// Appends one message, or a chain of multipart parts, to a byte vector.
class MessageWriter : public Writer {
  public:
    MessageWriter(Bytes& out, Version version, std::uint32_t xid, bool more,
                  const DecodeOptions& options = {})
        : Writer(out, options.tun),
          version_(version),
          xid_(xid),
          more_(more),
          table_ids_(options.flow_mod_table_id) {}
    /// NXT_FLOW_MOD_TABLE_ID is on.
    bool table_ids() const { return table_ids_; }
    Version version() const { return version_; }

    void begin(std::uint8_t type);
    void begin_vendor(std::uint32_t vendor, std::uint32_t subtype);
    void begin_nicira(std::uint32_t subtype) { begin_vendor(kNiciraVendor, subtype); }
    void begin_request(std::uint16_t type) { begin_multipart(false, type); }
    void begin_reply(std::uint16_t type) { begin_multipart(true, type); }
    /// Multipart of a vendor.
    void begin_vendor_multipart(bool reply, std::uint32_t vendor, std::uint32_t subtype);
    void begin_nicira_multipart(bool reply, std::uint32_t subtype) {
        begin_vendor_multipart(reply, kNiciraVendor, subtype);
    }
    /// Call after each item of a reply: moves it to a new part when it made this one too long.
    void item(std::size_t start);
    /// Sets the length of the (last) message.
    void finish();
    /// Start of the item about to be written.
    std::size_t mark() const { return size(); }

  private:
    void begin_multipart(bool reply, std::uint16_t type);

    Version version_;
    std::uint32_t xid_;
    bool more_;
    bool table_ids_;
    std::size_t start_ = 0;
    std::size_t head_size_ = 0;  ///< of a multipart header; 0: not multipart
};

/// Cuts a property (type, length, value) of 1.4+ off `in`; the value excludes the padding.
struct Property {
    std::uint16_t type;
    Reader value;
};
Property read_property(Reader& in);
/// Appends a property: `write` fills the value.
template <typename F>
void write_property(Writer& out, std::uint16_t type, F&& write) {
    const std::size_t start = out.size();
    out.u16(type);
    out.u16(0);
    write();
    out.patch_size(start, 2);
    out.pad8(start);
}
/// A known property or an error.
[[noreturn]] void fail_property(std::uint16_t type);
/// Checks a length that an item states about itself and cuts the item off.
Reader read_item(Reader& in, std::size_t length, std::size_t minimum,
                 ErrorCode error = ErrorCode::kBrcBadLen);

/// The message exists from `first` to `last` only.
void require(const MessageWriter& out, Version first, Version last = Version::k15);

PortDesc decode_port(Reader& in, Version version);
void encode_port(Writer& out, const PortDesc& port, Version version);
/// Why a flow went; group, meter and eviction too in every version, as OVS has it.
FlowRemovedReason checked_reason(unsigned reason);
void encode_flow_stats(MessageWriter& out, const FlowStats& flow, bool nicira);

using Decode = void (*)(Reader& in, Version version, Message& message);

/// Where a message stands: type of the header, type of a multipart, subtype of a vendor's.
enum class Space : std::uint8_t {
    kType,
    kRequest,
    kReply,
    kNicira,
    kOnf,
    kNiciraRequest,
    kNiciraReply,
    kOnfRequest,
    kOnfReply
};
/// What may follow the fixed part of a body.
enum Tail : std::uint8_t {
    kNothing = 0,
    kAnything = 1,
    kEights = 8 /* the message is a multiple of 8 bytes */
};
struct MessageRow {
    Space space;
    std::uint32_t number;
    Version first, last;
    std::uint32_t size;  ///< of the body: of its fixed part
    std::uint8_t tail;   ///< Tail
    Decode decode;
};
// Each file lists its messages.
std::span<const MessageRow> session_messages();
std::span<const MessageRow> switch_messages();
std::span<const MessageRow> flow_messages();
std::span<const MessageRow> flow_removed_messages();
std::span<const MessageRow> flow_stats_messages();
std::span<const MessageRow> monitor_messages();
std::span<const MessageRow> packet_messages();
std::span<const MessageRow> group_messages();
std::span<const MessageRow> stats_messages();
std::span<const MessageRow> table_messages();
std::span<const MessageRow> nicira_messages();

// clang-format off
#define SLUICE_OF_ENCODE(Kind) void encode_body(MessageWriter& out, const Kind& body)
SLUICE_OF_ENCODE(Hello); SLUICE_OF_ENCODE(ErrorMessage); SLUICE_OF_ENCODE(EchoRequest); SLUICE_OF_ENCODE(EchoReply);
SLUICE_OF_ENCODE(FeaturesRequest); SLUICE_OF_ENCODE(FeaturesReply); SLUICE_OF_ENCODE(GetConfigRequest);
SLUICE_OF_ENCODE(GetConfigReply); SLUICE_OF_ENCODE(SetConfig); SLUICE_OF_ENCODE(PacketIn);
SLUICE_OF_ENCODE(FlowRemoved); SLUICE_OF_ENCODE(PortStatus); SLUICE_OF_ENCODE(PacketOut); SLUICE_OF_ENCODE(FlowMod);
SLUICE_OF_ENCODE(GroupMod); SLUICE_OF_ENCODE(PortMod); SLUICE_OF_ENCODE(TableMod); SLUICE_OF_ENCODE(MeterMod);
SLUICE_OF_ENCODE(BarrierRequest); SLUICE_OF_ENCODE(BarrierReply); SLUICE_OF_ENCODE(QueueConfigRequest);
SLUICE_OF_ENCODE(QueueConfigReply); SLUICE_OF_ENCODE(RoleRequest); SLUICE_OF_ENCODE(RoleReply);
SLUICE_OF_ENCODE(RoleStatus); SLUICE_OF_ENCODE(GetAsyncRequest); SLUICE_OF_ENCODE(GetAsyncReply);
SLUICE_OF_ENCODE(SetAsync); SLUICE_OF_ENCODE(TableStatus); SLUICE_OF_ENCODE(RequestForward);
SLUICE_OF_ENCODE(BundleControl); SLUICE_OF_ENCODE(BundleAdd); SLUICE_OF_ENCODE(DescRequest); SLUICE_OF_ENCODE(DescReply);
SLUICE_OF_ENCODE(FlowStatsRequest); SLUICE_OF_ENCODE(FlowStatsReply); SLUICE_OF_ENCODE(AggregateRequest);
SLUICE_OF_ENCODE(AggregateReply); SLUICE_OF_ENCODE(TableStatsRequest); SLUICE_OF_ENCODE(TableStatsReply);
SLUICE_OF_ENCODE(PortStatsRequest); SLUICE_OF_ENCODE(PortStatsReply); SLUICE_OF_ENCODE(QueueStatsRequest);
SLUICE_OF_ENCODE(QueueStatsReply); SLUICE_OF_ENCODE(GroupStatsRequest); SLUICE_OF_ENCODE(GroupStatsReply);
SLUICE_OF_ENCODE(GroupDescRequest); SLUICE_OF_ENCODE(GroupDescReply); SLUICE_OF_ENCODE(GroupFeaturesRequest);
SLUICE_OF_ENCODE(GroupFeaturesReply); SLUICE_OF_ENCODE(MeterStatsRequest); SLUICE_OF_ENCODE(MeterStatsReply);
SLUICE_OF_ENCODE(MeterConfigRequest); SLUICE_OF_ENCODE(MeterConfigReply); SLUICE_OF_ENCODE(MeterFeaturesRequest);
SLUICE_OF_ENCODE(MeterFeaturesReply); SLUICE_OF_ENCODE(TableFeaturesRequest); SLUICE_OF_ENCODE(TableFeaturesReply);
SLUICE_OF_ENCODE(TableDescRequest); SLUICE_OF_ENCODE(TableDescReply); SLUICE_OF_ENCODE(PortDescRequest);
SLUICE_OF_ENCODE(PortDescReply); SLUICE_OF_ENCODE(FlowMonitorRequest); SLUICE_OF_ENCODE(FlowMonitorReply);
SLUICE_OF_ENCODE(FlowMonitorCancel); SLUICE_OF_ENCODE(FlowMonitorPaused); SLUICE_OF_ENCODE(FlowMonitorResumed);
SLUICE_OF_ENCODE(SetFlowFormat); SLUICE_OF_ENCODE(FlowModTableId); SLUICE_OF_ENCODE(SetPacketInFormat);
SLUICE_OF_ENCODE(SetControllerId); SLUICE_OF_ENCODE(FlowAge); SLUICE_OF_ENCODE(TlvTableMod);
SLUICE_OF_ENCODE(TlvTableRequest); SLUICE_OF_ENCODE(TlvTableReply); SLUICE_OF_ENCODE(Resume);
SLUICE_OF_ENCODE(CtFlushZone); SLUICE_OF_ENCODE(CtFlush); SLUICE_OF_ENCODE(IpfixStatsRequest);
#undef SLUICE_OF_ENCODE
// clang-format on

}  // namespace sluice::openflow
