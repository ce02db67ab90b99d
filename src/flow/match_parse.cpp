// SPDX-License-Identifier: Apache-2.0
// Text to Match and FlowKey. Source: ovs-fields(7), ovs-ofctl(8) "Flow Syntax".
#include "flow/match_text.hpp"

namespace sluice {
namespace {

using text::KeyValue;

// Names that stand for an Ethernet type and an IP protocol.
struct Protocol {
    std::string_view name;
    std::uint16_t eth_type;
    std::uint8_t ip_proto;  // 0: not matched
};
constexpr Protocol kProtocols[] = {
    {"ip", 0x0800, 0},      {"ipv4", 0x0800, 0},   {"ip4", 0x0800, 0},    {"icmp", 0x0800, 1},
    {"tcp", 0x0800, 6},     {"udp", 0x0800, 17},   {"sctp", 0x0800, 132}, {"ipv6", 0x86dd, 0},
    {"ip6", 0x86dd, 0},     {"icmp6", 0x86dd, 58}, {"tcp6", 0x86dd, 6},   {"udp6", 0x86dd, 17},
    {"sctp6", 0x86dd, 132}, {"arp", 0x0806, 0},    {"rarp", 0x8035, 0},   {"mpls", 0x8847, 0},
    {"mplsm", 0x8848, 0},
};

bool overlap(FieldLoc a, FieldLoc b) {
    const auto wide = [](FieldLoc f) { return f.bits == 128; };
    if (wide(a) || wide(b)) {
        return a.word < b.word + (wide(b) ? 2 : 1) && b.word < a.word + (wide(a) ? 2 : 1);
    }
    return a.word == b.word && a.shift < b.shift + b.bits && b.shift < a.shift + a.bits;
}

std::string_view prereq_text(Prereq prereq) {
    switch (prereq) {
        case Prereq::kNone:
            return "nothing";
        case Prereq::kArp:
            return "arp or rarp";
        case Prereq::kIpv4:
            return "ip";
        case Prereq::kIpv6:
            return "ipv6";
        case Prereq::kIpAny:
            return "ip or ipv6";
        case Prereq::kVlan:
            return "a VLAN tag (vlan_vid)";
        case Prereq::kMpls:
            return "mpls or mplsm";
        case Prereq::kTcp:
            return "tcp, udp, sctp, icmp or icmp6";
        case Prereq::kUdp:
            return "udp or udp6";
        case Prereq::kSctp:
            return "sctp or sctp6";
        case Prereq::kIcmpV4:
            return "icmp";
        case Prereq::kIcmpV6:
            return "icmp6";
        case Prereq::kNd:
            return "icmp6,icmp_type=135 or 136";
        case Prereq::kNdSolicit:
            return "icmp6,icmp_type=135";
        case Prereq::kNdAdvert:
            return "icmp6,icmp_type=136";
        case Prereq::kCt:
            return "ct_state=+trk with +new, +est, +rel, +rpl or -inv";
        case Prereq::kEthernet:
            return "Ethernet packets (packet_type=(0,0))";
        case Prereq::kNsh:
            return "dl_type=0x894f";
    }
    return "";
}

// ovs-ofctl lets one name mean the field of the protocol at hand: tp_src of udp, icmp_type of icmp6. All of
// them share a place in the key, so the check is whether any field there is allowed.
bool place_allowed(const FieldInfo& field, const Match& match) {
    for (const auto& other : all_fields()) {
        if (other.loc.bits != 0 && overlap(field.loc, other.loc) && prereq_ok(other.prereq, match))
            return true;
    }
    return false;
}

// Second VLAN tag, second and third MPLS label: no match can name them, but format_flow() prints them.
Result<bool> parse_inner(const KeyValue& item, FlowKey& flow) {
    struct Inner {
        std::string_view name;
        FieldLoc loc;
        std::uint64_t also;  // bits that come with it
    };
    constexpr std::uint8_t kTci1 = key::kVlan1Tci.word, kShift = key::kVlan1Tci.shift;
    constexpr Inner kInner[] = {
        {"vlan_tci1", key::kVlan1Tci, 0},
        {"dl_vlan1", {kTci1, kShift, 12}, kVlanPresent},
        {"dl_vlan_pcp1", {kTci1, kShift + 13, 3}, kVlanPresent},
        {"mpls_lse1", key::kMplsLse1, 0},
        {"mpls_lse2", key::kMplsLse2, 0},
    };
    for (const auto& inner : kInner) {
        if (item.key != inner.name) continue;
        const auto n = text::parse_uint(item.key, item.value, low_mask(inner.loc.bits).lo);
        if (!n) return n.error();
        flow.set(inner.loc, *n);
        if (inner.also != 0) flow.set(key::kVlan1Tci, flow.get(key::kVlan1Tci) | inner.also);
        return true;
    }
    return false;
}

/// A number of any length: hexadecimal, or decimal up to 64 bits. Most significant byte first.
Result<std::vector<std::uint8_t>> parse_long(std::string_view name, std::string_view s) {
    std::vector<std::uint8_t> bytes;
    if (s.starts_with("0x") || s.starts_with("0X")) {
        std::string digits{s.substr(2)};
        if (digits.size() % 2 != 0) digits.insert(0, 1, '0');
        if (digits.empty() || digits.find_first_not_of("0123456789abcdefABCDEF") != std::string::npos)
            return make_error(EINVAL, "{}: \"{}\" is not a number", name, s);
        for (std::size_t i = 0; i < digits.size(); i += 2)
            bytes.push_back(static_cast<std::uint8_t>(std::stoul(digits.substr(i, 2), nullptr, 16)));
        return bytes;
    }
    const auto number = text::parse_uint(name, s, ~std::uint64_t{0});
    if (!number) return number.error();
    for (int shift = 56; shift >= 0; shift -= 8)
        bytes.push_back(static_cast<std::uint8_t>(*number >> shift));
    return bytes;
}

Result<bool> parse_option(const KeyValue& item, unsigned index, Match& match, const TunTable* tun) {
    const TunMapping* mapping = tun ? tun->find(index) : nullptr;
    if (!mapping)
        return make_error(EINVAL, "{}: no TLV is mapped to this field (see ovs-ofctl add-tlv-map)", item.key);
    std::vector<std::uint8_t> value, mask;
    if (item.separator != '\0') {
        const auto slash = item.value.find('/');
        auto parsed = parse_long(item.key, item.value.substr(0, slash));
        if (!parsed) return parsed.error();
        value = std::move(*parsed);
        mask.assign(mapping->option_length, 0xff);
        if (slash != std::string_view::npos) {
            auto bits = parse_long(item.key, item.value.substr(slash + 1));
            if (!bits) return bits.error();
            mask = std::move(*bits);
        }
    }
    tun->set(match, index, value, mask);
    return true;
}

}  // namespace

Result<bool> parse_match_item(const KeyValue& item, Match& match, const PortNames* names,
                              const TunTable* tun) {
    if (item.separator == '\0') {
        if (item.key == "eth") {
            match.set_exact(key::kPacketType, 0);
            return true;
        }
        for (const auto& protocol : kProtocols) {
            if (item.key != protocol.name) continue;
            match.set_exact(key::kEthType, protocol.eth_type);
            if (protocol.ip_proto != 0) match.set_exact(key::kIpProto, protocol.ip_proto);
            return true;
        }
    }
    // ovs-ofctl prints these two names without the "tun_" it demands on input.
    FieldId id = item.key == "gtpu_flags"     ? field_by_name("tun_gtpu_flags")
                 : item.key == "gtpu_msgtype" ? field_by_name("tun_gtpu_msgtype")
                                              : field_by_name(item.key);
    if (id == kNoField) return false;
    if (is_tun_metadata(field_info(id))) {
        return parse_option(item, TunTable::index_of(id), match, tun);
    }
    if (item.key == "in_port") id = field_by_name("in_port_oxm");
    const FieldInfo& field = field_info(id);
    if (item.separator == '\0') return make_error(EINVAL, "field {} missing value", item.key);
    const auto value = parse_field_value(field, item.value, names);
    if (!value) return value.error();
    field_set(field, match, value->value, value->mask);
    return true;
}

Result<void> check_match(const Match& match) {
    for (const auto& field : all_fields()) {
        if (field.prereq == Prereq::kNone || is_tun_metadata(field) || field_mask(field, match).is_zero())
            continue;
        if (!prereq_ok(field.prereq, match) && !place_allowed(field, match)) {
            return make_error(EINVAL, "{}: a match on it needs {} in the same match",
                              field.extra_name.empty() ? field.name : field.extra_name,
                              prereq_text(field.prereq));
        }
    }
    return {};
}

Result<Match> parse_match(std::string_view s, const PortNames* names) {
    Match match;
    KeyValue item;
    while (text::next_key_value(s, item)) {
        const auto known = parse_match_item(item, match, names);
        if (!known) return known.error();
        if (!*known) return make_error(EINVAL, "unknown keyword {}", item.key);
    }
    if (auto ok = check_match(match); !ok) return ok.error();
    match.normalize();
    return match;
}

/// A flow is one packet: it has one value a field.
static Result<void> check_unset(const KeyValue& item, const FlowKey& flow) {
    if (item.separator == '\0') {
        if (item.key != "eth" && flow.get(key::kEthType) != 0)
            return make_error(EINVAL, "Ethernet type set multiple times");
        return {};
    }
    const FieldId id = field_by_name(item.key == "in_port" ? "in_port_oxm" : item.key);
    if (id == kNoField || is_tun_metadata(field_info(id)) || field_get(field_info(id), flow).is_zero())
        return {};
    return make_error(EINVAL, "field {} set multiple times", item.key);
}

Result<FlowKey> parse_flow(std::string_view s, const PortNames* names, const TunTable* tun) {
    Match match;
    FlowKey unmatchable;
    KeyValue item;
    while (text::next_key_value(s, item)) {
        const auto inner = parse_inner(item, unmatchable);
        if (!inner) return inner.error();
        if (*inner) continue;
        if (auto ok = check_unset(item, match.value); !ok) return ok.error();
        const auto known = parse_match_item(item, match, names, tun);
        if (!known) return known.error();
        if (!*known) return make_error(EINVAL, "unknown keyword {}", item.key);
    }
    match.normalize();
    // Fields that are 0 may be named whatever the protocol: format_flow() names nd_tll of a solicitation.
    Match present = match;
    present.mask = present.value;
    if (auto ok = check_match(present); !ok) return ok.error();
    for (const FieldLoc f : {key::kVlan1Tci, key::kMplsLse1, key::kMplsLse2})
        match.value.set(f, unmatchable.get(f));
    return match.value;
}

}  // namespace sluice
