// SPDX-License-Identifier: Apache-2.0
// Arguments of a generator port, and the layout of its frame.
#include "bench/gen/traffic.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include <arpa/inet.h>

namespace sluice::gen {

namespace {

constexpr std::uint32_t kMinSize = 64;
constexpr std::uint32_t kMaxSize = 9018;
constexpr std::uint64_t kMaxFlows = std::uint64_t{1} << 32;

constexpr std::array kKeys{
    "proto",     "tunnel",    "size",      "vary",      "flows",    "order",  "new_share", "rate",
    "burst",     "count",     "seed",      "ring",      "sample",   "check",  "enable",    "l4csum",
    "stats",     "expect",    "vlan",      "dl_src",    "dl_dst",   "nw_src", "nw_dst",    "nw_ttl",
    "nw_tos",    "ipv6_src",  "ipv6_dst",  "tp_src",    "tp_dst",   "tun_id", "in_dl_src", "in_dl_dst",
    "in_nw_src", "in_nw_dst", "in_nw_ttl", "in_tp_src", "in_tp_dst"};

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (std::size_t start = 0;;) {
        const std::size_t end = text.find(separator, start);
        parts.push_back(text.substr(start, end - start));
        if (end == std::string_view::npos) return parts;
        start = end + 1;
    }
}

Result<std::uint64_t> number(std::string_view what, std::string_view text, std::uint64_t least,
                             std::uint64_t most) {
    std::uint64_t value = 0;
    const bool hex = text.starts_with("0x");
    const char* first = text.data() + (hex ? 2 : 0);
    const auto [end, error] = std::from_chars(first, text.data() + text.size(), value, hex ? 16 : 10);
    if (error != std::errc{} || end != text.data() + text.size() || value < least || value > most)
        return make_error(EINVAL, "generator: {}={} is not a number from {} to {}", what, text, least, most);
    return value;
}

Result<double> fraction(std::string_view what, std::string_view text, double most) {
    const std::string copy(text);
    char* end = nullptr;
    const double value = std::strtod(copy.c_str(), &end);
    if (copy.empty() || *end != '\0' || !(value >= 0) || value > most)
        return make_error(EINVAL, "generator: {}={} is not a number from 0 to {}", what, text, most);
    return value;
}

/// A number, a MAC address or an IPv4 address, as the field of `bytes` bytes holds it.
Result<std::uint64_t> field_value(const Field& field, std::string_view text) {
    const std::string copy(text);
    if (std::uint32_t address = 0; field.bytes == 4 && ::inet_pton(AF_INET, copy.c_str(), &address) == 1)
        return std::uint64_t{ntohl(address)};
    if (field.bytes == 6 && std::count(text.begin(), text.end(), ':') == 5) {
        std::uint64_t value = 0;
        for (const std::string_view part : split(text, ':')) {
            auto byte = number(field.name, "0x" + std::string(part), 0, 255);
            if (!byte) return byte;
            value = value << 8 | *byte;
        }
        return value;
    }
    return number(field.name, text, 0,
                  field.bytes == 8 ? ~std::uint64_t{0} : (std::uint64_t{1} << (field.bytes * 8)) - 1);
}

/// BITS[:POS[:SHR[:MUL]]] from parts[from] on.
Result<Formula> formula(std::string_view what, std::span<const std::string_view> parts) {
    Formula out;
    if (parts.empty() || parts.size() > 4)
        return make_error(EINVAL, "generator: {} needs BITS[:POS[:SHR[:MUL]]]", what);
    auto bits = number(what, parts[0], 0, 64);
    if (!bits) return bits.error();
    out.mask = *bits == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << *bits) - 1;
    const std::array<std::uint64_t, 3> most{63, 63, ~std::uint64_t{0}};
    std::array<std::uint64_t, 3> values{0, 0, 1};
    for (std::size_t i = 1; i < parts.size(); ++i) {
        auto value = number(what, parts[i], 0, most[i - 1]);
        if (!value) return value.error();
        values[i - 1] = *value;
    }
    out.pos = static_cast<std::uint8_t>(values[0]);
    out.shr = static_cast<std::uint8_t>(values[1]);
    out.mul = values[2];
    return out;
}

/// Lays the headers out one behind the other.
class Layout {
  public:
    explicit Layout(Traffic& traffic) : traffic_(traffic) {}

