// SPDX-License-Identifier: Apache-2.0
#include "control/odp_flow.hpp"

#include <algorithm>
#include <cerrno>
#include <initializer_list>

#include "control/trace_compose.hpp"
#include "flow/text.hpp"
#include "wire/checksum.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"

namespace sluice {

namespace {

constexpr std::uint16_t kTypeIpv4 = 0x0800, kTypeIpv6 = 0x86dd;
constexpr std::uint16_t kTypeVlan = 0x8100, kTypeServiceVlan = 0x88a8;
constexpr std::uint64_t kNoType = 0x05ff;  ///< an IEEE 802.3 frame: length instead of a type
constexpr std::size_t kPayloadBytes = 64;

enum class Kind : std::uint8_t { kNumber, kMac, kIpv4, kIpv6, kFragment, kTcpFlags };

/// One "header(member=value)"; an empty member stands for the bare value of "header(value)".
struct Member {
    std::string_view header, name;
    FieldLoc loc;
    Kind kind = Kind::kNumber;
};

constexpr Member kMembers[] = {
    {"eth", "src", key::kEthSrc, Kind::kMac},
    {"eth", "dst", key::kEthDst, Kind::kMac},
    {"ipv4", "src", key::kIpv4Src, Kind::kIpv4},
    {"ipv4", "dst", key::kIpv4Dst, Kind::kIpv4},
    {"ipv4", "proto", key::kIpProto},
    {"ipv4", "tos", key::kIpTos},
    {"ipv4", "ttl", key::kIpTtl},
    {"ipv4", "frag", key::kIpFrag, Kind::kFragment},
    {"ipv6", "src", key::kIpv6Src, Kind::kIpv6},
    {"ipv6", "dst", key::kIpv6Dst, Kind::kIpv6},
    {"ipv6", "proto", key::kIpProto},
    {"ipv6", "tclass", key::kIpTos},
    {"ipv6", "hlimit", key::kIpTtl},
    {"ipv6", "label", key::kIpv6Label},
    {"ipv6", "frag", key::kIpFrag, Kind::kFragment},
    {"tcp", "src", key::kTpSrc},
    {"tcp", "dst", key::kTpDst},
    {"udp", "src", key::kTpSrc},
    {"udp", "dst", key::kTpDst},
    {"sctp", "src", key::kTpSrc},
    {"sctp", "dst", key::kTpDst},
    {"icmp", "type", key::kTpSrc},
    {"icmp", "code", key::kTpDst},
    {"icmpv6", "type", key::kTpSrc},
    {"icmpv6", "code", key::kTpDst},
    {"arp", "sip", key::kIpv4Src, Kind::kIpv4},
    {"arp", "tip", key::kIpv4Dst, Kind::kIpv4},
    {"arp", "op", key::kIpProto},
    {"arp", "sha", key::kArpSha, Kind::kMac},
    {"arp", "tha", key::kArpTha, Kind::kMac},
    {"nd", "target", key::kNdTarget, Kind::kIpv6},
    {"nd", "sll", key::kArpSha, Kind::kMac},
    {"nd", "tll", key::kArpTha, Kind::kMac},
    {"tcp_flags", "", key::kTcpFlags, Kind::kTcpFlags},
    {"skb_mark", "", key::kPktMark},
};

/// Members that say nothing about the frame itself.
constexpr std::string_view kIgnored[] = {"recirc_id", "dp_hash", "skb_priority", "packet_type",
                                         "ct_state",  "ct_zone", "ct_mark",      "ct_label"};

std::optional<U128> parse_value(Kind kind, std::string_view text) {
    const auto narrow = [](const auto& value) -> std::optional<U128> {
        return value ? std::optional(U128{0, *value}) : std::nullopt;
    };
    switch (kind) {
        case Kind::kNumber:
            return text::parse_number(text);
        case Kind::kMac:
            return narrow(text::parse_mac(text));
        case Kind::kIpv4:
            return narrow(text::parse_ipv4(text));
        case Kind::kIpv6:
            return text::parse_ipv6(text);
        case Kind::kFragment:
            if (text == "no") return U128{};
            if (text == "first") return U128{0, kFragAny};
            if (text == "later") return U128{0, kFragAny | kFragLater};
            return std::nullopt;
        case Kind::kTcpFlags: {
            const auto flags = text::parse_flags("tcp_flags", text, text::tcp_flag_names(), 0xfff, 0xfff);
            return flags ? std::optional(U128{0, flags->value}) : std::nullopt;
        }
    }
    return std::nullopt;
}

class Parser {
  public:
    Result<void> run(std::string_view text) {
        text::KeyValue header;
        while (text::next_key_value(text, header)) {
            if (auto ok = take(header); !ok) return ok;
        }
        return {};
    }
    OdpFlow& flow() { return flow_; }

  private:
    static Error wrong(const text::KeyValue& header) {
        return make_error(EINVAL, "syntax error at {}({})", header.key, header.value);
    }

    Result<void> take(const text::KeyValue& header) {
        if (header.separator != '(') return make_error(EINVAL, "syntax error at {}", header.key);
        if (header.key == "encap") return run(header.value);
        if (header.key == "in_port") {
            flow_.in_port = std::string(header.value);
            return {};
        }
        if (header.key == "eth_type") return take_type(header);
        if (header.key == "vlan") return take_vlan(header);
        if (header.key == "mpls") return take_mpls(header);
        if (std::find(std::begin(kIgnored), std::end(kIgnored), header.key) != std::end(kIgnored)) return {};
        return take_members(header);
    }

