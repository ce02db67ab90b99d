// SPDX-License-Identifier: Apache-2.0
// Forking, pidfile, log set-up. The order matters: log options first (so that failures are seen), then the
// fork of --detach, the fork of --monitor, and the pidfile last, in the process that does the work, because
// fcntl locks aren't inherited.
#include "control/daemon.hpp"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.hpp"
#include "base/log.hpp"

namespace sluice {
namespace {

const log::Module kLog{"daemon_unix"};

struct flock whole_file_lock() {
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    return lock;
}

std::string strerror_text(int code) {
    return std::strerror(code);
}

/// Reads one byte; false if the writer died without sending it.
bool wait_for_byte(int fd) {
    char byte = 0;
    while (true) {
        const auto n = ::read(fd, &byte, 1);
        if (n == 1) return true;
        if (n == 0 || errno != EINTR) return false;
    }
}

volatile std::sig_atomic_t g_monitored_child = 0;

/// The monitor hands its death signals on and ends when its child does.
extern "C" void forward_signal(int signal) {
    if (g_monitored_child > 0) ::kill(static_cast<pid_t>(g_monitored_child), signal);
}

std::string describe_status(int status) {
    if (WIFEXITED(status)) return fmt::format("exit status {}", WEXITSTATUS(status));
    return fmt::format("killed ({}){}", strsignal(WTERMSIG(status)),
                       WCOREDUMP(status) ? ", core dumped" : "");
}

/// What the switch needs once it is no longer root: kernel ports, packet sockets, locked memory, AF_XDP.
/// (docs/howto/run-without-root.md tells of them.)
constexpr unsigned kKeptCapabilities[] = {CAP_NET_ADMIN, CAP_NET_RAW, CAP_IPC_LOCK, CAP_BPF};

/// Reduces the capabilities of this thread to those above that it is permitted, and makes them effective.
bool keep_capabilities() {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {};
    if (::syscall(SYS_capget, &header, sets) != 0) return false;
    std::uint32_t kept[_LINUX_CAPABILITY_U32S_3] = {};
    for (const unsigned capability : kKeptCapabilities)
        kept[CAP_TO_INDEX(capability)] |= CAP_TO_MASK(capability);
    for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; ++i) {
        sets[i].permitted &= kept[i];
        sets[i].effective = sets[i].permitted;
        sets[i].inheritable = 0;
    }
    return ::syscall(SYS_capset, &header, sets) == 0;
}

struct Identity {
    std::string name;
    uid_t uid = 0;
    gid_t gid = 0;
};

/// Of --user=USER[:GROUP]; an empty USER is the present one.
Result<Identity> find_identity(const std::string& spec) {
    const auto colon = spec.find(':');
    const auto user = spec.substr(0, colon);
    const passwd* entry = user.empty() ? ::getpwuid(::getuid()) : ::getpwnam(user.c_str());  // NOLINT
    if (entry == nullptr) return make_error(ENOENT, "--user={}: there is no user \"{}\"", spec, user);
    Identity identity{entry->pw_name, entry->pw_uid, entry->pw_gid};
    if (colon != std::string::npos) {
        const auto group = spec.substr(colon + 1);
        if (group.empty()) return make_error(EINVAL, "--user={}: a group name must follow ':'", spec);
        const auto* found = ::getgrnam(group.c_str());  // NOLINT
        if (found == nullptr) return make_error(ENOENT, "--user={}: there is no group \"{}\"", spec, group);
        identity.gid = found->gr_gid;
    }
    return identity;
}

bool is_crash(int status) {
    if (!WIFSIGNALED(status)) return false;
    switch (WTERMSIG(status)) {
        case SIGABRT:
        case SIGALRM:
        case SIGBUS:
        case SIGFPE:
        case SIGILL:
        case SIGPIPE:
        case SIGSEGV:
        case SIGXCPU:
        case SIGXFSZ:
            return true;
        default:
            return false;
    }
}

}  // namespace

struct Daemon::Impl {
    explicit Impl(DaemonOptions o) : options(std::move(o)) {}
    DaemonOptions options;
    int pidfile_fd = -1;
    pid_t pidfile_owner = 0;
    int notify_fd = -1;  ///< to the process waiting for `complete()`
    bool completed = false;

