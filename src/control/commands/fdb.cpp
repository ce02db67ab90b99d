// SPDX-License-Identifier: Apache-2.0
// fdb/*: the MAC learning tables.
#include <cerrno>
#include <map>

#include <fmt/format.h>

#include "base/clock.hpp"
#include "control/commands/commands.hpp"
#include "control/reconcile_parse.hpp"

namespace sluice::commands {

namespace {

using pipeline::Fdb;

std::uint32_t now_seconds() {
    return static_cast<std::uint32_t>(clock::now_ms() / 1000);
}

/// Counters at the last fdb/stats-clear, by bridge.
std::map<std::string, Fdb::Stats>& cleared() {
    static std::map<std::string, Fdb::Stats> state;  // control thread only
    return state;
}

Result<MacBytes> read_mac(const std::string& text) {
    const auto mac = parse_mac(text);
    if (!mac) return make_error(EINVAL, "bad MAC address");
    return *mac;
}

Result<std::uint16_t> read_vlan(const std::string& text) {
    const auto vlan = parse_number(text, 4095);
    if (!vlan) return make_error(EINVAL, "bad VLAN \"{}\": 0 (untagged) to 4095", text);
    return static_cast<std::uint16_t>(*vlan);
}

}  // namespace

Output fdb_show(Context& context, const Args& args) {
    auto owner = find_bridge(context, args[0]);
    if (!owner) return owner.error();
    std::string out = " port  VLAN  MAC                Age\n";
    for (const auto& entry : (*owner)->bridge->fdb().entries(now_seconds())) {
        const std::string port =
            entry.port == OfPort::kLocal ? "LOCAL" : fmt::format("{}", to_int(entry.port));
        out += fmt::format("{:>5}  {:>4}  {}  {}\n", port, entry.vlan, format_mac(mac_from_u64(entry.mac)),
                           entry.is_static ? "static" : fmt::format("{:>3}", entry.age_seconds));
    }
    return out;
}

Output fdb_flush(Context& context, const Args& args) {
    if (!args.empty()) {
        auto owner = find_bridge(context, args[0]);
        if (!owner) return owner.error();
        (*owner)->bridge->fdb().flush();
    } else {
        for (const auto& [name, owner] : context.target()->bridges())
            owner->bridge->fdb().flush();
    }
    return std::string("table successfully flushed");
}

Output fdb_stats_show(Context& context, const Args& args) {
    auto owner = find_bridge(context, args[0]);
    if (!owner) return owner.error();
    const Fdb::Stats now = (*owner)->bridge->fdb().stats();
    const Fdb::Stats before = cleared()[args[0]];
    const auto since = [](std::uint64_t a, std::uint64_t b) { return a >= b ? a - b : a; };
    return fmt::format(
        "Statistics for bridge \"{}\":\n"
        "  Current/maximum MAC entries in the table: {}/{}\n"
        "  Current static MAC entries in the table : {}\n"
        "  Total number of learned MAC entries     : {}\n"
        "  Total number of expired MAC entries     : {}\n"
        "  Total number of evicted MAC entries     : {}\n"
        "  Total number of port moved MAC entries  : {}\n",
        args[0], now.entries, now.max_entries, now.static_entries, since(now.learned, before.learned),
        since(now.expired, before.expired), since(now.evicted, before.evicted),
        since(now.moved, before.moved));
}

Output fdb_stats_clear(Context& context, const Args& args) {
    if (!args.empty()) {
        auto owner = find_bridge(context, args[0]);
        if (!owner) return owner.error();
        cleared()[args[0]] = (*owner)->bridge->fdb().stats();
    } else {
        for (const auto& [name, owner] : context.target()->bridges())
            cleared()[name] = owner->bridge->fdb().stats();
    }
    return std::string("statistics successfully cleared");
}

Output fdb_add(Context& context, const Args& args) {
    auto owner = find_bridge(context, args[0]);
    if (!owner) return owner.error();
    const auto& bridge = *(*owner)->bridge;
    const auto* port = bridge.port(args[1]);
    if (!port) {
        if (const auto number = parse_number(args[1], 65534)) {
            port =
                bridge.port(*number == 65534 ? OfPort::kLocal : OfPort{static_cast<std::uint32_t>(*number)});
        }
    }
    if (!port) return make_error(ENOENT, "no port {} on bridge {}", args[1], args[0]);
    auto vlan = read_vlan(args[2]);
    if (!vlan) return vlan.error();
    auto mac = read_mac(args[3]);
    if (!mac) return mac.error();
    (*owner)->bridge->fdb().add_static(mac_to_u64(*mac), *vlan, port->number);
    return std::string();
}

Output fdb_del(Context& context, const Args& args) {
    auto owner = find_bridge(context, args[0]);
    if (!owner) return owner.error();
    auto vlan = read_vlan(args[1]);
    if (!vlan) return vlan.error();
    auto mac = read_mac(args[2]);
    if (!mac) return mac.error();
    if (!(*owner)->bridge->fdb().remove(mac_to_u64(*mac), *vlan)) {
        return make_error(ENOENT, "could not find static mac entry");
    }
    return std::string();
}

}  // namespace sluice::commands
