// SPDX-License-Identifier: Apache-2.0
#include "control/trace_odp.hpp"

#include <fmt/format.h>

#include "flow/action_text.hpp"
#include "flow/field.hpp"
#include "flow/nsh.hpp"
#include "flow/text.hpp"

namespace sluice {

namespace {

constexpr std::uint16_t kTypeIpv4 = 0x0800, kTypeArp = 0x0806, kTypeRarp = 0x8035, kTypeIpv6 = 0x86dd;
constexpr std::uint16_t kTypeMpls = 0x8847, kTypeMplsMulticast = 0x8848;
constexpr std::uint16_t kTypeNsh = 0x894f, kTypeTransparentEthernet = 0x6558;

/// Collects "name=value" members that differ and wraps them: "set(eth(src=…,dst=…))".
class Changes {
  public:
    Changes(const FlowKey& from, const FlowKey& to) : from_(from), to_(to) {}
    bool differs(FieldLoc loc) const { return !(from_.get_wide(loc) == to_.get_wide(loc)); }
    void mac(const char* name, FieldLoc loc) {
        if (differs(loc)) add(name, text::format_mac(to_.get(loc)));
    }
    void ipv4(const char* name, FieldLoc loc) {
        if (differs(loc)) add(name, text::format_ipv4(static_cast<std::uint32_t>(to_.get(loc))));
    }
    void ipv6(const char* name, FieldLoc loc) {
        if (differs(loc)) add(name, text::format_ipv6(to_.get_wide(loc)));
    }
    void number(const char* name, FieldLoc loc) {
        if (differs(loc)) add(name, fmt::format("{}", to_.get(loc)));
    }
    void hex(const char* name, FieldLoc loc) {
        if (differs(loc)) add(name, fmt::format("{:#x}", to_.get(loc)));
    }
    void tos(const char* name) {
        const auto changed = from_.get(key::kIpTos) ^ to_.get(key::kIpTos);
        if (changed == 0) return;
        const bool dscp_only = (changed & 3) == 0;
        add(name, dscp_only ? fmt::format("{:#x}/0xfc", to_.get(key::kIpTos) & 0xfc)
                            : fmt::format("{:#x}", to_.get(key::kIpTos)));
    }
    void finish(const char* header, std::vector<std::string>& out) {
        if (!members_.empty()) out.push_back(fmt::format("set({}({}))", header, members_));
        members_.clear();
    }

