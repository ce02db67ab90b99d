// SPDX-License-Identifier: Apache-2.0
// Rings and control messages against a guest in the same process: right ones, and every kind of wrong one.
#include <atomic>
#include <functional>
#include <numeric>
#include <thread>

#include <gtest/gtest.h>

#include "packet/offload.hpp"
#include "packet/test_eal.hpp"
#include "port/guest/flow_hash.hpp"
#include "port/testing/rig.hpp"
#include "port/vhost/fake_guest.hpp"

namespace sluice::vhost {
namespace {

using Part = FakeGuest::Part;
constexpr std::uint64_t kModern = bits({kVersion1, kMergeable, kIndirect, kGuestCsum, kCsum});
constexpr std::uint64_t kSplit = kModern, kPackedRing = kModern | bits({kPacked});
constexpr std::uint64_t kFrames = FakeGuest::kBuffers;
constexpr std::uint64_t kTable = 0x30000;

struct Layout {
    const char* name;
    std::uint64_t features;
};

class Vhost : public testing::TestWithParam<Layout> {
  protected:
    void SetUp() override {
        ensure_test_eal();
        before_ = pool_usage()[0].in_use + pool_usage()[1].in_use;
    }
    void TearDown() override { EXPECT_EQ(pool_usage()[0].in_use + pool_usage()[1].in_use, before_); }

