// SPDX-License-Identifier: Apache-2.0
// See port/shortcut/shortcuts.hpp.
#include "port/shortcut/shortcuts.hpp"

#include <cerrno>
#include <cstring>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.hpp"

namespace sluice {
namespace {

const log::Module kLog{"shortcuts"};

// Linux 6.6; older headers lack the names.
constexpr auto kTcxIngress = static_cast<bpf_attach_type>(46);  // BPF_TCX_INGRESS
constexpr std::uint32_t kBefore = 1U << 3;                      // BPF_F_BEFORE: ahead of all others

// Where our program stands among the filters of a clsact qdisc.
constexpr std::uint32_t kTcHandle = 0x51c, kTcPriority = 1;

constexpr std::size_t kCountsSize = sizeof(ShortcutCounts) * Shortcuts::kSlots;

std::string& failure() {
    static std::string text;  // control thread
    return text;
}

Error kernel_error(std::string_view what, int code) {
    return make_error(code, "{}: {}{}", what, std::strerror(code),
                      code == EPERM ? " (needs CAP_BPF and CAP_NET_ADMIN)" : "");
}

/// Options of a libbpf function, all at their defaults (LIBBPF_OPTS is not C++).
template <typename T>
T options_of() {
    T options;
    std::memset(&options, 0, sizeof options);
    options.sz = sizeof options;
    return options;
}

Result<int> make_map(bpf_map_type type, const char* name, std::size_t key, std::size_t value,
                     unsigned entries, std::uint32_t flags) {
    auto options = options_of<bpf_map_create_opts>();
    options.map_flags = flags;
    const int fd = bpf_map_create(type, name, static_cast<std::uint32_t>(key),
                                  static_cast<std::uint32_t>(value), entries, &options);
    if (fd < 0) return kernel_error("cannot make a BPF map", errno);
    return fd;
}

Result<int> load(bpf_prog_type type, const char* name, const std::vector<bpf_insn>& program) {
    const int fd = bpf_prog_load(type, name, "Apache-2.0", program.data(), program.size(), nullptr);
    if (fd < 0) return kernel_error("cannot load a BPF program", errno);
    return fd;
}

bpf_tc_hook tc_hook(int ifindex) {
    auto hook = options_of<bpf_tc_hook>();
    hook.ifindex = ifindex;
    hook.attach_point = BPF_TC_INGRESS;
    return hook;
}

/// Our filter in a clsact qdisc.
bpf_tc_opts tc_filter() {
    auto filter = options_of<bpf_tc_opts>();
    filter.handle = kTcHandle;
    filter.priority = kTcPriority;
    return filter;
}

void close_if(int fd) {
    if (fd >= 0) close(fd);
}

}  // namespace

std::atomic<Shortcuts*> Shortcuts::instance_{nullptr};

ShortcutHook& ShortcutHook::operator=(ShortcutHook&& other) noexcept {
    std::swap(link_, other.link_);
    std::swap(tc_ifindex_, other.tc_ifindex_);
    return *this;
}

void ShortcutHook::detach() noexcept {
    close_if(std::exchange(link_, -1));
    if (tc_ifindex_ == 0) return;
    const bpf_tc_hook hook = tc_hook(std::exchange(tc_ifindex_, 0));
    const bpf_tc_opts filter = tc_filter();
    bpf_tc_detach(&hook, &filter);
}

Result<std::unique_ptr<Shortcuts>> Shortcuts::create() {
    libbpf_set_print(nullptr);  // what fails is returned
    std::unique_ptr<Shortcuts> shortcuts{new Shortcuts};
    if (auto opened = shortcuts->open(); !opened) return opened.error();
    return shortcuts;
}

Result<void> Shortcuts::open() {
    struct Map {
        int& fd;
        bpf_map_type type;
        const char* name;
        std::size_t key, value;
        unsigned entries;
        std::uint32_t flags;
    };
    // Not pre-allocated: an entry that a program reads must not become another flow's under its hands.
    const Map maps[] = {
        {maps_.control, BPF_MAP_TYPE_ARRAY, "sluice_control", 4, sizeof(ShortcutControl), 1, BPF_F_MMAPABLE},
        {maps_.flows, BPF_MAP_TYPE_HASH, "sluice_flows", sizeof(ShortcutKey), sizeof(ShortcutEntry), kSlots,
         BPF_F_NO_PREALLOC},
        {maps_.counts, BPF_MAP_TYPE_ARRAY, "sluice_counts", 4, sizeof(ShortcutCounts), kSlots,
         BPF_F_MMAPABLE},
        {maps_.decision, BPF_MAP_TYPE_PERCPU_ARRAY, "sluice_decision", 4, sizeof(ShortcutDecision), 1, 0},
    };
    for (const Map& map : maps) {
        auto fd = make_map(map.type, map.name, map.key, map.value, map.entries, map.flags);
        if (!fd) return fd.error();
        map.fd = *fd;
    }
    const auto share = [](int fd, std::size_t size) {
        return mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    };
    void* control = share(maps_.control, sizeof(ShortcutControl));
    if (control == MAP_FAILED) return kernel_error("cannot share a BPF map", errno);
    control_ = static_cast<ShortcutControl*>(control);
    void* counts = share(maps_.counts, kCountsSize);
    if (counts == MAP_FAILED) return kernel_error("cannot share a BPF map", errno);
    counts_ = static_cast<ShortcutCounts*>(counts);
    word().store(1);
    auto filter = load(BPF_PROG_TYPE_SOCKET_FILTER, "sluice_filter", make_shortcut_filter(maps_));
    if (!filter) return filter.error();
    filter_ = *filter;
    auto redirect = load(BPF_PROG_TYPE_SCHED_CLS, "sluice_redirect", make_shortcut_redirect(maps_));
    if (!redirect) return redirect.error();
    redirect_ = *redirect;
    return {};
}

Shortcuts::~Shortcuts() {
    if (control_) munmap(control_, sizeof(ShortcutControl));
    if (counts_) munmap(counts_, kCountsSize);
    for (const int fd : {filter_, redirect_, maps_.control, maps_.flows, maps_.counts, maps_.decision})
        close_if(fd);
}

Shortcuts* Shortcuts::start() {
    if (Shortcuts* running = get()) return running;
    if (!failure().empty()) return nullptr;
    auto made = create();
    if (!made) {
        failure() = made.error().message;
        kLog.info("flows between kernel interfaces take no shortcut through the kernel: {}", failure());
        return nullptr;
    }
    // For good: workers may hold it as long as they run.
    instance_.store(made->release(), std::memory_order_release);
    return get();
}

const std::string& Shortcuts::reason() {
    return failure();
}

Result<void> Shortcuts::attach_socket(int fd) const {
    if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_BPF, &filter_, sizeof filter_) != 0)
        return kernel_error("cannot attach a BPF program to a packet socket", errno);
    return {};
}

