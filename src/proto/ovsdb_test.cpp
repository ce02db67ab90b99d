// SPDX-License-Identifier: Apache-2.0
// Data model, transactions and the replica, without a server.
#include "proto/ovsdb.hpp"

#include <gtest/gtest.h>

#include "proto/ovsdb_replica.hpp"
#include "proto/ovsdb_transaction.hpp"

namespace sluice::ovsdb {
namespace {

constexpr const char* kId = "12345678-1234-4234-8234-123456789abc";

ColumnType type(AtomType key, unsigned min = 1, unsigned max = 1, std::optional<AtomType> value = {}) {
    ColumnType out;
    out.key = key, out.min = min, out.max = max, out.value = value;
    return out;
}

TEST(Uuid, RoundTripsAndRefusesOtherText) {
    EXPECT_EQ(Uuid::parse(kId)->to_string(), kId);
    for (const char* bad : {"", "x", "12345678-1234-4234-8234-123456789ab",
                            "12345678x1234-4234-8234-123456789abc", "g2345678-1234-4234-8234-123456789abc"})
        EXPECT_FALSE(Uuid::parse(bad)) << bad;
    EXPECT_NE(Uuid::random(), Uuid::random());
}

TEST(Datum, ParsesEachFormAndPrintsItBack) {
    const auto same = [](const char* text, const ColumnType& t) {
        auto datum = parse_datum(Json::parse(text), t);
        ASSERT_TRUE(datum) << datum.error().message;
        EXPECT_EQ(datum_to_json(*datum).dump(), text);
    };
    const auto many = ColumnType::kUnlimited;
    same("5", type(AtomType::kInteger));
    same("1.5", type(AtomType::kReal));
    same("true", type(AtomType::kBoolean));
    same("\"a\"", type(AtomType::kString));
    same(R"(["uuid","12345678-1234-4234-8234-123456789abc"])", type(AtomType::kUuid));
    same(R"(["set",[]])", type(AtomType::kInteger, 0, 1));
    same(R"(["set",[1,2,3]])", type(AtomType::kInteger, 0, many));
    same(R"(["map",[["a",1],["b",2]]])", type(AtomType::kString, 0, many, AtomType::kInteger));
}

TEST(Datum, RefusesWrongTypesWithASentence) {
    const auto code = [](const char* text, const ColumnType& t) {
        return parse_datum(Json::parse(text), t).error().message;
    };
    EXPECT_EQ(code("\"a\"", type(AtomType::kInteger)), "expected a value of type integer, found \"a\"");
    EXPECT_EQ(code("18446744073709551615", type(AtomType::kInteger)),
              "expected a value of type integer, found 18446744073709551615");
    EXPECT_EQ(code(R"(["uuid","x"])", type(AtomType::kUuid)),
              "expected a value of type uuid, found [\"uuid\",\"x\"]");
    EXPECT_EQ(code("5", type(AtomType::kString, 0, 9, AtomType::kString)),
              "expected [\"map\", [...]], found 5");
    EXPECT_EQ(code(R"(["map",[[1]]])", type(AtomType::kString, 0, 9, AtomType::kString)),
              "expected a pair, found [1]");
}

TEST(Datum, AccessorsFallBack) {
    const auto map = Datum::string_map({{"b", "2"}, {"a", "1"}});
    EXPECT_EQ(map.get("a"), "1");
    EXPECT_FALSE(map.get("c"));
    EXPECT_EQ(format_datum(map), "{\"a\"=\"1\", \"b\"=\"2\"}");
    EXPECT_EQ(Datum::empty_set().as_integer(7), 7);
    EXPECT_EQ(Datum::string("x").as_integer(7), 7);
    EXPECT_EQ(Datum::set({std::int64_t{2}, std::int64_t{1}, std::int64_t{2}}).as_integers(),
              (std::vector<std::int64_t>{1, 2}));
    EXPECT_EQ(default_datum(type(AtomType::kString)), Datum::string(""));
    EXPECT_EQ(default_datum(type(AtomType::kString, 0)), Datum::empty_set());
}

TEST(Datum, DifferencesOfUpdate2AreApplied) {
    const auto set_type = type(AtomType::kInteger, 0, ColumnType::kUnlimited);
    const auto set = [](std::vector<Atom> atoms) { return Datum::set(std::move(atoms)); };
    const std::int64_t one = 1, two = 2, three = 3;
    EXPECT_EQ(*apply_diff(set({one, two}), set({two, three}), set_type), set({one, three}));
    const auto map_type = type(AtomType::kString, 0, ColumnType::kUnlimited, AtomType::kString);
    EXPECT_EQ(*apply_diff(Datum::string_map({{"a", "1"}, {"b", "2"}, {"c", "3"}}),
                          Datum::string_map({{"a", "1"}, {"b", "9"}, {"d", "4"}}), map_type),
              Datum::string_map({{"b", "9"}, {"c", "3"}, {"d", "4"}}));
    EXPECT_EQ(*apply_diff(set({one}), set({two}), type(AtomType::kInteger, 0, 1)), set({two}));
    EXPECT_EQ(*apply_diff(set({one}), Datum(), type(AtomType::kInteger, 0, 1)), Datum());
}

TEST(Schema, ParsesTypesAndNamesWhatIsWrong) {
    auto schema = parse_schema(Json::parse(
        R"({"name":"D","version":"1.2.3","tables":{"T":{"isRoot":true,"columns":{"a":{"type":"string"},
            "b":{"type":{"key":{"type":"uuid","refTable":"T"},"min":0,"max":"unlimited"}},
            "c":{"type":{"key":"string","value":"integer","min":0,"max":3}}}}}})"));
    ASSERT_TRUE(schema);
    EXPECT_TRUE(schema->find("T", "a")->is_scalar());
    EXPECT_EQ(schema->find("T", "b")->ref_table, "T");
    EXPECT_TRUE(schema->find("T", "c")->is_map());
    EXPECT_EQ(schema->find("T", "x"), nullptr);
    EXPECT_EQ(
        parse_schema(Json::parse(R"({"tables":{"T":{"columns":{"a":{"type":"text"}}}}})")).error().message,
        "column T.a: schema: \"\"text\"\" is not a type");
    EXPECT_FALSE(parse_schema(Json::parse("[]")));
}

