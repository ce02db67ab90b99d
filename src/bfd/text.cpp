// SPDX-License-Identifier: Apache-2.0
// What a session says of itself: Interface:bfd_status and bfd/show.
#include <fmt/format.h>

#include "bfd/session.hpp"

namespace sluice::bfd {
namespace {

std::string flags_text(std::uint8_t flags) {
    static constexpr std::pair<std::uint8_t, const char*> kNames[] = {
        {kMultipoint, "multipoint"},  {kDemand, "demand"}, {kAuthentication, "auth"},
        {kControlIndependent, "ctl"}, {kFinal, "final"},   {kPoll, "poll"}};
    std::string out;
    for (const auto& [bit, name] : kNames)
        if ((flags & bit) != 0) out += fmt::format("{}{}", out.empty() ? "" : " ", name);
    return out.empty() ? "none" : out;
}

std::string bool_text(bool value) {
    return value ? "true" : "false";
}

}  // namespace

std::map<std::string, std::string> Session::status() const {
    return {{"forwarding", bool_text(forwarding())},
            {"state", std::string(name_of(state_))},
            {"diagnostic", std::string(name_of(diagnostic_))},
            {"remote_state", std::string(name_of(remote_state_))},
            {"remote_diagnostic", std::string(name_of(remote_diagnostic_))},
            {"flap_count", fmt::format("{}", flap_count_)}};
}

std::string Session::describe(std::int64_t now) const {
    std::string out;
    const auto line = [&](const char* name, const auto& value) {
        out += fmt::format("  {}: {}\n", name, value);
    };
    line("Forwarding", bool_text(forwarding()));
    line("Detect Multiplier", config_.multiplier);
    line("Concatenated Path Down", bool_text(config_.cpath_down));
    line("TX Interval", fmt::format("Approx {}ms", tx_interval_ms()));
    line("RX Interval", fmt::format("Approx {}ms", rx_interval_ms()));
    line("Detect Time", fmt::format("now {:+}ms", detect_ms_ - now));
    line("Next TX Time", fmt::format("now {:+}ms", next_tx_ - now));
    line("Last TX Time", fmt::format("now {:+}ms", last_tx_ - now));
    out += '\n';
    line("Local Flags", flags_text(flags_));
    line("Local Session State", name_of(state_));
    line("Local Diagnostic", name_of(diagnostic_));
    line("Local Discriminator", fmt::format("{:#x}", discriminator_));
    line("Local Minimum TX Interval", fmt::format("{}ms", advertised_tx_ms()));
    line("Local Minimum RX Interval", fmt::format("{}ms", min_rx_ms_));
    out += '\n';
    line("Remote Flags", flags_text(remote_flags_));
    line("Remote Session State", name_of(remote_state_));
    line("Remote Diagnostic", name_of(remote_diagnostic_));
    line("Remote Discriminator", fmt::format("{:#x}", remote_discriminator_));
    line("Remote Minimum TX Interval", fmt::format("{}ms", remote_min_tx_ms_));
    line("Remote Minimum RX Interval", fmt::format("{}ms", remote_min_rx_ms_));
    line("Remote Detect Multiplier", remote_multiplier_);
    return out;
}

}  // namespace sluice::bfd
