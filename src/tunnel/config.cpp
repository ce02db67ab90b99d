// SPDX-License-Identifier: Apache-2.0
#include "tunnel/config.hpp"

#include <array>
#include <charconv>

#include "flow/text.hpp"

namespace sluice::tunnel {

namespace {

struct TypeRow {
    std::string_view type;
    Kind kind;
    bool ipv6;  ///< remote_ip must be an IPv6 address
    std::uint16_t default_port;
};
constexpr std::array kTypes{
    TypeRow{"geneve", Kind::kGeneve, false, 6081}, TypeRow{"vxlan", Kind::kVxlan, false, 4789},
    TypeRow{"gre", Kind::kGre, false, 0},          TypeRow{"ip6gre", Kind::kGre, true, 0},
    TypeRow{"erspan", Kind::kErspan, false, 0},    TypeRow{"ip6erspan", Kind::kErspan, true, 0},
    TypeRow{"gtpu", Kind::kGtpu, false, 2152}};

const TypeRow* row_of(std::string_view type) {
    for (const TypeRow& row : kTypes) {
        if (row.type == type) return &row;
    }
    return nullptr;
}

/// Reads the options of one port; the first thing wrong is kept.
class Reader {
  public:
    Reader(const std::string& name, const std::map<std::string, std::string>& options)
        : name_(name), options_(options) {}

    const std::string* value_of(std::string_view key) const {
        const auto found = options_.find(std::string{key});
        return found == options_.end() ? nullptr : &found->second;
    }
    bool flag(std::string_view key, bool fallback) const {
        const std::string* value = value_of(key);
        return value ? *value == "true" : fallback;
    }
    bool is(std::string_view key, std::string_view word) const {
        const std::string* value = value_of(key);
        return value && *value == word;
    }
    /// Decimal, or hexadecimal after 0x.
    std::uint64_t number(std::string_view key, std::uint64_t fallback, std::uint64_t low,
                         std::uint64_t high) {
        const std::string* value = value_of(key);
        if (!value) return fallback;
        std::string_view digits = *value;
        const bool hex = digits.starts_with("0x") || digits.starts_with("0X");
        if (hex) digits.remove_prefix(2);
        std::uint64_t parsed = 0;
        const auto [end, code] =
            std::from_chars(digits.data(), digits.data() + digits.size(), parsed, hex ? 16 : 10);
        if (code == std::errc{} && end == digits.data() + digits.size() && !digits.empty() && parsed >= low &&
            parsed <= high)
            return parsed;
        fail(fmt::format("{}: options:{}=\"{}\" is not a number from {} to {}", name_, key, *value, low,
                         high));
        return fallback;
    }
    std::optional<Address> address(std::string_view key) {
        const std::string* value = value_of(key);
        if (!value || *value == "flow") return std::nullopt;
        if (const auto ipv4 = text::parse_ipv4(*value)) return from_ipv4(*ipv4);
        if (const auto ipv6 = text::parse_ipv6(*value)) return *ipv6;
        fail(fmt::format("{}: options:{}=\"{}\" is neither an IPv4 nor an IPv6 address nor \"flow\"", name_,
                         key, *value));
        return std::nullopt;
    }
    KeyRule key(std::string_view direction, std::uint64_t limit) {
        const std::string_view name = value_of(direction) ? direction : "key";
        const std::string* value = value_of(name);
        if (!value) return {};
        if (*value == "flow") return {true, true, 0};
        return {true, false, number(name, 0, 0, limit)};
    }
    void fail(std::string sentence) {
        if (!error) error = std::move(sentence);
    }

    std::optional<std::string> error;

