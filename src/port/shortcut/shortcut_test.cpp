// SPDX-License-Identifier: Apache-2.0
// The programs in the kernel against make_shortcut_key(), by BPF_PROG_TEST_RUN; shortcuts between real
// interfaces are tests/system's.
#include <random>
#include <vector>

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/core.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "packet/test_eal.hpp"
#include "port/shortcut/shortcuts.hpp"
#include "port/testing/rig.hpp"

namespace sluice {
namespace {

using Frame = std::vector<std::uint8_t>;

constexpr std::uint32_t kOut = 77, kMtuFrame = 1514;

/// A TCP or UDP frame of `payload` bytes; what the tests vary they write over.
Frame frame_of(bool ipv6, bool tcp, std::size_t payload) {
    const std::size_t l4 = ETH_HLEN + (ipv6 ? 40U : 20U), headers = l4 + (tcp ? 32 : 8);
    Frame frame(headers + payload);
    for (std::size_t i = 0; i < frame.size(); ++i)
        frame[i] = static_cast<std::uint8_t>(i * 7 + 1);
    frame[0] &= 0xfe;
    store_be16(&frame[12], ipv6 ? ETH_P_IPV6 : ETH_P_IP);
    if (ipv6) {
        frame[14] = 0x60;
        store_be16(&frame[18], static_cast<std::uint16_t>(frame.size() - 54));
        frame[20] = tcp ? 6 : 17;
    } else {
        frame[14] = 0x45;
        store_be16(&frame[16], static_cast<std::uint16_t>(frame.size() - 14));
        store_be16(&frame[20], 0x4000);
        frame[23] = tcp ? 6 : 17;
    }
    if (tcp) frame[l4 + 12] = 0x80;
    return frame;
}

class ShortcutTest : public ::testing::Test {
  protected:
    void SetUp() override {
        auto made = Shortcuts::create();
        if (!made) {
            if (made.error().code == EPERM) GTEST_SKIP() << made.error().message;
            FAIL() << made.error().message;
        }
        shortcuts_ = std::move(*made);
    }

    /// Has the kernel run the filter on a frame; returns what it returned last. A packet socket's filter sees
    /// the frame from its first byte; a test run takes an Ethernet header off first.
    std::uint32_t run(const Frame& frame, std::uint32_t times = 1) {
        Frame in(ETH_HLEN);
        in.insert(in.end(), frame.begin(), frame.end());
        bpf_test_run_opts run;
        std::memset(&run, 0, sizeof run);
        run.sz = sizeof run;
        run.data_in = in.data();
        run.data_size_in = static_cast<std::uint32_t>(in.size());
        run.repeat = static_cast<int>(times);
        EXPECT_EQ(bpf_prog_test_run_opts(shortcuts_->filter_fd(), &run), 0) << frame.size();
        return run.retval;
    }
    /// True when the frame is to take a shortcut.
    bool taken(const Frame& frame) {
        if (run(frame) != 0) return false;
        clear_decision();
        return true;
    }
    std::uint32_t decision() {
        const int cpus = libbpf_num_possible_cpus();
        std::vector<ShortcutDecision> all(static_cast<std::size_t>(cpus));
        const std::uint32_t zero = 0;
        EXPECT_EQ(bpf_map_lookup_elem(shortcuts_->maps().decision, &zero, all.data()), 0);
        std::uint32_t found = 0;
        for (const auto& one : all)
            found = one.out_ifindex != 0 ? one.out_ifindex : found;
        return found;
    }
    void clear_decision() {
        decided_ = decision();
        const std::vector<ShortcutDecision> none(static_cast<std::size_t>(libbpf_num_possible_cpus()));
        const std::uint32_t zero = 0;
        EXPECT_EQ(bpf_map_update_elem(shortcuts_->maps().decision, &zero, none.data(), BPF_ANY), 0);
    }
    /// The interface that test runs pretend the frame came from: the loopback.
    bool key_of(const Frame& frame, ShortcutKey& key) {
        const auto size = static_cast<std::uint32_t>(frame.size());
        return make_shortcut_key(frame.data(), size, size, 1, key);
    }
    void install(const Frame& frame, std::uint32_t slot = 0) {
        ShortcutKey key;
        ASSERT_TRUE(key_of(frame, key));
        ASSERT_TRUE(shortcuts_->install(key, {shortcuts_->generation(), slot, kOut, kMtuFrame, 0}));
    }

