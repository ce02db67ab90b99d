// SPDX-License-Identifier: Apache-2.0
// Any text: the parsers never crash, and what they accept prints as text that means the same.
// First byte: which parser.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "flow/action_text.hpp"
#include "flow/flow_text.hpp"
#include "flow/group_text.hpp"
#include "flow/match_text.hpp"

namespace {

[[noreturn]] void fail(const char* what, const std::string& first, const std::string& second) {
    std::fprintf(stderr, "%s: \"%s\" became \"%s\"\n", what, first.c_str(), second.c_str());
    std::abort();
}

/// tun_tos prints as Open vSwitch prints it, in hexadecimal without 0x: as no parser reads it.
bool unreadable(const std::string& printed) {
    return printed.find("tun_tos=") != printed.npos;
}

void check_spec(std::string_view text, sluice::FlowUse use) {
    const auto spec = sluice::parse_flow_spec(text, use);
    if (!spec) return;
    const std::string printed = sluice::format_flow_spec(*spec);
    if (unreadable(printed)) return;
    const auto again = sluice::parse_flow_spec(printed, use);
    if (!again) fail("flow refused", printed, again.error().message);
    if (sluice::format_flow_spec(*again) != printed) fail("flow", printed, sluice::format_flow_spec(*again));
}

void check_match(std::string_view text) {
    const auto match = sluice::parse_match(text);
    if (!match) return;
    const std::string printed = sluice::format_match(*match);
    if (unreadable(printed)) return;
    const auto again = sluice::parse_match(printed);
    if (!again) fail("match refused", printed, again.error().message);
    if (sluice::format_match(*again) != printed) fail("match", printed, sluice::format_match(*again));
}

void check_actions(std::string_view text) {
    const auto actions = sluice::parse_actions(text);
    if (!actions) return;
    const std::string printed = sluice::format_actions(*actions);
    const auto again = sluice::parse_actions(printed);
    if (!again) fail("actions refused", printed, again.error().message);
    if (sluice::format_actions(*again) != printed) fail("actions", printed, sluice::format_actions(*again));
}

void check_group(std::string_view text, sluice::GroupCommand command) {
    const auto group = sluice::parse_group(text, command);
    if (!group) return;
    const std::string printed = sluice::format_group(*group, sluice::BucketIds::kShown);
    // Deletes and removals print as what they are about: not as a line that could be read again.
    if (command != sluice::GroupCommand::kAdd) return;
    const auto again = sluice::parse_group(printed, command);
    if (!again) fail("group refused", printed, again.error().message);
    const std::string twice = sluice::format_group(*again, sluice::BucketIds::kShown);
    if (twice != printed) fail("group", printed, twice);
}

void check_meter(std::string_view text) {
    const auto meter = sluice::parse_meter(text);
    if (!meter) return;
    // dump-meters separates by blanks and line ends, which the parser takes as it takes commas.
    const std::string printed = sluice::format_meter(*meter);
    const auto again = sluice::parse_meter(printed);
    if (!again) fail("meter refused", printed, again.error().message);
    if (sluice::format_meter(*again) != printed) fail("meter", printed, sluice::format_meter(*again));
}

void check_flow(std::string_view text) {
    const auto flow = sluice::parse_flow(text);
    if (!flow) return;
    (void)sluice::format_flow(*flow);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
    switch (data[0] % 10) {
        case 0:
            check_spec(text, sluice::FlowUse::kAdd);
            break;
        case 1:
            check_spec(text, sluice::FlowUse::kDelete);
            break;
        case 2:
            check_match(text);
            break;
        case 3:
            check_actions(text);
            break;
        case 4:
            check_flow(text);
            break;
        case 5:
        case 6:
            check_group(text, sluice::GroupCommand::kAdd);
            break;
        case 7: {
            constexpr sluice::GroupCommand kOthers[] = {
                sluice::GroupCommand::kModify, sluice::GroupCommand::kDelete,
                sluice::GroupCommand::kInsertBucket, sluice::GroupCommand::kRemoveBucket};
            for (const auto command : kOthers)
                check_group(text, command);
            break;
        }
        default:
            check_meter(text);
            break;
    }
    return 0;
}
