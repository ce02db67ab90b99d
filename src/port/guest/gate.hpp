// SPDX-License-Identifier: Apache-2.0
// Gate: keeps workers out of a guest's memory that is about to go.
#pragma once

#include <atomic>
#include <thread>

#include <rte_pause.h>

namespace sluice::guest {

/// A worker is inside for the length of a burst, one at a time; the guests' thread closes the gate and then
/// waits until nobody is inside.
class Gate {
  public:
    enum class Wait : bool { kNo, kYes };

    /// A worker inside; converts to false when it has to stay out.
    class Visit {
      public:
        Visit(Gate& gate, Wait wait) noexcept : gate_(gate) {
            if (!gate.open_.load(std::memory_order_relaxed)) return;
            while (gate.busy_.exchange(true, std::memory_order_seq_cst)) {
                if (wait == Wait::kNo) return;
                while (gate.busy_.load(std::memory_order_relaxed))
                    rte_pause();
            }
            inside_ = true;
            // Pairs with close(): either it sees us inside, or we see the gate closed.
            allowed_ = gate.open_.load(std::memory_order_seq_cst);
        }
        ~Visit() {
            if (inside_) gate_.busy_.store(false, std::memory_order_release);
        }
        Visit(const Visit&) = delete;
        Visit& operator=(const Visit&) = delete;
        explicit operator bool() const noexcept { return allowed_; }

      private:
        Gate& gate_;
        bool inside_ = false;
        bool allowed_ = false;
    };

    // Guests' thread.
    void open() { open_.store(true, std::memory_order_seq_cst); }
    /// Returns when nobody is inside.
    void close() {
        open_.store(false, std::memory_order_seq_cst);
        while (busy_.exchange(true, std::memory_order_seq_cst))
            std::this_thread::yield();
        busy_.store(false, std::memory_order_release);
    }
    /// Lets nobody else in; from inside.
    void shut() noexcept { open_.store(false, std::memory_order_relaxed); }

  private:
    std::atomic<bool> busy_{false};
    std::atomic<bool> open_{false};
};

}  // namespace sluice::guest
