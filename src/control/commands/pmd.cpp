// SPDX-License-Identifier: Apache-2.0
// dpif-netdev/pmd-*: what workers do. Field names are those scripts parse.
#include <algorithm>
#include <cerrno>
#include <optional>

#include <fmt/format.h>

#include "control/commands/commands.hpp"
#include "control/reconcile_parse.hpp"

namespace sluice::commands {

namespace {

/// "-pmd core" and the datapath's name; other options are accepted.
Result<std::optional<unsigned>> read_core(const Args& args) {
    std::optional<unsigned> core;
    for (std::size_t i = 0; i < args.size(); ++i) {
        if (args[i] == "-pmd" && i + 1 < args.size()) {
            const auto value = parse_number(args[++i], 1023);
            if (!value) return make_error(EINVAL, "-pmd {}: a core number is needed", args[i]);
            core = static_cast<unsigned>(*value);
        } else if (args[i] == "-it" || args[i] == "-ms" || args[i] == "-secs") {
            ++i;
        } else if (!args[i].starts_with("-") && args[i] != "ovs-netdev" && args[i] != "netdev@ovs-netdev") {
            return make_error(ENOENT, "please specify an existing datapath");
        }
    }
    return core;
}

double ratio(std::uint64_t part, std::uint64_t whole) {
    return whole == 0 ? 0 : static_cast<double>(part) / static_cast<double>(whole);
}

void format_counters(std::string& out, const worker::WorkerReport& report) {
    const std::uint64_t passes = report.packets_received + report.recirculations;
    out += fmt::format(
        "  packets received: {}\n"
        "  packet recirculations: {}\n"
        "  avg. datapath passes per packet: {:.2f}\n"
        "  phwol hits: 0\n"
        "  mfex opt hits: 0\n"
        "  simple match hits: 0\n"
        "  emc hits: {}\n"
        "  smc hits: 0\n"
        "  megaflow hits: {}\n"
        "  avg. subtable lookups per megaflow hit: {:.2f}\n"
        "  miss with success upcall: {}\n"
        "  miss with failed upcall: 0\n"
        "  avg. packets per output batch: 0.00\n",
        report.packets_received, report.recirculations, ratio(passes, report.packets_received),
        report.cache_hits, report.rule_hits - report.cache_hits,
        report.rule_hits == report.cache_hits ? 0.0 : 1.0, report.misses);
}

}  // namespace

Output pmd_stats_show(Context& context, const Args& args) {
    auto core = read_core(args);
    if (!core) return core.error();
    std::string out;
    for (const auto& report : context.target()->workers().report()) {
        if (*core && **core != report.core) continue;
        out += fmt::format("pmd thread numa_id {} core_id {}:\n", report.numa, report.core);
        format_counters(out, report);
        const std::uint64_t total = report.idle_cycles + report.processing_cycles;
        out += fmt::format("  idle cycles: {} ({:.2f}%)\n", report.idle_cycles,
                           100 * ratio(report.idle_cycles, total));
        out += fmt::format("  processing cycles: {} ({:.2f}%)\n", report.processing_cycles,
                           100 * ratio(report.processing_cycles, total));
        if (report.packets_received == 0) continue;
        out += fmt::format("  avg cycles per packet: {:.2f} ({}/{})\n", ratio(total, report.packets_received),
                           total, report.packets_received);
        out += fmt::format("  avg processing cycles per packet: {:.2f} ({}/{})\n",
                           ratio(report.processing_cycles, report.packets_received), report.processing_cycles,
                           report.packets_received);
    }
    if (!*core) {
        out += "main thread:\n";
        format_counters(out, {});
    }
    return out;
}

Output pmd_stats_clear(Context& context, const Args& args) {
    if (auto core = read_core(args); !core) return core.error();
    context.target()->workers().clear_stats();
    return std::string();
}

Output pmd_rxq_show(Context& context, const Args& args) {
    auto core = read_core(args);
    if (!core) return core.error();
    std::string out = "Displaying last 60 seconds pmd usage %\n";
    for (auto& report : context.target()->workers().report()) {
        if (*core && **core != report.core) continue;
        out +=
            fmt::format("pmd thread numa_id {} core_id {}:\n  isolated : false\n", report.numa, report.core);
        std::sort(report.queues.begin(), report.queues.end(), [](const auto& a, const auto& b) {
            return a.port != b.port ? a.port < b.port : a.queue < b.queue;
        });
        double used = 0;
        for (const auto& queue : report.queues) {
            out += fmt::format("  port: {:<16}  queue-id: {:>2} {:<10}  pmd usage: {:>2.0f} %\n", queue.port,
                               queue.queue, queue.enabled ? "(enabled)" : "(disabled)", queue.usage_percent);
            used += queue.usage_percent;
        }
        const double busy =
            100 * ratio(report.processing_cycles, report.idle_cycles + report.processing_cycles);
        out += fmt::format("  overhead: {:>2.0f} %\n", std::clamp(busy - used, 0.0, 100.0));
    }
    return out;
}

Output pmd_rxq_rebalance(Context& context, const Args& args) {
    if (auto core = read_core(args); !core) return core.error();
    context.target()->rebalance();
    return std::string("pmd rxq rebalance requested.");
}

Output pmd_perf_show(Context& context, const Args& args) {
    auto core = read_core(args);
    if (!core) return core.error();
    std::string out;
    for (const auto& report : context.target()->workers().report()) {
        if (*core && **core != report.core) continue;
        const std::uint64_t total = report.idle_cycles + report.processing_cycles;
        out += fmt::format("pmd thread numa_id {} core_id {}:\n\n", report.numa, report.core);
        out += fmt::format("  Iterations:     {:>12}\n", report.loops);
        out += fmt::format("  - Used TSC cycles: {:>12}  ({:5.1f} % of total cycles)\n",
                           report.processing_cycles, 100 * ratio(report.processing_cycles, total));
        out += fmt::format("  - idle cycles:     {:>12}  ({:5.1f} %)\n", report.idle_cycles,
                           100 * ratio(report.idle_cycles, total));
        out += fmt::format("  Sleeps:         {:>12}\n", report.sleeps);
        out += fmt::format("  Rx packets:     {:>12}  ({:.0f} cycles/pkt)\n", report.packets_received,
                           ratio(report.processing_cycles, report.packets_received));
        out += fmt::format("  Datapath passes:{:>12}  ({:.2f} passes/pkt)\n",
                           report.packets_received + report.recirculations,
                           ratio(report.packets_received + report.recirculations, report.packets_received));
        out += fmt::format("  - Cache hits:   {:>12}\n  - Rule hits:    {:>12}\n  - Misses:       {:>12}\n\n",
                           report.cache_hits, report.rule_hits - report.cache_hits, report.misses);
        // Cycles of the sampled loops, and what they come to for a packet.
        constexpr const char* kStages[] = {"receive", "known walks", "tables", "send"};
        for (std::size_t i = 0; i < report.stage_cycles.size(); ++i) {
            out += fmt::format("  - {:<13} {:>12}  ({:.1f} cycles/pkt)\n", fmt::format("{}:", kStages[i]),
                               report.stage_cycles[i], ratio(report.stage_cycles[i], report.stage_packets));
        }
        out += '\n';
    }
    return out;
}

}  // namespace sluice::commands
