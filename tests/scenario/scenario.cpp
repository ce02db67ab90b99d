// SPDX-License-Identifier: Apache-2.0
// Reads and runs .scn files; the format is described in scenario.hpp.
#include "tests/scenario/scenario.hpp"

#include <algorithm>
#include <array>
#include <sstream>
#include <stdexcept>

#include <fmt/format.h>

#include "flow/action_text.hpp"
#include "flow/group_text.hpp"
#include "tests/scenario/packet_text.hpp"
#include "wire/builder.hpp"

namespace sluice::tests {
namespace {

constexpr std::array<std::string_view, 6> kReasons = {"no_match",   "action", "invalid_ttl",
                                                      "action_set", "group",  "packet_out"};

/// First word of `text`, which moves past it and the blanks behind.
std::string_view take_word(std::string_view& text) {
    const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(end);
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
    return word;
}

std::uint32_t to_number(std::string_view text) {
    std::size_t used = 0;
    const std::string copy{text};
    const unsigned long value = copy.empty() ? 0 : std::stoul(copy, &used, 0);
    if (copy.empty() || used != copy.size()) throw std::invalid_argument("bad number \"" + copy + "\"");
    return static_cast<std::uint32_t>(value);
}

OfPort to_port(std::string_view text) {
    if (text == "LOCAL") return OfPort::kLocal;
    if (text == "CONTROLLER") return OfPort::kController;
    if (text == "NONE") return OfPort::kAny;
    return OfPort{to_number(text)};
}

std::set<std::uint16_t> to_vlans(std::string_view text) {
    std::set<std::uint16_t> vlans;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(';'), text.size());
        vlans.insert(static_cast<std::uint16_t>(to_number(text.substr(0, end))));
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return vlans;
}

template <typename T>
T value_or_throw(Result<T> result) {
    if (!result) throw std::invalid_argument(result.error().message);
    return *std::move(result);
}

/// Fills a Scenario line by line; throws std::invalid_argument, which parse_scenario() turns into an Error.
class Reader {
  public:
    void line(std::string_view text, unsigned number) {
        line_ = number;
        const std::string_view verb = take_word(text);
        if (verb == "bridge")
            read_bridge(text);
        else if (verb == "port")
            read_port(text);
        else if (verb == "flow")
            bridge().flows.push_back(
                value_or_throw(parse_flow_spec(text, FlowUse::kAdd, nullptr, &bridge().settings.tun)));
        else if (verb == "tlv")
            read_tlv(text);
        else if (verb == "miss")
            read_miss(text);
        else if (verb == "group" || verb == "del-group")
            read_group(text, verb == "del-group");
        else if (verb == "meter")
            read_meter(text);
        else if (verb == "time")
            add_step(ScenarioStep::Kind::kTime).count = to_number(take_word(text));
        else if (verb == "link")
            read_link(text);
        else if (verb == "group-packets")
            read_counts(ScenarioStep::Kind::kGroupPackets, text);
        else if (verb == "meter-packets")
            read_counts(ScenarioStep::Kind::kMeterPackets, text);
        else if (verb == "in")
            read_in(text);
        else if (verb == "packet-out")
            read_packet_out(text);
        else if (verb == "out")
            read_out(text);
        else if (verb == "punt")
            read_punt(text);
        else if (verb == "mirror")
            read_mirror(text);
        else if (verb == "drop")
            packet_step().drop = std::string{take_word(text)};
        else if (verb == "hits")
            read_hits(text);
        else if (verb == "fdb")
            read_fdb(text);
        else
            throw std::invalid_argument(fmt::format("unknown line \"{}\"", verb));
    }
    Scenario take() { return std::move(scenario_); }

  private:
    TargetBridge& bridge() {
        if (scenario_.bridges.empty()) scenario_.bridges.emplace_back();
        return scenario_.bridges.back();
    }
    ScenarioStep& add_step(ScenarioStep::Kind kind) {
        bridge();
        ScenarioStep& step = scenario_.steps.emplace_back();
        step.kind = kind;
        step.line = line_;
        return step;
    }
    /// The frame that the expectation lines are about.
    ScenarioStep& packet_step() {
        if (scenario_.steps.empty() || (scenario_.steps.back().kind != ScenarioStep::Kind::kIn &&
                                        scenario_.steps.back().kind != ScenarioStep::Kind::kPacketOut))
            throw std::invalid_argument("out, punt and drop stand directly below \"in\" or \"packet-out\"");
        return scenario_.steps.back();
    }
    Place to_place(std::string_view text) {
        const std::size_t colon = text.find(':');
        if (colon == std::string_view::npos) return {scenario_.bridges.front().settings.name, to_port(text)};
        return {std::string{text.substr(0, colon)}, to_port(text.substr(colon + 1))};
    }

