// SPDX-License-Identifier: Apache-2.0
#include "control/daemon.hpp"

#include <csignal>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/log.hpp"
#include "control/test_util.hpp"

namespace sluice {
namespace {

using testing::HasSubstr;

DaemonDirs dirs_at(const std::string& path) {
    return {path, path, path, path};
}

Result<DaemonOptions> parse(std::vector<const char*> words, const DaemonDirs& dirs = dirs_at("/d")) {
    words.insert(words.begin(), "ovs-vswitchd");
    return parse_daemon_options(static_cast<int>(words.size()), words.data(), dirs);
}

/// Runs `body` in a forked process and waits for its exit code; -1 after ten seconds.
int in_process(const std::function<int()>& body) {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(body());
    const auto limit = clock::now_ms() + 10'000;
    int status = 0;
    while (::waitpid(pid, &status, WNOHANG) == 0) {
        if (clock::now_ms() > limit) {
            ::kill(pid, SIGKILL);
            ::waitpid(pid, &status, 0);
            return -1;
        }
        ::usleep(2000);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool wait_for(const std::function<bool()>& done) {
    const auto limit = clock::now_ms() + 10'000;
    while (!done()) {
        if (clock::now_ms() > limit) return false;
        ::usleep(2000);
    }
    return true;
}

int pid_in(const std::string& pidfile) {
    return read_pidfile(pidfile) ? *read_pidfile(pidfile) : 0;
}

TEST(DaemonOptions, DefaultsAreThoseOfOvs) {
    auto o = parse({});
    ASSERT_TRUE(o);
    EXPECT_EQ(o->database, "unix:/d/db.sock");
    EXPECT_EQ(o->pidfile, "");
    EXPECT_EQ(o->unixctl_path(), "/d/ovs-vswitchd." + std::to_string(::getpid()) + ".ctl");
    EXPECT_FALSE(o->detach || o->monitor || o->log_to_file);
}

TEST(DaemonOptions, EveryOptionIsTaken) {
    auto o = parse({"tcp:[::1]:6640",
                    "--pidfile",
                    "--overwrite-pidfile",
                    "--detach",
                    "--no-chdir",
                    "--monitor",
                    "--no-self-confinement",
                    "--user=a:b",
                    "--log-file",
                    "--syslog-method=null",
                    "--syslog-target=127.0.0.1:514",
                    "--unixctl=x.ctl",
                    "-vdbg",
                    "--verbose=ANY:file:info",
                    "--mlockall",
                    "--disable-system",
                    "--enable-dummy=override",
                    "-p",
                    "/k",
                    "-c",
                    "/c",
                    "--ca-cert=/ca",
                    "--peer-ca-cert=/peer",
                    "--ssl-protocols=TLSv1.2",
                    "-v"});
    ASSERT_TRUE(o) << o.error().message;
    EXPECT_EQ(o->database, "tcp:[::1]:6640");
    EXPECT_EQ(o->pidfile, "/d/ovs-vswitchd.pid");
    EXPECT_EQ(o->log_file, "/d/ovs-vswitchd.log");
    EXPECT_EQ(o->unixctl_path(), "/d/x.ctl");
    EXPECT_EQ(o->verbose, (std::vector<std::string>{"dbg", "ANY:file:info", ""}));
    EXPECT_EQ(o->user, "a:b");
    EXPECT_EQ(o->dummy, "override");
    EXPECT_EQ(o->ssl.private_key + o->ssl.certificate + o->ssl.ca_cert + o->ssl.peer_ca_cert, "/k/c/ca/peer");
    EXPECT_TRUE(o->overwrite_pidfile && o->detach && o->no_chdir && o->monitor && o->mlockall &&
                o->disable_system);
    EXPECT_FALSE(o->self_confinement);
    EXPECT_TRUE(parse({"--bootstrap-ca-cert=/b"})->ssl.bootstrap_ca_cert);
    EXPECT_EQ(parse({"--pidfile=/a/b", "--log-file=c"})->pidfile, "/a/b");
    EXPECT_EQ(parse({"unix:relative.sock"})->database, "unix:/d/relative.sock");
}

TEST(DaemonOptions, MistakesAreNamed) {
    EXPECT_EQ(parse({"--bogus"}).error().message, "unrecognized option '--bogus'; use --help for usage");
    EXPECT_EQ(parse({"-z"}).error().message, "unrecognized option '-z'; use --help for usage");
    EXPECT_EQ(parse({"-p"}).error().message, "option '-p' requires an argument; use --help for usage");
    EXPECT_EQ(parse({"--unixctl"}).error().message,
              "option '--unixctl' requires an argument; use --help for usage");
    EXPECT_EQ(parse({"a", "b"}).error().message,
              "at most one non-option argument accepted; use --help for usage");
    EXPECT_EQ(parse({"--dpdk"}).error().message, "Using --dpdk to configure DPDK is not supported.");
    EXPECT_THAT(parse({"bogus:db"}).error().message, HasSubstr("database \"bogus:db\""));
    EXPECT_FALSE(parse({"--enable-dummy=maybe"}));
}

TEST(DaemonOptions, HelpAndVersion) {
    EXPECT_THAT(parse({"--help"})->text, HasSubstr("usage: ovs-vswitchd [OPTIONS] [DATABASE]\n"));
    EXPECT_EQ(parse({"-h"})->action, DaemonAction::kHelp);
    EXPECT_THAT(parse({"-V"})->text, testing::StartsWith("ovs-vswitchd (Sluice) "));
}

TEST(DaemonOptions, DirectoriesComeFromTheEnvironment) {
    ::setenv("OVS_RUNDIR", "/r", 1);
    ::setenv("OVS_SYSCONFDIR", "/s", 1);
    ::unsetenv("OVS_DBDIR");
    const auto dirs = DaemonDirs::from_environment();
    EXPECT_EQ(dirs.run, "/r");
    EXPECT_EQ(dirs.db, "/s/openvswitch");
    ::unsetenv("OVS_RUNDIR");
    ::unsetenv("OVS_SYSCONFDIR");
    EXPECT_EQ(DaemonDirs::from_environment().run, "/var/run/openvswitch");
}

class DaemonTest : public testing::Test {
  protected:
    DaemonOptions options(std::vector<const char*> words) const {
        words.push_back("--syslog-method=null");
        words.push_back("-vconsole:off");
        return *parse(std::move(words), dirs_at(dir_.path()));
    }
    test::TempDir dir_;
};

TEST_F(DaemonTest, ASecondStartSaysWhoIsRunning) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    const pid_t holder = ::fork();
    if (holder == 0) {
        Daemon daemon(options({"--pidfile"}));
        if (!daemon.start()) ::_exit(1);
        (void)!::write(ends[1], "x", 1);
        while (true)
            ::pause();
    }
    char byte = 0;
    ASSERT_EQ(::read(ends[0], &byte, 1), 1);
    EXPECT_EQ(test::read_text(dir_ / "ovs-vswitchd.pid"), std::to_string(holder) + "\n");
    EXPECT_EQ(pid_in(dir_ / "ovs-vswitchd.pid"), holder);
    const auto expected = (dir_ / "ovs-vswitchd.pid") + ": already running as pid " + std::to_string(holder);
    EXPECT_EQ(
        in_process([&] {
            Daemon second(options({"--pidfile"}));
            const auto result = second.start();
            return !result && result.error().code == EEXIST && result.error().message.find(expected) == 0 ? 0
                                                                                                          : 1;
        }),
        0);
    EXPECT_EQ(in_process([&] {
                  return Daemon(options({"--pidfile", "--overwrite-pidfile"})).start() ? 0 : 1;
              }),
              0);
    ::kill(holder, SIGKILL);
    ::waitpid(holder, nullptr, 0);
    // What a killed daemon leaves behind is no obstacle, and an orderly end removes the file.
    EXPECT_EQ(in_process([&] { return Daemon(options({"--pidfile"})).start() ? 0 : 1; }), 0);
    EXPECT_FALSE(std::filesystem::exists(dir_ / "ovs-vswitchd.pid"));
    ::close(ends[0]);
    ::close(ends[1]);
}

TEST_F(DaemonTest, DetachReturnsWhenTheWorkHasBegun) {
    const auto flag = dir_ / "working";
    EXPECT_EQ(in_process([&] {
                  Daemon daemon(options({"--pidfile", "--detach", "--log-file"}));
                  if (!daemon.start()) return 1;
                  ::usleep(50'000);
                  std::ofstream(flag) << "yes";
                  daemon.complete();
                  while (true)
                      ::pause();
              }),
              0);
    EXPECT_TRUE(std::filesystem::exists(flag));
    EXPECT_THAT(test::read_text(dir_ / "ovs-vswitchd.log"), HasSubstr("|vlog|INFO|opened log file"));
    const int pid = pid_in(dir_ / "ovs-vswitchd.pid");
    ASSERT_GT(pid, 0);
    ::kill(pid, SIGKILL);
}

TEST_F(DaemonTest, DetachFailsWhenTheChildDoes) {
    EXPECT_EQ(in_process([&] {
                  Daemon daemon(options({"--detach"}));
                  if (!daemon.start()) return 1;
                  ::_exit(7);
              }),
              7);
}

TEST_F(DaemonTest, MonitorRestartsAfterACrashAndPassesOnTheEnd) {
    const pid_t monitor = ::fork();
    if (monitor == 0) {
        Daemon daemon(options({"--pidfile", "--monitor"}));
        if (!daemon.start()) ::_exit(1);
        daemon.complete();
        std::signal(SIGABRT, SIG_DFL);
        while (true)
            ::pause();
    }
    const auto pidfile = dir_ / "ovs-vswitchd.pid";
    ASSERT_TRUE(wait_for([&] { return pid_in(pidfile) > 0; }));
    const int first = pid_in(pidfile);
    EXPECT_NE(first, monitor);
    ::kill(first, SIGABRT);
    ASSERT_TRUE(wait_for([&] { return pid_in(pidfile) > 0 && pid_in(pidfile) != first; }));
    ::kill(monitor, SIGTERM);
    int status = -1;
    ASSERT_TRUE(wait_for([&] { return ::waitpid(monitor, &status, WNOHANG) == monitor; }));
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(pid_in(pidfile), 0);
}

TEST_F(DaemonTest, BadLogOptionsAndFoldersAreNamed) {
    EXPECT_EQ(Daemon(options({"-vfoo:bar"})).start().error().message,
              "processing \"foo:bar\": no destination, level, or module \"foo\"");
    EXPECT_THAT(Daemon(options({"--pidfile=/nonexistent/x"})).start().error().message,
                HasSubstr("/nonexistent/x"));
    Daemon nobody(options({"--user=no-such-user-here"}));
    for (const auto& refused : {nobody.start(), nobody.drop_privileges()})
        EXPECT_THAT(refused.error().message, HasSubstr("there is no user \"no-such-user-here\""));
}

}  // namespace
}  // namespace sluice
