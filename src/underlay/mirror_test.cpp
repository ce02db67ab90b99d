// SPDX-License-Identifier: Apache-2.0
// The mirror beside the real kernel: each test in a network namespace of its own, changed with ip(8).
#include "underlay/mirror.hpp"

#include <chrono>
#include <cstdlib>
#include <functional>
#include <thread>

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace sluice::underlay {
namespace {

Address ip(const char* text) {
    const auto address = parse_address(text);
    EXPECT_TRUE(address) << text;
    return address.value_or(Address{});
}

Prefix prefix(const char* text) {
    const auto parsed = parse_prefix(text);
    EXPECT_TRUE(parsed) << text;
    return parsed.value_or(Prefix{});
}

TEST(Address, TextOfBothFamilies) {
    EXPECT_EQ(format_address(ip("10.1.2.3")), "10.1.2.3");
    EXPECT_EQ(ip("10.1.2.3"), ip("::ffff:10.1.2.3"));
    EXPECT_EQ(format_address(ip("2001:db8::1")), "2001:db8::1");
    EXPECT_EQ(format_address({}), "::");
    EXPECT_FALSE(is_ipv4({}));
    for (const char* bad : {"", "10.1.2", "10.1.2.3/8", "10.1.2.3 ", "bla", "::g"})
        EXPECT_FALSE(parse_address(bad)) << bad;
    EXPECT_TRUE(is_multicast(ip("239.1.1.1")) && is_multicast(ip("ff02::1")));
    EXPECT_FALSE(is_multicast(ip("223.1.1.1")) || is_multicast(ip("fe80::1")));
}

TEST(Address, Prefixes) {
    EXPECT_EQ(format_prefix(prefix("10.1.2.3/8")), "10.0.0.0/8");
    EXPECT_EQ(format_prefix(prefix("10.1.2.3/255.255.0.0")), "10.1.0.0/16");
    EXPECT_EQ(format_prefix(prefix("10.1.2.3")), "10.1.2.3/32");
    EXPECT_EQ(format_prefix(prefix("0.0.0.0/0")), "0.0.0.0/0");
    EXPECT_EQ(format_prefix(prefix("::/0")), "::/0");
    EXPECT_EQ(format_prefix(prefix("2001:db8:1::1/32")), "2001:db8::/32");
    EXPECT_TRUE(prefix("0.0.0.0/0").contains(ip("255.1.1.1")));
    EXPECT_FALSE(prefix("0.0.0.0/0").contains(ip("2001:db8::1")));
    for (const char* bad :
         {"10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/255.0.255.0", "10.0.0.0/x", "/8", "10.0.0.0/-1"})
        EXPECT_FALSE(parse_prefix(bad)) << bad;
}

/// A namespace for this thread: two ends of a veth, va (10.1.0.1/24, fd01::1/64) here and vb in a second
/// namespace (10.1.0.2, fd01::2), so that neighbours are real.
class MirrorTest : public ::testing::Test {
  protected:
    void SetUp() override {
        old_ = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        if (old_ < 0 || ::unshare(CLONE_NEWNET) != 0)
            GTEST_SKIP() << "needs the right to make network namespaces";
        inside_ = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
        peer_ = ::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
        ASSERT_EQ(::setns(inside_, CLONE_NEWNET), 0);
        run("ip link set lo up");
        run("ip link add va type veth peer name vb netns /proc/self/fd/" +
            std::to_string(dup_for_child(peer_)));
        run("ip link set va up");
        run("ip addr add 10.1.0.1/24 dev va");
        run("ip addr add 10.1.0.9/24 dev va");
        run("ip -6 addr add fd01::1/64 dev va nodad");
        at_peer("ip link set lo up");
        at_peer("ip link set vb address 02:00:00:00:00:0b");
        at_peer("ip link set vb up");
        at_peer("ip addr add 10.1.0.2/24 dev vb");
        at_peer("ip -6 addr add fd01::2/64 dev vb nodad");
        if (HasFailure()) FAIL() << "the namespaces could not be set up";
        auto opened = Mirror::open();
        ASSERT_TRUE(opened) << opened.error().message;
        mirror_ = std::move(*opened);
    }
    void TearDown() override {
        mirror_.reset();
        if (old_ >= 0) {
            EXPECT_EQ(::setns(old_, CLONE_NEWNET), 0);
        }
        for (const int fd : {old_, inside_, peer_, child_fd_})
            if (fd >= 0) ::close(fd);
    }
    /// A copy that children inherit.
    int dup_for_child(int fd) {
        child_fd_ = ::dup(fd);
        return child_fd_;
    }
    static void run(const std::string& command) {
        EXPECT_EQ(std::system((command + " >/dev/null").c_str()), 0) << command;  // NOLINT
    }
    void at_peer(const std::string& command) const {
        ASSERT_EQ(::setns(peer_, CLONE_NEWNET), 0);
        run(command);
        ASSERT_EQ(::setns(inside_, CLONE_NEWNET), 0);
    }
    /// Lets the mirror work until the condition holds; false after 10 s.
    bool until(const std::function<bool()>& done) {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
        auto next_tend = std::chrono::steady_clock::now();
        while (!done()) {
            const auto now = std::chrono::steady_clock::now();
            if (now > end) return false;
            pollfd ready{mirror_->fd(), POLLIN, 0};
            if (::poll(&ready, 1, 20) > 0) mirror_->run();
            if (now >= next_tend) {
                mirror_->tend();
                next_tend = now + std::chrono::milliseconds(200);
            }
        }
        return true;
    }
    Hop hop(const char* to, const char* from = nullptr, std::uint32_t mark = 0) {
        const auto found = mirror_->hop(ip(to), from ? std::optional{ip(from)} : std::nullopt, mark);
        EXPECT_TRUE(found) << (found ? "" : found.error().message);
        return found ? *found : Hop{};
    }
    std::string way(const char* to, const char* from = nullptr, std::uint32_t mark = 0) {
        const auto found = mirror_->hop(ip(to), from ? std::optional{ip(from)} : std::nullopt, mark);
        if (!found) return "none";
        return fmt::format("{} via {} from {}{}", found->device, format_address(found->next),
                           format_address(found->source), found->local ? " local" : "");
    }
    bool becomes(const char* wanted, const char* to, std::uint32_t mark = 0) {
        return until([&] { return way(to, nullptr, mark) == wanted; });
    }

    int old_ = -1, inside_ = -1, peer_ = -1, child_fd_ = -1;
    std::unique_ptr<Mirror> mirror_;
};

TEST_F(MirrorTest, FollowsTheKernelsRoutes) {
    EXPECT_EQ(way("10.1.0.7"), "va via 10.1.0.7 from 10.1.0.1");
    EXPECT_EQ(way("fd01::7"), "va via fd01::7 from fd01::1");
    EXPECT_EQ(way("10.2.0.7"), "none");
    EXPECT_EQ(way("fd02::7"), "none");
    auto seen = mirror_->generation();
    run("ip route add 10.2.0.0/16 via 10.1.0.2");
    EXPECT_TRUE(becomes("va via 10.1.0.2 from 10.1.0.1", "10.2.0.7"));
    EXPECT_NE(mirror_->generation(), seen);
    run("ip route replace 10.2.0.0/16 via 10.1.0.2 src 10.1.0.9 mtu 1300");
    EXPECT_TRUE(becomes("va via 10.1.0.2 from 10.1.0.9", "10.2.0.7"));
    EXPECT_EQ(hop("10.2.0.7").mtu, 1300U);
    EXPECT_EQ(hop("10.1.0.7").mtu, 1500U);
    run("ip route add fd02::/16 via fd01::2");
    EXPECT_TRUE(becomes("va via fd01::2 from fd01::1", "fd02::7"));
    run("ip route add 10.3.0.0/16 via inet6 fd01::2");
    EXPECT_TRUE(becomes("va via fd01::2 from 10.1.0.1", "10.3.0.7"));
    run("ip route add unreachable 10.2.7.0/24");
    EXPECT_TRUE(becomes("none", "10.2.7.1"));
    run("ip route del 10.2.0.0/16");
    EXPECT_TRUE(becomes("none", "10.2.0.7"));
}

TEST_F(MirrorTest, PolicyIsTheKernels) {
    run("ip route add default via 10.1.0.3");
    run("ip route add default via 10.1.0.4 table 77");
    run("ip rule add fwmark 7 table 77");
    EXPECT_TRUE(becomes("va via 10.1.0.4 from 10.1.0.1", "8.8.8.8", 7));
    EXPECT_EQ(way("8.8.8.8"), "va via 10.1.0.3 from 10.1.0.1");
    run("ip rule add from 10.1.0.9 table 77");
    EXPECT_TRUE(until([&] { return way("8.8.8.8", "10.1.0.9") == "va via 10.1.0.4 from 10.1.0.9"; }));
    EXPECT_EQ(way("8.8.8.8", "10.1.0.1"), "va via 10.1.0.3 from 10.1.0.1");
    EXPECT_EQ(way("8.8.8.8", "10.99.0.1"),
              "va via 10.1.0.3 from 10.99.0.1");  // not (yet) ours: as it was asked
    run("ip rule del fwmark 7 table 77");
    EXPECT_TRUE(becomes("va via 10.1.0.3 from 10.1.0.1", "8.8.8.8", 7));
}

TEST_F(MirrorTest, AVrfDecidesForItsAddresses) {
    if (std::system("ip link add vrf0 type vrf table 10 2>/dev/null") != 0)  // NOLINT
        GTEST_SKIP() << "this kernel has no VRF";
    run("ip link set vrf0 up");
    run("ip link add vc type veth peer name vd");
    run("ip link set vc master vrf0 up");
    run("ip link set vd up");
    run("ip addr add 10.5.0.1/24 dev vc");
    run("ip route add table 10 default via 10.5.0.2");
    run("ip route add default via 10.1.0.3");
    EXPECT_TRUE(until([&] { return way("8.8.8.8", "10.5.0.1") == "vc via 10.5.0.2 from 10.5.0.1"; }));
    EXPECT_EQ(way("8.8.8.8", "10.1.0.1"), "va via 10.1.0.3 from 10.1.0.1");
}

TEST_F(MirrorTest, KnowsTheHostsOwnAddresses) {
    EXPECT_EQ(way("10.1.0.9"), "va via 10.1.0.9 from 10.1.0.1 local");
    EXPECT_EQ(way("fd01::1"), "va via fd01::1 from fd01::1 local");
    EXPECT_TRUE(mirror_->is_local(ip("10.1.0.1")));
    EXPECT_FALSE(mirror_->is_local(ip("10.1.0.2")));
    run("ip addr add 10.1.0.2/32 dev lo");
    EXPECT_TRUE(until([&] { return mirror_->is_local(ip("10.1.0.2")); }));
    EXPECT_TRUE(hop("10.1.0.2").local);
    run("ip addr del 10.1.0.2/32 dev lo");
    EXPECT_TRUE(until([&] { return !mirror_->is_local(ip("10.1.0.2")); }));
    EXPECT_FALSE(hop("10.1.0.2").local);
    bool listed = false;
    for (const auto& address : mirror_->addresses())
        if (address.device == "va" && address.address == ip("10.1.0.9")) listed = address.length == 96 + 24;
    EXPECT_TRUE(listed);
}

TEST_F(MirrorTest, NeighboursComeAndGo) {
    for (const char* to : {"10.1.0.2", "fd01::2"}) {
        const Hop unknown = hop(to);
        EXPECT_FALSE(unknown.has_neighbour);
        EXPECT_NE(unknown.own_mac, MacBytes{});
        const auto seen = mirror_->generation();
        mirror_->solicit(unknown);
        ASSERT_TRUE(until([&] { return hop(to).has_neighbour; })) << to;
        EXPECT_NE(mirror_->generation(), seen);
        EXPECT_EQ(mac_to_u64(hop(to).next_mac), 0x02000000000bU);
    }
    at_peer("ip link set vb address 02:00:00:00:00:0c");
    run("ip neigh flush dev va");
    EXPECT_TRUE(until([&] {
        return hop("10.1.0.2").has_neighbour && mac_to_u64(hop("10.1.0.2").next_mac) == 0x02000000000c;
    }));
    // One that nobody answers for never becomes usable; a permanent one is at once.
    mirror_->solicit(hop("10.1.0.55"));
    run("ip neigh replace 10.1.0.77 lladdr 02:00:00:00:00:77 nud permanent dev va");
    EXPECT_TRUE(until([&] { return hop("10.1.0.77").has_neighbour; }));
    EXPECT_FALSE(hop("10.1.0.55").has_neighbour);
    run("ip neigh del 10.1.0.77 dev va");
    EXPECT_TRUE(until([&] { return !hop("10.1.0.77").has_neighbour; }));
}

TEST_F(MirrorTest, AStaleNeighbourIsUsedAndConfirmed) {
    (void)hop("10.1.0.2");
    run("ip neigh replace 10.1.0.2 lladdr 02:00:00:00:00:0b nud stale dev va");
    EXPECT_TRUE(until([&] { return hop("10.1.0.2").has_neighbour; }));
    // tend() has the kernel ask; the answer confirms it.
    EXPECT_TRUE(until([&] {
        return std::system("ip neigh show 10.1.0.2 dev va | grep -q REACHABLE") == 0;  // NOLINT
    }));
}

TEST_F(MirrorTest, WhoIsNotOnAnyWayChangesNothing) {
    (void)hop("10.1.0.2");
    ASSERT_TRUE(until([&] { return hop("10.1.0.2").has_neighbour; }));
    const auto seen = mirror_->generation();
    run("ip neigh replace 10.1.0.88 lladdr 02:00:00:00:00:88 nud permanent dev va");
    ASSERT_TRUE(until([&] {
        for (const auto& row : mirror_->neighbours())
            if (row.address == ip("10.1.0.88")) return true;
        return false;
    }));
    EXPECT_EQ(mirror_->generation(), seen);
}

TEST_F(MirrorTest, DevicesWithoutEthernetAndGroups) {
    EXPECT_TRUE(hop("127.0.0.5").local);
    run("ip tuntap add t0 mode tun");
    run("ip link set t0 up");
    run("ip addr add 10.6.0.1/24 dev t0");
    EXPECT_TRUE(becomes("t0 via 10.6.0.5 from 10.6.0.1", "10.6.0.5"));
    EXPECT_TRUE(hop("10.6.0.5").has_neighbour);
    EXPECT_EQ(hop("10.6.0.5").next_mac, MacBytes{});
    run("ip route add 239.0.0.0/8 dev va");
    EXPECT_TRUE(until([&] { return hop("239.129.2.3").has_neighbour; }));
    EXPECT_EQ(mac_to_u64(hop("239.129.2.3").next_mac), 0x01005e010203U);
}

TEST_F(MirrorTest, LinksComeAndGo) {
    EXPECT_EQ(way("10.1.0.7"), "va via 10.1.0.7 from 10.1.0.1");
    run("ip link set va mtu 1400");
    EXPECT_TRUE(until([&] { return hop("10.1.0.7").mtu == 1400; }));
    run("ip link set va address 02:00:00:00:00:aa");
    EXPECT_TRUE(until([&] { return mac_to_u64(hop("10.1.0.7").own_mac) == 0x0200000000aa; }));
    run("ip link set va name vz");
    EXPECT_TRUE(until([&] { return way("10.1.0.7").starts_with("vz via"); }));
    run("ip link set vz down");
    EXPECT_TRUE(becomes("none", "10.1.0.7"));
    run("ip link set vz up");
    EXPECT_TRUE(becomes("vz via 10.1.0.7 from 10.1.0.1", "10.1.0.7"));
    run("ip link del vz");
    EXPECT_TRUE(becomes("none", "10.1.0.7"));
    EXPECT_TRUE(until([&] { return !mirror_->is_local(ip("10.1.0.1")); }));
}

TEST_F(MirrorTest, LostAnnouncementsAreMadeGood) {
    // 30,000 addresses come and go unread: more than the socket holds. What is there in the end counts.
    FILE* batch = ::popen("ip -batch - 2>/dev/null", "w");
    ASSERT_NE(batch, nullptr);
    for (int i = 0; i < 30000; ++i) {
        const auto address = fmt::format("10.{}.{}.{}/32", 100 + i / 62500, i / 250 % 250, 1 + i % 250);
        std::fprintf(batch, "addr add %s dev lo\naddr del %s dev lo\n", address.c_str(), address.c_str());
    }
    std::fprintf(batch, "addr add 10.98.0.1/24 dev va\n");
    ::pclose(batch);
    EXPECT_TRUE(becomes("va via 10.98.0.7 from 10.98.0.1", "10.98.0.7"));
    EXPECT_FALSE(mirror_->is_local(ip("10.100.0.1")));
}

TEST_F(MirrorTest, UserRoutesAndNeighboursWin) {
    EXPECT_FALSE(mirror_->add_route(prefix("20.0.0.0/8"), "nodev", ip("10.1.0.7"), 0));
    EXPECT_FALSE(mirror_->add_route(prefix("20.0.0.0/8"), "va", ip("10.7.0.7"), 0));
    EXPECT_TRUE(mirror_->add_route(prefix("20.0.0.0/8"), "va", ip("10.1.0.7"), 0));
    EXPECT_TRUE(mirror_->add_route(prefix("20.1.0.0/16"), "va", ip("10.1.0.8"), 0));
    EXPECT_TRUE(mirror_->add_route(prefix("10.1.0.0/16"), "va", ip("10.1.0.6"), 5));
    EXPECT_EQ(way("20.2.0.1"), "va via 10.1.0.7 from 10.1.0.1");
    EXPECT_EQ(way("20.1.0.1"), "va via 10.1.0.8 from 10.1.0.1");
    EXPECT_EQ(way("10.1.0.77", nullptr, 5), "va via 10.1.0.6 from 10.1.0.1");
    EXPECT_EQ(way("10.1.0.77"), "va via 10.1.0.77 from 10.1.0.1");
    EXPECT_EQ(way("10.1.0.9", nullptr, 5), "va via 10.1.0.9 from 10.1.0.1 local");
    const auto seen = mirror_->generation();
    mirror_->set_neighbour("va", ip("10.1.0.8"), mac_from_u64(0x020000000088));
    EXPECT_NE(mirror_->generation(), seen);
    EXPECT_EQ(mac_to_u64(hop("20.1.0.1").next_mac), 0x020000000088U);
    EXPECT_TRUE(hop("20.1.0.1").has_neighbour);
    mirror_->flush_neighbours();
    EXPECT_FALSE(hop("20.1.0.1").has_neighbour);
    EXPECT_TRUE(mirror_->remove_route(prefix("20.1.0.0/16"), 0));
    EXPECT_FALSE(mirror_->remove_route(prefix("20.1.0.0/16"), 0));
    EXPECT_EQ(way("20.1.0.1"), "va via 10.1.0.7 from 10.1.0.1");
}

}  // namespace
}  // namespace sluice::underlay