    std::unique_ptr<Shortcuts> shortcuts_;
    std::uint32_t decided_ = 0;
};

TEST_F(ShortcutTest, CarriesAndCountsExactlyTheFlowThatHasOne) {
    unsigned slot = 5;
    for (const bool ipv6 : {false, true}) {
        for (const bool tcp : {false, true}) {
            const Frame frame = frame_of(ipv6, tcp, 100);
            EXPECT_FALSE(taken(frame));
            install(frame, slot);
            const ShortcutCounts before = shortcuts_->counts(slot);
            EXPECT_TRUE(taken(frame));
            EXPECT_EQ(decided_, kOut);
            const ShortcutCounts after = shortcuts_->counts(slot);
            EXPECT_EQ(after.packets, before.packets + 1);
            EXPECT_EQ(after.bytes, before.bytes + frame.size());
            EXPECT_GT(after.used_ns, before.used_ns);
            ++slot;
        }
    }
}

TEST_F(ShortcutTest, ASmallestDatagramHasOne) {
    const Frame frame = frame_of(false, false, 0);
    ASSERT_EQ(frame.size(), 42U);
    install(frame);
    EXPECT_TRUE(taken(frame));
}

// Every byte of the headers changed by itself: the kernel takes the frame if, and only if, its key is the
// same.
TEST_F(ShortcutTest, KernelAndSwitchMakeTheSameKey) {
    for (const bool ipv6 : {false, true}) {
        for (const bool tcp : {false, true}) {
            const Frame original = frame_of(ipv6, tcp, 64);
            install(original);
            ShortcutKey key, other;
            ASSERT_TRUE(key_of(original, key));
            unsigned same = 0, different = 0;
            for (std::size_t at = 0; at < original.size() - 32; ++at) {
                for (const int flip : {0x01, 0x02, 0x10, 0x20, 0x40, 0x80}) {
                    Frame changed = original;
                    changed[at] = static_cast<std::uint8_t>(changed[at] ^ flip);
                    const bool expected = key_of(changed, other) && other == key;
                    ASSERT_EQ(taken(changed), expected) << "byte " << at << " bit " << flip;
                    ++(expected ? same : different);
                }
            }
            EXPECT_GT(same, 50U);  // identification, checksums, sequence numbers, payload
            EXPECT_GT(different, 150U);
        }
    }
}

TEST_F(ShortcutTest, KernelAndSwitchRefuseTheSameFrames) {
    std::mt19937 random(1);
    unsigned refused = 0;
    for (unsigned round = 0; round < 3000; ++round) {
        Frame frame = frame_of(random() % 2 == 0, random() % 2 == 0, random() % 40);
        for (std::size_t n = random() % 3; n > 0; --n)
            frame[12 + random() % (frame.size() - 12)] = static_cast<std::uint8_t>(random());
        if (random() % 4 == 0) frame.resize(frame.size() - random() % (frame.size() - 20));
        ShortcutKey key;
        const bool has_key = key_of(frame, key);
        if (has_key) {
            ASSERT_TRUE(shortcuts_->install(key, {shortcuts_->generation(), 0, kOut, kMtuFrame, 0}));
        }
        ASSERT_EQ(taken(frame), has_key) << "round " << round;
        if (has_key) shortcuts_->remove(key);
        refused += has_key ? 0 : 1;
    }
    EXPECT_GT(refused, 300U);
    EXPECT_LT(refused, 2700U);
}

TEST_F(ShortcutTest, FramesAboveTheMtuAreTheWorkers) {
    Frame frame = frame_of(false, false, kMtuFrame - 42);
    install(frame);
    EXPECT_TRUE(taken(frame));
    frame = frame_of(false, false, kMtuFrame - 41);
    EXPECT_FALSE(taken(frame));
}

TEST_F(ShortcutTest, OneStoreMakesAllVoid) {
    const Frame frame = frame_of(false, true, 100);
    install(frame);
    EXPECT_TRUE(taken(frame));
    shortcuts_->invalidate();
    EXPECT_FALSE(taken(frame));
    install(frame);
    EXPECT_TRUE(taken(frame));
    shortcuts_->set_on(false);
    EXPECT_FALSE(taken(frame));
    EXPECT_FALSE(Shortcuts::is_on(shortcuts_->generation()));
    shortcuts_->set_on(true);
    EXPECT_FALSE(taken(frame)) << "what was made before it was switched off stays void";
    install(frame);
    EXPECT_TRUE(taken(frame));
}

TEST_F(ShortcutTest, ADecisionThatNobodyTakesEndsAll) {
    const Frame frame = frame_of(false, true, 100);
    install(frame);
    EXPECT_FALSE(shortcuts_->take_failure());
    EXPECT_NE(run(frame, 2), 0U) << "the second frame is the socket's";
    EXPECT_EQ(decision(), 0U);
    EXPECT_TRUE(shortcuts_->take_failure());
    EXPECT_FALSE(shortcuts_->take_failure());
    EXPECT_FALSE(Shortcuts::is_on(shortcuts_->generation()));
    shortcuts_->set_on(true);
    EXPECT_FALSE(Shortcuts::is_on(shortcuts_->generation()));
}

/// A packet socket on an interface; counts what it gets.
class Listener {
  public:
    explicit Listener(const char* interface) : fd_(socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0)) {
        const int one = 1;
        setsockopt(fd_, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof one);
        sockaddr_ll address{};
        address.sll_family = AF_PACKET;
        address.sll_protocol = htons(ETH_P_ALL);
        address.sll_ifindex = static_cast<int>(if_nametoindex(interface));
        EXPECT_EQ(bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
    }
    ~Listener() { close(fd_); }
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;
    int fd() const { return fd_; }
    /// Frames of TCP since the last call.
    unsigned count() {
        unsigned frames = 0;
        std::uint8_t frame[256];
        for (ssize_t size = 0; (size = recv(fd_, frame, sizeof frame, 0)) > 0;)
            frames += size > 23 && frame[12] == 8 && frame[13] == 0 && frame[23] == 6 ? 1 : 0;
        return frames;
    }

  private:
    int fd_;
};

// Between real interfaces, with another packet socket listening: each frame goes one way, and only one.
TEST(ShortcutHookTest, FramesAreTheSocketsOrGoOnNeverBoth) {
    ensure_test_eal();
    rig::Namespace net;
    if (!net.ok()) GTEST_SKIP() << "needs the right to make network namespaces";
    auto shortcuts = Shortcuts::create();
    if (!shortcuts && shortcuts.error().code == EPERM) GTEST_SKIP() << shortcuts.error().message;
    ASSERT_TRUE(shortcuts) << shortcuts.error().message;
    ASSERT_TRUE(
        rig::run("for l in a b; do ip link add s$l type veth peer name p$l && "
                 "ip link set s$l up && ip link set p$l up || exit 1; done"));
    // Until the kernel's link watch has run, frames sent on a fresh veth vanish.
    for (const char* name : {"sa", "pa", "sb", "pb"})
        ASSERT_TRUE(rig::wait_for(
            [&] { return rig::run(fmt::format("ip -br link show {} | grep -q ' UP '", name)); }));
    for (const bool clsact : {false, true}) {
        SCOPED_TRACE(clsact ? "clsact" : "the kernel's newest");
        const std::uint32_t in = if_nametoindex("sa"), out = if_nametoindex("sb");
        auto hook = clsact ? (*shortcuts)->attach_clsact_hook(in) : (*shortcuts)->attach_hook(in);
        ASSERT_TRUE(hook) << hook.error().message;
        Listener other("sa"), port("sa");
        ASSERT_TRUE((*shortcuts)->attach_socket(port.fd()));
        auto sender = rig::make_socket_peer("pa");
        auto receiver = rig::make_socket_peer("pb");
        const rig::TcpShape shape;
        const Frame frame = rig::tcp_frame(shape);
        const auto send = [&](unsigned count) {
            for (unsigned n = 0; n < count; ++n)
                ASSERT_TRUE(sender->send(frame, rig::tcp_header(shape, 0)));
        };
        const auto arrived = [&](unsigned wanted) {
            unsigned count = 0;
            Frame got;
            rig::wait_for([&] {
                while (receiver->receive(got))
                    count += rig::tcp_right(shape, got) ? 1 : 0;
                return count >= wanted;
            });
            return count;
        };
        unsigned kept = 0;
        send(10);
        EXPECT_TRUE(rig::wait_for([&] { return (kept += port.count()) == 10; }));
        ShortcutKey key;
        const auto size = static_cast<std::uint32_t>(frame.size());
        ASSERT_TRUE(make_shortcut_key(frame.data(), size, size, in, key));
        ASSERT_TRUE((*shortcuts)->install(key, {(*shortcuts)->generation(), 0, out, kMtuFrame, 0}));
        const ShortcutCounts before = (*shortcuts)->counts(0);
        send(100);
        EXPECT_EQ(arrived(100), 100U);
        EXPECT_EQ((*shortcuts)->counts(0).packets, before.packets + 100);
        EXPECT_EQ(port.count(), 0U);
        EXPECT_EQ(other.count(), 110U) << "who listens besides gets all";
        (*shortcuts)->invalidate();
        send(10);
        kept = 0;
        EXPECT_TRUE(rig::wait_for([&] { return (kept += port.count()) == 10; }));
        EXPECT_FALSE((*shortcuts)->take_failure());
    }
}

}  // namespace
}  // namespace sluice
