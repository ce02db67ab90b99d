// SPDX-License-Identifier: Apache-2.0
// Framing, dispatch over the message tables, error replies, names.
#include "proto/openflow/codec.hpp"

#include "proto/openflow/message_codec.hpp"

namespace sluice::openflow {

namespace {

constexpr std::size_t kErrorDataSize = 0xffff - 20;  ///< what the longest form of OFPT_ERROR leaves
constexpr std::uint8_t kHello = 0, kError = 1, kVendor = 4;
constexpr std::uint16_t kMore = 1, kVendorMultipart = 0xffff;

const MessageRow& find_row(Space space, std::uint32_t number, Version version, ErrorCode missing) {
    for (const auto list : {session_messages(), switch_messages(), flow_messages(), flow_removed_messages(),
                            flow_stats_messages(), monitor_messages(), packet_messages(), group_messages(),
                            stats_messages(), table_messages(), nicira_messages()}) {
        for (const auto& row : list) {
            if (row.space == space && row.number == number && row.first <= version && version <= row.last) {
                return row;
            }
        }
    }
    fail(missing, "message {} is not part of {}", number, version_name(version));
}

const MessageRow& find_multipart(Reader& in, Version version, bool reply, Message& message) {
    const std::uint16_t type = in.u16();
    message.more = (in.u16() & kMore) != 0;
    if (version > Version::k10) in.skip(4);
    if (type != kVendorMultipart) {
        return find_row(reply ? Space::kReply : Space::kRequest, type, version, ErrorCode::kBrcBadStat);
    }
    const std::uint32_t vendor = in.u32();
    const std::uint32_t subtype = in.u32();
    if (version == Version::k10) in.skip(4);
    if (vendor == kOnfVendor)
        return find_row(reply ? Space::kOnfReply : Space::kOnfRequest, subtype, version,
                        ErrorCode::kBrcBadSubtype);
    if (vendor != kNiciraVendor) fail(ErrorCode::kBrcBadVendor, "multipart of vendor {:#x}", vendor);
    return find_row(reply ? Space::kNiciraReply : Space::kNiciraRequest, subtype, version,
                    ErrorCode::kBrcBadSubtype);
}

const MessageRow& find_message(const Header& header, Reader& in, Version version, Message& message) {
    if (header.type == kVendor) {
        const std::uint32_t vendor = in.u32();
        const std::uint32_t subtype = in.u32();
        if (vendor != kNiciraVendor && vendor != kOnfVendor) {
            fail(ErrorCode::kBrcBadVendor, "message of vendor {:#x}", vendor);
        }
        return find_row(vendor == kOnfVendor ? Space::kOnf : Space::kNicira, subtype, version,
                        ErrorCode::kBrcBadSubtype);
    }
    const std::uint8_t request = version == Version::k10 ? 16 : 18;
    if (header.type == request || header.type == request + 1) {
        return find_multipart(in, version, header.type != request, message);
    }
    return find_row(Space::kType, header.type, version, ErrorCode::kBrcBadType);
}

/// OpenFlow 1.0 and Nicira flow-mods decode with the command's high byte as table; whether it is one in
/// OpenFlow 1.0, the connection's option says.
void settle_table(FlowMod& flow, Version version, const DecodeOptions& options) {
    if (version != Version::k10 || options.flow_mod_table_id) return;
    if (flow.table != 0) fail(ErrorCode::kFmfcBadCommand, "flow-mod command above 255");
    flow.table = kAllTables;
}

Message decode_checked(std::span<const std::uint8_t> bytes, const DecodeOptions& options) {
    const auto header = parse_header(bytes);
    if (!header || header->length != bytes.size()) {
        fail(ErrorCode::kBrcBadLen, "{} bytes for a message of {}", bytes.size(),
             header ? header->length : 8);
    }
    const bool any_version = header->type == kHello || header->type == kError;
    if (header->version == 0 || (header->version > to_int(Version::k15) && !any_version)) {
        fail(ErrorCode::kBrcBadVersion, "version {:#x}", header->version);
    }
    Message message;
    message.xid = header->xid;
    message.version = header->version > to_int(Version::k15) ? Version::k10 : Version{header->version};
    Reader in{bytes};
    in.set_tun(options.tun);
    in.skip(Header::kSize);
    const MessageRow& row = find_message(*header, in, message.version, message);
    const bool fits = row.tail == kNothing  ? in.left() == row.size
                      : row.tail == kEights ? bytes.size() % 8 == 0
                                            : true;
    if (in.left() < row.size || !fits) {
        fail(ErrorCode::kBrcBadLen, "body of {} bytes, not {}", in.left(), row.size);
    }
    row.decode(in, message.version, message);
    if (auto* flow = std::get_if<FlowMod>(&message.body)) settle_table(*flow, message.version, options);
    if (auto* hello = std::get_if<Hello>(&message.body); hello != nullptr && hello->versions == 0) {
        const unsigned top = std::min<unsigned>(header->version, 31);
        hello->versions = static_cast<std::uint32_t>((std::uint64_t{1} << (top + 1)) - 2);
    }
    return message;
}

}  // namespace

std::string_view version_name(Version version) {
    constexpr std::string_view kNames[] = {"OpenFlow10", "OpenFlow11", "OpenFlow12",
                                           "OpenFlow13", "OpenFlow14", "OpenFlow15"};
    const unsigned index = to_int(version) - 1U;
    return index < std::size(kNames) ? kNames[index] : "OpenFlow?";
}

std::optional<Header> parse_header(std::span<const std::uint8_t> bytes) {
    if (bytes.size() < Header::kSize) return std::nullopt;
    return Header{bytes[0], bytes[1], load_be16(&bytes[2]), load_be32(&bytes[4])};
}

void FrameReader::append(std::span<const std::uint8_t> bytes) {
    if (start_ != 0) {
        buffer_.erase(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(start_));
        start_ = 0;
    }
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.end());
}

