// SPDX-License-Identifier: Apache-2.0
// Random matches, keys, actions and rules. Everything is drawn from pools of a few values a field.
#include "flow/random.hpp"

#include <algorithm>
#include <array>
#include <set>

#include "flow/action_text.hpp"
#include "flow/match_text.hpp"

namespace sluice {
namespace {

constexpr std::uint64_t kMacs[] = {0x000000000001, 0x000000000002, 0x505400000003,
                                   0x0180c2000000, 0xffffffffffff, 0x01005e000001};
constexpr std::uint32_t kIps[] = {0x0a000001, 0x0a000002, 0x0a010203, 0xc0a80001, 0xe0000001, 0xffffffff};
constexpr U128 kIp6s[] = {{0xfe80000000000000, 1},
                          {0xfe80000000000000, 2},
                          {0x20010db800000000, 1},
                          {0xff02000000000000, 0x1ff000001},
                          {0, 1}};
constexpr std::uint16_t kL4Ports[] = {53, 80, 443, 4789, 1024, 65535};
constexpr std::uint64_t kNumbers[] = {0, 1, 2, 5, 0x10, 0xff, 0x1234, 0x100000000};

struct Profile {
    std::uint16_t eth_type;
    std::uint8_t proto;  // 0: any
};
constexpr Profile kProfiles[] = {
    {0, 0},        {0x0800, 0},   {0x0800, 6},  {0x0800, 6}, {0x0800, 17}, {0x0800, 1},
    {0x0800, 132}, {0x0806, 0},   {0x0800, 17}, {0x86dd, 0}, {0x86dd, 6},  {0x86dd, 17},
    {0x86dd, 58},  {0x86dd, 132}, {0x8847, 0},  {0x88cc, 0},
};

U128 random_value(Random& random, const FieldInfo& field, const RandomOptions& options) {
    const U128 all = field_value_mask(field);
    switch (field.format) {
        case FieldFormat::kMac:
            return {0, random.pick(kMacs)};
        case FieldFormat::kIpv4:
            return {0, random.pick(kIps)};
        case FieldFormat::kIpv6:
            return random.pick(kIp6s);
        case FieldFormat::kOfPort:
            return {0, 1 + random.below(options.ports)};
        case FieldFormat::kFrag: {
            constexpr std::uint64_t kFrag[] = {0, 0, 0, kFragAny, kFragAny | kFragLater};
            return {0, random.pick(kFrag)};
        }
        case FieldFormat::kTcpFlags: {
            constexpr std::uint64_t kFlags[] = {0x02, 0x12, 0x10, 0x11, 0x04};
            return {0, random.pick(kFlags)};
        }
        case FieldFormat::kCtState:
            return {0, random.below(256)};
        case FieldFormat::kPacketType:
            return {};
        default:
            break;
    }
    if (field.loc.word == key::kTpSrc.word && field.bits == 16) return {0, random.pick(kL4Ports)};
    if (field.bits == 128) return {random.pick(kNumbers), random.pick(kNumbers)};
    return U128{0, random.pick(kNumbers)} & all;
}

FieldId option_field(const TunMapping& option) {
    static const auto kFirst = static_cast<unsigned>(field_by_name("tun_metadata0"));
    return FieldId{static_cast<std::uint8_t>(kFirst + option.index)};
}
std::vector<std::uint8_t> big_endian(std::uint64_t value) {
    std::vector<std::uint8_t> bytes;
    for (int shift = 56; shift >= 0; shift -= 8)
        bytes.push_back(static_cast<std::uint8_t>(value >> shift));
    return bytes;
}

U128 random_mask(Random& random, const FieldInfo& field, const RandomOptions& options) {
    const U128 all = field_value_mask(field);
    if (!options.masks || field.mask != FieldMask::kFull || random.below(3) != 0) return all;
    if (field.format == FieldFormat::kFrag) return all;
    const unsigned bits = std::min<unsigned>(field.bits, field.loc.bits);
    const unsigned low = random.below(bits);
    // Prefixes only for IPv6: ovs-ofctl does not read masks like 7fff::.
    const bool prefix = field.format == FieldFormat::kIpv6 || random.one_in(2);
    if (prefix) return all & ~low_mask(low);
    return all & (low_mask(1 + random.below(bits)) << low);
}

// Fields that a random match may use; the prerequisite decides whether one fits.
std::vector<const FieldInfo*> usable_fields(const RandomOptions& options) {
    std::vector<const FieldInfo*> fields;
    const auto add = [&fields](std::initializer_list<std::string_view> names) {
        for (const auto name : names)
            fields.push_back(&field_info(field_by_name(name)));
    };
    add({"in_port_oxm", "in_port_oxm", "eth_src",   "eth_dst",    "eth_dst", "ip_src",
         "ip_dst",      "ip_src",      "ip_dst",    "nw_tos",     "nw_ecn",  "nw_ttl",
         "ip_frag",     "arp_op",      "arp_spa",   "arp_tpa",    "arp_sha", "arp_tha",
         "tcp_src",     "tcp_dst",     "tcp_flags", "udp_src",    "udp_dst", "sctp_src",
         "sctp_dst",    "icmp_type",   "icmp_code", "mpls_label", "mpls_tc", "mpls_bos"});
    if (options.ipv6)
        add({"ipv6_src", "ipv6_dst", "ipv6_label", "icmpv6_type", "icmpv6_code", "nd_target", "nd_sll"});
    if (options.metadata) {
        add({"metadata", "pkt_mark", "tun_id", "reg0", "reg1", "reg2", "reg15", "xreg1", "xxreg1"});
    }
    return fields;
}

void random_vlan_match(Random& random, const RandomOptions& options, Match& match) {
    const auto vid = 1 + random.below(3);
    switch (random.below(options.masks ? 5 : 3)) {
        case 0:
            field_set(field_info(field_by_name("dl_vlan")), match, {0, vid}, {0, 0xfff});
            break;
        case 1:
            match.set_exact(key::kVlanTci, 0);
            break;
        case 2:
            field_set(field_info(field_by_name("vlan_pcp")), match, {0, random.below(8)}, {0, 7});
            break;
        case 3:
            match.set_masked(key::kVlanTci, {0, kVlanPresent}, {0, kVlanPresent});
            break;
        default:
            match.set_masked(key::kVlanTci, {0, kVlanPresent | vid}, {0, 0x1003});
            break;
    }
}

// Makes the actions of one rule.
class ActionMaker {
  public:
    ActionMaker(Random& random, const Match& match, std::uint8_t table, const RandomOptions& options)
        : random_(random), match_(match), table_(table), options_(options) {}