    void read_bridge(std::string_view text) {
        reference::Bridge& settings = scenario_.bridges.emplace_back().settings;
        settings.name = std::string{take_word(text)};
        while (!text.empty()) {
            const std::string_view word = take_word(text);
            if (word == "miss=controller")
                settings.miss = reference::Miss::kController;
            else if (word == "fragments=drop")
                settings.fragments = reference::FragmentMode::kDrop;
            else if (word == "fragments=nx-match")
                settings.fragments = reference::FragmentMode::kNxMatch;
            else if (word == "forward-bpdu")
                settings.forward_bpdu = true;
            else if (word.substr(0, 11) == "vlan-limit=")
                settings.vlan_limit = to_number(word.substr(11));
            else
                throw std::invalid_argument(fmt::format("unknown setting \"{}\" of a bridge", word));
        }
    }

    void read_tlv(std::string_view text) {
        std::uint32_t number[4];
        for (std::uint32_t& n : number)
            n = to_number(take_word(text));
        if (bridge().settings.tun.add(
                {static_cast<std::uint16_t>(number[0]), static_cast<std::uint8_t>(number[1]),
                 static_cast<std::uint8_t>(number[2]), static_cast<std::uint16_t>(number[3])}) !=
            TunTable::Refusal::kNone)
            throw std::invalid_argument("tlv CLASS TYPE LENGTH N: the table does not take it");
    }
    void read_miss(std::string_view text) {
        const auto table = static_cast<std::uint8_t>(to_number(take_word(text)));
        const std::map<std::string_view, reference::Miss> words = {
            {"drop", reference::Miss::kDrop},
            {"controller", reference::Miss::kController},
            {"continue", reference::Miss::kContinue}};
        const auto word = words.find(take_word(text));
        if (word == words.end()) throw std::invalid_argument("miss TABLE drop|controller|continue");
        bridge().settings.table_misses[table] = word->second;
    }

    void read_port(std::string_view text) {
        using reference::VlanMode;
        const OfPort number = to_port(take_word(text));
        reference::Port& port = bridge().settings.ports[number];
        port.name = fmt::format("p{}", to_int(number));
        while (!text.empty()) {
            std::string_view value = take_word(text);
            const std::string_view name = value.substr(0, value.find('='));
            value.remove_prefix(std::min(name.size() + 1, value.size()));
            const auto mode = [&](VlanMode m) {
                port.vlan_mode = m;
                port.tag = static_cast<std::uint16_t>(to_number(value));
            };
            if (name == "access")
                mode(VlanMode::kAccess);
            else if (name == "native-tagged")
                mode(VlanMode::kNativeTagged);
            else if (name == "native-untagged")
                mode(VlanMode::kNativeUntagged);
            else if (name == "dot1q-tunnel")
                mode(VlanMode::kDot1qTunnel);
            else if (name == "trunk" || name == "trunks")
                port.trunks = to_vlans(value);
            else if (name == "priority-tags")
                port.priority_tags = value == "always" ? reference::PriorityTags::kAlways
                                                       : reference::PriorityTags::kIfNonzero;
            else if (name == "protected")
                port.is_protected = true;
            else if (name == "no-flood")
                port.no_flood = true;
            else if (name == "no-forward")
                port.no_forward = true;
            else if (name == "no-receive")
                port.no_receive = true;
            else if (name == "no-packet-in")
                port.no_packet_in = true;
            else if (name == "down")
                port.up = false;
            else if (name == "patch") {
                const Place peer = to_place(value);
                bridge().patches[number] = {peer.bridge, peer.port};
            } else
                throw std::invalid_argument(fmt::format("unknown setting \"{}\" of a port", name));
        }
    }

    void read_mirror(std::string_view text) {
        reference::Mirror& mirror = bridge().settings.mirrors.emplace_back();
        while (!text.empty()) {
            std::string_view value = take_word(text);
            const std::string_view name = value.substr(0, value.find('='));
            value.remove_prefix(std::min(name.size() + 1, value.size()));
            if (name == "all")
                mirror.select_all = true;
            else if (name == "src" || name == "dst")
                for (const auto port : to_vlans(value))
                    (name == "src" ? mirror.src : mirror.dst).insert(OfPort{port});
            else if (name == "vlans")
                mirror.vlans = to_vlans(value);
            else if (name == "to")
                mirror.output = to_port(value);
            else if (name == "to-vlan")
                mirror.vlan = static_cast<std::uint16_t>(to_number(value));
            else if (name == "snaplen")
                mirror.snaplen = to_number(value);
            else
                throw std::invalid_argument(fmt::format("unknown setting \"{}\" of a mirror", name));
        }
    }

