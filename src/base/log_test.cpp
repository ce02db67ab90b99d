// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include <unistd.h>

#include <gtest/gtest.h>

#include "base/log_pattern.hpp"

namespace sluice::log {
namespace {

const Module kTest{"log_test"};
const Module kOther{"log_other"};

std::string read(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

class LogTest : public testing::Test {
  protected:
    void SetUp() override {
        path_ = testing::TempDir() + "sluice-log-" + std::to_string(::getpid()) + ".log";
        std::filesystem::remove(path_);
        ASSERT_TRUE(set_syslog_method("null"));
        ASSERT_TRUE(set_levels("ANY:ANY:info"));
        ASSERT_TRUE(set_levels("console:off"));
        ASSERT_TRUE(open_file(path_));
    }
    void TearDown() override {
        close_file();
        std::filesystem::remove(path_);
    }
    std::string path_;
};

TEST_F(LogTest, WritesLinesInOvsLayout) {
    kTest.warn("port {} is gone", 7);
    const auto text = read(path_);
    auto last = text.substr(text.rfind('\n', text.size() - 2) + 1);
    std::replace_if(
        last.begin(), last.begin() + 30, [](char c) { return c >= '0' && c <= '9'; }, 'd');
    EXPECT_EQ(last, "dddd-dd-ddTdd:dd:dd.dddZ|ddddd|log_test|WARN|port 7 is gone\n");
    EXPECT_NE(text.find("|vlog|INFO|opened log file " + path_ + "\n"), std::string::npos);
}

TEST_F(LogTest, EachLineOfAMessageHasItsOwnPrefix) {
    kTest.info("one\ntwo\n");
    const auto text = read(path_);
    EXPECT_NE(text.find("|INFO|one\n"), std::string::npos);
    EXPECT_NE(text.find("|INFO|two\n"), std::string::npos);
    EXPECT_EQ(text.find("\n\n"), std::string::npos);
}

TEST_F(LogTest, LevelsAreSetByModuleAndDestination) {
    kTest.dbg("hidden");
    ASSERT_TRUE(set_levels("log-test:file:dbg"));
    EXPECT_TRUE(kTest.enabled(Level::kDbg));
    EXPECT_FALSE(kOther.enabled(Level::kDbg));
    kTest.dbg("shown");
    const auto text = read(path_);
    EXPECT_EQ(text.find("hidden"), std::string::npos);
    EXPECT_NE(text.find("|DBG|shown"), std::string::npos);
    const auto table = list_levels();
    EXPECT_EQ(
        table.find(
            "                 console    syslog    file\n                 -------    ------    ------\n"),
        0U);
    EXPECT_NE(table.find("log_test           OFF       INFO        DBG\n"), std::string::npos) << table;
    EXPECT_LT(table.find("log_other"), table.find("log_test"));
}

TEST_F(LogTest, BadSpecificationsAreNamed) {
    EXPECT_EQ(set_levels("foo:bar").error().message, "no destination, level, or module \"foo\"");
    EXPECT_EQ(set_levels("file:console").error().message, "cannot specify multiple destinations");
    EXPECT_EQ(set_levels("dbg:info").error().message, "cannot specify multiple levels");
    EXPECT_EQ(set_levels("log_test:log_other").error().message, "cannot specify multiple modules");
    EXPECT_EQ(set_levels("PATTERN:zz:a").error().message, "unknown destination \"zz\"");
    EXPECT_EQ(set_levels("FACILITY:bogus").error().message, "invalid facility");
    EXPECT_FALSE(set_syslog_method("pigeon"));
    EXPECT_FALSE(set_syslog_target("nowhere"));
    EXPECT_EQ(open_file("/nonexistent/x").error().code, ENOENT);
}

TEST_F(LogTest, PatternsChangeAndAreListed) {
    ASSERT_TRUE(set_levels("PATTERN:file:%-5p>%c: %m"));
    kTest.err("x");
    EXPECT_NE(read(path_).find("ERR  >log_test: x\n"), std::string::npos);
    EXPECT_NE(list_patterns().find("FILE     none                              %-5p>%c: %m\n"),
              std::string::npos);
    ASSERT_TRUE(set_levels("PATTERN:file:%D{%Y-%m-%dT%H:%M:%S.###Z}|%05N|%c%T|%p|%m"));
}

TEST(LogPattern, ExpandsEveryConversion) {
    LineContext line;
    line.program = "prog", line.module = "mod", line.message = "msg";
    line.level = Level::kWarn, line.sequence = 42, line.wall_ms = 1'700'000'000'123,
    line.syslog_facility = 24;
    EXPECT_EQ(format_line("%A %B %c %m %N %05N %p %% %t%T|%n", line),
              "prog 28 mod msg 42 00042 WARN % main|\n");
    EXPECT_EQ(format_line("%D{%H:%M:%S.###}", line), "22:13:20.123");
    EXPECT_EQ(format_line("%", line), "");
    EXPECT_EQ(format_line("%D{unfinished", line), "");
    EXPECT_EQ(format_line("%999999m", line).size(), 999U);
}

TEST_F(LogTest, ReopenFollowsRotation) {
    std::filesystem::rename(path_, path_ + ".1");
    kTest.info("old");
    ASSERT_TRUE(reopen());
    kTest.info("new");
    EXPECT_NE(read(path_ + ".1").find("old"), std::string::npos);
    EXPECT_EQ(read(path_).find("old"), std::string::npos);
    EXPECT_NE(read(path_).find("new"), std::string::npos);
    std::filesystem::remove(path_ + ".1");
    close_file();
    kTest.info("nowhere");
    EXPECT_EQ(read(path_).find("nowhere"), std::string::npos);
}

TEST_F(LogTest, RateLimitsCanBeTurnedOff) {
    RateLimit limit{2, 1};
    EXPECT_TRUE(limit.allow());
    EXPECT_TRUE(limit.allow());
    EXPECT_FALSE(limit.allow());
    ASSERT_TRUE(set_rate_limits({"log_test"}, false));
    EXPECT_TRUE(limit.allow(kTest));
    EXPECT_FALSE(limit.allow(kOther));
    ASSERT_TRUE(set_rate_limits({}, false));
    EXPECT_TRUE(limit.allow());
    ASSERT_TRUE(set_rate_limits({}, true));
    EXPECT_FALSE(limit.allow());
    EXPECT_EQ(set_rate_limits({"foo"}, true).error().message, "unknown module");
}

}  // namespace
}  // namespace sluice::log