TEST(Transaction, WritesNewRowsAsNamedUuids) {
    Transaction txn("D");
    const auto row = txn.insert("Port", {{"name", Datum::string("p")}});
    txn.mutate("Bridge", *Uuid::parse(kId), "ports", "insert", Datum::uuid(row));
    txn.verify("Bridge", *Uuid::parse(kId), "name", Datum::string("br0"));
    txn.comment("hello");
    const auto params = txn.params();
    const auto name = params[1]["uuid-name"];
    EXPECT_EQ(params[0], "D");
    EXPECT_EQ(params[2]["mutations"].dump(), "[[\"ports\",\"insert\",[\"named-uuid\"," + name.dump() + "]]]");
    EXPECT_EQ(params[2]["where"].dump(), std::string(R"([["_uuid","==",["uuid",")") + kId + "\"]]]");
    EXPECT_EQ(params[3]["until"], "==");
    auto result = parse_transact_reply(
        txn, Json::parse(std::string(R"([{"uuid":["uuid",")") + kId + R"("]},{"count":1},{},{}])"));
    ASSERT_TRUE(result);
    EXPECT_EQ(result->inserted[row].to_string(), kId);
}

TEST(Transaction, RepliesWithErrorsNameTheOperation) {
    const Transaction txn("D");
    const auto reply = [&](const char* text) { return parse_transact_reply(txn, Json::parse(text)).error(); };
    EXPECT_EQ(reply(R"([{},{"error":"not owner"},null])").code, EPERM);
    EXPECT_EQ(reply(R"([{"error":"timed out"}])").code, EAGAIN);
    EXPECT_EQ(reply(R"([{"error":"constraint violation","details":"too big"}])").message,
              "database refused operation 0: constraint violation: too big");
    EXPECT_EQ(reply("5").code, EPROTO);
}

TEST(Replica, AppliesWholeMessagesOrNothing) {
    Replica replica;
    replica.set_columns({{"T", {{"n", type(AtomType::kInteger)}}}});
    const auto apply = [&](const std::string& row, UpdateFormat format, UpdateScope scope) {
        return replica.apply(Json::parse("{\"T\":{\"" + std::string(kId) + "\":" + row + "}}"), format,
                             scope);
    };
    const auto uuid = *Uuid::parse(kId);
    EXPECT_FALSE(apply(R"({"modify":{"n":1}})", UpdateFormat::kUpdate2, UpdateScope::kChanges));
    auto deltas = apply(R"({"insert":{"n":1}})", UpdateFormat::kUpdate2, UpdateScope::kChanges);
    ASSERT_TRUE(deltas);
    ASSERT_EQ(deltas->size(), 1U);
    EXPECT_FALSE(deltas->front().before);
    EXPECT_EQ((*replica.find("T", uuid))["n"].as_integer(), 1);
    EXPECT_FALSE(apply(R"({"modify":{"n":"x"}})", UpdateFormat::kUpdate2, UpdateScope::kChanges));
    EXPECT_EQ((*replica.find("T", uuid))["n"].as_integer(), 1);
    deltas = apply(R"({"old":{"n":1},"new":{"n":2}})", UpdateFormat::kUpdate1, UpdateScope::kChanges);
    EXPECT_EQ((*deltas->front().before)["n"].as_integer(), 1);
    EXPECT_TRUE(apply(R"({"initial":{"n":2}})", UpdateFormat::kUpdate2, UpdateScope::kFull)->empty());
    deltas = replica.apply(Json::object(), UpdateFormat::kUpdate2, UpdateScope::kFull);
    ASSERT_EQ(deltas->size(), 1U);
    EXPECT_FALSE(deltas->front().after);
    EXPECT_EQ(replica.find("T", uuid), nullptr);
}

}  // namespace
}  // namespace sluice::ovsdb
