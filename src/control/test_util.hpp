// SPDX-License-Identifier: Apache-2.0
// Helpers of the tests of this folder: temporary folders, child processes, waiting for a condition.
#pragma once

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <string>
#include <vector>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include "base/clock.hpp"
#include "base/event_loop.hpp"

namespace sluice::test {

/// A folder that goes away with the object.
class TempDir {
  public:
    TempDir() {
        std::string name = std::filesystem::temp_directory_path() / "sluice-XXXXXX";
        if (::mkdtemp(name.data()) == nullptr) std::abort();
        path_ = name;
    }
    ~TempDir() { std::filesystem::remove_all(path_); }
    TempDir(const TempDir&) = delete;
    TempDir& operator=(const TempDir&) = delete;
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }
    const std::string& path() const { return path_; }

  private:
    std::string path_;
};

inline std::string read_text(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
}

/// A child process; killed and reaped with the object. Its output goes to `output` (a file), or nowhere.
class Child {
  public:
    explicit Child(const std::vector<std::string>& words, const std::string& output = "/dev/null") {
        pid_ = ::fork();
        if (pid_ != 0) return;
        const int fd = ::open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        ::dup2(fd, STDOUT_FILENO);
        ::dup2(fd, STDERR_FILENO);
        std::vector<char*> argv;
        for (const auto& word : words)
            argv.push_back(const_cast<char*>(word.c_str()));
        argv.push_back(nullptr);
        ::execvp(argv[0], argv.data());
        ::_exit(127);
    }
    ~Child() { stop(SIGKILL); }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    void stop(int signal) {
        if (pid_ <= 0) return;
        ::kill(pid_, signal);
        int status = 0;
        while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
        }
        pid_ = -1;
    }
    /// Has it ended? Then `status()` is its wait status.
    bool ended() {
        if (pid_ > 0 && ::waitpid(pid_, &status_, WNOHANG) == pid_) pid_ = -1;
        return pid_ <= 0;
    }
    int status() const { return status_; }
    pid_t pid() const { return pid_; }

  private:
    pid_t pid_ = -1;
    int status_ = 0;
};

/// Runs the loop until `done` or the deadline; false then.
inline bool run_until(EventLoop& loop, const std::function<bool()>& done, std::int64_t timeout_ms = 10'000) {
    const auto limit = clock::now_ms() + timeout_ms;
    while (!done()) {
        if (clock::now_ms() > limit) return false;
        loop.run_once(10);
    }
    return true;
}

/// Runs a program while the loop serves it; its output (both streams) is returned, its exit code stored.
inline std::string run_beside(EventLoop& loop, const TempDir& dir, const std::vector<std::string>& words,
                              int* exit_code = nullptr) {
    const auto file = dir / "output";
    Child child(words, file);
    EXPECT_TRUE(run_until(loop, [&] { return child.ended(); })) << words[0];
    if (exit_code != nullptr) *exit_code = WEXITSTATUS(child.status());
    return read_text(file);
}

/// Runs a shell command to its end; true if it exits with 0.
inline bool shell(const std::string& command) {
    return std::system(("{ " + command + "; } >/dev/null 2>&1").c_str()) ==
           0;  // NOLINT(concurrency-mt-unsafe)
}

}  // namespace sluice::test