    void ethernet(std::uint16_t type, bool vlan, bool inner) {
        add(inner ? "in_dl_dst" : "dl_dst", 6, 0, 0x020000000002);
        add(inner ? "in_dl_src" : "dl_src", 6, 0, 0x020000000001);
        if (vlan && !inner) {
            put(2, 0x8100);
            add("vlan", 2, 0, 1);
        }
        put(2, type);
    }
    void ipv4(std::uint8_t protocol, bool inner) {
        const int sum = inner ? 2 : 1;
        put(1, 0x45);
        add(inner ? "" : "nw_tos", 1, sum, 0);
        put(6, 0);
        add(inner ? "in_nw_ttl" : "nw_ttl", 1, sum, 64);
        put(1, protocol);
        put(2, 0);
        add(inner ? "in_nw_src" : "nw_src", 4, sum, 0x0A000001);
        add(inner ? "in_nw_dst" : "nw_dst", 4, sum, 0x0A000002);
    }
    void ipv6(std::uint8_t protocol) {
        put(4, 0x60000000);
        put(2, 0);
        put(1, protocol);
        add("nw_ttl", 1, 0, 64);
        put(8, 0x20010DB800000000);
        add("ipv6_src", 8, 0, 1);
        put(8, 0x20010DB800000000);
        add("ipv6_dst", 8, 0, 2);
    }
    void l4(bool tcp, bool inner, std::uint16_t dst = 2000) {
        traffic_.l4 = head().size();
        add(inner ? "in_tp_src" : "tp_src", 2, 0, 1000);
        add(inner ? "in_tp_dst" : "tp_dst", 2, 0, dst);
        if (!tcp) return put(4, 0);
        put(8, 1);
        put(2, 0x5010);  // header of 20 bytes, ACK
        put(2, 0xFFFF);
        put(4, 0);
    }
    void tunnel(bool geneve) {
        put(4, geneve ? 0x00006558 : 0x08000000);
        add("tun_id", 3, 0, 1);
        put(1, 0);
    }
    std::vector<std::uint8_t>& head() { return traffic_.head; }

  private:
    void put(std::size_t bytes, std::uint64_t value) {
        for (std::size_t i = bytes; i-- > 0;)
            head().push_back(static_cast<std::uint8_t>(value >> (8 * i)));
    }
    void add(std::string_view name, std::size_t bytes, int checksum, std::uint64_t value) {
        if (!name.empty()) traffic_.fields.push_back({name, head().size(), bytes, checksum});
        put(bytes, value);
    }
    Traffic& traffic_;
};

Result<void> lay_out(Traffic& traffic, bool vlan, std::string_view tunnel) {
    Layout layout(traffic);
    const bool six = traffic.proto.ends_with('6');
    const bool tcp = traffic.proto.starts_with("tcp");
    if (traffic.proto != "udp4" && traffic.proto != "tcp4" && traffic.proto != "udp6" &&
        traffic.proto != "tcp6")
        return make_error(EINVAL, "generator: proto={}: there are udp4, tcp4, udp6 and tcp6", traffic.proto);
    if (!tunnel.empty()) {
        if (tunnel != "vxlan" && tunnel != "geneve")
            return make_error(EINVAL, "generator: tunnel={}: there are vxlan and geneve", tunnel);
        if (six)
            return make_error(EINVAL, "generator: tunnel={} carries IPv4, not {}", tunnel, traffic.proto);
        const bool geneve = tunnel == "geneve";
        layout.ethernet(0x0800, vlan, false);
        traffic.l3 = traffic.head.size();
        layout.ipv4(17, false);
        layout.l4(false, false, geneve ? 6081 : 4789);
        layout.tunnel(geneve);
        layout.ethernet(0x0800, false, true);
        traffic.inner_l3 = traffic.head.size();
        layout.ipv4(tcp ? 6 : 17, true);
        layout.l4(tcp, true);
    } else {
        layout.ethernet(six ? 0x86DD : 0x0800, vlan, false);
        traffic.l3 = traffic.head.size();
        if (six)
            layout.ipv6(tcp ? 6 : 17);
        else
            layout.ipv4(tcp ? 6 : 17, false);
        layout.l4(tcp, false);
    }
    return {};
}

Result<std::vector<std::uint32_t>> parse_sizes(std::string_view text) {
    // The common "simple IMIX": 7 of 64, 4 of 594, 1 of 1518.
    if (text == "imix")
        return std::vector<std::uint32_t>{64, 594, 64, 64, 594, 64, 1518, 64, 594, 64, 64, 594};
    auto size = number("size", text, kMinSize, kMaxSize);
    if (!size) return size.error();
    return std::vector<std::uint32_t>{static_cast<std::uint32_t>(*size)};
}

