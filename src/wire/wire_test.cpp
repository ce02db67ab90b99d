// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "wire/builder.hpp"
#include "wire/checksum.hpp"
#include "wire/crc32c.hpp"
#include "wire/ethernet.hpp"
#include "wire/ipv4.hpp"
#include "wire/ipv6.hpp"
#include "wire/sctp.hpp"
#include "wire/tcp.hpp"
#include "wire/udp.hpp"

namespace sluice::wire {
namespace {

constexpr std::string_view kA = "02:00:00:00:00:01", kB = "02:00:00:00:00:02";

TEST(Checksum, TheExampleOfRfc1071) {
    const std::uint8_t data[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
    EXPECT_EQ(sum_bytes(data, sizeof data), 0xddf2U);
    EXPECT_EQ(internet_checksum(data), 0x220d);
}

TEST(Checksum, EveryLengthAgreesWithThePlainLoop) {
    std::uint8_t data[67];
    for (unsigned i = 0; i < sizeof data; ++i)
        data[i] = static_cast<std::uint8_t>(i * 37 + 250);
    for (std::size_t size = 0; size <= sizeof data; ++size) {
        std::uint32_t plain = 0;
        for (std::size_t i = 0; i < size; ++i)
            plain += i % 2 == 0 ? std::uint32_t{data[i]} << 8 : data[i];
        EXPECT_EQ(fold_sum(plain), sum_bytes(data, size)) << size;
    }
}

TEST(Checksum, AnIncrementalUpdateEqualsAFreshSum) {
    std::uint8_t data[20] = {1, 2, 3, 4, 5, 6, 7, 8, 250, 251, 252, 253, 254, 255, 1, 1, 2, 2, 3, 3};
    const std::uint16_t before = internet_checksum(data);
    const std::uint16_t from = load_be16(data + 6);
    store_be16(data + 6, 0xfedc);
    EXPECT_EQ(internet_checksum(data), update_checksum16(before, from, 0xfedc));
}

TEST(Checksum, TheCounterexampleOfRfc1624) {
    // RFC 1624 §4: checksum dd2f, m 5555 becomes 3285: 0000, not ffff.
    EXPECT_EQ(update_checksum16(0xdd2f, 0x5555, 0x3285), 0x0000);
}

TEST(Crc32c, TheCheckValueOfTheNineDigits) {
    const std::string text = "123456789";
    EXPECT_EQ(crc32c({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}), 0xe3069283U);
}

TEST(Builder, AUdpFrameByteForByte) {
    // Written down and summed by hand: 0a00 0001 0a00 0002 0011 000c | 03e8 0035 000c 0001 0203.
    const Frame frame =
        PacketBuilder{}.eth(kA, kB).ipv4("10.0.0.1", "10.0.0.2").udp(1000, 53).payload(4).build();
    EXPECT_EQ(hex_of(frame),
              "020000000002020000000001"
              "0800"
              "4500002000004000401126cb0a0000010a000002"
              "03e80035000ce5b2"
              "00010203");
}

TEST(Builder, ChecksumsAreRightAndKnobsBreakThem) {
    const auto builder = [] { return PacketBuilder{}.eth(kA, kB).ipv6("fe80::1", "fe80::2").tcp(1, 2); };
    const auto sum = [](const Frame& f) {
        const auto ip = ipv6::View::parse(Bytes{f}.subspan(eth::kHeaderBytes));
        const std::uint8_t* h = f.data() + eth::kHeaderBytes;
        const auto size = static_cast<std::uint32_t>(ip->payload().size());
        return finish_sum(
            add_sums(pseudo_sum<Ipv6Family>(h + ipv6::kSrc, h + ipv6::kDst, ip_proto::kTcp, size),
                     sum_bytes(ip->payload())));
    };
    EXPECT_EQ(sum(builder().payload(7).build()), 0);
    EXPECT_NE(sum(builder().bad_checksum().payload(7).build()), 0);
}

TEST(Builder, SctpHasItsCrcLowByteFirst) {
    const Frame f = PacketBuilder{}.eth(kA, kB).ipv4("1.2.3.4", "1.2.3.5").sctp(1, 2).payload(5).build();
    const Bytes packet = Bytes{f}.subspan(34);
    std::uint32_t stored;
    std::memcpy(&stored, &packet[sctp::kChecksum], 4);
    EXPECT_EQ(stored, sctp_checksum(packet));
}

TEST(Builder, MisuseThrows) {
    EXPECT_THROW(PacketBuilder{}.bad_checksum(), std::invalid_argument);
    EXPECT_THROW(PacketBuilder{}.eth("zz", kB), std::invalid_argument);
    EXPECT_THROW(frame_from_hex("0"), std::invalid_argument);
    EXPECT_THROW(ipv4_of("1.2.3"), std::invalid_argument);
}

TEST(Ipv4View, RefusesEachWrongLength) {
    const auto view = [](const Frame& f) { return ipv4::View::parse(Bytes{f}.subspan(eth::kHeaderBytes)); };
    const auto good = [] { return PacketBuilder{}.eth(kA, kB).ipv4("1.2.3.4", "1.2.3.5"); };
    EXPECT_TRUE(view(good().payload(4).build()));
    EXPECT_FALSE(view(good().poke8(ipv4::kVersionIhl, 0x44).payload(4).build()));
    EXPECT_FALSE(view(good().poke8(ipv4::kVersionIhl, 0x4f).payload(4).build()));
    EXPECT_FALSE(view(good().length(19).payload(4).build()));
    EXPECT_FALSE(view(good().length(25).payload(4).build()));
    EXPECT_FALSE(view(good().truncate_to(33).build()));
}

TEST(Eth, ReservedDestinationsAreKnown) {
    EXPECT_TRUE(eth::is_bridge_reserved(mac_of("01:80:c2:00:00:0f")));
    EXPECT_FALSE(eth::is_bridge_reserved(mac_of("01:80:c2:00:00:10")));
    EXPECT_TRUE(eth::is_bridge_reserved(mac_of("01:00:0c:cc:cc:cc")));
    EXPECT_TRUE(eth::is_bridge_reserved(mac_of("01:00:0c:cc:cc:c7")));
    EXPECT_FALSE(eth::is_bridge_reserved(mac_of("01:00:0c:cc:cc:c8")));
}

}  // namespace
}  // namespace sluice::wire