std::optional<std::span<const std::uint8_t>> FrameReader::next() {
    const std::span<const std::uint8_t> left{buffer_.data() + start_, buffer_.size() - start_};
    const auto header = parse_header(left);
    if (broken_ || !header) return std::nullopt;
    if (header->length < Header::kSize) {
        broken_ = true;
        return std::nullopt;
    }
    if (header->length > left.size()) return std::nullopt;
    start_ += header->length;
    return left.first(header->length);
}

std::optional<Version> negotiate(std::uint32_t ours, std::uint32_t theirs) {
    for (std::uint8_t v = to_int(Version::k15); v >= to_int(Version::k10); --v) {
        if ((ours & theirs & (1U << v)) != 0) return Version{v};
    }
    return std::nullopt;
}

OfResult<Message> decode(std::span<const std::uint8_t> bytes, const DecodeOptions& options) {
    try {
        Message message = decode_checked(bytes, options);
        return message;
    } catch (const DecodeFailure& failure) {
        return failure.error;
    }
}

Result<void> encode(const Message& message, Bytes& out, const DecodeOptions& options) {
    const std::size_t start = out.size();
    try {
        MessageWriter writer{out, message.version, message.xid, message.more, options};
        std::visit([&writer](const auto& body) { encode_body(writer, body); }, message.body);
        writer.finish();
        return {};
    } catch (const EncodeFailure& failure) {
        out.resize(start);
        return make_error(EOPNOTSUPP, "{} in {}: {}", message_name(message.body),
                          version_name(message.version), failure.message);
    }
}

Result<Bytes> encode(const Message& message, const DecodeOptions& options) {
    Bytes out;
    if (auto done = encode(message, out, options); !done) return done.error();
    return out;
}

namespace {

Bytes error_message(Version version, std::uint32_t xid, const WireError& error,
                    std::span<const std::uint8_t> data) {
    Message message{version, xid,
                    ErrorMessage{error.vendor, error.type, error.code, {data.begin(), data.end()}}};
    Bytes out;
    MessageWriter writer{out, version, xid, false};
    encode_body(writer, std::get<ErrorMessage>(message.body));
    writer.finish();
    return out;
}

}  // namespace