Result<std::vector<Vary>> parse_vary(const Traffic& traffic, std::string_view text) {
    std::vector<Vary> out;
    if (text.empty()) return out;
    for (const std::string_view item : split(text, '/')) {
        auto parts = split(item, ':');
        const bool only_new = parts[0].starts_with("new.");
        if (only_new) parts[0].remove_prefix(4);
        const Field* field = traffic.find(parts[0]);
        if (field == nullptr)
            return make_error(EINVAL, "generator: vary={}: a frame of {} has no field {}", item,
                              traffic.proto, parts[0]);
        auto parsed = formula(item, std::span(parts).subspan(1));
        if (!parsed) return parsed.error();
        if (only_new) parsed->from = traffic.flows;
        const std::uint64_t reach = parsed->mask << parsed->pos;
        if (field->bytes < 8 && reach >> (8 * field->bytes) != 0)
            return make_error(EINVAL, "generator: vary={} reaches beyond the {} bits of {}", item,
                              8 * field->bytes, field->name);
        out.push_back({*field, *parsed});
    }
    if (out.size() > kMaxVary)
        return make_error(EINVAL, "generator: vary={} has {} items, more than {}", text, out.size(),
                          kMaxVary);
    return out;
}

Result<Edit> parse_edit(std::string_view item) {
    const auto parts = split(item, ':');
    const std::string_view name = parts[0];
    Edit edit;
    const auto one_number = [&](Edit::Kind kind, std::uint64_t most) -> Result<Edit> {
        if (parts.size() != 2) return make_error(EINVAL, "generator: expect={} needs one number", item);
        auto value = number(item, parts[1], 0, most);
        if (!value) return value.error();
        edit.kind = kind;
        edit.value = *value;
        return edit;
    };
    if (name == "none") return edit;
    if (name == "dec_ttl" || name == "pop_vlan") {
        edit.kind = name == "dec_ttl" ? Edit::Kind::kDecTtl : Edit::Kind::kPopVlan;
        return edit;
    }
    if (name == "push_vlan") return one_number(Edit::Kind::kPushVlan, 0xFFFF);
    if (name == "skip") return one_number(Edit::Kind::kSkip, 128);
    if (name == "strip") return one_number(Edit::Kind::kStrip, 128);
    // set:FIELD:VALUE[:FORMULA], port:VALUE:FORMULA and not_port:VALUE:FORMULA
    const bool set = name == "set";
    const std::size_t value_at = set ? 2 : 1;
    if ((!set && name != "port" && name != "not_port") || parts.size() < value_at + (set ? 1 : 2))
        return make_error(
            EINVAL,
            "generator: expect={}: there are none, dec_ttl, pop_vlan, push_vlan:TCI, skip:N, strip:N, "
            "set:FIELD:VALUE[:BITS:POS:SHR:MUL], port:VALUE:BITS[:POS[:SHR[:MUL]]] and not_port",
            item);
    edit.kind = set ? Edit::Kind::kSet : name == "port" ? Edit::Kind::kPort : Edit::Kind::kNotPort;
    if (set) edit.field = parts[1];
    auto value = number(item, parts[value_at], 0, ~std::uint64_t{0});
    if (!value) return value.error();
    edit.value = *value;
    if (parts.size() > value_at + 1) {
        auto parsed = formula(item, std::span(parts).subspan(value_at + 1));
        if (!parsed) return parsed.error();
        edit.formula = *parsed;
    }
    return edit;
}

using Arguments = std::span<const std::pair<std::string, std::string>>;

std::string_view value_of(Arguments arguments, std::string_view key) {
    for (const auto& [name, value] : arguments)
        if (name == key) return value;
    return {};
}

