// SPDX-License-Identifier: Apache-2.0
// OXM and NXM entries and lists. Source: OpenFlow 1.5 §7.2.3, ovs-fields(7).
#include "proto/openflow/match_codec.hpp"

#include <string_view>
#include <vector>

namespace sluice::openflow {

namespace {

constexpr std::uint16_t kExperimenterClass = 0xffff;

/// Fields in the order OVS writes them. NXM and OXM have different spellings of some; 1.5 pairs registers.
struct Order {
    std::vector<FieldId> nxm, oxm, oxm15;
};

const Order& order() {
    static const Order kOrder = [] {
        constexpr std::string_view kNames[] = {
            "dp_hash",        "recirc_id",      "conj_id",         "packet_type",     "in_port",
            "actset_output",  "eth_src",        "eth_dst",         "eth_type",        "vlan_vid",
            "vlan_pcp",       "mpls_ttl",       "mpls_tc",         "mpls_bos",        "mpls_label",
            "ip_src",         "ip_dst",         "ipv6_src",        "ipv6_dst",        "ip_frag",
            "ipv6_label",     "ip_dscp",        "nw_ecn",          "nw_ttl",          "nw_proto",
            "tcp_src",        "tcp_dst",        "tcp_flags",       "udp_src",         "udp_dst",
            "sctp_src",       "sctp_dst",       "icmp_type",       "icmp_code",       "icmpv6_type",
            "icmpv6_code",    "nd_target",      "nd_reserved",     "nd_options_type", "nd_sll",
            "nd_tll",         "arp_op",         "arp_spa",         "arp_tpa",         "arp_sha",
            "arp_tha",        "nsh_flags",      "nsh_ttl",         "nsh_mdtype",      "nsh_np",
            "nsh_spi",        "nsh_si",         "nsh_c1",          "nsh_c2",          "nsh_c3",
            "nsh_c4",         "tun_id",         "tun_src",         "tun_dst",         "tun_ipv6_src",
            "tun_ipv6_dst",   "tun_gbp_id",     "tun_gbp_flags",   "tun_flags",       "tun_erspan_ver",
            "tun_erspan_idx", "tun_erspan_dir", "tun_erspan_hwid", "tun_gtpu_flags",  "tun_gtpu_msgtype"};
        Order result;
        const auto add = [](std::vector<FieldId>& list, std::string_view name) {
            if (const FieldId id = field_by_name(name); id != kNoField) list.push_back(id);
        };
        for (const auto name : kNames) {
            std::string_view nxm = name;
            std::string_view oxm = name;
            if (name == "in_port") oxm = "in_port_oxm";
            if (name == "vlan_vid") nxm = "vlan_tci";
            if (name == "vlan_pcp") nxm = "vlan_tci";
            if (name == "ip_dscp") nxm = "nw_tos";
            if (nxm != "vlan_tci" || name == "vlan_vid") add(result.nxm, nxm);
            add(result.oxm, oxm);
        }
        for (unsigned i = 0; i < TunTable::kFields; ++i) {
            add(result.nxm, fmt::format("tun_metadata{}", i));
            add(result.oxm, fmt::format("tun_metadata{}", i));
        }
        result.oxm15 = result.oxm;
        for (unsigned n = 0; n < 16; ++n) {
            add(result.nxm, fmt::format("reg{}", n));
            add(result.oxm, fmt::format("reg{}", n));
            if (n < 8) add(result.oxm15, fmt::format("xreg{}", n));
        }
        for (const std::string_view name :
             {"pkt_mark", "ct_state", "ct_zone", "ct_mark", "ct_label", "ct_nw_src", "ct_nw_dst",
              "ct_ipv6_src", "ct_ipv6_dst", "ct_nw_proto", "ct_tp_src", "ct_tp_dst", "metadata"}) {
            add(result.nxm, name);
            add(result.oxm, name);
            add(result.oxm15, name);
        }
        return result;
    }();
    return kOrder;
}

/// What a field that is not known means, by where it stands.
ErrorCode unknown_field(OxmUse use, const OxmHead& head) {
    switch (use) {
        case OxmUse::kSetField:
            return head.bad_length && head.length > 0 ? ErrorCode::kBacBadSetLen : ErrorCode::kBacBadSetType;
        case OxmUse::kNxmHeader:
            return ErrorCode::kBacBadSetType;
        case OxmUse::kMatch:
        case OxmUse::kHeader:
            break;
    }
    return ErrorCode::kBmcBadField;
}

/// Only masks of no or all bytes for fields that take none; any for others (vlan_vid and vlan_tci have rules
/// of their own).
bool mask_allowed(const FieldInfo& info, U128 mask, std::size_t width) {
    return info.mask != FieldMask::kNone || mask.is_zero() ||
           mask == low_mask(static_cast<unsigned>(width) * 8);
}

/// Values that fit but mean nothing.
bool value_allowed(const FieldInfo& info, U128 value) {
    return info.loc.word != key::kNshMdtype.word || info.loc.shift != key::kNshMdtype.shift ||
           value.lo == 1 || value.lo == 2;
}

bool is_cookie(std::span<const std::uint8_t> entry) {
    if (entry.size() < 4) return false;
    const std::uint32_t header = load_be32(entry.data());
    return header == 0x00013c08 || header == 0x00013d10;
}

void read_cookie(Reader& in, NxmCookie& cookie) {
    const bool masked = (in.u32() & 0x100) != 0;
    if (cookie.mask != 0) fail(ErrorCode::kBmcDupField, "duplicate cookie");
    cookie.value = in.u64();
    cookie.mask = masked ? in.u64() : ~std::uint64_t{0};
    if ((cookie.value & ~cookie.mask) != 0) {
        fail(ErrorCode::kBmcBadWildcards, "cookie has bits outside its mask");
    }
}

}  // namespace

U128 read_wide(Reader& in, std::size_t length) {
    U128 value;
    for (std::size_t i = 0; i < length; ++i)
        value = (value << 8) | U128{0, in.u8()};
    return value;
}

void write_wide(Writer& out, U128 value, std::size_t length) {
    for (std::size_t i = length; i-- > 0;)
        out.u8((value >> static_cast<unsigned>(8 * i)).lo & 0xff);
}

namespace {

U128 read_long(Reader& in, std::size_t width, std::string_view name) {
    for (; width > 16; --width) {
        if (in.u8() != 0) fail(ErrorCode::kBacBadSetArgument, "{}: a value of more than 16 bytes", name);
    }
    return read_wide(in, width);
}

/// Bytes without leading zeros; at least one.
std::uint8_t significant(U128 value) {
    std::uint8_t size = 0;
    for (; !value.is_zero(); value = value >> 8)
        ++size;
    return std::max<std::uint8_t>(size, 1);
}

}  // namespace

OxmHead read_oxm_head(Reader& whole, OxmUse use) {
    const bool nxm = use == OxmUse::kNxmHeader;
    if (!nxm && whole.left() < 4) fail(ErrorCode::kBmcBadLen, "a field's header of {} bytes", whole.left());
    Reader in = whole.sub(4);
    const std::uint16_t clazz = in.u16();
    const std::uint8_t field_mask = in.u8();
    OxmHead head;
    head.has_mask = (field_mask & 1) != 0;
    head.length = in.u8();
    std::uint32_t experimenter = 0;
    if (clazz == kExperimenterClass) {
        if (nxm) fail(ErrorCode::kBacBadSetType, "an experimenter's field");
        if (head.length < 4 || whole.left() < 4) {
            fail(ErrorCode::kBmcBadLen, "experimenter field of {} bytes", head.length);
        }
        experimenter = whole.u32();
        head.length = static_cast<std::uint8_t>(head.length - 4);
    }
    const auto number = static_cast<std::uint8_t>(field_mask >> 1);
    const FieldId id = field_by_oxm(clazz, number, experimenter);
    if (id == kNoField) return head;
    const auto& info = field_info(id);
    // tun_metadataN is as long as its value needs; what it stands for says the TLV table.
    const unsigned length = head.has_mask ? head.length / 2U : head.length;
    bool fits = is_tun_metadata(info) && length <= 124;
    for (const auto& header : info.oxm) {
        fits |= header.clazz == clazz && header.field == number && header.experimenter == experimenter &&
                header.length == length;
    }
    if (fits) head.field = id;
    head.bad_length = !fits;
    return head;
}

OxmEntry read_oxm_entry(Reader& in, OxmUse use) {
    const OxmHead head = read_oxm_head(in, use);
    const std::size_t width = head.has_mask ? head.length / 2U : head.length;
    if (use == OxmUse::kSetField && head.field == kNoField) fail(unknown_field(use, head), "unknown field");
    if (head.field != kNoField && is_tun_metadata(field_info(head.field)))
        check_tun_field(in.tun(), {head.field, 0, 0});
    if (head.length > in.left())
        fail(ErrorCode::kBmcBadLen, "field of {} bytes, {} left", head.length, in.left());
    Reader payload = in.sub(head.length, ErrorCode::kBmcBadLen);
    Reader mask_bytes = payload;
    if (head.has_mask) {
        // The mask is right behind the value; an odd length leaves a byte.
        mask_bytes.skip(width);
        for (std::size_t i = 0; i < width; ++i) {
            if ((payload.rest()[i] & ~mask_bytes.rest()[i]) != 0) {
                fail(ErrorCode::kBmcBadWildcards, "value has bits outside the mask");
            }
        }
    }
    if (head.field == kNoField) fail(unknown_field(use, head), "unknown field");
    const auto& info = field_info(head.field);
    if (is_tun_metadata(info)) {
        // As OVS: of a value that is too long the first bytes count.
        const std::size_t size =
            std::min<std::size_t>(width, in.tun()->find(TunTable::index_of(head.field))->option_length);
        Reader first = payload.sub(size);
        const U128 value = read_long(first, size, info.name);
        if (!head.has_mask) return {head.field, value, low_mask(128), false};
        Reader first_mask = mask_bytes.sub(size);
        return {head.field, value, read_long(first_mask, size, info.name), true};
    }
    OxmEntry entry{head.field, read_wide(payload, width), low_mask(static_cast<unsigned>(width) * 8),
                   head.has_mask};
    const U128 bits = field_value_mask(info);
    if (head.has_mask) entry.mask = read_wide(mask_bytes, width);
    if (use == OxmUse::kMatch && !mask_allowed(info, entry.mask, width)) {
        fail(ErrorCode::kBmcBadMask, "{} takes no mask", info.name);
    }
    if (!(entry.value & ~bits).is_zero() || !value_allowed(info, entry.value)) {
        fail(use == OxmUse::kMatch ? ErrorCode::kBmcBadValue : ErrorCode::kBacBadSetArgument,
             "{}: value too large", info.name);
    }
    // A mask of the field's bits, but not of all its bytes, is kept as one.
    entry.has_mask = entry.mask != low_mask(static_cast<unsigned>(width) * 8);
    entry.mask = entry.mask & bits;
    return entry;
}

void write_oxm_head(Writer& out, const OxmHeader& header, bool has_mask) {
    const unsigned vendor = header.clazz == kExperimenterClass ? 4U : 0U;
    out.u16(header.clazz);
    out.u8(static_cast<unsigned>(header.field << 1) | (has_mask ? 1U : 0U));
    out.u8(header.length * (has_mask ? 2U : 1U) + vendor);
    if (vendor != 0) out.u32(header.experimenter);
}

void write_oxm_entry(Writer& out, const OxmHeader& wanted, U128 value, U128 mask, bool has_mask) {
    OxmHeader header = wanted;
    // tun_metadataN takes no more bytes than it needs.
    if (header.length == 124) {
        const unsigned index = header.field - field_info(field_by_name("tun_metadata0")).oxm.front().field;
        const TunMapping* mapping = out.tun() != nullptr ? out.tun()->find(index) : nullptr;
        header.length = mapping != nullptr ? mapping->option_length : significant(has_mask ? mask : value);
    }
    write_oxm_head(out, header, has_mask);
    const auto write = [&](U128 number) {
        if (header.length > 16) out.zeros(header.length - 16U);
        write_wide(out, number, std::min<std::size_t>(header.length, 16));
    };
    write(value);
    if (has_mask) write(mask);
}

void check_tun_field(const TunTable* tun, const SubField& sub) {
    const FieldInfo& info = field_info(sub.field);
    if (!is_tun_metadata(info)) return;
    const TunMapping* mapping = tun != nullptr ? tun->find(TunTable::index_of(sub.field)) : nullptr;
    if (mapping == nullptr) fail(ErrorCode::kNxfmfcInvalidTlvField, "{} is not mapped", info.name);
    if (sub.offset + sub.bits > mapping->option_length * 8U)
        fail(ErrorCode::kBacBadSetLen, "{} has {} bits", info.name, mapping->option_length * 8U);
}

namespace {

/// tun_metadataN are up to 124 bytes long. False: the next field is another one.
bool read_tun_match(Reader& in, Match& match) {
    Reader ahead = in;
    const OxmHead head = read_oxm_head(ahead, OxmUse::kMatch);
    if (head.field == kNoField || !is_tun_metadata(field_info(head.field))) return false;
    check_tun_field(in.tun(), {head.field, 0, 0});
    const unsigned index = TunTable::index_of(head.field);
    const std::size_t option = in.tun()->find(index)->option_length;
    const std::size_t width = head.has_mask ? head.length / 2U : head.length;
    Bytes value = ahead.bytes(width);
    Bytes mask = head.has_mask ? ahead.bytes(width) : Bytes(width, 0xff);
    ahead.skip(head.length - width * (head.has_mask ? 2U : 1U));
    for (std::size_t i = 0; i < width; ++i) {
        if ((value[i] & ~mask[i]) != 0) fail(ErrorCode::kBmcBadWildcards, "value has bits outside the mask");
    }
    if ((match.mask.get(key::kTunPresent) >> index & 1) != 0)
        fail(ErrorCode::kBmcDupField, "duplicate {}", field_info(head.field).name);
    // A short value is right-aligned, the bytes before it are zero; of a long one the first bytes count.
    value.resize(std::min(width, option));
    mask.resize(std::min(width, option));
    if (!head.has_mask) mask.assign(option, 0xff);
    in.tun()->set(match, index, value, mask);
    in = ahead;
    return true;
}

void write_tun_match(Writer& out, const OxmHeader& wanted, const Match& match, unsigned index) {
    if ((match.mask.get(key::kTunPresent) >> index & 1) == 0) return;
    const TunMapping* mapping = out.tun() != nullptr ? out.tun()->find(index) : nullptr;
    if (mapping == nullptr) return;
    const auto value = out.tun()->get(match.value, index), mask = out.tun()->get(match.mask, index);
    const bool exact = std::all_of(mask.begin(), mask.end(), [](std::uint8_t byte) { return byte == 0xff; });
    OxmHeader header = wanted;
    header.length = mapping->option_length;
    write_oxm_head(out, header, !exact);
    out.bytes(value);
    if (!exact) out.bytes(mask);
}

}  // namespace

Match decode_oxm_list(Reader in, NxmCookie* cookie, bool loose) {
    Match match;
    while (!in.empty()) {
        if (cookie != nullptr && is_cookie(in.rest())) {
            read_cookie(in, *cookie);
            continue;
        }
        if (loose) {
            Reader probe = in;
            const OxmHead head = read_oxm_head(probe, OxmUse::kMatch);
            if (head.field == kNoField) {
                probe.skip(head.length);
                in = probe;
                continue;
            }
        }
        if (in.left() >= 4 && read_tun_match(in, match)) continue;
        const OxmEntry entry = read_oxm_entry(in, OxmUse::kMatch);
        const auto& info = field_info(entry.field);
        if (!prereq_ok(info.prereq, match)) {
            fail(ErrorCode::kBmcBadPrereq, "{}: prerequisite is not matched before it", info.name);
        }
        if (!field_mask(info, match).is_zero()) fail(ErrorCode::kBmcDupField, "duplicate {}", info.name);
        field_set(info, match, entry.value, entry.mask);
    }
    return match;
}

void encode_oxm_list(Writer& out, const Match& match, std::uint8_t version, const NxmCookie* cookie) {
    Match left = match;
    for (const FieldId id : version == 0 ? order().nxm : version < 6 ? order().oxm : order().oxm15) {
        const auto& info = field_info(id);
        if (is_tun_metadata(info)) {
            if (const OxmHeader* header = oxm_header(info, version == 0 ? std::uint8_t{1} : version))
                write_tun_match(out, *header, match, TunTable::index_of(id));
            continue;
        }
        const U128 mask = field_mask(info, left);
        if (mask.is_zero() || !prereq_ok(info.prereq, match)) continue;
        const OxmHeader* header = oxm_header(info, version == 0 ? std::uint8_t{1} : version);
        if (header == nullptr) continue;
        const bool exact = mask == field_value_mask(info);
        write_oxm_entry(out, *header, field_get(info, match.value) & mask, mask, !exact);
        left.mask.set_wide(info.loc, left.mask.get_wide(info.loc) & ~field_value_mask(info));
    }
    if (cookie != nullptr && cookie->mask != 0) {
        const bool exact = cookie->mask == ~std::uint64_t{0};
        out.u32(exact ? 0x00013c08 : 0x00013d10);
        out.u64(cookie->value);
        if (!exact) out.u64(cookie->mask);
    }
}

void drop_unmet(Match& match) {
    FlowKey keep;
    keep.word[key::kIpFrag.word] = 0;
    for (const auto& info : all_fields()) {
        if (is_tun_metadata(info)) {
            for (unsigned i = 0; i < key::kTunMetadataWords; ++i)
                keep.word[key::kTunMetadataWord + i] = ~std::uint64_t{0};
            keep.set(key::kTunPresent, ~std::uint64_t{0});
        } else if (prereq_ok(info.prereq, match)) {
            keep.set_wide(info.loc, low_mask(info.loc.bits));
        }
    }
    for (unsigned i = 0; i < kKeyWords; ++i)
        match.mask.word[i] &= keep.word[i];
    match.normalize();
}

Reader nxm_list(Reader& in, std::size_t length) {
    if (padded8(length) > in.left())
        fail(ErrorCode::kBmcBadLen, "match of {} bytes, {} left", length, in.left());
    return in.sub(padded8(length), ErrorCode::kBmcBadLen).sub(length);
}
std::size_t write_nxm_list(Writer& out, const Match& match, const NxmCookie* cookie) {
    const auto start = out.size();
    encode_oxm_list(out, match, 0, cookie);
    const auto length = out.size() - start;
    out.pad8(start);
    return length;
}

}  // namespace sluice::openflow
