// SPDX-License-Identifier: Apache-2.0
// However a byte stream is cut, the reader finds the same values and the same error; messages that it
// accepts survive printing and reading again; schemas and datums never crash the decoder.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "proto/jsonrpc.hpp"
#include "proto/ovsdb.hpp"

using namespace sluice;

namespace {

struct Outcome {
    std::vector<std::string> values;
    int error = 0;
    friend bool operator==(const Outcome&, const Outcome&) = default;
};

void check_value(const jsonrpc::Json& value) {
    auto copy = value;
    if (auto message = jsonrpc::parse_message(std::move(copy))) {
        const auto text = jsonrpc::format_message(*message);
        jsonrpc::JsonReader reader;
        reader.feed(text);
        auto again = reader.next();
        if (!again || !*again) std::abort();
        auto reparsed = jsonrpc::parse_message(std::move(**again));
        if (!reparsed || jsonrpc::format_message(*reparsed) != text) std::abort();
    }
    (void)ovsdb::parse_schema(value);
    for (unsigned key = 0; key < 5; ++key) {
        ovsdb::ColumnType type;
        type.key = static_cast<ovsdb::AtomType>(key);
        type.min = 0;
        type.max = ovsdb::ColumnType::kUnlimited;
        if (key % 2 == 1) type.value = ovsdb::AtomType::kString;
        if (auto datum = ovsdb::parse_datum(value, type)) {
            auto again = ovsdb::parse_datum(ovsdb::datum_to_json(*datum), type);
            if (!again || !(*again == *datum)) std::abort();
        }
    }
}

Outcome read_all(std::string_view bytes, std::size_t step) {
    Outcome outcome;
    jsonrpc::JsonReader reader({4096, 32});
    for (std::size_t at = 0; at < bytes.size(); at += step) {
        reader.feed(bytes.substr(at, step));
        while (true) {
            auto value = reader.next();
            if (!value) {
                outcome.error = value.error().code;
                return outcome;
            }
            if (!*value) break;
            outcome.values.push_back(jsonrpc::dump_json(**value));
            if (step > 1) check_value(**value);
        }
    }
    return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string bytes(data, data + size);
    const auto whole = read_all(bytes, std::max<std::size_t>(size, 2));
    if (!(read_all(bytes, 1) == whole)) std::abort();
    return 0;
}