    Result<void> take_members(const text::KeyValue& header) {
        const auto find = [&](std::string_view name) {
            return std::find_if(std::begin(kMembers), std::end(kMembers), [&](const Member& member) {
                return member.header == header.key && member.name == name;
            });
        };
        if (const auto* bare = find(""); bare != std::end(kMembers))
            return store(header, *bare, header.value);
        std::string_view members = header.value;
        text::KeyValue item;
        while (text::next_key_value(members, item)) {
            const auto* member = find(item.key);
            if (member == std::end(kMembers)) return wrong(header);
            if (auto ok = store(header, *member, item.value); !ok) return ok;
        }
        return {};
    }

    Result<void> store(const text::KeyValue& header, const Member& member, std::string_view text) {
        const auto value = parse_value(member.kind, text);
        if (!value || !((~low_mask(member.loc.bits) & *value).is_zero())) return wrong(header);
        flow_.key.set_wide(member.loc, *value);
        return {};
    }

    Result<void> take_type(const text::KeyValue& header) {
        const auto type = text::parse_number(header.value);
        if (!type || type->hi != 0 || type->lo > 0xffff) return wrong(header);
        flow_.key.set(key::kEthType, type->lo);
        return {};
    }

    /// The type named before a tag is that of the tag.
    Result<void> take_vlan(const text::KeyValue& header) {
        std::uint64_t vid = 0, pcp = 0, cfi = 1;
        std::string_view members = header.value;
        text::KeyValue item;
        while (text::next_key_value(members, item)) {
            const auto value = text::parse_number(item.value);
            std::uint64_t* to = item.key == "vid"   ? &vid
                                : item.key == "pcp" ? &pcp
                                : item.key == "cfi" ? &cfi
                                                    : nullptr;
            if (!value || to == nullptr || value->hi != 0) return wrong(header);
            *to = value->lo;
        }
        if (vid > 0xfff || pcp > 7 || cfi > 1 || tags_ == 2) return wrong(header);
        const std::uint64_t type = flow_.key.get(key::kEthType);
        const bool outer = tags_++ == 0;
        flow_.key.set(outer ? key::kVlanTci : key::kVlan1Tci, kVlanPresent | pcp << 13 | vid);
        flow_.key.set(outer ? key::kVlanTpid : key::kVlan1Tpid, type == kTypeServiceVlan ? type : kTypeVlan);
        flow_.key.set(key::kEthType, kNoType);
        return {};
    }

    Result<void> take_mpls(const text::KeyValue& header) {
        constexpr FieldLoc kEntries[] = {key::kMplsLse0, key::kMplsLse1, key::kMplsLse2};
        std::size_t count = 0;
        std::uint64_t entry = 0;
        std::string_view members = header.value;
        text::KeyValue item;
        while (text::next_key_value(members, item)) {
            const auto value = text::parse_number(item.value);
            if (!value || value->hi != 0 || count == std::size(kEntries)) return wrong(header);
            if (item.key == "label" && value->lo < (1U << 20)) {
                entry |= value->lo << 12;
            } else if (item.key == "tc" && value->lo < 8) {
                entry |= value->lo << 9;
            } else if (item.key == "ttl" && value->lo < 256) {
                entry |= value->lo;
            } else if (item.key == "bos" && value->lo < 2) {
                flow_.key.set(kEntries[count++], std::exchange(entry, 0) | value->lo << 8);
            } else {
                return wrong(header);
            }
        }
        return count > 0 ? Result<void>{} : wrong(header);
    }

    OdpFlow flow_;
    unsigned tags_ = 0;
};

bool has_payload(const FlowKey& key) {
    const auto proto = key.get(key::kIpProto);
    const bool ipv6 = key.get(key::kEthType) == kTypeIpv6;
    if (!ipv6 && key.get(key::kEthType) != kTypeIpv4) return false;
    if ((key.get(key::kIpFrag) & kFragLater) != 0) return false;
    const bool nd = ipv6 && proto == 58 && (key.get(key::kTpSrc) == 135 || key.get(key::kTpSrc) == 136);
    return proto == 6 || proto == 17 || proto == (ipv6 ? 58 : 1) ? !nd : false;
}

}  // namespace

Result<OdpFlow> parse_odp_flow(std::string_view text) {
    Parser parser;
    parser.flow().key.set(key::kEthType, kNoType);
    if (auto ok = parser.run(text); !ok) return ok.error();
    return std::move(parser.flow());
}

Result<std::vector<std::uint8_t>> compose_test_frame(const FlowKey& key,
                                                     std::optional<std::size_t> total_bytes) {
    std::vector<std::uint8_t> payload;
    const std::size_t headers = compose_packet(key, {}).size();
    if (total_bytes) {
        if (*total_bytes < headers)
            return make_error(EINVAL, "too small packet len: the headers alone are {} bytes", headers);
        payload.resize(*total_bytes - headers);
    } else if (has_payload(key)) {
        for (std::size_t i = 0; i < kPayloadBytes; ++i)
            payload.push_back(static_cast<std::uint8_t>(i));
    }
    return compose_packet(key, payload);
}

}  // namespace sluice
