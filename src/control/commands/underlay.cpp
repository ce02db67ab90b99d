// SPDX-License-Identifier: Apache-2.0
// ovs/route/*, tnl/neigh/* (also tnl/arp/*) and tnl/egress_port_range: how tunnel packets leave this host.
#include <cerrno>
#include <limits>
#include <optional>

#include <fmt/format.h>
#include <linux/rtnetlink.h>

#include "control/commands/commands.hpp"
#include "control/reconcile_parse.hpp"
#include "flow/text.hpp"

namespace sluice::commands {

namespace {

using underlay::Address;
using underlay::format_address;

Result<underlay::Mirror*> mirror_of(Context& context) {
    if (auto* mirror = context.target()->underlay()) return mirror;
    return make_error(ENOTSUP, "the kernel's routes can't be read here (the log says why)");
}

/// "pkt_mark=N", as everywhere decimal, 0x hexadecimal or 0 octal.
std::optional<std::uint32_t> parse_mark(const std::string& text) {
    constexpr std::string_view kKey = "pkt_mark=";
    if (!text.starts_with(kKey)) return std::nullopt;
    const auto value = text::parse_number(std::string_view(text).substr(kKey.size()));
    if (!value || value->hi != 0 || value->lo > std::numeric_limits<std::uint32_t>::max())
        return std::nullopt;
    return static_cast<std::uint32_t>(value->lo);
}

std::string format_route(const underlay::RouteRow& row) {
    std::string out = fmt::format("{}: {}", row.user ? "User" : "Cached", underlay::format_prefix(row.to));
    if (row.mark != 0) out += fmt::format(" MARK {}", row.mark);
    out += fmt::format(" dev {}", row.device);
    if (!row.gateway.is_zero()) out += fmt::format(" GW {}", format_address(row.gateway));
    if (!row.source.is_zero()) out += fmt::format(" SRC {}", format_address(row.source));
    if (row.local) out += " local";
    const bool usual = row.user || row.table == RT_TABLE_MAIN || row.table == RT_TABLE_LOCAL ||
                       row.table == RT_TABLE_DEFAULT;
    if (!usual) out += fmt::format(" TABLE {}", row.table);
    return out + "\n";
}

}  // namespace

Output route_show(Context& context, const Args&) {
    auto mirror = mirror_of(context);
    if (!mirror) return mirror.error();
    auto rows = (*mirror)->routes();
    if (!rows) return rows.error();
    std::string out = "Route Table:\n";
    for (const auto& row : *rows)
        out += format_route(row);
    return out;
}

Output route_add(Context& context, const Args& args) {
    auto mirror = mirror_of(context);
    if (!mirror) return mirror.error();
    const auto to = underlay::parse_prefix(args[0]);
    if (!to) return make_error(EINVAL, "Invalid parameters");
    const bool ipv4 = underlay::is_ipv4(to->address);
    std::optional<Address> gateway;
    std::optional<std::uint32_t> mark;
    for (std::size_t i = 2; i < args.size(); ++i) {
        if (!mark && (mark = parse_mark(args[i]))) continue;
        if (i != 2) return make_error(EINVAL, "Invalid pkt_mark");
        gateway = underlay::parse_address(args[i]);
        if (!gateway || underlay::is_ipv4(*gateway) != ipv4)
            return make_error(EINVAL, "Invalid pkt_mark or {}gateway", ipv4 ? "" : "IPv6 ");
    }
    auto added = (*mirror)->add_route(*to, args[1], gateway, mark.value_or(0));
    if (!added) return make_error(added.error().code, "Error while inserting route.");
    return std::string("OK");
}

Output route_del(Context& context, const Args& args) {
    auto mirror = mirror_of(context);
    if (!mirror) return mirror.error();
    const auto to = underlay::parse_prefix(args[0]);
    if (!to) return make_error(EINVAL, "Invalid parameters");
    const auto mark = args.size() > 1 ? parse_mark(args[1]) : 0;
    if (!mark) return make_error(EINVAL, "Invalid pkt_mark");
    if (!(*mirror)->remove_route(*to, *mark)) return make_error(ENOENT, "Not found");
    return std::string("OK");
}

Output route_lookup(Context& context, const Args& args) {
    auto mirror = mirror_of(context);
    if (!mirror) return mirror.error();
    const auto to = underlay::parse_address(args[0]);
    if (!to) return make_error(EINVAL, "Invalid parameters");
    const auto mark = args.size() > 1 ? parse_mark(args[1]) : 0;
    if (!mark) return make_error(EINVAL, "Invalid pkt_mark");
    const auto hop = (*mirror)->look(*to, std::nullopt, *mark);
    if (!hop) return make_error(ENOENT, "Not found");
    return fmt::format("src {}\ngateway {}\ndev {}\n", format_address(hop->source),
                       format_address(hop->next == *to ? Address{} : hop->next), hop->device);
}

Output neighbour_show(Context& context, const Args&) {
    auto mirror = mirror_of(context);
    if (!mirror) return mirror.error();
    std::string out = fmt::format("{:<45} {:<19} {}\n{}\n", "IP", "MAC", "Bridge", std::string(74, '='));
    for (const auto& row : (*mirror)->neighbours())
        out +=
            fmt::format("{:<45} {:<19} {}\n", format_address(row.address), format_mac(row.mac), row.device);
    return out;
}

Output neighbour_set(Context& context, const Args& args) {
    auto mirror = mirror_of(context);
    if (!mirror) return mirror.error();
    const auto address = underlay::parse_address(args[1]);
    if (!address) return make_error(EINVAL, "bad IP address");
    const auto mac = parse_mac(args[2]);
    if (!mac) return make_error(EINVAL, "bad MAC address");
    (*mirror)->set_neighbour(args[0], *address, *mac);
    return std::string("OK");
}

Output neighbour_flush(Context& context, const Args&) {
    auto mirror = mirror_of(context);
    if (!mirror) return mirror.error();
    (*mirror)->flush_neighbours();
    return std::string("OK");
}

Output neighbour_ageing(Context& context, const Args& args) {
    constexpr std::uint64_t kMaxSeconds = 3600;
    auto mirror = mirror_of(context);
    if (!mirror) return mirror.error();
    if (args.empty()) return fmt::format("{}", (*mirror)->neighbour_ageing_s());
    const auto seconds = parse_number(args[0], kMaxSeconds);
    if (!seconds || *seconds == 0) return make_error(EINVAL, "bad aging value");
    (*mirror)->set_neighbour_ageing(static_cast<std::uint32_t>(*seconds));
    return std::string("OK");
}

Output egress_port_range(Context& context, const Args& args) {
    auto mirror = mirror_of(context);
    if (!mirror) return mirror.error();
    if (args.size() < 2) {
        const auto& range = (*mirror)->egress_ports();
        return fmt::format("Tunnel UDP source port range: {}-{}\n", range.first, range.last);
    }
    // Scripts see these two refusals as answers: so does OVS's.
    const auto first = parse_number(args[0], 65535), last = parse_number(args[1], 65535);
    if (!first || *first == 0) return std::string("Invalid min.");
    if (!last || *last == 0) return std::string("Invalid max.");
    const auto a = static_cast<std::uint16_t>(*first), b = static_cast<std::uint16_t>(*last);
    (*mirror)->set_egress_ports({std::min(a, b), std::max(a, b)});
    return std::string("OK");
}

}  // namespace sluice::commands
