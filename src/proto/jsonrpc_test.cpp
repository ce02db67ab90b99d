// SPDX-License-Identifier: Apache-2.0
#include "proto/jsonrpc.hpp"

#include <gtest/gtest.h>

namespace sluice::jsonrpc {
namespace {

TEST(JsonReader, FindsValuesHoweverTheBytesAreCut) {
    const std::string text = " {\"a\":\"}]\\\"[{\"}\n[1,[2]]{}";
    for (std::size_t step = 1; step <= text.size(); ++step) {
        JsonReader reader;
        std::vector<std::string> seen;
        for (std::size_t at = 0; at < text.size(); at += step) {
            reader.feed(std::string_view(text).substr(at, step));
            while (true) {
                auto value = reader.next();
                ASSERT_TRUE(value) << value.error().message;
                if (!*value) break;
                seen.push_back(dump_json(**value));
            }
        }
        EXPECT_EQ(seen, (std::vector<std::string>{"{\"a\":\"}]\\\"[{\"}", "[1,[2]]", "{}"})) << step;
        EXPECT_EQ(reader.buffered_bytes(), 0U);
    }
}

TEST(JsonReader, RefusesGarbageAndStaysFailed) {
    for (const char* bad :
         {"x", "{]", "[1e999]", "[\"\xff\"]", "{\"a\" 1}", "]", "[nul]", "\"text\"", "{\"a\":1,}"}) {
        JsonReader reader;
        reader.feed(bad);
        auto value = reader.next();
        ASSERT_FALSE(value) << bad;
        EXPECT_EQ(value.error().code, EPROTO);
        reader.feed("{}");
        EXPECT_FALSE(reader.next());
    }
}

TEST(JsonReader, LimitsDepthAndSize) {
    JsonReader deep;
    deep.feed(std::string(1'000'000, '['));
    auto value = deep.next();
    ASSERT_FALSE(value);
    EXPECT_EQ(value.error().code, EMSGSIZE);
    EXPECT_NE(value.error().message.find("limit of 200"), std::string::npos);

    JsonReader exact({1024, 3});
    exact.feed("[[[1]]]");
    EXPECT_TRUE(exact.next());
    exact.feed("[[[[1]]]]");
    EXPECT_FALSE(exact.next());

    JsonReader large({100, 10});
    large.feed("[\"" + std::string(200, 'a'));
    auto too_long = large.next();
    ASSERT_FALSE(too_long);
    EXPECT_EQ(too_long.error().code, EMSGSIZE);
}

TEST(JsonReader, TheDeepestAllowedValueIsPrintedAndDestroyed) {
    JsonReader reader;
    reader.feed(std::string(200, '[') + std::string(200, ']'));
    auto value = reader.next();
    ASSERT_TRUE(value && *value);
    EXPECT_EQ(dump_json(**value).size(), 400U);
}

TEST(Message, ClassifiesTheFourKinds) {
    const auto type = [](const char* text) { return parse_message(Json::parse(text)).value().type; };
    EXPECT_EQ(type(R"({"method":"m","params":[],"id":0})"), MessageType::kRequest);
    EXPECT_EQ(type(R"({"method":"m","params":[],"id":null})"), MessageType::kNotify);
    EXPECT_EQ(type(R"({"method":"m","params":[]})"), MessageType::kNotify);
    EXPECT_EQ(type(R"({"result":{},"error":null,"id":"x"})"), MessageType::kReply);
    EXPECT_EQ(type(R"({"result":null,"error":"e","id":"x"})"), MessageType::kError);
}

TEST(Message, RefusesWrongShapesWithASentence) {
    const auto error = [](const char* text) { return parse_message(Json::parse(text)).error().message; };
    EXPECT_EQ(error("[]"), "JSON-RPC message is array, not an object");
    EXPECT_EQ(error(R"({"method":1,"params":[]})"), "JSON-RPC \"method\" is number, not a string");
    EXPECT_EQ(error(R"({"method":"m","params":{}})"), "JSON-RPC \"params\" of m is object, not an array");
    EXPECT_EQ(error(R"({"method":"m","params":[],"result":1})"),
              "JSON-RPC request m also has \"result\" or \"error\"");
    EXPECT_EQ(error(R"({"result":1})"), "JSON-RPC reply has no \"id\"");
    EXPECT_EQ(error(R"({"result":1,"error":2,"id":3})"), "JSON-RPC reply has both \"result\" and \"error\"");
    EXPECT_EQ(error(R"({"id":3})"), "JSON-RPC message has neither \"method\" nor \"result\" nor \"error\"");
    EXPECT_EQ(error(R"({"id":3,"junk":1})"), "JSON-RPC message has an unknown member \"junk\"");
}

TEST(Message, FormatsBytesThatAreNotUtf8) {
    const auto text = format_message(make_reply("a\xff", 1));
    EXPECT_NE(text.find("a\xef\xbf\xbd"), std::string::npos);
}

}  // namespace
}  // namespace sluice::jsonrpc
