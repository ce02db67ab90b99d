// SPDX-License-Identifier: Apache-2.0
// Packed files of tests/data, for tests.
#pragma once

#include <cstdio>
#include <string>

namespace sluice::openflow {

/// What is packed in an .xz file; empty if it can't be read.
inline std::string unpack(const std::string& path) {
    std::string content;
    if (FILE* pipe = popen(("timeout 60 xz -dc '" + path + "'").c_str(), "r")) {
        char buffer[65536];
        while (const std::size_t n = std::fread(buffer, 1, sizeof buffer, pipe))
            content.append(buffer, n);
        pclose(pipe);
    }
    return content;
}

}  // namespace sluice::openflow
