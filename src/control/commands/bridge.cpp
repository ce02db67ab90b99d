// SPDX-License-Identifier: Apache-2.0
// bridge/* and ofproto/*.
#include <fmt/format.h>

#include "base/clock.hpp"
#include "bridge/flow_tables.hpp"
#include "control/commands/commands.hpp"
#include "control/trace.hpp"
#include "flow/action_text.hpp"
#include "flow/match_text.hpp"

namespace sluice::commands {

Output bridge_dump_flows(Context& context, const Args& args) {
    auto owner = find_bridge(context, args.back());
    if (!owner) return owner.error();
    const auto& flows = (*owner)->bridge->flows();
    const std::int64_t now = clock::now_ms();
    std::string out;
    flows.for_each_with_hidden([&](const bridge::Flow& flow) {
        const auto& rule = *flow.rule;
        const auto stats = flows.stats(flow);
        if (rule.table != 0) out += fmt::format("table_id={}, ", rule.table);
        out += fmt::format("duration={}s, n_packets={}, n_bytes={}, ", (now - flow.created_ms) / 1000,
                           stats.packets, stats.bytes);
        if (rule.priority != 0x8000) out += fmt::format("priority={},", rule.priority);
        if (const auto match = format_match(rule.match.expand(), nullptr, flows.tun_table()); !match.empty())
            out += match + ",";
        out += fmt::format("actions={}\n", format_actions(rule.actions->source));
    });
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