Result<ShortcutHook> Shortcuts::attach_hook(std::uint32_t ifindex) const {
    ShortcutHook attached;
    auto options = options_of<bpf_link_create_opts>();
    options.flags = kBefore;
    attached.link_ = bpf_link_create(redirect_, static_cast<int>(ifindex), kTcxIngress, &options);
    if (attached.link_ >= 0) return attached;
    return attach_clsact_hook(ifindex);
}

Result<ShortcutHook> Shortcuts::attach_clsact_hook(std::uint32_t ifindex) const {
    ShortcutHook attached;
    bpf_tc_hook hook = tc_hook(static_cast<int>(ifindex));
    if (const int made = bpf_tc_hook_create(&hook); made != 0 && made != -EEXIST)
        return kernel_error("cannot make a clsact qdisc", -made);
    bpf_tc_opts filter = tc_filter();
    filter.prog_fd = redirect_;
    filter.flags = BPF_TC_F_REPLACE;
    if (const int added = bpf_tc_attach(&hook, &filter); added != 0)
        return kernel_error("cannot attach a BPF program to a clsact qdisc", -added);
    attached.tc_ifindex_ = static_cast<int>(ifindex);
    return attached;
}

bool Shortcuts::install(const ShortcutKey& key, const ShortcutEntry& entry) const noexcept {
    return bpf_map_update_elem(maps_.flows, &key, &entry, BPF_ANY) == 0;
}

void Shortcuts::remove(const ShortcutKey& key) const noexcept {
    bpf_map_delete_elem(maps_.flows, &key);
}

ShortcutCounts Shortcuts::counts(std::uint32_t slot) const noexcept {
    const auto read = [](const std::uint64_t& word) { return __atomic_load_n(&word, __ATOMIC_RELAXED); };
    const ShortcutCounts& counts = counts_[slot];
    return {read(counts.packets), read(counts.bytes), read(counts.used_ns)};
}

void Shortcuts::set_on(bool on) noexcept {
    if (lost_ != 0 || on == is_on(generation())) return;
    invalidate();
    if (on) {
        word().fetch_and(~ShortcutControl::kOff);
    } else {
        word().fetch_or(ShortcutControl::kOff);
    }
}

bool Shortcuts::take_failure() noexcept {
    const std::uint64_t lost = __atomic_load_n(&control_->lost, __ATOMIC_RELAXED);
    if (std::exchange(lost_, lost) == lost) return false;
    failure() = "a BPF program of ours was taken off an interface, or another one drops frames ahead of it";
    return true;
}

Shortcuts::Passed Shortcuts::passed(std::uint32_t ifindex) const {
    const auto found = passed_.find(ifindex);
    return found == passed_.end() ? Passed{} : found->second;
}

void Shortcuts::count(std::uint32_t in_ifindex, std::uint32_t out_ifindex, std::uint64_t packets,
                      std::uint64_t bytes) {
    if (const auto in = passed_.find(in_ifindex); in != passed_.end()) {
        in->second.rx_packets += packets;
        in->second.rx_bytes += bytes;
    }
    if (const auto out = passed_.find(out_ifindex); out != passed_.end()) {
        out->second.tx_packets += packets;
        out->second.tx_bytes += bytes;
    }
}

void ShortcutEnd::set(std::uint32_t in_ifindex, std::uint32_t out_ifindex, std::uint32_t max_frame) noexcept {
    const bool same = in_.load(std::memory_order_relaxed) == in_ifindex &&
                      out_.load(std::memory_order_relaxed) == out_ifindex &&
                      max_frame_.load(std::memory_order_relaxed) == max_frame;
    if (same) return;
    in_.store(in_ifindex, std::memory_order_relaxed);
    out_.store(out_ifindex, std::memory_order_relaxed);
    max_frame_.store(max_frame, std::memory_order_relaxed);
    invalidate_shortcuts();
}

}  // namespace sluice
