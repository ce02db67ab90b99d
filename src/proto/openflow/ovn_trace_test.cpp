// SPDX-License-Identifier: Apache-2.0
// A capture of OVN and Open vSwitch (tests/data/ovn-trace): every message decodes, encodes to the same bytes,
// and its flows read as ovs-ofctl prints them.
#include <sstream>

#include <fmt/ranges.h>

#include <gtest/gtest.h>

#include "flow/action_text.hpp"
#include "flow/flow_text.hpp"
#include "flow/match_text.hpp"
#include "proto/openflow/codec.hpp"
#include "proto/openflow/test_data.hpp"

namespace sluice::openflow {
namespace {

std::vector<Bytes> capture() {
    const std::string content = unpack(SLUICE_SOURCE_DIR "/tests/data/ovn-trace/of.bin.xz");
    FrameReader reader;
    reader.append({reinterpret_cast<const std::uint8_t*>(content.data()), content.size()});
    std::vector<Bytes> frames;
    while (auto frame = reader.next())
        frames.emplace_back(frame->begin(), frame->end());
    return frames;
}

std::string hex(std::span<const std::uint8_t> bytes) {
    return fmt::format("{:02x}", fmt::join(bytes, ""));
}

/// What the messages so far have mapped, which tun_metadata in the later ones mean.
struct Mappings {
    TunTable table;
    DecodeOptions options;
    Mappings() { options.tun = &table; }

    void follow(const decltype(Message::body)& body) {
        const auto* mod = std::get_if<TlvTableMod>(&body);
        if (!mod) return;
        if (mod->command == TlvTableMod::Command::kClear) table.clear();
        for (const auto& map : mod->maps) {
            if (mod->command == TlvTableMod::Command::kDelete) {
                table.remove(map.index);
            } else if (!table.find(map.index)) {
                EXPECT_EQ(table.add({map.option_class, map.option_type, map.option_len, map.index}),
                          TunTable::Refusal::kNone);
            }
        }
    }
};

void expect_same_bytes(std::span<const std::uint8_t> frame, Mappings& mappings, unsigned& bundled) {
    const auto message = decode(frame, mappings.options);
    ASSERT_TRUE(message) << error_name(message.error().code) << " " << message.error().detail << "\n"
                         << hex(frame);
    mappings.follow(message->body);
    const auto again = encode(*message, mappings.options);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(hex(*again), hex(frame)) << message_name(message->body);
    if (const auto* add = std::get_if<BundleAdd>(&message->body)) {
        ++bundled;
        expect_same_bytes(add->message, mappings, bundled);
    }
}

TEST(OvnTrace, decodes_and_encodes_byte_for_byte) {
    const auto frames = capture();
    ASSERT_GT(frames.size(), 1400U);
    unsigned bundled = 0;
    Mappings mappings;
    for (const auto& frame : frames)
        expect_same_bytes(frame, mappings, bundled);
    EXPECT_EQ(bundled, 1054U);
}

/// A flow-mod as ovs-ofctl prints it after the head.
std::string describe(const FlowMod& mod, const TunTable& tun) {
    constexpr std::string_view kCommands[] = {"ADD", "MOD", "MOD_STRICT", "DEL", "DEL_STRICT"};
    std::string out{kCommands[static_cast<std::size_t>(mod.command)]};
    out += ' ';
    if (mod.table != 0) out += fmt::format("table:{} ", mod.table);
    const std::string match = format_match(mod.match, nullptr, &tun);
    if (mod.priority != 0x8000) out += fmt::format("priority={}{}", mod.priority, match.empty() ? "" : ",");
    out += match;
    if (out.back() != ' ') out += ' ';
    if (mod.new_cookie != 0 && mod.new_cookie != ~std::uint64_t{0}) {
        out += fmt::format("cookie:0x{:x} ", mod.new_cookie);
    }
    if (mod.cookie_mask != 0) out += fmt::format("cookie:0x{:x}/0x{:x} ", mod.cookie, mod.cookie_mask);
    if (mod.idle_timeout_s != 0) out += fmt::format("idle:{} ", mod.idle_timeout_s);
    if (mod.hard_timeout_s != 0) out += fmt::format("hard:{} ", mod.hard_timeout_s);
    if (mod.out_port != OfPort::kAny) out += fmt::format("out_port:{} ", to_int(mod.out_port));
    if (mod.importance != 0) out += fmt::format("importance:{} ", mod.importance);
    out += format_flow_flags(mod.flags);
    return out + "actions=" + format_actions(mod.actions);
}

/// The flow-mods of a message: itself, or what a bundle carries.
void collect(std::span<const std::uint8_t> frame, Mappings& mappings, std::vector<std::string>& out) {
    const auto message = decode(frame, mappings.options);
    ASSERT_TRUE(message);
    mappings.follow(message->body);
    if (const auto* add = std::get_if<BundleAdd>(&message->body)) return collect(add->message, mappings, out);
    if (const auto* mod = std::get_if<FlowMod>(&message->body)) out.push_back(describe(*mod, mappings.table));
}

TEST(OvnTrace, flows_read_as_ovs_prints_them) {
    std::vector<std::string> ours;
    Mappings mappings;
    for (const auto& frame : capture())
        collect(frame, mappings, ours);
    std::vector<std::string> theirs;
    std::istringstream text{unpack(SLUICE_SOURCE_DIR "/tests/data/ovn-trace/of.txt.xz")};
    for (std::string line; std::getline(text, line);) {
        const auto head = line.find("): ");
        if (line.starts_with("OFPT_FLOW_MOD") && head != line.npos) theirs.push_back(line.substr(head + 3));
    }
    ASSERT_GT(theirs.size(), 1000U);
    ASSERT_EQ(ours.size(), theirs.size());
    for (std::size_t i = 0; i < ours.size(); ++i)
        EXPECT_EQ(ours[i], theirs[i]);
}

}  // namespace
}  // namespace sluice::openflow