    Result<void> set_up_log() {
        log::set_program_name(options.program);
        const char* method =
            std::getenv("OVS_SYSLOG_METHOD");  // NOLINT(concurrency-mt-unsafe): before threads
        if (!options.syslog_method.empty() || (method != nullptr && *method != '\0'))
            if (auto ok =
                    log::set_syslog_method(options.syslog_method.empty() ? method : options.syslog_method);
                !ok)
                return ok;
        if (!options.syslog_target.empty())
            if (auto ok = log::set_syslog_target(options.syslog_target); !ok) return ok;
        for (const auto& spec : options.verbose)
            if (auto ok = log::set_levels(spec); !ok)
                return make_error(EINVAL, "processing \"{}\": {}", spec, ok.error().message);
        if (options.log_to_file) return log::open_file(options.log_file);
        return {};
    }

    /// Forks; the parent waits until the child (or a grandchild) has completed and then exits. In the child,
    /// notify_fd is the way to say so.
    Result<void> detach() {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) return make_error(errno, "detach: {}", strerror_text(errno));
        const pid_t child = ::fork();
        if (child < 0) return make_error(errno, "could not fork: {}", strerror_text(errno));
        if (child > 0) {
            ::close(ends[1]);
            if (wait_for_byte(ends[0])) ::_exit(0);
            int status = 0;
            while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
            }
            if (WIFEXITED(status) && WEXITSTATUS(status) != 0) ::_exit(WEXITSTATUS(status));
            const auto text = fmt::format("{}: could not initiate process startup ({})\n", options.program,
                                          describe_status(status));
            (void)!::write(STDERR_FILENO, text.data(), text.size());
            ::_exit(1);
        }
        ::close(ends[0]);
        notify_fd = ends[1];
        ::setsid();
        return {};
    }

    void tell_parent() {
        if (notify_fd < 0) return;
        (void)!::write(notify_fd, "", 1);
        ::close(notify_fd);
        notify_fd = -1;
    }

    /// Returns in the child that is to work; the calling process becomes its monitor and never returns.
    Result<void> start_monitor() {
        for (int round = 0;; ++round) {
            const auto started_ms = clock::now_ms();
            int ends[2];
            if (::pipe2(ends, O_CLOEXEC) != 0) return make_error(errno, "monitor: {}", strerror_text(errno));
            const pid_t child = ::fork();
            if (child < 0) return make_error(errno, "could not fork: {}", strerror_text(errno));
            if (child == 0) {
                for (const int signal : {SIGTERM, SIGINT, SIGHUP})
                    std::signal(signal, SIG_DFL);
                ::close(ends[0]);
                if (notify_fd >= 0) ::close(notify_fd);
                notify_fd = ends[1];
                return {};
            }
            ::close(ends[1]);
            g_monitored_child = child;
            for (const int signal : {SIGTERM, SIGINT, SIGHUP})
                std::signal(signal, forward_signal);
            if (wait_for_byte(ends[0])) {
                tell_parent();
                if (options.detach) release_terminal();
            }
            ::close(ends[0]);
            int status = 0;
            while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
            }
            g_monitored_child = 0;
            if (!is_crash(status)) ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 0);
            if (notify_fd >= 0 && round == 0) ::_exit(1);  // died before it ever worked
            kLog.err("{} crashes: pid {} died, {}, restarting", round + 1, child, describe_status(status));
            // At most one start in ten seconds, so that a crash at start doesn't eat the machine.
            const auto pause_ms = round == 0 ? 0 : 10'000 - (clock::now_ms() - started_ms);
            if (pause_ms > 0) ::usleep(static_cast<useconds_t>(pause_ms * 1000));
        }
    }

    Result<void> write_pidfile() {
        const auto& path = options.pidfile;
        if (path.empty()) return {};
        if (auto holder = read_pidfile(path); holder && *holder > 0 && !options.overwrite_pidfile)
            return make_error(
                EEXIST,
                "{}: already running as pid {}, aborting (stop it first, \"ovs-appctl -t {} exit\" or "
                "\"systemctl stop ovs-vswitchd\", or use another OVS_RUNDIR)",
                path, *holder, options.program);
        // The file appears under its name only when it is complete and locked.
        const auto temporary = fmt::format("{}.tmp{}", path, ::getpid());
        pidfile_fd = ::open(temporary.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
        if (pidfile_fd < 0)
            return make_error(errno, "{}: create failed ({})", temporary, strerror_text(errno));
        const auto text = fmt::format("{}\n", ::getpid());
        auto lock = whole_file_lock();
        if (::fcntl(pidfile_fd, F_SETLK, &lock) != 0 ||
            ::write(pidfile_fd, text.data(), text.size()) != static_cast<ssize_t>(text.size()) ||
            ::rename(temporary.c_str(), path.c_str()) != 0) {
            const int error = errno;
            ::unlink(temporary.c_str());
            return make_error(error, "{}: cannot write pidfile: {}", path, strerror_text(error));
        }
        pidfile_owner = ::getpid();
        return {};
    }

    void remove_pidfile() {
        if (pidfile_fd < 0 || pidfile_owner != ::getpid()) return;
        struct stat mine {
        }, there{};
        if (::fstat(pidfile_fd, &mine) == 0 && ::stat(options.pidfile.c_str(), &there) == 0 &&
            mine.st_ino == there.st_ino && mine.st_dev == there.st_dev)
            ::unlink(options.pidfile.c_str());
        ::close(pidfile_fd);
        pidfile_fd = -1;
    }

    static void release_terminal() {
        const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null < 0) return;
        for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
            ::dup2(null, fd);
        if (null > STDERR_FILENO) ::close(null);
        log::disable_console();
    }
};

