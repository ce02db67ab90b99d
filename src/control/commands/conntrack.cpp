// SPDX-License-Identifier: Apache-2.0
// dpctl/dump-conntrack, flush-conntrack and ct-*: the connections of the datapath, in the layout of Open
// vSwitch 3.1's user-space datapath.
#include <algorithm>
#include <array>
#include <cerrno>
#include <map>

#include <fmt/format.h>

#include "base/clock.hpp"
#include "conntrack/tracker.hpp"
#include "control/commands/commands.hpp"
#include "flow/text.hpp"

namespace sluice::commands {

namespace {

using conntrack::Entry;
using conntrack::Key;
using conntrack::TcpPeer;
using conntrack::TcpState;
using conntrack::Tracker;
using conntrack::TupleFilter;
using text::format_ipv4;
using text::format_ipv6;
using text::parse_ipv4;
using text::parse_ipv6;
using text::parse_number;

constexpr std::uint8_t kIcmp = 1, kTcp = 6, kIcmpV6 = 58;

Tracker& tracker_of(Context& context) {
    return context.target()->datapath().tracker();
}

std::uint64_t now_ms() {
    return static_cast<std::uint64_t>(clock::now_ms());
}

std::string proto_name(std::uint8_t proto) {
    static const std::map<std::uint8_t, const char*> kNames = {{1, "icmp"},   {2, "igmp"},     {6, "tcp"},
                                                               {17, "udp"},   {33, "dccp"},    {58, "icmpv6"},
                                                               {132, "sctp"}, {136, "udplite"}};
    const auto it = kNames.find(proto);
    return it == kNames.end() ? fmt::to_string(proto) : it->second;
}

std::string format_tuple(const Key& key) {
    const auto address = [&](U128 a) {
        return key.is_v6() ? format_ipv6(a) : format_ipv4(static_cast<std::uint32_t>(a.lo));
    };
    const std::string ends = fmt::format("src={},dst={}", address(key.source()), address(key.destination()));
    if (key.is_icmp()) return fmt::format("{},id={},type={},code=0", ends, key.sport(), key.dport());
    return fmt::format("{},sport={},dport={}", ends, key.sport(), key.dport());
}

/// The state shown for both sides: the later one, some of them taken together as OVS does.
TcpState common_state(const Entry& entry) {
    const TcpState later = std::max(entry.peer[0].state, entry.peer[1].state);
    return later == TcpState::kFinWait2  ? TcpState::kTimeWait
           : later == TcpState::kSynRecv ? TcpState::kEstablished
                                         : later;
}

std::string flags_of(const TcpPeer& peer) {
    std::string out;
    if (peer.scale & TcpPeer::kScaleKnown) out = "WINDOW_SCALE";
    if (peer.scale & TcpPeer::kScaleUnknown) out += out.empty() ? "BE_LIBERAL" : "|BE_LIBERAL";
    return out.empty() ? "0" : out;
}

std::string format_protocol(const Entry& entry, bool verbose) {
    if (!verbose) return fmt::format(",protoinfo=(state={})", tcp_state_name(common_state(entry)));
    const auto &a = entry.peer[0], &b = entry.peer[1];
    std::string scales;
    const unsigned from = a.scale & TcpPeer::kScaleMask, to = b.scale & TcpPeer::kScaleMask;
    if (from != 0 || to != 0) scales = fmt::format("wscale_orig={},wscale_reply={},", from, to);
    return fmt::format(",protoinfo=(state_orig={},state_reply={},{}flags_orig={},flags_reply={})",
                       tcp_state_name(a.state), tcp_state_name(b.state), scales, flags_of(a), flags_of(b));
}

std::string format_entry(const Entry& entry, bool verbose, bool stats) {
    std::string out = fmt::format("{},orig=({}),reply=({})", proto_name(entry.key[0].proto()),
                                  format_tuple(entry.key[0]), format_tuple(entry.key[1]));
    if (verbose) out += ",id=0";
    if (entry.key[0].zone() != 0) out += fmt::format(",zone={}", entry.key[0].zone());
    if (verbose) out += ",status=0";
    if (stats) out += fmt::format(",timeout={}", entry.left_ms / 1000);
    if (entry.mark != 0) out += fmt::format(",mark={}", entry.mark);
    if (!entry.label.is_zero())
        out += entry.label.hi != 0 ? fmt::format(",labels={:#x}{:016x}", entry.label.hi, entry.label.lo)
                                   : fmt::format(",labels={:#x}", entry.label.lo);
    if (entry.key[0].proto() == kTcp) out += format_protocol(entry, verbose);
    return out + "\n";
}

/// Arguments of all these commands: options, a datapath, a zone, and the rest.
struct Parsed {
    bool more = false, stats = false, verbose = false;
    std::optional<std::uint16_t> zone;
    std::vector<std::string> rest;
};

Result<std::uint16_t> parse_zone(std::string_view text) {
    const auto number = parse_number(text);
    if (!number || number->hi != 0 || number->lo > 0xffff)
        return make_error(EINVAL, "ovs-vswitchd: failed to parse zone (Invalid argument)");
    return static_cast<std::uint16_t>(number->lo);
}

/// Takes away what can stand in front: options, the datapath's name and, if `with_zone`, zone=N.
Result<Parsed> parse_front(const Args& args, bool with_zone) {
    Parsed parsed;
    for (const std::string& arg : args) {
        if (arg == "-m" || arg == "--more") {
            parsed.more = true;
        } else if (arg == "-s" || arg == "--statistics") {
            parsed.stats = true;
        } else if (parsed.rest.empty() && is_datapath_name(arg)) {
            continue;
        } else if (parsed.rest.empty() && with_zone && !parsed.zone && arg.starts_with("zone=")) {
            const auto zone = parse_zone(std::string_view(arg).substr(5));
            if (!zone) return zone.error();
            parsed.zone = *zone;
        } else {
            parsed.rest.push_back(arg);
        }
    }
    return parsed;
}

Result<void> no_more(const Parsed& parsed) {
    if (parsed.rest.empty()) return {};
    return make_error(EINVAL, "ovs-vswitchd: datapath not found (Invalid argument)");
}

Result<void> parse_tuple_field(std::string_view name, std::string_view value, TupleFilter& filter) {
    const auto bad = [&] {
        return make_error(EINVAL, "ovs-vswitchd: failed to parse field {} (Invalid argument)", name);
    };
    if (name == "ct_nw_src" || name == "ct_nw_dst") {
        const auto address = parse_ipv4(value);
        if (!address) return bad();
        (name.back() == 'c' ? filter.src : filter.dst) = U128{0, *address};
        filter.v6 = false;
        return {};
    }
    if (name == "ct_ipv6_src" || name == "ct_ipv6_dst") {
        const auto address = parse_ipv6(value);
        if (!address) return bad();
        (name.back() == 'c' ? filter.src : filter.dst) = *address;
        filter.v6 = true;
        return {};
    }
    const bool wide = name == "ct_tp_src" || name == "ct_tp_dst" || name == "icmp_id";
    if (!wide && name != "ct_nw_proto" && name != "icmp_type" && name != "icmp_code")
        return make_error(EINVAL, "ovs-vswitchd: invalid conntrack tuple field: {} (Invalid argument)", name);
    const auto number = parse_number(value);
    if (!number || number->hi != 0 || number->lo > (wide ? 0xffffU : 0xffU)) return bad();
    const auto n = static_cast<std::uint16_t>(number->lo);
    if (name == "ct_nw_proto") filter.proto = static_cast<std::uint8_t>(n);
    if (name == "ct_tp_src" || name == "icmp_id") filter.sport = n;
    if (name == "ct_tp_dst") filter.dport = n;
    if (name == "icmp_type") filter.icmp_type = static_cast<std::uint8_t>(n);
    if (name == "icmp_code") filter.icmp_code = static_cast<std::uint8_t>(n);
    return {};
}

Result<TupleFilter> parse_tuple(std::string_view text) {
    TupleFilter filter;
    while (!text.empty()) {
        const auto end = text.find(',');
        const std::string_view part = text.substr(0, end);
        text.remove_prefix(end == text.npos ? text.size() : end + 1);
        const auto equals = part.find('=');
        if (equals == part.npos)
            return make_error(EINVAL, "ovs-vswitchd: field {} missing value (Invalid argument)", part);
        if (auto ok = parse_tuple_field(part.substr(0, equals), part.substr(equals + 1), filter); !ok)
            return ok.error();
    }
    const bool icmp = filter.proto && (*filter.proto == kIcmp || *filter.proto == kIcmpV6);
    if ((filter.icmp_type || filter.icmp_code) &&
        !(icmp && filter.icmp_type && filter.icmp_code && filter.sport))
        return make_error(EINVAL, "ovs-vswitchd: invalid L4 fields (Invalid argument)");
    return filter;
}

/// "zone=1,2,3".
Result<std::vector<std::uint16_t>> parse_zones(std::string_view text) {
    std::vector<std::uint16_t> zones;
    if (!text.starts_with("zone="))
        return make_error(EINVAL, "ovs-vswitchd: invalid zone argument: {} (Invalid argument)", text);
    text.remove_prefix(5);
    while (!text.empty()) {
        const auto end = text.find(',');
        const auto zone = parse_zone(text.substr(0, end));
        if (!zone) return zone.error();
        zones.push_back(*zone);
        text.remove_prefix(end == text.npos ? text.size() : end + 1);
    }
    return zones;
}

}  // namespace

Output dump_conntrack(Context& context, const Args& args) {
    const auto parsed = parse_front(args, true);
    if (!parsed) return parsed.error();
    if (auto ok = no_more(*parsed); !ok) return ok.error();
    std::string out;
    tracker_of(context).for_each(parsed->zone, now_ms(), [&](const Entry& entry) {
        out += format_entry(entry, parsed->more, parsed->stats);
    });
    return out;
}

Output flush_conntrack(Context& context, const Args& args) {
    const auto parsed = parse_front(args, true);
    if (!parsed) return parsed.error();
    if (parsed->rest.size() > 2)
        return make_error(EINVAL, "ovs-vswitchd: invalid arguments (Invalid argument)");
    TupleFilter filters[2];
    for (std::size_t i = 0; i < parsed->rest.size(); ++i) {
        auto filter = parse_tuple(parsed->rest[i]);
        if (!filter) return filter.error();
        filters[i] = *filter;
    }
    Tracker& tracker = tracker_of(context);
    if (!parsed->rest.empty()) {
        tracker.flush(parsed->zone, filters[0], filters[1], now_ms());
    } else if (parsed->zone) {
        tracker.flush_zone(*parsed->zone);
    } else {
        tracker.flush_all();
    }
    return std::string();
}

Output conntrack_stats(Context& context, const Args& args) {
    Args plain = args;
    const bool verbose = std::erase(plain, "verbose") != 0;
    const auto parsed = parse_front(plain, true);
    if (!parsed) return parsed.error();
    if (auto ok = no_more(*parsed); !ok) return ok.error();
    // In the order of Open vSwitch; ICMPv6 counts in the total only, as there.
    struct Row {
        int proto;
        const char* name;
        unsigned count = 0;
    };
    std::array<Row, 8> rows = {{{6, "TCP"},
                                {17, "UDP"},
                                {136, "UDPLITE"},
                                {132, "SCTP"},
                                {1, "ICMP"},
                                {33, "DCCP"},
                                {2, "IGMP"},
                                {-1, "Other"}}};
    std::map<TcpState, unsigned> states;
    unsigned total = 0;
    tracker_of(context).for_each(parsed->zone, now_ms(), [&](const Entry& entry) {
        ++total;
        const std::uint8_t proto = entry.key[0].proto();
        if (proto == kIcmpV6) return;
        if (proto == kTcp) ++states[common_state(entry)];
        const auto row =
            std::find_if(rows.begin(), rows.end() - 1, [&](const Row& r) { return r.proto == proto; });
        ++row->count;
    });
    std::string out = fmt::format("Connections Stats:\n    Total: {}\n", total);
    for (const Row& row : rows) {
        if (row.count == 0) continue;
        out += fmt::format("  {}: {}\n", row.name, row.count);
        if (row.proto != kTcp || !(parsed->more || verbose)) continue;
        out += "    Conn per TCP states:\n";
        for (const auto& [state, count] : states)
            out += fmt::format("\t  [{}]={}\n", tcp_state_name(state), count);
    }
    return out;
}

Output conntrack_buckets(Context& context, const Args& args) {
    auto parsed = parse_front(args, false);
    if (!parsed) return parsed.error();
    unsigned above = 0;
    if (!parsed->rest.empty() && parsed->rest[0].starts_with("gt=")) {
        const auto number = parse_number(std::string_view(parsed->rest[0]).substr(3));
        if (number && number->hi == 0 && number->lo <= 0xffffffff) {
            above = static_cast<unsigned>(number->lo);
            parsed->rest.erase(parsed->rest.begin());
        }
    }
    if (auto ok = no_more(*parsed); !ok) return ok.error();
    // Like OVS's, this tracker has one set of connections; how its table is made is nobody's business.
    unsigned total = 0;
    tracker_of(context).for_each(std::nullopt, now_ms(), [&](const Entry&) { ++total; });
    const std::string line = "+-----------+-----------------------------------------+\n";
    std::string out = fmt::format(
        "Total Buckets: 1\nCurrent Connections: {}\n\n{}"
        "|  Buckets  |         Connections per Buckets         |\n{}",
        total, line, line);
    out += "   0..  7   |";
    if (total > above) out += fmt::format("{:6}", total);
    return out + "\n\n";
}

Output conntrack_count(Context& context, const Args& args) {
    const auto parsed = parse_front(args, false);
    if (!parsed) return parsed.error();
    if (auto ok = no_more(*parsed); !ok) return ok.error();
    return fmt::format("{}\n", tracker_of(context).count());
}

Output conntrack_max(Context& context, const Args& args) {
    const auto parsed = parse_front(args, false);
    if (!parsed) return parsed.error();
    if (auto ok = no_more(*parsed); !ok) return ok.error();
    return fmt::format("{}\n", tracker_of(context).max_conns());
}

Output set_conntrack_max(Context& context, const Args& args) {
    const auto parsed = parse_front(args, false);
    if (!parsed) return parsed.error();
    const auto number = parsed->rest.size() == 1 ? parse_number(parsed->rest[0]) : std::nullopt;
    if (!number || number->hi != 0 || number->lo > 0xffffffff)
        return make_error(EINVAL, "ovs-vswitchd: maxconns missing or malformed (Invalid argument)");
    Tracker& tracker = tracker_of(context);
    if (number->lo > tracker.capacity())
        return make_error(EINVAL, "ovs-vswitchd: maxconns {}: at most {} connections fit (Invalid argument)",
                          number->lo, tracker.capacity());
    tracker.set_max_conns(static_cast<std::uint32_t>(number->lo));
    return std::string("setting maxconns successful\n");
}

Output enable_sequence_check(Context& context, const Args&) {
    tracker_of(context).set_check_sequence(true);
    return std::string("enabling TCP sequence checking successful\n");
}
Output disable_sequence_check(Context& context, const Args&) {
    tracker_of(context).set_check_sequence(false);
    return std::string("disabling TCP sequence checking successful\n");
}
Output sequence_check(Context& context, const Args&) {
    return fmt::format("TCP sequence checking: {}\n",
                       tracker_of(context).check_sequence() ? "enabled" : "disabled");
}

Output set_conntrack_limits(Context& context, const Args& args) {
    const auto parsed = parse_front(args, false);
    if (!parsed) return parsed.error();
    std::optional<std::uint32_t> default_limit;
    std::vector<std::pair<std::uint16_t, std::uint32_t>> limits;
    for (std::string_view arg : parsed->rest) {
        std::optional<std::uint16_t> zone;
        std::optional<std::uint32_t> limit;
        while (!arg.empty()) {
            const auto end = arg.find(',');
            const std::string_view part = arg.substr(0, end);
            arg.remove_prefix(end == arg.npos ? arg.size() : end + 1);
            const auto equals = part.find('=');
            const std::string_view name = part.substr(0, equals);
            if (name != "default" && name != "zone" && name != "limit")
                return make_error(EINVAL, "ovs-vswitchd: invalid zone limit field: {} (Invalid argument)",
                                  name);
            const auto number = equals == part.npos ? std::nullopt : parse_number(part.substr(equals + 1));
            const std::uint64_t most = name == "zone" ? 0xffff : 0xfffffffe;
            if (!number || number->hi != 0 || number->lo > most)
                return make_error(EINVAL, "ovs-vswitchd: failed to parse field {} (Invalid argument)", name);
            const auto n = static_cast<std::uint32_t>(number->lo);
            if (name == "default") default_limit = n;
            if (name == "zone") zone = static_cast<std::uint16_t>(n);
            if (name == "limit") limit = n;
        }
        if (zone && limit) limits.emplace_back(*zone, *limit);
    }
    if (default_limit) tracker_of(context).set_default_limit(*default_limit);
    for (const auto& [zone, limit] : limits)
        tracker_of(context).set_zone_limit(zone, limit);
    return std::string();
}

Output del_conntrack_limits(Context& context, const Args& args) {
    const auto parsed = parse_front(args, false);
    if (!parsed) return parsed.error();
    if (parsed->rest.size() != 1)
        return make_error(EINVAL, "ovs-vswitchd: datapath not found (Invalid argument)");
    const auto zones = parse_zones(parsed->rest[0]);
    if (!zones) return zones.error();
    for (const std::uint16_t zone : *zones)
        tracker_of(context).set_zone_limit(zone, std::nullopt);
    return std::string();
}

Output conntrack_limits(Context& context, const Args& args) {
    const auto parsed = parse_front(args, false);
    if (!parsed) return parsed.error();
    const Tracker& tracker = tracker_of(context);
    std::string out = fmt::format("default limit={}\n", tracker.default_limit());
    const auto show = [&](std::uint16_t zone) {
        out +=
            fmt::format("zone={},limit={},count={}\n", zone,
                        tracker.zone_limit(zone).value_or(tracker.default_limit()), tracker.zone_count(zone));
    };
    if (!parsed->rest.empty()) {
        const auto zones = parse_zones(parsed->rest[0]);
        if (!zones) return zones.error();
        for (const std::uint16_t zone : *zones)
            show(zone);
        return out;
    }
    for (unsigned zone = 0; zone < 65536; ++zone) {
        if (tracker.zone_limit(static_cast<std::uint16_t>(zone))) show(static_cast<std::uint16_t>(zone));
    }
    return out;
}

}  // namespace sluice::commands