    void read_group(std::string_view text, bool remove) {
        std::pair<std::uint32_t, reference::Group> group;
        if (remove) {
            group.first = to_number(take_word(text));
        } else {
            GroupMod mod = value_or_throw(parse_group(text));
            group.first = mod.group;
            group.second.type = mod.type;
            group.second.buckets = std::move(mod.buckets);
            group.second.properties = std::move(mod.properties);
        }
        if (scenario_.steps.empty() && !remove) {
            bridge().settings.groups.insert(std::move(group));
            return;
        }
        ScenarioStep& step = add_step(ScenarioStep::Kind::kGroup);
        step.place.bridge = scenario_.bridges.back().settings.name;
        step.id = group.first;
        step.group = std::move(group.second);
        step.absent = remove;
    }
    void read_meter(std::string_view text) {
        const MeterMod mod = value_or_throw(parse_meter(text));
        bridge().settings.meters.insert({mod.meter, reference::make_meter(mod, kFirstTime)});
    }
    void read_link(std::string_view text) {
        ScenarioStep& step = add_step(ScenarioStep::Kind::kLink);
        step.place = to_place(take_word(text));
        step.absent = take_word(text) == "down";
    }
    void read_counts(ScenarioStep::Kind kind, std::string_view text) {
        ScenarioStep& step = add_step(kind);
        step.place.bridge = scenario_.bridges.back().settings.name;
        const std::string_view id = take_word(text);
        step.id = id == "controller" ? kControllerMeter : to_number(id);
        while (!text.empty())
            step.counts.push_back(to_number(take_word(text)));
    }
    void read_in(std::string_view text) {
        ScenarioStep& step = add_step(ScenarioStep::Kind::kIn);
        step.place = to_place(take_word(text));
        step.frame = value_or_throw(parse_packet(text));
    }
    void read_packet_out(std::string_view text) {
        ScenarioStep& step = add_step(ScenarioStep::Kind::kPacketOut);
        step.place = to_place(take_word(text));
        const std::size_t bar = text.find(" | ");
        if (bar == std::string_view::npos) throw std::invalid_argument("packet-out PORT ACTIONS | PACKET");
        // A flow line's parser knows all actions; its match is empty.
        step.actions =
            value_or_throw(parse_flow_spec(fmt::format("actions={}", text.substr(0, bar)))).actions;
        step.frame = value_or_throw(parse_packet(text.substr(bar + 3)));
    }
    void read_out(std::string_view text) {
        ScenarioStep& step = packet_step();
        const Place place = to_place(take_word(text));
        step.sent.push_back({place, text == "same" ? step.frame : value_or_throw(parse_packet(text))});
    }
    void read_punt(std::string_view text) {
        ScenarioStep& step = packet_step();
        const std::string_view word = take_word(text);
        const auto* reason = std::find(kReasons.begin(), kReasons.end(), word);
        if (reason == kReasons.end()) throw std::invalid_argument(fmt::format("unknown reason \"{}\"", word));
        wire::Frame frame;
        if (text == "same")
            frame = step.frame;
        else if (!text.empty())
            frame = value_or_throw(parse_packet(text));
        step.punts.emplace_back(static_cast<std::uint8_t>(reason - kReasons.begin()), std::move(frame));
    }
    void read_hits(std::string_view text) {
        ScenarioStep& step = add_step(ScenarioStep::Kind::kHits);
        step.place = to_place("0");
        step.flow = to_number(take_word(text));
        step.count = to_number(take_word(text));
    }
    void read_fdb(std::string_view text) {
        ScenarioStep& step = add_step(ScenarioStep::Kind::kFdb);
        const auto vlan = static_cast<std::uint16_t>(to_number(take_word(text)));
        step.mac = {vlan, wire::mac_of(take_word(text))};
        const std::string_view port = take_word(text);
        step.absent = port == "none";
        step.place = to_place(step.absent ? "0" : port);
    }

