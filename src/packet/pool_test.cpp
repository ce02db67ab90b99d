// SPDX-License-Identifier: Apache-2.0
// Pools, copies, receive slots and EAL arguments.
#include "packet/pool.hpp"

#include <cstring>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "packet/rx_slots.hpp"
#include "packet/test_eal.hpp"

namespace sluice {
namespace {

unsigned in_use(std::string_view name) {
    for (const auto& pool : pool_usage())
        if (pool.name == name) return pool.in_use;
    return 0;
}

class Pool : public testing::Test {
  protected:
    void SetUp() override { ensure_test_eal(); }
    void TearDown() override {
        EXPECT_EQ(in_use("small"), 0U);
        EXPECT_EQ(in_use("large"), 0U);
    }
};

std::vector<std::uint8_t> pattern(std::size_t size) {
    std::vector<std::uint8_t> bytes(size);
    for (std::size_t i = 0; i < size; ++i)
        bytes[i] = static_cast<std::uint8_t>(i * 7 + i / 256);
    return bytes;
}

TEST_F(Pool, BytesComeBackAtEverySize) {
    for (std::size_t size : {0UL, 1UL, 60UL, 2047UL, 2048UL, 2049UL, 9000UL, std::size_t{kMaxFrameBytes}}) {
        const auto bytes = pattern(size);
        Packet* packet = packet_from_bytes(bytes);
        ASSERT_NE(packet, nullptr) << size;
        EXPECT_EQ(packet_to_bytes(packet), bytes);
        Packet* copy = packet_copy(packet);
        ASSERT_NE(copy, nullptr);
        packet_free(packet);
        EXPECT_EQ(packet_to_bytes(copy), bytes);
        packet_free(copy);
    }
    EXPECT_EQ(packet_from_bytes(pattern(kMaxFrameBytes + 1)), nullptr);
}

TEST_F(Pool, CopyKeepsOffloadMarks) {
    Packet* packet = packet_from_bytes(pattern(3000));
    packet->ol_flags = RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM;
    packet->l2_len = 18;
    packet->l3_len = 20;
    packet->l4_len = 32;
    packet->tso_segsz = 1448;
    packet->port = 9;
    Packet* copy = packet_copy(packet);
    EXPECT_EQ(copy->ol_flags, packet->ol_flags);
    EXPECT_EQ(copy->tx_offload, packet->tx_offload);
    EXPECT_EQ(copy->port, 9);
    packet_free(packet);
    packet_free(copy);
}

TEST_F(Pool, RepackGathersAShortFirstSegment) {
    Packet* head = packet_from_bytes(pattern(20));
    Packet* tail = packet_from_bytes(pattern(400));
    ASSERT_EQ(rte_pktmbuf_chain(head, tail), 0);
    const auto bytes = packet_to_bytes(head);
    head = packet_repack(head);
    EXPECT_GE(head->data_len, kMinFirstSegment);
    EXPECT_EQ(packet_to_bytes(head), bytes);
    packet_free(head);
}

TEST_F(Pool, ExhaustionGivesNullAndHeals) {
    std::vector<Packet*> all;
    while (Packet* packet = packet_alloc())
        all.push_back(packet);
    EXPECT_EQ(all.size(), 4096U);
    EXPECT_EQ(packet_alloc(), nullptr);
    EXPECT_EQ(packet_from_bytes(pattern(10)), nullptr);
    for (auto* packet : all)
        packet_free(packet);
    Packet* again = packet_alloc();
    EXPECT_NE(again, nullptr);
    packet_free(again);
}

TEST_F(Pool, SlotsAreNotCountedAsInUseAndGoBackWithTheThread) {
    std::thread worker([] {
        ASSERT_TRUE(register_worker_thread());
        RxSlots& slots = RxSlots::mine();
        EXPECT_EQ(slots.refill(8), 8U);
        EXPECT_EQ(RxSlots::held_small(), 8U);
        EXPECT_EQ(in_use("small"), 0U);
        Packet* packet = slots.take(3, 5000);
        EXPECT_EQ(packet->nb_segs, 2);
        EXPECT_EQ(packet->pkt_len, 5000U);
        EXPECT_EQ(slots.small(3), nullptr);
        packet_free(packet);
        unregister_worker_thread();
    });
    worker.join();
    EXPECT_EQ(RxSlots::held_small(), 0U);
    EXPECT_EQ(RxSlots::held_large(), 0U);
}

TEST_F(Pool, OwnedPoolLivesUntilItsLastPacketIsFree) {
    auto pool = acquire_pool("net_test", 64, 2048);
    ASSERT_TRUE(pool) << pool.error().message;
    Packet* packet = rte_pktmbuf_alloc(*pool);
    ASSERT_NE(packet, nullptr);
    release_pool(*pool);
    EXPECT_EQ(sweep_pools(), 1U);
    packet_free(packet);
    EXPECT_EQ(sweep_pools(), 0U);
}

TEST_F(Pool, TooLargeAPoolIsRefusedWithASentence) {
    auto pool = acquire_pool("port big", 10'000'000, 9000);
    ASSERT_FALSE(pool);
    EXPECT_NE(pool.error().message.find("no memory for port big"), std::string::npos) << pool.error().message;
    EXPECT_NE(pool.error().message.find("dpdk-socket-mem"), std::string::npos);
    EXPECT_FALSE(acquire_pool("port wide", 10, 70000));
}

TEST(EalArguments, AreSplitAsAShellWould) {
    auto words = split_arguments("  -d /a/b.so --x='a b'  \"c d\"e f\\ g ");
    ASSERT_TRUE(words);
    EXPECT_EQ(*words, (std::vector<std::string>{"-d", "/a/b.so", "--x=a b", "c de", "f g"}));
    EXPECT_TRUE(split_arguments("")->empty());
    auto open = split_arguments("--x='a");
    ASSERT_FALSE(open);
    EXPECT_NE(open.error().message.find("never closed"), std::string::npos);
}

TEST(Eal, StartsOnceAndFast) {
    ensure_test_eal();
    EXPECT_TRUE(eal_running());
    EXPECT_TRUE(start_eal({}));
    EXPECT_EQ(eal_info().version.rfind("DPDK ", 0), 0U);
}

}  // namespace
}  // namespace sluice
