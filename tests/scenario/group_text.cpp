// SPDX-License-Identifier: Apache-2.0
#include "tests/scenario/group_text.hpp"

#include <map>
#include <stdexcept>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "flow/flow_text.hpp"

namespace sluice::tests {
namespace {

/// The parts of `text` between occurrences of `mark`.
std::vector<std::string_view> split(std::string_view text, std::string_view mark) {
    std::vector<std::string_view> parts;
    for (;;) {
        const std::size_t end = text.find(mark);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) return parts;
        text.remove_prefix(end + mark.size());
    }
}

struct Setting {
    std::string_view name, value;
};
Setting setting_of(std::string_view text) {
    const std::size_t at = text.find_first_of("=:(");
    if (at == std::string_view::npos) return {text, {}};
    std::string_view value = text.substr(at + 1);
    if (text[at] == '(' && value.ends_with(')')) value.remove_suffix(1);
    return {text.substr(0, at), value};
}

std::uint32_t number(std::string_view text) {
    std::size_t used = 0;
    const unsigned long value = std::stoul(std::string{text}, &used, 0);
    if (used != text.size()) throw std::invalid_argument(fmt::format("bad number \"{}\"", text));
    return static_cast<std::uint32_t>(value);
}

[[noreturn]] void unknown(std::string_view word) {
    throw std::invalid_argument(fmt::format("unknown word \"{}\"", word));
}

Bucket parse_bucket(std::string_view text, std::uint32_t id) {
    Bucket bucket;
    bucket.id = id;
    bucket.weight = 1;
    const std::size_t actions = text.find("actions=");
    if (actions == std::string_view::npos) throw std::invalid_argument("a bucket needs actions=");
    for (const auto word : split(text.substr(0, actions), ",")) {
        if (word.empty()) continue;
        const auto [name, value] = setting_of(word);
        if (name == "weight") {
            bucket.weight = static_cast<std::uint16_t>(number(value));
        } else if (name == "watch_port") {
            bucket.watch_port = OfPort{number(value)};
        } else if (name == "watch_group") {
            bucket.watch_group = number(value);
        } else {
            unknown(word);
        }
    }
    auto flow = parse_flow_spec(text.substr(actions));
    if (!flow) throw std::invalid_argument(flow.error().message);
    bucket.actions = std::move(flow->actions);
    return bucket;
}

std::pair<std::uint32_t, reference::Group> read_group(std::string_view text) {
    static const std::map<std::string_view, GroupType> kTypes{{"all", GroupType::kAll},
                                                              {"select", GroupType::kSelect},
                                                              {"indirect", GroupType::kIndirect},
                                                              {"ff", GroupType::kFastFailover}};
    std::pair<std::uint32_t, reference::Group> out;
    const auto parts = split(text, ",bucket=");
    for (const auto word : split(parts.front(), ",")) {
        const auto [name, value] = setting_of(word);
        if (name == "group_id") {
            out.first = number(value);
        } else if (name == "type") {
            out.second.type = kTypes.at(value);
        } else if (name == "selection_method") {
            out.second.properties.selection_method = std::string{value};
        } else if (name == "selection_method_param") {
            out.second.properties.selection_param = number(value);
        } else if (name == "field") {
            const FieldId field = field_by_name(value);
            if (field == kNoField) unknown(value);
            out.second.properties.fields.push_back({field, field_value_mask(field_info(field))});
        } else {
            unknown(word);
        }
    }
    for (std::size_t i = 1; i < parts.size(); ++i)
        out.second.buckets.push_back(parse_bucket(parts[i], static_cast<std::uint32_t>(i - 1)));
    return out;
}

std::pair<std::uint32_t, reference::Meter> read_meter(std::string_view text, std::uint64_t now_ms) {
    MeterMod mod;
    const auto parts = split(text, ",band=");
    for (const auto word : split(parts.front(), ",")) {
        const auto [name, value] = setting_of(word);
        if (name == "meter") {
            mod.meter = value == "controller" ? kControllerMeter : number(value);
        } else if (name == "pktps") {
            mod.flags |= meter_flag::kPktps;
        } else if (name == "kbps") {
            mod.flags |= meter_flag::kKbps;
        } else {
            unknown(word);
        }
    }
    for (std::size_t i = 1; i < parts.size(); ++i) {
        MeterBand& band = mod.bands.emplace_back();
        for (const auto word : split(parts[i], ",")) {
            const auto [name, value] = setting_of(word);
            if (name == "type") {
                band.type = value == "drop" ? MeterBand::Type::kDrop : MeterBand::Type::kDscpRemark;
            } else if (name == "rate") {
                band.rate = number(value);
            } else if (name == "burst_size") {
                band.burst = number(value);
            } else if (name == "prec_level") {
                band.precedence_level = static_cast<std::uint8_t>(number(value));
            } else {
                unknown(word);
            }
        }
    }
    return {mod.meter, reference::make_meter(mod, now_ms)};
}

}  // namespace

Result<std::pair<std::uint32_t, reference::Group>> parse_group(std::string_view text) {
    try {
        return read_group(text);
    } catch (const std::exception& e) {
        return make_error(EINVAL, "group {}: {}", text, e.what());
    }
}

Result<std::pair<std::uint32_t, reference::Meter>> parse_meter(std::string_view text, std::uint64_t now_ms) {
    try {
        return read_meter(text, now_ms);
    } catch (const std::exception& e) {
        return make_error(EINVAL, "meter {}: {}", text, e.what());
    }
}

}  // namespace sluice::tests
