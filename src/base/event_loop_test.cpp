// SPDX-License-Identifier: Apache-2.0
#include "base/event_loop.hpp"

#include <thread>
#include <vector>

#include <sys/socket.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/clock.hpp"

namespace sluice {
namespace {

class EventLoopTest : public testing::Test {
  protected:
    void SetUp() override {
        auto made = EventLoop::create();
        ASSERT_TRUE(made);
        loop_ = std::move(*made);
        ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds_), 0);
    }
    void TearDown() override {
        ::close(fds_[0]);
        ::close(fds_[1]);
    }
    std::unique_ptr<EventLoop> loop_;
    int fds_[2] = {-1, -1};
};

TEST_F(EventLoopTest, CallsBackOnReadableAndWritable) {
    unsigned seen = 0;
    Watch watch = loop_->watch(fds_[0], EventLoop::kRead, [&](unsigned ready) { seen |= ready; });
    EXPECT_FALSE(loop_->run_once(0));
    ASSERT_EQ(::write(fds_[1], "x", 1), 1);
    EXPECT_TRUE(loop_->run_once(1000));
    EXPECT_EQ(seen, EventLoop::kRead);
    seen = 0;
    watch.set_interest(EventLoop::kWrite);
    loop_->run_once(1000);
    EXPECT_EQ(seen, EventLoop::kWrite);
    watch.set_interest(0);
    EXPECT_FALSE(loop_->run_once(0));
}

TEST_F(EventLoopTest, ACallbackMayDestroyItsOwnHandleAndOthers) {
    ASSERT_EQ(::write(fds_[1], "x", 1), 1);
    ASSERT_EQ(::write(fds_[0], "x", 1), 1);
    int calls = 0;
    Watch a, b;
    const auto cancel_both = [&](unsigned) {
        ++calls;
        a.reset();
        b.reset();
    };
    a = loop_->watch(fds_[0], EventLoop::kRead, cancel_both);
    b = loop_->watch(fds_[1], EventLoop::kRead, cancel_both);
    loop_->run_once(1000);
    loop_->run_once(0);
    EXPECT_EQ(calls, 1);
    Timer timer;
    timer = loop_->every(1, [&] {
        ++calls;
        timer.reset();
    });
    loop_->run_once(1000);
    EXPECT_FALSE(loop_->run_once(20));
    EXPECT_EQ(calls, 2);
}

TEST_F(EventLoopTest, TimersFireInOrderAndPeriodicOnesRepeat) {
    std::vector<int> order;
    Timer late = loop_->after(30, [&] { order.push_back(2); });
    Timer early = loop_->after(10, [&] { order.push_back(1); });
    Timer never = loop_->after(15, [&] { order.push_back(9); });
    never.reset();
    EXPECT_TRUE(early.pending());
    const auto limit = clock::now_ms() + 2000;
    while (late.pending() && clock::now_ms() < limit)
        loop_->run_once(100);
    EXPECT_EQ(order, (std::vector<int>{1, 2}));
    EXPECT_FALSE(early.pending());
    int beats = 0;
    Timer beat = loop_->every(2, [&] {
        if (++beats == 3) loop_->stop();
    });
    loop_->run();
    EXPECT_EQ(beats, 3);
}

TEST_F(EventLoopTest, DeferredCallsOfDeferredCallsWaitForTheNextTurn) {
    std::vector<int> order;
    loop_->defer([&] {
        order.push_back(1);
        loop_->defer([&] { order.push_back(2); });
    });
    loop_->run_once(-1);
    EXPECT_EQ(order, std::vector<int>{1});
    loop_->run_once(-1);
    EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST_F(EventLoopTest, OtherThreadsPostAndStop) {
    std::thread::id where;
    std::thread other([&, poster = loop_->poster()] {
        EXPECT_TRUE(poster.post([&] { where = std::this_thread::get_id(); }));
        loop_->post([&] { loop_->stop(); });
    });
    loop_->run();
    other.join();
    EXPECT_EQ(where, std::this_thread::get_id());
}

TEST_F(EventLoopTest, HandlesAndPostersOutliveTheLoop) {
    Watch watch = loop_->watch(fds_[0], EventLoop::kRead, [](unsigned) {});
    Timer timer = loop_->after(1000, [] {});
    const auto poster = loop_->poster();
    loop_.reset();
    EXPECT_FALSE(timer.pending());
    watch.set_interest(EventLoop::kWrite);
    EXPECT_FALSE(poster.post([] {}));
}

TEST_F(EventLoopTest, ADescriptorThatCannotBeWatchedGivesAnEmptyWatch) {
    EXPECT_FALSE(loop_->watch(-1, EventLoop::kRead, [](unsigned) {}));
}

TEST(EventLoop, StoppedClockMovesByHand) {
    auto loop = EventLoop::create().value();
    int switch_timer = 0, machine_timer = 0;
    clock::stop();
    const auto before = clock::now_ns();
    Timer slow = loop->after(5000, [&] { ++switch_timer; });
    Timer real = loop->after(
        1, [&] { ++machine_timer; }, TimeBase::kMachine);
    const auto deadline = clock::machine_ms() + 5000;
    while (machine_timer == 0 && clock::machine_ms() < deadline)
        loop->run_once(100);
    EXPECT_EQ(machine_timer, 1);
    EXPECT_EQ(switch_timer, 0);
    EXPECT_EQ(clock::now_ns(), before);
    clock::advance(4'999'000'000);
    loop->run_once(0);
    EXPECT_EQ(switch_timer, 0);
    clock::advance(1'000'000);
    loop->run_once(0);
    EXPECT_EQ(switch_timer, 1);
    EXPECT_EQ(clock::now_ns() - before, 5'000'000'000);
    clock::detail::warp.stopped_ns = 0;  // for the tests after this one
}

}  // namespace
}  // namespace sluice