Daemon::Daemon(DaemonOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}

Daemon::~Daemon() {
    impl_->remove_pidfile();
    if (impl_->notify_fd >= 0) ::close(impl_->notify_fd);
}

Result<void> Daemon::start() {
    auto& o = impl_->options;
    if (auto ok = impl_->set_up_log(); !ok) return ok;
    if (!o.user.empty())
        if (auto identity = find_identity(o.user); !identity) return identity.error();
    // A second start fails here, in the foreground, where its sentence is seen best.
    if (!o.pidfile.empty() && !o.overwrite_pidfile)
        if (auto holder = read_pidfile(o.pidfile); holder && *holder > 0)
            if (auto refused = impl_->write_pidfile(); !refused) return refused;
    if (o.detach)
        if (auto ok = impl_->detach(); !ok) return ok;
    if (o.monitor)
        if (auto ok = impl_->start_monitor(); !ok) return ok;
    if (auto ok = impl_->write_pidfile(); !ok) return ok;
    if (o.mlockall && ::mlockall(MCL_CURRENT | MCL_FUTURE) != 0)
        kLog.err("mlockall failed: {}", strerror_text(errno));
    if (o.detach && !o.no_chdir && ::chdir("/") != 0) kLog.warn("chdir to /: {}", strerror_text(errno));
    return {};
}

void Daemon::complete() {
    if (impl_->completed) return;
    impl_->completed = true;
    impl_->tell_parent();
    if (impl_->options.detach) Impl::release_terminal();
}

Result<void> Daemon::drop_privileges() {
    const auto& spec = impl_->options.user;
    if (spec.empty()) return {};
    const auto identity = find_identity(spec);
    if (!identity) return identity.error();
    if (::geteuid() == identity->uid && ::getegid() == identity->gid) return {};
    // Capabilities belong to threads: workers are made by this one and get them; those of DPDK need none.
    if (::prctl(PR_SET_KEEPCAPS, 1) != 0 || ::setgid(identity->gid) != 0 ||
        ::initgroups(identity->name.c_str(), identity->gid) != 0 || ::setuid(identity->uid) != 0 ||
        !keep_capabilities())
        return make_error(errno, "--user={}: {}", spec, strerror_text(errno));
    return {};
}

const DaemonOptions& Daemon::options() const {
    return impl_->options;
}

Result<int> read_pidfile(const std::string& path) {
    const int fd = ::open(path.c_str(), O_RDWR | O_CLOEXEC);
    if (fd < 0) {
        if (errno == ENOENT) return 0;
        return make_error(errno, "{}: open: {}", path, strerror_text(errno));
    }
    auto lock = whole_file_lock();
    const int rc = ::fcntl(fd, F_GETLK, &lock);
    const int error = errno;
    ::close(fd);
    if (rc != 0) return make_error(error, "{}: fcntl(F_GETLK): {}", path, strerror_text(error));
    return lock.l_type == F_UNLCK ? 0 : static_cast<int>(lock.l_pid);
}

}  // namespace sluice
