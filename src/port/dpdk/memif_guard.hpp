// SPDX-License-Identifier: Apache-2.0
// Two gaps of DPDK 22.11's net_memif, closed from outside.
//
// 1. When the peer goes, the driver clears its "connected" flag and frees the shared memory on DPDK's
// interrupt
//    thread, while a worker that saw the flag a moment earlier may still copy a burst. MemifGuard marks
//    bursts, and our own rte_intr_callback_unregister, which the driver calls between the two steps, waits
//    for them to end.
// 2. Control thread and interrupt thread change the driver's lists without a common lock; with both ends in
// one
//    process, closing one end makes the interrupt thread take down the other while that is being closed too.
//    on_interrupt_thread() makes all such changes on one thread.
#pragma once

#include <atomic>
#include <functional>
#include <string>

namespace sluice {

/// True for devices of the net_memif driver, by devargs or device name.
bool is_memif(const std::string& device);

/// Runs `work` on DPDK's interrupt thread and waits for its end; directly if there is none. `work` does not
/// throw. Control thread.
void on_interrupt_thread(const std::function<void()>& work);

/// Of one queue and direction. Made and destroyed by the control thread, used by the queue's worker.
class alignas(64) MemifGuard {
  public:
    MemifGuard();
    ~MemifGuard();
    MemifGuard(const MemifGuard&) = delete;
    MemifGuard& operator=(const MemifGuard&) = delete;

    void enter() noexcept { busy_.store(true, std::memory_order_seq_cst); }
    void leave() noexcept { busy_.store(false, std::memory_order_release); }
    /// Waits until every burst that began before the call has ended.
    static void wait_for_bursts() noexcept;

  private:
    std::atomic<bool> busy_{false};
};

}  // namespace sluice
