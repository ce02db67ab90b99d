// SPDX-License-Identifier: Apache-2.0
// Keeps the kernel's own stack away from frames that a switch port has taken: one BPF program at the
// interface's tcx ingress hook that drops everything. Packet sockets see frames before that hook.
#pragma once

#include <cstdint>
#include <utility>

#include "base/result.hpp"

namespace sluice {

/// While attached, nothing received on the interface reaches protocols, bridges or bonds of the kernel. The
/// kernel removes it when the process ends. Control thread.
class StackFilter {
  public:
    StackFilter() = default;
    StackFilter(StackFilter&& other) noexcept : link_(std::exchange(other.link_, -1)) {}
    StackFilter& operator=(StackFilter&&) = delete;
    ~StackFilter() { detach(); }

    /// Errors: the kernel's (EPERM without CAP_BPF or CAP_SYS_ADMIN, EINVAL before Linux 6.6).
    Result<void> attach(std::uint32_t ifindex);
    void detach() noexcept;
    bool attached() const { return link_ >= 0; }

  private:
    int link_ = -1;
};

}  // namespace sluice