    ActionList run() {
        ActionList list;
        if (options_.meters > 0 && random_.one_in(3))
            append(list, {{MeterAction{1 + random_.below(options_.meters)}}});
        const auto count = random_.below(options_.max_actions + 1);
        for (std::uint32_t i = 0; i < count; ++i)
            append(list, {random_action(0)});
        const bool higher = table_ + 1U < options_.tables;
        if (options_.write_actions && random_.one_in(8)) append(list, {{ClearActionsAction{}}});
        if (options_.write_actions && random_.one_in(6)) {
            ActionList set;
            append(set, {{OutputAction{random_port(), 0xffff}}});
            if (options_.groups > 0 && random_.one_in(2))
                append(set, {{GroupAction{1 + random_.below(options_.groups)}}});
            if (options_.set_fields) append(set, {random_set_field()});
            append(list, {{WriteActionsAction{std::move(set)}}});
        }
        if (options_.write_actions && options_.metadata && random_.one_in(6)) {
            append(list, {{WriteMetadataAction{random_.pick(kNumbers) & 0xff, 0xff}}});
        }
        if (options_.goto_table && higher && random_.one_in(4)) {
            append(list, {{GotoTableAction{higher_table()}}});
        }
        return list;
    }

  private:
    OfPort random_port() { return OfPort{1 + random_.below(options_.ports)}; }
    std::uint8_t higher_table() {
        return static_cast<std::uint8_t>(table_ + 1 + random_.below(options_.tables - table_ - 1U));
    }