  private:
    void add(const char* name, const std::string& value) {
        if (!members_.empty()) members_ += ',';
        members_ += fmt::format("{}={}", name, value);
    }
    const FlowKey& from_;
    const FlowKey& to_;
    std::string members_;
};

const char* transport_name(std::uint64_t proto, bool ipv6) {
    switch (proto) {
        case 1:
            return ipv6 ? nullptr : "icmp";
        case 6:
            return "tcp";
        case 17:
            return "udp";
        case 58:
            return ipv6 ? "icmpv6" : nullptr;
        case 132:
            return "sctp";
        default:
            return nullptr;
    }
}

bool is_icmp(const char* transport) {
    return transport[0] == 'i';
}

/// Members of push_nsh: context headers, or the metadata of type 2 as bytes.
std::string nsh_text(const FlowKey& key, const std::vector<std::uint8_t>& properties) {
    std::string text = fmt::format("flags={},ttl={},mdtype={},np={},spi={:#x},si={}", key.get(key::kNshFlags),
                                   key.get(key::kNshTtl), key.get(key::kNshMdtype), key.get(key::kNshNp),
                                   key.get(key::kNshSpi), key.get(key::kNshSi));
    if (key.get(key::kNshMdtype) == 1)
        return text + fmt::format(",c1={:#x},c2={:#x},c3={:#x},c4={:#x}", key.get(key::kNshC1),
                                  key.get(key::kNshC2), key.get(key::kNshC3), key.get(key::kNshC4));
    std::uint8_t header[kMaxNshBytes];
    constexpr std::size_t kFixedBytes = 8;
    const auto next = static_cast<std::uint8_t>(key.get(key::kNshNp));
    const std::size_t size = make_nsh(properties, next, header);
    if (size <= kFixedBytes) return text + ",md2=0";
    return text + fmt::format(",md2=0x{:02x}", fmt::join(header + kFixedBytes, header + size, ""));
}

void nsh_changes(Changes& changes, std::vector<std::string>& out) {
    changes.number("flags", key::kNshFlags);
    changes.number("ttl", key::kNshTtl);
    changes.hex("spi", key::kNshSpi);
    changes.number("si", key::kNshSi);
    changes.hex("c1", key::kNshC1);
    changes.hex("c2", key::kNshC2);
    changes.hex("c3", key::kNshC3);
    changes.hex("c4", key::kNshC4);
    changes.finish("nsh", out);
}

void network_changes(Changes& changes, const FlowKey& to, std::vector<std::string>& out) {
    const auto type = to.get(key::kEthType);
    if (type == kTypeIpv4) {
        changes.ipv4("src", key::kIpv4Src);
        changes.ipv4("dst", key::kIpv4Dst);
        changes.tos("tos");
        changes.number("ttl", key::kIpTtl);
        changes.finish("ipv4", out);
    } else if (type == kTypeIpv6) {
        changes.ipv6("src", key::kIpv6Src);
        changes.ipv6("dst", key::kIpv6Dst);
        changes.hex("label", key::kIpv6Label);
        changes.tos("tclass");
        changes.number("hlimit", key::kIpTtl);
        changes.finish("ipv6", out);
    } else if (type == kTypeArp || type == kTypeRarp) {
        changes.ipv4("sip", key::kIpv4Src);
        changes.ipv4("tip", key::kIpv4Dst);
        changes.number("op", key::kIpProto);
        changes.mac("sha", key::kArpSha);
        changes.mac("tha", key::kArpTha);
        changes.finish("arp", out);
    }
    if (type != kTypeIpv4 && type != kTypeIpv6) return;
    const char* transport = transport_name(to.get(key::kIpProto), type == kTypeIpv6);
    if (!transport) return;
    changes.number(is_icmp(transport) ? "type" : "src", key::kTpSrc);
    changes.number(is_icmp(transport) ? "code" : "dst", key::kTpDst);
    changes.finish(transport, out);
    if (to.get(key::kIpProto) == 58) {
        changes.ipv6("target", key::kNdTarget);
        changes.mac("sll", key::kArpSha);
        changes.mac("tll", key::kArpTha);
        changes.finish("nd", out);
    }
}

struct Tag {
    std::uint64_t tci, tpid;
    friend bool operator==(const Tag&, const Tag&) = default;
};

std::vector<Tag> tags_of(const FlowKey& key) {
    std::vector<Tag> tags;  // innermost first
    if ((key.get(key::kVlan1Tci) & kVlanPresent) != 0)
        tags.push_back({key.get(key::kVlan1Tci), key.get(key::kVlan1Tpid)});
    if ((key.get(key::kVlanTci) & kVlanPresent) != 0)
        tags.push_back({key.get(key::kVlanTci), key.get(key::kVlanTpid)});
    return tags;
}

void vlan_changes(const FlowKey& from, const FlowKey& to, std::vector<std::string>& out) {
    const auto before = tags_of(from);
    const auto after = tags_of(to);
    std::size_t same = 0;
    while (same < before.size() && same < after.size() && before[same] == after[same])
        ++same;
    for (std::size_t i = before.size(); i > same; --i)
        out.emplace_back("pop_vlan");
    for (std::size_t i = same; i < after.size(); ++i) {
        const auto [tci, tpid] = after[i];
        const std::string type = tpid == 0 || tpid == 0x8100 ? "" : fmt::format("tpid=0x{:04x},", tpid);
        out.push_back(fmt::format("push_vlan({}vid={},pcp={})", type, tci & 0xfff, tci >> 13));
    }
}

bool is_mpls(const FlowKey& key) {
    const auto type = key.get(key::kEthType);
    return type == kTypeMpls || type == kTypeMplsMulticast;
}

void mpls_changes(const FlowKey& from, const FlowKey& to, std::vector<std::string>& out) {
    const auto lse = to.get(key::kMplsLse0);
    const auto text =
        fmt::format("label={},tc={},ttl={},bos={}", lse >> 12, lse >> 9 & 7, lse & 0xff, lse >> 8 & 1);
    if (!is_mpls(from) && is_mpls(to)) {
        out.push_back(fmt::format("push_mpls({},eth_type=0x{:x})", text, to.get(key::kEthType)));
    } else if (is_mpls(from) && !is_mpls(to)) {
        out.push_back(fmt::format("pop_mpls(eth_type=0x{:x})", to.get(key::kEthType)));
    } else if (is_mpls(from) && from.get(key::kMplsLse0) != lse) {
        out.push_back(fmt::format("set(mpls({}))", text));
    }
}

void append(std::string& out, const std::string& piece) {
    if (!out.empty()) out += ',';
    out += piece;
}

std::string with_mask(std::string value, std::uint64_t mask, std::uint64_t full) {
    if (mask != full) value += fmt::format("/{:#x}", mask);
    return value;
}

/// Members of one header of a match.
class Members {
  public:
    explicit Members(const Match& match) : match_(match) {}
    void mac(const char* name, FieldLoc loc) {
        if (const auto mask = match_.mask.get(loc)) {
            std::string value = text::format_mac(match_.value.get(loc));
            if (mask != (1ULL << 48) - 1) value += "/" + text::format_mac(mask);
            append(text_, fmt::format("{}={}", name, value));
        }
    }
    void ipv4(const char* name, FieldLoc loc) {
        if (const auto mask = static_cast<std::uint32_t>(match_.mask.get(loc))) {
            append(text_, fmt::format("{}={}{}", name,
                                      text::format_ipv4(static_cast<std::uint32_t>(match_.value.get(loc))),
                                      mask == ~0U ? "" : "/" + text::format_ipv4(mask)));
        }
    }
    void ipv6(const char* name, FieldLoc loc) {
        const U128 mask = match_.mask.get_wide(loc);
        if (mask.is_zero()) return;
        append(text_, fmt::format("{}={}{}", name, text::format_ipv6(match_.value.get_wide(loc)),
                                  text::format_ipv6_mask(mask)));
    }
    void number(const char* name, FieldLoc loc) {
        const auto full = loc.bits >= 64 ? ~0ULL : (1ULL << loc.bits) - 1;
        if (const auto mask = match_.mask.get(loc)) {
            append(text_, fmt::format("{}={}", name,
                                      with_mask(fmt::format("{}", match_.value.get(loc)), mask, full)));
        }
    }
    void literal(const std::string& text) { append(text_, text); }
    void finish(const char* header, std::string& out) {
        if (!text_.empty()) append(out, fmt::format("{}({})", header, text_));
        text_.clear();
    }

