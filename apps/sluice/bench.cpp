// SPDX-License-Identifier: Apache-2.0
// `sluice bench`: hands over to the runner of the source tree that this program was built in.
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <unistd.h>

#include "commands.hpp"

namespace sluice::cli {

Result<int> bench(char** arguments) {
    std::error_code error;
    const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
    // build/PRESET/bin/sluice
    const auto script = self.parent_path().parent_path().parent_path().parent_path() / "bench" / "bench.py";
    if (error || !std::filesystem::exists(script, error))
        return make_error(
            ENOENT,
            "bench: {} does not exist: the bench is part of the source tree, build there (./run bench)",
            script.string());
    std::string interpreter = "/usr/bin/python3";
    std::string path = script.string();
    std::vector<char*> words{interpreter.data(), path.data()};
    for (; *arguments != nullptr; ++arguments)
        words.push_back(*arguments);
    words.push_back(nullptr);
    ::execv(interpreter.c_str(), words.data());
    const int code = errno;
    return make_error(code, "bench: {}: {}", interpreter,
                      std::strerror(code));  // NOLINT(concurrency-mt-unsafe): one thread
}

}  // namespace sluice::cli
