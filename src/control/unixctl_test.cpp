// SPDX-License-Identifier: Apache-2.0
// With the real ovs-appctl.
#include "control/unixctl.hpp"

#include <optional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.hpp"
#include "control/stream.hpp"
#include "control/test_util.hpp"

namespace sluice {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class UnixctlTest : public testing::Test {
  protected:
    UnixctlTest() : loop_(EventLoop::create().value()) {
        (void)log::set_syslog_method("null");
        auto made = UnixctlServer::create(*loop_, dir_ / "test.ctl", "ovs-vswitchd (Sluice) 1.2.3");
        if (made) server_ = std::move(*made);
    }
    std::string appctl(std::vector<std::string> words) {
        words.insert(words.begin(), {"ovs-appctl", "-t", dir_ / "test.ctl"});
        return test::run_beside(*loop_, dir_, words, &code_);
    }
    test::TempDir dir_;
    std::unique_ptr<EventLoop> loop_;
    std::unique_ptr<UnixctlServer> server_;
    int code_ = -1;
};

TEST_F(UnixctlTest, BuiltInsAnswerInOvsLayout) {
    ASSERT_TRUE(server_);
    EXPECT_EQ(appctl({"version"}), "ovs-vswitchd (Sluice) 1.2.3\n");
    EXPECT_EQ(code_, 0);
    const auto list = appctl({"list-commands"});
    EXPECT_THAT(list, StartsWith("The available commands are:\n  list-commands           \n"));
    EXPECT_THAT(list, HasSubstr("  vlog/set                {spec | PATTERN:destination:pattern}\n"));
    EXPECT_THAT(appctl({"vlog/list"}), StartsWith("                 console    syslog    file\n"));
    EXPECT_THAT(appctl({"vlog/list-pattern"}), HasSubstr("CONSOLE  none                              "));
    EXPECT_EQ(appctl({"vlog/set", "unixctl:console:warn", "unixctl:file:dbg"}), "");
    EXPECT_THAT(appctl({"vlog/list"}), HasSubstr("unixctl           WARN       INFO        DBG\n"));
    EXPECT_EQ(appctl({"vlog/disable-rate-limit"}), "");
    EXPECT_EQ(appctl({"vlog/enable-rate-limit", "unixctl"}), "");
    EXPECT_EQ(appctl({"vlog/close"}), "");
}

TEST_F(UnixctlTest, ErrorsAreThoseOfOvs) {
    EXPECT_THAT(appctl({"nosuch"}),
                StartsWith("\"nosuch\" is not a valid command (use \"list-commands\" to see a list "
                           "of valid commands)\n"));
    EXPECT_EQ(code_, 2);
    EXPECT_THAT(appctl({"version", "x"}), StartsWith("\"version\" command takes at most 0 arguments\n"));
    EXPECT_THAT(appctl({"vlog/set", "foo"}), StartsWith("no destination, level, or module \"foo\"\n"));
    server_->add("needs", "A B", 2, 2, [](const auto&) { return Result<std::string>(std::string("ok")); });
    EXPECT_THAT(appctl({"needs", "x"}), StartsWith("\"needs\" command requires at least 2 arguments\n"));
    EXPECT_EQ(appctl({"needs", "x", "y"}), "ok\n");
}

TEST_F(UnixctlTest, AnswersMayComeLaterOrNever) {
    Timer timer;
    server_->add_deferred("later", "", 0, 0, [&](const auto&, UnixctlReply reply) {
        timer = loop_->after(20, [reply] { reply(std::string(3'000'000, 'x')); });
    });
    server_->add_deferred("never", "", 0, 0, [](const auto&, const UnixctlReply&) {});
    EXPECT_EQ(appctl({"later"}).size(), 3'000'001U);
    EXPECT_THAT(appctl({"never"}), StartsWith("command was abandoned"));
    Result<std::string> direct = Error{};
    server_->run("version", {}, [&](Result<std::string> result) { direct = std::move(result); });
    EXPECT_EQ(*direct, "ovs-vswitchd (Sluice) 1.2.3");
}

TEST_F(UnixctlTest, GarbageDropsOnlyThatClient) {
    bool closed = false;
    Stream::Handlers handlers;
    handlers.on_closed = [&](const Error&) { closed = true; };
    auto stream = Stream::connect(*loop_, "unix:" + (dir_ / "test.ctl"), {}, std::move(handlers));
    ASSERT_TRUE(stream);
    (*stream)->send("GET / HTTP/1.0\r\n");
    ASSERT_TRUE(test::run_until(*loop_, [&] { return closed; }));
    EXPECT_THAT(appctl({"version"}), StartsWith("ovs-vswitchd"));
}

TEST_F(UnixctlTest, AClientThatLeavesIsNoticedAndRepliesOutliveTheServer) {
    std::optional<UnixctlReply> kept;
    server_->add_deferred("keep", "", 0, 0,
                          [&](const auto&, UnixctlReply reply) { kept = std::move(reply); });
    {
        test::Child child({"ovs-appctl", "-t", dir_ / "test.ctl", "keep"});
        ASSERT_TRUE(test::run_until(*loop_, [&] { return kept.has_value(); }));
        EXPECT_FALSE(kept->client_gone());
    }
    ASSERT_TRUE(test::run_until(*loop_, [&] { return kept->client_gone(); }));
    server_.reset();
    (*kept)(std::string("too late"));
}

}  // namespace
}  // namespace sluice