  private:
    const Match& match_;
    std::string text_;
};

}  // namespace

std::vector<std::string> odp_changes(const FlowKey& from, const FlowKey& to) {
    std::vector<std::string> out;
    Changes changes(from, to);
    changes.mac("src", key::kEthSrc);
    changes.mac("dst", key::kEthDst);
    changes.finish("eth", out);
    if (from.get(key::kEthType) == kTypeNsh && to.get(key::kEthType) == kTypeNsh) nsh_changes(changes, out);
    if (!is_mpls(from) && !is_mpls(to)) network_changes(changes, to, out);
    mpls_changes(from, to, out);
    vlan_changes(from, to, out);
    if (from.get(key::kPktMark) != to.get(key::kPktMark))
        out.push_back(fmt::format("set(skb_mark({:#x}))", to.get(key::kPktMark)));
    return out;
}

std::string odp_reframing(const Action& action, const FlowKey& before, const FlowKey& now) {
    const auto lse = now.get(key::kMplsLse0);
    if (const auto* encap = std::get_if<EncapAction>(&action.kind)) {
        if (encap->packet_type == 0)
            return fmt::format("push_eth(src={},dst={})", text::format_mac(now.get(key::kEthSrc)),
                               text::format_mac(now.get(key::kEthDst)));
        if (encap->packet_type == kPacketTypeNsh)
            return fmt::format("push_nsh({})", nsh_text(now, encap->properties));
        return fmt::format("add_mpls(label={},tc={},ttl={},bos={},eth_type=0x{:x})", lse >> 12, lse >> 9 & 7,
                           lse & 0xff, lse >> 8 & 1, encap->packet_type & 0xffff);
    }
    if (before.get(key::kPacketType) == 0) return "pop_eth";
    const auto type = before.get(key::kEthType);
    if (type == kTypeNsh) return "pop_nsh()";
    const auto next = std::get<DecapAction>(action.kind).packet_type & 0xffff;
    return fmt::format("pop_mpls(eth_type=0x{:x})", next == 0 ? kTypeTransparentEthernet : next);
}

FlowKey odp_reframed(const Action& action, const FlowKey& after, const FlowKey& now) {
    FlowKey key = after;
    const auto take = [&](std::initializer_list<FieldLoc> fields) {
        for (const FieldLoc field : fields)
            key.set_wide(field, now.get_wide(field));
    };
    const auto* encap = std::get_if<EncapAction>(&action.kind);
    if (encap && encap->packet_type == 0)
        take({key::kEthSrc, key::kEthDst});
    else if (encap && encap->packet_type == kPacketTypeNsh)
        take({key::kNshFlags, key::kNshTtl, key::kNshMdtype, key::kNshNp, key::kNshSpi, key::kNshSi,
              key::kNshC1, key::kNshC2, key::kNshC3, key::kNshC4});
    else if (encap)
        take({key::kMplsLse0});
    return key;
}

std::string format_odp_ct(const CtAction& action, const FlowKey& key) {
    U128 mark_mask, label_mask;
    std::string nat;
    for (const Action& inner : action.actions) {
        const auto write = [&](FieldId field, U128 mask) {
            U128& all = field_info(field).loc.word == key::kCtLabel.word ? label_mask : mark_mask;
            all = all | mask;
        };
        if (const auto* set = std::get_if<SetFieldAction>(&inner.kind)) write(set->field, set->mask);
        if (const auto* move = std::get_if<MoveAction>(&inner.kind))
            write(move->target.field, low_mask(move->target.bits) << move->target.offset);
        if (std::holds_alternative<NatAction>(inner.kind)) nat = format_actions({inner});
    }
    std::string inside;
    if (action.commit) append(inside, action.force ? "force_commit" : "commit");
    if (key.get(key::kCtZone) != 0) append(inside, fmt::format("zone={}", key.get(key::kCtZone)));
    if (!mark_mask.is_zero())
        append(inside, fmt::format("mark={:#x}/{:#x}", key.get(key::kCtMark) & mark_mask.lo, mark_mask.lo));
    if (!label_mask.is_zero())
        append(inside, "label=" + text::format_hex(key.get_wide(key::kCtLabel) & label_mask) +
                           (label_mask == low_mask(128) ? "" : "/" + text::format_hex(label_mask)));
    if (action.alg != 0) append(inside, action.alg == 21 ? "helper=ftp" : "helper=tftp");
    if (!nat.empty()) append(inside, nat);
    return inside.empty() ? "ct" : fmt::format("ct({})", inside);
}

std::string format_odp_match(const Match& match) {
    std::string out;
    Members members(match);
    members.mac("src", key::kEthSrc);
    members.mac("dst", key::kEthDst);
    members.finish("eth", out);
    if ((match.mask.get(key::kVlanTci) & kVlanPresent) != 0 &&
        (match.value.get(key::kVlanTci) & kVlanPresent) != 0) {
        append(out, fmt::format("vlan(vid={},pcp={})", match.value.get(key::kVlanTci) & 0xfff,
                                match.value.get(key::kVlanTci) >> 13));
    }
    const auto type = match.mask.get(key::kEthType) == 0xffff ? match.value.get(key::kEthType) : 0;
    if (type != 0) append(out, fmt::format("eth_type(0x{:04x})", type));
    const bool ipv6 = type == kTypeIpv6;
    if (type == kTypeArp || type == kTypeRarp) {
        members.ipv4("sip", key::kIpv4Src);
        members.ipv4("tip", key::kIpv4Dst);
        members.number("op", key::kIpProto);
        members.mac("sha", key::kArpSha);
        members.mac("tha", key::kArpTha);
        members.finish("arp", out);
        return out;
    }
    if (type != kTypeIpv4 && !ipv6) return out;
    if (ipv6) {
        members.ipv6("src", key::kIpv6Src);
        members.ipv6("dst", key::kIpv6Dst);
    } else {
        members.ipv4("src", key::kIpv4Src);
        members.ipv4("dst", key::kIpv4Dst);
    }
    members.number("proto", key::kIpProto);
    members.number(ipv6 ? "tclass" : "tos", key::kIpTos);
    members.number(ipv6 ? "hlimit" : "ttl", key::kIpTtl);
    if (match.mask.get(key::kIpFrag) != 0) {
        const auto frag = match.value.get(key::kIpFrag);
        members.literal(fmt::format("frag={}", (frag & kFragLater) != 0 ? "later"
                                               : frag != 0              ? "first"
                                                                        : "no"));
    }
    members.finish(ipv6 ? "ipv6" : "ipv4", out);
    const char* transport = match.mask.get(key::kIpProto) == 0xff
                                ? transport_name(match.value.get(key::kIpProto), ipv6)
                                : nullptr;
    if (!transport) return out;
    members.number(is_icmp(transport) ? "type" : "src", key::kTpSrc);
    members.number(is_icmp(transport) ? "code" : "dst", key::kTpDst);
    members.finish(transport, out);
    return out;
}

}  // namespace sluice
