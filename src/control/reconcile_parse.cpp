// SPDX-License-Identifier: Apache-2.0
#include "control/reconcile_parse.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>

#include <fmt/format.h>

namespace sluice {

namespace {

constexpr unsigned kMaxCores = 1024;  // CPU_SETSIZE

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

std::string_view without_0x(std::string_view text) {
    if (text.starts_with("0x") || text.starts_with("0X")) text.remove_prefix(2);
    return text;
}

}  // namespace

std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t max) {
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value > max) return std::nullopt;
    return value;
}

Result<std::vector<unsigned>> parse_core_mask(std::string_view text) {
    const std::string_view digits = without_0x(text);
    const auto refuse = [&](std::string_view why) {
        return make_error(EINVAL,
                          "core mask \"{}\": {}; write a hexadecimal number such as 0x6 for cores 1 and 2",
                          text, why);
    };
    if (digits.empty()) return refuse("no digits");
    std::vector<unsigned> cores;
    for (std::size_t i = 0; i < digits.size(); ++i) {
        const int digit = hex_digit(digits[digits.size() - 1 - i]);
        if (digit < 0) return refuse("not hexadecimal");
        for (unsigned bit = 0; bit < 4; ++bit) {
            if ((digit >> bit & 1) == 0) continue;
            const std::size_t core = i * 4 + bit;
            if (core >= kMaxCores) return refuse("cores above 1023 don't exist");
            cores.push_back(static_cast<unsigned>(core));
        }
    }
    if (cores.empty()) return refuse("no core is set");
    return cores;
}

Result<std::map<unsigned, unsigned>> parse_rxq_affinity(std::string_view text) {
    std::map<unsigned, unsigned> cores;
    while (!text.empty()) {
        const auto comma = std::min(text.find(','), text.size());
        const std::string_view part = text.substr(0, comma);
        text.remove_prefix(std::min(comma + 1, text.size()));
        if (part.empty()) continue;
        const auto colon = part.find(':');
        const auto queue = parse_number(part.substr(0, colon), 65535);
        const auto core = colon == std::string_view::npos
                              ? std::nullopt
                              : parse_number(part.substr(colon + 1), kMaxCores - 1);
        if (!queue || !core) {
            return make_error(
                EINVAL, "pmd-rxq-affinity: \"{}\" is not <queue>:<core>; write for example 0:3,1:7", part);
        }
        cores[static_cast<unsigned>(*queue)] = static_cast<unsigned>(*core);
    }
    return cores;
}

std::optional<MacBytes> parse_mac(std::string_view text) {
    if (text.size() != 17) return std::nullopt;
    MacBytes mac{};
    for (unsigned i = 0; i < 6; ++i) {
        const int high = hex_digit(text[i * 3U]);
        const int low = hex_digit(text[i * 3U + 1]);
        if (high < 0 || low < 0 || (i < 5 && text[i * 3U + 2] != ':')) return std::nullopt;
        mac[i] = static_cast<std::uint8_t>(high << 4 | low);
    }
    return mac;
}

std::string format_mac(const MacBytes& mac) {
    return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", mac[0], mac[1], mac[2], mac[3], mac[4],
                       mac[5]);
}

std::optional<std::uint64_t> parse_datapath_id(std::string_view text) {
    const std::string_view digits = without_0x(text);
    if (digits.size() != 16) return std::nullopt;
    std::uint64_t id = 0;
    for (const char c : digits) {
        const int digit = hex_digit(c);
        if (digit < 0) return std::nullopt;
        id = id << 4 | static_cast<std::uint64_t>(digit);
    }
    return id == 0 ? std::nullopt : std::optional(id);
}

bool parse_flag(const std::optional<std::string>& text, bool fallback) {
    if (!text) return fallback;
    std::string lower = *text;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (lower == (fallback ? "false" : "true")) return !fallback;
    return fallback;
}

}  // namespace sluice
