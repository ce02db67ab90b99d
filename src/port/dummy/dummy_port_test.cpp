// SPDX-License-Identifier: Apache-2.0
#include "port/dummy/dummy_port.hpp"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <poll.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "packet/pool.hpp"
#include "packet/test_eal.hpp"

namespace sluice {
namespace {

using testing::HasSubstr;
constexpr QueueId kQueue{0};

std::vector<std::uint8_t> frame_of(std::size_t size, std::uint8_t fill) {
    std::vector<std::uint8_t> frame(size, fill);
    frame[12] = 0x88, frame[13] = 0xb5;
    return frame;
}

bool readable(int fd) {
    pollfd poll{fd, POLLIN, 0};
    return ::poll(&poll, 1, 0) == 1;
}

class DummyPortTest : public testing::Test {
  protected:
    DummyPortTest() {
        ensure_test_eal();
        set_dummy_level(DummyLevel::kEnable);
        char name[] = "/tmp/sluice-dummy.XXXXXX";
        folder_ = ::mkdtemp(name);
    }
    ~DummyPortTest() override {
        set_dummy_level(DummyLevel::kNone);
        std::filesystem::remove_all(folder_);
    }

    Result<std::unique_ptr<Port>> create(std::map<std::string, std::string> options) {
        PortConfig config;
        config.name = "p1";
        config.type = "dummy";
        config.options = std::move(options);
        return DummyPort::create(config);
    }
    std::vector<std::uint8_t> read_file(const std::string& name) const {
        std::ifstream file(folder_ + "/" + name, std::ios::binary);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    std::string folder_;
};

TEST_F(DummyPortTest, GivesWhatWasHandedIn) {
    auto made = create({});
    ASSERT_TRUE(made);
    DummyPort& port = *as_dummy(made->get());
    Packet* burst[kMaxBurst];
    EXPECT_EQ(port.rx_burst(kQueue, burst, kMaxBurst), 0U);
    EXPECT_FALSE(readable(port.rx_fd(kQueue)));
    for (std::uint8_t n = 0; n < 40; ++n)
        ASSERT_TRUE(port.receive(0, frame_of(60U + n, n)));
    EXPECT_TRUE(port.pending());
    EXPECT_TRUE(readable(port.rx_fd(kQueue)));
    unsigned got = 0;
    for (unsigned count = port.rx_burst(kQueue, burst, kMaxBurst); count > 0;
         count = port.rx_burst(kQueue, burst, kMaxBurst)) {
        for (unsigned i = 0; i < count; ++i, ++got) {
            EXPECT_EQ(packet_to_bytes(burst[i]), frame_of(60U + got, static_cast<std::uint8_t>(got)));
            packet_free(burst[i]);
        }
    }
    EXPECT_EQ(got, 40U);
    EXPECT_FALSE(port.pending());
    EXPECT_FALSE(readable(port.rx_fd(kQueue)));
    EXPECT_EQ(port.counters().rx_packets, 40U);
    EXPECT_EQ(port.counters().rx_bytes, 40U * 60 + 39 * 40 / 2);
}

TEST_F(DummyPortTest, RefusesWhatCannotBe) {
    auto made = create({});
    ASSERT_TRUE(made);
    DummyPort& port = *as_dummy(made->get());
    EXPECT_THAT(port.receive(1, frame_of(60, 0)).error().message, HasSubstr("no receive queue 1, it has 1"));
    EXPECT_THAT(port.receive(0, std::vector<std::uint8_t>(13)).error().message, HasSubstr("13 bytes"));
    EXPECT_THAT(create({{"n_rxq", "0"}}).error().message, HasSubstr("n_rxq"));
    EXPECT_THAT(create({{"pcap", "/nosuch/folder/file"}}).error().message,
                HasSubstr("options:pcap: /nosuch"));
    // A full queue drops and counts.
    for (unsigned n = 0; n < 200; ++n)
        ASSERT_TRUE(port.receive(0, frame_of(60, 0)));
    EXPECT_EQ(port.counters().extra.at("rx_missed"), 200U - 128);
}

TEST_F(DummyPortTest, WritesCapturesThatTcpdumpReads) {
    {
        auto made = create({{"tx_pcap", folder_ + "/tx"}, {"rxq_pcap", folder_ + "/rx"}});
        ASSERT_TRUE(made);
        DummyPort& port = *as_dummy(made->get());
        ASSERT_TRUE(port.receive(0, frame_of(60, 1)));
        Packet* burst[kMaxBurst];
        ASSERT_EQ(port.rx_burst(kQueue, burst, kMaxBurst), 1U);
        EXPECT_EQ(port.tx_burst(kQueue, burst, 1), 1U);
        EXPECT_EQ(port.counters().tx_packets, 1U);
        Packet* large = packet_from_bytes(frame_of(1515, 2));  // MTU 1500 and a header of 14
        EXPECT_EQ(port.tx_burst(kQueue, &large, 1), 0U);
        EXPECT_EQ(port.counters().extra.at("tx_oversized"), 1U);
    }
    // A second port of that file goes on behind.
    auto made = create({{"pcap", folder_ + "/tx"}});
    ASSERT_TRUE(made);
    Packet* packet = packet_from_bytes(frame_of(100, 3));
    EXPECT_EQ((*made)->tx_burst(kQueue, &packet, 1), 1U);
    EXPECT_EQ(read_file("rx").size(), 24U + 16 + 60);
    const auto bytes = read_file("tx");
    ASSERT_EQ(bytes.size(), 24U + 16 + 60 + 16 + 100);
    const auto word = [&](std::size_t at) {
        std::uint32_t value = 0;
        std::memcpy(&value, &bytes[at], sizeof value);
        return value;
    };
    EXPECT_EQ(word(0), 0xa1b2c3d4U);
    EXPECT_EQ(word(20), 1U);
    EXPECT_EQ(word(24 + 8), 60U);
    EXPECT_EQ(word(24 + 16 + 60 + 12), 100U);
    EXPECT_EQ(bytes.back(), 3U);
}

TEST_F(DummyPortTest, TypesByLevel) {
    EXPECT_TRUE(is_dummy_type("dummy"));
    EXPECT_FALSE(is_dummy_type("system"));
    set_dummy_level(DummyLevel::kSystem);
    EXPECT_TRUE(is_dummy_type(""));
    EXPECT_FALSE(is_dummy_type("tap"));
    set_dummy_level(DummyLevel::kOverride);
    EXPECT_TRUE(is_dummy_type("dpdk"));
    EXPECT_FALSE(is_dummy_type("patch"));
    set_dummy_level(DummyLevel::kNone);
    EXPECT_FALSE(is_dummy_type("dummy"));
}

}  // namespace
}  // namespace sluice
