// SPDX-License-Identifier: Apache-2.0
// See port/dpdk/memif_guard.hpp.
#include "port/dpdk/memif_guard.hpp"

#include <algorithm>
#include <atomic>
#include <future>
#include <mutex>
#include <thread>
#include <vector>

#include <dlfcn.h>

#include <rte_alarm.h>
#include <rte_interrupts.h>

namespace sluice {
namespace {

struct Guards {
    std::mutex mutex;
    std::vector<MemifGuard*> list;
};
Guards& guards() {
    static Guards all;
    return all;
}

struct Errand {
    const std::function<void()>& work;
    std::promise<void> done;
};

/// Hands the errand over: DPDK's own locks do it too, but what checks our threads does not see those.
std::atomic<Errand*> next_errand{nullptr};

void run_errand(void* /*opaque*/) {
    Errand* errand = next_errand.exchange(nullptr, std::memory_order_acquire);
    errand->work();
    errand->done.set_value();
}

}  // namespace

bool is_memif(const std::string& device) {
    return device.find("net_memif") != std::string::npos;
}

void on_interrupt_thread(const std::function<void()>& work) {
    Errand errand{work, {}};
    auto done = errand.done.get_future();
    next_errand.store(&errand, std::memory_order_release);
    if (rte_eal_alarm_set(1, run_errand, nullptr) != 0) return work();
    done.wait();
}

MemifGuard::MemifGuard() {
    const std::lock_guard lock{guards().mutex};
    guards().list.push_back(this);
}

MemifGuard::~MemifGuard() {
    const std::lock_guard lock{guards().mutex};
    std::erase(guards().list, this);
}

void MemifGuard::wait_for_bursts() noexcept {
    // Pairs with enter(): either the worker's burst sees what the driver cleared, or it is seen here.
    std::atomic_thread_fence(std::memory_order_seq_cst);
    const std::lock_guard lock{guards().mutex};
    for (const MemifGuard* guard : guards().list)
        while (guard->busy_.load(std::memory_order_acquire))
            std::this_thread::yield();
}

}  // namespace sluice

// Found before DPDK's by the dynamic linker; does the same after the wait. Other drivers wait a burst in
// vain.
extern "C" int rte_intr_callback_unregister(const struct rte_intr_handle* handle,
                                            rte_intr_callback_fn callback, void* argument) {
    using Function = int (*)(const struct rte_intr_handle*, rte_intr_callback_fn, void*);
    static const auto next = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "rte_intr_callback_unregister"));
    sluice::MemifGuard::wait_for_bursts();
    return next(handle, callback, argument);
}
