// SPDX-License-Identifier: Apache-2.0
// The thread that talks to guests: every control socket of vhost-user and memif ports is read here, so that
// neither the control thread nor a worker ever waits for a guest. It forwards no packets.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "base/event_loop.hpp"
#include "base/result.hpp"

namespace sluice::guest {

class GuestLoop {
  public:
    /// The process's one, started by the first port that asks and ended with the last. Control thread.
    /// Errors: those of EventLoop::create().
    static Result<std::shared_ptr<GuestLoop>> acquire();
    ~GuestLoop();
    GuestLoop(const GuestLoop&) = delete;
    GuestLoop& operator=(const GuestLoop&) = delete;

    /// Runs `work` on the thread and waits for its end. Control thread.
    void run(const std::function<void()>& work);
    /// For registrations; on the thread itself only.
    EventLoop& events() { return *loop_; }

  private:
    explicit GuestLoop(std::unique_ptr<EventLoop> loop);
    std::unique_ptr<EventLoop> loop_;
    std::thread thread_;
};

}  // namespace sluice::guest
