// SPDX-License-Identifier: Apache-2.0
// ct(...) and the nat(...) inside of it. Source: ovs-actions(7) "The ct action".
#include <algorithm>

#include "flow/action_parse.hpp"
#include "flow/action_text.hpp"

namespace sluice::action_parse {
namespace {

struct Address {
    U128 value;
    bool ipv6 = false;
};

Result<Address> parse_address(std::string_view s) {
    if (s.size() >= 2 && s.front() == '[' && s.back() == ']') {
        s = s.substr(1, s.size() - 2);
        if (const auto v6 = parse_ipv6(s)) return Address{*v6, true};
    } else if (const auto v4 = parse_ipv4(s)) {
        return Address{{0, *v4}, false};
    } else if (const auto v6_plain = parse_ipv6(s)) {
        return Address{*v6_plain, true};
    }
    return make_error(EINVAL, "nat: \"{}\" is not an address", s);
}

Result<void> parse_ports(std::string_view s, NatAction& a) {
    const auto dash = s.find('-');
    std::uint16_t low = 0, high = 0;
    if (auto ok = parse_number_into("nat: port", s.substr(0, dash), 0xffff, low); !ok) return ok;
    if (low != 0) a.port_min = low;
    if (dash == s.npos) return {};
    if (auto ok = parse_number_into("nat: port", s.substr(dash + 1), 0xffff, high); !ok) return ok;
    if (high < low) return make_error(EINVAL, "nat: port range {} is empty", s);
    if (high != low) a.port_max = high;
    return {};
}

// "10.0.0.1-10.0.0.9:1-9", "[fe80::1]-[fe80::2]:5", "fe80::1".
Result<void> parse_range(std::string_view s, NatAction& a) {
    // Ports follow the last bracket, or the only colon of an IPv4 range.
    const auto bracket = s.rfind(']');
    auto colon = s.find(':', bracket == s.npos ? 0 : bracket);
    if (bracket == s.npos && std::count(s.begin(), s.end(), ':') > 1) colon = s.npos;
    if (colon != s.npos) {
        if (auto ok = parse_ports(s.substr(colon + 1), a); !ok) return ok;
        s = s.substr(0, colon);
    }
    const auto dash = s.find('-');
    const auto low = parse_address(s.substr(0, dash));
    if (!low) return low.error();
    a.ip_min = low->value;
    a.ipv6 = low->ipv6;
    if (dash == s.npos) return {};
    const auto high = parse_address(s.substr(dash + 1));
    if (!high) return high.error();
    if (high->ipv6 != low->ipv6) return make_error(EINVAL, "nat: {} mixes IPv4 and IPv6", s);
    if (high->value < low->value) return make_error(EINVAL, "nat: address range {} is empty", s);
    if (!(high->value == low->value)) a.ip_max = high->value;
    return {};
}

Result<void> parse_zone(std::string_view s, CtAction& a) {
    if (parse_number(s)) {
        return parse_number_into("ct: zone", s, 0xffff, a.zone_immediate);
    }
    const auto source = parse_subfield(s);
    if (!source) return make_error(EINVAL, "ct: zone: {}", source.error().message);
    if (source->bits != 16) return make_error(EINVAL, "ct: zone: {} has {} bits, not 16", s, source->bits);
    a.zone_source = *source;
    return {};
}

Result<void> parse_part(const KeyValue& part, const Context& context, CtAction& a) {
    if (part.key == "commit") {
        a.commit = true;
    } else if (part.key == "force") {
        a.force = true;
    } else if (part.key == "table") {
        if (auto ok = parse_number_into("ct: table", part.value, 255, a.recirc_table); !ok) return ok;
        if (a.recirc_table == 0xff) return make_error(EINVAL, "ct: invalid table 255");
    } else if (part.key == "zone") {
        return parse_zone(part.value, a);
    } else if (part.key == "alg") {
        if (part.value != "ftp" && part.value != "tftp") {
            return make_error(EINVAL, "ct: invalid alg \"{}\"", part.value);
        }
        a.alg = part.value == "ftp" ? 21 : 69;
    } else if (part.key == "nat") {
        auto nat = parse_nat(part, context);
        if (!nat) return nat.error();
        a.actions.push_back(std::move(*nat));
    } else if (part.key == "exec") {
        auto inner = parse_list(part.value, {context.names, context.depth + 1});
        if (!inner) return inner.error();
        for (auto& action : *inner)
            a.actions.push_back(std::move(action));
    } else {
        return make_error(EINVAL, "ct: invalid key \"{}\"", part.key);
    }
    return {};
}

}  // namespace

Parsed parse_nat(const KeyValue& item, const Context&) {
    NatAction a;
    std::string_view rest = item.value;
    KeyValue part;
    bool persistent = false, hash = false, random = false;
    while (next_key_value(rest, part)) {
        if (part.key == "src" || part.key == "dst") {
            if (a.src || a.dst) return make_error(EINVAL, "nat: may only specify one of \"src\" or \"dst\"");
            (part.key == "src" ? a.src : a.dst) = true;
            if (part.value.empty()) continue;
            if (auto ok = parse_range(part.value, a); !ok) return ok.error();
        } else if (part.key == "persistent") {
            persistent = true;
        } else if (part.key == "hash") {
            hash = true;
        } else if (part.key == "random") {
            random = true;
        } else {
            return make_error(EINVAL, "nat: invalid key \"{}\"", part.key);
        }
    }
    if (hash && random) return make_error(EINVAL, "nat: may not specify both \"hash\" and \"random\"");
    if ((persistent || hash || random) && !a.src && !a.dst) {
        return make_error(EINVAL, "nat: flags need \"src\" or \"dst\"");
    }
    a.persistent = persistent;
    a.protocol_hash = hash;
    a.protocol_random = random;
    return make(a);
}

Parsed parse_ct(const KeyValue& item, const Context& context) {
    CtAction a;
    std::string_view rest = item.value;
    KeyValue part;
    while (next_key_value(rest, part)) {
        if (auto ok = parse_part(part, context, a); !ok) return ok.error();
    }
    if (a.force && !a.commit) return make_error(EINVAL, "ct: \"force\" flag requires \"commit\" flag");
    return make(std::move(a));
}

}  // namespace sluice::action_parse
