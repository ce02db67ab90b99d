// SPDX-License-Identifier: Apache-2.0
// Bytes to OpenFlow messages and back; no I/O, no state, any thread.
//
//   FrameReader frames;                                  // one a connection
//   frames.append(bytes read from the stream);
//   while (auto frame = frames.next()) {                 // span of one whole message
//       auto message = decode(*frame);
//       if (!message) send(encode_error(message.error(), *frame));
//       else std::visit(handler, message->body);
//   }
//   if (frames.broken()) close the connection.           // a length below 8: no way to go on
//
// decode() never reads outside its span, whatever stands in length fields, and answers bad input with the
// OpenFlow error that names the fault. What decodes, encodes; encode() splits multipart replies.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "base/result.hpp"
#include "flow/tun_table.hpp"
#include "proto/openflow/error.hpp"
#include "proto/openflow/message.hpp"

namespace sluice::openflow {

/// ofp_header: version, type, length of the whole message, transaction id.
struct Header {
    static constexpr std::size_t kSize = 8;
    std::uint8_t version = 0;
    std::uint8_t type = 0;
    std::uint16_t length = 0;
    std::uint32_t xid = 0;
};
/// Header at the start of `bytes`; nothing if there are fewer than 8.
std::optional<Header> parse_header(std::span<const std::uint8_t> bytes);

/// Cuts a byte stream into messages. Keeps at most one partial message plus what was appended.
class FrameReader {
  public:
    void append(std::span<const std::uint8_t> bytes);
    /// Next whole message; valid until the next append(). Nothing: need more bytes, or broken().
    std::optional<std::span<const std::uint8_t>> next();
    /// The peer sent a header with a length below 8; the stream can't be followed any further.
    bool broken() const { return broken_; }

  private:
    Bytes buffer_;
    std::size_t start_ = 0;
    bool broken_ = false;
};

/// Versions both sides speak -> the highest; nothing if there is none (answer OFPHFC_INCOMPATIBLE).
/// Bitmaps: bit n is wire version n (as in Hello).
std::optional<Version> negotiate(std::uint32_t ours, std::uint32_t theirs);

/// What a connection may have changed about decoding.
struct DecodeOptions {
    /// NXT_FLOW_MOD_TABLE_ID is on: the high byte of an OpenFlow 1.0 flow-mod's command is the table.
    bool flow_mod_table_id = false;
    /// The bridge's TLV table, for tun_metadataN; null: none is mapped.
    const TunTable* tun = nullptr;
};

/// Decodes one whole message. `bytes.size()` must equal the header's length (FrameReader sees to it),
/// else OFPBRC_BAD_LEN. Any version 1..6 is accepted; the session compares it with the negotiated one
/// (OFPBRC_BAD_VERSION). A hello or an error of a newer version decodes too (as OpenFlow 1.0).
OfResult<Message> decode(std::span<const std::uint8_t> bytes, const DecodeOptions& options = {});

/// Appends `message` to `out`, in several parts when a multipart reply exceeds 64 KiB. Fails, leaving
/// `out` alone, if the version has no such message or an item alone exceeds 64 KiB.
Result<void> encode(const Message& message, Bytes& out, const DecodeOptions& options = {});
/// The same into a fresh buffer.
Result<Bytes> encode(const Message& message, const DecodeOptions& options = {});

/// The OFPT_ERROR that answers `request` (its version and xid; the whole of it as data, as OVS does,
/// short of what 64 KiB hold).
/// An error that the version can't express goes out as NXBRC_UNENCODABLE_ERROR.
Bytes encode_error(const OfError& error, std::span<const std::uint8_t> request);
/// OFPET_HELLO_FAILED / OFPHFC_INCOMPATIBLE with a text.
Bytes encode_hello_failed(Version version, std::uint32_t xid, std::string_view text);

/// Builds a long multipart reply item by item, without holding the items: flow dumps of any size.
/// The parts lie in `out` one after another; `finish()` clears the "more" flag of the last.
class FlowStatsWriter {
  public:
    /// Answers a FlowStatsRequest with this version, xid and form. `out` must outlive the writer.
    FlowStatsWriter(Version version, std::uint32_t xid, bool nicira, Bytes& out,
                    const TunTable* tun = nullptr);
    Result<void> add(const FlowStats& flow);
    void finish();

  private:
    Version version_;
    std::uint32_t xid_;
    bool nicira_;
    Bytes& out_;
    const TunTable* tun_;
    std::size_t part_ = 0;  ///< offset of the part being filled
};

/// Name of a message kind as ovs-ofctl prints it ("OFPT_FLOW_MOD"), for logs.
std::string_view message_name(const Body& body);

/// Checks actions against the match they follow, as OVS does at flow-mod: prerequisites of set_field and
/// moves, output ports, goto_table forward only, queue, group and meter numbers, table below n_tables.
struct ActionCheck {
    Version version = Version::k10;  ///< 1.0 lets mod_* actions meet packets without the field
    std::uint8_t table = 0;          ///< of the flow; 0xff: unknown
    unsigned n_tables = 254;
    std::uint32_t max_port = 0xffffff00;  ///< first number that is not a physical port
};
std::optional<OfError> check_actions(const ActionList& actions, const Match& match, const ActionCheck& check);

}  // namespace sluice::openflow