    // Keeps an action only if the whole list stays valid.
    void append(ActionList& list, ActionList more) {
        ActionList longer = list;
        for (auto& action : more)
            longer.push_back(std::move(action));
        if (check_actions(longer, match_, table_, ActionRules::kOpenFlow11)) list = std::move(longer);
    }

    Action random_set_field() {
        constexpr std::string_view kNames[] = {"eth_src",  "eth_dst",  "ip_src",  "ip_dst", "nw_tos",
                                               "nw_ttl",   "tcp_dst",  "udp_src", "reg0",   "reg1",
                                               "metadata", "pkt_mark", "xreg1",   "tun_id", "ipv6_dst",
                                               "vlan_pcp", "arp_spa",  "reg15"};
        for (int tries = 0; tries < 16; ++tries) {
            const FieldId id = field_by_name(random_.pick(kNames));
            const FieldInfo& field = field_info(id);
            const bool scratch = field.prereq == Prereq::kNone;
            if ((scratch && !options_.metadata) || !prereq_ok(field.prereq, match_)) continue;
            SetFieldAction set{id, random_value(random_, field, options_),
                               random_mask(random_, field, options_), SetFieldAction::Style::kSetField};
            set.value = set.value & set.mask;
            return {set};
        }
        return {SetFieldAction{field_by_name("eth_src"),
                               {0, random_.pick(kMacs)},
                               low_mask(48),
                               SetFieldAction::Style::kSetField}};
    }

    Action random_load() {
        const FieldId id = field_by_name("reg0");
        const auto bits = 1 + random_.below(16);
        const auto offset = random_.below(32 - bits + 1);
        const U128 mask = low_mask(bits) << offset;
        return {SetFieldAction{id, (U128{0, random_.next()} << offset) & mask, mask,
                               SetFieldAction::Style::kLoad}};
    }

    Action random_move() {
        const auto bits = static_cast<std::uint16_t>(1 + random_.below(16));
        const FieldId from = field_by_name(options_.metadata && random_.one_in(2) ? "reg1" : "eth_src");
        return {MoveAction{{from, static_cast<std::uint16_t>(random_.below(16)), bits},
                           {field_by_name(options_.metadata ? "reg0" : "eth_dst"),
                            static_cast<std::uint16_t>(random_.below(16)), bits}}};
    }

    Action random_vlan() {
        switch (random_.below(4)) {
            case 0:
                return {PushVlanAction{0x8100}};
            case 1:
                return {StripVlanAction{true}};
            case 2:
                return {SetVlanVidAction{static_cast<std::uint16_t>(1 + random_.below(3)), true}};
            default:
                return {SetVlanPcpAction{static_cast<std::uint8_t>(random_.below(8)), true}};
        }
    }

    Action random_output() {
        if (options_.reserved_ports && random_.one_in(5)) {
            constexpr OfPort kReserved[] = {OfPort::kInPort, OfPort::kAll, OfPort::kFlood, OfPort::kLocal};
            return {OutputAction{random_.pick(kReserved), 0xffff}};
        }
        if (options_.groups > 0 && random_.one_in(3))
            return {GroupAction{1 + random_.below(options_.groups + 1)}};
        if (options_.normal && random_.one_in(6)) return {OutputAction{OfPort::kNormal, 0xffff}};
        if (options_.controller && random_.one_in(6)) return {OutputAction{OfPort::kController, 128}};
        return {OutputAction{random_port(), 0xffff}};
    }

    SubField reg_bits(std::string_view name, std::uint16_t offset, std::uint16_t bits) {
        return {field_by_name(name), offset, bits};
    }

    Action random_mpls() {
        switch (random_.below(6)) {
            case 0:
                return {PushMplsAction{0x8847}};
            case 1:
                return {PopMplsAction{static_cast<std::uint16_t>(random_.one_in(2) ? 0x0800 : 0x8847)}};
            case 2:
                return {SetMplsTtlAction{static_cast<std::uint8_t>(random_.below(4))}};
            case 3:
                return {SetMplsLabelAction{random_.below(1U << 20)}};
            case 4:
                return {SetMplsTcAction{static_cast<std::uint8_t>(random_.below(8))}};
            default:
                return {DecMplsTtlAction{}};
        }
    }