    Scenario scenario_;
    unsigned line_ = 0;
};

/// Compares one frame's verdict with what was expected.
void check_verdict(const ScenarioStep& step, const Verdict& verdict, std::vector<std::string>& wrong) {
    const auto say = [&](std::string text) { wrong.push_back(fmt::format("line {}: {}", step.line, text)); };
    std::vector<SentFrame> expected, got = verdict.sent;
    for (SentFrame& frame : got)
        frame.queue = SentFrame{}.queue;  // scenarios name no queues
    for (const ExpectedFrame& frame : step.sent)
        expected.push_back({frame.place.bridge, frame.place.port, frame.bytes});
    const auto by_port = [](const SentFrame& a, const SentFrame& b) {
        return std::tie(a.bridge, a.port) < std::tie(b.bridge, b.port);
    };
    std::stable_sort(expected.begin(), expected.end(), by_port);
    std::stable_sort(got.begin(), got.end(), by_port);
    for (std::size_t i = 0; i < std::max(expected.size(), got.size()); ++i) {
        if (i < expected.size() && i < got.size() && expected[i] == got[i]) continue;
        if (i < expected.size())
            say(fmt::format("expected {}:{} {}", expected[i].bridge, to_int(expected[i].port),
                            wire::hex_of(expected[i].bytes)));
        if (i < got.size())
            say(fmt::format("     got {}:{} {}", got[i].bridge, to_int(got[i].port),
                            wire::hex_of(got[i].bytes)));
    }
    if (step.punts.size() != verdict.packet_ins.size())
        say(fmt::format("expected {} packet-ins, got {}", step.punts.size(), verdict.packet_ins.size()));
    for (std::size_t i = 0; i < std::min(step.punts.size(), verdict.packet_ins.size()); ++i) {
        const auto& [reason, bytes] = step.punts[i];
        const SentPacketIn& in = verdict.packet_ins[i];
        if (reason != in.reason)
            say(fmt::format("expected packet-in for {}, got reason {}", kReasons[reason], in.reason));
        if (!bytes.empty() && bytes != in.bytes)
            say(fmt::format("packet-in: expected {}, got {}", wire::hex_of(bytes), wire::hex_of(in.bytes)));
    }
    const std::string drop{verdict.drop ? kDropReasonNames[static_cast<std::size_t>(*verdict.drop)] : ""};
    if (drop != step.drop) say(fmt::format("expected drop \"{}\", got \"{}\"", step.drop, drop));
    // Conservation: sent, punted or dropped, and dropped only if neither.
    const bool left = !verdict.sent.empty() || !verdict.packet_ins.empty();
    if (left == verdict.drop.has_value()) say("the frame is neither forwarded nor dropped, or both");
}

void check_counts(const ScenarioStep& step, const std::vector<DiffTarget::Counts>& counts,
                  std::vector<std::string>& wrong) {
    std::vector<std::uint64_t> packets;
    for (const auto& count : counts)
        packets.push_back(count.packets);
    if (packets != step.counts)
        wrong.push_back(fmt::format("line {}: counted {}, expected {}", step.line, fmt::join(packets, " "),
                                    fmt::join(step.counts, " ")));
}

}  // namespace

Result<Scenario> parse_scenario(std::string_view text, const std::string& file) {
    Reader reader;
    unsigned number = 0;
    std::istringstream lines{std::string{text}};
    for (std::string line; std::getline(lines, line);) {
        ++number;
        const std::size_t start = line.find_first_not_of(" \t");
        if (start == std::string::npos || line[start] == '#') continue;
        try {
            reader.line(std::string_view{line}.substr(start), number);
        } catch (const std::exception& e) {
            return make_error(EINVAL, "{}:{}: {}", file, number, e.what());
        }
    }
    return reader.take();
}

std::vector<std::string> run_scenario(const Scenario& scenario, ScenarioTarget& target) {
    std::vector<std::string> wrong;
    if (const auto done = target.configure(scenario.bridges); !done) return {done.error().message};
    std::uint64_t now_ms = kFirstTime;
    for (const ScenarioStep& step : scenario.steps) {
        const std::string& bridge = step.place.bridge;
        switch (step.kind) {
            case ScenarioStep::Kind::kIn:
                check_verdict(step, target.run(bridge, step.place.port, step.frame), wrong);
                break;
            case ScenarioStep::Kind::kPacketOut:
                check_verdict(step, target.packet_out(bridge, step.place.port, step.frame, step.actions),
                              wrong);
                break;
            case ScenarioStep::Kind::kGroup:
                target.set_group(bridge, step.id, step.absent ? nullptr : &step.group);
                break;
            case ScenarioStep::Kind::kTime:
                now_ms += step.count;
                target.set_time(now_ms);
                break;
            case ScenarioStep::Kind::kLink:
                target.set_link(bridge, step.place.port, !step.absent);
                break;
            case ScenarioStep::Kind::kGroupPackets:
                check_counts(step, target.group_counts(bridge, step.id), wrong);
                break;
            case ScenarioStep::Kind::kMeterPackets:
                check_counts(step, target.meter_counts(bridge, step.id), wrong);
                break;
            case ScenarioStep::Kind::kHits: {
                const std::uint64_t hits = target.hits(bridge, step.flow - 1);
                if (hits != step.count)
                    wrong.push_back(fmt::format("line {}: flow {} has {} hits, expected {}", step.line,
                                                step.flow, hits, step.count));
                break;
            }
            case ScenarioStep::Kind::kFdb: {
                const auto fdb = target.fdb(bridge);
                const auto entry = fdb.find(step.mac);
                const bool right =
                    step.absent ? entry == fdb.end() : entry != fdb.end() && entry->second == step.place.port;
                if (!right) wrong.push_back(fmt::format("line {}: MAC table differs", step.line));
                break;
            }
        }
    }
    return wrong;
}

}  // namespace sluice::tests
