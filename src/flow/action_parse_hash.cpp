// SPDX-License-Identifier: Apache-2.0
// multipath, bundle and bundle_load: actions that pick by a hash. Source: ovs-actions(7).
#include "flow/action_parse.hpp"
#include "flow/action_text.hpp"

namespace sluice::action_parse {
namespace {

// Takes the next word, split by commas and blanks, but not inside of brackets.
std::string_view next_word(std::string_view& rest) {
    constexpr std::string_view kDelimiters = ", ";
    const auto first = rest.find_first_not_of(kDelimiters);
    if (first == std::string_view::npos) {
        rest = {};
        return {};
    }
    rest.remove_prefix(first);
    const std::string_view word = rest.substr(0, rest.find_first_of(kDelimiters));
    rest.remove_prefix(word.size());
    return word;
}

template <typename E>
Result<E> parse_name(std::string_view action, std::string_view what, std::string_view s,
                     std::span<const std::string_view> names) {
    for (std::size_t i = 0; i < names.size(); ++i) {
        if (names[i] == s) return static_cast<E>(i);
    }
    return make_error(EINVAL, "{}: unknown {} `{}'", action, what, s);
}

// Hash fields and basis, the first two arguments of both kinds.
template <typename A>
Result<void> parse_hash(std::string_view action, std::string_view& rest, A& a) {
    const auto fields = parse_name<HashFields>(action, "fields", next_word(rest), hash_field_names());
    if (!fields) return fields.error();
    a.fields = *fields;
    return parse_number_into(fmt::format("{}: basis", action), next_word(rest), 0xffff, a.basis);
}

Parsed parse_any_bundle(const KeyValue& item, const Context& context, bool load) {
    BundleAction a;
    std::string_view rest = item.value;
    if (auto ok = parse_hash(item.key, rest, a); !ok) return ok.error();
    const auto algorithm =
        parse_name<BundleAction::Algorithm>(item.key, "algorithm", next_word(rest), bundle_algorithm_names());
    if (!algorithm) return algorithm.error();
    a.algorithm = *algorithm;
    const std::string_view type = next_word(rest);
    if (type != "ofport") return make_error(EINVAL, "{}: unknown member_type `{}'", item.key, type);
    if (load) {
        const auto target = parse_target(next_word(rest));
        if (!target) return target.error();
        if (target->bits < 16) {
            return make_error(EINVAL, "bundle_load: the destination has {} bits, a port needs 16",
                              target->bits);
        }
        a.target = *target;
    }
    const auto members = rest.find(':');
    const std::string_view word = trim(
        rest.substr(rest.find_first_not_of(", ") == rest.npos ? rest.size() : rest.find_first_not_of(", ")));
    if (members == rest.npos || (!word.starts_with("members:") && !word.starts_with("slaves:"))) {
        return make_error(EINVAL, "{}: missing member delimiter, expected `members', got `{}'", item.key,
                          word);
    }
    rest.remove_prefix(members + 1);
    for (std::string_view port = next_word(rest); !port.empty(); port = next_word(rest)) {
        const auto number = parse_port(port, context.names);
        if (!number) return make_error(EINVAL, "{}: {}: bad port number", item.key, port);
        if (a.members.size() == kMaxBundleMembers) {
            return make_error(EINVAL, "{}: more than the limit of {} members", item.key, kMaxBundleMembers);
        }
        a.members.push_back(*number);
    }
    return make(std::move(a));
}

}  // namespace

Parsed parse_multipath(const KeyValue& item, const Context&) {
    MultipathAction a;
    std::string_view rest = item.value;
    if (auto ok = parse_hash("multipath", rest, a); !ok) return ok.error();
    const auto algorithm = parse_name<MultipathAction::Algorithm>("multipath", "algorithm", next_word(rest),
                                                                  multipath_algorithm_names());
    if (!algorithm) return algorithm.error();
    a.algorithm = *algorithm;
    std::uint32_t links = 0;
    if (auto ok = parse_number_into("multipath: n_links", next_word(rest), 65536, links); !ok) {
        return ok.error();
    }
    if (links < 1) return make_error(EINVAL, "multipath: n_links 0 is not in valid range 1 to 65536");
    a.max_link = static_cast<std::uint16_t>(links - 1);
    if (auto ok = parse_number_into("multipath: arg", next_word(rest), 0xffffffff, a.arg); !ok) {
        return ok.error();
    }
    const auto target = parse_target(next_word(rest));
    if (!target) return target.error();
    if (target->bits < 16 && links > 1U << target->bits) {
        return make_error(EINVAL,
                          "multipath: {}-bit destination field has {} possible values, less than specified "
                          "n_links {}",
                          target->bits, 1U << target->bits, links);
    }
    a.target = *target;
    return make(a);
}

Parsed parse_bundle(const KeyValue& item, const Context& context) {
    return parse_any_bundle(item, context, false);
}
Parsed parse_bundle_load(const KeyValue& item, const Context& context) {
    return parse_any_bundle(item, context, true);
}

}  // namespace sluice::action_parse