    Action random_computed() {
        const auto fields = static_cast<HashFields>(random_.below(7));
        const auto basis = static_cast<std::uint16_t>(random_.below(3));
        switch (random_.below(6)) {
            case 0:
                return {MultipathAction{fields, basis,
                                        static_cast<MultipathAction::Algorithm>(random_.below(4)),
                                        static_cast<std::uint16_t>(random_.below(options_.ports)),
                                        random_.below(9), reg_bits("reg0", 0, 16)}};
            case 1:
            case 2: {
                BundleAction bundle{
                    fields, basis, static_cast<BundleAction::Algorithm>(random_.below(2)), {}, {}};
                for (std::uint32_t n = random_.below(4); n > 0; --n)
                    bundle.members.push_back(OfPort{1 + random_.below(options_.ports + 1)});
                if (random_.one_in(2)) bundle.target = reg_bits("reg0", 0, 16);
                return {bundle};
            }
            case 3:
                return {CheckPktLargerAction{static_cast<std::uint16_t>(40 + random_.below(60)),
                                             reg_bits("reg1", 3, 1)}};
            case 4:
                return {OutputRegAction{reg_bits("reg0", 0, 16), 0xffff}};
            default:
                return {OutputTruncAction{random_port(), 14 + random_.below(80)}};
        }
    }

    Action random_queue() {
        switch (random_.below(3)) {
            case 0:
                return {SetQueueAction{random_.below(4)}};
            case 1:
                return {PopQueueAction{}};
            default:
                return {EnqueueAction{random_port(), random_.below(4)}};
        }
    }

    Action random_inert() {
        switch (random_.below(5)) {
            case 0:
                return {NoteAction{{1, 2, 3, 4, 5, 6}}};
            case 1:
                return {SampleAction{100, 1, 2, 3}};
            case 2:
                return {FinTimeoutAction{5, 10}};
            case 3:
                return {CtClearAction{}};
            default:
                return {ExitAction{}};
        }
    }

    /// Headers on and off again, outputs in between.
    Action random_encap() {
        constexpr std::uint32_t kNsh = 0x1894f, kMpls = 0x18847;
        CloneAction clone;
        ActionList& list = clone.actions;
        if (random_.one_in(4)) list.push_back({DecapAction{kDecapNext}});
        const bool nsh = random_.one_in(2);
        list.push_back({nsh ? EncapAction{kNsh, 0, {0, 4, 1, 5, 1, 0, 0, 0}} : EncapAction{kMpls, 0, {}}});
        if (nsh && random_.one_in(2))
            list.push_back({SetFieldAction{field_by_name("nsh_spi"),
                                           {0, random_.below(1U << 24)},
                                           low_mask(24),
                                           SetFieldAction::Style::kSetField}});
        if (!nsh && random_.one_in(2)) list.push_back({SetMplsLabelAction{random_.below(1U << 20)}});
        list.push_back({EncapAction{0, 0, {}}});
        if (nsh && random_.one_in(3)) list.push_back({DecNshTtlAction{}});
        list.push_back({OutputAction{random_port(), 0xffff}});
        list.push_back({DecapAction{kDecapNext}});
        if (random_.one_in(3)) list.push_back({OutputAction{random_port(), 0xffff}});  // bare: goes nowhere
        list.push_back({DecapAction{nsh ? kDecapNext : 0U}});
        if (nsh) list.push_back({OutputAction{random_port(), 0xffff}});
        return {clone};
    }

