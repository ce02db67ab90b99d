// SPDX-License-Identifier: Apache-2.0
// Interface:bfd as the database has it.
#include <charconv>
#include <cstdio>
#include <limits>

#include <arpa/inet.h>
#include <fmt/format.h>

#include "bfd/session.hpp"

namespace sluice::bfd {
namespace {

using Column = std::map<std::string, std::string>;

/// The longest interval that fits the packet's 32-bit microseconds.
constexpr std::int64_t kMaxIntervalMs = std::numeric_limits<std::uint32_t>::max() / 1000;

const std::string* find(const Column& column, const char* key) {
    const auto found = column.find(key);
    return found == column.end() ? nullptr : &found->second;
}

bool read_bool(const Column& column, const char* key) {
    const auto* text = find(column, key);
    return text && *text == "true";
}

std::int64_t read_number(const Column& column, const char* key, std::int64_t otherwise,
                         std::vector<std::string>& complaints) {
    const auto* text = find(column, key);
    if (!text) return otherwise;
    std::int64_t value = 0;
    const auto* end = text->data() + text->size();
    const auto read = std::from_chars(text->data(), end, value);
    if (read.ec == std::errc{} && read.ptr == end && value <= kMaxIntervalMs) return value;
    complaints.push_back(
        fmt::format("bfd:{}={} is not a number up to {}: {} is used", key, *text, kMaxIntervalMs, otherwise));
    return otherwise;
}

std::optional<MacBytes> read_mac(const Column& column, const char* key,
                                 std::vector<std::string>& complaints) {
    const auto* text = find(column, key);
    if (!text) return std::nullopt;
    unsigned byte[6];
    char rest = 0;
    MacBytes mac{};
    if (std::sscanf(text->c_str(), "%2x:%2x:%2x:%2x:%2x:%2x%c", &byte[0], &byte[1], &byte[2], &byte[3],
                    &byte[4], &byte[5], &rest) != 6) {
        complaints.push_back(fmt::format("bfd:{}={} is not an Ethernet address, ignored", key, *text));
        return std::nullopt;
    }
    for (unsigned i = 0; i < 6; ++i)
        mac[i] = static_cast<std::uint8_t>(byte[i]);
    if (mac == MacBytes{}) return std::nullopt;
    return mac;
}

std::uint32_t read_ip(const Column& column, const char* key, std::uint32_t otherwise,
                      std::vector<std::string>& complaints) {
    const auto* text = find(column, key);
    if (!text) return otherwise;
    in_addr address{};
    if (::inet_pton(AF_INET, text->c_str(), &address) == 1) return ntohl(address.s_addr);
    complaints.push_back(fmt::format("\"{}\" is not a valid IP address", *text));
    return otherwise;
}

}  // namespace

std::optional<Config> parse_config(const Column& column, std::vector<std::string>& complaints) {
    if (!read_bool(column, "enable")) return std::nullopt;
    Config config;
    config.min_tx_ms = std::max<std::int64_t>(read_number(column, "min_tx", config.min_tx_ms, complaints), 1);
    config.min_rx_ms = std::max<std::int64_t>(read_number(column, "min_rx", config.min_rx_ms, complaints), 1);
    config.decay_min_rx_ms = read_number(column, "decay_min_rx", 0, complaints);
    if (config.decay_min_rx_ms > 0 && config.decay_min_rx_ms < config.min_rx_ms) {
        complaints.push_back(fmt::format("decay_min_rx cannot be less than {} ms", config.min_rx_ms));
        config.decay_min_rx_ms = 0;
    }
    config.decay_min_rx_ms = std::max<std::int64_t>(config.decay_min_rx_ms, 0);
    const auto multiplier = read_number(column, "mult", config.multiplier, complaints);
    if (multiplier >= 1 && multiplier <= 255) {
        config.multiplier = static_cast<std::uint8_t>(multiplier);
    } else {
        complaints.push_back(fmt::format("bfd:mult={} is not in 1..255: 3 is used", multiplier));
    }
    config.forwarding_if_rx = read_bool(column, "forwarding_if_rx");
    config.cpath_down = read_bool(column, "cpath_down");
    config.oam = read_bool(column, "oam");
    config.local_src_mac = read_mac(column, "bfd_local_src_mac", complaints);
    config.local_dst_mac = read_mac(column, "bfd_local_dst_mac", complaints);
    config.src_ip = read_ip(column, "bfd_src_ip", Config::kDefaultSrcIp, complaints);
    config.dst_ip = read_ip(column, "bfd_dst_ip", Config::kDefaultDstIp, complaints);
    config.filter.destination_mac = read_mac(column, "bfd_remote_dst_mac", complaints);
    if (config.src_ip != Config::kDefaultSrcIp) config.filter.destination_ip = config.src_ip;
    config.filter.only_key_zero = read_bool(column, "check_tnl_key");
    return config;
}

}  // namespace sluice::bfd
