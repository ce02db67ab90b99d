// SPDX-License-Identifier: Apache-2.0
// sluiced: Open vSwitch's daemon to the outside, Sluice inside.
#include <csignal>
#include <cstdio>
#include <cstdlib>

#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.hpp"
#include "base/event_loop.hpp"
#include "base/log.hpp"
#include "control/commands/commands.hpp"
#include "control/daemon.hpp"
#include "control/reconcile.hpp"
#include "control/unixctl.hpp"
#include "port/port.hpp"

namespace {

using namespace sluice;

const log::Module kLog{"vswitchd"};

constexpr std::int64_t kFlushMs = 500;  // for the reply to `exit` to reach its client

/// Signals as events: TERM, INT and ALRM end the daemon, HUP opens the log again.
class Signals {
  public:
    /// Before any thread starts, so that all inherit the mask.
    Signals() {
        sigemptyset(&mask_);
        for (const int signal : {SIGTERM, SIGINT, SIGALRM, SIGHUP})
            sigaddset(&mask_, signal);
        pthread_sigmask(SIG_BLOCK, &mask_, nullptr);
        std::signal(SIGPIPE, SIG_IGN);
        fd_ = ::signalfd(-1, &mask_, SFD_NONBLOCK | SFD_CLOEXEC);
    }
    ~Signals() {
        watch_.reset();
        if (fd_ >= 0) ::close(fd_);
    }
    Signals(const Signals&) = delete;
    Signals& operator=(const Signals&) = delete;

    void attach(EventLoop& loop) {
        watch_ = loop.watch(fd_, EventLoop::kRead, [this, &loop](unsigned) {
            signalfd_siginfo info{};
            while (::read(fd_, &info, sizeof info) == sizeof info) {
                if (info.ssi_signo == SIGHUP) {
                    if (auto ok = log::reopen(); !ok) kLog.warn("{}", ok.error().message);
                    continue;
                }
                kLog.info("terminating on signal {}", info.ssi_signo);
                loop.stop();
            }
        });
    }

  private:
    sigset_t mask_{};
    int fd_ = -1;
    Watch watch_;
};

int fail(const Error& error) {
    kLog.err("{}", error.message);
    std::fprintf(stderr, "ovs-vswitchd: %s\n", error.message.c_str());
    return EXIT_FAILURE;
}

DummyLevel dummy_level_of(const DaemonOptions& options) {
    if (options.dummy.empty()) return DummyLevel::kNone;
    return options.dummy == "override" ? DummyLevel::kOverride
           : options.dummy == "system" ? DummyLevel::kSystem
                                       : DummyLevel::kEnable;
}

int run(Daemon& daemon) {
    const DaemonOptions& options = daemon.options();
    set_dummy_level(dummy_level_of(options));
    Signals signals;
    auto loop = EventLoop::create();
    if (!loop) return fail(loop.error());
    signals.attach(**loop);

    auto server = UnixctlServer::create(**loop, options.unixctl_path(), daemon_version_line());
    if (!server) return fail(server.error());

    int status = EXIT_SUCCESS;
    Reconciler::Handlers handlers;
    handlers.on_started = [&](Switch&) {
        if (auto ok = daemon.drop_privileges(); !ok) {
            status = fail(ok.error());
            (*loop)->stop();
        }
    };
    handlers.on_configured = [&] { daemon.complete(); };
    handlers.on_fatal = [&](const Error& error) {
        status = fail(error);
        (*loop)->stop();
    };
    Reconciler reconciler(**loop, {options.database, options.dirs.run, options.ssl}, std::move(handlers));
    commands::Context context{**loop, **server, reconciler, [&](bool) { (*loop)->stop(); }};
    commands::add_all(context);
    reconciler.start();
    kLog.info("{}", daemon_version_line());
    (*loop)->run();

    const std::int64_t deadline = clock::machine_ms() + kFlushMs;
    while ((*server)->queued_bytes() > 0 && clock::machine_ms() < deadline)
        (*loop)->run_once(10);
    commands::stop(context);
    return status;
}

}  // namespace

int main(int argc, char** argv) {
    auto options = parse_daemon_options(argc, argv);
    if (!options) {
        std::fprintf(stderr, "ovs-vswitchd: %s\n", options.error().message.c_str());
        return EXIT_FAILURE;
    }
    if (options->action != DaemonAction::kRun) {
        std::fputs(options->text.c_str(), stdout);
        return EXIT_SUCCESS;
    }
    Daemon daemon(*options);
    if (auto ok = daemon.start(); !ok) return fail(ok.error());
    return run(daemon);
}