Result<void> parse_numbers(Traffic& out, Arguments arguments) {
    struct Row {
        std::string_view key;
        std::uint64_t* place;
        std::uint64_t least, most;
    };
    std::uint64_t enable = 1, l4csum = out.proto == "udp4" ? 0 : 1;
    const std::array rows{Row{"flows", &out.flows, 1, kMaxFlows},
                          Row{"rate", &out.rate, 0, 1'000'000'000},
                          Row{"burst", &out.burst, 1, 1024},
                          Row{"count", &out.count, 0, ~std::uint64_t{0}},
                          Row{"seed", &out.seed, 0, ~std::uint64_t{0}},
                          Row{"ring", &out.ring, 32, 1 << 20},
                          Row{"sample", &out.sample, 1, 1 << 30},
                          Row{"check", &out.check, 0, 1 << 30},
                          Row{"enable", &enable, 0, 1},
                          Row{"l4csum", &l4csum, 0, 1}};
    for (const Row& row : rows) {
        const std::string_view text = value_of(arguments, row.key);
        if (text.empty()) continue;
        auto value = number(row.key, text, row.least, row.most);
        if (!value) return value.error();
        *row.place = *value;
    }
    out.enable = enable != 0;
    out.l4_checksum = l4csum != 0;
    if (const std::string_view share = value_of(arguments, "new_share"); !share.empty()) {
        auto value = fraction("new_share", share, 1);
        if (!value) return value.error();
        out.new_share = *value;
    }
    const std::string_view order = value_of(arguments, "order");
    if (order.starts_with("zipf:")) {
        auto value = fraction("order=zipf", order.substr(5), 10);
        if (!value) return value.error();
        out.order = Order::kZipf;
        out.zipf = *value;
    } else if (order == "seq") {
        out.order = Order::kSequential;
    } else if (!order.empty() && order != "random") {
        return make_error(EINVAL, "generator: order={}: there are random, seq and zipf:EXPONENT", order);
    }
    return {};
}

Result<void> set_fields(Traffic& out, Arguments arguments) {
    for (const auto& [key, text] : arguments) {
        const Field* field = out.find(key);
        if (field == nullptr) continue;
        auto value = field_value(*field, text);
        if (!value) return value.error();
        for (std::size_t i = 0; i < field->bytes; ++i)
            out.head[field->offset + i] = static_cast<std::uint8_t>(*value >> (8 * (field->bytes - 1 - i)));
    }
    return {};
}

Result<void> place_mark(Traffic& out) {
    const std::uint32_t least = *std::min_element(out.sizes.begin(), out.sizes.end());
    if (least < out.head.size() + kFcsBytes)
        return make_error(EINVAL, "generator: size={} is less than the {} bytes of headers and FCS", least,
                          out.head.size() + kFcsBytes);
    if (out.head.size() + kMarkBytes + kFcsBytes <= least && out.head.size() + kMarkBytes <= kMaxHead) {
        out.mark = out.head.size();
        out.head.resize(out.head.size() + kMarkBytes);
    }
    return {};
}

}  // namespace

const char* const* traffic_keys() noexcept {
    static const auto keys = [] {
        std::array<const char*, kKeys.size() + 1> out{};
        std::copy(kKeys.begin(), kKeys.end(), out.begin());
        return out;
    }();
    return keys.data();
}

const Field* Traffic::find(std::string_view name) const noexcept {
    for (const Field& field : fields)
        if (field.name == name) return &field;
    return nullptr;
}

Result<Traffic> Traffic::parse(Arguments arguments) {
    for (const auto& [key, value] : arguments)
        if (std::find(kKeys.begin(), kKeys.end(), key) == kKeys.end())
            return make_error(EINVAL, "generator: there is no argument {}", key);
    Traffic out;
    if (const auto proto = value_of(arguments, "proto"); !proto.empty()) out.proto = proto;
    if (const auto size = value_of(arguments, "size"); !size.empty()) {
        auto sizes = parse_sizes(size);
        if (!sizes) return sizes.error();
        out.sizes = *sizes;
    }
    out.stats = value_of(arguments, "stats");
    if (auto ok = lay_out(out, !value_of(arguments, "vlan").empty(), value_of(arguments, "tunnel")); !ok)
        return ok.error();
    if (auto ok = parse_numbers(out, arguments); !ok) return ok.error();
    if (auto ok = set_fields(out, arguments); !ok) return ok.error();
    if (auto ok = place_mark(out); !ok) return ok.error();
    auto vary = parse_vary(out, value_of(arguments, "vary"));
    if (!vary) return vary.error();
    out.vary = std::move(*vary);
    if (const auto expect = value_of(arguments, "expect"); !expect.empty()) {
        for (const std::string_view item : split(expect, '/')) {
            auto edit = parse_edit(item);
            if (!edit) return edit.error();
            out.expect.push_back(std::move(*edit));
        }
    }
    return out;
}

}  // namespace sluice::gen
