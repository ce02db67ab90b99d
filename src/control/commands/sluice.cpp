// SPDX-License-Identifier: Apache-2.0
// sluice/*: what only Sluice has.
#include <fmt/format.h>

#include "control/commands/commands.hpp"
#include "packet/pool.hpp"
#include "pipeline/shortcut.hpp"

namespace sluice::commands {

Output sluice_drops(Context& context, const Args& args) {
    const bool all = !args.empty() && args[0] == "--all";
    const auto drops = context.target()->datapath().drop_counts();
    std::string out;
    std::uint64_t total = 0;
    for (std::size_t i = 0; i < kDropReasonCount; ++i) {
        total += drops[i];
        if (drops[i] == 0 && !all) continue;
        out += fmt::format("{:<20} {:>14}  {}\n", kDropReasonNames[i], drops[i], kDropReasonTexts[i]);
    }
    out += fmt::format("{:<20} {:>14}\n", "total", total);
    return out;
}

/// Flows that the kernel carries by itself (other_config:kernel-shortcuts).
Output sluice_shortcuts(Context& context, const Args&) {
    const Shortcuts* shortcuts = Shortcuts::get();
    if (!shortcuts) {
        return Shortcuts::reason().empty() ? std::string("state: no port can have shortcuts\n")
                                           : fmt::format("state: off: {}\n", Shortcuts::reason());
    }
    const auto stats = context.target()->datapath().shortcuts().stats();
    return fmt::format("state: {}\nflows: {}\ninstalled: {}\npackets: {}\nbytes: {}\n",
                       Shortcuts::is_on(shortcuts->generation()) ? "on" : "off", stats.active,
                       stats.installed, stats.packets, stats.bytes);
}

/// received + copied + injected == sent + punted + dropped, once traffic has stopped: every packet is
/// accounted for. What is in the pools' hands beyond idle ports' descriptors would be a leak.
Output sluice_conservation(Context& context, const Args&) {
    const auto totals = context.target()->datapath().totals();
    std::uint64_t in_use = 0;
    std::string pools;
    for (const auto& pool : pool_usage()) {
        in_use += pool.in_use;
        pools += fmt::format("pool {}: {} of {} in use\n", pool.name, pool.in_use, pool.total);
    }
    const auto in = totals.received + totals.copied + totals.injected;
    const auto out = totals.sent + totals.punted + totals.dropped;
    return fmt::format(
        "received: {}\ncopied: {}\ninjected: {}\nsent: {}\npunted: {}\ndropped: {}\nbalance: {}\n"
        "packets in use: {}\n{}",
        totals.received, totals.copied, totals.injected, totals.sent, totals.punted, totals.dropped,
        static_cast<std::int64_t>(in - out), in_use, pools);
}

}  // namespace sluice::commands
