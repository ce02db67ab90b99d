// SPDX-License-Identifier: Apache-2.0
// Shortcuts: flows whose frames the kernel carries from one interface to another without our seeing them.
//
// A flow has one when its frames leave as they came, through exactly one port, and both interfaces are the
// kernel's (system ports with packet sockets). Its payload is then never copied. port/shortcut/programs.hpp
// says how the kernel does it; pipeline/shortcut.hpp decides which flows, and gives rules what their frames
// count.
//
// Validity: a shortcut holds for the generation it was made in. Whatever changes what a packet may meet
// (rules, ports, addresses, settings) calls invalidate_shortcuts() after the change shows: one store, and all
// flows come back to the workers, who make new ones from what they now read. So a barrier is as exact with
// shortcuts as without.
//
// One object a process, made with the first port that can have shortcuts. Needs CAP_BPF and CAP_NET_ADMIN.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "port/shortcut/key.hpp"
#include "port/shortcut/programs.hpp"

namespace sluice {

/// A way through the kernel that ends at an interface's tc ingress hook. Goes with the object, at the latest
/// with the process (on kernels before 6.6 a harmless program stays behind, replaced at the next start).
class ShortcutHook {
  public:
    ShortcutHook() = default;
    ShortcutHook(ShortcutHook&& other) noexcept
        : link_(std::exchange(other.link_, -1)), tc_ifindex_(std::exchange(other.tc_ifindex_, 0)) {}
    ShortcutHook& operator=(ShortcutHook&& other) noexcept;
    ~ShortcutHook() { detach(); }
    void detach() noexcept;

  private:
    friend class Shortcuts;
    int link_ = -1;       ///< tcx, from Linux 6.6 on
    int tc_ifindex_ = 0;  ///< clsact, before
};

class Shortcuts {
  public:
    static constexpr unsigned kSlots = 4096;  ///< flows at once

    /// Errors: the kernel's (EPERM without the rights, EINVAL for what it doesn't know), with what failed.
    static Result<std::unique_ptr<Shortcuts>> create();
    ~Shortcuts();
    Shortcuts(const Shortcuts&) = delete;
    Shortcuts& operator=(const Shortcuts&) = delete;

    /// The process's, or null: there are none (yet). Any thread.
    static Shortcuts* get() noexcept { return instance_.load(std::memory_order_acquire); }
    /// The process's, made if need be; null: `reason()` says why not. Control thread.
    static Shortcuts* start();
    /// Why there are none. Control thread.
    static const std::string& reason();

    /// Has `fd`, a packet socket, leave frames of shortcuts to the hook. After attach_hook(). Control thread.
    Result<void> attach_socket(int fd) const;
    Result<ShortcutHook> attach_hook(std::uint32_t ifindex) const;
    /// The way of kernels before 6.6, which attach_hook() takes where the other is not known.
    Result<ShortcutHook> attach_clsact_hook(std::uint32_t ifindex) const;

    // Any thread.
    std::uint64_t generation() const noexcept { return word().load(std::memory_order_acquire); }
    /// Of the generation read: are shortcuts in use?
    static bool is_on(std::uint64_t generation) noexcept { return (generation & ShortcutControl::kOff) == 0; }
    void invalidate() noexcept { word().fetch_add(1, std::memory_order_seq_cst); }
    /// Makes the shortcut, or makes it anew; false: no memory. One system call.
    bool install(const ShortcutKey& key, const ShortcutEntry& entry) const noexcept;

    // Control thread.
    void remove(const ShortcutKey& key) const noexcept;
    /// What a slot counted since the start; never reset.
    ShortcutCounts counts(std::uint32_t slot) const noexcept;
    /// Off: all are void, and none are made, until on again. After a failure they stay off.
    void set_on(bool on) noexcept;
    /// True once, if `filter` stopped all shortcuts since its decisions were not carried out; reason() says
    /// so.
    bool take_failure() noexcept;

    /// Frames that passed an interface by shortcut, as known at the last collection. Control thread.
    struct Passed {
        std::uint64_t rx_packets = 0, rx_bytes = 0, tx_packets = 0, tx_bytes = 0;
    };
    Passed passed(std::uint32_t ifindex) const;
    /// Frames that came in at one interface and left at another. Interfaces that no port has are left out.
    void count(std::uint32_t in_ifindex, std::uint32_t out_ifindex, std::uint64_t packets,
               std::uint64_t bytes);
    /// A port opens or closes the interface.
    void add_interface(std::uint32_t ifindex) { passed_[ifindex] = {}; }
    void remove_interface(std::uint32_t ifindex) { passed_.erase(ifindex); }

    // For tests.
    int filter_fd() const { return filter_; }
    const ShortcutMaps& maps() const { return maps_; }

  private:
    Shortcuts() = default;
    Result<void> open();
    std::atomic<std::uint64_t>& word() const noexcept {
        static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
        return *reinterpret_cast<std::atomic<std::uint64_t>*>(&control_->generation);
    }

    static std::atomic<Shortcuts*> instance_;
    ShortcutMaps maps_;
    int filter_ = -1, redirect_ = -1;
    ShortcutControl* control_ = nullptr;  ///< shared with the kernel
    ShortcutCounts* counts_ = nullptr;    ///< kSlots, shared with the kernel
    std::uint64_t lost_ = 0;              ///< as last told
    std::map<std::uint32_t, Passed> passed_;
};

/// To be called after a change of what packets may meet shows, before anybody is told so. Any thread.
inline void invalidate_shortcuts() noexcept {
    if (Shortcuts* shortcuts = Shortcuts::get()) shortcuts->invalidate();
}

/// The end of a shortcut at one port. Writer: control thread; readers: workers.
class ShortcutEnd {
  public:
    /// Both 0: none begins or ends here now.
    void set(std::uint32_t in_ifindex, std::uint32_t out_ifindex, std::uint32_t max_frame) noexcept;
    std::uint32_t in_ifindex() const noexcept { return in_.load(std::memory_order_relaxed); }
    std::uint32_t out_ifindex() const noexcept { return out_.load(std::memory_order_relaxed); }
    /// Bytes with Ethernet header that the interface sends at most.
    std::uint32_t max_frame() const noexcept { return max_frame_.load(std::memory_order_relaxed); }

  private:
    std::atomic<std::uint32_t> in_{0}, out_{0}, max_frame_{0};
};

}  // namespace sluice