Bytes encode_error(const OfError& error, std::span<const std::uint8_t> request) {
    const Header header = parse_header(request).value_or(Header{1, 0, 8, 0});
    const std::uint8_t number = std::clamp<std::uint8_t>(header.version, 1, 6);
    auto wire = error_to_wire(error.code, number);
    if (!wire) wire = error_to_wire(ErrorCode::kNxbrcUnencodableError, number);
    return error_message(Version{number}, header.xid, *wire,
                         request.first(std::min(request.size(), kErrorDataSize)));
}

Bytes encode_hello_failed(Version version, std::uint32_t xid, std::string_view text) {
    return error_message(version, xid, WireError{0, 0, 0}, Bytes(text.begin(), text.end()));
}

// ---- MessageWriter -----------------------------------------------------------------------------------

void MessageWriter::begin(std::uint8_t type) {
    start_ = size();
    head_size_ = 0;
    u8(to_int(version_));
    u8(type);
    u16(0);
    u32(xid_);
}

void MessageWriter::begin_vendor(std::uint32_t vendor, std::uint32_t subtype) {
    begin(kVendor);
    u32(vendor);
    u32(subtype);
}

void MessageWriter::begin_multipart(bool reply, std::uint16_t type) {
    begin(static_cast<std::uint8_t>((version_ == Version::k10 ? 16 : 18) + (reply ? 1 : 0)));
    u16(type);
    u16(more_ ? kMore : 0);
    if (version_ > Version::k10) zeros(4);
    head_size_ = size() - start_;
}

void MessageWriter::begin_vendor_multipart(bool reply, std::uint32_t vendor, std::uint32_t subtype) {
    begin_multipart(reply, kVendorMultipart);
    u32(vendor);
    u32(subtype);
    if (version_ == Version::k10) zeros(4);
    head_size_ = size() - start_;
}

void MessageWriter::item(std::size_t start) {
    if (size() - start_ <= 0xffff) return;
    const Bytes item(out().begin() + static_cast<std::ptrdiff_t>(start), out().end());
    const Bytes head(out().begin() + static_cast<std::ptrdiff_t>(start_),
                     out().begin() + static_cast<std::ptrdiff_t>(start_ + head_size_));
    if (head_size_ == 0 || head.size() + item.size() > 0xffff) {
        throw EncodeFailure{fmt::format("an item of {} bytes does not fit a message", item.size())};
    }
    out().resize(start);
    patch16(start_ + 10, kMore);
    patch16(start_ + 2, size() - start_);
    start_ = size();
    bytes(head);
    bytes(item);
}

void MessageWriter::finish() {
    patch_size(start_, 2);
}

// ---- Properties --------------------------------------------------------------------------------------

Property read_property(Reader& in) {
    Reader head = in.sub(4, ErrorCode::kBpcBadLen);
    const std::uint16_t type = head.u16(), length = head.u16();
    if (length < 4 || length - 4U > in.left()) {
        fail(ErrorCode::kBpcBadLen, "property {} of {} bytes, {} left", type, length, in.left() + 4);
    }
    Reader value = in.sub(length - 4U, ErrorCode::kBpcBadLen);
    in.skip(std::min<std::size_t>(padded8(length) - length, in.left()));
    return {type, value};
}

void fail_property(std::uint16_t type) {
    if (type == 0xfffe || type == 0xffff) fail(ErrorCode::kBpcBadExpType, "experimenter property");
    fail(ErrorCode::kBpcBadType, "property {}", type);
}

void require(const MessageWriter& out, Version first, Version last) {
    if (out.version() < first || out.version() > last)
        throw EncodeFailure{"this version has no such message"};
}

Reader read_item(Reader& in, std::size_t length, std::size_t minimum, ErrorCode error) {
    if (length < minimum || length > in.left()) {
        fail(error, "item of {} bytes, {} left", length, in.left());
    }
    return in.sub(length, error);
}

}  // namespace sluice::openflow