    Action random_learn() {
        const std::uint32_t shape = random_.below(options_.tun ? 6 : 4);
        LearnAction learn;
        learn.table = static_cast<std::uint8_t>(random_.below(options_.tables));
        learn.priority = static_cast<std::uint16_t>(10 + shape);
        learn.cookie = 100 + shape;
        if (random_.one_in(4)) learn.limit = 1 + random_.below(3);
        if (random_.one_in(4)) learn.result_dst = reg_bits("reg1", 5, 1);
        const auto match_field = [&](std::string_view target, std::string_view source, std::uint16_t bits) {
            LearnSpec spec;
            spec.source = reg_bits(source, 0, bits);
            spec.target = reg_bits(target, 0, bits);
            spec.bits = bits;
            learn.specs.push_back(spec);
        };
        if (shape == 0 || shape == 1) match_field("eth_dst", "eth_src", 48);
        if (shape == 1) match_field("in_port", "in_port", 16);
        if (shape == 2) match_field("reg1", "reg0", 16);
        if (shape == 3) {
            LearnSpec type;
            type.immediate = true;
            type.value = {0, 0x0800};
            type.target = reg_bits("eth_type", 0, 16);
            type.bits = 16;
            learn.specs.push_back(type);
            match_field("ip_dst", "ip_src", 32);
        }
        if (shape >= 4) {  // an option from an option, or from a register; from bit 128 on none is learned
            LearnSpec spec;
            spec.bits = shape == 4 ? std::uint16_t{32} : std::uint16_t{8};
            do {
                spec.target = option_bits(spec.bits);
            } while (spec.target.offset + spec.bits > 128);
            spec.source = reg_bits("reg0", 0, spec.bits);
            if (random_.one_in(2)) {
                do {
                    spec.source = option_bits(spec.bits);
                } while (spec.source.offset + spec.bits > 128);
            }
            learn.specs.push_back(spec);
        }
        LearnSpec load;
        load.target_kind = LearnSpec::Target::kLoad;
        load.immediate = random_.one_in(2);
        load.value = {0, random_.below(8)};
        load.source = reg_bits("eth_src", 0, 16);
        load.target = reg_bits("reg2", 0, 16);
        load.bits = 16;
        if (options_.tun && random_.one_in(3)) {
            load.target = {field_by_name("tun_metadata1"), 8, 16};
            if (random_.one_in(2)) load.source = {field_by_name("tun_metadata2"), 24, 16};
        }
        if (random_.one_in(2)) learn.specs.push_back(load);
        LearnSpec output;
        output.target_kind = LearnSpec::Target::kOutput;
        output.source = random_.one_in(2) ? reg_bits("in_port", 0, 16) : reg_bits("reg0", 0, 16);
        output.bits = 16;
        if (!random_.one_in(4)) learn.specs.push_back(output);
        return {learn};
    }

    /// Up to 64 bits of an option with room for them.
    SubField option_bits(std::uint16_t bits) {
        const auto options = options_.tun->mappings();
        for (;;) {
            const TunMapping& option = random_.pick(options);
            const unsigned size = option.option_length * 8U;
            if (size < bits) continue;
            const unsigned offset = random_.one_in(2) ? 0 : random_.below(size - bits + 1);
            return {option_field(option), static_cast<std::uint16_t>(offset), bits};
        }
    }

    Action random_option() {
        const auto bits = static_cast<std::uint16_t>(random_.one_in(2) ? 32 : 1 + random_.below(64));
        const SubField field = option_bits(bits), wide{field_by_name("xreg0"), 0, bits};
        switch (random_.below(7)) {
            case 0:
                return {DeleteFieldAction{option_field(random_.pick(options_.tun->mappings()))}};
            case 1:
                return {MoveAction{field, wide}};
            case 2:
                return {MoveAction{wide, field}};
            case 3:
                return {MoveAction{option_bits(bits), field}};
            case 4: {  // what one operation reaches
                const SubField half = option_bits(32);
                const SubField word{half.field, static_cast<std::uint16_t>(half.offset / 32 * 32), 32};
                return random_.one_in(2) ? Action{StackPushAction{word}} : Action{StackPopAction{word}};
            }
            case 5: {
                const std::uint64_t mask = low_mask(std::min<unsigned>(bits, 32)).lo;
                return {SetFieldAction{field.field,
                                       {0, random_.pick(kNumbers) & mask},
                                       {0, mask},
                                       SetFieldAction::Style::kLoad}};
            }
            default:
                return {SetFieldAction{field.field,
                                       {0, random_.pick(kNumbers)},
                                       low_mask(128),
                                       SetFieldAction::Style::kSetField}};
        }
    }

