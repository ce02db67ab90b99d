// SPDX-License-Identifier: Apache-2.0
// The parser against `ovs-ofctl parse-pcap`, which prints the key that Open vSwitch extracts.
#include "reference/parse.hpp"

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <string>

#include <unistd.h>

#include <gtest/gtest.h>

#include "flow/match_text.hpp"
#include "tests/diff/frames.hpp"
#include "wire/builder.hpp"

namespace sluice::reference {
namespace {

using wire::Frame;
using wire::PacketBuilder;

constexpr std::string_view kA = "02:00:00:00:00:01", kB = "02:00:00:00:00:02";

template <typename T>
void put(std::ofstream& file, T value) {
    file.write(reinterpret_cast<const char*>(&value), sizeof value);
}

void write_pcap(const std::string& path, const std::vector<Frame>& frames) {
    std::ofstream file(path, std::ios::binary);
    put(file, std::uint32_t{0xa1b2c3d4});
    put(file, std::uint16_t{2});
    put(file, std::uint16_t{4});
    for (const std::uint32_t word : {0U, 0U, 65535U, 1U})
        put(file, word);
    for (const Frame& frame : frames) {
        const auto size = static_cast<std::uint32_t>(frame.size());
        for (const std::uint32_t word : {0U, 0U, size, size})
            put(file, word);
        file.write(reinterpret_cast<const char*>(frame.data()), static_cast<std::streamsize>(size));
    }
}

struct CloseProcess {
    void operator()(FILE* file) const { pclose(file); }
};

/// Lines that ovs-ofctl prints for the frames, one each; empty if the tool is missing.
std::vector<std::string> ask_ovs(const std::vector<Frame>& frames) {
    if (std::system("command -v ovs-ofctl >/dev/null 2>&1") != 0) return {};
    char path[] = "/tmp/sluice-parse-XXXXXX";
    const int fd = mkstemp(path);
    if (fd < 0) return {};
    close(fd);
    write_pcap(path, frames);
    std::vector<std::string> lines;
    {
        const std::string command = std::string{"timeout 60 ovs-ofctl parse-pcap "} + path + " 2>/dev/null";
        const std::unique_ptr<FILE, CloseProcess> pipe{popen(command.c_str(), "r")};
        std::array<char, 4096> buffer{};
        while (pipe && std::fgets(buffer.data(), buffer.size(), pipe.get()) != nullptr) {
            lines.emplace_back(buffer.data());
            if (!lines.back().empty() && lines.back().back() == '\n') lines.back().pop_back();
        }
    }
    unlink(path);
    return lines;
}

void compare_with_ovs(const std::vector<Frame>& frames) {
    const std::vector<std::string> lines = ask_ovs(frames);
    if (lines.empty()) GTEST_SKIP() << "ovs-ofctl is not installed";
    ASSERT_EQ(lines.size(), frames.size());
    unsigned wrong = 0;
    for (std::size_t i = 0; i < frames.size() && wrong < 5; ++i) {
        const ParsedFrame parsed = parse_frame(frames[i], OfPort::kAny);
        const std::string ours = format_flow(parsed.key);
        if (ours == lines[i]) continue;
        // IGMP inside IPv6: ovs-ofctl prints tp_src and tp_dst, format_flow() doesn't. The key has them.
        if (parsed.key.get(key::kEthType) == 0x86dd && parsed.key.get(key::kIpProto) == 2) continue;
        ++wrong;
        ADD_FAILURE() << "frame " << wire::hex_of(frames[i]) << "\n  ovs:  " << lines[i]
                      << "\n  ours: " << ours;
    }
}

TEST(Parse, RandomAndDamagedFramesReadAsInOvs) {
    std::vector<Frame> frames;
    Random random{20240501};
    for (int i = 0; i < 4000; ++i)
        frames.push_back(tests::random_frame(random, {}, 2));
    std::erase_if(frames, [](const Frame& frame) { return frame.empty(); });  // ovs-ofctl stops there
    compare_with_ovs(frames);
}

TEST(Parse, EveryTruncationReadsAsInOvs) {
    std::vector<Frame> frames;
    const Frame whole[] = {
        PacketBuilder{}.eth(kA, kB).vlan(10, 3).vlan(20).ipv4("10.0.0.1", "10.0.0.2").tcp(1, 2).build(),
        PacketBuilder{}.eth(kA, kB).ipv6("fe80::1", "fe80::2").ipv6_ext(0).nd(135, "fe80::3", 5).build(),
        PacketBuilder{}.eth(kA, kB).arp(1, 1, "1.2.3.4", 2, "1.2.3.5").build(),
        PacketBuilder{}.eth(kA, kB).mpls(16, 0, 64, false).mpls(17).payload(8).build(),
        PacketBuilder{}.eth(kA, kB).snap().ipv4("10.0.0.1", "10.0.0.2").udp(1, 2).build(),
    };
    for (const Frame& frame : whole) {
        for (std::size_t size = 1; size <= frame.size(); ++size)  // ovs-ofctl stops at an empty record
            frames.emplace_back(frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(size));
    }
    compare_with_ovs(frames);
}

TEST(Parse, ALaterFragmentHasNoPorts) {
    const Frame frame =
        PacketBuilder{}.eth(kA, kB).ipv4("10.0.0.1", "10.0.0.2").fragment(1, false).udp(5, 6).build();
    const ParsedFrame parsed = parse_frame(frame, OfPort{1});
    EXPECT_EQ(parsed.key.get(key::kIpFrag), kFragAny | kFragLater);
    EXPECT_EQ(parsed.key.get(key::kTpSrc), 0U);
    EXPECT_EQ(parsed.key.get(key::kIpProto), 17U);
    EXPECT_EQ(parsed.l4, 0U);
}

TEST(Parse, TheVlanLimitLeavesTheInnerTagAsType) {
    const Frame frame = PacketBuilder{}.eth(kA, kB).vlan(10).vlan(20).ipv4("10.0.0.1", "10.0.0.2").build();
    const FlowKey one = parse_frame(frame, OfPort{1}, {.vlan_limit = 1}).key;
    EXPECT_EQ(one.get(key::kVlanTci), 10 | kVlanPresent);
    EXPECT_EQ(one.get(key::kVlan1Tci), 0U);
    EXPECT_EQ(one.get(key::kEthType), 0x8100U);
}

}  // namespace
}  // namespace sluice::reference
