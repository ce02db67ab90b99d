// SPDX-License-Identifier: Apache-2.0
// JSON-RPC 1.0 as OVSDB (RFC 7047 §4) and the ovs-appctl protocol use it: a stream of JSON objects without
// framing, both sides sending requests. Bytes in, messages out; no I/O.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <nlohmann/json.hpp>

#include "base/result.hpp"

namespace sluice::jsonrpc {

using Json = nlohmann::json;

/// Bounds on what a peer may make us hold. Beyond them the stream is refused.
struct Limits {
    std::size_t max_message_bytes = 64 * 1024 * 1024;
    /// Nesting of arrays and objects. Printing recurses, so this bounds the stack; OVSDB needs about 12.
    std::size_t max_depth = 200;
};

/// Cuts a byte stream into JSON objects and arrays, however the bytes are split. After an error the
/// reader stays failed: there is no way to find the next value in garbage.
class JsonReader {
  public:
    explicit JsonReader(Limits limits = {}) : limits_(limits) {}
    /// Appends bytes from the stream. O(size).
    void feed(std::string_view bytes);
    /// The next complete value, nothing if more bytes are needed, or what is wrong (EPROTO: not JSON, naming
    /// the byte offset in the stream; EMSGSIZE: a limit).
    Result<std::optional<Json>> next();
    std::size_t buffered_bytes() const { return buffer_.size() - start_; }

  private:
    Result<std::optional<Json>> fail(Error error);
    Result<std::optional<Json>> take_value();

    Limits limits_;
    std::string buffer_;
    std::size_t start_ = 0;       ///< first byte of the value being read
    std::size_t scanned_ = 0;     ///< bytes before this one have been looked at
    std::uint64_t consumed_ = 0;  ///< stream bytes before buffer_[0], for messages
    std::size_t depth_ = 0;
    bool in_string_ = false;
    bool escaped_ = false;
    std::optional<Error> error_;
};

enum class MessageType { kRequest, kNotify, kReply, kError };

/// One JSON-RPC message. Which members count depends on `type`: requests and notifications have
/// method and params, replies result, errors error; all but notifications an id that isn't null.
struct Message {
    MessageType type = MessageType::kNotify;
    std::string method;
    Json params = Json::array();
    Json result;
    Json error;
    Json id;
};

Message make_request(std::string method, Json params, Json id);
Message make_notify(std::string method, Json params);
Message make_reply(Json result, Json id);
Message make_error_reply(Json error, Json id);

/// Checks shape and classifies; the error says which member is missing or wrong.
Result<Message> parse_message(Json&& json);
/// One line without a line end. Text that isn't UTF-8 is sent with replacement characters.
std::string format_message(const Message& message);
/// `json.dump()` that never throws: bytes that aren't UTF-8 become U+FFFD.
std::string dump_json(const Json& json);

}  // namespace sluice::jsonrpc
