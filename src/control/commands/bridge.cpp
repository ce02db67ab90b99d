// SPDX-License-Identifier: Apache-2.0
// bridge/* and ofproto/*.
#include <fmt/format.h>

#include "base/clock.hpp"
#include "bridge/flow_tables.hpp"
#include "control/commands/commands.hpp"
#include "control/trace.hpp"
#include "flow/action_text.hpp"
#include "flow/match_text.hpp"
#include "flow/text.hpp"

namespace sluice::commands {

namespace {

struct MaskedCookie {
    std::uint64_t value = 0, mask = 0;
};

std::string describe(const bridge::FlowTables& flows, const bridge::Flow& flow, std::int64_t now_ms) {
    const auto& rule = *flow.rule;
    const auto stats = flows.stats(flow);
    std::string out;
    if (rule.table != 0) out += fmt::format("table_id={}, ", rule.table);
    out += fmt::format("duration={}s, n_packets={}, n_bytes={}, ", (now_ms - flow.created_ms) / 1000,
                       stats.packets, stats.bytes);
    if (rule.priority != 0x8000) out += fmt::format("priority={},", rule.priority);
    if (const auto match = format_match(rule.match.expand(), nullptr, flows.tun_table()); !match.empty())
        out += match + ",";
    return out + fmt::format("actions={}\n", format_actions(rule.actions->source));
}

/// "0x5", "0x5/0xff"; without a mask all bits count.
Result<MaskedCookie> parse_cookie(const std::string& word) {
    const auto slash = word.find('/');
    const auto value = text::parse_number(std::string_view(word).substr(0, slash));
    const auto mask = slash == std::string::npos
                          ? std::optional(~U128{})
                          : text::parse_number(std::string_view(word).substr(slash + 1));
    if (!value || !mask || value->hi != 0 || (slash != std::string::npos && mask->hi != 0))
        return make_error(EINVAL, "{}: want a cookie of 64 bits, COOKIE or COOKIE/MASK", word);
    return MaskedCookie{value->lo & mask->lo, mask->lo};
}

}  // namespace

Output bridge_dump_flows(Context& context, const Args& args) {
    auto owner = find_bridge(context, args.back());
    if (!owner) return owner.error();
    const auto& flows = (*owner)->bridge->flows();
    const std::int64_t now = clock::now_ms();
    std::string out;
    flows.for_each_with_hidden([&](const bridge::Flow& flow) { out += describe(flows, flow, now); });
    return out;
}

Output ofproto_detrace(Context& context, const Args& args) {
    auto owner = find_bridge(context, args[0]);
    if (!owner) return owner.error();
    const auto& flows = (*owner)->bridge->flows();
    const std::int64_t now = clock::now_ms();
    std::string out;
    for (std::size_t i = 1; i < args.size(); ++i) {
        const auto wanted = parse_cookie(args[i]);
        if (!wanted) return wanted.error();
        const std::size_t before = out.size();
        flows.for_each_with_hidden([&](const bridge::Flow& flow) {
            if ((flow.rule->cookie & wanted->mask) == wanted->value)
                out += fmt::format("cookie={:#x}, ", flow.rule->cookie) + describe(flows, flow, now);
        });
        if (out.size() == before)
            return make_error(ENOENT, "bridge {} has no flow with cookie {}", args[0], args[i]);
    }
    return out;
}

Output bridge_reconnect(Context& context, const Args& args) {
    if (!args.empty()) {
        auto owner = find_bridge(context, args[0]);
        if (!owner) return make_error(ENOENT, "unknown bridge");
        (*owner)->openflow->reconnect();
        return std::string();
    }
    for (const auto& [name, owner] : context.target()->bridges())
        owner->openflow->reconnect();
    return std::string();
}

Output ofproto_list(Context& context, const Args&) {
    std::string out;
    for (const auto& [name, owner] : context.target()->bridges())
        out += name + "\n";
    return out;
}

Output ofproto_trace(Context& context, const Args& args) {
    return trace_command(*context.target(), args);
}

Output ofproto_trace_packet_out(Context& context, const Args& args) {
    return trace_packet_out_command(*context.target(), args);
}

}  // namespace sluice::commands