    /// Puts a frame with its 12-byte header into the guest's memory.
    static void put_frame(FakeGuest& guest, std::uint64_t offset, const rig::Frame& frame,
                          const VirtioHeader& header = {}) {
        std::memset(guest.at(offset), 0, 12);
        std::memcpy(guest.at(offset), &header, sizeof header);
        std::memcpy(guest.at(offset + 12), frame.data(), frame.size());
    }
    static rig::Frame take(FakeGuest& guest) {
        Packet* packet = nullptr;
        if (guest.from_guest().receive(&packet, 1) != 1) return {};
        rig::Frame frame = packet_to_bytes(packet);
        packet_free(packet);
        return frame;
    }
    static unsigned give(FakeGuest& guest, const rig::Frame& frame, NetQueue::Sent& sent) {
        Packet* packet = packet_from_bytes(frame);
        const unsigned done = guest.to_guest().send(&packet, 1, 0, sent);
        packet_free(packet);
        return done;
    }
    unsigned before_ = 0;
};

TEST_P(Vhost, AFrameArrivesHoweverItIsCutIntoPieces) {
    FakeGuest guest(GetParam().features);
    ASSERT_TRUE(guest.start());
    unsigned number = 0;
    for (const std::size_t size : {60U, 1514U, 9000U, 60000U})
        for (const std::uint32_t cut : {0U, 1U, 11U, 12U, 13U, 40U})
            for (const bool indirect : {false, true}) {
                const rig::Frame frame = rig::numbered_frame(number++, size);
                put_frame(guest, kFrames, frame);
                const auto total = static_cast<std::uint32_t>(size + 12);
                std::vector<Part> parts;
                if (cut > 0) parts.push_back({kFrames, cut});
                const std::uint32_t half = cut + (total - cut) / 2;
                parts.push_back({kFrames + cut, half - cut});
                parts.push_back({kFrames + half, total - half});
                guest.offer(1, parts, indirect ? kTable : 0);
                EXPECT_EQ(take(guest), frame)
                    << size << " bytes cut at " << cut << (indirect ? " indirect" : "");
                EXPECT_EQ(guest.collect(1).size(), 1U);
            }
    EXPECT_FALSE(guest.from_guest().fault());
    EXPECT_EQ(guest.from_guest().rx.packets.get(), number);
}

TEST_P(Vhost, BuffersComeBackInOrderRoundAfterRound) {
    FakeGuest guest(GetParam().features);
    ASSERT_TRUE(guest.start());
    for (unsigned round = 0; round < 50; ++round) {
        for (unsigned i = 0; i < 20; ++i) {
            put_frame(guest, kFrames + 0x1000ULL * i, rig::numbered_frame(round * 20 + i, 100));
            const Part part{kFrames + 0x1000ULL * i, 112};
            guest.offer(1, {&part, 1});
        }
        Packet* packets[kMaxBurst];
        ASSERT_EQ(guest.from_guest().receive(packets, kMaxBurst), 20U);
        for (unsigned i = 0; i < 20; ++i)
            EXPECT_EQ(packet_to_bytes(packets[i]), rig::numbered_frame(round * 20 + i, 100));
        packet_free_burst(packets, 20);
        EXPECT_EQ(guest.collect(1).size(), 20U);
    }
}

TEST_P(Vhost, AnOpenChecksumAndSegmentSizeComeThrough) {
    FakeGuest guest(GetParam().features);
    ASSERT_TRUE(guest.start());
    const rig::TcpShape shape{false, 0, 30000};
    const rig::Frame frame = rig::tcp_frame(shape);
    put_frame(guest, kFrames, frame, rig::tcp_header(shape, 1448));
    const Part part{kFrames, static_cast<std::uint32_t>(frame.size() + 12)};
    guest.offer(1, {&part, 1});
    Packet* packet = nullptr;
    ASSERT_EQ(guest.from_guest().receive(&packet, 1), 1U);
    EXPECT_TRUE(is_gso(packet));
    EXPECT_EQ(packet->tso_segsz, 1448);
    // And out again: the guest is told what is left to do.
    const Part room{kFrames + 0x10000, 0xffff, true};
    guest.offer(0, {&room, 1});
    NetQueue::Sent sent;
    ASSERT_EQ(guest.to_guest().send(&packet, 1, 0, sent), 1U);
    packet_free(packet);
    const auto header = guest.get<VirtioHeader>(kFrames + 0x10000);
    EXPECT_EQ(header.gso_size, 1448);
    EXPECT_EQ(header.gso_type, kVirtioGsoTcp4);
    EXPECT_EQ(header.flags, kVirtioNeedsCsum);
    EXPECT_EQ(std::memcmp(guest.at(kFrames + 0x10000 + 12), frame.data(), frame.size()), 0);
}

TEST_P(Vhost, ALargeFrameTakesSeveralBuffers) {
    FakeGuest guest(GetParam().features);
    ASSERT_TRUE(guest.start());
    const rig::Frame frame = rig::numbered_frame(7, 9000);
    for (unsigned i = 0; i < 8; ++i) {
        const Part part{kFrames + 0x1000ULL * i, 1526, true};
        guest.offer(0, {&part, 1});
    }
    NetQueue::Sent sent;
    ASSERT_EQ(give(guest, frame, sent), 1U);
    EXPECT_EQ(sent.packets, 1U);
    EXPECT_EQ(guest.get<std::uint16_t>(kFrames + 10), 6);  // num_buffers
    const auto used = guest.collect(0);
    ASSERT_EQ(used.size(), 6U);
    rig::Frame got;
    for (unsigned i = 0; i < 6; ++i) {
        const std::uint8_t* from = guest.at(kFrames + 0x1000ULL * i);
        got.insert(got.end(), from + (i == 0 ? 12 : 0), from + used[i].written);
    }
    EXPECT_EQ(got, frame);
    // Two buffers are left: not enough for another one, and none is lost by trying.
    EXPECT_EQ(give(guest, frame, sent), 0U);
    EXPECT_EQ(give(guest, rig::numbered_frame(8, 2000), sent), 1U);
    EXPECT_EQ(guest.collect(0).size(), 2U);
}

TEST_P(Vhost, WithoutMergeableBuffersAFrameThatDoesNotFitIsSkipped) {
    FakeGuest guest(GetParam().features & ~bits({kMergeable}));
    ASSERT_TRUE(guest.start());
    const Part parts[] = {{kFrames, 12, true}, {kFrames + 0x1000, 1514, true}};
    guest.offer(0, parts);
    NetQueue::Sent sent;
    EXPECT_EQ(give(guest, rig::numbered_frame(1, 2000), sent), 1U);
    EXPECT_EQ(sent.too_large, 1U);
    EXPECT_EQ(give(guest, rig::numbered_frame(2, 1514), sent), 1U);
    EXPECT_EQ(sent.packets, 1U);
    const auto used = guest.collect(0);
    ASSERT_EQ(used.size(), 1U);
    EXPECT_EQ(used[0].written, 1526U);
}

TEST_P(Vhost, SillyLengthsAreErrorsOfThatFrameOnly) {
    FakeGuest guest(GetParam().features);
    ASSERT_TRUE(guest.start());
    put_frame(guest, kFrames, rig::numbered_frame(1, 60));
    const Part short_ones[] = {{kFrames, 0}, {kFrames, 5}, {kFrames, 12}, {kFrames, 25}, {kFrames, 72}};
    for (const Part& part : short_ones)
        guest.offer(1, {&part, 1});
    const Part huge[] = {{0, 0x80000}, {0, 0x80000}};  // 1 MiB
    guest.offer(1, huge);
    Packet* packets[kMaxBurst];
    EXPECT_EQ(guest.from_guest().receive(packets, kMaxBurst), 1U);
    packet_free_burst(packets, 1);
    EXPECT_EQ(guest.from_guest().rx.errors.get(), 5U);
    EXPECT_EQ(guest.collect(1).size(), 6U);
    EXPECT_FALSE(guest.from_guest().fault());
}

TEST_P(Vhost, MemoryTakenAwayUnderTheWorkerStopsTheQueueOnly) {
    FakeGuest guest(GetParam().features);
    ASSERT_TRUE(guest.start());
    const Part part{kFrames, 112};
    guest.offer(1, {&part, 1});
    ASSERT_EQ(ftruncate(guest.memory_fd(), 0x40000), 0);  // rings stay, frames go
    EXPECT_TRUE(take(guest).empty());
    EXPECT_EQ(guest.from_guest().fault().kind, RingFault::kMemoryGone);
    EXPECT_TRUE(take(guest).empty());
    ASSERT_EQ(ftruncate(guest.memory_fd(), FakeGuest::kBytes), 0);
}

TEST_P(Vhost, ClosingWaitsForTheWorkerAndRingsGoOnWhereTheyWere) {
    FakeGuest guest(GetParam().features);
    ASSERT_TRUE(guest.start());
    std::atomic<bool> stop{false};
    std::atomic<unsigned> got{0};
    std::thread worker([&] {
        EXPECT_TRUE(register_worker_thread());
        while (!stop.load()) {
            Packet* packets[kMaxBurst];
            const unsigned n = guest.from_guest().receive(packets, kMaxBurst);
            packet_free_burst(packets, n);
            got.fetch_add(n);
        }
        unregister_worker_thread();
    });
    unsigned offered = 0;
    for (unsigned round = 0; round < 200; ++round) {
        for (unsigned i = 0; i < 10; ++i, ++offered) {
            put_frame(guest, kFrames + 0x1000ULL * i, rig::numbered_frame(i, 200));
            const Part part{kFrames + 0x1000ULL * i, 212};
            guest.offer(1, {&part, 1});
        }
        ASSERT_TRUE(guest.share_memory());  // all memory is mapped anew, under traffic
        ASSERT_TRUE(rig::wait_for([&] { return got.load() == offered; })) << got.load() << " of " << offered;
        guest.collect(1);
    }
    stop = true;
    worker.join();
    EXPECT_FALSE(guest.from_guest().fault());
}

INSTANTIATE_TEST_SUITE_P(Layouts, Vhost,
                         testing::Values(Layout{"split", kSplit},
                                         Layout{"split_event", kSplit | bits({kEventIndex})},
                                         Layout{"packed", kPackedRing}),
                         [](const auto& layout) { return std::string{layout.param.name}; });

/// One thing wrong with a ring.
struct Crime {
    const char* name;
    std::uint64_t features;
    std::function<void(FakeGuest&)> commit;  ///< in ring 1
    RingFault fault;
};

constexpr std::uint64_t kBase = FakeGuest::kGuestBase;
const Crime kCrimes[] = {
    {"index_jump", kSplit, [](FakeGuest& g) { g.put<std::uint16_t>(g.available_offset(1) + 2, 65); },
     RingFault::kIndexJump},
    {"head_outside", kSplit, [](FakeGuest& g) { g.make_available(1, 64); }, RingFault::kBadHead},
    {"next_outside", kSplit,
     [](FakeGuest& g) { g.describe(1, 0, kBase, 100, kDescNext, 64), g.make_available(1, 0); },
     RingFault::kBadHead},
    {"circle", kSplit,
     [](FakeGuest& g) { g.describe(1, 0, kBase, 100, kDescNext, 0), g.make_available(1, 0); },
     RingFault::kLoop},
    {"outside_memory", kSplit,
     [](FakeGuest& g) { g.describe(1, 0, kBase - 1, 100, 0, 0), g.make_available(1, 0); },
     RingFault::kOutsideMemory},
    {"over_the_end", kSplit,
     [](FakeGuest& g) {
         g.describe(1, 0, kBase + FakeGuest::kBytes - 99, 100, 0, 0), g.make_available(1, 0);
     },
     RingFault::kOutsideMemory},
    {"four_gib", kSplit, [](FakeGuest& g) { g.describe(1, 0, kBase, ~0U, 0, 0), g.make_available(1, 0); },
     RingFault::kOutsideMemory},
    {"address_wraps", kSplit,
     [](FakeGuest& g) { g.describe(1, 0, ~0ULL - 10, 100, 0, 0), g.make_available(1, 0); },
     RingFault::kOutsideMemory},
    {"mixed", kSplit,
     [](FakeGuest& g) {
         g.describe(1, 0, kBase, 100, kDescNext, 1), g.describe(1, 1, kBase, 100, kDescWrite, 0);
         g.make_available(1, 0);
     },
     RingFault::kMixedChain},
    {"indirect_with_next", kSplit,
     [](FakeGuest& g) {
         g.describe(1, 0, kBase + kTable, 16, kDescIndirect | kDescNext, 1), g.make_available(1, 0);
     },
     RingFault::kBadIndirect},
    {"indirect_odd_size", kSplit,
     [](FakeGuest& g) { g.describe(1, 0, kBase + kTable, 17, kDescIndirect, 0), g.make_available(1, 0); },
     RingFault::kBadIndirect},
    {"indirect_empty", kSplit,
     [](FakeGuest& g) { g.describe(1, 0, kBase + kTable, 0, kDescIndirect, 0), g.make_available(1, 0); },
     RingFault::kBadIndirect},
    {"indirect_in_indirect", kSplit,
     [](FakeGuest& g) {
         g.put_descriptor(kTable, kBase + kTable, 16, kDescIndirect, 0);
         g.describe(1, 0, kBase + kTable, 16, kDescIndirect, 0), g.make_available(1, 0);
     },
     RingFault::kBadIndirect},
    {"indirect_circle", kSplit,
     [](FakeGuest& g) {
         g.put_descriptor(kTable, kBase, 16, kDescNext, 0);
         g.describe(1, 0, kBase + kTable, 32, kDescIndirect, 0), g.make_available(1, 0);
     },
     RingFault::kLoop},
    {"indirect_outside", kSplit,
     [](FakeGuest& g) { g.describe(1, 0, 0x10, 16, kDescIndirect, 0), g.make_available(1, 0); },
     RingFault::kOutsideMemory},
    {"too_many_pieces", kSplit,
     [](FakeGuest& g) {
         for (std::uint64_t i = 0; i < 300; ++i)
             g.put_descriptor(kTable + 16 * i, kBase, 16, kDescNext, static_cast<std::uint16_t>(i + 1));
         g.describe(1, 0, kBase + kTable, 300 * 16, kDescIndirect, 0), g.make_available(1, 0);
     },
     RingFault::kTooManyPieces},
    {"packed_outside_memory", kPackedRing,
     [](FakeGuest& g) { g.put_descriptor(g.ring_offset(1), kBase + FakeGuest::kBytes, 100, 0, 0x80); },
     RingFault::kOutsideMemory},
    {"packed_endless", kPackedRing,
     [](FakeGuest& g) {
         for (std::uint64_t i = 0; i < 64; ++i)
             g.put_descriptor(g.ring_offset(1) + 16 * i, kBase, 100, 0, 0x80 | kDescNext);
     },
     RingFault::kLoop},
    {"packed_mixed", kPackedRing,
     [](FakeGuest& g) {
         g.put_descriptor(g.ring_offset(1), kBase, 100, 0, 0x80 | kDescNext);
         g.put_descriptor(g.ring_offset(1) + 16, kBase, 100, 0, 0x80 | kDescWrite);
     },
     RingFault::kMixedChain},
    {"packed_indirect_odd", kPackedRing,
     [](FakeGuest& g) { g.put_descriptor(g.ring_offset(1), kBase + kTable, 15, 0, 0x80 | kDescIndirect); },
     RingFault::kBadIndirect},
    {"packed_indirect_outside", kPackedRing,
     [](FakeGuest& g) { g.put_descriptor(g.ring_offset(1), 0, 16, 0, 0x80 | kDescIndirect); },
     RingFault::kOutsideMemory},
};

class HostileRing : public testing::TestWithParam<Crime> {};

TEST_P(HostileRing, StopsTheQueueWithItsReason) {
    ensure_test_eal();
    FakeGuest guest(GetParam().features);
    ASSERT_TRUE(guest.start());
    GetParam().commit(guest);
    Packet* packets[kMaxBurst];
    EXPECT_EQ(guest.from_guest().receive(packets, kMaxBurst), 0U);
    EXPECT_EQ(guest.from_guest().fault().kind, GetParam().fault);
    EXPECT_FALSE(describe(GetParam().fault, 1).empty());
    EXPECT_EQ(guest.from_guest().receive(packets, kMaxBurst), 0U) << "a stopped queue stays so";
}

INSTANTIATE_TEST_SUITE_P(Crimes, HostileRing, testing::ValuesIn(kCrimes),
                         [](const auto& crime) { return std::string{crime.param.name}; });

TEST(VhostSession, RefusesWhatIsCutOutOfRangeOrNotNegotiated) {
    ensure_test_eal();
    const auto refused = [](const std::function<Result<std::vector<std::uint8_t>>(FakeGuest&)>& say) {
        FakeGuest guest(kSplit);
        return guest.start() && !say(guest);
    };
    const auto fds = [](unsigned count) {
        std::vector<guest::Fd> list;
        for (unsigned i = 0; i < count; ++i)
            list.emplace_back(eventfd(0, EFD_CLOEXEC));
        return list;
    };
    using G = FakeGuest;
    EXPECT_TRUE(refused([](G& g) { return g.say(Request::kSetFeatures, ~0ULL); }));
    EXPECT_TRUE(refused([](G& g) { return g.say(Request::kSetProtocolFeatures, ~0ULL); }));
    EXPECT_TRUE(refused([](G& g) { return g.say(static_cast<Request>(99), 0); }));
    EXPECT_TRUE(refused([](G& g) { return g.say(static_cast<Request>(0), 0); }));
    EXPECT_TRUE(refused([](G& g) { return g.say(Request::kSetFeatures, "", 0); }));
    EXPECT_TRUE(refused([](G& g) { return g.say(Request::kSetVringAddr, "0123456", 8); }));
    EXPECT_TRUE(refused([](G& g) { return g.say_state(Request::kSetVringNum, kMaxRings, 64); }));
    EXPECT_TRUE(refused([](G& g) { return g.say_state(Request::kSetVringNum, ~0U, 64); }));
    EXPECT_TRUE(refused([](G& g) { return g.say_state(Request::kSetVringNum, 0, 0); }));
    EXPECT_TRUE(refused([](G& g) { return g.say_state(Request::kSetVringNum, 0, 63); }));
    EXPECT_TRUE(refused([](G& g) { return g.say_state(Request::kSetVringNum, 0, 65536); }));
    EXPECT_TRUE(refused([](G& g) {
        VringAddress address = g.ring_address(0);
        address.descriptors = G::kUserBase + G::kBytes - 16 * G::kRingSize + 16;
        return g.say(Request::kSetVringAddr, &address, sizeof address);
    })) << "one descriptor lies outside";
    EXPECT_TRUE(refused([](G& g) { return g.say_state(Request::kSetVringEnable, 0, 2); }));
    EXPECT_TRUE(refused([](G& g) { return g.say(Request::kNetSetMtu, 67); }));
    EXPECT_TRUE(refused([&](G& g) { return g.say(Request::kSetVringKick, 0, fds(0)); }));
    EXPECT_TRUE(refused([&](G& g) { return g.say(Request::kSetVringKick, 0, fds(2)); }));
    EXPECT_TRUE(refused([&](G& g) { return g.say(Request::kSetVringKick, kVringNoFd, fds(1)); }));
    EXPECT_TRUE(refused([&](G& g) { return g.say(Request::kSetVringCall, 200, fds(1)); }));
    EXPECT_TRUE(refused([&](G& g) { return g.say(Request::kGetFeatures, 0, fds(1)); }));
    EXPECT_TRUE(refused([](G& g) {
        std::vector<guest::Fd> list;
        list.emplace_back(dup(g.memory_fd()));
        return g.say(Request::kSetVringCall, 0, std::move(list));
    })) << "a call descriptor that is no eventfd";
    constexpr auto base = G::kGuestBase, user = G::kUserBase, size = G::kBytes;
    const auto table = [&](std::vector<MemoryTableRow> rows) {
        return refused([&](G& g) { return g.share_memory(rows); });
    };
    EXPECT_TRUE(table({})) << "no region";
    EXPECT_TRUE(table(std::vector<MemoryTableRow>(9, {base, 4096, user, 0}))) << "nine regions";
    EXPECT_TRUE(table({{base, size + 1, user, 0}})) << "longer than its file";
    EXPECT_TRUE(table({{base, size, user, 4096}}));
    EXPECT_TRUE(table({{base, size, user, ~0ULL - 4095}}));
    EXPECT_TRUE(table({{base, ~0ULL, user, 0}}));
    EXPECT_TRUE(table({{base, 0, user, 0}}));
    EXPECT_TRUE(table({{~0ULL - 4095, 8192, user, 0}})) << "wraps round";
    EXPECT_TRUE(table({{base, 8192, user, 0}, {base + 4096, 8192, user + size, 0}})) << "overlap";
    EXPECT_TRUE(table({{base, 0x1000, user, 0}})) << "the rings are outside now";
    EXPECT_TRUE(refused([](G& g) {
        VringAddress address = g.ring_address(0);
        address.descriptors += 8;
        return g.say(Request::kSetVringAddr, &address, sizeof address);
    })) << "not aligned";
    EXPECT_TRUE(refused([](G& g) {
        VringAddress address = g.ring_address(0);
        address.used = ~0ULL - 3;
        return g.say(Request::kSetVringAddr, &address, sizeof address);
    }));
    EXPECT_TRUE(refused([](G& g) { return g.say(Request::kGetFeatures, nullptr, 0, {}, 2); })) << "version 2";
}

TEST(VhostSession, RepeatsAndStopsAreHarmless) {
    ensure_test_eal();
    FakeGuest guest(kSplit);
    ASSERT_TRUE(guest.start());
    for (unsigned i = 0; i < 3; ++i) {
        EXPECT_TRUE(guest.start());
        EXPECT_TRUE(guest.device().link.load());
        EXPECT_TRUE(guest.say_state(Request::kGetVringBase, 0, 0));
        EXPECT_TRUE(guest.say_state(Request::kGetVringBase, 0, 0));
        EXPECT_FALSE(guest.device().link.load());
        EXPECT_TRUE(guest.start_ring(0));
    }
    EXPECT_TRUE(guest.say_state(Request::kGetVringBase, kMaxRings - 1, 0)) << "a ring never heard of";
}

TEST(VhostSession, QueuesFollowTheGuest) {
    ensure_test_eal();
    FakeGuest guest(kSplit | bits({kProtocolFeatures, kMultiQueue}));
    ASSERT_TRUE(guest.start());
    for (std::uint32_t i = 2; i < 8; ++i)
        ASSERT_TRUE(guest.start_ring(i));
    EXPECT_EQ(guest.device().tx_count.load(), 0U) << "not enabled";
    for (std::uint32_t i = 0; i < 8; ++i)
        ASSERT_TRUE(guest.say_state(Request::kSetVringEnable, i, 1));
    EXPECT_EQ(guest.device().tx_count.load(), 4U);
    EXPECT_EQ(guest.device().rx_queues.load(), 4U);
    for (const std::uint32_t i : {2U, 5U, 6U, 7U})
        ASSERT_TRUE(guest.say_state(Request::kSetVringEnable, i, 0));
    EXPECT_EQ(guest.device().tx_count.load(), 2U);
    EXPECT_EQ(guest.device().tx_map[1].load(), 2U) << "the second running queue is pair 2";
    EXPECT_EQ(guest.device().rx_queues.load(), 2U);
}

TEST(FlowHash, IsSymmetricAndLooksIntoTunnels) {
    ensure_test_eal();
    const auto hash = [](rig::Frame frame) {
        Packet* packet = packet_from_bytes(frame);
        const std::uint32_t value = guest::flow_hash(packet);
        packet_free(packet);
        return value;
    };
    for (const bool ipv6 : {false, true}) {
        const rig::TcpShape shape{ipv6, 1, 100};
        rig::Frame frame = rig::tcp_frame(shape);
        rig::Frame back = frame;
        const std::size_t ip = 18, bytes = ipv6 ? 16 : 4, source = ip + (ipv6 ? 8 : 12);
        std::swap_ranges(back.begin() + static_cast<long>(source),
                         back.begin() + static_cast<long>(source + bytes),
                         back.begin() + static_cast<long>(source + bytes));
        const auto l4 = static_cast<long>(shape.l4());
        std::swap_ranges(back.begin() + l4, back.begin() + l4 + 2, back.begin() + l4 + 2);
        EXPECT_EQ(hash(frame), hash(back));
        rig::Frame other = frame;
        other[static_cast<std::size_t>(l4)] ^= 1;
        EXPECT_NE(hash(frame), hash(other)) << "another port";
        // The same frames in VXLAN, between the same two tunnel ends.
        const auto wrap = [](const rig::Frame& inner) {
            rig::Frame outer(14 + 20 + 8 + 8, 0);
            outer[12] = 8, outer[14] = 0x45, outer[23] = 17, outer[26] = 1, outer[30] = 2;
            outer[36] = 4789 >> 8, outer[37] = 4789 & 0xff;
            outer.insert(outer.end(), inner.begin(), inner.end());
            return outer;
        };
        EXPECT_EQ(hash(wrap(frame)), hash(wrap(back)));
        EXPECT_NE(hash(wrap(frame)), hash(wrap(other)));
    }
    for (std::size_t size = 0; size < 60; ++size)
        hash(rig::Frame(size, 0x45));  // whatever it is, nothing is read beyond it
}

}  // namespace
}  // namespace sluice::vhost
