// SPDX-License-Identifier: Apache-2.0
// What the files of the action parser share. Private to flow/action_parse*.cpp.
#pragma once

#include <string_view>
#include <utility>

#include "flow/action.hpp"
#include "flow/match_text.hpp"
#include "flow/text.hpp"

namespace sluice::action_parse {

using namespace text;

struct Context {
    const PortNames* names;
    unsigned depth;  ///< of nested lists
};
using Parsed = Result<Action>;

inline Action make(Action::Kind kind) {
    return Action{std::move(kind)};
}

Result<ActionList> parse_list(std::string_view s, const Context& context);
/// Splits "value->target".
Result<std::pair<std::string_view, std::string_view>> split_arrow(const KeyValue& item);
Result<void> check_writable(const FieldInfo& field);
/// A sub-field that an action may write.
Result<SubField> parse_target(std::string_view s);

template <typename T>
Result<void> parse_number_into(std::string_view what, std::string_view s, std::uint64_t max, T& target) {
    const auto n = parse_uint(what, s, max);
    if (!n) return n.error();
    target = static_cast<T>(*n);
    return {};
}

// One function an action, with the arguments behind its name.
Parsed parse_learn(const KeyValue& item, const Context& context);        // action_parse_learn.cpp
Parsed parse_multipath(const KeyValue& item, const Context& context);    // action_parse_hash.cpp
Parsed parse_bundle(const KeyValue& item, const Context& context);       // action_parse_hash.cpp
Parsed parse_bundle_load(const KeyValue& item, const Context& context);  // action_parse_hash.cpp
Parsed parse_ct(const KeyValue& item, const Context& context);           // action_parse_ct.cpp
Parsed parse_nat(const KeyValue& item, const Context& context);          // action_parse_ct.cpp
// action_parse_nicira.cpp
Parsed parse_conjunction(const KeyValue& item, const Context& context);
Parsed parse_sample(const KeyValue& item, const Context& context);
Parsed parse_fin_timeout(const KeyValue& item, const Context& context);
Parsed parse_check_pkt_larger(const KeyValue& item, const Context& context);
Parsed parse_delete_field(const KeyValue& item, const Context& context);
Parsed parse_encap(const KeyValue& item, const Context& context);
Parsed parse_decap(const KeyValue& item, const Context& context);

}  // namespace sluice::action_parse