    Action random_action(unsigned depth) {
        if (options_.tun && random_.one_in(3)) return random_option();
        if (options_.mpls && random_.one_in(6)) return random_mpls();
        if (options_.computed && random_.one_in(5)) return random_computed();
        if (options_.queues && random_.one_in(8)) return random_queue();
        if (options_.inert && random_.one_in(12)) return random_inert();
        if (options_.encap && depth == 0 && random_.one_in(6)) return random_encap();
        if (options_.learn && random_.one_in(6)) return random_learn();
        switch (random_.below(10)) {
            case 0:
            case 1:
                if (options_.set_fields) return random_set_field();
                break;
            case 2:
                if (options_.set_fields && options_.metadata) return random_load();
                break;
            case 3:
                if (options_.set_fields) return random_move();
                break;
            case 4:
                if (options_.vlan) return random_vlan();
                break;
            case 5:
                if (options_.ttl) return {DecTtlAction{}};
                break;
            case 6:
                if (options_.resubmit && table_ + 1U < options_.tables) {
                    const OfPort port = random_.one_in(4) ? random_port() : OfPort::kInPort;
                    return {ResubmitAction{port, higher_table(), false}};
                }
                break;
            case 7:
                if (options_.clone && depth == 0) {
                    ActionList inner;
                    const auto count = 1 + random_.below(3);
                    for (std::uint32_t i = 0; i < count; ++i)
                        append(inner, {random_action(1)});
                    if (!inner.empty()) return {CloneAction{std::move(inner)}};
                }
                break;
            case 8:
                if (options_.stack && options_.metadata) {
                    const SubField sub{field_by_name("reg0"), 0, 32};
                    if (random_.one_in(2)) return {StackPushAction{sub}};
                    return {StackPopAction{sub}};
                }
                break;
            default:
                break;
        }
        return random_output();
    }

