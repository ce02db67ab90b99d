// SPDX-License-Identifier: Apache-2.0
// See port/guest/guest_loop.hpp.
#include "port/guest/guest_loop.hpp"

#include <csignal>
#include <future>

#include <pthread.h>

namespace sluice::guest {

Result<std::shared_ptr<GuestLoop>> GuestLoop::acquire() {
    static std::weak_ptr<GuestLoop> current;
    if (auto running = current.lock()) return running;
    auto loop = EventLoop::create();
    if (!loop) return loop.error();
    std::shared_ptr<GuestLoop> made{new GuestLoop(std::move(*loop))};
    current = made;
    return made;
}

GuestLoop::GuestLoop(std::unique_ptr<EventLoop> loop) : loop_(std::move(loop)) {
    // Signals are the control thread's.
    sigset_t all, before;
    sigfillset(&all);
    sigdelset(&all, SIGBUS);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    thread_ = std::thread([this] {
        pthread_setname_np(pthread_self(), "guests");
        loop_->run();
    });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

GuestLoop::~GuestLoop() {
    loop_->stop();
    thread_.join();
}

void GuestLoop::run(const std::function<void()>& work) {
    std::promise<void> done;
    loop_->post([&] {
        work();
        done.set_value();
    });
    done.get_future().wait();
}

}  // namespace sluice::guest
