// SPDX-License-Identifier: Apache-2.0
// See port/options.hpp.
#include "port/options.hpp"

#include <algorithm>
#include <charconv>
#include <random>
#include <set>
#include <system_error>
#include <utility>

#include "base/log.hpp"

namespace sluice {
namespace {
const log::Module kLog{"netdev"};
}

Result<unsigned> option_number(const PortConfig& config, std::string_view key, unsigned fallback,
                               unsigned low, unsigned high) {
    const auto found = config.options.find(std::string{key});
    if (found == config.options.end()) return fallback;
    const std::string& text = found->second;
    unsigned value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || value < low || value > high)
        return make_error(EINVAL, "{}: options:{}=\"{}\" is not a number from {} to {}", config.name, key,
                          text, low, high);
    return value;
}

Result<std::string> option_word(const PortConfig& config, std::string_view key,
                                std::initializer_list<std::string_view> words) {
    const auto found = config.options.find(std::string{key});
    if (found == config.options.end()) return std::string{*words.begin()};
    if (std::find(words.begin(), words.end(), found->second) != words.end()) return found->second;
    std::string list;
    for (auto word : words)
        list += (list.empty() ? "" : ", ") + std::string{word};
    return make_error(EINVAL, "{}: options:{}=\"{}\" is not one of {}", config.name, key, found->second,
                      list);
}

std::string option_text(const PortConfig& config, std::string_view key) {
    const auto found = config.options.find(std::string{key});
    return found == config.options.end() ? std::string{} : found->second;
}

void report_unknown_options(const PortConfig& config, std::initializer_list<std::string_view> known) {
    static std::set<std::pair<std::string, std::string>> reported;
    for (const auto& [key, value] : config.options) {
        if (std::find(known.begin(), known.end(), key) != known.end()) continue;
        if (!reported.emplace(config.type, key).second) continue;
        kLog.warn("{}: options:{}={} is not used by ports of type \"{}\"", config.name, key, value,
                  config.type.empty() ? "system" : config.type);
    }
}

MacBytes random_mac() {
    std::random_device random;
    MacBytes mac;
    for (auto& byte : mac)
        byte = static_cast<std::uint8_t>(random());
    mac[0] = static_cast<std::uint8_t>((mac[0] & 0xfc) | 2);
    return mac;
}

Result<void> check_mtu(const PortConfig& config) {
    if (!config.mtu_request) return {};
    const auto mtu = *config.mtu_request;
    if (mtu < kMinMtu || mtu > kMaxMtu)
        return make_error(EINVAL, "{}: mtu_request {} is not between {} and {}", config.name, mtu, kMinMtu,
                          kMaxMtu);
    return {};
}

}  // namespace sluice