    Random& random_;
    const Match& match_;
    std::uint8_t table_;
    const RandomOptions& options_;
};

}  // namespace

std::uint64_t Random::next() {
    state_ += 0x9e3779b97f4a7c15;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
}

std::uint32_t Random::below(std::uint32_t limit) {
    return static_cast<std::uint32_t>((next() >> 32) * limit >> 32);
}

Match random_match(Random& random, const RandomOptions& options) {
    Match match;
    Profile profile = random.pick(kProfiles);
    if (!options.ipv6 && profile.eth_type == 0x86dd) profile.eth_type = 0x0800;
    if (profile.eth_type == 0x0800 && profile.proto == 58) profile.proto = 1;
    if (profile.eth_type != 0) match.set_exact(key::kEthType, profile.eth_type);
    if (profile.proto != 0) match.set_exact(key::kIpProto, profile.proto);
    if (options.vlan && random.one_in(5)) random_vlan_match(random, options, match);
    const auto fields = usable_fields(options);
    const auto count = random.below(options.max_fields + 1);
    for (std::uint32_t i = 0; i < count; ++i) {
        const FieldInfo& field = *random.pick(fields);
        if (!prereq_ok(field.prereq, match)) continue;
        const U128 mask = random_mask(random, field, options);
        Match trial = match;
        field_set(field, trial, random_value(random, field, options), mask);
        // A later draw may take away what an earlier one needs (icmp_type under nd_target).
        if (check_match(trial)) match = trial;
    }
    match.normalize();
    if (options.tun && random.one_in(3)) {
        const auto mappings = options.tun->mappings();
        const TunMapping& option = random.pick(mappings);
        const std::uint64_t bits = random.one_in(3)   ? 0
                                   : random.one_in(2) ? ~std::uint64_t{0}
                                                      : low_mask(random.below(65)).lo;
        options.tun->set(match, option.index, big_endian(random.pick(kNumbers)), big_endian(bits));
    }
    return match;
}

TunTable random_tun_table() {
    TunTable table;
    std::uint8_t type = 0;
    for (const auto& [index, size] :
         {std::pair{0U, 4U}, {1U, 8U}, {2U, 12U}, {7U, 16U}, {40U, 0U}, {63U, 124U}})
        table.add({0x0102, ++type, static_cast<std::uint8_t>(size), static_cast<std::uint16_t>(index)});
    return table;
}

FlowKey random_key(Random& random, const RandomOptions& options) {
    // A packet is an exact match: its protocol's fields, each drawn from the pools.
    FlowKey flow;
    Profile profile = random.pick(kProfiles);
    if (profile.eth_type == 0 || (!options.ipv6 && profile.eth_type == 0x86dd)) profile = {0x0800, 6};
    flow.set(key::kEthType, profile.eth_type);
    flow.set(key::kInPort, 1 + random.below(options.ports));
    flow.set(key::kEthSrc, kMacs[random.below(3)]);
    flow.set(key::kEthDst, random.pick(kMacs));
    if (options.vlan && random.one_in(3)) {
        flow.set(key::kVlanTci, kVlanPresent | random.below(8) << 13 | (1 + random.below(3)));
        flow.set(key::kVlanTpid, 0x8100);
    }
    const bool ip = profile.eth_type == 0x0800 || profile.eth_type == 0x86dd;
    if (ip) flow.set(key::kIpProto, profile.proto == 0 ? 47U : profile.proto);
    if (ip && random.one_in(12)) flow.set(key::kIpFrag, random.one_in(2) ? kFragAny : kFragAny | kFragLater);
    for (const auto& field : all_fields()) {
        if (field.prereq == Prereq::kNone || field.prereq == Prereq::kEthernet ||
            field.prereq == Prereq::kVlan || field.prereq == Prereq::kCt || field.prereq == Prereq::kNsh ||
            is_tun_metadata(field) || !prereq_present(field.prereq, flow) || field.name == "nw_proto" ||
            field.name == "ip_frag") {
            continue;
        }
        if (field.name == "nd_reserved" || field.name == "nd_options_type" || field.name == "ip_dscp")
            continue;
        U128 value = random_value(random, field, options);
        if (field.name == "nw_ttl") value = {0, random.one_in(8) ? random.below(3) : 64U};
        if (field.name == "icmpv6_code") value = {};
        if (field.name == "icmpv6_type") value = {0, random.one_in(2) ? 135U : 128U};
        field_set(field, flow, value);
    }
    if (flow.get(key::kIpFrag) & kFragLater) {
        for (const FieldLoc f : {key::kTpSrc, key::kTpDst, key::kTcpFlags})
            flow.set(f, 0);
    }
    return flow;
}

ActionList random_actions(Random& random, const Match& match, std::uint8_t table,
                          const RandomOptions& options) {
    return ActionMaker{random, match, table, options}.run();
}

std::vector<FlowSpec> random_rules(Random& random, std::size_t count, const RandomOptions& options) {
    std::vector<FlowSpec> rules;
    std::set<std::string> seen;
    // With few fields and ports the distinct rules may run out: give up after many tries.
    for (std::size_t tries = 0; rules.size() < count && tries < count * 20 + 100; ++tries) {
        FlowSpec rule;
        rule.table = static_cast<std::uint8_t>(random.below(options.tables));
        rule.priority = static_cast<std::uint16_t>(random.below(8) * 10);
        rule.match = random_match(random, options);
        if (!seen.insert(fmt::format("{} {} {}", rule.table, rule.priority,
                                     format_match(rule.match, nullptr, options.tun)))
                 .second)
            continue;
        if (options.conjunction && random.one_in(3)) {
            rule.priority = static_cast<std::uint16_t>(random.one_in(2) ? 50 : 60);
            for (std::uint32_t id = 1 + random.below(2); id <= 3; id += 1 + random.below(3)) {
                const auto clauses = static_cast<std::uint8_t>(2 + id % 2);
                rule.actions.push_back(
                    {ConjunctionAction{id, static_cast<std::uint8_t>(random.below(clauses)), clauses}});
            }
        } else {
            if (options.conjunction && random.one_in(2))
                rule.match.set_exact(key::kConjId, 1 + random.below(3));
            rule.actions = random_actions(random, rule.match, rule.table, options);
        }
        rule.has_actions = true;
        rule.cookie = rules.size() + 1;
        rules.push_back(std::move(rule));
    }
    return rules;
}

}  // namespace sluice
