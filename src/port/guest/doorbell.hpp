// SPDX-License-Identifier: Apache-2.0
// What a worker sleeps on while a guest has nothing for it.
#pragma once

#include "port/guest/fd.hpp"

namespace sluice::guest {

/// A receive queue's side of sleeping: an epoll descriptor that stays the same while guests and their kick
/// descriptors come and go. Nothing is ever read from a guest's descriptor (it might block): it is watched
/// edge-triggered.
class Doorbell {
  public:
    Doorbell();
    int fd() const { return epoll_.get(); }
    /// Adds a guest's kick descriptor. False: it cannot be polled. Guests' thread.
    bool watch(int kick_fd);
    void forget(int kick_fd);
    void ring() noexcept;   ///< wakes the sleeper; any thread
    void clear() noexcept;  ///< forgets what rang; the worker

  private:
    Fd epoll_, own_;
};

}  // namespace sluice::guest
