// SPDX-License-Identifier: Apache-2.0
// coverage/*: how often things happened, with rates over five seconds, a minute and an hour.
#include <array>
#include <cerrno>
#include <map>
#include <vector>

#include <fmt/format.h>

#include "base/hash.hpp"
#include "control/commands/commands.hpp"
#include "pipeline/shortcut.hpp"

namespace sluice::commands {

namespace {

constexpr std::int64_t kSampleMs = 5000;
constexpr std::size_t kMinuteSamples = 12;  // of five seconds
constexpr std::size_t kHourSamples = 60;    // of a minute

using Totals = std::vector<std::pair<std::string, std::uint64_t>>;

/// Totals now. Names of OVS's where the event is the same.
Totals read_totals(Switch& target) {
    const auto& events = target.events();
    const auto packets = target.datapath().totals();
    Totals totals{
        {"bridge_reconfigure", events.reconfigured},
        {"datapath_topology", events.topologies},
        {"dpif_port_add", events.ports_added},
        {"dpif_port_del", events.ports_removed},
        {"netdev_link_event", events.link_events},
        {"netdev_received", packets.received},
        {"netdev_sent", packets.sent},
        {"packet_in", events.punts},
        {"poll_interval_late", events.late_turns},
        {"port_refresh", events.refreshes},
    };
    const auto shortcuts = target.datapath().shortcuts().stats();
    totals.emplace_back("shortcut_installed", shortcuts.installed);
    totals.emplace_back("shortcut_packets", shortcuts.packets);
    const auto drops = target.datapath().drop_counts();
    for (std::size_t i = 0; i < kDropReasonCount; ++i)
        totals.emplace_back(fmt::format("datapath_drop_{}", kDropReasonNames[i]), drops[i]);
    return totals;
}

/// Past samples of one counter, each the count within its interval.
struct History {
    std::uint64_t last = 0;
    std::array<std::uint64_t, kMinuteSamples> minute{};
    std::array<std::uint64_t, kHourSamples> hour{};
};

struct Coverage {
    std::map<std::string, History> histories;
    std::size_t samples = 0;
    Timer timer;
};

Coverage& coverage() {
    static Coverage state;  // control thread only
    return state;
}

void sample(Switch& target) {
    Coverage& state = coverage();
    const std::size_t slot = state.samples % kMinuteSamples;
    const std::size_t minute = state.samples / kMinuteSamples % kHourSamples;
    for (const auto& [name, total] : read_totals(target)) {
        History& history = state.histories[name];
        history.minute[slot] = total - history.last;
        history.last = total;
        if (slot == 0) history.hour[minute] = 0;
        history.hour[minute] += history.minute[slot];
    }
    ++state.samples;
}

template <std::size_t N>
double sum(const std::array<std::uint64_t, N>& samples) {
    double total = 0;
    for (const auto value : samples)
        total += static_cast<double>(value);
    return total;
}

}  // namespace

void start_coverage(Context& context) {
    coverage() = {};
    coverage().timer = context.loop.every(kSampleMs, [&context] {
        if (context.target()) sample(*context.target());
    });
}

void stop_coverage() {
    coverage() = {};
}

Output coverage_show(Context& context, const Args&) {
    const Totals totals = read_totals(*context.target());
    const Coverage& state = coverage();
    std::string lines;
    std::uint32_t hash = 0;
    unsigned silent = 0;
    for (const auto& [name, total] : totals) {
        if (total == 0) {
            ++silent;
            continue;
        }
        for (const char c : name)
            hash = hash * 31 + static_cast<unsigned char>(c);
        const auto it = state.histories.find(name);
        const History history = it == state.histories.end() ? History{} : it->second;
        const std::size_t newest = (state.samples + kMinuteSamples - 1) % kMinuteSamples;
        lines += fmt::format("{:<24} {:5.1f}/sec {:9.3f}/sec {:13.4f}/sec   total: {}\n", name,
                             static_cast<double>(history.minute[newest]) / 5.0, sum(history.minute) / 60.0,
                             sum(history.hour) / 3600.0, total);
    }
    return fmt::format(
        "Event coverage, avg rate over last: 5 seconds, last minute, last hour,  hash={:08x}:\n{}{} "
        "events never hit",
        hash, lines, silent);
}

Output coverage_read_counter(Context& context, const Args& args) {
    for (const auto& [name, total] : read_totals(*context.target())) {
        if (name == args[0]) return fmt::format("{}", total);
    }
    // Counters of OVS's upcall path that monitoring asks for: there is no such path here.
    for (const char* name : {"upcall_flow_limit_hit", "upcall_flow_limit_kill", "upcall_ukey_contention",
                             "upcall_ukey_replace", "handler_duplicate_upcall"}) {
        if (args[0] == name) return std::string("0");
    }
    return make_error(ENOENT, "No such counter");
}

}  // namespace sluice::commands
