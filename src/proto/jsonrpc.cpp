// SPDX-License-Identifier: Apache-2.0
#include "proto/jsonrpc.hpp"

#include <algorithm>
#include <utility>

namespace sluice::jsonrpc {
namespace {

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

}  // namespace

void JsonReader::feed(std::string_view bytes) {
    if (error_) return;
    // Move what is left to the front when it is cheap compared with what has been consumed.
    if (start_ > 0 && start_ >= buffer_.size() - start_) {
        buffer_.erase(0, start_);
        consumed_ += start_;
        scanned_ -= start_;
        start_ = 0;
    }
    buffer_.append(bytes);
}

Result<std::optional<Json>> JsonReader::fail(Error error) {
    error_ = error;
    buffer_.clear();
    buffer_.shrink_to_fit();
    start_ = scanned_ = 0;
    return error;
}

Result<std::optional<Json>> JsonReader::next() {
    if (error_) return *error_;
    for (; scanned_ < buffer_.size(); ++scanned_) {
        const char c = buffer_[scanned_];
        if (in_string_) {
            if (escaped_)
                escaped_ = false;
            else if (c == '\\')
                escaped_ = true;
            else if (c == '"')
                in_string_ = false;
        } else if (c == '{' || c == '[') {
            if (depth_ == 0) start_ = scanned_;
            if (++depth_ > limits_.max_depth)
                return fail(make_error(EMSGSIZE, "JSON at byte {}: nested deeper than the limit of {}",
                                       consumed_ + scanned_, limits_.max_depth));
        } else if (depth_ == 0) {
            if (!is_space(c))
                return fail(make_error(EPROTO, "JSON at byte {}: expected '{{' or '[', found byte 0x{:02x}",
                                       consumed_ + scanned_, static_cast<unsigned char>(c)));
            start_ = scanned_ + 1;
        } else if (c == '"') {
            in_string_ = true;
        } else if (c == '}' || c == ']') {
            if (--depth_ == 0) {
                ++scanned_;
                return take_value();
            }
        }
        if (depth_ > 0 && scanned_ - start_ >= limits_.max_message_bytes)
            return fail(make_error(EMSGSIZE, "JSON at byte {}: message is longer than the limit of {} bytes",
                                   consumed_ + start_, limits_.max_message_bytes));
    }
    return std::optional<Json>();
}

/// Parses buffer_[start_, scanned_), a run of balanced brackets (of whatever kind: the parser checks).
Result<std::optional<Json>> JsonReader::take_value() {
    std::string what;
    Json value;
    try {
        value = Json::parse(std::string_view(buffer_).substr(start_, scanned_ - start_));
    } catch (const Json::exception& e) {  // syntax, numbers out of range, strings that aren't UTF-8
        what = e.what();
    }
    if (!what.empty()) return fail(make_error(EPROTO, "JSON at byte {}: {}", consumed_ + start_, what));
    start_ = scanned_;
    if (start_ == buffer_.size()) {
        consumed_ += start_;
        buffer_.clear();
        // A large message once (the first contents of a database) must not hold its memory for ever.
        if (buffer_.capacity() > 1024 * 1024) buffer_.shrink_to_fit();
        start_ = scanned_ = 0;
    }
    return std::optional<Json>(std::move(value));
}

Message make_request(std::string method, Json params, Json id) {
    return {MessageType::kRequest, std::move(method), std::move(params), nullptr, nullptr, std::move(id)};
}

Message make_notify(std::string method, Json params) {
    return {MessageType::kNotify, std::move(method), std::move(params), nullptr, nullptr, nullptr};
}

Message make_reply(Json result, Json id) {
    return {MessageType::kReply, {}, Json::array(), std::move(result), nullptr, std::move(id)};
}

Message make_error_reply(Json error, Json id) {
    return {MessageType::kError, {}, Json::array(), nullptr, std::move(error), std::move(id)};
}

Result<Message> parse_message(Json&& json) {
    if (!json.is_object())
        return make_error(EPROTO, "JSON-RPC message is {}, not an object", json.type_name());
    for (const auto& [key, value] : json.items())
        if (key != "method" && key != "params" && key != "id" && key != "result" && key != "error")
            return make_error(EPROTO, "JSON-RPC message has an unknown member \"{}\"", key.substr(0, 64));
    const auto take = [&json](const char* key) {
        const auto found = json.find(key);
        return found == json.end() ? Json() : std::move(*found);
    };
    Message message;
    message.id = take("id");
    if (json.contains("method")) {
        const auto method = take("method");
        if (!method.is_string())
            return make_error(EPROTO, "JSON-RPC \"method\" is {}, not a string", method.type_name());
        message.method = method.get<std::string>();
        message.params = take("params");
        if (!message.params.is_array())
            return make_error(EPROTO, "JSON-RPC \"params\" of {} is {}, not an array", message.method,
                              message.params.type_name());
        if (json.contains("result") || json.contains("error"))
            return make_error(EPROTO, "JSON-RPC request {} also has \"result\" or \"error\"", message.method);
        message.type = message.id.is_null() ? MessageType::kNotify : MessageType::kRequest;
        return message;
    }
    if (!json.contains("result") && !json.contains("error"))
        return make_error(EPROTO, "JSON-RPC message has neither \"method\" nor \"result\" nor \"error\"");
    if (message.id.is_null()) return make_error(EPROTO, "JSON-RPC reply has no \"id\"");
    message.result = take("result");
    message.error = take("error");
    if (!message.result.is_null() && !message.error.is_null())
        return make_error(EPROTO, "JSON-RPC reply has both \"result\" and \"error\"");
    message.type = message.error.is_null() ? MessageType::kReply : MessageType::kError;
    return message;
}

std::string dump_json(const Json& json) {
    return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string format_message(const Message& message) {
    Json json = {{"id", message.id}};
    switch (message.type) {
        case MessageType::kRequest:
        case MessageType::kNotify:
            json["method"] = message.method;
            json["params"] = message.params;
            break;
        case MessageType::kReply:
        case MessageType::kError:
            json["result"] = message.result;
            json["error"] = message.error;
            break;
    }
    return dump_json(json);
}

}  // namespace sluice::jsonrpc
