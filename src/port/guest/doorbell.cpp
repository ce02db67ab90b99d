// SPDX-License-Identifier: Apache-2.0
// See port/guest/doorbell.hpp.
#include "port/guest/doorbell.hpp"

#include <cstdint>

#include <sys/epoll.h>
#include <sys/eventfd.h>

namespace sluice::guest {

Doorbell::Doorbell() : epoll_(epoll_create1(EPOLL_CLOEXEC)), own_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
    watch(own_.get());
}

bool Doorbell::watch(int kick_fd) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    return epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, kick_fd, &event) == 0;
}

void Doorbell::forget(int kick_fd) {
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, kick_fd, nullptr);
}

void Doorbell::ring() noexcept {
    const std::uint64_t one = 1;
    [[maybe_unused]] const auto written = ::write(own_.get(), &one, sizeof one);
}

void Doorbell::clear() noexcept {
    epoll_event events[4];
    while (epoll_wait(epoll_.get(), events, 4, 0) == 4) {
    }
}

}  // namespace sluice::guest
