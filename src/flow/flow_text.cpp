// SPDX-License-Identifier: Apache-2.0
// Whole flow lines. Source: ovs-ofctl(8) "Flow Syntax".
#include "flow/flow_text.hpp"

#include "flow/action_text.hpp"
#include "flow/match_text.hpp"

namespace sluice {
namespace {

using namespace text;

struct FlagWord {
    std::string_view name;
    std::uint16_t bit;
};
constexpr FlagWord kFlagWords[] = {
    {"send_flow_rem", kFlowSendRemoved},   {"check_overlap", kFlowCheckOverlap},
    {"reset_counts", kFlowResetCounts},    {"no_packet_counts", kFlowNoPacketCounts},
    {"no_byte_counts", kFlowNoByteCounts},
};

Result<void> parse_cookie(std::string_view s, FlowUse use, FlowSpec& spec) {
    constexpr std::uint64_t kMax = ~std::uint64_t{0};
    const auto slash = s.find('/');
    const auto value = parse_uint("cookie", s.substr(0, slash), kMax);
    if (!value) return value.error();
    if (slash == s.npos) {
        spec.cookie = *value;
        if (use != FlowUse::kAdd && use != FlowUse::kModify) {
            return make_error(
                EINVAL, "cookie={}: cannot set cookie here; cookie={}/-1 selects flows by cookie", s, s);
        }
        return {};
    }
    if (use == FlowUse::kAdd) return make_error(EINVAL, "flow additions cannot use a cookie mask");
    const std::string_view mask_text = s.substr(slash + 1);
    const auto mask =
        mask_text == "-1" ? Result<std::uint64_t>{kMax} : parse_uint("cookie mask", mask_text, kMax);
    if (!mask) return mask.error();
    spec.cookie_mask = *mask;
    spec.cookie_value = *value & *mask;
    return {};
}

template <typename T>
Result<bool> parse_into(const KeyValue& item, std::uint64_t max, T& target) {
    const auto n = parse_uint(item.key, item.value, max);
    if (!n) return n.error();
    target = static_cast<T>(*n);
    return true;
}

// Items that are not matches. False: not one of them.
Result<bool> parse_attribute(const KeyValue& item, FlowUse use, const PortNames* names, FlowSpec& spec) {
    for (const auto& flag : kFlagWords) {
        if (item.key != flag.name) continue;
        spec.flags = static_cast<std::uint16_t>(spec.flags | flag.bit);
        return true;
    }
    if (item.key == "cookie") {
        if (auto ok = parse_cookie(item.value, use, spec); !ok) return ok.error();
        return true;
    }
    if (item.key == "table") return parse_into(item, 255, spec.table);
    if (item.key == "priority") return parse_into(item, 65535, spec.priority);
    const bool filter = use == FlowUse::kDelete || use == FlowUse::kFilter;
    if (filter && item.key == "out_port") {
        const auto port = parse_port(item.value, names);
        if (!port) return make_error(EINVAL, "out_port: {}", port.error().message);
        spec.out_port = *port;
        return true;
    }
    if (filter && item.key == "out_group") return parse_into(item, 0xffffffff, spec.out_group);
    if (use == FlowUse::kAdd || use == FlowUse::kModify) {
        if (item.key == "idle_timeout") return parse_into(item, 65535, spec.idle_timeout);
        if (item.key == "hard_timeout") return parse_into(item, 65535, spec.hard_timeout);
        if (item.key == "importance") return parse_into(item, 65535, spec.importance);
    }
    // What dump-flows prints besides, so that its lines can be fed back.
    for (const std::string_view ignored : {"duration", "n_packets", "n_bytes", "idle_age", "hard_age"}) {
        if (item.key == ignored) return true;
    }
    return false;
}

// Position of "actions=" or "action=" outside of any bracket; npos if there is none.
std::size_t find_actions(std::string_view line, std::size_t& value) {
    for (const std::string_view word : {"actions=", "action="}) {
        for (std::size_t at = line.find(word); at != line.npos; at = line.find(word, at + 1)) {
            if (at != 0 && std::string_view{", \t\r\n"}.find(line[at - 1]) == std::string_view::npos)
                continue;
            value = at + word.size();
            return at;
        }
    }
    return line.npos;
}

}  // namespace

Result<FlowSpec> parse_flow_spec(std::string_view line, FlowUse use, const PortNames* names,
                                 const TunTable* tun) {
    FlowSpec spec;
    const bool takes_actions = use == FlowUse::kAdd || use == FlowUse::kModify;
    std::size_t value = 0;
    const std::size_t at = find_actions(line, value);
    if (takes_actions && at == line.npos) return make_error(EINVAL, "must specify an action");
    if (!takes_actions && at != line.npos) return make_error(EINVAL, "actions can't be given here");
    std::string_view rest = line.substr(0, at);
    KeyValue item;
    while (next_key_value(rest, item)) {
        auto known = parse_attribute(item, use, names, spec);
        if (known && !*known) known = parse_match_item(item, spec.match, names, tun);
        if (!known) return known.error();
        if (!*known) return make_error(EINVAL, "unknown keyword {}", item.key);
    }
    if (auto ok = check_match(spec.match); !ok) return ok.error();
    spec.match.normalize();
    if (takes_actions) {
        auto actions = parse_actions(line.substr(value), names);
        if (!actions) return actions.error();
        spec.actions = std::move(*actions);
        spec.has_actions = true;
        const std::uint8_t table = spec.table == 0xff ? std::uint8_t{0} : spec.table;
        if (auto ok = check_actions(spec.actions, spec.match, table); !ok) return ok.error();
    }
    return spec;
}

std::string format_flow_flags(std::uint16_t flags) {
    std::string out;
    for (const auto& flag : kFlagWords) {
        if (flags & flag.bit) out += std::string{flag.name} + " ";
    }
    return out;
}

std::string format_flow_spec(const FlowSpec& spec, const PortNames* names, const TunTable* tun) {
    std::string out;
    if (spec.cookie != 0) out += fmt::format("cookie=0x{:x}, ", spec.cookie);
    if (spec.cookie_mask != 0)
        out += fmt::format("cookie=0x{:x}/0x{:x}, ", spec.cookie_value, spec.cookie_mask);
    if (spec.table != 0xff && spec.table != 0) out += fmt::format("table={}, ", spec.table);
    if (spec.idle_timeout != 0) out += fmt::format("idle_timeout={}, ", spec.idle_timeout);
    if (spec.hard_timeout != 0) out += fmt::format("hard_timeout={}, ", spec.hard_timeout);
    if (spec.importance != 0) out += fmt::format("importance={}, ", spec.importance);
    if (spec.out_port != OfPort::kAny) out += fmt::format("out_port={}, ", format_port(spec.out_port, names));
    if (spec.out_group != 0xffffffff) out += fmt::format("out_group={}, ", spec.out_group);
    out += format_flow_flags(spec.flags);
    const std::string match = format_match(spec.match, names, tun);
    if (spec.priority != 0x8000) out += fmt::format("priority={}{}", spec.priority, match.empty() ? "" : ",");
    out += match;
    if (!spec.has_actions) {
        const auto last = out.find_last_not_of(", ");
        return out.substr(0, last == out.npos ? 0 : last + 1);
    }
    if (!out.empty() && out.back() != ' ') out += ' ';
    return out + "actions=" + format_actions(spec.actions, names);
}

}  // namespace sluice