  private:
    const std::string& name_;
    const std::map<std::string, std::string>& options_;
};

std::uint64_t highest_key(Kind kind) {
    switch (kind) {
        case Kind::kGeneve:
        case Kind::kVxlan:
            return 0xffffff;
        case Kind::kErspan:
            return 0x3ff;
        default:
            return 0xffffffff;
    }
}

void read_erspan(Reader& read, Config& config) {
    config.erspan_flow = read.is("erspan_ver", "flow");
    if (!config.erspan_flow)
        config.erspan_version = static_cast<std::uint8_t>(read.number("erspan_ver", 1, 1, 2));
    if (!read.is("erspan_idx", "flow"))
        config.erspan_index = static_cast<std::uint32_t>(read.number("erspan_idx", 0, 0, 0xfffff));
    if (!read.is("erspan_dir", "flow"))
        config.erspan_direction = static_cast<std::uint8_t>(read.number("erspan_dir", 0, 0, 1));
    if (!read.is("erspan_hwid", "flow"))
        config.erspan_hardware = static_cast<std::uint8_t>(read.number("erspan_hwid", 0, 0, 0x3f));
}

void read_extensions(Reader& read, const std::string& name, Config& config) {
    const std::string* list = read.value_of("exts");
    for (std::string_view rest = list ? std::string_view{*list} : std::string_view{}; !rest.empty();) {
        const auto comma = rest.find(',');
        const std::string_view word = rest.substr(0, comma);
        if (word == "gbp") {
            config.gbp = true;
        } else if (word == "gpe") {
            config.gpe = true;
        } else {
            read.fail(fmt::format("{}: options:exts={}: there are the extensions gbp and gpe", name, word));
        }
        rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
    }
}

void read_packet_type(Reader& read, const std::string& name, Config& config) {
    config.layer3 = config.kind == Kind::kGtpu;
    const std::string* type = read.value_of("packet_type");
    if (!type) return;
    const bool may_be_layer3 = config.kind == Kind::kGre || config.gpe || config.kind == Kind::kGtpu;
    if (*type == "legacy_l3" && may_be_layer3) {
        config.layer3 = true;
    } else if (*type == "legacy_l2" && config.kind != Kind::kGtpu) {
        config.layer3 = false;
    } else {
        read.fail(
            fmt::format("{}: options:packet_type={} is not possible here: legacy_l2, or legacy_l3 with "
                        "gre, gtpu and vxlan with exts=gpe",
                        name, *type));
    }
}

}  // namespace

bool is_tunnel_type(std::string_view type) {
    return row_of(type) != nullptr;
}

std::optional<Kind> kind_of(std::string_view type) {
    const TypeRow* row = row_of(type);
    return row ? std::optional{row->kind} : std::nullopt;
}

Result<Config> parse_config(const std::string& name, std::string_view type,
                            const std::map<std::string, std::string>& options) {
    const TypeRow* row = row_of(type);
    if (!row) return make_error(EINVAL, "{}: type \"{}\" is no tunnel", name, type);
    Reader read(name, options);
    Config config;
    config.kind = row->kind;
    if (row->default_port != 0)
        config.udp_port = static_cast<std::uint16_t>(read.number("dst_port", row->default_port, 1, 65535));
    if (!read.value_of("remote_ip"))
        return make_error(EINVAL, "{}: {} type requires valid 'remote_ip' argument", name, type);
    config.remote = read.address("remote_ip");
    config.local = read.address("local_ip");
    config.local_flow = read.is("local_ip", "flow");
    if (config.local_flow && config.remote)
        return make_error(EINVAL, "{}: {} type requires 'remote_ip=flow' with 'local_ip=flow'", name, type);
    if (config.remote && config.local && is_ipv4(*config.remote) != is_ipv4(*config.local))
        return make_error(EINVAL, "{}: remote_ip and local_ip are not of the same family", name);
    if (config.remote && row->ipv6 && is_ipv4(*config.remote))
        return make_error(EINVAL, "{}: type {} needs an IPv6 address as remote_ip", name, type);
    config.in_key = read.key("in_key", highest_key(config.kind));
    config.out_key = read.key("out_key", highest_key(config.kind));
    config.tos_inherit = read.is("tos", "inherit");
    if (!config.tos_inherit) config.tos = static_cast<std::uint8_t>(read.number("tos", 0, 0, 255));
    config.ttl_inherit = read.is("ttl", "inherit");
    if (!config.ttl_inherit) config.ttl = static_cast<std::uint8_t>(read.number("ttl", 64, 1, 255));
    config.dont_fragment = read.flag("df_default", true);
    config.checksum = read.flag("csum", false);
    config.sequence = read.flag("seq", false);
    config.packet_mark = static_cast<std::uint32_t>(read.number("egress_pkt_mark", 0, 0, 0xffffffff));
    if (config.kind == Kind::kVxlan) read_extensions(read, name, config);
    if (config.kind == Kind::kErspan) read_erspan(read, config);
    read_packet_type(read, name, config);
    if (read.error) return make_error(EINVAL, "{}", *read.error);
    return config;
}

std::string system_name(const Config& config) {
    switch (config.kind) {
        case Kind::kGeneve:
            return fmt::format("genev_sys_{}", config.udp_port);
        case Kind::kVxlan:
            return fmt::format("vxlan_sys_{}", config.udp_port);
        case Kind::kGtpu:
            return fmt::format("gtpu_sys_{}", config.udp_port);
        case Kind::kErspan:
            return "erspan_sys";
        case Kind::kGre:
            break;
    }
    return "gre_sys";
}

std::uint16_t system_number(const Config& config) {
    constexpr std::uint16_t kGreNumber = 4, kErspanNumber = 5;
    if (config.udp_port != 0) return config.udp_port;
    return config.kind == Kind::kErspan ? kErspanNumber : kGreNumber;
}

}  // namespace sluice::tunnel
