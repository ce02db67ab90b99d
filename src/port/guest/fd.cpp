// SPDX-License-Identifier: Apache-2.0
// See port/guest/fd.hpp.
#include "port/guest/fd.hpp"

#include <string_view>

#include <fmt/core.h>

namespace sluice::guest {

bool is_eventfd(int fd) {
    char target[64];
    const auto size = readlink(fmt::format("/proc/self/fd/{}", fd).c_str(), target, sizeof target);
    return size > 0 && std::string_view{target, static_cast<std::size_t>(size)} == "anon_inode:[eventfd]";
}

}  // namespace sluice::guest
