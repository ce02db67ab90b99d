// SPDX-License-Identifier: Apache-2.0
#include "reference/conntrack.hpp"

#include <algorithm>

#include "base/byte_order.hpp"
#include "flow/field.hpp"
#include "wire/checksum.hpp"
#include "wire/ipv6.hpp"
#include "wire/tcp.hpp"

namespace sluice::reference {

namespace {

constexpr std::uint8_t kNew = 1, kEst = 2, kRel = 4, kRpl = 8, kInv = 16, kTrk = 32, kSnat = 64, kDnat = 128;
constexpr std::uint8_t kTcp = 6, kUdp = 17;

std::uint8_t answer_of(std::uint8_t type, bool v6) {
    static const std::map<std::uint8_t, std::uint8_t> kIcmp = {{0, 8},   {8, 0},   {13, 14},
                                                               {14, 13}, {15, 16}, {16, 15}};
    static const std::map<std::uint8_t, std::uint8_t> kIcmpV6 = {{128, 129}, {129, 128}};
    const auto& all = v6 ? kIcmpV6 : kIcmp;
    const auto it = all.find(type);
    return it == all.end() ? type : it->second;
}
bool is_icmp(const Tuple& t) {
    return t.proto == (t.v6 ? 58 : 1);
}
bool has_ports(const Tuple& t) {
    return t.proto == kTcp || t.proto == kUdp;
}

/// What the packet says.
struct Seen {
    Tuple tuple;
    bool related = false;  ///< an ICMP error; the tuple is that of the packet inside, turned round
    std::size_t inner = 0, inner_l4 = 0;  ///< offsets in the frame
    wire::Bytes l4;
};

std::optional<Tuple> quoted_tuple(wire::Bytes ip, bool v6, std::uint16_t zone, std::size_t& header) {
    Tuple t;
    t.v6 = v6;
    t.zone = zone;
    if (!v6) {
        if (ip.size() < 20) return std::nullopt;
        header = (ip[0] & 0xfU) * 4U;
        if (header < 20 || ip.size() < header || (load_be16(&ip[6]) & 0x3fff) != 0) return std::nullopt;
        t.proto = ip[9];
        t.src = {0, load_be32(&ip[12])};
        t.dst = {0, load_be32(&ip[16])};
    } else {
        if (ip.size() < 40) return std::nullopt;
        t.proto = ip[6];
        t.src = wire::ipv6::load_address(&ip[8]);
        t.dst = wire::ipv6::load_address(&ip[24]);
        header = 40;
        while (wire::ipv6::is_extension(t.proto)) {
            if (t.proto == 44 || ip.size() < header + 8) return std::nullopt;
            const std::size_t size = wire::ipv6::extension_bytes(t.proto, ip[header + 1]);
            t.proto = ip[header];
            header += size;
            if (header > ip.size()) return std::nullopt;
        }
    }
    const wire::Bytes l4 = ip.subspan(header);
    if (has_ports(t)) {
        if (l4.size() < (v6 && t.proto == kTcp ? 20U : 8U)) return std::nullopt;
        t.sport = load_be16(&l4[0]);
        t.dport = load_be16(&l4[2]);
        if (t.sport == 0 || t.dport == 0) return std::nullopt;
    } else if (is_icmp(t)) {
        if (l4.size() < 8 || answer_of(l4[0], v6) == l4[0] || l4[1] != 0) return std::nullopt;
        t.sport = load_be16(&l4[4]);
        t.dport = l4[0];
    } else if (t.proto == 1 || t.proto == 58) {
        return std::nullopt;
    }
    return t;
}

bool checksum_right(const WorkPacket& p, wire::Bytes l4, bool v6, std::uint8_t proto) {
    const std::uint8_t* l3 = &p.bytes[p.at.l3];
    std::uint32_t pseudo = 0;
    const auto size = static_cast<std::uint32_t>(l4.size());
    if (v6) pseudo = wire::pseudo_sum<wire::Ipv6Family>(l3 + 8, l3 + 24, proto, size);
    if (!v6 && proto != 1) pseudo = wire::pseudo_sum<wire::Ipv4Family>(l3 + 12, l3 + 16, proto, size);
    return wire::finish_sum(wire::add_sums(pseudo, wire::sum_bytes(l4))) == 0;
}

/// nullopt: it can't be tracked.
std::optional<Seen> look_at(const WorkPacket& p, std::uint16_t zone) {
    const FlowKey& k = p.at.key;
    const auto type = k.get(key::kEthType);
    if ((type != 0x0800 && type != 0x86dd) || p.at.l3 == 0 || p.at.l4 == 0 || k.get(key::kIpFrag) != 0)
        return std::nullopt;
    Seen seen;
    Tuple& t = seen.tuple;
    t.v6 = type == 0x86dd;
    t.zone = zone;
    t.proto = static_cast<std::uint8_t>(k.get(key::kIpProto));
    t.src = t.v6 ? k.get_wide(key::kIpv6Src) : U128{0, k.get(key::kIpv4Src)};
    t.dst = t.v6 ? k.get_wide(key::kIpv6Dst) : U128{0, k.get(key::kIpv4Dst)};
    seen.l4 = wire::Bytes(p.bytes).subspan(p.at.l4, p.at.l3_end - p.at.l4);
    if (!t.v6) {
        const std::size_t header = (p.bytes[p.at.l3] & 0xfU) * 4U;
        if (wire::internet_checksum(wire::Bytes(p.bytes).subspan(p.at.l3, header)) != 0) return std::nullopt;
    }
    if (has_ports(t)) {
        t.sport = static_cast<std::uint16_t>(k.get(key::kTpSrc));
        t.dport = static_cast<std::uint16_t>(k.get(key::kTpDst));
        if (t.sport == 0 || t.dport == 0) return std::nullopt;
        if (t.proto == kUdp) {
            const std::uint16_t length = load_be16(&seen.l4[4]);
            if (length < 8 || length > seen.l4.size()) return std::nullopt;
            if (!t.v6 && load_be16(&seen.l4[6]) == 0) return seen;
        }
        if (!checksum_right(p, seen.l4, t.v6, t.proto)) return std::nullopt;
        return seen;
    }
    if (!is_icmp(t)) {
        if (t.proto == 1 || t.proto == 58) return std::nullopt;
        return seen;
    }
    if (seen.l4.size() < 8 || !checksum_right(p, seen.l4, t.v6, t.proto)) return std::nullopt;
    const std::uint8_t icmp = seen.l4[0];
    const bool error =
        t.v6 ? icmp >= 1 && icmp <= 4 : icmp == 3 || icmp == 4 || icmp == 5 || icmp == 11 || icmp == 12;
    if (error) {
        std::size_t header = 0;
        const auto quoted = quoted_tuple(seen.l4.subspan(8), t.v6, zone, header);
        if (!quoted || !(quoted->src == t.dst)) return std::nullopt;
        t = quoted->reversed();
        seen.related = true;
        seen.inner = p.at.l4 + 8;
        seen.inner_l4 = seen.inner + header;
        return seen;
    }
    if (answer_of(icmp, t.v6) == icmp || seen.l4[1] != 0) return std::nullopt;
    t.sport = load_be16(&seen.l4[4]);
    t.dport = icmp;
    return seen;
}

// TCP.

std::int32_t ahead(std::uint32_t a, std::uint32_t b) {
    return static_cast<std::int32_t>(a - b);
}

struct Segment {
    std::uint32_t seq, ack, size;
    std::uint16_t window;
    bool fin, syn, rst, psh, has_ack, urg;
    std::optional<unsigned> scale;
};
Segment segment_of(wire::Bytes l4) {
    const auto tcp = wire::tcp::View::parse(l4);
    const std::uint16_t f = tcp->flags();
    Segment s{tcp->seq(),         tcp->ack(),   static_cast<std::uint32_t>(l4.size() - tcp->header_bytes()),
              load_be16(&l4[14]), (f & 1) != 0, (f & 2) != 0,
              (f & 4) != 0,       (f & 8) != 0, (f & 16) != 0,
              (f & 32) != 0,      std::nullopt};
    if (!s.syn) return s;
    wire::Bytes options = l4.subspan(20, tcp->header_bytes() - 20);
    while (options.size() >= 3 && options[0] != 0) {
        if (options[0] == 1) {
            options = options.subspan(1);
            continue;
        }
        if (options[0] == 3) s.scale = std::min<unsigned>(options[2], 14);
        const std::size_t size = std::max<std::size_t>(options[1], 2);
        if (size >= options.size()) break;
        options = options.subspan(size);
    }
    return s;
}
bool flags_make_sense(const Segment& s) {
    if (s.syn && (s.rst || s.fin)) return false;
    if (!s.syn && !s.has_ack && !s.rst) return false;
    return s.has_ack || (!s.fin && !s.psh && !s.urg);
}
std::uint32_t round_up(std::uint32_t window, unsigned scale) {
    return (window + (1U << scale) - 1) >> scale;
}

void begin_tcp(Connection& c, const Segment& s) {
    Connection::Side &from = c.side[0], &to = c.side[1];
    from.sent = s.seq;
    from.may_send = s.seq + s.size + 1 + (s.syn ? 1 : 0) + (s.fin ? 1 : 0);
    from.scale = s.scale;
    from.unknown_scale = to.unknown_scale = !s.syn;
    from.window = std::max<std::uint32_t>(s.window, 1);
    if (s.scale) from.window = round_up(from.window, *s.scale);
    to.may_send = to.window = 1;
    from.state = TcpSide::kSynSent;
}

enum class Verdict { kValid, kStillNew, kInvalid, kOver };

Verdict follow_tcp(Connection& c, const Segment& s, bool reply, std::uint64_t now_ms) {
    Connection::Side &from = c.side[reply ? 1 : 0], &to = c.side[reply ? 0 : 1];
    if (!flags_make_sense(s)) return Verdict::kInvalid;
    if (s.syn && !s.has_ack && from.state >= TcpSide::kFinWait && to.state >= TcpSide::kFinWait)
        return Verdict::kOver;
    if (s.syn && !s.has_ack && from.state <= TcpSide::kSynSent) {
        from.state = TcpSide::kSynSent;
        c.expires_ms = now_ms + 30000;
        return Verdict::kStillNew;
    }
    unsigned from_scale = 0, to_scale = 0;
    if (!s.syn && from.scale && to.scale) {
        from_scale = *from.scale;
        to_scale = *to.scale;
    } else if (!s.syn && from.unknown_scale && to.unknown_scale) {
        from_scale = to_scale = 14;
    }
    std::uint32_t seq = s.seq, ack = s.ack, end = s.seq + s.size + (s.syn ? 1 : 0) + (s.fin ? 1 : 0);
    std::uint32_t window = s.window;
    bool check_ack = true;
    if (from.state == TcpSide::kClosed) {
        if (s.syn && to.scale) {
            from.scale = s.scale;
            from.unknown_scale = false;
            if (s.scale) {
                from_scale = *s.scale;
                window = round_up(window, from_scale);
                to_scale = *to.scale;
            } else {
                to.window = (to.window << *to.scale) & 0xffff;
                to.scale.reset();
            }
        }
        from.sent = seq;
        from.state = TcpSide::kSynSent;
        const std::uint32_t allowed = end + std::max<std::uint32_t>(1, to.window << to_scale);
        if (from.may_send == 1 || ahead(allowed, from.may_send) >= 0) {
            from.may_send = allowed;
            check_ack = false;
        }
        from.window = std::max(from.window, window);
    }
    if (!s.has_ack || (s.rst && ack == 0)) ack = to.sent;
    if (seq == end) seq = end = from.sent;
    constexpr std::int32_t kMost = 0xffff + 1500;
    const std::int32_t skew = check_ack ? ahead(to.sent, ack) : 0;
    const bool reset_fits = s.seq == from.sent || s.seq == from.sent + 1 || s.seq + 1 == from.sent;
    const bool inside = ahead(from.may_send, end) >= 0 &&
                        ahead(seq, from.sent - (to.window << to_scale)) >= 0 && skew >= -kMost &&
                        skew <= static_cast<std::int32_t>(static_cast<std::uint32_t>(kMost) << from_scale) &&
                        (!s.rst || reset_fits);
    const bool near =
        (to.state == TcpSide::kClosed || to.state >= TcpSide::kFinWait || from.state >= TcpSide::kFinWait) &&
        ahead(from.may_send + kMost, end) >= 0 && ahead(seq, from.sent - kMost) >= 0;
    if (!inside && !near) return Verdict::kInvalid;
    from.window = std::max(from.window, window);
    if (ahead(end, from.sent) > 0) from.sent = end;
    const std::uint32_t offered = window << from_scale;
    if (ahead(ack + offered, to.may_send) >= 0) to.may_send = ack + std::max<std::uint32_t>(offered, 1);
    if (s.fin && from.state < TcpSide::kClosing) from.state = TcpSide::kClosing;
    if (inside && s.has_ack) {
        if (to.state == TcpSide::kSynSent)
            to.state = TcpSide::kEstablished;
        else if (to.state == TcpSide::kClosing)
            to.state = TcpSide::kFinWait;
    }
    if (s.rst) from.state = to.state = TcpSide::kTimeWait;
    if (!inside) return Verdict::kValid;
    const auto [low, high] = std::minmax(from.state, to.state);
    const unsigned seconds = low >= TcpSide::kFinWait      ? 30
                             : low >= TcpSide::kClosing    ? 45
                             : low < TcpSide::kEstablished ? 30
                             : high >= TcpSide::kClosing   ? 900
                                                           : 86400;
    c.expires_ms = now_ms + seconds * 1000ULL;
    return Verdict::kValid;
}

/// True: it begins a connection.
bool may_begin(const Seen& seen) {
    if (seen.tuple.proto == kTcp) {
        const Segment s = segment_of(seen.l4);
        return flags_make_sense(s) && !(s.syn && s.has_ack);
    }
    if (!is_icmp(seen.tuple)) return true;
    const std::uint16_t type = seen.tuple.dport;
    return seen.tuple.v6 ? type == 128 : type == 8 || type == 13 || type == 15;
}

/// ct_state bits that the packet adds to; kInv alone: it doesn't belong.
Verdict follow(Connection& c, const Seen& seen, Tracked& tracked, std::uint64_t now_ms) {
    if (seen.tuple.proto == kTcp) {
        const Verdict verdict = follow_tcp(c, segment_of(seen.l4), tracked.reply, now_ms);
        if (verdict == Verdict::kValid)
            tracked.state = static_cast<std::uint8_t>((tracked.state & ~kNew) | kEst);
        if (verdict == Verdict::kStillNew) tracked.state |= kNew;
        return verdict;
    }
    c.answered |= tracked.reply;
    c.expires_ms = now_ms + (c.answered ? 30000 : 60000);
    tracked.state =
        static_cast<std::uint8_t>(c.answered ? (tracked.state & ~kNew) | kEst : tracked.state | kNew);
    return Verdict::kValid;
}

// Translation.

/// The first free reply tuple: the address as asked for, ports from the packet's own upwards.
bool choose(const Connections& table, Connection& c, const NatAction& nat, std::uint64_t now_ms) {
    (nat.src ? c.nat_src : c.nat_dst) = true;
    const auto taken = [&](const Tuple& t) {
        const auto it = table.by_tuple.find(t);
        return !(t == c.original) && it != table.by_tuple.end() && it->second->expires_ms > now_ms;
    };
    U128& address = nat.src ? c.reply.dst : c.reply.src;
    if (nat.ip_min && !(nat.src && nat.ip_min->is_zero())) address = *nat.ip_min;
    if (!has_ports(c.original)) return !taken(c.reply);
    if (!nat.src && nat.port_min) c.reply.sport = *nat.port_min;
    if (!nat.src && nat.port_min && !taken(c.reply)) return true;
    const std::uint32_t own = c.original.sport;
    std::uint32_t low = own < 512    ? 1
                        : own < 1024 ? 600
                                     : 1024,
                  high = own < 512    ? 511
                         : own < 1024 ? 1023
                                      : 65535;
    if (nat.src && nat.port_min) {
        low = *nat.port_min;
        high = nat.port_max.value_or(*nat.port_min);
    }
    const std::uint32_t count = high - low + 1;
    const std::uint32_t first = own >= low && own <= high ? own - low : 0;
    for (std::uint32_t n = 0; n < count; ++n) {
        c.reply.dport = static_cast<std::uint16_t>(low + (first + n) % count);
        if (!taken(c.reply)) return true;
    }
    return false;
}

void put_sum(std::uint8_t* field, std::uint16_t sum) {
    store_be16(field, sum);
}

/// Writes the tuple that the receiver of an ICMP error knows into the packet inside of it.
void rewrite_quoted(WorkPacket& p, const Seen& seen, const Tuple& tuple) {
    std::uint8_t* ip = &p.bytes[seen.inner];
    std::uint8_t* l4 = &p.bytes[seen.inner_l4];
    const std::size_t left = p.at.l3_end - seen.inner_l4;
    const bool v6 = tuple.v6;
    const std::vector<std::uint8_t> before(p.bytes.begin() + static_cast<std::ptrdiff_t>(seen.inner),
                                           p.bytes.begin() + static_cast<std::ptrdiff_t>(p.at.l3_end));
    // The inner transport checksum, where it is quoted at all.
    std::size_t at = 0;
    if (tuple.proto == kUdp && left >= 8 && load_be16(l4 + 6) != 0) at = 6;
    if (tuple.proto == kTcp && left >= 18) at = 16;
    if (v6 && tuple.proto == 58 && left >= 4) at = 2;
    const auto change = [&](std::uint8_t* where, const std::uint8_t* next, std::size_t size) {
        if (at != 0) {
            std::uint16_t sum = wire::update_checksum_bytes(load_be16(l4 + at), where, next, size);
            if (tuple.proto == kUdp && sum == 0) sum = 0xffff;
            put_sum(l4 + at, sum);
        }
        if (!v6 && where < l4)
            put_sum(ip + 10, wire::update_checksum_bytes(load_be16(ip + 10), where, next, size));
        std::copy(next, next + size, where);
    };
    std::uint8_t addresses[32];
    if (v6) {
        wire::ipv6::store_address(addresses, tuple.src);
        wire::ipv6::store_address(addresses + 16, tuple.dst);
        change(ip + 8, addresses, 32);
    } else {
        store_be32(addresses, static_cast<std::uint32_t>(tuple.src.lo));
        store_be32(addresses + 4, static_cast<std::uint32_t>(tuple.dst.lo));
        change(ip + 12, addresses, 8);
    }
    if (has_ports(tuple)) {
        std::uint8_t ports[4];
        store_be16(ports, tuple.sport);
        store_be16(ports + 2, tuple.dport);
        change(l4, ports, 4);
    }
    std::uint8_t* sum = &p.bytes[p.at.l4 + 2];
    put_sum(sum, wire::update_checksum_bytes(load_be16(sum), before.data(), ip, before.size()));
}

void translate(WorkPacket& p, const Connection& c, Tracked& tracked, const Seen& seen) {
    if ((!c.nat_src && !c.nat_dst) || (tracked.state & (kSnat | kDnat))) return;
    const bool source = c.nat_src != tracked.reply;
    tracked.state |= source ? kSnat : kDnat;
    const Tuple& from = tracked.reply ? c.original : c.reply;
    FlowKey wanted = p.at.key;
    if (from.v6)
        wanted.set_wide(source ? key::kIpv6Src : key::kIpv6Dst, source ? from.dst : from.src);
    else
        wanted.set(source ? key::kIpv4Src : key::kIpv4Dst, (source ? from.dst : from.src).lo);
    if (has_ports(c.original) && !tracked.related)
        wanted.set(source ? key::kTpSrc : key::kTpDst, source ? from.dport : from.sport);
    commit(p, wanted);
    if (tracked.related) rewrite_quoted(p, seen, from);
}

// Fields.

struct Wishes {
    std::uint16_t zone = 0;
    std::uint32_t mark = 0, mark_mask = 0;
    U128 label, label_mask;
    const NatAction* nat = nullptr;
};

U128 read(const FlowKey& k, const SubField& f) {
    return (k.get_wide(field_info(f.field).loc) >> f.offset) & low_mask(f.bits);
}

Wishes wishes_of(const CtAction& action, const FlowKey& k) {
    Wishes w;
    w.zone = action.zone_source ? static_cast<std::uint16_t>(read(k, *action.zone_source).lo)
                                : action.zone_immediate;
    FlowKey inside = k;
    for (const Action& inner : action.actions) {
        if (const auto* nat = std::get_if<NatAction>(&inner.kind)) w.nat = nat;
        FieldId field = kNoField;
        U128 value, mask;
        if (const auto* set = std::get_if<SetFieldAction>(&inner.kind)) {
            field = set->field;
            value = set->value & set->mask;
            mask = set->mask;
        } else if (const auto* move = std::get_if<MoveAction>(&inner.kind)) {
            field = move->target.field;
            mask = low_mask(move->target.bits) << move->target.offset;
            value = read(inside, move->source) << move->target.offset;
        } else {
            continue;
        }
        const FieldLoc loc = field_info(field).loc;
        inside.set_wide(loc, (inside.get_wide(loc) & ~mask) | value);
        if (loc.word == key::kCtLabel.word)
            w.label_mask = w.label_mask | mask;
        else
            w.mark_mask |= static_cast<std::uint32_t>(mask.lo);
    }
    w.mark = static_cast<std::uint32_t>(inside.get(key::kCtMark)) & w.mark_mask;
    w.label = inside.get_wide(key::kCtLabel) & w.label_mask;
    return w;
}

void show_tuple(FlowKey& k, const Tuple* t) {
    const bool v4 = t && !t->v6, v6 = t && t->v6;
    k.set(key::kCtProto, t ? t->proto : 0);
    k.set(key::kCtSrc, v4 ? t->src.lo : 0);
    k.set(key::kCtDst, v4 ? t->dst.lo : 0);
    k.set_wide(key::kCtIpv6Src, v6 ? t->src : U128{});
    k.set_wide(key::kCtIpv6Dst, v6 ? t->dst : U128{});
    k.set(key::kCtTpSrc, !t ? 0 : is_icmp(*t) ? t->dport : t->sport);
    k.set(key::kCtTpDst, !t || is_icmp(*t) ? 0 : t->dport);
}

void forget(Connections& table, const std::shared_ptr<Connection>& c) {
    for (const Tuple& t : {c->original, c->reply}) {
        const auto it = table.by_tuple.find(t);
        if (it != table.by_tuple.end() && it->second == c) table.by_tuple.erase(it);
    }
    c->expires_ms = 0;
}

/// A new connection for the packet; null: no translation is free.
std::shared_ptr<Connection> begin(Connections& table, const Seen& seen, const NatAction* nat,
                                  std::uint64_t now_ms) {
    auto c = std::make_shared<Connection>();
    c->original = seen.tuple;
    c->reply = seen.tuple.reversed();
    c->expires_ms = now_ms + (seen.tuple.proto == kTcp ? 30000 : 60000);
    if (seen.tuple.proto == kTcp) begin_tcp(*c, segment_of(seen.l4));
    if (nat && (nat->src || nat->dst) && !choose(table, *c, *nat, now_ms)) return nullptr;
    table.by_tuple[c->original] = c;
    // Answers that another connection's translation has claimed stay that one's.
    const auto taken = table.by_tuple.find(c->reply);
    if (taken == table.by_tuple.end() || taken->second->expires_ms <= now_ms) table.by_tuple[c->reply] = c;
    return c;
}

}  // namespace

Tuple Tuple::reversed() const {
    Tuple t = *this;
    std::swap(t.src, t.dst);
    if (is_icmp(*this))
        t.dport = answer_of(static_cast<std::uint8_t>(dport), v6);
    else
        std::swap(t.sport, t.dport);
    return t;
}

bool track(Connections& table, Tracked& tracked, WorkPacket& p, const CtAction& action,
           std::uint64_t now_ms) {
    const Wishes wishes = wishes_of(action, p.at.key);
    const auto seen = look_at(p, wishes.zone);
    bool translated = true;
    const Tuple* shown = nullptr;
    const bool known = tracked.connection && tracked.zone == wishes.zone && !action.force &&
                       tracked.connection->expires_ms > now_ms;
    if (known) {
        if (wishes.nat) translate(p, *tracked.connection, tracked, seen.value_or(Seen{}));
    } else {
        if (tracked.zone != wishes.zone) tracked.state = 0;
        tracked = {nullptr, wishes.zone, tracked.state, false, false};
        if (!seen) {
            tracked.state = kInv;
        } else {
            shown = &seen->tuple;
            if (const auto it = table.by_tuple.find(seen->tuple); it != table.by_tuple.end()) {
                auto c = it->second;
                tracked.reply = !(c->original == seen->tuple);
                if (c->expires_ms <= now_ms || (action.force && tracked.reply))
                    forget(table, c);
                else
                    tracked.connection = std::move(c);
            }
            bool begins = !tracked.connection;
            if (tracked.connection && seen->related) {
                tracked.related = true;
                tracked.state |= kRel;
                if (tracked.reply) tracked.state |= kRpl;
            } else if (tracked.connection) {
                const Verdict verdict = follow(*tracked.connection, *seen, tracked, now_ms);
                if (verdict == Verdict::kInvalid) tracked.state = kInv;
                if (verdict == Verdict::kValid && tracked.reply) tracked.state |= kRpl;
                begins = verdict == Verdict::kOver;
                if (begins) forget(table, std::exchange(tracked.connection, nullptr));
            }
            if (begins) {
                tracked.reply = false;
                const bool sound = !seen->related && may_begin(*seen);
                tracked.state = sound ? kNew : kInv;
                if (sound && action.commit) {
                    tracked.connection = begin(table, *seen, wishes.nat, now_ms);
                    translated = tracked.connection != nullptr;
                }
            }
            if (tracked.connection && wishes.nat) translate(p, *tracked.connection, tracked, *seen);
        }
        tracked.state |= kTrk;
    }
    if (Connection* c = tracked.connection.get()) {
        c->mark = (c->mark & ~wishes.mark_mask) | wishes.mark;
        c->label = (c->label & ~wishes.label_mask) | wishes.label;
        shown = &c->original;
    }
    FlowKey& k = p.at.key;
    k.set(key::kCtState, tracked.state);
    k.set(key::kCtZone, wishes.zone);
    k.set(key::kCtMark, tracked.connection ? tracked.connection->mark : 0);
    k.set_wide(key::kCtLabel, tracked.connection ? tracked.connection->label : U128{});
    show_tuple(k, shown);
    return translated;
}

}  // namespace sluice::reference
