// SPDX-License-Identifier: Apache-2.0
// Read-copy-update by quiescent states (QSBR): how the control thread changes what workers read.
//
// Each worker owns a Reader. It is online while it may hold pointers into shared structures, and calls
// quiescent() between batches, when it holds none. The control thread unlinks an object, then hands it
// to retire(): it is destroyed by a later reclaim() once every reader that was online has been quiescent
// (or offline) since. A sleeping worker goes offline, so it never delays anybody. point()/passed() ask
// the same question without an object: that is how barriers wait for workers.
//
// Why not rte_rcu: the classifier and the bridge build, test and fuzz without EAL, and this is one page.
// Costs: reader: one load and one store a batch, to a line of its own. Writer: O(readers) a check.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

namespace sluice {

class Rcu {
  public:
    static constexpr unsigned kMaxReaders = 130;

    /// One reading thread. Not copied; destroyed (offline) before the Rcu.
    class Reader {
      public:
        /// Marks this thread as reading from now on. Thread: the owner.
        void online() noexcept {
            seen_.store(rcu_->epoch_.load(std::memory_order_relaxed), std::memory_order_seq_cst);
            // A seq_cst exchange orders the mark before any later load of a shared pointer.
            seen_.exchange(rcu_->epoch_.load(std::memory_order_acquire), std::memory_order_seq_cst);
        }
        /// This thread holds no pointer into shared structures right now.
        void quiescent() noexcept {
            const std::uint64_t now = rcu_->epoch_.load(std::memory_order_acquire);
            if (seen_.load(std::memory_order_relaxed) != now) seen_.exchange(now, std::memory_order_seq_cst);
        }
        /// Holds nothing until the next online().
        void offline() noexcept { seen_.store(kOffline, std::memory_order_release); }

      private:
        friend class Rcu;
        static constexpr std::uint64_t kOffline = 0;
        Rcu* rcu_ = nullptr;
        alignas(64) std::atomic<std::uint64_t> seen_{kOffline};  // writer: the worker; reader: control
        std::atomic<bool> used_{false};
    };

    Rcu();
    /// Destroys everything still retired; no reader may be online.
    ~Rcu();
    Rcu(const Rcu&) = delete;
    Rcu& operator=(const Rcu&) = delete;

    /// Control thread. nullptr when kMaxReaders are in use.
    Reader* add_reader();
    /// Control thread; the reader is offline.
    void remove_reader(Reader* reader);

    /// A moment; passed() becomes true when each reader has been quiescent or offline since it.
    using Point = std::uint64_t;
    Point point() noexcept { return epoch_.fetch_add(1, std::memory_order_seq_cst) + 1; }
    bool passed(Point point) const noexcept;
    /// Waits for `point` by spinning, at most `max_ns`. Returns passed(point).
    bool spin_until_passed(Point point, std::uint64_t max_ns) const noexcept;

    /// Control thread: runs `destroy` after a grace period, from reclaim().
    void retire(std::function<void()> destroy);
    template <typename T>
    void retire(std::unique_ptr<T> object) {
        if (object) retire([raw = object.release()] { delete raw; });
    }
    /// Control thread: destroys what can be destroyed now; returns how much still waits.
    std::size_t reclaim();

  private:
    struct Retired {
        Point point;
        std::function<void()> destroy;
    };
    alignas(64) std::atomic<std::uint64_t> epoch_{1};
    std::array<Reader, kMaxReaders> readers_;
    std::deque<Retired> retired_;
};

/// A pointer that the control thread swaps and workers read.
template <typename T>
class RcuPtr {
  public:
    RcuPtr() = default;
    ~RcuPtr() { delete pointer_.load(std::memory_order_relaxed); }
    RcuPtr(const RcuPtr&) = delete;
    RcuPtr& operator=(const RcuPtr&) = delete;
    /// Valid until the reader's next quiescent state.
    T* read() const noexcept { return pointer_.load(std::memory_order_acquire); }
    void publish(Rcu& rcu, std::unique_ptr<T> next) {
        T* old = pointer_.exchange(next.release(), std::memory_order_acq_rel);
        rcu.retire(std::unique_ptr<T>(old));
    }

  private:
    std::atomic<T*> pointer_{nullptr};
};

}  // namespace sluice
